// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver on coherent parts that the mock plays, in a guest.
 *
 *	driver_test TESTS PROFILE BDF [PROFILE BDF]...
 *
 * TESTS is words, or "all" for all but those that end a part's life.
 *
 * Each part is tested by a process of its own, all at the same time but for what
 * would disturb the others, and the results are printed when it is done.  The mock
 * is told through its window what to do, and asked what it saw.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../vfio_test.h"
#include "../vfiomem/ktap.h"
#include "device.h"
#include "guest.h"
#include "window.h"

/* The part under test: set in the process that tests it. */
static const struct profile *part;
static const char *bdf;

#define CHECK(condition) do {						\
	if (!(condition))						\
		fatal("%s: %s", part->name, #condition);		\
} while (0)

#define CHECK_EQ(a, b) do {						\
	const long long _a = (long long)(a), _b = (long long)(b);	\
	if (_a != _b)							\
		fatal("%s: %s is %lld (%#llx), not %s", part->name, #a,	\
		      _a, _a, #b);					\
} while (0)

/*
 * Long enough for what must come to an end.  A part that does not answer stops
 * the whole machine for 20 seconds an access (driver-suite).
 */
#define LONG_MS		180000

#define DO(...)	CHECK_EQ(window_do(bdf, NULL, 0, __VA_ARGS__), 0)

static uint64_t number(const char *command)
{
	char reply[WINDOW_REPLY_SIZE];

	CHECK_EQ(window_do(bdf, reply, sizeof(reply), "%s", command), 0);
	return strtoull(reply, NULL, 0);
}

/* The number of the last record of a kind in the mock's log; 0: there is none. */
static uint64_t last_record(enum mocklog_kind kind)
{
	char reply[WINDOW_REPLY_SIZE];
	int ret = window_do(bdf, reply, sizeof(reply), "last %u", kind);

	if (ret == -ENOENT)
		return 0;
	CHECK_EQ(ret, 0);
	return strtoull(reply, NULL, 0);
}

/* Reads and writes of a BAR that the mock has seen since a record. */
static void count_accesses(unsigned int bar, uint64_t from, uint64_t *reads,
			   uint64_t *writes)
{
	char reply[WINDOW_REPLY_SIZE], *space;

	CHECK_EQ(window_do(bdf, reply, sizeof(reply), "tally %u %" PRIu64, bar,
			   from), 0);
	*reads = strtoull(reply, &space, 0);
	*writes = strtoull(space, NULL, 0);
}

/* The record with this number, as "KIND barN 0xOFFSET width N data 0xDATA". */
static void record(uint64_t seq, char *text, size_t size)
{
	char reply[WINDOW_REPLY_SIZE], *kind, *rule;

	CHECK_EQ(window_do(bdf, reply, sizeof(reply), "get %" PRIu64, seq), 0);
	kind = strchr(strchr(reply, ' ') + 1, ' ') + 1;
	rule = strstr(kind, " rule");
	*rule = 0;
	snprintf(text, size, "%s", kind);
}

static void all_ready(void)
{
	DO("fault none");
	DO("rate 0");
	DO("after-reset all 0");
	DO("ready all 0");
}

static struct vfio_device open_part(void)
{
	struct vfio_device device;

	all_ready();
	vfio_bind(bdf, driver_name());
	vfio_open(&device, bdf);
	return device;
}

/* The area of region 4, that is the coherent memory. */
static struct area coherent(int fd)
{
	struct area area;

	CHECK(memory_area(fd, VFIO_MMAP_CACHE_MODE_NORMAL, &area));
	CHECK_EQ(area.region, 4);
	return area;
}

static volatile uint32_t *map_registers(int fd)
{
	struct vfio_region_info *info = region_info(fd, 0);
	void *map = mmap(NULL, info->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, info->offset);

	CHECK(map != MAP_FAILED);
	free(info);
	return map;
}

enum reset_kind { RESET_FLR, RESET_HOT, RESET_SYSFS };

static int reset_part(const struct vfio_device *device, enum reset_kind kind)
{
	char path[128];

	switch (kind) {
	case RESET_FLR:
		return ioctl(device->fd, VFIO_DEVICE_RESET) ? -errno : 0;
	case RESET_HOT:
		return __hot_reset(device);
	default:
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset",
			 bdf);
		return write_file(path, "1");
	}
}

/*
 * Of some parts the kernel knows that they do not come back from a reset of
 * their bus (its PCI quirks); VFIO refuses a hot reset of them.
 */
static bool takes_bus_reset(void)
{
	return (part->device & 0xffc0) != 0x2340;
}

/* The kind of the @i-th reset, where all kinds are to be tried. */
static enum reset_kind any_kind(unsigned int i)
{
	static const enum reset_kind kinds[] = {
		RESET_FLR, RESET_SYSFS, RESET_HOT,
	};

