// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci's denylist is ours: what it refuses we refuse, with the same error,
 * and what it takes we take.  suites/driver-denylist makes functions with the
 * ids of the list, and one, the last, that is not in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

#define DENIED	8

TEST(is_vfio_pci_s)
{
	char name[16], path[128], device[16];
	unsigned int i;
	int theirs, ours;

	for (i = 1; i <= DENIED + 1; i++) {
		const char *bdf;

		snprintf(name, sizeof(name), i == 1 ? "GPU" : "GPU%u", i);
		bdf = getenv(name);
		ASSERT_NE(NULL, bdf);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device",
			 bdf);
		ASSERT_EQ(0, read_line(path, device, sizeof(device)));
		theirs = __vfio_bind(bdf, "vfio-pci");
		if (!theirs)
			vfio_bind(bdf, NULL);
		ours = __vfio_bind(bdf, driver_name());
		if (!ours)
			vfio_bind(bdf, NULL);
		EXPECT_EQ(theirs, ours) {
			TH_LOG("%s", device);
		}
		EXPECT_EQ(i <= DENIED, ours < 0) {
			TH_LOG("%s", device);
		}
	}
}

TEST_HARNESS_MAIN
