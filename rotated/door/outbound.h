/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions that only the vault can answer: the relay's own logins at its providers. They go
 * over the connection to the vault, are bounded in number and time, and are answered "later" at
 * once when the vault is away. A secret passes through and stays nowhere.
 */
#ifndef ROTATED_DOOR_OUTBOUND_H
#define ROTATED_DOOR_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct frame;
struct outbound;

enum {
	OUTBOUND_PENDING_MAX = 256,
	OUTBOUND_ANSWER_SEC = 5,
	OUTBOUND_KEY_MAX = 1024, /* bytes */
	OUTBOUND_REASON_SIZE = 256,
};

enum outbound_outcome { OUTBOUND_FOUND, OUTBOUND_UNKNOWN, OUTBOUND_LATER };

/* Borrowed for the call that tells it. */
struct outbound_answer {
	enum outbound_outcome outcome;
	const uint8_t *user; /* OUTBOUND_FOUND; as the next three */
	size_t user_len;
	const uint8_t *secret;
	size_t secret_len;
	const char *reason; /* OUTBOUND_LATER */
};

must_check int outbound_new(struct outbound **ret);
void outbound_free(struct outbound *o); /* tells nobody; NULL is allowed */

DEFINE_CLEANUP(struct outbound, outbound_free)

/* Who is to hear of every answer, with what it gave as WAITER. May ask again from within. */
typedef void outbound_told_fn(void *context, void *waiter,
			      const struct outbound_answer *answer);
void outbound_tell(struct outbound *o, outbound_told_fn *told, void *context);

/* FD is a connection on which the vault has answered a greeting; borrowed. */
void outbound_connected(struct outbound *o, int fd);
/* Whoever waits is told "later". */
void outbound_disconnected(struct outbound *o);

/*
 * Asks for KEY at NOW (monotonic). 0: WAITER will be told, though not from within this call.
 * -ENOTCONN: the vault is away; -EBUSY: too many questions are open; -EINVAL: no such key can
 * exist.
 */
must_check int outbound_ask(struct outbound *o, void *waiter, const uint8_t *key, size_t len,
			    uint64_t now);

/* WAITER is gone: nobody is told any more. */
void outbound_forget(struct outbound *o, const void *waiter);

/* F is what came from the vault and has an `id`. -EBADMSG: it may not look like that. */
must_check int outbound_on_reply(struct outbound *o, const struct frame *f);

/* Tells "later" to who has waited too long at NOW. */
void outbound_sweep(struct outbound *o, uint64_t now);

#endif
