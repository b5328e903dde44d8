// SPDX-License-Identifier: GPL-2.0-only
/* What vfiomem.h says of the memory space, sentence by sentence. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../vfiomem/expect.h"
#include "vfiomem.h"

#define PAGE 4096u
#define ALL (VFIOMEM_UNALIGNED | VFIOMEM_VECTOR | VFIOMEM_ATOMIC | \
	     VFIOMEM_READ_IDEMPOTENT | VFIOMEM_WRITE_MERGE | VFIOMEM_COHERENT | \
	     VFIOMEM_ZERO_LINE)
#define NORMAL_ATTR VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, ALL)
#define WC_ATTR VFIOMEM_ATTR(VFIOMEM_WRITECOMBINE, 0, VFIOMEM_UNALIGNED | VFIOMEM_VECTOR)
#define STRICT_ATTR VFIOMEM_ATTR(VFIOMEM_NONCACHED, 0, 0)

static struct vfiomem_pool *pool;
static struct vfiomem_space *space;
static uint64_t dirty_addr, dirty_len, dirty_calls;

static _Alignas(4096) unsigned char memory[4][16 * PAGE];

static void note_dirty(void *opaque, uint64_t addr, uint64_t len)
{
	expect(opaque == memory);
	dirty_addr = addr;
	dirty_len = len;
	dirty_calls++;
}

static void setup(size_t budget)
{
	struct vfiomem_pool_options po = { .size = sizeof(po), .budget = budget };
	struct vfiomem_space_options so = {
		.size = sizeof(so), .dirty = note_dirty, .opaque = memory,
	};

	expect_eq(vfiomem_pool_create(&pool, &po), 0);
	so.pool = pool;
	expect_eq(vfiomem_space_create(&space, &so), 0);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int k = 0; k < sizeof(memory[i]); k++)
			memory[i][k] = (unsigned char)(k * 7 + i * 31 + k / 256);
	dirty_calls = 0;
}

static uint64_t in_use(void)
{
	struct vfiomem_pool_stats stats;

	expect_eq(vfiomem_pool_stats(pool, &stats), 0);
	return stats.in_use;
}

static void teardown(void)
{
	expect_eq(in_use(), 0);
	expect_eq(vfiomem_space_destroy(space), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static uint64_t add(const struct vfiomem_range *range)
{
	uint64_t id = 0;

	expect_eq(vfiomem_space_add(space, range, &id), 0);
	return id;
}

static uint64_t add_ram(uint64_t base, uint64_t size, int priority, void *host)
{
	return add(&(struct vfiomem_range){ .base = base, .size = size,
		   .priority = priority, .type = VFIOMEM_RANGE_RAM, .host = host });
}

static uint64_t add_device(uint64_t base, uint64_t size, struct vfiomem_attr attr,
			   void *host)
{
	return add(&(struct vfiomem_range){ .base = base, .size = size, .attr = attr,
		   .type = VFIOMEM_RANGE_DEVICE, .host = host });
}

/* I/O callbacks that log. */
static struct {
	uint64_t offset, value;
	unsigned int width;
	char kind;
} io_log[100];
static unsigned int io_logged;
static int io_error;

static int log_io(char kind, uint64_t offset, unsigned int width, uint64_t value)
{
	if (io_logged < 100) {
		io_log[io_logged].kind = kind;
		io_log[io_logged].offset = offset;
		io_log[io_logged].width = width;
		io_log[io_logged++].value = value;
	}
	return io_error;
}

static int io_read(void *opaque, uint64_t offset, unsigned int width, uint64_t *value)
{
	unsigned char *bytes = opaque;

	memcpy(value, bytes + offset, width);	/* little-endian */
	return log_io('r', offset, width, *value);
}

static int io_write(void *opaque, uint64_t offset, unsigned int width, uint64_t value)
{
	memcpy((unsigned char *)opaque + offset, &value, width);
	return log_io('w', offset, width, value);
}

static const struct vfiomem_io any_io = { io_read, io_write, 0, 0 };
static const struct vfiomem_io nic_io = { io_read, io_write, 2, 4 };
static const struct vfiomem_io read_io = { .read = io_read };

static uint64_t add_io(uint64_t base, uint64_t size, const struct vfiomem_io *io, void *bytes)
{
	return add(&(struct vfiomem_range){ .base = base, .size = size,
		   .type = VFIOMEM_RANGE_IO, .io = io, .opaque = bytes });
}

