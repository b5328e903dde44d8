/* SPDX-License-Identifier: GPL-2.0-only */
/* Write-combining memory of a GPU or for one, and a GPU as the witness of it. */
#ifndef GPU_H
#define GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfiomem.h"

#define MEMORY_SIZE	(2UL << 20)	/* of each memory that is tested */

enum kind { CACHED, WRITE_COMBINING, UNCACHED };

/**
 * struct memory - what is tested
 * @name: what it is
 * @host: as the CPU sees it; aligned to 64, MEMORY_SIZE bytes
 * @device: as a kernel on the GPU sees it; 0 if none can
 * @kind: how the CPU's mapping behaves
 */
struct memory {
	const char *name;
	uint8_t *host;
	uint64_t device;
	enum kind kind;
};

/* What the copies are told: a kernel would say so of a BAR that it maps WC. */
#define WC	VFIOMEM_ATTR(VFIOMEM_WRITECOMBINE, 0,			\
			     VFIOMEM_UNALIGNED | VFIOMEM_VECTOR |	\
			     VFIOMEM_READ_IDEMPOTENT |			\
			     VFIOMEM_WRITE_MERGE | VFIOMEM_COHERENT)

/* What a watching GPU has counted. */
struct observation {
	uint64_t violations;
	uint64_t messages;	/* different ones, all threads together */
};

/* A function of a library that is there at run time, or not. */
struct symbol {
	const char *name;
	size_t offset;		/* of the pointer, in the table of functions */
};

#define WHY	256	/* bytes for a reason */

/**
 * library_open() - load a library and look its functions up
 * @name: the library
 * @symbols: its functions
 * @nr: how many
 * @table: where the pointers go
 * @why: WHY bytes, for the reason if there is no such library
 *
 * A library without one of the functions fails the test.
 *
 * Return: whether there is one.
 */
bool library_open(const char *name, const struct symbol *symbols, size_t nr,
		  void *table, char *why);

/**
 * fail() - end the program with a failed test
 * @what: the call that failed
 * @why: what it returned
 */
_Noreturn void fail(const char *what, const char *why);

/*
 * cuda.c: the driver API. cuda_open() returns NULL, or why there is nothing to
 * test with. Any call that fails later ends the program.
 */
const char *cuda_open(void);
const uint8_t *cuda_uuid(void);		/* 16 bytes */
void cuda_host_memory(struct memory *memory);
uint64_t cuda_import(int fd, size_t size);	/* consumes @fd */
void cuda_watch(const struct memory *memory, uint32_t words, bool ascending);
bool cuda_watching(struct observation *observation);	/* added to at the end */
void cuda_close(void);

/*
 * vulkan.c: maps device memory. @uuid names the GPU; NULL, or one that Vulkan
 * does not know: the first that has such memory. *fd becomes a handle of the
 * memory for cuda_import(), or -1.
 */
const char *vulkan_open(const uint8_t *uuid, struct memory *memory, int *fd);
void vulkan_close(void);

/* mapping.c: find out how the memory behaves, and say it. */
void mapping_measure(struct memory *memory);

/* bandwidth.c: compare with other copies; results as of bench.h. */
void bandwidth(const struct memory *memory);

#endif /* GPU_H */
