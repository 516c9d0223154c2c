/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one decision behind every protocol of the door. A protocol makes a request out of bytes,
 * the identity stack answers it, and decide() says what comes of it. Pure.
 */
#ifndef ROTATED_DOOR_DECIDE_H
#define ROTATED_DOOR_DECIDE_H

#include <stdbool.h>

#include "modules/identity.h"
#include "rotated/door/login.h"

enum { DOOR_WORD_SIZE = 64 };

struct door_request {
	char login[DOOR_LOGIN_SIZE];	/* after door_login() */
	char mechanism[DOOR_WORD_SIZE]; /* for the log, as the next two */
	char address[DOOR_WORD_SIZE];	/* of the client; empty when not known */
	char service[DOOR_WORD_SIZE];
	const struct secret *password; /* borrowed; NULL: a verifier is wanted */
};

enum door_outcome {
	DOOR_LATER,  /* no verdict: the client is to come again */
	DOOR_REFUSE, /* whatever the reason, the client hears the same */
	DOOR_ACCEPT, /* the password is right; or: here is a verifier, a decoy perhaps */
	DOOR_OUTCOME_MAX_
};

struct door_verdict {
	enum door_outcome outcome;
	const char *reason; /* a class for the log, static; NULL when there is nothing to log */
	const char
		*verifier; /* borrowed from the answer; NULL unless one was asked and given */
	const char *identity; /* borrowed; NULL when it is not known */
};

struct door_verdict door_decide(const struct door_request *q, const struct identity_answer *a);

#endif
