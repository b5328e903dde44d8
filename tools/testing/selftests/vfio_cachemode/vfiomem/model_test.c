// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test of the judge itself.
 *
 * - The closed form of promise 4 equals the least number of accesses that a
 *   search over all tilings finds.
 * - A sequence made to the contract is accepted; the same sequence broken in
 *   one way is refused, and for that reason.
 */
#include <string.h>

#include "ktap.h"
#include "model.h"

#define MAX_N 300
#define MAX_EV (2 * MAX_N + 8)

/* Least number of natural accesses of at most W bytes that tile [p, p + n). */
static size_t search(uint64_t p, size_t n, unsigned int W,
		     struct model_event *ev)
{
	size_t cost[MAX_N + 1], i, k = 0;
	unsigned int step[MAX_N + 1], w;

	cost[n] = 0;
	for (i = n; i-- > 0; ) {
		cost[i] = SIZE_MAX;
		for (w = 1; w <= W && i + w <= n; w *= 2) {
			if ((p + i) % w || cost[i + w] + 1 > cost[i])
				continue;
			cost[i] = cost[i + w] + 1;
			step[i] = w;
		}
	}
	for (i = 0; ev && i < n; i += step[i])
		ev[k++] = (struct model_event){ .addr = p + i, .width = step[i] };
	return cost[0];
}

static void test_minimum(unsigned int W)
{
	size_t n, bad = 0;
	uint64_t p;

	for (p = 0x1000; p < 0x1040; p++)
		for (n = 1; n <= MAX_N; n++)
			bad += model_minimum(p, n, W) != search(p, n, W, NULL);
	ktap_result(!bad, "minimum of width %u equals a search over all tilings", W);
}

static const struct model_event barrier = {
	.kind = MODEL_BARRIER, .barrier = 0xff,
};

/* A legal sequence for @s: the search's, with every barrier after each. */
static size_t legal(const struct model_side *s, struct model_event *ev)
{
	struct model_event plain[MAX_EV];
	size_t n = s->n, head = 0, count = 0, k = 0, i, g = 0;

	if (!n)
		return 0;
	if (s->order == MODEL_PUBLISH || s->order == MODEL_ACQUIRE)
		g = model_granule(s);
	if (model_count(s) == 1) {	/* promise 1, aligned or not */
		ev[0] = (struct model_event){
			.addr = s->p, .width = n,
			.kind = s->dir == MODEL_WRITE ? MODEL_STORE : MODEL_LOAD,
			.flags = n == 16 && s->arch == MODEL_ARM64 ? MODEL_PAIR : 0 };
		ev[1] = barrier;
		return 2;
	}
	if (s->order == MODEL_ACQUIRE) {
		plain[count++] = (struct model_event){ .addr = s->p, .width = g };
		head = g;
	}
	count += n > g ? search(s->p + head, n - g, model_width(s), plain + count) : 0;
	if (s->order == MODEL_PUBLISH)
		plain[count++] = (struct model_event){
			.addr = s->p + n - g, .width = g };
	for (i = 0; i < count; i++) {
		ev[k] = plain[i];
		ev[k].kind = s->dir == MODEL_WRITE ? MODEL_STORE : MODEL_LOAD;
		if (ev[k].width == 16 && s->arch == MODEL_ARM64)
			ev[k].flags = MODEL_PAIR;
		k++;
		ev[k++] = barrier;
	}
	return k;
}

/* With a barrier first: what came before the call is ordered. */
static const char *judge(const struct model_side *s,
			 const struct model_event *ev, size_t count)
{
	struct model_event all[MAX_EV + 1];

	all[0] = barrier;
	memcpy(all + 1, ev, count * sizeof(*ev));
	return model_judge(s, all, count + 1);
}

static bool refused(const struct model_side *s, const struct model_event *ev,
		    size_t count, const char *promise)
{
	const char *why = judge(s, ev, count);

	return why && !strncmp(why, promise, strlen(promise));
}

static void swap(struct model_event *a, struct model_event *b)
{
	struct model_event t = *a;

	*a = *b;
	*b = t;
}

struct damage {
	const char *name;
	unsigned long tried, missed;
};

static struct damage damage[] = {
	{ .name = "a legal sequence is accepted" },
	{ .name = "a byte left out is refused" },
	{ .name = "a byte touched twice is refused" },
	{ .name = "an access outside the range is refused" },
	{ .name = "an access in the other direction is refused" },
	{ .name = "an access split in two is refused" },
	{ .name = "two accesses merged beyond the width are refused" },
	{ .name = "an unaligned access is refused" },
	{ .name = "a string instruction is refused" },
	{ .name = "a pair on arm64 device memory is refused" },
	{ .name = "a cache-line zero is refused" },
	{ .name = "descending order is refused" },
	{ .name = "a missing barrier is refused" },
	{ .name = "a granule not at its place is refused" },
};

static void tried(unsigned int what, bool ok)
{
	damage[what].tried++;
	damage[what].missed += !ok;
}

