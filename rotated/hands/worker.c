/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "rotated/hands/job.h"
#include "wire/client.h"

enum {
	RUNNING_MAX = 16, /* at once */
	JOBS_MAX = 256,	  /* running and waiting; more are answered `temporary` */
	ANSWERS_MAX = 2 * JOBS_MAX + RUNNING_MAX * JOB_WINDOW,
};

#define BACKOFF_MIN   (50 * USEC_PER_MSEC)
#define BACKOFF_MAX   (5 * USEC_PER_SEC)
#define HELLO_TIMEOUT (10 * USEC_PER_SEC)

/* A frame that waits to be sent, and then for the vault's reply. */
struct answer {
	struct answer *next;
	enum wire_verb verb;
	char id[JOB_ID_MAX + 1]; /* of a job that waits for the reply; else "" */
	struct buf frame;
};

struct worker {
	sd_event *event; /* borrowed */
	struct worker_options options;

	int fd; /* of the connection; -1 while there is none */
	sd_event_source *io;
	sd_event_source *timer; /* the next try; or, while `is_greeting`, the end of patience */
	uint64_t backoff;
	bool is_greeting;
	bool is_away_told; /* the log knows that the vault is away */
	struct answer *answers, **answers_end;
	struct answer *sent, **sent_end; /* the vault replies in this order */
	unsigned answer_count;		 /* of both */
	struct job_listener listener;

	struct job *jobs, **jobs_end; /* in the order of arrival */
	unsigned job_count;
	unsigned running;
};

static void start_waiting(struct worker *w);

static void free_answers(struct answer *a)
{
	while (a) {
		struct answer *next = a->next;

		buf_release(&a->frame);
		free(a);
		a = next;
	}
}

