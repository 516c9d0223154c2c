/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/program.h"

#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"

enum { EXIT_USAGE = 2 };

static int misused(const struct program *program)
{
	(void)fputs(program->usage, stderr); /* there is nowhere else to say it */
	return EXIT_USAGE;
}

static int read_options(int argc, char **argv, const struct program *program,
			struct program_options *o, enum log_level *level)
{
	enum { ROOT = 256, VAULT_USER, DEBUG, HELP, VERSION_ };
	static const struct option known[] = {
		{ "root", required_argument, NULL, ROOT },
		{ "vault-user", required_argument, NULL, VAULT_USER },
		{ "debug", no_argument, NULL, DEBUG },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION_ },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (c == ROOT)
			o->root = optarg;
		else if (c == VAULT_USER && program->takes_vault_user)
			o->vault_user = optarg;
		else if (c == DEBUG)
			*level = LOG_LEVEL_DEBUG;
		else if (c == HELP)
			return fputs(program->usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		else if (c == VERSION_)
			return printf("%s %s\n", program->name, PACKAGE_VERSION) < 0
				       ? EXIT_FAILURE
				       : EXIT_SUCCESS;
		else
			return misused(program);
	}
	return optind < argc ? misused(program) : PROGRAM_RUN;
}

static int protect_memory(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int program_begin(int argc, char **argv, const struct program *program,
		  struct program_options *ret)
{
	struct program_options o = { .root = "", .vault_user = "rotated" };
	enum log_level level = LOG_LEVEL_INFO;
	int r;

	/* before anything is opened: what we open first must not become a standard stream */
	if (fs_claim_streams() < 0)
		return EXIT_FAILURE;
	r = read_options(argc, argv, program, &o, &level);
	if (r != PROGRAM_RUN)
		return r;
	log_open(program->name, level);
	(void)umask(0022);
	(void)signal(SIGPIPE, SIG_IGN); /* neither of the two can fail so */
	r = protect_memory();
	if (r < 0) {
		log_error("our memory can not be kept out of core files: %s",
			  strerrordesc_np(-r));
		return EXIT_FAILURE;
	}
	*ret = o;
	return PROGRAM_RUN;
}
