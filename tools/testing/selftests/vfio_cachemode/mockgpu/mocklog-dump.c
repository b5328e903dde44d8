// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print an access log as text.
 *
 *	mocklog-dump FILE [FROM [COUNT]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocklog.h"

int main(int argc, char **argv)
{
	const struct mocklog_record *record;
	struct mocklog log;
	uint64_t seq = 0, end = UINT64_MAX;
	char text[256];
	int ret;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: mocklog-dump FILE [FROM [COUNT]]\n");
		return 2;
	}
	if (argc > 2)
		seq = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		end = seq + strtoull(argv[3], NULL, 0);

	ret = mocklog_open(&log, argv[1]);
	if (ret) {
		fprintf(stderr, "mocklog-dump: %s: %s\n", argv[1],
			strerror(-ret));
		return 1;
	}
	if (end > mocklog_count(&log))
		end = mocklog_count(&log);
	for (; seq < end; seq++) {
		record = mocklog_get(&log, seq);
		if (!record) {
			fprintf(stderr, "mocklog-dump: record %llu is lost\n",
				(unsigned long long)seq);
			return 1;
		}
		mocklog_format(record, text, sizeof(text));
		puts(text);
	}
	mocklog_close(&log);
	return 0;
}
