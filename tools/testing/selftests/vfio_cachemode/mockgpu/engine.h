/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DMA engine: a block of registers in BAR 0 that copies between guest
 * memory and device memory, then writes a status word to guest memory, then
 * raises an interrupt.
 */
#ifndef MOCKGPU_ENGINE_H
#define MOCKGPU_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

/* Registers, from profile->engine on. */
#define ENGINE_SOURCE		0x00	/* 8 bytes: IOVA, or device memory offset */
#define ENGINE_DESTINATION	0x08	/* 8 bytes: the same */
#define ENGINE_LENGTH		0x10	/* 4 bytes */
#define ENGINE_COMMAND		0x14	/* 4 bytes: a write starts a copy */
#define ENGINE_DONE		0x18	/* 8 bytes: IOVA of the status word; 0: none */
#define ENGINE_VECTOR		0x20	/* 4 bytes: interrupt to raise */
#define ENGINE_STATUS		0x24	/* 4 bytes: enum engine_status */
#define ENGINE_SIZE		0x28

#define ENGINE_COMMAND_START		1
#define ENGINE_COMMAND_FROM_DEVICE	2	/* source is device memory */
#define ENGINE_COMMAND_TO_DEVICE	4	/* destination is */

enum engine_status {
	ENGINE_IDLE,
	ENGINE_BUSY,
	ENGINE_OK,
	ENGINE_FAILED,
};

struct device;

struct engine {
	bool busy;
	uint64_t source;
	uint64_t destination;
	uint64_t left;
	uint32_t command;
	uint64_t rate;		/* bytes a millisecond; 0: no limit */
	uint64_t last_ns;	/* when the last part was copied */
};

/* A write to BAR 0 has been done: was it to the command register? */
void engine_written(struct device *dev, uint64_t offset, uint32_t width);

/* Stop at once, without status or interrupt, as a reset does. */
void engine_stop(struct device *dev);

/* Copy as much as is due. */
void engine_run(struct device *dev, uint64_t now_ns);

/* Tell the guest: the status word first, then the interrupt. */
void engine_notify(struct device *dev, uint32_t status);

#endif /* MOCKGPU_ENGINE_H */
