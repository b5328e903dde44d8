// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "vfio_test.h"

#define PCI_DEVICES	"/sys/bus/pci/devices"

void __fatal(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "# %s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

const char *gpu_bdf(void)
{
	return env_or("GPU", "0000:01:00.0");
}

const char *edu_bdf(void)
{
	return env_or("GPU2", "0000:02:00.0");
}

const char *driver_name(void)
{
	return env_or("VFIO_TEST_DRIVER", "cachemode_vfio_pci");
}

int read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	int ret = 0;

	if (!f)
		return -errno;
	if (fgets(line, size, f))
		line[strcspn(line, "\n")] = '\0';
	else
		ret = -ENODATA;
	fclose(f);
	return ret;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n != (ssize_t)strlen(text))
		ret = n < 0 ? -errno : -EIO;
	close(fd);
	return ret;
}

int kernel_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		fatal("/dev/kmsg: %s", strerror(errno));
	return fd;
}

void vfio_bound(const char *bdf, char *name, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	name[0] = '\0';
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return;
	link[n] = '\0';
	snprintf(name, size, "%s", strrchr(link, '/') + 1);
}

int __vfio_bind(const char *bdf, const char *driver)
{
	char path[PATH_MAX], bound[64];
	int ret;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver_override", bdf);
	ret = write_file(path, driver ? driver : "\n");
	if (ret)
		return ret;

	vfio_bound(bdf, bound, sizeof(bound));
	if (driver && !strcmp(bound, driver))
		return 0;
	if (*bound) {
		snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind",
			 bdf);
		ret = write_file(path, bdf);
		if (ret)
			return ret;
	}
	if (!driver)
		return 0;

	/* Unlike drivers_probe, bind says why it failed. */
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return write_file(path, bdf);
}

void vfio_bind(const char *bdf, const char *driver)
{
	int ret = __vfio_bind(bdf, driver);

	if (ret)
		fatal("%s: bind to %s: %s", bdf, driver ? driver : "nothing",
		      strerror(-ret));
}

int __vfio_open_cdev(const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

/* All that one needs: an address space, and the device in it. */
static int open_by_iommufd(struct vfio_device *device, const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat),
		.op = IOMMU_VFIO_IOAS_SET,
	};
	int ret;

	device->group = -1;
	device->fd = __vfio_open_cdev(bdf);
	if (device->fd < 0)
		return device->fd;
	device->container = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (device->container < 0) {
		ret = -errno;
		goto close_device;
	}
	bind.iommufd = device->container;
	if (ioctl(device->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(device->container, IOMMU_IOAS_ALLOC, &ioas)) {
		ret = -errno;
		goto close_iommufd;
	}
	compat.ioas_id = ioas.out_ioas_id;
	attach.pt_id = ioas.out_ioas_id;
	if (ioctl(device->container, IOMMU_VFIO_IOAS, &compat) ||
	    ioctl(device->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach)) {
		ret = -errno;
		goto close_iommufd;
	}
	return 0;

close_iommufd:
	close(device->container);
close_device:
	close(device->fd);
	return ret;
}

