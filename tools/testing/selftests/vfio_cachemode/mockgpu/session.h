/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the device answers to each message, and how it misbehaves when told to.
 * Nothing here knows about sockets.
 */
#ifndef MOCKGPU_SESSION_H
#define MOCKGPU_SESSION_H

#include "device.h"
#include "protocol.h"

/* Faults of accesses to BARs. */
enum fault_kind {
	FAULT_NONE,
	FAULT_LATE,		/* the reply comes argument ms later */
	FAULT_SILENT,		/* no reply */
	FAULT_ERROR,		/* an error reply, argument is the errno */
	FAULT_SHORT,		/* a reply that is argument bytes too short */
	FAULT_LONG,		/* or too long */
	FAULT_CUT,		/* or that lacks argument bytes of what it says */
	FAULT_COUNT,		/* a count that is argument more than was asked for */
	FAULT_DISCONNECT,	/* hang up in place of the reply */
};

const char *fault_name(enum fault_kind kind);
enum fault_kind fault_by_name(const char *name);

struct session {
	struct device *dev;
	bool version_seen;
	enum fault_kind fault;
	uint32_t fault_argument;
	uint32_t fault_left;	/* how many accesses it is still to hit */
};

/* The longest reply: data, and what a fault appends. */
#define REPLY_MAX	(VU_MAX_MESSAGE + 4096)

struct reply {
	uint8_t *data;		/* REPLY_MAX bytes, the caller's */
	size_t size;		/* 0: none */
	int fd;			/* to send along, the device's; -1: none */
	uint32_t delay_ms;
	bool hang_up;
};

/*
 * session_message - do one message
 *
 * @message: whole, as vu_frame() told
 * @fds: files that came with it; what is not closed or kept is closed here
 */
void session_message(struct session *session, const void *message, int *fds,
		     size_t nfds, struct reply *reply);

#endif /* MOCKGPU_SESSION_H */
