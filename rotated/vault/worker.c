/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/server.h"
#include "rotated/vault/upstream.h"

enum { CONNECTIONS_MAX = 4, JOB_ID_SIZE = 24, SENT_MAX = 64 };

/* What a worker may take beyond a job's own time, to stop it and to say so. */
#define GRACE (30 * USEC_PER_SEC)

struct job {
	struct job *next;
	struct worker *worker;
	char id[JOB_ID_SIZE];
	char zone[DOMAIN_MAX + 2];
	enum wire_verb verb;
	uint64_t timeout;
	struct buf frame;
	bool is_sent;
	sd_event_source *timer;
	worker_sync_fn *sync;
	worker_done_fn *done;
	void *context;
};

struct worker {
	struct manager *m;
	struct server *server;
	struct peer *peer; /* the last one that said hello */
	uint64_t since;
	uint64_t last_id;
	struct job *jobs; /* oldest first */
};

static void pump(struct worker *w);

/* ---- jobs ---- */

static struct job *take(struct worker *w, struct job *j)
{
	struct job **p = &w->jobs;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	return j;
}

static void finish(struct job *j, const struct worker_result *result)
{
	sd_event_source_disable_unref(j->timer);
	buf_release(&j->frame);
	j->done(j->context, result);
	free(j);
}

static struct job *find(struct worker *w, const char *id)
{
	for (struct job *j = w->jobs; j; j = j->next)
		if (j->is_sent && strcmp(j->id, id) == 0)
			return j;
	return NULL;
}

static bool is_zone_busy(const struct worker *w, const char *zone)
{
	for (const struct job *j = w->jobs; j; j = j->next)
		if (j->is_sent && strcmp(j->zone, zone) == 0)
			return true;
	return false;
}

static unsigned count_jobs(const struct worker *w, bool only_sent)
{
	unsigned n = 0;

	for (const struct job *j = w->jobs; j; j = j->next)
		n += j->is_sent || !only_sent;
	return n;
}

static void send_cancel(struct worker *w, const struct job *j)
{
	cleanup_buf struct buf f = BUF_INIT;

	if (!w->peer)
		return;
	wire_begin_request(&f, WIRE_JOB_CANCEL);
	frame_put_text(&f, "id", j->id);
	if (frame_end(&f) == 0)
		peer_send(w->peer, &f);
}

static int on_silence(sd_event_source *source, uint64_t usec, void *context)
{
	static const struct worker_result lost = {
		.outcome = ENGINE_OUTCOME_LOST,
		.detail = "the worker did not say in time how it ended",
		.output = "",
		.user = "",
		.credential = "",
		.credentials = "",
		.word = "",
	};
	struct job *j = context;
	struct worker *w = j->worker;

	(void)source;
	(void)usec;
	log_warning("the worker is silent about job %s of %s", j->id, j->zone);
	send_cancel(w, j);
	finish(take(w, j), &lost);
	pump(w);
	return 0;
}

static int start(struct worker *w, struct job *j)
{
	int r = sd_event_add_time_relative(w->m->event, &j->timer, CLOCK_MONOTONIC,
					   j->timeout + GRACE, 0, on_silence, j);

	if (r < 0)
		return r;
	j->is_sent = true;
	peer_send(w->peer, &j->frame);
	return 0;
}

/* Sends what may be sent. A timer that can not be had leaves the job for the next time. */
static void pump(struct worker *w)
{
	for (struct job *j = w->jobs; j && w->peer; j = j->next)
		if (!j->is_sent && !is_zone_busy(w, j->zone) &&
		    count_jobs(w, true) < SENT_MAX && start(w, j) < 0)
			return;
}

static int build(struct job *j, const struct worker_request *request)
{
	uint64_t seconds = (request->timeout + USEC_PER_SEC - 1) / USEC_PER_SEC;

	wire_begin_request(&j->frame, request->verb);
	frame_put_text(&j->frame, "id", j->id);
	frame_put_text(&j->frame, "zone", j->zone);
	frame_put_number(&j->frame, "timeout", seconds);
	buf_append(&j->frame, request->fields->data, request->fields->len);
	return frame_end(&j->frame);
}