static void test_arguments(void)
{
	struct vfiomem_space_options so = { .size = sizeof(so) };
	struct vfiomem_range range = { .base = PAGE, .size = PAGE, .host = memory };
	struct vfiomem_io wide = { .read = io_read, .max_width = 16 };
	struct vfiomem_io odd = { .read = io_read, .min_width = 3 };
	struct vfiomem_io empty = { .read = io_read, .min_width = 4, .max_width = 2 };
	struct vfiomem_mapping m;
	struct vfiomem_space *other;
	uint64_t id;

	setup(PAGE);
	expect_eq(vfiomem_space_create(&other, &so), -EINVAL);	/* no pool */
	so.pool = pool;
	so.flags = 1u << 31;
	expect_eq(vfiomem_space_create(&other, &so), -EINVAL);
	range.size = 0;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.size = UINT64_MAX - PAGE + 2;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.size = PAGE;
	range.host = NULL;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.type = VFIOMEM_RANGE_IO;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.io = &wide;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.io = &odd;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.io = &empty;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	range.io = &any_io;
	range.type = 99;
	expect_eq(vfiomem_space_add(space, &range, &id), -EINVAL);
	add_ram(0, PAGE, 0, memory[0]);
	expect_eq(vfiomem_space_map(space, 0, 0, VFIOMEM_MAP_READ, NULL, &m), -EINVAL);
	expect_eq(vfiomem_space_map(space, 0, 1, 0, NULL, &m), -EINVAL);
	expect_eq(vfiomem_space_map(space, 0, 1, VFIOMEM_MAP_READ | VFIOMEM_MAP_WRITE,
				    NULL, &m), -EINVAL);
	expect_eq(vfiomem_space_map(space, 0, 1, VFIOMEM_MAP_READ | 1u << 9, NULL, &m),
		  -EINVAL);
	expect_eq(vfiomem_space_map(space, PAGE, 1, VFIOMEM_MAP_READ, NULL, &m), -ENXIO);
	expect_eq(vfiomem_space_remove(space, 12345), -ENOENT);
	expect_eq(vfiomem_space_wait_unused(space, 12345), 0);
	teardown();
}

/* A space by brute force. */
struct model {
	uint64_t first, last, id;
	int priority;
	unsigned char *host;
};

static struct model *model_find(struct model *models, unsigned int nr, uint64_t addr,
				uint64_t *last)
{
	struct model *top = NULL;

	for (unsigned int i = 0; i < nr; i++)
		if (models[i].first <= addr && addr <= models[i].last &&
		    (!top || models[i].priority > top->priority ||
		     (models[i].priority == top->priority && models[i].id > top->id)))
			top = &models[i];
	*last = top ? top->last : UINT64_MAX;
	for (unsigned int i = 0; i < nr; i++) {
		struct model *m = &models[i];

		if (m->first > addr && m->first <= *last &&
		    (!top || m->priority > top->priority ||
		     (m->priority == top->priority && m->id > top->id)))
			*last = m->first - 1;
	}
	return top;
}

static void test_overlays(void)
{
	enum { MAX = 40 };
	struct model models[MAX];
	unsigned int nr = 0, wrong = 0;

	setup(PAGE);
	srand(7);
	for (unsigned int round = 0; round < 3000; round++) {
		if (nr < MAX && (nr == 0 || rand() % 2)) {
			struct model *m = &models[nr++];
			unsigned int page = rand() % 60, pages = 1 + rand() % 20;

			m->first = (uint64_t)page * PAGE;
			m->last = m->first + pages * PAGE - 1;
			if (rand() % 16 == 0) {		/* the ends of the world */
				m->first = rand() % 2 ? 0 : UINT64_MAX - 8 * PAGE + 1;
				m->last = m->first + 8 * PAGE - 1;
			}
			m->priority = rand() % 4 - 1;
			m->host = (unsigned char *)(uintptr_t)((round + 1ull) << 32);
			m->id = add_ram(m->first, m->last - m->first + 1, m->priority, m->host);
		} else {
			unsigned int i = rand() % nr;

			expect_eq(vfiomem_space_remove(space, models[i].id), 0);
			expect_eq(vfiomem_space_remove(space, models[i].id), -ENOENT);
			models[i] = models[--nr];
		}
		for (unsigned int probe = 0; probe < 100; probe++) {
			uint64_t addr = rand() % (90 * PAGE), last;
			struct vfiomem_mapping map;
			struct model *m;
			int ret;

			if (probe < 4)
				addr = UINT64_MAX - rand() % (10 * PAGE);
			m = model_find(models, nr, addr, &last);
			ret = vfiomem_space_map(space, addr, SIZE_MAX / 4,
						VFIOMEM_MAP_READ, NULL, &map);
			if (!m) {
				wrong += ret != -ENXIO;
				continue;
			}
			wrong += ret != 0;
			if (ret)
				continue;
			wrong += map.ptr != m->host + (addr - m->first);
			wrong += map.len != last - addr + 1;
			wrong += vfiomem_space_unmap(space, &map, 0) != 0;
		}
	}
	expect_eq(wrong, 0);
	teardown();
}

