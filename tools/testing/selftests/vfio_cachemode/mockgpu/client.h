/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vfio-user client for tests: what QEMU does, and what it would never do.
 */
#ifndef MOCKGPU_CLIENT_H
#define MOCKGPU_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

/* A mock that was started for the test, and a client of it. */
struct client {
	char dir[32];
	pid_t pid;
	int fd;
	int control;
};

/* Start mockgpu with this profile; ends the test program if that fails. */
void client_start(struct client *c, const char *mockgpu, const char *profile);

/* Connect, without a version message. */
void client_connect(struct client *c);
void client_disconnect(struct client *c);

/* How long to wait for a reply; a minute from client_connect() on. */
void client_patience(struct client *c, unsigned int seconds);

/* Stop the mock with SIGTERM.  Return: its exit status, -1 if it crashed. */
int client_stop(struct client *c);

/* Path of a file of the mock's: "log", "bar2". */
const char *client_path(const struct client *c, const char *name);

bool client_send(struct client *c, const void *data, size_t size,
		 const int *fds, size_t nfds);

/*
 * Send a command and wait for its reply.
 *
 * @out: payload of the reply, at most @out_size bytes
 * @fd: takes a file that came with it; may be NULL
 * Return: size of the reply's payload, or a negative errno that the mock
 * replied, -EPIPE if it hung up, -EPROTO if the reply is none.
 */
long client_command(struct client *c, enum vu_command command,
		    const void *payload, size_t size, const int *fds,
		    size_t nfds, void *out, size_t out_size, int *fd);

long client_version(struct client *c);
long client_read(struct client *c, uint32_t region, uint64_t offset,
		 uint32_t width, void *data);
long client_write(struct client *c, uint32_t region, uint64_t offset,
		  uint32_t width, const void *data);

/* A line to the control socket.  Return: 0 or its -errno; the text goes to @reply. */
int client_control(struct client *c, const char *line, char *reply,
		   size_t size);

#endif /* MOCKGPU_CLIENT_H */