	return kinds[i % (takes_bus_reset() ? 3 : 2)];
}

/* A child that does @job with @argument; how it ended within @ms, or -1. */
static pid_t in_child(void (*job)(void *argument), void *argument)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		job(argument);
		_exit(0);
	}
	return pid;
}

static int ended(pid_t pid, int ms)
{
	const uint64_t end = now_ms() + ms;
	int status;

	while (now_ms() <= end) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	return -1;
}

/* Of the kernel's messages since @log was opened, one of @whom that has @words. */
static void wait_for_message(int log, const char *whom, const char *words)
{
	struct pollfd messages = { .fd = log, .events = POLLIN };
	char record[4096];
	ssize_t n;

	for (;;) {
		CHECK_EQ(poll(&messages, 1, LONG_MS), 1);
		n = read(log, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* older ones were overwritten */
		CHECK(n > 0);
		record[n] = 0;
		if (strstr(record, whom) && strstr(record, words))
			break;
	}
	close(log);
}

/* ---- tests: each in a process of its own, failing by fatal() */

/*
 * The module's aliases have the part's id, so that who asks for a vfio driver
 * finds this one.  The CXL part's id is made up.
 */
static bool has_alias(void)
{
	static char module[8 << 20];
	char alias[64];
	ssize_t size;
	int fd;

	if (part->ready == READY_CXL_DVSEC)
		return true;
	fd = open(getenv("DRIVER_MODULE"), O_RDONLY);
	size = read(fd, module, sizeof(module));
	close(fd);
	snprintf(alias, sizeof(alias), "alias=vfio_pci:v%08Xd%08X", part->vendor,
		 part->device);
	return size > 0 && memmem(module, size, alias, strlen(alias));
}

/* Ids bind only on request, and what is bound is this driver. */
static void test_bind(void)
{
	char path[128], bound[64];

	CHECK(has_alias());

	vfio_bind(bdf, NULL);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind",
		 driver_name());
	CHECK_EQ(write_file(path, bdf), -ENODEV);
	all_ready();
	vfio_bind(bdf, driver_name());
	vfio_bound(bdf, bound, sizeof(bound));
	CHECK(!strcmp(bound, driver_name()));
}

/* Firmware said GPU_SIZE bytes; the part's DVSEC decides how they are shown. */
static void test_carve_out(void)
{
	const uint64_t size = strtoull(getenv("GPU_SIZE"), NULL, 0);
	const bool carve_out = part->mig != MIG_FIXED;
	const uint64_t usable = carve_out ?
		(size - GIB(1)) & ~(MIB(512) - 1) : size;
	struct vfio_device device = open_part();
	struct area area, rest;

	area = coherent(device.fd);
	CHECK_EQ(area.a.size, usable);
	CHECK(area.region_size >= usable &&
	      !(area.region_size & (area.region_size - 1)));
	CHECK_EQ(memory_area(device.fd, VFIO_MMAP_CACHE_MODE_WRITECOMBINE,
			     &rest), carve_out);
	if (carve_out) {
		CHECK_EQ(rest.region, 2);
		CHECK_EQ(rest.a.size, size - usable);
		CHECK_EQ(rest.phys, area.phys + usable);
	}
	vfio_close(&device);
}

/* The emulated BARs size like BARs, and keep what is written. */
static void test_config(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	const uint64_t mask = ~(area.region_size - 1);
	uint64_t low, high, from = number("count"), reads, writes;

	config_write(device.fd, PCI_BASE_ADDRESS_4, 4, ~0U);
	config_write(device.fd, PCI_BASE_ADDRESS_5, 4, ~0U);
	low = config_read(device.fd, PCI_BASE_ADDRESS_4, 4);
	high = config_read(device.fd, PCI_BASE_ADDRESS_5, 4);
	CHECK_EQ(low & 0xf, PCI_BASE_ADDRESS_MEM_TYPE_64 |
			    PCI_BASE_ADDRESS_MEM_PREFETCH);
	CHECK_EQ((high << 32 | low) & ~0xfULL, mask);
	config_write(device.fd, PCI_BASE_ADDRESS_5, 4, 0x12);
	CHECK_EQ(config_read(device.fd, PCI_BASE_ADDRESS_5, 4), 0x12);
	/* None of that is for the device. */
	count_accesses(MOCKLOG_CONFIG, from, &reads, &writes);
	CHECK_EQ(writes, 0);
	CHECK_EQ(config_read(device.fd, PCI_VENDOR_ID, 2), part->vendor);
	CHECK_EQ(config_read(device.fd, PCI_DEVICE_ID, 2), part->device);
	vfio_close(&device);
}

