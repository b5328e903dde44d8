// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: what the host's operator sees and sets.
 *
 * Documentation/netlink/specs/vfio-cachemode.yaml describes the messages;
 * netlink_gen.c, made from it, holds their policies.
 *
 * Everything that a handler touches is reached through the list of devices
 * under nl_lock, which remove() takes before a device goes away.  No handler
 * keeps a pointer or a reference from one message of a dump to the next: a
 * dump remembers the address where it goes on, and devices come and go.
 */
#include <linux/capability.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "cachemode.h"
#include "netlink_gen.h"

/*
 * Devices that are bound, sorted by address.  Taken outside all locks of a
 * device.
 */
static DEFINE_MUTEX(nl_lock);
static LIST_HEAD(nl_devices);

/*
 * Changes with everything that a dump shows except counters, so that a reader
 * knows that its dump is a mixture of two states.
 */
static atomic_t nl_generation = ATOMIC_INIT(1);

/*
 * The generated group has no flags: the spec can ask for CAP_NET_ADMIN only.
 * Who opens which device when is not for everybody.
 */
static const struct genl_multicast_group nl_groups[] = {
	[VFIO_CACHEMODE_NLGRP_MONITOR] = {
		.name = VFIO_CACHEMODE_MCGRP_MONITOR,
		.flags = GENL_MCAST_CAP_SYS_ADMIN,
	},
};

/**
 * struct nl_cursor - where a dump goes on
 * @next: nl_key() of a device << 3 | index of a region; everything before it
 *	was sent
 */
struct nl_cursor {
	u64 next;
};

static struct nl_cursor *nl_cursor(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct nl_cursor) > sizeof(cb->ctx));
	return (struct nl_cursor *)cb->ctx;
}

static u64 nl_key(u32 domain, u8 bus, u8 devfn)
{
	return (u64)domain << 16 | bus << 8 | devfn;
}

static u64 nl_device_key(const struct cachemode_device *cdev)
{
	const struct pci_dev *pdev = cdev->core.pdev;

	return nl_key(pci_domain_nr(pdev->bus), pdev->bus->number,
		      pdev->devfn);
}

/*
 * The initial network namespace is asked for as well: a container that shares
 * the host's user namespace, but was given a network of its own, is not the
 * host's operator.
 */
static bool nl_is_operator(const struct sk_buff *skb)
{
	return net_eq(sock_net(skb->sk), &init_net) &&
	       netlink_capable(skb, CAP_SYS_ADMIN);
}

/**
 * cachemode_nl_changed() - make running dumps known as interrupted
 *
 * Context: Any.  Under the lock that the change was made under, so that nobody
 * sees the change with the number of before.
 */
void cachemode_nl_changed(void)
{
	atomic_inc(&nl_generation);
}

/*
 * Dump sequence numbers are not 0: to the core that means none.
 *
 * A dump asks at both ends of each of its parts: devices are opened and closed
 * meanwhile, and the core compares the number of each message, the last one
 * included, with that of the message before.
 */
static unsigned int nl_dump_seq(void)
{
	return (unsigned int)atomic_read(&nl_generation) ?: 1;
}

static int nl_put_address(struct sk_buff *skb,
			  const struct cachemode_device *cdev)
{
	const struct pci_dev *pdev = cdev->core.pdev;

	BUILD_BUG_ON((int)VFIO_CACHEMODE_A_DEV_DOMAIN !=
		     (int)VFIO_CACHEMODE_A_REGION_DOMAIN);
	BUILD_BUG_ON((int)VFIO_CACHEMODE_A_DEV_BUS !=
		     (int)VFIO_CACHEMODE_A_REGION_BUS);
	BUILD_BUG_ON((int)VFIO_CACHEMODE_A_DEV_DEVFN !=
		     (int)VFIO_CACHEMODE_A_REGION_DEVFN);

	if (nla_put_u32(skb, VFIO_CACHEMODE_A_DEV_DOMAIN,
			pci_domain_nr(pdev->bus)) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_DEV_BUS, pdev->bus->number) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_DEV_DEVFN, pdev->devfn))
		return -EMSGSIZE;
	return 0;
}

static int nl_put_dev(struct sk_buff *skb, const struct cachemode_device *cdev)
{
	if (nl_put_address(skb, cdev) ||
	    (READ_ONCE(cdev->live) &&
	     nla_put_flag(skb, VFIO_CACHEMODE_A_DEV_OPEN)))
		return -EMSGSIZE;
	return 0;
}

