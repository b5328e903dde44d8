// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci variant driver that maps each range of a device with the right
 * memory type, and reports what the page tables hold.
 */

#include <linux/module.h>
#include <uapi/linux/vfio_cachemode_netlink.h>

#include "cachemode.h"

/* What vfio-pci refuses, for errata that let its user harm the host. */
static bool is_denylisted(const struct pci_dev *pdev)
{
	if (pdev->vendor != PCI_VENDOR_ID_INTEL)
		return false;
	switch (pdev->device) {
	case PCI_DEVICE_ID_INTEL_QAT_C3XXX:
	case PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF:
	case PCI_DEVICE_ID_INTEL_QAT_C62X:
	case PCI_DEVICE_ID_INTEL_QAT_C62X_VF:
	case PCI_DEVICE_ID_INTEL_QAT_DH895XCC:
	case PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF:
	case PCI_DEVICE_ID_INTEL_DSA_SPR0:
	case PCI_DEVICE_ID_INTEL_IAX_SPR0:
		return true;
	default:
		return false;
	}
}

static int cachemode_init_dev(struct vfio_device *core_vdev)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	int ret;

	ret = vfio_pci_core_init_dev(core_vdev);
	if (ret)
		return ret;
	mutex_init(&cdev->state_lock);
	mutex_init(&cdev->power_lock);
	mutex_init(&cdev->ioeventfds_lock);
	INIT_LIST_HEAD(&cdev->ioeventfds);
	cachemode_ready_init(cdev);
	return 0;
}

static void cachemode_release_dev(struct vfio_device *core_vdev)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	unsigned int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		cachemode_region_free(cdev->regions[i]);
	mutex_destroy(&cdev->ioeventfds_lock);
	mutex_destroy(&cdev->power_lock);
	mutex_destroy(&cdev->state_lock);
	vfio_pci_core_release_dev(core_vdev);
}

static void set_open(struct cachemode_device *cdev, bool open)
{
	mutex_lock(&cdev->state_lock);
	cdev->open = open;
	mutex_unlock(&cdev->state_lock);
}

static void set_live(struct cachemode_device *cdev, bool live)
{
	mutex_lock(&cdev->state_lock);
	cdev->live = live;
	cachemode_nl_changed();
	mutex_unlock(&cdev->state_lock);
	cachemode_nl_notify(cdev, live ? VFIO_CACHEMODE_CMD_DEV_OPEN_NTF :
					 VFIO_CACHEMODE_CMD_DEV_CLOSE_NTF);
}

static int cachemode_open_device(struct vfio_device *core_vdev)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);
	int ret;

	/* From here on nobody changes regions and areas. */
	set_open(cdev, true);
	ret = vfio_pci_core_enable(&cdev->core);
	if (ret)
		goto err_not_open;
	/* It may have been without power since the last close. */
	cachemode_ready_recheck(cdev);
	ret = cachemode_bars_open(cdev);
	if (ret)
		goto err_disable;
	ret = cachemode_regions_open(cdev);
	if (ret)
		goto err_bars_close;
	vfio_pci_core_finish_enable(&cdev->core);
	set_live(cdev, true);
	return 0;

err_bars_close:
	cachemode_bars_close(cdev);
err_disable:
	vfio_pci_core_disable(&cdev->core);
err_not_open:
	set_open(cdev, false);
	return ret;
}

static void cachemode_close_device(struct vfio_device *core_vdev)
{
	struct cachemode_device *cdev = to_cachemode(core_vdev);

	set_live(cdev, false);
	cachemode_ioeventfds_remove(cdev);
	cachemode_regions_close(cdev);
	cachemode_bars_close(cdev);
	vfio_pci_core_close_device(core_vdev);
	set_open(cdev, false);
}

/* Low power may take device memory down without a reset. */
static int cachemode_device_feature(struct vfio_device *core_vdev, u32 flags,
				    void __user *arg, size_t argsz)
{
	int ret = vfio_pci_core_ioctl_feature(core_vdev, flags, arg, argsz);

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		cachemode_ready_recheck(to_cachemode(core_vdev));
	}
	return ret;
}

static const struct vfio_device_ops cachemode_ops = {
	.name = KBUILD_MODNAME,
	.init = cachemode_init_dev,
	.release = cachemode_release_dev,
	.open_device = cachemode_open_device,
	.close_device = cachemode_close_device,
	.ioctl = cachemode_ioctl,
	.get_region_info_caps = cachemode_get_region_info_caps,
	.device_feature = cachemode_device_feature,
	.read = cachemode_read,
	.write = cachemode_write,
	.mmap = cachemode_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.match_token_uuid = vfio_pci_core_match_token_uuid,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
};

#if IS_ENABLED(CONFIG_VFIO_PCI_DMABUF)
/* Of BARs that the core has mapped; it refuses the others. */
static const struct vfio_pci_device_ops cachemode_pci_ops = {
	.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
};

