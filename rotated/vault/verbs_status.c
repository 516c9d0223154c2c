/* SPDX-License-Identifier: BSD-2-Clause */
/* Status.Get and Plan.Get: the whole, for somebody who was woken up. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "rotated/vault/certificate_view.h"
#include "rotated/vault/compact.h"
#include "rotated/vault/control.h"
#include "rotated/vault/door.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/plan.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/shares.h"
#include "rotated/vault/store.h"
#include "rotated/vault/unlock.h"
#include "rotated/vault/view.h"
#include "rotated/vault/worker.h"

/* ---- parts ---- */

static const char *keystore_word(const struct manager *m)
{
	if (m->keystore_problem.what[0])
		return "damaged";
	if (!m->keystore)
		return "absent";
	if (!store_is_open(m, KEYSTORE_AUTH))
		return "sealed";
	switch (keystore_health(m->keystore, NULL)) {
	case KEYSTORE_HEALTHY:
	case KEYSTORE_RESTORED: /* an alarm says what it waits for */
		return "open";
	case KEYSTORE_SEALED:
	case KEYSTORE_ROLLED_BACK:
	case KEYSTORE_NO_ANCHOR:
	case KEYSTORE_DAMAGED:
	case KEYSTORE_HEALTH_MAX_:
	default:
		return "damaged";
	}
}

/* Keys and secrets that are not locked into RAM may be written to swap. */
static void write_memory(struct json *j, const struct manager *m)
{
	bool is_all = !m->keystore || keystore_memory_locked(m->keystore);
	struct memory_locked memory;
	char detail[160];

	memory_locked(&memory);
	(void)snprintf(detail, sizeof(detail),
		       "RLIMIT_MEMLOCK is %" PRIu64
		       " KiB: set LimitMEMLOCK=64M in rotated.service",
		       memory.limit / 1024); /* it fits */
	json_put_object(j, "memory");
	json_put_string(j, "state", is_all ? "ok" : memory.bytes > 0 ? "partial" : "none");
	json_put_bool(j, "locked", is_all);
	json_put_number(j, "bytes", memory.bytes);
	if (memory.limit == UINT64_MAX)
		json_put_null(j, "limit");
	else
		json_put_number(j, "limit", memory.limit);
	view_text(j, "detail", is_all ? NULL : detail);
	json_put_object_end(j);
}

static void write_keystore(struct json *j, struct manager *m)
{
	bool is_open = store_is_open(m, KEYSTORE_AUTH);

	json_put_object(j, "keystore");
	json_put_string(j, "state", keystore_word(m));
	json_put_string(j, "auth", is_open ? "open" : "sealed");
	json_put_string(j, "issuer", store_is_open(m, KEYSTORE_ISSUER) ? "open" : "sealed");
	json_put_number(j, "txid", is_open ? keystore_txid(m->keystore) : 0);
	json_put_number(j, "records", is_open ? keystore_count(m->keystore) : 0);
	reseal_write(m, j);
	compact_write(m, j);
	shares_write(m, j);
	json_put_object_end(j);
	write_memory(j, m);
}

static void write_peers(struct json *j, const struct manager *m)
{
	struct unlock_state porter;
	struct worker_state worker;
	struct door_state door;

	door_state(m->door, &door);
	worker_state(m->worker, &worker);
	unlock_state(m, &porter);
	json_put_object(j, "door");
	json_put_bool(j, "connected", door.is_connected);
	json_put_time(j, "since", door.since);
	json_put_bool(j, "has_keys", door.has_keys);
	json_put_object_end(j);
	json_put_object(j, "worker");
	json_put_bool(j, "connected", worker.is_connected);
	json_put_time(j, "since", worker.since);
	json_put_number(j, "jobs", worker.jobs);
	json_put_object_end(j);
	json_put_object(j, "porter");
	json_put_bool(j, "needed", porter.is_needed);
	json_put_bool(j, "connected", porter.is_connected);
	json_put_time(j, "since", porter.since);
	json_put_object_end(j);
}

