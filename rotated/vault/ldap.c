/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/ldap.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/ldap_state.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"
#include "rotated/vault/worker.h"

/* After a failure, doubled each time, and spread so that no two relays ask in step. */
#define WAIT_MIN (1 * USEC_PER_SEC)
#define WAIT_MAX (300 * USEC_PER_SEC)

static uint64_t now_boot(const struct ldap *l)
{
	return manager_now(l->m).boot;
}

static bool is_wanted(const struct ldap *l)
{
	return l->m->config->ldap.uri.n > 0;
}

/* ---- time ---- */

static void rearm(struct ldap *l)
{
	bool has_work = l->is_open && l->phase == LDAP_RESTS &&
			(is_wanted(l) || l->waiter || l->table.n_gone > 0);
	int r = sd_event_source_set_time(l->timer, l->next);

	if (r >= 0)
		r = sd_event_source_set_enabled(l->timer,
						has_work ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (r < 0)
		log_error("the directory's timer can not be set: %s", strerror(-r));
}

static uint64_t spread(uint64_t wait)
{
	return wait / 2 + wait / 1024 * randombytes_uniform(513);
}

static void rest(struct ldap *l)
{
	uint64_t wait = l->m->config->ldap.poll;
	unsigned doubled = l->failures < 16 ? l->failures : 16;

	ldap_pass_release(&l->pass);
	ldap_plan_release(&l->plan);
	l->applied = 0;
	l->phase = LDAP_RESTS;
	if (l->failures > 0) {
		wait = WAIT_MIN << (doubled - 1);
		wait = spread(wait < WAIT_MAX ? wait : WAIT_MAX);
	}
	l->next = now_boot(l) + wait;
	rearm(l);
}

/* ---- whoever waits ---- */

static void answer(struct ldap *l)
{
	cleanup_reply struct reply reply = { 0 };
	struct json j = JSON_INIT(&reply.json);
	enum wire_status status = WIRE_STATUS_OK;
	struct peer *p = steal_ptr(l->waiter);

	if (!p)
		return;
	ldap_write_status(l, &j, true);
	if (l->failures > 0) {
		reply.report = l->error;
		status = WIRE_STATUS_AGAIN;
	} else if (l->held.n > 0) {
		report_set(&reply.report, 0, "%s: nothing of that was done", l->held_reason);
		report_hint(&reply.report, "rotatectl ldap approve %s", l->held_id);
		status = WIRE_STATUS_REFUSED;
	}
	reply_send(p, status, &reply);
	peer_set_busy(p, false);
}

/* What it waits for will not come. */
static void disappoint(struct ldap *l, const char *why)
{
	cleanup_reply struct reply reply = { 0 };
	struct peer *p = steal_ptr(l->waiter);

	l->has_approval = l->is_waiter_late = false;
	if (!p)
		return;
	report_set(&reply.report, 0, "%s", why);
	report_hint(&reply.report, "rotatectl status");
	reply_send(p, WIRE_STATUS_AGAIN, &reply);
	peer_set_busy(p, false);
}

/* The order stays: what was approved is audited, and happens. */
void ldap_forget(struct ldap *l, const struct peer *p)
{
	if (l && l->waiter == p)
		l->waiter = NULL;
}

/* ---- how a pass ends ---- */

static void fail(struct ldap *l, const struct report *report)
{
	if (l->failures == 0 || strcmp(l->error.what, report->what) != 0)
		log_report(LOG_LEVEL_WARNING, report);
	l->failures++;
	l->error = *report;
	l->has_approval = l->is_waiter_late = false;
	rest(l);
	answer(l);
}

static void name_held(struct ldap *l)
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	char hex[2 * sizeof(hash) + 1];

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)l->held.items,
				 l->held.n * sizeof(*l->held.items), NULL, 0); /* never fails */
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	memcpy(l->held_id, hex, LDAP_HELD_SIZE - 1);
}

