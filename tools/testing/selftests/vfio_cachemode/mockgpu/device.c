// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"

#define CAP_PM		0x40
#define CAP_EXPRESS	0x50
#define CAP_MSI		0x90
#define CAP_MSIX	0xb0
#define CAP_AER		0x100
#define DVSEC_NVIDIA	0x150
#define DVSEC_CXL	0x160

#define NVIDIA_DVSEC_ID		3
#define NVIDIA_DVSEC_FLAGS	0xa	/* bit 0: MIG works with cached memory */
#define CXL_VENDOR		0x1e98
#define CXL_DVSEC_ID		0
#define CXL_DVSEC_CAPABILITY	0xa
#define CXL_DVSEC_RANGE1_HIGH	0x18
#define CXL_DVSEC_RANGE1_LOW	0x1c
#define CXL_DVSEC_LENGTH	0x38
#define CXL_MEMORY_VALID	0x1
#define CXL_MEMORY_ACTIVE	0x2
#define CXL_ACTIVE_TIMEOUT	(2 << 13)	/* 16 seconds */

/* PCI Express 6.0, 7.8.4.4: the errors that are fatal by default. */
#define AER_FATAL		0x00462030

static void put8(struct device *dev, unsigned int at, uint8_t value)
{
	dev->config[at] = value;
}

static void put16(struct device *dev, unsigned int at, uint16_t value)
{
	value = htole16(value);
	memcpy(dev->config + at, &value, sizeof(value));
}

static void put32(struct device *dev, unsigned int at, uint32_t value)
{
	value = htole32(value);
	memcpy(dev->config + at, &value, sizeof(value));
}

static void writable(struct device *dev, unsigned int at, uint32_t mask,
		     size_t size)
{
	mask = htole32(mask);
	memcpy(dev->writable + at, &mask, size);
}

static void config_bars(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		const struct profile_bar *bar = &dev->profile->bars[i];
		const unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t low = PCI_BASE_ADDRESS_SPACE_MEMORY;
		const uint64_t mask = ~(bar->size - 1);

		if (!bar->size)
			continue;
		if (bar->flags & BAR_64)
			low |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (bar->flags & BAR_PREFETCH)
			low |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		put32(dev, at, low);
		writable(dev, at, mask, 4);
		if (bar->flags & BAR_64)
			writable(dev, at + 4, mask >> 32, 4);
	}
}

/* Link a capability into the list. */
static void add_capability(struct device *dev, unsigned int *last,
			   unsigned int at, uint8_t id)
{
	put8(dev, at, id);
	put8(dev, *last, at);
	*last = at + PCI_CAP_LIST_NEXT;
}

