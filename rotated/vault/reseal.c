/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reseal.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/control.h"
#include "rotated/vault/store.h"

/* How long after a failure it is tried again: by then the disk may have room. */
#define RETRY_AFTER (60 * USEC_PER_SEC)

struct reseal {
	struct keystore_reseal pass;
	sd_event_source *next;
};

static void note(struct manager *m, const char *event, const char *actor, const char *why)
{
	const struct audit_event e = {
		.event = event, .actor = actor, .object = why, .outcome = "ok"
	};
	struct report report = { 0 };

	if (change_note(m, &e, &report) < 0) /* it is done; the log does not undo it */
		log_report(LOG_LEVEL_ERROR, &report);
}

static void finish(struct manager *m)
{
	struct report report = { 0 };

	alarm_clear(m, ALARM_RESEAL);
	if (index_commit(m->index, keystore_txid(m->keystore), &report) < 0)
		alarm_raise(m, ALARM_INDEX, &report);
	note(m, "store.resealed", "rotated", NULL);
	log_notice("the keystore is encrypted anew, the old keys are destroyed%s",
		   m->reseal->pass.is_compact ? "" : "; no room for a copy without old pages");
	reseal_pause(m);
}

/* A backup shows pages that a copy would leave behind: reseal_wake() comes when it has ended.
 */
static bool is_kept_waiting(struct manager *m, int r)
{
	if (r != -EBUSY || !verb_backup_maker(m))
		return false;
	log_notice("encrypting anew waits for the end of the backup by %s",
		   verb_backup_maker(m));
	return true;
}

static int on_next(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;
	struct report report = { 0 };
	uint64_t wait = 0;
	int r = keystore_reseal_step(m->keystore, &m->reseal->pass, &report);

	(void)usec;
	if (r == 0) {
		finish(m);
		return 0;
	}
	if (is_kept_waiting(m, r)) {
		alarm_clear(m, ALARM_RESEAL);
		return 0; /* the source is off after it has fired */
	}
	if (r < 0) {
		if (!m->alarms[ALARM_RESEAL].what[0])
			log_report(LOG_LEVEL_ERROR, &report);
		alarm_raise(m, ALARM_RESEAL, &report);
		wait = RETRY_AFTER;
	} else {
		alarm_clear(m, ALARM_RESEAL);
	}
	r = sd_event_source_set_time_relative(source, wait);
	if (r >= 0)
		r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("encrypting anew stops until the next unseal: %s", strerror(-r));
	return 0;
}

void reseal_wake(struct manager *m)
{
	int r;

	if (!m->reseal)
		return;
	r = sd_event_source_set_time_relative(m->reseal->next, 0);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->reseal->next, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("encrypting anew stops until the next unseal: %s", strerror(-r));
}

void reseal_resume(struct manager *m)
{
	int r;

	if (m->reseal || !store_is_open(m, KEYSTORE_BOTH) ||
	    !keystore_is_resealing(m->keystore))
		return;
	m->reseal = calloc(1, sizeof(*m->reseal));
	r = m->reseal ? sd_event_add_time_relative(m->event, &m->reseal->next, CLOCK_MONOTONIC,
						   0, 0, on_next, m)
		      : -ENOMEM;
	if (r >= 0) /* logins, operators and due steps first */
		r = sd_event_source_set_priority(m->reseal->next, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		return;
	log_error("encrypting anew can not go on: %s", strerror(-r));
	reseal_pause(m);
}

void reseal_pause(struct manager *m)
{
	if (!m->reseal)
		return;
	alarm_clear(m, ALARM_RESEAL);
	sd_event_source_disable_unref(m->reseal->next);
	free(steal_ptr(m->reseal));
}

static uint64_t total(const struct manager *m)
{
	return keystore_count(m->keystore) + keystore_tombstones(m->keystore);
}

/* Records come and go meanwhile. */
static uint64_t seen(const struct manager *m)
{
	uint64_t n = m->reseal ? m->reseal->pass.seen : 0;

	return n < total(m) ? n : total(m);
}

void reseal_write(const struct manager *m, struct json *j)
{
	if (!store_is_open(m, KEYSTORE_AUTH) || !keystore_is_resealing(m->keystore)) {
		json_put_null(j, "reseal");
		return;
	}
	json_put_object(j, "reseal");
	json_put_number(j, "done", seen(m));
	json_put_number(j, "total", total(m));
	json_put_bool(j, "waits", !m->reseal);
	json_put_object_end(j);
}

int reseal_start(struct manager *m, const char *actor, const char *why, struct report *report)
{
	int r = keystore_reseal_begin(m->keystore, report);

	if (r < 0)
		return r;
	note(m, "store.reseal", actor, why);
	reseal_resume(m);
	return 0;
}

/* ---- Store.Reseal ---- */

enum wire_status verb_store_reseal(struct request *req)
{
	struct manager *m = req->m;
	int r = request_require(req, KEYSTORE_BOTH);

	if (r < 0)
		return request_fail(req, r);
	if (keystore_is_resealing(m->keystore))
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl status",
				      "it is under way: %" PRIu64 " of %" PRIu64 " records",
				      seen(m), total(m));
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "would encrypt %" PRIu64
				      " records anew and destroy the keys they have now",
				      total(m));
	r = reseal_start(m, req->actor, NULL, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      "%" PRIu64 " records are being encrypted anew: rotatectl status",
			      total(m));
}
