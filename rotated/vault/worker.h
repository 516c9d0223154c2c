/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hands' connection, and the jobs that are theirs. A zone has one job under way at a time,
 * the others wait for it. Every job ends: with what the worker says, or as lost when the worker
 * goes away or stays silent beyond the job's time.
 */
#ifndef ROTATED_VAULT_WORKER_H
#define ROTATED_VAULT_WORKER_H

#include "rotated/vault/manager.h"
#include "wire/verbs.h"

struct worker_result {
	enum engine_outcome outcome;
	const char *word;   /* the result as the worker called it; "" when it did not say */
	bool is_gone;	    /* with ENGINE_OUTCOME_LOST: it went away, and may be back soon */
	const char *detail; /* one line for people; "" for none */
	const char *output; /* JSON, as it came; "" for none */
	/* of Job.Upstream; "" and NULL for none; fit to be stored */
	const char *user;
	const char *credential;
	const char *credentials; /* lines VERSION CREDENTIAL */
	const struct secret *secret;
	uint64_t remembered; /* the longest TTL that DNS showed, positive or negative; usec */
};

/* Called once for every job, not from within worker_submit(). RESULT NULL: nobody wants to know
 * any more, only release CONTEXT. */
typedef void worker_done_fn(void *context, const struct worker_result *result);

/* A Worker.Sync of the job, from within which no job may be submitted or cancelled. Below 0
 * refuses it, and the worker ends the job. */
struct frame;
typedef int worker_sync_fn(void *context, const struct frame *f);

struct worker_request {
	enum wire_verb verb; /* one of WIRE_JOB_* */
	const char *zone;
	uint64_t timeout;	  /* microseconds; of the job itself */
	const struct buf *fields; /* frame_put() ones, besides id, zone and timeout */
	worker_sync_fn *sync;	  /* NULL: the job sends none */
	worker_done_fn *done;
	void *context;
};

must_check int worker_new(struct manager *m, struct worker **ret, struct report *report);
void worker_free(struct worker *w); /* NULL is allowed */

bool worker_is_connected(const struct worker *w);

/* -ENOTCONN, -E2BIG, -ENOMEM. */
must_check int worker_submit(struct worker *w, const struct worker_request *request);

/* Ends all jobs without a result. */
void worker_cancel_all(struct worker *w);

struct worker_state {
	bool is_connected;
	uint64_t since; /* wall clock; 0 when it is not connected */
	unsigned jobs;
};
void worker_state(const struct worker *w, struct worker_state *ret);

/* The first "detail" in OUTPUT, with the server that it is about, if any. For people only: it
 * decides nothing. RET is empty when there is none. */
void worker_detail(const char *output, char *ret, size_t size);

/* Whether a job of VERB can end so: a hook sees no records, and DNS refuses no permission. */
bool worker_outcome_fits(enum wire_verb verb, enum engine_outcome outcome);

/* The longer of the two TTLs that OUTPUT begins with, in microseconds; 0 when it does not begin
 * with them. It can only make a wait longer: the least is the configuration's. */
uint64_t worker_ttl(const char *output);

#endif
