/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child on the event loop: what it prints is kept up to a limit, and when its time is over it
 * and all that it started is killed. What it printed may be a secret, and is wiped.
 */
#ifndef ROTATED_SERVANT_RUN_H
#define ROTATED_SERVANT_RUN_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "rotated/servant/child.h"

struct run {
	struct child child;
	sd_event_source *exit_source, *out_source, *err_source, *timer;
	struct buf out, err; /* as much as is kept */
	bool is_out_flooded; /* it printed more than is kept, and was killed for it */
	bool is_overdue;     /* it was killed by us */
	void (*ended)(struct run *r, const siginfo_t *si, void *context);
	void *context;
};

struct run_order {
	child_main *main; /* in the child, with CONTEXT */
	const void *main_context;
	int input; /* its standard input; borrowed; -1 for an empty one */
	uint64_t timeout;
	size_t out_max; /* bytes that are kept of what it prints; it may print no more */
	size_t err_max; /* of standard error; what is over is read and dropped */
	/* Called once, from the event loop, when it has ended; may free what R is in. */
	void (*ended)(struct run *r, const siginfo_t *si, void *context);
	void *context;
};

/* R is overwritten. After a failure there is nothing to release. */
must_check int run_start(struct run *r, sd_event *event, const struct run_order *order);

/* Kills it, if it still runs, and wipes what it printed; `ended` is not called any more. */
void run_release(struct run *r);

#endif
