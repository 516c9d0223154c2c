/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The saslauthd protocol, as libsasl's `pwcheck_method: saslauthd` speaks it. Request: counted
 * strings (u16 big-endian, then that many bytes) login, password, service, realm; libsasl's
 * development version adds the client's address as a fifth. Reply: one counted string that
 * starts with OK or NO.
 */
#ifndef ROTATED_DOOR_MUX_H
#define ROTATED_DOOR_MUX_H

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

enum {
	MUX_FIELDS_MIN = 4,
	MUX_FIELDS_MAX = 5,
	MUX_REQUEST_MAX = 8192, /* libsasl sends no more either */
};

enum mux_field { MUX_LOGIN, MUX_PASSWORD, MUX_SERVICE, MUX_REALM, MUX_ADDRESS };

/* Borrowed from the parsed bytes; not terminated. */
struct mux_slice {
	const uint8_t *data;
	size_t len;
};

struct mux_request {
	struct mux_slice fields[MUX_FIELDS_MAX];
	size_t count;
};

/*
 * Parses what has arrived so far. 0: a whole request that fills DATA. -EAGAIN: more must come.
 * -EBADMSG: it cannot become a request (too long, bytes after the last field, a NUL inside a
 * field, an empty login). RET is untouched on failure. Nothing is kept between calls.
 */
must_check int mux_parse(const uint8_t *data, size_t len, struct mux_request *ret);

/*
 * What to send before the connection is closed. To "come again later" the answer is a string of
 * length zero: libsasl takes that for a broken server, which is a temporary failure to it
 * (454), and closes its socket. On a connection that just ends it would come to the same
 * verdict, but lose the descriptor.
 */
struct mux_slice mux_reply_ok(void);
struct mux_slice mux_reply_no(void);
struct mux_slice mux_reply_later(void);

#endif
