// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mock without QEMU: its log, its parser, its rules, its DMA, and what it
 * does with clients that misbehave.
 *
 *	unit MOCKGPU [ACCESSES]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../vfiomem/ktap.h"
#include "client.h"
#include "device.h"

static const char *mockgpu;

#define CHECK(condition) do {						\
	if (!(condition)) {						\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);	\
		return false;						\
	}								\
} while (0)

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Long enough for what must come, on any machine. */
#define LONG_MS		60000

/* ---- log */

static bool log_is_read_back(void)
{
	char path[] = "/tmp/unit-log.XXXXXX", text[256];
	struct mocklog_match match = MOCKLOG_ANY;
	struct mocklog_record expected[2] = {
		{ .kind = MOCKLOG_WRITE, .bar = 2, .offset = 8, .width = 4,
		  .data = 0x11223344 },
		{ .kind = MOCKLOG_READ, .bar = 2, .offset = 9, .width = 1,
		  .data = 0x33 },
	};
	struct mocklog reader;
	struct log log;

	close(mkstemp(path));
	CHECK(!log_open(&log, path));
	CHECK(!mocklog_open(&reader, path));
	CHECK(mocklog_count(&reader) == 0);
	CHECK(!mocklog_get(&reader, 0));
	log_add(&log, expected[0]);
	log_add(&log, expected[1]);
	CHECK(mocklog_count(&reader) == 2);
	CHECK(mocklog_compare(&reader, 0, expected, 2) == 2);
	expected[1].data++;
	CHECK(mocklog_compare(&reader, 0, expected, 2) == 1);
	CHECK(mocklog_compare(&reader, 1, expected, 1) == 0);
	match.kind = MOCKLOG_READ;
	CHECK(mocklog_find(&reader, 0, &match) == 1);
	CHECK(mocklog_find(&reader, 2, &match) == -ENOENT);
	match.data = 0x34;
	CHECK(mocklog_find(&reader, 0, &match) == -ENOENT);
	mocklog_format(mocklog_get(&reader, 0), text, sizeof(text));
	CHECK(strstr(text, "write bar2 0x8 width 4 data 0x11223344"));

	/* A record that does not carry its own number is lost. */
	log.records[1].seq = 7;
	CHECK(!mocklog_get(&reader, 1));
	mocklog_close(&reader);
	log_close(&log);
	CHECK(!mocklog_open(&reader, path));
	CHECK(mocklog_count(&reader) == 2);
	mocklog_close(&reader);
	CHECK(!truncate(path, 100));
	CHECK(mocklog_open(&reader, path) == -EINVAL);
	unlink(path);
	return true;
}

static void *add_later(void *log)
{
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		usleep(i % 100 ? 0 : 10000);
		log_add(log, (struct mocklog_record) {
			.kind = MOCKLOG_MARK, .data = i,
		});
	}
	return NULL;
}

static bool log_wakes_readers(void)
{
	char path[] = "/tmp/unit-log.XXXXXX";
	struct mocklog_match match = MOCKLOG_ANY;
	struct mocklog reader;
	pthread_t writer;
	struct log log;
	unsigned int i;

	close(mkstemp(path));
	CHECK(!log_open(&log, path));
	CHECK(!mocklog_open(&reader, path));
	CHECK(mocklog_wait(&reader, 1, 20) == -ETIMEDOUT);
	match.data = 990;
	CHECK(mocklog_wait_for(&reader, 0, &match, 20) == -ETIMEDOUT);
	pthread_create(&writer, NULL, add_later, &log);
	for (i = 1; i <= 900; i += 100)
		CHECK(!mocklog_wait(&reader, i, LONG_MS));
	CHECK(mocklog_wait_for(&reader, 0, &match, LONG_MS) == 990);
	pthread_join(writer, NULL);
	mocklog_close(&reader);
	log_close(&log);
	unlink(path);
	return true;
}

/* ---- protocol */

static size_t build(uint8_t *message, enum vu_command command,
		    const void *payload, size_t size)
{
	const struct vu_header header = {
		.id = 7, .command = command, .size = sizeof(header) + size,
	};

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), payload, size);
	return header.size;
}

/* Every length but the right one is refused, and nothing beyond it is read. */
static bool only_length(enum vu_command command, const void *payload,
			size_t size)
{
	struct vu_request req;
	size_t n;

	for (n = 0; n <= size + 9; n++) {
		/* At the end of a malloc()ed block, for valgrind and ASan. */
		uint8_t *message = malloc(sizeof(struct vu_header) + n);
		uint8_t whole[256] = { 0 };
		int ret;

		memcpy(whole, payload, size);
		build(message, command, whole, n);
		ret = vu_parse(message, &req);
		free(message);
		CHECK(ret == (n == size ? 0 : -EINVAL));
		CHECK(req.header.id == 7);
	}
	return true;
}

