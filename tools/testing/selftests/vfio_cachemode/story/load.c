// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM's disk under load, with a GPU's memory as the guest's buffers.
 *
 *	load BLOCK-DEVICE
 *
 * Twenty threads, each a disk request after the other, 4 KiB to 1 MiB in
 * scattered pieces: the guest's memory is filled, written to the disk and read
 * back from there; then the disk is filled, read into the guest's memory, and
 * compared. All of the disk's accesses to guest memory go through a memory
 * space over a pool of 4 KiB. Every byte is verified.
 *
 * Each kind of memory that the driver reports has its turn, with buffered I/O
 * and with O_DIRECT. Last comes everything at once: ranges are taken away and
 * put back, the device is reset, the budget changes, waiters are cancelled.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../vfio_test.h"
#include "../vfiomem/ktap.h"
#include "vfiomem.h"

#define THREADS		20
#define BUDGET		4096
#define SECTOR		512
#define MAX_REQUEST	(1u << 20)
#define DISK_SLICE	MAX_REQUEST
#define MAX_PIECES	600

struct memory {
	const char *name;
	uint64_t base;		/* in the guest */
	uint64_t size;
	struct vfiomem_attr attr;
	void *host;
	uint64_t id;
};

static struct memory memories[3];	/* by mode: NORMAL, WRITECOMBINE, NONCACHED */
static unsigned int nr_memories;
static struct vfio_device device;
static const char *disk_path;

/* What one run of the load is about. */
static struct run {
	struct memory *targets[3];
	unsigned int nr_targets;
	unsigned int rounds;
	int disk;
	bool direct_io, troubled;
	struct vfiomem_pool *pool;
	struct vfiomem_space *space;
	atomic_ulong bytes, pieces, mismatches, errors, cancelled, again;
	atomic_bool stop;
} run;

struct request {
	struct vfiomem_piece pieces[MAX_PIECES];
	unsigned int nr;
	size_t total;
};

static uint32_t chance(uint64_t *seed, uint32_t below)
{
	return (uint32_t)(random64(seed) >> 33) % below;
}

static void pattern(void *buf, size_t n, uint64_t seed)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < n / 8; i++)
		words[i] = (seed + i) * 0x9e3779b97f4a7c15;
}

/* Scattered sectors in this thread's own part of a memory. */
static void scatter(struct request *r, const struct memory *m, unsigned int thread,
		    uint64_t *seed)
{
	uint64_t slice = m->size / THREADS & ~4095ull, at, end;
	size_t wanted = (size_t)4096 << chance(seed, 9);

	if (slice > 2 * MAX_REQUEST)
		slice = 2 * MAX_REQUEST;
	if (wanted > slice / 2)
		wanted = slice / 2;
	at = m->base + thread * slice;
	end = at + slice;
	r->nr = 0;
	r->total = 0;
	while (r->total < wanted && r->nr < MAX_PIECES) {
		size_t len = SECTOR * (1 + chance(seed, 16));

		at += SECTOR * chance(seed, 4);
		if (len > wanted - r->total)
			len = wanted - r->total;
		if (at + len > end)
			break;
		r->pieces[r->nr++] = (struct vfiomem_piece){ at, len };
		r->total += len;
		at += len;
	}
}

/* A range may be away, or the device in reset, only while we make it so. */
static bool try_again(int ret)
{
	if (!run.troubled || (ret != -ENXIO && ret != -EIO))
		return false;
	run.again++;
	sched_yield();
	return true;
}

struct waiting {
	struct vfiomem_space_waiter waiter;
	sem_t answered;
	int result;
};

static void on_grant(struct vfiomem_space_waiter *waiter, int result)
{
	struct waiting *w = (struct waiting *)waiter;

	w->result = result;
	sem_post(&w->answered);
}

/* Map as an event loop would: told by a callback, and cancelled now and then. */
static int map_async(const struct vfiomem_piece *pieces, unsigned int nr, uint32_t flags,
		     const struct vfiomem_grant *how, struct vfiomem_mapping *m,
		     uint64_t *seed)
{
	struct waiting w = {
		.waiter = {
			.granted = on_grant, .pieces = pieces, .nr = nr,
			.flags = flags, .how = *how, .mappings = m,
		},
	};
	int ret;

	sem_init(&w.answered, 0, 0);
	ret = vfiomem_space_wait(run.space, &w.waiter);
	if (ret)
		return ret;
	if (run.troubled && chance(seed, 4) == 0 &&
	    !vfiomem_space_cancel(run.space, &w.waiter)) {
		run.cancelled++;
		return 0;
	}
	while (sem_wait(&w.answered))
		;
	return w.result;
}

