// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same copy to a device's registers by libc and by us, in a virtual machine.
 *
 * $GPU is an edu device, with registers; $GPU2 a bochs-display, whose BAR 0 is
 * memory.  On arm64 both are mapped as Device memory by the stock vfio-pci, and
 * libc's copies die of SIGBUS.  QEMU's trace of the accesses to edu's registers
 * tells what ours are; stores to MARKER divide it into tests.
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../vfio_test.h"
#include "ktap.h"
#include "vfiomem.h"

/* edu: inverts what is stored at 4; takes 8 bytes at 0x80, 0x88 and 0x90. */
#define MARKER	0x04
#define DMA	0x80
#define SIZE	24

static const struct vfiomem_attr own = VFIOMEM_ATTR_PRIVATE;

struct bar {
	struct vfio_device device;
	struct vfiomem_region *region;
	struct vfiomem_attr attr;
	volatile uint8_t *p;
};

static void open_bar(struct bar *bar, const char *variable)
{
	const char *bdf = getenv(variable);
	const char *driver = getenv("VFIO_TEST_DRIVER");
	void *p;
	int ret;

	if (!bdf)
		errx(1, "%s is not set: run this under qemu/vm", variable);
	vfio_bind(bdf, driver ? driver : "vfio-pci");
	vfio_open(&bar->device, bdf);
	set_memory_enable(bar->device.fd, true);
	ret = vfiomem_region_open(bar->device.fd, 0, &bar->region);
	if (!ret)
		ret = vfiomem_region_map(bar->region, 0, 0, PROT_READ | PROT_WRITE, &p, NULL);
	if (ret)
		errx(1, "%s: BAR 0: %s", bdf, strerror(-ret));
	bar->p = p;
	bar->attr = vfiomem_region_attr(bar->region, 0);
}

static void marker(const struct bar *edu, uint32_t value)
{
	vfiomem_store32(edu->attr, edu->p + MARKER, value);
}

/* The signal that ends a child which does this, or 0. */
static int dies(void (*action)(volatile uint8_t *p), volatile uint8_t *p)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		action(p);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static uint8_t values[4096];
static volatile size_t libc_size;	/* not a constant: libc's code, not a builtin */

static void libc_copy(volatile uint8_t *p)
{
	memcpy((void *)p, values, libc_size);
}

static void libc_fill(volatile uint8_t *p)
{
	memset((void *)p, 0, libc_size);
}

static void libc_test(const char *what, void (*action)(volatile uint8_t *p),
		      volatile uint8_t *p, size_t size)
{
	int sig;

	libc_size = size;
	sig = dies(action, p);
#if defined(__aarch64__)
	ktap_result(sig == SIGBUS, "libc's %s of %zu bytes dies of SIGBUS", what, size);
#else
	ktap_result(!sig, "libc's %s of %zu bytes lives on this CPU", what, size);
#endif
}

/* Every size and alignment, read back through the fd. */
static bool all_copies(const struct bar *memory)
{
	static uint8_t back[256], want[256];
	size_t n, at, from;
	bool good = true;

	for (n = 0; n <= 100; n++) {
		for (at = 0; at < 16; at++) {
			for (from = 0; from < 8; from += 3) {
				memset(want, 0xee, sizeof(want));
				memcpy(want + 64 + at, values + from, n);
				good &= !vfiomem_fill(memory->attr, memory->p, 0xee,
						      sizeof(want), VFIOMEM_RELAXED);
				good &= !vfiomem_copy(memory->attr, memory->p + 64 + at, own,
						      values + from, n, VFIOMEM_PUBLISH);
				good &= !vfiomem_copy(own, back, memory->attr, memory->p,
						      sizeof(back), VFIOMEM_ASCENDING);
				good &= !memcmp(back, want, sizeof(want));
			}
		}
	}
	good &= pread(memory->device.fd, back, sizeof(back),
		      memory->region->fd_offset) == sizeof(back);
	return good && !memcmp(back, want, sizeof(want));
}

int main(void)
{
	struct bar edu, memory;
	uint8_t back[SIZE];
	size_t i;

	ktap_start();
	for (i = 0; i < sizeof(values); i++)
		values[i] = i * 5 + 1;
	open_bar(&edu, "GPU");
	open_bar(&memory, "GPU2");
	printf("# edu: mode %u, access %#x, %s\n", edu.attr.mode, edu.attr.access,
	       edu.region->reported ? "reported" : "not reported");

	marker(&edu, 1);
	ktap_result(!vfiomem_copy(edu.attr, edu.p + DMA, own, values + 1, SIZE,
				  VFIOMEM_RELAXED), "our copy to the registers");
	marker(&edu, 2);
	ktap_result(!vfiomem_copy(own, back, edu.attr, edu.p + DMA, SIZE,
				  VFIOMEM_ASCENDING) &&
		    !memcmp(back, values + 1, SIZE), "... and back: the same bytes");
	marker(&edu, 3);
	ktap_result(!vfiomem_copy(edu.attr, edu.p + DMA, own, values + 3, SIZE,
				  VFIOMEM_PUBLISH), "our copy to the registers, PUBLISH");
	marker(&edu, 4);
	libc_test("memcpy()", libc_copy, edu.p + DMA, SIZE);
	libc_test("memset()", libc_fill, edu.p + 4097, 93);
	marker(&edu, 5);

	libc_test("memcpy()", libc_copy, memory.p, 93);
	ktap_result(all_copies(&memory), "our copies of every size and alignment");
	ktap_result(!vfiomem_fill(memory.attr, memory.p, 0, 4096, VFIOMEM_RELAXED),
		    "our fill of a page");
	return ktap_finish();
}
