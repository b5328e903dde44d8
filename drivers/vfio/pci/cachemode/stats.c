// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of a region: one cache line per CPU, no atomic operation.
 */

#include <linux/mm.h>
#include <linux/percpu.h>

#include "cachemode.h"

static enum cachemode_entry entry_of_order(unsigned int order)
{
	if (!order)
		return CACHEMODE_ENTRY_PTE;
	return order == PMD_ORDER ? CACHEMODE_ENTRY_PMD : CACHEMODE_ENTRY_PUD;
}

/**
 * cachemode_stats_fault - count a page fault
 * @region: the region
 * @order: order of the entry that was asked for
 * @installed: the entry was installed
 */
void cachemode_stats_fault(struct cachemode_region *region, unsigned int order,
			   bool installed)
{
	this_cpu_inc(region->stats->faults);
	if (installed)
		this_cpu_inc(region->stats->entries[entry_of_order(order)]);
}

/**
 * cachemode_stats_rw - count a read() or write()
 * @region: the region
 * @done: bytes transferred
 * @write: it was a write()
 */
void cachemode_stats_rw(struct cachemode_region *region, size_t done,
			bool write)
{
	if (write) {
		this_cpu_inc(region->stats->writes);
		this_cpu_add(region->stats->written_bytes, done);
	} else {
		this_cpu_inc(region->stats->reads);
		this_cpu_add(region->stats->read_bytes, done);
	}
}

/**
 * cachemode_stats_sum - read the counters
 * @region: the region
 * @sum: the sums over all CPUs; not a snapshot of one moment
 */
void cachemode_stats_sum(const struct cachemode_region *region,
			 struct cachemode_stats *sum)
{
	unsigned int i;
	int cpu;

	*sum = (struct cachemode_stats){};
	for_each_possible_cpu(cpu) {
		const struct cachemode_stats *s = per_cpu_ptr(region->stats, cpu);

		sum->faults += s->faults;
		for (i = 0; i < CACHEMODE_NR_ENTRIES; i++)
			sum->entries[i] += s->entries[i];
		sum->reads += s->reads;
		sum->writes += s->writes;
		sum->read_bytes += s->read_bytes;
		sum->written_bytes += s->written_bytes;
	}
}
