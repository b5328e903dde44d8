/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device: configuration space, BARs, readiness and resets.
 */
#ifndef MOCKGPU_DEVICE_H
#define MOCKGPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dma.h"
#include "engine.h"
#include "irq.h"
#include "log.h"
#include "profile.h"
#include "rules.h"

#define CONFIG_SIZE	4096

/*
 * The window: a part of configuration space, in no capability, through which
 * a program in the guest speaks to the mock.  It is never logged.
 */
#define WINDOW			0xe00
#define WINDOW_MARK		0xe00	/* write 4 bytes: MARK, data below << 32 | this */
#define WINDOW_MARK_HIGH	0xe04
#define WINDOW_GO		0xe08	/* write 4 bytes: do the command */
#define WINDOW_RESULT		0xe0c	/* 0 or an errno */
#define WINDOW_COMMAND		0xe10	/* text with a NUL */
#define WINDOW_COMMAND_SIZE	0xf0
#define WINDOW_REPLY		0xf00	/* text with a NUL */
#define WINDOW_REPLY_SIZE	0x100

/* Where a coherent part says in BAR 0 that it is ready, by reading 0xff. */
#define READY_C2C_LINK	0x1498
#define READY_TRAINING	0x200bc
#define READY_VALUE	0xff

#define NEVER		UINT64_MAX

/* One of the two things that make a part ready. */
struct ready {
	uint64_t at_ns;		/* when it will be; NEVER */
	uint64_t after_reset_ns;/* how long after a reset; NEVER */
	bool now;
};

enum ready_index {
	READY_LINK,		/* C2C link, or CXL memory info valid */
	READY_MEMORY,		/* memory training, or CXL memory active */
	READY_COUNT,
};

struct bar {
	uint8_t *memory;	/* NULL: no BAR */
	uint64_t size;
	int fd;
	bool mapped;
};

struct device {
	const struct profile *profile;
	struct log *log;
	uint8_t config[CONFIG_SIZE];
	uint8_t writable[CONFIG_SIZE];	/* mask */
	struct bar bars[6];
	struct ready ready[READY_COUNT];
	struct rules rules;
	uint64_t violations;
	struct dma dma;
	struct irqs irqs;
	struct engine engine;
	/* Does what the window is told; returns 0 or a negative errno. */
	int (*command)(void *context, const char *line, char *reply,
		       size_t size);
	void *context;
};

/*
 * @bar_dir: where the files of the BARs' memory are made, as bar0, bar2...,
 * for others to map; NULL: they have no name.
 * Return: 0 or a negative errno.
 */
int device_init(struct device *dev, const struct profile *profile,
		struct log *log, const char *bar_dir);
void device_free(struct device *dev);

/*
 * One access to a BAR (@region 0 to 5) or to configuration space (7).
 * Return: 0, or -EINVAL if there is nothing there; that is not logged.
 */
int device_access(struct device *dev, uint32_t region, uint64_t offset,
		  uint32_t width, uint8_t *data, bool write);

/*
 * May a fault on command spoil the answer to this access?  To a BAR, and where
 * a CXL part says whether its memory is ready.
 */
bool device_spoilable(const struct device *dev, uint32_t region,
		      uint64_t offset);

void device_reset(struct device *dev, enum mocklog_reset kind);

/* The client has gone: forget its memory and its interrupts. */
void device_disconnect(struct device *dev);

/*
 * Do what time has brought.
 * Return: nanoseconds until there is more to do; NEVER.
 */
uint64_t device_run(struct device *dev);

/* Set when a part is ready, from now on; both are in ns, or NEVER. */
void device_set_ready(struct device *dev, enum ready_index index,
		      uint64_t after_ns);

#endif /* MOCKGPU_DEVICE_H */
