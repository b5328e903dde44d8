// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The bounce pool: buffers within a budget of bytes.
 *
 * Two levels. The middle (struct vfiomem_pool, under its mutex) knows how much
 * of the budget was handed out, and who waits. Around it are stripes, one for
 * each thread that comes along until there are more threads than stripes; a
 * stripe keeps a few returned bytes ("credits") and returned buffers for the
 * next request, under a spinlock that nobody else wants. As long as nobody waits,
 * a pair of map and unmap takes that lock twice, and nothing else is shared.
 *
 *	handed = bytes granted + credits of all stripes
 *
 * A stripe gives credits away, it never makes any: no more than the budget can
 * be out, whatever the threads do.
 *
 * The gate. When somebody waits, every byte must come to the middle, where the
 * first waiter is served. So a waiter closes the gate and then empties every
 * stripe, taking its lock; and whoever holds a stripe's lock looks at the gate
 * before it takes or leaves credits there. Of two that want the lock of one
 * stripe one is first: if the waiter, then the other finds the gate shut,
 * because the lock orders the store to the gate before its look; if the other,
 * then the waiter finds the credits. No barrier is needed but the locks'.
 * (Model: tools/testing/selftests/vfio_cachemode/pool/pool.pml)
 *
 * Lock order: mutex, then one stripe's lock. Callbacks run without either.
 * A stripe's lock is held for a few dozen instructions and never over a call
 * to the memory allocator or the kernel. Who finds it taken spins and yields,
 * which is of no use to a real-time thread whose CPU the holder needs.
 *
 * The short way, take_at_once() and leave_at_once(), is that of who finds the
 * lock free and all there. It touches few lines of memory and writes little,
 * because who has just filled a buffer waits for nothing but its stores.
 *
 * Pools and their locks are never given back to libc, only used again for the
 * next pool: until there is one, a late call with a handle of a destroyed pool
 * finds a closed gate and no slots, and gets an error. From then on its buffers
 * are still told from the new pool's, by their serial numbers, but its handle
 * is not.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "internal.h"

#define PAGE		ARENA_PAGE
#define NR_STRIPES	64
#define NR_CLASSES	6	/* buffers of 1 to 32 pages are kept ready */
#define NR_CHUNKS	20
#define FIRST_CHUNK	32	/* slots; each further chunk has twice as many */
#define MIN_IDLE	(2 * PAGE)
#define NO_STRIPE	UINT_MAX	/* of a thread that did not choose one yet */

/*
 * A buffer, or a place for one. It belongs to one stripe for ever, whose lock
 * protects it.
 */
struct slot {
	/*
	 * Who holds it; NULL when it is not out. Written under the lock, read
	 * without: somebody who asks about grants of his own gets the truth.
	 */
	const void *_Atomic owner __attribute__((aligned(64)));
	void *memory;
	size_t pages;
	struct slot *next;	/* in a list of the stripe */
	/*
	 * As it was granted last. Its slot is this one's number: that within the
	 * stripe * NR_STRIPES + the stripe's.
	 */
	struct vfiomem_buf buf;
};

struct stripe {
	/* Aligned to what CPUs fetch together. */
	atomic_bool taken __attribute__((aligned(512)));	/* the lock */
	uint32_t nr_slots;
	size_t credits;
	size_t max_credits;
	size_t idle;		/* bytes of memory in the ready lists */
	size_t max_idle;
	uint64_t grants;
	struct slot *ready[NR_CLASSES];	/* with at least 2^i pages */
	struct slot *blank;		/* without memory */
	/* Set once, under the mutex and the lock; the mutex is enough to read. */
	struct slot *chunks[NR_CHUNKS];
};

/* A thread that runs callbacks of a pool, on that thread's stack. */
struct runner {
	struct vfiomem_pool *pool;
	struct runner *outer;		/* of this thread */
	struct runner *next;		/* of this pool */
	const void *thread;
	struct vfiomem_pool_waiter *running;
};

struct waiters {
	struct vfiomem_pool_waiter *first, **last;
};

struct vfiomem_pool {
	pthread_mutex_t mutex;
	pthread_cond_t ran;		/* a callback returned */
	/* Written under the mutex, read under a stripe's lock: see above. */
	atomic_bool gate;
	bool open;
	size_t budget;
	size_t handed;
	size_t peak;
	uint64_t generation;		/* times that this memory was a pool */
	uint64_t grants, partial, waits, waited_ns, waiting;
	struct waiters queue;		/* wait for bytes */
	struct waiters done;		/* callback or collection is to come */
	struct runner *runners;
	unsigned int sleepers;		/* threads that wait for a callback */
	struct arena arena;
	struct vfiomem_pool_options options;
	struct vfiomem_pool *next;	/* of those that can be used again */
	struct stripe stripes[NR_STRIPES];
};

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfiomem_pool *spare;

static THREAD_LOCAL struct {
	unsigned int stripe;		/* the one that this thread uses */
	struct runner *runner;
} self = { .stripe = NO_STRIPE };

/* ---- Stripes ----------------------------------------------------------- */

static void choose_stripe(void)
{
	static atomic_uint next;

	self.stripe = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % NR_STRIPES;
}

static inline struct stripe *stripe_at(struct vfiomem_pool *pool, unsigned int number)
{
	struct stripe *s = &pool->stripes[number % NR_STRIPES];

	/* Let the compiler keep this in one register, and not compute it anew. */
	__asm__("" : "+r" (s));
	return s;
}

static inline bool stripe_trylock(struct stripe *s)
{
	return !atomic_exchange_explicit(&s->taken, true, memory_order_acquire);
}

