/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking side of a conversation: connect, ask, be answered, each before a deadline. Used
 * by rotatectl and the SASL plugin; the daemons have event loops of their own.
 */
#ifndef WIRE_CLIENT_H
#define WIRE_CLIENT_H

#include "base/buf.h"

#include <sys/types.h>

/*
 * Connects to the SOCK_SEQPACKET socket at PATH before the monotonic DEADLINE. The server must
 * run as root, as the caller's own user, or as ALSO (pass 0 for nobody else): otherwise -EPERM.
 * Returns the descriptor, non-blocking and close-on-exec.
 */
must_check int wire_connect(const char *path, uid_t also, uint64_t deadline);

/* Sends one frame as one message. -ETIMEDOUT, -EPIPE and the like. Never raises SIGPIPE. */
must_check int wire_send(int fd, const struct buf *frame, uint64_t deadline);

/* Receives one message into REPLY, which is cleared first. -ECONNRESET at the peer's end,
 * -ETIMEDOUT, -EBADMSG when it is larger than a frame may be. Not parsed yet. */
must_check int wire_receive(int fd, struct buf *reply, uint64_t deadline);

#endif
