// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The memory space: guest-physical addresses, and what lies behind them.
 *
 * Ranges may overlap. What is seen where is kept flat, as a "view": sorted
 * stretches of addresses, each with the range that is on top there. A table says
 * where among them to begin, so that a lookup touches few lines of memory; and
 * no branch of it is decided by the address. There are two views. A change
 * renders the next one in that which is not in use and then raises the
 * generation, whose lowest bit says which view is in use.
 *
 * Who looks up an address takes no lock:
 *
 *	1. read the generation, and search that view;
 *	2. hold the range that was found: a counter, of this thread's own stripe;
 *	3. read the generation again: if it changed let go, and start anew.
 *
 * So a lookup is done again only if a change came in between, however long a
 * change takes. In step 1 the view may be one that is just being rendered, when
 * the thread was that slow; what is read is then of no use but does no harm:
 * all of it is atomics, no mixture of which leads out of the view, and neither
 * views nor ranges are ever given back to libc before the space is. Step 3 finds
 * out.
 *
 * A range that was removed is gone when all its counters are zero. For this,
 * steps 2 and 3 and their counterparts, raising the generation and reading the
 * counters, are sequentially consistent: either the lookup sees the change, or
 * the change sees the holder.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define NR_STRIPES	16
#define DIRECT_ACCESS	(VFIOMEM_UNALIGNED | VFIOMEM_VECTOR | \
			 VFIOMEM_COHERENT | VFIOMEM_ZERO_LINE)

struct range {
	/* What a mapping needs is in the first line. */
	_Atomic unsigned int *_Atomic holds __attribute__((aligned(64)));	/* see holds_of() */
	bool direct[2];			/* a pointer may be given out: ... */
	bool direct_cpu[2];		/* to the CPU alone; [1] to be written */
	bool writable;
	atomic_bool removed;
	struct vfiomem_range what;
	uint64_t last;			/* address of the last byte */
	uint64_t id;
	struct range *next;		/* of those that can be used again */
};

/*
 * Ranges are made by the block. A thread counts what it holds in counters of
 * its own stripe, which lie together: so those of many ranges fit into its
 * cache, and no other thread's are in the same line.
 */
#define BLOCK	64

struct block {
	_Atomic unsigned int holds[NR_STRIPES][BLOCK] __attribute__((aligned(64)));
	struct range ranges[BLOCK];
	struct block *next;
};

struct key {
	atomic_uint_least64_t last;
};

struct stretch {
	struct range *_Atomic range;
};

struct bucket {
	atomic_uint_least32_t first;
};

/*
 * The stretches of a view in order: the last address of each, and the range that
 * is seen there, or NULL for a hole.
 *
 * The address space is divided into buckets of one size, those of the addresses
 * that begin with the same bits; the last takes all that lies behind it, too. A
 * bucket tells the first stretch that reaches into it. From there on a search
 * by halves looks at a number of them that the fullest bucket needs. So where
 * thousands of ranges are alike, as memory slots are, it is short; and in the
 * worst case, all in one bucket, as long as a search without buckets.
 */
#define MIN_SPAN	4	/* compared at once, in the end */

struct view {
	size_t capacity;		/* stretches there is room for */
	size_t nr_buckets;
	atomic_uint shift;		/* of an address, for its bucket */
	atomic_size_t span;		/* stretches to search: a power of 2 */
	struct bucket *buckets;
	/* With so many UINT64_MAX behind that no search reads anything else. */
	struct key *keys;
	struct stretch *stretches;
	atomic_size_t n;		/* at least one */
	struct view *older;
};

/* A range with what is needed to sort and search it, in an array by base. */
struct place {
	uint64_t base, last;
	struct range *range;
};

struct vfiomem_space {
	atomic_uint_least64_t generation;
	struct view *_Atomic views[2];
	struct vfiomem_space_options options;

	pthread_mutex_t mutex;		/* for everything below, and changes */
	pthread_cond_t unused;
	uint64_t last_id;
	size_t nr, capacity;		/* ranges that were not removed */
	struct place *places;
	struct range **heap;		/* as many */
	struct range *spare;
	struct block *blocks;		/* with every range there ever was */
	struct view *old_views;
};

static THREAD_LOCAL struct {
	unsigned int stripe;		/* NR_STRIPES: none chosen yet */
	unsigned int callbacks;		/* that this thread is in */
} self = { .stripe = NR_STRIPES };

static APART unsigned int choose_stripe(void)
{
	static atomic_uint next;

	self.stripe = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % NR_STRIPES;
	return self.stripe;
}

/* ---- Lookup ------------------------------------------------------------ */

/* Counts how often threads of a stripe hold a range. */
static inline _Atomic unsigned int *holds_of(const struct range *r, unsigned int stripe)
{
	return atomic_load_explicit(&r->holds, memory_order_relaxed) + stripe * BLOCK;
}

static bool is_held(struct range *r)
{
	for (unsigned int i = 0; i < NR_STRIPES; i++)
		if (atomic_load(holds_of(r, i)))
			return true;
	return false;
}

/* The last holder of a removed range makes it spare. The mutex is held. */
static void retire(struct vfiomem_space *space, struct range *r)
{
	if (!atomic_load(&r->removed) || is_held(r))
		return;
	atomic_store(&r->removed, false);
	r->id = 0;
	r->next = space->spare;
	space->spare = r;
	pthread_cond_broadcast(&space->unused);
}