static int nl_put_area(struct sk_buff *skb, u64 offset, u64 size, u32 mode,
		       u32 access, u32 max_width)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, VFIO_CACHEMODE_A_REGION_AREA);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_uint(skb, VFIO_CACHEMODE_A_AREA_OFFSET, offset) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_AREA_SIZE, size) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_AREA_MODE, mode) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_AREA_ACCESS, access) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_AREA_MAX_WIDTH, max_width))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/*
 * While the device is closed nothing is mapped, so there is no mode in effect:
 * tell what the next open will ask for.
 */
static int nl_put_areas(struct sk_buff *skb, struct cachemode_device *cdev,
			const struct cachemode_region *region)
{
	const struct cachemode_area *area;
	u32 mode, access;
	unsigned int i;

	for (i = 0; i < region->nr_areas; i++) {
		area = &region->areas[i];
		if (cdev->live) {
			mode = area->mode;
			access = area->access;
		} else {
			mode = area->wanted;
			access = cachemode_policy_access(&cachemode_cpu,
							 region->backing,
							 mode);
		}
		if (nl_put_area(skb, area->offset, area->size, mode, access,
				area->max_width))
			return -EMSGSIZE;
	}
	return 0;
}

/* A BAR that vfio-pci-core serves: one area with one mode. */
static int nl_put_core_area(struct sk_buff *skb, struct cachemode_device *cdev,
			    unsigned int index)
{
	u32 mode = VFIO_MMAP_CACHE_MODE_NONCACHED, access = 0;
	enum cachemode_backing backing;

	backing = pci_resource_flags(cdev->core.pdev, index) &
		  IORESOURCE_PREFETCH ? CACHEMODE_BACKING_PREFETCHABLE :
					CACHEMODE_BACKING_REGISTERS;
	if (cdev->live)
		mode = cdev->core_bar_mode[index];
	if (mode == CACHEMODE_MODE_OTHER)
		mode = VFIO_MMAP_CACHE_MODE_NONCACHED;
	else
		access = cachemode_policy_access(&cachemode_cpu, backing, mode);
	return nl_put_area(skb, 0, pci_resource_len(cdev->core.pdev, index),
			   mode, access, 0);
}

static int nl_put_stats(struct sk_buff *skb,
			const struct cachemode_region *region)
{
	struct cachemode_stats sum;
	struct nlattr *nest;

	cachemode_stats_sum(region, &sum);
	nest = nla_nest_start(skb, VFIO_CACHEMODE_A_REGION_STATS);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_FAULTS, sum.faults) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_ENTRIES_PTE,
			 sum.entries[CACHEMODE_ENTRY_PTE]) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_ENTRIES_PMD,
			 sum.entries[CACHEMODE_ENTRY_PMD]) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_ENTRIES_PUD,
			 sum.entries[CACHEMODE_ENTRY_PUD]) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_READS, sum.reads) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_WRITES, sum.writes) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_READ_BYTES,
			 sum.read_bytes) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_STATS_WRITTEN_BYTES,
			 sum.written_bytes))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static bool nl_region_exists(const struct cachemode_device *cdev,
			     unsigned int index)
{
	const struct pci_dev *pdev = cdev->core.pdev;

	lockdep_assert_held(&cdev->state_lock);
	if (cdev->regions[index])
		return true;
	return !(cdev->hidden & BIT(index)) &&
	       pci_resource_flags(pdev, index) & IORESOURCE_MEM &&
	       pci_resource_len(pdev, index);
}

static int nl_put_region(struct sk_buff *skb, struct cachemode_device *cdev,
			 unsigned int index, bool is_operator)
{
	const struct cachemode_region *region = cdev->regions[index];
	const struct pci_dev *pdev = cdev->core.pdev;
	bool emulated, prefetchable;
	u64 address, size;

	emulated = cachemode_region_emulated(region);
	if (emulated) {
		address = region->phys;
		size = region->size;
		prefetchable = true;
	} else {
		address = pci_resource_start(pdev, index);
		size = pci_resource_len(pdev, index);
		prefetchable = pci_resource_flags(pdev, index) &
			       IORESOURCE_PREFETCH;
	}

	if (nl_put_address(skb, cdev) ||
	    nla_put_u32(skb, VFIO_CACHEMODE_A_REGION_INDEX, index) ||
	    nla_put_uint(skb, VFIO_CACHEMODE_A_REGION_SIZE, size) ||
	    (is_operator &&
	     nla_put_uint(skb, VFIO_CACHEMODE_A_REGION_ADDRESS, address)) ||
	    (prefetchable &&
	     nla_put_flag(skb, VFIO_CACHEMODE_A_REGION_PREFETCHABLE)) ||
	    (emulated && nla_put_flag(skb, VFIO_CACHEMODE_A_REGION_EMULATED)))
		return -EMSGSIZE;
	if (!region)
		return nl_put_core_area(skb, cdev, index);
	return nl_put_areas(skb, cdev, region) ?: nl_put_stats(skb, region);
}