static void config_capabilities(struct device *dev)
{
	const struct profile *p = dev->profile;
	unsigned int last = PCI_CAPABILITY_LIST;

	add_capability(dev, &last, CAP_PM, PCI_CAP_ID_PM);
	put16(dev, CAP_PM + PCI_PM_PMC, 3);
	put16(dev, CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	writable(dev, CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, 2);

	add_capability(dev, &last, CAP_EXPRESS, PCI_CAP_ID_EXP);
	put16(dev, CAP_EXPRESS + PCI_EXP_FLAGS, 2);
	put32(dev, CAP_EXPRESS + PCI_EXP_DEVCAP,
	      PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER);
	writable(dev, CAP_EXPRESS + PCI_EXP_DEVCTL,
		 0xffff & ~PCI_EXP_DEVCTL_BCR_FLR, 2);

	if (p->msi_vectors) {
		add_capability(dev, &last, CAP_MSI, PCI_CAP_ID_MSI);
		put16(dev, CAP_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT |
		      __builtin_ctz(p->msi_vectors) << 1);
		writable(dev, CAP_MSI + PCI_MSI_FLAGS,
			 PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 2);
		writable(dev, CAP_MSI + PCI_MSI_ADDRESS_LO, ~3U, 4);
		writable(dev, CAP_MSI + PCI_MSI_ADDRESS_HI, ~0U, 4);
		writable(dev, CAP_MSI + PCI_MSI_DATA_64, 0xffff, 2);
	}
	if (p->msix.vectors) {
		add_capability(dev, &last, CAP_MSIX, PCI_CAP_ID_MSIX);
		put16(dev, CAP_MSIX + PCI_MSIX_FLAGS, p->msix.vectors - 1);
		writable(dev, CAP_MSIX + PCI_MSIX_FLAGS,
			 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
		put32(dev, CAP_MSIX + PCI_MSIX_TABLE,
		      p->msix.table | p->msix.bar);
		put32(dev, CAP_MSIX + PCI_MSIX_PBA, p->msix.pba | p->msix.bar);
	}
}

/* Link an extended capability into the list, which begins at 0x100. */
static void add_extended(struct device *dev, unsigned int *last,
			 unsigned int at, uint16_t id, unsigned int version)
{
	put32(dev, at, id | version << 16);
	if (*last)
		put16(dev, *last + 2, dev->config[*last + 2] | at << 4);
	*last = at;
}

static void add_dvsec(struct device *dev, unsigned int *last, unsigned int at,
		      uint16_t vendor, uint16_t id, uint16_t length)
{
	add_extended(dev, last, at, PCI_EXT_CAP_ID_DVSEC, 1);
	put32(dev, at + PCI_DVSEC_HEADER1, vendor | (uint32_t)length << 20);
	put16(dev, at + PCI_DVSEC_HEADER2, id);
}

static void config_extended(struct device *dev)
{
	unsigned int last = 0;

	/* It detects no error itself: a guest's kernel can be made to see one. */
	add_extended(dev, &last, CAP_AER, PCI_EXT_CAP_ID_ERR, 2);
	writable(dev, CAP_AER + PCI_ERR_UNCOR_MASK, ~0U, 4);
	put32(dev, CAP_AER + PCI_ERR_UNCOR_SEVER, AER_FATAL);
	writable(dev, CAP_AER + PCI_ERR_UNCOR_SEVER, ~0U, 4);
	writable(dev, CAP_AER + PCI_ERR_COR_MASK, ~0U, 4);

	if (dev->profile->mig == MIG_NO_DVSEC)
		return;
	add_dvsec(dev, &last, DVSEC_NVIDIA, dev->profile->vendor,
		  NVIDIA_DVSEC_ID, 0x10);
	put16(dev, DVSEC_NVIDIA + NVIDIA_DVSEC_FLAGS,
	      dev->profile->mig == MIG_FIXED);
	if (dev->profile->ready != READY_CXL_DVSEC)
		return;
	add_dvsec(dev, &last, DVSEC_CXL, CXL_VENDOR, CXL_DVSEC_ID,
		  CXL_DVSEC_LENGTH);
	/* Memory, with one range. */
	put16(dev, DVSEC_CXL + CXL_DVSEC_CAPABILITY, 1 << 2 | 1 << 4);
}

/* The bits of configuration space that follow readiness. */
static void config_ready(struct device *dev)
{
	if (dev->profile->ready != READY_CXL_DVSEC)
		return;
	put32(dev, DVSEC_CXL + CXL_DVSEC_RANGE1_LOW, CXL_ACTIVE_TIMEOUT |
	      (dev->ready[READY_LINK].now ? CXL_MEMORY_VALID : 0) |
	      (dev->ready[READY_MEMORY].now ? CXL_MEMORY_ACTIVE : 0));
}

static void config_init(struct device *dev)
{
	const struct profile *p = dev->profile;

	put16(dev, PCI_VENDOR_ID, p->vendor);
	put16(dev, PCI_DEVICE_ID, p->device);
	put32(dev, PCI_CLASS_REVISION, p->class << 8 | 0xa1);
	put16(dev, PCI_SUBSYSTEM_VENDOR_ID, p->vendor);
	put16(dev, PCI_SUBSYSTEM_ID, p->device);
	put16(dev, PCI_STATUS, PCI_STATUS_CAP_LIST);
	writable(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		 PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		 PCI_COMMAND_INTX_DISABLE, 2);
	writable(dev, PCI_CACHE_LINE_SIZE, 0xff, 1);
	writable(dev, PCI_INTERRUPT_LINE, 0xff, 1);
	config_bars(dev);
	config_capabilities(dev);
	config_extended(dev);
}

static int bar_init(struct bar *bar, const struct profile_bar *what,
		    const char *dir, unsigned int index)
{
	char path[4096];

	bar->size = what->size;
	bar->mapped = what->flags & BAR_MAPPED;
	if (dir) {
		snprintf(path, sizeof(path), "%s/bar%u", dir, index);
		bar->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
			       0600);
	} else {
		bar->fd = memfd_create("bar", MFD_CLOEXEC);
	}
	if (bar->fd < 0 || ftruncate(bar->fd, bar->size))
		return -errno;
	bar->memory = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   bar->fd, 0);
	if (bar->memory == MAP_FAILED) {
		bar->memory = NULL;
		return -errno;
	}
	return 0;
}

