/* SPDX-License-Identifier: BSD-2-Clause */
/* What is gone from the directory stays, disabled, for the grace; then its credentials are
 * revoked, which erases them. */
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/items.h"
#include "rotated/vault/ldap_state.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

/* An age is stored this often: a crash makes a grace longer by as much at most. */
#define STORE_AFTER (UINT64_C(3600) * USEC_PER_SEC)

static int revoke_all(struct manager *m, struct item *item, struct report *report)
{
	struct engine_item was = item->engine;
	struct change c;
	int r = 0;

	change_init(&c, item);
	for (uint32_t i = 0; r == 0 && i < was.count; i++) {
		struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE,
						   .version = was.versions[i].version };

		r = change_step(m, &c, &seen);
		if (r == -EALREADY || r == -ENOENT)
			r = 0; /* it left with the one before */
	}
	if (r < 0)
		return report_set(report, r, "%s: %s", was.id, strerror(-r));
	if (!c.is_changed)
		return 0;
	c.event = "ldap.erase";
	r = change_commit(m, &c, report);
	if (r == 0)
		schedule_settle(m, item);
	return r;
}

/* A file that names the service by now keeps its credentials. */
static int erase(struct ldap *l, const char *id, struct report *report)
{
	struct manager *m = l->m;
	int r = 0;

	if (config_service_find(m->config, id))
		return 0;
	for (unsigned k = 0; r == 0 && k < ENGINE_KIND_MAX_; k++) {
		struct item *item = NULL;

		if (!engine_kind_has_steps((enum engine_kind)k))
			item = item_find(m, (enum engine_kind)k, id);
		if (item)
			r = revoke_all(m, item, report);
	}
	return r;
}

static void forget(struct ldap *l, struct ldap_entry *e)
{
	char id[SERVICE_ID_MAX + 1];
	struct report report = { 0 };
	int r;

	memcpy(id, e->id, sizeof(id));
	r = erase(l, id, &report);
	if (r == 0)
		r = ldap_forget_gone(l, id, &report);
	if (r < 0) {
		log_error("%s: its grace is over, and its credentials can not be erased", id);
		log_report(LOG_LEVEL_ERROR, &report);
		return;
	}
	log_notice("%s: gone from the directory for %s, and now from here", id, "the grace");
}

void ldap_expire(struct ldap *l)
{
	struct moment now = manager_now(l->m);
	uint64_t grace = l->m->config->ldap.grace;

	for (size_t i = l->table.n_gone; i-- > 0;) {
		struct ldap_entry *e = l->table.gone[i];

		e->gone_age += engine_elapsed(&e->gone_seen, &now);
		e->gone_seen = now;
		if (e->gone_age >= grace)
			forget(l, e);
		else if (engine_elapsed(&e->gone_stored, &now) >= STORE_AFTER)
			ldap_store_gone(l, e);
	}
}
