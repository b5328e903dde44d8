// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vfio-user client for tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

const char *client_path(const struct client *c, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	return path;
}

static int connect_to(const struct client *c, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int tries, status, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	strcpy(address.sun_path, client_path(c, name));
	/* The mock may still be starting. */
	for (tries = 0; tries < 6000; tries++) {
		if (!connect(fd, (void *)&address, sizeof(address)))
			return fd;
		if (waitpid(c->pid, &status, WNOHANG)) {
			fprintf(stderr, "the mock has ended: wait status %#x\n",
				status);
			exit(1);
		}
		usleep(10000);
	}
	die(address.sun_path);
	return -1;
}

void client_start(struct client *c, const char *mockgpu, const char *profile)
{
	char log[64], socket_path[64], control[64];

	memset(c, 0, sizeof(*c));
	strcpy(c->dir, "/tmp/mockgpu.XXXXXX");
	if (!mkdtemp(c->dir))
		die(c->dir);
	strcpy(log, client_path(c, "log"));
	strcpy(socket_path, client_path(c, "socket"));
	strcpy(control, client_path(c, "control"));
	c->pid = fork();
	if (c->pid < 0)
		die("fork");
	if (!c->pid) {
		execl(mockgpu, "mockgpu", "--profile", profile,
		      "--socket", socket_path, "--control", control,
		      "--log", log, "--bars", c->dir, NULL);
		die(mockgpu);
	}
	c->control = connect_to(c, "control");
	c->fd = -1;
}

void client_connect(struct client *c)
{
	c->fd = connect_to(c, "socket");
	client_patience(c, 60);
}

void client_patience(struct client *c, unsigned int seconds)
{
	const struct timeval timeout = { .tv_sec = seconds };

	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

void client_disconnect(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

int client_stop(struct client *c)
{
	static const char *const files[] = {
		"log", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5",
	};
	int status;
	size_t i;

	if (c->fd >= 0)
		client_disconnect(c);
	close(c->control);
	kill(c->pid, SIGTERM);
	waitpid(c->pid, &status, 0);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(client_path(c, files[i]));
	rmdir(c->dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool client_send(struct client *c, const void *data, size_t size,
		 const int *fds, size_t nfds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		iov.iov_base = (char *)iov.iov_base + sent;
		iov.iov_len -= sent;
		message.msg_controllen = 0;
	}
	return true;
}

static bool receive(struct client *c, void *data, size_t size, int *fd)
{
	while (size) {
		union {
			struct cmsghdr header;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { data, size };
		struct msghdr message = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t got = recvmsg(c->fd, &message, MSG_CMSG_CLOEXEC);

		if (got <= 0)
			return false;
		if (fd && CMSG_FIRSTHDR(&message))
			memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)),
			       sizeof(*fd));
		data = (char *)data + got;
		size -= got;
	}
	return true;
}

long client_command(struct client *c, enum vu_command command,
		    const void *payload, size_t size, const int *fds,
		    size_t nfds, void *out, size_t out_size, int *fd)
{
	static uint16_t id;
	struct vu_header header = {
		.id = ++id, .command = command, .size = sizeof(header) + size,
	};
	uint8_t *message = malloc(header.size);
	bool sent;

	memcpy(message, &header, sizeof(header));
	if (size)
		memcpy(message + sizeof(header), payload, size);
	sent = client_send(c, message, header.size, fds, nfds);
	free(message);
	if (!sent || !receive(c, &header, sizeof(header), fd))
		return -EPIPE;
	if (header.id != id || header.command != command ||
	    (header.flags & VU_FLAG_TYPE) != VU_TYPE_REPLY ||
	    header.size < sizeof(header))
		return -EPROTO;
	size = header.size - sizeof(header);
	if (size > out_size)
		return -EPROTO;
	if (size && !receive(c, out, size, NULL))
		return -EPIPE;
	if (header.flags & VU_FLAG_ERROR)
		return header.error ? -(long)header.error : -EPROTO;
	return size;
}

long client_version(struct client *c)
{
	const struct vu_version version = { 0, 0 };
	char reply[1024];

	return client_command(c, VU_VERSION, &version, sizeof(version), NULL, 0,
			      reply, sizeof(reply), NULL);
}

long client_read(struct client *c, uint32_t region, uint64_t offset,
		 uint32_t width, void *data)
{
	struct vu_region_access access = { offset, region, width };
	static uint8_t reply[VU_MAX_MESSAGE];
	long got = client_command(c, VU_REGION_READ, &access, sizeof(access),
				  NULL, 0, reply, sizeof(reply), NULL);

	if (got < 0)
		return got;
	if (got != (long)(sizeof(access) + width) ||
	    memcmp(reply, &access, sizeof(access)))
		return -EPROTO;
	memcpy(data, reply + sizeof(access), width);
	return 0;
}

long client_write(struct client *c, uint32_t region, uint64_t offset,
		  uint32_t width, const void *data)
{
	struct vu_region_access access = { offset, region, width }, reply;
	static uint8_t payload[VU_MAX_MESSAGE];
	long got;

	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), data, width);
	got = client_command(c, VU_REGION_WRITE, payload,
			     sizeof(access) + width, NULL, 0, &reply,
			     sizeof(reply), NULL);
	return got < 0 ? got : got == sizeof(reply) ? 0 : -EPROTO;
}

int client_control(struct client *c, const char *line, char *reply,
		   size_t size)
{
	char answer[2048], *word;
	size_t filled = 0;

	dprintf(c->control, "%s\n", line);
	do {
		ssize_t got = read(c->control, answer + filled,
				   sizeof(answer) - 1 - filled);

		if (got <= 0)
			return -EPIPE;
		filled += got;
		answer[filled] = 0;
	} while (answer[filled - 1] != '\n');

	/* TEXT ok 0, or TEXT error ERRNO */
	word = strrchr(answer, ' ');
	*word = 0;
	if (reply) {
		char *end = strrchr(answer, ' ');

		snprintf(reply, size, "%.*s",
			 end ? (int)(end - answer) : 0, answer);
	}
	return -atoi(word + 1);
}
