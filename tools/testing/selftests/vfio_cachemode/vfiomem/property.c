// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies by their result: random calls compared with memmove() and memset(),
 * every byte around them untouched, and arguments that must be refused.
 *
 *	property [CALLS]
 *
 * The buffers end, or begin, at a page that cannot be accessed.  Runs on any
 * CPU: where one has no device accesses, device modes must be refused.
 */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "vfiomem.h"

#if defined(__x86_64__) || defined(__aarch64__) || defined(__riscv) || \
	defined(__powerpc64__)
#define HAS_DEVICE 1
#else
#define HAS_DEVICE 0
#endif

#define SIZE	16384UL		/* of each buffer; page sizes up to 16 KiB */

static uint8_t *src_buf, *dst_buf, want[SIZE], before[SIZE];

/* Not on every CPU, and not in a build for a sanitizer. */
static bool guarded_works;

static uint64_t seed = 1;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static size_t below(size_t n)
{
	return random_number() % n;
}

/* A buffer with a page on each side that faults. */
static uint8_t *guarded_buffer(void)
{
	uint8_t *p = mmap(NULL, 3 * SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED ||
	    mprotect(p + SIZE, SIZE, PROT_READ | PROT_WRITE))
		err(1, "buffer");
	return p + SIZE;
}

static void randomize(uint8_t *p, size_t n)
{
	uint64_t r;

	for (; n >= sizeof(r); p += sizeof(r), n -= sizeof(r)) {
		r = random_number();
		memcpy(p, &r, sizeof(r));
	}
}

static struct vfiomem_attr random_attr(void)
{
	static const uint8_t modes[] = {
		VFIOMEM_NONCACHED, VFIOMEM_DEVICE, VFIOMEM_WRITECOMBINE,
		VFIOMEM_NORMAL, VFIOMEM_NORMAL, VFIOMEM_PRIVATE, 77,
	};
	static const uint16_t widths[] = { 0, 0, 0, 1, 2, 3, 4, 8, 16, 32, 64, 65535 };

	switch (below(4)) {
	case 0:
		return VFIOMEM_ATTR_RAM;
	case 1:
		return VFIOMEM_ATTR_PRIVATE;
	default:
		return VFIOMEM_ATTR(modes[below(sizeof(modes))],
				    widths[below(sizeof(widths) / sizeof(*widths))],
				    (uint32_t)below(128));
	}
}

static size_t random_size(void)
{
	switch (below(4)) {
	case 0:
		return below(17);
	case 1:
		return below(300);
	case 2:
		return below(2000);
	default:
		return below(SIZE / 2);
	}
}

/* Often right at the first or the last byte that may be touched. */
static size_t random_offset(size_t n)
{
	switch (below(4)) {
	case 0:
		return 0;
	case 1:
		return SIZE - n;
	default:
		return below(SIZE - n + 1);
	}
}

static unsigned int random_order(struct vfiomem_attr dst, struct vfiomem_attr src)
{
	static const unsigned int write_orders[] = {
		0, 0, VFIOMEM_PUBLISH, VFIOMEM_ASCENDING_WRITE };
	static const unsigned int read_orders[] = {
		0, 0, VFIOMEM_ACQUIRE, VFIOMEM_ASCENDING_READ };
	unsigned int order = 0;

	if (below(8) == 0)
		return VFIOMEM_PLAIN;
	if (below(8) == 0)
		return VFIOMEM_ASCENDING;
	if (dst.mode != VFIOMEM_PRIVATE)
		order |= write_orders[below(4)];
	if (src.mode != VFIOMEM_PRIVATE)
		order |= read_orders[below(4)];
	return order;
}

static bool is_device(struct vfiomem_attr attr)
{
	return attr.mode != VFIOMEM_NORMAL && attr.mode != VFIOMEM_PRIVATE;
}

/* What a call may return, but for errors that the arguments deserve. */
static bool expected(int ret, struct vfiomem_attr dst, struct vfiomem_attr src,
		     unsigned int order)
{
	bool device = is_device(dst) || is_device(src);
	bool wc = (dst.mode == VFIOMEM_WRITECOMBINE && order & VFIOMEM_ASCENDING_WRITE) ||
		  (src.mode == VFIOMEM_WRITECOMBINE && order & VFIOMEM_ASCENDING_READ);

	if (!HAS_DEVICE && device)
		return ret == -EOPNOTSUPP;
	return !ret || (wc && ret == -EOPNOTSUPP);
}

