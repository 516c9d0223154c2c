/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store.Verify: the keystore's own check, then what its problems mean here: which services,
 * domains and providers they are about, what is missing of whom, and who can still log in.
 */
#include "rotated/vault/verify.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/store.h"

enum {
	ITEMS_STEP = 200,  /* items in one step */
	NAMES_STEP = 2000, /* names tried in one step, of the last item all */
	LACKS_MAX = 64,	   /* problems about items that are listed; all are counted */
	NAMED_BACK = 1000, /* versions of before that are tried as the name of a record */
};

struct lack {
	char object[RECORD_NAME_SIZE + 32];
	char what[REPORT_TEXT_MAX];
};

struct verify {
	struct manager *m;
	struct peer *peer; /* NULL: nobody waits any more */
	struct keystore_check *check;
	sd_event_source *next;
	bool is_about_items; /* the store is read: now what it means */
	size_t item_at;
	unsigned tried; /* names in this step */
	uint64_t services, services_able;
	uint64_t lack_count;
	size_t listed;
	struct lack lacks[LACKS_MAX];
	char objects[KEYSTORE_PROBLEMS_MAX][RECORD_NAME_SIZE + 32]; /* "": not known */
};

static void verify_free(struct verify *v)
{
	keystore_check_free(v->check);
	sd_event_source_disable_unref(v->next);
	v->m->verify = NULL;
	free(v);
}

/* ---- names ---- */

static void try_name(struct verify *v, const char *kind, const char *name, const char *object)
{
	const struct keystore_verdict *verdict = keystore_check_verdict(v->check);
	const struct keystore_id id = { RECORD_SPACE, kind, name };
	uint8_t key[KEYSTORE_KEY_LEN];

	v->tried++;
	if (keystore_key_of(v->m->keystore, &id, key) < 0)
		return;
	for (size_t i = 0; i < verdict->listed; i++)
		if (verdict->problems[i].has_key && !v->objects[i][0] &&
		    memcmp(verdict->problems[i].key, key, sizeof(key)) == 0)
			(void)snprintf(v->objects[i], sizeof(v->objects[i]), "%s",
				       object); /* it fits */
}

/* The versions that are there, and those of before: their tombstones have names as well. */
static void try_versions(struct verify *v, const struct item *item)
{
	const char *const kinds[] = { item->driver->open_kind, item->driver->hidden_kind };
	uint32_t last = item->engine.last_version;
	uint32_t first = last > NAMED_BACK ? last - NAMED_BACK : 1;

	for (uint32_t n = first; n <= last && n > 0; n++) {
		char name[RECORD_NAME_SIZE];
		char object[RECORD_NAME_SIZE + 32];

		if (record_name_version(&item->engine, n, name) < 0)
			return;
		(void)snprintf(object, sizeof(object), "%s %s",
			       engine_kind_word(item->engine.kind), name); /* it fits */
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (kinds[k])
				try_name(v, kinds[k], name, object);
	}
}

/* Is there a problem left that a name would help? */
static bool wants_names(const struct verify *v)
{
	const struct keystore_verdict *verdict = keystore_check_verdict(v->check);

	for (size_t i = 0; i < verdict->listed; i++)
		if (verdict->problems[i].has_key && !v->objects[i][0])
			return true;
	return false;
}

static void name_problems(struct verify *v, const struct item *item)
{
	char name[RECORD_NAME_SIZE];
	char object[RECORD_NAME_SIZE + 32];

	if (!wants_names(v))
		return;
	if (record_name_item(&item->engine, name) == 0) {
		(void)snprintf(object, sizeof(object), "%s %s",
			       engine_kind_word(item->engine.kind),
			       item->engine.id); /* it fits */
		try_name(v, RECORD_ITEM, name, object);
	}
	try_versions(v, item);
}

