// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * CXL memory in a memory space.
 *
 * A guest programs HDM decoders: of the host bridge, of switches, and of the
 * device. Where all of them say one and the same way to one device, what they
 * decode is plain memory, and can be mapped as an overlay of the window; with
 * interleave it stays I/O.
 *
 * Register layout: Compute Express Link Specification, "CXL HDM Decoder
 * Capability Structure" (8.2.5.12 in revision 2.0; more than 10 decoders and
 * 3, 6, 12 and 16 ways since 3.0).
 */
#include <errno.h>
#include <stdbool.h>

#include "vfiomem.h"

#define FIRST_DECODER	4	/* 32-bit registers before the first decoder */
#define DECODER_REGS	8
#define HIGH_BITS	0xf0000000u	/* of each low half: multiples of 256 MiB */
#define COMMITTED	(1u << 10)
#define ENABLED		(1u << 1)	/* in the global control register */

static unsigned int decoder_count(uint32_t capability)
{
	unsigned int code = capability & 0xf;

	if (code <= 8)
		return code ? 2 * code : 1;	/* 1, 2, 4, ... 16 */
	return code <= 12 ? 4 * (code - 4) : 0;	/* 20, 24, 28, 32 */
}

static uint32_t ways_of(uint32_t control)
{
	uint32_t code = control >> 4 & 0xf;

	if (code <= 4)
		return 1u << code;
	return code >= 8 && code <= 10 ? 3u << (code - 8) : 0;
}

static uint64_t pair(const uint32_t *low)
{
	return (uint64_t)low[1] << 32 | (low[0] & HIGH_BITS);
}

int vfiomem_cxl_read_decoders(const uint32_t *hdm, size_t size, int endpoint,
			      struct vfiomem_cxl_decoder *decoders, unsigned int max)
{
	unsigned int n;
	bool enabled;

	if (!hdm || !decoders || size < FIRST_DECODER * sizeof(*hdm))
		return -EINVAL;
	n = decoder_count(hdm[0]);
	if (!n || n > max ||
	    size / sizeof(*hdm) < FIRST_DECODER + n * DECODER_REGS)
		return -EINVAL;
	/* Bridges and switches do not have the bit. */
	enabled = !endpoint || hdm[1] & ENABLED;
	for (unsigned int i = 0; i < n; i++) {
		const uint32_t *regs = hdm + FIRST_DECODER + i * DECODER_REGS;

		decoders[i] = (struct vfiomem_cxl_decoder){
			.base = pair(regs),
			.size = pair(regs + 2),
			.ways = ways_of(regs[4]),
			.committed = enabled && regs[4] & COMMITTED,
			.skip = endpoint ? pair(regs + 5) : 0,
			.target = endpoint ? 0 : regs[5] & 0xff,
		};
	}
	return (int)n;
}

/* Whether [base, base + size) lies in the other range; neither may wrap around. */
static bool lies_in(uint64_t base, uint64_t size, uint64_t outer, uint64_t outer_size)
{
	return base >= outer && size <= outer_size && base - outer <= outer_size - size;
}

static int check_window(const struct vfiomem_cxl_device *device, uint64_t base,
			uint64_t size)
{
	for (uint32_t i = 0; i < device->nr_windows; i++) {
		const struct vfiomem_cxl_window *w = &device->windows[i];

		if (lies_in(base, size, w->base, w->size))
			return w->ways == 1 ? 0 : -EOPNOTSUPP;
	}
	return -ENXIO;
}

static int check_port(const struct vfiomem_cxl_port *port, uint64_t base, uint64_t size)
{
	if (!port->nr_decoders)
		return 0;
	for (uint32_t i = 0; i < port->nr_decoders; i++) {
		const struct vfiomem_cxl_decoder *d = &port->decoders[i];

		/* Decoders are committed in order: behind this one is nothing. */
		if (!d->committed)
			break;
		if (!lies_in(base, size, d->base, d->size))
			continue;
		if (d->ways != 1)
			return -EOPNOTSUPP;
		return d->target == port->target ? 0 : -ENXIO;
	}
	return -ENXIO;
}

/* Device addresses are handed out in the decoders' order, each after its skip. */
static int find_dpa(const struct vfiomem_cxl_device *device, unsigned int decoder,
		    uint64_t *dpa)
{
	*dpa = 0;
	for (unsigned int i = 0; i <= decoder; i++) {
		const struct vfiomem_cxl_decoder *d = &device->decoders[i];

		if (!d->committed)
			return -ENOENT;
		if (!d->ways)
			return -EOPNOTSUPP;
		if (__builtin_add_overflow(*dpa, d->skip, dpa))
			return -ENXIO;
		if (i < decoder && __builtin_add_overflow(*dpa, d->size / d->ways, dpa))
			return -ENXIO;
	}
	return 0;
}

int vfiomem_cxl_resolve(const struct vfiomem_cxl_device *device, unsigned int decoder,
			struct vfiomem_range *range)
{
	const struct vfiomem_cxl_decoder *d;
	uint64_t dpa;
	int ret;

	if (!device || !range || decoder >= device->nr_decoders)
		return -EINVAL;
	d = &device->decoders[decoder];
	ret = find_dpa(device, decoder, &dpa);
	if (ret)
		return ret;
	if (d->ways != 1)
		return -EOPNOTSUPP;
	if (!d->size)
		return -ENXIO;
	ret = check_window(device, d->base, d->size);
	for (uint32_t i = 0; i < device->nr_ports && !ret; i++)
		ret = check_port(&device->ports[i], d->base, d->size);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < device->nr_backings; i++) {
		const struct vfiomem_cxl_backing *b = &device->backings[i];

		if (!lies_in(dpa, d->size, b->dpa, b->size))
			continue;
		if (b->dynamic)
			return -EOPNOTSUPP;
		*range = (struct vfiomem_range){
			.base = d->base,
			.size = d->size,
			.type = VFIOMEM_RANGE_DEVICE,
			.host = (char *)b->host + (dpa - b->dpa),
			.attr = b->attr,
		};
		return 0;
	}
	return -ENXIO;
}

static bool shows(const struct vfiomem_cxl_overlay *o, const struct vfiomem_range *range)
{
	return o->base == range->base && o->size == range->size &&
	       o->host == range->host && o->attr.mode == range->attr.mode &&
	       o->attr.max_width == range->attr.max_width &&
	       o->attr.access == range->attr.access;
}

int vfiomem_cxl_apply(struct vfiomem_space *space, const struct vfiomem_cxl_device *device,
		      int32_t priority, struct vfiomem_cxl_overlay *overlays)
{
	struct vfiomem_range range;
	int n = 0, ret;

	if (!space || !device || !overlays)
		return -EINVAL;
	for (uint32_t i = 0; i < device->nr_decoders; i++) {
		struct vfiomem_cxl_overlay *o = &overlays[i];

		if (!o->id || (!vfiomem_cxl_resolve(device, i, &range) && shows(o, &range)))
			continue;
		/* It can only fail where the caller has removed it already. */
		vfiomem_space_remove(space, o->id);
		o->id = 0;
	}
	for (uint32_t i = 0; i < device->nr_decoders; i++) {
		struct vfiomem_cxl_overlay *o = &overlays[i];

		if (!o->id && !vfiomem_cxl_resolve(device, i, &range)) {
			range.priority = priority;
			ret = vfiomem_space_add(space, &range, &o->id);
			if (ret)
				return ret;
			o->base = range.base;
			o->size = range.size;
			o->host = range.host;
			o->attr = range.attr;
		}
		n += o->id != 0;
	}
	return n;
}
