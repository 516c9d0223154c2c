/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reconcile.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/group.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

#define RECONCILE_KIND "reconcile"
#define GENERAL	       "store" /* the entry that is about everything */

static int put_entry(struct keystore_txn *txn, const struct reconcile_entry *e)
{
	cleanup_buf struct buf body = BUF_INIT;
	struct keystore_record rec = {
		.id = { RECORD_SPACE, RECONCILE_KIND, e->name },
	};

	reconcile_entry_encode(e, &body);
	if (buf_error(&body) < 0)
		return buf_error(&body);
	rec.body = body.data;
	rec.body_len = body.len;
	return record_put(txn, &rec);
}

static int remove_entry(struct keystore_txn *txn, const char *name)
{
	const struct keystore_id id = { RECORD_SPACE, RECONCILE_KIND, name };
	int r = keystore_remove(txn, &id, "reconciled");

	return r == -ENOENT ? 0 : r;
}

/* ---- words ---- */

static void say(struct reconcile_entry *e)
{
	const char *id = strchr(e->name, '/');
	char again[64] = "";

	if (e->revoked_count > 0 || e->is_all_revoked)
		(void)snprintf(again, sizeof(again), "; what was revoked is revoked again");
	if (!id) {
		(void)snprintf(e->what, sizeof(e->what),
			       "the CA was changed since: its certificates of then are not "
			       "known here");
		(void)snprintf(e->hint, sizeof(e->hint), "rotatectl ca show");
		return;
	}
	id++;
	if (e->is_new && e->floor > 0)
		(void)snprintf(e->what, sizeof(e->what),
			       "%s: changed since, up to version %u, which is not known here%s",
			       id, e->floor, again); /* cut to fit */
	else
		(void)snprintf(e->what, sizeof(e->what), "%s: changed since%s%s", id,
			       e->is_disabled ? "; it is disabled again" : "",
			       again); /* cut to fit */
	if (strncmp(e->name, "password/", 9) == 0)
		(void)snprintf(e->hint, sizeof(e->hint), "rotatectl credential rotate %s", id);
	else if (strncmp(e->name, "dkim/", 5) == 0)
		(void)snprintf(e->hint, sizeof(e->hint), "rotatectl dkim rotate %s", id);
	else if (strncmp(e->name, "upstream/", 9) == 0)
		(void)snprintf(e->hint, sizeof(e->hint), "rotatectl upstream rotate %s", id);
	else
		(void)snprintf(e->hint, sizeof(e->hint), "rotatectl certificate renew %s", id);
}

static void say_unknown(struct reconcile_plan *p)
{
	struct reconcile_entry *e = reconcile_entry_get(&p->list, GENERAL);
	char since[CLOCK_TEXT_SIZE];

	if (!e)
		return;
	e->is_pending = true;
	clock_format(p->since, since);
	if (p->is_known)
		(void)snprintf(e->what, sizeof(e->what),
			       "%zu changes more were made since %s than this list has",
			       p->list.more, since); /* it fits */
	else
		(void)snprintf(e->what, sizeof(e->what),
			       "what was done since %s is not known: the audit log tells "
			       "nothing of it. Credentials made since do not work, those "
			       "revoked since work again",
			       since); /* it fits */
	(void)snprintf(e->hint, sizeof(e->hint), "rotatectl credential list");
}

/* ---- the plan ---- */

/* The state that the keystore shows: its own last one, or that of its backup. */
static int state_shown(struct manager *m, struct keystore_origin *ret)
{
	int r = keystore_origin_get(m->keystore, ret);

	if (r != -ENOENT)
		return r;
	ret->txid = keystore_txid(m->keystore);
	ret->time = keystore_time(m->keystore);
	return 0;
}

static int read_plan(struct manager *m, struct reconcile_plan *p)
{
	struct keystore_origin shown;
	struct keystore_audit end;
	int r = state_shown(m, &shown);

	if (r == 0)
		r = keystore_audit_get(m->keystore, &end);
	if (r < 0)
		return r;
	p->since = shown.time;
	r = reconcile_read_log(m, &end, shown.txid, p);
	sodium_memzero(&end, sizeof(end));
	return r;
}

