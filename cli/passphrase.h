/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets that a person or a script hands to rotatectl: never by argument or environment. */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

#include "base/secret.h"
#include "cli/cli.h"

enum { PASSPHRASE_MAX = 1024 };

/*
 * One line from --passphrase-fd, else --passphrase-file, else standard input: at a terminal
 * with the echo off after PROMPT, and once more when TWICE. Its end of line is not part of it.
 * Returns CLI_DONE and an owned *ret, or an exit code after the person has been told.
 */
must_check int passphrase_read(struct cli *c, const char *prompt, bool twice,
			       struct secret **ret);

/* One line from standard input, as above; an empty one, or its end, gives a *ret of NULL. */
must_check int passphrase_read_optional(struct cli *c, const char *prompt, struct secret **ret);

/* The whole of the file PATH, at most SIZE bytes. As above. */
must_check int passphrase_read_file(struct cli *c, const char *path, size_t size,
				    struct secret **ret);

#endif
