// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BAR of several areas, as the operator's tool sets them: each has its mode in
 * every page table, no mapping crosses a border, read() and write() do, and
 * everything is zapped and comes back like the driver's other regions.
 *
 * The function is the machine's fourth: its BAR 0 is 16 MiB of prefetchable
 * memory, and firmware says nothing about it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define NONCACHED	VFIO_MMAP_CACHE_MODE_NONCACHED
#define WRITECOMBINE	VFIO_MMAP_CACHE_MODE_WRITECOMBINE

/* What the policy below leads to: the ranges asked for, and those between. */
static const struct vfio_mmap_cache_area wanted[] = {
	{ MIB(0), MIB(4), NONCACHED },
	{ MIB(4), MIB(4), WRITECOMBINE },
	{ MIB(8), KIB(4), WRITECOMBINE, .max_width = 4 },
	{ MIB(8) + KIB(4), MIB(3) - KIB(4), NONCACHED },
	{ MIB(11), MIB(1), NONCACHED, .max_width = 1 },
	{ MIB(12), MIB(4), WRITECOMBINE, .max_width = 8 },
};

static const char * const policy[][4] = {
	{ "0:4M+4M", "writecombine" },
	{ "0:8M+4K", "writecombine", "max-width", "4" },
	{ "0:11M+1M", "noncached", "max-width", "1" },
	{ "0:12M+4M", "writecombine", "max-width", "8" },
};

static const char *bdf(void)
{
	const char *value = getenv("GPU4");

	if (!value)
		fatal("no GPU4: run a suite, or ./driver-suite");
	return value;
}

/* Run the operator's tool: set BDF WORDS... */
static int tool_set(const char * const words[4])
{
	const char *folder = getenv("SELFTESTS");
	char path[256];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/operator/vfio-cachemode", folder);
	pid = fork();
	if (!pid) {
		execl(path, path, "set", bdf(), words[0], words[1], words[2],
		      words[3], NULL);
		fatal("%s: %s", path, strerror(errno));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		fatal("%s did not run", path);
	return WEXITSTATUS(status);
}

FIXTURE(areas)
{
	struct vfio_device device;
	struct area areas[MAX_AREAS];
	unsigned int nr_areas;
};

FIXTURE_SETUP(areas)
{
	unsigned int i;

	/* A policy lasts until the driver is unbound. */
	vfio_bind(bdf(), NULL);
	vfio_bind(bdf(), driver_name());
	for (i = 0; i < ARRAY_SIZE(policy); i++)
		ASSERT_EQ(0, tool_set(policy[i]));
	vfio_open(&self->device, bdf());
	self->nr_areas = all_areas(self->device.fd, self->areas);
	/* BAR 2 has registers, as the core serves them. */
	ASSERT_EQ(ARRAY_SIZE(wanted) + 1, self->nr_areas);
	self->nr_areas--;
}

FIXTURE_TEARDOWN(areas)
{
	vfio_close(&self->device);
}

TEST_F(areas, are_reported)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info *info;
	unsigned int i;

	info = region_info(self->device.fd, 0);
	sparse = (const void *)region_cap(info,
					  VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	ASSERT_EQ(ARRAY_SIZE(wanted), sparse->nr_areas);
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct vfio_mmap_cache_area *a = &self->areas[i].a;

		EXPECT_EQ(wanted[i].offset, a->offset);
		EXPECT_EQ(wanted[i].size, a->size);
		EXPECT_EQ(wanted[i].mode, a->mode);
		EXPECT_EQ(wanted[i].max_width, a->max_width);
		EXPECT_EQ(wanted[i].offset, sparse->areas[i].offset);
		EXPECT_EQ(wanted[i].size, sparse->areas[i].size);
	}
	free(info);
}

/* Every page of every area, in the user's tables and in the kernel's. */
TEST_F(areas, hold_in_the_page_tables)
{
	unsigned int i, found;
	uint64_t at;

	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];
		char *p = map_area(self->device.fd, a, 0, a->a.size, 0);
		struct ptewalk w, kernel = { 0 };

		for (at = 0; at < a->a.size; at += KIB(4)) {
			walk(p + at, &w);
			ASSERT_EQ(a->a.mode, w.mode) {
				TH_LOG("%#llx: %s", a->a.offset + at, w.type);
			}
			ASSERT_EQ(self->areas[0].phys + a->a.offset + at,
				  w.phys);
		}
		for (found = 0; !__walk_kernel(a->phys, &kernel); found++)
			EXPECT_TRUE(kernel.mode == a->a.mode) {
				TH_LOG("%#llx: the kernel has it as %s",
				       a->a.offset, kernel.type);
			}
		EXPECT_EQ(1, found);
		munmap(p, a->a.size);
	}
}

TEST_F(areas, borders_are_not_crossed)
{
	unsigned int i;
	uint64_t end;

	for (i = 0; i + 1 < self->nr_areas; i++) {
		end = self->areas[i].base + self->areas[i].a.offset +
		      self->areas[i].a.size;
		EXPECT_EQ(MAP_FAILED, mmap(NULL, KIB(8), PROT_READ, MAP_SHARED,
					   self->device.fd, end - KIB(4)));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, MIB(16), PROT_READ, MAP_SHARED,
				   self->device.fd, self->areas[0].base));
}

