/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/change.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/group.h"
#include "rotated/vault/items.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

#define CHECKPOINT_AFTER (UINT64_C(3600) * USEC_PER_SEC)

void change_init(struct change *c, struct item *item)
{
	*c = (struct change){ .item = item, .next = item->engine, .wake = USEC_NEVER };
}

static void gather(struct change *c, const struct engine_action *a)
{
	if (!engine_action_is_inside(a->type))
		c->begun = *a;
	else if (c->erased_count < CHANGE_ERASED_MAX)
		c->erased[c->erased_count++] = *a;
}

int change_step(const struct manager *m, struct change *c,
		const struct engine_observation *seen)
{
	struct moment now = manager_now(m);
	struct engine_policy policy = { 0 };
	struct engine_result result;
	int r;

	c->item->driver->policy(m, c->item, &policy);
	r = engine_step(&c->next, &policy, &now, seen, &result);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < result.action_count; i++)
		gather(c, &result.actions[i]);
	c->next = result.next;
	c->wake = result.wake;
	c->is_changed |= result.is_changed;
	return 0;
}

/* ---- what the audit log says of it ---- */

static void name_event(struct change_entry *e, enum engine_kind kind, const char *word,
		       uint32_t version)
{
	(void)snprintf(e->event, sizeof(e->event), "%s.%s", engine_kind_word(kind), word);
	e->version = version;
	e->is_worth_a_line = true;
}

/* The version that came into another state, or into being; the newest if there are several. */
static const struct engine_version *moved_version(const struct change *c)
{
	for (uint32_t i = c->next.count; i-- > 0;) {
		const struct engine_version *v = &c->next.versions[i];
		const struct engine_version *was = engine_find(&c->item->engine, v->version);

		if (!was || was->state != v->state)
			return v;
	}
	return NULL;
}

/* Asking, counting and crediting are not worth a line: they change nothing outside. */
void change_describe(const struct change *c, struct change_entry *ret)
{
	const struct engine_version *moved = moved_version(c);
	enum engine_kind kind = c->next.kind;

	*ret = (struct change_entry){ 0 };
	if (c->event) {
		(void)snprintf(ret->event, sizeof(ret->event), "%s", c->event);
		ret->version = c->version;
		ret->is_worth_a_line = true;
	} else if (moved) {
		name_event(ret, kind, engine_state_word(moved->state), moved->version);
	} else if (c->erased_count > 0) {
		name_event(ret, kind, "destroyed", c->erased[0].version);
	} else if (c->begun.type == ENGINE_ACTION_PUBLISH ||
		   c->begun.type == ENGINE_ACTION_WITHDRAW ||
		   (c->begun.type == ENGINE_ACTION_CREATE && kind == ENGINE_UPSTREAM)) {
		name_event(ret, kind, engine_action_word(c->begun.type), c->begun.version);
	} else if (c->next.is_held && !c->item->engine.is_held) {
		name_event(ret, kind, "held", 0);
	} else if (c->next.is_due && !c->item->engine.is_due) {
		name_event(ret, kind, "due", 0);
	}
}

void change_request_id(char ret[static AUDIT_REQUEST_SIZE])
{
	uint8_t id[AUDIT_REQUEST_SIZE / 2];

	randombytes_buf(id, sizeof(id));
	sodium_bin2hex(ret, AUDIT_REQUEST_SIZE, id, sizeof(id));
}

/* ---- the transaction ---- */

static int put_item(struct keystore_txn *txn, const struct engine_item *item)
{
	cleanup_buf struct buf body = BUF_INIT_MAX(KEYSTORE_BODY_MAX);
	char name[RECORD_NAME_SIZE];
	struct keystore_record rec = {
		.id = { RECORD_SPACE, RECORD_ITEM, name },
	};
	int r = record_name_item(item, name);

	if (r < 0)
		return r;
	engine_encode(item, &body);
	r = buf_error(&body);
	if (r < 0)
		return r;
	rec.body = body.data;
	rec.body_len = body.len;
	return record_put(txn, &rec);
}

static int put_secret(struct keystore_txn *txn, const struct change *c)
{
	const struct driver *d = c->item->driver;
	char name[RECORD_NAME_SIZE];
	struct keystore_record rec = {
		.id = { RECORD_SPACE, d->open_kind, name },
		.body = c->made->open,
		.body_len = c->made->open_len,
	};
	int r = record_name_version(&c->next, c->made->version, name);

	if (r == 0)
		r = record_put(txn, &rec);
	if (r < 0 || c->made->hidden_len == 0)
		return r;
	rec.id.kind = d->hidden_kind;
	rec.body = c->made->hidden;
	rec.body_len = c->made->hidden_len;
	return record_put(txn, &rec);
}

