// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sockets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "server.h"

/* A reply that a fault holds back. */
struct late {
	struct late *next;
	uint64_t due_ns;
	size_t size;
	uint8_t data[];
};

struct server {
	struct session *session;
	int listener;
	int client;		/* -1: none */
	int control_listener;
	int control;		/* -1: none */
	struct late *late;	/* in order of their coming */

	/* What the client has sent and we have not done. */
	uint8_t *input;
	size_t filled;
	/*
	 * Files that came with the message that ends at or after this many
	 * bytes of input: a sender attaches them to its first byte, and the
	 * kernel ends a read after data that has files.
	 */
	int fds[VU_MAX_FDS];
	size_t nfds;
	size_t fds_end;

	struct reply reply;
	char line[512];
	size_t line_filled;
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	stop = signal;
}

static void hang_up(struct server *s)
{
	struct late *late;
	size_t i;

	if (s->client < 0)
		return;
	close(s->client);
	s->client = -1;
	for (i = 0; i < s->nfds; i++)
		close(s->fds[i]);
	s->nfds = 0;
	s->filled = 0;
	while ((late = s->late)) {
		s->late = late->next;
		free(late);
	}
	s->session->version_seen = false;
	device_disconnect(s->session->dev);
	log_add(s->session->dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_DISCONNECT,
	});
}

/* A client that does not take its replies within the send timeout is lost. */
static void send_all(struct server *s, const uint8_t *data, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov;
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	while (size) {
		iov.iov_base = (void *)data;
		iov.iov_len = size;
		sent = sendmsg(s->client, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR && !stop)
			continue;
		if (sent <= 0) {
			hang_up(s);
			return;
		}
		message.msg_control = NULL;
		message.msg_controllen = 0;
		data += sent;
		size -= sent;
	}
}

static void send_later(struct server *s, const struct reply *reply)
{
	struct late *late = malloc(sizeof(*late) + reply->size);
	struct late **end = &s->late;

	if (!late) {
		hang_up(s);
		return;
	}
	late->next = NULL;
	late->due_ns = clock_ns() + reply->delay_ms * 1000000ULL;
	late->size = reply->size;
	memcpy(late->data, reply->data, reply->size);
	while (*end)
		end = &(*end)->next;
	*end = late;
}

/* Return: nanoseconds until the next one is due, or NEVER. */
static uint64_t send_due(struct server *s)
{
	uint64_t now = clock_ns();
	struct late *late;

	while ((late = s->late) && late->due_ns <= now) {
		s->late = late->next;
		send_all(s, late->data, late->size, -1);
		free(late);
	}
	return late ? late->due_ns - now : NEVER;
}

static void do_message(struct server *s, const uint8_t *message, size_t end)
{
	struct reply *reply = &s->reply;
	size_t nfds = 0;

	if (end >= s->fds_end) {
		nfds = s->nfds;
		s->nfds = 0;
	}
	session_message(s->session, message, s->fds, nfds, reply);
	if (reply->hang_up)
		hang_up(s);
	else if (reply->size && reply->delay_ms)
		send_later(s, reply);
	else if (reply->size)
		send_all(s, reply->data, reply->size, reply->fd);
}

/*
 * Return: false if these are more than a message may have: the kernel dropped
 * some, or some came with a message's first bytes and some with later ones.
 */
static bool take_fds(struct server *s, struct msghdr *message)
{
	bool good = !(message->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[VU_MAX_FDS];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		if (s->nfds) {
			for (i = 0; i < n; i++)
				close(fds[i]);
			good = false;
			continue;
		}
		memcpy(s->fds, fds, n * sizeof(int));
		s->nfds = n;
		s->fds_end = s->filled;
	}
	return good;
}