static bool parser_checks_lengths(void)
{
	const struct {
		struct vu_region_access access;
		uint8_t data[5];
	} write = { { 0, 0, 5 }, "abcd" };
	const struct {
		struct vu_write_multi multi;
		struct vu_one_write one[2];
	} multi = { { 2 }, { { 0 } } };
	const struct {
		uint32_t set[5];
		uint8_t bools[3];
	} bools = { { 23, VU_IRQ_DATA_BOOL | VU_IRQ_ACTION_TRIGGER, 2, 0, 3 },
		    { 1, 0, 1 } };
	const uint8_t zero[64] = { 0 };
	const uint8_t many[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				 0x1f };
	struct vu_region_access read = { 0, 0, VU_MAX_DATA + 1 };
	struct vu_request req;
	uint8_t message[256];

	CHECK(only_length(VU_DMA_MAP, zero, sizeof(struct vu_dma_map)));
	CHECK(only_length(VU_DMA_UNMAP, zero, sizeof(struct vu_dma_unmap)));
	CHECK(only_length(VU_GET_INFO, zero, sizeof(struct vu_device_info)));
	CHECK(only_length(VU_GET_REGION_INFO, zero,
			  sizeof(struct vu_region_info)));
	CHECK(only_length(VU_GET_IRQ_INFO, zero, sizeof(struct vu_irq_info)));
	CHECK(only_length(VU_SET_IRQS, zero, sizeof(struct vu_set_irqs)));
	CHECK(only_length(VU_SET_IRQS, &bools, 23));
	CHECK(only_length(VU_REGION_READ, zero, sizeof(read)));
	CHECK(only_length(VU_REGION_WRITE, &write, 21));
	CHECK(only_length(VU_RESET, zero, 0));
	CHECK(only_length(VU_REGION_WRITE_MULTI, &multi, sizeof(multi)));

	/* A count whose product overflows is not a count of nothing. */
	build(message, VU_REGION_WRITE_MULTI, many, sizeof(many));
	CHECK(vu_parse(message, &req) == -EINVAL);
	build(message, VU_REGION_READ, &read, sizeof(read));
	CHECK(vu_parse(message, &req) == -EINVAL);
	/* Version data ends in a NUL. */
	build(message, VU_VERSION, "\0\0\0\0{}", 6);
	CHECK(vu_parse(message, &req) == -EINVAL);
	build(message, VU_VERSION, "\0\0\0\0{}", 7);
	CHECK(!vu_parse(message, &req));
	build(message, 99, zero, 4);
	CHECK(vu_parse(message, &req) == -EOPNOTSUPP);
	return true;
}

static bool framing(void)
{
	struct vu_header header = { .size = 16 };

	CHECK(vu_frame(&header, 15) == 0);
	CHECK(vu_frame(&header, 16) == 16);
	header.size = 15;
	CHECK(vu_frame(&header, 16) == -EPROTO);
	header.size = VU_MAX_MESSAGE;
	CHECK(vu_frame(&header, 16) == (long)VU_MAX_MESSAGE);
	header.size++;
	CHECK(vu_frame(&header, 16) == -EPROTO);
	header.size = 16;
	header.flags = VU_TYPE_REPLY;
	CHECK(vu_frame(&header, 16) == -EPROTO);
	return true;
}

/* ---- rules */

static size_t one_write(struct rules *rules, uint8_t *memory, uint64_t offset,
			uint32_t width)
{
	const struct bar_access access = { 0, true, offset, width };
	enum rule_kind broken[RULES_MAX];

	return rules_check(rules, &access, memory, broken);
}