static int open_by_group(struct vfio_device *device, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;
	int ret;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);

	device->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (device->container < 0)
		return -errno;
	device->group = open(path, O_RDWR | O_CLOEXEC);
	if (device->group < 0)
		goto close_container;
	if (ioctl(device->group, VFIO_GROUP_GET_STATUS, &status))
		goto close_group;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		errno = EPERM;
		goto close_group;
	}
	if (ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container))
		goto close_group;
	if (ioctl(device->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		goto close_group;
	device->fd = ioctl(device->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (device->fd < 0)
		goto close_group;
	return 0;

close_group:
	ret = -errno;
	close(device->group);
	close(device->container);
	return ret;
close_container:
	ret = -errno;
	close(device->container);
	return ret;
}

int __vfio_open(struct vfio_device *device, const char *bdf)
{
	snprintf(device->bdf, sizeof(device->bdf), "%s", bdf);
	if (getenv("VFIO_TEST_CDEV"))
		return open_by_iommufd(device, bdf);
	return open_by_group(device, bdf);
}

void vfio_open(struct vfio_device *device, const char *bdf)
{
	int ret = __vfio_open(device, bdf);

	if (ret)
		fatal("%s: open: %s", bdf, strerror(-ret));
}

void vfio_close(struct vfio_device *device)
{
	close(device->fd);
	if (device->group >= 0)
		close(device->group);
	close(device->container);
}

int __hot_reset(const struct vfio_device *device)
{
	struct {
		struct vfio_pci_hot_reset header;
		__s32 group;
	} reset = {
		/* To own the devices is enough for iommufd. */
		{ .argsz = sizeof(reset), .count = device->group >= 0 },
		device->group,
	};

	return ioctl(device->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset) ? -errno : 0;
}

/* Bytes that a capability of the kernel takes; 0 for an unknown id. */
static size_t cap_length(const struct vfio_info_cap_header *header)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_region_info_cap_mmap_cache_mode *mode;

	switch (header->id) {
	case VFIO_REGION_INFO_CAP_SPARSE_MMAP:
		sparse = (const void *)header;
		return sizeof(*sparse) +
		       (size_t)sparse->nr_areas * sizeof(sparse->areas[0]);
	case VFIO_REGION_INFO_CAP_TYPE:
		return sizeof(struct vfio_region_info_cap_type);
	case VFIO_REGION_INFO_CAP_MSIX_MAPPABLE:
		return sizeof(*header);
	case VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE:
		mode = (const void *)header;
		return sizeof(*mode) +
		       (size_t)mode->nr_areas * mode->area_size;
	}
	return 0;
}

static const void *at(const struct vfio_region_info *info, size_t offset)
{
	return (const char *)info + offset;
}

/*
 * Strict: headers lie within argsz and after each other, are aligned for their
 * u64 members, no id comes twice, and the last body ends exactly at argsz.
 */
static void check_chain(const struct vfio_region_info *info)
{
	const struct vfio_info_cap_header *header;
	size_t offset = info->cap_offset, end = sizeof(*info);

	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS)) {
		if (info->cap_offset || info->argsz != sizeof(*info))
			fatal("region %u: no CAPS flag, cap_offset %u, argsz %u",
			      info->index, info->cap_offset, info->argsz);
		return;
	}
	if (!offset)
		fatal("region %u: CAPS flag without a chain", info->index);

	while (offset) {
		if (offset < end || offset % 8 ||
		    offset + sizeof(*header) > info->argsz)
			fatal("region %u: capability at %zu, after %zu, argsz %u",
			      info->index, offset, end, info->argsz);
		header = at(info, offset);
		end = offset + cap_length(header);
		if (end == offset)
			fatal("region %u: capability id %u is unknown",
			      info->index, header->id);
		if (end > info->argsz)
			fatal("region %u: capability %u ends at %zu, argsz %u",
			      info->index, header->id, end, info->argsz);
		if (region_cap(info, header->id) != header)
			fatal("region %u: capability %u comes twice",
			      info->index, header->id);
		offset = header->next;
	}
	/* The kernel pads bodies to 8 bytes. */
	if ((end + 7) / 8 * 8 != (info->argsz + 7) / 8 * 8)
		fatal("region %u: chain ends at %zu, argsz %u", info->index,
		      end, info->argsz);
}

struct vfio_region_info *region_info(int fd, unsigned int index)
{
	struct vfio_region_info *info;
	size_t argsz = sizeof(*info);

	for (;;) {
		info = calloc(1, argsz);
		if (!info)
			fatal("no memory");
		info->argsz = argsz;
		info->index = index;
		if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
			if (errno == EINVAL && index == VFIO_PCI_VGA_REGION_INDEX) {
				free(info);
				return NULL;
			}
			fatal("region %u: info: %s", index, strerror(errno));
		}
		if (info->argsz <= argsz)
			break;
		argsz = info->argsz;
		free(info);
	}
	check_chain(info);
	return info;
}

