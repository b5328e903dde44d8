/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver's kselftests share: a device's fd, its regions, its
 * configuration space, and accesses that may fault.
 *
 * A function whose name begins with two underscores returns -errno; the others
 * end the test with a message when they fail.
 */
#ifndef VFIO_TEST_H
#define VFIO_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/vfio_cachemode.h>

#include "ptewalk/ptewalk.h"

/* kselftest_harness.h's 30 seconds are few on a busy host's emulated machine. */
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
#endif

#define KIB(n)	((uint64_t)(n) << 10)
#define MIB(n)	((uint64_t)(n) << 20)
#define GIB(n)	((uint64_t)(n) << 30)

/* VFIO's region info: bytes that every caller must offer. */
#define REGION_INFO_MIN		sizeof(struct vfio_region_info)

/* End the test program (or its forked test) with a message. */
#define fatal(fmt, ...) \
	__fatal(__FILE__, __LINE__, fmt, ##__VA_ARGS__)
void __fatal(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/*
 * The functions under test, from the variables that qemu/vm sets: the coherent
 * GPU and, second, a plain edu.  VFIO_TEST_DRIVER names another driver: that is
 * how a test is shown to fail.
 */
const char *gpu_bdf(void);
const char *edu_bdf(void);
const char *driver_name(void);

/* Bind @bdf to @driver through driver_override; NULL leaves it unbound. */
int __vfio_bind(const char *bdf, const char *driver);
void vfio_bind(const char *bdf, const char *driver);
/* Name of the bound driver, or "" */
void vfio_bound(const char *bdf, char *name, size_t size);

/*
 * VFIO_TEST_CDEV=1 opens the device by its own character device, through
 * iommufd, which then stands for the container; it answers the container's DMA
 * ioctls as well.
 */
struct vfio_device {
	int container;
	int group;		/* -1 if opened through iommufd */
	int fd;
	char bdf[16];
};

int __vfio_open(struct vfio_device *device, const char *bdf);
void vfio_open(struct vfio_device *device, const char *bdf);
/* The device's own character device, opened, which gives no access yet. */
int __vfio_open_cdev(const char *bdf);
/* VFIO_DEVICE_PCI_HOT_RESET of all that @device's owner has. */
int __hot_reset(const struct vfio_device *device);
void vfio_close(struct vfio_device *device);
/* A dma-buf of a BAR's first @length bytes: its fd. */
int __dma_buf(int fd, unsigned int bar, uint64_t length);

/*
 * Region info with its whole capability chain, in malloc()ed memory.  The
 * chain is checked: a bad one is fatal.
 */
struct vfio_region_info *region_info(int fd, unsigned int index);
const struct vfio_info_cap_header *
region_cap(const struct vfio_region_info *info, unsigned int id);
const struct vfio_region_info_cap_mmap_cache_mode *
mode_cap(const struct vfio_region_info *info);
const struct vfio_mmap_cache_area *
mode_area(const struct vfio_region_info_cap_mmap_cache_mode *cap,
	  unsigned int i);

/* One area of one region, with what is needed to use it. */
struct area {
	unsigned int region;
	uint64_t base;			/* the region's offset in the fd */
	uint64_t region_size;
	uint64_t phys;			/* of the area's first byte */
	struct vfio_mmap_cache_area a;
};

#define MAX_AREAS	64

/* Every area of every BAR region; their number. */
unsigned int all_areas(int fd, struct area *areas);
/* The first area with this mode that the device's own memory is behind. */
bool memory_area(int fd, unsigned int mode, struct area *area);

/*
 * Map [@offset, @offset + @size) of an area at an address that equals the
 * physical one modulo 1 GiB, so that the largest entries fit; or @skew bytes
 * off that.
 */
void *map_area(int fd, const struct area *area, uint64_t offset, size_t size,
	       size_t skew);

/*
 * What the page tables hold for an address, read back by the ptewalk module.
 * -ENOENT: nothing is mapped there (yet).
 */
int __walk(const volatile void *p, struct ptewalk *walk);
/* Touches the page first, so that something is. */
void walk(const volatile void *p, struct ptewalk *walk);
/*
 * The next mapping of @phys in the kernel's own tables behind @walk->address,
 * 0 for the first; -ENOENT: no more.
 */
int __walk_kernel(uint64_t phys, struct ptewalk *walk);

/* Whether the hardware's own BAR is prefetchable. */
bool bar_prefetchable(const char *bdf, unsigned int bar);

/* Configuration space. */
uint64_t config_read(int fd, unsigned int where, unsigned int width);
void config_write(int fd, unsigned int where, unsigned int width,
		  uint64_t value);
void set_memory_enable(int fd, bool on);
/* @feature: VFIO_DEVICE_FEATURE_LOW_POWER_... */
int __low_power(int fd, unsigned int feature);
/* Offset of the PM capability, or 0. */
unsigned int pm_cap(int fd);

/*
 * Run @access(@p, @value) and say which signal stopped it: 0, SIGBUS, SIGSEGV
 * or SIGILL.  Each thread may be in one.
 */
int access_signal(void (*access)(volatile void *p, uint64_t value),
		  volatile void *p, uint64_t value);
void load64(volatile void *p, uint64_t unused);
void store64(volatile void *p, uint64_t value);

/* Time that passes. */
uint64_t now_ms(void);

/* A deterministic generator: a failing run can be had again. */
uint64_t random64(uint64_t *state);

/* Value of file @path's first line as text, without its newline. */
int read_line(const char *path, char *line, size_t size);
int write_file(const char *path, const char *text);

/* The kernel's messages from now on, a record a read(), which does not wait. */
int kernel_log(void);

#endif