static bool simple_rules(void)
{
	static const struct rule_spec specs[] = {
		{ RULE_WIDTH, 0, 4, 0x100, 0x100 },
		{ RULE_ALIGN, 0, 0, 0x200, 0x100 },
		{ RULE_ONCE, 0, 0, 0x300, 0x100 },
		{ RULE_ASCENDING, 0, 0, 0x400, 0x100 },
		{ RULE_FORBIDDEN, 0, 0, 0x500, 0x100 },
	};
	const struct bar_access other_bar = { 1, true, 0x500, 4 };
	const struct bar_access read_once = { 0, false, 0x300, 4 };
	enum rule_kind broken[RULES_MAX];
	struct rules rules = { .count = 0 };
	uint8_t memory[0x1000] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(specs) / sizeof(*specs); i++)
		CHECK(!rules_add(&rules, &specs[i]));
	CHECK(one_write(&rules, memory, 0x100, 4) == 0);
	CHECK(one_write(&rules, memory, 0x100, 8) == 1);
	CHECK(one_write(&rules, memory, 0xfc, 8) == 1);	/* reaches in */
	CHECK(one_write(&rules, memory, 0xf8, 8) == 0);
	CHECK(one_write(&rules, memory, 0x202, 2) == 0);
	CHECK(one_write(&rules, memory, 0x201, 2) == 1);
	CHECK(one_write(&rules, memory, 0x200, 3) == 1);
	CHECK(one_write(&rules, memory, 0x300, 8) == 0);
	CHECK(rules_check(&rules, &read_once, memory, broken) == 0);
	CHECK(one_write(&rules, memory, 0x307, 1) == 1);
	CHECK(one_write(&rules, memory, 0x308, 1) == 0);
	rules_new_window(&rules);
	CHECK(one_write(&rules, memory, 0x307, 1) == 0);
	CHECK(one_write(&rules, memory, 0x408, 8) == 0);
	CHECK(one_write(&rules, memory, 0x410, 1) == 0);
	CHECK(one_write(&rules, memory, 0x400, 8) == 1);
	CHECK(one_write(&rules, memory, 0x5fc, 4) == 1);
	CHECK(rules_check(&rules, &other_bar, memory, broken) == 0);
	CHECK(one_write(&rules, memory, 0x600, 4) == 0);
	rules_free(&rules);
	return true;
}

static bool payload_rule(void)
{
	static const struct rule_spec spec = { RULE_PAYLOAD, 0, 0, 0x10, 0x14 };
	struct rules rules = { .count = 0 };
	uint8_t memory[0x40] = { 0 };
	const struct bar_access bell = { 0, true, 0x20, 4 };
	uint32_t value;

	CHECK(!rules_add(&rules, &spec));
	memset(memory + 0x18, 3, 8);
	value = 8 | 24 << 16;
	memcpy(memory + 0x20, &value, 4);
	/* Rung before the payload is there. */
	CHECK(one_write(&rules, memory, 0x20, 4) == 1);
	CHECK(rules_doorbell(&rules, &bell));
	/* A part is missing. */
	CHECK(one_write(&rules, memory, 0x18, 4) == 0);
	CHECK(one_write(&rules, memory, 0x20, 4) == 1);
	rules_doorbell(&rules, &bell);
	/* Complete. */
	CHECK(one_write(&rules, memory, 0x18, 4) == 0);
	CHECK(one_write(&rules, memory, 0x1c, 4) == 0);
	CHECK(one_write(&rules, memory, 0x20, 4) == 0);
	/* The last window's bytes do not count again. */
	rules_doorbell(&rules, &bell);
	CHECK(one_write(&rules, memory, 0x20, 4) == 1);
	/* Wrong bytes. */
	CHECK(one_write(&rules, memory, 0x18, 8) == 0);
	memory[0x19] = 4;
	CHECK(one_write(&rules, memory, 0x20, 4) == 1);
	/* In pieces. */
	memory[0x19] = 3;
	CHECK(one_write(&rules, memory, 0x20, 2) == 1);
	rules_free(&rules);
	return true;
}

/* ---- DMA */