/* Each access to a register is one access of that width at the device. */
static void test_registers(void)
{
	struct vfio_device device = open_part();
	struct vfio_region_info *info = region_info(device.fd, 0);
	volatile uint32_t *registers = map_registers(device.fd);
	char text[WINDOW_REPLY_SIZE], want[WINDOW_REPLY_SIZE];
	uint64_t from, value = 0x1122334455667788;
	unsigned int width;

	for (width = 1; width <= 8; width *= 2) {
		const uint64_t mask = width == 8 ? ~0ULL : (1ULL << 8 * width) - 1;

		from = number("count");
		CHECK_EQ(pwrite(device.fd, &value, width, info->offset + 0x40),
			 width);
		record(from, text, sizeof(text));
		/* The core may split 8 bytes, but loses and repeats nothing. */
		if (width < 8) {
			snprintf(want, sizeof(want),
				 "write bar0 0x40 width %u data 0x%" PRIx64,
				 width, value & mask);
			CHECK(!strcmp(text, want));
			CHECK_EQ(number("count"), from + 1);
		}
	}
	from = number("count");
	registers[0x50 / 4] = 0xcafe;
	*(volatile uint64_t *)&registers[0x58 / 4] = value;
	CHECK_EQ(registers[0x50 / 4], 0xcafe);
	CHECK_EQ(number("count"), from + 3);
	record(from, text, sizeof(text));
	CHECK(!strcmp(text, "write bar0 0x50 width 4 data 0xcafe"));
	record(from + 1, text, sizeof(text));
	CHECK(!strcmp(text, "write bar0 0x58 width 8 data 0x1122334455667788"));
	record(from + 2, text, sizeof(text));
	CHECK(!strcmp(text, "read bar0 0x50 width 4 data 0xcafe"));
	munmap((void *)registers, info->size);
	free(info);
	vfio_close(&device);
}

/* After a reset memory is not reached before the part says that it may be. */
static void ready_after(enum reset_kind kind, const char *late)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, 4096, 0);
	uint64_t start, value, reads, writes, from;

	*p = 0x1234;
	DO("after-reset %s 600", late);
	from = number("count");
	start = now_ms();
	CHECK_EQ(reset_part(&device, kind), 0);
	CHECK_EQ(*p, 0x1234);
	CHECK(now_ms() - start >= 590);
	if (part->ready == READY_REGISTERS) {
		/* The driver looked at the registers, and wrote nothing. */
		count_accesses(0, from, &reads, &writes);
		CHECK(reads >= 2);
		CHECK_EQ(writes, 0);
	}
	start = now_ms();
	CHECK_EQ(reset_part(&device, kind), 0);
	CHECK_EQ(pread(device.fd, &value, 8, area.base), 8);
	CHECK_EQ(value, 0x1234);
	CHECK(now_ms() - start >= 590);
	vfio_close(&device);
}

static void test_ready_flr(void)
{
	ready_after(RESET_FLR, "all");
}

static void test_ready_bus(void)
{
	struct vfio_device device;

	if (takes_bus_reset()) {
		ready_after(RESET_HOT, "all");
		return;
	}
	device = open_part();
	CHECK_EQ(reset_part(&device, RESET_HOT), -ENODEV);
	vfio_close(&device);
}

static void test_ready_sysfs(void)
{
	ready_after(RESET_SYSFS, "all");
}

static void test_ready_link(void)
{
	ready_after(RESET_FLR, "link");
}

static void test_ready_memory(void)
{
	ready_after(RESET_FLR, "memory");
}

static void touch(void *p)
{
	*(volatile uint64_t *)p = 1;
}

struct read_of {
	int fd;
	uint64_t offset;
};

static void read_one(void *argument)
{
	const struct read_of *what = argument;
	uint64_t value;

	if (pread(what->fd, &value, 8, what->offset) != 8)
		_exit(errno);
}

/* Who waits for a part that never comes back can be killed. */
static void test_kill_waiting(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	void *p = map_area(device.fd, &area, 0, 4096, 0);
	struct read_of what = { device.fd, area.base };
	int status;
	pid_t pid;

	touch(p);
	/* A CXL part may take longer for this than for its link. */
	DO("after-reset memory never");
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	pid = in_child(touch, p);
	CHECK_EQ(ended(pid, 500), -1);
	kill(pid, SIGKILL);
	status = ended(pid, LONG_MS);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* Its time begins anew. */
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	pid = in_child(read_one, &what);
	CHECK_EQ(ended(pid, 500), -1);
	kill(pid, SIGKILL);
	status = ended(pid, LONG_MS);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* And the part can come back. */
	DO("ready all 0");
	touch(p);
	vfio_close(&device);
}

/* Ready bits that drop without a reset harm nobody. */
static void test_ready_drops(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, MIB(4), 0);
	unsigned int i;

	*p = 7;
	for (i = 0; i < 20; i++) {
		DO("ready all never");
		p[i * 8192] = i;
		CHECK_EQ(p[i * 8192], i);
		DO("ready all %u", i);
	}
	DO("after-reset all 50");
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	CHECK_EQ(p[8192], 1);
	vfio_close(&device);
}

