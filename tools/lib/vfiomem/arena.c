// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Pages out of a block of memory that the caller of a pool brought: first fit
 * over a map of bytes that lies outside the block, which a device may see.
 * Neighbours that are free are one run again at once, so a block of which
 * everything was returned can always serve its largest request.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

/**
 * vfiomem_arena_init() - take a block of memory, or the whole pages of it
 * @arena: filled in
 * @base: its memory
 * @size: its bytes
 *
 * Return: 0; -EINVAL where no whole page lies in it; -ENOMEM
 */
int vfiomem_arena_init(struct arena *arena, void *base, size_t size)
{
	size_t skip = -(uintptr_t)base % ARENA_PAGE;

	if (size < skip || size - skip < ARENA_PAGE)
		return -EINVAL;
	arena->base = (unsigned char *)base + skip;
	arena->pages = (size - skip) / ARENA_PAGE;
	arena->used = calloc(arena->pages, 1);
	return arena->used ? 0 : -ENOMEM;
}

void vfiomem_arena_exit(struct arena *arena)
{
	free(arena->used);
	*arena = (struct arena){ 0 };
}

/** vfiomem_arena_alloc() - the first run of free pages, or NULL */
void *vfiomem_arena_alloc(struct arena *arena, size_t pages)
{
	size_t run = 0;

	for (size_t i = 0; i < arena->pages; i++) {
		run = arena->used[i] ? 0 : run + 1;
		if (run == pages) {
			size_t first = i + 1 - pages;

			memset(arena->used + first, 1, pages);
			return arena->base + first * ARENA_PAGE;
		}
	}
	return NULL;
}

void vfiomem_arena_free(struct arena *arena, void *ptr, size_t pages)
{
	size_t first = (size_t)((unsigned char *)ptr - arena->base) / ARENA_PAGE;

	memset(arena->used + first, 0, pages);
}
