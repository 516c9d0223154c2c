/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"

#include <signal.h>

#include "base/fs.h"

int main(int argc, char **argv)
{
	struct cli c = { .in = STDIN_FILENO, .out = stdout, .err = stderr };

	if (fs_claim_streams() < 0)
		return CLI_REFUSED;
	/* a reader that went away is an error to be told, not a silent end: see
	 * cli_run_credential_issue() */
	(void)signal(SIGPIPE, SIG_IGN);
	return cli_main(&c, argc, argv);
}
