/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/shares.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/store.h"

enum { NOTED_MAX = 64, OBJECT_SIZE = 200 };

/* A line of the audit log that waits for its key. */
struct noted {
	const char *event;
	const char *outcome;
	char actor[CHANGE_ACTOR_SIZE];
	char object[OBJECT_SIZE];
};

struct shares {
	sd_event_source *timer;
	uint64_t until;	     /* CLOCK_BOOTTIME; 0: none is there */
	uint64_t until_wall; /* the same for people */
	unsigned count;
	struct noted noted[NOTED_MAX];
};

/* ---- the record ---- */

static void put_on_record(struct manager *m, const struct noted *n)
{
	const struct audit_event e = {
		.event = n->event,
		.actor = n->actor,
		.object = n->object,
		.outcome = n->outcome,
	};
	struct report report = { 0 };

	if (change_note(m, &e, &report) < 0) /* it is done; the log does not undo it */
		log_report(LOG_LEVEL_ERROR, &report);
}

/* Those that cannot be kept are in the system's log. */
static void note(struct manager *m, const struct noted *n)
{
	log_notice("%s by %s: %s: %s", n->event, n->actor, n->object, n->outcome);
	if (m->audit)
		put_on_record(m, n);
	else if (m->shares && m->shares->count < NOTED_MAX)
		m->shares->noted[m->shares->count++] = *n;
}

/* A late line says when it was. */
static void describe(const struct manager *m, const char *what, struct noted *n)
{
	char when[CLOCK_TEXT_SIZE];

	clock_format(manager_now(m).wall, when);
	(void)snprintf(n->object, sizeof(n->object), "%s%s%s", what, m->audit ? "" : ", ",
		       m->audit ? "" : when); /* cut to fit */
}

static void note_entry(const struct request *req, const char *what, const char *outcome)
{
	struct noted n = { .event = "store.share", .outcome = outcome };

	memcpy(n.actor, req->actor, sizeof(n.actor));
	describe(req->m, what, &n);
	note(req->m, &n);
}

/* ---- forgetting ---- */

static bool is_any_there(const struct manager *m)
{
	struct keystore_shares s;

	return m->keystore && keystore_shares_get(m->keystore, 0, &s);
}

void shares_forget(struct manager *m, const char *why)
{
	struct noted n = { .event = "store.shares-forgotten",
			   .outcome = "ok",
			   .actor = "rotated" };

	if (m->shares) {
		m->shares->timer = sd_event_source_disable_unref(m->shares->timer);
		m->shares->until = 0;
	}
	if (!is_any_there(m))
		return;
	keystore_shares_forget(m->keystore);
	describe(m, why, &n);
	note(m, &n);
}

void shares_expire(struct manager *m)
{
	if (m->shares && m->shares->until && manager_now(m).boot >= m->shares->until)
		shares_forget(m, "the next one was too long in coming");
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;

	(void)source;
	(void)usec;
	shares_expire(m);
	return 0;
}

void shares_free(struct manager *m)
{
	if (!m->shares)
		return;
	sd_event_source_disable_unref(m->shares->timer);
	free(steal_ptr(m->shares));
}

void shares_opened(struct manager *m)
{
	if (!m->shares)
		return;
	for (unsigned i = 0; i < m->shares->count; i++)
		put_on_record(m, &m->shares->noted[i]);
	shares_forget(m, "the keystore was opened in another way");
	shares_free(m);
}

/* ---- entering ---- */

/* A timer that cannot be had is no reason to keep shares for ever. */
static int hold(struct manager *m)
{
	uint64_t span = m->config->keystore.share_timeout;
	struct moment now = manager_now(m);
	struct shares *s = m->shares;

	s->timer = sd_event_source_disable_unref(s->timer);
	s->until = now.boot + span;
	s->until_wall = now.wall + span;
	return sd_event_add_time(m->event, &s->timer, CLOCK_BOOTTIME, s->until, USEC_PER_SEC,
				 on_timer, m);
}

static void write_set(struct json *j, const struct manager *m, const struct keystore_shares *s)
{
	json_put_object(j, NULL);
	json_put_number(j, "entered", s->have);
	json_put_number(j, "needed", s->threshold);
	json_put_time(j, "until", m->shares ? m->shares->until_wall : 0);
	json_put_object_end(j);
}

/* How far it is, as an answer. */
static void tell(struct request *req, const struct keystore_shares *s, const char *lead)
{
	struct json j = JSON_INIT(&req->reply.json);
	char until[CLOCK_TEXT_SIZE];

	clock_format(req->m->shares->until_wall, until);
	report_set(&req->reply.report, 0,
		   "%s%u of %u shares entered; they are kept until %.5s UTC", lead, s->have,
		   s->threshold, until + sizeof("2026-11-23T") - 1);
	report_hint(&req->reply.report, "the next one: rotatectl unseal --share");
	json_put_object(&j, NULL);
	json_put_array(&j, "shares");
	write_set(&j, req->m, s);
	json_put_array_end(&j);
	json_put_object_end(&j);
}

static enum wire_status took(struct request *req, const struct keystore_shares *s)
{
	char what[OBJECT_SIZE];
	int r = hold(req->m);

	if (r < 0) {
		shares_forget(req->m, "no timer could be had");
		return request_fail(req, r);
	}
	(void)snprintf(what, sizeof(what), "%u of %u", s->have, s->threshold); /* it fits */
	note_entry(req, what, "ok");
	tell(req, s, "");
	return WIRE_STATUS_AGAIN;
}

static enum wire_status opened(struct request *req, const struct keystore_shares *s)
{
	char what[OBJECT_SIZE];
	int r;

	(void)snprintf(what, sizeof(what), "%u of %u", s->threshold, s->threshold);
	note_entry(req, what, "ok");
	r = store_unsealed(req->m, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	request_note(req, "store.unseal-quorum", NULL);
	return request_refuse(req, WIRE_STATUS_OK, NULL, "%s", store_open_tiers(req->m));
}

static enum wire_status enter(struct request *req, const struct secret *text)
{
	struct keystore_shares s = { .have = 0 };
	struct report *report = &req->reply.report;
	int r = keystore_unlock_share(req->m->keystore, text, &s, report);

	if (r == 0)
		return opened(req, &s);
	if (r == -EAGAIN)
		return took(req, &s);
	note_entry(req, report->what, "refused");
	if (r == -EALREADY)
		tell(req, &s, "this share was entered already; ");
	return request_fail(req, r);
}

enum wire_status shares_unseal(struct request *req)
{
	cleanup_secret struct secret *text = NULL;
	struct manager *m = req->m;
	int r;

	shares_expire(m);
	if (!m->shares)
		m->shares = calloc(1, sizeof(*m->shares));
	r = m->shares ? request_secret(req, "share", &text) : -ENOMEM;
	return r < 0 ? request_fail(req, r) : enter(req, text);
}

void shares_write(struct manager *m, struct json *j)
{
	struct keystore_shares s;

	shares_expire(m);
	json_put_array(j, "shares");
	for (size_t i = 0; m->keystore && keystore_shares_get(m->keystore, i, &s); i++)
		write_set(j, m, &s);
	json_put_array_end(j);
}