static void write_audit(struct json *j, const struct manager *m)
{
	const char *alarm = m->audit ? audit_alarm(m->audit) : NULL;
	struct keystore_audit end = { 0 };

	if (m->audit)
		audit_end(m->audit, &end);
	json_put_object(j, "audit");
	json_put_bool(j, "ok", !alarm);
	json_put_number(j, "records", end.seq);
	view_text(j, "detail", alarm);
	json_put_object_end(j);
}

static void write_counts(struct json *j, const struct manager *m)
{
	uint64_t items[ENGINE_KIND_MAX_] = { 0 }, versions[ENGINE_KIND_MAX_] = { 0 };
	uint64_t disabled = 0;

	for (size_t i = 0; i < m->item_count; i++) {
		const struct engine_item *e = &m->items[i]->engine;

		items[e->kind]++;
		versions[e->kind] += e->count;
		disabled += item_is_disabled(m, e);
	}
	json_put_object(j, "counts");
	json_put_number(j, "services", items[ENGINE_PASSWORD]);
	json_put_number(j, "services_disabled", disabled);
	json_put_number(j, "credentials", versions[ENGINE_PASSWORD]);
	json_put_number(j, "domains", items[ENGINE_DKIM]);
	json_put_number(j, "dkim_keys", versions[ENGINE_DKIM]);
	json_put_number(j, "upstreams", items[ENGINE_UPSTREAM]);
	json_put_number(j, "upstream_secrets", versions[ENGINE_UPSTREAM]);
	json_put_object_end(j);
}

static void write_item(struct json *j, const struct item *item, const struct view *v)
{
	json_put_object(j, NULL);
	json_put_string(j, "kind", engine_kind_word(item->engine.kind));
	json_put_string(j, "id", item->engine.id);
	if (v->subject)
		json_put_number(j, "version", v->subject->version);
	else
		json_put_null(j, "version");
	view_text(j, "name", v->subject ? v->subject->name : NULL);
	view_text(j, "step", v->subject ? engine_state_word(v->subject->state) : NULL);
	view_write_progress(j, item, v);
	json_put_object_end(j);
}

static void write_items(struct json *j, const struct manager *m)
{
	json_put_array(j, "items");
	for (size_t i = 0; i < m->item_count; i++) {
		struct view v;

		view_item(m, m->items[i], &v);
		if (v.state != VIEW_OK && !view_is_unused(m->items[i]))
			write_item(j, m->items[i], &v);
	}
	json_put_array_end(j);
}

/* ---- alarms ---- */

static void write_alarm(struct json *j, const char *what, const char *hint)
{
	json_put_object(j, NULL);
	json_put_string(j, "what", what);
	view_text(j, "hint", hint);
	json_put_object_end(j);
}

static void write_report(struct json *j, const struct report *r)
{
	char text[REPORT_FILE_MAX + REPORT_TEXT_MAX + 32];

	if (!r->what[0])
		return;
	report_format(r, text, sizeof(text));
	write_alarm(j, text, r->hint);
}

static void write_sealed_alarms(struct json *j, const struct manager *m)
{
	if (!m->keystore && !m->keystore_problem.what[0])
		write_report(j, &m->keystore_absent);
	else if (m->keystore && !store_is_open(m, KEYSTORE_AUTH))
		write_alarm(
			j,
			m->is_sealed_by_order
				? "the keystore is sealed: nobody can log in"
				: "the keystore is sealed: nobody can log in after the door "
				  "restarts",
			"rotatectl unseal");
	else if (m->keystore && !store_is_open(m, KEYSTORE_ISSUER))
		write_alarm(j, "the ISSUER tier is sealed: nothing new can be made",
			    "rotatectl unseal");
}

static void write_reconcile_alarm(struct json *j, const struct manager *m)
{
	char what[REPORT_TEXT_MAX];

	if (reconcile_count(m) == 0)
		return;
	(void)snprintf(what, sizeof(what),
		       "the keystore was put back to an earlier state: %zu things to look at",
		       reconcile_count(m)); /* it fits */
	write_alarm(j, what, "rotatectl store reconcile");
}

