/* SPDX-License-Identifier: BSD-2-Clause */
/* Which program answers a question, with which words, as whom; and whether it may. */
#ifndef ROTATED_UNLOCK_COMMAND_H
#define ROTATED_UNLOCK_COMMAND_H

#include "rotated/config/config.h"
#include "rotated/unlock/question.h"

enum { COMMAND_WORDS_MAX = 8, COMMAND_WORD_SIZE = 256 };

struct command {
	char words[COMMAND_WORDS_MAX][COMMAND_WORD_SIZE];
	char *argv[COMMAND_WORDS_MAX + 1];
	char secret_path[4096 + 64]; /* environment: where the host's key is; "" as usual */
	bool is_helper;		     /* runs as `user` */
	uint32_t user, group;
};

/*
 * -EPERM with a report for a helper that is not configured, that others could change, or that
 * has no user to run as. RET must not be moved afterwards.
 */
must_check int command_build(struct command *ret, const struct question *q,
			     const struct config *config, struct report *report);

/* child_main of a struct command: becomes the program. */
int command_child(const void *command);

/* What to do about a program that failed and said WORDS, into REPORT. */
void command_hint(const struct question *q, const char *words, struct report *report);

#endif