static void stripe_lock(struct stripe *s)
{
	unsigned int spins = 0;

	while (!stripe_trylock(s)) {
		while (atomic_load_explicit(&s->taken, memory_order_relaxed)) {
			if (++spins % 128 == 0)
				sched_yield();	/* its holder lost the CPU */
		}
	}
}

static inline void stripe_unlock(struct stripe *s)
{
	atomic_store_explicit(&s->taken, false, memory_order_release);
}

/* Lock this thread's stripe. Where another thread uses it, too, move on to one of our own. */
static struct stripe *lock_my_stripe(struct vfiomem_pool *pool)
{
	struct stripe *s;

	if (self.stripe == NO_STRIPE)
		choose_stripe();
	s = stripe_at(pool, self.stripe);
	if (stripe_trylock(s))
		return s;
	choose_stripe();
	s = stripe_at(pool, self.stripe);
	stripe_lock(s);
	return s;
}

static inline struct stripe *stripe_of(struct vfiomem_pool *pool,
				       const struct vfiomem_buf *buf)
{
	return stripe_at(pool, buf->slot);
}

static inline struct slot *slot_of(struct stripe *s, const struct vfiomem_buf *buf)
{
	uint32_t n = buf->slot / NR_STRIPES + FIRST_CHUNK;
	unsigned int chunk = 31 - __builtin_clz(n / FIRST_CHUNK);

	return &s->chunks[chunk][n - (FIRST_CHUNK << chunk)];
}

static inline struct slot *pop(struct slot **list)
{
	struct slot *slot = *list;

	if (slot)
		*list = slot->next;
	return slot;
}

static inline void push(struct slot **list, struct slot *slot)
{
	slot->next = *list;
	*list = slot;
}

static inline size_t pages_for(uint64_t addr, size_t len)
{
	if (likely(len <= PAGE - addr % PAGE))
		return 1;
	return len / PAGE + (addr % PAGE + len % PAGE + PAGE - 1) / PAGE;
}

static inline unsigned int log2_floor(size_t n)
{
	return 63 - __builtin_clzll(n);
}

static inline unsigned int log2_ceil(size_t n)
{
	return n == 1 ? 0 : log2_floor(n - 1) + 1;
}

/* A slot with memory becomes the buffer for a piece. The lock is held. */
static inline void hand_out(struct slot *slot, uint64_t addr, size_t len,
			    const struct vfiomem_grant *how, struct vfiomem_buf *buf)
{
	void *ptr = (char *)slot->memory + addr % PAGE;
	uint64_t serial = slot->buf.serial + 1;

	/* Part by part: a copy of the whole would have to wait for its parts' stores. */
	slot->buf.ptr = ptr;
	slot->buf.len = len;
	slot->buf.serial = serial;
	buf->ptr = ptr;
	buf->len = len;
	buf->serial = serial;
	buf->slot = slot->buf.slot;
	buf->reserved = slot->buf.reserved;
	atomic_store_explicit(&slot->owner, how->owner ? how->owner : &self,
			      memory_order_relaxed);
}

static inline bool take_ready(struct stripe *s, uint64_t addr, size_t len,
			      const struct vfiomem_grant *how, struct vfiomem_buf *buf)
{
	unsigned int class = log2_ceil(pages_for(addr, len));
	struct slot *slot = class < NR_CLASSES ? pop(&s->ready[class]) : NULL;

	if (!slot)
		return false;
	s->idle -= slot->pages * PAGE;
	hand_out(slot, addr, len, how, buf);
	return true;
}

static inline void keep_ready(struct stripe *s, struct slot *slot)
{
	atomic_store_explicit(&slot->owner, NULL, memory_order_relaxed);
	s->idle += slot->pages * PAGE;
	push(&s->ready[log2_floor(slot->pages)], slot);
}

/* Take the memory out of a slot, to be freed. */
static void *empty(struct stripe *s, struct slot *slot)
{
	void *memory = slot->memory;

	atomic_store_explicit(&slot->owner, NULL, memory_order_relaxed);
	slot->memory = NULL;
	push(&s->blank, slot);
	return memory;
}

static inline bool has_room(const struct stripe *s, const struct slot *slot)
{
	return slot->pages < 1 << NR_CLASSES && s->idle + slot->pages * PAGE <= s->max_idle;
}

/*
 * A slot that came back: keep it ready, or give out its memory to be freed
 * where enough lies about. The lock is held.
 */
static inline void *leave(struct stripe *s, struct slot *slot)
{
	if (has_room(s, slot)) {
		keep_ready(s, slot);
		return NULL;
	}
	return empty(s, slot);
}

/* The slot of a buffer, if it is out as this very grant. The lock is held. */
static inline int find_out(struct stripe *s, const struct vfiomem_buf *buf,
			   struct slot **slot)
{
	const struct vfiomem_buf *granted;

	if (buf->slot / NR_STRIPES >= s->nr_slots)
		return -EINVAL;
	*slot = slot_of(s, buf);
	granted = &(*slot)->buf;
	if (granted->serial == buf->serial && granted->ptr == buf->ptr &&
	    atomic_load_explicit(&(*slot)->owner, memory_order_relaxed))
		return 0;
	if (granted->serial < buf->serial ||
	    (granted->serial == buf->serial && granted->ptr != buf->ptr))
		return -EINVAL;
	return -EALREADY;
}

/* Whether bytes that came back may stay in a stripe. Its lock is held. */
static inline bool may_keep(struct vfiomem_pool *pool, struct stripe *s, size_t len)
{
	return s->credits + len <= s->max_credits &&
	       !atomic_load_explicit(&pool->gate, memory_order_relaxed);
}

