/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of smtpd. They live in an epoll set of their own, which the program's event
 * loop watches as a single descriptor: sd-event dispatches one source per turn, which costs
 * more than a lookup does. Connections that say nothing are closed in time; when there are too
 * many, the one that has been idle longest makes room (the plugin connects again by itself).
 */
#ifndef ROTATED_DOOR_HOT_H
#define ROTATED_DOOR_HOT_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct door;
struct hot;

enum hot_protocol {
	HOT_AUTH, /* SOCK_SEQPACKET, our frames; stays open */
	HOT_MUX,  /* SOCK_STREAM, saslauthd's; one request each */
	HOT_MAP,  /* SOCK_STREAM, Postfix's socketmap_table(5); stays open */
	HOT_PROTOCOL_MAX_
};

enum {
	HOT_CONNECTIONS_MAX = 4096,
	HOT_AUTH_IDLE_SEC = 600, /* longer than smtpd keeps a process without work */
	HOT_MUX_WHOLE_SEC = 10,	 /* from accept to the last byte of the request */
	HOT_MAP_IDLE_SEC = 120,	 /* longer than Postfix keeps one */
};

/* DOOR is borrowed; it decides, and its outbound questions are answered through RET.
 * CONNECTIONS_MAX is at least 1. */
must_check int hot_new(struct door *door, size_t connections_max, struct hot **ret);
void hot_free(struct hot *h); /* closes everything; NULL is allowed */

DEFINE_CLEANUP(struct hot, hot_free)

/* FD, a listening non-blocking socket, is consumed, also by a failure. */
must_check int hot_listen(struct hot *h, enum hot_protocol protocol, int fd);

/* The descriptor to watch for input; it is the set's. */
int hot_fd(const struct hot *h);

/* Serves what is ready. Never blocks. */
void hot_serve(struct hot *h);

/* Closes what is past its time at NOW (monotonic). To be called about once a second while
 * hot_needs_sweep(). */
void hot_sweep(struct hot *h, uint64_t now);
bool hot_needs_sweep(const struct hot *h);

#endif
