// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speed of the bounce pool and the memory space.
 *
 * The pool is compared with what VMMs do today: count the bytes with a
 * compare-and-swap against a limit, allocate zeroed memory, free it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "vfiomem.h"

#define BUDGET	(64ul << 20)
#define MAX_IN_FLIGHT 8

static struct vfiomem_pool *pool;
static atomic_size_t counted;
/* A buffer has the guest address's offset within 4096, and so has this. */
static _Alignas(4096) char guest[4096];

struct pairs {
	size_t len;
	unsigned int in_flight;
	unsigned int flags;
	bool copy;
};

static void malloc_pairs(void *arg, size_t times)
{
	const struct pairs *p = arg;
	void *held[MAX_IN_FLIGHT];

	for (size_t i = 0; i < times; i += p->in_flight) {
		for (unsigned int k = 0; k < p->in_flight; k++) {
			size_t old = atomic_load(&counted);

			do {
				if (old + p->len > BUDGET)
					abort();
			} while (!atomic_compare_exchange_weak(&counted, &old, old + p->len));
			held[k] = calloc(1, p->len);
			if (p->copy)
				memcpy(held[k], guest, p->len);
			bench_use(held[k]);
		}
		for (unsigned int k = 0; k < p->in_flight; k++) {
			free(held[k]);
			atomic_fetch_sub(&counted, p->len);
		}
	}
}

static void pool_pairs(void *arg, size_t times)
{
	const struct pairs *p = arg;
	struct vfiomem_grant how = { .flags = p->flags };
	struct vfiomem_buf held[MAX_IN_FLIGHT];

	for (size_t i = 0; i < times; i += p->in_flight) {
		for (unsigned int k = 0; k < p->in_flight; k++) {
			if (vfiomem_pool_try_map(pool, 0, p->len, &how, &held[k]))
				abort();
			if (p->copy)
				vfiomem_copy(VFIOMEM_ATTR_PRIVATE, held[k].ptr,
					     VFIOMEM_ATTR_RAM, guest, p->len, VFIOMEM_RELAXED);
			bench_use(held[k].ptr);
		}
		for (unsigned int k = 0; k < p->in_flight; k++)
			vfiomem_pool_unmap(pool, &held[k]);
	}
}

/* ---- Two threads at once ------------------------------------------------ */

struct both {
	bench_fn fn;
	void *arg;
	size_t times;
	pthread_barrier_t start;
	double ns[2];		/* CPU time for one, of each thread */
};

struct half {
	struct both *both;
	unsigned int number;
};

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *run_half(void *arg)
{
	struct half *h = arg;
	struct both *b = h->both;
	double start;

	b->fn(b->arg, b->times / 10);
	pthread_barrier_wait(&b->start);
	start = cpu_ns();
	b->fn(b->arg, b->times);
	b->ns[h->number] = (cpu_ns() - start) / b->times;
	return NULL;
}

/*
 * How much more two threads do than one. By CPU time, so that a third program
 * on the machine does not count; contention costs CPU time, or does not exist.
 */
static double scaling(bench_fn fn, void *arg, size_t times)
{
	double ratios[9];

	for (unsigned int round = 0; round < 9; round++) {
		struct both b = { .fn = fn, .arg = arg, .times = times };
		struct half halves[2] = { { &b, 0 }, { &b, 1 } };
		pthread_t threads[2];
		double one;

		pthread_barrier_init(&b.start, NULL, 1);
		run_half(&halves[0]);
		one = b.ns[0];
		pthread_barrier_destroy(&b.start);
		pthread_barrier_init(&b.start, NULL, 2);
		for (unsigned int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, run_half, &halves[i]);
		for (unsigned int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		pthread_barrier_destroy(&b.start);
		ratios[round] = one / b.ns[0] + one / b.ns[1];
	}
	return bench_median(ratios, 9);
}

/* ---- Waiting ------------------------------------------------------------ */

#define HANDOVERS 1000

static atomic_long switches;

static long switches_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *hand_over(void *arg)
{
	struct vfiomem_pool *small = arg;
	struct vfiomem_pool_stats stats;
	struct vfiomem_grant how = { .min = 4096, .flags = VFIOMEM_GRANT_FILLED };
	struct vfiomem_buf buf;
	long before;

	for (unsigned int i = 0; i < HANDOVERS; i++) {
		before = switches_so_far();
		if (vfiomem_pool_map(small, 0, 4096, &how, &buf) || buf.len != 4096)
			abort();
		switches += switches_so_far() - before;
		do {	/* until the other one waits for it */
			usleep(20);
			vfiomem_pool_stats(small, &stats);
		} while (!stats.waiting && i < HANDOVERS - 1);
		before = switches_so_far();
		vfiomem_pool_unmap(small, &buf);
		switches += switches_so_far() - before;
	}
	return NULL;
}

static void bench_waiting(void)
{
	struct vfiomem_pool_options options = { .size = sizeof(options), .budget = 4096 };
	struct vfiomem_pool_stats stats;
	struct vfiomem_pool *small;
	pthread_t threads[2];

	if (vfiomem_pool_create(&small, &options))
		abort();
	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, hand_over, small);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	vfiomem_pool_stats(small, &stats);
	bench_at_most("pool: context switches of a hand-over", 2,
		      (double)switches / stats.waits, "switches");
	vfiomem_pool_destroy(small);
}