static APART void let_go_removed(struct vfiomem_space *space, struct range *r)
{
	pthread_mutex_lock(&space->mutex);
	retire(space, r);
	pthread_mutex_unlock(&space->mutex);
}

static inline void let_go(struct vfiomem_space *space, struct range *r,
			  unsigned int stripe)
{
	atomic_fetch_sub(holds_of(r, stripe), 1);
	if (atomic_load(&r->removed))
		let_go_removed(space, r);
}

static inline uint64_t last_of(const struct view *view, size_t i)
{
	return atomic_load_explicit(&view->keys[i].last, memory_order_relaxed);
}

static inline struct range *range_of(const struct view *view, size_t i)
{
	return atomic_load_explicit(&view->stretches[i].range, memory_order_relaxed);
}

static inline size_t ends_below(const struct view *view, size_t i, uint64_t addr)
{
	return last_of(view, i) < addr;
}

/* The first stretch that does not end below an address. */
static inline size_t search(const struct view *view, uint64_t addr)
{
	uint64_t n = addr >> atomic_load_explicit(&view->shift, memory_order_relaxed);
	const struct bucket *b = &view->buckets[n < view->nr_buckets ? n :
						view->nr_buckets - 1];
	size_t i = atomic_load_explicit(&b->first, memory_order_relaxed);
	size_t half = atomic_load_explicit(&view->span, memory_order_relaxed) / 2;

	for (; half >= MIN_SPAN; half /= 2)
		i += half & -ends_below(view, i + half - 1, addr);
	/* Fetched while the last keys are. */
	__builtin_prefetch(&view->stretches[i]);
	return i + ends_below(view, i, addr) + ends_below(view, i + 1, addr) +
	       ends_below(view, i + 2, addr);
}

/*
 * Hold the range at an address, or NULL in a hole. @room: bytes to its end, or
 * to that of the hole; 0 where all of the address space is one.
 */
static inline __attribute__((__always_inline__))
struct range *hold(struct vfiomem_space *space, uint64_t addr, unsigned int stripe,
		   uint64_t *room)
{
	for (;;) {
		uint64_t generation = atomic_load(&space->generation);
		struct view *view = atomic_load_explicit(&space->views[generation & 1],
							 memory_order_acquire);
		size_t i = search(view, addr);
		struct range *r = range_of(view, i);

		*room = last_of(view, i) - addr + 1;
		if (r)
			atomic_fetch_add(holds_of(r, stripe), 1);
		/*
		 * Pairs with the fence in render(): who read something of the
		 * view after the next sees the next generation.
		 */
		atomic_thread_fence(memory_order_acquire);
		if (likely(atomic_load(&space->generation) == generation))
			return r;
		if (r)
			let_go(space, r, stripe);
	}
}

/* The same for a copy, with @len cut at the end of the range. */
static struct range *find(struct vfiomem_space *space, uint64_t addr, size_t *len,
			  unsigned int *stripe)
{
	uint64_t room;
	struct range *r;

	*stripe = self.stripe < NR_STRIPES ? self.stripe : choose_stripe();
	r = hold(space, addr, *stripe, &room);
	if (room && room < *len)
		*len = room;
	return r;
}

/* ---- Changes; the mutex is held ---------------------------------------- */

static bool above(const struct range *a, const struct range *b)
{
	return a->what.priority != b->what.priority ?
	       a->what.priority > b->what.priority : a->id > b->id;
}

