/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/hands/job.h"
#include "rotated/servant/uplink.h"

enum {
	RUNNING_MAX = 16, /* at once */
	JOBS_MAX = 256,	  /* running and waiting; more are answered `temporary` */
	ANSWERS_MAX = 2 * JOBS_MAX + RUNNING_MAX * JOB_WINDOW,
};

/* A request that the vault has not replied to yet. */
struct asked {
	struct asked *next;
	enum wire_verb verb;
	char id[JOB_ID_MAX + 1]; /* of a job that waits for the reply; else "" */
};

struct worker {
	sd_event *event; /* borrowed */
	struct uplink *uplink;
	struct asked *asked, **asked_end; /* the vault replies in this order */
	unsigned asked_count;
	struct job_listener listener;

	struct job *jobs, **jobs_end; /* in the order of arrival */
	unsigned job_count;
	unsigned running;
};

static void start_waiting(struct worker *w);

static void forget_asked(struct worker *w)
{
	struct asked *a = steal_ptr(w->asked);

	w->asked_end = &w->asked;
	w->asked_count = 0;
	while (a) {
		struct asked *next = a->next;

		free(a);
		a = next;
	}
}

static void remove_job(struct worker *w, struct job *j)
{
	struct job **p = &w->jobs;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	if (w->jobs_end == &j->next)
		w->jobs_end = p;
	w->job_count--;
	job_free(j);
}

/* The jobs of a connection end with it: the vault finds out what came of them by asking DNS.
 * Those that run stay in the list until they are reaped, so that their zones are still held. */
static void forget_jobs(struct worker *w)
{
	struct job *next;

	for (struct job *j = w->jobs; j; j = next) {
		next = j->next;
		if (j->is_running)
			job_forget(j);
		else
			remove_job(w, j);
	}
}

static void on_lost(void *context)
{
	struct worker *w = context;

	forget_asked(w);
	forget_jobs(w);
}

static void put_made(const struct upstream_output *o, struct buf *ret)
{
	if (o->user[0])
		frame_put_text(ret, "user", o->user);
	if (o->credential[0])
		frame_put_text(ret, "credential", o->credential);
	if (o->secret)
		frame_put(ret, "secret", secret_data(o->secret), secret_len(o->secret));
	if (o->credentials.len)
		frame_put(ret, "credentials", o->credentials.data, o->credentials.len);
}

static int build_done(const struct job *j, bool with_output, struct buf *ret)
{
	wire_begin_request(ret, WIRE_WORKER_DONE);
	frame_put_text(ret, "id", j->id);
	frame_put_text(ret, "result", j->result);
	if (with_output && j->output.len)
		frame_put(ret, "output", j->output.data, j->output.len);
	if (with_output)
		put_made(&j->hook.made, ret);
	return frame_end(ret);
}

/* Takes what FRAME holds. */
static int ask(struct worker *w, enum wire_verb verb, const char *id, struct buf *frame)
{
	struct asked *a;

	if (w->asked_count == ANSWERS_MAX)
		return -ENOBUFS;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->verb = verb;
	(void)snprintf(a->id, sizeof(a->id), "%s", id);
	*w->asked_end = a;
	w->asked_end = &a->next;
	w->asked_count++;
	return uplink_send(w->uplink, frame);
}

/* Tells the vault how J ended, and is done with it. */
static void answer_job(struct worker *w, struct job *j)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int r;

	if (!uplink_is_connected(w->uplink) || j->is_forgotten) {
		remove_job(w, j);
		return;
	}
	log_info("%s %s for %s: %s", job_is_hook(j) ? j->hook.program : job_program(j),
		 job_is_hook(j) ? j->hook.action : "check", j->zone, j->result);
	r = build_done(j, true, &frame);
	if (r == -E2BIG)
		r = build_done(j, false, &frame); /* the word matters more than the detail */
	remove_job(w, j);
	if (r == 0)
		r = ask(w, WIRE_WORKER_DONE, "", &frame);
	if (r < 0)
		uplink_drop(w->uplink, "an answer can not be sent");
}

static void on_ended(struct job *j, void *context)
{
	struct worker *w = context;

	w->running--;
	answer_job(w, j);
	start_waiting(w);
}

/* A connection that can not take it has ended, or will be found out to have. */
static int on_sync(struct job *j, struct buf *frame, void *context)
{
	struct worker *w = context;

	return uplink_is_connected(w->uplink) ? ask(w, WIRE_WORKER_SYNC, j->id, frame)
					      : -ENOTCONN;
}

/* Two hooks at work on one zone would undo each other's changes. */
static bool is_zone_busy(const struct worker *w, const struct job *job)
{
	for (const struct job *j = w->jobs; j; j = j->next)
		if (j->is_running && job_is_hook(j) && strcmp(j->zone, job->zone) == 0)
			return true;
	return false;
}

