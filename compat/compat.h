/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver is written against the newest kernel.  This header, which is
 * included before each of its files, gives older ones that kernel's interface.
 * Nothing else in the project knows kernel versions.
 */
#ifndef _CACHEMODE_COMPAT_H
#define _CACHEMODE_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "vfio-cachemode needs Linux 6.12 or newer: older ones have no huge pfn mappings"
#endif

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <uapi/linux/kvm.h>

#ifndef kzalloc_obj
#define kzalloc_obj(obj, ...)		kzalloc(sizeof(obj), __VA_ARGS__)
#define kzalloc_objs(obj, n, ...)	kcalloc(n, sizeof(obj), __VA_ARGS__)
#endif

#if defined(CONFIG_ARM64) && !defined(KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED)
#define COMPAT_KVM_IGNORES_CACHEABLE
int compat_vfio_pci_core_register_device(struct vfio_pci_core_device *vdev);
#define vfio_pci_core_register_device compat_vfio_pci_core_register_device
#endif

#ifndef PCI_DVSEC_CXL_DEVICE
/* CXL 3.1, 8.1.3: the device DVSEC, and its first range. */
#define PCI_DVSEC_CXL_DEVICE			0
#define PCI_DVSEC_CXL_RANGE_SIZE_LOW(i)		(0x1c + (i) * 0x10)
#define PCI_DVSEC_CXL_MEM_INFO_VALID		BIT(0)
#define PCI_DVSEC_CXL_MEM_ACTIVE		BIT(1)
#define PCI_DVSEC_CXL_MEM_ACTIVE_TIMEOUT	GENMASK(15, 13)
#endif

#ifndef COMPAT_HAS_MEMORY_ENABLED
bool __vfio_pci_memory_enabled(struct vfio_pci_core_device *vdev);
#endif

#ifndef COMPAT_HAS_VMF_INSERT_PFN
vm_fault_t vfio_pci_vmf_insert_pfn(struct vfio_pci_core_device *vdev,
				   struct vm_fault *vmf, unsigned long pfn,
				   unsigned int order);
#endif

#ifndef COMPAT_HAS_GET_IOMAP
/* The core maps a BAR when it is first used. */
static inline void __iomem *
vfio_pci_core_get_iomap(struct vfio_pci_core_device *vdev, unsigned int bar)
{
	int ret = vfio_pci_core_setup_barmap(vdev, bar);

	return ret ? IOMEM_ERR_PTR(ret) : vdev->barmap[bar];
}
#endif

#ifndef COMPAT_HAS_REGION_INFO_CAPS
/*
 * The driver's operations as the newest kernel has them: what this kernel
 * calls comes first, and vfio.c calls what it does not know.
 */
struct compat_vfio_device_ops {
	struct vfio_device_ops;
#ifndef COMPAT_HAS_MATCH_TOKEN_UUID
	int (*match_token_uuid)(struct vfio_device *vdev, const uuid_t *uuid);
#endif
#ifndef COMPAT_HAS_PASID_ATTACH_IOAS
	int (*pasid_attach_ioas)(struct vfio_device *vdev, u32 pasid,
				 u32 *pt_id);
	void (*pasid_detach_ioas)(struct vfio_device *vdev, u32 pasid);
#endif
	int (*get_region_info_caps)(struct vfio_device *vdev,
				    struct vfio_region_info *info,
				    struct vfio_info_cap *caps);
};

int vfio_pci_ioctl_get_region_info(struct vfio_device *core_vdev,
				   struct vfio_region_info *info,
				   struct vfio_info_cap *caps);

#define vfio_device_ops compat_vfio_device_ops
#undef vfio_alloc_device
#define vfio_alloc_device(dev_struct, member, dev, ops)			\
	container_of(_vfio_alloc_device(sizeof(struct dev_struct) +	\
			BUILD_BUG_ON_ZERO(offsetof(struct dev_struct, member)), \
			dev, (const void *)(ops)),			\
		     struct dev_struct, member)
#endif

#if !defined(COMPAT_HAS_GET_IOMAP) || !defined(COMPAT_HAS_REGION_INFO_CAPS)
#define COMPAT_VFIO_PCI_CORE_IOCTL
long compat_vfio_pci_core_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
				unsigned long arg);
#define vfio_pci_core_ioctl compat_vfio_pci_core_ioctl
#endif

#ifndef COMPAT_HAS_MATCH_TOKEN_UUID
/* vfio_pci_core_match() does it. */
#define vfio_pci_core_match_token_uuid NULL
#endif

#ifndef COMPAT_HAS_PASID_ATTACH_IOAS
#define vfio_iommufd_physical_pasid_attach_ioas NULL
#define vfio_iommufd_physical_pasid_detach_ioas NULL
#endif

#endif /* _CACHEMODE_COMPAT_H */
