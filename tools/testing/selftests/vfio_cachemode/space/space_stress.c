// SPDX-License-Identifier: GPL-2.0-only
/*
 * A space whose ranges come and go while others use them:
 *
 *	space_stress SECONDS [READERS]
 *
 * Every page of the address space belongs to a background, or to an overlay
 * that comes and goes. All bytes of an overlay's memory have one value while
 * it can be in use, and another as soon as vfiomem_space_wait_unused() said
 * that it is not: a reader that sees the other one used memory after its end,
 * and one that sees two values in one range saw a range torn. Writers of the
 * space measure how long a change takes, and readers how often they got on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../vfiomem/ktap.h"
#include "vfiomem.h"

#define PAGE	4096u
#define PAGES	64u
#define OVERLAYS 24
#define BUDGET	(16 * PAGE)
#define DEAD	0xdd
#define HELD	4
#define ALL (VFIOMEM_UNALIGNED | VFIOMEM_VECTOR | VFIOMEM_ATOMIC | \
	     VFIOMEM_READ_IDEMPOTENT | VFIOMEM_WRITE_MERGE | VFIOMEM_COHERENT | \
	     VFIOMEM_ZERO_LINE)

static struct vfiomem_pool *pool;
static struct vfiomem_space *space;
static atomic_bool stop;
static atomic_ulong maps, changes, dead, torn, wrong, slow;
static atomic_ulong worst_ns;

static unsigned char background[PAGES * PAGE];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint32_t chance(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 20) % below;
}

static void check(const volatile unsigned char *p, size_t len)
{
	unsigned char first = p[0];

	if (first == DEAD)
		dead++;
	for (size_t i = 0; i < len; i += 61) {
		if (p[i] != first) {
			torn++;
			break;
		}
	}
}

static int io_read(void *opaque, uint64_t offset, unsigned int width, uint64_t *value)
{
	memcpy(value, (unsigned char *)opaque + offset, width);
	return 0;
}

static const struct vfiomem_io io = { .read = io_read };

/* Mappings that a reader keeps while it goes on. */
struct held {
	struct vfiomem_mapping mappings[HELD];
	unsigned int nr;
};

static void give_back(struct held *held, unsigned int i)
{
	struct vfiomem_mapping *m = &held->mappings[i];

	check(m->ptr, m->len);
	if (vfiomem_space_unmap(space, m, 0))
		wrong++;
	*m = held->mappings[--held->nr];
}

static void map_some(struct held *held, uint64_t addr, size_t len, uint32_t flags)
{
	struct vfiomem_mapping *m = &held->mappings[held->nr];
	int ret;

	/* Who holds budget may not wait for more. */
	if (held->nr)
		ret = vfiomem_space_try_map(space, addr, len, flags, NULL, m);
	else
		ret = vfiomem_space_map(space, addr, len, flags, NULL, m);
	if (ret) {
		wrong += ret != -EAGAIN || !held->nr;
		return;
	}
	check(m->ptr, m->len);
	held->nr++;
}

static void *reader(void *arg)
{
	uint64_t seed = 88172645463325252ull * ((uintptr_t)arg + 1);
	struct held held = { .nr = 0 };
	unsigned char buf[PAGE];

	while (!stop) {
		uint64_t addr = chance(&seed, PAGES * PAGE - 1);
		size_t len = 1 + chance(&seed, PAGE);

		if (addr + len > PAGES * PAGE)
			len = PAGES * PAGE - addr;
		if (chance(&seed, 4) == 0) {
			/* May go over a border, and then has two values. */
			if (len > PAGE - addr % PAGE)
				len = PAGE - addr % PAGE;
			if (vfiomem_space_read(space, addr, buf, len, VFIOMEM_RELAXED))
				wrong++;
			check(buf, len);
		} else {
			map_some(&held, addr, len, VFIOMEM_MAP_READ |
				 (chance(&seed, 2) ? VFIOMEM_MAP_CPU_ONLY : 0));
		}
		if (chance(&seed, 8) == 0)
			sched_yield();
		while (held.nr == HELD || (held.nr && chance(&seed, 2)))
			give_back(&held, chance(&seed, held.nr));
		maps++;
	}
	while (held.nr)
		give_back(&held, 0);
	return NULL;
}

