// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same copy to the GPU's registers' BAR by libc and by libvfiomem.  On
 * arm64 that BAR is Device memory, and memcpy() of an odd size dies there.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfio_test.h"
#include "vfiomem.h"

#define SIZE	93

static const struct vfiomem_attr own = VFIOMEM_ATTR_PRIVATE;

/* The signal that ended memcpy(), in a process of its own; 0 if it lived. */
static int memcpy_signal(void *to, const void *from)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		memcpy(to, from, SIZE);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fatal("no child process");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int main(void)
{
	uint8_t from[SIZE], back[SIZE] = { 0 };
	struct vfiomem_region *region;
	struct vfio_device device;
	struct vfiomem_attr attr;
	int ret, sig;
	void *bar;

	for (size_t i = 0; i < SIZE; i++)
		from[i] = 3 * i + 1;
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	set_memory_enable(device.fd, true);
	ret = vfiomem_region_open(device.fd, 0, &region);
	if (!ret)
		ret = vfiomem_region_map(region, 0, 0, PROT_READ | PROT_WRITE,
					 &bar, NULL);
	if (ret)
		fatal("BAR 0: %s", strerror(-ret));
	attr = vfiomem_region_attr(region, 0);

	sig = memcpy_signal(bar, from);
	printf("%d bytes to region 0 by memcpy():       %s\n", SIZE,
	       sig ? strsignal(sig) : "done");
	ret = vfiomem_copy(attr, bar, own, from, SIZE, VFIOMEM_RELAXED);
	if (!ret)
		ret = vfiomem_copy(own, back, attr, bar, SIZE, VFIOMEM_RELAXED);
	if (!ret && memcmp(from, back, SIZE))
		ret = -1;
	printf("%d bytes to region 0 by vfiomem_copy(): %s\n\n", SIZE,
	       ret ? "FAILED" : "done, and read back the same");
#ifdef __aarch64__
	if (!sig)
		return 1;
#endif
	return ret ? 1 : 0;
}