/* Many wait by eventfd, and one buffer after the other comes back. */
static void bench_herd(void)
{
	enum { MANY = 50 };
	struct vfiomem_pool_options options = { .size = sizeof(options), .budget = 4096 };
	static struct vfiomem_pool_waiter waiters[MANY];
	static struct vfiomem_buf bufs[MANY];
	struct vfiomem_piece piece = { 0, 4096 };
	struct vfiomem_pool *small;
	struct vfiomem_buf buf;
	unsigned int early = 0;

	if (vfiomem_pool_create(&small, &options) ||
	    vfiomem_pool_try_map(small, 0, 4096, NULL, &buf))
		abort();
	for (unsigned int i = 0; i < MANY; i++) {
		waiters[i] = (struct vfiomem_pool_waiter){
			.eventfd = eventfd(0, EFD_NONBLOCK), .pieces = &piece, .nr = 1,
			.bufs = &bufs[i], .how = { .min = 4096, .owner = &waiters[i] },
		};
		if (vfiomem_pool_wait(small, &waiters[i]))
			abort();
	}
	for (unsigned int i = 0; i < MANY; i++) {
		vfiomem_pool_unmap(small, &buf);
		for (unsigned int k = i; k < MANY; k++) {
			uint64_t signals;
			bool signalled = read(waiters[k].eventfd, &signals, 8) == 8;
			int ret = vfiomem_pool_collect(small, &waiters[k]);

			early += signalled != (ret > 0);
			if (ret > 0)
				buf = bufs[k];
		}
		close(waiters[i].eventfd);
	}
	vfiomem_pool_unmap(small, &buf);
	bench_at_most("pool: signals without bytes, or bytes without", 0, early, "of 1275");
	vfiomem_pool_destroy(small);
}

/* ---- The space ------------------------------------------------------------ */

struct lookup {
	struct vfiomem_space *space;
	unsigned int ranges;	/* a power of two */
	bool same;
};

/* Any address in any range, by chance. */
static inline uint64_t some_address(const struct lookup *l, uint64_t *n)
{
	*n = *n * 6364136223846793005 + 1442695040888963407;
	return l->same ? 64 : (*n >> 40 & (l->ranges - 1)) * 8192 + 64;
}

static inline void map_some(const struct lookup *l, uint64_t *n, struct vfiomem_mapping *m)
{
	if (vfiomem_space_try_map(l->space, some_address(l, n), 64, VFIOMEM_MAP_READ,
				  NULL, m))
		abort();
	bench_use(m->ptr);
}

static void map_direct(void *arg, size_t times)
{
	const struct lookup *l = arg;
	struct vfiomem_mapping m;
	uint64_t n = 1;

	for (size_t i = 0; i < times; i++) {
		map_some(l, &n, &m);
		vfiomem_space_unmap(l->space, &m, 0);
	}
}

static double wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/*
 * The lookup and map alone, with the choice of an address. Many at a time, so
 * that reading the clock does not count, and few enough to stay in the cache.
 */
static double map_alone(const struct lookup *l)
{
	enum { ROUNDS = 2001, HELD = 128 };
	static struct vfiomem_mapping held[HELD];
	static double ns[ROUNDS];
	uint64_t n = 1;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		double start = wall_ns();

		for (unsigned int k = 0; k < HELD; k++)
			map_some(l, &n, &held[k]);
		ns[i] = (wall_ns() - start) / HELD;
		for (unsigned int k = 0; k < HELD; k++)
			vfiomem_space_unmap(l->space, &held[k], 0);
	}
	return bench_median(ns, ROUNDS);
}

static struct vfiomem_space *make_space(unsigned int ranges)
{
	static char ram[4096];
	struct vfiomem_space_options options = { .size = sizeof(options), .pool = pool };
	struct vfiomem_space *space;
	uint64_t id;

	if (vfiomem_space_create(&space, &options))
		abort();
	for (unsigned int i = 0; i < ranges; i++) {
		struct vfiomem_range range = {
			.base = i * 8192ull, .size = 4096,
			.type = VFIOMEM_RANGE_RAM, .host = ram,
		};

		if (vfiomem_space_add(space, &range, &id))
			abort();
	}
	return space;
}

/* The worst case: one range so far above the others that these are all close together. */
static void crowd(const struct lookup *l)
{
	static char ram[4096];
	struct vfiomem_range range = {
		.base = 1ull << 62, .size = 4096, .type = VFIOMEM_RANGE_RAM, .host = ram,
	};
	uint64_t id;

	if (vfiomem_space_add(l->space, &range, &id))
		abort();
}

static atomic_bool stop;
static atomic_ulong looked_up;

static void *look_up(void *arg)
{
	while (!stop) {
		map_direct(arg, 100);
		looked_up += 100;
	}
	return NULL;
}

