/* SPDX-License-Identifier: BSD-2-Clause */
/* From a pass to a plan: what is new, what is another, what is gone, and whether that is more
 * than may happen without a person. */
#include <stdio.h>
#include <string.h>

#include "rotated/directory/ldap_table.h"

/* ---- names ---- */

void ldap_names_release(struct ldap_names *n)
{
	free(n->items);
	*n = (struct ldap_names){ 0 };
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

bool ldap_names_have(const struct ldap_names *n, const char *id)
{
	return n && n->n > 0 && bsearch(id, n->items, n->n, sizeof(*n->items), compare_names);
}

/* There is room. */
static void add_name(struct ldap_names *n, const char *id)
{
	if (id[0])
		(void)snprintf(n->items[n->n++], sizeof(*n->items), "%s", id); /* it fits */
}

static void sort_names(struct ldap_names *n)
{
	size_t kept = 0;

	if (n->n == 0)
		return;
	qsort(n->items, n->n, sizeof(*n->items), compare_names);
	for (size_t i = 0; i < n->n; i++)
		if (kept == 0 || strcmp(n->items[kept - 1], n->items[i]) != 0)
			memmove(n->items[kept++], n->items[i], sizeof(*n->items));
	n->n = kept;
}

void ldap_plan_release(struct ldap_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		ldap_entry_free(p->ops[i].fresh);
	free(p->ops);
	ldap_names_release(&p->lost);
	ldap_names_release(&p->guarded);
	*p = (struct ldap_plan){ 0 };
}

/* ---- joining what is known with what was seen ---- */

struct join {
	struct ldap_table *t;
	struct ldap_plan *plan;
	struct ldap_entry **after; /* what will be there and usable; borrowed */
	size_t n_after;
	uint64_t serial;
};

static void will_be(struct join *j, struct ldap_entry *e)
{
	if (e->is_usable)
		j->after[j->n_after++] = e;
}

static void add_op(struct join *j, enum ldap_op_type type, struct ldap_entry *old,
		   struct ldap_entry *fresh)
{
	j->plan->ops[j->plan->n++] =
		(struct ldap_op){ .type = type, .old = old, .fresh = fresh };
	if (fresh)
		will_be(j, fresh);
}

static void take_known(struct join *j, struct ldap_entry *old, struct ldap_staged *s)
{
	struct ldap_entry *e = s->entry;

	if (s->seen == LDAP_SEEN_DELETED) {
		add_op(j, LDAP_OP_REMOVE, old, NULL);
		return;
	}
	if (s->seen == LDAP_SEEN_PRESENT) {
		will_be(j, old);
		return;
	}
	if (!e->is_usable || ldap_entry_equal(old, e)) {
		/* what it said last stays in force, and what is wrong with it now is told */
		const char *problem = e->problem;
		struct report report = { 0 };

		report_set(&report, 0, "%s", problem ? problem : "");
		report_hint(&report, "%s", e->hint ? e->hint : "");
		if (problem || e->is_usable)
			ldap_entry_blame(old, problem ? &report : NULL);
		will_be(j, old);
		return;
	}
	e->serial = strcmp(e->id, old->id) == 0 && old->is_usable ? old->serial : ++j->serial;
	add_op(j, LDAP_OP_CHANGE, old, e);
	s->entry = NULL;
}

static void take_unknown(struct join *j, struct ldap_staged *s)
{
	if (s->seen != LDAP_SEEN_ENTRY)
		return; /* a deletion of what we never had */
	s->entry->serial = ++j->serial;
	add_op(j, LDAP_OP_ADD, NULL, s->entry);
	s->entry = NULL;
}

static int by_uuid(const void *a, const void *b)
{
	const struct ldap_staged *x = a, *y = b;
	int order = strcmp(x->entry->uuid, y->entry->uuid);

	if (order)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* What came twice counts as it came last. */
static bool is_superseded(const struct ldap_pass *pass, size_t i)
{
	return i + 1 < pass->n && pass->items[i + 1].entry &&
	       strcmp(pass->items[i].entry->uuid, pass->items[i + 1].entry->uuid) == 0;
}

static int by_order(const void *a, const void *b)
{
	const struct ldap_staged *x = *(struct ldap_staged *const *)a;
	const struct ldap_staged *y = *(struct ldap_staged *const *)b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* What the pass did not mention: in a full one it is gone. */
static void take_silent(struct join *j, const struct ldap_pass *pass, struct ldap_entry *e)
{
	if (pass->is_full)
		add_op(j, LDAP_OP_REMOVE, e, NULL);
	else
		will_be(j, e);
}

static int join_all(struct join *j, struct ldap_pass *pass)
{
	cleanup_free struct ldap_staged **unknown = calloc(pass->n + 1, sizeof(*unknown));
	struct ldap_entry **known = j->t->entries, **end = known + j->t->n;
	size_t n = 0;

	if (!unknown)
		return -ENOMEM;
	if (pass->n > 0)
		qsort(pass->items, pass->n, sizeof(*pass->items), by_uuid);
	for (size_t i = 0; i < pass->n; i++) {
		struct ldap_staged *s = &pass->items[i];

		if (is_superseded(pass, i))
			continue;
		while (known < end && strcmp((*known)->uuid, s->entry->uuid) < 0)
			take_silent(j, pass, *known++);
		if (known < end && strcmp((*known)->uuid, s->entry->uuid) == 0)
			take_known(j, *known++, s);
		else
			unknown[n++] = s;
	}
	while (known < end)
		take_silent(j, pass, *known++);
	/* the new ones in the order in which the directory named them */
	if (n > 0)
		qsort(unknown, n, sizeof(*unknown), by_order);
	for (size_t i = 0; i < n; i++)
		take_unknown(j, unknown[i]);
	return 0;
}

/* ---- what it means ---- */

static int by_claim(const void *a, const void *b)
{
	const struct ldap_entry *x = *(struct ldap_entry *const *)a;
	const struct ldap_entry *y = *(struct ldap_entry *const *)b;

	return strcmp(x->id, y->id);
}

static bool will_have(const struct join *j, const struct ldap_entry *e)
{
	return j->n_after > 0 &&
	       bsearch(&e, j->after, j->n_after, sizeof(struct ldap_entry *), by_claim);
}

/* The entry that has its service now, and not only claims it. */
static bool is_holder(const struct join *j, const struct ldap_entry *e)
{
	return e && e->is_usable && ldap_table_find(j->t, e->id) == e;
}

static void find_lost(struct join *j)
{
	struct ldap_plan *p = j->plan;

	if (j->n_after > 0)
		qsort(j->after, j->n_after, sizeof(struct ldap_entry *), by_claim);
	for (size_t i = 0; i < p->n; i++) {
		struct ldap_op *op = &p->ops[i];

		op->loses_id = is_holder(j, op->old) && !will_have(j, op->old);
		if (op->loses_id)
			add_name(&p->lost, op->old->id);
	}
	sort_names(&p->lost);
}

static void find_guarded(struct ldap_plan *p, bool is_restored)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct ldap_op *op = &p->ops[i];

		if (op->loses_id || (is_restored && op->old))
			add_name(&p->guarded, op->old->id);
		if (is_restored && op->fresh)
			add_name(&p->guarded, op->fresh->id);
	}
	sort_names(&p->guarded);
}

static size_t count_alive(const struct ldap_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_in_force; i++)
		n += ldap_table_find_gone(t, t->in_force[i]->id) != t->in_force[i];
	return n;
}

