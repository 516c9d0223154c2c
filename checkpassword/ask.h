/* SPDX-License-Identifier: BSD-2-Clause */
/* The question to rotated-auth, over the socket that the SASL plugin uses too. */
#ifndef CHECKPASSWORD_ASK_H
#define CHECKPASSWORD_ASK_H

#include "base/report.h"
#include "base/text.h"
#include "checkpassword/credentials.h"

#include <stdint.h>

struct question {
	const char *socket;
	const struct credentials *credentials;
	const char *address; /* "ADDRESS;PORT" of the client; NULL when it is not known */
	uint64_t deadline;   /* clock_monotonic() */
};

/*
 * 1: the password is right, and SERVICE is whose it is. 0: it is not, or there is no such
 * login. A negative errno with R filled: nobody can tell now.
 */
must_check int ask_door(const struct question *q, char service[static SERVICE_ID_MAX + 1],
			struct report *r);

#endif
