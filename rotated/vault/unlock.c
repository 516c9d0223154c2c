/* SPDX-License-Identifier: BSD-2-Clause */
/* The questions to the porter, and the connection that they go over. When to ask them:
 * unattended.c. */
#include "rotated/vault/unlock.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/server.h"
#include "rotated/vault/unlock_internal.h"
#include "wire/verbs.h"

enum { CONNECTIONS_MAX = 4 };

/* What the porter may take beyond a question's own time, to kill what runs and to say so. */
#define GRACE (10 * USEC_PER_SEC)

void unlock_name(const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		 char ret[static UNLOCK_NAME_SIZE])
{
	size_t len = (size_t)snprintf(ret, UNLOCK_NAME_SIZE, "rotated-");

	for (size_t i = 0; i < KEYSTORE_SLOT_ID_LEN; i++)
		len += (size_t)snprintf(ret + len, UNLOCK_NAME_SIZE - len, "%02x", id[i]);
}

/* ---- questions ---- */

struct question {
	struct question *next;
	struct unlock *unlock;
	uint64_t id;
	bool is_seal;
	struct unlock_asker asker;
	sd_event_source *timer;
};

static struct question *take(struct unlock *u, struct question *q)
{
	struct question **p = &u->questions;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	return q;
}

static void question_free(struct question *q)
{
	sd_event_source_disable_unref(q->timer);
	free(q);
}

static void finish(struct question *q, const struct unlock_result *result)
{
	struct unlock_asker asker = q->asker;

	question_free(q);
	asker.done(asker.context, result);
}

static void fail(struct question *q, int error, const char *what)
{
	struct unlock_result result = { .error = error };

	(void)report_set(&result.report, error, "%s", what);
	report_hint(&result.report, "systemctl restart rotated-unlock");
	finish(q, &result);
}

static int on_silence(sd_event_source *source, uint64_t usec, void *context)
{
	struct question *q = context;

	(void)source;
	(void)usec;
	fail(take(q->unlock, q), -ETIMEDOUT, "rotated-unlock does not answer");
	return 0;
}

static int refuse_absent(struct report *report)
{
	(void)report_set(report, -ENOTCONN, "rotated-unlock is not connected");
	report_hint(report, "systemctl enable --now rotated-unlock");
	return -ENOTCONN;
}

