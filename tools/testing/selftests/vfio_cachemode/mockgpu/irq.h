/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts: eventfds that the client gives for each vector.
 */
#ifndef MOCKGPU_IRQ_H
#define MOCKGPU_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"
#include "protocol.h"

/* The indices of VFIO. */
enum irq_index {
	IRQ_INTX,
	IRQ_MSI,
	IRQ_MSIX,
	IRQ_ERR,
	IRQ_REQ,
	IRQ_INDICES,
};

#define IRQ_VECTORS_MAX	64

struct irqs {
	uint32_t count[IRQ_INDICES];
	int eventfd[IRQ_INDICES][IRQ_VECTORS_MAX];	/* -1: none */
};

void irq_init(struct irqs *irqs, const struct profile *profile);
void irq_release_all(struct irqs *irqs);

/*
 * Do what a client's SET_IRQS asks for.  A file that is kept is set to -1 in
 * @fds.  Return: 0 or -EINVAL.
 */
int irq_set(struct irqs *irqs, const struct vu_set_irqs *set,
	    const uint8_t *bools, int *fds, size_t nfds);

/* Signal an MSI-X or MSI vector.  Return: was anybody told? */
bool irq_signal(const struct irqs *irqs, uint32_t vector);

#endif /* MOCKGPU_IRQ_H */