static struct cachemode_device *nl_find(struct genl_info *info, int domain,
					int bus, int devfn)
{
	struct cachemode_device *cdev;
	u64 key;

	lockdep_assert_held(&nl_lock);
	if (GENL_REQ_ATTR_CHECK(info, domain) ||
	    GENL_REQ_ATTR_CHECK(info, bus) ||
	    GENL_REQ_ATTR_CHECK(info, devfn))
		return ERR_PTR(-EINVAL);

	key = nl_key(nla_get_u32(info->attrs[domain]),
		     nla_get_u32(info->attrs[bus]),
		     nla_get_u32(info->attrs[devfn]));
	list_for_each_entry(cdev, &nl_devices, nl_entry)
		if (nl_device_key(cdev) == key)
			return cdev;

	NL_SET_ERR_MSG(info->extack,
		       "no such device is bound to cachemode_vfio_pci");
	return ERR_PTR(-ENODEV);
}

static struct cachemode_device *nl_find_region(struct genl_info *info,
					       unsigned int *index)
{
	if (GENL_REQ_ATTR_CHECK(info, VFIO_CACHEMODE_A_REGION_INDEX))
		return ERR_PTR(-EINVAL);
	*index = nla_get_u32(info->attrs[VFIO_CACHEMODE_A_REGION_INDEX]);
	return nl_find(info, VFIO_CACHEMODE_A_REGION_DOMAIN,
		       VFIO_CACHEMODE_A_REGION_BUS,
		       VFIO_CACHEMODE_A_REGION_DEVFN);
}

int vfio_cachemode_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cachemode_device *cdev;
	struct sk_buff *reply;
	void *hdr;
	int ret;

	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_iput(reply, info);
	if (!hdr) {
		ret = -EMSGSIZE;
		goto err_free;
	}

	mutex_lock(&nl_lock);
	cdev = nl_find(info, VFIO_CACHEMODE_A_DEV_DOMAIN,
		       VFIO_CACHEMODE_A_DEV_BUS, VFIO_CACHEMODE_A_DEV_DEVFN);
	ret = IS_ERR(cdev) ? PTR_ERR(cdev) : nl_put_dev(reply, cdev);
	mutex_unlock(&nl_lock);
	if (ret)
		goto err_free;

	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);

err_free:
	nlmsg_free(reply);
	return ret;
}

int vfio_cachemode_nl_dev_get_dumpit(struct sk_buff *skb,
				     struct netlink_callback *cb)
{
	struct nl_cursor *cursor = nl_cursor(cb);
	struct cachemode_device *cdev;
	int ret = 0;
	void *hdr;
	u64 key;

	mutex_lock(&nl_lock);
	cb->seq = nl_dump_seq();
	list_for_each_entry(cdev, &nl_devices, nl_entry) {
		key = nl_device_key(cdev);
		if (key < cursor->next)
			continue;
		hdr = genlmsg_iput(skb, genl_info_dump(cb));
		mutex_lock(&cdev->state_lock);
		ret = hdr ? nl_put_dev(skb, cdev) : -EMSGSIZE;
		mutex_unlock(&cdev->state_lock);
		if (ret) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cursor->next = key + 1;
	}
	cb->seq = nl_dump_seq();
	mutex_unlock(&nl_lock);
	return ret;
}

int vfio_cachemode_nl_region_get_doit(struct sk_buff *skb,
				      struct genl_info *info)
{
	struct cachemode_device *cdev;
	struct sk_buff *reply;
	unsigned int index;
	void *hdr;
	int ret;

	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_iput(reply, info);
	if (!hdr) {
		ret = -EMSGSIZE;
		goto err_free;
	}

	mutex_lock(&nl_lock);
	cdev = nl_find_region(info, &index);
	if (IS_ERR(cdev)) {
		ret = PTR_ERR(cdev);
	} else {
		mutex_lock(&cdev->state_lock);
		if (nl_region_exists(cdev, index)) {
			ret = nl_put_region(reply, cdev, index,
					    nl_is_operator(skb));
		} else {
			NL_SET_ERR_MSG(info->extack,
				       "the device has no such memory BAR");
			ret = -ENOENT;
		}
		mutex_unlock(&cdev->state_lock);
	}
	mutex_unlock(&nl_lock);
	if (ret)
		goto err_free;

	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);

