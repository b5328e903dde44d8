#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a VM that has the bench tree as 9p share "root": run failure.py there, on
# the GPU bound to our driver.

set -e
modprobe vfio-pci
modprobe vfio_iommu_type1
insmod "$MODULES/cachemode-vfio-pci.ko"
echo cachemode_vfio_pci > "/sys/bus/pci/devices/$GPU/driver_override"
echo "$GPU" > /sys/bus/pci/drivers_probe
mkdir -p /tmp/tree
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose root /tmp/tree
for d in dev sys proc; do mount --bind /$d /tmp/tree/$d; done
mount -t tmpfs tmpfs /tmp/tree/tmp
exec chroot /tmp/tree /usr/bin/env PATH=/usr/bin:/usr/sbin python3 \
	/src/tools/testing/selftests/vfio_cachemode/story/failure.py "$GPU" "$1"