/* One disk request: as dma_blk_io() of a VMM, in as many steps as it takes. */
static int disk_io(struct request *r, off_t offset, bool to_disk, unsigned int thread,
		   uint64_t *seed)
{
	uint32_t flags = (to_disk ? VFIOMEM_MAP_READ : VFIOMEM_MAP_WRITE) |
			 (run.direct_io ? 0 : VFIOMEM_MAP_CPU_ONLY);
	struct vfiomem_grant how = {
		.min = SECTOR, .granularity = SECTOR, .owner = r,
		/* The disk fills all of a buffer. */
		.flags = VFIOMEM_GRANT_FILLED,
	};
	unsigned int i = 0;

	while (i < r->nr) {
		struct vfiomem_mapping m[VFIOMEM_MAP_LIST];
		int n, bad = 0;

		if (thread % 2)
			n = map_async(r->pieces + i, r->nr - i, flags, &how, m, seed);
		else
			n = vfiomem_space_map_sg(run.space, r->pieces + i, r->nr - i,
						 flags, &how, m);
		if (n < 0 && !try_again(n))
			return n;
		for (int k = 0; k < n; k++) {
			struct vfiomem_piece *piece = &r->pieces[i];
			ssize_t done;
			int ret;

			if (bad) {	/* to be mapped again */
				vfiomem_space_unmap(run.space, &m[k], 0);
				continue;
			}
			done = to_disk ? pwrite(run.disk, m[k].ptr, m[k].len, offset) :
					 pread(run.disk, m[k].ptr, m[k].len, offset);
			if (done != (ssize_t)m[k].len)
				bad = done < 0 ? -errno : -EREMOTEIO;
			ret = vfiomem_space_unmap(run.space, &m[k], bad ? 0 : m[k].len);
			if (!bad)
				bad = ret;
			if (bad)
				continue;
			run.pieces++;
			offset += m[k].len;
			piece->addr += m[k].len;
			piece->len -= m[k].len;
			i += !piece->len;
		}
		if (bad && !try_again(bad))
			return bad;
	}
	return 0;
}

/* The guest's own accesses. */
static int guest_access(const struct request *r, void *buf, bool write)
{
	char *p = buf;

	for (unsigned int i = 0; i < r->nr; i++) {
		const struct vfiomem_piece *piece = &r->pieces[i];
		int ret;

		do {
			ret = write ? vfiomem_space_write(run.space, piece->addr, p,
							  piece->len, VFIOMEM_PUBLISH) :
				      vfiomem_space_read(run.space, piece->addr, p,
							 piece->len, VFIOMEM_RELAXED);
		} while (ret && try_again(ret));
		if (ret)
			return ret;
		p += piece->len;
	}
	return 0;
}

static int check(const void *found, const void *wanted, size_t n)
{
	if (!memcmp(found, wanted, n))
		return 0;
	run.mismatches++;
	return -EBADMSG;
}

static int one_round(unsigned int thread, unsigned char *wanted, unsigned char *found,
		     uint64_t *seed)
{
	struct memory *m = run.targets[chance(seed, run.nr_targets)];
	off_t offset = (off_t)thread * DISK_SLICE;
	struct request r, again;
	int ret;

	/* Guest memory to disk. */
	scatter(&r, m, thread, seed);
	again = r;
	pattern(wanted, r.total, random64(seed));
	ret = guest_access(&r, wanted, true);
	if (!ret)
		ret = disk_io(&r, offset, true, thread, seed);
	if (!ret && pread(run.disk, found, again.total, offset) != (ssize_t)again.total)
		ret = -errno;
	if (!ret)
		ret = check(found, wanted, again.total);
	if (ret)
		return ret;

	/* Disk to guest memory. */
	scatter(&r, m, thread, seed);
	again = r;
	pattern(wanted, r.total, random64(seed));
	if (pwrite(run.disk, wanted, r.total, offset) != (ssize_t)r.total)
		return -errno;
	ret = disk_io(&r, offset, false, thread, seed);
	memset(found, 0, again.total);
	if (!ret)
		ret = guest_access(&again, found, false);
	if (!ret)
		ret = check(found, wanted, again.total);
	run.bytes += 2 * again.total;
	return ret;
}

