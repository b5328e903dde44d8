// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family, through libmnl.
 *
 * Attributes that this program does not know are passed over, and values are
 * only used if they have the length that their type says.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/vfio_cachemode_netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tool.h"

/* The kernel fills at most this much of a dump into one datagram. */
#define BUFFER_SIZE	65536

/* A dump that was interrupted this often means that the host is not well. */
#define MAX_TRIES	16

struct family {
	struct mnl_socket *socket;
	uint16_t id;
	uint32_t monitor;	/* the multicast group's number, 0: none */
	unsigned int seq;
	void *result;		/* what the handler of a reply fills in */
	char message[256];	/* the kernel's reason of the last refusal */
	char buffer[BUFFER_SIZE];
};

static void family_close(struct family *family)
{
	if (family->socket)
		mnl_socket_close(family->socket);
	free(family);
}

static struct nlmsghdr *request(struct family *family, uint16_t type,
				uint8_t command, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(family->buffer);
	struct genlmsghdr *header;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++family->seq;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = VFIO_CACHEMODE_FAMILY_VERSION;
	return message;
}

static int extack_attribute(const struct nlattr *attr, void *data)
{
	struct family *family = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(family->message, sizeof(family->message), "%s",
			 mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* An acknowledgment or a refusal, the latter perhaps with its reason. */
static int end_of_request(const struct nlmsghdr *message, void *data)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (!error->error)
		return MNL_CB_STOP;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (!(message->nlmsg_flags & NLM_F_CAPPED))
			offset += mnl_nlmsg_get_payload_len(&error->msg);
		mnl_attr_parse(message, (unsigned int)offset, extack_attribute,
			       data);
	}
	errno = -error->error;
	return MNL_CB_ERROR;
}

static mnl_cb_t control[] = {
	[NLMSG_ERROR] = end_of_request,
};

/*
 * Sends what is in the buffer, and hands each reply to @handle with the family
 * as its data.  Returns 0, or -1 with errno.
 */
static int transact(struct family *family, const struct nlmsghdr *message,
		    mnl_cb_t handle, void *result)
{
	unsigned int port = mnl_socket_get_portid(family->socket);
	ssize_t n;
	int ret;

	family->result = result;
	family->message[0] = '\0';
	if (mnl_socket_sendto(family->socket, message, message->nlmsg_len) < 0)
		return -1;
	do {
		n = mnl_socket_recvfrom(family->socket, family->buffer,
					sizeof(family->buffer));
		if (n < 0)
			return -1;
		ret = mnl_cb_run2(family->buffer, (size_t)n, family->seq, port,
				  handle, family, control,
				  ARRAY_SIZE(control));
	} while (ret > MNL_CB_STOP);
	return ret;
}

static uint64_t get_number(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case sizeof(uint64_t):
		return mnl_attr_get_u64(attr);
	case sizeof(uint32_t):
		return mnl_attr_get_u32(attr);
	case sizeof(uint16_t):
		return mnl_attr_get_u16(attr);
	default:
		return 0;
	}
}

/*
 * Finding the family
 */

struct group {
	const char *name;
	uint32_t id;
};

static int group_attribute(const struct nlattr *attr, void *data)
{
	struct group *group = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		group->name = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
		group->id = (uint32_t)get_number(attr);
	return MNL_CB_OK;
}

static int each_group(const struct nlattr *attr, void *data)
{
	struct group group = { NULL, 0 };
	struct family *family = data;

	mnl_attr_parse_nested(attr, group_attribute, &group);
	if (group.name && !strcmp(group.name, VFIO_CACHEMODE_MCGRP_MONITOR))
		family->monitor = group.id;
	return MNL_CB_OK;
}

static int family_attribute(const struct nlattr *attr, void *data)
{
	struct family *family = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		family->id = (uint16_t)get_number(attr);
	else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
		mnl_attr_parse_nested(attr, each_group, family);
	return MNL_CB_OK;
}

static int family_reply(const struct nlmsghdr *message, void *data)
{
	mnl_attr_parse(message, sizeof(struct genlmsghdr), family_attribute,
		       data);
	return MNL_CB_OK;
}

/* Complains if the module is not there. */
static enum status family_open(struct family **result)
{
	struct family *family = calloc(1, sizeof(*family));
	struct nlmsghdr *message;
	int on = 1;