int worker_submit(struct worker *w, const struct worker_request *request)
{
	struct job **end = &w->jobs;
	struct job *j;
	int r;

	if (!w->peer)
		return -ENOTCONN;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->worker = w;
	j->verb = request->verb;
	j->timeout = request->timeout;
	j->sync = request->sync;
	j->done = request->done;
	j->context = request->context;
	(void)snprintf(j->id, sizeof(j->id), "%ju", (uintmax_t)++w->last_id); /* it fits */
	(void)snprintf(j->zone, sizeof(j->zone), "%s", request->zone);
	r = build(j, request);
	if (r < 0) {
		buf_release(&j->frame);
		free(j);
		return r;
	}
	while (*end)
		end = &(*end)->next;
	*end = j;
	pump(w);
	return 0;
}

void worker_cancel_all(struct worker *w)
{
	while (w->jobs) {
		if (w->jobs->is_sent)
			send_cancel(w, w->jobs);
		finish(take(w, w->jobs), NULL);
	}
}

/* ---- the connection ---- */

static void on_hello(struct worker *w, struct peer *p)
{
	cleanup_buf struct buf reply = BUF_INIT;

	if (w->peer && w->peer != p)
		peer_close(w->peer);
	w->peer = p;
	w->since = manager_now(w->m).wall;
	wire_begin_reply(&reply, WIRE_STATUS_OK);
	if (frame_end(&reply) == 0)
		peer_send(p, &reply);
	log_info("the worker is connected");
	ldap_wake(w->m->ldap);
	schedule_settle_all(w->m);
}

static char *field_string(const struct frame *f, const char *key)
{
	const struct frame_field *field = frame_find(f, key);

	return field ? strndup((const char *)field->data, field->len) : strdup("");
}

/* What a hook of ours made, as far as it can be used. The worker has read the words of a
 * stranger: nothing but plain words gets past here. */
struct gift {
	char user[UPSTREAM_USER_SIZE];
	char credential[UPSTREAM_CREDENTIAL_SIZE];
	char *credentials;
	struct secret *secret;
};

static bool take_word(const struct frame *f, const char *key, char *ret, size_t size)
{
	int r = frame_text(f, key, ret, size);

	if (r == -ENOENT) {
		ret[0] = '\0';
		return true;
	}
	return r == 0 && upstream_is_word(ret, size - 1, strcmp(key, "user") == 0);
}

static bool take_gift(const struct frame *f, struct gift *ret)
{
	const struct frame_field *s = frame_find(f, "secret");

	ret->credentials = field_string(f, "credentials");
	if (s)
		ret->secret = secret_new(s->data, s->len);
	if (!take_word(f, "user", ret->user, sizeof(ret->user)) ||
	    !take_word(f, "credential", ret->credential, sizeof(ret->credential)) ||
	    !ret->credentials || (s && !ret->secret))
		return false;
	return !s ||
	       (strlen(secret_string(ret->secret)) == secret_len(ret->secret) &&
		upstream_is_word(secret_string(ret->secret), UPSTREAM_SECRET_MAX_, false));
}

static void give(const struct gift *g, struct worker_result *result)
{
	result->user = g->user;
	result->credential = g->credential;
	result->credentials = g->credentials ? g->credentials : "";
	result->secret = g->secret;
}

static void gift_release(struct gift *g)
{
	free(g->credentials);
	secret_free(g->secret);
}

static void on_done(struct worker *w, const struct frame *f)
{
	__attribute__((cleanup(gift_release))) struct gift gift = { .user = "" };
	cleanup_free char *output = field_string(f, "output");
	char id[JOB_ID_SIZE], word[32], detail[ENGINE_DETAIL_SIZE];
	struct worker_result result = { .detail = detail,
					.output = output ? output : "",
					.word = word,
					.user = "",
					.credential = "",
					.credentials = "" };
	struct job *j;

	if (frame_text(f, "id", id, sizeof(id)) < 0)
		return;
	j = find(w, id);
	if (!j)
		return; /* given up already */
	if (frame_text(f, "result", word, sizeof(word)) < 0)
		word[0] = '\0';
	if (engine_outcome_parse(word, &result.outcome) < 0 ||
	    !worker_outcome_fits(j->verb, result.outcome))
		result.outcome = ENGINE_OUTCOME_LOST;
	if (j->verb == WIRE_JOB_UPSTREAM && !take_gift(f, &gift))
		result.outcome = ENGINE_OUTCOME_CRASHED;
	else
		give(&gift, &result);
	worker_detail(result.output, detail, sizeof(detail));
	result.remembered = worker_ttl(result.output);
	finish(take(w, j), &result);
	pump(w);
}

