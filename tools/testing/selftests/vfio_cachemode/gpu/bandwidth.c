// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bandwidth to and from write-combining memory, beside other ways to copy.
 *
 * Every write ends with what sends it on its way, whoever made it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bench.h"
#include "gpu.h"

#define COUNT(a)	(sizeof(a) / sizeof(*(a)))
#define LARGEST		(1UL << 20)
#define JUDGED		4096	/* bytes of a copy that has a target; the rest is a plot */

struct transfer {
	uint8_t *dst;
	const uint8_t *src;
	size_t n;
	unsigned int order;
	bool flush;		/* a write */
};

static void flush(const struct transfer *t)
{
	if (t->flush)
		vfiomem_flush_wc();
}

static void write_ours(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;

	while (times--) {
		vfiomem_copy(WC, t.dst, VFIOMEM_ATTR_PRIVATE, t.src, t.n, t.order);
		flush(&t);
	}
}

static void read_ours(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;

	while (times--)
		vfiomem_copy(VFIOMEM_ATTR_PRIVATE, t.dst, WC, t.src, t.n, t.order);
}

static void with_memcpy(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;

	while (times--) {
		memcpy(t.dst, t.src, t.n);
		bench_use(t.dst);
		flush(&t);
	}
}

static void with_words(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;
	size_t i;

	while (times--) {
		for (i = 0; i < t.n; i += 8)
			*(volatile uint64_t *)(t.dst + i) =
				*(const volatile uint64_t *)(t.src + i);
		flush(&t);
	}
}

#if defined(__x86_64__)
/* Non-temporal stores of 32 bytes, as drivers' write loops have them. */
__attribute__((__target__("avx")))
static void write_streaming(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;
	size_t i;

	while (times--) {
		for (i = 0; i < t.n; i += 64) {
			__m256i low = _mm256_loadu_si256((const void *)(t.src + i));
			__m256i high = _mm256_loadu_si256((const void *)(t.src + i + 32));

			_mm256_stream_si256((void *)(t.dst + i), low);
			_mm256_stream_si256((void *)(t.dst + i + 32), high);
		}
		_mm_sfence();
	}
}

/* Streaming loads of a line's four parts. */
__attribute__((__target__("sse4.1")))
static void read_streaming(void *arg, size_t times)
{
	const struct transfer t = *(struct transfer *)arg;
	size_t i, j;

	while (times--) {
		_mm_mfence();
		for (i = 0; i < t.n; i += 64) {
			__m128i part[4];

			for (j = 0; j < 4; j++)
				part[j] = _mm_stream_load_si128((void *)(t.src + i + 16 * j));
			for (j = 0; j < 4; j++)
				_mm_store_si128((void *)(t.dst + i + 16 * j), part[j]);
		}
		bench_use(t.dst);
	}
}
#endif

struct peer {
	const char *name;
	bench_fn fn;
};

struct direction {
	const char *name;
	bench_fn ours;
	struct peer peers[4];		/* the last one has no name */
	size_t sizes[6];		/* up to a 0 */
	struct {
		const char *name;
		unsigned int order;
		size_t largest;		/* a barrier an access makes it slow */
	} orders[2];		/* besides RELAXED */
};

static struct direction directions[] = {
	{
		"write", write_ours,
		{ { "memcpy", with_memcpy }, { "8-byte loop", with_words } },
		{ 64, 256, 4096, 65536, LARGEST },
		{ { "PUBLISH", VFIOMEM_PUBLISH, LARGEST },
		  { "ASCENDING", VFIOMEM_ASCENDING_WRITE, 4096 } },
	},
	{
		"read", read_ours,
		{ { "memcpy", with_memcpy }, { "8-byte loop", with_words } },
		{ 64, 256, 4096 },
		{ { "ACQUIRE", VFIOMEM_ACQUIRE, LARGEST },
		  { "ASCENDING", VFIOMEM_ASCENDING_READ, 4096 } },
	},
};

/* Return: the ratio of our time to the peer's. */
static double compare(const struct memory *memory, const struct direction *d,
		      const char *order, struct transfer *t, const struct peer *peer)
{
	char what[128], plot[128];
	struct bench_ratio r;

	snprintf(what, sizeof(what), "%s, %s, %s, %zu bytes, beside %s",
		 memory->name, d->name, order, t->n, peer->name);
	snprintf(plot, sizeof(plot), "%s %s %s: its time over another copy's",
		 memory->name, d->name, order);
	r = bench_compare(what, d->ours, t, peer->fn, t);
	printf("# %s: %.3f GB/s to %.3f, ratio %.2f\n", what, t->n / r.a_ns,
	       t->n / r.b_ns, r.ratio);
	if (memory->kind == WRITE_COMBINING)
		bench_point(plot, peer->name, t->n, r.ratio);
	return r.ratio;
}

/* RELAXED beside every peer: the best of them is what it is judged by. */
static void compare_relaxed(const struct memory *memory, const struct direction *d,
			    struct transfer *t)
{
	const struct peer *peer;
	double worst = 0;
	char row[128];

	for (peer = d->peers; peer->name; peer++) {
		double ratio = compare(memory, d, "RELAXED", t, peer);

		worst = ratio > worst ? ratio : worst;
	}
	if (t->n != JUDGED)
		return;
	snprintf(row, sizeof(row), "%s, %s, RELAXED, %zu bytes", memory->name, d->name, t->n);
	if (memory->kind == WRITE_COMBINING)
		bench_at_most(row, 1.1, worst, "x the best of the others");
	else
		bench_skip(row, "the mapping is not write-combining");
}

static void compare_all(const struct memory *memory, const struct direction *d,
			struct transfer *t)
{
	const size_t *size;
	unsigned int i;

	for (size = d->sizes; *size; size++) {
		if (bench_quick() && *size != JUDGED)
			continue;
		t->n = *size;
		t->order = VFIOMEM_RELAXED;
		compare_relaxed(memory, d, t);
		for (i = 0; i < COUNT(d->orders); i++) {
			t->order = d->orders[i].order;
			if (t->n <= d->orders[i].largest)
				compare(memory, d, d->orders[i].name, t, &d->peers[0]);
		}
	}
}

#if defined(__x86_64__)
static void add_streaming(void)
{
	if (__builtin_cpu_supports("avx"))
		directions[0].peers[2] = (struct peer){ "streaming stores", write_streaming };
	if (__builtin_cpu_supports("sse4.1"))
		directions[1].peers[2] = (struct peer){ "streaming loads", read_streaming };
}
#else
static void add_streaming(void)
{
}
#endif

void bandwidth(const struct memory *memory)
{
	static uint8_t own[LARGEST] __attribute__((__aligned__(64)));
	struct transfer to = { .dst = memory->host, .src = own, .flush = true };
	struct transfer from = { .dst = own, .src = memory->host };

	add_streaming();
	compare_all(memory, &directions[0], &to);
	compare_all(memory, &directions[1], &from);
}
