// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory failure in device memory kills those who map the page, at the right
 * address, and nobody else.  The kernel kills who asked for it (prctl(2),
 * PR_MCE_KILL_EARLY) and who consumed the poison.  Kernels before 7.0 cannot.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define PAGE	KIB(4)

FIXTURE(poison)
{
	struct vfio_device device;
	struct area area;
};

FIXTURE_VARIANT(poison)
{
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(poison, normal) { .mode = VFIO_MMAP_CACHE_MODE_NORMAL };
FIXTURE_VARIANT_ADD(poison, writecombine) {
	.mode = VFIO_MMAP_CACHE_MODE_WRITECOMBINE
};

FIXTURE_SETUP(poison)
{
	struct utsname uts;

	uname(&uts);
	if (atoi(uts.release) < 7)
		SKIP(return, "Linux %s knows no failures of memory without pages",
		     uts.release);
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_TRUE(memory_area(self->device.fd, variant->mode, &self->area));
}

FIXTURE_TEARDOWN(poison)
{
	vfio_close(&self->device);
}

/* Have the kernel believe that hardware reported a failure at @phys. */
static int fail_memory(uint64_t phys)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)phys);
	return write_file("/sys/devices/system/memory/hard_offline_page", text);
}

static volatile char *expected_address;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	if (info->si_code != BUS_MCEERR_AO && info->si_code != BUS_MCEERR_AR)
		_exit(2);
	/* The page's address, whatever the entry's size. */
	_exit((uintptr_t)info->si_addr / PAGE ==
	      (uintptr_t)expected_address / PAGE ? 0 : 3);
}

/*
 * A process that maps [@offset, @offset + @size) and has touched all of it.  It
 * ends with 0 when it is told of a failure at byte @failing of the mapping.
 */
static pid_t user_of(int fd, const struct area *area, uint64_t offset,
		     size_t size, size_t skew, uint64_t failing)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};
	int ready[2];
	volatile char *p;
	uint64_t at;
	pid_t pid;
	char c;

	if (pipe(ready))
		fatal("pipe");
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (!pid) {
		sigaction(SIGBUS, &action, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
		p = map_area(fd, area, offset, size, skew);
		expected_address = p + failing;
		for (at = 0; at < size; at += PAGE)
			(void)p[at];
		if (write(ready[1], "", 1) != 1)
			_exit(4);
		for (;;)
			pause();
	}
	if (read(ready[0], &c, 1) != 1)
		fatal("the child did not come up");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fatal("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(poison, kills_users_of_the_page)
{
	const uint64_t bad = MIB(4) + 5 * PAGE;	/* within the area */
	pid_t huge, small, tail, other;

	huge = user_of(self->device.fd, &self->area, 0, MIB(8), 0, bad);
	small = user_of(self->device.fd, &self->area, 0, MIB(8), PAGE, bad);
	/* A mapping that begins in the middle of the area. */
	tail = user_of(self->device.fd, &self->area, MIB(4) + 3 * PAGE,
		       4 * PAGE, 0, 2 * PAGE);
	other = user_of(self->device.fd, &self->area, MIB(4) + 6 * PAGE,
			4 * PAGE, 0, 0);
	ASSERT_EQ(0, fail_memory(self->area.phys + bad));
	EXPECT_EQ(0, status_of(huge));
	EXPECT_EQ(0, status_of(small));
	EXPECT_EQ(0, status_of(tail));
	usleep(100000);
	EXPECT_EQ(0, waitpid(other, NULL, WNOHANG));
	kill(other, SIGKILL);
	EXPECT_EQ(-SIGKILL, status_of(other));
}

/* The kernel forgets the memory with the last close. */
TEST_F(poison, nothing_is_left)
{
	uint64_t phys = self->area.phys;

	EXPECT_EQ(0, fail_memory(phys));
	vfio_close(&self->device);
	EXPECT_NE(0, fail_memory(phys));
	vfio_open(&self->device, gpu_bdf());
	EXPECT_EQ(0, fail_memory(phys));
}

TEST_HARNESS_MAIN