static void complain(const char *what, struct vfiomem_attr d, size_t dst,
		     struct vfiomem_attr s, size_t src, size_t n,
		     unsigned int order, int ret)
{
	static unsigned int shown;

	if (shown++ < 10)
		printf("# %s: dst %u/%u/%#x +%zu, src %u/%u/%#x +%zu, n %zu, order %#x: %d\n",
		       what, d.mode, d.max_width, d.access, dst, s.mode,
		       s.max_width, s.access, src, n, order, ret);
}

static void test_copy(unsigned long calls, bool guarded)
{
	unsigned long i, bad = 0;

	for (i = 0; i < calls; i++) {
		struct vfiomem_attr d = random_attr(), s = random_attr();
		size_t n = random_size(), done = n;
		size_t to = random_offset(n), from = random_offset(n);
		unsigned int order = random_order(d, s);
		int ret;

		if (i % 64 == 0) {
			randomize(src_buf, SIZE);
			randomize(dst_buf, SIZE);
			memcpy(before, src_buf, SIZE);
			memcpy(want, dst_buf, SIZE);
		}
		if (guarded)
			ret = vfiomem_copy_guarded(d, dst_buf + to, s, src_buf + from,
						   n, order, &done);
		else
			ret = vfiomem_copy(d, dst_buf + to, s, src_buf + from, n, order);
		if (!ret)
			memcpy(want + to, src_buf + from, n);
		if (expected(ret, d, s, order) && (ret || done == n) &&
		    !memcmp(want, dst_buf, SIZE) && !memcmp(before, src_buf, SIZE))
			continue;
		bad++;
		complain("copy", d, to, s, from, n, order, ret);
		memcpy(want, dst_buf, SIZE);
	}
	ktap_result(!bad, "%s: the bytes are memcpy()'s, all others untouched (%lu calls)",
		    guarded ? "guarded copy" : "copy", calls);
}

static void test_fill(unsigned long calls, bool guarded)
{
	unsigned long i, bad = 0;

	for (i = 0; i < calls; i++) {
		struct vfiomem_attr d = random_attr();
		size_t n = random_size(), to = random_offset(n), done = n;
		unsigned int order = random_order(d, VFIOMEM_ATTR_PRIVATE);
		uint8_t value = random_number();
		int ret;

		if (i % 64 == 0) {
			randomize(dst_buf, SIZE);
			memcpy(want, dst_buf, SIZE);
		}
		if (guarded)
			ret = vfiomem_fill_guarded(d, dst_buf + to, value, n, order, &done);
		else
			ret = vfiomem_fill(d, dst_buf + to, value, n, order);
		if (!ret)
			memset(want + to, value, n);
		if (expected(ret, d, VFIOMEM_ATTR_PRIVATE, order) &&
		    (ret || done == n) && !memcmp(want, dst_buf, SIZE))
			continue;
		bad++;
		complain("fill", d, to, d, to, n, order, ret);
		memcpy(want, dst_buf, SIZE);
	}
	ktap_result(!bad, "%s: the bytes are memset()'s, all others untouched (%lu calls)",
		    guarded ? "guarded fill" : "fill", calls);
}

/* Whether the header lets a move ask for scratch, or for more of it. */
static bool may_want_scratch(size_t to, size_t from, size_t n, unsigned int order,
			     size_t scratch)
{
	const size_t d = to - from;
	const bool src_ordered = order & (VFIOMEM_ASCENDING_READ | VFIOMEM_ACQUIRE);

	if (to <= from || d >= n || !(order & VFIOMEM_ASCENDING))
		return false;
	if (!src_ordered && (n - d <= 2048 || scratch >= n - d + 64))
		return false;
	return d > 2048 && scratch < 2 * d + 2048;
}

/* What a move of these ranges can reach, and some bytes around it. */
static unsigned long move_once(size_t to, size_t from, size_t n,
			       struct vfiomem_attr attr, unsigned int order,
			       size_t scratch_size)
{
	static uint8_t scratch[3 * SIZE];
	size_t first = to < from ? to : from, last = (to > from ? to : from) + n;
	size_t size;
	int ret;

	first -= first < 128 ? first : 128;
	last = last + 128 > SIZE ? SIZE : last + 128;
	size = last - first;
	memcpy(want + first, dst_buf + first, size);
	ret = vfiomem_move(attr, dst_buf + to, attr, dst_buf + from, n, order,
			   scratch_size ? scratch : NULL, scratch_size);
	if (ret == -ENOBUFS) {
		if (may_want_scratch(to, from, n, order, scratch_size) &&
		    !memcmp(want + first, dst_buf + first, size))
			return 0;
	} else {
		if (!ret)
			memmove(want + to, want + from, n);
		if (expected(ret, attr, attr, order) &&
		    !memcmp(want + first, dst_buf + first, size))
			return 0;
	}
	complain("move", attr, to, attr, from, n, order, ret);
	return 1;
}

