/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/manager.h"

static const char usage[] =
	"usage: rotated [--root DIR] [--debug]\n"
	"       rotated --help | --version\n"
	"\n"
	"Keeps the keystore, decides every rotation, and answers rotatectl(1).\n"
	"\n"
	"  --root DIR   put DIR before every path of the configuration and of our own state\n"
	"  --debug      log what is of interest only when looking for a mistake\n"
	"  --help       print this\n"
	"  --version    print the version\n";

struct options {
	const char *root;
	enum log_level level;
};

/* 1: go on; 0: done already; -EINVAL. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	struct options o = { .root = "", .level = LOG_LEVEL_INFO };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 'r':
			o.root = optarg;
			break;
		case 'd':
			o.level = LOG_LEVEL_DEBUG;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 0;
		case 'v':
			(void)puts("rotated " PACKAGE_VERSION);
			return 0;
		default:
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		(void)fputs(usage, stderr);
		return -EINVAL;
	}
	*ret = o;
	return 1;
}

/* Nothing of our memory gets into a core file, or into the hands of another process of our
 * user. */
static int protect_memory(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	cleanup_manager struct manager *m = NULL;
	struct report report = { 0 };
	struct options o;
	int r = parse_options(argc, argv, &o);

	if (r <= 0)
		return r < 0 ? 2 : 0;
	log_open("rotated", o.level);
	(void)umask(0022);
	(void)signal(SIGPIPE, SIG_IGN); /* can not fail for this signal */
	if (protect_memory() < 0 || sodium_init() < 0 || dkim_key_init() < 0) {
		log_error("memory can not be protected");
		return 1;
	}
	r = manager_new(o.root, &m, &report);
	if (r == 0)
		r = manager_run(m);
	if (r >= 0)
		return 0;
	if (report.what[0])
		log_report(LOG_LEVEL_ERROR, &report);
	else
		log_error("can not go on: error %d", -r);
	return 1;
}
