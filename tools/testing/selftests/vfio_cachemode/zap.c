// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings go when the device cannot be reached, and come back with the mode
 * that they had: memory enable, reset, D3hot, the low-power feature; and with
 * threads that touch them all the while.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/pci_regs.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define SIZE	MIB(4)

FIXTURE(zap)
{
	struct vfio_device device;
	struct area areas[MAX_AREAS];
	volatile uint64_t *mapped[MAX_AREAS];
	unsigned int nr_areas;
	bool can_reset;
};

/* Somewhere in the area that is neither a register nor at a border. */
#define SPOT	0x3008

FIXTURE_SETUP(zap)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	unsigned int i, n;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_GET_INFO, &info));
	self->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	n = all_areas(self->device.fd, self->areas);
	for (i = 0; i < n; i++)		/* memory, not registers */
		if (self->areas[i].a.size >= SIZE)
			self->areas[self->nr_areas++] = self->areas[i];
	ASSERT_LE(2, self->nr_areas);
	for (i = 0; i < self->nr_areas; i++) {
		self->mapped[i] = map_area(self->device.fd, &self->areas[i], 0,
					   SIZE, 0);
		self->mapped[i][SPOT / 8] = 0x5a5a0000 + i;
	}
}

FIXTURE_TEARDOWN(zap)
{
	unsigned int i;

	for (i = 0; i < self->nr_areas; i++)
		munmap((void *)self->mapped[i], SIZE);
	vfio_close(&self->device);
}

/* Every mapping gives @sig (0: works, with the bytes and mode it had). */
static void expect_all(struct __test_metadata *_metadata,
		       const struct area *areas,
		       volatile uint64_t * const *mapped, unsigned int n,
		       int sig)
{
	struct ptewalk w;
	unsigned int i;

	for (i = 0; i < n; i++) {
		volatile uint64_t *p = mapped[i] + SPOT / 8;

		if (sig) {
			EXPECT_EQ(-ENOENT, __walk(p, &w)) {
				TH_LOG("region %u is still mapped",
				       areas[i].region);
			}
			EXPECT_EQ(sig, access_signal(load64, p, 0));
			EXPECT_EQ(sig, access_signal(store64, p, 1));
			continue;
		}
		ASSERT_EQ(0, access_signal(load64, p, 0)) {
			TH_LOG("region %u", areas[i].region);
		}
		EXPECT_EQ(0x5a5a0000 + i, *p) {
			TH_LOG("region %u", areas[i].region);
		}
		walk(p, &w);
		EXPECT_EQ(areas[i].a.mode, w.mode);
		EXPECT_EQ(areas[i].phys + SPOT, w.phys);
	}
}

#define expect_zap(sig) \
	expect_all(_metadata, self->areas, self->mapped, self->nr_areas, sig)

TEST_F(zap, memory_disable)
{
	unsigned int round;

	for (round = 0; round < 5; round++) {
		expect_zap(0);
		set_memory_enable(self->device.fd, false);
		expect_zap(SIGBUS);
		set_memory_enable(self->device.fd, true);
	}
	expect_zap(0);
}

/* A mapping made while memory is off works once it is on. */
TEST_F(zap, map_while_disabled)
{
	struct area *a = &self->areas[self->nr_areas - 1];
	volatile uint64_t *p;

	set_memory_enable(self->device.fd, false);
	p = map_area(self->device.fd, a, 0, SIZE, 4096);
	EXPECT_EQ(SIGBUS, access_signal(load64, p + SPOT / 8, 0));
	set_memory_enable(self->device.fd, true);
	EXPECT_EQ(0, access_signal(load64, p + SPOT / 8, 0));
	munmap((void *)p, SIZE);
}

