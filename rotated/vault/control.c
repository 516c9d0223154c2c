/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/control.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/foresight.h"
#include "rotated/vault/group.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/plan.h"
#include "rotated/vault/server.h"
#include "rotated/vault/store.h"
#include "rotated/vault/verify.h"

enum { CONNECTIONS_MAX = 64, JSON_CHUNK = 60000 };

/* A client that connects and says nothing has so long. */
#define IDLE (60 * USEC_PER_SEC)

/* The answer to a change that waits for others to be stored with it. */
struct held {
	struct held *next;
	struct peer *peer;
	enum wire_verb verb;
	enum wire_status status;
	struct reply reply;
};

struct session {
	struct session *next;
	struct control *control;
	struct peer *peer;
	uint64_t taken; /* the round in which it had its turn */
};

struct control {
	struct manager *m;
	struct server *server;
	struct session *sessions;
	struct held *held;
	uint64_t round;
	bool is_taking; /* inside take_ready() */
};

/* Changes of one item that read nothing of another's, and begin nothing before they answer.
 * Certificate.Sign is not one of them: it looks whether any other has the key. */
static const bool gathers[WIRE_VERB_MAX_] = {
	[WIRE_SERVICE_DISABLE] = true,	   [WIRE_SERVICE_ENABLE] = true,
	[WIRE_CREDENTIAL_ISSUE] = true,	   [WIRE_CREDENTIAL_ROTATE] = true,
	[WIRE_CREDENTIAL_CONFIRM] = true,  [WIRE_CREDENTIAL_REVOKE] = true,
	[WIRE_CERTIFICATE_ISSUE] = true,   [WIRE_CERTIFICATE_RENEW] = true,
	[WIRE_CERTIFICATE_CONFIRM] = true, [WIRE_CERTIFICATE_REVOKE] = true,
	[WIRE_DKIM_REVOKE] = true,
};

