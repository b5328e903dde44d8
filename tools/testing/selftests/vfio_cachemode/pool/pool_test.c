// SPDX-License-Identifier: GPL-2.0-only
/* What vfiomem.h says of the bounce pool, sentence by sentence. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../vfiomem/expect.h"
#include "vfiomem.h"

#define PAGE 4096u

/* Pairs of map and unmap before a pool is tested. */
static unsigned int warm_up;

static struct vfiomem_pool *make_pool(size_t budget)
{
	struct vfiomem_pool_options options = {
		.size = sizeof(options), .budget = budget,
	};
	struct vfiomem_pool *pool = NULL;

	expect_eq(vfiomem_pool_create(&pool, &options), 0);
	for (unsigned int i = 0; i < warm_up; i++) {
		struct vfiomem_buf buf;

		if (!vfiomem_pool_try_map(pool, 0, 1, NULL, &buf))
			vfiomem_pool_unmap(pool, &buf);
	}
	return pool;
}

static struct vfiomem_pool_stats stats_of(struct vfiomem_pool *pool)
{
	struct vfiomem_pool_stats stats;

	expect_eq(vfiomem_pool_stats(pool, &stats), 0);
	return stats;
}

static void test_arguments(void)
{
	struct vfiomem_pool_options options = { .size = sizeof(options), .budget = PAGE };
	struct vfiomem_pool *pool = make_pool(PAGE), *other;
	struct vfiomem_piece huge[] = { { 0, SIZE_MAX / 2 }, { 0, SIZE_MAX / 2 }, { 0, 2 } };
	struct vfiomem_grant how = { .min = 11 };
	struct vfiomem_buf bufs[3];
	struct vfiomem_pool_waiter mute = { .eventfd = -1 };
	char small[PAGE];

	expect_eq(vfiomem_pool_create(NULL, &options), -EINVAL);
	expect_eq(vfiomem_pool_create(&other, NULL), -EINVAL);
	options.size--;
	expect_eq(vfiomem_pool_create(&other, &options), -EINVAL);
	options = (struct vfiomem_pool_options){
		.size = sizeof(options), .arena = small + 1, .arena_size = PAGE - 1,
	};
	expect_eq(vfiomem_pool_create(&other, &options), -EINVAL);

	expect_eq(vfiomem_pool_try_map(NULL, 0, 1, NULL, bufs), -EINVAL);
	expect_eq(vfiomem_pool_try_map(pool, 0, 0, NULL, bufs), -EINVAL);
	expect_eq(vfiomem_pool_try_map(pool, 0, SIZE_MAX, NULL, bufs), -EINVAL);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, NULL), -EINVAL);
	expect_eq(vfiomem_pool_try_map(pool, 0, 10, &how, bufs), -EINVAL);
	how = (struct vfiomem_grant){ .flags = 1u << 31 };
	expect_eq(vfiomem_pool_map(pool, 0, 10, &how, bufs), -EINVAL);
	expect_eq(vfiomem_pool_try_map_sg(pool, huge, 3, NULL, bufs), -EINVAL);
	expect_eq(vfiomem_pool_try_map_sg(pool, huge, 0, NULL, bufs), -EINVAL);
	expect_eq(vfiomem_pool_wait(pool, &mute), -EINVAL);
	expect_eq(vfiomem_pool_unmap(pool, NULL), -EINVAL);
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
	expect_eq(vfiomem_pool_destroy(NULL), -EINVAL);
}