static void power_control(const char *how)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/control",
		 bdf);
	CHECK_EQ(write_file(path, how), 0);
}

static bool sleeps(void)
{
	char path[128], status[32] = "";
	int fd;

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/power/runtime_status", bdf);
	fd = open(path, O_RDONLY);
	CHECK(read(fd, status, sizeof(status) - 1) > 0);
	close(fd);
	return !strcmp(status, "suspended\n");
}

/*
 * Memory that was seen ready between the entry into low power and the sleep is
 * looked at again after it, though what wakes the part ends low power first.
 */
static void test_sleep(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	struct read_of what = { device.fd, area.base };
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} low_power = {
		{ sizeof(low_power), VFIO_DEVICE_FEATURE_SET |
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP },
		{ .wakeup_eventfd = eventfd(0, 0) },
	};
	uint64_t value;
	pid_t reader;

	power_control("on");
	CHECK_EQ(ioctl(device.fd, VFIO_DEVICE_FEATURE, &low_power), 0);
	CHECK_EQ(pread(device.fd, &value, 8, area.base), 8);
	/* A CXL part may take longer for this than for its link. */
	DO("ready memory never");
	power_control("auto");
	while (!sleeps())
		usleep(10000);
	reader = in_child(read_one, &what);
	CHECK_EQ(ended(reader, 500), -1);
	CHECK(read(low_power.entry.wakeup_eventfd, &value, 8) == 8);
	DO("ready all 0");
	CHECK_EQ(ended(reader, LONG_MS), 0);
	vfio_close(&device);
}

/* Mappings survive resets: new entries, the same memory. */
static void test_reset_mapped(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, MIB(8), 0);
	unsigned int i;

	for (i = 0; i < 12; i++) {
		p[i * 65536] = i + 100;
		CHECK_EQ(reset_part(&device, any_kind(i)), 0);
		CHECK_EQ(p[i * 65536], i + 100);
	}
	vfio_close(&device);
}

struct copier {
	volatile uint64_t *memory;
	const struct read_of *what;
	volatile bool stop;
	volatile uint64_t rounds;
};

static void *copy_on_and_on(void *argument)
{
	struct copier *c = argument;
	static uint64_t buffer[32768];

	while (!c->stop) {
		memcpy(buffer, (void *)c->memory, sizeof(buffer));
		memcpy((void *)c->memory, buffer, sizeof(buffer));
		if (pread(c->what->fd, buffer, 65536, c->what->offset) != 65536)
			fatal("read during resets: %s", strerror(errno));
		c->rounds++;
	}
	return NULL;
}

static void test_reset_while_copying(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	struct read_of what = { device.fd, area.base };
	struct copier copier = {
		.memory = map_area(device.fd, &area, 0, MIB(4), 0),
		.what = &what,
	};
	pthread_t thread;
	unsigned int i;
	uint64_t rounds;
	int ret;

	copier.memory[100] = 0x5555;
	DO("after-reset all 20");
	pthread_create(&thread, NULL, copy_on_and_on, &copier);
	for (i = 0; i < 20; i++) {
		rounds = copier.rounds;
		/* VFIO refuses a hot reset while an access is under way. */
		do
			ret = reset_part(&device, any_kind(i));
		while (ret == -EBUSY);
		CHECK_EQ(ret, 0);
		while (copier.rounds == rounds)
			usleep(1000);
	}
	copier.stop = true;
	pthread_join(thread, NULL);
	CHECK_EQ(copier.memory[100], 0x5555);
	vfio_close(&device);
}

/* DMA through the IOMMU, then the status word, then the interrupt. */
static void test_dma(void)
{
	struct vfio_device device = open_part();
	volatile uint32_t *engine = map_registers(device.fd) + part->engine / 4;
	volatile uint32_t *memory = dma_memory(&device, MIB(1));
	volatile uint32_t *status = memory + 0xff000 / 4;
	int event = take_interrupt(&device, VFIO_PCI_MSI_IRQ_INDEX, 0);
	unsigned int i;

	for (i = 0; i < 65536; i++)
		memory[i] = i * 2654435761U;
	start_engine(engine, IOVA, IOVA + 0x80000, 0x40000, IOVA + 0xff000, 0);
	CHECK(told(event, status, LONG_MS));
	/* Whoever has the interrupt has the status, and the bytes. */
	CHECK_EQ(*status, ENGINE_OK);
	CHECK(!memcmp((void *)memory, (char *)memory + 0x80000, 0x40000));

	/* Beyond what is mapped: refused, and told. */
	*status = 0;
	start_engine(engine, IOVA + MIB(1), IOVA, 4096, IOVA + 0xff000, 0);
	CHECK(told(event, status, LONG_MS));
	CHECK_EQ(*status, ENGINE_FAILED);
	vfio_close(&device);
}