static void break_it(const struct model_side *s)
{
	struct model_event ev[MAX_EV], b[MAX_EV];
	size_t k = legal(s, ev), bytes = k * sizeof(*ev);
	bool ordered = s->order != MODEL_RELAXED;

	tried(0, !judge(s, ev, k));
	if (k < 2)
		return;

#define FRESH() memcpy(b, ev, bytes)
	tried(1, refused(s, ev + 2, k - 2, "once"));
	FRESH();
	b[k] = b[0];
	tried(2, refused(s, b, k + 1, "once"));
	FRESH();
	b[0].addr = s->p - b[0].width;
	tried(3, refused(s, b, k, "once"));
	FRESH();
	b[0].kind = s->dir == MODEL_WRITE ? MODEL_LOAD : MODEL_STORE;
	tried(4, refused(s, b, k, "once"));
	if (ev[0].width > 1) {
		FRESH();
		b[0].width /= 2;
		b[k] = b[0];
		b[k].addr += b[0].width;
		tried(5, !!judge(s, b, k + 1));
	}
	FRESH();
	b[0].width = 2 * model_width(s);
	if (b[0].addr + b[0].width <= s->p + s->n)
		tried(6, refused(s, b, k, "exact"));
	if (!(s->access & VFIO_MMAP_ACCESS_UNALIGNED) && ev[0].width == 1 &&
	    k > 4) {
		/* An odd first byte and its neighbour as one word. */
		FRESH();
		b[0].width = 2;
		if (model_width(s) >= 2)
			tried(7, refused(s, b, k, "natural"));
	}
	FRESH();
	b[0].flags = MODEL_STRING;
	tried(8, refused(s, b, k, "order"));
	if (s->arch == MODEL_ARM64 && s->mode == VFIO_MMAP_CACHE_MODE_DEVICE &&
	    !(s->access & VFIO_MMAP_ACCESS_VECTOR)) {
		FRESH();
		b[0].flags = MODEL_PAIR;
		tried(9, refused(s, b, k, "exact"));
	}
	if (!(s->access & VFIO_MMAP_ACCESS_ZERO_LINE)) {
		FRESH();
		b[0].flags = MODEL_ZERO_LINE;
		tried(10, refused(s, b, k, "exact"));
	}
	if (s->order == MODEL_ASCENDING && k >= 4) {
		FRESH();
		swap(&b[0], &b[2]);
		tried(11, refused(s, b, k, "order"));
	}
	if (ordered && k >= 4) {
		struct model_event none[MAX_EV];
		size_t i, c = 0;

		for (i = 0; i < k; i += 2)
			none[c++] = ev[i];
		/* x86 UC and arm64 Device memory need none. */
		if (s->mode == VFIO_MMAP_CACHE_MODE_WRITECOMBINE)
			tried(12, refused(s, none, c, "order"));
	}
	if ((s->order == MODEL_PUBLISH || s->order == MODEL_ACQUIRE) && k >= 4) {
		FRESH();
		if (s->order == MODEL_PUBLISH)
			swap(&b[k - 2], &b[k - 4]);
		else
			swap(&b[0], &b[2]);
		tried(13, refused(s, b, k, "order"));
	}
#undef FRESH
}

/* Every mode but NORMAL, which is freer. */
static void break_sizes(struct model_side *s)
{
	for (s->mode = 0; s->mode <= VFIO_MMAP_CACHE_MODE_WRITECOMBINE; s->mode++)
		for (s->p = 0x1000; s->p < 0x1040; s->p += 3)
			for (s->n = 0; s->n <= 140; s->n += s->n < 20 ? 1 : 7)
				break_it(s);
}

int main(void)
{
	static const unsigned int widths[] = { 0, 1, 2, 4, 8, 16 };
	static const unsigned int bits[] = {
		0, VFIO_MMAP_ACCESS_UNALIGNED,
		VFIO_MMAP_ACCESS_UNALIGNED | VFIO_MMAP_ACCESS_VECTOR,
		VFIO_MMAP_ACCESS_VECTOR,
	};
	struct model_side s = { .watched = true, .atomic = 16 };
	unsigned int i, w, a;

	ktap_start();
	for (w = 1; w <= 64; w *= 2)
		test_minimum(w);

	for (s.arch = MODEL_X86; s.arch <= MODEL_ARM64; s.arch++)
		for (s.order = MODEL_RELAXED; s.order <= MODEL_ASCENDING; s.order++)
			for (w = 0; w < sizeof(widths) / sizeof(*widths); w++)
				for (a = 0; a < sizeof(bits) / sizeof(*bits); a++) {
					s.dir = s.order == MODEL_ACQUIRE ? MODEL_READ : MODEL_WRITE;
					s.vector = s.arch == MODEL_X86 ? 64 : 16;
					s.max_width = widths[w];
					s.access = bits[a];
					break_sizes(&s);
				}
	for (i = 0; i < sizeof(damage) / sizeof(*damage); i++)
		ktap_result(damage[i].tried && !damage[i].missed,
			    "%s (%lu sequences)", damage[i].name, damage[i].tried);
	return ktap_finish();
}