static void test_every_overlap(void)
{
	static const unsigned int orders[] = {
		VFIOMEM_RELAXED, VFIOMEM_PUBLISH, VFIOMEM_ACQUIRE,
		VFIOMEM_ACQUIRE | VFIOMEM_PUBLISH, VFIOMEM_ASCENDING_WRITE,
		VFIOMEM_ASCENDING_READ, VFIOMEM_ASCENDING, VFIOMEM_PLAIN,
	};
	const struct vfiomem_attr attrs[] = {
		VFIOMEM_ATTR_RAM,
		VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, 0),
		VFIOMEM_ATTR(VFIOMEM_DEVICE, 4, 0),
		VFIOMEM_ATTR(VFIOMEM_NONCACHED, 0, VFIOMEM_UNALIGNED | VFIOMEM_VECTOR),
	};
	unsigned long bad = 0, moves = 0;
	size_t n, a, o, from;
	long d;

	randomize(dst_buf, SIZE);
	for (a = 0; a < sizeof(attrs) / sizeof(*attrs); a++)
		for (o = 0; o < sizeof(orders) / sizeof(*orders); o++)
			for (n = 0; n <= 40; n++)
				for (d = -(long)n - 1; d <= (long)n + 1; d++)
					for (from = 64; from < 72; from += 3, moves++)
						bad += move_once(from + d, from, n, attrs[a],
								 orders[o], 0);
	ktap_result(!bad, "move: every overlap of up to 40 bytes is memmove()'s (%lu calls)",
		    moves);
}

static void test_move(unsigned long calls)
{
	unsigned long i, bad = 0;

	for (i = 0; i < calls; i++) {
		struct vfiomem_attr attr = random_attr();
		size_t n = random_size(), from = random_offset(n), to;
		unsigned int order = random_order(attr, attr);
		size_t near = below(4) ? SIZE : 600;
		static const size_t scratches[] = { 0, 64, 2048, 4096, 3 * SIZE };

		if (i % 64 == 0)
			randomize(dst_buf, SIZE);
		to = random_offset(n);
		if (near < SIZE)
			to = from + below(near) < SIZE - n ? from + below(near) : SIZE - n;
		if (to > SIZE - n)
			to = SIZE - n;
		bad += move_once(to, from, n, attr, order, scratches[below(5)]);
	}
	ktap_result(!bad, "move: random overlaps are memmove()'s, with scratch if needed (%lu calls)",
		    calls);
}

/* What fits onto the stack fits there however the source is aligned. */
/* Distances at which a CPU may have a way of its own. */
static void test_move_short_distance(void)
{
	static const size_t sizes[] = { 500, 512, 777, 1024, 4096 };
	unsigned long bad = 0;
	size_t d, i;

	for (d = 1; d < 300; d++) {
		randomize(dst_buf, SIZE);
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			bad += move_once(64 + d % 16 + d, 64 + d % 16, sizes[i],
					 (struct vfiomem_attr)VFIOMEM_ATTR_RAM,
					 VFIOMEM_ASCENDING_WRITE, 0);
	}
	ktap_result(!bad, "move: every short distance, upwards");
}

/* Moves that reach beyond the end of the address space are refused. */
static void test_move_wraps(void)
{
	static const unsigned int orders[] = {
		VFIOMEM_RELAXED, VFIOMEM_PUBLISH, VFIOMEM_ASCENDING_WRITE,
		VFIOMEM_ASCENDING, VFIOMEM_PLAIN,
	};
	const struct vfiomem_attr ram = VFIOMEM_ATTR_RAM;
	uint8_t *end = (uint8_t *)-4096, *d = dst_buf + 64;
	unsigned long bad = 0;
	size_t i;

	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		bad += vfiomem_move(ram, d, ram, d - 64, -(size_t)65536, orders[i],
				    NULL, 0) != -EINVAL;
		bad += vfiomem_move(ram, end, ram, end - 64, 8192, orders[i],
				    NULL, 0) != -EINVAL;
	}
	ktap_result(!bad, "move: none wraps around");
}

static void test_move_saves_end(void)
{
	const size_t n = 6192, d = 4144;
	unsigned long bad = 0;
	size_t from;

	for (from = 128; from < 128 + 64; from++)
		bad += move_once(from + d, from, n, (struct vfiomem_attr)VFIOMEM_ATTR_RAM,
				 VFIOMEM_ASCENDING_WRITE, 0);
	ktap_result(!bad, "move: an end of 2048 bytes needs no scratch");
}

