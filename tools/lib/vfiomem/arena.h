/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Pages out of one block of memory; the caller serialises all calls. */
#ifndef VFIOMEM_ARENA_H
#define VFIOMEM_ARENA_H

#include <stddef.h>

#define ARENA_PAGE 4096

struct arena {
	unsigned char *base;
	unsigned char *used;	/* one byte for each page */
	size_t pages;
};

int vfiomem_arena_init(struct arena *arena, void *base, size_t size);
void vfiomem_arena_exit(struct arena *arena);
void *vfiomem_arena_alloc(struct arena *arena, size_t pages);
void vfiomem_arena_free(struct arena *arena, void *ptr, size_t pages);

#endif
