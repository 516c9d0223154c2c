/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reconcile.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/group.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

enum {
	ENTRIES_MAX = 900, /* they are stored in one transaction, with room to spare */
	FORMAT = 1,
	HEAD_LEN = 11, /* format, flags, is_all_revoked, floor, count of revoked */
	FLAG_PENDING = 1,
	FLAG_DISABLED = 2,
	FLAG_ALL_REVOKED = 4,
};

#define RECONCILE_KIND "reconcile"
#define GENERAL	       "store" /* the entry that is about everything */

/* ---- the list in memory ---- */

static size_t position(const struct reconcile_list *l, const char *name)
{
	size_t i = 0;

	while (i < l->count && strcmp(l->all[i].name, name) < 0)
		i++;
	return i;
}

struct reconcile_entry *reconcile_find(const struct reconcile_list *l, const char *name)
{
	size_t i = position(l, name);

	return i < l->count && strcmp(l->all[i].name, name) == 0 ? &l->all[i] : NULL;
}

struct reconcile_entry *reconcile_entry_get(struct reconcile_list *l, const char *name)
{
	size_t at = position(l, name);
	struct reconcile_entry *all;

	if (at < l->count && strcmp(l->all[at].name, name) == 0)
		return &l->all[at];
	all = l->count < ENTRIES_MAX ? reallocarray(l->all, l->count + 1, sizeof(*all)) : NULL;
	if (!all) {
		l->more++;
		return NULL;
	}
	l->all = all;
	memmove(all + at + 1, all + at, (l->count - at) * sizeof(*all));
	l->count++;
	all[at] = (struct reconcile_entry){ 0 };
	(void)snprintf(all[at].name, sizeof(all[at].name), "%s", name); /* it fits */
	return &all[at];
}

static void list_release(struct reconcile_list *l)
{
	free(l->all);
	*l = (struct reconcile_list){ 0 };
}

static void list_remove(struct reconcile_list *l, const char *name)
{
	struct reconcile_entry *e = reconcile_find(l, name);

	if (!e)
		return;
	memmove(e, e + 1, (size_t)(l->all + l->count - e - 1) * sizeof(*e));
	l->count--;
}

/* ---- an entry as bytes ---- */

static void encode(const struct reconcile_entry *e, struct buf *out)
{
	uint8_t head[HEAD_LEN] = { FORMAT };

	head[1] = (uint8_t)((e->is_pending ? FLAG_PENDING : 0) |
			    (e->is_disabled ? FLAG_DISABLED : 0) |
			    (e->is_all_revoked ? FLAG_ALL_REVOKED : 0));
	store_be32(head + 3, e->floor);
	store_be32(head + 7, e->revoked_count);
	buf_append(out, head, sizeof(head));
	for (uint32_t i = 0; i < e->revoked_count; i++) {
		uint8_t n[4];

		store_be32(n, e->revoked[i]);
		buf_append(out, n, sizeof(n));
	}
	buf_append(out, e->what, strlen(e->what) + 1);
	buf_append(out, e->hint, strlen(e->hint) + 1);
}

/* A NUL-terminated text that is left in AT; -EBADMSG. */
static int take_text(const uint8_t **at, const uint8_t *end, char *ret, size_t size)
{
	size_t len = strnlen((const char *)*at, (size_t)(end - *at));

	if (len == (size_t)(end - *at) || len >= size)
		return -EBADMSG;
	memcpy(ret, *at, len + 1);
	*at += len + 1;
	return 0;
}