static void drop_answers(struct worker *w)
{
	free_answers(steal_ptr(w->answers));
	free_answers(steal_ptr(w->sent));
	w->answers_end = &w->answers;
	w->sent_end = &w->sent;
	w->answer_count = 0;
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

static int arm_timer(struct worker *w, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(w->timer, usec);

	return r < 0 ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

/* Half to all of the step: the daemons of a machine that boots do not knock in step. */
static uint64_t jittered(uint64_t step)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return step / 2 + random % (step / 2 + 1);
}

static void disconnect(struct worker *w, const char *why)
{
	if (!w->is_away_told)
		log_notice("the vault is away (%s); trying again until it is back", why);
	w->is_away_told = true;
	w->is_greeting = false;
	sd_event_source_unref(steal_ptr(w->io));
	closep(&w->fd);
	w->fd = -1;
	drop_answers(w);
	forget_jobs(w);
	(void)sd_notify(0, "STATUS=waiting for the vault"); /* only for people to look at */
	if (arm_timer(w, jittered(w->backoff)) < 0)
		(void)sd_event_exit(w->event, EXIT_FAILURE); /* the supervisor starts us anew */
	w->backoff = w->backoff * 2 < BACKOFF_MAX ? w->backoff * 2 : BACKOFF_MAX;
}

static int flush(struct worker *w)
{
	while (w->answers) {
		struct answer *a = w->answers;
		int r = wire_send(w->fd, &a->frame, 0);

		if (r == -ETIMEDOUT)
			return sd_event_source_set_io_events(w->io, EPOLLIN | EPOLLOUT);
		if (r < 0)
			return r;
		w->answers = a->next;
		if (!w->answers)
			w->answers_end = &w->answers;
		buf_release(&a->frame);
		a->next = NULL;
		*w->sent_end = a;
		w->sent_end = &a->next;
	}
	return sd_event_source_set_io_events(w->io, EPOLLIN);
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

static int queue_answer(struct worker *w, enum wire_verb verb, const char *id,
			struct buf *frame)
{
	struct answer *a;

	if (w->answer_count == ANSWERS_MAX)
		return -ENOBUFS;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->verb = verb;
	(void)snprintf(a->id, sizeof(a->id), "%s", id);
	a->frame = *frame;
	*frame = BUF_INIT;
	*w->answers_end = a;
	w->answers_end = &a->next;
	w->answer_count++;
	return flush(w);
}

/* Tells the vault how J ended, and is done with it. */
static void answer_job(struct worker *w, struct job *j)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int r;

	if (w->fd < 0 || j->is_forgotten) {
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
		r = queue_answer(w, WIRE_WORKER_DONE, "", &frame);
	if (r < 0)
		disconnect(w, "an answer can not be sent");
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

	return w->fd < 0 ? -ENOTCONN : queue_answer(w, WIRE_WORKER_SYNC, j->id, frame);
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
		if (w->fd < 0)
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
static struct answer *take_sent(struct worker *w)
{
	struct answer *a = w->sent;

	if (!a)
		return NULL;
	w->sent = a->next;
	if (!w->sent)
		w->sent_end = &w->sent;
	w->answer_count--;
	return a;
}

static int take_reply(struct worker *w, const struct frame *f)
{
	cleanup_free struct answer *a = take_sent(w);
	enum wire_status status;
	struct job *j;
	int r = a ? wire_check_reply(f, a->verb, &status) : -EPROTO;

	if (r < 0)
		return r;
	j = a->id[0] ? find_job(w, a->id) : NULL;
	if (j)
		job_answered(j, status == WIRE_STATUS_OK);
	if (a->verb != WIRE_WORKER_HELLO)
		return 0; /* it was told; what it makes of it is its own affair */
	if (status != WIRE_STATUS_OK)
		return -EACCES;
	w->is_greeting = false;
	w->is_away_told = false;
	w->backoff = BACKOFF_MIN;
	log_notice("connected to the vault");
	(void)sd_notify(0, "STATUS=connected to the vault"); /* only for people to look at */
	return sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
}

static int take_frame(struct worker *w, const struct buf *bytes)
{
	enum wire_verb verb;
	struct frame f;
	int r = frame_parse(bytes->data, bytes->len, &f);

	if (r < 0)
		return r;
	if (frame_find(&f, "status"))
		return take_reply(w, &f);
	if (w->is_greeting)
		return -EPROTO;
	r = wire_check_request(&f, WIRE_PUSH, &verb);
	if (r < 0)
		return r;
	if (verb == WIRE_JOB_CANCEL)
		return take_cancel(w, &f);
	return job_is_known(verb) ? take_job(w, &f, verb) : -EOPNOTSUPP;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	cleanup_buf struct buf bytes = BUF_INIT;
	struct worker *w = context;
	int r = 0;

	(void)source;
	if (events & EPOLLOUT)
		r = flush(w);
	if (r >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		r = wire_receive(fd, &bytes, 0);
		if (r == 0)
			r = take_frame(w, &bytes);
		else if (r == -ETIMEDOUT)
			r = 0;
	}
	if (r < 0 && w->fd >= 0) {
		if (r != -ECONNRESET)
			log_error("the vault's message can not be used: %s",
				  strerrordesc_np(-r));
		disconnect(w, strerrordesc_np(-r));
	}
	return 0;
}

static int greet(struct worker *w)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int r;

	wire_begin_request(&frame, WIRE_WORKER_HELLO);
	r = frame_end(&frame);
	if (r < 0)
		return r;
	w->is_greeting = true;
	r = arm_timer(w, HELLO_TIMEOUT);
	return r < 0 ? r : queue_answer(w, WIRE_WORKER_HELLO, "", &frame);
}

static void try_connect(struct worker *w)
{
	int fd = wire_connect(w->options.socket, w->options.vault_uid, 0);
	int r;

	if (fd == -EPERM && !w->is_away_told)
		log_error("%s belongs to somebody who is not the vault", w->options.socket);
	if (fd < 0) {
		disconnect(w, strerrordesc_np(-fd));
		return;
	}
	w->fd = fd;
	r = sd_event_add_io(w->event, &w->io, fd, EPOLLIN, on_io, w);
	if (r >= 0)
		r = greet(w);
	if (r < 0)
		disconnect(w, strerrordesc_np(-r));
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct worker *w = context;

	(void)source;
	(void)now;
	if (w->is_greeting)
		disconnect(w, "it does not answer");
	else
		try_connect(w);
	return 0;
}

int worker_new(sd_event *event, const struct worker_options *options, struct worker **ret)
{
	cleanup_worker struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->event = event;
	w->options = *options;
	w->fd = -1;
	w->backoff = BACKOFF_MIN;
	w->jobs_end = &w->jobs;
	w->answers_end = &w->answers;
	w->sent_end = &w->sent;
	w->listener = (struct job_listener){ on_ended, on_sync, w };
	r = sd_event_add_time_relative(event, &w->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
				       on_timer, w);
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
	drop_answers(w);
	sd_event_source_unref(w->io);
	sd_event_source_unref(w->timer);
	closep(&w->fd);
	free(w);
}
