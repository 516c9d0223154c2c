/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store.Backup and Store.Restore: the whole keystore out and in, a piece at a time, each asked
 * for or handed over by the other side, so that a slow one only slows itself and everything
 * else goes on. One at a time, and for as long as its connection. What is left to do when all
 * of it has arrived is done in steps whenever nothing else is to be done.
 */
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "keystore/restore.h"
#include "rotated/vault/compact.h"
#include "rotated/vault/control.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/store.h"
#include "rotated/vault/unlock.h"

enum { PIECE_LEN = 60000 }; /* a frame has room for it, and for its field */

/* Nothing asked for or handed over for so long: it is given up. */
#define IDLE (10 * 60 * USEC_PER_SEC)

/* The connection outlives that a little, so that its next request hears why. */
#define PEER_IDLE (2 * IDLE)

/* The pages that a backup shows can not be used again before it ends. */
#define LONG (60 * 60 * USEC_PER_SEC)

struct transfer {
	struct manager *m;
	struct peer *peer;
	char actor[CHANGE_ACTOR_SIZE];
	uint64_t begun; /* CLOCK_MONOTONIC */
	sd_event_source *idle;

	/* one of these three */
	struct keystore_backup *backup;
	struct keystore_backup_reader *verify;
	struct keystore_restore *restore;
	struct secret *recovery; /* of a restore: it opens the new keystore at the end */
	sd_event_source *next;	 /* of a restore: all of it has arrived, and this goes on */
};

static void note(struct manager *m, const char *event, const char *actor, const char *outcome)
{
	const struct audit_event e = { .event = event, .actor = actor, .outcome = outcome };
	struct report report = { 0 };

	if (!m->audit)
		log_notice("%s by %s: %s", event, actor, outcome);
	else if (change_note(m, &e, &report) < 0) /* it changes nothing about what was done */
		log_report(LOG_LEVEL_ERROR, &report);
}

static void transfer_end(struct manager *m)
{
	struct transfer *t = steal_ptr(m->transfer);

	if (!t)
		return;
	alarm_clear(m, ALARM_BACKUP);
	peer_set_idle(t->peer, 0);
	sd_event_source_disable_unref(t->idle);
	sd_event_source_disable_unref(t->next);
	keystore_backup_free(t->backup);
	keystore_backup_reader_free(t->verify);
	keystore_restore_free(t->restore);
	secret_free(t->recovery);
	free(t);
	reseal_wake(m);
	compact_wake(m);
}

static const char *name_of(const struct transfer *t)
{
	return t->backup ? "backup" : t->restore ? "restore" : "check of a backup";
}

static void give_up(struct manager *m, const char *why)
{
	const struct transfer *t = m->transfer;

	log_notice("the %s by %s was given up: %s", name_of(t), t->actor, why);
	if (t->backup)
		note(m, "store.backup", t->actor, "given up");
	transfer_end(m);
}

void verb_backup_forget(struct manager *m, const struct peer *peer)
{
	if (m->transfer && m->transfer->peer == peer)
		give_up(m, "its connection ended");
}

const char *verb_backup_restorer(const struct manager *m)
{
	return m->transfer && m->transfer->restore ? m->transfer->actor : NULL;
}

const char *verb_backup_maker(const struct manager *m)
{
	return m->transfer && m->transfer->backup ? m->transfer->actor : NULL;
}

void verb_backup_sealed(struct manager *m)
{
	if (m->transfer && m->transfer->backup)
		give_up(m, "the keystore was sealed");
}

static int on_idle(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	give_up(context, "nothing was asked of it for 10 minutes");
	return 0;
}

/* ---- beginning ---- */

static void transfer_freep(struct transfer **t)
{
	if (!*t)
		return;
	secret_free((*t)->recovery);
	free(*t);
}

static int transfer_new(struct request *req, struct transfer **ret)
{
	cleanup_(transfer_freep) struct transfer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->m = req->m;
	t->peer = req->peer;
	t->begun = clock_monotonic();
	memcpy(t->actor, req->actor, sizeof(t->actor));
	r = sd_event_add_time_relative(req->m->event, &t->idle, CLOCK_MONOTONIC, IDLE, 0,
				       on_idle, req->m);
	if (r < 0)
		return r;
	*ret = steal_ptr(t);
	return 0;
}

