/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hands: keeps a connection to the vault, runs the jobs that come over it, several at once,
 * and answers each with how it ended. Knows nothing that a job did not bring.
 */
#ifndef ROTATED_HANDS_WORKER_H
#define ROTATED_HANDS_WORKER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

struct worker;

struct worker_options {
	const char *socket; /* of the vault; borrowed */
	uid_t vault_uid;    /* whose socket it may be, beside root's and our own user's */
};

/* Starts to connect, and goes on for ever, on EVENT (borrowed). Owned by the caller. */
must_check int worker_new(sd_event *event, const struct worker_options *options,
			  struct worker **ret);

/* Kills what runs. NULL is allowed. */
void worker_free(struct worker *w);

DEFINE_CLEANUP(struct worker, worker_free)
#define cleanup_worker cleanup_(worker_freep)

#endif