const struct vfio_info_cap_header *
region_cap(const struct vfio_region_info *info, unsigned int id)
{
	const struct vfio_info_cap_header *header;
	size_t offset;

	for (offset = info->cap_offset; offset; offset = header->next) {
		header = at(info, offset);
		if (header->id == id)
			return header;
	}
	return NULL;
}

const struct vfio_region_info_cap_mmap_cache_mode *
mode_cap(const struct vfio_region_info *info)
{
	return (const void *)region_cap(info,
					VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE);
}

const struct vfio_mmap_cache_area *
mode_area(const struct vfio_region_info_cap_mmap_cache_mode *cap,
	  unsigned int i)
{
	return (const void *)((const char *)cap->areas +
			      (size_t)i * cap->area_size);
}

static uint64_t first_byte(int fd, const struct area *area)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct ptewalk w;
	void *p;

	p = mmap(NULL, page, PROT_READ, MAP_SHARED, fd,
		 area->base + area->a.offset);
	if (p == MAP_FAILED)
		fatal("region %u: mmap at %#llx: %s", area->region,
		      area->a.offset, strerror(errno));
	walk(p, &w);
	munmap(p, page);
	return w.phys;
}

unsigned int all_areas(int fd, struct area *areas)
{
	const struct vfio_region_info_cap_mmap_cache_mode *cap;
	struct vfio_region_info *info;
	unsigned int index, i, n = 0;

	for (index = 0; index < VFIO_PCI_ROM_REGION_INDEX; index++) {
		info = region_info(fd, index);
		cap = mode_cap(info);
		for (i = 0; cap && i < cap->nr_areas; i++) {
			if (n == MAX_AREAS)
				fatal("more than %d areas", MAX_AREAS);
			areas[n++] = (struct area) {
				.region = index,
				.base = info->offset,
				.region_size = info->size,
				.a = *mode_area(cap, i),
			};
			areas[n - 1].phys = first_byte(fd, &areas[n - 1]);
		}
		free(info);
	}
	return n;
}

bool memory_area(int fd, unsigned int mode, struct area *area)
{
	struct area areas[MAX_AREAS];
	unsigned int i, n = all_areas(fd, areas);

	/* The runner's GPU has its registers in BAR 0, its memory elsewhere. */
	for (i = 0; i < n; i++) {
		if (areas[i].region && areas[i].a.mode == mode) {
			*area = areas[i];
			return true;
		}
	}
	return false;
}