static bool dma_ranges(void)
{
	struct dma dma = { .count = 0 };
	uint8_t buffer[8192];
	int fd = memfd_create("guest", MFD_CLOEXEC);

	CHECK(!ftruncate(fd, 65536));
	CHECK(!dma_map(&dma, 0x10000, 0x2000, fd, 0, true, true));
	CHECK(!dma_map(&dma, 0x14000, 0x1000, fd, 0x4000, true, false));
	CHECK(!dma_map(&dma, 0x12000, 0x2000, fd, 0x2000, true, true));
	CHECK(dma_map(&dma, 0x13000, 0x4000, fd, 0, true, true) == -EEXIST);
	CHECK(dma_map(&dma, 0xf000, 0x2000, fd, 0, true, true) == -EEXIST);
	CHECK(dma_map(&dma, 0x20000, 0x1000, fd, 0x10000, true, true) == -EINVAL);
	CHECK(dma_map(&dma, 0x20000, 0x1000, fd, -0x1000ULL, true, true) == -EINVAL);
	CHECK(dma_map(&dma, -0x1000ULL, 0x1000, fd, 0, true, true) == -EINVAL);
	CHECK(dma_map(&dma, 0x20000, 0, fd, 0, true, true) == -EINVAL);
	CHECK(dma_map(&dma, 0x20001, 0x1000, fd, 0, true, true) == -EINVAL);
	CHECK(dma_map(&dma, 0x20000, 0x1000, STDIN_FILENO, 0, true, true) < 0);

	/* Across two mappings, and not past the end or into read-only ones. */
	memset(buffer, 0x5a, sizeof(buffer));
	CHECK(!dma_write(&dma, 0x11000, buffer, 0x2000));
	memset(buffer, 0, sizeof(buffer));
	CHECK(pread(fd, buffer, 0x2000, 0x1000) == 0x2000 && buffer[0x1fff] == 0x5a);
	CHECK(!dma_read(&dma, 0x13000, buffer, 0x2000));
	CHECK(dma_write(&dma, 0x13fff, buffer, 2) == -EFAULT);
	CHECK(dma_read(&dma, 0x14fff, buffer, 2) == -EFAULT);
	CHECK(dma_read(&dma, 0xffff, buffer, 1) == -EFAULT);

	CHECK(dma_unmap(&dma, 0x10000, 0x1000) == -EINVAL);
	CHECK(dma_unmap(&dma, 0x11000, 0x3000) == -EINVAL);
	CHECK(!dma_unmap(&dma, 0x12000, 0x2000));
	CHECK(dma_read(&dma, 0x12000, buffer, 1) == -EFAULT);
	CHECK(!dma_read(&dma, 0x14000, buffer, 1));
	CHECK(!dma_unmap(&dma, 0x50000, 0x1000));	/* nothing there */
	CHECK(!dma_unmap(&dma, 0, UINT64_MAX));
	CHECK(dma.count == 0);
	CHECK(!dma_map(&dma, 0x10000, 0x1000, -1, 0, true, true));
	CHECK(dma_read(&dma, 0x10000, buffer, 1) == -EFAULT);
	dma_unmap_all(&dma);
	close(fd);
	return true;
}

static bool dma_of_a_cut_file(void)
{
	struct dma dma = { .count = 0 };
	uint8_t buffer[16] = { 0 };
	int fd = memfd_create("guest", MFD_CLOEXEC);

	CHECK(!ftruncate(fd, 8192));
	CHECK(!dma_map(&dma, 0, 8192, fd, 0, true, true));
	CHECK(!ftruncate(fd, 4096));
	CHECK(!dma_write(&dma, 0, buffer, 16));
	CHECK(dma_write(&dma, 4096, buffer, 16) == -EFAULT);
	CHECK(dma_read(&dma, 4096, buffer, 16) == -EFAULT);
	CHECK(!dma_read(&dma, 0, buffer, 16));
	dma_unmap_all(&dma);
	close(fd);
	return true;
}

/* ---- the server */

static bool accesses_are_logged_in_order(void)
{
	struct mocklog_record expected[64] = { { 0 } };
	struct mocklog log;
	struct client c;
	uint64_t data = 0x1122334455667788, got = 0, from;
	unsigned int i, n = 0;

	client_start(&c, mockgpu, "gh200");
	client_connect(&c);
	CHECK(client_version(&c) > 0);
	CHECK(!mocklog_open(&log, client_path(&c, "log")));
	from = mocklog_count(&log);
	for (i = 0; i < 16; i++) {
		const uint32_t width = 1 << i % 4;
		const uint64_t mask = width == 8 ? ~0ULL : (1ULL << 8 * width) - 1;
		const uint64_t offset = 0x2000 + 8 * i;

		CHECK(!client_write(&c, 0, offset, width, &data));
		CHECK(!client_read(&c, 0, offset, width, &got));
		CHECK(got == (data & mask));
		got = 0;
		expected[n++] = (struct mocklog_record) {
			.kind = MOCKLOG_WRITE, .offset = offset,
			.width = width, .data = data & mask,
		};
		expected[n++] = (struct mocklog_record) {
			.kind = MOCKLOG_READ, .offset = offset,
			.width = width, .data = data & mask,
		};
	}
	CHECK(mocklog_compare(&log, from, expected, n) == n);
	CHECK(mocklog_count(&log) == from + n);
	/* Outside a BAR there is nothing, and nothing is logged. */
	CHECK(client_read(&c, 0, (16 << 20) - 4, 8, &got) == -EINVAL);
	CHECK(client_read(&c, 1, 0, 4, &got) == -EINVAL);
	CHECK(client_read(&c, 8, 0, 4, &got) == -EINVAL);
	CHECK(client_read(&c, 0, -4ULL, 8, &got) == -EINVAL);
	CHECK(client_read(&c, 0, 0, 0, &got) == -EINVAL);
	CHECK(mocklog_count(&log) == from + n);
	mocklog_close(&log);
	CHECK(client_stop(&c) == 0);
	return true;
}

