// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode bind and unbind
 *
 * driver_override names the driver: the ids that it lists are those of another
 * driver as well, and a device without a listed id can be bound like this too.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define DRIVER_LEN	64

/* The kernel takes less than a page. */
#define OVERRIDE_LEN	4096

static enum status failed(int error, const char *what, const char *device)
{
	complain("%s: can't %s: %s", device, what, strerror(-error));
	return error == -EACCES || error == -EPERM ? NO_PERMISSION : FAILED;
}

/*
 * Tell what else is in the IOMMU group: VFIO opens a device only if the host
 * drives none of its group.  Bridges are no obstacle: they have no memory of
 * their own that a device could be given.
 */
static void tell_group(const struct pci_address *address, int group)
{
	char path[64], own[PCI_ADDRESS_LEN], driver[DRIVER_LEN], id[16];
	struct pci_address other;
	struct dirent *entry;
	DIR *dir;

	pci_format(address, own);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices",
		 group);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!pci_parse(entry->d_name, &other) ||
		    !strcmp(entry->d_name, own))
			continue;
		pci_driver(&other, driver, sizeof(driver));
		complain("IOMMU group %d also has %s (%s), %s%s", group,
			 entry->d_name, pci_id(&other, id),
			 *driver ? "driver " : "no driver", driver);
		if (*driver && !pci_driver_is_vfio(driver) &&
		    strcmp(driver, "pcieport"))
			complain("nobody can open the group while %s has that driver: bind it to vfio-pci, too",
				 entry->d_name);
	}
	closedir(dir);
}

static int detach(const struct pci_address *address, const char *device)
{
	char driver[DRIVER_LEN];

	if (!*pci_driver(address, driver, sizeof(driver)))
		return 0;
	return pci_write(address, "driver/unbind", device);
}

/* What is written to driver_override for none, and what is read for none. */
#define NO_OVERRIDE		"\n"
#define NO_OVERRIDE_READ	"(null)\n"

/*
 * As it was before attach(): others, such as driverctl and libvirt, set
 * driver_override as well, and the driver may have been bound by hand.
 */
static void put_back(const struct pci_address *address, const char *device,
		     const char *override, const char *driver)
{
	char now[DRIVER_LEN], path[DRIVER_LEN + 16];
	int ret;

	ret = pci_write(address, "driver_override",
			strcmp(override, NO_OVERRIDE_READ) ? override :
							     NO_OVERRIDE);
	if (ret)
		failed(ret, "restore driver_override", device);
	if (!*driver || *pci_driver(address, now, sizeof(now)))
		return;
	snprintf(path, sizeof(path), "drivers/%s/bind", driver);
	ret = pci_bus_write(path, device);
	if (ret)
		failed(ret, "give it back to its driver", device);
}

static enum status attach(const struct pci_address *address,
			  const char *device)
{
	char before[DRIVER_LEN], driver[DRIVER_LEN], override[OVERRIDE_LEN];
	bool has_group;
	int ret;

	pci_driver(address, before, sizeof(before));
	ret = pci_read(address, "driver_override", override, sizeof(override));
	if (ret)
		return failed(ret, "read driver_override", device);
	ret = pci_write(address, "driver_override", DRIVER);
	if (ret)
		return failed(ret, "set driver_override", device);
	ret = detach(address, device);
	if (!ret)
		ret = pci_bus_write("drivers_probe", device);
	if (!ret && !strcmp(pci_driver(address, driver, sizeof(driver)),
			    DRIVER))
		return OK;

	has_group = pci_group(address) >= 0;
	put_back(address, device, override, before);
	if (ret)
		return failed(ret, "bind", device);
	if (!has_group) {
		complain("%s is in no IOMMU group: enable the IOMMU (firmware, kernel command line)",
			 device);
		return REFUSED;
	}
	/* The kernel's log says why the driver did not take it. */
	complain("%s: " DRIVER " did not take it; see dmesg. It went back to %s",
		 device, *pci_driver(address, driver, sizeof(driver)) ?
			 driver : "no driver");
	return REFUSED;
}

enum status cmd_bind(int argc, char **argv)
{
	char device[PCI_ADDRESS_LEN], driver[DRIVER_LEN];
	struct pci_address address;
	enum status status;

	if (argc != 2)
		return usage_error("%s takes one PCI address", argv[0]);
	status = pci_argument(argv[1], &address);
	if (status != OK)
		return status;
	pci_format(&address, device);
	if (!pci_exists(&address)) {
		complain("there is no device %s", device);
		return NO_DEVICE;
	}
	if (access("/sys/bus/pci/drivers/" DRIVER, F_OK) < 0) {
		complain("the driver is not loaded: modprobe " MODULE);
		return NO_DRIVER;
	}
	if (strcmp(pci_driver(&address, driver, sizeof(driver)), DRIVER))
		status = attach(&address, device);
	/*
	 * Only now: with a device tree, kernels before 6.15 put a device into
	 * its group when a driver is bound.
	 */
	if (status == OK)
		tell_group(&address, pci_group(&address));
	return status;
}

/* An unbind waits until the last user closes: do not let it hang. */
static enum status check_closed(const struct pci_address *address,
				const char *name)
{
	struct device *devices, *device;
	enum status status;
	unsigned int nr;

	status = family_devices(&devices, &nr);
	if (status != OK)
		return status;
	status = family_find(address, devices, nr, &device);
	if (status == OK && device->open) {
		complain("%s is open: stop its user first", name);
		status = REFUSED;
	}
	family_free(devices, nr);
	return status;
}

/*
 * Give the device to whom it would belong without us.  It left us even if that
 * one does not take it.
 */
static enum status release(const struct pci_address *address,
			   const char *device)
{
	int ret = pci_write(address, "driver_override", NO_OVERRIDE);

	if (ret)
		return failed(ret, "clear driver_override", device);
	ret = detach(address, device);
	if (ret)
		return failed(ret, "unbind", device);
	ret = pci_bus_write("drivers_probe", device);
	if (ret)
		complain("%s is unbound, but has no other driver: %s", device,
			 strerror(-ret));
	return OK;
}

enum status cmd_unbind(int argc, char **argv)
{
	char device[PCI_ADDRESS_LEN];
	struct pci_address address;
	enum status status;

	if (argc != 2)
		return usage_error("%s takes one PCI address", argv[0]);
	status = pci_argument(argv[1], &address);
	if (status != OK)
		return status;
	pci_format(&address, device);
	status = check_closed(&address, device);
	return status == OK ? release(&address, device) : status;
}
