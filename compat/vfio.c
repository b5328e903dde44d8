// SPDX-License-Identifier: GPL-2.0-only
/*
 * What newer vfio-pci-core modules export, for older ones.
 */

/* The kernel's own, not what compat.h makes of them for the driver. */
#undef vfio_pci_core_ioctl
#undef vfio_pci_core_register_device
#undef vfio_device_ops

#include <linux/huge_mm.h>
#include <linux/property.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#ifdef COMPAT_HAS_PFN_T
#include <linux/pfn_t.h>
#define compat_pfn(pfn)	__pfn_to_pfn_t(pfn, PFN_DEV)
#else
#define compat_pfn(pfn)	(pfn)
#endif

#ifndef COMPAT_HAS_MEMORY_ENABLED
/* Context: memory_lock is held. */
bool __vfio_pci_memory_enabled(struct vfio_pci_core_device *vdev)
{
	__le16 command;

	memcpy(&command, vdev->vconfig + PCI_COMMAND, sizeof(command));
	return (__force int)vdev->pdev->current_state <
			(__force int)PCI_D3hot &&
	       (vdev->pdev->no_command_memory ||
		le16_to_cpu(command) & PCI_COMMAND_MEMORY);
}
#endif

#ifndef COMPAT_HAS_VMF_INSERT_PFN
vm_fault_t vfio_pci_vmf_insert_pfn(struct vfio_pci_core_device *vdev,
				   struct vm_fault *vmf, unsigned long pfn,
				   unsigned int order)
{
	lockdep_assert_held_read(&vdev->memory_lock);

	if (vdev->pm_runtime_engaged || !__vfio_pci_memory_enabled(vdev))
		return VM_FAULT_SIGBUS;
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, compat_pfn(pfn), false);
#endif
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, compat_pfn(pfn), false);
#endif
	return VM_FAULT_FALLBACK;
}
#endif

#ifdef COMPAT_KVM_IGNORES_CACHEABLE
/*
 * Before 6.17 KVM on arm64 maps every pfn without a struct page as device
 * memory into the guest, whatever the VMA says.
 */
int compat_vfio_pci_core_register_device(struct vfio_pci_core_device *vdev)
{
	struct device *dev = &vdev->pdev->dev;

	if (device_property_present(dev, "nvidia,gpu-mem-base-pa"))
		dev_notice_once(dev, "KVM of this kernel maps device memory uncached into guests, which is not coherent with its cacheable mapping here\n");
	return vfio_pci_core_register_device(vdev);
}
#endif

#ifndef COMPAT_HAS_GET_IOMAP
/*
 * A BAR whose mapping the driver took down holds an ERR_PTR: the newest core
 * looks for it, this one would write there.  With NULL it tries to map the BAR,
 * and fails, because the driver has it reserved.
 */
static void hide_taken_bars(struct vfio_device *core_vdev)
{
	struct vfio_pci_core_device *vdev =
		container_of(core_vdev, struct vfio_pci_core_device, vdev);
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (IS_ERR(vdev->barmap[i]))
			vdev->barmap[i] = NULL;
}
#endif

#ifndef COMPAT_HAS_REGION_INFO_CAPS
/* The core's answer, for BARs only: nothing else asks here. */
int vfio_pci_ioctl_get_region_info(struct vfio_device *core_vdev,
				   struct vfio_region_info *info,
				   struct vfio_info_cap *caps)
{
	struct vfio_pci_core_device *vdev =
		container_of(core_vdev, struct vfio_pci_core_device, vdev);
	struct vfio_info_cap_header msix = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};

	info->offset = VFIO_PCI_INDEX_TO_OFFSET(info->index);
	info->size = pci_resource_len(vdev->pdev, info->index);
	info->flags = 0;
	if (!info->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!vdev->bar_mmap_supported[info->index])
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (info->index != vdev->msix_bar)
		return 0;
	return vfio_info_add_capability(caps, &msix, sizeof(msix));
}

static int answer_region_info(struct vfio_device *core_vdev,
			      struct vfio_region_info *info,
			      struct vfio_region_info __user *arg)
{
	const struct compat_vfio_device_ops *ops = (const void *)core_vdev->ops;
	struct vfio_info_cap caps = {};
	int ret;

	ret = ops->get_region_info_caps(core_vdev, info, &caps);
	if (ret)
		goto out_free_caps;

	if (caps.size) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info->cap_offset = 0;
		if (info->argsz < sizeof(*info) + caps.size) {
			info->argsz = sizeof(*info) + caps.size;
		} else {
			vfio_info_cap_shift(&caps, sizeof(*info));
			if (copy_to_user(arg + 1, caps.buf, caps.size)) {
				ret = -EFAULT;
				goto out_free_caps;
			}
			info->cap_offset = sizeof(*info);
		}
	}
	if (copy_to_user(arg, info, sizeof(*info)))
		ret = -EFAULT;

out_free_caps:
	kfree(caps.buf);
	return ret;
}

static long get_region_info(struct vfio_device *core_vdev, unsigned long arg)
{
	struct vfio_region_info __user *user = (void __user *)arg;
	struct vfio_region_info info;

	if (copy_from_user(&info, user, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	if (info.index > VFIO_PCI_BAR5_REGION_INDEX)
		return vfio_pci_core_ioctl(core_vdev,
					   VFIO_DEVICE_GET_REGION_INFO, arg);
	return answer_region_info(core_vdev, &info, user);
}
#endif

#ifdef COMPAT_VFIO_PCI_CORE_IOCTL
long compat_vfio_pci_core_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
				unsigned long arg)
{
#ifndef COMPAT_HAS_GET_IOMAP
	if (cmd == VFIO_DEVICE_IOEVENTFD)
		hide_taken_bars(core_vdev);
#endif
#ifndef COMPAT_HAS_REGION_INFO_CAPS
	if (cmd == VFIO_DEVICE_GET_REGION_INFO)
		return get_region_info(core_vdev, arg);
#endif
	return vfio_pci_core_ioctl(core_vdev, cmd, arg);
}
#endif
