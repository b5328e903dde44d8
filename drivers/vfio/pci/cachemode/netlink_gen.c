// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vfio-cachemode.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/vfio_cachemode_netlink.h>
#include <linux/vfio_cachemode.h>

/* Common nested types */
const struct nla_policy vfio_cachemode_area_policy_nl_policy[VFIO_CACHEMODE_A_AREA_MAX_WIDTH + 1] = {
	[VFIO_CACHEMODE_A_AREA_OFFSET] = { .type = NLA_UINT, },
	[VFIO_CACHEMODE_A_AREA_SIZE] = { .type = NLA_UINT, },
	[VFIO_CACHEMODE_A_AREA_MODE] = NLA_POLICY_MAX(NLA_U32, 3),
	[VFIO_CACHEMODE_A_AREA_MAX_WIDTH] = NLA_POLICY_MAX(NLA_U32, 64),
};

/* VFIO_CACHEMODE_CMD_DEV_GET - do */
static const struct nla_policy vfio_cachemode_dev_get_nl_policy[VFIO_CACHEMODE_A_DEV_DEVFN + 1] = {
	[VFIO_CACHEMODE_A_DEV_DOMAIN] = { .type = NLA_U32, },
	[VFIO_CACHEMODE_A_DEV_BUS] = NLA_POLICY_MAX(NLA_U32, 255),
	[VFIO_CACHEMODE_A_DEV_DEVFN] = NLA_POLICY_MAX(NLA_U32, 255),
};

/* VFIO_CACHEMODE_CMD_REGION_GET - do */
static const struct nla_policy vfio_cachemode_region_get_nl_policy[VFIO_CACHEMODE_A_REGION_INDEX + 1] = {
	[VFIO_CACHEMODE_A_REGION_DOMAIN] = { .type = NLA_U32, },
	[VFIO_CACHEMODE_A_REGION_BUS] = NLA_POLICY_MAX(NLA_U32, 255),
	[VFIO_CACHEMODE_A_REGION_DEVFN] = NLA_POLICY_MAX(NLA_U32, 255),
	[VFIO_CACHEMODE_A_REGION_INDEX] = NLA_POLICY_MAX(NLA_U32, VFIO_CACHEMODE_MAX_BAR),
};

/* VFIO_CACHEMODE_CMD_REGION_SET - do */
static const struct nla_policy vfio_cachemode_region_set_nl_policy[VFIO_CACHEMODE_A_REGION_FORCE + 1] = {
	[VFIO_CACHEMODE_A_REGION_DOMAIN] = { .type = NLA_U32, },
	[VFIO_CACHEMODE_A_REGION_BUS] = NLA_POLICY_MAX(NLA_U32, 255),
	[VFIO_CACHEMODE_A_REGION_DEVFN] = NLA_POLICY_MAX(NLA_U32, 255),
	[VFIO_CACHEMODE_A_REGION_INDEX] = NLA_POLICY_MAX(NLA_U32, VFIO_CACHEMODE_MAX_BAR),
	[VFIO_CACHEMODE_A_REGION_POLICY] = NLA_POLICY_NESTED(vfio_cachemode_area_policy_nl_policy),
	[VFIO_CACHEMODE_A_REGION_FORCE] = { .type = NLA_FLAG, },
};

/* Ops table for vfio_cachemode */
static const struct genl_split_ops vfio_cachemode_nl_ops[] = {
	{
		.cmd		= VFIO_CACHEMODE_CMD_DEV_GET,
		.doit		= vfio_cachemode_nl_dev_get_doit,
		.policy		= vfio_cachemode_dev_get_nl_policy,
		.maxattr	= VFIO_CACHEMODE_A_DEV_DEVFN,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VFIO_CACHEMODE_CMD_DEV_GET,
		.dumpit	= vfio_cachemode_nl_dev_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VFIO_CACHEMODE_CMD_REGION_GET,
		.doit		= vfio_cachemode_nl_region_get_doit,
		.policy		= vfio_cachemode_region_get_nl_policy,
		.maxattr	= VFIO_CACHEMODE_A_REGION_INDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VFIO_CACHEMODE_CMD_REGION_GET,
		.dumpit	= vfio_cachemode_nl_region_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VFIO_CACHEMODE_CMD_REGION_SET,
		.doit		= vfio_cachemode_nl_region_set_doit,
		.policy		= vfio_cachemode_region_set_nl_policy,
		.maxattr	= VFIO_CACHEMODE_A_REGION_FORCE,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group vfio_cachemode_nl_mcgrps[] = {
	[VFIO_CACHEMODE_NLGRP_MONITOR] = { "monitor", },
};

struct genl_family vfio_cachemode_nl_family __ro_after_init = {
	.name		= VFIO_CACHEMODE_FAMILY_NAME,
	.version	= VFIO_CACHEMODE_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= vfio_cachemode_nl_ops,
	.n_split_ops	= ARRAY_SIZE(vfio_cachemode_nl_ops),
	.mcgrps		= vfio_cachemode_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vfio_cachemode_nl_mcgrps),
};
