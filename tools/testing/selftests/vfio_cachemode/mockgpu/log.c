// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writer of the access log.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LOG_MAP_SIZE	(1ULL << 36)	/* as in mocklog.c */
#define LOG_GROW	(1ULL << 17)	/* records */

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static off_t file_size(uint64_t records)
{
	return MOCKLOG_HEADER_SIZE + records * sizeof(struct mocklog_record);
}

/* Allocated, not only extended: a store to the map must not meet a full disk. */
static int log_grow(struct log *log)
{
	int ret = posix_fallocate(log->fd, file_size(log->capacity),
				  LOG_GROW * sizeof(struct mocklog_record));

	if (ret)
		return -ret;
	log->capacity += LOG_GROW;
	return 0;
}

int log_open(struct log *log, const char *path)
{
	void *map;
	int ret;

	memset(log, 0, sizeof(*log));
	log->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (log->fd < 0)
		return -errno;
	ret = -posix_fallocate(log->fd, 0, MOCKLOG_HEADER_SIZE);
	if (!ret)
		ret = log_grow(log);
	if (ret)
		goto out_close;
	map = mmap(NULL, LOG_MAP_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, log->fd, 0);
	if (map == MAP_FAILED) {
		ret = -errno;
		goto out_close;
	}
	log->header = map;
	log->records = (void *)((char *)map + MOCKLOG_HEADER_SIZE);
	log->start_ns = clock_ns();
	log->header->version = MOCKLOG_VERSION;
	log->header->record_size = sizeof(struct mocklog_record);
	log->header->magic = MOCKLOG_MAGIC;
	return 0;

out_close:
	close(log->fd);
	return ret;
}

void log_close(struct log *log)
{
	uint64_t count = atomic_load(&log->header->count);

	munmap(log->header, LOG_MAP_SIZE);
	if (ftruncate(log->fd, file_size(count)))
		perror("mockgpu: cut the log");
	close(log->fd);
}

void log_add(struct log *log, struct mocklog_record record)
{
	uint64_t seq = atomic_load_explicit(&log->header->count,
					    memory_order_relaxed);

	if (seq == log->capacity) {
		int ret = log_grow(log);

		if (ret) {
			fprintf(stderr, "mockgpu: the log cannot grow: %s\n",
				strerror(-ret));
			exit(3);
		}
	}
	record.seq = seq;
	record.time_ns = clock_ns() - log->start_ns;
	log->records[seq] = record;
	/*
	 * The record before its count, and the count before the look for
	 * waiters: a reader that counts itself after that look has seen it.
	 */
	atomic_store(&log->header->count, seq + 1);
	if (atomic_load(&log->header->waiters)) {
		atomic_fetch_add(&log->header->wake, 1);
		syscall(SYS_futex, &log->header->wake, FUTEX_WAKE, INT_MAX,
			NULL, NULL, 0);
	}
}
