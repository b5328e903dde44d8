// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool under everything at once, for a number of seconds:
 *
 *	pool_stress SECONDS [THREADS [BUDGET]]
 *
 * Every thread does what comes by chance: tries, sleeps, queues a callback or
 * an eventfd, cancels, takes lists, gives back what another thread got, gives
 * things back twice. Allocations fail now and then, and one thread changes the
 * budget. Watched all the time: no two buffers overlap (each is filled with
 * its own number, which is checked before it is given back), the bytes granted
 * are never more than the largest budget, everybody who waits is served. In
 * the end not a byte of the budget may be missing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../vfiomem/ktap.h"
#include "vfiomem.h"

#define LIST	6
#define SHELF	64	/* grants that wait for whichever thread takes them */

static struct vfiomem_pool *pool;
static size_t budget = 256 * 1024;
static atomic_bool stop, joined;
static atomic_size_t granted;		/* bytes, by our own count */
static atomic_ulong grants, waits, callbacks, collected, cancelled, faults, overlaps;
static atomic_ulong over_budget, wrong, progress;
static atomic_long live, waiting;
static atomic_int may_fail;

/* What one request got. */
struct load {
	struct vfiomem_buf bufs[LIST];
	struct vfiomem_piece pieces[LIST];
	struct vfiomem_pool_waiter waiter;
	int nr;
	uint8_t number;
	bool kept;	/* past its callback, by the thread that will cancel it */
};

static struct load *_Atomic shelf[SHELF];

static _Thread_local uint64_t seed;