/* One service may always go, unless it is the last. */
static size_t allowed(const struct config_limit *limit, size_t alive)
{
	size_t share = alive / 100 * limit->percent + alive % 100 * limit->percent / 100;

	if (limit->count == 0)
		return 0;
	if (share == 0)
		share = 1;
	return share < limit->count ? share : limit->count;
}

static bool is_approved(const struct ldap_plan *p, const struct ldap_names *approved)
{
	for (size_t i = 0; i < p->guarded.n; i++)
		if (!ldap_names_have(approved, p->guarded.items[i]))
			return false;
	return true;
}

static void judge(struct ldap_plan *p, const struct join *j, const struct ldap_pass *pass,
		  const struct ldap_guard *guard)
{
	size_t alive = count_alive(j->t);
	size_t limit = allowed(&guard->limit, alive);
	bool is_empty = alive > 0 && p->lost.n == alive;

	if ((p->guarded.n <= limit && !is_empty) || is_approved(p, guard->approved))
		return;
	p->is_held = true;
	if (pass->is_restored)
		(void)snprintf(p->reason, sizeof(p->reason),
			       "the directory is older than what is known of it: "
			       "%zu services would change",
			       p->guarded.n);
	else if (is_empty)
		(void)snprintf(p->reason, sizeof(p->reason),
			       "the directory names no service any more, of %zu", alive);
	else
		(void)snprintf(p->reason, sizeof(p->reason),
			       "%zu of %zu services would be gone, and %zu may", p->lost.n,
			       alive, limit);
}

static bool takes_away(const struct ldap_op *op)
{
	return op->type == LDAP_OP_REMOVE ||
	       (op->old && op->old->is_usable && strcmp(op->old->id, op->fresh->id) != 0);
}

/* Takes out what is held: what is left would happen without it too. */
static void cut(struct ldap_plan *p, bool is_restored)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (is_restored || takes_away(&p->ops[i]))
			ldap_entry_free(p->ops[i].fresh);
		else
			p->ops[kept++] = p->ops[i];
	}
	p->n = kept;
}

/* Removals last: a service that another entry takes over is never without one. */
static int by_type(const void *a, const void *b)
{
	const struct ldap_op *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (!x->fresh || !y->fresh)
		return 0;
	return x->fresh->serial < y->fresh->serial ? -1 : x->fresh->serial > y->fresh->serial;
}

static int make(struct join *j, struct ldap_pass *pass, const struct ldap_guard *guard)
{
	struct ldap_plan *p = j->plan;
	size_t size = j->t->n + pass->n + 1;
	int r;

	p->ops = calloc(size, sizeof(*p->ops));
	p->lost.items = calloc(size, sizeof(*p->lost.items));
	p->guarded.items = calloc(2 * size, sizeof(*p->guarded.items));
	j->after = calloc(size, sizeof(struct ldap_entry *));
	r = p->ops && p->lost.items && p->guarded.items && j->after ? 0 : -ENOMEM;
	if (r == 0)
		r = join_all(j, pass);
	if (r == 0) {
		find_lost(j);
		find_guarded(p, pass->is_restored);
		judge(p, j, pass, guard);
		if (p->is_held)
			cut(p, pass->is_restored);
		if (p->n > 0)
			qsort(p->ops, p->n, sizeof(*p->ops), by_type);
	}
	free(j->after);
	return r;
}

int ldap_plan_make(struct ldap_table *t, struct ldap_pass *pass, const struct ldap_guard *guard,
		   struct ldap_plan *ret)
{
	struct ldap_plan plan = { 0 };
	struct join j = { .t = t, .plan = &plan, .serial = t->serial };
	int r = make(&j, pass, guard);

	if (r < 0) {
		ldap_plan_release(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}
