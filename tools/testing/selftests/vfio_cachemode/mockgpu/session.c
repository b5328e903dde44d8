// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages and their answers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

#define NUM_REGIONS	9	/* those of VFIO: six BARs, ROM, config, VGA */

static const char *const names[] = {
	[FAULT_NONE]		= "none",
	[FAULT_LATE]		= "late",
	[FAULT_SILENT]		= "silent",
	[FAULT_ERROR]		= "error",
	[FAULT_SHORT]		= "short",
	[FAULT_LONG]		= "long",
	[FAULT_CUT]		= "cut",
	[FAULT_COUNT]		= "count",
	[FAULT_DISCONNECT]	= "disconnect",
};

const char *fault_name(enum fault_kind kind)
{
	return names[kind];
}

enum fault_kind fault_by_name(const char *name)
{
	enum fault_kind kind;

	for (kind = FAULT_LATE; kind <= FAULT_DISCONNECT; kind++)
		if (!strcmp(names[kind], name))
			return kind;
	return FAULT_NONE;
}

/* The payload goes behind the header, which session_message() writes. */
static uint8_t *payload(struct reply *reply)
{
	return reply->data + sizeof(struct vu_header);
}

static int put(struct reply *reply, const void *data, size_t size)
{
	memcpy(payload(reply), data, size);
	return size;
}

/* Each returns the size of its payload, or a negative errno. */

static int do_version(struct session *session, const struct vu_request *req,
		      struct reply *reply)
{
	/* All else is as the protocol has it by default. */
	static const char json[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"write_multiple\":true}}";
	const struct vu_version version = { 0, 0 };

	if (session->version_seen || req->version.major)
		return -EINVAL;
	session->version_seen = true;
	put(reply, &version, sizeof(version));
	memcpy(payload(reply) + sizeof(version), json, sizeof(json));
	return sizeof(version) + sizeof(json);
}

static int do_dma_map(struct session *session, const struct vu_request *req,
		      const int *fds, size_t nfds)
{
	const struct vu_dma_map *map = &req->dma_map;

	if (nfds > 1)
		return -EINVAL;
	return dma_map(&session->dev->dma, map->address, map->size,
		       nfds ? fds[0] : -1, map->offset,
		       map->flags & VU_DMA_READABLE,
		       map->flags & VU_DMA_WRITABLE);
}

static int do_dma_unmap(struct session *session, const struct vu_request *req,
			struct reply *reply)
{
	const struct vu_dma_unmap *unmap = &req->dma_unmap;
	int ret = 0;

	if (unmap->flags & VU_DMA_UNMAP_ALL)
		dma_unmap_all(&session->dev->dma);
	else
		ret = dma_unmap(&session->dev->dma, unmap->address,
				unmap->size);
	return ret ? ret : put(reply, unmap, sizeof(*unmap));
}

static int do_info(struct reply *reply)
{
	const struct vu_device_info info = {
		.argsz = sizeof(info),
		.flags = VU_DEVICE_RESET | VU_DEVICE_PCI,
		.num_regions = NUM_REGIONS,
		.num_irqs = IRQ_INDICES,
	};

	return put(reply, &info, sizeof(info));
}

static int do_region_info(struct session *session,
			  const struct vu_request *req, struct reply *reply)
{
	struct vu_region_info info = {
		.argsz = sizeof(info),
		.index = req->region_info.index,
	};

	if (info.index >= NUM_REGIONS ||
	    req->region_info.argsz < sizeof(info))
		return -EINVAL;
	if (info.index < 6)
		info.size = session->dev->bars[info.index].size;
	else if (info.index == MOCKLOG_CONFIG)
		info.size = CONFIG_SIZE;
	if (info.size)
		info.flags = VU_REGION_FLAG_READ | VU_REGION_FLAG_WRITE;
	if (info.index < 6 && session->dev->bars[info.index].mapped) {
		info.flags |= VU_REGION_FLAG_MMAP;
		reply->fd = session->dev->bars[info.index].fd;
	}
	return put(reply, &info, sizeof(info));
}

static int do_irq_info(struct session *session, const struct vu_request *req,
		       struct reply *reply)
{
	struct vu_irq_info info = {
		.argsz = sizeof(info),
		.flags = VU_IRQ_EVENTFD | VU_IRQ_NORESIZE,
		.index = req->irq_info.index,
	};

	if (info.index >= IRQ_INDICES)
		return -EINVAL;
	info.count = session->dev->irqs.count[info.index];
	return put(reply, &info, sizeof(info));
}

static int do_read(struct session *session, const struct vu_request *req,
		   struct reply *reply)
{
	const struct vu_region_access *access = &req->access;
	int ret;

	ret = device_access(session->dev, access->region, access->offset,
			    access->count, payload(reply) + sizeof(*access),
			    false);
	if (ret)
		return ret;
	put(reply, access, sizeof(*access));
	return sizeof(*access) + access->count;
}

static int do_write(struct session *session, const struct vu_request *req,
		    struct reply *reply)
{
	const struct vu_region_access *access = &req->access;
	int ret;

