/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The porter: keeps a connection to the vault, and answers its questions for keys by running
 * systemd-creds(1) or a configured helper, each in a child of its own. Knows no store, and
 * keeps nothing once a question is answered.
 */
#ifndef ROTATED_UNLOCK_PORTER_H
#define ROTATED_UNLOCK_PORTER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "rotated/config/config.h"

struct porter;

struct porter_options {
	sd_event *event; /* borrowed */
	uid_t vault_uid; /* whose socket it may be, beside root's and our own user's */
};

/* Owns CONFIG from now on, also after a failure. Starts to connect. */
must_check int porter_new_take(struct config *config, const struct porter_options *options,
			       struct porter **ret);

/* The configuration for questions from now on; owned. The socket stays as it was. */
void porter_reload_take(struct porter *p, struct config *config);

const char *porter_root(const struct porter *p);

/* Kills what runs. NULL is allowed. */
void porter_free(struct porter *p);

DEFINE_CLEANUP(struct porter, porter_free)

#endif