/* Whether a mapping of the first byte is direct. */
static int is_direct(uint64_t addr, uint32_t flags, const void *host)
{
	struct vfiomem_mapping m;
	int ret = vfiomem_space_map(space, addr, 16, flags, NULL, &m), direct;

	if (ret)
		return ret;
	direct = m.ptr == host;
	expect_eq(in_use(), direct ? 0 : 16);
	expect_eq(vfiomem_space_unmap(space, &m, 0), 0);
	return direct;
}

/* Sizes around those at which the views grow; a sanitizer sees one too small. */
static void test_remove_all(void)
{
	setup(PAGE);
	for (unsigned int nr = 20; nr < 140; nr++) {
		uint64_t ids[140];

		for (unsigned int i = 0; i < nr; i++)
			ids[i] = add_ram(2ull * i * PAGE + PAGE, PAGE, 0, memory[0]);
		for (unsigned int i = 0; i < nr; i++)
			expect_eq(vfiomem_space_remove(space,
						       ids[nr % 2 ? i : nr - 1 - i]), 0);
	}
	teardown();
}

static void test_direct_rule(void)
{
	enum { R = VFIOMEM_MAP_READ, W = VFIOMEM_MAP_WRITE, CPU = VFIOMEM_MAP_CPU_ONLY };
	static const uint32_t needed[] = {
		VFIOMEM_UNALIGNED, VFIOMEM_VECTOR, VFIOMEM_COHERENT, VFIOMEM_ZERO_LINE,
	};
	unsigned char *host = memory[0];
	struct vfiomem_range range = {
		.size = PAGE, .type = VFIOMEM_RANGE_DEVICE, .host = host,
	};
	uint64_t id;

	setup(PAGE);
	id = add_ram(0, PAGE, 0, host);
	expect_eq(is_direct(0, R, host), 1);
	expect_eq(is_direct(0, W, host), 1);
	vfiomem_space_remove(space, id);

	id = add_device(0, PAGE, NORMAL_ATTR, host);
	expect_eq(is_direct(0, R | CPU, host), 1);
	expect_eq(is_direct(0, W | CPU, host), 1);
	expect_eq(is_direct(0, R, host), 0);	/* it cannot be pinned */
	expect_eq(is_direct(0, W, host), 0);
	vfiomem_space_remove(space, id);

	for (unsigned int i = 0; i < 4; i++) {
		id = add_device(0, PAGE, VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, ALL & ~needed[i]), host);
		expect_eq(is_direct(0, R | CPU, host), 0);
		vfiomem_space_remove(space, id);
	}
	id = add_device(0, PAGE, VFIOMEM_ATTR(VFIOMEM_NORMAL, 64, ALL), host);
	expect_eq(is_direct(0, R | CPU, host), 0);
	vfiomem_space_remove(space, id);
	for (unsigned int mode = 0; mode < 3; mode++) {
		id = add_device(0, PAGE, VFIOMEM_ATTR(mode, 0, ALL), host);
		expect_eq(is_direct(0, R | CPU, host), 0);
		expect_eq(is_direct(0, W | CPU, host), 0);
		vfiomem_space_remove(space, id);
	}
	range.attr = NORMAL_ATTR;
	range.flags = VFIOMEM_RANGE_READONLY;
	id = add(&range);
	expect_eq(is_direct(0, R | CPU, host), 1);
	expect_eq(is_direct(0, W | CPU, host), -EACCES);
	vfiomem_space_remove(space, id);

	range = (struct vfiomem_range){ .size = PAGE, .type = VFIOMEM_RANGE_ROM, .host = host };
	id = add(&range);
	expect_eq(is_direct(0, R, host), 1);
	expect_eq(is_direct(0, W, host), -EACCES);
	vfiomem_space_remove(space, id);
	range.io = &any_io;
	range.opaque = memory[1];
	id = add(&range);
	expect_eq(is_direct(0, R, host), 1);
	expect_eq(is_direct(0, W, host), 0);
	vfiomem_space_remove(space, id);
	add_io(0, PAGE, &read_io, memory[0]);
	expect_eq(is_direct(0, R | CPU, host), 0);
	expect_eq(is_direct(0, W, host), -EACCES);
	teardown();
}

