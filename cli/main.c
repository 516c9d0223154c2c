/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
	struct cli c = { .in = STDIN_FILENO, .out = stdout, .err = stderr };

	/* a reader that went away is an error to be told, not a silent end: see
	 * cli_run_credential_issue() */
	(void)signal(SIGPIPE, SIG_IGN);
	return cli_main(&c, argc, argv);
}
