/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MOCKGPU_LOG_H
#define MOCKGPU_LOG_H

#include "mocklog.h"

struct log {
	int fd;
	struct mocklog_header *header;
	struct mocklog_record *records;
	uint64_t capacity;	/* records that the file has room for */
	uint64_t start_ns;
};

/* Make the file.  Return: 0 or a negative errno. */
int log_open(struct log *log, const char *path);

/* Cut the file to what was written. */
void log_close(struct log *log);

/*
 * Append a record; seq and time are filled in.  The log is the reason for the
 * mock's existence: if the file cannot grow, the process ends.
 */
void log_add(struct log *log, struct mocklog_record record);

uint64_t clock_ns(void);

#endif /* MOCKGPU_LOG_H */
