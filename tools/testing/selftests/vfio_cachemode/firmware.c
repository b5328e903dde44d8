// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware that lies about device memory: the driver refuses to bind, says why,
 * and leaves nothing behind.  suites/driver-firmware tells the lies: it gives
 * this machine one function for each variant below, in this order.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

static char *memory_map(void)
{
	static const size_t room = 65536;
	char *text = calloc(1, room);
	FILE *f = fopen("/proc/iomem", "re");

	if (!f || !fread(text, 1, room - 1, f))
		fatal("/proc/iomem");
	fclose(f);
	return text;
}

/* Address of the machine's nth function, as ./qemu/vm names it. */
static const char *function(unsigned int n)
{
	char name[16];
	const char *bdf;

	if (n == 1)
		return gpu_bdf();
	snprintf(name, sizeof(name), "GPU%u", n);
	bdf = getenv(name);
	if (!bdf)
		fatal("no %s: run suites/driver-firmware", name);
	return bdf;
}

/*
 * Whether a message is an error (or worse) of @bdf that has @words in it.  One
 * that another CPU has begun to write may still hide it for a moment.
 */
static bool complained(int fd, const char *bdf, const char *words)
{
	struct pollfd messages = { .fd = fd, .events = POLLIN };
	char record[4096];
	bool found = false;
	unsigned int priority;
	ssize_t n;

	while (!found && poll(&messages, 1, 2000) == 1) {
		n = read(fd, record, sizeof(record) - 1);
		if (n <= 0)
			break;
		record[n] = '\0';
		priority = strtoul(record, NULL, 10);
		if ((priority & 7) <= 3 && strstr(record, bdf) &&
		    strcasestr(record, words))
			found = true;
	}
	close(fd);
	return found;
}

static void expect_refused(struct __test_metadata *_metadata, const char *bdf,
			   const char *words)
{
	char bound[64], *before, *after;
	int log, ret;

	vfio_bind(bdf, NULL);
	before = memory_map();
	log = kernel_log();
	ret = __vfio_bind(bdf, driver_name());
	EXPECT_GT(0, ret) {
		TH_LOG("%s is bound", bdf);
	}
	EXPECT_TRUE(complained(log, bdf, words)) {
		TH_LOG("no error of %s about \"%s\"", bdf, words);
	}
	vfio_bound(bdf, bound, sizeof(bound));
	EXPECT_STREQ("", bound);
	after = memory_map();
	EXPECT_EQ(0, strcmp(before, after));
	free(before);
	free(after);
	vfio_bind(bdf, NULL);
}

FIXTURE(lie)
{
};

FIXTURE_VARIANT(lie)
{
	unsigned int function;
	const char *words;	/* that the refusal must have */
};

FIXTURE_VARIANT_ADD(lie, size_zero) { 2, "size is 0" };
FIXTURE_VARIANT_ADD(lie, base_zero) { 3, "base is 0" };
FIXTURE_VARIANT_ADD(lie, overflow) { 4, "overflow" };
FIXTURE_VARIANT_ADD(lie, misaligned_base) { 5, "page size" };
FIXTURE_VARIANT_ADD(lie, misaligned_size) { 6, "page size" };
FIXTURE_VARIANT_ADD(lie, beyond_the_cpu) { 7, "beyond" };
FIXTURE_VARIANT_ADD(lie, too_large) { 8, "beyond" };
FIXTURE_VARIANT_ADD(lie, system_ram) { 9, "System RAM" };
FIXTURE_VARIANT_ADD(lie, tail_of_system_ram) { 10, "System RAM" };
FIXTURE_VARIANT_ADD(lie, a_bar) { 11, "overlaps" };
FIXTURE_VARIANT_ADD(lie, no_base) { 12, "gpu-mem-base-pa" };
FIXTURE_VARIANT_ADD(lie, no_size) { 13, "gpu-mem-size" };
FIXTURE_VARIANT_ADD(lie, only_the_carve_out) { 14, "carve-out" };

FIXTURE_SETUP(lie)
{
}

FIXTURE_TEARDOWN(lie)
{
}

TEST_F(lie, is_refused)
{
	expect_refused(_metadata, function(variant->function),
		       variant->words);
}

/* Honest itself, but with memory that another function holds already. */
#define TWIN	15

TEST(two_functions_with_one_memory)
{
	struct vfio_device device;
	struct area area;

	vfio_bind(gpu_bdf(), driver_name());
	expect_refused(_metadata, function(TWIN), "/proc/iomem");
	/* The first one has not suffered. */
	vfio_open(&device, gpu_bdf());
	EXPECT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	vfio_close(&device);
	vfio_bind(gpu_bdf(), NULL);
	/* When it is gone the other may have the memory. */
	EXPECT_EQ(0, __vfio_bind(function(TWIN), driver_name()));
	expect_refused(_metadata, gpu_bdf(), "/proc/iomem");
	vfio_bind(function(TWIN), NULL);
}

/* After all of that an honest function binds, opens and shows its memory. */
TEST(the_truth_is_accepted)
{
	struct vfio_device device;
	struct area area;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	EXPECT_TRUE(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	vfio_close(&device);
}

/*
 * Memory whose link is not up: to bind takes as long as the hardware may, and
 * whoever waits can be killed, which ends the wait.  A busy host may bring the
 * kill too early or too late, but not each time.
 */
#define NOT_READY	16

TEST(wait_for_the_link_is_killable)
{
	char bound[64];
	unsigned int tries;
	int log, status;
	pid_t pid;

	for (tries = 0; tries < 5; tries++) {
		vfio_bind(function(NOT_READY), NULL);
		log = kernel_log();
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(__vfio_bind(function(NOT_READY), driver_name()) ?
			      1 : 0);
		sleep(1 << tries);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status));
		if (complained(log, function(NOT_READY), "not ready: -EINTR"))
			break;
	}
	EXPECT_GT(5, tries);
	vfio_bound(function(NOT_READY), bound, sizeof(bound));
	EXPECT_STREQ("", bound);
	vfio_bind(function(NOT_READY), NULL);
}

TEST_HARNESS_MAIN