/* What was erased before, or never made, is no failure. */
static int remove_secret(struct keystore_txn *txn, const struct change *c,
			 const struct engine_action *a)
{
	const char *const kinds[] = { c->item->driver->open_kind,
				      c->item->driver->hidden_kind };
	char name[RECORD_NAME_SIZE];
	int r = record_name_version(&c->next, a->version, name);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds) && kinds[i]; i++) {
		struct keystore_id id = { RECORD_SPACE, kinds[i], name };

		r = keystore_remove(txn, &id, a->reason);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

int change_fill(const struct manager *m, struct keystore_txn *txn, struct change *c)
{
	int r = put_item(txn, &c->next);

	if (r == 0 && c->made)
		r = put_secret(txn, c);
	for (unsigned i = 0; r == 0 && i < c->erased_count; i++)
		r = remove_secret(txn, c, &c->erased[i]);
	if (r == 0 && c->item->driver->seal)
		r = c->item->driver->seal(m, c, txn);
	return r == 0 ? reconcile_renewed(m, txn, &c->item->engine, &c->next) : r;
}

int change_index(struct manager *m, const struct change *c, const struct engine_item *was)
{
	const struct driver *d = c->item->driver;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->gone_count; i++) {
		struct index_key key = { c->gone[i].fact, c->gone[i].key,
					 sizeof(c->gone[i].key) };

		r = index_remove_fact(m->index, &key);
	}
	return r == 0 && d->index ? d->index(m, was, &c->next) : r;
}

static void raise_store_alarm(struct manager *m, const struct report *report)
{
	alarm_raise(m, ALARM_STORE, report);
	schedule_probe(m);
}

static int refuse_lost(const struct item *item, struct report *report)
{
	(void)report_set(report, -EBADMSG,
			 "the record of %s does not open: what was issued for it is not known",
			 item->engine.id);
	report_hint(report, "rotatectl store verify; then put back a backup");
	return -EBADMSG;
}

int change_commit(struct manager *m, struct change *c, struct report *report)
{
	int r = store_require_change(m, KEYSTORE_AUTH, report);

	if (r == 0 && c->item->is_lost)
		r = refuse_lost(c->item, report);
	if (r == 0)
		r = group_join(m, c, report);
	if (r == 0 && !group_is_gathering(m))
		r = group_flush(m, report);
	return r;
}

/* ---- what is not about an item ---- */

static bool needs_checkpoint(const struct item *item, bool is_forced)
{
	if (!item->is_stored || item->engine.count == 0)
		return false;
	return is_forced ||
	       engine_elapsed(&item->stored, &item->engine.seen) >= CHECKPOINT_AFTER;
}

static int put_waits(struct manager *m, struct keystore_txn *txn, bool is_forced)
{
	int put = 0;

	for (size_t i = 0; i < m->item_count && put < KEYSTORE_TXN_MAX; i++) {
		int r;

		if (!needs_checkpoint(m->items[i], is_forced))
			continue;
		r = put_item(txn, &m->items[i]->engine);
		if (r < 0)
			return r;
		m->items[i]->stored = m->items[i]->engine.seen;
		put++;
	}
	return put;
}

void change_checkpoint(struct manager *m, bool is_forced)
{
	struct report report = { 0 };
	struct keystore_txn *txn;
	uint64_t txid;
	bool is_needed = false;
	int r;

	for (size_t i = 0; i < m->item_count; i++)
		is_needed |= needs_checkpoint(m->items[i], is_forced);
	if (!is_needed)
		return;
	r = keystore_begin(m->keystore, &txn, &report);
	if (r == 0) {
		r = put_waits(m, txn, is_forced);
		if (r < 0)
			keystore_abort(txn);
		else
			r = keystore_commit(txn, &txid, &report);
	}
	if (r == 0)
		r = index_commit(m->index, txid, &report);
	if (r < 0)
		log_warning("waits can not be stored now: %s",
			    report.what[0] ? report.what : strerror(-r));
}

int change_note(struct manager *m, const struct audit_event *event, struct report *report)
{
	char request[AUDIT_REQUEST_SIZE];
	struct audit_event e = *event;

	change_request_id(request);
	e.wall = manager_now(m).wall;
	e.request = request;
	return audit_append(m->audit, &e, true, report);
}

/* A change of nothing: the keystore only takes the audit log's new end. */
static int store_audit_end(struct manager *m, struct report *report)
{
	struct keystore_audit end;
	struct keystore_txn *txn;
	uint64_t txid;
	int r = keystore_begin(m->keystore, &txn, report);

	if (r < 0)
		return r;
	audit_end(m->audit, &end);
	keystore_set_audit(txn, &end);
	r = keystore_commit(txn, &txid, report);
	sodium_memzero(&end, sizeof(end));
	return r < 0 ? r : index_commit(m->index, txid, report);
}

void change_probe(struct manager *m)
{
	static const struct audit_event e = { .event = "vault.writable",
					      .actor = "rotated",
					      .outcome = "ok" };
	struct report report = { 0 };
	int r = store_audit_end(m, &report);

	if (r == 0)
		r = change_note(m, &e, &report);
	if (r < 0) {
		raise_store_alarm(m, &report);
		return;
	}
	alarm_clear(m, ALARM_STORE);
	log_notice("the keystore and the audit log can be written again");
}
