// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * vfiomem_fill(): a copy from a stage that holds the byte.
 */
#include "internal.h"

size_t vfiomem_fill_side(const struct side *side, uint8_t value, bool guarded)
{
	char buffer[STAGE_CHUNK] __attribute__((__aligned__(64)));
	volatile char *const dst = (volatile char *)side->addr;
	const size_t body = side->n - side->granule;
	size_t written = 0;

	memset(buffer, value,
	       side->n < sizeof(buffer) ? side->n : sizeof(buffer));
	while (written < body) {
		size_t stop = body, done;

		if (stop - written > sizeof(buffer)) {
			stop = written + sizeof(buffer);
			stop -= (side->addr + stop) & (side->width - 1);
		}
		done = vfiomem_side_run(side, dst + written, buffer, written,
					stop, guarded);
		if (done != stop - written)
			return written + done;
		written = stop;
	}
	if (side->granule &&
	    vfiomem_side_publish(side, dst + body, buffer, guarded))
		written += side->granule;
	return written;
}

int vfiomem_fill_check(struct side *side, struct vfiomem_attr attr,
		       volatile void *dst, size_t n, unsigned int order)
{
	int err = vfiomem_side(side, attr, dst, n, order, true);

	if (!err)
		err = vfiomem_check_order(order, false, side->watched);
	return err;
}

int vfiomem_fill(struct vfiomem_attr attr, volatile void *dst, uint8_t value,
		 size_t n, unsigned int order)
{
	struct side side;
	int err;

	err = vfiomem_fill_check(&side, attr, dst, n, order);
	if (err)
		return err;
	/* libc's memset() on PRIVATE memory, too. */
	if (!side.watched || (order == VFIOMEM_PLAIN && attr_is_plain(attr)))
		memset((void *)dst, value, n);
	else
		vfiomem_fill_side(&side, value, false);
	return 0;
}