int reconcile_plan_new(struct manager *m, struct reconcile_plan **ret, struct report *report)
{
	struct reconcile_plan *p = calloc(1, sizeof(*p));
	int r = p ? read_plan(m, p) : -ENOMEM;

	if (r < 0) {
		reconcile_plan_free(p);
		return report_set(report, r, "the audit log can not be read: %s", strerror(-r));
	}
	for (size_t i = 0; i < p->list.count; i++)
		say(&p->list.all[i]);
	if (!p->is_known || p->list.more > 0)
		say_unknown(p);
	*ret = p;
	return 0;
}

void reconcile_plan_free(struct reconcile_plan *p)
{
	if (p)
		reconcile_list_release(&p->list);
	free(p);
}

bool reconcile_plan_is_known(const struct reconcile_plan *p)
{
	return p->is_known;
}

/* ---- what needs nobody ---- */

static uint32_t today(const struct manager *m)
{
	char text[CLOCK_TEXT_SIZE];
	uint32_t day = 0;

	clock_format(manager_now(m).wall, text);
	for (const char *p = text; *p && *p != 'T'; p++)
		if (*p >= '0' && *p <= '9')
			day = day * 10 + (uint32_t)(*p - '0');
	return day;
}

/* Numbers and selectors that may have been given are not given again. */
static void raise_numbers(const struct manager *m, struct engine_item *e, uint32_t floor)
{
	if (floor == 0 && e->last_version < UINT32_MAX - RECONCILE_JUMP)
		e->last_version += RECONCILE_JUMP;
	else if (e->last_version < floor)
		e->last_version = floor;
	if (!engine_kind_has_selectors(e->kind))
		return;
	if (e->last_day < today(m)) {
		e->last_day = today(m);
		e->last_turn = 0;
	}
	e->last_turn += RECONCILE_JUMP;
}

static bool is_revoked(const struct reconcile_entry *e, uint32_t version)
{
	for (uint32_t i = 0; i < e->revoked_count; i++)
		if (e->revoked[i] == version)
			return true;
	return e->is_all_revoked;
}

static int repeat(const struct manager *m, struct change *c, const struct reconcile_entry *e)
{
	const struct engine_item was = c->next;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < was.count; i++) {
		struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE,
						   .version = was.versions[i].version };

		if (is_revoked(e, seen.version))
			r = change_step(m, c, &seen);
		if (r == -EALREADY || r == -ENOENT)
			r = 0;
	}
	if (r == 0 && e->is_disabled && !c->next.is_disabled) {
		struct engine_observation seen = { .event = ENGINE_EVENT_DISABLE };

		r = change_step(m, c, &seen);
	}
	return r;
}

static int work_on(struct manager *m, struct item *item, const struct reconcile_entry *e,
		   uint32_t floor, struct report *report)
{
	struct change c;
	int r;

	change_init(&c, item);
	raise_numbers(m, &c.next, floor);
	r = e ? repeat(m, &c, e) : 0;
	if (r < 0)
		return report_set(report, r,
				  "%s: what was revoked can not be revoked again: %s",
				  item->engine.id, strerror(-r));
	c.is_changed = true;
	c.event = "store.reconcile";
	c.version = floor;
	return change_commit(m, &c, report);
}

static int find_item(struct manager *m, const char *name, struct item **ret)
{
	const char *id = strchr(name, '/');

	*ret = NULL;
	if (!id)
		return 0;
	for (unsigned k = 0; k < ENGINE_KIND_MAX_; k++) {
		const char *word = engine_kind_word(k);

		if (strlen(word) == (size_t)(id - name) &&
		    strncmp(word, name, strlen(word)) == 0 && strlen(id + 1) < ENGINE_ID_SIZE)
			return item_ensure(m, k, id + 1, ret);
	}
	return 0;
}

/* Many in one transaction. */
static int raise_all(struct manager *m, struct report *report)
{
	int flushed;
	int r = 0;

	(void)group_gather(m, true);
	for (size_t i = 0; r == 0 && i < m->item_count; i++) {
		if (!group_has_room(m))
			r = group_flush(m, report);
		if (r == 0)
			r = work_on(m, m->items[i], NULL, 0, report);
	}
	flushed = group_flush(m, report);
	(void)group_gather(m, false);
	return r < 0 ? r : flushed;
}