static handler_fn *const handlers[WIRE_VERB_MAX_] = {
	[WIRE_STORE_INIT] = verb_store_init,
	[WIRE_STORE_UNSEAL] = verb_store_unseal,
	[WIRE_STORE_SEAL] = verb_store_seal,
	[WIRE_STORE_VERIFY] = verb_store_verify,
	[WIRE_STORE_ACCEPT] = verb_store_accept,
	[WIRE_STORE_RECONCILE] = verb_store_reconcile,
	[WIRE_STORE_SLOTS] = verb_store_slots,
	[WIRE_STORE_SLOT_ADD] = verb_store_slot_add,
	[WIRE_STORE_SLOT_REMOVE] = verb_store_slot_remove,
	[WIRE_STORE_SLOT_TEST] = verb_store_slot_test,
	[WIRE_STORE_REKEY] = verb_store_rekey,
	[WIRE_STORE_RESEAL] = verb_store_reseal,
	[WIRE_STORE_COMPACT] = verb_store_compact,
	[WIRE_STORE_BACKUP] = verb_store_backup,
	[WIRE_STORE_BACKUP_DATA] = verb_store_backup_data,
	[WIRE_STORE_RESTORE] = verb_store_restore,
	[WIRE_STORE_RESTORE_DATA] = verb_store_restore_data,
	[WIRE_STORE_RESTORE_END] = verb_store_restore_end,
	[WIRE_STATUS_GET] = verb_status_get,
	[WIRE_PLAN_GET] = verb_plan_get,
	[WIRE_PLAN_SIMULATE] = verb_plan_simulate,
	[WIRE_SERVICE_LIST] = verb_service_list,
	[WIRE_SERVICE_SHOW] = verb_service_show,
	[WIRE_SERVICE_DISABLE] = verb_service_disable,
	[WIRE_SERVICE_ENABLE] = verb_service_enable,
	[WIRE_CREDENTIAL_LIST] = verb_credential_list,
	[WIRE_CREDENTIAL_ISSUE] = verb_credential_issue,
	[WIRE_CREDENTIAL_ROTATE] = verb_credential_rotate,
	[WIRE_CREDENTIAL_CONFIRM] = verb_credential_confirm,
	[WIRE_CREDENTIAL_REVOKE] = verb_credential_revoke,
	[WIRE_CA_INIT] = verb_ca_init,
	[WIRE_CA_RENEW] = verb_ca_renew,
	[WIRE_CA_SHOW] = verb_ca_show,
	[WIRE_CA_BUNDLE] = verb_ca_bundle,
	[WIRE_CA_CRL] = verb_ca_crl,
	[WIRE_CERTIFICATE_LIST] = verb_certificate_list,
	[WIRE_CERTIFICATE_SHOW] = verb_certificate_show,
	[WIRE_CERTIFICATE_ISSUE] = verb_certificate_issue,
	[WIRE_CERTIFICATE_RENEW] = verb_certificate_renew,
	[WIRE_CERTIFICATE_SIGN] = verb_certificate_sign,
	[WIRE_CERTIFICATE_CONFIRM] = verb_certificate_confirm,
	[WIRE_CERTIFICATE_REVOKE] = verb_certificate_revoke,
	[WIRE_DKIM_LIST] = verb_dkim_list,
	[WIRE_DKIM_SHOW] = verb_dkim_show,
	[WIRE_DKIM_ROTATE] = verb_dkim_rotate,
	[WIRE_DKIM_REVOKE] = verb_dkim_revoke,
	[WIRE_UPSTREAM_LIST] = verb_upstream_list,
	[WIRE_UPSTREAM_SHOW] = verb_upstream_show,
	[WIRE_UPSTREAM_ROTATE] = verb_upstream_rotate,
	[WIRE_UPSTREAM_SET] = verb_upstream_set,
	[WIRE_UPSTREAM_TEST] = verb_upstream_test,
	[WIRE_UPSTREAM_REVOKE] = verb_upstream_revoke,
	[WIRE_DNS_CHECK] = verb_dns_check,
	[WIRE_HOOK_TEST] = verb_hook_test,
	[WIRE_LDAP_STATUS] = verb_ldap_status,
	[WIRE_LDAP_SYNC] = verb_ldap_sync,
	[WIRE_LDAP_APPROVE] = verb_ldap_approve,
	[WIRE_LDAP_SECRET] = verb_ldap_secret,
	[WIRE_AUDIT_SHOW] = verb_audit_show,
	[WIRE_AUDIT_VERIFY] = verb_audit_verify,
};

/* ---- replies ---- */

void reply_release(struct reply *r)
{
	buf_release(&r->json);
	buf_release(&r->fields);
}

static void put_nonempty(struct buf *f, const char *key, const char *text)
{
	if (text[0])
		frame_put_text(f, key, text);
}

/* One frame; all but the last carry only a part of the JSON. */
static int build_frame(enum wire_status status, const struct reply *r, size_t *at,
		       struct buf *ret)
{
	size_t left = r->json.len - *at;
	size_t len = left < JSON_CHUNK ? left : JSON_CHUNK;

	wire_begin_reply(ret, status);
	if (len > 0)
		frame_put(ret, "json", r->json.data + *at, len);
	*at += len;
	if (*at < r->json.len) {
		frame_put_text(ret, "more", "1");
		return frame_end(ret);
	}
	buf_append(ret, r->fields.data, r->fields.len);
	put_nonempty(ret, "message", r->report.what);
	put_nonempty(ret, "hint", r->report.hint);
	return frame_end(ret);
}

static void send_failure(struct peer *p)
{
	static const struct report report = { .what = "the answer does not fit into memory" };
	cleanup_buf struct buf f = BUF_INIT;

	if (wire_reply_report(&f, WIRE_STATUS_AGAIN, &report) == 0)
		peer_send(p, &f);
}

