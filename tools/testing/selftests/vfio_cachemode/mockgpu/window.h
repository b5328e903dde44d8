/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's side of the window: speak to the mock behind a PCI function.
 */
#ifndef MOCKGPU_WINDOW_H
#define MOCKGPU_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/*
 * Do a command of control.c with the function @bdf.
 *
 * @reply: takes its text; may be NULL
 * Return: 0, the mock's -errno, or -EIO if the function is not there.
 */
int window_do(const char *bdf, char *reply, size_t size, const char *format,
	      ...) __attribute__((format(printf, 4, 5)));

/*
 * Log a MARK: a number that the log's reader understands.  For one function
 * only: it stays open.
 */
void window_mark(const char *bdf, uint64_t mark);

#endif /* MOCKGPU_WINDOW_H */
