/* SPDX-License-Identifier: BSD-2-Clause */
/* Unix-domain sockets with a deadline on each call and a check of who is at the other end. */
#ifndef BASE_SOCKET_H
#define BASE_SOCKET_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A listening socket at PATH, non-blocking, with MODE from birth; TYPE is SOCK_SEQPACKET or
 * SOCK_STREAM. A socket that was left there by a program that is gone is replaced; one that
 * still answers is not: -EADDRINUSE. A path too long for sockaddr_un: -ENAMETOOLONG.
 */
must_check int socket_listen(const char *path, int type, mode_t mode);

/* Connects before the monotonic DEADLINE (clock_monotonic()); the result is non-blocking.
 * -ETIMEDOUT, or what connect(2) says. */
must_check int socket_connect(const char *path, int type, uint64_t deadline);

struct socket_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* SO_PEERCRED: who called connect() (or listen()) at the other end. */
must_check int socket_peer(int fd, struct socket_peer *ret);

/* Waits for EVENTS (POLLIN, POLLOUT) before the monotonic DEADLINE. -ETIMEDOUT. */
must_check int socket_wait(int fd, short events, uint64_t deadline);

#endif
