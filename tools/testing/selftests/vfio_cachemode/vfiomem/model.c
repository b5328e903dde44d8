// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of libvfiomem's copies, as a judge of access sequences.
 */
#include "model.h"

static unsigned int popcount(uint64_t v)
{
	return __builtin_popcountll(v);
}

static bool natural(uint64_t addr, uint64_t width)
{
	return popcount(width) == 1 && addr % width == 0;
}

unsigned int model_width(const struct model_side *s)
{
	unsigned int w = s->access & VFIO_MMAP_ACCESS_VECTOR ? s->vector : 8;

	/* An ordered access must be seen whole. */
	if (s->order == MODEL_ASCENDING && w > s->atomic)
		w = s->atomic;
	if (s->max_width && w > s->max_width)
		w = s->max_width;
	if (s->width && w > s->width)
		w = s->width;
	return w;
}

unsigned int model_granule(const struct model_side *s)
{
	uint64_t edge = s->order == MODEL_PUBLISH ? s->p + s->n : s->p;
	unsigned int g = 8, w = model_width(s);

	if (s->granule)
		return s->granule;
	while (g > w || g > s->n || edge % g)
		g /= 2;
	return g;
}

size_t model_minimum(uint64_t p, size_t n, unsigned int W)
{
	uint64_t V = W, h, t;

	if (!n)
		return 0;
	/* The largest power of two that has a multiple in [p, p + n]. */
	while (p + (-p & (V - 1)) > p + n)
		V /= 2;
	h = -p & (V - 1);
	t = (n - h) & (V - 1);
	return popcount(h) + (n - h - t) / V + popcount(t);
}

static bool has_granule(const struct model_side *s)
{
	return s->n && (s->order == MODEL_PUBLISH || s->order == MODEL_ACQUIRE);
}

/* Promise 1 applies: the call is to be one access of exactly n bytes. */
static bool exact(const struct model_side *s)
{
	if (s->n != 1 && s->n != 2 && s->n != 4 && s->n != 8)
		return false;
	if (s->n > model_width(s))
		return false;
	if (s->p % s->n && !(s->access & VFIO_MMAP_ACCESS_UNALIGNED))
		return false;
	return !has_granule(s) || model_granule(s) == s->n;
}

size_t model_count(const struct model_side *s)
{
	unsigned int W = model_width(s);
	unsigned int g;

	if (exact(s))
		return 1;
	if (!has_granule(s))
		return model_minimum(s->p, s->n, W);
	g = model_granule(s);
	return model_minimum(s->order == MODEL_PUBLISH ? s->p : s->p + g,
			     s->n - g, W) + 1;
}

/* RELAXED on NORMAL memory keeps promises 1 and 2 and is free beyond them. */
static bool loose(const struct model_side *s)
{
	return s->mode == VFIO_MMAP_CACHE_MODE_NORMAL &&
	       s->access & VFIO_MMAP_ACCESS_UNALIGNED &&
	       s->order != MODEL_ASCENDING;
}

/*
 * What must stand between two accesses of this side for the second to be seen
 * after the first.  0: the CPU and the memory type see to it by themselves.
 */
static unsigned int between(const struct model_side *s)
{
	bool write = s->dir == MODEL_WRITE;
	unsigned int need = write ? MODEL_ORDERS_STORES : MODEL_ORDERS_LOADS;

	switch (s->arch) {
	case MODEL_X86:
		/* Stores, and loads, of every type but WC are seen in order. */
		if (s->mode != VFIO_MMAP_CACHE_MODE_WRITECOMBINE)
			return 0;
		return write ? need | MODEL_DRAINS_WC : need;
	case MODEL_ARM64:
		/* nGnRnE and nGnRE: program order at one peripheral. */
		if (s->mode == VFIO_MMAP_CACHE_MODE_NONCACHED ||
		    s->mode == VFIO_MMAP_CACHE_MODE_DEVICE)
			return 0;
		return need | MODEL_OUTER;
	case MODEL_RISCV64:
	case MODEL_PPC64LE:
		/* A coherent device observes main memory as a CPU does. */
		return s->mode == VFIO_MMAP_CACHE_MODE_NORMAL ?
		       need : need | MODEL_OUTER;
	}
	return ~0U;
}

