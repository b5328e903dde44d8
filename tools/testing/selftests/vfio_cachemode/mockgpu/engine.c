// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA engine.
 */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "engine.h"

#define ENGINE_PART	65536	/* bytes copied before looking at messages again */

static uint8_t *registers(struct device *dev)
{
	return dev->bars[0].memory + dev->profile->engine;
}

static uint64_t get(struct device *dev, unsigned int offset, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, registers(dev) + offset, size);
	return value;
}

static void set_status(struct device *dev, uint32_t status)
{
	memcpy(registers(dev) + ENGINE_STATUS, &status, sizeof(status));
}

void engine_notify(struct device *dev, uint32_t status)
{
	uint64_t done = get(dev, ENGINE_DONE, 8);
	uint32_t vector = get(dev, ENGINE_VECTOR, 4);
	bool told;

	if (done) {
		int ret = dma_write(&dev->dma, done, &status, sizeof(status));

		log_add(dev->log, (struct mocklog_record) {
			.kind = ret ? MOCKLOG_DMA_ERROR : MOCKLOG_DMA_WRITE,
			.offset = done, .data = sizeof(status),
		});
	}
	told = irq_signal(&dev->irqs, vector);
	log_add(dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_IRQ, .data = vector, .offset = told,
	});
}

static void finish(struct device *dev, uint32_t status)
{
	dev->engine.busy = false;
	set_status(dev, status);
	engine_notify(dev, status);
}

/* The memory that copies mean by device memory, and its size. */
static uint8_t *device_memory(struct device *dev, uint64_t *size)
{
	struct bar *bar = &dev->bars[0];
	size_t i;

	for (i = 0; i < 6; i++)
		if (dev->bars[i].memory && dev->bars[i].mapped)
			bar = &dev->bars[i];
	*size = bar->size;
	return bar->memory;
}

static int copy_part(struct device *dev, size_t size)
{
	static uint8_t buffer[ENGINE_PART];
	struct engine *e = &dev->engine;
	uint64_t memory_size;
	uint8_t *memory = device_memory(dev, &memory_size);
	int ret = 0;

	if (!(e->command & ENGINE_COMMAND_FROM_DEVICE)) {
		ret = dma_read(&dev->dma, e->source, buffer, size);
		log_add(dev->log, (struct mocklog_record) {
			.kind = ret ? MOCKLOG_DMA_ERROR : MOCKLOG_DMA_READ,
			.offset = e->source, .data = size,
		});
	} else if (e->source <= memory_size && size <= memory_size - e->source) {
		memcpy(buffer, memory + e->source, size);
	} else {
		ret = -EFAULT;
	}
	if (ret)
		return ret;

	if (!(e->command & ENGINE_COMMAND_TO_DEVICE)) {
		ret = dma_write(&dev->dma, e->destination, buffer, size);
		log_add(dev->log, (struct mocklog_record) {
			.kind = ret ? MOCKLOG_DMA_ERROR : MOCKLOG_DMA_WRITE,
			.offset = e->destination, .data = size,
		});
	} else if (e->destination <= memory_size &&
		   size <= memory_size - e->destination) {
		memcpy(memory + e->destination, buffer, size);
	} else {
		ret = -EFAULT;
	}
	return ret;
}

void engine_run(struct device *dev, uint64_t now_ns)
{
	struct engine *e = &dev->engine;
	uint64_t size = ENGINE_PART;

	if (!e->busy)
		return;
	if (e->rate) {
		uint64_t ms = (now_ns - e->last_ns) / 1000000;

		e->last_ns += ms * 1000000;
		if (ms * e->rate < size)
			size = ms * e->rate;
	}
	if (size > e->left)
		size = e->left;
	if (size && copy_part(dev, size)) {
		finish(dev, ENGINE_FAILED);
		return;
	}
	e->source += size;
	e->destination += size;
	e->left -= size;
	if (!e->left)
		finish(dev, ENGINE_OK);
}

void engine_written(struct device *dev, uint64_t offset, uint32_t width)
{
	const uint64_t command = dev->profile->engine + ENGINE_COMMAND;
	struct engine *e = &dev->engine;

	if (!dev->profile->engine || offset > command ||
	    offset + width < command + 4 || e->busy)
		return;
	e->command = get(dev, ENGINE_COMMAND, 4);
	if (!(e->command & ENGINE_COMMAND_START))
		return;
	e->source = get(dev, ENGINE_SOURCE, 8);
	e->destination = get(dev, ENGINE_DESTINATION, 8);
	e->left = get(dev, ENGINE_LENGTH, 4);
	e->last_ns = clock_ns();
	e->busy = true;
	set_status(dev, ENGINE_BUSY);
}

void engine_stop(struct device *dev)
{
	dev->engine.busy = false;
	if (dev->profile->engine)
		memset(registers(dev), 0, ENGINE_SIZE);
}