static bool violation_fails_the_mock(void)
{
	struct mocklog_match match = MOCKLOG_ANY;
	struct mocklog log;
	struct client c;
	uint64_t data = 5;

	client_start(&c, mockgpu, "nic");
	client_connect(&c);
	client_version(&c);
	CHECK(!mocklog_open(&log, client_path(&c, "log")));
	CHECK(!client_write(&c, 2, 0x40, 4, &data));
	match.kind = MOCKLOG_VIOLATION;
	CHECK(mocklog_find(&log, 0, &match) == -ENOENT);
	CHECK(!client_write(&c, 2, 0x40, 8, &data));
	CHECK(mocklog_find(&log, 0, &match) > 0);
	CHECK(mocklog_get(&log, mocklog_find(&log, 0, &match))->rule == RULE_WIDTH);
	mocklog_close(&log);
	CHECK(client_stop(&c) == 1);
	return true;
}

static bool directly_mapped_bar(void)
{
	const struct vu_region_info ask = { .argsz = sizeof(ask), .index = 2 };
	struct vu_region_info info;
	struct client c;
	uint32_t *client_map, *host_map, value;
	int fd = -1, host;

	client_start(&c, mockgpu, "doorbell");
	client_connect(&c);
	client_version(&c);
	CHECK(client_command(&c, VU_GET_REGION_INFO, &ask, sizeof(ask), NULL, 0,
			     &info, sizeof(info), &fd) == sizeof(info));
	CHECK(info.flags & VU_REGION_FLAG_MMAP && fd >= 0);
	client_map = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, info.offset);
	host = open(client_path(&c, "bar2"), O_RDONLY);
	host_map = mmap(NULL, info.size, PROT_READ, MAP_SHARED, host, 0);
	CHECK(client_map != MAP_FAILED && host_map != MAP_FAILED);
	client_map[100] = 0xfeedface;
	CHECK(host_map[100] == 0xfeedface);
	CHECK(!client_read(&c, 2, 400, 4, &value) && value == 0xfeedface);
	munmap(client_map, info.size);
	munmap(host_map, info.size);
	close(fd);
	close(host);
	CHECK(client_stop(&c) == 0);
	return true;
}

static bool becomes_ready(struct client *c, uint64_t status)
{
	const double end = seconds() + LONG_MS / 1000;
	uint32_t value;

	while (seconds() < end) {
		if (client_read(c, 0, status, 4, &value))
			return false;
		if (value == 0xff)
			return true;
		usleep(1000);
	}
	return false;
}

static bool readiness(void)
{
	uint32_t value, flr = 0x8000;
	struct client c;
	double start;

	client_start(&c, mockgpu, "gh200");
	client_connect(&c);
	client_version(&c);
	CHECK(!client_read(&c, 0, READY_C2C_LINK, 4, &value) && value == 0xff);
	CHECK(!client_control(&c, "ready link never", NULL, 0));
	CHECK(!client_read(&c, 0, READY_C2C_LINK, 4, &value) && value == 0);
	CHECK(!client_read(&c, 0, READY_TRAINING, 4, &value) && value == 0xff);
	/* Writing does not make it so. */
	value = 0xff;
	CHECK(!client_write(&c, 0, READY_C2C_LINK, 4, &value));
	CHECK(!client_read(&c, 0, READY_C2C_LINK, 4, &value) && value == 0);
	/* A reset takes it away, ... */
	CHECK(!client_control(&c, "after-reset all never", NULL, 0));
	CHECK(!client_write(&c, 7, 0x58, 2, &flr));
	CHECK(!client_read(&c, 0, READY_C2C_LINK, 4, &value) && value == 0);
	CHECK(!client_read(&c, 0, READY_TRAINING, 4, &value) && value == 0);
	/* ... and brings it back, not at once. */
	CHECK(!client_control(&c, "after-reset all 100", NULL, 0));
	start = seconds();
	CHECK(!client_write(&c, 7, 0x58, 2, &flr));
	CHECK(becomes_ready(&c, READY_C2C_LINK));
	CHECK(seconds() - start >= 0.099);
	CHECK(becomes_ready(&c, READY_TRAINING));
	CHECK(client_stop(&c) == 0);

	client_start(&c, mockgpu, "cxl");
	client_connect(&c);
	client_version(&c);
	CHECK(!client_read(&c, 7, 0x17c, 4, &value) && (value & 3) == 3);
	CHECK(!client_control(&c, "ready memory never", NULL, 0));
	CHECK(!client_read(&c, 7, 0x17c, 4, &value) && (value & 3) == 1);
	CHECK(!client_control(&c, "ready all never", NULL, 0));
	CHECK(!client_read(&c, 7, 0x17c, 4, &value) && (value & 3) == 0);
	CHECK(client_stop(&c) == 0);
	return true;
}

