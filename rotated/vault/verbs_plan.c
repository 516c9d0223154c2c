/* SPDX-License-Identifier: BSD-2-Clause */
/* Plan.Get: what the engine is going to do, soonest first. */
#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/plan.h"
#include "rotated/vault/view.h"

static void write_plan(struct json *j, const struct plan *p)
{
	json_put_object(j, NULL);
	json_put_time(j, "at", p->at);
	json_put_string(j, "kind", engine_kind_word(p->item->engine.kind));
	json_put_string(j, "id", p->item->engine.id);
	if (p->version)
		json_put_number(j, "version", p->version->version);
	else
		json_put_null(j, "version");
	view_text(j, "name", p->version ? p->version->name : NULL);
	json_put_string(j, "action", p->action);
	json_put_string(j, "why", p->why);
	json_put_bool(j, "needs_issuer", p->needs_issuer);
	json_put_object_end(j);
}

enum wire_status verb_plan_get(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	cleanup_free struct plan *plans = NULL;
	size_t n = 0;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r == 0)
		r = plan_make(req->m, &plans, &n);
	if (r < 0)
		return request_fail(req, r);
	json_put_object(&j, NULL);
	json_put_time(&j, "time", manager_now(req->m).wall);
	json_put_array(&j, "actions");
	for (size_t i = 0; i < n; i++)
		write_plan(&j, &plans[i]);
	json_put_array_end(&j);
	plan_write_waiting(req->m, &j, "issuer_waits");
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}