void *map_area(int fd, const struct area *area, uint64_t offset, size_t size,
	       size_t skew)
{
	const uint64_t align = GIB(1);
	uintptr_t space, want;
	void *p;

	/* Reserve, choose the address within, give the rest back. */
	p = mmap(NULL, size + 2 * align, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fatal("no address space: %s", strerror(errno));
	space = (uintptr_t)p;
	want = (space + align - 1) / align * align +
	       (area->phys + offset) % align + skew;
	if (want - align >= space)
		want -= align;
	munmap(p, size + 2 * align);
	p = mmap((void *)want, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		 area->base + area->a.offset + offset);
	if (p == MAP_FAILED)
		fatal("region %u: mmap %zu bytes at %#llx: %s", area->region,
		      size, (unsigned long long)offset, strerror(errno));
	return p;
}

bool bar_prefetchable(const char *bdf, unsigned int bar)
{
	char path[PATH_MAX], line[80];
	unsigned long long flags;
	FILE *f;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/resource", bdf);
	f = fopen(path, "re");
	if (!f)
		fatal("%s: %s", path, strerror(errno));
	do {
		if (!fgets(line, sizeof(line), f))
			fatal("%s: no line %u", path, bar);
	} while (bar--);
	fclose(f);
	if (sscanf(line, "%*x %*x %llx", &flags) != 1)
		fatal("%s: %s", path, line);
	return flags & 0x2000;	/* IORESOURCE_PREFETCH */
}

static int ptewalk_ioctl(unsigned long request, struct ptewalk *walk)
{
	/* Kept over the whole test; a child inherits it. */
	static int fd = -1;

	if (fd < 0)
		fd = open(PTEWALK_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fatal(PTEWALK_DEVICE ": %s: insmod ptewalk.ko first",
		      strerror(errno));
	return ioctl(fd, request, walk) ? -errno : 0;
}

int __walk(const volatile void *p, struct ptewalk *walk)
{
	*walk = (struct ptewalk) { .address = (uintptr_t)p };
	return ptewalk_ioctl(PTEWALK_USER, walk);
}

void walk(const volatile void *p, struct ptewalk *walk)
{
	int ret;

	(void)*(const volatile uint32_t *)((uintptr_t)p & ~3UL);
	ret = __walk(p, walk);
	if (ret)
		fatal("page tables at %p: %s", p, strerror(-ret));
}

int __walk_kernel(uint64_t phys, struct ptewalk *walk)
{
	if (walk->address)
		walk->address++;
	walk->phys = phys;
	return ptewalk_ioctl(PTEWALK_KERNEL, walk);
}

static off_t config_offset(int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		fatal("config region: %s", strerror(errno));
	return info.offset;
}

/* PCI and both architectures here are little-endian. */
uint64_t config_read(int fd, unsigned int where, unsigned int width)
{
	uint64_t value = 0;
	ssize_t n = pread(fd, &value, width, config_offset(fd) + where);

	if (n != (ssize_t)width)
		fatal("config read of %u at %#x: %zd, %s", width, where, n,
		      strerror(errno));
	return value;
}

void config_write(int fd, unsigned int where, unsigned int width,
		  uint64_t value)
{
	ssize_t n = pwrite(fd, &value, width, config_offset(fd) + where);

	if (n != (ssize_t)width)
		fatal("config write of %u at %#x: %zd, %s", width, where, n,
		      strerror(errno));
}

void set_memory_enable(int fd, bool on)
{
	uint64_t command = config_read(fd, PCI_COMMAND, 2);

	if (on)
		command |= PCI_COMMAND_MEMORY;
	else
		command &= ~PCI_COMMAND_MEMORY;
	config_write(fd, PCI_COMMAND, 2, command);
}

int __low_power(int fd, unsigned int feature)
{
	struct vfio_device_feature set = {
		.argsz = sizeof(set),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &set) ? -errno : 0;
}

unsigned int pm_cap(int fd)
{
	unsigned int where = config_read(fd, PCI_CAPABILITY_LIST, 1);

	while (where) {
		if (config_read(fd, where, 1) == PCI_CAP_ID_PM)
			return where;
		where = config_read(fd, where + 1, 1);
	}
	return 0;
}

static __thread sigjmp_buf fault_return;

static void on_fault(int sig)
{
	siglongjmp(fault_return, sig);
}

int access_signal(void (*access)(volatile void *p, uint64_t value),
		  volatile void *p, uint64_t value)
{
	static const int signals[] = { SIGBUS, SIGSEGV, SIGILL };
	struct sigaction action = { .sa_handler = on_fault };
	unsigned int i;
	int sig;

	/* Set each time: a test may have put its own in between. */
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	sig = sigsetjmp(fault_return, 1);
	if (!sig)
		access(p, value);
	return sig;
}

void load64(volatile void *p, uint64_t unused)
{
	(void)unused;
	(void)*(volatile uint64_t *)p;
}

void store64(volatile void *p, uint64_t value)
{
	*(volatile uint64_t *)p = value;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* splitmix64 */
uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF	11
#endif

int __dma_buf(int fd, unsigned int bar, uint64_t length)
{
	struct {
		struct vfio_device_feature feature;
		/* struct vfio_device_feature_dma_buf, newer than our headers */
		__u32 region_index;
		__u32 open_flags;
		__u32 flags;
		__u32 nr_ranges;
		__u64 offset;
		__u64 length;
	} get = {
		.feature.argsz = sizeof(get),
		.feature.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		.region_index = bar,
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
		.length = length,
	};
	int ret = ioctl(fd, VFIO_DEVICE_FEATURE, &get);

	return ret < 0 ? -errno : ret;
}
