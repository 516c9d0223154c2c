/* SPDX-License-Identifier: BSD-2-Clause */
/* Upstream.*: what can be asked about the relay's own logins at its providers, and done. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/upstream.h"
#include "rotated/vault/view.h"

/* ---- finding ---- */

struct item *request_find_upstream(struct request *req, enum wire_status *status)
{
	char id[SERVICE_ID_MAX + 1];
	struct item *item;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0) {
		*status = request_fail(req, r);
		return NULL;
	}
	if (frame_text(req->frame, "upstream", id, sizeof(id)) < 0 || !text_is_service_id(id)) {
		*status = request_refuse(req, WIRE_STATUS_USAGE, NULL,
					 "that is not the id of an upstream");
		return NULL;
	}
	item = item_find(req->m, ENGINE_UPSTREAM, id);
	if (!item) {
		*status = request_refuse(req, WIRE_STATUS_REFUSED, NULL,
					 "there is no upstream %s", id);
		report_hint(&req->reply.report,
			    "rotatectl upstream list; a new one is made by upstreams.d/%s.conf "
			    "and systemctl reload rotated",
			    id);
	}
	return item;
}

/* The version that the request names; without one the active version. */
const struct engine_version *request_find_upstream_version(struct request *req,
							   const struct item *item,
							   enum wire_status *status)
{
	const struct engine_version *v;
	uint64_t number = 0;
	int r = frame_number(req->frame, "version", &number);

	if (r < 0 && r != -ENOENT) {
		*status = request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is no version");
		return NULL;
	}
	if (r == -ENOENT)
		v = engine_find_phase(&item->engine, ENGINE_CURRENT);
	else
		v = number <= UINT32_MAX ? engine_find(&item->engine, (uint32_t)number) : NULL;
	if (!v)
		*status = request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl upstream list",
					 r == -ENOENT ? "%s has no secret in use"
						      : "%s has no such living version",
					 item->engine.id);
	return v;
}

static int require_configured(struct request *req, const struct item *item)
{
	int r = request_require(req, KEYSTORE_ISSUER);

	if (r < 0 || item_is_configured(req->m, item))
		return r;
	report_hint(&req->reply.report, "write upstreams.d/%s.conf, then reload rotated",
		    item->engine.id);
	return report_set(&req->reply.report, -ENOENT, "no file names the upstream %s",
			  item->engine.id);
}

/* ---- listing and showing ---- */

static void write_upstream(struct json *j, const struct request *req, const struct item *item)
{
	const struct engine_version *active = engine_find_phase(&item->engine, ENGINE_CURRENT);
	const struct config_provider *p = config_provider_find(req->m->config, item->engine.id);
	struct view view;

	view_item(req->m, item, &view);
	json_put_string(j, "upstream", item->engine.id);
	json_put_string(j, "description", p ? p->upstream.description : "");
	json_put_bool(j, "configured", p != NULL);
	view_text(j, "server", p ? p->upstream.server : NULL);
	if (active)
		json_put_number(j, "active_version", active->version);
	else
		json_put_null(j, "active_version");
	json_put_number(j, "live_versions", item->engine.count);
	json_put_time(j, "next_rotation", view_next_rotation(req->m, item));
	view_write_progress(j, item, &view);
}

