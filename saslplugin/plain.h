/* SPDX-License-Identifier: BSD-2-Clause */
/* The message of the PLAIN mechanism, https://www.rfc-editor.org/rfc/rfc4616. */
#ifndef SASLPLUGIN_PLAIN_H
#define SASLPLUGIN_PLAIN_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PLAIN_NAME_MAX = 512,	   /* bytes of an identity */
	PLAIN_PASSWORD_MAX = 1024, /* bytes of a password */
};

/* Borrowed from the parsed bytes; not terminated. */
struct plain_slice {
	const char *data;
	size_t len;
};

struct plain_message {
	struct plain_slice authzid; /* empty when the client gave none */
	struct plain_slice login;
	struct plain_slice password;
};

/*
 * [authzid] NUL login NUL password, and nothing else. -EBADMSG: fewer or more NULs, or an empty
 * login or password. -E2BIG: a part over its limit. RET is untouched on failure.
 */
must_check int plain_parse(const char *data, size_t len, struct plain_message *ret);

bool plain_slice_equal(const struct plain_slice *a, const struct plain_slice *b);

#endif