static void offer_dmabufs(struct cachemode_device *cdev)
{
	cdev->core.pci_ops = &cachemode_pci_ops;
}
#else
static void offer_dmabufs(struct cachemode_device *cdev)
{
}
#endif

static int cachemode_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct cachemode_device *cdev;
	int ret;

	if (is_denylisted(pdev)) {
		pci_warn(pdev, "%04x:%04x is on vfio-pci's denylist\n",
			 pdev->vendor, pdev->device);
		return -EINVAL;
	}

	cdev = vfio_alloc_device(cachemode_device, core.vdev, &pdev->dev,
				 &cachemode_ops);
	if (IS_ERR(cdev))
		return PTR_ERR(cdev);
	dev_set_drvdata(&pdev->dev, &cdev->core);
	offer_dmabufs(cdev);

	ret = cachemode_devmem_init(cdev);
	if (ret)
		goto err_put_device;
	ret = vfio_pci_core_register_device(&cdev->core);
	if (ret)
		goto err_devmem_exit;
	cachemode_nl_add(cdev);
	return 0;

err_devmem_exit:
	cachemode_devmem_exit(cdev);
err_put_device:
	vfio_put_device(&cdev->core.vdev);
	return ret;
}

static struct cachemode_device *drvdata(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	return container_of(core, struct cachemode_device, core);
}

static void cachemode_remove(struct pci_dev *pdev)
{
	struct cachemode_device *cdev = drvdata(pdev);

	cachemode_nl_remove(cdev);
	vfio_pci_core_unregister_device(&cdev->core);
	cachemode_devmem_exit(cdev);
	vfio_put_device(&cdev->core.vdev);
}

static void cachemode_reset_prepare(struct pci_dev *pdev)
{
	cachemode_reset_begin(drvdata(pdev), CACHEMODE_RESET_FUNCTION);
}

static void cachemode_reset_done(struct pci_dev *pdev)
{
	cachemode_reset_end(drvdata(pdev), CACHEMODE_RESET_FUNCTION);
}

/*
 * A frozen channel is recovered by a reset of the link.  A device that is given
 * up has none to wait for, though there may have been one that was not seen, for
 * a neighbour's sake: it has to show that its memory is still ready.  (6.12 does
 * not say that it gives a device up: that one stays blocked until it is unbound.)
 */
static pci_ers_result_t cachemode_error_detected(struct pci_dev *pdev,
						 pci_channel_state_t state)
{
	if (state != pci_channel_io_normal)
		cachemode_reset_begin(drvdata(pdev), CACHEMODE_RESET_LINK);
	if (state == pci_channel_io_perm_failure)
		cachemode_reset_end(drvdata(pdev), CACHEMODE_RESET_LINK);
	return vfio_pci_core_aer_err_detected(pdev, state);
}

/* A neighbour may have asked for the reset: then it was not seen to begin. */
static pci_ers_result_t cachemode_slot_reset(struct pci_dev *pdev)
{
	cachemode_reset_begin(drvdata(pdev), CACHEMODE_RESET_LINK);
	return PCI_ERS_RESULT_RECOVERED;
}

static void cachemode_resume(struct pci_dev *pdev)
{
	cachemode_reset_end(drvdata(pdev), CACHEMODE_RESET_LINK);
}

static const struct pci_error_handlers cachemode_err_handlers = {
	.error_detected = cachemode_error_detected,
	.slot_reset = cachemode_slot_reset,
	.reset_prepare = cachemode_reset_prepare,
	.reset_done = cachemode_reset_done,
	.resume = cachemode_resume,
};

static const struct pci_device_id cachemode_ids[] = {
	/* GH200 120GB */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_NVIDIA, 0x2342) },
	/* GH200 480GB */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_NVIDIA, 0x2345) },
	/* GH200 */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_NVIDIA, 0x2348) },
	/* GB200 */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_NVIDIA, 0x2941) },
	/* GB300 */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_NVIDIA, 0x31c2) },
	{}
};
MODULE_DEVICE_TABLE(pci, cachemode_ids);

static struct pci_driver cachemode_driver = {
	.name = KBUILD_MODNAME,
	.id_table = cachemode_ids,
	.probe = cachemode_probe,
	.remove = cachemode_remove,
	.err_handler = &cachemode_err_handlers,
	.driver_managed_dma = true,
};

static int __init cachemode_init(void)
{
	int ret;

	ret = cachemode_nl_init();
	if (ret)
		return ret;
	ret = pci_register_driver(&cachemode_driver);
	if (ret)
		cachemode_nl_exit();
	return ret;
}
module_init(cachemode_init);

static void __exit cachemode_exit(void)
{
	pci_unregister_driver(&cachemode_driver);
	cachemode_nl_exit();
}
module_exit(cachemode_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-cachemode authors");
MODULE_DESCRIPTION("vfio-pci variant driver that reports how each range of a device is mapped");
