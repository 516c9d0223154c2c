/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plan becomes true in batches: audit lines that name every service, the last of them synced;
 * one transaction; the table in memory; the verifier index. The cursor goes with the last one,
 * so that after a crash the same is read again.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "rotated/vault/facts.h"
#include "rotated/vault/items.h"
#include "rotated/vault/ldap_state.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

#define KIND_ENTRY  "ldap-entry"
#define KIND_GONE   "ldap-gone"
#define KIND_CURSOR "ldap-cursor"

enum {
	BATCH_MAX = KEYSTORE_TXN_MAX / 4, /* an op writes up to three records */
	CURSOR_FORMAT = 1,
	CURSOR_HEAD = 1 + LDAP_DIGEST_LEN + 3 * 8 + BOOT_ID_LEN,
};

/* When nothing has changed, how far we have read is stored this often. */
#define CURSOR_AGE (UINT64_C(3600) * USEC_PER_SEC)

/* ---- records ---- */

static int put_record(struct keystore_txn *txn, const char *kind, const char *name,
		      const struct buf *body)
{
	struct keystore_record rec = {
		.id = { RECORD_SPACE, kind, name },
		.body = body->data,
		.body_len = body->len,
	};
	int r = buf_error(body);

	return r < 0 ? r : record_put(txn, &rec);
}

static int put_entry(struct keystore_txn *txn, const struct ldap_entry *e, bool is_gone)
{
	cleanup_buf struct buf body = BUF_INIT_MAX(KEYSTORE_BODY_MAX);

	ldap_entry_encode(e, &body);
	return put_record(txn, is_gone ? KIND_GONE : KIND_ENTRY, is_gone ? e->id : e->uuid,
			  &body);
}

static int remove_record(struct keystore_txn *txn, const char *kind, const char *name,
			 const char *reason)
{
	const struct keystore_id id = { RECORD_SPACE, kind, name };
	int r = keystore_remove(txn, &id, reason);

	return r == -ENOENT ? 0 : r;
}

static int put_cursor(struct keystore_txn *txn, const struct ldap_cursor *c)
{
	cleanup_buf struct buf body = BUF_INIT_MAX(KEYSTORE_BODY_MAX);

	buf_append_byte(&body, CURSOR_FORMAT);
	buf_append(&body, c->digest, sizeof(c->digest));
	buf_append_be64(&body, c->success.wall);
	buf_append_be64(&body, c->success.boot);
	buf_append(&body, c->success.boot_id, BOOT_ID_LEN);
	buf_append_be64(&body, c->full);
	buf_append_str(&body, c->cookie);
	return put_record(txn, KIND_CURSOR, "cursor", &body);
}

static int load_cursor(struct ldap *l)
{
	cleanup_record struct keystore_record *rec = NULL;
	struct ldap_cursor c = { 0 };
	const uint8_t *p;
	int r = record_get(l->m, KIND_CURSOR, "cursor", &rec);

	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r; /* all is read again */
	p = rec->body;
	if (rec->body_len < CURSOR_HEAD || rec->body_len - CURSOR_HEAD > LDAP_COOKIE_MAX ||
	    p[0] != CURSOR_FORMAT)
		return -EBADMSG;
	memcpy(c.digest, p + 1, sizeof(c.digest));
	p += 1 + sizeof(c.digest);
	c.success.wall = load_be64(p);
	c.success.boot = load_be64(p + 8);
	memcpy(c.success.boot_id, p + 16, BOOT_ID_LEN);
	c.full = load_be64(p + 16 + BOOT_ID_LEN);
	memcpy(c.cookie, rec->body + CURSOR_HEAD, rec->body_len - CURSOR_HEAD);
	l->cursor = l->stored = c;
	return 0;
}

/* ---- loading ---- */

int ldap_judge_gone(struct ldap *l, struct ldap_entry *e)
{
	int r = ldap_entry_judge_stored(e, l->m->config);

	e->service.enabled = false;
	return r;
}

static int load_one(struct ldap *l, const struct keystore_record *rec, bool is_gone)
{
	struct ldap_entry *e;
	int r = ldap_entry_decode(rec->body, rec->body_len, &e);

	if (r < 0)
		return r;
	r = is_gone ? ldap_judge_gone(l, e) : ldap_entry_judge_stored(e, l->m->config);
	if (r == 0)
		r = ldap_table_add(&l->table, e, is_gone);
	if (r < 0)
		ldap_entry_free(e);
	return r;
}

static int load_entry(void *context, const struct keystore_record *rec)
{
	return load_one(context, rec, false);
}

static int load_gone(void *context, const struct keystore_record *rec)
{
	return load_one(context, rec, true);
}