static void test_offset(void)
{
	static const size_t lengths[] = { 1, 2, 511, 4095, 4096, 4097, 65536, 70001, 300000 };
	struct vfiomem_pool *pool = make_pool(1 << 20);
	struct vfiomem_buf buf;

	for (unsigned int offset = 0; offset < PAGE; offset += offset < 8 ? 1 : 511) {
		for (unsigned int i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			expect_eq(vfiomem_pool_try_map(pool, (7ull << 40) + offset,
						       lengths[i], NULL, &buf), 0);
			expect_eq((uintptr_t)buf.ptr % PAGE, offset);
			expect_eq(buf.len, lengths[i]);
			/* All of it is ours: a sanitizer sees that. */
			memset(buf.ptr, 0xa5, buf.len);
			expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
		}
	}
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_stale_data(void)
{
	struct vfiomem_pool *pool = make_pool(1 << 20);
	struct vfiomem_grant filled = { .flags = VFIOMEM_GRANT_FILLED };
	struct vfiomem_buf buf, held;
	unsigned int leaks = 0;

	for (unsigned int i = 0; i < 1000; i++) {
		size_t len = 1 + i * 37 % 20000;

		expect_eq(vfiomem_pool_try_map(pool, i * 5, len, i % 2 ? &filled : NULL,
					       &buf), 0);
		if (i % 2 == 0)
			for (size_t k = 0; k < len; k++)
				leaks += ((char *)buf.ptr)[k] != 0;
		memset(buf.ptr, 0x5a, len);
		expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	}
	/* Always the same length, so that bytes and memory come from a stripe. */
	for (unsigned int i = 0; i < 1000; i++) {
		expect_eq(vfiomem_pool_try_map(pool, 0, 100, i % 2 ? &filled : NULL, &buf), 0);
		if (i % 2 == 0)
			for (size_t k = 0; k < 100; k++)
				leaks += ((char *)buf.ptr)[k] != 0;
		memset(buf.ptr, 0x5a, 100);
		expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	}
	/* The same by way of a waiter, whose memory comes from another's hands. */
	for (int i = 0; i < 2; i++) {
		struct vfiomem_piece piece = { 0, 1 << 20 };
		struct vfiomem_pool_waiter waiter = {
			.eventfd = eventfd(0, 0), .pieces = &piece, .nr = 1,
			.bufs = &buf, .how.owner = &waiter,
		};

		expect_eq(vfiomem_pool_map(pool, 0, 1 << 20, &filled, &held), 0);
		memset(held.ptr, 0x5a, held.len);
		expect_eq(vfiomem_pool_wait(pool, &waiter), 0);
		expect_eq(vfiomem_pool_unmap(pool, &held), 0);
		expect_eq(vfiomem_pool_collect(pool, &waiter), 1);
		for (size_t k = 0; k < buf.len; k++)
			leaks += ((char *)buf.ptr)[k] != 0;
		memset(buf.ptr, 0x5a, buf.len);
		expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
		close(waiter.eventfd);
	}
	expect_eq(leaks, 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_partial(void)
{
	struct vfiomem_pool *pool = make_pool(10000);
	struct vfiomem_grant sectors = { .min = 4000, .granularity = 512 };
	struct vfiomem_grant odd = { .min = 600, .granularity = 512 };
	struct vfiomem_grant whole = { .min = 20000 };
	struct vfiomem_buf a, b;

	expect_eq(vfiomem_pool_try_map(pool, 0, 20000, &sectors, &a), 0);
	expect_eq(a.len, 9728);
	/* 272 bytes are left. */
	expect_eq(vfiomem_pool_try_map(pool, 0, 512, &odd, &b), -EINVAL);
	odd.min = 0;
	expect_eq(vfiomem_pool_try_map(pool, 0, 20000, &odd, &b), -EAGAIN);
	expect_eq(vfiomem_pool_try_map(pool, 0, 200, &odd, &b), 0);
	expect_eq(b.len, 200);	/* all of the request, though no granule */
	expect_eq(stats_of(pool).in_use, 9928);
	expect_eq(stats_of(pool).partial, 1);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 20000, &whole, &a), -EMSGSIZE);
	/* The minimum counts in whole granules: 600 means 1024. */
	expect_eq(vfiomem_pool_try_map(pool, 0, 9000, NULL, &b), 0);
	odd.min = 600;
	expect_eq(vfiomem_pool_try_map(pool, 0, 20000, &odd, &a), -EAGAIN);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_list(void)
{
	struct vfiomem_pool *pool = make_pool(10000);
	struct vfiomem_piece list[] = { { 100, 3000 }, { 5000, 4096 }, { 77, 4096 }, { 0, 1 } };
	struct vfiomem_grant how = { .granularity = 1024 };
	struct vfiomem_buf bufs[4];

	expect_eq(vfiomem_pool_try_map_sg(pool, list, 2, NULL, bufs), 2);
	for (int i = 0; i < 2; i++) {
		expect_eq(bufs[i].len, list[i].len);
		expect_eq((uintptr_t)bufs[i].ptr % PAGE, list[i].addr % PAGE);
		expect_eq(vfiomem_pool_unmap(pool, &bufs[i]), 0);
	}
	/* 10000 bytes are 9 granules: 3000 + 4096 + 2120. */
	expect_eq(vfiomem_pool_try_map_sg(pool, list, 4, &how, bufs), 3);
	expect_eq(bufs[2].len, 9 * 1024 - 3000 - 4096);
	expect_eq(stats_of(pool).in_use, 9 * 1024);
	expect_eq(stats_of(pool).buffers, 3);
	for (int i = 0; i < 3; i++)
		expect_eq(vfiomem_pool_unmap(pool, &bufs[i]), 0);
	how.min = 10001;
	expect_eq(vfiomem_pool_try_map_sg(pool, list, 4, &how, bufs), -EMSGSIZE);
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_wrong_buffers(void)
{
	struct vfiomem_pool *pool = make_pool(1 << 20), *other = make_pool(1 << 20);
	struct vfiomem_buf a, b, wrong = { 0 };
	char mine[64];
	/* With that number some grant before those of now may have been. */
	int none = warm_up ? -EALREADY : -EINVAL;

	expect_eq(vfiomem_pool_unmap(pool, &wrong), none);
	wrong.ptr = mine;
	wrong.len = sizeof(mine);
	expect_eq(vfiomem_pool_unmap(pool, &wrong), none);
	expect_eq(vfiomem_pool_try_map(pool, 0, 100, NULL, &a), 0);
	expect_eq(vfiomem_pool_unmap(other, &a), -EINVAL);
	wrong = a;
	wrong.ptr = mine;
	expect_eq(vfiomem_pool_unmap(pool, &wrong), -EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		wrong = a;
		wrong.slot ^= 1u << bit;
		expect(vfiomem_pool_unmap(pool, &wrong) < 0);
	}
	for (int bit = 0; bit < 64; bit++) {
		wrong = a;
		wrong.serial ^= 1ull << bit;
		expect(vfiomem_pool_unmap(pool, &wrong) < 0);
	}
	wrong = a;
	wrong.len = 1 << 30;	/* the pool knows better */
	expect_eq(vfiomem_pool_unmap(pool, &wrong), 0);
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_unmap(pool, &a), -EALREADY);
	/* The memory is somebody else's now. */
	expect_eq(vfiomem_pool_try_map(pool, 0, 100, NULL, &b), 0);
	expect(b.ptr == a.ptr);
	expect_eq(vfiomem_pool_unmap(pool, &a), -EALREADY);
	expect_eq(stats_of(pool).in_use, 100);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);

	expect_eq(vfiomem_pool_destroy(pool), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), -ESHUTDOWN);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, &b), -ESHUTDOWN);
	expect_eq(vfiomem_pool_map(pool, 0, 1, NULL, &b), -ESHUTDOWN);
	expect_eq(vfiomem_pool_set_budget(pool, 1), -ESHUTDOWN);
	expect_eq(vfiomem_pool_destroy(pool), -ESHUTDOWN);
	/* Its shell serves again; what was the old pool's is not the new one's. */
	expect(make_pool(1 << 20) == pool);
	expect_eq(vfiomem_pool_try_map(pool, 0, 100, NULL, &b), 0);
	expect(vfiomem_pool_unmap(pool, &a) < 0);
	expect_eq(stats_of(pool).in_use, 100);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
	expect_eq(vfiomem_pool_destroy(other), 0);
}