static void test_bounce(void)
{
	const struct vfiomem_attr attrs[] = { WC_ATTR, STRICT_ATTR, NORMAL_ATTR };
	struct vfiomem_mapping m, again;
	unsigned char was[PAGE];

	setup(2 * PAGE);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned char *at = memory[0] + 123;
		uint64_t id = add_device(64 * PAGE, sizeof(memory[0]), attrs[i], memory[0]);

		expect_eq(vfiomem_space_map(space, 64 * PAGE + 123, 3000,
					    VFIOMEM_MAP_READ, NULL, &m), 0);
		expect(m.ptr != at);
		expect_eq((uintptr_t)m.ptr % PAGE, 123);
		expect_eq(m.len, 3000);
		expect(!memcmp(m.ptr, at, 3000));
		memset(m.ptr, 0xff, 3000);
		memcpy(was, at, 3000);
		expect_eq(vfiomem_space_unmap(space, &m, 0), 0);
		expect(!memcmp(was, at, 3000));
		expect_eq(dirty_calls, 0);

		/* Only what was accessed is written back. */
		expect_eq(vfiomem_space_map(space, 64 * PAGE + 123, 3000,
					    VFIOMEM_MAP_WRITE, NULL, &m), 0);
		for (unsigned int k = 0; k < 3000; k++)
			expect(((char *)m.ptr)[k] == 0);
		memset(m.ptr, 0x77, 3000);
		expect(!memcmp(was, at, 3000));		/* not yet */
		expect_eq(vfiomem_space_unmap(space, &m, 1001), 0);
		memset(was, 0x77, 1001);
		expect(!memcmp(was, at, 3000));
		expect_eq(dirty_calls, 1);
		expect_eq(dirty_addr, 64 * PAGE + 123);
		expect_eq(dirty_len, 1001);
		expect_eq(vfiomem_space_unmap(space, &m, 1001), -EALREADY);

		/* More than there is: an error, nothing written, budget free. */
		expect_eq(vfiomem_space_map(space, 64 * PAGE + 123, 3000,
					    VFIOMEM_MAP_WRITE, NULL, &m), 0);
		memset(m.ptr, 0x66, 3000);
		expect_eq(vfiomem_space_unmap(space, &m, 3001), -EINVAL);
		expect(!memcmp(was, at, 3000));
		expect_eq(in_use(), 0);
		expect_eq(vfiomem_space_unmap(space, &m, 1), -EALREADY);

		/* A page of budget, three pages of request. */
		expect_eq(vfiomem_space_try_map(space, 64 * PAGE, 9000, VFIOMEM_MAP_READ,
						NULL, &m), 0);
		expect_eq(m.len, 2 * PAGE);
		expect_eq(vfiomem_space_try_map(space, 64 * PAGE, 1, VFIOMEM_MAP_READ,
						NULL, &again), -EAGAIN);
		expect_eq(vfiomem_space_unmap(space, &m, 0), 0);
		expect_eq(vfiomem_space_remove(space, id), 0);
		expect_eq(vfiomem_space_wait_unused(space, id), 0);
		dirty_calls = 0;
	}

	/* Of a direct mapping nobody knows better: all of it is dirty. */
	add_ram(0, PAGE, 0, memory[1]);
	expect_eq(vfiomem_space_map(space, 16, 100, VFIOMEM_MAP_WRITE, NULL, &m), 0);
	expect_eq(vfiomem_space_unmap(space, &m, 101), -EINVAL);
	expect_eq(dirty_calls, 1);
	expect_eq(dirty_addr, 16);
	expect_eq(dirty_len, 100);
	expect_eq(vfiomem_space_map(space, 16, 100, VFIOMEM_MAP_READ, NULL, &m), 0);
	expect_eq(vfiomem_space_unmap(space, &m, 101), -EINVAL);
	expect_eq(dirty_calls, 1);
	teardown();
}

