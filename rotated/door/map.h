/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Postfix's tables hold:
 *
 *	ccert     fingerprint of a client certificate or of its public key -> OK
 *	senders   envelope sender -> the logins that own it
 *	outbound  next hop or sender -> user:password, asked of the vault
 *
 * Trouble is always "later", never "no": mail waits, and is not refused.
 */
#ifndef ROTATED_DOOR_MAP_H
#define ROTATED_DOOR_MAP_H

#include "rotated/door/mapframe.h"

struct door;
struct outbound_answer;

/* The reply to Q is in OUT: 0. -EINPROGRESS: WAITER will be told by door_outbound(). */
must_check int map_answer(struct door *d, const struct map_query *q, void *waiter,
			  struct buf *out);

/* What was told, as a reply. */
void map_outbound_reply(struct door *d, const struct outbound_answer *a, struct buf *out);

#endif
