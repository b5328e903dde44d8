// SPDX-License-Identifier: GPL-2.0-only
/*
 * A KVM guest in the device's memory, as a VMM gives it to one: through a
 * memory slot, which KVM fills by following the driver's page tables.
 *
 * KVM runs here on an emulated CPU.  What its own tables hold, and which cache
 * mode comes of both, cannot be seen.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "../vfio_test.h"
#include "kvm_guest.h"
#include "window.h"

#define SIZE	MIB(8)
#define SPOT	(MIB(4) + 0x3008)

FIXTURE(kvm)
{
	struct vfio_device device;
	struct area area;
	void *memory;
	struct kvm_guest guest;
};

FIXTURE_VARIANT(kvm)
{
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(kvm, normal) { .mode = VFIO_MMAP_CACHE_MODE_NORMAL };
FIXTURE_VARIANT_ADD(kvm, writecombine) {
	.mode = VFIO_MMAP_CACHE_MODE_WRITECOMBINE
};

static void tell(const char *command)
{
	if (window_do(gpu_bdf(), NULL, 0, "%s", command))
		fatal("the mock refuses \"%s\"", command);
}

FIXTURE_SETUP(kvm)
{
	int err;

	tell("after-reset all 0");
	tell("ready all 0");
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_TRUE(memory_area(self->device.fd, variant->mode, &self->area));
	self->memory = map_area(self->device.fd, &self->area, 0, SIZE, 0);
	err = kvm_guest_open(&self->guest, self->memory, SIZE);
	if (err)
		SKIP(return, "no KVM here: %s", strerror(-err));
}

FIXTURE_TEARDOWN(kvm)
{
	kvm_guest_close(&self->guest);
	munmap(self->memory, SIZE);
	vfio_close(&self->device);
}

TEST_F(kvm, loads_and_stores)
{
	const uint64_t at = self->area.base + self->area.a.offset;
	uint64_t state = 1;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		const uint64_t offset = random64(&state) % SIZE & ~3ULL;
		const uint32_t value = random64(&state), other = ~value;
		uint32_t seen = 0;

		ASSERT_EQ(0, kvm_guest_store(&self->guest, offset, value));
		ASSERT_EQ(4, pread(self->device.fd, &seen, 4, at + offset));
		EXPECT_EQ(value, seen);
		ASSERT_EQ(4, pwrite(self->device.fd, &other, 4, at + offset));
		ASSERT_EQ(0, kvm_guest_load(&self->guest, offset, &seen));
		EXPECT_EQ(other, seen);
	}
}

/* KVM takes the size of its entries from ours. */
TEST_F(kvm, huge_entries)
{
	uint64_t small, large;
	uint32_t value;

	if (kvm_guest_stat(&self->guest, "pages_2m", &large))
		SKIP(return, "this KVM does not tell the size of its entries");
	ASSERT_EQ(0, kvm_guest_load(&self->guest, SPOT, &value));
	ASSERT_EQ(0, kvm_guest_stat(&self->guest, "pages_4k", &small));
	ASSERT_EQ(0, kvm_guest_stat(&self->guest, "pages_2m", &large));
	EXPECT_EQ(1, large);
	EXPECT_GE(2, small);		/* the program's own */
}

/* Memory disable takes the guest's mappings along, and they come back. */
TEST_F(kvm, disabled_memory)
{
	uint32_t value = 0;

	ASSERT_EQ(0, kvm_guest_store(&self->guest, SPOT, 0x1234));
	set_memory_enable(self->device.fd, false);
	EXPECT_EQ(-EFAULT, kvm_guest_load(&self->guest, SPOT, &value));
	set_memory_enable(self->device.fd, true);
	ASSERT_EQ(0, kvm_guest_load(&self->guest, SPOT, &value));
	EXPECT_EQ(0x1234, value);
}

/*
 * KVM asks for the page once, and takes what is neither mapped nor to be tried
 * again for an error: the guest would end because its device was reset.
 */
TEST_F(kvm, waits_while_memory_trains)
{
	uint32_t value = 0;
	uint64_t start;

	ASSERT_EQ(0, kvm_guest_store(&self->guest, SPOT, 0x5678));
	tell("after-reset all 700");
	start = now_ms();
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
	ASSERT_EQ(0, kvm_guest_load(&self->guest, SPOT, &value));
	EXPECT_EQ(0x5678, value);
	EXPECT_LE(690, now_ms() - start);
}

/* Who waits for memory that does not come up can be killed, and holds no lock. */
TEST_F(kvm, killed_while_it_waits)
{
	int status, opened[2];
	uint32_t value;
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(opened));
	ASSERT_EQ(0, kvm_guest_load(&self->guest, SPOT, &value));
	tell("after-reset all never");
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct kvm_guest own;
		int err;

		/* A machine belongs to the process that made it. */
		if (kvm_guest_open(&own, self->memory, SIZE))
			_exit(2);
		if (write(opened[1], "", 1) != 1)
			_exit(2);
		err = kvm_guest_load(&own, SPOT, &value);
		_exit(err == -EFAULT ? 3 : 4);
	}
	close(opened[1]);
	ASSERT_EQ(1, read(opened[0], &byte, 1));
	close(opened[0]);
	usleep(400000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	tell("after-reset all 0");
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
}

TEST_HARNESS_MAIN
