/* SPDX-License-Identifier: BSD-2-Clause */
/* Dkim.*: what can be asked about signing keys, and done to them. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/driver_dkim.h"
#include "rotated/vault/items.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

/* ---- finding ---- */

struct item *request_find_domain(struct request *req, enum wire_status *status)
{
	char name[DOMAIN_MAX + 1];
	struct item *item;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0) {
		*status = request_fail(req, r);
		return NULL;
	}
	if (frame_text(req->frame, "domain", name, sizeof(name)) < 0 || !text_is_domain(name)) {
		*status = request_refuse(req, WIRE_STATUS_USAGE, NULL,
					 "that is not the name of a domain");
		return NULL;
	}
	item = item_find(req->m, ENGINE_DKIM, name);
	if (!item) {
		*status = request_refuse(req, WIRE_STATUS_REFUSED, NULL,
					 "there is no domain %s", name);
		report_hint(&req->reply.report,
			    "rotatectl dkim list; a new one is made by domains.d/%s.conf and "
			    "systemctl reload rotated",
			    name);
	}
	return item;
}

static const struct engine_version *find_selector(struct request *req, const struct item *item,
						  enum wire_status *status)
{
	const struct engine_version *v;
	char selector[LABEL_MAX + 1];

	if (frame_text(req->frame, "selector", selector, sizeof(selector)) < 0 ||
	    !text_is_label(selector)) {
		*status =
			request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is not a selector");
		return NULL;
	}
	v = engine_find_name(&item->engine, selector);
	if (!v)
		*status = request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl dkim list",
					 "%s has no living key %s", item->engine.id, selector);
	return v;
}

/* ---- listing ---- */

static void write_domain(struct json *j, const struct request *req, const struct item *item,
			 const struct view *view)
{
	const struct engine_version *active = engine_find_phase(&item->engine, ENGINE_CURRENT);
	const struct config_domain *d = config_domain_find(req->m->config, item->engine.id);

	json_put_string(j, "domain", item->engine.id);
	json_put_string(j, "description", d ? d->description : "");
	json_put_bool(j, "configured", d != NULL);
	view_text(j, "active_selector", active ? active->name : NULL);
	json_put_number(j, "live_keys", item->engine.count);
	json_put_time(j, "next_rotation", view_next_rotation(req->m, item));
	view_write_progress(j, item, view);
}

enum wire_status verb_dkim_list(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	json_put_object(&j, NULL);
	json_put_array(&j, "domains");
	for (size_t i = 0; i < req->m->item_count; i++) {
		const struct item *item = req->m->items[i];
		struct view view;

		if (item->engine.kind != ENGINE_DKIM)
			continue;
		view_item(req->m, item, &view);
		json_put_object(&j, NULL);
		write_domain(&j, req, item, &view);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* ---- showing ---- */

/* The soak of a key that was seen is known, and is not that of another key. */
static void write_soak(struct json *j, const struct request *req, const struct item *item,
		       const struct engine_version *v)
{
	struct engine_policy policy;

	item->driver->policy(req->m, item, &policy);
	view_span(j, "soak", v->visible ? engine_soak(v, &policy) : USEC_NEVER);
}

static void write_key(struct json *j, const struct request *req, const struct item *item,
		      const struct engine_version *v)
{
	cleanup_buf struct buf record = BUF_INIT;
	char name[DKIM_NAME_SIZE];
	bool has_record = dkim_load_record(req->m, &item->engine, v->version, &record) == 0;

	dkim_name(v->name, item->engine.id, false, name);
	json_put_object(j, NULL);
	json_put_string(j, "selector", v->name);
	json_put_number(j, "version", v->version);
	json_put_string(j, "algorithm", "rsa2048");
	json_put_string(j, "state", engine_state_word(v->state));
	json_put_string(j, "name", name);
	view_text(j, "record", has_record ? buf_string(&record) : NULL);
	json_put_time(j, "created", v->created);
	json_put_time(j, "visible_since", v->visible);
	json_put_time(j, "active_since", v->active);
	write_soak(j, req, item, v);
	json_put_time(j, "leaves", view_leaves(req->m, item, v));
	json_put_time(j, "destroyed", 0);
	view_text(j, "reason", v->is_revoked ? "revoked" : NULL);
	json_put_object_end(j);
}

static void write_shown(struct request *req, const struct item *item,
			const struct engine_version *only)
{
	const struct config_dkim *k = dkim_config(req->m, item->engine.id);
	const struct config_dns *dns = dkim_config_dns(req->m, item->engine.id);
	const char *base = strrchr(dns->hook, '/');
	struct json j = JSON_INIT(&req->reply.json);
	struct view view;

	view_item(req->m, item, &view);
	json_put_object(&j, NULL);
	write_domain(&j, req, item, &view);
	view_schedule(&j, &k->schedule);
	view_span(&j, "overlap", k->overlap);
	view_span(&j, "soak", k->soak);
	json_put_bool(&j, "soak_auto", k->is_soak_auto);
	view_span(&j, "ttl", k->ttl);
	view_text(&j, "hook", base ? base + 1 : dns->hook);
	json_put_array(&j, "keys");
	for (uint32_t i = item->engine.count; i-- > 0;)
		if (!only || only == &item->engine.versions[i])
			write_key(&j, req, item, &item->engine.versions[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
}

/* The line is on disk before the key leaves. */
static int put_private_key(struct request *req, const struct item *item,
			   const struct engine_version *v)
{
	struct audit_event e = { .event = "dkim.show-private-key",
				 .actor = req->actor,
				 .object = item->engine.id,
				 .version = v->version,
				 .outcome = "ok" };
	cleanup_secret struct secret *pem = NULL;
	int r = request_require(req, KEYSTORE_ISSUER);

	if (r == 0)
		r = dkim_load_private(req->m, &item->engine, v->version, &pem);
	if (r == -ENOENT)
		return report_set(&req->reply.report, r, "%s: the private key of %s is erased",
				  item->engine.id, v->name);
	if (r == 0)
		r = change_note(req->m, &e, &req->reply.report);
	if (r == 0)
		frame_put(&req->reply.fields, "private_key", secret_data(pem), secret_len(pem));
	return r;
}

enum wire_status verb_dkim_show(struct request *req)
{
	const struct engine_version *only = NULL;
	enum wire_status status;
	const struct item *item = request_find_domain(req, &status);
	int r;

	if (!item)
		return status;
	if (frame_find(req->frame, "selector")) {
		only = find_selector(req, item, &status);
		if (!only)
			return status;
	}
	if (frame_flag(req->frame, "private_key")) {
		if (!only)
			return request_refuse(req, WIRE_STATUS_USAGE, NULL,
					      "a private key needs its selector named");
		r = put_private_key(req, item, only);
		if (r < 0)
			return request_fail(req, r);
	}
	write_shown(req, item, only);
	return WIRE_STATUS_OK;
}

/* ---- rotating ---- */

static enum wire_status refuse_rotation(struct request *req, const struct item *item, int error)
{
	const struct engine_version *v = engine_find_phase(&item->engine, ENGINE_COMING);

	if (error == -EALREADY)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl status",
				      "%s: %s is on its way already (%s)", item->engine.id,
				      v->name, engine_state_word(v->state));
	if (error == -ENOSPC)
		return request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl dkim list",
				      "%s has %d living keys, and can not have more",
				      item->engine.id, ENGINE_VERSIONS_MAX);
	return request_fail(req, error);
}

static enum wire_status check_rotation(struct request *req, const struct item *item)
{
	int r = request_require(req, KEYSTORE_ISSUER);

	if (r < 0)
		return request_fail(req, r);
	if (!item_is_configured(req->m, item))
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "write domains.d/DOMAIN.conf, then reload rotated",
				      "no file names the domain %s", item->engine.id);
	return WIRE_STATUS_OK;
}

/* The answer comes when the key is sealed: control_item_moved(). An item in trouble has its key
 * already, and is only told to go on. */
static enum wire_status await_key(struct request *req, struct item *item)
{
	item->waiter = req->peer;
	schedule_settle(req->m, item);
	control_item_moved(req->m, item, NULL);
	return CONTROL_LATER;
}

/* Every place is taken by a key that could not be withdrawn: those are tried again now, and the
 * new key has to be asked for when one of them is gone. */
static enum wire_status go_on_without_key(struct request *req, struct change *c)
{
	int r = req->is_dry_run ? 0 : change_commit(req->m, c, &req->reply.report);

	if (r < 0)
		return request_fail(req, r);
	if (!req->is_dry_run)
		schedule_settle(req->m, c->item);
	return request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl status",
			      "%s has %d living keys: there is room for another when the old "
			      "ones, which are tried again, are gone",
			      c->next.id, ENGINE_VERSIONS_MAX);
}