static void transfer_start(struct transfer *t)
{
	t->m->transfer = t;
	peer_set_idle(t->peer, PEER_IDLE);
}

static void transfer_drop(struct transfer *t)
{
	sd_event_source_disable_unref(t->idle);
	transfer_freep(&t);
}

static enum wire_status refuse_second(struct request *req)
{
	return request_refuse(req, WIRE_STATUS_AGAIN, NULL, "a %s by %s is under way",
			      name_of(req->m->transfer), req->m->transfer->actor);
}

/* The transfer of this connection; NULL with the reply set. */
static struct transfer *find(struct request *req, enum wire_status *ret)
{
	struct transfer *t = req->m->transfer;

	if (t && t->peer == req->peer)
		return t;
	*ret = request_refuse(
		req, WIRE_STATUS_REFUSED, "journalctl -u rotated -n 20",
		"nothing is under way on this connection any more: it was given up");
	return NULL;
}

/* It was heard of. Long ones are told, since the store grows meanwhile. */
static void touch(struct transfer *t)
{
	struct report report = { 0 };

	if (sd_event_source_set_time_relative(t->idle, IDLE) < 0)
		log_error("a %s can not be timed any more", name_of(t));
	if (!t->backup || clock_monotonic() - t->begun < LONG)
		return;
	(void)report_set(&report, 0,
			 "a backup by %s takes longer than an hour: the store grows with every "
			 "change until it ends",
			 t->actor);
	report_hint(&report, "write it to a local disk; who reads it: ss -xp src %s",
		    t->m->config->vault.control_socket);
	alarm_raise(t->m, ALARM_BACKUP, &report);
}

/* ---- Store.Backup ---- */

static void put_id(struct json *j, const char *key, const uint8_t id[static 16])
{
	char hex[33];

	(void)sodium_bin2hex(hex, sizeof(hex), id, 16);
	json_put_string(j, key, hex);
}

static void put_info(struct json *j, const struct keystore_backup_info *info)
{
	put_id(j, "store_id", info->store_id);
	json_put_number(j, "txid", info->txid);
	json_put_time(j, "time", info->time);
	json_put_number(j, "records", info->records);
	json_put_number(j, "tombstones", info->tombstones);
}

static unsigned recipients(const struct manager *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < keystore_slot_count(m->keystore); i++) {
		struct keystore_slot slot;

		keystore_slot_get(m->keystore, i, &slot);
		n += slot.type == KEYSTORE_SLOT_RECOVERY;
	}
	return n;
}

enum wire_status verb_store_backup(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	struct keystore_backup_info info;
	struct transfer *t = NULL;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (req->m->transfer)
		return refuse_second(req);
	/* first, so that the copy holds the line that says that it was made */
	if (!req->is_dry_run)
		note(req->m, "store.backup", req->actor, "begun");
	r = transfer_new(req, &t);
	if (r < 0)
		return request_fail(req, r);
	r = keystore_backup_begin(req->m->keystore, &t->backup, &req->reply.report);
	if (r < 0) {
		transfer_drop(t);
		return request_fail(req, r);
	}
	keystore_backup_info(t->backup, &info);
	json_put_object(&j, NULL);
	put_info(&j, &info);
	json_put_number(&j, "recipients", recipients(req->m));
	json_put_object_end(&j);
	transfer_start(t);
	if (req->is_dry_run)
		transfer_end(req->m);
	return WIRE_STATUS_OK;
}

static enum wire_status send_piece(struct request *req, struct transfer *t)
{
	uint8_t piece[PIECE_LEN];
	size_t len;
	int r = keystore_backup_next(t->backup, piece, sizeof(piece), &len, &req->reply.report);

	if (r < 0) {
		give_up(req->m, req->reply.report.what);
		return request_fail(req, r);
	}
	if (len > 0)
		frame_put(&req->reply.fields, "data", piece, len);
	if (len == sizeof(piece))
		return WIRE_STATUS_OK;
	frame_put_text(&req->reply.fields, "last", "1");
	note(req->m, "store.backup", t->actor, "ok");
	transfer_end(req->m);
	return WIRE_STATUS_OK;
}