static uint32_t chance(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

static void *failing_alloc(void *opaque, size_t align, size_t size)
{
	void *ptr;

	(void)opaque;
	if ((may_fail && chance(50) == 0) || posix_memalign(&ptr, align, size)) {
		faults++;
		return NULL;
	}
	live += (long)size;
	return ptr;
}

static void counting_free(void *opaque, void *ptr, size_t size)
{
	(void)opaque;
	live -= (long)size;
	free(ptr);
}

/* A request was granted: mark what it got. */
static void check_in(struct load *load, int nr)
{
	size_t bytes = 0;

	for (int i = 0; i < nr; i++) {
		bytes += load->bufs[i].len;
		if ((uintptr_t)load->bufs[i].ptr % 4096 != load->pieces[i].addr % 4096)
			wrong++;
		if (!(load->waiter.how.flags & VFIOMEM_GRANT_FILLED) &&
		    ((char *)load->bufs[i].ptr)[load->bufs[i].len / 2])
			wrong++;
		memset(load->bufs[i].ptr, load->number, load->bufs[i].len);
	}
	if (atomic_fetch_add(&granted, bytes) + bytes > budget)
		over_budget++;
	load->nr = nr;
	grants++;
	progress++;
}

/* Give it back, if it is still what it was. */
static void check_out(struct load *load)
{
	for (int i = 0; i < load->nr; i++) {
		unsigned char *p = load->bufs[i].ptr;

		for (size_t k = 0; k < load->bufs[i].len; k++) {
			if (p[k] != load->number) {
				overlaps++;
				break;
			}
		}
		atomic_fetch_sub(&granted, load->bufs[i].len);
		if (vfiomem_pool_unmap(pool, &load->bufs[i]))
			wrong++;
		if (chance(4) == 0 && vfiomem_pool_unmap(pool, &load->bufs[i]) != -EALREADY)
			wrong++;
	}
	free(load);
}

static void hand_on(struct load *load)
{
	load = atomic_exchange(&shelf[chance(SHELF)], load);
	if (load)
		check_out(load);
}

static void on_grant(struct vfiomem_pool_waiter *waiter, int result)
{
	struct load *load = (struct load *)((char *)waiter -
					    offsetof(struct load, waiter));

	callbacks++;
	waiting--;
	if (result < 0) {
		if (result != -EMSGSIZE && result != -ENOMEM && result != -ESHUTDOWN)
			wrong++;
		if (!load->kept)
			free(load);
		return;
	}
	check_in(load, result);
	if (load->kept)
		return;
	if (chance(2))
		hand_on(load);
	else
		check_out(load);
}

static struct load *new_load(void)
{
	struct load *load = calloc(1, sizeof(*load));
	size_t total = 0, most;

	load->number = (uint8_t)(1 + chance(255));
	load->waiter.nr = 1 + chance(chance(3) ? 1 : LIST);
	for (unsigned int i = 0; i < load->waiter.nr; i++) {
		load->pieces[i].addr = chance(1u << 30);
		load->pieces[i].len = 1 + chance(chance(4) ? 4096 : 80000);
		total += load->pieces[i].len;
	}
	load->waiter.pieces = load->pieces;
	load->waiter.bufs = load->bufs;
	load->waiter.eventfd = -1;
	load->waiter.how.owner = load;
	load->waiter.how.granularity = (size_t)1 << chance(10);
	most = total < budget / 2 ? total : budget / 2;
	load->waiter.how.min = chance(2) ? 0 : 1 + chance((uint32_t)most);
	load->waiter.how.flags = chance(2) ? VFIOMEM_GRANT_FILLED : 0;
	return load;
}

static void finish(struct load *load, int ret, bool waited)
{
	if (ret > 0) {
		check_in(load, ret);
		hand_on(load);
		return;
	}
	if (ret != -EMSGSIZE && ret != -ENOMEM && !(ret == -EAGAIN && !waited))
		wrong++;
	free(load);
}

static void with_eventfd(struct load *load)
{
	struct vfiomem_pool_waiter *w = &load->waiter;
	uint64_t count;
	int ret;

	w->eventfd = eventfd(0, 0);
	ret = vfiomem_pool_wait(pool, w);
	if (!ret) {
		waits++;
		if (chance(3) == 0) {
			ret = vfiomem_pool_cancel(pool, w);
			if (ret)
				wrong++;
			cancelled++;
			close(w->eventfd);
			free(load);
			return;
		}
		if (read(w->eventfd, &count, sizeof(count)) != sizeof(count) || count != 1)
			wrong++;
		ret = vfiomem_pool_collect(pool, w);
		collected++;
	}
	close(w->eventfd);
	finish(load, ret, true);
}

static void with_callback(struct load *load)
{
	struct vfiomem_pool_waiter *w = &load->waiter;
	bool cancel = chance(3) == 0;
	int ret;

	w->granted = on_grant;
	load->kept = cancel;
	waiting++;
	ret = vfiomem_pool_wait(pool, w);
	if (ret) {
		waiting--;
		finish(load, ret, true);
		return;
	}
	waits++;
	if (!cancel)
		return;		/* it may be gone by now */
	ret = vfiomem_pool_cancel(pool, w);
	if (!ret) {
		waiting--;
		cancelled++;
		free(load);
	} else if (ret == -ENOENT && load->nr) {
		hand_on(load);
	} else {
		if (ret != -ENOENT)
			wrong++;
		free(load);
	}
}

static void *worker(void *arg)
{
	seed = 88172645463325252ull * ((uintptr_t)arg + 1);
	while (!stop) {
		struct load *load = new_load();
		struct vfiomem_pool_waiter *w = &load->waiter;

		switch (chance(6)) {
		case 0:
			finish(load, vfiomem_pool_map_sg(pool, w->pieces, w->nr,
							 &w->how, w->bufs), true);
			break;
		case 1:
			with_eventfd(load);
			break;
		case 2:
			with_callback(load);
			break;
		case 3:
			free(load);
			load = atomic_exchange(&shelf[chance(SHELF)], NULL);
			if (load)
				check_out(load);
			break;
		default:
			finish(load, vfiomem_pool_try_map_sg(pool, w->pieces, w->nr,
							     &w->how, w->bufs), false);
		}
	}
	return NULL;
}

/*
 * Keeps things moving, as completions of a device would: what lies on the
 * shelf is given back some time later, as long as anybody may wait for it. It
 * also changes the budget.
 */
static void *completer(void *arg)
{
	struct timespec pause = { .tv_nsec = 100000 };

	(void)arg;
	seed = 42;
	while (!joined || waiting) {
		for (int i = 0; i < SHELF; i++) {
			struct load *load = atomic_exchange(&shelf[i], NULL);

			if (load)
				check_out(load);
		}
		if (chance(10) == 0 &&
		    vfiomem_pool_set_budget(pool, budget / 2 + chance((uint32_t)budget / 2)))
			wrong++;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 3;
	unsigned int nr = argc > 2 ? (unsigned int)atoi(argv[2]) : 6;
	struct vfiomem_pool_options options = {
		.size = sizeof(options), .alloc = failing_alloc, .free = counting_free,
	};
	struct vfiomem_pool_stats stats;
	struct vfiomem_grant whole;
	struct vfiomem_buf buf;
	pthread_t threads[64], complete;
	unsigned long last = 0, stuck = 0;
	bool all;

	if (argc > 3)
		budget = strtoul(argv[3], NULL, 0);
	if (nr > 64)
		nr = 64;
	options.budget = budget;
	ktap_start();
	seed = 1;
	may_fail = 1;
	if (vfiomem_pool_create(&pool, &options))
		return 1;
	for (uintptr_t i = 0; i < nr; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	pthread_create(&complete, NULL, completer, NULL);
	for (unsigned int s = 0; s < seconds && stuck < 60; s++) {
		sleep(1);
		stuck = progress == last ? stuck + 1 : 0;
		last = progress;
	}
	ktap_result(stuck < 60, "somebody is always served");
	if (stuck >= 60) {
		vfiomem_pool_stats(pool, &stats);
		printf("# in use %lu of %lu, %lu wait\n", (long)stats.in_use,
		       (long)stats.budget, (long)stats.waiting);
		ktap_finish();
		_exit(1);
	}
	stop = true;
	alarm(300);	/* a waiter who is never served is a failure, not a hang */
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	joined = true;
	pthread_join(complete, NULL);
	for (int i = 0; i < SHELF; i++)
		if (shelf[i])
			check_out(shelf[i]);
	may_fail = 0;
	vfiomem_pool_set_budget(pool, budget);
	vfiomem_pool_stats(pool, &stats);
	printf("# %lu grants, %lu partial; %lu allocations failed\n",
	       (long)stats.grants, (long)stats.partial, faults);
	printf("# %lu waits: %lu callbacks, %lu collected, %lu cancelled\n",
	       (long)stats.waits, callbacks, collected, cancelled);
	ktap_result(waiting == 0, "every waiter had one answer");
	ktap_result(!overlaps, "no two buffers overlap");
	ktap_result(!over_budget, "never more than the budget");
	ktap_result(!wrong, "every call answered as it should (%lu did not)", wrong);
	ktap_result(!stats.in_use && !stats.buffers && !stats.waiting,
		    "nothing is in use in the end");
	whole = (struct vfiomem_grant){ .min = budget };
	all = !vfiomem_pool_try_map(pool, 0, budget, &whole, &buf);
	ktap_result(all && buf.len == budget, "not a byte of the budget is lost");
	if (all)
		vfiomem_pool_unmap(pool, &buf);
	ktap_result(!vfiomem_pool_destroy(pool) && !live, "all memory was freed");
	return ktap_finish();
}
