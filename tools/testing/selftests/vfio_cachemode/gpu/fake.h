/* SPDX-License-Identifier: GPL-2.0-only */
/* For libraries that stand in for those of a GPU. */
#ifndef GPU_FAKE_H
#define GPU_FAKE_H

#include <stdlib.h>
#include <string.h>

/* Whether this call is the one that fails. */
static inline int fails(const char *call)
{
	const char *name = getenv("FAKE_FAILS");

	return name && !strcmp(name, call);
}

/* Both libraries' only device. */
#define FAKE_UUID	"a fake device's"	/* 16 bytes with its end */

#endif /* GPU_FAKE_H */