int device_init(struct device *dev, const struct profile *profile,
		struct log *log, const char *bar_dir)
{
	unsigned int i;
	int ret = 0;

	memset(dev, 0, sizeof(*dev));
	dev->profile = profile;
	dev->log = log;
	for (i = 0; i < 6; i++)
		dev->bars[i].fd = -1;
	irq_init(&dev->irqs, profile);
	config_init(dev);
	for (i = 0; i < 6 && !ret; i++)
		if (profile->bars[i].size)
			ret = bar_init(&dev->bars[i], &profile->bars[i],
				       bar_dir, i);
	for (i = 0; i < PROFILE_RULES && !ret; i++)
		if (profile->rules[i].kind)
			ret = rules_add(&dev->rules, &profile->rules[i]);
	if (ret)
		device_free(dev);
	else
		device_run(dev);	/* ready from the start */
	return ret;
}

void device_free(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		if (dev->bars[i].memory)
			munmap(dev->bars[i].memory, dev->bars[i].size);
		if (dev->bars[i].fd >= 0)
			close(dev->bars[i].fd);
	}
	rules_free(&dev->rules);
	device_disconnect(dev);
}

void device_disconnect(struct device *dev)
{
	dma_unmap_all(&dev->dma);
	irq_release_all(&dev->irqs);
}

void device_set_ready(struct device *dev, enum ready_index index,
		      uint64_t after_ns)
{
	struct ready *ready = &dev->ready[index];

	ready->at_ns = after_ns == NEVER ? NEVER : clock_ns() + after_ns;
	device_run(dev);
}

uint64_t device_run(struct device *dev)
{
	uint64_t now = clock_ns(), next = NEVER;
	unsigned int i;

	for (i = 0; i < READY_COUNT; i++) {
		struct ready *ready = &dev->ready[i];
		bool is = ready->at_ns <= now;

		if (is != ready->now) {
			ready->now = is;
			log_add(dev->log, (struct mocklog_record) {
				.kind = MOCKLOG_READY, .data = is, .offset = i,
			});
		}
		if (!is && ready->at_ns != NEVER && ready->at_ns - now < next)
			next = ready->at_ns - now;
	}
	config_ready(dev);

	engine_run(dev, now);
	if (dev->engine.busy) {
		uint64_t engine = dev->engine.rate ? 1000000 : 0;

		if (engine < next)
			next = engine;
	}
	return next;
}

void device_reset(struct device *dev, enum mocklog_reset kind)
{
	unsigned int i;

	log_add(dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_RESET, .data = kind,
	});
	engine_stop(dev);
	memset(dev->config, 0, WINDOW);
	config_init(dev);
	for (i = 0; i < READY_COUNT; i++)
		device_set_ready(dev, i, dev->ready[i].after_reset_ns);
}

static uint64_t first_bytes(const uint8_t *data, uint32_t width)
{
	uint64_t value = 0;

	memcpy(&value, data, width < sizeof(value) ? width : sizeof(value));
	return le64toh(value);
}

static void log_access(struct device *dev, enum mocklog_kind kind,
		       const struct bar_access *access, const uint8_t *data,
		       enum rule_kind rule)
{
	log_add(dev->log, (struct mocklog_record) {
		.kind = kind,
		.bar = access->bar,
		.offset = access->offset,
		.width = access->width,
		.data = first_bytes(data, access->width),
		.rule = rule,
	});
}