/* A waiter that writes down what befell it. */
struct note {
	struct vfiomem_pool_waiter waiter;
	struct vfiomem_pool *pool;
	struct vfiomem_piece piece;
	struct vfiomem_buf buf;
	int result, calls, turn;
	pthread_t thread;
	void (*then)(struct note *note);
};

static atomic_int turns;

static void noted(struct vfiomem_pool_waiter *waiter, int result)
{
	struct note *note = (struct note *)waiter;

	note->result = result;
	note->calls++;
	note->turn = ++turns;
	note->thread = pthread_self();
	if (note->then)
		note->then(note);
}

static void note_init(struct note *note, struct vfiomem_pool *pool, size_t len, size_t min)
{
	*note = (struct note){
		.pool = pool,
		.piece = { 0, len },
		.waiter = {
			.granted = noted, .eventfd = -1, .nr = 1,
			.how = { .min = min, .owner = note },
		},
	};
	note->waiter.pieces = &note->piece;
	note->waiter.bufs = &note->buf;
}

static void test_holder_never_waits(void)
{
	struct vfiomem_pool *pool = make_pool(PAGE);
	struct vfiomem_buf a, b;
	struct vfiomem_grant mine = { .owner = &mine };
	struct note same, stranger;

	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &a), 0);
	expect_eq(vfiomem_pool_map(pool, 0, 1, NULL, &b), -EDEADLK);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, &b), -EAGAIN);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);

	expect_eq(vfiomem_pool_map(pool, 0, PAGE, &mine, &a), 0);
	note_init(&same, pool, 1, 0);
	same.waiter.how.owner = &mine;
	expect_eq(vfiomem_pool_wait(pool, &same.waiter), -EDEADLK);
	note_init(&stranger, pool, 1, 0);
	expect_eq(vfiomem_pool_wait(pool, &stranger.waiter), 0);
	expect_eq(stats_of(pool).waiting, 1);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(stranger.result, 1);
	expect_eq(vfiomem_pool_unmap(pool, &stranger.buf), 0);
	/* A map that need not wait is no matter of who holds what. */
	expect_eq(vfiomem_pool_map(pool, 0, 1, NULL, &a), 0);
	expect_eq(vfiomem_pool_map(pool, 0, 1, NULL, &b), 0);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_order(void)
{
	struct vfiomem_pool *pool = make_pool(4 * PAGE);
	struct vfiomem_buf held[4], late;
	struct note big, small, part;

	turns = 0;
	for (int i = 0; i < 4; i++)
		expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &held[i]), 0);
	note_init(&big, pool, 2 * PAGE, 2 * PAGE);
	note_init(&small, pool, 100, 100);
	note_init(&part, pool, 4 * PAGE, 1);
	expect_eq(vfiomem_pool_wait(pool, &big.waiter), 0);
	expect_eq(vfiomem_pool_wait(pool, &small.waiter), 0);
	expect_eq(vfiomem_pool_wait(pool, &part.waiter), 0);

	/* What is too little for the first is for nobody, new ones included. */
	expect_eq(vfiomem_pool_unmap(pool, &held[0]), 0);
	expect_eq(big.calls + small.calls + part.calls, 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, &late), -EAGAIN);

	expect_eq(vfiomem_pool_unmap(pool, &held[1]), 0);
	expect_eq(big.turn, 1);
	expect_eq(big.buf.len, 2 * PAGE);
	expect_eq(small.calls + part.calls, 0);

	/* One release serves as many as it can, the last with what is left. */
	expect_eq(vfiomem_pool_unmap(pool, &held[2]), 0);
	expect_eq(small.turn, 2);
	expect_eq(part.turn, 3);
	expect_eq(part.buf.len, PAGE - 100);
	expect(pthread_equal(part.thread, pthread_self()));
	expect_eq(big.calls + small.calls + part.calls, 3);
	expect_eq(stats_of(pool).in_use, 4 * PAGE);
	expect_eq(stats_of(pool).waits, 3);
	expect_eq(stats_of(pool).waiting, 0);
	expect(stats_of(pool).waited_ns > 0);

	expect_eq(vfiomem_pool_unmap(pool, &held[3]), 0);
	expect_eq(vfiomem_pool_unmap(pool, &big.buf), 0);
	expect_eq(vfiomem_pool_unmap(pool, &small.buf), 0);
	expect_eq(vfiomem_pool_unmap(pool, &part.buf), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_eventfd(void)
{
	struct vfiomem_pool *pool = make_pool(PAGE);
	struct vfiomem_buf held, buf;
	struct vfiomem_piece piece = { 12, 64 };
	struct vfiomem_pool_waiter waiter = {
		.eventfd = eventfd(0, EFD_NONBLOCK), .pieces = &piece, .nr = 1,
		.bufs = &buf, .how.owner = &waiter,
	};
	uint64_t count = 0;

	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &held), 0);
	expect_eq(vfiomem_pool_collect(pool, &waiter), -ENOENT);
	expect_eq(vfiomem_pool_wait(pool, &waiter), 0);
	expect_eq(vfiomem_pool_collect(pool, &waiter), -EAGAIN);
	expect_eq(read(waiter.eventfd, &count, sizeof(count)), -1);
	expect_eq(vfiomem_pool_unmap(pool, &held), 0);
	expect_eq(read(waiter.eventfd, &count, sizeof(count)), sizeof(count));
	expect_eq(count, 1);
	expect_eq(vfiomem_pool_collect(pool, &waiter), 1);
	expect_eq(buf.len, 64);
	expect_eq((uintptr_t)buf.ptr % PAGE, 12);
	expect_eq(vfiomem_pool_collect(pool, &waiter), -ENOENT);
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);

	/* The request is the caller's: what its zeroes mean is not written there. */
	waiter.how = (struct vfiomem_grant){ .min = 10, .granularity = 8 };
	expect_eq(vfiomem_pool_wait(pool, &waiter), 1);
	expect(!waiter.how.owner);
	expect_eq(waiter.how.min, 10);
	waiter.how = (struct vfiomem_grant){ .owner = &waiter };
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);

	/* Signalled, and then not wanted: the grant goes back. */
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &held), 0);
	expect_eq(vfiomem_pool_wait(pool, &waiter), 0);
	expect_eq(vfiomem_pool_unmap(pool, &held), 0);
	expect_eq(stats_of(pool).in_use, 64);
	expect_eq(vfiomem_pool_cancel(pool, &waiter), 0);
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_cancel(pool, &waiter), -ENOENT);

	/* At once: no signal. */
	expect_eq(read(waiter.eventfd, &count, sizeof(count)), sizeof(count));
	expect_eq(vfiomem_pool_wait(pool, &waiter), 1);
	expect_eq(read(waiter.eventfd, &count, sizeof(count)), -1);
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
	close(waiter.eventfd);
}