/* ---- The middle: memory; the mutex is held ----------------------------- */

static void *libc_alloc(void *opaque, size_t align, size_t size)
{
	void *ptr;

	(void)opaque;
	return posix_memalign(&ptr, align, size) ? NULL : ptr;
}

static void libc_free(void *opaque, void *ptr, size_t size)
{
	(void)opaque;
	(void)size;
	free(ptr);
}

static void *memory_get(struct vfiomem_pool *pool, size_t pages)
{
	if (pool->arena.used)
		return vfiomem_arena_alloc(&pool->arena, pages);
	return pool->options.alloc(pool->options.opaque, PAGE, pages * PAGE);
}

static void memory_put(struct vfiomem_pool *pool, void *memory, size_t pages)
{
	if (!memory)
		return;
	if (pool->arena.used)
		vfiomem_arena_free(&pool->arena, memory, pages);
	else
		pool->options.free(pool->options.opaque, memory, pages * PAGE);
}

/* Free the memory of every slot that is ready. */
static void flush_ready(struct vfiomem_pool *pool)
{
	for (unsigned int i = 0; i < NR_STRIPES; i++) {
		struct stripe *s = &pool->stripes[i];

		for (unsigned int class = 0; class < NR_CLASSES; ) {
			struct slot *slot;
			void *memory = NULL;
			size_t pages = 0;

			stripe_lock(s);
			slot = pop(&s->ready[class]);
			if (slot) {
				pages = slot->pages;
				s->idle -= pages * PAGE;
				memory = empty(s, slot);
			}
			stripe_unlock(s);
			memory_put(pool, memory, pages);
			class += !slot;
		}
	}
}

/* Memory for a buffer of @pages: more where that makes it fit for reuse, less if need be. */
static void *memory_get_about(struct vfiomem_pool *pool, size_t *pages)
{
	unsigned int class = log2_ceil(*pages);
	size_t rounded = class < NR_CLASSES ? (size_t)1 << class : *pages;
	void *memory = memory_get(pool, rounded);

	if (memory) {
		*pages = rounded;
		return memory;
	}
	flush_ready(pool);
	for (; *pages; *pages /= 2) {
		memory = memory_get(pool, *pages);
		if (memory)
			return memory;
	}
	return NULL;
}

static bool add_slots(struct vfiomem_pool *pool, struct stripe *s)
{
	unsigned int chunk = 0;
	uint32_t n = FIRST_CHUNK;
	struct slot *slots;

	while (chunk < NR_CHUNKS && s->chunks[chunk])
		chunk++;
	if (chunk == NR_CHUNKS)
		return false;
	n <<= chunk;
	if (posix_memalign((void **)&slots, _Alignof(struct slot), n * sizeof(*slots)))
		return false;
	memset(slots, 0, n * sizeof(*slots));
	stripe_lock(s);
	s->chunks[chunk] = slots;
	for (uint32_t i = 0; i < n; i++) {
		/* No serial number of this pool was one of its forerunner. */
		slots[i].buf.serial = pool->generation << 40;
		slots[i].buf.slot = s->nr_slots++ * NR_STRIPES +
				    (uint32_t)(s - pool->stripes);
		push(&s->blank, &slots[i]);
	}
	stripe_unlock(s);
	return true;
}

/* A buffer for as much of a piece as there is memory for. */
static int take(struct vfiomem_pool *pool, uint64_t addr, size_t len,
		const struct vfiomem_grant *how, struct vfiomem_buf *buf)
{
	struct stripe *s = lock_my_stripe(pool);
	bool taken = take_ready(s, addr, len, how, buf);
	size_t pages = pages_for(addr, len);
	struct slot *slot;
	void *memory;

	stripe_unlock(s);
	if (taken)
		return 0;

	memory = memory_get_about(pool, &pages);
	if (!memory)
		return -ENOMEM;
	if (len > pages * PAGE - addr % PAGE)
		len = pages * PAGE - addr % PAGE;
	stripe_lock(s);
	while (!(slot = pop(&s->blank))) {
		stripe_unlock(s);
		if (!add_slots(pool, s)) {
			memory_put(pool, memory, pages);
			return -ENOMEM;
		}
		stripe_lock(s);
	}
	slot->memory = memory;
	slot->pages = pages;
	hand_out(slot, addr, len, how, buf);
	stripe_unlock(s);
	return 0;
}

/* Take a buffer back whose bytes were not counted yet, or no longer are. */
static void put(struct vfiomem_pool *pool, const struct vfiomem_buf *buf)
{
	struct stripe *s = stripe_of(pool, buf);
	struct slot *slot;
	size_t pages;
	void *memory;

	stripe_lock(s);
	slot = slot_of(s, buf);
	pages = slot->pages;
	memory = leave(s, slot);
	stripe_unlock(s);
	memory_put(pool, memory, pages);
}

/* ---- The middle: bytes; the mutex is held ------------------------------ */

static size_t available(const struct vfiomem_pool *pool)
{
	return pool->budget > pool->handed ? pool->budget - pool->handed : 0;
}

static void reclaim(struct vfiomem_pool *pool, struct stripe *s)
{
	stripe_lock(s);
	pool->handed -= s->credits;
	s->credits = 0;
	stripe_unlock(s);
}

static void reclaim_all(struct vfiomem_pool *pool)
{
	for (unsigned int i = 0; i < NR_STRIPES; i++)
		reclaim(pool, &pool->stripes[i]);
}

