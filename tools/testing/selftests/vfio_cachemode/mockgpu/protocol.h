/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-user messages: their layout on the wire, parsed with every length
 * checked.  The protocol is described in QEMU's docs/interop/vfio-user.rst.
 */
#ifndef MOCKGPU_PROTOCOL_H
#define MOCKGPU_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vu_command {
	VU_VERSION		= 1,
	VU_DMA_MAP		= 2,
	VU_DMA_UNMAP		= 3,
	VU_GET_INFO		= 4,
	VU_GET_REGION_INFO	= 5,
	VU_GET_IRQ_INFO		= 7,
	VU_SET_IRQS		= 8,
	VU_REGION_READ		= 9,
	VU_REGION_WRITE		= 10,
	VU_RESET		= 13,
	VU_REGION_WRITE_MULTI	= 15,
};

#define VU_FLAG_TYPE		0xf
#define VU_TYPE_COMMAND		0x0
#define VU_TYPE_REPLY		0x1
#define VU_FLAG_NO_REPLY	0x10
#define VU_FLAG_ERROR		0x20

struct vu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size;		/* of the whole message */
	uint32_t flags;
	uint32_t error;
};

struct vu_version {
	uint16_t major;
	uint16_t minor;
	/* then optional JSON, ending in a NUL */
};

#define VU_DMA_READABLE		0x1
#define VU_DMA_WRITABLE		0x2

struct vu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};

#define VU_DMA_UNMAP_ALL	0x2

struct vu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};

#define VU_DEVICE_RESET		0x1
#define VU_DEVICE_PCI		0x2

struct vu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

#define VU_REGION_FLAG_READ	0x1
#define VU_REGION_FLAG_WRITE	0x2
#define VU_REGION_FLAG_MMAP	0x4

struct vu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

#define VU_IRQ_EVENTFD		0x1
#define VU_IRQ_MASKABLE		0x2
#define VU_IRQ_NORESIZE		0x8

struct vu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

#define VU_IRQ_DATA_NONE	0x1
#define VU_IRQ_DATA_BOOL	0x2
#define VU_IRQ_DATA_EVENTFD	0x4
#define VU_IRQ_DATA_MASK	0x7
#define VU_IRQ_ACTION_MASK	0x8
#define VU_IRQ_ACTION_UNMASK	0x10
#define VU_IRQ_ACTION_TRIGGER	0x20

struct vu_set_irqs {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
	/* then count bytes with VU_IRQ_DATA_BOOL */
};

struct vu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	/* then count bytes of data in a write, and in the reply to a read */
};

struct vu_write_multi {
	uint64_t count;
	/* then count times struct vu_one_write */
};

struct vu_one_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[8];
};

/* The most data that one access may carry: the protocol's default. */
#define VU_MAX_DATA	(1U << 20)
#define VU_MAX_MESSAGE	(sizeof(struct vu_header) + \
			 sizeof(struct vu_region_access) + VU_MAX_DATA)
#define VU_MAX_FDS	16

/*
 * struct vu_request - one parsed command
 *
 * @header: as received
 * @tail: what follows the fixed part; its length agrees with the fixed part
 * @tail_size: bytes
 */
struct vu_request {
	struct vu_header header;
	union {
		struct vu_version version;
		struct vu_dma_map dma_map;
		struct vu_dma_unmap dma_unmap;
		struct vu_device_info info;
		struct vu_region_info region_info;
		struct vu_irq_info irq_info;
		struct vu_set_irqs set_irqs;
		struct vu_region_access access;
		struct vu_write_multi multi;
	};
	const uint8_t *tail;
	size_t tail_size;
};

/*
 * vu_frame - how long is the message that starts here?
 *
 * Return: its length, which may be more than @size; 0 if @size is too short to
 * say; -EPROTO if the stream cannot be followed any more.
 */
long vu_frame(const void *data, size_t size);

/*
 * vu_parse - check and take apart a message
 *
 * @data: a whole message, of the length that vu_frame() told
 *
 * Return: 0, -EINVAL if the length or a field is wrong, -EOPNOTSUPP for an
 * unknown command.  @req->header is valid in every case.
 */
int vu_parse(const void *data, struct vu_request *req);

#endif /* MOCKGPU_PROTOCOL_H */
