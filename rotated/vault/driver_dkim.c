/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DKIM keys. The public half is an AUTH record, so that publishing goes on while the ISSUER
 * tier is sealed; the private half is an ISSUER record. What a hook is to do travels as the
 * JSON of rotated-hooks(7); only public data is in it.
 */
#include "rotated/vault/driver_dkim.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/items.h"
#include "rotated/vault/keygen.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"
#include "rotated/vault/worker.h"

#define PUBLIC_KIND  "dkim-public"
#define PRIVATE_KIND "dkim-private"

enum { CHUNK_MAX = 255 }; /* bytes of one string of a TXT record (RFC 1035 3.3) */

const struct config_dns *dkim_config_dns(const struct manager *m, const char *domain)
{
	const struct config_domain *d = config_domain_find(m->config, domain);

	return d ? &d->dns : &m->config->dns;
}

const struct config_dkim *dkim_config(const struct manager *m, const char *domain)
{
	const struct config_domain *d = config_domain_find(m->config, domain);

	return d ? &d->dkim : &m->config->dkim;
}

/* A domain without a file gets no new keys by itself; what it has is looked after. */
static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	const struct config_dkim *k = dkim_config(m, item->engine.id);

	*ret = (struct engine_policy){
		.schedule = USEC_NEVER,
		.overlap = k->overlap,
		.soak = k->soak,
		.is_soak_observed = k->is_soak_auto,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
		.is_automatic = true,
		.has_standby = k->standby && item_is_configured(m, item),
		.has_hook = dkim_config_dns(m, item->engine.id)->hook[0] != '\0',
		.may_create = store_is_open(m, KEYSTORE_ISSUER),
		.may_work = worker_is_connected(m->worker),
	};
	if (item_is_configured(m, item))
		schedule_describe(m, &k->schedule, ret);
}

static const char *target(const struct manager *m, const struct item *item)
{
	const char *hook = dkim_config_dns(m, item->engine.id)->hook;

	return hook[0] ? hook : NULL;
}

/* ---- records ---- */

static int load(const struct manager *m, const struct engine_item *item, uint32_t version,
		const char *kind, struct keystore_record **ret)
{
	char name[RECORD_NAME_SIZE];
	int r = record_name_version(item, version, name);

	return r < 0 ? r : record_get(m, kind, name, ret);
}

int dkim_load_record(const struct manager *m, const struct engine_item *item, uint32_t version,
		     struct buf *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = load(m, item, version, PUBLIC_KIND, &rec);

	if (r < 0)
		return r;
	dkim_record(rec->body, rec->body_len, ret);
	return buf_error(ret);
}

int dkim_load_private(const struct manager *m, const struct engine_item *item, uint32_t version,
		      struct secret **ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = load(m, item, version, PRIVATE_KIND, &rec);

	return r < 0 ? r : dkim_private_pem(rec->body, rec->body_len, ret);
}

/* ---- what a hook reads ---- */

static void write_chunks(struct json *j, const char *value)
{
	char chunk[CHUNK_MAX + 1];

	json_put_array(j, "chunks");
	for (size_t len = strlen(value), at = 0; at < len; at += CHUNK_MAX) {
		(void)snprintf(chunk, sizeof(chunk), "%s", value + at); /* cut on purpose */
		json_put_string(j, NULL, chunk);
	}
	json_put_array_end(j);
}

struct payload {
	const struct engine_item *item;
	const struct engine_action *action; /* NULL: nothing is to be changed */
	const char *value;		    /* NULL: the name is to hold nothing */
	uint64_t ttl;
};

static void write_change(struct json *j, const struct payload *p)
{
	char name[DKIM_NAME_SIZE];

	dkim_name(p->action->name, p->item->id, true, name);
	json_put_object(j, NULL);
	json_put_string(j, "op", p->value ? "set" : "absent");
	json_put_string(j, "name", name);
	json_put_string(j, "type", "TXT");
	if (p->value) {
		json_put_number(j, "ttl", p->ttl / USEC_PER_SEC);
		json_put_string(j, "value", p->value);
		write_chunks(j, p->value);
	}
	json_put_object_end(j);
}

static void write_payload(const struct payload *p, struct buf *ret)
{
	char zone[DOMAIN_MAX + 2], id[ENGINE_ID_SIZE + 16];
	struct json j = JSON_INIT(ret);

	(void)snprintf(zone, sizeof(zone), "%s.", p->item->id); /* they fit */
	(void)snprintf(id, sizeof(id), "%s-%u", p->item->id,
		       p->action ? p->action->operation : 0);
	json_put_object(&j, NULL);
	json_put_string(&j, "contract", "rotated-dns/1");
	json_put_string(&j, "id", id);
	json_put_string(&j, "zone", zone);
	json_put_bool(&j, "dry_run", !p->action);
	json_put_array(&j, "changes");
	if (p->action)
		write_change(&j, p);
	json_put_array_end(&j);
	json_put_object_end(&j);
}

static void put_environment(const struct config_dns *dns, struct buf *ret)
{
	cleanup_buf struct buf lines = BUF_INIT;

	for (size_t i = 0; i < dns->setting.n; i++)
		buf_printf(&lines, "ROTATED_SETTING_%s\n", dns->setting.items[i]);
	if (lines.len > 0)
		frame_put(ret, "environment", lines.data, lines.len);
	if (buf_error(&lines) < 0)
		ret->error = buf_error(&lines);
}