/*
 * What must stand before a publishing access: it comes after this call's other
 * bytes and after all earlier stores of the thread, to memory of any mode.
 */
static unsigned int before_publish(const struct model_side *s)
{
	if (s->arch == MODEL_X86)
		/*
		 * Earlier stores may sit in write-combining buffers, which a
		 * store to WB memory does not empty and one to UC does.
		 */
		return s->mode == VFIO_MMAP_CACHE_MODE_NORMAL ||
		       s->mode == VFIO_MMAP_CACHE_MODE_WRITECOMBINE ?
		       MODEL_ORDERS_STORES | MODEL_DRAINS_WC : 0;
	return MODEL_ORDERS_STORES | MODEL_OUTER;
}

static const char *judge_access(const struct model_side *s,
				const struct model_event *e)
{
	unsigned int W = model_width(s);
	bool masks = loose(s) && e->flags & MODEL_MASKED;
	bool wide = loose(s) && s->access & VFIO_MMAP_ACCESS_VECTOR &&
		    !s->max_width;
	bool forbidden;

	if (e->addr < s->p || e->addr + e->width > s->p + s->n)
		return "once: a byte outside the range is touched";
	if (!s->watched)
		return NULL;
	if (e->flags & MODEL_RMW)
		return "exact: a read-modify-write instruction";
	if (e->kind != (s->dir == MODEL_WRITE ? MODEL_STORE : MODEL_LOAD))
		return "once: an access in the wrong direction";
	if (e->flags & MODEL_STRING)
		return "order: a string instruction";
	if (e->width > W && !wide)
		return "exact: an access wider than is allowed";
	if (popcount(e->width) != 1 && !masks)
		return "natural: a width that is no power of two";
	if (!(s->access & VFIO_MMAP_ACCESS_UNALIGNED) &&
	    !natural(e->addr, e->width))
		return "natural: an unaligned access";
	if (e->flags & MODEL_MASKED && !masks)
		return "exact: a masked access";
	if (e->flags & MODEL_SIMD && e->width > 8 &&
	    !(s->access & VFIO_MMAP_ACCESS_VECTOR))
		return "exact: a vector access";
	forbidden = s->arch == MODEL_ARM64 &&
		    s->mode != VFIO_MMAP_CACHE_MODE_NORMAL &&
		    e->flags & (MODEL_PAIR | MODEL_SIMD) &&
		    !(s->access & VFIO_MMAP_ACCESS_VECTOR);
	if (forbidden)
		return "exact: a pair or vector register on device memory";
	if (e->flags & MODEL_ZERO_LINE &&
	    !(s->access & VFIO_MMAP_ACCESS_ZERO_LINE))
		return "exact: a cache-line zero";
	if (s->order == MODEL_ASCENDING && e->width > 8 &&
	    !natural(e->addr, e->width))
		return "order: a wide access that is not atomic";
	/* With FEAT_LSE2 a pair of general registers is atomic, a vector is not. */
	if (s->order == MODEL_ASCENDING && e->width > 8 &&
	    s->arch == MODEL_ARM64 &&
	    (e->flags & MODEL_SIMD || !(e->flags & MODEL_PAIR)))
		return "order: a wide access that is not atomic";
	if (e->flags & MODEL_NONTEMPORAL && s->dir == MODEL_WRITE &&
	    s->order == MODEL_ASCENDING)
		return "order: a non-temporal store";
	return NULL;
}

/* Promise 2.  The count of events is small, so this is quadratic. */
static bool once(const struct model_side *s, const struct model_event *ev,
		 size_t count)
{
	size_t i, j;
	uint64_t sum = 0;

	for (i = 0; i < count; i++) {
		if (!ev[i].width)
			continue;
		sum += ev[i].width;
		for (j = 0; j < i; j++)
			if (ev[j].width &&
			    ev[i].addr < ev[j].addr + ev[j].width &&
			    ev[j].addr < ev[i].addr + ev[i].width)
				return false;
	}
	return sum == s->n;
}

