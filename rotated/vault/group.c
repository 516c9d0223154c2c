/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/group.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/items.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

enum {
	MEMBERS_MAX = 128,
	/* item, two secrets, and for each version that goes two secrets and a key */
	CHANGES_MAX = 3 + 3 * CHANGE_ERASED_MAX,
};

struct member {
	struct change change; /* what it borrows is copied or done with */
	struct engine_item was;
	struct change_entry entry;
	char actor[CHANGE_ACTOR_SIZE];
	char request[AUDIT_REQUEST_SIZE];
	bool wants_settling;
};

struct group {
	struct keystore_txn *txn; /* NULL: nothing is pending */
	struct audit_mark audit;
	struct member *members;
	unsigned count;
	uint64_t joins;
	bool is_gathering;
};

int group_new(struct group **ret)
{
	struct group *g = calloc(1, sizeof(*g));

	if (g)
		g->members = calloc(MEMBERS_MAX, sizeof(*g->members));
	if (!g || !g->members) {
		free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

static void forget(struct group *g)
{
	keystore_abort(steal_ptr(g->txn));
	sodium_memzero(&g->audit, sizeof(g->audit));
	g->count = 0;
}

void group_free(struct group *g)
{
	if (!g)
		return;
	forget(g);
	free(g->members);
	free(g);
}

bool group_gather(struct manager *m, bool is_gathering)
{
	bool was = m->group->is_gathering;

	m->group->is_gathering = is_gathering;
	return was;
}

bool group_is_gathering(const struct manager *m)
{
	return m->group->is_gathering;
}

bool group_is_pending(const struct manager *m)
{
	return m->group->count > 0;
}

bool group_has_room(const struct manager *m)
{
	const struct group *g = m->group;

	return g->count < MEMBERS_MAX && (!g->txn || keystore_txn_room(g->txn) >= CHANGES_MAX);
}

uint64_t group_joins(const struct manager *m)
{
	return m->group->joins;
}

bool group_has(const struct manager *m, const char *id, size_t len)
{
	const struct group *g = m->group;

	for (unsigned i = 0; i < g->count; i++) {
		const char *mine = g->members[i].was.id;

		if (strlen(mine) == len && memcmp(mine, id, len) == 0)
			return true;
	}
	return false;
}

static struct member *find(struct group *g, const struct item *item)
{
	for (unsigned i = 0; i < g->count; i++)
		if (g->members[i].change.item == item)
			return &g->members[i];
	return NULL;
}

bool group_settles(struct manager *m, const struct item *item)
{
	struct member *member = find(m->group, item);

	if (member)
		member->wants_settling = true;
	return member != NULL;
}

/* ---- the audit log ---- */

static int append(struct manager *m, const struct member *b, const char *outcome, uint64_t txid,
		  struct report *report)
{
	const struct audit_event event = {
		.wall = manager_now(m).wall,
		.event = b->entry.event,
		.actor = b->actor,
		.object = b->was.id,
		.version = b->entry.version,
		.outcome = outcome,
		.request = b->request,
		.txid = txid,
	};

	return b->entry.is_worth_a_line ? audit_append(m->audit, &event, false, report) : 0;
}

static void append_failed(struct manager *m, const struct member *b)
{
	ignore_result(append(m, b, "failed", 0, NULL)); /* the intent stands alone */
}

static void raise_store_alarm(struct manager *m, const struct report *report)
{
	alarm_raise(m, ALARM_STORE, report);
	schedule_probe(m);
}

/* ---- joining ---- */

static int begin(struct manager *m, struct report *report)
{
	struct group *g = m->group;

	if (g->txn)
		return 0;
	audit_mark(m->audit, &g->audit);
	return keystore_begin(m->keystore, &g->txn, report);
}

static int fill(struct manager *m, struct change *c, struct report *report)
{
	struct group *g = m->group;
	struct keystore_mark mark = keystore_mark(g->txn);
	int r = change_fill(m, g->txn, c);
	int undone;

	if (r == 0)
		return 0;
	undone = keystore_undo(g->txn, &mark); /* else the commit says so, to all */
	return report_set(report, undone < 0 ? undone : r,
			  "%s: the change can not be sealed: %s", c->next.id, strerror(-r));
}

static void take_in(struct group *g, struct member *b, struct change *c)
{
	b->change = *c;
	b->change.made = NULL;
	b->change.event = NULL;
	b->change.actor = NULL;
	b->was = c->item->engine;
	c->item->engine = c->next;
	g->count++;
	g->joins++;
}

int group_join(struct manager *m, struct change *c, struct report *report)
{
	struct group *g = m->group;
	struct member *b = &g->members[g->count];
	int r;

	if (!group_has_room(m) || find(g, c->item)) /* callers look first */
		return report_set(report, -EBUSY, "%s: a change is under way", c->next.id);
	*b = (struct member){ 0 };
	change_describe(c, &b->entry);
	(void)snprintf(b->actor, sizeof(b->actor), "%s", c->actor ? c->actor : "rotated");
	b->was = c->item->engine;
	change_request_id(b->request);
	r = begin(m, report);
	if (r == 0)
		r = append(m, b, "intent", 0, report);
	if (r == 0) {
		r = fill(m, c, report);
		if (r < 0)
			append_failed(m, b);
	}
	if (r == 0) {
		take_in(g, b, c);
		return 0;
	}
	raise_store_alarm(m, report);
	if (g->count == 0)
		forget(g);
	return r;
}

/* ---- making it true ---- */

/* The intents are on the disk before the store says that it is done. */
static int commit(struct manager *m, uint64_t *ret_txid, struct report *report)
{
	struct group *g = m->group;
	struct keystore_audit end;
	int r = audit_sync(m->audit, &g->audit, report);

	if (r < 0)
		return r;
	audit_end(m->audit, &end);
	keystore_set_audit(g->txn, &end);
	sodium_memzero(&end, sizeof(end));
	return keystore_commit(steal_ptr(g->txn), ret_txid, report);
}

/* A change that the index did not take: the index is made anew, of what is stored now. */
static int mend_index(struct manager *m, struct report *report)
{
	int r;

	log_report(LOG_LEVEL_WARNING, report);
	r = store_rebuild_index(m, report);
	if (r < 0)
		return r;
	*report = (struct report){ 0 };
	log_notice("the verifier index was built anew");
	return 0;
}

/* The index follows the store. When it can not, what is in it may be too much: say so. */
static int update_index(struct manager *m, uint64_t txid, struct report *report)
{
	const struct group *g = m->group;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < g->count; i++) {
		const struct member *b = &g->members[i];

		r = change_index(m, &b->change, &b->was);
		if (r < 0) {
			index_abort(m->index);
			report_set(report, r, "%s: the verifier index can not be changed: %s",
				   b->was.id, strerror(-r));
		}
	}
	if (r == 0)
		r = index_commit(m->index, txid, report);
	if (r < 0)
		r = mend_index(m, report);
	if (r < 0) {
		report_hint(report, "the change is stored; restart rotated, then try again");
		alarm_raise(m, ALARM_INDEX, report);
		log_report(LOG_LEVEL_ERROR, report);
	}
	return r;
}

static void take_back(struct manager *m, const struct report *report)
{
	struct group *g = m->group;

	raise_store_alarm(m, report);
	for (unsigned i = g->count; i-- > 0;) {
		struct member *b = &g->members[i];

		b->change.item->engine = b->was;
		b->change.item->is_unsure |= b->change.was_unsure;
		append_failed(m, b);
		schedule_trouble(m, b->change.item);
	}
	forget(g);
}

/* What can not be begun counts as lost; schedule.c comes back to it after a while. */
static void begin_outside(struct manager *m, const struct change *c)
{
	struct item *item = c->item;
	int r;

	if (c->begun.type == ENGINE_ACTION_NONE)
		return;
	r = item->driver->begin ? item->driver->begin(m, item, &c->begun) : -EOPNOTSUPP;
	if (r == 0)
		return;
	log_warning("%s: %s can not be begun: %s", item->engine.id,
		    engine_action_word(c->begun.type), strerror(-r));
	item->is_unsure = true;
	schedule_trouble(m, item);
}

static void conclude(struct manager *m, const struct member *b, const char *outcome,
		     uint64_t txid)
{
	struct item *item = b->change.item;
	struct report late = { 0 };

	item->indexed = item_is_disabled(m, &item->engine) ? INDEXED_DISABLED : INDEXED_ENABLED;
	item->stored = b->change.next.seen;
	item->is_stored = true;
	if (append(m, b, outcome, txid, &late) < 0) { /* it is done; the intent tells of it */
		log_report(LOG_LEVEL_ERROR, &late);
		raise_store_alarm(m, &late);
	}
}

/* All that follows may change more: the group is empty by now. */
static void go_on(struct manager *m, const struct member *members, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		begin_outside(m, &members[i].change);
	for (unsigned i = 0; i < count; i++)
		if (members[i].wants_settling)
			schedule_settle(m, members[i].change.item);
}

int group_flush(struct manager *m, struct report *report)
{
	struct group *g = m->group;
	cleanup_free struct member *members = NULL;
	unsigned count = g->count;
	bool was_gathering;
	uint64_t txid;
	int r;

	if (count == 0)
		return 0;
	members = calloc(count, sizeof(*members));
	r = members ? commit(m, &txid, report) : report_set(report, -ENOMEM, "out of memory");
	if (r < 0) {
		take_back(m, report);
		return r;
	}
	alarm_clear(m, ALARM_STORE);
	r = update_index(m, txid, report);
	for (unsigned i = 0; i < count; i++)
		conclude(m, &g->members[i], r < 0 ? "index-failed" : "ok", txid);
	for (unsigned i = 0; i < count; i++)
		reconcile_was_renewed(m, &g->members[i].change.item->engine);
	memcpy(members, g->members, count * sizeof(*members));
	forget(g);
	was_gathering = group_gather(m, false);
	go_on(m, members, count);
	(void)group_gather(m, was_gathering);
	return r;
}
