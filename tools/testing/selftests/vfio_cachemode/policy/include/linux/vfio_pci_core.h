/* SPDX-License-Identifier: GPL-2.0-only */
/* What the policy takes from the kernel's header of this name. */
#ifndef POLICY_LINUX_VFIO_PCI_CORE_H
#define POLICY_LINUX_VFIO_PCI_CORE_H

#define PAGE_SIZE		4096UL
#define VFIO_PCI_OFFSET_SHIFT	40
#define VFIO_PCI_OFFSET_MASK	(((u64)(1) << VFIO_PCI_OFFSET_SHIFT) - 1)

#endif /* POLICY_LINUX_VFIO_PCI_CORE_H */
