// SPDX-License-Identifier: GPL-2.0-only
/* CXL decoding: which memory a decoder shows, and when it shows none. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../vfiomem/expect.h"
#include "vfiomem.h"

#define M256 (256ull << 20)
#define WINDOW (16ull << 30)

static struct vfiomem_cxl_window window = { .base = WINDOW, .size = 16 * M256, .ways = 1 };
static struct vfiomem_cxl_decoder bridge_decoders[2];
static struct vfiomem_cxl_decoder switch_decoders[1];

static struct vfiomem_cxl_port ports[] = {
	{ .decoders = bridge_decoders, .nr_decoders = 2, .target = 3 },
	{ .decoders = switch_decoders, .nr_decoders = 1, .target = 5 },
};

static struct vfiomem_cxl_decoder decoders[4];
static struct vfiomem_cxl_backing backings[2];

static struct vfiomem_cxl_device device = {
	.windows = &window, .nr_windows = 1, .ports = ports, .nr_ports = 2,
	.decoders = decoders, .nr_decoders = 4, .backings = backings, .nr_backings = 2,
};

static struct vfiomem_range range;

/* Two decoders, a gap of 256 MiB of volatile memory before the second. */
static void program(void)
{
	memset(decoders, 0, sizeof(decoders));
	window = (struct vfiomem_cxl_window){ .base = WINDOW, .size = 16 * M256, .ways = 1 };
	bridge_decoders[0] = (struct vfiomem_cxl_decoder){
		.base = WINDOW, .size = M256, .ways = 1, .target = 9, .committed = 1,
	};
	bridge_decoders[1] = (struct vfiomem_cxl_decoder){
		.base = WINDOW + M256, .size = 8 * M256, .ways = 1, .target = 3, .committed = 1,
	};
	switch_decoders[0] = bridge_decoders[1];
	switch_decoders[0].target = 5;
	decoders[0] = (struct vfiomem_cxl_decoder){
		.base = WINDOW + M256, .size = 2 * M256, .ways = 1, .committed = 1,
	};
	decoders[1] = (struct vfiomem_cxl_decoder){
		.base = WINDOW + 3 * M256, .size = M256, .skip = M256, .ways = 1, .committed = 1,
	};
	backings[0] = (struct vfiomem_cxl_backing){
		.dpa = 0, .size = 3 * M256, .host = (void *)0x100000000,
	};
	backings[1] = (struct vfiomem_cxl_backing){
		.dpa = 3 * M256, .size = 4 * M256, .host = (void *)0x800000000,
	};
}

static void test_addresses(void)
{
	program();
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), 0);
	expect_eq(range.base, WINDOW + M256);
	expect_eq(range.size, 2 * M256);
	expect_eq((uintptr_t)range.host, 0x100000000);
	expect_eq(range.type, VFIOMEM_RANGE_DEVICE);
	/* 2 + its own skip of 1 = 3, which is the second backing's start. */
	expect_eq(vfiomem_cxl_resolve(&device, 1, &range), 0);
	expect_eq((uintptr_t)range.host, 0x800000000);

	/* An interleaved decoder before takes its share of the device only. */
	decoders[0].ways = 2;
	decoders[1].skip = 2 * M256;	/* 1 + 2 = 3 */
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -EOPNOTSUPP);
	expect_eq(vfiomem_cxl_resolve(&device, 1, &range), 0);
	expect_eq((uintptr_t)range.host, 0x800000000);
	decoders[2] = decoders[1];
	decoders[2].base += M256;
	decoders[2].skip = 0;
	expect_eq(vfiomem_cxl_resolve(&device, 2, &range), 0);
	expect_eq((uintptr_t)range.host, 0x800000000 + M256);
}

static void test_not_committed(void)
{
	program();
	expect_eq(vfiomem_cxl_resolve(&device, 2, &range), -ENOENT);
	decoders[2] = decoders[1];
	decoders[1].committed = 0;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), 0);
	expect_eq(vfiomem_cxl_resolve(&device, 1, &range), -ENOENT);
	/* Committed, but behind one that is not. */
	expect_eq(vfiomem_cxl_resolve(&device, 2, &range), -ENOENT);
	expect_eq(vfiomem_cxl_resolve(&device, 4, &range), -EINVAL);
}

static void test_window(void)
{
	program();
	window.ways = 2;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -EOPNOTSUPP);
	window.ways = 1;
	window.size = 3 * M256 - 1;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	window.size = 3 * M256;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), 0);
	window.base += 2 * M256;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	/* Sums that wrap around are in no window. */
	program();
	decoders[0].size = -M256;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	decoders[0].size = 0;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	program();
	decoders[1].skip = -M256;
	expect_eq(vfiomem_cxl_resolve(&device, 1, &range), -ENXIO);
}

static void test_path(void)
{
	program();
	bridge_decoders[1].target = 4;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	program();
	switch_decoders[0].ways = 2;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -EOPNOTSUPP);
	program();
	bridge_decoders[0].committed = 0;	/* and so the second is none */
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	program();
	switch_decoders[0].size = M256;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	/* A bridge with one port has no decoders, and needs none. */
	ports[0].nr_decoders = 0;
	program();
	bridge_decoders[1].target = 4;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), 0);
	ports[0].nr_decoders = 2;
}

static void test_backing(void)
{
	program();
	backings[1].dynamic = 1;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), 0);
	expect_eq(vfiomem_cxl_resolve(&device, 1, &range), -EOPNOTSUPP);
	program();
	backings[0].size = 2 * M256 - 4096;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
	/* Across two backings is in none. */
	program();
	decoders[0].size = 4 * M256;
	expect_eq(vfiomem_cxl_resolve(&device, 0, &range), -ENXIO);
}

