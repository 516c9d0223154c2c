/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rotated/vault/certificate_view.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/store.h"
#include "rotated/vault/worker.h"

const char *view_word(enum view_state state)
{
	static const char *const words[] = {
		[VIEW_NONE] = "none",	      [VIEW_OK] = "ok",
		[VIEW_WORKING] = "working",   [VIEW_WAITING] = "waiting",
		[VIEW_FAILING] = "failing",   [VIEW_HELD] = "held",
		[VIEW_DISABLED] = "disabled",
	};

	_Static_assert(ARRAY_SIZE(words) == VIEW_STATE_MAX_, "a word for every state");
	return words[state];
}

void view_text(struct json *j, const char *key, const char *text)
{
	if (text && text[0])
		json_put_string(j, key, text);
	else
		json_put_null(j, key);
}

void view_span(struct json *j, const char *key, uint64_t usec)
{
	if (usec == USEC_NEVER)
		json_put_null(j, key);
	else
		json_put_number(j, key, usec / USEC_PER_SEC);
}

void view_schedule(struct json *j, const struct config_schedule *s)
{
	cleanup_buf struct buf text = BUF_INIT_MAX(CALENDAR_TEXT_MAX);

	if (s->calendar)
		calendar_format(s->calendar, &text);
	view_span(j, "schedule", s->calendar ? USEC_NEVER : s->every);
	view_text(j, "calendar", s->calendar ? buf_string(&text) : NULL);
}

/* ---- times ---- */

uint64_t view_after(const struct manager *m, uint64_t wait, uint64_t age)
{
	uint64_t left = wait > age ? wait - age : 0;

	return wait == USEC_NEVER ? 0 : manager_now(m).wall + left;
}

/* Ages are as of the last step. */
static uint64_t age_by_now(const struct manager *m, const struct item *item,
			   const struct engine_version *v)
{
	struct moment now = manager_now(m);

	return v->age + engine_passed(v, &item->engine.seen, &now);
}

/* When the active version becomes due; false when it can not, now. */
static bool next_due(const struct manager *m, const struct item *item, struct due_answer *ret)
{
	const struct engine_version *v = engine_find_phase(&item->engine, ENGINE_CURRENT);
	const struct engine_version *coming;
	struct engine_policy policy;

	coming = engine_find_phase(&item->engine, ENGINE_COMING);
	item->driver->policy(m, item, &policy);
	if (!v || (coming && !engine_is_standby(&item->engine, &policy, coming)))
		return false;
	engine_due(&item->engine, &policy, v, ret);
	return ret->start != USEC_NEVER;
}

uint64_t view_next_rotation(const struct manager *m, const struct item *item)
{
	const uint64_t now = manager_now(m).wall;
	struct due_answer a;

	if (!next_due(m, item, &a))
		return 0;
	return a.start > now ? a.start : now;
}

void view_next_reason(const struct manager *m, const struct item *item, struct buf *out)
{
	struct due_answer a;

	if (next_due(m, item, &a) && (a.wait != DUE_WAIT_NOTHING || a.is_missed))
		due_explain(&a, out);
	else
		buf_append_str(out, "the schedule says so");
}

uint64_t view_leaves(const struct manager *m, const struct item *item,
		     const struct engine_version *v)
{
	struct engine_policy policy;
	uint64_t leaves, end;

	if (v->state != ENGINE_RETIRING)
		return 0;
	item->driver->policy(m, item, &policy);
	leaves = view_after(m, policy.overlap, age_by_now(m, item, v));
	end = item->engine.kind == ENGINE_CERTIFICATE ? certificate_end(m, &item->engine, v)
						      : 0;
	return end && end < leaves ? end : leaves;
}

/* ---- state, reason, hint ---- */

void view_say(struct view *v, enum view_state state, const char *fmt, ...)
{
	va_list ap;

	v->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(v->reason, sizeof(v->reason), fmt, ap); /* cut to fit */
	va_end(ap);
}

void view_hint(struct view *v, const char *command, const char *id)
{
	(void)snprintf(v->hint, sizeof(v->hint), "rotatectl %s%s%s", command, id ? " " : "",
		       id ? id : ""); /* it fits */
}

static void view_trouble(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_item *e = &item->engine;
	const char *what = engine_outcome_meaning(e->trouble);

	view_say(v, e->is_held ? VIEW_HELD : VIEW_FAILING, "%s%s%s", what,
		 e->detail[0] ? ": " : "", e->detail);
	if (!e->is_held)
		v->next_attempt = view_after(m, e->retry_in, 0);
	view_hint(v, e->is_held ? "dkim rotate" : "dns check", e->id);
}

static void view_coming_key(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_version *k = v->subject;
	struct engine_policy policy;

	item->driver->policy(m, item, &policy);
	if (engine_is_standby(&item->engine, &policy, k)) {
		v->subject = engine_find_phase(&item->engine, ENGINE_CURRENT);
		view_say(v, VIEW_OK, "%s is published and ready as the standby", k->name);
	} else if (k->state == ENGINE_PLANNED && !policy.may_create) {
		view_say(v, VIEW_WAITING, "the ISSUER tier is sealed: no key can be made");
		(void)snprintf(v->hint, sizeof(v->hint), "rotatectl unseal"); /* it fits */
	} else if (k->state == ENGINE_VISIBLE) {
		view_say(v, VIEW_WAITING, "every server answers the record; it soaks");
		v->next_attempt = view_after(m, engine_soak(k, &policy), k->age);
	} else if (k->state != ENGINE_PLANNED && !policy.may_work) {
		view_say(v, VIEW_WAITING, "rotated-worker is not connected");
		(void)snprintf(v->hint, sizeof(v->hint), "systemctl start rotated-worker");
	} else {
		view_say(v, VIEW_WORKING, "%s", engine_state_meaning(k->state));
	}
}

