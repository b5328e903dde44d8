// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A ring in guest memory, as a device model sees it.
 *
 * The guest polls an index; when it moves, the entry before it must be there.
 * The two threads stand for the device model and the vCPU.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "vfiomem.h"

#define ENTRIES		8
#define ROUNDS		100000

struct entry {
	char payload[60];
	uint32_t number;	/* not 0 when the entry is complete */
};

static struct entry ring[ENTRIES];

/* The device model: the entry and, last, its number, in one call. */
static void produce(struct entry *to, uint32_t number)
{
	struct entry e = { .number = number };

	memset(e.payload, (int)(number & 0x7f), sizeof(e.payload));
	vfiomem_copy(VFIOMEM_ATTR_RAM, to, VFIOMEM_ATTR_PRIVATE, &e, sizeof(e),
		     VFIOMEM_PUBLISH | VFIOMEM_GRANULE(sizeof(e.number)));
}

/* The guest: polls the number, then reads the entry, then gives it back. */
static void *consume(void *unused)
{
	unsigned long bad = 0;
	uint32_t number;

	for (number = 1; number <= ROUNDS; number++) {
		struct entry *from = &ring[number % ENTRIES];
		struct entry e;
		size_t i;

		while (vfiomem_load32(VFIOMEM_ATTR_RAM, &from->number) != number)
			;
		vfiomem_rmb();
		vfiomem_copy(VFIOMEM_ATTR_PRIVATE, &e, VFIOMEM_ATTR_RAM, from,
			     sizeof(e), VFIOMEM_RELAXED);
		for (i = 0; i < sizeof(e.payload); i++)
			bad += e.payload[i] != (char)(number & 0x7f);
		/* A release: the loads above are done before the entry is free. */
		vfiomem_fill(VFIOMEM_ATTR_RAM, &from->number, 0,
			     sizeof(from->number), VFIOMEM_PUBLISH);
	}
	(void)unused;
	return (void *)bad;
}

int main(void)
{
	pthread_t guest;
	uint32_t number;
	void *bad;

	if (pthread_create(&guest, NULL, consume, NULL))
		return 1;
	for (number = 1; number <= ROUNDS; number++) {
		struct entry *to = &ring[number % ENTRIES];

		while (vfiomem_load32(VFIOMEM_ATTR_RAM, &to->number))
			;
		produce(to, number);
	}
	pthread_join(guest, &bad);
	printf("%d entries, %lu torn bytes\n", ROUNDS, (unsigned long)bad);
	return bad ? 1 : 0;
}
