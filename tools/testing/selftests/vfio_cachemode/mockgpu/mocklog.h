/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access log of the mock GPU: its format, and a reader for tests.
 *
 * The log is one file: a header page, then records of one size, oldest first.
 * The mock appends; any number of readers map the file and see each record as
 * soon as it is published.  Record i has sequence number i: a gap or a repeat
 * is a loss, and mocklog_get() treats it as one.
 */
#ifndef MOCKLOG_H
#define MOCKLOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MOCKLOG_MAGIC		0x676f6c6b636f6dULL	/* "mocklog" */
#define MOCKLOG_VERSION		1
#define MOCKLOG_HEADER_SIZE	4096

/* The BAR number of an access to configuration space. */
#define MOCKLOG_CONFIG		7

enum mocklog_kind {
	MOCKLOG_READ = 1,	/* of a BAR or of configuration space */
	MOCKLOG_WRITE,
	MOCKLOG_MARK,		/* data: a number that a test chose */
	MOCKLOG_RESET,		/* data: enum mocklog_reset */
	MOCKLOG_READY,		/* data: 1 ready, 0 not ready */
	MOCKLOG_VIOLATION,	/* the access, and the rule that it broke */
	MOCKLOG_FAULT,		/* rule: enum fault_kind, of what was done */
	MOCKLOG_IRQ,		/* data: vector; offset: 1 if it was delivered */
	MOCKLOG_DMA_READ,	/* offset: IOVA; data: bytes */
	MOCKLOG_DMA_WRITE,
	MOCKLOG_DMA_ERROR,
	MOCKLOG_CONNECT,
	MOCKLOG_DISCONNECT,
};

enum mocklog_reset {
	MOCKLOG_RESET_FLR = 1,
	MOCKLOG_RESET_BUS,
	MOCKLOG_RESET_SURPRISE,
};

struct mocklog_record {
	uint64_t seq;
	uint64_t time_ns;	/* since the log was opened */
	uint64_t offset;	/* within the BAR */
	uint64_t data;		/* little endian; of a wider access the first 8 bytes */
	uint32_t width;		/* of the access, in bytes */
	uint8_t kind;		/* enum mocklog_kind */
	uint8_t bar;
	uint16_t rule;		/* enum rule_kind of a violation, else 0 */
};

struct mocklog_header {
	uint64_t magic;
	uint32_t version;
	uint32_t record_size;
	atomic_uint_least64_t count;	/* records published */
	atomic_uint_least32_t wake;	/* futex: changes when readers are to look */
	atomic_uint_least32_t waiters;
};

struct mocklog {
	int fd;
	const struct mocklog_record *records;
	struct mocklog_header *header;
};

/* All return 0 or a negative errno unless told otherwise. */
int mocklog_open(struct mocklog *log, const char *path);
void mocklog_close(struct mocklog *log);

uint64_t mocklog_count(const struct mocklog *log);

/**
 * mocklog_get() - one record
 * @log: the log
 * @seq: its sequence number
 *
 * Return: the record, or NULL if it is not there or its sequence number is
 * wrong.
 */
const struct mocklog_record *mocklog_get(const struct mocklog *log,
					 uint64_t seq);

/**
 * mocklog_wait() - wait until there are many records
 * @log: the log
 * @count: so many
 * @timeout_ms: wait no longer
 *
 * Return: 0 or -ETIMEDOUT.
 */
int mocklog_wait(const struct mocklog *log, uint64_t count, int timeout_ms);

/**
 * struct mocklog_match - what a test looks for; a negative number is any
 * @kind: enum mocklog_kind
 * @bar: BAR
 * @width: in bytes
 * @offset: within the BAR
 * @data: as in a record
 */
struct mocklog_match {
	int kind;
	int bar;
	int width;
	int64_t offset;
	int64_t data;
};

#define MOCKLOG_ANY { -1, -1, -1, -1, -1 }

/**
 * mocklog_find() - the first record that matches
 * @log: the log
 * @from: the sequence number to begin with
 * @match: what to look for
 *
 * Return: its sequence number, or -ENOENT.
 */
int64_t mocklog_find(const struct mocklog *log, uint64_t from,
		     const struct mocklog_match *match);

/**
 * mocklog_wait_for() - mocklog_find() that waits for it to come
 * @log: the log
 * @from: the sequence number to begin with
 * @match: what to look for
 * @timeout_ms: wait no longer
 *
 * Return: its sequence number, or -ETIMEDOUT.
 */
int64_t mocklog_wait_for(const struct mocklog *log, uint64_t from,
			 const struct mocklog_match *match, int timeout_ms);

/**
 * mocklog_compare() - are these the accesses?
 * @log: the log
 * @from: the sequence number to begin with
 * @expected: the accesses: kind, BAR, offset, width and data are compared
 * @n: how many
 *
 * Return: @n if all match, otherwise the index of the first that does not (or
 * is not there).
 */
size_t mocklog_compare(const struct mocklog *log, uint64_t from,
		       const struct mocklog_record *expected, size_t n);

/* One line of text without a newline.  Return: as snprintf(). */
int mocklog_format(const struct mocklog_record *record, char *text, size_t size);

#endif /* MOCKLOG_H */
