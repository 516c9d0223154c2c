/* SPDX-License-Identifier: BSD-2-Clause */
/* Upstream.Test: a real login with a secret that we have, now. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/upstream.h"

/* Somebody waits for it, unless PEER is NULL. */
struct trial {
	struct trial *next;
	struct manager *m;
	struct peer *peer;
	char id[SERVICE_ID_MAX + 1];
	char name[ENGINE_NAME_SIZE];
	uint32_t version;
};

static struct trial *trials;

static void trial_free(struct trial *t)
{
	struct trial **at = &trials;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

void verb_upstream_forget(struct peer *peer)
{
	for (struct trial *t = trials; t; t = t->next)
		if (t->peer == peer)
			t->peer = NULL;
}

static enum wire_status write_trial(const struct trial *t, enum engine_outcome outcome,
				    const char *detail, struct reply *reply)
{
	struct json j = JSON_INIT(&reply->json);

	json_put_object(&j, NULL);
	json_put_string(&j, "upstream", t->id);
	json_put_number(&j, "version", t->version);
	json_put_string(&j, "name", t->name);
	json_put_string(&j, "result", engine_outcome_word(outcome));
	if (detail[0])
		json_put_string(&j, "detail", detail);
	else
		json_put_null(&j, "detail");
	json_put_object_end(&j);
	if (outcome == ENGINE_OUTCOME_ACCEPTED)
		return WIRE_STATUS_OK;
	report_set(&reply->report, 0, "%s: %s%s%s", t->name, engine_outcome_meaning(outcome),
		   detail[0] ? ": " : "", detail);
	if (outcome == ENGINE_OUTCOME_REJECTED) {
		report_hint(&reply->report, "rotatectl upstream rotate %s", t->id);
		return WIRE_STATUS_REFUSED;
	}
	report_hint(&reply->report, "rotatectl upstream show %s", t->id);
	return engine_outcome_effect(outcome) == ENGINE_EFFECT_GIVE_UP ? WIRE_STATUS_REFUSED
								       : WIRE_STATUS_AGAIN;
}

static void on_tried(void *context, const struct worker_result *result)
{
	struct trial *t = context;
	cleanup_reply struct reply reply = { 0 };
	enum engine_outcome outcome =
		result ? upstream_test_outcome(t->m, t->id, result->outcome)
		       : ENGINE_OUTCOME_LOST;

	if (t->peer) {
		enum wire_status status =
			write_trial(t, outcome, result ? result->detail : "", &reply);

		reply_send(t->peer, status, &reply);
		peer_set_busy(t->peer, false);
	}
	trial_free(t);
}

enum wire_status verb_upstream_test(struct request *req)
{
	enum wire_status status;
	const struct item *item = request_find_upstream(req, &status);
	const struct engine_version *v;
	struct trial *t;
	int r;

	if (!item)
		return status;
	v = request_find_upstream_version(req, item, &status);
	if (!v)
		return status;
	r = request_require(req, KEYSTORE_ISSUER);
	if (r < 0)
		return request_fail(req, r);
	if (!worker_is_connected(req->m->worker))
		return request_refuse(req, WIRE_STATUS_AGAIN, "systemctl start rotated-worker",
				      "rotated-worker is not connected: nobody can ask");
	if (v->state == ENGINE_PLANNED)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl status",
				      "%s has no secret yet", v->name);
	t = calloc(1, sizeof(*t));
	if (!t)
		return request_fail(req, -ENOMEM);
	*t = (struct trial){ trials, req->m, req->peer, "", "", v->version };
	memcpy(t->id, item->engine.id, strlen(item->engine.id) + 1);
	memcpy(t->name, v->name, sizeof(t->name));
	trials = t;
	r = upstream_begin_test(req->m, &item->engine, v->version, on_tried, t);
	if (r == 0)
		return CONTROL_LATER;
	trial_free(t);
	return request_fail(req, r);
}