static struct note again;

static void use_everything(struct note *note)
{
	struct vfiomem_buf buf;

	expect_eq(vfiomem_pool_map(note->pool, 0, 1, NULL, &buf), -EDEADLK);
	expect_eq(vfiomem_pool_destroy(note->pool), -EDEADLK);
	expect_eq(vfiomem_pool_cancel(note->pool, &note->waiter), -EDEADLK);
	expect_eq(stats_of(note->pool).in_use, PAGE);
	note_init(&again, note->pool, PAGE, PAGE);
	expect_eq(vfiomem_pool_wait(note->pool, &again.waiter), 0);
	expect_eq(vfiomem_pool_unmap(note->pool, &note->buf), 0);
	/* Callbacks do not nest. */
	expect_eq(again.calls, 0);
	expect_eq(vfiomem_pool_set_budget(note->pool, PAGE), 0);
}

static void test_callback_may_reenter(void)
{
	struct vfiomem_pool *pool = make_pool(PAGE);
	struct vfiomem_buf held;
	struct note note;

	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &held), 0);
	note_init(&note, pool, PAGE, PAGE);
	note.then = use_everything;
	expect_eq(vfiomem_pool_wait(pool, &note.waiter), 0);
	expect_eq(vfiomem_pool_unmap(pool, &held), 0);
	expect_eq(note.calls, 1);
	expect_eq(again.calls, 1);
	expect_eq(vfiomem_pool_unmap(pool, &again.buf), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void release(struct note *note)
{
	expect_eq(vfiomem_pool_unmap(note->pool, &note->buf), 0);
	free(note);		/* a waiter may end with its callback */
}

static void test_long_queue(void)
{
	enum { MANY = 100000 };
	struct vfiomem_pool *pool = make_pool(PAGE);
	struct vfiomem_buf held;

	turns = 0;
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &held), 0);
	for (int i = 0; i < MANY; i++) {
		struct note *note = malloc(sizeof(*note));

		note_init(note, pool, PAGE, PAGE);
		note->then = release;
		expect_eq(vfiomem_pool_wait(pool, &note->waiter), 0);
	}
	expect_eq(vfiomem_pool_unmap(pool, &held), 0);
	expect_eq(turns, MANY);
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static atomic_int stage;