/* What was seen whole decides alone what is held. */
static void take_held(struct ldap *l)
{
	bool was_held = l->held.n > 0;
	char was_id[LDAP_HELD_SIZE];

	if (l->plan.is_held && !l->pass.is_full) {
		l->wants_full = true; /* this is only a part of it */
		if (was_held)
			return;
	}
	memcpy(was_id, l->held_id, sizeof(was_id));
	if (!l->plan.is_held) {
		if (l->pass.is_full) {
			ldap_names_release(&l->held);
			l->is_held_restored = false;
		}
		return;
	}
	ldap_names_release(&l->held);
	l->held = l->plan.guarded;
	l->plan.guarded = (struct ldap_names){ 0 };
	l->is_held_restored = l->pass.is_restored;
	(void)snprintf(l->held_reason, sizeof(l->held_reason), "%s", l->plan.reason);
	name_held(l);
	if (was_held && strcmp(was_id, l->held_id) == 0)
		return;
	l->held_since = manager_now(l->m).wall;
	log_warning("%s; held until rotatectl ldap approve %s", l->held_reason, l->held_id);
}

static void finish(struct ldap *l)
{
	bool was_full = l->pass.is_full;
	size_t n = l->plan.n;

	if (l->failures > 0)
		log_notice("the directory answers again");
	l->failures = 0;
	l->error = (struct report){ 0 };
	(void)snprintf(l->server, sizeof(l->server), "%s", l->pass.server);
	if (was_full) {
		l->full_due = now_boot(l) + l->m->config->ldap.full_every;
		l->wants_full = l->is_waiter_late;
		l->has_approval &= l->is_waiter_late;
	}
	rest(l);
	if (n > 0) {
		log_notice("the directory changed %zu entr%s", n, n == 1 ? "y" : "ies");
		schedule_settle_all(l->m);
	}
	if (l->is_waiter_late)
		ldap_wake(l);
	else if (was_full)
		answer(l);
	else if (l->waiter)
		ldap_wake(l);
	l->is_waiter_late = false;
}

static int on_defer(sd_event_source *source, void *context)
{
	struct ldap *l = context;
	struct report report = { 0 };
	int r = ldap_apply_batch(l, &report);

	if (r > 0)
		return 0; /* the next turn of the loop has the next batch */
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (r == 0) {
		finish(l);
		return 0;
	}
	if (!report.what[0])
		report_set(&report, r, "the directory's changes can not be stored: %s",
			   strerror(-r));
	l->cursor = l->stored;
	l->wants_full = true;
	fail(l, &report);
	return 0;
}

static void take_cursor(struct ldap *l)
{
	struct moment now = manager_now(l->m);

	l->cursor.success = now;
	if (l->plan.is_held && l->pass.is_restored)
		return; /* or the next pass would not know that it is an older state */
	(void)snprintf(l->cursor.cookie, sizeof(l->cursor.cookie), "%.*s",
		       (int)l->pass.cookie.len, (const char *)l->pass.cookie.data);
	if (l->pass.is_full)
		l->cursor.full = now.wall;
}

static void apply(struct ldap *l)
{
	const struct ldap_guard guard = {
		.limit = l->m->config->ldap.deletion_limit,
		.approved = l->has_approval && l->pass.is_full ? &l->approved : NULL,
	};
	struct report report = { 0 };
	int r = ldap_plan_make(&l->table, &l->pass, &guard, &l->plan);

	if (r == 0) {
		take_held(l);
		take_cursor(l);
		if (l->pass.is_restored)
			log_warning("the directory at %s was restored to an older state",
				    l->pass.server);
		l->applied = 0;
		l->phase = LDAP_APPLIES;
		r = sd_event_source_set_enabled(l->defer, SD_EVENT_ON);
	}
	if (r >= 0)
		return;
	report_set(&report, r, "the directory's changes can not be made out: %s", strerror(-r));
	fail(l, &report);
}

/* ---- reading ---- */

