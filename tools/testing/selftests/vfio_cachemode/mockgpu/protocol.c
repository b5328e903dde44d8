// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-user messages, taken apart.
 */
#include <errno.h>
#include <string.h>

#include "protocol.h"

long vu_frame(const void *data, size_t size)
{
	struct vu_header header;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	if (header.size < sizeof(header) || header.size > VU_MAX_MESSAGE)
		return -EPROTO;
	/* The mock sends no commands, so there is nothing to reply to. */
	if ((header.flags & VU_FLAG_TYPE) != VU_TYPE_COMMAND)
		return -EPROTO;
	return header.size;
}

/* Size of the fixed part of a command's payload; -1: no such command. */
static long fixed_size(uint16_t command)
{
	switch (command) {
	case VU_VERSION:
		return sizeof(struct vu_version);
	case VU_DMA_MAP:
		return sizeof(struct vu_dma_map);
	case VU_DMA_UNMAP:
		return sizeof(struct vu_dma_unmap);
	case VU_GET_INFO:
		return sizeof(struct vu_device_info);
	case VU_GET_REGION_INFO:
		return sizeof(struct vu_region_info);
	case VU_GET_IRQ_INFO:
		return sizeof(struct vu_irq_info);
	case VU_SET_IRQS:
		return offsetof(struct vu_set_irqs, count) + sizeof(uint32_t);
	case VU_REGION_READ:
	case VU_REGION_WRITE:
		return sizeof(struct vu_region_access);
	case VU_RESET:
		return 0;
	case VU_REGION_WRITE_MULTI:
		return sizeof(struct vu_write_multi);
	default:
		return -1;
	}
}

static bool tail_agrees(const struct vu_request *req)
{
	switch (req->header.command) {
	case VU_VERSION:
		return !req->tail_size || !req->tail[req->tail_size - 1];
	case VU_SET_IRQS:
		if ((req->set_irqs.flags & VU_IRQ_DATA_MASK) == VU_IRQ_DATA_BOOL)
			return req->tail_size == req->set_irqs.count;
		return !req->tail_size;
	case VU_REGION_READ:
		return !req->tail_size && req->access.count <= VU_MAX_DATA;
	case VU_REGION_WRITE:
		return req->tail_size == req->access.count;
	case VU_REGION_WRITE_MULTI:
		return !(req->tail_size % sizeof(struct vu_one_write)) &&
		       req->tail_size / sizeof(struct vu_one_write) ==
		       req->multi.count;
	default:
		return !req->tail_size;
	}
}

int vu_parse(const void *data, struct vu_request *req)
{
	const uint8_t *payload = (const uint8_t *)data + sizeof(req->header);
	size_t size;
	long fixed;

	memset(req, 0, sizeof(*req));
	memcpy(&req->header, data, sizeof(req->header));
	size = req->header.size - sizeof(req->header);

	fixed = fixed_size(req->header.command);
	if (fixed < 0)
		return -EOPNOTSUPP;
	if (size < (size_t)fixed)
		return -EINVAL;
	memcpy(&req->version, payload, fixed);
	req->tail = payload + fixed;
	req->tail_size = size - fixed;
	return tail_agrees(req) ? 0 : -EINVAL;
}