static void test_io_widths(void)
{
	unsigned char bytes[64], out[64];
	struct vfiomem_mapping m;

	setup(PAGE);
	for (unsigned int i = 0; i < 64; i++)
		bytes[i] = (unsigned char)(i * 3);
	add_io(0, 64, &any_io, bytes);
	add_io(0x1000, 64, &nic_io, bytes);

	io_logged = 0;
	expect_eq(vfiomem_space_read(space, 1, out, 15, VFIOMEM_RELAXED), 0);
	expect(!memcmp(out, bytes + 1, 15));
	expect_eq(io_logged, 4);	/* 1 at 1, 2 at 2, 4 at 4, 8 at 8 */
	for (unsigned int i = 0; i < 4; i++) {
		expect_eq(io_log[i].width, 1 << i);
		expect_eq(io_log[i].offset, 1 << i);
	}

	io_logged = 0;
	expect_eq(vfiomem_space_write(space, 0x1002, "abcdefghijklmn", 14, VFIOMEM_PUBLISH), 0);
	expect(!memcmp(bytes + 2, "abcdefghijklmn", 14));
	expect_eq(io_logged, 4);	/* 2 + 4 + 4 + 4 */
	expect_eq(io_log[0].width, 2);
	expect_eq(io_log[3].width, 4);
	expect_eq(io_log[3].offset, 12);

	/* An order that is none, or of the other direction: nothing is done. */
	io_logged = 0;
	expect_eq(vfiomem_space_read(space, 0, out, 8, VFIOMEM_PUBLISH), -EINVAL);
	expect_eq(vfiomem_space_read(space, 0, out, 8, 1 << 7), -EINVAL);
	expect_eq(vfiomem_space_write(space, 0, out, 8, VFIOMEM_ACQUIRE), -EINVAL);
	expect_eq(vfiomem_space_write(space, 0, out, 8, VFIOMEM_GRANULE(4)), -EINVAL);
	expect_eq(vfiomem_space_fill(space, 0, 0, 8,
				     VFIOMEM_PUBLISH | VFIOMEM_ASCENDING_WRITE), -EINVAL);
	expect_eq(io_logged, 0);

	/* Narrower than the device takes: nothing is done. */
	io_logged = 0;
	expect_eq(vfiomem_space_read(space, 0x1001, out, 2, VFIOMEM_RELAXED), -EINVAL);
	expect_eq(vfiomem_space_write(space, 0x1000, out, 3, VFIOMEM_RELAXED), -EINVAL);
	expect_eq(io_logged, 0);

	io_logged = 0;
	expect_eq(vfiomem_space_fill(space, 4, 0x42, 40, VFIOMEM_RELAXED), 0);
	expect_eq(io_logged, 6);	/* 4 + 4 * 8 + 4 */
	for (unsigned int i = 4; i < 44; i++)
		expect_eq(bytes[i], 0x42);

	/* By way of a bounce buffer, and back. */
	expect_eq(vfiomem_space_map(space, 0x1004, 12, VFIOMEM_MAP_READ, NULL, &m), 0);
	expect(!memcmp(m.ptr, bytes + 4, 12));
	expect_eq(vfiomem_space_unmap(space, &m, 0), 0);
	expect_eq(vfiomem_space_map(space, 0x1004, 12, VFIOMEM_MAP_WRITE, NULL, &m), 0);
	memcpy(m.ptr, "0123456789ab", 12);
	io_logged = 0;
	expect_eq(vfiomem_space_unmap(space, &m, 8), 0);
	expect_eq(io_logged, 2);
	expect(!memcmp(bytes + 4, "01234567\x42\x42", 10));

	/* An error of a callback comes back; the budget does, too. */
	io_error = -EREMOTEIO;
	expect_eq(vfiomem_space_read(space, 0, out, 1, VFIOMEM_RELAXED), -EREMOTEIO);
	expect_eq(vfiomem_space_map(space, 0, 8, VFIOMEM_MAP_READ, NULL, &m), -EREMOTEIO);
	expect_eq(in_use(), 0);
	expect_eq(vfiomem_space_map(space, 0, 8, VFIOMEM_MAP_WRITE, NULL, &m), 0);
	expect_eq(vfiomem_space_unmap(space, &m, 8), -EREMOTEIO);
	expect_eq(in_use(), 0);
	io_error = 0;
	teardown();
}

