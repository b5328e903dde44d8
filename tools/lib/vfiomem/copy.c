// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * vfiomem_copy(): which accesses each side gets.
 *
 * Nearly every call is one of three: one access on both sides; memory on both
 * sides that takes anything, where only "once" has to be kept; or one side
 * that is watched and one that is not.  Where the two sides want different
 * accesses, the bytes go through a stage in the first-level cache, so that
 * each side has its own.
 */
#include "internal.h"

#define GRANULE_SHIFT	8
#define ORDERS		(VFIOMEM_PUBLISH | VFIOMEM_ACQUIRE | \
			 VFIOMEM_ASCENDING | VFIOMEM_PLAIN)

static inline bool is_scalar(size_t n)
{
	return n && n <= 8 && !(n & (n - 1));
}

static bool mode_is_known(unsigned int mode)
{
	return mode <= VFIOMEM_NORMAL || mode == VFIOMEM_PRIVATE ||
	       mode == VFIOMEM_UNKNOWN;
}

/* Barriers do for the weakest that memory could be, if nobody says what it is. */
static unsigned int barrier_mode(unsigned int mode)
{
	return mode <= VFIOMEM_NORMAL ? mode : VFIOMEM_WRITECOMBINE;
}

static unsigned int round_down_pow2(unsigned int x)
{
	return 1U << (31 - __builtin_clz(x));
}

/* W: what the CPU has for that mode, within what the memory takes. */
static inline unsigned int side_width(struct vfiomem_attr attr,
				      bool ascending, bool write)
{
	unsigned int width = arch_width(attr.mode, ascending, write);

	if (width > 8 &&
	    !(mode_is_known(attr.mode) && attr.access & VFIOMEM_VECTOR))
		width = 8;
	if (attr.max_width && attr.max_width < width)
		width = round_down_pow2(attr.max_width);
	return width;
}

/* Whether reads may fetch whole lines, whatever is read of them. */
static inline unsigned int stream_flag(struct vfiomem_attr attr)
{
	return attr.mode == VFIOMEM_WRITECOMBINE &&
	       attr.access & VFIOMEM_READ_IDEMPOTENT &&
	       (!attr.max_width || attr.max_width >= 64) ? RUN_STREAM : 0;
}

/*
 * The largest power of two up to min(8, W, n) that divides the granule's
 * outer end, or the one that was asked for, if it fits; else 0.
 */
static unsigned int side_granule(uintptr_t end, size_t n, unsigned int width,
				 unsigned int asked)
{
	unsigned int most = width < 8 ? width : 8;
	unsigned int g = asked ? asked : most;

	if (n < most)
		most = round_down_pow2((unsigned int)n);
	if (asked)
		return !(g & (g - 1)) && g <= most && !(end & (g - 1)) ? g : 0;
	g = most;
	while (end & (g - 1))
		g /= 2;
	return g;
}

int vfiomem_check_order(unsigned int order, bool src_watched, bool dst_watched)
{
	const unsigned int write_orders = VFIOMEM_PUBLISH |
					  VFIOMEM_ASCENDING_WRITE;
	const unsigned int read_orders = VFIOMEM_ACQUIRE |
					 VFIOMEM_ASCENDING_READ;
	unsigned int granule = order >> GRANULE_SHIFT;

	if (order & ((1U << GRANULE_SHIFT) - 1) & ~ORDERS)
		return -EINVAL;
	if (granule && !(order & (VFIOMEM_PUBLISH | VFIOMEM_ACQUIRE)))
		return -EINVAL;
	if (granule > 8 || granule & (granule - 1))
		return -EINVAL;
	if (order & VFIOMEM_PLAIN)
		return order == VFIOMEM_PLAIN ? 0 : -EINVAL;
	if ((order & write_orders) == write_orders ||
	    (order & read_orders) == read_orders)
		return -EINVAL;
	/* ASCENDING means whichever sides are watched. */
	if ((order & VFIOMEM_ASCENDING) == VFIOMEM_ASCENDING)
		return 0;
	if ((order & write_orders && !dst_watched) ||
	    (order & read_orders && !src_watched))
		return -EINVAL;
	return 0;
}

