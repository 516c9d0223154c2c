/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening SOCK_SEQPACKET socket: taken over from systemd by its name or made; accepts, and
 * checks with SO_PEERCRED who is there. */
#ifndef ROTATED_VAULT_SERVER_H
#define ROTATED_VAULT_SERVER_H

#include <systemd/sd-event.h>

#include "base/report.h"
#include "base/socket.h"

struct server;

struct server_options {
	sd_event *event;  /* borrowed */
	const char *name; /* as in FileDescriptorName=; static */
	const char *path; /* copied */
	mode_t mode;
	unsigned connections_max;
	void *context;
	/* Root and our own user are always let in; this says who else. */
	bool (*is_allowed)(void *context, const struct socket_peer *peer);
	/* Owns FD. */
	void (*accepted)(void *context, int fd);
};

must_check int server_new(const struct server_options *options, struct server **ret,
			  struct report *report);

/* Takes one more connection now: true when somebody waited. */
bool server_take(struct server *s);

/* A connection that was accepted is over: there is room for another. */
void server_release(struct server *s);

/* Closes, and removes the socket's name if we made it. NULL is allowed. */
void server_free(struct server *s);

#endif