enum wire_status verb_dkim_rotate(struct request *req)
{
	struct engine_observation seen = { .event = request_rotation(req) };
	const struct engine_version *coming;
	enum wire_status status;
	struct item *item = request_find_domain(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	status = check_rotation(req, item);
	if (status != WIRE_STATUS_OK)
		return status;
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r < 0)
		return refuse_rotation(req, item, r);
	c.event = seen.event == ENGINE_EVENT_COMPROMISED ? "dkim.compromised" : "dkim.rotate";
	c.actor = req->actor;
	coming = engine_find_phase(&c.next, ENGINE_COMING);
	if (!coming)
		return go_on_without_key(req, &c);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "%s would go on with %s",
				      item->engine.id, coming->name);
	c.version = coming->version;
	r = change_commit(req->m, &c, &req->reply.report);
	return r < 0 ? request_fail(req, r) : await_key(req, item);
}

/* ---- revoking ---- */

static void write_revoked(struct request *req, const struct item *item, const char *selector)
{
	const struct engine_version *v = engine_find_name(&item->engine, selector);
	struct json j = JSON_INIT(&req->reply.json);

	json_put_object(&j, NULL);
	json_put_string(&j, "domain", item->engine.id);
	json_put_string(&j, "selector", selector);
	json_put_string(&j, "state", engine_state_word(v ? v->state : ENGINE_DESTROYED));
	json_put_object_end(&j);
	report_set(&req->reply.report, 0, "%s: %s must not sign any more", item->engine.id,
		   selector);
}

enum wire_status verb_dkim_revoke(struct request *req)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE };
	const struct engine_version *v;
	enum wire_status status;
	struct item *item = request_find_domain(req, &status);
	char selector[ENGINE_NAME_SIZE];
	struct change c;
	int r;

	if (!item)
		return status;
	v = find_selector(req, item, &status);
	if (!v)
		return status;
	memcpy(selector, v->name, sizeof(selector));
	seen.version = v->version;
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r == -EALREADY)
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL,
				      "%s: %s is being withdrawn already", item->engine.id,
				      selector);
	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "%s: would revoke %s",
				      item->engine.id, selector);
	c.event = "dkim.revoke";
	c.actor = req->actor;
	c.version = seen.version;
	r = change_commit(req->m, &c, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	write_revoked(req, item, selector);
	schedule_settle(req->m, item);
	return WIRE_STATUS_OK;
}