static void test_single(unsigned long calls)
{
	unsigned long i, bad = 0;

	randomize(dst_buf, SIZE);
	memcpy(want, dst_buf, SIZE);
	for (i = 0; i < calls; i++) {
		struct vfiomem_attr attr = random_attr();
		unsigned int n = 1 << below(4);
		size_t at = random_offset(n);
		uint8_t *p = dst_buf + at, *w = want + at;
		uint64_t v = random_number(), got = 0, have = 0;
		uint16_t v16 = v;
		uint32_t v32 = v;

		if (!HAS_DEVICE && is_device(attr))
			continue;
		switch (n) {
		case 1:
			*w = v;
			vfiomem_store8(attr, p, v);
			got = vfiomem_load8(attr, p);
			have = (uint8_t)v;
			break;
		case 2:
			if (i & 1) {
				memcpy(w, &v16, 2);
				vfiomem_store16(attr, p, v16);
				got = vfiomem_load16(attr, p);
			} else {
				w[0] = v;
				w[1] = v >> 8;
				vfiomem_store16_le(attr, p, v16);
				got = vfiomem_load16_le(attr, p);
			}
			have = v16;
			break;
		case 4:
			if (i & 1) {
				memcpy(w, &v32, 4);
				vfiomem_store32(attr, p, v32);
				got = vfiomem_load32(attr, p);
			} else {
				w[0] = v;
				w[1] = v >> 8;
				w[2] = v >> 16;
				w[3] = v >> 24;
				vfiomem_store32_le(attr, p, v32);
				got = vfiomem_load32_le(attr, p);
			}
			have = v32;
			break;
		default:
			if (i & 1) {
				memcpy(w, &v, 8);
				vfiomem_store64(attr, p, v);
				got = vfiomem_load64(attr, p);
			} else {
				unsigned int b;

				for (b = 0; b < 8; b++)
					w[b] = v >> 8 * b;
				vfiomem_store64_le(attr, p, v);
				got = vfiomem_load64_le(attr, p);
			}
			have = v;
		}
		if (got == have && !memcmp(w, p, n))
			continue;
		bad++;
		complain("load or store", attr, at, attr, at, n, 0, 0);
	}
	bad += memcmp(want, dst_buf, SIZE) != 0;
	ktap_result(!bad, "load and store: values, _le too, and no other bytes (%lu calls)",
		    calls);
}