/* Sets j->result if it can not be started. */
static void start_job(struct worker *w, struct job *j)
{
	struct report why = { .line = 0 };
	int r;

	if (job_is_hook(j) && hook_check_program(j->hook.program, &why) < 0) {
		log_report(LOG_LEVEL_ERROR, &why);
		job_refuse(j, HOOK_CONFIG, why.what);
		return;
	}
	r = job_start(j, w->event, &w->listener);
	if (r < 0)
		job_refuse(j, HOOK_TEMPORARY, strerrordesc_np(-r));
	else
		w->running++;
}

static void start_waiting(struct worker *w)
{
	struct job *next;

	for (struct job *j = w->jobs; j && w->running < RUNNING_MAX; j = next) {
		next = j->next;
		if (j->is_running || (job_is_hook(j) && is_zone_busy(w, j)))
			continue;
		start_job(w, j);
		if (!j->result)
			continue;
		answer_job(w, j);
		if (!uplink_is_connected(w->uplink))
			return; /* the list is not what it was */
	}
}

static struct job *find_job(struct worker *w, const char *id)
{
	for (struct job *j = w->jobs; j; j = j->next)
		if (!j->is_forgotten && strcmp(j->id, id) == 0)
			return j;
	return NULL;
}

static int take_job(struct worker *w, const struct frame *f, enum wire_verb verb)
{
	struct job *j;
	int r = job_from_frame(f, verb, &j);

	if (r < 0)
		return r;
	if (find_job(w, j->id)) {
		job_free(j);
		return -EEXIST;
	}
	if (w->job_count >= JOBS_MAX && !j->result)
		job_refuse(j, HOOK_TEMPORARY, "too many jobs at once");
	*w->jobs_end = j;
	w->jobs_end = &j->next;
	w->job_count++;
	if (j->result)
		answer_job(w, j);
	else
		start_waiting(w);
	return 0;
}

static int take_cancel(struct worker *w, const struct frame *f)
{
	char id[JOB_ID_MAX + 1];
	struct job *j;

	if (frame_text(f, "id", id, sizeof(id)) < 0)
		return -EBADMSG;
	j = find_job(w, id);
	if (j && j->is_running) {
		job_stop(j);
	} else if (j) {
		job_refuse(j, HOOK_TIMEOUT, "cancelled before it began");
		answer_job(w, j);
	}
	return 0; /* one that has ended already crosses its answer on the way */
}

/* What the next reply is for; owned by the caller. NULL when nothing was asked. */
static struct asked *take_asked(struct worker *w)
{
	struct asked *a = w->asked;

	if (!a)
		return NULL;
	w->asked = a->next;
	if (!w->asked)
		w->asked_end = &w->asked;
	w->asked_count--;
	return a;
}

/* The vault was told; what it makes of it is its own affair. */
static int take_reply(struct worker *w, const struct frame *f)
{
	cleanup_free struct asked *a = take_asked(w);
	enum wire_status status;
	struct job *j;
	int r = a ? wire_check_reply(f, a->verb, &status) : -EPROTO;

	if (r < 0)
		return r;
	j = a->id[0] ? find_job(w, a->id) : NULL;
	if (j)
		job_answered(j, status == WIRE_STATUS_OK);
	return 0;
}

static int on_frame(void *context, const struct frame *f)
{
	struct worker *w = context;
	enum wire_verb verb;
	int r;

	if (frame_find(f, "status"))
		return take_reply(w, f);
	r = wire_check_request(f, WIRE_PUSH, &verb);
	if (r < 0)
		return r;
	if (verb == WIRE_JOB_CANCEL)
		return take_cancel(w, f);
	return job_is_known(verb) ? take_job(w, f, verb) : -EOPNOTSUPP;
}

int worker_new(sd_event *event, const struct worker_options *options, struct worker **ret)
{
	static const struct uplink_ops ops = { .frame = on_frame, .lost = on_lost };
	cleanup_worker struct worker *w = calloc(1, sizeof(*w));
	struct uplink_options up = {
		.event = event,
		.path = options->socket,
		.vault_uid = options->vault_uid,
		.hello = WIRE_WORKER_HELLO,
		.ops = &ops,
		.context = w,
	};
	int r;

	if (!w)
		return -ENOMEM;
	w->event = event;
	w->jobs_end = &w->jobs;
	w->asked_end = &w->asked;
	w->listener = (struct job_listener){ on_ended, on_sync, w };
	r = uplink_new(&up, &w->uplink);
	if (r < 0)
		return r;
	*ret = steal_ptr(w);
	return 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	while (w->jobs)
		remove_job(w, w->jobs);
	forget_asked(w);
	uplink_free(w->uplink);
	free(w);
}
