/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vfio-cachemode.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_VFIO_CACHEMODE_GEN_H
#define _LINUX_VFIO_CACHEMODE_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vfio_cachemode_netlink.h>
#include <linux/vfio_cachemode.h>

#define VFIO_CACHEMODE_MAX_BAR	5

/* Common nested types */
extern const struct nla_policy vfio_cachemode_area_policy_nl_policy[VFIO_CACHEMODE_A_AREA_MAX_WIDTH + 1];

int vfio_cachemode_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info);
int vfio_cachemode_nl_dev_get_dumpit(struct sk_buff *skb,
				     struct netlink_callback *cb);
int vfio_cachemode_nl_region_get_doit(struct sk_buff *skb,
				      struct genl_info *info);
int vfio_cachemode_nl_region_get_dumpit(struct sk_buff *skb,
					struct netlink_callback *cb);
int vfio_cachemode_nl_region_set_doit(struct sk_buff *skb,
				      struct genl_info *info);

enum {
	VFIO_CACHEMODE_NLGRP_MONITOR,
};

extern struct genl_family vfio_cachemode_nl_family;

#endif /* _LINUX_VFIO_CACHEMODE_GEN_H */
