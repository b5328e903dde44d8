// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer: any attributes, sizes, places and orders of a copy, a move and a
 * fill.  A call either does what memmove() and memset() do, or fails and
 * touches nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "vfiomem.h"

#define SIZE	8192

struct input {
	struct vfiomem_attr dst_attr, src_attr;
	uint16_t dst, src, n, scratch;
	uint32_t order;
	uint8_t what;
};

static uint8_t buffer[SIZE + 64], want[SIZE + 64], scratch[65536];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int filled;
	struct input in;
	size_t i, n, dst, src;
	int ret;

	if (size < sizeof(in))
		return -1;
	memcpy(&in, data, sizeof(in));
	if (!filled++)
		for (i = 0; i < sizeof(buffer); i++)
			buffer[i] = i * 31 + (i >> 8);
	n = in.n % (SIZE / 2);
	dst = in.dst % (SIZE - n);
	src = in.src % (SIZE - n);
	memcpy(want, buffer, sizeof(want));
	switch (in.what % 3) {
	case 0:
		ret = vfiomem_move(in.dst_attr, buffer + dst, in.src_attr, buffer + src, n,
				   in.order, in.scratch ? scratch : NULL, in.scratch);
		if (!ret)
			memmove(want + dst, want + src, n);
		break;
	case 1:
		if (dst < src + n && src < dst + n)
			return -1;
		ret = vfiomem_copy(in.dst_attr, buffer + dst, in.src_attr, buffer + src, n,
				   in.order);
		if (!ret)
			memcpy(want + dst, want + src, n);
		break;
	default:
		ret = vfiomem_fill(in.dst_attr, buffer + dst, in.src, n, in.order);
		if (!ret)
			memset(want + dst, (uint8_t)in.src, n);
	}
	if (ret > 0 || memcmp(want, buffer, sizeof(want)))
		abort();
	return 0;
}
