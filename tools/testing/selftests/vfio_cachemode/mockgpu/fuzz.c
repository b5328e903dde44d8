// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target (libFuzzer): whatever a client sends, and whatever a guest writes
 * to the window.
 *
 * The input is a byte that picks the profile, then chunks: a 2-byte length and
 * that many bytes.  A chunk of bit 15 is a line for control_line(), as the
 * control socket and the window give it.  Any other is a message, whose header
 * is given the chunk's length, so that the fuzzer need not find out; raw
 * framing is tried on the chunk first.  The low bits of its id say which files
 * come with it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "session.h"

#define PROFILES	16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct device *device_for(unsigned int index)
{
	static struct device devices[PROFILES];
	static struct log log;
	struct device *dev = &devices[index];
	unsigned int i;

	if (!log.header) {
		char path[] = "/tmp/mockgpu-fuzz.XXXXXX";

		close(mkstemp(path));
		if (log_open(&log, path))
			abort();
		unlink(path);
	}
	if (!dev->log && device_init(dev, &profiles[index], &log, NULL))
		abort();

	/* As new, so that an input does the same every time. */
	atomic_store(&log.header->count, 0);
	rules_free(&dev->rules);
	for (i = 0; i < PROFILE_RULES; i++)
		if (dev->profile->rules[i].kind)
			rules_add(&dev->rules, &dev->profile->rules[i]);
	memset(dev->ready, 0, sizeof(dev->ready));
	memset(&dev->engine, 0, sizeof(dev->engine));
	memset(dev->config, 0, sizeof(dev->config));
	device_reset(dev, MOCKLOG_RESET_BUS);
	dev->command = control_line;
	return dev;
}

static size_t attach(unsigned int kind, int *fds)
{
	size_t i, n = kind >> 2 & 3;

	switch (kind & 3) {
	case 1:
		fds[0] = memfd_create("guest", MFD_CLOEXEC);
		if (ftruncate(fds[0], 1 << 20))
			abort();
		return 1;
	case 2:
		for (i = 0; i < n; i++)
			fds[i] = eventfd(0, EFD_CLOEXEC);
		return n;
	default:
		return 0;
	}
}

static void message(struct session *session, const uint8_t *chunk, size_t size)
{
	static uint8_t answer[REPLY_MAX];
	struct reply reply = { .data = answer };
	struct vu_header header;
	int fds[VU_MAX_FDS];
	uint8_t *copy;
	size_t nfds;

	vu_frame(chunk, size);
	if (size < sizeof(header))
		return;
	/* Of exactly this length, for the sanitizer to see every overrun. */
	copy = malloc(size);
	memcpy(copy, chunk, size);
	memcpy(&header, chunk, sizeof(header));
	header.size = size;
	memcpy(copy, &header, sizeof(header));
	nfds = attach(header.id, fds);
	session_message(session, copy, fds, nfds, &reply);
	free(copy);
	if (reply.size > REPLY_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session session = { .version_seen = true };
	unsigned int count = 0, i;
	char line[256], text[256];

	while (profiles[count].name)
		count++;
	if (count > PROFILES)
		abort();
	if (!size)
		return 0;
	session.dev = device_for(data[0] % count);
	session.dev->context = &session;
	data++;
	size--;
	for (i = 0; i < 64 && size >= 2; i++) {
		size_t length = data[0] | (data[1] & 0x7f) << 8;
		bool control = data[1] & 0x80;

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		if (control) {
			snprintf(line, sizeof(line), "%.*s", (int)length,
				 (const char *)data);
			control_line(&session, line, text, sizeof(text));
		} else {
			message(&session, data, length);
		}
		device_run(session.dev);
		data += length;
		size -= length;
	}
	device_disconnect(session.dev);
	return 0;
}
