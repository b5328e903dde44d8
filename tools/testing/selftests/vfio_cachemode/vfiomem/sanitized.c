// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes that a sanitizer has to see through the library, and an exchange
 * that it must not complain about.  Two copies of watched memory may race: that
 * is what the orders are for.  A copy and a plain access may not.
 *
 *	sanitized copy-read|copy-write|move|fill|load|store|race|race-single|ordered
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfiomem.h"

static const struct vfiomem_attr ram = VFIOMEM_ATTR_RAM;
static const struct vfiomem_attr own = VFIOMEM_ATTR_PRIVATE;

static uint64_t shared[8] __attribute__((aligned(64)));
static unsigned int order;

static void *writer(void *arg)
{
	uint64_t message[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)arg;
	if (order == ~0U)
		vfiomem_store64(ram, shared, 1);
	else
		vfiomem_copy(ram, shared, own, message, sizeof(message), order);
	return NULL;
}

static void *reader(void *arg)
{
	uint64_t message[8] = { 0 };
	unsigned int i;

	(void)arg;
	if (order != VFIOMEM_PUBLISH) {
		/* Nobody has said that these may race. */
		for (i = 0; i < 8; i++)
			message[i] = shared[i];
		return (void *)(uintptr_t)message[7];
	}
	while (!vfiomem_load64(ram, &shared[7]))
		;
	vfiomem_rmb();
	vfiomem_copy(own, message, ram, shared, 56, VFIOMEM_ACQUIRE);
	if (message[0] != 1 || message[6] != 7)
		abort();
	return NULL;
}

static void two_threads(unsigned int how)
{
	pthread_t a, b;

	order = how;
	if (pthread_create(&a, NULL, writer, NULL) ||
	    pthread_create(&b, NULL, reader, NULL))
		abort();
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint8_t *p = malloc(64), *q = malloc(128);

	if (!p || !q)
		return 0;
	memset(p, 0, 64);
	memset(q, 0, 128);
	if (!strcmp(what, "copy-read"))
		vfiomem_copy(own, q, ram, p, 65, 0);
	else if (!strcmp(what, "copy-write"))
		vfiomem_copy(ram, p, own, q, 65, 0);
	else if (!strcmp(what, "move"))
		vfiomem_move(ram, p + 1, ram, p, 64, VFIOMEM_ASCENDING, NULL, 0);
	else if (!strcmp(what, "fill"))
		vfiomem_fill(ram, p, 1, 65, VFIOMEM_PUBLISH);
	else if (!strcmp(what, "load"))
		return (int)vfiomem_load32(ram, p + 61) & 0;
	else if (!strcmp(what, "store"))
		vfiomem_store16(ram, p + 63, 1);
	else if (!strcmp(what, "race"))
		two_threads(VFIOMEM_RELAXED);
	else if (!strcmp(what, "race-single"))
		two_threads(~0U);
	else if (!strcmp(what, "ordered"))
		two_threads(VFIOMEM_PUBLISH);
	else
		return 2;
	free(p);
	free(q);
	return 0;
}
