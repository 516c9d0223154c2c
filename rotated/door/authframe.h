/* SPDX-License-Identifier: BSD-2-Clause */
/* Auth.* frames of the plugin to requests, and verdicts to reply frames. */
#ifndef ROTATED_DOOR_AUTHFRAME_H
#define ROTATED_DOOR_AUTHFRAME_H

#include "base/buf.h"
#include "rotated/door/decide.h"

struct config_words;

/* A password is put into PLACE, which RET then borrows. -EBADMSG, -EPROTO, -EOPNOTSUPP as the
 * wire says; -E2BIG: it does not fit there. RET is untouched on failure. */
must_check int authframe_parse(const uint8_t *data, size_t len,
			       const struct config_words *realms, struct secret *place,
			       struct door_request *ret);

/* The whole reply. -ENOMEM. */
must_check int authframe_reply(const struct door_verdict *verdict, struct buf *out);

#endif
