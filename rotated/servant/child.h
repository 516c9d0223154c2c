/* SPDX-License-Identifier: BSD-2-Clause */
/* Child processes that get nothing of ours but what they are handed. */
#ifndef ROTATED_SERVANT_CHILD_H
#define ROTATED_SERVANT_CHILD_H

#include "base/cleanup.h"

#include <sys/types.h>

/* Runs in the child; what it returns is the child's exit status. */
typedef int child_main(const void *context);

struct child {
	pid_t pid;
	int out; /* what it writes; the reading ends, non-blocking, owned by the caller */
	int err;
};

#define CHILD_NONE ((struct child){ .pid = -1, .out = -1, .err = -1 })

/*
 * Forks a child in a session and process group of its own, in the directory "/", with default
 * signals, no other descriptors than 0 to 2, and INPUT (borrowed; -1 for an empty one) as the
 * first of these. It is killed when the caller's process dies. RET's process is to be waited
 * for.
 */
must_check int child_start(child_main *run, const void *context, int input, struct child *ret);

/* Sends SIGNAL to the whole group. A child that has gone already is no error. */
void child_signal(const struct child *c, int signal);

/* The same for at most CHILD_PIPE_MAX bytes that no swap is to see: they lie in a pipe, which
 * holds as much without a reader. */
enum { CHILD_PIPE_MAX = 4096 };
must_check int child_input_pipe(const void *data, size_t len);

/* A descriptor to read the LEN bytes at DATA from; they can not be changed through it. */
must_check int child_input(const void *data, size_t len);

#endif
