// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI addresses, and what sysfs knows about a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define PATH_LEN	512

bool pci_parse(const char *text, struct pci_address *address)
{
	unsigned int domain, bus, device, function;
	int end;

	if (strspn(text, "0123456789abcdefABCDEF:.") != strlen(text))
		return false;
	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function,
		   &end) != 4) {
		/* Without a domain, as lspci prints it. */
		domain = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function,
			   &end) != 3)
			return false;
	}
	if (text[end] || device > 31 || function > 7)
		return false;
	address->domain = domain;
	address->bus = (uint8_t)bus;
	address->devfn = (uint8_t)(device << 3 | function);
	return true;
}

char *pci_format(const struct pci_address *address, char text[PCI_ADDRESS_LEN])
{
	snprintf(text, PCI_ADDRESS_LEN, "%04x:%02x:%02x.%x", address->domain,
		 address->bus, address->devfn >> 3, address->devfn & 7);
	return text;
}

enum status pci_argument(const char *text, struct pci_address *address)
{
	if (pci_parse(text, address))
		return OK;
	return usage_error("%s is no PCI address, such as 0000:01:00.0", text);
}

static char *device_path(const struct pci_address *address,
			 const char *attribute, char path[PATH_LEN])
{
	char text[PCI_ADDRESS_LEN];

	snprintf(path, PATH_LEN, "/sys/bus/pci/devices/%s/%s",
		 pci_format(address, text), attribute);
	return path;
}

bool pci_exists(const struct pci_address *address)
{
	char path[PATH_LEN];

	return access(device_path(address, "vendor", path), F_OK) == 0;
}

static bool read_id(const struct pci_address *address, const char *attribute,
		    unsigned int *id)
{
	char path[PATH_LEN];
	FILE *file = fopen(device_path(address, attribute, path), "re");
	bool ok;

	if (!file)
		return false;
	ok = fscanf(file, "%x", id) == 1;
	fclose(file);
	return ok;
}

char *pci_id(const struct pci_address *address, char text[16])
{
	unsigned int vendor, device;

	if (read_id(address, "vendor", &vendor) &&
	    read_id(address, "device", &device))
		snprintf(text, 16, "%04x:%04x", vendor & 0xffff,
			 device & 0xffff);
	else
		strcpy(text, "-");
	return text;
}

/* Last component of what a symbolic link of the device points to. */
static bool read_link(const struct pci_address *address, const char *attribute,
		      char *name, size_t size)
{
	char path[PATH_LEN], target[PATH_MAX];
	const char *last;
	ssize_t n;

	n = readlink(device_path(address, attribute, path), target,
		     sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(name, size, "%s", last ? last + 1 : target);
	return true;
}

char *pci_driver(const struct pci_address *address, char *name, size_t size)
{
	if (!read_link(address, "driver", name, size))
		*name = '\0';
	return name;
}

bool pci_driver_is_vfio(const char *name)
{
	return strstr(name, "vfio");
}

enum status pci_not_bound(const struct pci_address *address)
{
	char text[PCI_ADDRESS_LEN], driver[64];

	pci_format(address, text);
	if (!pci_exists(address))
		complain("there is no device %s", text);
	else if (*pci_driver(address, driver, sizeof(driver)))
		complain("%s is bound to %s: vfio-cachemode bind %s", text,
			 driver, text);
	else
		complain("%s is bound to no driver: vfio-cachemode bind %s",
			 text, text);
	return NO_DEVICE;
}

int pci_group(const struct pci_address *address)
{
	char name[32];

	return read_link(address, "iommu_group", name, sizeof(name)) ?
		       atoi(name) : -1;
}

int pci_read(const struct pci_address *address, const char *attribute,
	     char *value, size_t size)
{
	char path[PATH_LEN];
	int fd = open(device_path(address, attribute, path),
		      O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int ret = 0;

	if (fd < 0)
		return -errno;
	n = read(fd, value, size - 1);
	if (n < 0)
		ret = -errno;
	else
		value[n] = '\0';
	close(fd);
	return ret;
}

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int pci_write(const struct pci_address *address, const char *attribute,
	      const char *value)
{
	char path[PATH_LEN];

	return write_file(device_path(address, attribute, path), value);
}

int pci_bus_write(const char *file, const char *value)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "/sys/bus/pci/%s", file);
	return write_file(path, value);
}
