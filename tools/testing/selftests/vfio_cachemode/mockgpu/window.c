// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's side of the window.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "window.h"

static int open_config(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	return open(path, O_RDWR | O_SYNC | O_CLOEXEC);
}

int window_do(const char *bdf, char *reply, size_t size, const char *format,
	      ...)
{
	char line[WINDOW_COMMAND_SIZE] = "", text[WINDOW_REPLY_SIZE];
	int fd = open_config(bdf);
	uint32_t result = EIO;
	va_list args;
	int length;

	if (fd < 0)
		return -EIO;
	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* The kernel splits this into writes of 4 bytes: end on one. */
	length = (length + 4) & ~3;
	if (pwrite(fd, line, length, WINDOW_COMMAND) != length ||
	    pwrite(fd, &result, 4, WINDOW_GO) != 4 ||
	    pread(fd, &result, 4, WINDOW_RESULT) != 4 || result == ~0U)
		result = EIO;
	if (reply && result != EIO) {
		if (pread(fd, text, sizeof(text), WINDOW_REPLY) != sizeof(text))
			result = EIO;
		snprintf(reply, size, "%.*s", (int)sizeof(text) - 1, text);
	}
	close(fd);
	return -(int)result;
}

void window_mark(const char *bdf, uint64_t mark)
{
	static uint32_t last_high = ~0U;
	static int fd = -1;
	uint32_t low = mark, high = mark >> 32;

	if (fd < 0)
		fd = open_config(bdf);
	/* Each write is a message and its answer: then it is logged. */
	if (high != last_high &&
	    pwrite(fd, &high, 4, WINDOW_MARK_HIGH) != 4)
		abort();
	last_high = high;
	if (pwrite(fd, &low, 4, WINDOW_MARK) != 4)
		abort();
}