static int fill_entry(void *context, struct keystore_txn *txn)
{
	return put_entry(txn, context);
}

static int settle_entry(struct manager *m, struct reconcile_entry *e, struct report *report)
{
	struct reconcile_entry done = *e;
	const struct change_records change = { .event = "store.reconcile",
					       .actor = "rotated",
					       .object = e->name,
					       .fill = fill_entry,
					       .context = &done };
	struct item *item;
	int r;

	if (strcmp(e->name, GENERAL) == 0) {
		r = raise_all(m, report);
	} else {
		r = find_item(m, e->name, &item);
		if (r == 0 && item)
			r = work_on(m, item, e, e->floor, report);
	}
	done.is_pending = false;
	if (r == 0)
		r = change_records(m, &change, report);
	if (r == 0)
		e->is_pending = false;
	return r;
}

static int settle_pending(struct manager *m, struct report *report)
{
	bool was_gathering = group_gather(m, false);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->reconcile.count; i++)
		if (m->reconcile.all[i].is_pending)
			r = settle_entry(m, &m->reconcile.all[i], report);
	(void)group_gather(m, was_gathering);
	return r;
}

/* ---- storing ---- */

static int store_plan(struct manager *m, const struct reconcile_plan *p,
		      struct keystore_txn *txn, struct report *report)
{
	struct keystore_audit end;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->list.count; i++)
		r = put_entry(txn, &p->list.all[i]);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(report, r, "the list can not be stored: %s", strerror(-r));
	}
	audit_end(m->audit, &end);
	keystore_set_audit(txn, &end);
	r = keystore_commit(txn, NULL, report);
	sodium_memzero(&end, sizeof(end));
	return r;
}

static int load_one(void *context, const struct keystore_record *rec)
{
	struct manager *m = context;
	struct reconcile_entry e = { 0 };
	struct reconcile_entry *at;
	int r = reconcile_entry_decode(rec->body, rec->body_len, &e);

	if (r < 0)
		return r;
	at = reconcile_entry_get(&m->reconcile, rec->id.name);
	if (!at)
		return -ENOMEM;
	memcpy(e.name, at->name, sizeof(e.name));
	*at = e;
	return 0;
}

static int load(struct manager *m, struct report *report)
{
	int r;

	reconcile_list_release(&m->reconcile);
	r = record_foreach(m, RECONCILE_KIND, load_one, m);
	return r < 0 ? report_set(report, r, "the reconcile list can not be read: %s",
				  strerror(-r))
		     : 0;
}

static void complain(struct manager *m, const struct report *why)
{
	bool is_listed = keystore_health(m->keystore, NULL) != KEYSTORE_RESTORED;
	struct report report = { 0 };

	(void)report_set(
		&report, 0,
		is_listed ? "what was revoked since can not all be revoked again; it is "
			    "tried again: %s"
			  : "what was done since the backup can not be listed, so nothing "
			    "is changed; it is tried again: %s",
		why->what);
	report_hint(&report, "%s", why->hint[0] ? why->hint : "journalctl -u rotated -n 20");
	alarm_raise(m, ALARM_RECONCILE, &report);
	schedule_probe(m);
}

static bool has_pending(const struct manager *m)
{
	bool is_pending = false;

	for (size_t i = 0; i < m->reconcile.count; i++)
		is_pending |= m->reconcile.all[i].is_pending;
	return is_pending;
}

static int work_off(struct manager *m, struct report *report)
{
	int r = settle_pending(m, report);

	return r < 0 ? r : store_rebuild_index(m, report);
}

int reconcile_accept(struct manager *m, const struct reconcile_plan *p, struct report *report)
{
	struct keystore_txn *txn;
	int r = keystore_begin_accept(m->keystore, &txn, report);

	if (r == 0)
		r = store_plan(m, p, txn, report);
	if (r < 0)
		return r;
	r = load(m, report);
	if (r == 0)
		r = work_off(m, report);
	if (r < 0)
		complain(m, report);
	return r;
}

