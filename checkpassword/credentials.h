/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server writes to descriptor 3: https://cr.yp.to/checkpwd/interface.html. */
#ifndef CHECKPASSWORD_CREDENTIALS_H
#define CHECKPASSWORD_CREDENTIALS_H

#include "base/cleanup.h"

#include <stddef.h>

enum { CREDENTIALS_MAX = 512 }; /* bytes, the interface says */

/* Borrowed from the parsed bytes, and terminated there. */
struct credentials {
	const char *login;
	const char *password;
};

/*
 * login NUL password NUL timestamp NUL, and whatever follows; what the timestamp is depends on
 * the protocol, and a password as it was typed needs none. -EBADMSG: one of the three does not
 * end, so that the server is not what it should be. -E2BIG: more bytes than there may be. RET
 * is untouched on failure.
 */
must_check int credentials_parse(const char *data, size_t len, struct credentials *ret);

#endif