static void *disk_thread(void *arg)
{
	unsigned int thread = (unsigned int)(uintptr_t)arg;
	uint64_t seed = 1000003 * (thread + 1);
	unsigned char *wanted = aligned_alloc(4096, MAX_REQUEST);
	unsigned char *found = aligned_alloc(4096, MAX_REQUEST);

	for (unsigned int i = 0; i < run.rounds; i++) {
		int ret = one_round(thread, wanted, found, &seed);

		if (ret) {
			printf("# thread %u, round %u: %s\n", thread, i, strerror(-ret));
			run.errors++;
			break;
		}
	}
	free(wanted);
	free(found);
	return NULL;
}

static int show_memory(struct memory *m)
{
	struct vfiomem_range range = {
		.base = m->base, .size = m->size, .type = VFIOMEM_RANGE_DEVICE,
		.host = m->host, .attr = m->attr,
	};

	return vfiomem_space_add(run.space, &range, &m->id);
}

/* Ranges come and go, the budget changes. */
static void *troublemaker(void *arg)
{
	uint64_t seed = 99;

	while (!run.stop) {
		struct memory *m = run.targets[chance(&seed, run.nr_targets)];

		if (vfiomem_space_remove(run.space, m->id) ||
		    vfiomem_space_wait_unused(run.space, m->id) || show_memory(m))
			run.errors++;
		vfiomem_pool_set_budget(run.pool, BUDGET / 2 + SECTOR * chance(&seed, 64));
		usleep(2000);
	}
	return NULL;
}

static atomic_uint resets;

static void *resetter(void *arg)
{
	while (!run.stop) {
		if (!ioctl(device.fd, VFIO_DEVICE_RESET)) {
			/* It clears the enable bit of memory, or may. */
			set_memory_enable(device.fd, true);
			resets++;
		} else if (errno != EAGAIN) {	/* another path has its lock */
			run.errors++;
			break;
		}
		usleep(300000);
	}
	return NULL;
}

