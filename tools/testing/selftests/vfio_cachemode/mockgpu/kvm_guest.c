// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine of one CPU without paging, and a program that loads and
 * stores once and then leaves the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#include "kvm_guest.h"

#define RAM_SIZE	0x10000
#define CODE		0x1000
#define SCRATCH		0x2000
#define MEMORY		(1U << 30)	/* and as far into it as in the host */

#if defined(__x86_64__)

static const uint8_t program[] = {
	0x8b, 0x06,		/* mov (%esi), %eax */
	0x89, 0x1f,		/* mov %ebx, (%edi) */
	0xf4,			/* hlt */
};

/* Flat 32-bit mode. */
static int start(const struct kvm_guest *guest)
{
	struct kvm_segment data = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_segment code = data;
	struct kvm_sregs sregs;

	if (ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	code.type = 11;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.cr0 |= 1;			/* protection */
	return ioctl(guest->vcpu, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

static int run(struct kvm_guest *guest, uint32_t from, uint32_t to,
	       uint32_t *value)
{
	struct kvm_regs regs = {
		.rip = CODE, .rflags = 2, .rsi = from, .rdi = to, .rbx = *value,
	};

	if (ioctl(guest->vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(guest->vcpu, KVM_RUN, 0))
		return -errno;
	if (guest->run->exit_reason != KVM_EXIT_HLT)
		return -EIO;
	if (ioctl(guest->vcpu, KVM_GET_REGS, &regs))
		return -errno;
	*value = regs.rax;
	return 0;
}

#elif defined(__aarch64__)

#define NOWHERE		0x20000000U	/* no memory: leaves the guest */

/*
 * What leaves is done when the guest runs again, and the program goes on behind
 * it: hence a loop.
 */
static const uint32_t program[] = {
	0xb9400001,		/* ldr w1, [x0] */
	0xb9000062,		/* str w2, [x3] */
	0xb900009f,		/* str wzr, [x4] */
	0x17fffffd,		/* b to the first */
};

#define REG(member)							       \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |		       \
	 (offsetof(struct kvm_regs, member) / sizeof(uint32_t)))

static int reg(const struct kvm_guest *guest, unsigned long request,
	       uint64_t id, uint64_t *value)
{
	struct kvm_one_reg one = { .id = id, .addr = (uintptr_t)value };

	return ioctl(guest->vcpu, request, &one) ? -errno : 0;
}

static int start(const struct kvm_guest *guest)
{
	uint64_t code = CODE, nowhere = NOWHERE;
	struct kvm_vcpu_init init;
	int err;

	if (ioctl(guest->vm, KVM_ARM_PREFERRED_TARGET, &init) ||
	    ioctl(guest->vcpu, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	err = reg(guest, KVM_SET_ONE_REG, REG(regs.pc), &code);
	return err ?: reg(guest, KVM_SET_ONE_REG, REG(regs.regs[4]), &nowhere);
}

static int run(struct kvm_guest *guest, uint32_t from, uint32_t to,
	       uint32_t *value)
{
	uint64_t loaded, x0 = from, x2 = *value, x3 = to;
	int err;

	err = reg(guest, KVM_SET_ONE_REG, REG(regs.regs[0]), &x0);
	if (!err)
		err = reg(guest, KVM_SET_ONE_REG, REG(regs.regs[2]), &x2);
	if (!err)
		err = reg(guest, KVM_SET_ONE_REG, REG(regs.regs[3]), &x3);
	if (err)
		return err;
	if (ioctl(guest->vcpu, KVM_RUN, 0))
		return -errno;
	if (guest->run->exit_reason != KVM_EXIT_MMIO ||
	    guest->run->mmio.phys_addr != NOWHERE)
		return -EIO;
	err = reg(guest, KVM_GET_ONE_REG, REG(regs.regs[1]), &loaded);
	*value = loaded;
	return err;
}

#endif

static int add_memory(const struct kvm_guest *guest, uint32_t slot, uint64_t at,
		      void *memory, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static int machine_open(struct kvm_guest *guest, void *memory, size_t size)
{
	int err;

	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest->kvm < 0)
		return -errno;
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	if (guest->vm < 0)
		return -errno;
	guest->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->ram == MAP_FAILED) {
		guest->ram = NULL;
		return -errno;
	}
	memcpy((char *)guest->ram + CODE, program, sizeof(program));
	guest->memory = MEMORY + (uintptr_t)memory % MEMORY;
	err = add_memory(guest, 0, 0, guest->ram, RAM_SIZE);
	if (!err)
		err = add_memory(guest, 1, guest->memory, memory, size);
	if (err)
		return err;

	guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	if (guest->vcpu < 0)
		return -errno;
	guest->run_size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	guest->run = mmap(NULL, guest->run_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, guest->vcpu, 0);
	if (guest->run == MAP_FAILED) {
		guest->run = NULL;
		return -errno;
	}
	return start(guest);
}

int kvm_guest_open(struct kvm_guest *guest, void *memory, size_t size)
{
	int err;

	*guest = (struct kvm_guest){ .kvm = -1, .vm = -1, .vcpu = -1 };
	err = machine_open(guest, memory, size);
	if (err)
		kvm_guest_close(guest);
	return err;
}

void kvm_guest_close(struct kvm_guest *guest)
{
	if (guest->run)
		munmap(guest->run, guest->run_size);
	if (guest->ram)
		munmap(guest->ram, RAM_SIZE);
	if (guest->vcpu >= 0)
		close(guest->vcpu);
	if (guest->vm >= 0)
		close(guest->vm);
	if (guest->kvm >= 0)
		close(guest->kvm);
}

int kvm_guest_load(struct kvm_guest *guest, size_t offset, uint32_t *value)
{
	return run(guest, guest->memory + offset, SCRATCH, value);
}

int kvm_guest_store(struct kvm_guest *guest, size_t offset, uint32_t value)
{
	return run(guest, SCRATCH, guest->memory + offset, &value);
}

/* Whether @header describes a statistic called @name, at @offset of all. */
static bool stat_offset(int fd, const struct kvm_stats_header *header,
			const char *name, uint64_t *offset)
{
	const size_t size = sizeof(struct kvm_stats_desc) + header->name_size;
	struct kvm_stats_desc *desc = malloc(size);
	bool found = false;
	uint32_t i;

	for (i = 0; desc && !found && i < header->num_desc; i++) {
		if (pread(fd, desc, size, header->desc_offset + i * size) !=
		    (ssize_t)size)
			break;
		found = !strcmp(desc->name, name);
		*offset = header->data_offset + desc->offset;
	}
	free(desc);
	return found;
}

int kvm_guest_stat(const struct kvm_guest *guest, const char *name,
		   uint64_t *value)
{
	int fd = ioctl(guest->vm, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header header;
	uint64_t offset;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    !stat_offset(fd, &header, name, &offset) ||
	    pread(fd, value, sizeof(*value), offset) != sizeof(*value))
		err = -ENOENT;
	close(fd);
	return err;
}