/* One memory: read() and write() over all borders, mappings of each area. */
TEST_F(areas, are_one_memory)
{
	const size_t size = MIB(16), longest = KIB(96);
	unsigned char *model = calloc(1, size), *buffer = malloc(longest);
	const uint64_t base = self->areas[0].base;
	const int fd = self->device.fd;
	uint64_t seed = 9, offset;
	unsigned char *mapped;
	unsigned int i, k;
	size_t n, j;

	ASSERT_EQ(size, pwrite(fd, model, size, base));
	for (k = 0; k < 400; k++) {
		n = 1 + random64(&seed) % (random64(&seed) % 4 ? 40 : longest);
		/* Around a border, most of them. */
		i = random64(&seed) % self->nr_areas;
		offset = self->areas[i].a.offset + n - random64(&seed) % (2 * n);
		if (random64(&seed) % 8 == 0 || offset > size - n)
			offset = random64(&seed) % (size - n);
		if (random64(&seed) % 2) {
			for (j = 0; j < n; j++)
				buffer[j] = random64(&seed);
			ASSERT_EQ(n, pwrite(fd, buffer, n, base + offset));
			memcpy(model + offset, buffer, n);
		} else {
			ASSERT_EQ(n, pread(fd, buffer, n, base + offset));
			ASSERT_EQ(0, memcmp(buffer, model + offset, n)) {
				TH_LOG("%zu bytes at %#llx", n,
				       (unsigned long long)offset);
			}
		}
	}
	for (i = 0; i < self->nr_areas; i++) {
		struct area *a = &self->areas[i];

		mapped = map_area(fd, a, 0, a->a.size, 0);
		for (j = 0; j < a->a.size; j += 8)
			ASSERT_EQ(*(uint64_t *)(model + a->a.offset + j),
				  *(volatile uint64_t *)(mapped + j));
		munmap(mapped, a->a.size);
	}
	free(model);
	free(buffer);
}

TEST_F(areas, are_zapped_and_come_back)
{
	char *mapped[ARRAY_SIZE(wanted)];
	const unsigned int sleep = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	const unsigned int wake = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
	struct ptewalk w;
	unsigned int i, how;

	for (i = 0; i < self->nr_areas; i++) {
		mapped[i] = map_area(self->device.fd, &self->areas[i], 0,
				     KIB(4), 0);
		store64(mapped[i], i);
	}
	for (how = 0; how < 3; how++) {
		switch (how) {
		case 0:
			set_memory_enable(self->device.fd, false);
			break;
		case 1:
			ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_RESET));
			break;
		case 2:
			ASSERT_EQ(0, __low_power(self->device.fd, sleep));
			break;
		}
		for (i = 0; i < self->nr_areas; i++) {
			EXPECT_EQ(-ENOENT, __walk(mapped[i], &w));
			if (how != 1)
				EXPECT_EQ(SIGBUS, access_signal(load64,
								mapped[i], 0));
		}
		if (how == 2)
			ASSERT_EQ(0, __low_power(self->device.fd, wake));
		set_memory_enable(self->device.fd, true);
		for (i = 0; i < self->nr_areas; i++) {
			ASSERT_EQ(0, access_signal(load64, mapped[i], 0));
			EXPECT_EQ(i, *(volatile uint64_t *)mapped[i]);
			walk(mapped[i], &w);
			EXPECT_EQ(wanted[i].mode, w.mode);
		}
	}
	for (i = 0; i < self->nr_areas; i++)
		munmap(mapped[i], KIB(4));
}

/* While memory is off: what vfio-pci says of a BAR. */
TEST_F(areas, refuse_while_disabled)
{
	uint64_t v = 0;
	unsigned int i;

	set_memory_enable(self->device.fd, false);
	for (i = 0; i < self->nr_areas; i++) {
		EXPECT_EQ(-1, pread(self->device.fd, &v, 8, self->areas[i].base +
				    self->areas[i].a.offset));
		EXPECT_EQ(EIO, errno);
	}
	set_memory_enable(self->device.fd, true);
}

/* The policy may not change under an open device. */
TEST_F(areas, are_fixed_while_open)
{
	struct vfio_region_info *before, *after;
	static const char * const all[4] = { "0", "noncached" };

	before = region_info(self->device.fd, 0);
	EXPECT_NE(0, tool_set(all));
	after = region_info(self->device.fd, 0);
	EXPECT_EQ(before->argsz, after->argsz);
	EXPECT_EQ(0, memcmp(before, after, before->argsz));
	free(before);
	free(after);

	/* Closed, all of it goes back to the core. */
	vfio_close(&self->device);
	EXPECT_EQ(0, tool_set(all));
	vfio_open(&self->device, bdf());
	after = region_info(self->device.fd, 0);
	EXPECT_EQ(1, mode_cap(after)->nr_areas);
	EXPECT_EQ(NONCACHED, mode_area(mode_cap(after), 0)->mode);
	EXPECT_EQ(NULL, region_cap(after, VFIO_REGION_INFO_CAP_SPARSE_MMAP));
	free(after);
}

TEST_HARNESS_MAIN