static void receive(struct server *s)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = s->input + s->filled,
		.iov_len = VU_MAX_MESSAGE - s->filled,
	};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	size_t done = 0;
	ssize_t got;
	long size;

	/* One set of files at a time: read no further than its message. */
	if (s->nfds) {
		size = vu_frame(s->input, s->filled);
		iov.iov_len = (size ? (size_t)size : sizeof(struct vu_header)) -
			      s->filled;
	}
	got = recvmsg(s->client, &message, MSG_CMSG_CLOEXEC);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		hang_up(s);
		return;
	}
	s->filled += got;
	if (!take_fds(s, &message)) {
		hang_up(s);
		return;
	}
	while ((size = vu_frame(s->input + done, s->filled - done)) > 0 &&
	       (size_t)size <= s->filled - done) {
		do_message(s, s->input + done, done + size);
		if (s->client < 0)
			return;
		done += size;
	}
	if (size < 0) {
		hang_up(s);
		return;
	}
	s->filled -= done;
	s->fds_end = s->fds_end > done ? s->fds_end - done : 0;
	memmove(s->input, s->input + done, s->filled);
}

static void accept_client(struct server *s)
{
	const struct timeval timeout = { .tv_sec = 5 };
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	s->client = fd;
	log_add(s->session->dev->log, (struct mocklog_record) {
		.kind = MOCKLOG_CONNECT,
	});
}

/* One answer a line: the reply, then "ok" or "error NUMBER". */
static void control_answer(struct server *s, const char *line)
{
	char reply[1024], answer[1100];
	int ret, size;

	if (!strcmp(line, "disconnect")) {
		hang_up(s);
		ret = 0;
		reply[0] = 0;
	} else {
		ret = control_line(s->session, line, reply, sizeof(reply));
	}
	size = snprintf(answer, sizeof(answer), "%s%s%s %d\n", reply,
			*reply ? " " : "", ret ? "error" : "ok", -ret);
	if (send(s->control, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) != size) {
		close(s->control);
		s->control = -1;
	}
}

static void control_input(struct server *s)
{
	ssize_t got = read(s->control, s->line + s->line_filled,
			   sizeof(s->line) - 1 - s->line_filled);
	char *end;

	if (got <= 0) {
		close(s->control);
		s->control = -1;
		return;
	}
	s->line_filled += got;
	s->line[s->line_filled] = 0;
	while (s->control >= 0 && (end = strchr(s->line, '\n'))) {
		*end++ = 0;
		control_answer(s, s->line);
		s->line_filled -= end - s->line;
		memmove(s->line, end, s->line_filled + 1);
	}
	if (s->line_filled == sizeof(s->line) - 1)
		s->line_filled = 0;	/* too long for any command */
}

/* Not for long: a signal may come just before poll(), which then is not told. */
static int timeout_ms(uint64_t ns)
{
	return ns > 100000000 ? 100 : (ns + 999999) / 1000000;
}

static void serve(struct server *s)
{
	while (!stop) {
		uint64_t due = send_due(s);
		uint64_t device = device_run(s->session->dev);
		struct pollfd fds[] = {
			{ s->client < 0 ? s->listener : s->client, POLLIN, 0 },
			{ s->control < 0 ? s->control_listener : s->control,
			  POLLIN, 0 },
		};

		if (poll(fds, 2, timeout_ms(due < device ? due : device)) <= 0)
			continue;
		if (fds[0].revents) {
			if (s->client < 0)
				accept_client(s);
			else
				receive(s);
		}
		if (fds[1].revents) {
			if (s->control >= 0) {
				control_input(s);
			} else {
				s->control = accept4(s->control_listener, NULL,
						     NULL, SOCK_CLOEXEC);
				s->line_filled = 0;
			}
		}
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (void *)&address, sizeof(address)) || listen(fd, 4)) {
		close(fd);
		return -errno;
	}
	return fd;
}

int server_run(struct session *session, const char *path,
	       const char *control_path)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct server s = {
		.session = session, .client = -1, .control = -1,
	};
	int ret = -ENOMEM;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	s.input = malloc(VU_MAX_MESSAGE);
	s.reply.data = malloc(REPLY_MAX);
	if (!s.input || !s.reply.data)
		goto out_free;
	s.listener = listen_at(path);
	ret = s.listener;
	if (ret < 0)
		goto out_free;
	s.control_listener = listen_at(control_path);
	ret = s.control_listener;
	if (ret < 0)
		goto out_listener;

	serve(&s);
	ret = 0;

	hang_up(&s);
	if (s.control >= 0)
		close(s.control);
	close(s.control_listener);
	unlink(control_path);
out_listener:
	close(s.listener);
	unlink(path);
out_free:
	free(s.input);
	free(s.reply.data);
	return ret;
}