static void linger(struct note *note)
{
	stage = 1;
	usleep(100000);
	expect_eq(vfiomem_pool_unmap(note->pool, &note->buf), 0);
	stage = 2;
}

/* Queues itself again, and lingers until that is cancelled. */
static void rearm(struct note *note)
{
	struct vfiomem_buf buf = note->buf;

	if (note->result < 0)
		return;
	expect_eq(vfiomem_pool_wait(note->pool, &note->waiter), -EDEADLK);
	note->waiter.how.owner = &stage;
	expect_eq(vfiomem_pool_wait(note->pool, &note->waiter), 0);
	stage = 1;
	while (stats_of(note->pool).waiting)
		usleep(1000);
	expect_eq(vfiomem_pool_unmap(note->pool, &buf), 0);
	stage = 2;
}

struct unmapper {
	struct vfiomem_pool *pool;
	struct vfiomem_buf buf;
};

static void *unmap_thread(void *arg)
{
	struct unmapper *u = arg;

	expect_eq(vfiomem_pool_unmap(u->pool, &u->buf), 0);
	return NULL;
}

static void test_cancel(void)
{
	struct unmapper u = { .pool = make_pool(PAGE) };
	struct note first, second, never;
	struct vfiomem_buf buf;
	pthread_t thread;

	note_init(&first, u.pool, PAGE, PAGE);
	note_init(&second, u.pool, PAGE, PAGE);
	memset(&never, 0x5a, sizeof(never));
	expect_eq(vfiomem_pool_cancel(u.pool, &never.waiter), -ENOENT);

	/* The first in the queue, for whom there was too little, makes room. */
	expect_eq(vfiomem_pool_try_map(u.pool, 0, PAGE - 10, NULL, &u.buf), 0);
	second.piece.len = 10;
	second.waiter.how.min = 10;
	expect_eq(vfiomem_pool_wait(u.pool, &first.waiter), 0);
	expect_eq(vfiomem_pool_wait(u.pool, &second.waiter), 0);
	expect_eq(vfiomem_pool_cancel(u.pool, &first.waiter), 0);
	expect_eq(second.calls, 1);
	expect_eq(first.calls, 0);
	expect_eq(vfiomem_pool_cancel(u.pool, &first.waiter), -ENOENT);
	expect_eq(vfiomem_pool_cancel(u.pool, &second.waiter), -ENOENT);
	expect_eq(vfiomem_pool_unmap(u.pool, &second.buf), 0);
	expect_eq(vfiomem_pool_unmap(u.pool, &u.buf), 0);

	/* One that runs on another thread is waited for. */
	stage = 0;
	expect_eq(vfiomem_pool_try_map(u.pool, 0, PAGE, NULL, &u.buf), 0);
	note_init(&first, u.pool, PAGE, PAGE);
	first.then = linger;
	expect_eq(vfiomem_pool_wait(u.pool, &first.waiter), 0);
	pthread_create(&thread, NULL, unmap_thread, &u);
	while (!stage)
		usleep(100);
	expect_eq(vfiomem_pool_cancel(u.pool, &first.waiter), -ENOENT);
	expect_eq(stage, 2);
	pthread_join(thread, NULL);
	expect_eq(vfiomem_pool_map(u.pool, 0, PAGE, NULL, &buf), 0);
	expect_eq(vfiomem_pool_unmap(u.pool, &buf), 0);

	/* Also where it queued itself again, so that there is something to cancel. */
	stage = 0;
	expect_eq(vfiomem_pool_try_map(u.pool, 0, PAGE, NULL, &u.buf), 0);
	note_init(&first, u.pool, PAGE, PAGE);
	first.then = rearm;
	expect_eq(vfiomem_pool_wait(u.pool, &first.waiter), 0);
	pthread_create(&thread, NULL, unmap_thread, &u);
	while (!stage)
		usleep(100);
	expect_eq(vfiomem_pool_cancel(u.pool, &first.waiter), 0);
	expect_eq(stage, 2);
	expect_eq(first.calls, 1);
	pthread_join(thread, NULL);
	expect_eq(first.calls, 1);
	expect_eq(stats_of(u.pool).waiting, 0);

	/* So it is by destroy. */
	stage = 0;
	expect_eq(vfiomem_pool_try_map(u.pool, 0, PAGE, NULL, &u.buf), 0);
	first.then = linger;
	expect_eq(vfiomem_pool_wait(u.pool, &first.waiter), 0);
	pthread_create(&thread, NULL, unmap_thread, &u);
	while (!stage)
		usleep(100);
	expect_eq(vfiomem_pool_destroy(u.pool), 0);
	expect_eq(stage, 2);
	pthread_join(thread, NULL);
}