err_free:
	nlmsg_free(reply);
	return ret;
}

static int nl_dump_regions(struct sk_buff *skb, struct netlink_callback *cb,
			   struct cachemode_device *cdev)
{
	struct nl_cursor *cursor = nl_cursor(cb);
	u64 key = nl_device_key(cdev);
	unsigned int index;
	void *hdr;

	lockdep_assert_held(&cdev->state_lock);
	for (index = 0; index < PCI_STD_NUM_BARS; index++) {
		if ((key << 3 | index) < cursor->next ||
		    !nl_region_exists(cdev, index))
			continue;
		hdr = genlmsg_iput(skb, genl_info_dump(cb));
		if (!hdr)
			return -EMSGSIZE;
		if (nl_put_region(skb, cdev, index, nl_is_operator(cb->skb))) {
			genlmsg_cancel(skb, hdr);
			return -EMSGSIZE;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cursor->next = (key << 3 | index) + 1;
	}
	return 0;
}

int vfio_cachemode_nl_region_get_dumpit(struct sk_buff *skb,
					struct netlink_callback *cb)
{
	struct cachemode_device *cdev;
	int ret = 0;

	mutex_lock(&nl_lock);
	cb->seq = nl_dump_seq();
	list_for_each_entry(cdev, &nl_devices, nl_entry) {
		mutex_lock(&cdev->state_lock);
		ret = nl_dump_regions(skb, cb, cdev);
		mutex_unlock(&cdev->state_lock);
		if (ret)
			break;
	}
	cb->seq = nl_dump_seq();
	mutex_unlock(&nl_lock);
	return ret;
}

static void nl_multicast(struct sk_buff *msg, void *hdr, int ret)
{
	if (ret) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	/* To the initial network namespace alone: see nl_is_operator(). */
	genlmsg_multicast(&vfio_cachemode_nl_family, msg, 0,
			  VFIO_CACHEMODE_NLGRP_MONITOR, GFP_KERNEL);
}

static struct sk_buff *nl_notification(u32 cmd, void **hdr)
{
	struct sk_buff *msg;

	if (!genl_has_listeners(&vfio_cachemode_nl_family, &init_net,
				VFIO_CACHEMODE_NLGRP_MONITOR))
		return NULL;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return NULL;
	*hdr = genlmsg_put(msg, 0, 0, &vfio_cachemode_nl_family, 0, cmd);
	if (!*hdr) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static void nl_notify_region(struct cachemode_device *cdev, unsigned int index)
{
	struct sk_buff *msg;
	void *hdr;
	int ret;

	msg = nl_notification(VFIO_CACHEMODE_CMD_REGION_MODE_NTF, &hdr);
	if (!msg)
		return;
	mutex_lock(&cdev->state_lock);
	ret = nl_put_region(msg, cdev, index, true);
	mutex_unlock(&cdev->state_lock);
	nl_multicast(msg, hdr, ret);
}

static int nl_parse_request(const struct nlattr *attr, u64 region_size,
			    struct cachemode_request *request,
			    struct netlink_ext_ack *extack)
{
	struct nlattr *tb[VFIO_CACHEMODE_A_AREA_MAX + 1];
	struct nlattr *offset, *size, *width;
	int ret;

	ret = nla_parse_nested(tb, VFIO_CACHEMODE_A_AREA_MAX_WIDTH, attr,
			       vfio_cachemode_area_policy_nl_policy, extack);
	if (ret)
		return ret;
	if (NL_REQ_ATTR_CHECK(extack, attr, tb, VFIO_CACHEMODE_A_AREA_MODE))
		return -EINVAL;

	offset = tb[VFIO_CACHEMODE_A_AREA_OFFSET];
	size = tb[VFIO_CACHEMODE_A_AREA_SIZE];
	width = tb[VFIO_CACHEMODE_A_AREA_MAX_WIDTH];