/* Shut the gate where bytes may not stay in stripes. Its opener must have emptied them. */
static void set_gate(struct vfiomem_pool *pool)
{
	bool shut = !pool->open || pool->queue.first ||
		    pool->handed > pool->budget;

	atomic_store_explicit(&pool->gate, shut, memory_order_relaxed);
}

static void shut_gate(struct vfiomem_pool *pool)
{
	if (atomic_load_explicit(&pool->gate, memory_order_relaxed))
		return;
	atomic_store_explicit(&pool->gate, true, memory_order_relaxed);
	reclaim_all(pool);
}

/* How many of @avail bytes a request takes; 0 where they do not help it. */
static size_t cut(size_t total, size_t avail, const struct vfiomem_grant *how)
{
	if (avail >= total)
		return total;
	avail -= avail % how->granularity;
	return avail >= how->min ? avail : 0;
}

/* A list that got @got bytes in @nr buffers keeps @keep of them: returns its new @nr. */
static unsigned int trim(struct vfiomem_pool *pool, struct vfiomem_buf *bufs,
			 unsigned int nr, size_t got, size_t keep)
{
	while (nr && got - bufs[nr - 1].len >= keep) {
		got -= bufs[--nr].len;
		put(pool, &bufs[nr]);
	}
	if (got > keep) {
		struct vfiomem_buf *buf = &bufs[nr - 1];
		struct stripe *s = stripe_of(pool, buf);

		buf->len -= got - keep;
		stripe_lock(s);
		slot_of(s, buf)->buf.len = buf->len;
		stripe_unlock(s);
	}
	return nr;
}

/*
 * Grant a prefix of a list out of the middle. Bytes that other stripes hold
 * count too: a request fails only where the budget is really used.
 */
static int grant(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
		 unsigned int nr, size_t total, const struct vfiomem_grant *how,
		 struct vfiomem_buf *bufs)
{
	size_t bytes, keep, got = 0;
	unsigned int n = 0;

	if (how->min > pool->budget)
		return -EMSGSIZE;
	reclaim(pool, stripe_at(pool, self.stripe));
	if (available(pool) < total)
		reclaim_all(pool);
	bytes = cut(total, available(pool), how);
	while (n < nr && got < bytes) {
		size_t want = bytes - got;

		if (want > pieces[n].len)
			want = pieces[n].len;
		if (take(pool, pieces[n].addr, want, how, &bufs[n]))
			break;
		got += bufs[n++].len;
		if (bufs[n - 1].len < want)
			break;
	}
	keep = cut(total, got, how);
	n = trim(pool, bufs, n, got, keep);
	if (!n) {
		/* With nothing out, nothing will come back to help. */
		if (bytes)
			reclaim_all(pool);
		return bytes && !pool->handed ? -ENOMEM : -EAGAIN;
	}
	pool->handed += keep;
	if (pool->peak < pool->handed)
		pool->peak = pool->handed;
	pool->grants++;
	pool->partial += keep < total;
	return (int)n;
}

/* ---- Waiters; the mutex is held ---------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void append(struct waiters *list, struct vfiomem_pool_waiter *waiter)
{
	waiter->next = NULL;
	*list->last = waiter;
	list->last = &waiter->next;
}

/* Lists are searched, because a waiter that is in none may hold anything. */
static bool withdraw(struct waiters *list, struct vfiomem_pool_waiter *waiter)
{
	struct vfiomem_pool_waiter **link = &list->first;

	while (*link && *link != waiter)
		link = &(*link)->next;
	if (!*link)
		return false;
	*link = waiter->next;
	if (list->last == &waiter->next)
		list->last = link;
	return true;
}

static APART int zero_one(const struct vfiomem_buf *buf)
{
	memset(buf->ptr, 0, buf->len);
	return 0;
}

static void zero(const struct vfiomem_buf *bufs, int nr, const struct vfiomem_grant *how)
{
	if (how->flags & VFIOMEM_GRANT_FILLED)
		return;
	for (int i = 0; i < nr; i++)
		zero_one(&bufs[i]);
}