enum wire_status verb_upstream_list(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	json_put_object(&j, NULL);
	json_put_array(&j, "upstreams");
	for (size_t i = 0; i < req->m->item_count; i++) {
		if (req->m->items[i]->engine.kind != ENGINE_UPSTREAM)
			continue;
		json_put_object(&j, NULL);
		write_upstream(&j, req, req->m->items[i]);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

static void write_version(struct json *j, const struct request *req, const struct item *item,
			  const struct engine_version *v)
{
	struct upstream_public public = { .user = "" };

	if (upstream_load_public(req->m, &item->engine, v->version, &public) < 0)
	public = (struct upstream_public){ .user = "" };
	json_put_object(j, NULL);
	json_put_number(j, "version", v->version);
	json_put_string(j, "name", v->name);
	json_put_string(j, "state", engine_state_word(v->state));
	view_text(j, "user", public.user);
	view_text(j, "credential", public.credential);
	json_put_time(j, "created", v->created);
	json_put_time(j, "accepted_since", v->visible);
	json_put_time(j, "active_since", v->active);
	json_put_number(j, "rejected", v->rejected);
	json_put_time(j, "leaves", view_leaves(req->m, item, v));
	view_text(j, "remark", v->is_revoked ? "revoked" : NULL);
	json_put_object_end(j);
}

static void write_settings(struct json *j, const struct config_upstream *u)
{
	const char *base = u->hook ? strrchr(u->hook, '/') : NULL;

	view_schedule(j, &u->schedule);
	view_span(j, "overlap", u->overlap);
	view_span(j, "soak", u->soak);
	view_text(j, "hook", base ? base + 1 : NULL);
	json_put_array(j, "destinations");
	for (size_t i = 0; i < u->destinations.n; i++)
		json_put_string(j, NULL, u->destinations.items[i]);
	json_put_array_end(j);
}

enum wire_status verb_upstream_show(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	enum wire_status status;
	const struct item *item = request_find_upstream(req, &status);
	const struct config_provider *p;

	if (!item)
		return status;
	p = config_provider_find(req->m->config, item->engine.id);
	json_put_object(&j, NULL);
	write_upstream(&j, req, item);
	write_settings(&j, p ? &p->upstream : &req->m->config->upstream);
	json_put_array(&j, "versions");
	for (uint32_t i = item->engine.count; i-- > 0;)
		write_version(&j, req, item, &item->engine.versions[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* ---- rotating ---- */

/* What the item does now, and what somebody has to do for it, if anybody. */
static void write_answer(struct request *req, const struct item *item, uint32_t version)
{
	const struct engine_version *v = engine_find(&item->engine, version);
	struct json j = JSON_INIT(&req->reply.json);
	struct view view;

	view_item(req->m, item, &view);
	json_put_object(&j, NULL);
	json_put_string(&j, "upstream", item->engine.id);
	json_put_number(&j, "version", version);
	json_put_string(&j, "version_state",
			engine_state_word(v ? v->state : ENGINE_DESTROYED));
	view_write_progress(&j, item, &view);
	json_put_object_end(&j);
}

static enum wire_status commit(struct request *req, struct change *c, const char *event,
			       uint32_t version)
{
	int r;

	c->event = event;
	c->actor = req->actor;
	c->version = version;
	r = change_commit(req->m, c, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	schedule_settle(req->m, c->item);
	write_answer(req, c->item, version);
	return WIRE_STATUS_OK;
}

static enum wire_status refuse_rotation(struct request *req, const struct item *item, int error)
{
	const struct engine_version *v = engine_find_phase(&item->engine, ENGINE_COMING);
	struct view view;

	if (error == -EALREADY && v) {
		view_item(req->m, item, &view);
		return request_refuse(req, WIRE_STATUS_NOTHING,
				      view.hint[0] ? view.hint : "rotatectl upstream list",
				      "%s: %s is on its way already (%s)", item->engine.id,
				      v->name, engine_state_word(v->state));
	}
	if (error == -ENOSPC)
		return request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl upstream list",
				      "%s has %d living versions, and can not have more",
				      item->engine.id, ENGINE_VERSIONS_MAX);
	return request_fail(req, error);
}

enum wire_status verb_upstream_rotate(struct request *req)
{
	struct engine_observation seen = { .event = request_rotation(req) };
	const struct engine_version *coming;
	enum wire_status status;
	struct item *item = request_find_upstream(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	r = require_configured(req, item);
	if (r < 0)
		return request_fail(req, r);
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r < 0)
		return refuse_rotation(req, item, r);
	coming = engine_find_phase(&c.next, ENGINE_COMING);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "%s would go on with %s",
				      item->engine.id,
				      coming ? coming->name : "what is leaving");
	return commit(req, &c,
		      seen.event == ENGINE_EVENT_COMPROMISED ? "upstream.compromised"
							     : "upstream.rotate",
		      coming ? coming->version : 0);
}

/* ---- a secret that a person brings ---- */

/* The user that came with it, else the configured one. */
static int choose_user(struct request *req, const struct engine_item *item,
		       const struct engine_version *v, char ret[static UPSTREAM_USER_SIZE])
{
	const struct config_provider *p = config_provider_find(req->m->config, item->id);
	int r = frame_text(req->frame, "user", ret, UPSTREAM_USER_SIZE);

	if (r == 0)
		return upstream_is_word(ret, UPSTREAM_USER_SIZE - 1, true) ? 0 : -EINVAL;
	if (r != -ENOENT)
		return -EINVAL;
	if (!p || !p->upstream.user[0])
		return -ENOENT;
	upstream_default_user(req->m, item, v, ret);
	return 0;
}

static const struct engine_version *plan_for(struct request *req, struct change *c,
					     enum wire_status *status)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_ROTATE };
	const struct engine_version *v = engine_find_phase(&c->next, ENGINE_COMING);
	int r = 0;

	if (!v)
		r = change_step(req->m, c, &seen);
	v = engine_find_phase(&c->next, ENGINE_COMING);
	if (r < 0 || !v) {
		*status = refuse_rotation(req, c->item, r < 0 ? r : -ENOSPC);
		return NULL;
	}
	if (v->state == ENGINE_PLANNED)
		return v;
	*status = request_refuse(req, WIRE_STATUS_REFUSED, NULL,
				 "%s has its secret already and is %s", v->name,
				 engine_state_word(v->state));
	report_hint(&req->reply.report, "rotatectl upstream revoke %s", v->name);
	return NULL;
}

static enum wire_status take_secret(struct request *req, struct change *c,
				    const struct engine_version *v)
{
	const struct frame_field *f = frame_find(req->frame, "secret");
	cleanup_secret struct secret *secret = f ? secret_new(f->data, f->len) : NULL;
	struct engine_observation seen = { .event = ENGINE_EVENT_CREATED,
					   .version = v->version };
	struct upstream_public public = { .user = "" };
	cleanup_buf struct buf open = BUF_INIT;
	struct made made = { .version = v->version };
	int r = choose_user(req, &c->next, v, public.user);

	if (r < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, "add --user NAME",
				      r == -ENOENT ? "who to log in as is not known"
						   : "that is no user's name");
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "%s would get its secret, for %s", v->name, public.user);
	if (!secret || strlen(secret_string(secret)) != secret_len(secret) ||
	    !upstream_is_word(secret_string(secret), UPSTREAM_SECRET_MAX_, false))
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "that is no secret: 1 to 1024 printable characters "
				      "without blanks");
	upstream_public_encode(&public, &open);
	r = buf_error(&open);
	if (r == 0)
		r = change_step(req->m, c, &seen);
	if (r < 0)
		return request_fail(req, r);
	made.open = open.data;
	made.open_len = open.len;
	made.hidden = secret_data(secret);
	made.hidden_len = secret_len(secret);
	c->made = &made;
	return commit(req, c, "upstream.set", made.version);
}

enum wire_status verb_upstream_set(struct request *req)
{
	const struct engine_version *v;
	enum wire_status status;
	struct item *item = request_find_upstream(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	r = require_configured(req, item);
	if (r < 0)
		return request_fail(req, r);
	change_init(&c, item);
	v = plan_for(req, &c, &status);
	return v ? take_secret(req, &c, v) : status;
}

/* ---- revoking ---- */

static const char *revoke_remark(const struct manager *m, const struct item *item,
				 const struct engine_version *v)
{
	if (!item_is_configured(m, item))
		return ": it is only forgotten here, and has to be deleted at the provider";
	if (v->state == ENGINE_ACTIVE)
		return ", which is in use: mail waits until its successor is proven";
	return "";
}

enum wire_status verb_upstream_revoke(struct request *req)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE };
	const struct engine_version *v;
	enum wire_status status;
	struct item *item = request_find_upstream(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	v = request_find_upstream_version(req, item, &status);
	if (!v)
		return status;
	seen.version = v->version;
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r == -EALREADY)
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL,
				      "%s is being revoked already", v->name);
	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would revoke %s%s", v->name,
				      revoke_remark(req->m, item, v));
	return commit(req, &c, "upstream.revoke", seen.version);
}