void reply_send(struct peer *p, enum wire_status status, struct reply *r)
{
	size_t at = 0;

	if (buf_error(&r->json) < 0 || buf_error(&r->fields) < 0) {
		send_failure(p);
		return;
	}
	do {
		cleanup_buf struct buf f = BUF_INIT;

		if (build_frame(status, r, &at, &f) < 0) {
			send_failure(p);
			return;
		}
		peer_send(p, &f);
	} while (at < r->json.len);
}

/* ---- what handlers share ---- */

static enum wire_status status_of(int error)
{
	switch (error) {
	case -ENOKEY:
	case -EBUSY:
	case -EAGAIN:
	case -ENOSPC:
	case -EIO:
	case -ENOMEM:
	case -ENOTCONN:
		return WIRE_STATUS_AGAIN;
	case -EALREADY:
		return WIRE_STATUS_NOTHING;
	default:
		return WIRE_STATUS_REFUSED;
	}
}

enum wire_status reply_fail(struct reply *reply, int error)
{
	if (!reply->report.what[0])
		report_set(&reply->report, error, "it failed: %s", strerror(-error));
	return status_of(error);
}

enum wire_status request_fail(struct request *req, int error)
{
	return reply_fail(&req->reply, error);
}

enum engine_event request_rotation(const struct request *req)
{
	return frame_flag(req->frame, "compromised") ? ENGINE_EVENT_COMPROMISED
						     : ENGINE_EVENT_ROTATE;
}

int request_secret(const struct request *req, const char *key, struct secret **ret)
{
	const struct frame_field *field = frame_find(req->frame, key);

	if (!field)
		return 0;
	*ret = secret_new(field->data, field->len);
	return *ret ? 0 : -ENOMEM;
}

void request_note(const struct request *req, const char *event, const char *object)
{
	struct audit_event e = {
		.event = event, .actor = req->actor, .object = object, .outcome = "ok"
	};
	struct report report = { 0 };

	if (!req->m->audit)
		log_notice("%s by %s%s%s", event, req->actor, object ? ": " : "",
			   object ? object : "");
	else if (change_note(req->m, &e, &report) < 0)
		log_report(LOG_LEVEL_ERROR, &report);
}