int ldap_load(struct ldap *l, struct report *report)
{
	int r = load_cursor(l);

	if (r == 0)
		r = record_foreach(l->m, KIND_ENTRY, load_entry, l);
	if (r == 0)
		r = record_foreach(l->m, KIND_GONE, load_gone, l);
	/* what is missing would not come by itself with what is new */
	if (keystore_passed_over(l->m->keystore) > 0)
		l->cursor = l->stored = (struct ldap_cursor){ 0 };
	if (r == 0)
		r = ldap_table_settle(&l->table);
	if (r < 0) {
		report_set(report, r, "what is known of the directory can not be read: %s",
			   strerror(-r));
		report_hint(report, "rotatectl store verify");
	}
	return r;
}

/* ---- a batch ---- */

struct batch {
	struct ldap *l;
	struct ldap_op *ops;
	size_t n;
	struct ldap_entry **gone; /* one for each op that loses a service; owned */
	bool is_last;
	char request[AUDIT_REQUEST_SIZE];
	struct report *report;
	struct report late; /* of what comes when the answer is known already */
};

static bool has_other_id(const struct ldap_op *op)
{
	return op->old && op->fresh && strcmp(op->old->id, op->fresh->id) != 0;
}

static int note(const struct batch *b, const char *event, const char *id)
{
	struct audit_event e = {
		.wall = manager_now(b->l->m).wall,
		.event = event,
		.actor = "rotated",
		.object = id,
		.outcome = "intent",
		.request = b->request,
	};

	return audit_append(b->l->m->audit, &e, false, b->report);
}

/* What does not change who may log in needs no line. */
static int note_op(const struct batch *b, const struct ldap_op *op)
{
	const struct ldap_entry *fresh = op->fresh;
	int r = op->loses_id ? note(b, "ldap.gone", op->old->id) : 0;

	if (r < 0 || !fresh || !fresh->is_usable)
		return r;
	if (op->old && op->old->is_usable && !has_other_id(op))
		return note(b, "ldap.change", fresh->id);
	if (ldap_table_find_gone(&b->l->table, fresh->id))
		return note(b, "ldap.return", fresh->id);
	return note(b, "ldap.add", fresh->id);
}

static int note_batch(const struct batch *b, const char *outcome, uint64_t txid)
{
	bool is_intent = txid == 0 && strcmp(outcome, "intent") == 0;
	struct audit_event e = {
		.wall = manager_now(b->l->m).wall,
		.event = "ldap.batch",
		.actor = "rotated",
		.outcome = outcome,
		.request = b->request,
		.txid = txid,
	};

	return audit_append(b->l->m->audit, &e, is_intent, b->report);
}

static int make_gone(struct batch *b, size_t i)
{
	const struct ldap_entry *old = b->ops[i].old;
	cleanup_ldap_entry struct ldap_entry *e = ldap_entry_new(old->uuid, old->dn);
	int r = e ? 0 : -ENOMEM;

	for (size_t k = 0; r == 0 && k < old->values.n; k++)
		r = ldap_values_add(&e->values, old->values.items[k].field,
				    old->values.items[k].value);
	if (r < 0)
		return r;
	memcpy(e->id, old->id, sizeof(e->id));
	e->serial = old->serial;
	e->gone_seen = manager_now(b->l->m);
	e->gone_stored = e->gone_seen;
	e->is_stored = true;
	r = ldap_judge_gone(b->l, e);
	if (r == 0)
		b->gone[i] = steal_ptr(e);
	return r;
}

static int write_op(struct keystore_txn *txn, const struct batch *b, size_t i)
{
	const struct ldap_op *op = &b->ops[i];
	int r = b->gone[i] ? put_entry(txn, b->gone[i], true) : 0;

	if (r < 0)
		return r;
	if (op->type == LDAP_OP_REMOVE)
		return op->old->is_stored ? remove_record(txn, KIND_ENTRY, op->old->uuid,
							  "not in the directory")
					  : 0;
	if (!op->fresh->is_usable)
		return 0;
	op->fresh->is_stored = true;
	r = put_entry(txn, op->fresh, false);
	if (r == 0 && ldap_table_find_gone(&b->l->table, op->fresh->id))
		r = remove_record(txn, KIND_GONE, op->fresh->id, "in the directory again");
	return r;
}

static bool is_cursor_due(const struct ldap *l)
{
	return strcmp(l->cursor.cookie, l->stored.cookie) != 0 ||
	       memcmp(l->cursor.digest, l->stored.digest, LDAP_DIGEST_LEN) != 0 ||
	       l->stored.success.wall == 0 ||
	       engine_elapsed(&l->stored.success, &l->cursor.success) >= CURSOR_AGE;
}

static int fill(struct keystore_txn *txn, const struct batch *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		r = write_op(txn, b, i);
	if (r == 0 && b->is_last && is_cursor_due(b->l))
		r = put_cursor(txn, &b->l->cursor);
	return r;
}

static int commit(const struct batch *b, uint64_t *ret_txid)
{
	struct manager *m = b->l->m;
	struct keystore_audit end;
	struct keystore_txn *txn;
	int r = keystore_begin(m->keystore, &txn, b->report);

	if (r < 0)
		return r;
	r = fill(txn, b);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(b->report, r, "the directory's changes can not be sealed: %s",
				  strerror(-r));
	}
	audit_end(m->audit, &end);
	keystore_set_audit(txn, &end);
	r = keystore_commit(txn, ret_txid, b->report);
	sodium_memzero(&end, sizeof(end));
	return r;
}