/* Allocator hooks that keep count, and can fail. */
static atomic_long live, refuse;

static void *hook_alloc(void *opaque, size_t align, size_t size)
{
	void *ptr;

	expect(opaque == &live);
	if (refuse || posix_memalign(&ptr, align, size))
		return NULL;
	live += (long)size;
	memset(ptr, 0xee, size);
	return ptr;
}

static void hook_free(void *opaque, void *ptr, size_t size)
{
	expect(opaque == &live);
	live -= (long)size;
	free(ptr);
}

static struct vfiomem_pool *make_hooked(size_t budget)
{
	struct vfiomem_pool_options options = {
		.size = sizeof(options), .budget = budget,
		.alloc = hook_alloc, .free = hook_free, .opaque = &live,
	};
	struct vfiomem_pool *pool = NULL;

	expect_eq(vfiomem_pool_create(&pool, &options), 0);
	return pool;
}

static void test_close_with_buffers_out(void)
{
	struct vfiomem_pool *pool = make_hooked(2 * PAGE);
	struct vfiomem_buf a, b, c;
	struct note note;

	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &a), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &b), 0);
	note_init(&note, pool, PAGE, PAGE);
	expect_eq(vfiomem_pool_wait(pool, &note.waiter), 0);
	expect_eq(vfiomem_pool_destroy(pool), -EBUSY);
	expect_eq(note.result, -ESHUTDOWN);
	expect_eq(note.calls, 1);
	expect_eq(stats_of(pool).buffers, 2);
	expect_eq(stats_of(pool).in_use, 2 * PAGE);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, &c), -ESHUTDOWN);
	memset(a.ptr, 1, a.len);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_unmap(pool, &a), -EALREADY);
	memset(b.ptr, 1, b.len);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(live, 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), -ESHUTDOWN);
}

static void *map_thread(void *arg)
{
	struct vfiomem_buf buf;

	expect_eq(vfiomem_pool_map(arg, 0, 2 * PAGE, NULL, &buf), 0);
	expect_eq(vfiomem_pool_unmap(arg, &buf), 0);
	return NULL;
}

static void *cancel_thread(void *arg)
{
	struct note *note = arg;

	expect_eq(vfiomem_pool_cancel(note->pool, &note->waiter), -ENOENT);
	return NULL;
}

/* Nothing is left to the hooks, be another thread still in the pool. */
static void test_closed_is_freed(void)
{
	enum { CANCELS = 8 };

	for (int round = 0; round < 10; round++) {
		struct unmapper u = { .pool = make_hooked(1 << 20) };
		pthread_t unmaps, cancels[CANCELS];
		struct note note;

		stage = 0;
		expect_eq(vfiomem_pool_try_map(u.pool, 0, 1 << 20, NULL, &u.buf), 0);
		note_init(&note, u.pool, PAGE, PAGE);
		note.then = linger;
		expect_eq(vfiomem_pool_wait(u.pool, &note.waiter), 0);
		pthread_create(&unmaps, NULL, unmap_thread, &u);
		while (!stage)
			usleep(100);
		for (int i = 0; i < CANCELS; i++)
			pthread_create(&cancels[i], NULL, cancel_thread, &note);
		usleep(10000);
		expect_eq(vfiomem_pool_destroy(u.pool), 0);
		expect_eq(live, 0);
		pthread_join(unmaps, NULL);
		for (int i = 0; i < CANCELS; i++)
			pthread_join(cancels[i], NULL);
	}
}

static void test_hooks(void)
{
	struct vfiomem_pool *pool = make_hooked(1 << 20);
	struct vfiomem_buf a, b;
	pthread_t thread;
	struct note note;

	expect_eq(vfiomem_pool_try_map(pool, 5, 300000, NULL, &a), 0);
	expect(live >= 300000);
	refuse = 1;
	/* Something is out that may come back and help. */
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &b), -EAGAIN);
	note_init(&note, pool, PAGE, PAGE);
	expect_eq(vfiomem_pool_wait(pool, &note.waiter), 0);
	/* It did come back, and it did not help. */
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(note.result, -ENOMEM);
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &b), -ENOMEM);
	/* What threads keep ready is not out. */
	refuse = 0;
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, map_thread, pool);
		pthread_join(thread, NULL);
	}
	refuse = 1;
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &b), -ENOMEM);
	refuse = 0;
	expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &b), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
	expect_eq(live, 0);
}

