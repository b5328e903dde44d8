// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Copies in which each side has accesses of its own.
 */
#include "internal.h"

size_t vfiomem_side_run(const struct side *side, volatile char *dst,
			const volatile char *src, size_t from, size_t to,
			bool guarded)
{
	const uintptr_t align = side->align ? side->align + from : 0;
	const size_t n = to - from;

	if (guarded)
		return vfiomem_pieces_guarded(dst, src, n, align, side->width,
					      side->mode, side->flags);
	if (side->any_once)
		arch_relaxed(dst, src, n);
	else
		vfiomem_pieces(dst, src, n, align, side->width, side->mode,
			       side->flags);
	return n;
}

bool vfiomem_side_publish(const struct side *side, volatile char *dst,
			  const volatile char *src, bool guarded)
{
	const unsigned int g = side->granule;

	if (!guarded) {
		arch_publish(side->mode, dst, src, g);
		return true;
	}
	arch_before_publish(side->mode);
	return vfiomem_pieces_guarded(dst, src, g, 0, g, side->mode, 0) == g;
}

bool vfiomem_side_acquire(const struct side *side, volatile char *dst,
			  const volatile char *src, bool guarded)
{
	const unsigned int g = side->granule;

	if (!guarded)
		copy_scalar(dst, src, g);
	else if (vfiomem_pieces_guarded(dst, src, g, 0, g, side->mode, 0) != g)
		return false;
	arch_after_acquire(side->mode);
	return true;
}

/*
 * Up to where @side can be accessed if the bytes up to @limit are at hand: an
 * access is never cut short because a chunk ends.
 */
static size_t side_stop(const struct side *side, size_t limit)
{
	size_t beyond = (side->addr + limit) & (side->width - 1);

	if (limit == side->n)
		return limit;
	return limit > beyond ? limit - beyond : 0;
}

/* How far the source can be read, by @limit bytes at most. */
static size_t read_stop(const struct side *src, const struct stage *stage,
			size_t read, size_t limit)
{
	const size_t end = read < stage->split ? stage->split : src->n;

	if (end - read <= limit)
		return end;
	return read < stage->split ? side_stop(src, read + limit) : read + limit;
}

/* How far the destination can be written, with the source read up to @read. */
static size_t write_stop(const struct side *dst, const struct stage *stage,
			 size_t read)
{
	const size_t body = dst->n - dst->granule;
	size_t stop;

	if (read == dst->n)
		return body;
	stop = read > stage->distance ?
	       side_stop(dst, read - stage->distance) : 0;
	return stop < body ? stop : body;
}

size_t vfiomem_copy_staged(const struct side *dst, const struct side *src,
			   const struct stage *stage, bool guarded)
{
	volatile char *const to = (volatile char *)dst->addr;
	const volatile char *const from = (const volatile char *)src->addr;
	const size_t n = dst->n, body = n - dst->granule;
	size_t read = 0, written = 0;
	/* The byte at @written.  Aligned as the source is: stores split worse. */
	char *first = stage->buffer + (src->addr & (ARCH_WIDEST - 1));

	if (src->granule) {
		if (!vfiomem_side_acquire(src, first, from, guarded))
			return 0;
		read = src->granule;
	}
	while (read < n || written < body) {
		char *last = first + (read - written);
		size_t room, stop, done;

		/* Seldom enough that each byte is moved once at most. */
		if (stage->buffer + stage->size - last < STAGE_CHUNK) {
			char *front = stage->buffer +
				((src->addr + written) & (ARCH_WIDEST - 1));

			memmove(front, first, read - written);
			first = front;
			last = first + (read - written);
		}

		room = (size_t)(stage->buffer + stage->size - last);
		if (room > STAGE_CHUNK)
			room = STAGE_CHUNK;
		stop = read_stop(src, stage, read, room);
		done = stop - read;
		if (read < stage->split)
			done = vfiomem_side_run(src, last, from + read, read,
						stop, guarded);
		else if (done)
			memcpy(last, stage->saved + (read - stage->split), done);
		if (done != stop - read)
			return written;
		read = stop;

		stop = write_stop(dst, stage, read);
		if (stop <= written)
			continue;
		done = vfiomem_side_run(dst, to + written, first, written, stop,
					guarded);
		if (done != stop - written)
			return written + done;
		first += done;
		written = stop;
	}
	if (dst->granule &&
	    vfiomem_side_publish(dst, to + body, first, guarded))
		written += dst->granule;
	return written;
}
