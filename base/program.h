/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How each of the four daemons begins: its options, and what must hold before it touches
 * anything. libc only.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdbool.h>

struct program {
	const char *name;      /* as it calls itself in the log; for good */
	const char *usage;     /* what --help prints: a row for each option that it takes */
	bool takes_vault_user; /* --vault-user NAME */
};

struct program_options {
	const char *root;	/* "" or --root; borrowed from argv, as the next */
	const char *vault_user; /* "rotated" or --vault-user */
};

enum { PROGRAM_RUN = -1 };

/*
 * Reads --root, --debug, --help and --version; claims the three standard streams, opens the
 * log, and sees to it that nothing of our memory gets into a core file or into the hands of
 * another process of our user. PROGRAM_RUN to go on; else the exit status, and all is said.
 */
int program_begin(int argc, char **argv, const struct program *program,
		  struct program_options *ret);

#endif
