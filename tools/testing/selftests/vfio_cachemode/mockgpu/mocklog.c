// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader of the mock GPU's access log.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mocklog.h"

/*
 * Mapped once, far beyond the file's end: the part that has been published is
 * always inside the file, and nothing else is touched.
 */
#define MOCKLOG_MAP_SIZE	(1ULL << 36)

int mocklog_open(struct mocklog *log, const char *path)
{
	struct stat st;
	void *map;
	int ret;

	log->fd = open(path, O_RDWR | O_CLOEXEC);
	if (log->fd < 0)
		return -errno;
	if (fstat(log->fd, &st)) {
		ret = -errno;
		goto out_close;
	}
	ret = -EINVAL;
	if (st.st_size < MOCKLOG_HEADER_SIZE)
		goto out_close;
	map = mmap(NULL, MOCKLOG_MAP_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, log->fd, 0);
	if (map == MAP_FAILED) {
		ret = -errno;
		goto out_close;
	}
	log->header = map;
	log->records = (const void *)((char *)map + MOCKLOG_HEADER_SIZE);
	if (log->header->magic != MOCKLOG_MAGIC ||
	    log->header->version != MOCKLOG_VERSION ||
	    log->header->record_size != sizeof(struct mocklog_record)) {
		munmap(map, MOCKLOG_MAP_SIZE);
		goto out_close;
	}
	return 0;

out_close:
	close(log->fd);
	return ret;
}

void mocklog_close(struct mocklog *log)
{
	munmap(log->header, MOCKLOG_MAP_SIZE);
	close(log->fd);
}

uint64_t mocklog_count(const struct mocklog *log)
{
	/* Sequentially consistent for mocklog_wait(): see log_add(). */
	return atomic_load(&log->header->count);
}

const struct mocklog_record *mocklog_get(const struct mocklog *log,
					 uint64_t seq)
{
	const struct mocklog_record *record;

	if (seq >= mocklog_count(log))
		return NULL;
	record = &log->records[seq];
	return record->seq == seq ? record : NULL;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int mocklog_wait(const struct mocklog *log, uint64_t count, int timeout_ms)
{
	const int64_t end = now_ms() + timeout_ms;
	int ret = 0;

	atomic_fetch_add(&log->header->waiters, 1);
	for (;;) {
		uint32_t seen = atomic_load(&log->header->wake);
		int64_t left = end - now_ms();
		struct timespec ts = {
			.tv_sec = left / 1000,
			.tv_nsec = left % 1000 * 1000000,
		};

		if (mocklog_count(log) >= count)
			break;
		if (left <= 0) {
			ret = -ETIMEDOUT;
			break;
		}
		syscall(SYS_futex, &log->header->wake, FUTEX_WAIT, seen, &ts,
			NULL, 0);
	}
	atomic_fetch_sub(&log->header->waiters, 1);
	return ret;
}

static int matches(const struct mocklog_record *r, const struct mocklog_match *m)
{
	return (m->kind < 0 || r->kind == m->kind) &&
	       (m->bar < 0 || r->bar == m->bar) &&
	       (m->width < 0 || r->width == (uint32_t)m->width) &&
	       (m->offset < 0 || r->offset == (uint64_t)m->offset) &&
	       (m->data < 0 || r->data == (uint64_t)m->data);
}

int64_t mocklog_find(const struct mocklog *log, uint64_t from,
		     const struct mocklog_match *match)
{
	const struct mocklog_record *record;

	for (; (record = mocklog_get(log, from)); from++)
		if (matches(record, match))
			return from;
	return -ENOENT;
}

int64_t mocklog_wait_for(const struct mocklog *log, uint64_t from,
			 const struct mocklog_match *match, int timeout_ms)
{
	const int64_t end = now_ms() + timeout_ms;

	for (;;) {
		uint64_t count = mocklog_count(log);
		int64_t seq = mocklog_find(log, from, match);

		if (seq >= 0)
			return seq;
		if (mocklog_wait(log, count + 1, end - now_ms()))
			return -ETIMEDOUT;
		if (count > from)
			from = count;
	}
}

size_t mocklog_compare(const struct mocklog *log, uint64_t from,
		       const struct mocklog_record *expected, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct mocklog_record *r = mocklog_get(log, from + i);
		const struct mocklog_record *e = &expected[i];

		if (!r || r->kind != e->kind || r->bar != e->bar ||
		    r->offset != e->offset || r->width != e->width ||
		    r->data != e->data)
			break;
	}
	return i;
}

static const char *const kind_names[] = {
	[MOCKLOG_READ]		= "read",
	[MOCKLOG_WRITE]		= "write",
	[MOCKLOG_MARK]		= "mark",
	[MOCKLOG_RESET]		= "reset",
	[MOCKLOG_READY]		= "ready",
	[MOCKLOG_VIOLATION]	= "VIOLATION",
	[MOCKLOG_FAULT]		= "fault",
	[MOCKLOG_IRQ]		= "irq",
	[MOCKLOG_DMA_READ]	= "dma-read",
	[MOCKLOG_DMA_WRITE]	= "dma-write",
	[MOCKLOG_DMA_ERROR]	= "dma-error",
	[MOCKLOG_CONNECT]	= "connect",
	[MOCKLOG_DISCONNECT]	= "disconnect",
};

int mocklog_format(const struct mocklog_record *r, char *text, size_t size)
{
	const char *kind = "?";

	if (r->kind < sizeof(kind_names) / sizeof(*kind_names) &&
	    kind_names[r->kind])
		kind = kind_names[r->kind];
	return snprintf(text, size,
			"%llu %llu.%06llu %s bar%u 0x%llx width %u data 0x%llx rule %u",
			(unsigned long long)r->seq,
			(unsigned long long)(r->time_ns / 1000000000),
			(unsigned long long)(r->time_ns / 1000 % 1000000),
			kind, r->bar, (unsigned long long)r->offset, r->width,
			(unsigned long long)r->data, r->rule);
}