void dkim_put_question(const struct config_dns *dns, const char *name, const char *expect,
		       struct buf *ret)
{
	cleanup_buf struct buf servers = BUF_INIT;

	frame_put_text(ret, "name", name);
	if (expect)
		frame_put_text(ret, "expect", expect);
	for (size_t i = 0; i < dns->servers.n; i++)
		buf_printf(&servers, "%s%s", i ? " " : "", dns->servers.items[i].text);
	if (servers.len > 0)
		frame_put(ret, "servers", servers.data, servers.len);
	if (dns->resolver.len > 0)
		frame_put_text(ret, "resolver", dns->resolver.text);
	if (buf_error(&servers) < 0)
		ret->error = buf_error(&servers);
}

/* ---- jobs ---- */

/* Which job of which item the worker has. Items outlive it: sealing cancels all jobs first. */
struct ref {
	struct manager *m;
	struct item *item;
	uint32_t serial;
};

static void on_done(void *context, const struct worker_result *result)
{
	cleanup_free struct ref *ref = context;
	struct engine_observation seen = {
		.event = ENGINE_EVENT_ENDED,
		.serial = ref->serial,
	};

	if (!result)
		return;
	seen.outcome = result->outcome;
	seen.detail = result->detail;
	seen.remembered = result->remembered;
	if (result->is_gone) {
		if (ref->item->engine.job.serial != ref->serial)
			return;
		seen.event = ENGINE_EVENT_LOST;
	}
	schedule_observe(ref->m, ref->item, &seen, NULL);
}

static int submit(struct manager *m, struct item *item, const struct engine_action *a,
		  enum wire_verb verb, const struct buf *fields)
{
	const struct config_dns *dns = dkim_config_dns(m, item->engine.id);
	struct ref *ref = calloc(1, sizeof(*ref));
	struct worker_request request = {
		.verb = verb,
		.zone = item->engine.id,
		.timeout = dns->timeout,
		.fields = fields,
		.done = on_done,
		.context = ref,
	};
	int r;

	if (!ref)
		return -ENOMEM;
	*ref = (struct ref){ m, item, a->serial };
	r = worker_submit(m->worker, &request);
	if (r < 0)
		free(ref);
	return r;
}

static void put_hook(const struct config_dns *dns, const char *action, const struct payload *p,
		     struct buf *ret)
{
	cleanup_buf struct buf text = BUF_INIT;

	write_payload(p, &text);
	frame_put_text(ret, "program", dns->hook);
	frame_put_text(ret, "action", action);
	frame_put(ret, "payload", text.data, text.len);
	put_environment(dns, ret);
	if (buf_error(&text) < 0)
		ret->error = buf_error(&text);
}

void dkim_put_hook_check(const struct manager *m, const struct engine_item *item,
			 struct buf *ret)
{
	const struct payload p = { .item = item };

	put_hook(dkim_config_dns(m, item->id), "check", &p, ret);
}

static int begin_hook(struct manager *m, struct item *item, const struct engine_action *a,
		      const char *value)
{
	const struct payload p = { &item->engine, a, value,
				   dkim_config(m, item->engine.id)->ttl };
	cleanup_buf struct buf fields = BUF_INIT;

	put_hook(dkim_config_dns(m, item->engine.id), "apply", &p, &fields);
	if (buf_error(&fields) < 0)
		return buf_error(&fields);
	return submit(m, item, a, WIRE_JOB_HOOK, &fields);
}

static int begin_question(struct manager *m, struct item *item, const struct engine_action *a,
			  const char *expect)
{
	cleanup_buf struct buf fields = BUF_INIT;
	char name[DKIM_NAME_SIZE];

	dkim_name(a->name, item->engine.id, false, name);
	dkim_put_question(dkim_config_dns(m, item->engine.id), name, expect, &fields);
	if (buf_error(&fields) < 0)
		return buf_error(&fields);
	return submit(m, item, a, WIRE_JOB_DNS, &fields);
}

static int begin(struct manager *m, struct item *item, const struct engine_action *a)
{
	cleanup_buf struct buf record = BUF_INIT;
	bool wants_record =
		a->type == ENGINE_ACTION_PUBLISH || a->type == ENGINE_ACTION_ASK_PRESENT;
	int r = 0;

	if (wants_record)
		r = dkim_load_record(m, &item->engine, a->version, &record);
	if (r == 0 && wants_record && !buf_string(&record))
		r = -ENOMEM;
	if (r < 0)
		return r;
	switch ((int)a->type) {
	case ENGINE_ACTION_CREATE:
		return keygen_start(m->keygen, item, a, dkim_config(m, item->engine.id)->key);
	case ENGINE_ACTION_PUBLISH:
		return begin_hook(m, item, a, buf_string(&record));
	case ENGINE_ACTION_WITHDRAW:
		return begin_hook(m, item, a, NULL);
	case ENGINE_ACTION_ASK_PRESENT:
		return begin_question(m, item, a, buf_string(&record));
	case ENGINE_ACTION_ASK_ABSENT:
		return begin_question(m, item, a, NULL);
	default:
		return -EOPNOTSUPP;
	}
}

const struct driver driver_dkim = {
	.kind = ENGINE_DKIM,
	.open_kind = PUBLIC_KIND,
	.hidden_kind = PRIVATE_KIND,
	.policy = policy,
	.target = target,
	.begin = begin,
};
