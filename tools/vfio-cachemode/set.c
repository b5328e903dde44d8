// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode set
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* REGION[:OFFSET+SIZE] */
static bool parse_region(const char *text, struct policy *policy)
{
	char offset[32], size[32];
	int end = 0;

	if (text[0] < '0' || text[0] > '5')
		return false;
	policy->index = (uint32_t)(text[0] - '0');
	if (text[1] == '\0')
		return true;
	policy->has_range = true;
	return sscanf(text + 1, ":%31[^+]+%31s%n", offset, size, &end) == 2 &&
	       text[1 + end] == '\0' && parse_bytes(offset, &policy->offset) &&
	       parse_bytes(size, &policy->size);
}

static bool parse_width(const char *text, struct policy *policy)
{
	uint64_t width;

	if (!parse_u64(text, &width) || width > UINT32_MAX)
		return false;
	policy->max_width = (uint32_t)width;
	return true;
}

enum status cmd_set(int argc, char **argv)
{
	struct policy policy = { .index = 0 };
	enum status status;

	if (argc < 4)
		return usage_error("%s takes a PCI address, a region and a mode",
				   argv[0]);
	status = pci_argument(argv[1], &policy.device);
	if (status != OK)
		return status;
	if (!parse_region(argv[2], &policy))
		return usage_error("%s is no region, such as 2 or 2:0x1000+64K",
				   argv[2]);
	if (!mode_parse(argv[3], &policy.mode))
		return usage_error("%s is no mode: noncached or writecombine",
				   argv[3]);
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], "--force")) {
			policy.force = true;
		} else if (!strcmp(argv[i], "max-width") && i + 1 < argc) {
			if (!parse_width(argv[++i], &policy))
				return usage_error("%s is no number of bytes",
						   argv[i]);
		} else {
			return usage_error("unknown argument %s", argv[i]);
		}
	}
	return family_set(&policy);
}