static void test_io_parts(void)
{
	struct vfiomem_piece list[] = {
		{ 0x2000, 6 }, { 0x1000, 8 }, { 0x2000, 1 }, { 0x1000, PAGE },
	};
	struct vfiomem_grant how = { .granularity = 5, .owner = list };
	struct vfiomem_mapping odd, m[4];

	setup(PAGE + 3);
	add_io(0x1000, PAGE, &nic_io, memory[0]);
	add_device(0x2000, PAGE, STRICT_ATTR, memory[1]);
	expect_eq(vfiomem_space_map(space, 0x2000, 6, VFIOMEM_MAP_READ, NULL, &odd), 0);

	/* 4093 bytes are left, which a device that takes two at a time cannot fill. */
	expect_eq(vfiomem_space_try_map(space, 0x1000, PAGE, VFIOMEM_MAP_READ, NULL, m), 0);
	expect_eq(m->len, PAGE - 4);
	expect_eq(vfiomem_space_unmap(space, m, 0), 0);
	expect_eq(vfiomem_space_try_map(space, 0x1000, PAGE, VFIOMEM_MAP_WRITE, &how, m), 0);
	expect_eq(m->len, 4090);
	expect_eq(vfiomem_space_unmap(space, m, m->len), 0);
	how.granularity = SIZE_MAX;
	expect_eq(vfiomem_space_try_map(space, 0x1000, PAGE, VFIOMEM_MAP_WRITE, &how, m),
		  -EAGAIN);

	/* In a list what is before counts: behind an odd piece a cut would be odd. */
	expect_eq(vfiomem_space_try_map_sg(space, list, 4, VFIOMEM_MAP_READ, NULL, m), 3);
	for (int i = 0; i < 3; i++)
		expect_eq(vfiomem_space_unmap(space, &m[i], 0), 0);
	list[2].len = 2;
	expect_eq(vfiomem_space_try_map_sg(space, list, 4, VFIOMEM_MAP_READ, NULL, m), 4);
	expect_eq(m[3].len, PAGE - 4 - 16);
	for (int i = 0; i < 4; i++)
		expect_eq(vfiomem_space_unmap(space, &m[i], 0), 0);
	expect_eq(vfiomem_space_unmap(space, &odd, 0), 0);
	teardown();
}

static void test_borders(void)
{
	static unsigned char out[8 * PAGE], in[8 * PAGE];

	setup(PAGE);
	add_ram(0, PAGE, 0, memory[0]);
	add_device(PAGE, PAGE, WC_ATTR, memory[1]);
	add_device(2 * PAGE, PAGE, STRICT_ATTR, memory[2]);
	add_io(3 * PAGE, PAGE, &any_io, memory[3]);
	expect_eq(vfiomem_space_read(space, 77, out, 4 * PAGE - 77, VFIOMEM_RELAXED), 0);
	expect(!memcmp(out, memory[0] + 77, PAGE - 77));
	for (unsigned int i = 1; i < 4; i++)
		expect(!memcmp(out + i * PAGE - 77, memory[i], PAGE));

	for (unsigned int i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 11 + i / 256);
	for (unsigned int order = 0; order < 4; order++) {
		static const unsigned int orders[] = {
			VFIOMEM_RELAXED, VFIOMEM_PUBLISH, VFIOMEM_ASCENDING_WRITE,
			VFIOMEM_ASCENDING,
		};
		int ret = vfiomem_space_write(space, 99, in + order, 4 * PAGE - 107,
					      orders[order]);

		/* ASCENDING on write-combining memory may be refused, never weakened. */
		if (ret == -EOPNOTSUPP && order >= 2)
			continue;
		expect_eq(ret, 0);
		expect(!memcmp(memory[0] + 99, in + order, PAGE - 99));
		expect(!memcmp(memory[1], in + order + PAGE - 99, PAGE));
		expect(!memcmp(memory[3], in + order + 3 * PAGE - 99, PAGE - 8));
	}
	expect_eq(vfiomem_space_fill(space, PAGE - 3, 0xab, 2 * PAGE + 5, VFIOMEM_PUBLISH), 0);
	expect_eq(memory[0][PAGE - 1], 0xab);
	expect_eq(memory[1][0], 0xab);
	expect_eq(memory[2][PAGE - 1], 0xab);
	expect_eq(memory[3][1], 0xab);
	expect(memory[3][2] != 0xab || in[0] == 0xab);

	expect_eq(vfiomem_space_read(space, 0, out, 8, VFIOMEM_PUBLISH), -EINVAL);
	expect_eq(vfiomem_space_write(space, 0, out, 8, VFIOMEM_ACQUIRE), -EINVAL);
	expect_eq(vfiomem_space_read(space, 4 * PAGE - 4, out, 8, VFIOMEM_RELAXED), -ENXIO);
	expect_eq(vfiomem_space_read(space, UINT64_MAX - 3, out, 8, VFIOMEM_RELAXED), -ENXIO);
	teardown();
}