static void explain(const struct worker_result *result, struct report *report)
{
	static const struct {
		const char *word, *what, *hint;
	} words[] = {
		{ "unreachable", "no server of the directory answers",
		  "see uri= in [ldap] of rotated.conf" },
		{ "timeout", "the directory did not answer in time",
		  "see timeout= in [ldap] of rotated.conf" },
		{ "denied", "the directory refuses us",
		  "rotatectl ldap secret, or see bind= and bind_dn= in [ldap] of "
		  "rotated.conf" },
		{ "config", "the directory can not be read so",
		  "see [ldap] of rotated.conf, then systemctl reload rotated" },
		{ "temporary", "the directory can not be read now", "" },
	};
	const char *what = "the directory was not read to its end", *hint = "";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(result->word, words[i].word) == 0) {
			what = words[i].what;
			hint = words[i].hint;
		}
	report_set(report, 0, "%s%s%s", what, result->detail[0] ? ": " : "", result->detail);
	report_hint(report, "%s", hint);
}

static void on_done(void *context, const struct worker_result *result)
{
	struct ldap *l = context;
	struct report report = { 0 };

	if (l->phase != LDAP_READS)
		return; /* there is no directory any more */
	if (!result) {	/* everything is being sealed */
		rest(l);
		return;
	}
	if (l->is_outdated) {
		l->is_outdated = false;
		l->wants_full = true;
		rest(l);
		l->next = 0;
		rearm(l);
	} else if (strcmp(result->word, "ok") == 0 && l->pass.is_committed &&
		   !l->pass.is_spoiled) {
		apply(l);
	} else if (strcmp(result->word, "restored") == 0 && !l->wants_full) {
		log_notice("the directory is asked for everything: it has no changes since %s",
			   "what was read last");
		l->wants_full = true;
		rest(l);
		l->next = 0;
		rearm(l);
	} else {
		explain(result, &report);
		l->is_refused = strcmp(result->word, "denied") == 0 ||
				strcmp(result->word, "config") == 0;
		fail(l, &report);
	}
}

/* ---- asking ---- */

static void choose_mode(struct ldap *l)
{
	uint8_t now[LDAP_DIGEST_LEN];

	ldap_digest(&l->m->config->ldap, now);
	if (memcmp(now, l->cursor.digest, sizeof(now)) != 0) { /* other questions */
		memcpy(l->cursor.digest, now, sizeof(now));
		l->cursor.cookie[0] = '\0';
	}
	l->wants_full |= !l->cursor.cookie[0] || l->has_approval || l->is_held_restored ||
			 now_boot(l) >= l->full_due;
	l->pass.is_full = l->wants_full;
}

static void ask(struct ldap *l)
{
	cleanup_buf struct buf fields = BUF_INIT;
	struct worker_request w = {
		.verb = WIRE_JOB_LDAP,
		.zone = "ldap",
		.timeout = l->m->config->ldap.timeout,
		.fields = &fields,
		.sync = ldap_read_sync,
		.done = on_done,
		.context = l,
	};
	struct report report = { 0 };
	int r;

	ldap_pass_release(&l->pass);
	choose_mode(l);
	r = ldap_build_job(l, &fields, &report);
	if (r == 0) {
		l->phase = LDAP_READS;
		rearm(l);
		r = worker_submit(l->m->worker, &w);
	}
	if (r == 0)
		return;
	if (r == -ENOTCONN)
		report_set(&report, r, "rotated-worker is not connected");
	else if (!report.what[0])
		report_set(&report, r, "the directory can not be asked: %s", strerror(-r));
	if (!report.hint[0])
		report_hint(&report, r == -ENOTCONN ? "systemctl start rotated-worker"
						    : "rotatectl unseal");
	fail(l, &report);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct ldap *l = context;

	(void)source;
	(void)usec;
	if (!l->is_open || l->phase != LDAP_RESTS)
		return 0;
	ldap_expire(l);
	if (is_wanted(l)) {
		ask(l);
		return 0;
	}
	disappoint(l, "no directory is configured any more");
	rest(l);
	return 0;
}