enum wire_status request_refuse(struct request *req, enum wire_status status, const char *hint,
				const char *fmt, ...)
{
	char text[REPORT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut to fit */
	va_end(ap);
	report_set(&req->reply.report, 0, "%s", text);
	if (hint)
		report_hint(&req->reply.report, "%s", hint);
	return status;
}

int request_require(struct request *req, enum keystore_tier tier)
{
	struct report *report = &req->reply.report;
	char waiting[REPORT_TEXT_MAX / 2];
	int r = store_require(req->m, tier, report);
	size_t len = strlen(report->what);

	if (r != -ENOKEY || !store_is_open(req->m, KEYSTORE_AUTH))
		return r;
	plan_tell_waiting(req->m, waiting, sizeof(waiting));
	if (waiting[0])
		(void)snprintf(report->what + len, sizeof(report->what) - len, "; %s",
			       waiting); /* cut to fit */
	return r;
}

/* ---- somebody waits for a key ---- */

static void write_key(const struct item *item, const struct engine_version *v, struct buf *ret)
{
	struct json j = JSON_INIT(ret);

	json_put_object(&j, NULL);
	json_put_string(&j, "domain", item->engine.id);
	json_put_string(&j, "selector", v->name);
	json_put_number(&j, "version", v->version);
	json_put_object_end(&j);
}

void control_item_moved(struct manager *m, struct item *item, const struct report *report)
{
	const struct engine_version *v = engine_find_phase(&item->engine, ENGINE_COMING);
	cleanup_reply struct reply reply = { 0 };
	enum wire_status status = WIRE_STATUS_OK;
	struct peer *p = item->waiter;

	(void)m;
	if (!p)
		return;
	if (report) {
		reply.report = *report;
		status = WIRE_STATUS_AGAIN;
	} else if (!v) {
		report_set(&reply.report, 0, "%s: the key was revoked before it was made",
			   item->engine.id);
		status = WIRE_STATUS_REFUSED;
	} else if (v->state != ENGINE_PLANNED) {
		write_key(item, v, &reply.json);
	} else if (item->engine.failures > 0) {
		report_set(&reply.report, 0, "%s: %s", item->engine.id,
			   item->engine.detail[0]
				   ? item->engine.detail
				   : engine_outcome_meaning(item->engine.trouble));
		report_hint(&reply.report, "rotatectl status");
		status = WIRE_STATUS_AGAIN;
	} else {
		return;
	}
	item->waiter = NULL;
	reply_send(p, status, &reply);
	peer_set_busy(p, false);
}

static void forget_waiter(struct manager *m, const struct peer *p)
{
	for (size_t i = 0; i < m->item_count; i++)
		if (m->items[i]->waiter == p)
			m->items[i]->waiter = NULL;
}

/* ---- dispatch ---- */

static void refuse_frame(struct peer *p, int error)
{
	cleanup_buf struct buf f = BUF_INIT;
	struct report report = { 0 };

	report_set(&report, error, "%s",
		   error == -EOPNOTSUPP ? "this rotated does not know what was asked"
					: "the request has fields that do not belong there");
	report_hint(&report, "install the same version of rotated and rotatectl");
	if (wire_reply_report(&f, WIRE_STATUS_USAGE, &report) == 0)
		peer_send(p, &f);
}

static void log_refusal(const struct peer *p, enum wire_verb verb, enum wire_status status,
			const struct reply *reply)
{
	const struct socket_peer *who = peer_credentials(p);

	if (status != WIRE_STATUS_OK)
		log_info("%s by uid %u pid %d: %s", wire_verb_name(verb), (unsigned)who->uid,
			 (int)who->pid, reply->report.what);
}

static void answer(struct peer *p, enum wire_verb verb, enum wire_status status,
		   struct reply *reply)
{
	reply_send(p, status, reply);
	peer_set_busy(p, false);
	log_refusal(p, verb, status, reply);
}

/* Nothing of it is true any more. */
static enum wire_status fail_reply(struct reply *reply, int error, const struct report *report)
{
	reply_release(reply);
	*reply = (struct reply){ .report = *report };
	return status_of(error);
}

/* Stores what was gathered, and tells everybody who waits for it. */
static void flush(struct control *c)
{
	struct report report = { 0 };
	int r = group_flush(c->m, &report);

	while (c->held) {
		struct held *h = c->held;

		c->held = h->next;
		if (r < 0)
			h->status = fail_reply(&h->reply, r, &report);
		answer(h->peer, h->verb, h->status, &h->reply);
		reply_release(&h->reply);
		free(h);
	}
}

static bool is_touched(const struct manager *m, const struct frame *f)
{
	const struct frame_field *id = frame_find(f, "service");

	if (!id)
		id = frame_find(f, "domain");
	return !id || group_has(m, (const char *)id->data, id->len);
}

/* Runs the handler; what it changes may wait for others that are ready. */
static void handle(struct control *c, struct request *req, enum wire_verb verb)
{
	struct manager *m = c->m;
	cleanup_free struct held *h = gathers[verb] ? calloc(1, sizeof(*h)) : NULL;
	enum wire_status status;
	uint64_t joins;

	if (!h || is_touched(m, req->frame) || !group_has_room(m))
		flush(c);
	joins = group_joins(m);
	(void)group_gather(m, h != NULL);
	status = handlers[verb](req);
	(void)group_gather(m, false);
	if (status == CONTROL_LATER)
		return;
	if (!h || group_joins(m) == joins || !group_is_pending(m)) {
		answer(req->peer, verb, status, &req->reply);
		return;
	}
	*h = (struct held){ c->held, req->peer, verb, status, req->reply };
	req->reply = (struct reply){ 0 };
	c->held = steal_ptr(h);
}

static struct session *next_to_take(struct control *c)
{
	struct session *s = c->sessions;

	while (s && s->taken == c->round)
		s = s->next;
	return s;
}

/* Everybody has one turn, those too who have only knocked. */
static void take_ready(struct control *c)
{
	struct session *s;

	c->is_taking = true;
	c->round++;
	for (unsigned i = 0; i < CONNECTIONS_MAX && server_take(c->server); i++)
		;
	while (group_is_pending(c->m) && (s = next_to_take(c))) {
		s->taken = c->round;
		peer_take(s->peer);
	}
	c->is_taking = false;
	flush(c);
}

static void on_frame(struct peer *p, const struct frame *f)
{
	struct session *s = peer_context(p);
	struct control *c = s->control;
	const struct socket_peer *who = peer_credentials(p);
	struct request req = { .m = c->m, .peer = p, .frame = f };
	enum wire_verb verb;
	int r = wire_check_request(f, WIRE_CONTROL, &verb);

	if (r < 0) {
		refuse_frame(p, r);
		return;
	}
	(void)snprintf(req.actor, sizeof(req.actor), "uid %u pid %d", (unsigned)who->uid,
		       (int)who->pid); /* it fits */
	req.is_dry_run = frame_flag(f, "dry_run");
	peer_set_busy(p, true);
	handle(c, &req, verb);
	reply_release(&req.reply);
	if (!c->is_taking && group_is_pending(c->m))
		take_ready(c);
}

/* What it asked for is stored with the rest; nobody is there to be told. */
static void forget_held(struct control *c, const struct peer *p)
{
	for (struct held **at = &c->held; *at;) {
		struct held *h = *at;

		if (h->peer != p) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		reply_release(&h->reply);
		free(h);
	}
}

static void on_closed(struct peer *p)
{
	struct session *s = peer_context(p);
	struct session **at = &s->control->sessions;

	forget_held(s->control, p);
	forget_waiter(s->control->m, p);
	verb_dns_forget(p);
	verb_upstream_forget(p);
	verify_forget(s->control->m, p);
	foresight_forget(s->control->m, p);
	verb_slots_forget(p);
	verb_slot_test_forget(p);
	verb_backup_forget(s->control->m, p);
	ldap_forget(s->control->m->ldap, p);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	server_release(s->control->server);
	free(s);
}

static void on_accepted(void *context, int fd)
{
	static const struct peer_ops ops = { .frame = on_frame, .closed = on_closed };
	struct control *c = context;
	struct session *s = calloc(1, sizeof(*s));
	struct peer_options options = {
		.event = c->m->event,
		.ops = &ops,
		.context = s,
		.idle = IDLE,
		.takes_turns = true,
	};

	if (!s)
		closep(&fd);
	if (!s || peer_new(fd, &options, &s->peer) < 0) {
		free(s);
		server_release(c->server);
		return;
	}
	s->control = c;
	s->next = c->sessions;
	c->sessions = s;
}

static bool is_allowed(void *context, const struct socket_peer *peer)
{
	const struct control *c = context;

	return config_ids_has(&c->m->config->vault.admins, peer->uid);
}

int control_new(struct manager *m, struct control **ret, struct report *report)
{
	struct control *c = calloc(1, sizeof(*c));
	struct server_options options = {
		.event = m->event,
		.name = "control",
		.path = m->config->vault.control_socket,
		.mode = 0666, /* SO_PEERCRED decides */
		.connections_max = CONNECTIONS_MAX,
		.context = c,
		.is_allowed = is_allowed,
		.accepted = on_accepted,
	};
	int r;

	if (!c)
		return -ENOMEM;
	c->m = m;
	r = server_new(&options, &c->server, report);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->sessions)
		peer_close(c->sessions->peer);
	server_free(c->server);
	free(c);
}