/* A reset stops DMA: no byte, status or interrupt comes after it. */
static void test_reset_while_dma(void)
{
	struct vfio_device device = open_part();
	volatile uint32_t *engine = map_registers(device.fd) + part->engine / 4;
	volatile uint32_t *memory = dma_memory(&device, MIB(1));
	volatile uint32_t *status = memory + 0xff000 / 4;
	int event = take_interrupt(&device, VFIO_PCI_MSI_IRQ_INDEX, 0);
	uint64_t from, after, last;
	unsigned int i;

	memset((void *)memory, 0x11, 0x80000);
	/* It would take minutes. */
	DO("rate 2");
	from = number("count");
	start_engine(engine, IOVA, IOVA + 0x80000, 0x80000, IOVA + 0xff000, 0);
	for (i = 0; i < LONG_MS / 10 && memory[0x80000 / 4] != 0x11111111; i++)
		usleep(10000);
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	after = number("count");
	usleep(200000);
	CHECK(memory[0x80000 / 4] == 0x11111111);
	CHECK_EQ(memory[0xffffc / 4], 0);
	CHECK(!told(event, status, 100));
	CHECK_EQ(*status, 0);
	/* It ran before, and the last DMA is older than the reset's end. */
	last = last_record(MOCKLOG_DMA_WRITE);
	CHECK(last > from && last < after);
	vfio_close(&device);
}

/* The part resets behind the driver's back, again and again. */
static void test_surprise_reset(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, 4096, 0);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		*p = i;
		DO("after-reset all 30");
		DO("reset");
		CHECK_EQ(*p, i);
		/* Its command register is lost; a VMM's guest sets it again. */
		config_write(device.fd, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		CHECK_EQ(reset_part(&device, RESET_FLR), 0);
		CHECK_EQ(*p, i);
	}
	vfio_close(&device);
}

/* Faults of the first @count reads by which the driver looks for readiness. */
static void fault_at_readiness(const char *fault, unsigned int count)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, 4096, 0);
	const uint64_t before = last_record(MOCKLOG_FAULT);
	uint64_t start = now_ms();

	*p = 3;
	DO("fault %s %u", fault, count);
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	CHECK_EQ(*p, 3);
	CHECK(last_record(MOCKLOG_FAULT) > before);
	CHECK(now_ms() - start < LONG_MS);
	DO("fault none");
	vfio_close(&device);
}

/*
 * How many reads may bring all ones.  After the first a CXL part has one second,
 * and the next may come later than that: it has to be good.
 */
static unsigned int bad_reads(void)
{
	return part->ready == READY_CXL_DVSEC ? 1 : 3;
}

static void test_fault_late(void)
{
	fault_at_readiness("late 700", 2);
}

static void test_fault_error(void)
{
	fault_at_readiness("error 5", bad_reads());
}

static void test_fault_count(void)
{
	fault_at_readiness("count 8", bad_reads());
}

static void test_fault_short(void)
{
	fault_at_readiness("short 3", bad_reads());
}

/* QEMU gives up the reply at last, and reads all ones. */
static void test_fault_silent(void)
{
	fault_at_readiness("silent 0", 1);
}

static void bind_it(void *unused)
{
	_exit(-__vfio_bind(bdf, driver_name()));
}

/* Probe waits for the part, and who binds can be killed meanwhile. */
static void test_probe_waits(void)
{
	char bound[64];
	uint64_t start;
	int status;
	pid_t pid;

	vfio_bind(bdf, NULL);
	/* A CXL part may take longer for this than for its link. */
	DO("ready memory never");
	pid = in_child(bind_it, NULL);
	CHECK_EQ(ended(pid, 400), -1);
	kill(pid, SIGKILL);
	status = ended(pid, LONG_MS);
	CHECK(status != -1 && WIFSIGNALED(status));
	vfio_bound(bdf, bound, sizeof(bound));
	CHECK(!*bound);

	start = now_ms();
	DO("ready all 500");
	CHECK_EQ(__vfio_bind(bdf, driver_name()), 0);
	CHECK(now_ms() - start >= 490);
	all_ready();
}

/* A part that never comes up is refused when its specification says so. */
static void probe_timeout(const char *never, unsigned int seconds)
{
	uint64_t start;

	vfio_bind(bdf, NULL);
	DO("ready %s never", never);
	start = now_ms();
	CHECK_EQ(__vfio_bind(bdf, driver_name()), -ETIMEDOUT);
	CHECK(now_ms() - start >= seconds * 1000ULL - 100);
	CHECK(now_ms() - start <= seconds * 1000ULL + LONG_MS);
	all_ready();
	vfio_bind(bdf, driver_name());
}