static void test_arena(void)
{
	static _Alignas(4096) char arena[9 * PAGE];
	struct vfiomem_pool_options options = {
		.size = sizeof(options), .budget = 8 * PAGE,
		.arena = arena + 1, .arena_size = sizeof(arena) - 1,
	};
	struct vfiomem_pool *pool;
	struct vfiomem_buf bufs[8], all;
	struct vfiomem_grant whole = { .min = 8 * PAGE, .owner = &whole };

	expect_eq(vfiomem_pool_create(&pool, &options), 0);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 8; i++) {
			expect_eq(vfiomem_pool_try_map(pool, 0, PAGE, NULL, &bufs[i]), 0);
			expect((char *)bufs[i].ptr >= arena + PAGE &&
			       (char *)bufs[i].ptr + PAGE <= arena + sizeof(arena));
			memset(bufs[i].ptr, i, PAGE);
		}
		/* 4 pages are free, no two of them neighbours: a part, not nothing. */
		for (int i = 0; i < 8; i += 2)
			expect_eq(vfiomem_pool_unmap(pool, &bufs[i]), 0);
		expect_eq(vfiomem_pool_try_map(pool, 0, 4 * PAGE, NULL, &all), 0);
		expect_eq(all.len, PAGE);
		expect_eq(vfiomem_pool_unmap(pool, &all), 0);
		/* At an odd offset a page is two, and half of those is one. */
		expect_eq(vfiomem_pool_try_map(pool, 1, PAGE, NULL, &all), 0);
		expect_eq(all.len, PAGE - 1);
		expect_eq(vfiomem_pool_unmap(pool, &all), 0);
		for (int i = 1; i < 8; i += 2)
			expect_eq(vfiomem_pool_unmap(pool, &bufs[i]), 0);
		/* Everything returned: the largest request fits. */
		expect_eq(vfiomem_pool_map(pool, 0, 8 * PAGE, &whole, &all), 0);
		expect_eq(all.len, 8 * PAGE);
		expect_eq(vfiomem_pool_unmap(pool, &all), 0);
	}
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_budget_changes(void)
{
	struct vfiomem_pool *pool = make_pool(4 * PAGE);
	struct vfiomem_buf a, b;
	struct note note, hopeless;

	expect_eq(vfiomem_pool_try_map(pool, 0, 4 * PAGE, NULL, &a), 0);
	note_init(&note, pool, PAGE, PAGE);
	expect_eq(vfiomem_pool_wait(pool, &note.waiter), 0);
	expect_eq(vfiomem_pool_set_budget(pool, 5 * PAGE), 0);
	expect_eq(note.result, 1);
	note_init(&hopeless, pool, 3 * PAGE, 3 * PAGE);
	expect_eq(vfiomem_pool_wait(pool, &hopeless.waiter), 0);
	expect_eq(vfiomem_pool_set_budget(pool, 2 * PAGE), 0);
	expect_eq(hopeless.result, -EMSGSIZE);
	/* What came back while more than the budget was out is for nobody. */
	expect_eq(vfiomem_pool_unmap(pool, &note.buf), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1, NULL, &b), -EAGAIN);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 4 * PAGE, NULL, &b), 0);
	expect_eq(b.len, 2 * PAGE);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	/* Bytes that a stripe kept count, too. */
	expect_eq(vfiomem_pool_set_budget(pool, 1 << 20), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1 << 14, NULL, &b), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_set_budget(pool, 100), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1 << 14, NULL, &b), 0);
	expect_eq(b.len, 100);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void *churn_thread(void *arg)
{
	struct vfiomem_pool *pool = arg;
	struct vfiomem_buf bufs[8];

	for (int round = 0; round < 100; round++) {
		int n = 0;

		while (n < 8 && !vfiomem_pool_try_map(pool, 0, 1 + round * 40, NULL, &bufs[n]))
			n++;
		while (n)
			expect_eq(vfiomem_pool_unmap(pool, &bufs[--n]), 0);
	}
	return NULL;
}

static void test_idle_threads_keep_nothing(void)
{
	struct vfiomem_pool *pool = make_pool(1 << 20);
	struct vfiomem_grant whole = { .min = 1 << 20 };
	struct vfiomem_buf buf;

	/* More threads than stripes, that all left something behind. */
	for (int round = 0; round < 100; round++) {
		pthread_t thread;

		pthread_create(&thread, NULL, churn_thread, pool);
		pthread_join(thread, NULL);
	}
	expect_eq(stats_of(pool).in_use, 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 1 << 20, &whole, &buf), 0);
	expect_eq(buf.len, 1 << 20);
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void test_figures(void)
{
	struct vfiomem_pool *pool = make_pool(1 << 20);
	struct vfiomem_buf a, b;

	expect_eq(vfiomem_pool_try_map(pool, 0, 1000, NULL, &a), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 2000, NULL, &b), 0);
	expect_eq(stats_of(pool).in_use, 3000);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_try_map(pool, 0, 500, NULL, &a), 0);
	expect_eq(stats_of(pool).in_use, 2500);
	expect_eq(stats_of(pool).peak, 3000);
	expect_eq(stats_of(pool).grants, 3);
	expect_eq(stats_of(pool).budget, 1 << 20);
	expect_eq(stats_of(pool).buffers, 2);
	expect_eq(vfiomem_pool_unmap(pool, &a), 0);
	expect_eq(vfiomem_pool_unmap(pool, &b), 0);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