	request->mode = nla_get_u32(tb[VFIO_CACHEMODE_A_AREA_MODE]);
	request->max_width = width ? nla_get_u32(width) : 0;
	request->offset = offset ? nla_get_uint(offset) : 0;
	if (size)
		request->size = nla_get_uint(size);
	else if (request->offset < region_size)
		request->size = region_size - request->offset;
	else
		request->size = 0;
	return 0;
}

static int nl_region_set(struct cachemode_device *cdev, unsigned int index,
			 struct genl_info *info)
{
	u64 region_size = pci_resource_len(cdev->core.pdev, index);
	struct cachemode_request requests[CACHEMODE_MAX_REQUESTS];
	unsigned int nr = 0;
	struct nlattr *attr;
	int rem, ret;

	nla_for_each_attr_type(attr, VFIO_CACHEMODE_A_REGION_POLICY,
			       genlmsg_data(info->genlhdr),
			       genlmsg_len(info->genlhdr), rem) {
		if (nr == ARRAY_SIZE(requests)) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "too many ranges in one request");
			return -ENOSPC;
		}
		ret = nl_parse_request(attr, region_size, &requests[nr++],
				       info->extack);
		if (ret)
			return ret;
	}
	if (!nr)
		return -EINVAL;

	return cachemode_bar_set_policy(cdev, index, requests, nr,
					info->attrs[VFIO_CACHEMODE_A_REGION_FORCE],
					info->extack);
}

int vfio_cachemode_nl_region_set_doit(struct sk_buff *skb,
				      struct genl_info *info)
{
	struct cachemode_device *cdev;
	unsigned int index;
	int ret;

	if (!nl_is_operator(skb)) {
		NL_SET_ERR_MSG(info->extack,
			       "setting a policy takes CAP_SYS_ADMIN on the host");
		return -EPERM;
	}
	if (GENL_REQ_ATTR_CHECK(info, VFIO_CACHEMODE_A_REGION_POLICY))
		return -EINVAL;

	mutex_lock(&nl_lock);
	cdev = nl_find_region(info, &index);
	ret = IS_ERR(cdev) ? PTR_ERR(cdev) : nl_region_set(cdev, index, info);
	if (!ret) {
		cachemode_nl_changed();
		nl_notify_region(cdev, index);
	}
	mutex_unlock(&nl_lock);
	return ret;
}

/**
 * cachemode_nl_notify() - tell listeners what happened to a device
 * @cdev: the device
 * @cmd: VFIO_CACHEMODE_CMD_DEV_OPEN_NTF, _DEV_CLOSE_NTF or _DEV_RESET_NTF
 *
 * A listener that is too slow misses messages and is told so by its socket;
 * the caller never waits for it.
 *
 * Context: May sleep.  Takes no lock of the device.
 */
void cachemode_nl_notify(struct cachemode_device *cdev, u32 cmd)
{
	struct sk_buff *msg;
	void *hdr;

	msg = nl_notification(cmd, &hdr);
	if (msg)
		nl_multicast(msg, hdr, nl_put_dev(msg, cdev));
}

/**
 * cachemode_nl_add() - let the operator see a device
 * @cdev: the device, ready to be opened
 *
 * Context: May sleep.  Called without any lock of the device.
 */
void cachemode_nl_add(struct cachemode_device *cdev)
{
	u64 key = nl_device_key(cdev);
	struct cachemode_device *pos;

	mutex_lock(&nl_lock);
	list_for_each_entry(pos, &nl_devices, nl_entry)
		if (nl_device_key(pos) > key)
			break;
	list_add_tail(&cdev->nl_entry, &pos->nl_entry);
	cachemode_nl_changed();
	mutex_unlock(&nl_lock);
}

/**
 * cachemode_nl_remove() - let the operator see a device no longer
 * @cdev: what was given to cachemode_nl_add(); on return no handler uses it
 *
 * Context: May sleep.  Called without any lock of the device.
 */
void cachemode_nl_remove(struct cachemode_device *cdev)
{
	mutex_lock(&nl_lock);
	list_del(&cdev->nl_entry);
	cachemode_nl_changed();
	mutex_unlock(&nl_lock);
}

/**
 * cachemode_nl_init() - register the family
 *
 * Return: 0 or a negative errno.
 */
int __init cachemode_nl_init(void)
{
	BUILD_BUG_ON(ARRAY_SIZE(nl_groups) !=
		     VFIO_CACHEMODE_NLGRP_MONITOR + 1);
	vfio_cachemode_nl_family.mcgrps = nl_groups;
	return genl_register_family(&vfio_cachemode_nl_family);
}

/**
 * cachemode_nl_exit() - unregister the family; waits for its handlers
 */
void cachemode_nl_exit(void)
{
	genl_unregister_family(&vfio_cachemode_nl_family);
}
