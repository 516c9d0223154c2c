/* SPDX-License-Identifier: BSD-2-Clause */
/* From argv to exit code. */
#include "config.h"

#include "cli/cli.h"

#include <string.h>

static int run(struct cli *c, int argc, char **argv)
{
	struct report r;

	if (cli_parse(c, argc, argv, &r) < 0)
		return cli_fail(c, CLI_USAGE, &r);
	if (cli_has(c, CLI_OPTION_VERSION)) {
		(void)fprintf(c->out, "rotatectl %s\n", PACKAGE_VERSION);
		return CLI_DONE;
	}
	if (cli_has(c, CLI_OPTION_HELP)) {
		cli_help(c, c->out);
		return CLI_DONE;
	}
	return c->verb->run(c);
}

int cli_main(struct cli *c, int argc, char **argv)
{
	int exit_code = run(c, argc, argv);
	struct report r;

	if (fflush(c->out) == 0 && !ferror(c->out))
		return exit_code;
	(void)report_set(&r, -EIO, "cannot write the answer: %s", strerror(errno));
	return cli_fail(c, exit_code == CLI_DONE ? CLI_REFUSED : (enum cli_exit)exit_code, &r);
}