/* What was done since the backup that a keystore was restored from. */
static int list_restored(struct manager *m, struct report *report)
{
	struct reconcile_plan *p = NULL;
	int r = reconcile_plan_new(m, &p, report);

	if (r == 0)
		r = reconcile_accept(m, p, report);
	reconcile_plan_free(p);
	return r;
}

static int list_and_settle(struct manager *m, struct report *report)
{
	int r = 0;

	if (keystore_health(m->keystore, NULL) == KEYSTORE_RESTORED)
		return list_restored(m, report);
	if (m->reconcile.count == 0)
		r = load(m, report);
	if (r == 0 && has_pending(m) && keystore_health(m->keystore, NULL) == KEYSTORE_HEALTHY)
		r = work_off(m, report);
	return r;
}

int reconcile_go_on(struct manager *m, struct report *report)
{
	int r = list_and_settle(m, report);

	if (r < 0)
		complain(m, report);
	else
		alarm_clear(m, ALARM_RECONCILE);
	return r;
}

void reconcile_forget_all(struct manager *m)
{
	reconcile_list_release(&m->reconcile);
	alarm_clear(m, ALARM_RECONCILE);
}

size_t reconcile_count(const struct manager *m)
{
	return m->reconcile.count;
}

/* ---- ticking off ---- */

int reconcile_renewed(const struct manager *m, struct keystore_txn *txn,
		      const struct engine_item *was, const struct engine_item *next)
{
	char name[RECORD_NAME_SIZE];
	bool is_renewed = false;

	if (m->reconcile.count == 0)
		return 0;
	for (uint32_t i = 0; i < next->count; i++) {
		const struct engine_version *v = &next->versions[i];
		const struct engine_version *old = engine_find(was, v->version);

		is_renewed |= v->state == ENGINE_ACTIVE && (!old || old->state != v->state);
	}
	if (!is_renewed || record_name_item(next, name) < 0 ||
	    !reconcile_find(&m->reconcile, name))
		return 0;
	return remove_entry(txn, name);
}

void reconcile_was_renewed(struct manager *m, const struct engine_item *item)
{
	char name[RECORD_NAME_SIZE];
	cleanup_record struct keystore_record *rec = NULL;

	if (m->reconcile.count == 0 || record_name_item(item, name) < 0 ||
	    !reconcile_find(&m->reconcile, name))
		return;
	if (record_get(m, RECONCILE_KIND, name, &rec) == -ENOENT)
		reconcile_list_remove(&m->reconcile, name);
}

static int fill_removal(void *context, struct keystore_txn *txn)
{
	return remove_entry(txn, context);
}

int reconcile_tick(struct manager *m, const char *name, const char *actor,
		   struct report *report)
{
	char copy[RECONCILE_NAME_SIZE];
	const struct change_records change = { .event = "store.reconciled",
					       .actor = actor,
					       .object = name,
					       .fill = fill_removal,
					       .context = copy };
	int r;

	if (!reconcile_find(&m->reconcile, name)) {
		(void)report_set(report, -ENOENT, "%s is not on the list", name);
		report_hint(report, "rotatectl store reconcile");
		return -ENOENT;
	}
	(void)snprintf(copy, sizeof(copy), "%s", name); /* it fits: it is on the list */
	r = change_records(m, &change, report);
	if (r == 0)
		reconcile_list_remove(&m->reconcile, copy);
	return r;
}

/* ---- telling ---- */

static void write_list(const struct reconcile_list *l, struct json *j)
{
	json_put_array(j, "reconcile");
	for (size_t i = 0; i < l->count; i++) {
		json_put_object(j, NULL);
		json_put_string(j, "name", l->all[i].name);
		json_put_string(j, "what", l->all[i].what);
		json_put_string(j, "hint", l->all[i].hint);
		json_put_object_end(j);
	}
	json_put_array_end(j);
}

void reconcile_write_plan(const struct reconcile_plan *p, struct json *j)
{
	json_put_bool(j, "known", p->is_known);
	json_put_time(j, "since", p->since);
	write_list(&p->list, j);
}

void reconcile_write(const struct manager *m, struct json *j)
{
	write_list(&m->reconcile, j);
}