static void test_probe_timeout(void)
{
	if (part->ready == READY_REGISTERS) {
		probe_timeout("memory", 30);
	} else {
		probe_timeout("all", 1);
		probe_timeout("memory", 16);
	}
}

/* After a reset, too: an error for who reads, SIGBUS for who touches. */
static void test_access_timeout(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	void *p = map_area(device.fd, &area, 0, 4096, 0);
	struct read_of what = { device.fd, area.base };
	const int seconds = part->ready == READY_REGISTERS ? 30 : 1;
	int log = kernel_log(), status;
	pid_t reader, toucher;

	touch(p);
	DO("after-reset all never");
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	reader = in_child(read_one, &what);
	toucher = in_child(touch, p);
	status = ended(reader, seconds * 1000 + LONG_MS);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), ETIMEDOUT);
	status = ended(toucher, LONG_MS);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	wait_for_message(log, bdf, "region 4 is not ready");
	/* Another reset gives it another chance. */
	DO("after-reset all 0");
	CHECK_EQ(reset_part(&device, RESET_FLR), 0);
	touch(p);
	vfio_close(&device);
}

static void remove_it(void *unused)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", bdf);
	_exit(-write_file(path, "1"));
}

static void pause_forever(void *unused)
{
	for (;;)
		pause();
}

/* The part that was removed comes back, and its memory with it. */
static void scan_again(void)
{
	struct vfio_device device;
	struct area area;
	char path[128];

	/*
	 * Its own bus alone: a scan of all of them takes the others' functions
	 * off their bus for moments, in which they read all ones.
	 */
	snprintf(path, sizeof(path), "/sys/class/pci_bus/%.7s/rescan", bdf);
	CHECK_EQ(write_file(path, "1"), 0);
	device = open_part();
	area = coherent(device.fd);
	touch(map_area(device.fd, &area, 0, 4096, 0));
	vfio_close(&device);
}

/* Removal waits for the last user, who goes; the part comes back by a scan. */
static void test_remove(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	void *p = map_area(device.fd, &area, 0, 4096, 0);
	pid_t holder, remover;
	char path[128];

	touch(p);
	holder = in_child(pause_forever, NULL);
	munmap(p, 4096);
	vfio_close(&device);
	remover = in_child(remove_it, NULL);
	CHECK_EQ(ended(remover, 700), -1);
	kill(holder, SIGKILL);
	CHECK(ended(holder, LONG_MS) != -1);
	CHECK_EQ(ended(remover, LONG_MS), 0);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	CHECK_EQ(access(path, F_OK), -1);
	scan_again();
}

#define AER_INJECT	"/dev/aer_inject"

/* What a test's process exits with that can't run on this kernel. */
#define SKIP		4

/*
 * What the kernel does of an error that a part reports: injected behind its
 * back, as drivers/pci/pcie/aer_inject.c takes it.  That may lose one if the
 * configuration of other parts is read meanwhile: it puts the bus's functions
 * for that back for each read of its own.
 */
static void inject_error(uint32_t uncorrectable)
{
	unsigned int domain, bus, slot, function;
	struct {
		uint8_t bus, device, function;
		uint32_t uncorrectable, correctable, header_log[4], domain;
	} error = { .uncorrectable = uncorrectable };
	int fd = open(AER_INJECT, O_WRONLY);
	int fields = sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function);

	CHECK_EQ(fields, 4);
	error.domain = domain;
	error.bus = bus;
	error.device = slot;
	error.function = function;
	CHECK_EQ(write(fd, &error, sizeof(error)), sizeof(error));
	close(fd);
}

static struct vfio_device part_for_errors(void)
{
	if (access(AER_INJECT, F_OK))
		exit(SKIP);
	return open_part();
}

/* It is told, and nothing else: no reset, and memory stays as it is. */
static void test_error_nonfatal(void)
{
	struct vfio_device device = part_for_errors();
	struct area area = coherent(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, 4096, 0);
	int event = take_interrupt(&device, VFIO_PCI_ERR_IRQ_INDEX, 0);
	const uint64_t before = last_record(MOCKLOG_RESET);
	unsigned int i;
	int log;

	*p = 4;
	for (i = 0; i < 2; i++) {
		log = kernel_log();
		inject_error(PCI_ERR_UNC_COMP_ABORT);
		CHECK(told(event, NULL, LONG_MS));
		/* Until then the kernel may take the next one for the same. */
		wait_for_message(log, "pcieport", "device recovery successful");
	}
	CHECK_EQ(*p, 4);
	CHECK_EQ(last_record(MOCKLOG_RESET), before);
	vfio_close(&device);
}