void ldap_wake(struct ldap *l)
{
	if (!l || !l->is_open || l->phase != LDAP_RESTS)
		return;
	l->next = 0;
	rearm(l);
}

/* ---- orders ---- */

int ldap_sync(struct ldap *l, struct peer *p)
{
	if (l->waiter)
		return -EBUSY;
	if (!worker_is_connected(l->m->worker))
		return -ENOTCONN;
	/* what is being read may have been before what the caller knows of */
	l->wants_full = true;
	l->waiter = p;
	l->is_outdated = l->phase == LDAP_READS;
	l->is_waiter_late = l->phase == LDAP_APPLIES;
	ldap_wake(l);
	return 0;
}

int ldap_approve(struct ldap *l, const char *held, struct peer *p)
{
	struct ldap_names names = { .n = l->held.n };
	int r;

	if (l->held.n == 0)
		return -ENOENT;
	if (held[0] && strcmp(held, l->held_id) != 0)
		return -ESTALE;
	names.items = reallocarray(NULL, l->held.n, sizeof(*names.items));
	if (!names.items)
		return -ENOMEM;
	memcpy(names.items, l->held.items, l->held.n * sizeof(*names.items));
	r = ldap_sync(l, p);
	if (r < 0) {
		ldap_names_release(&names);
		return r;
	}
	ldap_names_release(&l->approved);
	l->approved = names;
	l->has_approval = true;
	return 0;
}

/* ---- life ---- */

int ldap_open(struct ldap *l, struct report *report)
{
	int r = ldap_load(l, report);

	if (r < 0) {
		ldap_table_release(&l->table);
		return r;
	}
	l->is_open = true;
	l->wants_full = true; /* deletions while we were away are seen at once */
	l->failures = 0;
	l->next = 0;
	rearm(l);
	return 0;
}

void ldap_close(struct ldap *l)
{
	if (!l)
		return;
	(void)sd_event_source_set_enabled(l->defer, SD_EVENT_OFF);
	disappoint(l, "the AUTH tier was sealed meanwhile");
	ldap_pass_release(&l->pass);
	ldap_plan_release(&l->plan);
	ldap_table_release(&l->table);
	ldap_names_release(&l->held);
	ldap_names_release(&l->approved);
	l->phase = LDAP_RESTS;
	l->is_open = l->is_outdated = l->is_held_restored = false;
	l->cursor = l->stored = (struct ldap_cursor){ 0 };
	rearm(l);
}

void ldap_reload(struct ldap *l)
{
	int r = 0;

	if (!l->is_open)
		return;
	for (size_t i = 0; r == 0 && i < l->table.n; i++)
		if (l->table.entries[i]->id[0])
			r = ldap_entry_judge(l->table.entries[i], l->m->config);
	for (size_t i = 0; r == 0 && i < l->table.n_gone; i++)
		r = ldap_judge_gone(l, l->table.gone[i]);
	for (size_t i = l->applied; r == 0 && i < l->plan.n; i++) /* on its way */
		if (l->plan.ops[i].fresh && l->plan.ops[i].fresh->is_usable)
			r = ldap_entry_judge(l->plan.ops[i].fresh, l->m->config);
	if (r == 0)
		r = ldap_table_settle(&l->table);
	if (r < 0)
		log_error("the directory's services keep the old defaults: %s", strerror(-r));
	l->is_outdated = l->phase == LDAP_READS;
	ldap_wake(l);
}

int ldap_new(struct manager *m, struct ldap **ret)
{
	struct ldap *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->m = m;
	r = sd_event_add_time(m->event, &l->timer, CLOCK_BOOTTIME, 0, 0, on_timer, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(m->event, &l->defer, on_defer, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->defer, SD_EVENT_OFF);
	/* one batch a turn, after whatever else the turn has */
	if (r >= 0)
		r = sd_event_source_set_priority(l->defer, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		ldap_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void ldap_free(struct ldap *l)
{
	if (!l)
		return;
	if (l->timer && l->defer)
		ldap_close(l);
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->defer);
	free(l);
}
