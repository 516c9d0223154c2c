/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs Postfix's own commands: the only programs that rotatectl ever starts. */
#ifndef CLI_SETUP_RUN_H
#define CLI_SETUP_RUN_H

#include "base/buf.h"
#include "base/report.h"

enum { SETUP_OUTPUT_MAX = 1024 * 1024, SETUP_ARGUMENTS_MAX = 160 };

/*
 * Runs argv[0] (a name; looked for where the system has its own programs, whatever PATH says)
 * with a clean environment and nothing on its standard input, for two minutes at most. 0 and
 * what it printed in OUT; else a negative errno and R with its last words: -ENOENT when there
 * is no such program, -EIO when it did not exit with 0.
 */
must_check int setup_run(const char *const argv[], struct buf *out, struct report *r);

#endif
