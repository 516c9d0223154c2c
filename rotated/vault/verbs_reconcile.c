/* SPDX-License-Identifier: BSD-2-Clause */
/* Store.Accept and Store.Reconcile: going on with a keystore that was put back. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/control.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

static void write_plan(const struct request *req, const struct reconcile_plan *p,
		       struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_put_object(&j, NULL);
	json_put_bool(&j, "dry_run", req->is_dry_run);
	reconcile_write_plan(p, &j);
	json_put_object_end(&j);
}

static void note(struct request *req)
{
	const struct audit_event e = { .event = "store.accept-rollback",
				       .actor = req->actor,
				       .outcome = "ok" };
	struct report report = { 0 };

	if (change_note(req->m, &e, &report) < 0)
		log_report(LOG_LEVEL_ERROR, &report);
}

/* New keys for everything, so that what was put back opens nothing made from now on. */
static void renew_keys(struct request *req)
{
	struct report report = { 0 };
	int r = keystore_reseal_begin(req->m->keystore, &report);

	if (r == 0 || r == -EALREADY) {
		reseal_resume(req->m);
		return;
	}
	log_report(LOG_LEVEL_ERROR, &report);
	report_set(&req->reply.report, r, "accepted, but the keys are those of before: %s",
		   report.what);
	report_hint(&req->reply.report, "rotatectl store reseal");
}

static enum wire_status go_on(struct request *req, const struct reconcile_plan *p)
{
	int r;

	write_plan(req, p, &req->reply.json);
	if (req->is_dry_run)
		return WIRE_STATUS_OK;
	note(req);
	r = reconcile_accept(req->m, p, &req->reply.report);
	if (r < 0) {
		buf_release(&req->reply.json);
		req->reply.json = BUF_INIT;
		return request_fail(req, r);
	}
	log_notice("%s accepted that the keystore was rolled back: rotatectl store reconcile",
		   req->actor);
	renew_keys(req);
	schedule_settle_all(req->m);
	return WIRE_STATUS_OK;
}

enum wire_status verb_store_accept(struct request *req)
{
	struct manager *m = req->m;
	struct reconcile_plan *p;
	enum wire_status status;
	int r = request_require(req, KEYSTORE_BOTH);

	if (r < 0)
		return request_fail(req, r);
	if (keystore_health(m->keystore, NULL) == KEYSTORE_HEALTHY)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl store verify",
				      "the keystore was not rolled back");
	r = reconcile_plan_new(m, &p, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	status = go_on(req, p);
	reconcile_plan_free(p);
	return status;
}

enum wire_status verb_store_reconcile(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	char name[RECONCILE_NAME_SIZE];
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	r = frame_text(req->frame, "entry", name, sizeof(name));
	if (r == -ENOENT) {
		json_put_object(&j, NULL);
		reconcile_write(req->m, &j);
		json_put_object_end(&j);
		return WIRE_STATUS_OK;
	}
	if (r < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is no entry");
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would tick off %s", name);
	r = reconcile_tick(req->m, name, req->actor, &req->reply.report);
	return r < 0 ? request_fail(req, r)
		     : request_refuse(req, WIRE_STATUS_OK, NULL, "%s is ticked off, %zu left",
				      name, reconcile_count(req->m));
}