static void window_written(struct device *dev, uint64_t offset)
{
	char *line = (char *)dev->config + WINDOW_COMMAND;
	char *reply = (char *)dev->config + WINDOW_REPLY;
	uint64_t mark;
	int ret;

	if (offset == WINDOW_MARK) {
		memcpy(&mark, dev->config + WINDOW_MARK, sizeof(mark));
		rules_new_window(&dev->rules);
		log_add(dev->log, (struct mocklog_record) {
			.kind = MOCKLOG_MARK, .data = le64toh(mark),
		});
	} else if (offset == WINDOW_GO && dev->command) {
		line[WINDOW_COMMAND_SIZE - 1] = 0;
		memset(reply, 0, WINDOW_REPLY_SIZE);
		ret = dev->command(dev->context, line, reply,
				   WINDOW_REPLY_SIZE);
		put32(dev, WINDOW_RESULT, -ret);
	}
}

static void config_access(struct device *dev, uint64_t offset, uint32_t width,
			  uint8_t *data, bool write)
{
	const struct bar_access access = {
		MOCKLOG_CONFIG, write, offset, width
	};
	uint32_t i;

	if (offset >= WINDOW) {
		if (!write) {
			memcpy(data, dev->config + offset, width);
			return;
		}
		memcpy(dev->config + offset, data, width);
		window_written(dev, offset);
		return;
	}
	if (!write)
		memcpy(data, dev->config + offset, width);
	log_access(dev, write ? MOCKLOG_WRITE : MOCKLOG_READ, &access, data, 0);
	if (!write)
		return;
	for (i = 0; i < width; i++) {
		uint8_t mask = dev->writable[offset + i];

		dev->config[offset + i] &= ~mask;
		dev->config[offset + i] |= data[i] & mask;
	}
	i = CAP_EXPRESS + PCI_EXP_DEVCTL + 1;
	if (offset <= i && offset + width > i &&
	    data[i - offset] & (PCI_EXP_DEVCTL_BCR_FLR >> 8))
		device_reset(dev, MOCKLOG_RESET_FLR);
}

/* What a read of a readiness register brings, whatever was written there. */
static void ready_registers(struct device *dev)
{
	uint32_t value;

	if (dev->profile->ready != READY_REGISTERS)
		return;
	value = htole32(dev->ready[READY_LINK].now ? READY_VALUE : 0);
	memcpy(dev->bars[0].memory + READY_C2C_LINK, &value, sizeof(value));
	value = htole32(dev->ready[READY_MEMORY].now ? READY_VALUE : 0);
	memcpy(dev->bars[0].memory + READY_TRAINING, &value, sizeof(value));
}

static void bar_access(struct device *dev, const struct bar_access *access,
		       uint8_t *data)
{
	uint8_t *memory = dev->bars[access->bar].memory;
	enum rule_kind broken[RULES_MAX];
	size_t i, n;

	if (access->bar == 0)
		ready_registers(dev);
	if (access->write)
		memcpy(memory + access->offset, data, access->width);
	else
		memcpy(data, memory + access->offset, access->width);
	log_access(dev, access->write ? MOCKLOG_WRITE : MOCKLOG_READ, access,
		   data, 0);

	n = rules_check(&dev->rules, access, memory, broken);
	for (i = 0; i < n; i++)
		log_access(dev, MOCKLOG_VIOLATION, access, data, broken[i]);
	dev->violations += n;

	if (!access->write)
		return;
	if (rules_doorbell(&dev->rules, access))
		engine_notify(dev, n ? UINT32_MAX : first_bytes(data, 4));
	if (access->bar == 0)
		engine_written(dev, access->offset, access->width);
}

bool device_spoilable(const struct device *dev, uint32_t region,
		      uint64_t offset)
{
	if (region == MOCKLOG_CONFIG)
		return dev->profile->ready == READY_CXL_DVSEC &&
		       offset == DVSEC_CXL + CXL_DVSEC_RANGE1_LOW;
	return region < 6;
}

int device_access(struct device *dev, uint32_t region, uint64_t offset,
		  uint32_t width, uint8_t *data, bool write)
{
	const struct bar_access access = { region, write, offset, width };
	const uint64_t size = region == MOCKLOG_CONFIG ? CONFIG_SIZE :
			      region < 6 ? dev->bars[region].size : 0;

	if (!width || offset > size || width > size - offset)
		return -EINVAL;
	device_run(dev);
	if (region == MOCKLOG_CONFIG)
		config_access(dev, offset, width, data, write);
	else
		bar_access(dev, &access, data);
	return 0;
}
