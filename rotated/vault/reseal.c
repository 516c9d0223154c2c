/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reseal.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/compact.h"
#include "rotated/vault/control.h"
#include "rotated/vault/door.h"
#include "rotated/vault/reseal_due.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

/* How long after a failure it is tried again: by then the disk may have room. */
#define RETRY_AFTER (60 * USEC_PER_SEC)

/* How often it is looked whether the door has the new keys, or is there at all; it says so by
 * itself, too. */
#define DOOR_LOOK (USEC_PER_SEC / 2)

/* A door that is connected and does not say it, for so long, is hung, or of a version that can
 * not. */
#define DOOR_PATIENCE (60 * USEC_PER_SEC)

#define GAP (3600 * USEC_PER_SEC)

struct reseal {
	struct keystore_reseal pass;
	sd_event_source *next; /* the step to come; NULL: none is under way, or it waits */
	sd_event_source *look; /* whether one is due */
	uint64_t last;	       /* CLOCK_BOOTTIME: when one ended, or we began */
	bool is_wanted;	       /* one more, when this one has ended */
	bool waits_for_door;
	uint64_t waits_since; /* CLOCK_BOOTTIME */
};

static void look(struct manager *m);

static void note(struct manager *m, const char *event, const char *actor, const char *why)
{
	const struct audit_event e = {
		.event = event, .actor = actor, .object = why, .outcome = "ok"
	};
	struct report report = { 0 };

	if (change_note(m, &e, &report) < 0) /* it is done; the log does not undo it */
		log_report(LOG_LEVEL_ERROR, &report);
}

/* ---- steps ---- */

static void stop(struct reseal *r)
{
	r->next = sd_event_source_disable_unref(r->next);
	r->pass = (struct keystore_reseal){ 0 };
	r->waits_for_door = false;
}

static void finish(struct manager *m)
{
	struct report report = { 0 };

	alarm_clear(m, ALARM_RESEAL);
	door_push_keys(m); /* those of before open nothing any more */
	if (index_commit(m->index, keystore_txid(m->keystore), &report) < 0)
		alarm_raise(m, ALARM_INDEX, &report);
	note(m, "store.resealed", "rotated", NULL);
	log_notice("the keystore is encrypted anew, the old keys are destroyed%s",
		   m->reseal->pass.is_compact ? "" : "; no room for a copy without old pages");
	stop(m->reseal);
	m->reseal->last = manager_now(m).boot;
	look(m);
}

/* Tests that renew the keys every second wait for nothing as long as everybody else does. */
static bool is_hurried(const struct manager *m)
{
	return m->config->engine.allow_short_waits && m->config->keystore.reseal_every < GAP;
}

/* Old keys are not kept for a door that does not speak. */
static void go_on_without_door(struct manager *m)
{
	struct report report = { 0 };

	(void)report_set(&report, -ETIMEDOUT,
			 "rotated-auth does not say that it has the new keys of the verifier "
			 "index; the keystore was encrypted anew without waiting for it");
	report_hint(&report, "systemctl restart rotated-auth");
	if (!m->alarms[ALARM_DOOR].what[0])
		log_report(LOG_LEVEL_WARNING, &report);
	alarm_raise(m, ALARM_DOOR, &report);
}

/* To change the index under a door that can not read it would put logins off. */
static bool is_door_waited_for(struct manager *m)
{
	struct reseal *s = m->reseal;
	uint64_t patience = is_hurried(m) ? m->config->keystore.reseal_every : DOOR_PATIENCE;
	uint64_t now = manager_now(m).boot;
	struct door_state door;

	if (door_can_read(m, keystore_verifier_next(m->keystore)))
		return false;
	if (!s->waits_for_door)
		s->waits_since = now;
	if (now - s->waits_since < patience)
		return true;
	door_state(m->door, &door);
	if (door.is_connected)
		go_on_without_door(m);
	return false;
}