static bool run_load(const char *name, bool direct_io, bool expect_direct,
		     unsigned int rounds, bool troubled)
{
	struct vfiomem_pool_options po = { .size = sizeof(po), .budget = BUDGET };
	struct vfiomem_space_options so = {
		.size = sizeof(so), .flags = troubled ? VFIOMEM_SPACE_GUARDED : 0,
	};
	pthread_t threads[THREADS], trouble[2];
	struct vfiomem_pool_stats stats;
	struct timespec from, to;
	bool good;

	run.rounds = rounds;
	run.direct_io = direct_io;
	run.troubled = troubled;
	run.bytes = 0;
	run.pieces = 0;
	run.mismatches = 0;
	run.errors = 0;
	run.cancelled = 0;
	run.again = 0;
	run.stop = false;
	run.disk = open(disk_path, O_RDWR | (direct_io ? O_DIRECT : 0));
	if (run.disk < 0 || vfiomem_pool_create(&run.pool, &po))
		fatal("%s: %s", disk_path, strerror(errno));
	so.pool = run.pool;
	if (vfiomem_space_create(&run.space, &so))
		fatal("space");
	for (unsigned int i = 0; i < run.nr_targets; i++)
		if (show_memory(run.targets[i]))
			fatal("add range");
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, disk_thread, (void *)i);
	if (troubled) {
		pthread_create(&trouble[0], NULL, troublemaker, NULL);
		pthread_create(&trouble[1], NULL, resetter, NULL);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	run.stop = true;
	for (unsigned int i = 0; troubled && i < 2; i++)
		pthread_join(trouble[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	vfiomem_pool_stats(run.pool, &stats);
	printf("# %lu KiB in %lu pieces, %.1f s\n", run.bytes >> 10, run.pieces,
	       (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9);
	printf("# bounced %lu times, at most %lu bytes at once, %lu waits\n",
	       (long)stats.grants, (long)stats.peak, (long)stats.waits);
	if (troubled)
		printf("# %u resets; %lu waiters cancelled; %lu times tried again\n",
		       resets, run.cancelled, run.again);
	good = !run.errors && !run.mismatches && !stats.in_use &&
	       (!troubled || resets);
	if (expect_direct)
		good = good && !stats.grants;
	else
		good = good && stats.grants && stats.waits &&
		       (troubled || stats.peak <= BUDGET);
	good = good && !vfiomem_space_destroy(run.space) && !vfiomem_pool_destroy(run.pool);
	close(run.disk);
	ktap_result(good, "%s", name);
	return good;
}

/* Why a direct pointer is for the CPU alone. */
static void show_pinning(void)
{
	int buffered = open(disk_path, O_RDWR), direct = open(disk_path, O_RDWR | O_DIRECT);
	void *p = memories[0].host;
	bool good = pread(buffered, p, 4096, 0) == 4096;

	good = good && pread(direct, p, 4096, 0) == -1 && errno == EFAULT;
	close(buffered);
	close(direct);
	ktap_result(good, "plain read() takes a pointer into the device, O_DIRECT says EFAULT");
}

/* The first and largest area of each mode, mapped. */
static void find_memories(void)
{
	static const struct {
		uint8_t mode;
		const char *name;
	} kinds[] = {
		{ VFIOMEM_NORMAL, "NORMAL" },
		{ VFIOMEM_WRITECOMBINE, "WRITECOMBINE" },
		{ VFIOMEM_NONCACHED, "NONCACHED" },
	};

	for (unsigned int k = 0; k < 3; k++) {
		struct memory *m = &memories[nr_memories];

		for (unsigned int index = 0; index < 6 && !m->host; index++) {
			struct vfiomem_region *region;
			uint64_t skip;
			size_t size;

			if (vfiomem_region_open(device.fd, index, &region))
				continue;
			for (unsigned int i = 0; i < region->nr_areas && !m->host; i++) {
				const struct vfiomem_area *area = &region->areas[i];

				if (area->attr.mode != kinds[k].mode || area->size < 8 << 20)
					continue;
				/* The GPU's readiness registers are in BAR 0's first MiB. */
				skip = area->offset ? 0 : 1 << 20;
				size = area->size < 64 << 20 ? area->size : 64 << 20;
				size -= skip;
				if (vfiomem_region_map(region, area->offset + skip, size,
						       PROT_READ | PROT_WRITE, &m->host, NULL))
					fatal("map region %u", index);
				*m = (struct memory){
					.name = kinds[k].name, .base = (k + 1ull) << 32,
					.size = size, .attr = area->attr, .host = m->host,
				};
			}
			vfiomem_region_close(region);
		}
		if (!m->host)
			fatal("the device has no %s memory", kinds[k].name);
		nr_memories++;
	}
}

int main(int argc, char **argv)
{
	const char *scale = getenv("STORY_ROUNDS");
	unsigned int rounds = scale ? (unsigned int)atoi(scale) : 1;
	char name[128];

	if (argc != 2)
		fatal("usage: load BLOCK-DEVICE");
	disk_path = argv[1];
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&device, gpu_bdf());
	set_memory_enable(device.fd, true);
	find_memories();
	if (vfiomem_guard_install())
		fatal("guard");

	ktap_start();
	show_pinning();
	for (unsigned int i = 0; i < nr_memories; i++) {
		bool normal = i == 0;

		run.targets[0] = &memories[i];
		run.nr_targets = 1;
		snprintf(name, sizeof(name), "%s, buffered: %s", memories[i].name,
			 normal ? "direct" : "bounced within 4 KiB");
		run_load(name, false, normal, rounds, false);
		snprintf(name, sizeof(name), "%s, O_DIRECT: bounced within 4 KiB",
			 memories[i].name);
		run_load(name, true, false, rounds, false);
		run.targets[i] = &memories[i];
	}
	run.nr_targets = nr_memories;
	for (unsigned int i = 0; i < nr_memories; i++)
		run.targets[i] = &memories[i];
	run_load("all while ranges go, the device is reset, budgets change, waiters are cancelled",
		 true, false, 2 * rounds, true);
	vfio_close(&device);
	return ktap_finish();
}
