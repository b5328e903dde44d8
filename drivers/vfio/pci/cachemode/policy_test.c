// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the policy.
 */

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/sizes.h>
#include <linux/vfio_pci_core.h>

#include "policy.h"

#define BASE		(SZ_1G * 16ULL)
#define PHYS_MAX	(BIT_ULL(46) - 1)

struct split_case {
	const char *name;
	u64 base;
	u64 size;
	bool carve_out;
	int ret;
	u64 usable;
	u64 carved;
};

static const struct split_case split_cases[] = {
	{ "whole", BASE, SZ_1G * 96ULL, false, 0, SZ_1G * 96ULL, 0 },
	{ "one page", BASE, PAGE_SIZE, false, 0, PAGE_SIZE, 0 },
	{ "ends at the platform's last byte", PHYS_MAX + 1 - SZ_1G, SZ_1G,
	  false, 0, SZ_1G, 0 },
	{ "carve-out of 1 GiB", BASE, SZ_1G * 4ULL, true, 0, SZ_1G * 3ULL,
	  SZ_1G },
	{ "carve-out takes what is no block", BASE,
	  SZ_2G + SZ_512M + SZ_1M, true, 0, SZ_1G + SZ_512M, SZ_1G + SZ_1M },
	{ "smallest with a carve-out", BASE, SZ_1G + SZ_512M, true, 0, SZ_512M,
	  SZ_1G },
	{ "carve-out leaves nothing", BASE, SZ_1G + SZ_512M - PAGE_SIZE, true,
	  -EINVAL },
	{ "smaller than the carve-out", BASE, SZ_512M, true, -EINVAL },
	{ "link down", BASE, 0, false, -ENODEV },
	{ "base 0", 0, SZ_1G, false, -EINVAL },
	{ "overflow", -SZ_1G, SZ_2G, false, -EINVAL },
	{ "overflow by one", -SZ_1G, SZ_1G + PAGE_SIZE, false, -EINVAL },
	{ "largest numbers", -PAGE_SIZE, -PAGE_SIZE, false, -EINVAL },
	{ "misaligned base", BASE + 1, SZ_1G, false, -EINVAL },
	{ "misaligned size", BASE, SZ_1G + 1, false, -EINVAL },
	{ "beyond the platform", PHYS_MAX + 1 - SZ_1G, SZ_2G, false, -EINVAL },
	{ "largest region", BASE, VFIO_PCI_OFFSET_MASK + 1, false, 0,
	  VFIO_PCI_OFFSET_MASK + 1, 0 },
	{ "larger than a region", BASE, VFIO_PCI_OFFSET_MASK + 1 + PAGE_SIZE,
	  false, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(split, split_cases, name);

static void test_split(struct kunit *test)
{
	const struct split_case *c = test->param_value;
	struct cachemode_split split = {};
	const char *why = NULL;

	KUNIT_ASSERT_EQ(test, c->ret,
			cachemode_policy_split(c->base, c->size, c->carve_out,
					       PHYS_MAX, &split, &why));
	if (c->ret) {
		KUNIT_EXPECT_NOT_NULL(test, why);
		return;
	}
	KUNIT_EXPECT_EQ(test, c->usable, split.usable);
	KUNIT_EXPECT_EQ(test, c->carved, split.carve_out);
	KUNIT_EXPECT_EQ(test, c->size, split.usable + split.carve_out);
}

static void test_mode(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, VFIO_MMAP_CACHE_MODE_NORMAL,
			cachemode_policy_mode(CACHEMODE_BACKING_COHERENT));
	KUNIT_EXPECT_EQ(test, VFIO_MMAP_CACHE_MODE_WRITECOMBINE,
			cachemode_policy_mode(CACHEMODE_BACKING_CARVE_OUT));
	KUNIT_EXPECT_EQ(test, VFIO_MMAP_CACHE_MODE_NONCACHED,
			cachemode_policy_mode(CACHEMODE_BACKING_PREFETCHABLE));
	KUNIT_EXPECT_EQ(test, VFIO_MMAP_CACHE_MODE_NONCACHED,
			cachemode_policy_mode(CACHEMODE_BACKING_REGISTERS));
}

/* A CPU whose bits differ by mode, so that none is taken for another. */
static const struct cachemode_cpu cpu = {
	.access = {
		[VFIO_MMAP_CACHE_MODE_NONCACHED] = VFIO_MMAP_ACCESS_VECTOR,
		[VFIO_MMAP_CACHE_MODE_DEVICE] = 0,
		[VFIO_MMAP_CACHE_MODE_WRITECOMBINE] = VFIO_MMAP_ACCESS_UNALIGNED,
		[VFIO_MMAP_CACHE_MODE_NORMAL] = VFIO_MMAP_ACCESS_UNALIGNED |
						VFIO_MMAP_ACCESS_ATOMIC,
	},
};

#define BEARS	(VFIO_MMAP_ACCESS_READ_IDEMPOTENT | VFIO_MMAP_ACCESS_WRITE_MERGE)

/* What the device adds to the CPU's bits, for each backing and mode. */
static void test_access(struct kunit *test)
{
	static const u32 device_bits[] = {
		[CACHEMODE_BACKING_COHERENT] = BEARS,
		[CACHEMODE_BACKING_CARVE_OUT] = BEARS,
		[CACHEMODE_BACKING_PREFETCHABLE] = BEARS,
		[CACHEMODE_BACKING_REGISTERS] = 0,
	};
	unsigned int backing, mode;
	u32 want;

	for (backing = 0; backing < ARRAY_SIZE(device_bits); backing++) {
		for (mode = 0; mode < CACHEMODE_NR_MODES; mode++) {
			want = cpu.access[mode] | device_bits[backing];
			if (backing == CACHEMODE_BACKING_COHERENT &&
			    mode == VFIO_MMAP_CACHE_MODE_NORMAL)
				want |= VFIO_MMAP_ACCESS_COHERENT;
			KUNIT_EXPECT_EQ_MSG(test, want,
					    cachemode_policy_access(&cpu, backing,
								    mode),
					    "backing %u, mode %u", backing,
					    mode);
		}
		/* What has no name is promised nothing. */
		KUNIT_EXPECT_EQ(test, 0,
				cachemode_policy_access(&cpu, backing,
							CACHEMODE_MODE_OTHER));
	}
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE_PARAM(test_split, split_gen_params),
	KUNIT_CASE(test_mode),
	KUNIT_CASE(test_access),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "cachemode-policy",
	.test_cases = policy_cases,
};
kunit_test_suite(policy_suite);