/* The kernel resets the link; who touches memory meanwhile waits. */
static void recovered(const struct vfio_device *device, void *p, int log)
{
	int event = take_interrupt(device, VFIO_PCI_ERR_IRQ_INDEX, 0);
	const uint64_t before = last_record(MOCKLOG_RESET);
	pid_t toucher;

	/* A CXL part may take longer for this than for its link. */
	DO("after-reset memory never");
	inject_error(PCI_ERR_UNC_MALF_TLP);
	CHECK(told(event, NULL, LONG_MS));
	toucher = in_child(touch, p);
	CHECK_EQ(ended(toucher, 500), -1);
	while (last_record(MOCKLOG_RESET) == before)
		usleep(10000);
	/* Its command register is lost; a VMM's guest sets it again. */
	config_write(device->fd, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	DO("ready all 0");
	CHECK_EQ(ended(toucher, LONG_MS), 0);
	CHECK_EQ(*(volatile uint64_t *)p, 1);
	/* Until then a reset is refused, as long as the kernel has the part locked. */
	wait_for_message(log, "pcieport", "device recovery successful");
	DO("after-reset all 0");
	CHECK_EQ(reset_part(device, RESET_FLR), 0);
	CHECK_EQ(*(volatile uint64_t *)p, 1);
}

/*
 * The kernel cannot reset the link (takes_bus_reset()) and gives the part up.
 * What follows may fail, but must end; and the part comes back by a scan.
 */
static void given_up(const struct vfio_device *device, void *p,
		     const struct area *area, int log)
{
	int event = take_interrupt(device, VFIO_PCI_ERR_IRQ_INDEX, 0);
	struct read_of what = { device->fd, area->base };
	pid_t toucher, reader;

	inject_error(PCI_ERR_UNC_MALF_TLP);
	CHECK(told(event, NULL, LONG_MS));
	toucher = in_child(touch, p);
	reader = in_child(read_one, &what);
	CHECK(ended(toucher, LONG_MS) != -1);
	CHECK(ended(reader, LONG_MS) != -1);
	wait_for_message(log, "pcieport", "device recovery failed");
}

static void test_error_fatal(void)
{
	struct vfio_device device = part_for_errors();
	struct area area = coherent(device.fd);
	void *p = map_area(device.fd, &area, 0, 4096, 0);
	int log = kernel_log();

	touch(p);
	if (takes_bus_reset())
		recovered(&device, p, log);
	else
		given_up(&device, p, &area, log);
	munmap(p, 4096);
	vfio_close(&device);
	if (!takes_bus_reset()) {
		CHECK_EQ(ended(in_child(remove_it, NULL), LONG_MS), 0);
		scan_again();
	}
}

/* Nobody has reached the physical BARs that the memory shadows. */
static void test_shadowed(void)
{
	struct vfio_device device = open_part();
	uint64_t reads, writes;
	unsigned int bar;

	for (bar = part->mig == MIG_FIXED ? 4 : 2; bar <= 4; bar += 2) {
		count_accesses(bar, 0, &reads, &writes);
		CHECK_EQ(reads + writes, 0);
	}
	CHECK_EQ(number("violations"), 0);
	vfio_close(&device);
}

/*
 * The part goes away for good, in the middle of an access.  What follows may
 * fail, but must end.  (Of faults "long" and "cut" QEMU 11.1 itself may die:
 * those are for unit.c.)
 */
static void test_lost(void)
{
	struct vfio_device device = open_part();
	struct area area = coherent(device.fd);
	volatile uint32_t *registers = map_registers(device.fd);
	volatile uint64_t *p = map_area(device.fd, &area, 0, 4096, 0);
	struct vfio_region_info *info = region_info(device.fd, 0);
	uint64_t value = 0;
	unsigned int i;
	pid_t pid;

	*p = 9;
	DO("fault disconnect");
	for (i = 0; i < 3; i++)
		CHECK_EQ(registers[0x40 / 4], ~0U);
	CHECK_EQ(pread(device.fd, &value, 4, info->offset), 4);
	CHECK_EQ(value, 0xffffffff);
	/* Memory is still there, or whoever waits for it can be killed. */
	pid = in_child(touch, (void *)p);
	if (ended(pid, 500) == -1) {
		kill(pid, SIGKILL);
		CHECK(ended(pid, LONG_MS) != -1);
	}
	munmap((void *)registers, info->size);
	munmap((void *)p, 4096);
	free(info);
	/* The kernel waits a minute for a function that it resets. */
	vfio_close(&device);
	vfio_bind(bdf, NULL);
}

/* ---- the rest */

static const struct test {
	const char *name;
	void (*run)(void);
	const char *only;	/* profiles, or NULL for all: slow tests */
	bool last;		/* not in "all": nothing can be tested after it */
	bool alone;		/* would disturb the other parts */
} tests[] = {
	{ "bind", test_bind },
	{ "carve-out", test_carve_out },
	{ "config", test_config },
	{ "registers", test_registers },
	{ "ready-flr", test_ready_flr },
	{ "ready-bus-reset", test_ready_bus },
	{ "ready-sysfs-reset", test_ready_sysfs },
	{ "ready-link-late", test_ready_link },
	{ "ready-memory-late", test_ready_memory },
	{ "ready-drops", test_ready_drops },
	{ "kill-waiting", test_kill_waiting },
	{ "probe-waits", test_probe_waits },
	{ "probe-timeout", test_probe_timeout, "gh200 cxl" },
	{ "access-timeout", test_access_timeout, "gb300 cxl" },
	{ "sleep", test_sleep },
	{ "reset-mapped", test_reset_mapped },
	{ "reset-copying", test_reset_while_copying },
	{ "dma-interrupt", test_dma },
	{ "reset-dma", test_reset_while_dma },
	{ "surprise-reset", test_surprise_reset },
	{ "fault-late", test_fault_late },
	{ "fault-error", test_fault_error },
	{ "fault-count", test_fault_count },
	{ "fault-short", test_fault_short },
	{ "fault-silent", test_fault_silent, "gh200-mig cxl", .alone = true },
	{ "remove-rescan", test_remove },
	{ "error-nonfatal", test_error_nonfatal, .alone = true },
	{ "error-fatal", test_error_fatal, .alone = true },
	{ "shadowed-bars", test_shadowed, .alone = true },
	{ "lost", test_lost, .last = true },
};

#define TESTS		(sizeof(tests) / sizeof(*tests))
#define PARTS_MAX	8

enum result { NOT_RUN, PASSED, SKIPPED, FAILED, TOO_SLOW, SIGNALLED };

static bool has_word(const char *words, const char *word)
{
	const size_t length = strlen(word);
	const char *p;

	for (p = words; (p = strstr(p, word)); p += length)
		if ((p == words || p[-1] == ' ') &&
		    (!p[length] || p[length] == ' '))
			return true;
	return false;
}

static enum result run(const struct test *test)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		/* What the test starts ends with it. */
		setpgid(0, 0);
		test->run();
		exit(0);
	}
	status = ended(pid, 2 * LONG_MS);
	kill(-pid, SIGKILL);
	if (status == -1)
		return TOO_SLOW;
	if (WIFSIGNALED(status))
		return SIGNALLED;
	if (WEXITSTATUS(status) == SKIP)
		return SKIPPED;
	return WEXITSTATUS(status) ? FAILED : PASSED;
}