/* Writes of the command register that leave the bit alone zap nothing. */
TEST_F(zap, other_command_bits_leave_it)
{
	uint64_t command;

	expect_zap(0);
	command = config_read(self->device.fd, PCI_COMMAND, 2);
	config_write(self->device.fd, PCI_COMMAND, 2,
		     command ^ PCI_COMMAND_MASTER);
	expect_zap(0);
	config_write(self->device.fd, PCI_COMMAND, 1, command);
	expect_zap(0);
	/* The bit alone, in a byte, and in four bytes with the status. */
	config_write(self->device.fd, PCI_COMMAND, 1,
		     command & 0xff & ~PCI_COMMAND_MEMORY);
	expect_zap(SIGBUS);
	config_write(self->device.fd, PCI_COMMAND, 4, command);
	expect_zap(0);
}

TEST_F(zap, reset)
{
	struct ptewalk w;
	unsigned int i;

	if (!self->can_reset)
		SKIP(return, "the function has no reset");
	expect_zap(0);
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
	for (i = 0; i < self->nr_areas; i++)
		EXPECT_EQ(-ENOENT, __walk(self->mapped[i] + SPOT / 8, &w));
	expect_zap(0);
}

/*
 * A reset that VFIO does not start.  What the driver serves goes; BARs of the
 * core stay mapped, as on vfio-pci.
 */
TEST_F(zap, reset_by_sysfs)
{
	char path[80];
	struct ptewalk w;
	unsigned int i;

	expect_zap(0);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset",
		 gpu_bdf());
	ASSERT_EQ(0, write_file(path, "1"));
	for (i = 0; i < self->nr_areas; i++)
		if (self->areas[i].region)
			EXPECT_EQ(-ENOENT,
				  __walk(self->mapped[i] + SPOT / 8, &w));
	expect_zap(0);
}

TEST_F(zap, hot_reset)
{
	struct ptewalk w;
	unsigned int i;

	expect_zap(0);
	ASSERT_EQ(0, __hot_reset(&self->device));
	for (i = 0; i < self->nr_areas; i++)
		EXPECT_EQ(-ENOENT, __walk(self->mapped[i] + SPOT / 8, &w));
	expect_zap(0);
}

TEST_F(zap, d3hot)
{
	unsigned int pm = pm_cap(self->device.fd);
	uint64_t control;

	if (!pm)
		SKIP(return, "the function has no power management capability");
	control = config_read(self->device.fd, pm + PCI_PM_CTRL, 2);
	expect_zap(0);
	config_write(self->device.fd, pm + PCI_PM_CTRL, 2,
		     (control & ~PCI_PM_CTRL_STATE_MASK) | 3);
	expect_zap(SIGBUS);
	config_write(self->device.fd, pm + PCI_PM_CTRL, 2,
		     control & ~PCI_PM_CTRL_STATE_MASK);
	/* The function may have lost its command register on the way. */
	set_memory_enable(self->device.fd, true);
	expect_zap(0);
}

