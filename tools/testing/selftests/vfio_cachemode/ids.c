// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions the driver takes: those of the family by their vfio_pci alias
 * (for libvirt and udev), any other by an operator's word, none unasked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

/* The whole module, with its length; .modinfo's strings are in it as they are. */
static char *module_file(size_t *size)
{
	const char *folder = getenv("MODULES");
	char path[256], *bytes;
	FILE *f;

	if (!folder)
		fatal("MODULES names no folder");
	snprintf(path, sizeof(path), "%s/cachemode-vfio-pci.ko", folder);
	f = fopen(path, "re");
	if (!f || fseek(f, 0, SEEK_END))
		fatal("%s: %s", path, strerror(errno));
	*size = ftell(f);
	rewind(f);
	bytes = malloc(*size);
	if (!bytes || fread(bytes, 1, *size, f) != *size)
		fatal("%s: can't read", path);
	fclose(f);
	return bytes;
}

/* Strings of the module that begin with @prefix; in @last the last of them. */
static unsigned int count(const char *bytes, size_t size, const char *prefix,
			  const char **last)
{
	const char *p = bytes, *end = bytes + size;
	unsigned int n = 0;

	while ((p = memmem(p, end - p, prefix, strlen(prefix)))) {
		if (p > bytes && !p[-1]) {
			*last = p;
			n++;
		}
		p++;
	}
	return n;
}

TEST(aliases)
{
	static const char * const devices[] = {
		"2342", "2345", "2348", "2941", "31C2",
	};
	const char *bytes, *found = NULL;
	char alias[80];
	unsigned int i;
	size_t size;

	bytes = module_file(&size);
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		snprintf(alias, sizeof(alias),
			 "alias=vfio_pci:v000010DEd0000%ssv*sd*bc*sc*i*",
			 devices[i]);
		EXPECT_EQ(1, count(bytes, size, alias, &found)) {
			TH_LOG("no %s", alias);
		}
	}
	EXPECT_EQ(ARRAY_SIZE(devices),
		  count(bytes, size, "alias=vfio_pci:", &found));
	/* A pci: alias would have udev load it for the host's own GPU. */
	EXPECT_EQ(0, count(bytes, size, "alias=pci:", &found)) {
		TH_LOG("%s", found);
	}
}

TEST(bind_needs_an_override)
{
	char path[128];

	vfio_bind(gpu_bdf(), NULL);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind",
		 driver_name());
	EXPECT_EQ(-ENODEV, write_file(path, gpu_bdf()));
	vfio_bind(gpu_bdf(), driver_name());
}

/* An operator's own id needs no override; taking it back leaves the device. */
TEST(new_id)
{
	char path[128], bound[64];
	const char *id = "1234 11e8";	/* edu */

	vfio_bind(edu_bdf(), NULL);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/new_id",
		 driver_name());
	ASSERT_EQ(0, write_file(path, id));
	vfio_bound(edu_bdf(), bound, sizeof(bound));
	EXPECT_STREQ(driver_name(), bound);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/remove_id",
		 driver_name());
	ASSERT_EQ(0, write_file(path, id));
	vfio_bound(edu_bdf(), bound, sizeof(bound));
	EXPECT_STREQ(driver_name(), bound);
	vfio_bind(edu_bdf(), NULL);
}

TEST_HARNESS_MAIN
