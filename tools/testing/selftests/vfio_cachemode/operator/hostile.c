// SPDX-License-Identifier: GPL-2.0-only
/*
 * Send the family what no honest program would, and see that it answers each
 * time, and that nothing has changed afterwards.
 *
 *	hostile SECONDS [SEED [LEAST]]
 *
 * Messages are random, and half of them nearly right: a valid one with a few
 * bytes changed.  The kernel's log decides whether it bore that.  Prints how
 * many were sent, LEAST or more, and how many of them were accepted.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/vfio_cachemode_netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static uint64_t seed;

static uint32_t any(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 16) % limit);
}

static int family_attribute(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int family_reply(const struct nlmsghdr *message, void *data)
{
	return mnl_attr_parse(message, sizeof(struct genlmsghdr),
			      family_attribute, data);
}

static struct nlmsghdr *start(char *buffer, uint16_t type, uint16_t flags,
			      uint8_t command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = 1;
	return message;
}

static uint16_t find_family(struct mnl_socket *socket, char *buffer)
{
	uint16_t id = 0;
	struct nlmsghdr *message = start(buffer, GENL_ID_CTRL, NLM_F_REQUEST,
					 CTRL_CMD_GETFAMILY);
	ssize_t n;

	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME,
			  VFIO_CACHEMODE_FAMILY_NAME);
	mnl_socket_sendto(socket, message, message->nlmsg_len);
	n = mnl_socket_recvfrom(socket, buffer, MNL_SOCKET_BUFFER_SIZE);
	if (n > 0)
		mnl_cb_run(buffer, (size_t)n, 0, 0, family_reply, &id);
	return id;
}

/* Attributes of random types, lengths and contents, nested now and then. */
static void put_any(struct nlmsghdr *message, int depth)
{
	unsigned char data[64];

	for (uint32_t n = any(12); n; n--) {
		uint16_t type = (uint16_t)any(16);

		if (message->nlmsg_len > 2048)
			return;
		if (depth < 3 && !any(3)) {
			struct nlattr *nest;

			nest = mnl_attr_nest_start(message, type);
			put_any(message, depth + 1);
			mnl_attr_nest_end(message, nest);
			continue;
		}
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = any(4) ? 0 : (unsigned char)any(256);
		mnl_attr_put(message, type,
			     any(2) ? 4u << any(2) : any(sizeof(data)), data);
	}
}

/* A set that is right but for its numbers. */
static void put_set(struct nlmsghdr *message)
{
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_DOMAIN, 0);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_BUS, any(6));
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_DEVFN, 0);
	mnl_attr_put_u32(message, VFIO_CACHEMODE_A_REGION_INDEX,
			 any(3) ? 0 : any(7));
	if (any(2))
		mnl_attr_put(message, VFIO_CACHEMODE_A_REGION_FORCE, 0, NULL);
	for (uint32_t n = any(3) ? 1 : any(20); n; n--) {
		struct nlattr *nest;

		nest = mnl_attr_nest_start(message,
					   VFIO_CACHEMODE_A_REGION_POLICY);
		mnl_attr_put_u64(message, VFIO_CACHEMODE_A_AREA_OFFSET,
				 any(8) ? (uint64_t)any(512) << 12 : seed);
		mnl_attr_put_u64(message, VFIO_CACHEMODE_A_AREA_SIZE,
				 any(8) ? (uint64_t)any(64) << 12 : -seed);
		mnl_attr_put_u32(message, VFIO_CACHEMODE_A_AREA_MODE, any(5));
		mnl_attr_put_u32(message, VFIO_CACHEMODE_A_AREA_MAX_WIDTH,
				 any(3) ? 0 : any(70));
		mnl_attr_nest_end(message, nest);
	}
}

static void spoil(struct nlmsghdr *message)
{
	unsigned char *bytes = (unsigned char *)message;

	for (uint32_t n = any(4); n; n--)
		bytes[NLMSG_HDRLEN +
		      any(message->nlmsg_len - NLMSG_HDRLEN)] =
			(unsigned char)any(256);
}

int main(int argc, char **argv)
{
	static char buffer[65536];
	struct mnl_socket *socket = mnl_socket_open(NETLINK_GENERIC);
	struct timeval patience = { .tv_sec = 60 };
	unsigned long sent = 0, accepted = 0, least;
	uint16_t family;
	time_t end;

	if (argc < 2 || !socket || mnl_socket_bind(socket, 0, 0) < 0)
		return 2;
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	least = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	family = find_family(socket, buffer);
	if (!family) {
		fputs("hostile: no family\n", stderr);
		return 2;
	}
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO,
		   &patience, sizeof(patience));

	end = time(NULL) + atoi(argv[1]);
	for (; time(NULL) < end || sent < least; sent++) {
		uint16_t flags = NLM_F_REQUEST | NLM_F_ACK |
				 (any(3) ? 0 : NLM_F_DUMP);
		struct nlmsghdr *message;
		ssize_t n;

		message = start(buffer, family, flags, (uint8_t)(any(5)));
		if (any(2)) {
			((struct genlmsghdr *)mnl_nlmsg_get_payload(message))
				->cmd = VFIO_CACHEMODE_CMD_REGION_SET;
			put_set(message);
		} else {
			put_any(message, 0);
		}
		if (any(2))
			spoil(message);
		mnl_socket_sendto(socket, message, message->nlmsg_len);

		/* Read all answers; now and then leave a dump alone. */
		if (flags & NLM_F_DUMP && !any(4)) {
			mnl_socket_close(socket);
			socket = mnl_socket_open(NETLINK_GENERIC);
			if (!socket || mnl_socket_bind(socket, 0, 0) < 0)
				return 2;
			setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET,
				   SO_RCVTIMEO, &patience, sizeof(patience));
			continue;
		}
		do {
			struct nlmsghdr *answer = (struct nlmsghdr *)buffer;

			n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
			if (n < (ssize_t)NLMSG_HDRLEN) {
				printf("no answer to message %lu\n", sent);
				return 1;
			}
			if (answer->nlmsg_type == NLMSG_ERROR)
				accepted += !((struct nlmsgerr *)
					mnl_nlmsg_get_payload(answer))->error;
			if (answer->nlmsg_type == NLMSG_ERROR ||
			    answer->nlmsg_type == NLMSG_DONE)
				break;
			/* A dump's end may share its last datagram. */
			int left = (int)n;

			while (mnl_nlmsg_ok(answer, left) &&
			       answer->nlmsg_type != NLMSG_DONE &&
			       answer->nlmsg_type != NLMSG_ERROR)
				answer = mnl_nlmsg_next(answer, &left);
			if (mnl_nlmsg_ok(answer, left))
				break;
		} while (1);
	}
	printf("%lu sent, %lu accepted\n", sent, accepted);
	return 0;
}