/* Inlined, because half of it is gone where @write is known. */
static inline __attribute__((__always_inline__))
int fill_side(struct side *side, struct vfiomem_attr attr,
	      const volatile void *p, size_t n, unsigned int order, bool write)
{
	const bool unaligned = mode_is_known(attr.mode) &&
			       attr.access & VFIOMEM_UNALIGNED;
	const bool ascending = order & (write ? VFIOMEM_ASCENDING_WRITE :
						VFIOMEM_ASCENDING_READ);
	const bool granular = order & (write ? VFIOMEM_PUBLISH :
					       VFIOMEM_ACQUIRE);
	const bool one = VFIOMEM_ONE_UNALIGNED && unaligned && !granular &&
			 is_scalar(n);

	side->addr = (uintptr_t)p;
	side->n = n;
	side->align = side->addr;
	side->granule = 0;
	side->mode = barrier_mode(attr.mode);
	side->flags = 0;
	side->ascending = ascending;
	side->watched = attr.mode != VFIOMEM_PRIVATE;
	if (attr.mode == VFIOMEM_NONE || (n && side->addr + (n - 1) < side->addr))
		return -EINVAL;
	if (!side->watched) {
		side->width = 8;
		side->ascending = false;
		side->any_once = VFIOMEM_ONE_UNALIGNED;
		return 0;
	}
	if (!arch_has_device && attr.mode != VFIOMEM_NORMAL)
		return -EOPNOTSUPP;

	side->width = side_width(attr, ascending, write);
	if (one && n <= side->width)
		side->align = 0;
	if (n && granular) {
		side->granule = side_granule(write ? side->addr + n : side->addr,
					     n, side->width,
					     order >> GRANULE_SHIFT);
		if (!side->granule)
			return -EINVAL;
	}
	if (ascending && arch_separates(side->mode))
		side->flags |= write ? RUN_SEPARATE_WR : RUN_SEPARATE_RD;
	if (!write && !ascending)
		side->flags |= stream_flag(attr);
	side->any_once = VFIOMEM_ONE_UNALIGNED && unaligned && !ascending &&
			 attr.mode == VFIOMEM_NORMAL && !attr.max_width &&
			 attr.access & VFIOMEM_VECTOR && !is_scalar(n);
	return 0;
}

int vfiomem_side(struct side *side, struct vfiomem_attr attr,
		 const volatile void *p, size_t n, unsigned int order,
		 bool write)
{
	return fill_side(side, attr, p, n, order, write);
}

/* A copy whose every access is one that @dst wants. */
static size_t copy_as_dst(const struct side *dst, volatile char *to,
			  const volatile char *from, bool guarded)
{
	const size_t body = dst->n - dst->granule;
	size_t done = vfiomem_side_run(dst, to, from, 0, body, guarded);

	if (dst->granule && done == body &&
	    vfiomem_side_publish(dst, to + body, from + body, guarded))
		done += dst->granule;
	return done;
}

/* A copy whose every access is one that @src wants. */
static size_t copy_as_src(const struct side *src, volatile char *to,
			  const volatile char *from, bool guarded)
{
	const size_t g = src->granule;

	if (g && !vfiomem_side_acquire(src, to, from, guarded))
		return 0;
	return g + vfiomem_side_run(src, to + g, from + g, g, src->n, guarded);
}

/* Whether accesses that are right for one side are right for the other. */
static bool sides_agree(const struct side *dst, const struct side *src)
{
	const unsigned int separate = RUN_SEPARATE_RD | RUN_SEPARATE_WR;

	return !dst->granule && !src->granule && dst->width == src->width &&
	       !((dst->align ^ src->align) & (dst->width - 1)) &&
	       (dst->mode == src->mode ||
		!((dst->flags | src->flags) & separate));
}

static size_t copy_by_stage(const struct side *dst, const struct side *src,
			    bool guarded)
{
	char buffer[STAGE_CHUNK + 2 * ARCH_WIDEST]
		__attribute__((__aligned__(64)));
	const struct stage stage = {
		.buffer = buffer,
		.size = sizeof(buffer),
		.split = src->n,
	};

	/* No order, no streaming, and single accesses are never this long. */
	if (!guarded && !dst->granule && !src->granule &&
	    !((dst->flags | src->flags) & RUN_ANY) &&
	    arch_realign((volatile char *)dst->addr, dst->width,
			 (const volatile char *)src->addr, src->width, dst->n))
		return dst->n;
	return vfiomem_copy_staged(dst, src, &stage, guarded);
}