TEST_F(zap, low_power_feature)
{
	unsigned int round;

	for (round = 0; round < 3; round++) {
		expect_zap(0);
		ASSERT_EQ(0, __low_power(self->device.fd,
					 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
		expect_zap(SIGBUS);
		ASSERT_EQ(0, __low_power(self->device.fd,
					 VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	}
	expect_zap(0);
}

struct toucher {
	pthread_t thread;
	const struct area *area;
	volatile uint64_t *mapped;
	atomic_bool *stop;
	uint64_t seed;
	volatile uint64_t ok, sigbus, wrong;	/* read by the test's thread */
};

/* Touch random pages: each touch works, with its page's bytes, or is a SIGBUS. */
static __thread uint64_t thread_loaded;

static void load_and_keep(volatile void *p, uint64_t unused)
{
	thread_loaded = *(volatile uint64_t *)p;
}

static void *touch(void *arg)
{
	struct toucher *t = arg;

	while (!atomic_load(t->stop)) {
		uint64_t n = 1 + random64(&t->seed) % (SIZE / 4096 - 1);
		int sig = access_signal(load_and_keep,
					t->mapped + n * 4096 / 8 + 64, 0);

		if (sig == SIGBUS)
			t->sigbus++;
		else if (sig || thread_loaded != n * 0x10001)
			t->wrong++;
		else
			t->ok++;
	}
	return NULL;
}

#define RACE_MS		3000
#define RACE_LIMIT_MS	120000
#define PER_AREA	2

FIXTURE(race)
{
	struct vfio_device device;
	struct area areas[2];
	struct toucher touchers[2 * PER_AREA];
	unsigned int nr_areas;
	unsigned int nr_touchers;
	atomic_bool stop;
	bool can_reset;
};

FIXTURE_SETUP(race)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct toucher *t;
	unsigned int i;
	uint64_t n;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_GET_INFO, &info));
	self->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	self->nr_areas = memory_area(self->device.fd,
				     VFIO_MMAP_CACHE_MODE_NORMAL,
				     &self->areas[0]);
	ASSERT_EQ(1, self->nr_areas);
	self->nr_areas += memory_area(self->device.fd,
				      VFIO_MMAP_CACHE_MODE_WRITECOMBINE,
				      &self->areas[1]);
	self->nr_touchers = self->nr_areas * PER_AREA;
	for (i = 0; i < self->nr_touchers; i++) {
		t = &self->touchers[i];
		t->area = &self->areas[i / PER_AREA];
		t->stop = &self->stop;
		t->seed = i;
		/* One aligned for huge entries, one not. */
		t->mapped = map_area(self->device.fd, t->area, 0, SIZE,
				     i % PER_AREA * 4096);
		for (n = 0; n < SIZE / 4096; n++)
			t->mapped[n * 4096 / 8 + 64] = n * 0x10001;
	}
	for (i = 0; i < self->nr_touchers; i++)
		ASSERT_EQ(0, pthread_create(&self->touchers[i].thread, NULL,
					    touch, &self->touchers[i]));
}

FIXTURE_TEARDOWN(race)
{
	unsigned int i;

	atomic_store(&self->stop, true);
	for (i = 0; i < self->nr_touchers; i++) {
		struct toucher *t = &self->touchers[i];

		pthread_join(t->thread, NULL);
		TH_LOG("region %u: %llu touches, %llu SIGBUS", t->area->region,
		       (unsigned long long)t->ok,
		       (unsigned long long)t->sigbus);
		EXPECT_EQ(0, t->wrong);
		EXPECT_LT(0, t->ok);
		/* And the mapping works when it is over. */
		EXPECT_EQ(0, access_signal(load64, t->mapped + 4096 / 8 + 64,
					   0));
		munmap((void *)t->mapped, SIZE);
	}
	vfio_close(&self->device);
}

/*
 * The race goes on for its time, and on a busy host until all had a part in it.
 */
static bool goes_on(const struct toucher *touchers, unsigned int n,
		    uint64_t start, unsigned int rounds)
{
	uint64_t took = now_ms() - start;
	unsigned int i;

	if (took < RACE_MS)
		return true;
	if (took > RACE_LIMIT_MS)
		return false;
	for (i = 0; i < n; i++)
		if (touchers[i].ok < 10)
			return true;
	return rounds < 3;
}

static uint64_t sigbus_seen(const struct toucher *touchers, unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += touchers[i].sigbus;
	return sum;
}

TEST_F(race, memory_disable)
{
	uint64_t start = now_ms();
	unsigned int rounds = 0;

	while (goes_on(self->touchers, self->nr_touchers, start, rounds) ||
	       (!sigbus_seen(self->touchers, self->nr_touchers) &&
		now_ms() - start < RACE_LIMIT_MS)) {
		set_memory_enable(self->device.fd, false);
		usleep(2000);
		set_memory_enable(self->device.fd, true);
		usleep(2000);
		rounds++;
	}
	EXPECT_LE(3, rounds);
	EXPECT_LT(0, sigbus_seen(self->touchers, self->nr_touchers));
}

/*
 * Mappings that come, are cut up, inherited and go, all the while that memory
 * is switched off and on: of any place, size and alignment.
 */
struct switcher {
	pthread_t thread;
	int fd;
	atomic_bool *stop;
};

static void *switch_memory(void *arg)
{
	struct switcher *switcher = arg;

	while (!atomic_load(switcher->stop)) {
		set_memory_enable(switcher->fd, false);
		usleep(1000);
		set_memory_enable(switcher->fd, true);
		usleep(1000);
	}
	return NULL;
}

TEST_F(race, churn)
{
	uint64_t start = now_ms(), seed = 7;
	unsigned int rounds = 0, i;
	struct switcher switcher = {
		.fd = self->device.fd,
		.stop = &self->stop,
	};

	ASSERT_EQ(0, pthread_create(&switcher.thread, NULL, switch_memory,
				    &switcher));
	while (goes_on(self->touchers, self->nr_touchers, start, rounds)) {
		const struct area *a = &self->areas[random64(&seed) %
						    self->nr_areas];
		uint64_t offset = random64(&seed) % (MIB(64) / 4096) * 4096;
		size_t size = (1 + random64(&seed) % 2048) * 4096;
		size_t skew = random64(&seed) % 2 * 4096;
		char *p = map_area(self->device.fd, a, offset, size, skew);
		char *middle = p + random64(&seed) % (size / 4096) * 4096;
		int status;
		pid_t pid;

		for (i = 0; i < 8; i++) {
			int sig = access_signal(load64, p + random64(&seed) %
						(size / 8) * 8, 0);

			ASSERT_TRUE(!sig || sig == SIGBUS);
		}
		ASSERT_EQ(0, mprotect(middle, 4096, PROT_READ));
		if (rounds % 8 == 0) {
			pid = fork();
			ASSERT_LE(0, pid);
			if (!pid) {
				int sig = access_signal(load64, middle, 0);

				_exit(sig && sig != SIGBUS);
			}
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status);
		}
		ASSERT_EQ(0, munmap(middle, 4096));
		munmap(p, size);
		rounds++;
	}
	atomic_store(&self->stop, true);
	pthread_join(switcher.thread, NULL);
	TH_LOG("%u mappings", rounds);
	EXPECT_LE(3, rounds);
}