	if (!family) {
		complain("out of memory");
		return FAILED;
	}
	family->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!family->socket ||
	    mnl_socket_bind(family->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		complain("can't open a netlink socket: %s", strerror(errno));
		family_close(family);
		return FAILED;
	}
	/* Both since Linux 4.12: without them there are no reasons to tell. */
	mnl_socket_setsockopt(family->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(family->socket, NETLINK_CAP_ACK, &on, sizeof(on));

	message = request(family, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME,
			  VFIO_CACHEMODE_FAMILY_NAME);
	if (transact(family, message, family_reply, NULL) < 0) {
		enum status status = FAILED;

		if (errno == ENOENT) {
			complain("the driver is not loaded: modprobe " MODULE);
			status = NO_DRIVER;
		} else {
			complain("can't find the driver's netlink family: %s",
				 strerror(errno));
		}
		family_close(family);
		return status;
	}
	*result = family;
	return OK;
}

/*
 * Devices, regions and areas
 */

static int device_attribute(const struct nlattr *attr, void *data)
{
	struct device *device = data;

	switch (mnl_attr_get_type(attr)) {
	case VFIO_CACHEMODE_A_DEV_DOMAIN:
		device->address.domain = (uint32_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_DEV_BUS:
		device->address.bus = (uint8_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_DEV_DEVFN:
		device->address.devfn = (uint8_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_DEV_OPEN:
		device->open = true;
		break;
	}
	return MNL_CB_OK;
}

static int area_attribute(const struct nlattr *attr, void *data)
{
	struct area *area = data;

	switch (mnl_attr_get_type(attr)) {
	case VFIO_CACHEMODE_A_AREA_OFFSET:
		area->offset = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_AREA_SIZE:
		area->size = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_AREA_MODE:
		area->mode = (uint32_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_AREA_ACCESS:
		area->access = (uint32_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_AREA_MAX_WIDTH:
		area->max_width = (uint32_t)get_number(attr);
		break;
	}
	return MNL_CB_OK;
}

static int stats_attribute(const struct nlattr *attr, void *data)
{
	struct region *region = data;

	switch (mnl_attr_get_type(attr)) {
	case VFIO_CACHEMODE_A_STATS_FAULTS:
		region->faults = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_ENTRIES_PTE:
		region->entries_pte = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_ENTRIES_PMD:
		region->entries_pmd = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_ENTRIES_PUD:
		region->entries_pud = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_READS:
		region->reads = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_WRITES:
		region->writes = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_READ_BYTES:
		region->read_bytes = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_STATS_WRITTEN_BYTES:
		region->written_bytes = get_number(attr);
		break;
	}
	return MNL_CB_OK;
}

static int region_attribute(const struct nlattr *attr, void *data)
{
	struct region *region = data;

	switch (mnl_attr_get_type(attr)) {
	case VFIO_CACHEMODE_A_REGION_DOMAIN:
		region->device.domain = (uint32_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_REGION_BUS:
		region->device.bus = (uint8_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_REGION_DEVFN:
		region->device.devfn = (uint8_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_REGION_INDEX:
		region->index = (uint32_t)get_number(attr);
		break;
	case VFIO_CACHEMODE_A_REGION_SIZE:
		region->size = get_number(attr);
		break;
	case VFIO_CACHEMODE_A_REGION_ADDRESS:
		region->address = get_number(attr);
		region->has_address = true;
		break;
	case VFIO_CACHEMODE_A_REGION_PREFETCHABLE:
		region->prefetchable = true;
		break;
	case VFIO_CACHEMODE_A_REGION_EMULATED:
		region->emulated = true;
		break;
	case VFIO_CACHEMODE_A_REGION_AREA:
		if (region->nr_areas == MAX_AREAS) {
			errno = E2BIG;
			return MNL_CB_ERROR;
		}
		mnl_attr_parse_nested(attr, area_attribute,
				      &region->areas[region->nr_areas++]);
		break;
	case VFIO_CACHEMODE_A_REGION_STATS:
		region->has_stats = true;
		mnl_attr_parse_nested(attr, stats_attribute, region);
		break;
	}
	return MNL_CB_OK;
}

struct devices {
	struct device *list;
	unsigned int nr;
};

static int device_reply(const struct nlmsghdr *message, void *data)
{
	struct devices *devices = ((struct family *)data)->result;
	struct device *grown;

	grown = realloc(devices->list, (devices->nr + 1) * sizeof(*grown));
	if (!grown)
		return MNL_CB_ERROR;
	devices->list = grown;
	grown += devices->nr++;
	memset(grown, 0, sizeof(*grown));
	return mnl_attr_parse(message, sizeof(struct genlmsghdr),
			      device_attribute, grown);
}

static bool same_address(const struct pci_address *a,
			 const struct pci_address *b)
{
	return a->domain == b->domain && a->bus == b->bus &&
	       a->devfn == b->devfn;
}

static int region_reply(const struct nlmsghdr *message, void *data)
{
	struct devices *devices = ((struct family *)data)->result;
	struct region *region = calloc(1, sizeof(*region));
	struct device *device = NULL;
	struct region *grown;

	if (!region)
		return MNL_CB_ERROR;
	if (mnl_attr_parse(message, sizeof(struct genlmsghdr),
			   region_attribute, region) < 0)
		goto error;

	for (unsigned int i = 0; i < devices->nr && !device; i++)
		if (same_address(&devices->list[i].address, &region->device))
			device = &devices->list[i];
	if (!device) {
		/* It was bound between the two dumps: take both again. */
		errno = EINTR;
		goto error;
	}
	grown = realloc(device->regions,
			(device->nr_regions + 1) * sizeof(*grown));
	if (!grown)
		goto error;
	device->regions = grown;
	grown[device->nr_regions++] = *region;
	free(region);
	return MNL_CB_OK;

error:
	free(region);
	return MNL_CB_ERROR;
}

void family_free(struct device *devices, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		free(devices[i].regions);
	free(devices);
}

static int dump(struct family *family, uint8_t command, mnl_cb_t handle,
		struct devices *devices)
{
	return transact(family, request(family, family->id, command,
					NLM_F_DUMP), handle, devices);
}

/* A reply that was not read to its end would be taken for the next one's. */
static void drain(struct family *family)
{
	int fd = mnl_socket_get_fd(family->socket);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	while (poll(&poll_fd, 1, 0) > 0 &&
	       mnl_socket_recvfrom(family->socket, family->buffer,
				   sizeof(family->buffer)) > 0)
		;
}

static bool same_devices(const struct devices *a, const struct devices *b)
{
	if (a->nr != b->nr)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		if (!same_address(&a->list[i].address, &b->list[i].address) ||
		    a->list[i].open != b->list[i].open)
			return false;
	return true;
}

/*
 * Whether a device is open says what its modes mean, and comes with another
 * dump than they do: ask before and after.  Returns 0, or -1 with errno.
 */
static int dump_all(struct family *family, struct devices *devices)
{
	struct devices after = { NULL, 0 };
	int error = 0;

	if (dump(family, VFIO_CACHEMODE_CMD_DEV_GET, device_reply,
		 devices) < 0 ||
	    dump(family, VFIO_CACHEMODE_CMD_REGION_GET, region_reply,
		 devices) < 0 ||
	    dump(family, VFIO_CACHEMODE_CMD_DEV_GET, device_reply, &after) < 0)
		error = errno;
	else if (!same_devices(devices, &after))
		error = EINTR;
	family_free(after.list, after.nr);
	errno = error;
	return error ? -1 : 0;
}

enum status family_devices(struct device **list, unsigned int *nr)
{
	struct family *family;
	enum status status = family_open(&family);
	int ret = -1;

	if (status != OK)
		return status;
	for (int i = 0; i < MAX_TRIES; i++) {
		struct devices devices = { NULL, 0 };

		ret = dump_all(family, &devices);
		if (ret == 0) {
			*list = devices.list;
			*nr = devices.nr;
			break;
		}
		ret = -errno;
		family_free(devices.list, devices.nr);
		/* libmnl's word, and ours, for devices that changed meanwhile. */
		if (ret != -EINTR)
			break;
		drain(family);
	}
	family_close(family);
	if (ret == 0)
		return OK;
	complain("can't read the devices: %s", strerror(-ret));
	return FAILED;
}

enum status family_find(const struct pci_address *address,
			struct device *devices, unsigned int nr,
			struct device **device)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (same_address(&devices[i].address, address)) {
			*device = &devices[i];
			return OK;
		}
	}
	return pci_not_bound(address);
}

/*
 * Policy
 */

static enum status status_of(int error)
{
	switch (error) {
	case EPERM:
		return NO_PERMISSION;
	case ENODEV:
	case ENOENT:
		return NO_DEVICE;
	default:
		return REFUSED;
	}
}

enum status family_set(const struct policy *policy)
{
	struct family *family;
	enum status status = family_open(&family);
	struct nlmsghdr *message;
	struct nlattr *nest;
	int error;

	if (status != OK)
		return status;
	message = request(family, family->id, VFIO_CACHEMODE_CMD_REGION_SET,
			  NLM_F_ACK);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_DOMAIN,
			 policy->device.domain);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_BUS,
			 policy->device.bus);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_DEVFN,
			 policy->device.devfn);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_INDEX, policy->index);
	if (policy->force)
		mnl_attr_put(message, VFIO_CACHEMODE_A_REGION_FORCE, 0, NULL);
	nest = mnl_attr_nest_start(message, VFIO_CACHEMODE_A_REGION_POLICY);
	if (policy->has_range) {
		mnl_attr_put_u64(message, VFIO_CACHEMODE_A_AREA_OFFSET,
				 policy->offset);
		mnl_attr_put_u64(message, VFIO_CACHEMODE_A_AREA_SIZE,
				 policy->size);
	}
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_AREA_MODE, policy->mode);
	if (policy->max_width)
		mnl_attr_put_u32(message, VFIO_CACHEMODE_A_AREA_MAX_WIDTH,
				 policy->max_width);
	mnl_attr_nest_end(message, nest);

	if (transact(family, message, NULL, NULL) < 0) {
		error = errno;
		complain("%s", *family->message ? family->message :
						  strerror(error));
		status = status_of(error);
	}
	family_close(family);
	return status;
}

/*
 * Events
 */

static int event_message(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	event_fn handle = *(event_fn *)((struct family *)data)->result;
	struct device device = { .nr_regions = 0 };
	struct region *region;
	enum event event;

	switch (header->cmd) {
	case VFIO_CACHEMODE_CMD_DEV_OPEN_NTF:
		event = EVENT_OPEN;
		break;
	case VFIO_CACHEMODE_CMD_DEV_CLOSE_NTF:
		event = EVENT_CLOSE;
		break;
	case VFIO_CACHEMODE_CMD_DEV_RESET_NTF:
		event = EVENT_RESET;
		break;
	case VFIO_CACHEMODE_CMD_REGION_MODE_NTF:
		region = calloc(1, sizeof(*region));
		if (!region)
			return MNL_CB_ERROR;
		if (mnl_attr_parse(message, sizeof(*header), region_attribute,
				   region) == MNL_CB_OK)
			handle(EVENT_MODE, &region->device, region);
		free(region);
		return MNL_CB_OK;
	default:
		return MNL_CB_OK;
	}
	mnl_attr_parse(message, sizeof(*header), device_attribute, &device);
	handle(event, &device.address, NULL);
	return MNL_CB_OK;
}

static enum status watch_socket(struct family *family, int signals,
				event_fn handle)
{
	struct pollfd fds[] = {
		{ .fd = mnl_socket_get_fd(family->socket), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	ssize_t n;

	family->result = &handle;
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			return OK;
		if (!fds[0].revents)
			continue;
		n = mnl_socket_recvfrom(family->socket, family->buffer,
					sizeof(family->buffer));
		if (n < 0 && errno == ENOBUFS) {
			handle(EVENT_MISSED, NULL, NULL);
			continue;
		}
		/* Notifications have neither a sequence nor a port. */
		if (n < 0 || mnl_cb_run(family->buffer, (size_t)n, 0, 0,
					event_message, family) < 0)
			break;
	}
	complain("can't receive events: %s", strerror(errno));
	return FAILED;
}

enum status family_watch(event_fn handle)
{
	struct family *family;
	enum status status = family_open(&family);
	sigset_t mask;
	int signals;

	if (status != OK)
		return status;
	if (mnl_socket_setsockopt(family->socket, NETLINK_ADD_MEMBERSHIP,
				  &family->monitor,
				  sizeof(family->monitor)) < 0) {
		if (errno == EPERM) {
			complain("watching takes CAP_SYS_ADMIN: run it as root");
			status = NO_PERMISSION;
		} else {
			complain("can't watch: %s", strerror(errno));
			status = FAILED;
		}
		goto out;
	}

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0) {
		complain("signalfd: %s", strerror(errno));
		status = FAILED;
		goto out;
	}
	status = watch_socket(family, signals, handle);
	close(signals);
out:
	family_close(family);
	return status;
}
