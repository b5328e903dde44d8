// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space: the emulated 64-bit BARs against a model, under accesses
 * of any offset and width, and the physical BARs that they shadow.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/pci_regs.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define FIRST	PCI_BASE_ADDRESS_0
#define BEHIND	(PCI_BASE_ADDRESS_5 + 4)
#define BYTES	(BEHIND - FIRST)

#define FLAGS64	(PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)

/* The BAR registers: what was written, what can be written, what is fixed. */
struct model {
	unsigned char value[BYTES];
	unsigned char writable[BYTES];
	unsigned char fixed[BYTES];
};

FIXTURE(config)
{
	struct vfio_device device;
	struct model model;
	off_t base;
};

static void put64(unsigned char *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static void put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

/* A region's size says its register's writable bits. */
static void model_init(int fd, struct model *model)
{
	struct vfio_region_info *info;
	unsigned char *writable, *fixed;
	unsigned int index;
	char path[80], line[80];
	unsigned long long flags;
	FILE *f;

	memset(model, 0, sizeof(*model));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 gpu_bdf());
	f = fopen(path, "re");
	if (!f)
		fatal("%s", path);
	for (index = 0; index < VFIO_PCI_ROM_REGION_INDEX; index++) {
		if (!fgets(line, sizeof(line), f) ||
		    sscanf(line, "%*x %*x %llx", &flags) != 1)
			fatal("%s: bad line", path);
		info = region_info(fd, index);
		writable = model->writable + index * 4;
		fixed = model->fixed + index * 4;
		if (!info->size)
			; /* no such BAR, or the upper half of one */
		else if (index >= 2) {
			put64(writable, -info->size);
			put64(fixed, FLAGS64);
		} else {
			put32(writable, -info->size);
			put32(fixed, flags & 0xf);
		}
		free(info);
	}
	fclose(f);
}

static void model_write(struct model *model, unsigned int where,
			const unsigned char *bytes, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (where + i >= FIRST && where + i < BEHIND)
			model->value[where + i - FIRST] =
				bytes[i] & model->writable[where + i - FIRST];
}

static unsigned char model_byte(const struct model *model, unsigned int where)
{
	return model->value[where - FIRST] | model->fixed[where - FIRST];
}

FIXTURE_SETUP(config)
{
	struct vfio_region_info *info;

	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	info = region_info(self->device.fd, VFIO_PCI_CONFIG_REGION_INDEX);
	self->base = info->offset;
	free(info);
	model_init(self->device.fd, &self->model);
	/* Memory that firmware declares is there, or this tests nothing. */
	ASSERT_NE(0, self->model.fixed[PCI_BASE_ADDRESS_4 - FIRST]);
}

FIXTURE_TEARDOWN(config)
{
	vfio_close(&self->device);
}

TEST_F(config, sizing_by_writing_ones)
{
	unsigned int index, where;
	struct vfio_region_info *info;
	uint64_t seen, before;

	for (index = 2; index < 6; index += 2) {
		info = region_info(self->device.fd, index);
		where = PCI_BASE_ADDRESS_0 + index * 4;
		if (info->size) {
			before = config_read(self->device.fd, where, 4) |
				 config_read(self->device.fd, where + 4, 4)
				 << 32;
			config_write(self->device.fd, where, 4, ~0U);
			config_write(self->device.fd, where + 4, 4, ~0U);
			seen = config_read(self->device.fd, where, 4) |
			       config_read(self->device.fd, where + 4, 4) << 32;
			EXPECT_EQ(FLAGS64, seen & 0xf);
			EXPECT_EQ(info->size, -(seen & ~0xfULL));

			/* What a guest does next: write back what was there. */
			config_write(self->device.fd, where, 4, before);
			config_write(self->device.fd, where + 4, 4,
				     before >> 32);
			EXPECT_EQ(before,
				  config_read(self->device.fd, where, 8));
		} else {
			config_write(self->device.fd, where, 4, ~0U);
			EXPECT_EQ(0, config_read(self->device.fd, where, 4));
		}
		free(info);
	}
}

TEST_F(config, holds_an_address)
{
	unsigned int where = PCI_BASE_ADDRESS_4;
	struct vfio_region_info *info;
	uint64_t address;

	info = region_info(self->device.fd, VFIO_PCI_BAR4_REGION_INDEX);
	address = info->size * 0x1234;
	free(info);
	config_write(self->device.fd, where, 4, address);
	config_write(self->device.fd, where + 4, 4, address >> 32);
	EXPECT_EQ(address | FLAGS64, config_read(self->device.fd, where, 8));
	/* The flag bits are not to be written. */
	config_write(self->device.fd, where, 1, 0);
	EXPECT_EQ(address | FLAGS64, config_read(self->device.fd, where, 8));
	config_write(self->device.fd, where, 1, 3);
	EXPECT_EQ(address | FLAGS64, config_read(self->device.fd, where, 8));
}

/* What one user wrote is not there for the next. */
TEST_F(config, reopen)
{
	config_write(self->device.fd, PCI_BASE_ADDRESS_4, 4, 0);
	config_write(self->device.fd, PCI_BASE_ADDRESS_4 + 4, 4, 0x1234);
	EXPECT_EQ(0x1234,
		  config_read(self->device.fd, PCI_BASE_ADDRESS_4 + 4, 4));
	vfio_close(&self->device);
	vfio_open(&self->device, gpu_bdf());
	EXPECT_EQ(FLAGS64, config_read(self->device.fd, PCI_BASE_ADDRESS_4, 8));
}

/*
 * Any access of 1 to 24 bytes at any offset, over the borders of registers and
 * of the group of them.
 */
