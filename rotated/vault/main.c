/* SPDX-License-Identifier: BSD-2-Clause */
#include <sodium.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/program.h"
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

int main(int argc, char **argv)
{
	static const struct program program = { .name = "rotated", .usage = usage };
	cleanup_manager struct manager *m = NULL;
	struct report report = { 0 };
	struct program_options o;
	int r = program_begin(argc, argv, &program, &o);

	if (r != PROGRAM_RUN)
		return r;
	if (sodium_init() < 0 || dkim_key_init() < 0) {
		log_error("libsodium or libcrypto can not be set up");
		return EXIT_FAILURE;
	}
	r = manager_new(o.root, &m, &report);
	if (r == 0)
		r = manager_run(m);
	if (r >= 0)
		return EXIT_SUCCESS;
	if (report.what[0])
		log_report(LOG_LEVEL_ERROR, &report);
	else
		log_error("can not go on: error %d", -r);
	return EXIT_FAILURE;
}
