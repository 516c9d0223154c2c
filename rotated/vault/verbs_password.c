/* SPDX-License-Identifier: BSD-2-Clause */
/* Service.* and Credential.*: what can be asked about passwords, and done to them. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/driver_password.h"
#include "rotated/vault/handed.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/services.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

/* ---- finding ---- */

/* The service that the request is about; NULL with STATUS set. */
static struct item *find_service(struct request *req, enum wire_status *status)
{
	char id[SERVICE_ID_MAX + 1];
	struct item *item;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0) {
		*status = request_fail(req, r);
		return NULL;
	}
	if (frame_text(req->frame, "service", id, sizeof(id)) < 0 || !text_is_service_id(id)) {
		*status = request_refuse(req, WIRE_STATUS_USAGE, NULL,
					 "that is not the name of a service");
		return NULL;
	}
	item = item_find(req->m, ENGINE_PASSWORD, id);
	if (!item) {
		*status = request_refuse(req, WIRE_STATUS_REFUSED, NULL,
					 "there is no service %s", id);
		report_hint(
			&req->reply.report,
			"rotatectl service list; a new one is made by services.d/%s.conf and "
			"systemctl reload rotated",
			id);
	}
	return item;
}

/* ---- writing ---- */

static void write_version(struct json *j, const struct request *req, const struct item *item,
			  const struct engine_version *v)
{
	json_put_number(j, "version", v->version);
	json_put_string(j, "login", v->name);
	json_put_string(j, "state", engine_state_word(v->state));
	json_put_time(j, "issued", v->created);
	json_put_time(j, "active_since", v->active);
	json_put_time(j, "leaves", view_leaves(req->m, item, v));
	json_put_time(j, "destroyed", 0);
	json_put_null(j, "reason");
}

/* The keys of Service.List. */
static void write_service(struct json *j, const struct request *req, const struct item *item,
			  const struct view *view)
{
	const struct engine_version *active = engine_find_phase(&item->engine, ENGINE_CURRENT);
	const struct config_service *s = services_find(req->m, item->engine.id);

	json_put_string(j, "service", item->engine.id);
	json_put_string(j, "description", s ? s->description : "");
	json_put_bool(j, "configured", s != NULL);
	json_put_bool(j, "enabled", !item_is_disabled(req->m, &item->engine));
	if (active)
		json_put_number(j, "active_version", active->version);
	else
		json_put_null(j, "active_version");
	view_text(j, "login", active ? active->name : NULL);
	json_put_number(j, "live_versions", item->engine.count);
	json_put_time(j, "next_rotation", view_next_rotation(req->m, item));
	view_write_progress(j, item, view);
}