static void *changer(void *arg)
{
	uint64_t seed = 4242 + (uintptr_t)arg;
	static const uint32_t types[] = {
		VFIOMEM_RANGE_RAM, VFIOMEM_RANGE_DEVICE, VFIOMEM_RANGE_DEVICE,
		VFIOMEM_RANGE_IO,
	};
	struct {
		unsigned char *host;
		uint64_t id;
	} overlays[OVERLAYS] = { 0 };

	while (!stop) {
		unsigned int i = chance(&seed, OVERLAYS), kind = chance(&seed, 4);
		unsigned int pages = 1 + chance(&seed, 8);
		uint64_t start, took;

		if (!overlays[i].host) {
			struct vfiomem_range range = {
				.base = (uint64_t)chance(&seed, PAGES - pages + 1) * PAGE,
				.size = (uint64_t)pages * PAGE,
				.priority = 1 + (int)chance(&seed, 3),
				.type = types[kind],
				.attr = kind == 1 ? VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, ALL) :
					VFIOMEM_ATTR(VFIOMEM_NONCACHED, 8, 0),
				.io = kind == 3 ? &io : NULL,
			};

			overlays[i].host = aligned_alloc(PAGE, pages * PAGE);
			memset(overlays[i].host, 1 + (int)chance(&seed, 200), pages * PAGE);
			range.host = overlays[i].host;
			range.opaque = overlays[i].host;
			start = now();
			if (vfiomem_space_add(space, &range, &overlays[i].id))
				wrong++;
		} else {
			start = now();
			if (vfiomem_space_remove(space, overlays[i].id))
				wrong++;
		}
		took = now() - start;
		if (took > worst_ns)
			worst_ns = took;
		slow += took > 1000000;
		changes++;
		if (overlays[i].host && vfiomem_space_wait_unused(space, overlays[i].id) == 0) {
			memset(overlays[i].host, DEAD, PAGE);
			free(overlays[i].host);
			overlays[i].host = NULL;
		}
	}
	for (unsigned int i = 0; i < OVERLAYS; i++) {
		if (overlays[i].host) {
			vfiomem_space_remove(space, overlays[i].id);
			vfiomem_space_wait_unused(space, overlays[i].id);
			free(overlays[i].host);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 3;
	unsigned int readers = argc > 2 ? (unsigned int)atoi(argv[2]) : 4;
	struct vfiomem_pool_options po = { .size = sizeof(po), .budget = BUDGET };
	struct vfiomem_space_options so = { .size = sizeof(so) };
	struct vfiomem_range all = {
		.size = sizeof(background), .type = VFIOMEM_RANGE_RAM, .host = background,
	};
	pthread_t threads[64];
	struct vfiomem_pool_stats stats;
	uint64_t id;

	if (readers > 62)
		readers = 62;
	ktap_start();
	memset(background, 0xbb, sizeof(background));
	if (vfiomem_pool_create(&pool, &po))
		return 1;
	so.pool = pool;
	if (vfiomem_space_create(&space, &so) || vfiomem_space_add(space, &all, &id))
		return 1;
	for (uintptr_t i = 0; i < readers; i++)
		pthread_create(&threads[i], NULL, reader, (void *)i);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&threads[readers + i], NULL, changer, (void *)i);
	sleep(seconds);
	/* On a busy host until all had a part in it. */
	for (unsigned int i = 0; i < 120 && (maps <= 1000 || changes <= 100); i++)
		sleep(1);
	stop = true;
	alarm(300);
	for (unsigned int i = 0; i < readers + 2; i++)
		pthread_join(threads[i], NULL);
	vfiomem_pool_stats(pool, &stats);
	printf("# %lu maps and reads, %lu of them bounced, %lu waited\n",
	       maps, (long)stats.grants, (long)stats.waits);
	printf("# %lu changes, longest %lu us, %lu above 1 ms\n",
	       changes, worst_ns / 1000, slow);
	ktap_result(maps > 1000, "readers get on");
	ktap_result(changes > 100, "changes get on");
	ktap_result(!dead, "no memory is used after its range is unused (%lu were)", dead);
	ktap_result(!torn, "no range is seen torn (%lu were)", torn);
	ktap_result(!wrong, "every call answered as it should (%lu did not)", wrong);
	ktap_result(!stats.in_use, "not a byte of budget is lost");
	ktap_result(!vfiomem_space_remove(space, id) &&
		    !vfiomem_space_wait_unused(space, id) &&
		    !vfiomem_space_destroy(space) && !vfiomem_pool_destroy(pool),
		    "nothing is held in the end");
	return ktap_finish();
}
