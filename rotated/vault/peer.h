/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a SOCK_SEQPACKET conversation on the event loop: frames in, one at a time; frames
 * out, queued when the other side does not read. Whoever sends nonsense, or does not take its
 * answers in time, is hung up on.
 */
#ifndef ROTATED_VAULT_PEER_H
#define ROTATED_VAULT_PEER_H

#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/socket.h"
#include "wire/frame.h"

struct peer;

struct peer_ops {
	/* F lives until the call returns. May call peer_close(). */
	void (*frame)(struct peer *p, const struct frame *f);
	/* The last call about P; its socket is closed already. */
	void (*closed)(struct peer *p);
};

struct peer_options {
	sd_event *event; /* borrowed */
	const struct peer_ops *ops;
	void *context;
	uint64_t idle; /* microseconds without a frame before it is hung up on; 0: for ever */
	bool takes_turns; /* is not read from before it has taken its answers */
};

/* Owns FD from now on, also after a failure. */
must_check int peer_new(int fd, const struct peer_options *options, struct peer **ret);

/* Hangs up; inside a callback of P it takes effect when that returns. NULL is allowed. */
void peer_close(struct peer *p);

void *peer_context(const struct peer *p);
const struct socket_peer *peer_credentials(const struct peer *p);

/* Sends a finished frame, now or when P reads again; FRAME is emptied. Never calls back: a
 * connection that broke is found so by the loop. */
void peer_send(struct peer *p, struct buf *frame);

/* Takes one frame now if there is one and P is listened to. P may be gone afterwards. */
void peer_take(struct peer *p);

/* While it is set, nothing more is read from P: its request is not answered yet. */
void peer_set_busy(struct peer *p, bool is_busy);

/* How long it may be silent from now on, in place of options.idle; 0: as that says. */
void peer_set_idle(struct peer *p, uint64_t idle);

#endif
