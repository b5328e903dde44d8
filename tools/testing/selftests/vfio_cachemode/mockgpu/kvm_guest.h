/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A KVM guest that loads and stores: what a VMM does with a device's memory.
 */
#ifndef MOCKGPU_KVM_GUEST_H
#define MOCKGPU_KVM_GUEST_H

#include <stddef.h>
#include <stdint.h>

struct kvm_run;

struct kvm_guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	void *ram;
	uint32_t memory;	/* where the guest sees the device's memory */
};

/*
 * A virtual machine in which [@memory, @memory + @size), mapped from a device,
 * is memory as well, at an address that lets KVM use huge entries.
 * Return: 0 or -errno; -ENOENT and the like where there is no KVM.
 */
int kvm_guest_open(struct kvm_guest *guest, void *memory, size_t size);
void kvm_guest_close(struct kvm_guest *guest);

/*
 * The guest loads or stores 4 bytes at @offset, a multiple of 4, of the device's
 * memory.
 * Return: 0; -errno of KVM_RUN, which is -EFAULT where KVM gave up; -EIO if the
 * guest left otherwise than it should.
 */
int kvm_guest_load(struct kvm_guest *guest, size_t offset, uint32_t *value);
int kvm_guest_store(struct kvm_guest *guest, size_t offset, uint32_t value);

/*
 * One of the machine's statistics, as "pages_2m".
 * Return: 0, or -ENOENT if KVM has none so called.
 */
int kvm_guest_stat(const struct kvm_guest *guest, const char *name,
		   uint64_t *value);

#endif /* MOCKGPU_KVM_GUEST_H */
