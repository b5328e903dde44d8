// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cachemode probe: open a device as a VMM would, through libvfiomem, and
 * tell what VFIO says about its regions.
 *
 * Nothing is written to the device but the memory enable bit, which VFIO puts
 * back when the device is closed.  Only memory that bears repeated reads is
 * read, one aligned word of each area, through the mapping and through pread():
 * both must give the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vfiomem.h>

#include "tool.h"

#define BARS	6

/* What a VMM holds; closed in this order. */
struct session {
	int device;
	int group;
	int container;
};

static enum status failed(const char *what)
{
	int error = errno;

	complain("can't %s: %s", what, strerror(error));
	return error == EACCES || error == EPERM ? NO_PERMISSION : FAILED;
}

static void close_session(struct session *session)
{
	int fds[] = { session->device, session->group, session->container };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static enum status open_group(struct session *session, int number,
			      const char *name)
{
	struct vfio_group_status state = { .argsz = sizeof(state) };
	char what[64];
	const char *path = what + strlen("open ");

	snprintf(what, sizeof(what), "open /dev/vfio/%d", number);
	session->group = open(path, O_RDWR | O_CLOEXEC);
	if (session->group < 0 && errno == EBUSY) {
		complain("%s is in use; its user's view: vfio-cachemode show %s",
			 name, name);
		return REFUSED;
	}
	if (session->group < 0)
		return failed(what);
	if (ioctl(session->group, VFIO_GROUP_GET_STATUS, &state) < 0)
		return failed("ask for the group's state");
	if (!(state.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		complain("the host drives other devices of IOMMU group %d: vfio-cachemode bind %s names them",
			 number, name);
		return REFUSED;
	}
	return OK;
}

static enum status open_session(struct session *session,
				const struct pci_address *address)
{
	char name[PCI_ADDRESS_LEN], driver[64];
	int number = pci_group(address);
	enum status status;

	pci_format(address, name);
	if (!pci_driver_is_vfio(pci_driver(address, driver, sizeof(driver))))
		return pci_not_bound(address);
	if (number < 0) {
		complain("%s is in no IOMMU group: enable the IOMMU", name);
		return REFUSED;
	}
	session->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (session->container < 0)
		return failed("open /dev/vfio/vfio");
	status = open_group(session, number, name);
	if (status != OK)
		return status;
	if (ioctl(session->group, VFIO_GROUP_SET_CONTAINER,
		  &session->container) < 0)
		return failed("put the group into a container");
	if (ioctl(session->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return failed("set the IOMMU up (modprobe vfio_iommu_type1)");
	session->device = ioctl(session->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (session->device < 0)
		return failed("open the device");
	return OK;
}

/* Without it a BAR answers nothing. */
static enum status enable_memory(const struct session *session)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;
	off_t where;

	if (ioctl(session->device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return failed("find the configuration space");
	where = (off_t)config.offset + PCI_COMMAND;
	if (pread(session->device, &command, sizeof(command), where) !=
	    sizeof(command))
		return failed("read the configuration space");
	command |= PCI_COMMAND_MEMORY;
	if (pwrite(session->device, &command, sizeof(command), where) !=
	    sizeof(command))
		return failed("enable the device's memory");
	return OK;
}

/*
 * The same word, mapped and not.  "not read" is no failure: reading registers
 * may change the device.
 */
static const char *check_area(const struct session *session,
			      const struct vfiomem_region *region,
			      const struct vfiomem_area *area)
{
	uint32_t mapped = 0, read = 0;
	const char *result = "agrees";
	size_t size;
	void *addr;

	if (!(area->attr.access & VFIOMEM_READ_IDEMPOTENT))
		return "not read";
	if (area->attr.max_width && area->attr.max_width < sizeof(mapped))
		return "not read";
	if (vfiomem_region_map(region, area->offset, 0, PROT_READ, &addr,
			       &size) < 0)
		return "NO MAPPING";
	if (vfiomem_copy_guarded(VFIOMEM_ATTR_PRIVATE, &mapped, area->attr,
				 addr, sizeof(mapped), VFIOMEM_RELAXED,
				 NULL) < 0)
		result = "FAULTS";
	else if (pread(session->device, &read, sizeof(read),
		       (off_t)(region->fd_offset + area->offset)) !=
		 sizeof(read))
		result = "UNREADABLE";
	else if (read != mapped)
		result = "DIFFERS";
	vfiomem_region_unmap(addr, size);
	return result;
}

static void tell_area(struct table *table, const struct vfiomem_region *region,
		      const struct vfiomem_area *area, const char *check)
{
	char index[16], offset[24], size[SIZE_LEN], width[SIZE_LEN];

	if (options.json) {
		json_object(NULL);
		json_number("region", region->index);
		json_bool("reported", region->reported);
		json_number("offset", area->offset);
		json_number("size", area->size);
		json_string("mode", mode_name(area->attr.mode));
		json_number("max_width", area->attr.max_width);
		json_string("access", access_names(area->attr.access));
		json_string("check", check);
		json_object_end();
		return;
	}
	snprintf(index, sizeof(index), "%" PRIu32, region->index);
	snprintf(offset, sizeof(offset), "0x%" PRIx64, area->offset);
	table_row(table, index, offset, format_size(area->size, size),
		  region->reported ? mode_name(area->attr.mode) :
				     "not reported",
		  format_width(area->attr.max_width, width), check,
		  access_names(area->attr.access));
}

static bool is_failure(const char *check)
{
	return strcmp(check, "agrees") && strcmp(check, "not read");
}

static enum status tell_regions(const struct session *session,
				struct table *table)
{
	enum status status = OK;

	for (uint32_t bar = 0; bar < BARS; bar++) {
		struct vfiomem_region *region;
		int ret = vfiomem_region_open(session->device, bar, &region);

		if (ret < 0) {
			complain("region %" PRIu32 ": %s", bar, strerror(-ret));
			status = FAILED;
			continue;
		}
		for (uint32_t i = 0; i < region->nr_areas; i++) {
			const char *check = check_area(session, region,
						       &region->areas[i]);

			tell_area(table, region, &region->areas[i], check);
			if (is_failure(check))
				status = FAILED;
		}
		vfiomem_region_close(region);
	}
	return status;
}

static enum status probe(const struct session *session)
{
	static const char *const head[] = {
		">REGION", ">OFFSET", ">SIZE", "MODE", ">WIDTH", "CHECK",
		"ACCESS", NULL
	};
	enum status status = enable_memory(session);
	struct table table;

	if (status != OK)
		return status;
	if (vfiomem_guard_install() < 0) {
		complain("can't guard against SIGBUS");
		return FAILED;
	}
	if (options.json)
		json_array(NULL);
	else
		table_start(&table, head);
	status = tell_regions(session, &table);
	if (options.json) {
		json_array_end();
		json_line();
	} else {
		table_end(&table);
	}
	return status;
}

enum status cmd_probe(int argc, char **argv)
{
	struct session session = { -1, -1, -1 };
	struct pci_address address;
	enum status status;

	if (argc != 2)
		return usage_error("%s takes one PCI address", argv[0]);
	status = pci_argument(argv[1], &address);
	if (status != OK)
		return status;
	status = open_session(&session, &address);
	if (status == OK)
		status = probe(&session);
	close_session(&session);
	return status;
}
