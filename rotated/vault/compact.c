/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/compact.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "keystore/compact.h"
#include "rotated/vault/control.h"
#include "rotated/vault/idle.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

struct compact {
	char actor[CHANGE_ACTOR_SIZE];
	uint64_t before; /* bytes of the file */
	sd_event_source *next;
	bool waits; /* for the end of a backup */
};

static void note(struct manager *m, const char *actor, const char *outcome)
{
	const struct audit_event e = { .event = "store.compacted",
				       .actor = actor,
				       .outcome = outcome };
	struct report report = { 0 };

	if (change_note(m, &e, &report) < 0) /* it is done; the log does not undo it */
		log_report(LOG_LEVEL_ERROR, &report);
}

static void drop(struct manager *m)
{
	struct compact *c = steal_ptr(m->compact);

	sd_event_source_disable_unref(c->next);
	free(c);
}

void compact_stop(struct manager *m, const char *why)
{
	if (!m->compact)
		return;
	keystore_compact_abort(m->keystore);
	log_notice("the compact copy for %s was given up: %s", m->compact->actor, why);
	note(m, m->compact->actor, why);
	drop(m);
}

static void finish(struct manager *m)
{
	const struct compact *c = m->compact;
	struct keystore_usage usage = { 0 };

	if (keystore_usage(m->keystore, &usage) == 0)
		log_notice("the store was made compact for %s: %" PRIu64 " KiB, before %" PRIu64
			   " KiB",
			   c->actor, usage.bytes / 1024, c->before / 1024);
	note(m, c->actor, "ok");
	drop(m);
}

/* The store is as it was: whoever asked reads why in status. */
static void fail(struct manager *m, struct report *report)
{
	if (!report->hint[0])
		report_hint(report, "rotatectl store compact");
	log_report(LOG_LEVEL_ERROR, report);
	alarm_raise(m, ALARM_COMPACT, report);
	note(m, m->compact->actor, "failed");
	drop(m);
}

static int on_next(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;
	struct report report = { 0 };
	int r = keystore_compact_step(m->keystore, &report);

	(void)usec;
	m->compact->waits = r == -EBUSY && verb_backup_maker(m);
	if (m->compact->waits)
		return 0; /* the source is off after it has fired */
	if (r > 0)
		r = idle_again(source) < 0 ? -EIO : 1;
	if (r == 0)
		finish(m);
	else if (r < 0)
		fail(m, &report);
	return 0;
}

void compact_wake(struct manager *m)
{
	if (m->compact && m->compact->waits && idle_again(m->compact->next) < 0)
		compact_stop(m, "it can not go on");
}

/* ---- status ---- */

static uint64_t total(const struct manager *m)
{
	return keystore_count(m->keystore) + keystore_tombstones(m->keystore);
}

static uint64_t done(const struct manager *m)
{
	uint64_t n = keystore_compact_done(m->keystore);

	return n < total(m) ? n : total(m);
}

void compact_write(const struct manager *m, struct json *j)
{
	if (!m->compact) {
		json_put_null(j, "compact");
		return;
	}
	json_put_object(j, "compact");
	json_put_number(j, "done", done(m));
	json_put_number(j, "total", total(m));
	json_put_bool(j, "waits", m->compact->waits);
	view_text(j, "waits_for", m->compact->waits ? "backup" : NULL);
	json_put_object_end(j);
}

/* ---- Store.Compact ---- */

static enum wire_status check_others(struct request *req)
{
	const struct manager *m = req->m;

	if (m->compact)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl status",
				      "it is under way: %" PRIu64 " of %" PRIu64 " records",
				      done(m), total(m));
	if (keystore_is_resealing(m->keystore))
		return request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl status",
				      "the keystore is being encrypted anew, which ends with a "
				      "compact copy of it");
	if (verb_backup_maker(m))
		return request_refuse(
			req, WIRE_STATUS_AGAIN, "rotatectl store compact",
			"a backup by %s is under way: what it reads can not be put away before "
			"it ends",
			verb_backup_maker(m));
	return WIRE_STATUS_OK;
}

static int start(struct request *req, uint64_t before)
{
	struct manager *m = req->m;
	struct compact *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(c->actor, req->actor, sizeof(c->actor));
	c->before = before;
	r = idle_begin(m->event, on_next, m, &c->next);
	if (r < 0) {
		free(c);
		return r;
	}
	m->compact = c;
	alarm_clear(m, ALARM_COMPACT);
	request_note(req, "store.compact", NULL);
	return 0;
}

enum wire_status verb_store_compact(struct request *req)
{
	struct manager *m = req->m;
	int r = store_require_change(m, KEYSTORE_AUTH, &req->reply.report);
	enum wire_status status = r < 0 ? request_fail(req, r) : check_others(req);
	struct keystore_usage usage;

	if (status != WIRE_STATUS_OK)
		return status;
	r = keystore_usage(m->keystore, &usage);
	if (r == 0 && !req->is_dry_run)
		r = start(req, usage.bytes);
	if (r < 0)
		return request_fail(req, r);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      req->is_dry_run
				      ? "would copy %" PRIu64 " records; of %" PRIu64
					" KiB %" PRIu64 " KiB hold something"
				      : "%" PRIu64 " records are being copied; of %" PRIu64
					" KiB %" PRIu64 " KiB hold something: rotatectl status",
			      total(m), usage.bytes / 1024, usage.used / 1024);
}
