// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * vfiomem_move(): copies whose ranges overlap.
 *
 * Every copy reads a byte before it writes later ones, so a destination below
 * the source needs nothing more.  Above it, either the copy runs downwards, or
 * bytes are saved before they are overwritten.
 */
#include "internal.h"

/*
 * Saved on the stack; more needs the caller's scratch.  2048 are promised, and
 * the first access that saves them may begin before them.
 */
#define STACK_SAVED		(2048 + ARCH_WIDEST)
/* See struct stage, which is content with less. */
#define STAGE_SIZE(distance)	(2 * (size_t)(distance) + 4096)

/* From where on @side can be accessed if the bytes from @limit are at hand. */
static size_t side_start(const struct side *side, size_t limit)
{
	return limit ? limit + (-(side->addr + limit) & (side->width - 1)) : 0;
}

/*
 * Downwards, in chunks.  What is read lies below what was written, so it is
 * still there.  The granule of PUBLISH stays behind until the end; that of
 * ACQUIRE was read before all else.
 */
static void move_down(const struct side *dst, const struct side *src)
{
	char buffer[STAGE_CHUNK + 2 * ARCH_WIDEST]
		__attribute__((__aligned__(64)));
	volatile char *const to = (volatile char *)dst->addr;
	const volatile char *const from = (const volatile char *)src->addr;
	const size_t n = dst->n, body = n - dst->granule;
	size_t read = n, written = n;	/* down to these */
	char acquired[8], published[8];
	char *held = buffer;		/* the bytes from @read to @written */

	if (src->granule)
		vfiomem_side_acquire(src, acquired, from, false);
	while (written) {
		size_t limit = 0, start;
		char *base;		/* the byte at @limit */

		if (written > STAGE_CHUNK + ARCH_WIDEST)
			limit = written - STAGE_CHUNK;
		base = buffer + ((src->addr + limit) & (ARCH_WIDEST - 1));
		memmove(base + (read - limit), held, written - read);

		start = limit ? side_start(src, limit) : src->granule;
		vfiomem_side_run(src, base + (start - limit), from + start,
				 start, read, false);
		read = start;
		if (!limit) {
			memcpy(base, acquired, src->granule);
			read = 0;
		}
		if (written == n)
			memcpy(published, base + (body - limit), dst->granule);

		start = side_start(dst, read);
		vfiomem_side_run(dst, to + start, base + (start - limit), start,
				 written == n ? body : written, false);
		held = base + (read - limit);
		written = start;
	}
	if (dst->granule)
		vfiomem_side_publish(dst, to + body, published, false);
}

/*
 * Upwards, because ASCENDING says so, and the destination overlaps the source
 * from above by @distance: reads are that much ahead of writes.  If nothing is
 * said about reads, the end of the source, which the start of the destination
 * overlaps, may be read first instead.
 */
static int move_up(const struct side *dst, const struct side *src,
		   size_t distance, char *scratch, size_t scratch_size)
{
	char buffer[STAGE_SIZE(STACK_SAVED)] __attribute__((__aligned__(64)));
	const volatile char *const from = (const volatile char *)src->addr;
	const bool end_first = !src->ascending && !src->granule;
	const size_t beyond = (src->addr + distance) & (src->width - 1);
	const size_t split = distance > beyond ? distance - beyond : 0;
	const size_t end_size = src->n - split;
	struct stage stage = {
		.buffer = buffer,
		.size = sizeof(buffer),
		.split = src->n,
	};
	char *saved = NULL;

	if (distance <= STACK_SAVED) {
		stage.distance = distance;
	} else if (end_first && end_size <= STACK_SAVED) {
		saved = buffer;
		stage.buffer += STACK_SAVED;
		stage.size -= STACK_SAVED;
	} else if (end_first && end_size <= scratch_size) {
		saved = scratch;
	} else if (scratch_size >= STAGE_SIZE(distance)) {
		stage.buffer = scratch;
		stage.size = scratch_size;
		stage.distance = distance;
	} else {
		return -ENOBUFS;
	}
	if (saved) {
		vfiomem_side_run(src, saved, from + split, split, src->n, false);
		stage.saved = saved;
		stage.split = split;
	}
	vfiomem_copy_staged(dst, src, &stage, false);
	return 0;
}

int vfiomem_move(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order,
		 void *scratch, size_t scratch_size)
{
	const size_t distance = (uintptr_t)dst - (uintptr_t)src;
	struct side to, from;
	int err;

	/* Wraps around, to more than n, where dst is below src. */
	if (!distance || distance >= n)
		return vfiomem_copy(dst_attr, dst, src_attr, src, n, order);

	/*
	 * Below 2^63 nothing can wrap around, and the source lies below the
	 * destination.
	 */
	if (order == VFIOMEM_ASCENDING_WRITE && dst_attr.mode == VFIOMEM_NORMAL &&
	    !not_anything(dst_attr, src_attr) &&
	    (intptr_t)((uintptr_t)dst | n) >= 0 &&
	    arch_move_up(dst, src, n, distance))
		return 0;

	err = vfiomem_side(&to, dst_attr, dst, n, order, true);
	if (!err)
		err = vfiomem_side(&from, src_attr, src, n, order, false);
	if (!err)
		err = vfiomem_check_order(order, from.watched, to.watched);
	if (err)
		return err;
	if (to.ascending || from.ascending)
		return move_up(&to, &from, distance, scratch, scratch_size);
	if ((order == VFIOMEM_PLAIN && attr_is_plain(dst_attr) &&
	     attr_is_plain(src_attr)) || (!from.watched && !to.watched))
		memmove((void *)dst, (const void *)src, n);
	else
		move_down(&to, &from);
	return 0;
}
