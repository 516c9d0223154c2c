/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the door. One connection is kept between them; it survives a fork (the child
 * makes its own), a door that was restarted (one new connection is tried), a program that
 * closes descriptors behind our back, and use from several threads (while one uses the kept
 * connection, others make one for the occasion).
 */
#ifndef SASLPLUGIN_EXCHANGE_H
#define SASLPLUGIN_EXCHANGE_H

#include "saslplugin/options.h"
#include "wire/verbs.h"

struct exchange;

enum { EXCHANGE_VERIFIER_SIZE = 512 };

struct exchange_question {
	enum wire_verb verb; /* WIRE_AUTH_VERIFIER or WIRE_AUTH_PASSWORD */
	const char *login;
	const char *mechanism;
	const char *address; /* "address;port" of the client, or NULL */
	const char *service; /* or NULL */
	const char *password;
	size_t password_len; /* of WIRE_AUTH_PASSWORD */
};

struct exchange_answer {
	bool accepted; /* the password is right; for a verifier question: there is one */
	char verifier[EXCHANGE_VERIFIER_SIZE];
};

/* Does not connect. NULL when memory is short. */
must_check struct exchange *exchange_new(const struct options *options);
void exchange_free(struct exchange *x); /* NULL is allowed */

/*
 * Asks and is answered within the configured time-out in total, a reconnect included. Negative
 * errno: there is no verdict, try later; -EAGAIN when the door itself said so.
 */
must_check int exchange_ask(struct exchange *x, const struct exchange_question *question,
			    struct exchange_answer *ret);

/* Where it asks, for log lines. */
const char *exchange_path(const struct exchange *x);

#endif