static void heap_push(struct range **heap, size_t *n, struct range *r)
{
	size_t i = (*n)++;

	for (; i && above(r, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = r;
}

static void heap_pop(struct range **heap, size_t *n)
{
	struct range *r = heap[--*n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < *n) {
		child += child + 1 < *n && above(heap[child + 1], heap[child]);
		if (!above(heap[child], r))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = r;
}

/* One stretch more, up to @last; or the one before goes on. */
static void add_stretch(struct view *view, size_t *n, uint64_t last, struct range *r)
{
	if (*n && range_of(view, *n - 1) == r)
		--*n;
	atomic_store_explicit(&view->keys[*n].last, last, memory_order_relaxed);
	atomic_store_explicit(&view->stretches[*n].range, r, memory_order_relaxed);
	++*n;
}

/* The first stretch from the @i-th on that does not end below an address. */
static size_t skip_below(const struct view *view, size_t i, uint64_t addr)
{
	while (last_of(view, i) < addr)
		i++;
	return i;
}

/* Fill in the buckets for @n stretches. */
static void fill_buckets(struct view *view, size_t n)
{
	/* The last one goes on to the end of the address space. */
	uint64_t border = n > 1 ? last_of(view, n - 2) : 0;
	size_t first = 0, next, span = MIN_SPAN;
	unsigned int shift = 0;

	while (border >> shift >= view->nr_buckets)
		shift++;
	for (size_t b = 0; b < view->nr_buckets; b++, first = next) {
		bool is_last = b + 1 == view->nr_buckets;

		next = is_last ? n - 1 : skip_below(view, first, (uint64_t)(b + 1) << shift);
		while (span < next - first + 1)
			span *= 2;
		atomic_store_explicit(&view->buckets[b].first, first, memory_order_relaxed);
	}
	for (size_t i = n; i < n + span; i++)
		atomic_store_explicit(&view->keys[i].last, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&view->shift, shift, memory_order_relaxed);
	atomic_store_explicit(&view->span, span, memory_order_relaxed);
	atomic_store_explicit(&view->n, n, memory_order_relaxed);
}

/* Sweep over [first, last]: at each address the highest range of those there. */
static void sweep(struct vfiomem_space *space, struct view *view, size_t *n,
		  uint64_t first, uint64_t last)
{
	size_t next = 0, waiting = 0;
	uint64_t at = first;

	for (;;) {
		struct range *top;
		uint64_t end = last;

		for (; next < space->nr && space->places[next].base <= at; next++)
			if (space->places[next].last >= at)
				heap_push(space->heap, &waiting, space->places[next].range);
		while (waiting && space->heap[0]->last < at)
			heap_pop(space->heap, &waiting);
		top = waiting ? space->heap[0] : NULL;
		if (top && top->last < end)
			end = top->last;
		if (next < space->nr && space->places[next].base <= end)
			end = space->places[next].base - 1;
		add_stretch(view, n, end, top);
		if (end == last)
			break;
		at = end + 1;
	}
}

/* Show [first, last] as the ranges now are, and the rest as it was. */
static void render(struct vfiomem_space *space, uint64_t first, uint64_t last)
{
	uint64_t generation = atomic_load(&space->generation);
	struct view *old = atomic_load(&space->views[generation & 1]);
	struct view *new = atomic_load(&space->views[~generation & 1]);
	size_t n_old = atomic_load(&old->n), n = 0, i;

	/*
	 * The view that is written now was in use until the generation was
	 * raised last: who sees any of these stores sees that, too.
	 */
	atomic_thread_fence(memory_order_release);
	for (i = 0; last_of(old, i) < first; i++)
		add_stretch(new, &n, last_of(old, i), range_of(old, i));
	/* The old stretch that first lies in may begin before it. */
	if (first && (!i || last_of(old, i - 1) < first - 1))
		add_stretch(new, &n, first - 1, range_of(old, i));
	sweep(space, new, &n, first, last);
	/* And that which last lies in may go on behind it. */
	for (; i < n_old; i++)
		if (last_of(old, i) > last)
			add_stretch(new, &n, last_of(old, i), range_of(old, i));
	fill_buckets(new, n);
	atomic_store(&space->generation, generation + 1);
}

/* A view with room for so many stretches. It shows one, that is a hole. */
static struct view *new_view(size_t capacity)
{
	/* A search begins at a stretch, and its span is less than two times as many. */
	size_t size = 3 * capacity + MIN_SPAN, nr_buckets = 1, n = 0;
	struct view *view;

	while (nr_buckets < capacity / 2)
		nr_buckets *= 2;
	/* What is not used is not written, and so costs no memory where it is much. */
	view = calloc(1, sizeof(*view) + size * (sizeof(struct key) + sizeof(struct stretch)) +
			 nr_buckets * sizeof(struct bucket));
	if (!view)
		return NULL;
	view->capacity = capacity;
	view->nr_buckets = nr_buckets;
	view->keys = (struct key *)(view + 1);
	view->stretches = (struct stretch *)(view->keys + size);
	view->buckets = (struct bucket *)(view->stretches + size);
	add_stretch(view, &n, UINT64_MAX, NULL);
	fill_buckets(view, n);
	return view;
}

/*
 * Make room for one more range in the view that is not in use. A border more
 * costs a stretch: there are two to a range, and one stretch without any.
 */
static bool reserve(struct vfiomem_space *space)
{
	uint64_t generation = atomic_load(&space->generation);
	struct view *view = atomic_load(&space->views[~generation & 1]);
	size_t need = 2 * (space->nr + 1) + 1;

	if (space->nr == space->capacity) {
		size_t capacity = space->capacity ? 2 * space->capacity : 32;
		struct place *places = realloc(space->places, capacity * sizeof(*places));
		struct range **heap;

		if (!places)
			return false;
		space->places = places;
		heap = realloc(space->heap, capacity * sizeof(struct range *));
		if (!heap)
			return false;
		space->heap = heap;
		space->capacity = capacity;
	}
	if (view->capacity < need) {
		struct view *bigger = new_view(2 * need);

		if (!bigger)
			return false;
		/* Somebody slow may still read it. */
		view->older = space->old_views;
		space->old_views = view;
		atomic_store_explicit(&space->views[~generation & 1], bigger,
				      memory_order_release);
	}
	return true;
}

static struct range *new_range(struct vfiomem_space *space)
{
	struct range *r = space->spare;
	struct block *b;

	if (!r) {
		if (posix_memalign((void **)&b, _Alignof(struct block), sizeof(*b)))
			return NULL;
		memset(b, 0, sizeof(*b));
		b->next = space->blocks;
		space->blocks = b;
		for (unsigned int i = 0; i < BLOCK; i++) {
			atomic_store_explicit(&b->ranges[i].holds, &b->holds[0][i],
					      memory_order_relaxed);
			b->ranges[i].next = r;
			r = &b->ranges[i];
		}
	}
	space->spare = r->next;
	return r;
}

static bool is_pow2(unsigned int n)
{
	return n && !(n & (n - 1));
}

static bool is_valid(const struct vfiomem_range *what)
{
	const struct vfiomem_io *io = what->io;

	if (!what->size || what->size - 1 > UINT64_MAX - what->base ||
	    what->flags & ~VFIOMEM_RANGE_READONLY ||
	    what->type > VFIOMEM_RANGE_IO)
		return false;
	if (what->type == VFIOMEM_RANGE_IO ? !io || !io->read : !what->host)
		return false;
	return !io || ((!io->min_width || is_pow2(io->min_width)) &&
		       (!io->max_width || is_pow2(io->max_width)) &&
		       io->max_width <= 8 &&
		       io->min_width <= (io->max_width ? io->max_width : 8));
}

/* May the range be written at all? */
static bool is_writable(const struct vfiomem_range *what)
{
	switch (what->type) {
	case VFIOMEM_RANGE_ROM:
	case VFIOMEM_RANGE_IO:
		return !(what->flags & VFIOMEM_RANGE_READONLY) && what->io &&
		       what->io->write;
	default:
		return !(what->flags & VFIOMEM_RANGE_READONLY);
	}
}

static void set_direct(struct range *r)
{
	const struct vfiomem_range *what = &r->what;
	bool pinnable = what->type == VFIOMEM_RANGE_RAM ||
			what->type == VFIOMEM_RANGE_ROM;
	bool plain = what->type == VFIOMEM_RANGE_DEVICE &&
		     what->attr.mode == VFIOMEM_NORMAL && !what->attr.max_width &&
		     (what->attr.access & DIRECT_ACCESS) == DIRECT_ACCESS;
	bool writable = is_writable(what) && what->type != VFIOMEM_RANGE_ROM;

	r->writable = is_writable(what);
	r->direct[0] = pinnable;
	r->direct[1] = pinnable && writable;
	r->direct_cpu[0] = pinnable || plain;
	r->direct_cpu[1] = (pinnable || plain) && writable;
}

int vfiomem_space_add(struct vfiomem_space *space, const struct vfiomem_range *what,
		      uint64_t *id)
{
	struct range *r;
	size_t i;

	if (!space || !what || !id || !is_valid(what))
		return -EINVAL;
	pthread_mutex_lock(&space->mutex);
	r = reserve(space) ? new_range(space) : NULL;
	if (!r) {
		pthread_mutex_unlock(&space->mutex);
		return -ENOMEM;
	}
	r->what = *what;
	r->last = what->base + (what->size - 1);
	r->id = *id = ++space->last_id;
	set_direct(r);
	for (i = space->nr++; i && space->places[i - 1].base > what->base; i--)
		space->places[i] = space->places[i - 1];
	space->places[i] = (struct place){ what->base, r->last, r };
	render(space, what->base, r->last);
	pthread_mutex_unlock(&space->mutex);
	return 0;
}

int vfiomem_space_remove(struct vfiomem_space *space, uint64_t id)
{
	struct range *r;
	size_t i = 0;

	if (!space)
		return -EINVAL;
	pthread_mutex_lock(&space->mutex);
	while (i < space->nr && space->places[i].range->id != id)
		i++;
	if (i == space->nr) {
		pthread_mutex_unlock(&space->mutex);
		return -ENOENT;
	}
	/*
	 * No need to reserve(): the view to render is that from before the last
	 * change, and had room for one range more than there are now, or for as
	 * many as there will be.
	 */
	r = space->places[i].range;
	memmove(&space->places[i], &space->places[i + 1],
		(--space->nr - i) * sizeof(*space->places));
	render(space, r->what.base, r->last);
	atomic_store(&r->removed, true);
	retire(space, r);
	pthread_mutex_unlock(&space->mutex);
	return 0;
}

static struct range *by_id(struct vfiomem_space *space, uint64_t id)
{
	for (struct block *b = space->blocks; b; b = b->next)
		for (unsigned int i = 0; i < BLOCK; i++)
			if (b->ranges[i].id == id)
				return &b->ranges[i];
	return NULL;
}

int vfiomem_space_wait_unused(struct vfiomem_space *space, uint64_t id)
{
	struct range *r;
	int ret = 0;

	if (!space || !id)
		return -EINVAL;
	if (self.callbacks)
		return -EDEADLK;
	pthread_mutex_lock(&space->mutex);
	while ((r = by_id(space, id))) {
		if (!atomic_load(&r->removed)) {
			ret = -EBUSY;
			break;
		}
		pthread_cond_wait(&space->unused, &space->mutex);
	}
	pthread_mutex_unlock(&space->mutex);
	return ret;
}

/* ---- Copies; the range is held, no lock is ----------------------------- */

static unsigned int io_width(const struct vfiomem_io *io, uint64_t offset, size_t n)
{
	unsigned int width = io->max_width ? io->max_width : 8;

	while (width > n || offset % width)
		width /= 2;
	return width;
}

/*
 * One range's worth of callbacks: @in is what to write, or NULL to read into
 * @out. Any order there is holds for each of them, for they are slow as it is.
 */
static int io_copy(struct range *r, uint64_t offset, void *out, const void *in,
		   size_t n, unsigned int order)
{
	const struct vfiomem_io *io = r->what.io;
	unsigned int min = io->min_width ? io->min_width : 1, width;
	int ret = 0;

	/* No access is narrower, so what is left over cannot be had. */
	if (offset % min || n % min)
		return -EINVAL;
	self.callbacks++;
	for (size_t i = 0; i < n && !ret; i += width) {
		uint64_t value = 0;
		/* The value's bytes as memory has them, whatever their order is. */
		size_t skip = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

		width = io_width(io, offset + i, n - i);
		skip *= sizeof(value) - width;
		if (in) {
			memcpy((char *)&value + skip, (const char *)in + i, width);
			if (order & (VFIOMEM_PUBLISH | VFIOMEM_ASCENDING_WRITE))
				vfiomem_wmb();
			ret = io->write(r->what.opaque, offset + i, width, value);
		} else {
			ret = io->read(r->what.opaque, offset + i, width, &value);
			if (order & (VFIOMEM_ACQUIRE | VFIOMEM_ASCENDING_READ))
				vfiomem_rmb();
			memcpy((char *)out + i, (char *)&value + skip, width);
		}
	}
	self.callbacks--;
	return ret;
}

static struct vfiomem_attr attr_of(const struct range *r)
{
	return r->what.type == VFIOMEM_RANGE_DEVICE ? r->what.attr : VFIOMEM_ATTR_RAM;
}

static bool is_guarded(const struct vfiomem_space *space, const struct range *r)
{
	return space->options.flags & VFIOMEM_SPACE_GUARDED &&
	       r->what.type == VFIOMEM_RANGE_DEVICE;
}

/* Whether a bounce buffer of the range is filled, or written back, by callbacks. */
static bool is_called(const struct range *r)
{
	return r->what.type == VFIOMEM_RANGE_IO || r->what.type == VFIOMEM_RANGE_ROM;
}

static int copy_out(struct vfiomem_space *space, struct range *r, uint64_t offset,
		    void *buf, size_t n, unsigned int order)
{
	if (r->what.type == VFIOMEM_RANGE_IO)
		return io_copy(r, offset, buf, NULL, n, order);
	if (is_guarded(space, r))
		return vfiomem_copy_guarded(VFIOMEM_ATTR_PRIVATE, buf, attr_of(r),
					    (char *)r->what.host + offset, n, order, NULL);
	return vfiomem_copy(VFIOMEM_ATTR_PRIVATE, buf, attr_of(r),
			    (char *)r->what.host + offset, n, order);
}

static int copy_in(struct vfiomem_space *space, struct range *r, uint64_t offset,
		   const void *buf, size_t n, unsigned int order)
{
	if (is_called(r))
		return io_copy(r, offset, NULL, buf, n, order);
	if (is_guarded(space, r))
		return vfiomem_copy_guarded(attr_of(r), (char *)r->what.host + offset,
					    VFIOMEM_ATTR_PRIVATE, buf, n, order, NULL);
	return vfiomem_copy(attr_of(r), (char *)r->what.host + offset,
			    VFIOMEM_ATTR_PRIVATE, buf, n, order);
}

static int fill_in(struct vfiomem_space *space, struct range *r, uint64_t offset,
		   uint8_t value, size_t n, unsigned int order)
{
	if (is_called(r)) {
		/* A multiple of any width, so that no callback sees a border. */
		unsigned char bytes[256];
		int ret = 0;

		memset(bytes, value, sizeof(bytes));
		while (n && !ret) {
			size_t step = sizeof(bytes) - offset % 8;

			if (step > n)
				step = n;
			ret = io_copy(r, offset, NULL, bytes, step, order);
			offset += step;
			n -= step;
		}
		return ret;
	}
	if (is_guarded(space, r))
		return vfiomem_fill_guarded(attr_of(r), (char *)r->what.host + offset,
					    value, n, order, NULL);
	return vfiomem_fill(attr_of(r), (char *)r->what.host + offset, value, n, order);
}

static void tell_dirty(struct vfiomem_space *space, uint64_t addr, size_t n)
{
	if (!space->options.dirty || !n)
		return;
	self.callbacks++;
	space->options.dirty(space->options.opaque, addr, n);
	self.callbacks--;
}

int vfiomem_space_read(struct vfiomem_space *space, uint64_t addr, void *buf,
		       size_t n, unsigned int order)
{
	int ret = 0;

	/* Here, because callbacks would take any order. */
	if (!space || (!buf && n) || vfiomem_check_order(order, true, false))
		return -EINVAL;
	if (n && n - 1 > UINT64_MAX - addr)
		return -ENXIO;
	while (n && !ret) {
		size_t len = n;
		unsigned int stripe;
		struct range *r = find(space, addr, &len, &stripe);

		if (!r)
			return -ENXIO;
		ret = copy_out(space, r, addr - r->what.base, buf, len, order);
		let_go(space, r, stripe);
		if (len == n)
			break;
		/* The first granule came first. What else is ordered goes on. */
		if (order & (VFIOMEM_ACQUIRE | VFIOMEM_ASCENDING_READ))
			vfiomem_rmb();
		if (order & VFIOMEM_ACQUIRE)
			order = VFIOMEM_RELAXED;
		addr += len;
		buf = (char *)buf + len;
		n -= len;
	}
	return ret;
}

/* Write @buf, or @n times @value if it is NULL. */
static int write_or_fill(struct vfiomem_space *space, uint64_t addr, const void *buf,
			 uint8_t value, size_t n, unsigned int order)
{
	int ret = 0;

	if (vfiomem_check_order(order, false, true))
		return -EINVAL;
	if (n && n - 1 > UINT64_MAX - addr)
		return -ENXIO;
	while (n && !ret) {
		size_t len = n;
		unsigned int stripe, now = order;
		struct range *r = find(space, addr, &len, &stripe);

		if (!r)
			return -ENXIO;
		/* Only the last range has the granule that publishes. */
		if (len < n && order & VFIOMEM_PUBLISH)
			now = VFIOMEM_RELAXED;
		if (!r->writable)
			ret = -EACCES;
		else if (buf)
			ret = copy_in(space, r, addr - r->what.base, buf, len, now);
		else
			ret = fill_in(space, r, addr - r->what.base, value, len, now);
		if (ret != -EACCES)
			tell_dirty(space, addr, len);
		let_go(space, r, stripe);
		if (len == n)
			break;
		if (order & VFIOMEM_ASCENDING_WRITE)
			vfiomem_wmb();
		addr += len;
		if (buf)
			buf = (const char *)buf + len;
		n -= len;
	}
	return ret;
}

int vfiomem_space_write(struct vfiomem_space *space, uint64_t addr, const void *buf,
			size_t n, unsigned int order)
{
	if (!space || (!buf && n))
		return -EINVAL;
	return write_or_fill(space, addr, buf, 0, n, order);
}

int vfiomem_space_fill(struct vfiomem_space *space, uint64_t addr, uint8_t value,
		       size_t n, unsigned int order)
{
	if (!space)
		return -EINVAL;
	return write_or_fill(space, addr, NULL, value, n, order);
}

/* ---- Mappings ---------------------------------------------------------- */

enum { UNMAPPED, DIRECT, BOUNCED };

/* Hold a range for a mapping; its pointer stays NULL where it needs a bounce buffer. */
static inline int map_one(struct vfiomem_space *space, uint64_t addr, size_t len,
			  uint32_t flags, struct vfiomem_mapping *m)
{
	bool write = flags & VFIOMEM_MAP_WRITE;
	unsigned int stripe = self.stripe < NR_STRIPES ? self.stripe : choose_stripe();
	struct range *r;
	uint64_t room;
	bool direct;

	if (!len)
		return -EINVAL;
	r = hold(space, addr, stripe, &room);
	if (!r)
		return -ENXIO;
	if (write && !r->writable) {
		let_go(space, r, stripe);
		return -EACCES;
	}
	direct = flags & VFIOMEM_MAP_CPU_ONLY ? r->direct_cpu[write] : r->direct[write];
	m->ptr = direct ? (char *)r->what.host + (addr - r->what.base) : NULL;
	m->len = room && room < len ? room : len;
	m->addr = addr;
	m->range = r;
	m->flags = flags;
	m->stripe = stripe;
	m->state = direct ? DIRECT : BOUNCED;
	return 0;
}

static void drop(struct vfiomem_space *space, struct vfiomem_mapping *m, unsigned int nr)
{
	while (nr--) {
		m[nr].state = UNMAPPED;
		let_go(space, m[nr].range, m[nr].stripe);
	}
}

static inline int check_request(struct vfiomem_space *space, const void *mappings,
				uint32_t flags)
{
	uint32_t direction = flags & ~VFIOMEM_MAP_CPU_ONLY;

	if (!space || !mappings ||
	    (direction != VFIOMEM_MAP_READ && direction != VFIOMEM_MAP_WRITE))
		return -EINVAL;
	return 0;
}

/*
 * Hold the ranges of a prefix that is of one kind, each piece of which lies
 * within one range.
 */
static int hold_prefix(struct vfiomem_space *space, const struct vfiomem_piece *pieces,
		       unsigned int nr, uint32_t flags, struct vfiomem_mapping *m)
{
	unsigned int n = 0;

	if (!pieces || !nr)
		return -EINVAL;
	if (nr > VFIOMEM_MAP_LIST)
		nr = VFIOMEM_MAP_LIST;
	while (n < nr) {
		int ret = map_one(space, pieces[n].addr, pieces[n].len, flags, &m[n]);

		if (ret)
			return n ? (int)n : ret;
		if (m[n].state != m[0].state) {
			drop(space, &m[n], 1);
			break;
		}
		n++;
		if (m[n - 1].len < pieces[n - 1].len)
			break;
	}
	return (int)n;
}

/* Only callbacks are told a width; the copies take care of what devices need. */
static unsigned int narrowest(const struct range *r)
{
	return is_called(r) && r->what.io->min_width ? r->what.io->min_width : 1;
}

/*
 * What the pool is asked for, on behalf of mappings that are to be bounced:
 * returns how many of them. A cut must not leave callbacks less than they take.
 */
static unsigned int ask(const struct vfiomem_mapping *m, unsigned int nr,
			struct vfiomem_piece *list, struct vfiomem_grant *how)
{
	size_t total = 0;
	unsigned int n;

	how->granularity += !how->granularity;
	for (n = 0; n < nr; n++) {
		unsigned int width = narrowest(m[n].range);

		/* The cut is a multiple from the list's start, and so from the piece's. */
		if (total % width)
			break;
		while (how->granularity % width)
			if (__builtin_mul_overflow(how->granularity, 2, &how->granularity))
				how->granularity = SIZE_MAX / 8 * 8;
		list[n] = (struct vfiomem_piece){ m[n].addr, m[n].len };
		total += m[n].len;
	}
	/* A minimum beyond the end of a range could never be had. */
	if (how->min > total)
		how->min = total;
	if (m->flags & VFIOMEM_MAP_READ)
		how->flags |= VFIOMEM_GRANT_FILLED;
	return n;
}

/*
 * The pool's answer: @granted buffers, or an error. Lets the rest of the
 * prefix go and fills what is to be read.
 */
static int bounce(struct vfiomem_space *space, struct vfiomem_mapping *m,
		  unsigned int held, const struct vfiomem_buf *bufs, int granted)
{
	unsigned int n = granted > 0 ? (unsigned int)granted : 0, i;
	int ret = granted;

	drop(space, m + n, held - n);
	for (i = 0; i < n; i++) {
		struct range *r = m[i].range;

		m[i].buf = bufs[i];
		m[i].ptr = bufs[i].ptr;
		m[i].len = bufs[i].len;
		if (ret > 0 && m[i].flags & VFIOMEM_MAP_READ) {
			int err = copy_out(space, r, m[i].addr - r->what.base,
					   m[i].ptr, m[i].len, VFIOMEM_RELAXED);

			if (err)
				ret = err;
		}
	}
	if (ret < 0 && n) {
		for (i = 0; i < n; i++)
			vfiomem_pool_unmap(space->options.pool, &m[i].buf);
		drop(space, m, n);
	}
	return ret;
}

typedef int (*pool_map_fn)(struct vfiomem_pool *pool, const struct vfiomem_piece *pieces,
			   unsigned int nr, const struct vfiomem_grant *how,
			   struct vfiomem_buf *bufs);

static int map_list(struct vfiomem_space *space, const struct vfiomem_piece *pieces,
		    unsigned int nr, uint32_t flags, const struct vfiomem_grant *how,
		    struct vfiomem_mapping *m, pool_map_fn pool_map)
{
	struct vfiomem_piece list[VFIOMEM_MAP_LIST];
	struct vfiomem_buf bufs[VFIOMEM_MAP_LIST];
	struct vfiomem_grant exact = how ? *how : (struct vfiomem_grant){ 0 };
	int held = check_request(space, m, flags);
	unsigned int n;

	if (!held)
		held = hold_prefix(space, pieces, nr, flags, m);
	if (held < 0 || m[0].state == DIRECT)
		return held;
	n = ask(m, (unsigned int)held, list, &exact);
	return bounce(space, m, (unsigned int)held, bufs,
		      pool_map(space->options.pool, list, n, &exact, bufs));
}

typedef int (*pool_map_one_fn)(struct vfiomem_pool *pool, uint64_t addr, size_t len,
			       const struct vfiomem_grant *how,
			       struct vfiomem_buf *buf);

/* The rest of mapping one piece: its range is held. */
static APART int bounce_one(struct vfiomem_space *space, struct vfiomem_mapping *m,
			    const struct vfiomem_grant *how, pool_map_one_fn pool_map)
{
	struct vfiomem_grant exact = how ? *how : (struct vfiomem_grant){ 0 };
	struct vfiomem_piece piece;
	struct vfiomem_buf buf;
	int ret;

	ask(m, 1, &piece, &exact);
	ret = pool_map(space->options.pool, piece.addr, piece.len, &exact, &buf);
	ret = bounce(space, m, 1, &buf, ret ? ret : 1);
	return ret < 0 ? ret : 0;
}

static inline int map_piece(struct vfiomem_space *space, uint64_t addr, size_t len,
			    uint32_t flags, const struct vfiomem_grant *how,
			    struct vfiomem_mapping *m, pool_map_one_fn pool_map)
{
	int ret = check_request(space, m, flags);

	if (!ret)
		ret = map_one(space, addr, len, flags, m);
	if (ret || m->state == DIRECT)
		return ret;
	return bounce_one(space, m, how, pool_map);
}

int vfiomem_space_try_map_sg(struct vfiomem_space *space,
			     const struct vfiomem_piece *pieces, unsigned int nr,
			     uint32_t flags, const struct vfiomem_grant *how,
			     struct vfiomem_mapping *mappings)
{
	return map_list(space, pieces, nr, flags, how, mappings, vfiomem_pool_try_map_sg);
}

int vfiomem_space_map_sg(struct vfiomem_space *space,
			 const struct vfiomem_piece *pieces, unsigned int nr,
			 uint32_t flags, const struct vfiomem_grant *how,
			 struct vfiomem_mapping *mappings)
{
	return map_list(space, pieces, nr, flags, how, mappings, vfiomem_pool_map_sg);
}

int vfiomem_space_try_map(struct vfiomem_space *space, uint64_t addr, size_t len,
			  uint32_t flags, const struct vfiomem_grant *how,
			  struct vfiomem_mapping *mapping)
{
	return map_piece(space, addr, len, flags, how, mapping, vfiomem_pool_try_map);
}

int vfiomem_space_map(struct vfiomem_space *space, uint64_t addr, size_t len,
		      uint32_t flags, const struct vfiomem_grant *how,
		      struct vfiomem_mapping *mapping)
{
	return map_piece(space, addr, len, flags, how, mapping, vfiomem_pool_map);
}

static void on_grant(struct vfiomem_pool_waiter *wait, int result)
{
	struct vfiomem_space_waiter *waiter = (struct vfiomem_space_waiter *)
		((char *)wait - offsetof(struct vfiomem_space_waiter, wait));

	result = bounce(waiter->space, waiter->mappings, waiter->held, waiter->bufs,
			result);
	self.callbacks++;
	waiter->granted(waiter, result);
	self.callbacks--;
}

int vfiomem_space_wait(struct vfiomem_space *space, struct vfiomem_space_waiter *waiter)
{
	int ret;

	if (!waiter || !waiter->granted)
		return -EINVAL;
	ret = check_request(space, waiter->mappings, waiter->flags);
	if (!ret)
		ret = hold_prefix(space, waiter->pieces, waiter->nr, waiter->flags,
				  waiter->mappings);
	if (ret < 0 || waiter->mappings[0].state == DIRECT)
		return ret;
	waiter->space = space;
	waiter->held = (unsigned int)ret;
	waiter->wait = (struct vfiomem_pool_waiter){
		.granted = on_grant, .eventfd = -1,
		.pieces = waiter->list, .bufs = waiter->bufs, .how = waiter->how,
	};
	waiter->wait.nr = ask(waiter->mappings, waiter->held, waiter->list,
			      &waiter->wait.how);
	ret = vfiomem_pool_wait(space->options.pool, &waiter->wait);
	/* Once it is queued it may be gone. */
	return ret ? bounce(space, waiter->mappings, waiter->held, waiter->bufs, ret) : 0;
}

int vfiomem_space_cancel(struct vfiomem_space *space, struct vfiomem_space_waiter *waiter)
{
	int ret;

	if (!space || !waiter)
		return -EINVAL;
	ret = vfiomem_pool_cancel(space->options.pool, &waiter->wait);
	if (!ret)
		drop(space, waiter->mappings, waiter->held);
	return ret;
}

int vfiomem_space_unmap(struct vfiomem_space *space, struct vfiomem_mapping *m,
			size_t access_len)
{
	struct range *r;
	uint32_t state;
	int ret = 0;

	if (!space || !m)
		return -EINVAL;
	/* Of two that unmap the same mapping one wins. */
	state = __atomic_exchange_n(&m->state, UNMAPPED, __ATOMIC_ACQ_REL);
	if (state == UNMAPPED)
		return -EALREADY;
	r = m->range;
	if (access_len > m->len) {
		ret = -EINVAL;
		/* What was written through a pointer was written, however much. */
		access_len = state == DIRECT ? m->len : 0;
	}
	if (m->flags & VFIOMEM_MAP_WRITE && access_len) {
		if (state == BOUNCED)
			ret = copy_in(space, r, m->addr - r->what.base, m->ptr,
				      access_len, VFIOMEM_PUBLISH);
		tell_dirty(space, m->addr, access_len);
	}
	if (state == BOUNCED) {
		int err = vfiomem_pool_unmap(space->options.pool, &m->buf);

		ret = ret ? ret : err;
	}
	let_go(space, r, m->stripe);
	return ret;
}

/* ---- Life -------------------------------------------------------------- */

static void free_space(struct vfiomem_space *space)
{
	while (space->blocks) {
		struct block *b = space->blocks;

		space->blocks = b->next;
		free(b);
	}
	while (space->old_views) {
		struct view *view = space->old_views;

		space->old_views = view->older;
		free(view);
	}
	free(atomic_load(&space->views[0]));
	free(atomic_load(&space->views[1]));
	free(space->places);
	free(space->heap);
	pthread_cond_destroy(&space->unused);
	pthread_mutex_destroy(&space->mutex);
	free(space);
}

int vfiomem_space_create(struct vfiomem_space **out,
			 const struct vfiomem_space_options *options)
{
	struct vfiomem_space *space;

	if (!out || !options || options->size != sizeof(*options) || !options->pool ||
	    options->flags & ~VFIOMEM_SPACE_GUARDED)
		return -EINVAL;
	space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;
	space->options = *options;
	pthread_mutex_init(&space->mutex, NULL);
	pthread_cond_init(&space->unused, NULL);
	for (int i = 0; i < 2; i++) {
		struct view *view = new_view(64);

		atomic_store(&space->views[i], view);
		if (!view) {
			free_space(space);
			return -ENOMEM;
		}
	}
	*out = space;
	return 0;
}

int vfiomem_space_destroy(struct vfiomem_space *space)
{
	if (!space)
		return -EINVAL;
	for (struct block *b = space->blocks; b; b = b->next)
		for (unsigned int i = 0; i < BLOCK; i++)
			if (is_held(&b->ranges[i]))
				return -EBUSY;
	free_space(space);
	return 0;
}
