/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an identity backend looks like to the door, and how the answers of several become one.
 * A backend is a const descriptor; a stack is an array of descriptors with their contexts,
 * asked in order until one says OK or REJECT.
 */
#ifndef MODULES_IDENTITY_H
#define MODULES_IDENTITY_H

#include "base/secret.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

enum {
	IDENTITY_ABI = 1,
	IDENTITY_VERIFIER_MAX = 256, /* bytes of a verifier's text, its NUL included */
};

/* By rising weight, so that an outage can never look like an unknown login. */
enum identity_verdict {
	IDENTITY_NOTFOUND, /* no such login here */
	IDENTITY_UNAVAIL,  /* cannot tell now; the same question may do later */
	IDENTITY_REJECT,   /* the login is known and this is not its password */
	IDENTITY_OK,
	IDENTITY_VERDICT_MAX_
};

struct identity_answer {
	enum identity_verdict verdict;
	char identity[SERVICE_ID_MAX + 1]; /* whose login it is; OK only, else empty */

	/*
	 * The answer to a verifier question: "SCRAM-SHA-256$…". With NOTFOUND it may be a
	 * decoy, which is the same for the same login and that no password satisfies. Else
	 * empty.
	 */
	char verifier[IDENTITY_VERIFIER_MAX];
};

/*
 * Both questions fill RET whole, block on nothing but memory and local files, and do the same
 * work for a login that is not there. LOGIN is any text without control characters.
 */
struct identity_module {
	uint32_t abi; /* IDENTITY_ABI */
	const char *name;
	void (*password)(void *context, const char *login, const struct secret *password,
			 struct identity_answer *ret);
	void (*verifier)(void *context, const char *login, struct identity_answer *ret);
};

struct identity_layer {
	const struct identity_module *module;
	void *context; /* borrowed; must outlive the stack */
};

/* The weightiest of what was heard; UNAVAIL when nothing was. */
enum identity_verdict identity_fold(const enum identity_verdict *heard, size_t n);

/* One word, as on the wire and in logs. */
const char *identity_verdict_word(enum identity_verdict v);
must_check int identity_verdict_parse(const char *word, enum identity_verdict *ret);

/* A question put to a stack: the layers' answers folded, with the text that came with the one
 * that won (of equals, the first). */
void identity_ask_password(const struct identity_layer *stack, size_t n, const char *login,
			   const struct secret *password, struct identity_answer *ret);
void identity_ask_verifier(const struct identity_layer *stack, size_t n, const char *login,
			   struct identity_answer *ret);

#endif