static void write_peer_alarms(struct json *j, const struct manager *m)
{
	struct worker_state worker;
	struct door_state door;

	door_state(m->door, &door);
	worker_state(m->worker, &worker);
	if (!door.is_connected)
		write_alarm(j, "rotated-auth is not connected", "systemctl start rotated-auth");
	if (!worker.is_connected)
		write_alarm(j, "rotated-worker is not connected",
			    "systemctl start rotated-worker");
	if (unlock_is_missed(m) && store_is_open(m, KEYSTORE_AUTH))
		write_alarm(j, "rotated-unlock is not connected: the next start needs a person",
			    "systemctl enable --now rotated-unlock");
}

/* Longer than this, trouble is not expected to pass by itself. */
#define FAILING_TOO_LONG (UINT64_C(3600) * USEC_PER_SEC)

static bool is_failing_long(const struct manager *m, const struct engine_item *e)
{
	uint64_t limit = m->config->engine.hold_after;

	if (limit > FAILING_TOO_LONG)
		limit = FAILING_TOO_LONG;
	return e->failures > 0 && e->failing >= limit;
}

/* The items are not stepped while they wait: their ages are as of the last step. */
static void write_trouble_alarms(struct json *j, const struct manager *m)
{
	struct moment now = manager_now(m);

	for (size_t i = 0; i < m->item_count; i++) {
		struct engine_item e = m->items[i]->engine;
		char what[2 * REPORT_TEXT_MAX];
		struct view v;

		e.failing += e.failures > 0 ? engine_elapsed(&e.seen, &now) : 0;
		if (!e.is_held && !is_failing_long(m, &e))
			continue;
		view_item(m, m->items[i], &v);
		(void)snprintf(what, sizeof(what), "%s %s: %s", e.id,
			       e.is_held ? "is held" : "has been failing for long",
			       v.reason); /* cut to fit */
		write_alarm(j, what, v.hint);
	}
}

static void tell_alarm(void *context, const char *what, const char *hint)
{
	write_alarm(context, what, hint);
}

static void write_ldap_alarm(void *context, const struct report *report)
{
	write_alarm(context, report->what, report->hint);
}

static void write_alarms(struct json *j, const struct manager *m)
{
	struct report health = { 0 };
	struct report late = { 0 };

	json_put_array(j, "alarms");
	write_report(j, &m->keystore_problem);
	if (store_is_open(m, KEYSTORE_AUTH))
		(void)keystore_health(m->keystore, &health);
	write_report(j, &health);
	for (unsigned i = 0; i < ALARM_MAX_; i++)
		write_report(j, &m->alarms[i]);
	if (m->audit && audit_alarm(m->audit))
		write_alarm(j, audit_alarm(m->audit), "rotatectl audit verify");
	write_reconcile_alarm(j, m);
	write_sealed_alarms(j, m);
	if (m->keystore && !keystore_memory_locked(m->keystore))
		write_alarm(j, "not all keys are locked into memory: they may reach swap",
			    "set LimitMEMLOCK=64M in rotated.service");
	if (reseal_is_late(m, &late))
		write_report(j, &late);
	write_peer_alarms(j, m);
	ldap_alarms(m->ldap, write_ldap_alarm, j);
	write_trouble_alarms(j, m);
	certificate_alarms(m, tell_alarm, j);
	json_put_array_end(j);
}

enum wire_status verb_status_get(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	struct manager *m = req->m;

	json_put_object(&j, NULL);
	json_put_string(&j, "version", PACKAGE_VERSION);
	json_put_number(&j, "pid", (uint64_t)getpid());
	json_put_time(&j, "time", manager_now(m).wall);
	json_put_time(&j, "started", m->started);
	write_keystore(&j, m);
	write_peers(&j, m);
	write_audit(&j, m);
	write_counts(&j, m);
	if (ldap_matters(m->ldap))
		ldap_write_status(m->ldap, &j, false);
	plan_write_waiting(m, &j, "issuer_waits");
	write_items(&j, m);
	write_alarms(&j, m);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}