/* Two threads that hand one budget back and forth. */
enum { HANDOVERS = 2000 };
static long switches[2];

static void *pingpong_thread(void *arg)
{
	struct vfiomem_pool *pool = arg;
	static atomic_int me;
	int i = me++;
	struct rusage before, after;
	struct vfiomem_grant whole = { .min = PAGE };
	struct vfiomem_buf buf;
	unsigned int short_grants = 0;

	getrusage(RUSAGE_THREAD, &before);
	for (int n = 0; n < HANDOVERS; n++) {
		expect_eq(vfiomem_pool_map(pool, 0, PAGE, &whole, &buf), 0);
		short_grants += buf.len != PAGE;
		/* Let the other one queue, so that each round is a hand-over. */
		while (n < HANDOVERS - 1 && !stats_of(pool).waiting)
			usleep(20);
		expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	}
	getrusage(RUSAGE_THREAD, &after);
	switches[i] = after.ru_nvcsw - before.ru_nvcsw;
	expect_eq(short_grants, 0);
	return NULL;
}

static void test_hand_over(void)
{
	struct vfiomem_pool *pool = make_pool(PAGE);
	struct vfiomem_pool_stats stats;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, pingpong_thread, pool);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	stats = stats_of(pool);
	printf("# %llu waits; voluntary context switches: %ld + %ld, usleep() included\n",
	       (unsigned long long)stats.waits, switches[0], switches[1]);
	expect(stats.waits >= HANDOVERS);
	expect_eq(stats.grants, 2 * HANDOVERS);
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

static void *sleeper_thread(void *arg)
{
	struct vfiomem_pool *pool = arg;
	struct rusage before, after;
	struct vfiomem_buf buf;

	getrusage(RUSAGE_THREAD, &before);
	expect_eq(vfiomem_pool_map(pool, 0, PAGE, NULL, &buf), 0);
	getrusage(RUSAGE_THREAD, &after);
	switches[0] += after.ru_nvcsw - before.ru_nvcsw;
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	return NULL;
}

/* Many sleep, one is woken for each buffer that comes back: no herd. */
static void test_no_herd(void)
{
	enum { SLEEPERS = 50 };
	struct vfiomem_pool *pool = make_pool(PAGE);
	pthread_t threads[SLEEPERS];
	struct vfiomem_buf buf;

	switches[0] = 0;
	expect_eq(vfiomem_pool_map(pool, 0, PAGE, NULL, &buf), 0);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_create(&threads[i], NULL, sleeper_thread, pool);
	while (stats_of(pool).waiting < SLEEPERS)
		usleep(1000);
	usleep(50000);		/* the last one falls asleep */
	expect_eq(vfiomem_pool_unmap(pool, &buf), 0);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	printf("# %d sleepers woke %ld times (a lock that was busy counts, too)\n",
	       SLEEPERS, switches[0]);
	expect(switches[0] <= SLEEPERS * 8);	/* a herd: half of SLEEPERS² */
	expect_eq(vfiomem_pool_destroy(pool), 0);
}

/* What was given back before is taken on a shorter way. */
static void test_short_way(void)
{
	warm_up = 3;
	test_arguments();
	test_offset();
	test_stale_data();
	test_partial();
	test_list();
	test_wrong_buffers();
	test_holder_never_waits();
	test_order();
	test_eventfd();
	test_budget_changes();
	test_idle_threads_keep_nothing();
	warm_up = 0;
}

int main(void)
{
	static const struct test tests[] = {
		{ "arguments that make no sense are refused", test_arguments },
		{ "a buffer has its guest address's offset", test_offset },
		{ "no stale data", test_stale_data },
		{ "parts keep minimum and granularity", test_partial },
		{ "a list gets a prefix in one step", test_list },
		{ "wrong, stale and foreign buffers are errors", test_wrong_buffers },
		{ "who holds a grant never waits", test_holder_never_waits },
		{ "waiters are served in order, and nobody overtakes", test_order },
		{ "waiters with an eventfd", test_eventfd },
		{ "a callback may call everything that does not block",
		  test_callback_may_reenter },
		{ "100000 waiters do not nest on the stack", test_long_queue },
		{ "cancel, before, while and after the callback runs", test_cancel },
		{ "a pool closed with buffers out says so and loses none",
		  test_close_with_buffers_out },
		{ "a pool closed with none out has freed its memory", test_closed_is_freed },
		{ "allocator hooks, and their failure", test_hooks },
		{ "buffers lie in the caller's arena", test_arena },
		{ "the budget can change", test_budget_changes },
		{ "threads that are idle or gone keep no budget",
		  test_idle_threads_keep_nothing },
		{ "all that, on the short way", test_short_way },
		{ "figures", test_figures },
		{ "hand-over between two threads", test_hand_over },
		{ "no thundering herd", test_no_herd },
	};

	return run_tests(tests, sizeof(tests) / sizeof(*tests));
}
