// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode decode
 *
 * What Linux means by the attribute bits of a page-table entry.  People get
 * this wrong: an arm64 entry that ends in fcb is write-combining, and one that
 * ends in fcf is not cached at all.
 */
#include <inttypes.h>
#include <linux/vfio_cachemode.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

struct type {
	const char *name;
	int mode;		/* enum vfio_mmap_cache_mode, or -1: none */
};

struct arch {
	const char *name;
	unsigned int (*index)(uint64_t entry, bool huge);
	struct type types[8];
};

/* AttrIndx, bits 4:2, selects a byte of MAIR_EL1; Linux fills these. */
static unsigned int arm64_index(uint64_t entry, bool huge)
{
	(void)huge;	/* the same bits in a block descriptor */
	return entry >> 2 & 7;
}

/*
 * PWT is bit 3 and PCD bit 4; PAT is bit 7 of a 4 KiB entry, and bit 12 of a
 * larger one, where bit 7 says that it is larger (Intel SDM volume 3, 4.9.2).
 */
static unsigned int x86_index(uint64_t entry, bool huge)
{
	return (entry >> 3 & 3) | (entry >> (huge ? 12 : 7) & 1) << 2;
}

static const struct arch arches[] = {
	{
		.name = "arm64",
		.index = arm64_index,
		.types = {
			{ "Normal WB", VFIO_MMAP_CACHE_MODE_NORMAL },
			{ "Normal WB, tagged", VFIO_MMAP_CACHE_MODE_NORMAL },
			{ "Normal-NC", VFIO_MMAP_CACHE_MODE_WRITECOMBINE },
			{ "Device-nGnRnE", VFIO_MMAP_CACHE_MODE_NONCACHED },
			{ "Device-nGnRE", VFIO_MMAP_CACHE_MODE_DEVICE },
			{ "unused", -1 }, { "unused", -1 }, { "unused", -1 },
		},
	},
	{
		/* Linux's PAT. WP and WT have no mode: noncached is the bound. */
		.name = "x86",
		.index = x86_index,
		.types = {
			{ "WB", VFIO_MMAP_CACHE_MODE_NORMAL },
			{ "WC", VFIO_MMAP_CACHE_MODE_WRITECOMBINE },
			{ "UC-", VFIO_MMAP_CACHE_MODE_NONCACHED },
			{ "UC", VFIO_MMAP_CACHE_MODE_NONCACHED },
			{ "WB", VFIO_MMAP_CACHE_MODE_NORMAL },
			{ "WP", VFIO_MMAP_CACHE_MODE_NONCACHED },
			{ "UC-", VFIO_MMAP_CACHE_MODE_NONCACHED },
			{ "WT", VFIO_MMAP_CACHE_MODE_NONCACHED },
		},
	},
};

#if defined(__aarch64__)
#define HOST_ARCH	"arm64"
#elif defined(__x86_64__)
#define HOST_ARCH	"x86"
#else
#define HOST_ARCH	""
#endif

static const struct arch *find_arch(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++)
		if (!strcmp(arches[i].name, name))
			return &arches[i];
	return NULL;
}

static void decode(struct table *table, const struct arch *arch,
		   uint64_t value, bool huge)
{
	unsigned int index = arch->index(value, huge);
	const struct type *type = &arch->types[index];
	const char *mode = type->mode < 0 ? "unknown" :
					    mode_name((uint32_t)type->mode);
	char hex[24], number[24];

	snprintf(hex, sizeof(hex), "0x%016" PRIx64, value);
	if (options.json) {
		json_object(NULL);
		json_string("value", hex);
		json_string("arch", arch->name);
		json_number("index", index);
		json_string("type", type->name);
		json_string("mode", mode);
		json_object_end();
	} else {
		snprintf(number, sizeof(number), "%u", index);
		table_row(table, hex, arch->name, number, type->name, mode);
	}
}

enum status cmd_decode(int argc, char **argv)
{
	static const char *const head[] = { "VALUE", "ARCH", ">INDEX", "TYPE",
					    "MODE", NULL };
	const struct arch *arch = find_arch(HOST_ARCH);
	bool huge = false;
	struct table table;
	uint64_t value;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--arch") && i + 1 < argc) {
			arch = find_arch(argv[++i]);
			if (!arch)
				return usage_error("unknown architecture %s: arm64 or x86",
						   argv[i]);
		} else if (!strcmp(argv[i], "--huge")) {
			huge = true;
		} else {
			return usage_error("unknown option %s", argv[i]);
		}
	}
	if (!arch)
		return usage_error("which architecture? --arch arm64 or --arch x86");
	if (i == argc)
		return usage_error("%s takes page-table entries", argv[0]);
	for (int v = i; v < argc; v++)
		if (!parse_u64(argv[v], &value))
			return usage_error("%s is no number, such as 0xfcb",
					   argv[v]);

	if (options.json)
		json_array(NULL);
	else
		table_start(&table, head);
	for (; i < argc; i++) {
		parse_u64(argv[i], &value);
		decode(&table, arch, value, huge);
	}
	if (options.json) {
		json_array_end();
		json_line();
	} else {
		table_end(&table);
	}
	return OK;
}
