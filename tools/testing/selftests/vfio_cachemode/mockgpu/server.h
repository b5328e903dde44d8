/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sockets: one for a vfio-user client at a time, one for control.
 */
#ifndef MOCKGPU_SERVER_H
#define MOCKGPU_SERVER_H

#include "session.h"

/*
 * Serve until SIGTERM or SIGINT.  Both sockets are made here and removed at
 * the end.  Return: 0 or a negative errno if they could not be made.
 */
int server_run(struct session *session, const char *path,
	       const char *control_path);

#endif /* MOCKGPU_SERVER_H */