static const char *judge_ascending(const struct model_side *s,
				   const struct model_event *ev, size_t count)
{
	unsigned int need = between(s), have = 0;
	const struct model_event *last = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!ev[i].width) {
			have |= ev[i].barrier;
			continue;
		}
		/*
		 * A store-release, and a load-acquire before, order as well,
		 * but for the inner shareable domain only: not for a device.
		 */
		if (ev[i].flags & MODEL_ACQ_REL && s->dir == MODEL_WRITE)
			have |= MODEL_ORDERS_STORES;
		if (last && ev[i].addr < last->addr)
			return "order: accesses do not ascend";
		if (last && (have & need) != need)
			return "order: no barrier between ascending accesses";
		have = ev[i].flags & MODEL_ACQ_REL && s->dir == MODEL_READ ?
			MODEL_ORDERS_LOADS : 0;
		last = &ev[i];
	}
	return NULL;
}

static const char *judge_publish(const struct model_side *s,
				 const struct model_event *ev, size_t count)
{
	unsigned int g = model_granule(s), need = before_publish(s), have = 0;
	const struct model_event *last = NULL;
	bool streamed = false;
	size_t i;

	for (i = 0; i < count; i++) {
		if (ev[i].width) {
			last = &ev[i];
			streamed |= ev[i].flags & MODEL_NONTEMPORAL;
		}
	}
	if (last->addr != s->p + s->n - g || last->width != g)
		return "order: the granule is not the last access of its own";
	if (last->flags & MODEL_NONTEMPORAL)
		return "order: the granule is a non-temporal store";
	for (i = 0; &ev[i] != last; i++) {
		if (ev[i].width)
			have = 0;
		else
			have |= ev[i].barrier;
	}
	if (last->flags & MODEL_ACQ_REL)
		have |= MODEL_ORDERS_STORES;
	if (streamed)
		need |= MODEL_ORDERS_STORES | MODEL_DRAINS_WC;
	if ((have & need) != need)
		return "order: no barrier before the granule";
	return NULL;
}

static const char *judge_acquire(const struct model_side *s,
				 const struct model_event *ev, size_t count)
{
	unsigned int g = model_granule(s), need = between(s), have = 0;
	const struct model_event *first = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!ev[i].width) {
			have |= first ? ev[i].barrier : 0;
			continue;
		}
		if (!first) {
			first = &ev[i];
			if (first->addr != s->p || first->width != g)
				return "order: the granule is not the first access of its own";
			if (first->flags & MODEL_ACQ_REL)
				have |= MODEL_ORDERS_LOADS;
			continue;
		}
		if ((have & need) != need)
			return "order: no barrier after the granule";
		break;
	}
	return NULL;
}

const char *model_judge(const struct model_side *s,
			const struct model_event *ev, size_t count)
{
	size_t i, accesses = 0;
	const char *why;

	for (i = 0; i < count; i++) {
		if (!ev[i].width)
			continue;
		accesses++;
		why = judge_access(s, &ev[i]);
		if (why)
			return why;
	}
	if (!s->watched)
		return NULL;
	if (!once(s, ev, count))
		return "once: a byte is touched twice, or never";
	if (exact(s) && accesses != 1)
		return "exact: more than one access";
	if (!loose(s) && accesses > model_count(s))
		return "minimal: more accesses than are needed";
	if (!s->n)
		return NULL;
	switch (s->order) {
	case MODEL_RELAXED:
		return NULL;
	case MODEL_ASCENDING:
		return judge_ascending(s, ev, count);
	case MODEL_PUBLISH:
		return judge_publish(s, ev, count);
	case MODEL_ACQUIRE:
		return judge_acquire(s, ev, count);
	}
	return "unknown order";
}