enum wire_status verb_service_list(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	json_put_object(&j, NULL);
	json_put_array(&j, "services");
	for (size_t i = 0; i < req->m->item_count; i++) {
		const struct item *item = req->m->items[i];
		struct view view;

		if (item->engine.kind != ENGINE_PASSWORD)
			continue;
		view_item(req->m, item, &view);
		json_put_object(&j, NULL);
		write_service(&j, req, item, &view);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* A service that no file names any more is not due by itself. */
static void write_schedule(struct json *j, const struct request *req, const struct item *item)
{
	static const struct config_schedule never = { .every = USEC_NEVER };
	const struct config_service *s = services_find(req->m, item->engine.id);

	view_schedule(j, s ? &s->password.schedule : &never);
}

enum wire_status verb_service_show(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	enum wire_status status;
	struct engine_policy policy;
	const struct item *item = find_service(req, &status);
	struct view view;

	if (!item)
		return status;
	view_item(req->m, item, &view);
	item->driver->policy(req->m, item, &policy);
	json_put_object(&j, NULL);
	write_service(&j, req, item, &view);
	json_put_string(&j, "login_style", policy.is_stable ? "stable" : "versioned");
	write_schedule(&j, req, item);
	view_span(&j, "overlap", policy.overlap);
	json_put_array(&j, "versions");
	for (uint32_t i = item->engine.count; i-- > 0;) {
		json_put_object(&j, NULL);
		write_version(&j, req, item, &item->engine.versions[i]);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

static void list_versions(struct json *j, const struct request *req, const struct item *item)
{
	for (uint32_t i = item->engine.count; i-- > 0;) {
		json_put_object(j, NULL);
		json_put_string(j, "service", item->engine.id);
		write_version(j, req, item, &item->engine.versions[i]);
		json_put_object_end(j);
	}
}

enum wire_status verb_credential_list(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	const struct item *only = NULL;
	enum wire_status status;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (frame_find(req->frame, "service")) {
		only = find_service(req, &status);
		if (!only)
			return status;
	}
	json_put_object(&j, NULL);
	json_put_array(&j, "credentials");
	for (size_t i = 0; i < req->m->item_count; i++)
		if (req->m->items[i]->engine.kind == ENGINE_PASSWORD &&
		    (!only || only == req->m->items[i]))
			list_versions(&j, req, req->m->items[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* ---- enabling and disabling ---- */

static enum wire_status set_enabled(struct request *req, bool is_enabled)
{
	struct engine_observation seen = {
		.event = is_enabled ? ENGINE_EVENT_ENABLE : ENGINE_EVENT_DISABLE,
	};
	const char *word = is_enabled ? "enabled" : "disabled";
	const struct config_service *s;
	enum wire_status status;
	struct item *item = find_service(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	s = services_find(req->m, item->engine.id);
	if (is_enabled && s && !s->enabled)
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "set enabled = yes there, then reload rotated",
				      "%s is disabled by %s", item->engine.id, s->file);
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r == -EALREADY)
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL, "%s is %s already",
				      item->engine.id, word);
	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "%s would be %s",
				      item->engine.id, word);
	c.event = is_enabled ? "service.enable" : "service.disable";
	c.actor = req->actor;
	r = change_commit(req->m, &c, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	schedule_settle(req->m, item);
	return request_refuse(req, WIRE_STATUS_OK, NULL, "%s is %s", item->engine.id, word);
}

enum wire_status verb_service_disable(struct request *req)
{
	return set_enabled(req, false);
}

enum wire_status verb_service_enable(struct request *req)
{
	return set_enabled(req, true);
}

/* ---- issuing ---- */

static enum wire_status refuse_full(struct request *req, const struct item *item)
{
	char hint[REPORT_TEXT_MAX];

	(void)snprintf(hint, sizeof(hint), "rotatectl credential revoke %s",
		       item->engine.versions[0].name); /* it fits */
	return request_refuse(req, WIRE_STATUS_REFUSED, hint,
			      "%s has %d living versions, and can not have more",
			      item->engine.id, ENGINE_VERSIONS_MAX);
}

/* Whether a new version may be made now, and by this verb. */
static enum wire_status check_issue(struct request *req, const struct item *item, bool is_first)
{
	const struct engine_version *active = engine_find_phase(&item->engine, ENGINE_CURRENT);
	char hint[REPORT_TEXT_MAX];
	int r = request_require(req, KEYSTORE_ISSUER);

	(void)snprintf(hint, sizeof(hint),
		       is_first ? "rotatectl credential rotate %s"
				: "rotatectl credential issue %s",
		       item->engine.id); /* it fits */
	if (r < 0)
		return request_fail(req, r);
	if (!item_is_configured(req->m, item))
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "write services.d/ID.conf, then reload rotated",
				      "no file names the service %s", item->engine.id);
	if (is_first && active)
		return request_refuse(req, WIRE_STATUS_REFUSED, hint,
				      "%s has an active credential, %s", item->engine.id,
				      active->name);
	if (!is_first && !active)
		return request_refuse(req, WIRE_STATUS_REFUSED, hint,
				      "%s has no active credential", item->engine.id);
	return WIRE_STATUS_OK;
}

static int stage(struct request *req, struct change *c, struct password_made *made)
{
	const struct engine_version *v = engine_find_phase(&c->next, ENGINE_COMING);
	struct engine_observation created = { .event = ENGINE_EVENT_CREATED,
					      .version = v->version };
	int r = password_make(req->m, v, made);

	if (r == 0)
		r = change_step(req->m, c, &created);
	if (r < 0)
		return report_set(&req->reply.report, r, "no password can be made: %s",
				  strerror(-r));
	c->made = &made->made;
	c->version = v->version;
	return change_commit(req->m, c, &req->reply.report);
}

static enum wire_status issue(struct request *req, bool is_first)
{
	struct engine_observation rotate = { .event = request_rotation(req) };
	struct password_made made = { 0 };
	const struct engine_version *v;
	enum wire_status status;
	struct item *item = find_service(req, &status);
	struct change c;
	int r;

	if (!item)
		return status;
	status = check_issue(req, item, is_first);
	if (status != WIRE_STATUS_OK)
		return status;
	change_init(&c, item);
	r = change_step(req->m, &c, &rotate);
	if (r == -ENOSPC)
		return refuse_full(req, item);
	if (r < 0)
		return request_fail(req, r);
	v = engine_find_phase(&c.next, ENGINE_COMING);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would issue %s", v->name);
	c.event = is_first ? "credential.issue"
		  : rotate.event == ENGINE_EVENT_COMPROMISED ? "credential.compromised"
							     : "credential.rotate";
	c.actor = req->actor;
	r = stage(req, &c, &made);
	if (r == 0) {
		frame_put_text(&req->reply.fields, "login", v->name);
		frame_put_number(&req->reply.fields, "version", v->version);
		frame_put(&req->reply.fields, "secret", secret_data(made.password),
			  secret_len(made.password));
	}
	secret_free(made.password);
	if (r < 0)
		return request_fail(req, r);
	schedule_settle(req->m, item);
	return WIRE_STATUS_OK;
}

enum wire_status verb_credential_issue(struct request *req)
{
	return issue(req, true);
}

enum wire_status verb_credential_rotate(struct request *req)
{
	return issue(req, false);
}

/* ---- confirming and revoking ---- */

static const struct handed_words words = {
	.noun = "credential",
	.name_key = "login",
	.left_none = "it can not log in any more",
};

enum wire_status verb_credential_confirm(struct request *req)
{
	enum wire_status status;
	struct item *item = find_service(req, &status);

	return item ? handed_confirm(req, item, &words) : status;
}

enum wire_status verb_credential_revoke(struct request *req)
{
	enum wire_status status;
	struct item *item = find_service(req, &status);
	uint32_t version = 0;

	if (!item)
		return status;
	if (frame_flag(req->frame, "all") == (frame_find(req->frame, "version") != NULL))
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "exactly one of a version and all");
	if (!frame_flag(req->frame, "all") && handed_version(req->frame, &version) < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is no version");
	return handed_revoke(req, item, version, &words);
}