/* A copy from guest memory to device memory and back, status and interrupt. */
static bool dma_and_interrupt(void)
{
	struct vu_dma_map map = {
		.argsz = sizeof(map), .flags = 3, .address = 0x100000,
		.size = 65536,
	};
	const uint32_t irqs[5] = {
		20, VU_IRQ_DATA_EVENTFD | VU_IRQ_ACTION_TRIGGER, IRQ_MSIX, 2, 1,
	};
	const struct {
		uint64_t source, destination;
		uint32_t length, command;
		uint64_t done;
		uint32_t vector;
	} copy = { 0x100000, 0x40000, 4096, 0, 0x108000, 2 };
	uint32_t command = ENGINE_COMMAND_START | ENGINE_COMMAND_TO_DEVICE;
	int guest = memfd_create("guest", MFD_CLOEXEC), event = eventfd(0, 0);
	uint32_t *memory;
	uint64_t fired;
	struct client c;
	char text[64];
	uint8_t reply[64];

	CHECK(!ftruncate(guest, 65536));
	memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, guest, 0);
	memory[5] = 0xabcdef01;
	client_start(&c, mockgpu, "doorbell");
	client_connect(&c);
	client_version(&c);
	CHECK(client_command(&c, VU_DMA_MAP, &map, sizeof(map), &guest, 1,
			     reply, sizeof(reply), NULL) == 0);
	CHECK(client_command(&c, VU_DMA_MAP, &map, sizeof(map), &guest, 1,
			     reply, sizeof(reply), NULL) == -EEXIST);
	CHECK(client_command(&c, VU_SET_IRQS, irqs, sizeof(irqs), &event, 1,
			     reply, sizeof(reply), NULL) == 0);
	CHECK(!client_write(&c, 0, 0x8000, 36, &copy));
	CHECK(!client_write(&c, 0, 0x8014, 4, &command));
	CHECK(read(event, &fired, 8) == 8 && fired == 1);
	CHECK(memory[0x8000 / 4] == ENGINE_OK);
	CHECK(!client_control(&c, "peek 2 0x40014 4", text, sizeof(text)));
	CHECK(!strcmp(text, "0xabcdef01"));
	/* To memory that is not mapped: an error, told by the same way. */
	CHECK(!client_write(&c, 0, 0x8000, 8, &(uint64_t){ 0x200000 }));
	CHECK(!client_write(&c, 0, 0x8014, 4, &command));
	CHECK(read(event, &fired, 8) == 8 && fired == 1);
	CHECK(memory[0x8000 / 4] == ENGINE_FAILED);
	munmap(memory, 65536);
	close(guest);
	close(event);
	CHECK(client_stop(&c) == 0);
	return true;
}