TEST_F(config, random_accesses_follow_the_model)
{
	unsigned char all[BYTES], bytes[32];
	unsigned int where, n, i, k, bad = 0;
	uint64_t seed = 3;

	memset(all, 0, sizeof(all));
	ASSERT_EQ(BYTES, pwrite(self->device.fd, all, BYTES,
				self->base + FIRST));
	for (k = 0; k < 5000 && bad < 5; k++) {
		n = 1 + random64(&seed) % 24;
		for (i = 0; i < n; i++)
			bytes[i] = random64(&seed) % 4 ? random64(&seed) : 0xff;
		if (random64(&seed) % 2) {
			/* Behind the BARs is the CardBus CIS pointer: fixed. */
			where = FIRST + random64(&seed) % BYTES;
			if (where + n > PCI_SUBSYSTEM_VENDOR_ID)
				n = PCI_SUBSYSTEM_VENDOR_ID - where;
			ASSERT_EQ(n, pwrite(self->device.fd, bytes, n,
					    self->base + where)) {
				TH_LOG("write %u at %#x", n, where);
			}
			model_write(&self->model, where, bytes, n);
		} else {
			where = random64(&seed) % (BEHIND + 4);
			ASSERT_EQ(n, pread(self->device.fd, bytes, n,
					   self->base + where)) {
				TH_LOG("read %u at %#x", n, where);
			}
			for (i = 0; i < n; i++) {
				unsigned char want;

				if (where + i < FIRST || where + i >= BEHIND)
					continue;
				want = model_byte(&self->model, where + i);
				if (bytes[i] == want)
					continue;
				TH_LOG("step %u: read %u at %#x: byte %#x is %#x, not %#x",
				       k, n, where, where + i, bytes[i], want);
				bad++;
				break;
			}
		}
	}
	EXPECT_EQ(0, bad);
}

/* What lies beside the emulated registers is the device's. */
TEST_F(config, rest_is_the_device_s)
{
	char path[80];
	unsigned char host[64], seen[64];
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
		 gpu_bdf());
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fread(host, sizeof(host), 1, f));
	fclose(f);
	ASSERT_EQ(sizeof(seen), pread(self->device.fd, seen, sizeof(seen),
				      self->base));
	for (i = 0; i < sizeof(seen); i++) {
		/* Virtual in vfio-pci: command, status, BARs, ROM, line. */
		if ((i >= PCI_COMMAND && i < PCI_REVISION_ID) ||
		    (i >= FIRST && i < BEHIND) ||
		    (i >= PCI_ROM_ADDRESS && i < PCI_CAPABILITY_LIST) ||
		    i == PCI_INTERRUPT_LINE)
			continue;
		EXPECT_EQ(host[i], seen[i]) {
			TH_LOG("byte %#x", i);
		}
	}
}

TEST_F(config, bad_buffers_are_refused)
{
	unsigned int where = PCI_BASE_ADDRESS_4;
	uint64_t before = config_read(self->device.fd, where, 8);

	EXPECT_EQ(-1, pread(self->device.fd, NULL, 8, self->base + where));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(self->device.fd, NULL, 8, self->base + where));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(before, config_read(self->device.fd, where, 8));
	/* As on vfio-pci, nothing behind the end of it. */
	EXPECT_EQ(-1, pread(self->device.fd, &before, 4, self->base + 4096));
}

/*
 * Where the GPU has a physical BAR behind an emulated one, no access of the
 * region reaches it: its registers do not change, nothing of it is read.
 */
TEST_F(config, shadowed_bar_is_out_of_reach)
{
	struct vfio_device_ioeventfd ioeventfd = {
		.argsz = sizeof(ioeventfd),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
	};
	struct vfio_region_info *info, *half;
	unsigned int index, tried = 0;
	uint64_t wrote, seen;
	int ret;

	for (index = 2; index < 6; index += 2) {
		info = region_info(self->device.fd, index);
		half = region_info(self->device.fd, index + 1);
		if (info->size) {
			/* Memory, and as large as that: not the 4 KiB BAR. */
			EXPECT_LT(MIB(1), info->size);
			EXPECT_EQ(0, half->size);
			EXPECT_EQ(0, half->flags & VFIO_REGION_INFO_FLAG_MMAP);
			EXPECT_EQ(-1, pread(self->device.fd, &seen, 4,
					    half->offset));
			EXPECT_EQ(EINVAL, errno);

			wrote = 0x0123456789abcdef * (index + 1);
			ASSERT_EQ(8, pwrite(self->device.fd, &wrote, 8,
					    info->offset + 0x500));
			ASSERT_EQ(8, pread(self->device.fd, &seen, 8,
					   info->offset + 0x500));
			EXPECT_EQ(wrote, seen);

			EXPECT_GT(0, __dma_buf(self->device.fd, index, KIB(4)));
			EXPECT_GT(0, __dma_buf(self->device.fd, index + 1, KIB(4)));
			ioeventfd.offset = info->offset;
			ioeventfd.fd = eventfd(0, EFD_CLOEXEC);
			EXPECT_EQ(-1, ioctl(self->device.fd,
					    VFIO_DEVICE_IOEVENTFD,
					    &ioeventfd)) {
				TH_LOG("ioeventfd on region %u", index);
			}
			ioeventfd.offset = half->offset;
			EXPECT_EQ(-1, ioctl(self->device.fd,
					    VFIO_DEVICE_IOEVENTFD,
					    &ioeventfd));
			close(ioeventfd.fd);
			tried++;
		}
		free(info);
		free(half);
	}
	EXPECT_LE(1, tried);

	/* An ordinary BAR has one, in kernels that know of it. */
	ret = __dma_buf(self->device.fd, VFIO_PCI_BAR0_REGION_INDEX, KIB(4));
	if (ret != -ENOTTY)
		EXPECT_LE(0, ret);
}

TEST_HARNESS_MAIN