size_t vfiomem_copy_sides(struct side *dst, const struct side *src,
			  bool guarded)
{
	volatile char *to = (volatile char *)dst->addr;
	const volatile char *from = (const volatile char *)src->addr;

	if (dst->watched &&
	    (!src->watched || (src->any_once && !src->granule)))
		return copy_as_dst(dst, to, from, guarded);
	if (src->watched && (!dst->watched || (dst->any_once && !dst->granule)))
		return copy_as_src(src, to, from, guarded);
	if (dst->watched && src->watched) {
		if (!sides_agree(dst, src))
			return copy_by_stage(dst, src, guarded);
		dst->flags |= src->flags;
		return copy_as_dst(dst, to, from, guarded);
	}
	if (guarded)
		return vfiomem_pieces_guarded(to, from, dst->n, dst->addr, 8,
					      VFIOMEM_NORMAL, 0);
	memmove((void *)to, (const void *)from, dst->n);
	return dst->n;
}

unsigned int vfiomem_width(struct vfiomem_attr attr, unsigned int order,
			   int write)
{
	const unsigned int ascending = write ? VFIOMEM_ASCENDING_WRITE :
					       VFIOMEM_ASCENDING_READ;

	if (attr.mode == VFIOMEM_NONE ||
	    (!arch_has_device && attr.mode != VFIOMEM_NORMAL &&
	     attr.mode != VFIOMEM_PRIVATE))
		return 0;
	return side_width(attr, order & ascending, write);
}

static inline __attribute__((__always_inline__))
int copy_ordered(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order)
{
	struct side to, from;
	int err;

	err = fill_side(&to, dst_attr, dst, n, order, true);
	if (!err)
		err = fill_side(&from, src_attr, src, n, order, false);
	if (!err && order)
		err = vfiomem_check_order(order, from.watched, to.watched);
	if (err || !n)
		return err;
	if (order == VFIOMEM_PLAIN && attr_is_plain(dst_attr) &&
	    attr_is_plain(src_attr))
		memmove((void *)dst, (const void *)src, n);
	else
		vfiomem_copy_sides(&to, &from, false);
	return 0;
}

static APART
int copy_checked(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order)
{
	/* Without an order there is much less to look at. */
	return order ? copy_ordered(dst_attr, dst, src_attr, src, n, order) :
		       copy_ordered(dst_attr, dst, src_attr, src, n,
				    VFIOMEM_RELAXED);
}

static inline bool mode_is_accessible(unsigned int mode)
{
	return arch_has_device ? mode != VFIOMEM_NONE :
	       mode == VFIOMEM_NORMAL || mode == VFIOMEM_PRIVATE;
}

/* The default granule at an address. */
static inline unsigned int granule_at(uintptr_t address, size_t n)
{
	unsigned int g = (unsigned int)((address | 8) & -(address | 8));

	while (unlikely(g > n))
		g /= 2;
	return g;
}

/*
 * The orders that such memory can have, where one side has none, or the same.
 * An aligned scalar is all granule.
 */
static APART
int publish_any(volatile char *dst, const volatile char *src, size_t n)
{
	const unsigned int g = granule_at((uintptr_t)dst + n, n);

	n -= g;
	arch_relaxed(dst, src, n);
	arch_publish(VFIOMEM_NORMAL, dst + n, src + n, g);
	return 0;
}

/*
 * More than 8 bytes.  Has no stack frame, and ends in a jump if need be.  Its
 * arguments are vfiomem_copy()'s, like those of relaxed(): they lie right.
 */
static APART __attribute__((__aligned__(64)))
int publish(struct vfiomem_attr dst_attr, volatile char *dst,
	    struct vfiomem_attr src_attr, const volatile char *src, size_t n)
{
	const uintptr_t end = ((uintptr_t)dst + n) | 8;
	const unsigned int g = (unsigned int)(end & -end);
	const size_t body = n - g;

	if (!arch_relaxed_short(dst, src, body))
		return publish_any(dst, src, n);
	arch_publish(VFIOMEM_NORMAL, dst + body, src + body, g);
	(void)dst_attr;
	(void)src_attr;
	return 0;
}

static APART
int acquire(volatile char *dst, const volatile char *src, size_t n)
{
	const unsigned int g = granule_at((uintptr_t)src, n);

	copy_scalar(dst, src, g);
	arch_after_acquire(VFIOMEM_NORMAL);
	if (!arch_relaxed_short(dst + g, src + g, n - g))
		arch_relaxed(dst + g, src + g, n - g);
	return 0;
}