/* A reset is waited for, and never seen as a fault. */
TEST_F(race, reset)
{
	uint64_t start = now_ms();
	unsigned int rounds = 0;

	if (!self->can_reset)
		SKIP(return, "the function has no reset");
	while (goes_on(self->touchers, self->nr_touchers, start, rounds)) {
		/* -EAGAIN: another path holds the device's lock just now. */
		if (ioctl(self->device.fd, VFIO_DEVICE_RESET))
			EXPECT_EQ(EAGAIN, errno);
		rounds++;
	}
	EXPECT_LE(3, rounds);
	EXPECT_EQ(0, sigbus_seen(self->touchers, self->nr_touchers));
}

TEST_F(race, reset_by_sysfs)
{
	uint64_t start = now_ms();
	unsigned int rounds = 0;
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset",
		 gpu_bdf());
	while (goes_on(self->touchers, self->nr_touchers, start, rounds)) {
		EXPECT_EQ(0, write_file(path, "1"));
		rounds++;
	}
	EXPECT_LE(3, rounds);
	EXPECT_EQ(0, sigbus_seen(self->touchers, self->nr_touchers));
}

TEST_F(race, low_power)
{
	uint64_t start = now_ms();
	unsigned int rounds = 0;

	while (goes_on(self->touchers, self->nr_touchers, start, rounds)) {
		ASSERT_EQ(0, __low_power(self->device.fd,
					 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
		usleep(2000);
		ASSERT_EQ(0, __low_power(self->device.fd,
					 VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
		usleep(2000);
		rounds++;
	}
	EXPECT_LE(3, rounds);
}

TEST_HARNESS_MAIN