/* Stored: now in memory, and in the index. Only memory can run short here, and then what is
 * stored comes with the next start. */
static int take_over(struct batch *b, uint64_t txid)
{
	struct manager *m = b->l->m;
	struct report report = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		r = ldap_table_apply(&b->l->table, &b->ops[i], steal_ptr(b->gone[i]));
	if (r == 0)
		r = ldap_table_settle(&b->l->table);
	if (b->is_last)
		b->l->stored = b->l->cursor;
	if (r == 0 && b->n > 0)
		r = items_add_configured(m);
	if (r == 0 && b->n > 0)
		r = facts_refresh(m, &report);
	if (r == 0)
		r = index_commit(m->index, txid, &report);
	if (r < 0) {
		if (!report.what[0])
			report_set(&report, r, "%s", strerror(-r));
		report_hint(&report, "the changes are stored; restart rotated");
		alarm_raise(m, ALARM_INDEX, &report);
		log_report(LOG_LEVEL_ERROR, &report);
	}
	return 0;
}

static bool writes_nothing(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct ldap_op *op = &b->ops[i];

		if (op->fresh ? op->fresh->is_usable : op->old->is_stored)
			return false;
	}
	return !b->is_last || !is_cursor_due(b->l);
}

static int run(struct batch *b)
{
	uint8_t id[AUDIT_REQUEST_SIZE / 2];
	uint64_t txid = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		if (b->ops[i].loses_id)
			r = make_gone(b, i);
	if (r < 0)
		return r;
	if (writes_nothing(b)) {
		for (size_t i = 0; r == 0 && i < b->n; i++)
			r = ldap_table_apply(&b->l->table, &b->ops[i], NULL);
		return r < 0 ? r : ldap_table_settle(&b->l->table);
	}
	randombytes_buf(id, sizeof(id));
	sodium_bin2hex(b->request, sizeof(b->request), id, sizeof(id));
	for (size_t i = 0; r == 0 && i < b->n; i++)
		r = note_op(b, &b->ops[i]);
	if (r == 0 && b->n > 0)
		r = note_batch(b, "intent", 0);
	if (r == 0)
		r = commit(b, &txid);
	if (r < 0) {
		if (b->n > 0) {
			b->report = &b->late;
			ignore_result(note_batch(b, "failed", 0)); /* the intent stands alone */
		}
		return r;
	}
	r = take_over(b, txid);
	b->report = &b->late;
	if (b->n > 0 && note_batch(b, "ok", txid) < 0)
		log_report(LOG_LEVEL_ERROR, &b->late); /* the intent tells of it */
	return r;
}

int ldap_apply_batch(struct ldap *l, struct report *report)
{
	size_t left = l->plan.n - l->applied;
	struct batch b = {
		.l = l,
		.ops = l->plan.ops + l->applied,
		.n = left < BATCH_MAX ? left : BATCH_MAX,
		.is_last = left <= BATCH_MAX,
		.report = report,
	};
	int r;

	b.gone = calloc(b.n + 1, sizeof(struct ldap_entry *));
	if (!b.gone)
		return -ENOMEM;
	r = run(&b);
	for (size_t i = 0; i < b.n; i++)
		ldap_entry_free(b.gone[i]);
	free(b.gone);
	if (r < 0)
		return r;
	l->applied += b.n;
	return !b.is_last;
}

/* ---- what is gone ---- */

/* One record's change, with the end of the audit log. */
static int commit_one(struct ldap *l, const struct ldap_entry *e, const char *forgotten,
		      struct report *report)
{
	struct manager *m = l->m;
	struct keystore_txn *txn;
	uint64_t txid;
	int r = keystore_begin(m->keystore, &txn, report);

	if (r < 0)
		return r;
	r = e ? put_entry(txn, e, true)
	      : remove_record(txn, KIND_GONE, forgotten, "grace over");
	if (r < 0) {
		keystore_abort(txn);
		return report_set(report, r, "it can not be stored: %s", strerror(-r));
	}
	r = keystore_commit(txn, &txid, report);
	return r < 0 ? r : index_commit(m->index, txid, report);
}

void ldap_store_gone(struct ldap *l, struct ldap_entry *e)
{
	struct report report = { 0 };

	if (commit_one(l, e, NULL, &report) == 0)
		e->gone_stored = e->gone_seen;
	else
		log_report(LOG_LEVEL_WARNING, &report);
}

int ldap_forget_gone(struct ldap *l, const char *id, struct report *report)
{
	int r = commit_one(l, NULL, id, report);

	if (r < 0)
		return r;
	ldap_table_forget(&l->table, id);
	r = ldap_table_settle(&l->table);
	return r < 0 ? r : facts_refresh(l->m, report);
}