enum wire_status verb_store_backup_data(struct request *req)
{
	enum wire_status status = WIRE_STATUS_OK;
	struct transfer *t = find(req, &status);

	if (!t)
		return status;
	if (!t->backup)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "this connection hands a backup over");
	touch(t);
	return send_piece(req, t);
}

/* ---- Store.Restore ---- */

static enum wire_status check_absent(struct request *req)
{
	if (!req->m->keystore && !req->m->keystore_problem.what[0])
		return WIRE_STATUS_OK;
	return request_refuse(
		req, WIRE_STATUS_REFUSED,
		"move it away while rotated is stopped, or check the backup alone: "
		"rotatectl store backup FILE --verify",
		"there is a keystore in %s already: a restore never writes over one",
		req->m->config->keystore.path);
}

static int begin_reading(struct request *req, struct transfer *t, bool is_check)
{
	const struct keystore_env env = { .clock = req->m->clock };
	const struct frame_field *key = frame_find(req->frame, "recovery_key");

	t->recovery = secret_new(key->data, key->len);
	if (!t->recovery)
		return -ENOMEM;
	if (is_check)
		return keystore_backup_read(t->recovery, &t->verify, &req->reply.report);
	return keystore_restore_begin(req->m->config->keystore.path, &env, t->recovery,
				      &t->restore, &req->reply.report);
}

enum wire_status verb_store_restore(struct request *req)
{
	bool is_verify = frame_flag(req->frame, "verify");
	enum wire_status status = is_verify ? WIRE_STATUS_OK : check_absent(req);
	struct transfer *t = NULL;
	int r;

	if (status != WIRE_STATUS_OK)
		return status;
	if (req->m->transfer)
		return refuse_second(req);
	r = transfer_new(req, &t);
	if (r < 0)
		return request_fail(req, r);
	/* a dry run reads and checks it all */
	r = begin_reading(req, t, is_verify || req->is_dry_run);
	if (r < 0) {
		transfer_drop(t);
		return request_fail(req, r);
	}
	transfer_start(t);
	return WIRE_STATUS_OK;
}

static enum wire_status fail_reading(struct request *req, int error)
{
	enum wire_status status = request_fail(req, error);

	give_up(req->m, req->reply.report.what);
	return status;
}

enum wire_status verb_store_restore_data(struct request *req)
{
	const struct frame_field *data = frame_find(req->frame, "data");
	enum wire_status status = WIRE_STATUS_OK;
	struct transfer *t = find(req, &status);
	int r;

	if (!t)
		return status;
	if (t->backup)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "this connection is handed a backup");
	touch(t);
	if (t->verify)
		r = keystore_backup_push(t->verify, data->data, data->len, &req->reply.report);
	else
		r = keystore_restore_push(t->restore, data->data, data->len,
					  &req->reply.report);
	return r < 0 ? fail_reading(req, r) : WIRE_STATUS_OK;
}

static void put_restored(struct reply *reply, const struct keystore_restored *done,
			 bool is_restored)
{
	struct json j = JSON_INIT(&reply->json);

	json_put_object(&j, NULL);
	json_put_bool(&j, "verified", true);
	json_put_bool(&j, "restored", is_restored);
	json_put_object(&j, "from");
	put_info(&j, &done->from);
	json_put_object_end(&j);
	if (is_restored) {
		put_id(&j, "store_id", done->store_id);
		json_put_number(&j, "slots", done->slots);
	} else {
		json_put_null(&j, "store_id");
		json_put_null(&j, "slots");
	}
	json_put_object_end(&j);
}

/* ---- Store.RestoreEnd ---- */

/* The new keystore is on the disk: it is opened, as after an unseal. */
static int open_restored(struct manager *m, const struct secret *recovery,
			 struct report *report)
{
	int r;