static bool faults(void)
{
	struct client c;
	uint32_t value;
	double start;

	client_start(&c, mockgpu, "gh200");
	client_connect(&c);
	client_version(&c);
	CHECK(!client_control(&c, "fault error 5 2", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -5);
	CHECK(!client_read(&c, 7, 0, 4, &value));
	CHECK(client_read(&c, 0, 0, 4, &value) == -5);
	CHECK(!client_read(&c, 0, 0, 4, &value));
	CHECK(!client_control(&c, "fault late 200", NULL, 0));
	start = seconds();
	CHECK(!client_read(&c, 0, 0, 4, &value));
	CHECK(seconds() - start >= 0.199);
	CHECK(!client_control(&c, "fault short 2", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -EPROTO);
	CHECK(!client_control(&c, "fault long 3", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -EPROTO);
	CHECK(!client_control(&c, "fault count 3", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -EPROTO);
	/* The rest never comes. */
	client_patience(&c, 1);
	CHECK(!client_control(&c, "fault cut 2", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -EPIPE);
	client_disconnect(&c);
	client_connect(&c);
	CHECK(client_version(&c) > 0);
	CHECK(!client_control(&c, "fault disconnect", NULL, 0));
	CHECK(client_read(&c, 0, 0, 4, &value) == -EPIPE);
	client_disconnect(&c);
	client_connect(&c);
	CHECK(client_version(&c) > 0);
	CHECK(client_control(&c, "fault sideways", NULL, 0) == -EINVAL);
	CHECK(client_control(&c, "reset 3", NULL, 0) == -EINVAL);
	CHECK(client_control(&c, "poke 2 65536 4 1", NULL, 0) == -EINVAL);
	CHECK(client_control(&c, "rule once 2 0 65537", NULL, 0) == -EINVAL);
	CHECK(client_stop(&c) == 0);
	return true;
}

/* After each of these the mock is alive and serves the next client. */
static bool misbehaving_clients(void)
{
	struct vu_header header = { .command = VU_VERSION, .size = 20 };
	int fds[40], status;
	uint8_t junk[4096];
	unsigned int i, j;
	struct client c;
	uint32_t value;

	for (i = 0; i < 40; i++)
		fds[i] = memfd_create("junk", MFD_CLOEXEC);
	client_start(&c, mockgpu, "doorbell");
	for (i = 0; i < 300; i++) {
		client_connect(&c);
		switch (i % 8) {
		case 0:		/* noise */
			for (j = 0; j < sizeof(junk); j++)
				junk[j] = random();
			client_send(&c, junk, sizeof(junk), NULL, 0);
			break;
		case 1:		/* half a message */
			client_send(&c, &header, sizeof(header), NULL, 0);
			break;
		case 2:		/* half a header, with files */
			client_send(&c, &header, 7, fds, 16);
			break;
		case 3:		/* more files than there may be */
			client_send(&c, &header, sizeof(header), fds, 40);
			break;
		case 4:		/* no version */
			CHECK(client_read(&c, 0, 0, 4, &value) == -EINVAL);
			break;
		case 5:		/* files where none belong, then more of them */
			client_version(&c);
			header = (struct vu_header) { .command = VU_RESET,
						      .size = 16 };
			client_send(&c, &header, 9, fds, 3);
			client_send(&c, (char *)&header + 9, 7, fds, 2);
			client_send(&c, &header, 16, fds, 16);
			break;
		case 6:		/* twice */
			CHECK(client_version(&c) > 0);
			CHECK(client_version(&c) == -EINVAL);
			break;
		case 7:		/* leaves without a word */
			break;
		}
		client_disconnect(&c);
	}
	client_connect(&c);
	CHECK(client_version(&c) > 0);
	CHECK(!client_read(&c, 0, 0, 4, &value));
	/* No file was kept. */
	snprintf((char *)junk, sizeof(junk),
		 "test $(ls -l /proc/%d/fd | grep -c junk) = 0", c.pid);
	status = system((char *)junk);
	CHECK(status == 0);
	for (i = 0; i < 40; i++)
		close(fds[i]);
	CHECK(client_stop(&c) == 0);
	return true;
}

/* Messages cut and glued in every way are the same messages. */
static bool any_segmentation(void)
{
	const struct vu_version version = { 0, 0 };
	struct {
		struct vu_header header;
		struct vu_region_access access;
		uint32_t data;
	} __attribute__((packed)) write = {
		{ .command = VU_REGION_WRITE, .size = sizeof(write),
		  .flags = VU_FLAG_NO_REPLY },
		{ 0x100, 0, 4 }, 0,
	};
	struct mocklog_match match = MOCKLOG_ANY;
	uint8_t stream[40 * sizeof(write) + 64];
	size_t size, sent, part;
	struct mocklog log;
	struct client c;
	unsigned int i;
	int64_t from;

	client_start(&c, mockgpu, "doorbell");
	CHECK(!mocklog_open(&log, client_path(&c, "log")));
	for (part = 1; part < 200; part = part * 3 / 2 + 1) {
		from = mocklog_count(&log);
		client_connect(&c);
		size = build(stream, VU_VERSION, &version, sizeof(version));
		for (i = 0; i < 40; i++) {
			write.data = i;
			memcpy(stream + size, &write, sizeof(write));
			size += sizeof(write);
		}
		for (sent = 0; sent < size; sent += part)
			CHECK(client_send(&c, stream + sent,
					  part < size - sent ? part : size - sent,
					  NULL, 0));
		match.kind = MOCKLOG_WRITE;
		for (i = 0; i < 40; i++) {
			match.data = i;
			from = mocklog_wait_for(&log, from, &match, LONG_MS);
			CHECK(from >= 0);
		}
		client_disconnect(&c);
	}
	mocklog_close(&log);
	CHECK(client_stop(&c) == 0);
	return true;
}

/* ---- rate */

/* @count posted writes, then the log holds each of them once and in order. */
static bool no_loss(uint64_t count)
{
	struct message {
		struct vu_header header;
		struct vu_region_access access;
		uint64_t data;
	} *batch;
	const size_t batch_size = 1024;
	struct mocklog log;
	uint64_t sent, from, i;
	struct client c;
	double start, end;
	uint32_t value;

	batch = calloc(batch_size, sizeof(*batch));
	client_start(&c, mockgpu, "gh200");
	client_connect(&c);
	client_version(&c);
	CHECK(!mocklog_open(&log, client_path(&c, "log")));
	from = mocklog_count(&log);
	start = seconds();
	for (sent = 0; sent < count; sent += batch_size) {
		for (i = 0; i < batch_size; i++)
			batch[i] = (struct message) {
				{ .command = VU_REGION_WRITE,
				  .size = sizeof(*batch),
				  .flags = VU_FLAG_NO_REPLY },
				{ 0x2000 + (sent + i) % 4096 * 8, 0, 8 },
				sent + i,
			};
		CHECK(client_send(&c, batch, batch_size * sizeof(*batch), NULL,
				  0));
	}
	/* The read comes after all of them. */
	CHECK(!client_read(&c, 0, 0, 4, &value));
	end = seconds();
	CHECK(mocklog_count(&log) == from + sent + 1);
	for (i = 0; i < sent; i++) {
		const struct mocklog_record *r = mocklog_get(&log, from + i);

		CHECK(r && r->kind == MOCKLOG_WRITE && r->data == i &&
		      r->offset == 0x2000 + i % 4096 * 8 && r->width == 8);
	}
	printf("# %llu accesses logged in %.2f s: %.2f million a second, none lost\n",
	       (unsigned long long)sent, end - start, sent / (end - start) / 1e6);
	mocklog_close(&log);
	free(batch);
	CHECK(client_stop(&c) == 0);
	return true;
}

static bool round_trips(void)
{
	const unsigned int count = 20000;
	struct client c;
	unsigned int i;
	uint32_t value;
	double start;

	client_start(&c, mockgpu, "gh200");
	client_connect(&c);
	client_version(&c);
	start = seconds();
	for (i = 0; i < count; i++)
		CHECK(!client_read(&c, 0, 0, 4, &value));
	printf("# %.1f us a read with its reply\n",
	       (seconds() - start) * 1e6 / count);
	CHECK(client_stop(&c) == 0);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;

	if (argc < 2) {
		fprintf(stderr, "usage: unit MOCKGPU [ACCESSES]\n");
		return 2;
	}
	mockgpu = argv[1];
	signal(SIGPIPE, SIG_IGN);

	ktap_start();
	ktap_result(log_is_read_back(), "log: what is written is read back");
	ktap_result(log_wakes_readers(), "log: readers are woken");
	ktap_result(framing(), "protocol: framing");
	ktap_result(parser_checks_lengths(), "protocol: every wrong length is refused");
	ktap_result(simple_rules(), "rules: width, align, once, ascending, forbidden");
	ktap_result(payload_rule(), "rules: payload complete at the doorbell");
	ktap_result(dma_ranges(), "dma: ranges, overlaps, rights");
	ktap_result(dma_of_a_cut_file(), "dma: a file that was cut short");
	ktap_result(accesses_are_logged_in_order(), "server: accesses are logged in order");
	ktap_result(violation_fails_the_mock(), "server: a violation fails the mock");
	ktap_result(directly_mapped_bar(), "server: a directly mapped BAR is seen by the host");
	ktap_result(readiness(), "server: readiness at once, never, after reset");
	ktap_result(dma_and_interrupt(), "server: DMA, status word, interrupt");
	ktap_result(faults(), "server: faults on command");
	ktap_result(misbehaving_clients(), "server: 300 misbehaving clients");
	ktap_result(any_segmentation(), "server: messages cut and glued anyhow");
	ktap_result(round_trips(), "rate: reads one by one");
	ktap_result(no_loss(count), "rate: %llu posted writes without loss",
		    (unsigned long long)count);
	return ktap_finish();
}