/* Changes under load: the slowest by its CPU time, and how far readers got. */
static void bench_change(struct lookup *l)
{
	static char ram[4096];
	struct vfiomem_range range = {
		.base = 100 * 8192 + 4096, .size = 4096, .priority = 1,
		.type = VFIOMEM_RANGE_RAM, .host = ram,
	};
	unsigned int rounds = bench_quick() ? 500 : 5000;
	pthread_t reader;
	double worst = 0;

	pthread_create(&reader, NULL, look_up, l);
	while (!looked_up)
		usleep(100);
	for (unsigned int i = 0; i < rounds; i++) {
		double start = cpu_ns(), took;
		uint64_t id;

		if (vfiomem_space_add(l->space, &range, &id) ||
		    vfiomem_space_remove(l->space, id))
			abort();
		took = (cpu_ns() - start) / 2;
		worst = took > worst ? took : worst;
	}
	stop = true;
	pthread_join(reader, NULL);
	bench_at_most("space: longest change of 4096 ranges under load", 1, worst / 1e6, "ms");
	bench_at_least("space: lookups while it changes", 1000, looked_up, "lookups");
}

static void pairs(void)
{
	struct pairs plain = { 4096, 1, VFIOMEM_GRANT_FILLED, false };
	struct pairs many = { 65536, MAX_IN_FLIGHT, VFIOMEM_GRANT_FILLED, false };
	struct pairs copy = { 4096, 1, VFIOMEM_GRANT_FILLED, true };
	struct pairs zeroed = { 4096, 1, 0, false };
	struct bench_ratio r;

	/* Not the first thread's first steps. */
	pool_pairs(&plain, 10000);
	pool_pairs(&many, 1000);

	r = bench_compare("map+unmap, 4 KiB", pool_pairs, &plain, malloc_pairs, &plain);
	bench_at_most("pool: map+unmap of 4 KiB", 0.4, r.ratio, "x zeroing malloc");
	bench_note("pool: map+unmap of 4 KiB takes %.1f ns, zeroing malloc and a count %.1f ns",
		   r.a_ns, r.b_ns);
	bench_at_least("pool: two threads together", 1.8,
		       bench_pooled("two threads, pool",
				    scaling(pool_pairs, &plain, 200000)), "x one");
	r = bench_compare("64 KiB, 8 in flight", pool_pairs, &many, malloc_pairs, &many);
	bench_at_most("pool: 64 KiB, 8 in flight", 0.02, r.ratio, "x zeroing malloc");
	r = bench_compare("read map of 4 KiB", pool_pairs, &copy, malloc_pairs, &copy);
	bench_at_most("pool: 4 KiB with its copy", 0.4, r.ratio, "x zeroing malloc and copy");
	r = bench_compare("zeroed 4 KiB", pool_pairs, &zeroed, malloc_pairs, &zeroed);
	bench_at_most("pool: zeroed 4 KiB", 0.7, r.ratio, "x zeroing malloc");
}

static void lookups(void)
{
	struct lookup few = { .ranges = 64 }, lots = { .ranges = 4096 };
	double alone[2], crowded[2];

	few.space = make_space(few.ranges);
	lots.space = make_space(lots.ranges);
	alone[0] = bench_pooled("map, 64 ranges", map_alone(&few));
	alone[1] = bench_pooled("map, 4096 ranges", map_alone(&lots));
	bench_at_most("space: lookup + direct map, 64 ranges", 25, alone[0], "ns");
	bench_at_most("space: lookup + direct map, 4096 ranges", 40, alone[1], "ns");
	bench_note("space: lookup, direct map and unmap take %.1f ns with 64 ranges, %.1f ns with 4096",
		   bench_time("space, 64 ranges", map_direct, &few),
		   bench_time("space, 4096 ranges", map_direct, &lots));
	crowd(&few);
	crowd(&lots);
	crowded[0] = bench_pooled("crowded, 64 ranges", map_alone(&few));
	crowded[1] = bench_pooled("crowded, 4096 ranges", map_alone(&lots));
	bench_note("space: with all in one bucket, lookup and map take %.1f ns with 64 ranges, %.1f ns with 4096",
		   crowded[0], crowded[1]);
	few.same = true;
	bench_at_least("space: two threads on the same range", 1.8,
		       bench_pooled("two threads, space",
				    scaling(map_direct, &few, 200000)), "x one");
	vfiomem_space_destroy(few.space);
	vfiomem_space_destroy(lots.space);
}

int main(int argc, char **argv)
{
	struct vfiomem_pool_options options = { .size = sizeof(options), .budget = BUDGET };
	struct lookup lots = { .ranges = 4096 };

	bench_init("pool", argc, argv);
	if (vfiomem_pool_create(&pool, &options))
		return 1;
	while (bench_again()) {
		pairs();
		lookups();
	}
	bench_waiting();
	bench_herd();
	lots.space = make_space(lots.ranges);
	bench_change(&lots);
	vfiomem_space_destroy(lots.space);
	vfiomem_pool_destroy(pool);
	return bench_done();
}