	unlock_stop(m);
	r = store_open(m, report);
	if (r == 0)
		r = keystore_unlock_recovery(m->keystore, recovery, report);
	if (r == 0)
		r = store_restored(m, report);
	if (r < 0 && m->keystore && !store_is_open(m, KEYSTORE_AUTH))
		unlock_start(m);
	return r;
}

static void tell_restored(struct reply *reply, const struct keystore_restored *done)
{
	put_restored(reply, done, true);
	(void)report_set(&reply->report, 0,
			 "restored: %" PRIu64 " records, and both tiers are open",
			 done->from.records);
	report_hint(&reply->report, "rotatectl store reconcile");
}

/* It is restored, but not all that follows is done. */
static enum wire_status fail_restored(struct manager *m, struct reply *reply, int error)
{
	struct report why = reply->report;

	(void)report_set(&reply->report, error, "the keystore is restored, but %s",
			 m->alarms[ALARM_RECONCILE].what[0] ? m->alarms[ALARM_RECONCILE].what
			 : why.what[0]			    ? why.what
							    : strerror(-error));
	report_hint(&reply->report, "rotatectl status");
	return reply_fail(reply, error);
}

/* Takes the transfer's place: what is left of that is dropped before the keystore is opened. */
static enum wire_status finish_restore(struct manager *m, const struct keystore_restored *done,
				       struct reply *reply)
{
	cleanup_secret struct secret *recovery = steal_ptr(m->transfer->recovery);
	char actor[CHANGE_ACTOR_SIZE];
	int r;

	memcpy(actor, m->transfer->actor, sizeof(actor));
	transfer_end(m); /* which lets go of the new keystore */
	log_notice("the keystore was restored by %s: transaction %" PRIu64 ", %" PRIu64
		   " records",
		   actor, done->from.txid, done->from.records);
	r = open_restored(m, recovery, &reply->report);
	if (store_is_open(m, KEYSTORE_AUTH))
		note(m, "store.restore", actor, "ok");
	if (r < 0)
		return fail_restored(m, reply, r);
	tell_restored(reply, done);
	return WIRE_STATUS_OK;
}

static int step_again(sd_event_source *source)
{
	int r = sd_event_source_set_time_relative(source, 0);

	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_next(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;
	struct peer *peer = m->transfer->peer;
	cleanup_reply struct reply reply = { 0 };
	struct keystore_restored done;
	enum wire_status status;
	int r = keystore_restore_step(m->transfer->restore, &done, &reply.report);

	(void)usec;
	if (r > 0)
		r = step_again(source) < 0 ? -EIO : 1;
	if (r > 0)
		return 0;
	if (r == 0) {
		status = finish_restore(m, &done, &reply);
	} else {
		status = reply_fail(&reply, r);
		give_up(m, reply.report.what);
	}
	reply_send(peer, status, &reply);
	peer_set_busy(peer, false);
	return 0;
}

/* All of it has arrived: from now on it is we who have something to do. */
static int begin_steps(struct transfer *t)
{
	int r = sd_event_add_time_relative(t->m->event, &t->next, CLOCK_MONOTONIC, 0, 0,
					   on_next, t->m);

	if (r >= 0) /* status, logins and operators first */
		r = sd_event_source_set_priority(t->next, SD_EVENT_PRIORITY_IDLE);
	return r < 0 ? r : sd_event_source_set_enabled(t->idle, SD_EVENT_OFF);
}

/* A check was made as the pieces came: nothing is left but the end. */
static enum wire_status finish_check(struct request *req, struct transfer *t)
{
	struct keystore_restored done = { 0 };
	int r = keystore_backup_finish(t->verify, &done.from, &req->reply.report);

	if (r < 0)
		return fail_reading(req, r);
	put_restored(&req->reply, &done, false);
	transfer_end(req->m);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      "the backup is whole: it can be restored with this recovery key");
}

enum wire_status verb_store_restore_end(struct request *req)
{
	enum wire_status status = WIRE_STATUS_OK;
	struct transfer *t = find(req, &status);
	int r;

	if (!t)
		return status;
	if (t->verify)
		return finish_check(req, t);
	if (!t->restore)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "this connection is handed a backup");
	r = begin_steps(t);
	return r < 0 ? fail_reading(req, r) : CONTROL_LATER;
}
