/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection of one of our programs to the vault: made, greeted with a first request, tried
 * for ever with back-off when the vault is away. Frames go out in order and are wiped once they
 * are sent.
 */
#ifndef ROTATED_SERVANT_UPLINK_H
#define ROTATED_SERVANT_UPLINK_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "wire/verbs.h"

struct uplink;

struct uplink_ops {
	/* A frame after the greeting was answered. Below 0 hangs up. */
	int (*frame)(void *context, const struct frame *f);
	/* The connection is gone, and what was asked over it is void. May be NULL. */
	void (*lost)(void *context);
};

struct uplink_options {
	sd_event *event;      /* borrowed */
	const char *path;     /* of the vault's socket; borrowed */
	uid_t vault_uid;      /* whose socket it may be, beside root's and our own user's */
	enum wire_verb hello; /* a verb without fields */
	const struct uplink_ops *ops;
	void *context;
};

/* Starts to connect. Exits the event loop when it can not go on. */
must_check int uplink_new(const struct uplink_options *options, struct uplink **ret);
void uplink_free(struct uplink *u); /* calls nothing back; NULL is allowed */

DEFINE_CLEANUP(struct uplink, uplink_free)

bool uplink_is_connected(const struct uplink *u);

/* Takes what FRAME holds, also after a failure, after which uplink_drop() is the caller's. */
must_check int uplink_send(struct uplink *u, struct buf *frame);

/* Hangs up and tries anew; `lost` is called. */
void uplink_drop(struct uplink *u, const char *why);

/* The id of the user NAME; 0 when this machine has none: then there is no such vault. */
uid_t uplink_user(const char *name);

#endif