/* The waiter's result is there. Its callback, if it has one, is to be run by this thread. */
static void complete(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter,
		     int result)
{
	ssize_t ret;

	pool->waiting--;
	pool->waited_ns += now_ns() - waiter->since;
	waiter->result = result;
	if (waiter->granted) {
		waiter->thread = &self;
		append(&pool->done, waiter);
	} else if (waiter->eventfd >= 0) {
		uint64_t one = 1;

		waiter->thread = NULL;
		append(&pool->done, waiter);
		/* It fails where the counter is full, and then it was signalled. */
		ret = write(waiter->eventfd, &one, sizeof(one));
		(void)ret;
	} else {
		/* The waiter may be gone with the store: only its address is used then. */
		__atomic_store_n(&waiter->done, 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, &waiter->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

/* Serve waiters in order as far as the bytes go. */
static void serve(struct vfiomem_pool *pool)
{
	struct vfiomem_pool_waiter *waiter;
	int result;

	while ((waiter = pool->queue.first)) {
		result = -ESHUTDOWN;
		if (pool->open)
			result = grant(pool, waiter->pieces, waiter->nr, waiter->total,
				       &waiter->exact, waiter->bufs);
		if (result == -EAGAIN)
			break;
		withdraw(&pool->queue, waiter);
		complete(pool, waiter, result);
	}
	set_gate(pool);
}

static struct runner *my_runner(const struct vfiomem_pool *pool)
{
	struct runner *r = self.runner;

	while (r && r->pool != pool)
		r = r->outer;
	return r;
}

static struct vfiomem_pool_waiter *my_next(const struct vfiomem_pool *pool)
{
	struct vfiomem_pool_waiter *waiter = pool->done.first;

	while (waiter && waiter->thread != &self)
		waiter = waiter->next;
	return waiter;
}

static void retire(struct vfiomem_pool *pool);

/*
 * Unlock the mutex, after the callbacks that fell to this thread. Within one
 * of them it is left to the loop further out, or the stack would grow with
 * the queue.
 */
static void unlock(struct vfiomem_pool *pool)
{
	struct vfiomem_pool_waiter *waiter;
	struct runner me = { .pool = pool, .thread = &self };
	struct runner **link;

	if (!my_next(pool) || my_runner(pool)) {
		retire(pool);
		return;
	}
	me.outer = self.runner;
	self.runner = &me;
	me.next = pool->runners;
	pool->runners = &me;
	while ((waiter = my_next(pool))) {
		int result = waiter->result;

		withdraw(&pool->done, waiter);
		me.running = waiter;
		pthread_mutex_unlock(&pool->mutex);
		zero(waiter->bufs, result, &waiter->exact);
		waiter->granted(waiter, result);
		pthread_mutex_lock(&pool->mutex);
		me.running = NULL;
		if (pool->sleepers)
			pthread_cond_broadcast(&pool->ran);
	}
	self.runner = me.outer;
	for (link = &pool->runners; *link != &me; link = &(*link)->next)
		;
	*link = me.next;
	if (pool->sleepers)
		pthread_cond_broadcast(&pool->ran);
	retire(pool);
}

/* ---- Requests ---------------------------------------------------------- */

/* Check a request and put in what its zeroes mean. */
static int normalise(const struct vfiomem_piece *pieces, unsigned int nr,
		     const struct vfiomem_grant *how, const struct vfiomem_buf *bufs,
		     struct vfiomem_grant *exact, size_t *total)
{
	size_t sum = 0, over;

	if (!pieces || !bufs || !nr || nr > INT_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++)
		if (!pieces[i].len || pieces[i].len > SIZE_MAX - 2 * PAGE ||
		    __builtin_add_overflow(sum, pieces[i].len, &sum))
			return -EINVAL;
	*total = sum;
	*exact = how ? *how : (struct vfiomem_grant){ 0 };
	if (exact->flags & ~VFIOMEM_GRANT_FILLED || exact->min > sum)
		return -EINVAL;
	if (!exact->owner)
		exact->owner = &self;
	if (!exact->min)
		exact->min = 1;
	if (exact->granularity <= 1) {
		exact->granularity = 1;
		return 0;
	}
	/* Whole granules, or all of the request. */
	over = exact->min % exact->granularity;
	if (over && __builtin_add_overflow(exact->min, exact->granularity - over,
					   &exact->min))
		exact->min = sum;
	if (exact->min > sum)
		exact->min = sum;
	return 0;
}

/* A whole grant out of a stripe, or false. Its lock is held. */
static inline bool take_whole(struct vfiomem_pool *pool, struct stripe *s,
			      const struct vfiomem_piece *pieces, unsigned int nr,
			      size_t total, const struct vfiomem_grant *how,
			      struct vfiomem_buf *bufs)
{
	unsigned int n = 0;

	if (s->credits < total ||
	    atomic_load_explicit(&pool->gate, memory_order_relaxed))
		return false;
	while (n < nr && take_ready(s, pieces[n].addr, pieces[n].len, how, &bufs[n]))
		n++;
	if (n < nr) {
		while (n--)
			keep_ready(s, slot_of(s, &bufs[n]));
		return false;
	}
	s->credits -= total;
	s->grants++;
	return true;
}

/*
 * The same for one piece, if the stripe's lock is free: most requests end here.
 * What is wrong with others, map() and try_map() say.
 */
static inline bool take_at_once(struct vfiomem_pool *pool, uint64_t addr, size_t len,
				const struct vfiomem_grant *how,
				struct vfiomem_buf *buf)
{
	struct vfiomem_piece piece = { addr, len };
	struct stripe *s;
	bool taken;

	if (!pool || !buf || len - 1 >= PAGE << NR_CLASSES || how->min > len ||
	    how->flags & ~VFIOMEM_GRANT_FILLED)
		return false;
	s = stripe_at(pool, self.stripe);
	if (self.stripe == NO_STRIPE || !stripe_trylock(s))
		return false;
	taken = take_whole(pool, s, &piece, 1, len, how, buf);
	stripe_unlock(s);
	return taken;
}

static bool try_stripe(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
		       unsigned int nr, size_t total, const struct vfiomem_grant *how,
		       struct vfiomem_buf *bufs)
{
	struct stripe *s = lock_my_stripe(pool);
	bool taken = take_whole(pool, s, pieces, nr, total, how, bufs);

	stripe_unlock(s);
	return taken;
}

static int try_middle(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
		      unsigned int nr, size_t total,
		      const struct vfiomem_grant *how, struct vfiomem_buf *bufs)
{
	int ret;

	pthread_mutex_lock(&pool->mutex);
	if (!pool->open)
		ret = -ESHUTDOWN;
	else if (pool->queue.first)
		ret = -EAGAIN;	/* others were first */
	else
		ret = grant(pool, pieces, nr, total, how, bufs);
	pthread_mutex_unlock(&pool->mutex);
	return ret;
}

static int try_map(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
		   unsigned int nr, const struct vfiomem_grant *how,
		   struct vfiomem_buf *bufs)
{
	struct vfiomem_grant exact;
	size_t total;
	int ret;

	if (!pool)
		return -EINVAL;
	ret = normalise(pieces, nr, how, bufs, &exact, &total);
	if (ret)
		return ret;
	if (try_stripe(pool, pieces, nr, total, &exact, bufs))
		ret = (int)nr;
	else
		ret = try_middle(pool, pieces, nr, total, &exact, bufs);
	zero(bufs, ret, &exact);
	return ret;
}

/* Buffers that an owner, or anybody (NULL), holds. The mutex is held. */
static size_t count_out(struct vfiomem_pool *pool, const void *owner)
{
	size_t out = 0;

	for (unsigned int i = 0; i < NR_STRIPES; i++) {
		struct slot **chunks = pool->stripes[i].chunks;
		size_t n = FIRST_CHUNK;

		for (unsigned int k = 0; k < NR_CHUNKS && chunks[k]; k++, n *= 2) {
			for (size_t j = 0; j < n; j++) {
				struct slot *slot = &chunks[k][j];
				const void *holder;

				holder = atomic_load_explicit(&slot->owner,
							      memory_order_relaxed);
				out += holder && (!owner || holder == owner);
			}
		}
	}
	return out;
}

/* Get a grant now (> 0), or queue (0). */
static int get_or_queue(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter)
{
	bool blocks = !waiter->granted && waiter->eventfd < 0;
	int ret;

	pthread_mutex_lock(&pool->mutex);
	if (!pool->open) {
		ret = -ESHUTDOWN;
		goto out;
	}
	if (!pool->queue.first) {
		shut_gate(pool);
		ret = grant(pool, waiter->pieces, waiter->nr, waiter->total,
			    &waiter->exact, waiter->bufs);
		if (ret != -EAGAIN)
			goto out;
	}
	ret = -EMSGSIZE;
	if (waiter->exact.min > pool->budget)
		goto out;
	/*
	 * Bytes that the owner itself holds may be those it would wait for; and
	 * a callback that sleeps keeps this thread from running the others'.
	 */
	ret = -EDEADLK;
	if ((blocks && self.runner) || count_out(pool, waiter->exact.owner))
		goto out;
	waiter->since = now_ns();
	waiter->done = 0;
	append(&pool->queue, waiter);
	pool->waiting++;
	pool->waits++;
	ret = 0;
out:
	set_gate(pool);
	pthread_mutex_unlock(&pool->mutex);
	return ret;
}

static int map(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
	       unsigned int nr, const struct vfiomem_grant *how,
	       struct vfiomem_buf *bufs)
{
	struct vfiomem_pool_waiter waiter = {
		.eventfd = -1, .nr = nr, .pieces = pieces, .bufs = bufs,
	};
	int ret;

	if (!pool)
		return -EINVAL;
	ret = normalise(pieces, nr, how, bufs, &waiter.exact, &waiter.total);
	if (ret)
		return ret;
	if (try_stripe(pool, pieces, nr, waiter.total, &waiter.exact, bufs)) {
		ret = (int)nr;
	} else {
		ret = get_or_queue(pool, &waiter);
		if (!ret) {
			while (!__atomic_load_n(&waiter.done, __ATOMIC_ACQUIRE))
				syscall(SYS_futex, &waiter.done,
					FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
			ret = waiter.result;
		}
	}
	zero(bufs, ret, &waiter.exact);
	return ret;
}

int vfiomem_pool_try_map_sg(struct vfiomem_pool *pool,
			    const struct vfiomem_piece *pieces, unsigned int nr,
			    const struct vfiomem_grant *how,
			    struct vfiomem_buf *bufs)
{
	return try_map(pool, pieces, nr, how, bufs);
}

int vfiomem_pool_map_sg(struct vfiomem_pool *pool,
			const struct vfiomem_piece *pieces, unsigned int nr,
			const struct vfiomem_grant *how, struct vfiomem_buf *bufs)
{
	return map(pool, pieces, nr, how, bufs);
}

typedef int (*map_fn)(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
		      unsigned int nr, const struct vfiomem_grant *how,
		      struct vfiomem_buf *bufs);

static APART int map_one_slow(struct vfiomem_pool *pool, uint64_t addr, size_t len,
			      const struct vfiomem_grant *how,
			      struct vfiomem_buf *buf, map_fn map_list)
{
	struct vfiomem_piece piece = { addr, len };
	int ret = map_list(pool, &piece, 1, how, buf);

	return ret < 0 ? ret : 0;
}

static inline int map_one(struct vfiomem_pool *pool, uint64_t addr, size_t len,
			  const struct vfiomem_grant *how, struct vfiomem_buf *buf,
			  map_fn map_list)
{
	static const struct vfiomem_grant anyhow;

	if (!how)
		how = &anyhow;
	if (!take_at_once(pool, addr, len, how, buf))
		return map_one_slow(pool, addr, len, how, buf, map_list);
	return how->flags & VFIOMEM_GRANT_FILLED ? 0 : zero_one(buf);
}

int vfiomem_pool_try_map(struct vfiomem_pool *pool, uint64_t addr, size_t len,
			 const struct vfiomem_grant *how, struct vfiomem_buf *buf)
{
	return map_one(pool, addr, len, how, buf, try_map);
}

int vfiomem_pool_map(struct vfiomem_pool *pool, uint64_t addr, size_t len,
		     const struct vfiomem_grant *how, struct vfiomem_buf *buf)
{
	return map_one(pool, addr, len, how, buf, map);
}

static bool is_gone(struct vfiomem_pool *pool)
{
	bool gone;

	pthread_mutex_lock(&pool->mutex);
	gone = !pool->options.size;
	pthread_mutex_unlock(&pool->mutex);
	return gone;
}

/* Give a buffer back, if the stripe's lock is free and all of it may stay there. */
static inline bool leave_at_once(struct vfiomem_pool *pool,
				 const struct vfiomem_buf *buf)
{
	struct stripe *s = stripe_of(pool, buf);
	struct slot *slot;
	bool stays;

	if (!stripe_trylock(s))
		return false;
	stays = !find_out(s, buf, &slot) && has_room(s, slot) &&
		may_keep(pool, s, slot->buf.len);
	if (stays) {
		s->credits += slot->buf.len;
		keep_ready(s, slot);
	}
	stripe_unlock(s);
	return stays;
}

static APART int unmap_slow(struct vfiomem_pool *pool, const struct vfiomem_buf *buf)
{
	struct stripe *s = stripe_of(pool, buf);
	struct slot *slot;
	void *memory;
	size_t len, pages;
	bool middle;
	int ret;

	stripe_lock(s);
	ret = find_out(s, buf, &slot);
	if (ret) {
		stripe_unlock(s);
		return ret == -EINVAL && is_gone(pool) ? -ESHUTDOWN : ret;
	}
	len = slot->buf.len;
	pages = slot->pages;
	memory = leave(s, slot);
	middle = memory || !may_keep(pool, s, len);
	if (!middle)
		s->credits += len;
	stripe_unlock(s);
	if (!middle)
		return 0;

	pthread_mutex_lock(&pool->mutex);
	memory_put(pool, memory, pages);
	pool->handed -= len;
	serve(pool);
	unlock(pool);
	return 0;
}

int vfiomem_pool_unmap(struct vfiomem_pool *pool, const struct vfiomem_buf *buf)
{
	if (!pool || !buf)
		return -EINVAL;
	return leave_at_once(pool, buf) ? 0 : unmap_slow(pool, buf);
}

int vfiomem_pool_wait(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter)
{
	int ret;

	if (!pool || !waiter || (!waiter->granted && waiter->eventfd < 0))
		return -EINVAL;
	ret = normalise(waiter->pieces, waiter->nr, &waiter->how, waiter->bufs,
			&waiter->exact, &waiter->total);
	if (ret)
		return ret;
	ret = get_or_queue(pool, waiter);
	if (ret > 0)
		zero(waiter->bufs, ret, &waiter->exact);
	return ret;
}

static bool is_queued(const struct waiters *list, const struct vfiomem_pool_waiter *waiter)
{
	const struct vfiomem_pool_waiter *w = list->first;

	while (w && w != waiter)
		w = w->next;
	return w;
}

int vfiomem_pool_collect(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter)
{
	int ret;

	if (!pool || !waiter || waiter->granted)
		return -EINVAL;
	pthread_mutex_lock(&pool->mutex);
	if (withdraw(&pool->done, waiter))
		ret = waiter->result;
	else if (is_queued(&pool->queue, waiter))
		ret = -EAGAIN;
	else
		ret = pool->open ? -ENOENT : -ESHUTDOWN;
	unlock(pool);
	zero(waiter->bufs, ret, &waiter->exact);
	return ret;
}

/* Whether a callback of a waiter (any, if NULL) runs; in which runner. */
static struct runner *running(struct vfiomem_pool *pool,
			      const struct vfiomem_pool_waiter *waiter)
{
	struct runner *r = pool->runners;

	while (r && (waiter ? r->running != waiter : r->thread == &self))
		r = r->next;
	return r;
}

/* Take a waiter out of the list it is in, with its grant. The mutex is held. */
static bool dequeue(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter)
{
	if (withdraw(&pool->queue, waiter)) {
		pool->waiting--;
		pool->waited_ns += now_ns() - waiter->since;
		return true;
	}
	if (!withdraw(&pool->done, waiter))
		return false;
	for (int i = 0; i < waiter->result; i++) {
		pool->handed -= waiter->bufs[i].len;
		put(pool, &waiter->bufs[i]);
	}
	return true;
}

int vfiomem_pool_cancel(struct vfiomem_pool *pool, struct vfiomem_pool_waiter *waiter)
{
	struct runner *r;
	bool dequeued;
	int ret = 0;

	if (!pool || !waiter)
		return -EINVAL;
	pthread_mutex_lock(&pool->mutex);
	dequeued = dequeue(pool, waiter);
	/* A callback that runs may have queued its waiter again, or may yet. */
	while ((r = running(pool, waiter)) && r->thread != &self) {
		pool->sleepers++;
		pthread_cond_wait(&pool->ran, &pool->mutex);
		pool->sleepers--;
		dequeued |= dequeue(pool, waiter);
	}
	if (dequeued)
		serve(pool);
	else
		ret = r ? -EDEADLK : -ENOENT;
	unlock(pool);
	return ret;
}

/* ---- Life -------------------------------------------------------------- */

static void set_limits(struct vfiomem_pool *pool)
{
	for (unsigned int i = 0; i < NR_STRIPES; i++) {
		struct stripe *s = &pool->stripes[i];

		stripe_lock(s);
		s->max_credits = pool->budget / 32;
		s->max_idle = s->max_credits > MIN_IDLE ? s->max_credits : MIN_IDLE;
		stripe_unlock(s);
	}
}

/*
 * Unlock the mutex. When a pool that was closed has nothing out any more, take
 * it apart and keep its shell.
 */
static void retire(struct vfiomem_pool *pool)
{
	bool last = !pool->open && pool->options.size && !pool->handed &&
		    !pool->runners && !pool->sleepers;

	if (last) {
		flush_ready(pool);
		for (unsigned int i = 0; i < NR_STRIPES; i++) {
			struct stripe *s = &pool->stripes[i];
			struct slot *chunks[NR_CHUNKS];

			stripe_lock(s);
			memcpy(chunks, s->chunks, sizeof(chunks));
			memset(s->chunks, 0, sizeof(s->chunks));
			s->nr_slots = 0;
			s->blank = 0;
			stripe_unlock(s);
			for (unsigned int k = 0; k < NR_CHUNKS; k++)
				free(chunks[k]);
		}
		vfiomem_arena_exit(&pool->arena);
		pool->options = (struct vfiomem_pool_options){ 0 };
		pool->done = (struct waiters){ NULL, &pool->done.first };
	}
	pthread_mutex_unlock(&pool->mutex);
	if (last) {
		pthread_mutex_lock(&spare_lock);
		pool->next = spare;
		spare = pool;
		pthread_mutex_unlock(&spare_lock);
	}
}

static struct vfiomem_pool *new_shell(void)
{
	struct vfiomem_pool *pool;

	pthread_mutex_lock(&spare_lock);
	pool = spare;
	if (pool)
		spare = pool->next;
	pthread_mutex_unlock(&spare_lock);
	if (pool)
		return pool;
	if (posix_memalign((void **)&pool, _Alignof(struct vfiomem_pool), sizeof(*pool)))
		return NULL;
	memset(pool, 0, sizeof(*pool));
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->ran, NULL);
	atomic_store(&pool->gate, true);
	return pool;
}

int vfiomem_pool_create(struct vfiomem_pool **out,
			const struct vfiomem_pool_options *options)
{
	struct vfiomem_pool *pool;
	struct arena arena = { 0 };
	int ret;

	if (!out || !options || options->size != sizeof(*options) ||
	    !options->alloc != !options->free ||
	    (options->alloc && options->arena) ||
	    !options->arena != !options->arena_size)
		return -EINVAL;
	if (options->arena) {
		ret = vfiomem_arena_init(&arena, options->arena, options->arena_size);
		if (ret)
			return ret;
	}
	pool = new_shell();
	if (!pool) {
		vfiomem_arena_exit(&arena);
		return -ENOMEM;
	}
	pthread_mutex_lock(&pool->mutex);
	pool->options = *options;
	if (!options->alloc) {
		pool->options.alloc = libc_alloc;
		pool->options.free = libc_free;
	}
	pool->arena = arena;
	pool->budget = options->budget;
	pool->peak = 0;
	pool->grants = 0;
	pool->partial = 0;
	pool->waits = 0;
	pool->waited_ns = 0;
	pool->queue = (struct waiters){ NULL, &pool->queue.first };
	pool->done = (struct waiters){ NULL, &pool->done.first };
	pool->generation++;
	for (unsigned int i = 0; i < NR_STRIPES; i++) {
		struct stripe *s = &pool->stripes[i];

		stripe_lock(s);
		s->grants = 0;
		stripe_unlock(s);
	}
	set_limits(pool);
	pool->open = true;
	set_gate(pool);
	pthread_mutex_unlock(&pool->mutex);
	*out = pool;
	return 0;
}

int vfiomem_pool_destroy(struct vfiomem_pool *pool)
{
	int ret;

	if (!pool)
		return -EINVAL;
	pthread_mutex_lock(&pool->mutex);
	if (my_runner(pool)) {
		pthread_mutex_unlock(&pool->mutex);
		return -EDEADLK;
	}
	if (!pool->open) {
		pthread_mutex_unlock(&pool->mutex);
		return -ESHUTDOWN;
	}
	pool->open = false;
	shut_gate(pool);
	serve(pool);
	/* Callbacks of other threads may still need what their caller frees next. */
	pool->sleepers++;
	while (running(pool, NULL))
		pthread_cond_wait(&pool->ran, &pool->mutex);
	pool->sleepers--;
	ret = pool->handed ? -EBUSY : 0;
	/* Who sleeps in cancel retires the pool later, when the hooks may be gone. */
	if (!ret)
		flush_ready(pool);
	unlock(pool);
	return ret;
}

int vfiomem_pool_set_budget(struct vfiomem_pool *pool, size_t budget)
{
	if (!pool)
		return -EINVAL;
	pthread_mutex_lock(&pool->mutex);
	if (!pool->open) {
		pthread_mutex_unlock(&pool->mutex);
		return -ESHUTDOWN;
	}
	shut_gate(pool);
	pool->budget = budget;
	set_limits(pool);
	serve(pool);
	unlock(pool);
	return 0;
}

int vfiomem_pool_stats(struct vfiomem_pool *pool, struct vfiomem_pool_stats *stats)
{
	if (!pool || !stats)
		return -EINVAL;
	pthread_mutex_lock(&pool->mutex);
	*stats = (struct vfiomem_pool_stats){
		.budget = pool->budget,
		.in_use = pool->handed,
		.peak = pool->peak,
		.grants = pool->grants,
		.partial = pool->partial,
		.waits = pool->waits,
		.waited_ns = pool->waited_ns,
		.waiting = pool->waiting,
		.buffers = count_out(pool, NULL),
	};
	for (unsigned int i = 0; i < NR_STRIPES; i++) {
		struct stripe *s = &pool->stripes[i];

		stripe_lock(s);
		stats->in_use -= s->credits;
		stats->grants += s->grants;
		stripe_unlock(s);
	}
	pthread_mutex_unlock(&pool->mutex);
	return 0;
}
