// SPDX-License-Identifier: GPL-2.0-only
/*
 * mockgpu: a PCI device in a process of its own, for QEMU's vfio-user-pci.
 *
 * It ends on SIGTERM: with status 0, or 1 if a rule was broken.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "server.h"

static void print_help(FILE *to)
{
	const struct profile *p;

	fputs("usage: mockgpu --profile NAME --socket PATH --control PATH --log FILE\n", to);
	fputs("               [--bars DIRECTORY] [--do COMMAND]...\n\n", to);
	fputs("Commands, a line each on the control socket, or --do before serving:\n", to);
	fputs(control_help, to);
	fputs("disconnect                  hang up (control socket only)\n\n", to);
	fputs("Profiles:\n", to);
	for (p = profiles; p->name; p++)
		fprintf(to, "%-12s %04x:%04x\n", p->name, p->vendor, p->device);
}

static void fail(const char *what, int ret)
{
	fprintf(stderr, "mockgpu: %s: %s\n", what, strerror(-ret));
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "profile",	required_argument, NULL, 'p' },
		{ "socket",	required_argument, NULL, 's' },
		{ "control",	required_argument, NULL, 'c' },
		{ "log",	required_argument, NULL, 'l' },
		{ "bars",	required_argument, NULL, 'b' },
		{ "do",		required_argument, NULL, 'd' },
		{ "help",	no_argument, NULL, 'h' },
		{ }
	};
	const char *profile_name = NULL, *socket = NULL, *control = NULL;
	const char *log_path = NULL, *bars = NULL, *todo[16];
	const struct profile *profile;
	static struct device device;
	static struct session session;
	struct log log;
	size_t i, ntodo = 0;
	char reply[1024];
	int option, ret;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			profile_name = optarg;
			break;
		case 's':
			socket = optarg;
			break;
		case 'c':
			control = optarg;
			break;
		case 'l':
			log_path = optarg;
			break;
		case 'b':
			bars = optarg;
			break;
		case 'd':
			if (ntodo == sizeof(todo) / sizeof(*todo))
				fail("too many commands", -E2BIG);
			todo[ntodo++] = optarg;
			break;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			print_help(stderr);
			return 2;
		}
	}
	if (!profile_name || !socket || !control || !log_path || optind != argc) {
		print_help(stderr);
		return 2;
	}
	profile = profile_find(profile_name);
	if (!profile) {
		fprintf(stderr, "mockgpu: no profile %s\n", profile_name);
		return 2;
	}

	ret = log_open(&log, log_path);
	if (ret)
		fail(log_path, ret);
	ret = device_init(&device, profile, &log, bars);
	if (ret)
		fail("device", ret);
	session.dev = &device;
	device.command = control_line;
	device.context = &session;
	for (i = 0; i < ntodo; i++) {
		ret = control_line(&session, todo[i], reply, sizeof(reply));
		if (ret)
			fail(todo[i], ret);
	}
	ret = server_run(&session, socket, control);
	if (ret)
		fail(socket, ret);

	ret = device.violations != 0;
	if (ret)
		fprintf(stderr, "mockgpu: %llu violations of rules\n",
			(unsigned long long)device.violations);
	device_free(&device);
	log_close(&log);
	return ret;
}
