/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/handed.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/view.h"

/* "credential.confirm"; lives as long as RET. */
enum { EVENT_SIZE = 64 };

static const char *name_event(const struct handed_words *words, const char *verb,
			      char ret[static EVENT_SIZE])
{
	(void)snprintf(ret, EVENT_SIZE, "%s.%s", words->noun, verb); /* it fits */
	return ret;
}

static void hint_list(const struct handed_words *words, const struct item *item,
		      struct report *report)
{
	report_hint(report, "rotatectl %s list %s", words->noun, item->engine.id);
}

int handed_version(const struct frame *f, uint32_t *ret)
{
	uint64_t v;
	int r = frame_number(f, "version", &v);

	if (r < 0)
		return r;
	if (v == 0 || v > UINT32_MAX)
		return -EBADMSG;
	*ret = (uint32_t)v;
	return 0;
}

/* ---- confirming ---- */

static void write_confirmed(struct request *req, const struct item *item, uint32_t version,
			    uint32_t replaced, const char *name_key)
{
	const struct engine_version *v = engine_find(&item->engine, version);
	const struct engine_version *old = engine_find(&item->engine, replaced);
	struct json j = JSON_INIT(&req->reply.json);

	json_put_object(&j, NULL);
	json_put_string(&j, "service", item->engine.id);
	json_put_number(&j, "version", v->version);
	json_put_string(&j, name_key, v->name);
	json_put_time(&j, "active_since", v->active);
	if (old) {
		json_put_object(&j, "retiring");
		json_put_number(&j, "version", old->version);
		json_put_string(&j, name_key, old->name);
		json_put_time(&j, "leaves", view_leaves(req->m, item, old));
		json_put_object_end(&j);
	} else {
		json_put_null(&j, "retiring");
	}
	json_put_object_end(&j);
}

enum wire_status handed_confirm(struct request *req, struct item *item,
				const struct handed_words *words)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_CONFIRM };
	const struct engine_version *old;
	char event[EVENT_SIZE];
	uint32_t replaced;
	struct change c;
	int r;

	if (handed_version(req->frame, &seen.version) < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is no version");
	old = engine_find_phase(&item->engine, ENGINE_CURRENT);
	replaced = old ? old->version : 0;
	change_init(&c, item);
	r = change_step(req->m, &c, &seen);
	if (r == -EALREADY)
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL,
				      "version %u of %s is active already", seen.version,
				      item->engine.id);
	if (r < 0) {
		report_set(&req->reply.report, r,
			   "%s has no version %u that waits to be confirmed", item->engine.id,
			   seen.version);
		hint_list(words, item, &req->reply.report);
		return WIRE_STATUS_REFUSED;
	}
	c.event = name_event(words, "confirm", event);
	c.actor = req->actor;
	c.version = seen.version;
	r = change_commit(req->m, &c, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	write_confirmed(req, item, seen.version, replaced, words->name_key);
	schedule_settle(req->m, item);
	return WIRE_STATUS_OK;
}

/* ---- revoking ---- */

/* VERSION, or with 0 all that ITEM has. */
static int gather_revocations(const struct request *req, struct change *c, uint32_t version)
{
	const struct engine_item was = c->next;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < was.count; i++) {
		struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE,
						   .version = was.versions[i].version };

		if (version == 0 || version == seen.version)
			r = change_step(req->m, c, &seen);
	}
	c->actor = req->actor;
	c->version = was.count == 1 ? was.versions[0].version : version;
	return r;
}

static void write_names(struct json *j, const char *key, const struct engine_item *item,
			const struct engine_item *without)
{
	json_put_array(j, key);
	for (uint32_t i = 0; i < item->count; i++)
		if (!without || !engine_find(without, item->versions[i].version))
			json_put_string(j, NULL, item->versions[i].name);
	json_put_array_end(j);
}

static void write_revoked(struct request *req, const struct engine_item *was,
			  const struct engine_item *is, const struct handed_words *words)
{
	struct json j = JSON_INIT(&req->reply.json);

	json_put_object(&j, NULL);
	json_put_string(&j, "service", was->id);
	write_names(&j, "revoked", was, is);
	write_names(&j, "left", is, NULL);
	json_put_object_end(&j);
	if (engine_find_phase(is, ENGINE_CURRENT))
		return;
	report_set(&req->reply.report, 0, "%s has no active %s%s%s", was->id, words->noun,
		   is->count == 0 ? ": " : "", is->count == 0 ? words->left_none : "");
	report_hint(&req->reply.report, "rotatectl %s issue %s", words->noun, was->id);
}

enum wire_status handed_revoke(struct request *req, struct item *item, uint32_t version,
			       const struct handed_words *words)
{
	const struct engine_item was = item->engine;
	char event[EVENT_SIZE];
	struct change c;
	int r;

	if (version ? !engine_find(&was, version) : was.count == 0) {
		report_set(&req->reply.report, 0, "%s has no such living version", was.id);
		hint_list(words, item, &req->reply.report);
		return WIRE_STATUS_NOTHING;
	}
	change_init(&c, item);
	r = gather_revocations(req, &c, version);
	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "would revoke %u of %u versions of %s",
				      version ? 1 : was.count, was.count, was.id);
	c.event = name_event(words, "revoke", event);
	r = change_commit(req->m, &c, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	write_revoked(req, &was, &item->engine, words);
	schedule_settle(req->m, item);
	return WIRE_STATUS_OK;
}