static void test_arguments(void)
{
	const struct vfiomem_attr ram = VFIOMEM_ATTR_RAM, own = VFIOMEM_ATTR_PRIVATE;
	const struct vfiomem_attr none = VFIOMEM_ATTR_NONE;
	const struct vfiomem_attr narrow = VFIOMEM_ATTR(VFIOMEM_NORMAL, 2, 0);
	uint8_t *d = dst_buf + 64, *s = src_buf + 64;
	const struct {
		const char *what;
		struct vfiomem_attr dst_attr, src_attr;
		uint8_t *dst, *src;
		size_t n;
		unsigned int order;
	} wrong[] = {
		{ "two write orders", ram, ram, d, s, 8,
		  VFIOMEM_PUBLISH | VFIOMEM_ASCENDING_WRITE },
		{ "two read orders", ram, ram, d, s, 8,
		  VFIOMEM_ACQUIRE | VFIOMEM_ASCENDING_READ },
		{ "PLAIN and another order", ram, ram, d, s, 8,
		  VFIOMEM_PLAIN | VFIOMEM_PUBLISH },
		{ "an unknown order", ram, ram, d, s, 8, 1 << 6 },
		{ "a bit beyond the granule", ram, ram, d, s, 8, 1U << 31 },
		{ "a write order on a copy to private memory", own, ram, d, s, 8,
		  VFIOMEM_PUBLISH },
		{ "ASCENDING_WRITE to private memory", own, ram, d, s, 8,
		  VFIOMEM_ASCENDING_WRITE },
		{ "a read order on a copy from private memory", ram, own, d, s, 8,
		  VFIOMEM_ACQUIRE },
		{ "ASCENDING_READ from private memory", ram, own, d, s, 8,
		  VFIOMEM_ASCENDING_READ },
		{ "a granule without PUBLISH", ram, ram, d, s, 8, VFIOMEM_GRANULE(4) },
		{ "a granule that is no power of two", ram, ram, d, s, 8,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(3) },
		{ "a granule of 3, and no bytes", ram, ram, d, s, 0,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(3) },
		{ "a granule of 16, and no bytes", ram, ram, d, s, 0,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(16) },
		{ "a granule of 16", ram, ram, d, s, 64,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(16) },
		{ "a granule above n", ram, ram, d, s, 4,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(8) },
		{ "a granule above the width", narrow, own, d, s, 8,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(4) },
		{ "a granule at an end that is not aligned to it", ram, ram, d, s, 9,
		  VFIOMEM_PUBLISH | VFIOMEM_GRANULE(2) },
		{ "a granule at a start that is not aligned to it", ram, ram, d, s + 1, 9,
		  VFIOMEM_ACQUIRE | VFIOMEM_GRANULE(2) },
		{ "no memory at the destination", none, ram, d, s, 8, 0 },
		{ "no memory at the source", ram, none, d, s, 8, 0 },
		{ "no memory, and no bytes", none, ram, d, s, 0, 0 },
		{ "an order that is wrong, and no bytes", own, ram, d, s, 0,
		  VFIOMEM_PUBLISH },
		{ "a destination that wraps around", ram, ram, (uint8_t *)-4, s, 8, 0 },
		{ "a source that wraps around", ram, ram, d, (uint8_t *)-4, 8, 0 },
		{ "a size that wraps around", ram, ram, d, s, SIZE_MAX, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int copy, move, guarded;
		size_t done = 99;

		memcpy(want, dst_buf, SIZE);
		copy = vfiomem_copy(wrong[i].dst_attr, wrong[i].dst, wrong[i].src_attr,
				    wrong[i].src, wrong[i].n, wrong[i].order);
		move = vfiomem_move(wrong[i].dst_attr, wrong[i].dst, wrong[i].src_attr,
				    wrong[i].src, wrong[i].n, wrong[i].order, NULL, 0);
		guarded = vfiomem_copy_guarded(wrong[i].dst_attr, wrong[i].dst,
					       wrong[i].src_attr, wrong[i].src,
					       wrong[i].n, wrong[i].order, &done);
		if (!guarded_works && guarded == -EOPNOTSUPP)
			guarded = -EINVAL;
		ktap_result(copy == -EINVAL && move == -EINVAL && guarded == -EINVAL &&
			    !memcmp(want, dst_buf, SIZE),
			    "refused: %s", wrong[i].what);
	}
	ktap_result(vfiomem_fill(ram, d, 1, 8, VFIOMEM_ACQUIRE) == -EINVAL &&
		    vfiomem_fill(ram, d, 1, 8, VFIOMEM_ASCENDING_READ) == -EINVAL &&
		    (!guarded_works ||
		     vfiomem_fill_guarded(ram, d, 1, 8, VFIOMEM_ACQUIRE, NULL) == -EINVAL) &&
		    !memcmp(want, dst_buf, SIZE),
		    "refused: a read order on a fill");
	ktap_result(vfiomem_fill(none, d, 1, 8, 0) == -EINVAL &&
		    vfiomem_fill(ram, (void *)-4, 1, 8, 0) == -EINVAL,
		    "refused: a fill of no memory, or around the address space");
	ktap_result(!vfiomem_copy(own, d, own, s, 8, VFIOMEM_ASCENDING) &&
		    !vfiomem_copy(ram, d, own, s, 8, VFIOMEM_ASCENDING) &&
		    !vfiomem_copy(own, d, ram, s, 8, VFIOMEM_ASCENDING),
		    "allowed: ASCENDING in every call");
	if (HAS_DEVICE)
		ktap_result(vfiomem_width(VFIOMEM_ATTR(VFIOMEM_DEVICE, 0, 0), 0, 1) == 8,
			    "a device access is 8 bytes wide");
	else
		ktap_result(vfiomem_width(VFIOMEM_ATTR(VFIOMEM_DEVICE, 0, 0), 0, 1) == 0 &&
			    vfiomem_width(ram, 0, 1) >= 8,
			    "a CPU without device accesses says so");
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;

	ktap_start();
	src_buf = guarded_buffer();
	dst_buf = guarded_buffer();
	guarded_works = vfiomem_guard_install() != -EOPNOTSUPP;
	test_arguments();
	test_single(calls);
	test_copy(calls, false);
	if (guarded_works)
		test_copy(calls, true);
	test_fill(calls, false);
	if (guarded_works)
		test_fill(calls, true);
	test_every_overlap();
	test_move(calls);
	test_move_short_distance();
	test_move_wraps();
	test_move_saves_end();
	return ktap_finish();
}