static void test_lists(void)
{
	struct vfiomem_piece list[] = {
		{ 0, 100 }, { 200, 100 }, { PAGE, 1000 }, { PAGE + 2000, 1000 }, { 0, 8 },
	};
	struct vfiomem_grant sectors = { .granularity = 512, .owner = list };
	struct vfiomem_mapping m[5];

	setup(PAGE);
	add_ram(0, PAGE, 0, memory[0]);
	add_device(PAGE, PAGE, STRICT_ATTR, memory[1]);
	/* The direct ones. */
	expect_eq(vfiomem_space_map_sg(space, list, 5, VFIOMEM_MAP_READ, NULL, m), 2);
	expect(m[0].ptr == memory[0] && m[1].ptr == memory[0] + 200);
	for (int i = 0; i < 2; i++)
		expect_eq(vfiomem_space_unmap(space, &m[i], 0), 0);
	/* The bounced ones. */
	expect_eq(vfiomem_space_map_sg(space, list + 2, 3, VFIOMEM_MAP_READ, NULL, m), 2);
	expect(!memcmp(m[1].ptr, memory[1] + 2000, 1000));
	/* 2096 bytes are left: four sectors. */
	list[2].len = 1300;
	expect_eq(vfiomem_space_try_map_sg(space, list + 2, 2, VFIOMEM_MAP_READ, &sectors,
					   m + 2), 2);
	expect_eq(m[2].len + m[3].len, 2048);
	for (int i = 0; i < 4; i++)
		expect_eq(vfiomem_space_unmap(space, &m[i], 0), 0);
	/* A hole ends a prefix. */
	list[1].addr = 1ull << 40;
	expect_eq(vfiomem_space_map_sg(space, list, 5, VFIOMEM_MAP_READ, NULL, m), 1);
	expect_eq(vfiomem_space_unmap(space, &m[0], 0), 0);
	expect_eq(vfiomem_space_map_sg(space, list + 1, 4, VFIOMEM_MAP_READ, NULL, m), -ENXIO);
	teardown();
}

static atomic_int waited;

static void *wait_thread(void *arg)
{
	expect_eq(vfiomem_space_wait_unused(space, *(uint64_t *)arg), 0);
	waited = 1;
	return NULL;
}

static void test_removed_range_lives(void)
{
	struct vfiomem_mapping a, b, c;
	pthread_t thread;
	uint64_t id;

	setup(PAGE);
	id = add_device(0, PAGE, NORMAL_ATTR, memory[0]);
	expect_eq(vfiomem_space_wait_unused(space, id), -EBUSY);
	expect_eq(vfiomem_space_map(space, 0, 8, VFIOMEM_MAP_WRITE, NULL, &a), 0);
	expect_eq(vfiomem_space_map(space, 0, 8, VFIOMEM_MAP_WRITE | VFIOMEM_MAP_CPU_ONLY,
				    NULL, &b), 0);
	expect_eq(vfiomem_space_remove(space, id), 0);
	expect_eq(vfiomem_space_map(space, 0, 8, VFIOMEM_MAP_READ, NULL, &c), -ENXIO);
	add_ram(0, PAGE, 0, memory[1]);
	waited = 0;
	pthread_create(&thread, NULL, wait_thread, &id);
	usleep(20000);
	expect_eq(waited, 0);
	expect_eq(vfiomem_space_destroy(space), -EBUSY);
	memset(a.ptr, 0x11, 8);
	memset(b.ptr, 0x22, 8);
	expect_eq(vfiomem_space_unmap(space, &b, 8), 0);
	usleep(20000);
	expect_eq(waited, 0);
	/* Written back to where it was mapped, not to what is there now. */
	expect_eq(vfiomem_space_unmap(space, &a, 8), 0);
	pthread_join(thread, NULL);
	expect_eq(waited, 1);
	expect_eq(memory[0][0], 0x11);
	expect(memory[1][0] != 0x11);
	teardown();
}

static uint64_t own_id, new_id;