/* All but the index is under new keys. 1 when that is too; 0 when the door is waited for. */
static int renew_index(struct manager *m, struct report *report)
{
	int r;

	m->reseal->waits_for_door = is_door_waited_for(m);
	if (m->reseal->waits_for_door)
		return 0;
	r = store_renew_index(m, report);
	if (r < 0)
		return r;
	door_push_keys(m); /* with those that it needs now in front */
	m->reseal->pass.has_index = false;
	return 1;
}

static void trouble(struct manager *m, const struct report *report)
{
	if (!m->alarms[ALARM_RESEAL].what[0])
		log_report(LOG_LEVEL_ERROR, report);
	alarm_raise(m, ALARM_RESEAL, report);
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
	if (r == KEYSTORE_RESEAL_INDEX) {
		r = renew_index(m, &report);
		wait = r == 0 ? DOOR_LOOK : 0;
	}
	if (r < 0) {
		trouble(m, &report);
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

	if (!m->reseal || !m->reseal->next)
		return;
	r = sd_event_source_set_time_relative(m->reseal->next, 0);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->reseal->next, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("encrypting anew stops until the next unseal: %s", strerror(-r));
}

void reseal_go_on(struct manager *m)
{
	if (m->keystore && store_is_open(m, KEYSTORE_AUTH) &&
	    door_can_read(m, keystore_verifier_keys(m->keystore)))
		alarm_clear(m, ALARM_DOOR);
	/* it may be in the middle of a retry, which this does not shorten */
	if (m->reseal && m->reseal->next && m->reseal->waits_for_door &&
	    sd_event_source_set_time_relative(m->reseal->next, 0) < 0)
		log_debug("encrypting anew goes on a little later");
}

static void go(struct manager *m)
{
	struct reseal *s = m->reseal;
	int r;

	s->pass = (struct keystore_reseal){ .has_index = true };
	door_push_keys(m); /* it has to know those to come before the index has them */
	r = sd_event_add_time_relative(m->event, &s->next, CLOCK_MONOTONIC, 0, 0, on_next, m);
	if (r >= 0) /* logins, operators and due steps first */
		r = sd_event_source_set_priority(s->next, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		return;
	log_error("encrypting anew can not go on: %s", strerror(-r));
	stop(s);
}

/* ---- the schedule ---- */

static void when(const struct manager *m, struct reseal_due *ret)
{
	struct moment now = manager_now(m);
	uint64_t every = m->config->keystore.reseal_every;
	const struct reseal_facts facts = {
		.created = keystore_epoch_created(m->keystore),
		.seals = keystore_epoch_seals(m->keystore),
		.every = every,
		.gap = is_hurried(m) ? every : GAP,
		.last = m->reseal->last,
	};

	reseal_due(&facts, &now, ret);
}

static void sleep_for(struct manager *m, uint64_t wait)
{
	int r = sd_event_source_set_time_relative(m->reseal->look, wait);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->reseal->look, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("the keys are not renewed by themselves any more: %s", strerror(-r));
}

static void begin(struct manager *m, const char *why)
{
	struct report report = { 0 };

	if (reseal_start(m, "rotated", why, &report) < 0) {
		trouble(m, &report);
		sleep_for(m, RETRY_AFTER);
	}
}

/* Begins one if it is due, or sees to it that it is looked again. */
static void look(struct manager *m)
{
	struct reseal_due due;

	if (!store_is_open(m, KEYSTORE_AUTH) || keystore_is_resealing(m->keystore))
		return;
	when(m, &due);
	if (m->reseal->is_wanted)
		due = (struct reseal_due){ .is_due = true, .why = "slot-removed" };
	if (!due.is_due || due.wait > 0)
		sleep_for(m, due.wait > USEC_PER_SEC ? due.wait : USEC_PER_SEC);
	else if (store_is_open(m, KEYSTORE_BOTH) &&
		 keystore_health(m->keystore, NULL) == KEYSTORE_HEALTHY)
		begin(m, due.why);
	else /* an unseal brings us here at once, and what else it waits for within the hour */
		sleep_for(m, GAP);
}

static int on_look(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	look(context);
	return 0;
}

/* ---- life ---- */

int reseal_new(struct manager *m, struct reseal **ret)
{
	struct reseal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->last = manager_now(m).boot;
	r = sd_event_add_time(m->event, &s->look, CLOCK_BOOTTIME, 0, 0, on_look, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->look, SD_EVENT_OFF);
	if (r < 0) {
		reseal_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void reseal_free(struct reseal *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->next);
	sd_event_source_disable_unref(s->look);
	free(s);
}

void reseal_resume(struct manager *m)
{
	if (!m->reseal || m->reseal->next || !store_is_open(m, KEYSTORE_AUTH))
		return;
	if (!keystore_is_resealing(m->keystore))
		look(m);
	else if (store_is_open(m, KEYSTORE_BOTH))
		go(m);
}

void reseal_pause(struct manager *m)
{
	if (!m->reseal || !m->reseal->next)
		return;
	alarm_clear(m, ALARM_RESEAL);
	stop(m->reseal);
}

int reseal_start(struct manager *m, const char *actor, const char *why, struct report *report)
{
	int r = keystore_reseal_begin(m->keystore, report);

	if (r < 0)
		return r;
	m->reseal->is_wanted = false;
	compact_stop(m, "given up: encrypting anew makes one");
	note(m, "store.reseal", actor, why);
	reseal_resume(m);
	return 0;
}

int reseal_after_removal(struct manager *m, const char *actor, const char *label,
			 struct report *report)
{
	if (!keystore_is_resealing(m->keystore))
		return reseal_start(m, actor, label, report);
	/* the slot opened a keyring that has the keys of the one under way */
	m->reseal->is_wanted = true;
	return 0;
}

/* ---- status ---- */

static uint64_t total(const struct manager *m)
{
	return keystore_count(m->keystore) + keystore_tombstones(m->keystore);
}

/* Records come and go meanwhile. */
static uint64_t seen(const struct manager *m)
{
	uint64_t n = m->reseal->pass.seen;

	return n < total(m) ? n : total(m);
}

static const char *waits_for(const struct manager *m)
{
	if (!store_is_open(m, KEYSTORE_ISSUER))
		return "issuer";
	return m->reseal->waits_for_door ? "door" : NULL;
}

static void write_progress(const struct manager *m, struct json *j)
{
	json_put_object(j, "reseal");
	json_put_number(j, "done", seen(m));
	json_put_number(j, "total", total(m));
	json_put_bool(j, "waits", waits_for(m) != NULL);
	view_text(j, "waits_for", waits_for(m));
	json_put_object_end(j);
}

void reseal_write(const struct manager *m, struct json *j)
{
	struct reseal_due due = { .is_due = false };

	if (store_is_open(m, KEYSTORE_AUTH) && keystore_is_resealing(m->keystore)) {
		write_progress(m, j);
	} else {
		json_put_null(j, "reseal");
		if (store_is_open(m, KEYSTORE_AUTH))
			when(m, &due);
	}
	json_put_time(j, "reseal_at", due.at);
	json_put_bool(j, "reseal_due", due.is_due);
}

bool reseal_is_late(const struct manager *m, struct report *report)
{
	char at[CLOCK_TEXT_SIZE];
	struct reseal_due due;

	if (!store_is_open(m, KEYSTORE_AUTH) || keystore_is_resealing(m->keystore))
		return false;
	when(m, &due);
	if (!due.is_late)
		return false;
	clock_format(due.at, at);
	if (store_is_open(m, KEYSTORE_ISSUER)) {
		(void)report_set(report, -ETIME, "the keys should have been renewed at %s", at);
		report_hint(report, "rotatectl store reseal");
	} else {
		(void)report_set(
			report, -ETIME,
			"the keys should have been renewed at %s, and the ISSUER tier is "
			"sealed",
			at);
		report_hint(report, "rotatectl unseal");
	}
	return true;
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