/* Begins the frame of a new question. */
static void begin(struct unlock *u, enum wire_verb verb, struct buf *frame)
{
	uint64_t timeout = u->m->config->unlock.timeout;

	wire_begin_request(frame, verb);
	frame_put_number(frame, "id", ++u->last_id);
	frame_put_number(frame, "timeout", (timeout + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

static int ask(struct unlock *u, bool is_seal, struct buf *frame,
	       const struct unlock_asker *asker, struct report *report)
{
	struct question *q;
	int r = frame_end(frame);

	if (r < 0)
		return report_set(report, r, "the question for rotated-unlock is too long");
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->unlock = u;
	q->id = u->last_id;
	q->is_seal = is_seal;
	q->asker = *asker;
	r = sd_event_add_time_relative(u->m->event, &q->timer, CLOCK_MONOTONIC,
				       u->m->config->unlock.timeout + GRACE, 0, on_silence, q);
	if (r < 0) {
		question_free(q);
		return r;
	}
	q->next = u->questions;
	u->questions = q;
	peer_send(u->peer, frame);
	return 0;
}

int unlock_seal(struct manager *m, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		const struct secret *key, const struct unlock_asker *asker,
		struct report *report)
{
	cleanup_buf struct buf frame = BUF_INIT;
	char name[UNLOCK_NAME_SIZE];

	if (!m->unlock->peer)
		return refuse_absent(report);
	unlock_name(id, name);
	begin(m->unlock, WIRE_UNLOCK_SEAL, &frame);
	frame_put_text(&frame, "name", name);
	frame_put(&frame, "secret", secret_data(key), secret_len(key));
	return ask(m->unlock, true, &frame, asker, report);
}

int unlock_open(struct manager *m, const struct unlock_slot *slot,
		const struct unlock_asker *asker, struct report *report)
{
	cleanup_buf struct buf frame = BUF_INIT;
	char name[UNLOCK_NAME_SIZE];

	if (!m->unlock->peer)
		return refuse_absent(report);
	begin(m->unlock, WIRE_UNLOCK_OPEN, &frame);
	if (slot->kind == UNLOCK_EXEC) {
		frame_put_text(&frame, "kind", "exec");
		frame_put_text(&frame, "program", slot->program);
	} else {
		unlock_name(slot->id, name);
		frame_put_text(&frame, "kind", "credential");
		frame_put_text(&frame, "name", name);
	}
	frame_put(&frame, "blob", slot->blob, slot->blob_len);
	return ask(m->unlock, false, &frame, asker, report);
}

void unlock_forget(struct manager *m, const void *context)
{
	struct question *next;

	for (struct question *q = m->unlock->questions; q; q = next) {
		next = q->next;
		if (q->asker.context == context)
			question_free(take(m->unlock, q));
	}
}

/* ---- answers ---- */

static void read_text(const struct frame *f, const char *key, char *ret, size_t size)
{
	if (frame_text(f, key, ret, size) < 0)
		ret[0] = '\0';
}

/* The porter's own words, in the form that a report of ours has. */
static void read_failure(const struct frame *f, struct unlock_result *result)
{
	char what[REPORT_TEXT_MAX], hint[REPORT_TEXT_MAX], word[16];

	read_text(f, "message", what, sizeof(what));
	read_text(f, "hint", hint, sizeof(hint));
	read_text(f, "result", word, sizeof(word));
	result->error = strcmp(word, "timeout") == 0   ? -ETIMEDOUT
			: strcmp(word, "refused") == 0 ? -EPERM
						       : -EIO;
	(void)report_set(&result->report, result->error, "%s",
			 what[0] ? what : "rotated-unlock did not say what is wrong");
	report_hint(&result->report, "%s", hint[0] ? hint : "journalctl -u rotated-unlock");
}

static bool read_made(const struct question *q, const struct frame *f,
		      struct secret **ret_secret, struct unlock_result *result)
{
	const struct frame_field *made = frame_find(f, q->is_seal ? "blob" : "secret");

	if (!made || made->len == 0 || made->len > KEYSTORE_BLOB_MAX)
		return false;
	if (q->is_seal) {
		result->blob = made->data;
		result->blob_len = made->len;
		return true;
	}
	*ret_secret = secret_new(made->data, made->len);
	result->secret = *ret_secret;
	return *ret_secret;
}

static void on_done(struct unlock *u, const struct frame *f)
{
	cleanup_secret struct secret *secret = NULL;
	struct unlock_result result = { .error = 0 };
	struct question *q = u->questions;
	char word[16];
	uint64_t id;

	if (frame_number(f, "id", &id) < 0)
		return;
	while (q && q->id != id)
		q = q->next;
	if (!q)
		return; /* given up already */
	take(u, q);
	read_text(f, "result", word, sizeof(word));
	if (strcmp(word, "ok") != 0)
		read_failure(f, &result);
	else if (!read_made(q, f, &secret, &result))
		result.error = report_set(&result.report, -EBADMSG,
					  "what rotated-unlock answered is no key");
	finish(q, &result);
}

/* ---- the connection ---- */

static void acknowledge(struct peer *p)
{
	cleanup_buf struct buf reply = BUF_INIT;

	wire_begin_reply(&reply, WIRE_STATUS_OK);
	if (frame_end(&reply) == 0)
		peer_send(p, &reply);
}

static void on_hello(struct unlock *u, struct peer *p)
{
	if (u->peer && u->peer != p)
		peer_close(u->peer);
	u->peer = p;
	u->since = manager_now(u->m).wall;
	log_info("the porter is connected");
	unlock_start(u->m);
}

static void on_frame(struct peer *p, const struct frame *f)
{
	struct unlock *u = peer_context(p);
	enum wire_verb verb;

	if (wire_check_request(f, WIRE_UNLOCK, &verb) < 0 ||
	    (verb != WIRE_UNLOCK_HELLO && p != u->peer)) {
		log_warning("the porter sent a frame that it may not send");
		peer_close(p);
		return;
	}
	acknowledge(p);
	if (verb == WIRE_UNLOCK_HELLO)
		on_hello(u, p);
	else
		on_done(u, f);
}

static void on_closed(struct peer *p)
{
	struct unlock *u = peer_context(p);
	struct question *questions;

	server_release(u->server);
	if (u->peer != p)
		return;
	u->peer = NULL;
	log_notice("the porter went away");
	questions = steal_ptr(u->questions);
	while (questions) {
		struct question *q = questions;

		questions = q->next;
		fail(q, -ECONNRESET, "rotated-unlock went away");
	}
}

static void on_accepted(void *context, int fd)
{
	static const struct peer_ops ops = { .frame = on_frame, .closed = on_closed };
	struct unlock *u = context;
	struct peer_options options = { .event = u->m->event, .ops = &ops, .context = u };
	struct peer *p;

	if (peer_new(fd, &options, &p) < 0)
		server_release(u->server);
}

/* Beside root, as which it runs, and our own user. */
static bool is_allowed(void *context, const struct socket_peer *peer)
{
	(void)context;
	(void)peer;
	return false;
}

int unlock_new(struct manager *m, struct unlock **ret, struct report *report)
{
	struct unlock *u = calloc(1, sizeof(*u));
	struct server_options options = {
		.event = m->event,
		.name = "unlock",
		.path = m->config->vault.unlock_socket,
		.mode = 0666, /* SO_PEERCRED decides */
		.connections_max = CONNECTIONS_MAX,
		.context = u,
		.is_allowed = is_allowed,
		.accepted = on_accepted,
	};
	int r;

	if (!u)
		return -ENOMEM;
	u->m = m;
	r = server_new(&options, &u->server, report);
	if (r < 0) {
		free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void unlock_free(struct unlock *u)
{
	if (!u)
		return;
	while (u->questions)
		question_free(take(u, u->questions));
	sd_event_source_disable_unref(u->retry);
	peer_close(u->peer);
	server_free(u->server);
	free(u);
}
