/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to the mock: a line each, from the control socket or the guest's
 * window in configuration space.
 */
#ifndef MOCKGPU_CONTROL_H
#define MOCKGPU_CONTROL_H

#include "session.h"

/*
 * Do a line; the answer, if any, is text.  @context is a struct session.
 * Return: 0, or -EINVAL if the line is not understood, or another errno.
 */
int control_line(void *context, const char *line, char *reply, size_t size);

/* Write what there is to say. */
extern const char control_help[];

#endif /* MOCKGPU_CONTROL_H */