/* How rotatectl makes the first version of a kind, and the next one. */
static const struct {
	const char *first, *next, *none;
} makers[] = {
	[ENGINE_PASSWORD] = { "credential issue", "credential rotate",
			      "no credential was issued yet" },
	[ENGINE_DKIM] = { "dkim rotate", "dkim rotate", "there is no key yet" },
	[ENGINE_CERTIFICATE] = { "certificate issue", "certificate renew",
				 "no certificate was issued yet" },
	[ENGINE_UPSTREAM] = { "upstream rotate", "upstream rotate", "there is no secret yet" },
};

_Static_assert(ARRAY_SIZE(makers) == ENGINE_KIND_MAX_, "commands for every kind");

static void hint_maker(const struct engine_item *e, struct view *v)
{
	view_hint(v,
		  engine_find_phase(e, ENGINE_CURRENT) ? makers[e->kind].next
						       : makers[e->kind].first,
		  e->id);
}

static void view_staged(const struct item *item, struct view *v)
{
	view_say(v, VIEW_WAITING, "%s was issued, and nobody confirmed that it has the secret",
		 v->subject->name);
	hint_maker(&item->engine, v);
}

static void view_leaving(const struct manager *m, struct view *v)
{
	if (worker_is_connected(m->worker))
		view_say(v, VIEW_WORKING, "%s", engine_state_meaning(v->subject->state));
	else
		view_say(v, VIEW_WAITING, "rotated-worker is not connected");
}

static const struct engine_version *withdrawing(const struct engine_item *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (e->versions[i].state == ENGINE_WITHDRAWING)
			return &e->versions[i];
	return NULL;
}

/* A certificate ends by itself, whatever the engine makes of it. */
static bool view_expired(const struct manager *m, const struct item *item, struct view *v)
{
	char at[CLOCK_TEXT_SIZE];
	uint64_t end;

	if (item->engine.kind != ENGINE_CERTIFICATE || !v->subject)
		return false;
	end = certificate_end(m, &item->engine, v->subject);
	if (!end || end > manager_now(m).wall)
		return false;
	clock_format(end, at);
	view_say(v, VIEW_WAITING, "%s expired at %s: it is refused", v->subject->name, at);
	hint_maker(&item->engine, v);
	return true;
}

static void view_rest(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_item *e = &item->engine;

	v->subject = engine_find_phase(e, ENGINE_CURRENT);
	if (e->count == 0) {
		view_say(v, VIEW_NONE, "%s", makers[e->kind].none);
		hint_maker(e, v);
	} else if (view_expired(m, item, v)) {
		return;
	} else if (e->is_due) {
		view_say(v, VIEW_WAITING, "due; run rotatectl %s %s", makers[e->kind].next,
			 e->id);
		hint_maker(e, v);
	} else if (withdrawing(e)) {
		v->subject = withdrawing(e);
		view_leaving(m, v);
	} else if (!v->subject) {
		view_say(v, VIEW_WAITING, "no version is active");
		hint_maker(e, v);
	}
}

void view_item(const struct manager *m, const struct item *item, struct view *ret)
{
	char span[SPAN_TEXT_SIZE];
	uint64_t left;
	const struct engine_item *e = &item->engine;
	struct view v = { .state = VIEW_OK, .subject = engine_find_phase(e, ENGINE_COMING) };

	if (!engine_kind_has_steps(e->kind) && !e->is_disabled &&
	    ldap_is_gone(m->ldap, e->id, &left)) {
		text_from_span(left / USEC_PER_SEC * USEC_PER_SEC, span);
		view_say(&v, VIEW_DISABLED,
			 "the directory does not name it any more; its credentials are erased "
			 "in %s",
			 span);
	} else if (item_is_disabled(m, e)) {
		view_say(&v, VIEW_DISABLED, "%s",
			 e->is_disabled ? "disabled by an operator"
					: "disabled by its configuration");
		if (e->is_disabled)
			view_hint(&v, "service enable", e->id);
	} else if (e->kind == ENGINE_UPSTREAM) {
		view_upstream(m, item, &v);
	} else if (e->failures > 0) {
		if (!v.subject)
			v.subject = withdrawing(e);
		view_trouble(m, item, &v);
	} else if (v.subject && engine_kind_has_steps(e->kind)) {
		view_coming_key(m, item, &v);
	} else if (v.subject) {
		view_staged(item, &v);
	} else {
		view_rest(m, item, &v);
	}
	if (!v.reason[0] && !item_is_configured(m, item))
		view_say(&v, v.state,
			 "not configured: no file names it any more; it stays in force");
	*ret = v;
}

bool view_is_unused(const struct item *item)
{
	return item->engine.kind == ENGINE_CERTIFICATE && item->engine.count == 0;
}

/* When the state began that is shown, as far as that is one moment. */
static uint64_t since(const struct item *item, const struct view *v)
{
	if (item->engine.failures > 0)
		return item->engine.trouble_since;
	if (!v->subject)
		return 0;
	if (v->subject->active)
		return v->subject->active;
	return v->subject->visible ? v->subject->visible : v->subject->created;
}

void view_write_progress(struct json *j, const struct item *item, const struct view *v)
{
	json_put_string(j, "state", view_word(v->state));
	view_text(j, "reason", v->reason);
	view_text(j, "hint", v->hint);
	json_put_time(j, "since", since(item, v));
	json_put_time(j, "next_attempt", v->next_attempt);
	json_put_number(j, "attempts", item->engine.failures);
}
