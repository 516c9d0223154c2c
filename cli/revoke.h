/* SPDX-License-Identifier: BSD-2-Clause */
/* What `credential revoke` and `certificate revoke` share. */
#ifndef CLI_REVOKE_H
#define CLI_REVOKE_H

#include "cli/cli.h"

/* Puts the operand into REQUEST: billing.7 names a version, billing with --all every one.
 * -EINVAL with R filled for both, neither, or what is no name of a WHAT ("login"). */
must_check int cli_revoke_put_name(const struct cli *c, const char *what, struct buf *request,
				   struct report *r);

/* Ends REQUEST, sends it, and shows what is refused from now on. Returns the exit code. */
int cli_revoke_ask(struct cli *c, enum wire_verb verb, struct buf *request);

#endif
