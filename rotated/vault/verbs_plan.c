/* SPDX-License-Identifier: BSD-2-Clause */
/* Plan.Get: what the engine is going to do, soonest first. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/items.h"
#include "rotated/vault/view.h"

struct plan {
	uint64_t at; /* wall clock; 0: it waits for a person or for the outside */
	const struct item *item;
	const struct engine_version *version; /* NULL: it does not exist yet */
	const char *action;
	char why[REPORT_TEXT_MAX];
};

enum { PLANS_PER_ITEM = ENGINE_VERSIONS_MAX + 2 };

static void add(struct plan *plans, size_t *n, const struct plan *p, const char *why)
{
	plans[*n] = *p;
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
	for (uint32_t i = 0; i < item->engine.count; i++) {
		const struct engine_version *v = &item->engine.versions[i];
		struct plan p = { .item = item, .version = v };

		p.action = next_action(item->engine.kind, v->state);
		if (!p.action)
			continue;
		p.at = view_leaves(m, item, v);
		if (v == view->subject && p.at == 0)
			p.at = view->next_attempt;
		add(plans, n, &p,
		    v == view->subject ? view->reason : engine_state_meaning(v->state));
	}
}

static void plan_item(const struct manager *m, const struct item *item, struct plan *plans,
		      size_t *n)
{
	struct plan next = { .item = item, .action = "rotate" };
	struct view view;

	view_item(m, item, &view);
	plan_versions(m, item, &view, plans, n);
	if (item->engine.count == 0 || item->engine.is_due) {
		next.action = item->engine.is_due ? "rotate" : "issue";
		add(plans, n, &next, view.reason);
		return;
	}
	next.at = view_next_rotation(m, item);
	if (next.at)
		add(plans, n, &next, "the schedule says so");
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

static void write_plan(struct json *j, const struct plan *p)
{
	json_put_object(j, NULL);
	json_put_time(j, "at", p->at);
	json_put_string(j, "kind", engine_kind_word(p->item->engine.kind));
	json_put_string(j, "id", p->item->engine.id);
	if (p->version)
		json_put_number(j, "version", p->version->version);
	else
		json_put_null(j, "version");
	view_text(j, "name", p->version ? p->version->name : NULL);
	json_put_string(j, "action", p->action);
	json_put_string(j, "why", p->why);
	json_put_object_end(j);
}

enum wire_status verb_plan_get(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	cleanup_free struct plan *plans = NULL;
	size_t n = 0;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	plans = calloc(req->m->item_count + 1, PLANS_PER_ITEM * sizeof(*plans));
	if (!plans)
		return request_fail(req, -ENOMEM);
	for (size_t i = 0; i < req->m->item_count; i++)
		if (!view_is_unused(req->m->items[i]))
			plan_item(req->m, req->m->items[i], plans, &n);
	qsort(plans, n, sizeof(*plans), by_time);
	json_put_object(&j, NULL);
	json_put_time(&j, "time", manager_now(req->m).wall);
	json_put_array(&j, "actions");
	for (size_t i = 0; i < n; i++)
		write_plan(&j, &plans[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}
