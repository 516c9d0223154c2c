/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

enum { WAITING_MAX = 20 }; /* that are named; the rest is counted */

enum { PLANS_PER_ITEM = ENGINE_VERSIONS_MAX + 2 };

/*
 * Whether ACTION takes what ISSUER keeps: whatever makes a secret or signs, and at an upstream
 * every step, since each logs in with a secret or hands one to the hook.
 */
static bool takes_issuer(enum engine_kind kind, const char *action)
{
	if (strcmp(action, "issue") == 0 || strcmp(action, "rotate") == 0)
		return true;
	return kind == ENGINE_UPSTREAM && strcmp(action, "destroy") != 0;
}

static void add(struct plan *plans, size_t *n, const struct plan *p, const char *why)
{
	plans[*n] = *p;
	plans[*n].needs_issuer = takes_issuer(p->item->engine.kind, p->action);
	(void)snprintf(plans[*n].why, sizeof(p->why), "%s", why); /* it fits */
	(*n)++;
}

/* What the version in STATE does next. */
static const char *next_action(enum engine_kind kind, enum engine_state state)
{
	static const char *const actions[ENGINE_STATE_MAX_] = {
		[ENGINE_PLANNED] = "issue",	   [ENGINE_STAGED] = "publish",
		[ENGINE_PUBLISHING] = "confirm",   [ENGINE_VISIBLE] = "activate",
		[ENGINE_SOAKED] = "activate",	   [ENGINE_RETIRING] = "withdraw",
		[ENGINE_WITHDRAWING] = "withdraw", [ENGINE_WITHDRAWN] = "destroy",
	};

	if (engine_kind_is_handed_over(kind) && state == ENGINE_STAGED)
		return "confirm";
	if (engine_kind_is_handed_over(kind) && state == ENGINE_RETIRING)
		return "destroy";
	return actions[state];
}

static void plan_versions(const struct manager *m, const struct item *item,
			  const struct view *view, struct plan *plans, size_t *n)
{
	struct engine_policy policy = { 0 };

	item->driver->policy(m, item, &policy);
	for (uint32_t i = 0; i < item->engine.count; i++) {
		const struct engine_version *v = &item->engine.versions[i];
		struct plan p = { .item = item, .version = v };

		p.action = next_action(item->engine.kind, v->state);
		if (!p.action || engine_is_standby(&item->engine, &policy, v))
			continue;
		p.at = view_leaves(m, item, v);
		if (v == view->subject && p.at == 0)
			p.at = view->next_attempt;
		p.is_now = v == view->subject && p.at == 0;
		add(plans, n, &p,
		    v == view->subject ? view->reason : engine_state_meaning(v->state));
	}
}

static void plan_item(const struct manager *m, const struct item *item, struct plan *plans,
		      size_t *n)
{
	struct plan next = { .item = item, .action = "rotate" };
	cleanup_buf struct buf why = BUF_INIT;
	struct view view;

	view_item(m, item, &view);
	plan_versions(m, item, &view, plans, n);
	if (item->engine.count == 0 || item->engine.is_due) {
		next.action = item->engine.is_due ? "rotate" : "issue";
		next.is_now = item->engine.is_due;
		add(plans, n, &next, view.reason);
		return;
	}
	next.at = view_next_rotation(m, item);
	if (!next.at)
		return;
	view_next_reason(m, item, &why);
	if (buf_string(&why))
		add(plans, n, &next, buf_string(&why));
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct plan *)a)->at, y = ((const struct plan *)b)->at;

	if (x == y)
		return 0;
	if (x == 0 || y == 0)
		return x == 0 ? 1 : -1;
	return x < y ? -1 : 1;
}

int plan_make(const struct manager *m, struct plan **ret, size_t *ret_count)
{
	struct plan *plans = calloc(m->item_count + 1, PLANS_PER_ITEM * sizeof(*plans));
	size_t n = 0;

	if (!plans)
		return -ENOMEM;
	for (size_t i = 0; i < m->item_count; i++)
		if (!view_is_unused(m->items[i]))
			plan_item(m, m->items[i], plans, &n);
	qsort(plans, n, sizeof(*plans), by_time);
	*ret = plans;
	*ret_count = n;
	return 0;
}

/* ---- what waits for ISSUER ---- */

/* A service that was never given a credential waits for nothing. */
static bool is_waiting(const struct plan *p)
{
	return p->needs_issuer && (p->at || p->is_now);
}

static void write_waiting(struct json *j, const struct plan *p)
{
	json_put_object(j, NULL);
	json_put_time(j, "at", p->at);
	json_put_string(j, "kind", engine_kind_word(p->item->engine.kind));
	json_put_string(j, "id", p->item->engine.id);
	json_put_string(j, "action", p->action);
	json_put_object_end(j);
}

/* The first of what is due now or, when nothing is, of what has a time. */
static const struct plan *first_waiting(const struct plan *plans, size_t n, size_t *ret_due)
{
	const struct plan *first = NULL;

	*ret_due = 0;
	for (size_t i = 0; i < n; i++) {
		if (!is_waiting(&plans[i]))
			continue;
		if (!first || (first->at && !plans[i].at))
			first = &plans[i];
		*ret_due += plans[i].at == 0;
	}
	return first;
}

void plan_tell_waiting(const struct manager *m, char *ret, size_t size)
{
	cleanup_free struct plan *plans = NULL;
	const struct plan *p;
	char at[CLOCK_TEXT_SIZE];
	size_t due, n;

	*ret = '\0';
	if (plan_make(m, &plans, &n) < 0)
		return;
	p = first_waiting(plans, n, &due);
	if (!p)
		return;
	clock_format(p->at, at);
	if (due > 0)
		(void)snprintf(ret, size, "%zu due and waiting for it, first: %s %s %s", due,
			       p->action, engine_kind_word(p->item->engine.kind),
			       p->item->engine.id); /* cut to fit */
	else
		(void)snprintf(ret, size, "next to need it: %s %s %s at %s", p->action,
			       engine_kind_word(p->item->engine.kind), p->item->engine.id,
			       at); /* cut to fit */
}

/* Of what is due now, and of what has a time: in this order. */
static size_t write_those(struct json *j, const struct plan *plans, size_t n, bool is_now)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (is_waiting(&plans[i]) && (plans[i].at == 0) == is_now &&
		    count++ < WAITING_MAX)
			write_waiting(j, &plans[i]);
	return count;
}

void plan_write_waiting(const struct manager *m, struct json *j, const char *key)
{
	cleanup_free struct plan *plans = NULL;
	size_t now, later, n;

	if (!store_is_open(m, KEYSTORE_AUTH) || store_is_open(m, KEYSTORE_ISSUER) ||
	    plan_make(m, &plans, &n) < 0) {
		json_put_null(j, key);
		return;
	}
	json_put_object(j, key);
	json_put_array(j, "steps");
	now = write_those(j, plans, n, true);
	later = write_those(j, plans, n, false);
	json_put_array_end(j);
	json_put_number(j, "due", now);
	json_put_number(j, "total", now + later);
	json_put_object_end(j);
}