/* The worker counts one reply for each of its requests. */
static void acknowledge(struct worker *w)
{
	cleanup_buf struct buf reply = BUF_INIT;

	wire_begin_reply(&reply, WIRE_STATUS_OK);
	if (w->peer && frame_end(&reply) == 0)
		peer_send(w->peer, &reply);
}

static void on_sync(struct worker *w, const struct frame *f)
{
	static const struct report refused = { .what = "nobody waits for that" };
	cleanup_buf struct buf reply = BUF_INIT;
	char id[JOB_ID_SIZE];
	struct job *j = NULL;
	int r;

	if (frame_text(f, "id", id, sizeof(id)) == 0)
		j = find(w, id);
	if (j && j->sync && j->sync(j->context, f) >= 0) {
		wire_begin_reply(&reply, WIRE_STATUS_OK);
		r = frame_end(&reply);
	} else {
		r = wire_reply_report(&reply, WIRE_STATUS_REFUSED, &refused);
	}
	if (r == 0)
		peer_send(w->peer, &reply);
}

static void on_frame(struct peer *p, const struct frame *f)
{
	struct worker *w = peer_context(p);
	enum wire_verb verb;

	if (wire_check_request(f, WIRE_WORKER, &verb) < 0 ||
	    (verb != WIRE_WORKER_HELLO && p != w->peer)) {
		log_warning("the worker sent a frame that it may not send");
		peer_close(p);
		return;
	}
	if (verb == WIRE_WORKER_HELLO)
		on_hello(w, p);
	else if (verb == WIRE_WORKER_SYNC)
		on_sync(w, f);
	else {
		acknowledge(w);
		on_done(w, f);
	}
}

static void on_closed(struct peer *p)
{
	static const struct worker_result lost = {
		.outcome = ENGINE_OUTCOME_LOST,
		.is_gone = true,
		.detail = "the worker went away",
		.output = "",
		.user = "",
		.credential = "",
		.credentials = "",
		.word = "",
	};
	struct worker *w = peer_context(p);
	struct job *jobs;

	server_release(w->server);
	if (w->peer != p)
		return;
	w->peer = NULL;
	w->since = 0;
	log_notice("the worker went away");
	jobs = steal_ptr(w->jobs);
	while (jobs) {
		struct job *j = jobs;

		jobs = j->next;
		finish(j, &lost);
	}
}

static void on_accepted(void *context, int fd)
{
	static const struct peer_ops ops = { .frame = on_frame, .closed = on_closed };
	struct worker *w = context;
	struct peer_options options = { .event = w->m->event, .ops = &ops, .context = w };
	struct peer *p;

	if (peer_new(fd, &options, &p) < 0)
		server_release(w->server);
}

static bool is_allowed(void *context, const struct socket_peer *peer)
{
	const struct worker *w = context;
	const struct config_id *user = &w->m->config->vault.worker_user;

	return user->is_known && user->id == peer->uid;
}

int worker_new(struct manager *m, struct worker **ret, struct report *report)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct server_options options = {
		.event = m->event,
		.name = "worker",
		.path = m->config->vault.worker_socket,
		.mode = 0666, /* SO_PEERCRED decides */
		.connections_max = CONNECTIONS_MAX,
		.context = w,
		.is_allowed = is_allowed,
		.accepted = on_accepted,
	};
	int r;

	if (!w)
		return -ENOMEM;
	w->m = m;
	r = server_new(&options, &w->server, report);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	worker_cancel_all(w);
	peer_close(w->peer);
	server_free(w->server);
	free(w);
}

bool worker_is_connected(const struct worker *w)
{
	return w && w->peer;
}

void worker_state(const struct worker *w, struct worker_state *ret)
{
	*ret = (struct worker_state){ w->peer != NULL, w->since, count_jobs(w, false) };
}
