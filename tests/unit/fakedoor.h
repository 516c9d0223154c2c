/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A door for the plugin's tests: a child process that answers Auth.* frames and counts what
 * reaches it. It knows the login "user" with the password "pencil" (RFC 7677's example), says
 * "unavail" to "busy", answers "broken" with bytes that are no frame, and knows nobody else.
 */
#ifndef TESTS_UNIT_FAKEDOOR_H
#define TESTS_UNIT_FAKEDOOR_H

#include <stdatomic.h>
#include <sys/types.h>

struct fakedoor {
	char dir[64];
	char path[108];
	pid_t pid; /* 0 when it is not running */
	struct fakedoor_seen {
		atomic_uint connects;
		atomic_uint requests;
		char mechanism[64]; /* of the last request, as are the others */
		char service[64];
		char address[64];
	} * seen; /* shared with the child */
};

void fakedoor_new(struct fakedoor *d);
void fakedoor_start(struct fakedoor *d); /* returns when it listens */
void fakedoor_stop(struct fakedoor *d);	 /* SIGKILL; the socket stays behind */
void fakedoor_pause(struct fakedoor *d); /* SIGSTOP; returns when it has stopped */
void fakedoor_resume(struct fakedoor *d);
void fakedoor_free(struct fakedoor *d);

#endif