/* Records that belong to no item. */
static void name_others(struct verify *v)
{
	static const char *const alone[][2] = {
		{ "ca-certificates", "ca" },
		{ "ca-root", "ca" },
		{ "ca-issuing", "ca" },
		{ "ca-list", "0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
		try_name(v, alone[i][0], alone[i][1], alone[i][0]);
}

/* ---- what is missing of whom ---- */

static void lack(struct verify *v, const struct engine_item *e, uint32_t version, int r)
{
	struct lack *l = &v->lacks[v->listed];

	v->lack_count++;
	if (v->listed == LACKS_MAX)
		return;
	v->listed++;
	(void)snprintf(l->object, sizeof(l->object), "%s %s/%u", engine_kind_word(e->kind),
		       e->id, version); /* cut to fit */
	(void)snprintf(l->what, sizeof(l->what), "version %u of %s %s can not be used: %s",
		       version, engine_kind_word(e->kind), e->id,
		       r == -ENOENT   ? "its record is missing"
		       : r == -EPROTO ? "its record is of another tier: somebody wrote it"
				      : "its record does not open"); /* cut to fit */
}

static int has_record(struct verify *v, const char *kind, const char *name)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = record_get(v->m, kind, name, &rec);

	return r == -ENOKEY ? 0 : r; /* what is sealed is not missing */
}

/* One that was revoked may have to stay until the outside forgets it, without its secret. */
static bool has_secret(const struct engine_item *e, const struct engine_version *version)
{
	if (version->is_revoked && !engine_kind_asks_with_secret(e->kind))
		return false;
	return version->state != ENGINE_PLANNED && version->state != ENGINE_DESTROYED;
}

static void look_at_item(struct verify *v, const struct item *item)
{
	const struct engine_item *e = &item->engine;
	bool is_able = false;

	name_problems(v, item);
	for (uint32_t i = 0; i < e->count; i++) {
		char name[RECORD_NAME_SIZE];
		int r = 0;

		if (!has_secret(e, &e->versions[i]) ||
		    record_name_version(e, e->versions[i].version, name) < 0)
			continue;
		if (item->driver->open_kind)
			r = has_record(v, item->driver->open_kind, name);
		if (r == 0 && item->driver->hidden_kind)
			r = has_record(v, item->driver->hidden_kind, name);
		if (r < 0)
			lack(v, e, e->versions[i].version, r);
		else
			is_able = true;
	}
	if (e->kind == ENGINE_PASSWORD && e->count > 0) {
		v->services++;
		v->services_able += is_able && !item_is_disabled(v->m, e);
	}
}

/* ---- the answer ---- */

static void write_problem(struct json *j, const char *word, const char *object,
			  const char *what, const char *hint)
{
	json_put_object(j, NULL);
	json_put_string(j, "problem", word);
	json_put_string(j, "where", "keystore");
	if (object[0])
		json_put_string(j, "object", object);
	else
		json_put_null(j, "object");
	json_put_string(j, "what", what);
	json_put_string(j, "hint", hint);
	json_put_object_end(j);
}

static void write_problems(const struct verify *v, struct json *j)
{
	const struct keystore_verdict *verdict = keystore_check_verdict(v->check);
	const enum keystore_problem_type lacks = KEYSTORE_PROBLEM_ITEM_LACKS;

	json_put_array(j, "problems");
	for (size_t i = 0; i < verdict->listed; i++) {
		const struct keystore_problem *p = &verdict->problems[i];

		write_problem(j, keystore_problem_word(p->type), v->objects[i], p->what,
			      keystore_problem_hint(p->type));
	}
	for (size_t i = 0; i < v->listed; i++)
		write_problem(j, keystore_problem_word(lacks), v->lacks[i].object,
			      v->lacks[i].what, keystore_problem_hint(lacks));
	json_put_array_end(j);
}

static void write_works(const struct verify *v, struct json *j)
{
	const struct keystore_verdict *verdict = keystore_check_verdict(v->check);
	const struct keystore *ks = v->m->keystore;

	json_put_object(j, "works");
	json_put_bool(j, "changes", keystore_health(ks, NULL) == KEYSTORE_HEALTHY);
	json_put_bool(j, "auth", keystore_is_open(ks, KEYSTORE_AUTH));
	json_put_bool(j, "issuer", keystore_is_open(ks, KEYSTORE_ISSUER));
	json_put_number(j, "auth_records", verdict->readable_auth);
	json_put_number(j, "issuer_records", verdict->readable_issuer);
	json_put_number(j, "services", v->services);
	json_put_number(j, "services_able", v->services_able);
	json_put_object_end(j);
}

static uint64_t problem_count(const struct verify *v)
{
	return keystore_check_verdict(v->check)->problem_count + v->lack_count;
}

static void write_verdict(const struct verify *v, struct buf *ret)
{
	const struct keystore_verify *t = &keystore_check_verdict(v->check)->totals;
	char id[2 * 16 + 1];
	struct json j = JSON_INIT(ret);

	json_put_object(&j, NULL);
	json_put_bool(&j, "ok", problem_count(v) == 0);
	json_put_number(&j, "records", t->records);
	json_put_number(&j, "unreadable", t->unreadable);
	json_put_number(&j, "tombstones", t->tombstones);
	json_put_number(&j, "txid", t->txid);
	json_put_string(&j, "store_id",
			sodium_bin2hex(id, sizeof(id), keystore_store_id(v->m->keystore), 16));
	json_put_number(&j, "problem_count", problem_count(v));
	write_problems(v, &j);
	write_works(v, &j);
	json_put_object_end(&j);
}

static void tell(struct report *report, const struct verify *v)
{
	const struct keystore_verdict *verdict = keystore_check_verdict(v->check);
	uint64_t more = problem_count(v) - 1;
	const char *object = verdict->listed > 0 ? v->objects[0] : v->lacks[0].object;
	const char *what = verdict->listed > 0 ? verdict->problems[0].what : v->lacks[0].what;
	enum keystore_problem_type type =
		verdict->listed > 0 ? verdict->problems[0].type : KEYSTORE_PROBLEM_ITEM_LACKS;
	char others[48] = "";

	if (more > 0)
		(void)snprintf(others, sizeof(others), " (and %" PRIu64 " more)",
			       more); /* it fits */
	report_set(report, 0, "%s%s%s%s", object, object[0] ? ": " : "", what, others);
	report_hint(report, "%s", keystore_problem_hint(type));
}

static void answer(struct verify *v)
{
	cleanup_reply struct reply reply = { 0 };
	bool is_ok = problem_count(v) == 0;

	if (is_ok)
		alarm_clear(v->m, ALARM_RECORDS);
	if (!v->peer)
		return;
	write_verdict(v, &reply.json);
	if (!is_ok)
		tell(&reply.report, v);
	reply_send(v->peer, is_ok ? WIRE_STATUS_OK : WIRE_STATUS_REFUSED, &reply);
	peer_set_busy(v->peer, false);
}

static void give_up(struct verify *v, const struct report *why)
{
	cleanup_reply struct reply reply = { .report = *why };

	if (v->peer) {
		reply_send(v->peer, WIRE_STATUS_AGAIN, &reply);
		peer_set_busy(v->peer, false);
	}
	verify_free(v);
}

/* ---- steps ---- */

static int begin_check(struct verify *v, struct report *report)
{
	keystore_check_free(steal_ptr(v->check));
	return keystore_check_begin(v->m->keystore, &v->check, report);
}

/* 1: more to do; 0: the verdict is complete. */
static int step(struct verify *v, struct report *report)
{
	struct manager *m = v->m;
	int r;

	if (!v->is_about_items) {
		r = keystore_check_step(v->check, report);
		if (r == -ESTALE) /* it was compacted meanwhile */
			r = begin_check(v, report) < 0 ? -EIO : 1;
		v->is_about_items = r == 0;
		return r < 0 ? r : 1;
	}
	if (v->item_at == 0)
		name_others(v);
	v->tried = 0;
	for (size_t n = 0; n < ITEMS_STEP && v->item_at < m->item_count; n++) {
		look_at_item(v, m->items[v->item_at++]);
		if (v->tried >= NAMES_STEP)
			break;
	}
	return v->item_at < m->item_count;
}

static int on_next(sd_event_source *source, uint64_t usec, void *context)
{
	struct verify *v = context;
	struct report report = { 0 };
	int r = step(v, &report);

	(void)usec;
	if (r == 0) {
		answer(v);
		verify_free(v);
		return 0;
	}
	if (r > 0)
		r = sd_event_source_set_time_relative(source, 0);
	if (r >= 0)
		r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r < 0) {
		if (!report.what[0])
			report_set(&report, r, "the check can not go on: %s", strerror(-r));
		give_up(v, &report);
	}
	return 0;
}

void verify_cancel(struct manager *m)
{
	struct report report = { 0 };

	if (!m->verify)
		return;
	report_set(&report, -ENOKEY, "the keystore was sealed while it was checked");
	report_hint(&report, "rotatectl unseal");
	give_up(m->verify, &report);
}

void verify_forget(struct manager *m, const struct peer *peer)
{
	if (m->verify && m->verify->peer == peer)
		m->verify->peer = NULL;
}

enum wire_status verb_store_verify(struct request *req)
{
	struct manager *m = req->m;
	struct verify *v;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (m->verify)
		return request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl store verify",
				      "a check is under way");
	v = calloc(1, sizeof(*v));
	if (!v)
		return request_fail(req, -ENOMEM);
	v->m = m;
	v->peer = req->peer;
	m->verify = v;
	r = begin_check(v, &req->reply.report);
	if (r == 0)
		r = sd_event_add_time_relative(m->event, &v->next, CLOCK_MONOTONIC, 0, 0,
					       on_next, v);
	if (r >= 0)
		r = sd_event_source_set_priority(v->next, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		return CONTROL_LATER;
	verify_free(v);
	return request_fail(req, r);
}