static int decode(const struct keystore_record *rec, struct reconcile_entry *e)
{
	const uint8_t *at = rec->body;
	const uint8_t *end = at + rec->body_len;
	int r;

	if (rec->body_len < HEAD_LEN || at[0] != FORMAT ||
	    load_be32(at + 7) > RECONCILE_REVOKED_MAX)
		return -EBADMSG;
	e->is_pending = at[1] & FLAG_PENDING;
	e->is_disabled = at[1] & FLAG_DISABLED;
	e->is_all_revoked = at[1] & FLAG_ALL_REVOKED;
	e->floor = load_be32(at + 3);
	e->revoked_count = load_be32(at + 7);
	at += HEAD_LEN;
	if ((size_t)(end - at) < (size_t)e->revoked_count * 4)
		return -EBADMSG;
	for (uint32_t i = 0; i < e->revoked_count; i++, at += 4)
		e->revoked[i] = load_be32(at);
	r = take_text(&at, end, e->what, sizeof(e->what));
	return r < 0 ? r : take_text(&at, end, e->hint, sizeof(e->hint));
}

static int put_entry(struct keystore_txn *txn, const struct reconcile_entry *e)
{
	cleanup_buf struct buf body = BUF_INIT;
	struct keystore_record rec = {
		.id = { RECORD_SPACE, RECONCILE_KIND, e->name },
		.tier = KEYSTORE_AUTH,
	};

	encode(e, &body);
	if (buf_error(&body) < 0)
		return buf_error(&body);
	rec.body = body.data;
	rec.body_len = body.len;
	return keystore_put(txn, &rec, NULL);
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

int reconcile_plan_new(struct manager *m, uint64_t txid, struct reconcile_plan **ret,
		       struct report *report)
{
	struct reconcile_plan *p = calloc(1, sizeof(*p));
	struct keystore_audit end;
	int r = p ? keystore_audit_get(m->keystore, &end) : -ENOMEM;

	if (r == 0) {
		p->since = keystore_time(m->keystore);
		r = reconcile_read_log(m, &end, txid, p);
	}
	sodium_memzero(&end, sizeof(end));
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
		list_release(&p->list);
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

static int begin_work(struct manager *m, struct report *report)
{
	int r = reconcile_load(m, report);

	return r < 0 ? r : store_rebuild_index(m, report);
}

int reconcile_accept(struct manager *m, const struct reconcile_plan *p, struct report *report)
{
	struct keystore_txn *txn;
	int r = keystore_begin_accept(m->keystore, &txn, report);

	if (r == 0)
		r = store_plan(m, p, txn, report);
	return r < 0 ? r : begin_work(m, report);
}

int reconcile_restored(struct manager *m, const struct reconcile_plan *p, struct report *report)
{
	struct keystore_txn *txn;
	int r = keystore_begin(m->keystore, &txn, report);

	if (r == 0)
		r = store_plan(m, p, txn, report);
	return r < 0 ? r : begin_work(m, report);
}

static int load_one(void *context, const struct keystore_record *rec)
{
	struct manager *m = context;
	struct reconcile_entry e = { 0 };
	struct reconcile_entry *at;
	int r = decode(rec, &e);

	if (r < 0)
		return r;
	at = reconcile_entry_get(&m->reconcile, rec->id.name);
	if (!at)
		return -ENOMEM;
	memcpy(e.name, at->name, sizeof(e.name));
	*at = e;
	return 0;
}

int reconcile_load(struct manager *m, struct report *report)
{
	int r;

	reconcile_forget_all(m);
	r = keystore_foreach(m->keystore, RECORD_SPACE, RECONCILE_KIND, load_one, m);
	if (r < 0)
		return report_set(report, r, "the reconcile list can not be read: %s",
				  strerror(-r));
	if (keystore_health(m->keystore, NULL) != KEYSTORE_HEALTHY)
		return 0;
	return settle_pending(m, report);
}

void reconcile_forget_all(struct manager *m)
{
	list_release(&m->reconcile);
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
	const struct keystore_id id = { RECORD_SPACE, RECONCILE_KIND, name };
	cleanup_record struct keystore_record *rec = NULL;

	if (m->reconcile.count == 0 || record_name_item(item, name) < 0 ||
	    !reconcile_find(&m->reconcile, name))
		return;
	if (keystore_get(m->keystore, &id, &rec) == -ENOENT)
		list_remove(&m->reconcile, name);
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
		list_remove(&m->reconcile, copy);
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