	ret = device_access(session->dev, access->region, access->offset,
			    access->count, (uint8_t *)req->tail, true);
	return ret ? ret : put(reply, access, sizeof(*access));
}

static int do_write_multi(struct session *session,
			  const struct vu_request *req, struct reply *reply)
{
	struct vu_one_write one;
	uint64_t i;
	int ret;

	for (i = 0; i < req->multi.count; i++) {
		memcpy(&one, req->tail + i * sizeof(one), sizeof(one));
		if (one.count > sizeof(one.data))
			return -EINVAL;
		ret = device_access(session->dev, one.region, one.offset,
				    one.count, one.data, true);
		if (ret)
			return ret;
	}
	return put(reply, &req->multi, sizeof(req->multi));
}

static int dispatch(struct session *session, const struct vu_request *req,
		    int *fds, size_t nfds, struct reply *reply)
{
	if (!session->version_seen && req->header.command != VU_VERSION)
		return -EINVAL;

	switch (req->header.command) {
	case VU_VERSION:
		return do_version(session, req, reply);
	case VU_DMA_MAP:
		return do_dma_map(session, req, fds, nfds);
	case VU_DMA_UNMAP:
		return do_dma_unmap(session, req, reply);
	case VU_GET_INFO:
		return do_info(reply);
	case VU_GET_REGION_INFO:
		return do_region_info(session, req, reply);
	case VU_GET_IRQ_INFO:
		return do_irq_info(session, req, reply);
	case VU_SET_IRQS:
		return irq_set(&session->dev->irqs, &req->set_irqs, req->tail,
			       fds, nfds);
	case VU_REGION_READ:
		return do_read(session, req, reply);
	case VU_REGION_WRITE:
		return do_write(session, req, reply);
	case VU_REGION_WRITE_MULTI:
		return do_write_multi(session, req, reply);
	case VU_RESET:
		device_reset(session->dev, MOCKLOG_RESET_BUS);
		return 0;
	}
	return -EOPNOTSUPP;
}

static void write_header(struct reply *reply, const struct vu_request *req,
			 int result)
{
	const struct vu_header header = {
		.id = req->header.id,
		.command = req->header.command,
		.size = sizeof(header) + (result > 0 ? result : 0),
		.flags = VU_TYPE_REPLY | (result < 0 ? VU_FLAG_ERROR : 0),
		.error = result < 0 ? -result : 0,
	};

	memcpy(reply->data, &header, sizeof(header));
	reply->size = header.size;
}

static void resize(struct reply *reply, uint32_t size)
{
	memcpy(reply->data + offsetof(struct vu_header, size), &size,
	       sizeof(size));
	reply->size = size;
}

/* Spoil the reply to an access, if that is wanted. */
static void inject(struct session *session, const struct vu_request *req,
		   struct reply *reply)
{
	const struct vu_region_access *access = &req->access;
	const uint32_t argument = session->fault_argument;
	struct vu_header header;
	uint32_t count;

	if (!session->fault_left ||
	    (req->header.command != VU_REGION_READ &&
	     req->header.command != VU_REGION_WRITE) ||
	    !device_spoilable(session->dev, access->region, access->offset))
		return;
	session->fault_left--;
	log_add(session->dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_FAULT, .bar = access->region,
		.offset = access->offset, .width = access->count,
		.data = argument, .rule = session->fault,
	});

	memcpy(&header, reply->data, sizeof(header));
	switch (session->fault) {
	case FAULT_LATE:
		reply->delay_ms = argument;
		break;
	case FAULT_SILENT:
		reply->size = 0;
		break;
	case FAULT_ERROR:
		write_header(reply, req, -(int)(argument & 0xfff));
		break;
	case FAULT_SHORT:
		if (header.size - sizeof(header) >= argument)
			resize(reply, header.size - argument);
		break;
	case FAULT_LONG:
		memset(reply->data + header.size, 0xa5, argument);
		resize(reply, header.size + argument);
		break;
	case FAULT_CUT:
		if (reply->size > argument)
			reply->size -= argument;
		break;
	case FAULT_COUNT:
		if (header.size >= sizeof(header) + sizeof(*access)) {
			count = access->count + argument;
			memcpy(payload(reply) +
			       offsetof(struct vu_region_access, count),
			       &count, sizeof(count));
		}
		break;
	case FAULT_DISCONNECT:
		reply->size = 0;
		reply->hang_up = true;
		break;
	case FAULT_NONE:
		break;
	}
}

void session_message(struct session *session, const void *message, int *fds,
		     size_t nfds, struct reply *reply)
{
	struct vu_request req;
	int result;
	size_t i;

	reply->size = 0;
	reply->fd = -1;
	reply->delay_ms = 0;
	reply->hang_up = false;

	result = vu_parse(message, &req);
	if (!result)
		result = dispatch(session, &req, fds, nfds, reply);
	for (i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (result < 0)
		reply->fd = -1;
	write_header(reply, &req, result);
	inject(session, &req, reply);
	if (req.header.flags & VU_FLAG_NO_REPLY)
		reply->size = 0;
}