/* Not inlined, so that the caller needs no stack for what it seldom does. */
static APART
int relaxed(struct vfiomem_attr dst_attr, volatile void *dst,
	    struct vfiomem_attr src_attr, const volatile void *src, size_t n)
{
	arch_relaxed(dst, src, n);
	(void)dst_attr;
	(void)src_attr;
	return 0;
}

static APART
int ascend(volatile char *dst, const volatile char *src, size_t n,
	   bool writes, bool reads)
{
	uintptr_t align = (uintptr_t)(writes ? dst : src);
	unsigned int flags = 0;

	if (is_scalar(n))
		align = 0;
	if (arch_separates(VFIOMEM_NORMAL))
		flags = (writes ? RUN_SEPARATE_WR : 0) |
			(reads ? RUN_SEPARATE_RD : 0);
	vfiomem_pieces(dst, src, n, align,
		       arch_width(VFIOMEM_NORMAL, true, writes),
		       VFIOMEM_NORMAL, flags);
	return 0;
}

/* What is not the most common.  Nothing wraps around. */
static APART
int copy_other(struct vfiomem_attr dst_attr, volatile void *dst,
	       struct vfiomem_attr src_attr, const volatile void *src,
	       size_t n, unsigned int order)
{
	const bool dst_watched = dst_attr.mode != VFIOMEM_PRIVATE;
	const bool src_watched = src_attr.mode != VFIOMEM_PRIVATE;
	const bool writes = dst_watched && order & VFIOMEM_ASCENDING_WRITE;
	const bool reads = src_watched && order & VFIOMEM_ASCENDING_READ;
	const uintptr_t apart = (uintptr_t)dst - (uintptr_t)src;

	if (!not_anything(dst_attr, src_attr) && n) {
		/* An unaligned scalar is one access to a RELAXED side. */
		if (order == VFIOMEM_PUBLISH && dst_watched &&
		    !(is_scalar(n) && (uintptr_t)dst & (n - 1)))
			return publish_any(dst, src, n);
		if (order == VFIOMEM_ACQUIRE && src_watched &&
		    !(is_scalar(n) && (uintptr_t)src & (n - 1)))
			return acquire(dst, src, n);
		/* One side in order, or both by the same accesses. */
		if (!(order & ~VFIOMEM_ASCENDING) &&
		    (writes != reads || (writes && !(apart & 15))))
			return ascend(dst, src, n, writes, reads);
	} else if (order == VFIOMEM_RELAXED && n &&
		   mode_is_accessible(dst_attr.mode) &&
		   mode_is_accessible(src_attr.mode)) {
		/* Where one side takes anything, accesses are the other's. */
		if (is_scalar(n)) {
			if (vfiomem_is_one_access(dst_attr, dst, (unsigned int)n) &&
			    vfiomem_is_one_access(src_attr, src, (unsigned int)n)) {
				copy_scalar(dst, src, n);
				return 0;
			}
		} else if (!not_anything(src_attr, src_attr)) {
			vfiomem_pieces(dst, src, n, (uintptr_t)dst,
				       side_width(dst_attr, false, true),
				       VFIOMEM_NORMAL, 0);
			return 0;
		} else if (!not_anything(dst_attr, dst_attr)) {
			vfiomem_pieces(dst, src, n, (uintptr_t)src,
				       side_width(src_attr, false, false),
				       VFIOMEM_NORMAL, stream_flag(src_attr));
			return 0;
		}
	}
	return copy_checked(dst_attr, dst, src_attr, src, n, order);
}

__attribute__((__aligned__(64)))
int vfiomem_copy(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order)
{
	const uint64_t other = not_anything(dst_attr, src_attr);

	/* Below these, nothing can wrap around. */
	if (unlikely((intptr_t)((uintptr_t)dst | (uintptr_t)src | n) < 0))
		return copy_checked(dst_attr, dst, src_attr, src, n, order);
	if (likely(!(other | order))) {
		if (n == 8)
			copy64(dst, src);
		else if (n < 8 && is_scalar(n))
			copy_scalar(dst, src, n);
		else if (!arch_relaxed_short(dst, src, n))
			return relaxed(dst_attr, dst, src_attr, src, n);
		return 0;
	}
	if (!(other | (order ^ VFIOMEM_PUBLISH)) && n > 8 &&
	    dst_attr.mode != VFIOMEM_PRIVATE)
		return publish(dst_attr, dst, src_attr, src, n);
	return copy_other(dst_attr, dst, src_attr, src, n, order);
}