static void test_registers(void)
{
	static const unsigned int counts[16] = { 1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32 };
	uint32_t hdm[4 + 8 * 32] = { 2, 1 << 1 };	/* four decoders, enabled */
	struct vfiomem_cxl_decoder read[32];

	hdm[4] = 0xd0000fff;			/* low bits are reserved */
	hdm[5] = 0x12;
	hdm[6] = 0x20000000;
	hdm[7] = 0x3;
	hdm[8] = 1u << 10 | 1 << 4;		/* committed, 2 ways */
	hdm[9] = 0x10000007;
	hdm[10] = 0x1;
	hdm[4 + 8 + 4] = 1u << 9 | 9 << 4;	/* commit, not yet committed; 6 ways */
	expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 1, read, 32), 4);
	expect_eq(read[0].base, 0x12d0000000);
	expect_eq(read[0].size, 0x320000000);
	expect_eq(read[0].skip, 0x110000000);
	expect_eq(read[0].ways, 2);
	expect_eq(read[0].committed, 1);
	expect_eq(read[1].ways, 6);
	expect_eq(read[1].committed, 0);
	expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 0, read, 32), 4);
	expect_eq(read[0].skip, 0);
	expect_eq(read[0].target, 7);
	/* Only a device can have them disabled. */
	hdm[1] = ~(1u << 1);
	expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 1, read, 32), 4);
	expect_eq(read[0].committed, 0);
	expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 0, read, 32), 4);
	expect_eq(read[0].committed, 1);
	for (unsigned int code = 0; code < 16; code++) {
		hdm[0] = code;
		expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 1, read, 32),
			  counts[code] ? (int)counts[code] : -EINVAL);
	}
	hdm[0] = 2;
	expect_eq(vfiomem_cxl_read_decoders(hdm, 4 * (4 + 8 * 4) - 1, 1, read, 32), -EINVAL);
	expect_eq(vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 1, read, 3), -EINVAL);
	for (unsigned int code = 0; code < 16; code++) {
		static const unsigned int ways[16] = {
			1, 2, 4, 8, 16, 0, 0, 0, 3, 6, 12, 0, 0, 0, 0, 0,
		};

		hdm[8] = code << 4;
		vfiomem_cxl_read_decoders(hdm, sizeof(hdm), 1, read, 32);
		expect_eq(read[0].ways, ways[code]);
	}
}

static int overlay_at(struct vfiomem_space *space, uint64_t addr)
{
	struct vfiomem_mapping m;
	int ret = vfiomem_space_map(space, addr, 8, VFIOMEM_MAP_READ | VFIOMEM_MAP_CPU_ONLY,
				    NULL, &m);

	if (!ret)
		vfiomem_space_unmap(space, &m, 0);
	return ret;
}

static void test_overlays(void)
{
	struct vfiomem_pool_options po = { .size = sizeof(po), .budget = 4096 };
	struct vfiomem_space_options so = { .size = sizeof(so) };
	struct vfiomem_cxl_overlay overlays[4] = { 0 };
	struct vfiomem_mapping held;
	struct vfiomem_pool *pool;
	struct vfiomem_space *space;
	uint64_t first;

	program();
	backings[0].attr = VFIOMEM_ATTR_RAM;
	backings[1].attr = VFIOMEM_ATTR_RAM;
	expect_eq(vfiomem_pool_create(&pool, &po), 0);
	so.pool = pool;
	expect_eq(vfiomem_space_create(&space, &so), 0);
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 2);
	first = overlays[0].id;
	expect_eq(overlay_at(space, WINDOW + M256), 0);
	expect_eq(overlay_at(space, WINDOW + 3 * M256), 0);
	expect_eq(overlay_at(space, WINDOW), -ENXIO);

	/* Nothing changed: nothing is touched. */
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 2);
	expect_eq(overlays[0].id, first);

	/* Uncommitted: gone, but for who has it. */
	expect_eq(vfiomem_space_map(space, WINDOW + 3 * M256, 8,
				    VFIOMEM_MAP_READ | VFIOMEM_MAP_CPU_ONLY, NULL, &held), 0);
	decoders[1].committed = 0;
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 1);
	expect_eq(overlay_at(space, WINDOW + 3 * M256), -ENXIO);
	expect_eq(overlay_at(space, WINDOW + M256), 0);
	expect_eq(vfiomem_space_destroy(space), -EBUSY);
	expect_eq(vfiomem_space_unmap(space, &held, 0), 0);

	/* Moved. */
	decoders[0].base += 4 * M256;
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 1);
	expect(overlays[0].id != first);
	expect_eq(overlay_at(space, WINDOW + M256), -ENXIO);
	expect_eq(overlay_at(space, WINDOW + 5 * M256), 0);

	/* One that the caller has removed does not keep the others. */
	decoders[1].committed = 1;
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 2);
	expect_eq(vfiomem_space_remove(space, overlays[0].id), 0);
	decoders[0].committed = 0;
	expect_eq(vfiomem_cxl_apply(space, &device, 1, overlays), 0);
	expect_eq(overlay_at(space, WINDOW + 3 * M256), -ENXIO);
	expect_eq(overlay_at(space, WINDOW + 5 * M256), -ENXIO);
	expect_eq(vfiomem_space_destroy(space), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

int main(void)
{
	static const struct test tests[] = {
		{ "device addresses are sums of skips and shares", test_addresses },
		{ "decoding stops at the first uncommitted decoder", test_not_committed },
		{ "one window, without interleave", test_window },
		{ "every decoder on the way says one way to here", test_path },
		{ "one backing, that is not dynamic", test_backing },
		{ "registers", test_registers },
		{ "overlays come, stay, move and go", test_overlays },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests));
}