static int reenter_write(void *opaque, uint64_t offset, unsigned int width, uint64_t value)
{
	struct vfiomem_mapping m;
	uint64_t got = 0;

	expect(opaque == memory[2]);
	expect_eq(vfiomem_space_remove(space, own_id), 0);
	new_id = add_ram(0, PAGE, 0, memory[0]);
	expect_eq(vfiomem_space_wait_unused(space, own_id), -EDEADLK);
	expect_eq(vfiomem_space_map(space, PAGE, 8, VFIOMEM_MAP_READ, NULL, &m), 0);
	expect_eq(vfiomem_space_unmap(space, &m, 0), 0);
	expect_eq(vfiomem_space_write(space, offset, &value, width, VFIOMEM_RELAXED), 0);
	expect_eq(vfiomem_space_read(space, offset, &got, width, VFIOMEM_RELAXED), 0);
	expect_eq(got, value);
	return 0;
}

static void test_callbacks_may_reenter(void)
{
	static const struct vfiomem_io io = { io_read, reenter_write, 0, 0 };

	setup(PAGE);
	add_device(PAGE, PAGE, STRICT_ATTR, memory[1]);
	own_id = add_io(0, PAGE, &io, memory[2]);
	expect_eq(vfiomem_space_write(space, 16, "12345678", 8, VFIOMEM_RELAXED), 0);
	expect(!memcmp(memory[0] + 16, "12345678", 8));
	expect_eq(vfiomem_space_wait_unused(space, own_id), 0);
	teardown();
}

static int async_result;

static void async_granted(struct vfiomem_space_waiter *waiter, int result)
{
	(void)waiter;
	async_result = result;
	expect_eq(vfiomem_space_wait_unused(space, own_id), -EDEADLK);
}

static void test_waiters(void)
{
	struct vfiomem_piece pieces[] = { { 5, 1000 }, { 3000, 5000 } };
	struct vfiomem_mapping held, m[2];
	struct vfiomem_space_waiter waiter = {
		.granted = async_granted, .pieces = pieces, .nr = 2,
		.flags = VFIOMEM_MAP_READ, .mappings = m,
		.how = { .owner = &waiter },
	};

	setup(PAGE);
	own_id = add_device(0, 16 * PAGE, STRICT_ATTR, memory[0]);
	expect_eq(vfiomem_space_wait(space, &waiter), 2);
	expect_eq(m[0].len + m[1].len, PAGE);
	expect_eq(vfiomem_space_unmap(space, &m[0], 0), 0);
	expect_eq(vfiomem_space_unmap(space, &m[1], 0), 0);

	expect_eq(vfiomem_space_map(space, 0, PAGE, VFIOMEM_MAP_READ, NULL, &held), 0);
	async_result = -1;
	expect_eq(vfiomem_space_wait(space, &waiter), 0);
	expect_eq(vfiomem_space_unmap(space, &held, 0), 0);
	expect_eq(async_result, 2);
	expect(!memcmp(m[0].ptr, memory[0] + 5, m[0].len));
	expect(!memcmp(m[1].ptr, memory[0] + 3000, m[1].len));
	expect_eq(vfiomem_space_unmap(space, &m[0], 0), 0);
	expect_eq(vfiomem_space_unmap(space, &m[1], 0), 0);

	/* Cancelled, it holds neither budget nor range. */
	expect_eq(vfiomem_space_map(space, 0, PAGE, VFIOMEM_MAP_READ, NULL, &held), 0);
	expect_eq(vfiomem_space_wait(space, &waiter), 0);
	expect_eq(vfiomem_space_cancel(space, &waiter), 0);
	expect_eq(vfiomem_space_cancel(space, &waiter), -ENOENT);
	expect_eq(vfiomem_space_unmap(space, &held, 0), 0);
	expect_eq(vfiomem_space_remove(space, own_id), 0);
	expect_eq(vfiomem_space_wait_unused(space, own_id), 0);
	teardown();
}

int main(void)
{
	static const struct test tests[] = {
		{ "arguments that make no sense are refused", test_arguments },
		{ "overlays by priority, against brute force", test_overlays },
		{ "as many ranges go as came", test_remove_all },
		{ "a pointer is direct by the rule, and only then", test_direct_rule },
		{ "bounce buffers are filled, written back and told", test_bounce },
		{ "callbacks see only widths that they take", test_io_widths },
		{ "parts of a callback's range are as wide as it takes", test_io_parts },
		{ "read, write and fill across borders", test_borders },
		{ "lists", test_lists },
		{ "a removed range lives until its last mapping is back",
		  test_removed_range_lives },
		{ "callbacks may change the space, and may not wait for it",
		  test_callbacks_may_reenter },
		{ "waiters", test_waiters },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests));
}