static void report(const char *profile, const char *test, enum result result)
{
	static const char *const why[] = {
		[TOO_SLOW] = "did not end",
		[SIGNALLED] = "was killed by a signal",
	};
	char name[64];

	snprintf(name, sizeof(name), "%s %s", profile, test);
	if (result == SKIPPED) {
		ktap_skip(name, "no aer_inject");
		return;
	}
	if (result > FAILED)
		printf("# %s\n", why[result]);
	ktap_result(result == PASSED, "%s", name);
}

static bool selected(const struct test *test, const char *wanted)
{
	if (strcmp(wanted, "all"))
		return has_word(wanted, test->name);
	return !test->last && (!test->only || has_word(test->only, part->name));
}

/* A process that runs a part's tests: those that stand @alone, or the others. */
static pid_t test_part(enum result *results, const char *wanted, bool alone,
		       char **profile_and_bdf)
{
	pid_t pid = fork();
	size_t i;

	if (pid)
		return pid;
	part = profile_find(profile_and_bdf[0]);
	bdf = profile_and_bdf[1];
	if (!part)
		fatal("no profile %s", profile_and_bdf[0]);
	for (i = 0; i < TESTS; i++)
		if (tests[i].alone == alone && selected(&tests[i], wanted))
			results[i] = run(&tests[i]);
	exit(0);
}

static void wait_for_part(pid_t pid, const char *profile)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		ktap_result(false, "%s: all its tests are run", profile);
}

int main(int argc, char **argv)
{
	enum result (*results)[TESTS] =
		mmap(NULL, sizeof(*results) * PARTS_MAX, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const int parts = (argc - 2) / 2;
	char **names = argv + 2;
	pid_t pids[PARTS_MAX];
	size_t j;
	int i;

	if (argc < 4 || argc & 1 || parts > PARTS_MAX) {
		fprintf(stderr, "usage: driver_test TESTS PROFILE BDF...\n");
		return 2;
	}
	ktap_start();
	for (i = 0; i < parts; i++)
		pids[i] = test_part(results[i], argv[1], false, names + 2 * i);
	for (i = 0; i < parts; i++)
		wait_for_part(pids[i], names[2 * i]);
	for (i = 0; i < parts; i++)
		wait_for_part(test_part(results[i], argv[1], true,
					names + 2 * i), names[2 * i]);
	for (i = 0; i < parts; i++)
		for (j = 0; j < TESTS; j++)
			if (results[i][j] != NOT_RUN)
				report(names[2 * i], tests[j].name, results[i][j]);
	return ktap_finish();
}
