// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "irq.h"

void irq_init(struct irqs *irqs, const struct profile *profile)
{
	size_t i, j;

	for (i = 0; i < IRQ_INDICES; i++) {
		irqs->count[i] = 0;
		for (j = 0; j < IRQ_VECTORS_MAX; j++)
			irqs->eventfd[i][j] = -1;
	}
	irqs->count[IRQ_MSI] = profile->msi_vectors;
	irqs->count[IRQ_MSIX] = profile->msix.vectors;
	irqs->count[IRQ_REQ] = 1;
}

static void replace(int *eventfd, int fd)
{
	if (*eventfd >= 0)
		close(*eventfd);
	*eventfd = fd;
}

void irq_release_all(struct irqs *irqs)
{
	size_t i, j;

	for (i = 0; i < IRQ_INDICES; i++)
		for (j = 0; j < IRQ_VECTORS_MAX; j++)
			replace(&irqs->eventfd[i][j], -1);
}

static bool signal_one(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;

	/* Not every file is an eventfd, and a full one must not stop us. */
	return fd >= 0 && poll(&poll_fd, 1, 0) == 1 &&
	       poll_fd.revents == POLLOUT &&
	       write(fd, &one, sizeof(one)) == sizeof(one);
}

int irq_set(struct irqs *irqs, const struct vu_set_irqs *set,
	    const uint8_t *bools, int *fds, size_t nfds)
{
	const uint32_t data = set->flags & VU_IRQ_DATA_MASK;
	const uint32_t action = set->flags & ~VU_IRQ_DATA_MASK;
	uint32_t i;

	if (set->index >= IRQ_INDICES ||
	    set->start > irqs->count[set->index] ||
	    set->count > irqs->count[set->index] - set->start)
		return -EINVAL;
	if (data != VU_IRQ_DATA_NONE && data != VU_IRQ_DATA_BOOL &&
	    data != VU_IRQ_DATA_EVENTFD)
		return -EINVAL;
	if (data == VU_IRQ_DATA_EVENTFD && nfds && nfds != set->count)
		return -EINVAL;

	/* Masks are kept by the client. */
	if (action == VU_IRQ_ACTION_MASK || action == VU_IRQ_ACTION_UNMASK)
		return 0;
	if (action != VU_IRQ_ACTION_TRIGGER)
		return -EINVAL;

	if (data == VU_IRQ_DATA_NONE && !set->count) {
		for (i = 0; i < irqs->count[set->index]; i++)
			replace(&irqs->eventfd[set->index][i], -1);
		return 0;
	}
	for (i = 0; i < set->count; i++) {
		int *eventfd = &irqs->eventfd[set->index][set->start + i];

		if (data == VU_IRQ_DATA_EVENTFD) {
			replace(eventfd, nfds ? fds[i] : -1);
			if (nfds)
				fds[i] = -1;
		} else if (data == VU_IRQ_DATA_NONE || bools[i]) {
			signal_one(*eventfd);
		}
	}
	return 0;
}

bool irq_signal(const struct irqs *irqs, uint32_t vector)
{
	if (vector >= IRQ_VECTORS_MAX)
		return false;
	return signal_one(irqs->eventfd[IRQ_MSIX][vector]) ||
	       signal_one(irqs->eventfd[IRQ_MSI][vector]);
}
