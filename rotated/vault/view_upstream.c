/* SPDX-License-Identifier: BSD-2-Clause */
/* How an upstream secret looks to people: what it waits for, and the next command. */
#include "rotated/vault/view.h"

#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/store.h"
#include "rotated/vault/upstream.h"
#include "rotated/vault/worker.h"

static const struct engine_version *withdrawing(const struct engine_item *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (e->versions[i].state == ENGINE_WITHDRAWING)
			return &e->versions[i];
	return NULL;
}

static bool has_hook(const struct manager *m, const char *id)
{
	const struct config_provider *p = config_provider_find(m->config, id);

	return p && p->upstream.hook[0];
}

/* True when what V needs next can not be begun; says why. */
static bool is_blocked(const struct manager *m, const struct item *item, struct view *v)
{
	if (!item_is_configured(m, item)) {
		view_say(v, VIEW_WAITING, "no file of upstreams.d names it any more");
	} else if (!store_is_open(m, KEYSTORE_ISSUER)) {
		view_say(v, VIEW_WAITING, "the ISSUER tier is sealed");
		view_hint(v, "unseal", NULL);
	} else if (!worker_is_connected(m->worker)) {
		view_say(v, VIEW_WAITING, "rotated-worker is not connected");
	} else {
		return false;
	}
	return true;
}

/* Where a person deletes logins, this is what tells which. */
static void view_undeleted(const struct manager *m, const struct item *item,
			   enum view_state state, struct view *v)
{
	const struct engine_version *k = v->subject;
	struct upstream_public public = { .user = "" };

	if (upstream_load_public(m, &item->engine, k->version, &public) < 0)
	public.user[0] = '\0';
	view_say(v, state,
		 "the provider still accepts %s, which was %s: %s%s has to be deleted there",
		 k->name, k->is_revoked ? "revoked" : "replaced",
		 public.user[0] ? "the login " : "it", public.user);
}

static void view_trouble(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_item *e = &item->engine;
	enum view_state state = e->is_held ? VIEW_HELD : VIEW_FAILING;
	const struct engine_version *k = v->subject;

	if (k && k->state == ENGINE_WITHDRAWING && e->trouble == ENGINE_OUTCOME_ACCEPTED)
		view_undeleted(m, item, state, v);
	else if (k && e->trouble == ENGINE_OUTCOME_REJECTED && e->detail[0])
		view_say(v, state, "the provider refuses %s: %s", k->name, e->detail);
	else if (k && e->trouble == ENGINE_OUTCOME_REJECTED)
		view_say(v, state, "the provider refuses %s", k->name);
	else
		view_say(v, state, "%s%s%s", engine_outcome_meaning(e->trouble),
			 e->detail[0] ? ": " : "", e->detail);
	if (!e->is_held)
		v->next_attempt = view_after(m, e->retry_in, 0);
	view_hint(v, e->is_held ? "upstream rotate" : "upstream show", e->id);
}

static void view_coming(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_version *k = v->subject;
	struct engine_policy policy;

	item->driver->policy(m, item, &policy);
	if (k->state == ENGINE_PLANNED && item_is_configured(m, item) &&
	    (k->is_applied || !has_hook(m, item->engine.id))) {
		view_say(v, VIEW_WAITING,
			 "make a login for %s at the provider, then hand it over here",
			 k->name);
		view_hint(v, "upstream set", item->engine.id);
	} else if (k->state == ENGINE_VISIBLE) {
		view_say(v, VIEW_WAITING, "the provider accepts %s; it soaks", k->name);
		v->next_attempt = view_after(m, engine_soak(k, &policy), k->age);
	} else if (!is_blocked(m, item, v)) {
		view_say(v, VIEW_WORKING, "%s is %s%s", k->name, engine_state_word(k->state),
			 engine_find_phase(&item->engine, ENGINE_CURRENT)
				 ? ""
				 : "; until it is proven there is nothing to log in with, and "
				   "mail waits");
	}
}

/* Nothing can be tried or revoked without the file: a person does it, and says so. */
static void view_cut_off(const struct item *item, struct view *v)
{
	v->subject = &item->engine.versions[0];
	view_say(v, VIEW_WAITING,
		 "no file of upstreams.d names it any more: put it back, or delete the login "
		 "of %s "
		 "at the provider and then forget it here",
		 v->subject->name);
	view_hint(v, "upstream revoke", v->subject->name);
}

void view_upstream(const struct manager *m, const struct item *item, struct view *v)
{
	const struct engine_item *e = &item->engine;

	/* what is accepted and should not be is the trouble, whatever else is on its way */
	if (!v->subject ||
	    (e->failures > 0 && e->trouble == ENGINE_OUTCOME_ACCEPTED && withdrawing(e)))
		v->subject = withdrawing(e);
	if (e->count > 0 && !item_is_configured(m, item)) {
		view_cut_off(item, v);
	} else if (e->failures > 0) {
		view_trouble(m, item, v);
	} else if (v->subject && engine_state_phase(v->subject->state) == ENGINE_COMING) {
		view_coming(m, item, v);
	} else if (v->subject) {
		if (!is_blocked(m, item, v))
			view_say(v, VIEW_WORKING,
				 v->subject->rejected
					 ? "%s is refused by the provider now; it is "
					   "tried again to be sure"
					 : "%s is being revoked at the provider",
				 v->subject->name);
	} else if (e->count == 0 && !item_is_configured(m, item)) {
		view_say(v, VIEW_NONE,
			 "no file of upstreams.d names it, and nothing is left of it");
	} else if (e->count == 0) {
		view_say(v, VIEW_NONE, "there is no secret yet");
		view_hint(v, has_hook(m, e->id) ? "upstream rotate" : "upstream set", e->id);
	} else {
		v->subject = engine_find_phase(e, ENGINE_CURRENT);
		if (!v->subject) {
			view_say(v, VIEW_WAITING, "no version is active");
			view_hint(v, "upstream rotate", e->id);
		}
	}
}
