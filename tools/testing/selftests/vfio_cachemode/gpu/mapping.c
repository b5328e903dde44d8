// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the CPU's mapping of a memory behaves.
 *
 * What was asked for need not be: a hypervisor may override the guest's memory
 * type, and integrated GPUs have no memory of their own.  So it is measured.
 * A load that has to wait for the one before it takes a few ns where there is a
 * cache, and at least a round trip to the memory where there is none; a store of
 * 8 bytes is then much cheaper than that only where stores are combined.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gpu.h"

#define BYTES		16384
#define TRIES		5
#define UNCACHED_LOAD	20.0	/* ns; a second-level cache has 5, DRAM 60 or more */
#define COMBINED_STORE	20.0	/* ns; uncached ones have 50 or more */

static const char * const kinds[] = {
	[CACHED] = "cached",
	[WRITE_COMBINING] = "write-combining",
	[UNCACHED] = "uncached",
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void stores(volatile uint64_t *p)
{
	size_t i;

	for (i = 0; i < BYTES / 8; i++)
		p[i] = 0;
	vfiomem_flush_wc();
}

/* The memory holds zeroes: each index is that of the next word, plus a zero. */
static void loads(volatile uint64_t *p)
{
	uint64_t i;

	for (i = 0; i < BYTES / 8; i++)
		i += p[i];
}

/* The best of some tries, in ns a word: what disturbs can only add. */
static double best(void (*fn)(volatile uint64_t *p), uint8_t *p)
{
	double least = 1e18;
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		double start = now(), ns;

		fn((volatile uint64_t *)p);
		ns = (now() - start) / (BYTES / 8);
		least = ns < least ? ns : least;
	}
	return least;
}

/* Physical address, for who may know it; 0 otherwise. */
static uint64_t physical_address(const void *p)
{
	long size = sysconf(_SC_PAGESIZE);
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return 0;
	got = pread(fd, &entry, sizeof(entry), (uintptr_t)p / size * sizeof(entry));
	close(fd);
	/* Bit 63: present; bits 0 to 54: the frame. */
	if (got != sizeof(entry) || !(entry >> 63))
		return 0;
	return (entry & ((1ULL << 55) - 1)) * size;
}

/* What x86's kernel has reserved; it lists no RAM. */
static void print_reserved(const void *p)
{
	uint64_t address = physical_address(p), start, end;
	char line[256], type[64];
	FILE *list;

	if (!address)
		return;
	list = fopen("/sys/kernel/debug/x86/pat_memtype_list", "r");
	if (!list)
		return;
	while (fgets(line, sizeof(line), list))
		if (sscanf(line, "PAT: [mem 0x%" SCNx64 "-0x%" SCNx64 "] %63s", &start,
			   &end, type) == 3 && address >= start && address < end)
			printf("# pat_memtype_list: %s\n", type);
	fclose(list);
}

void mapping_measure(struct memory *memory)
{
	double store = best(stores, memory->host), load = best(loads, memory->host);

	if (load < UNCACHED_LOAD)
		memory->kind = CACHED;
	else if (store < COMBINED_STORE)
		memory->kind = WRITE_COMBINING;
	else
		memory->kind = UNCACHED;
	printf("# %s: %.1f ns a load, %.1f ns a store of 8 bytes: %s, by its speed\n",
	       memory->name, load, store, kinds[memory->kind]);
	print_reserved(memory->host);
}
