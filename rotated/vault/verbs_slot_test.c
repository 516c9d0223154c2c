/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store.SlotTest: does what should open the keystore still open it? Without a slot, all that
 * need no person; the others are named. With one, the secret comes along, or the answer says
 * which is needed. Nothing is changed or opened.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/slots.h"
#include "rotated/vault/unlock.h"

enum { TRIED_MAX = 16 };

enum result { RESULT_OK, RESULT_FAILED, RESULT_UNTESTED };

static const char *const result_words[] = { "ok", "failed", "untested" };

struct tried {
	struct keystore_slot slot;
	enum result result;
	int error;
	struct report report;
};

struct slot_trial {
	struct slot_trial *next;
	struct manager *m;
	struct peer *peer; /* NULL: nobody waits any more */
	char actor[CHANGE_ACTOR_SIZE];
	bool is_single;
	size_t count;
	size_t at; /* the one that the porter was asked for */
	struct tried tried[TRIED_MAX];
};

/* Those that wait for the porter; only touched from the event loop. */
static struct slot_trial *trials;

static void trial_free(struct slot_trial *t)
{
	struct slot_trial **at = &trials;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	free(t);
}

void verb_slot_test_forget(struct peer *peer)
{
	for (struct slot_trial *t = trials; t; t = t->next)
		if (t->peer == peer)
			t->peer = NULL;
}

/* ---- answering ---- */

static void put_on_record(const struct slot_trial *t, const struct tried *x)
{
	char label[SLOT_LABEL_SIZE];
	const struct audit_event e = {
		.event = "store.slot-test",
		.actor = t->actor,
		.object = label,
		.outcome = result_words[x->result],
	};
	struct report report = { 0 };

	slot_label(&x->slot, label);
	if (!t->m->audit)
		log_notice("%s by %s: %s: %s", e.event, e.actor, e.object, e.outcome);
	else if (change_note(t->m, &e, &report) < 0)
		log_report(LOG_LEVEL_ERROR, &report);
}

static void write_tried(struct json *j, const struct tried *x)
{
	char id[2 * KEYSTORE_SLOT_ID_LEN + 1] = "";

	for (size_t i = 0; i < sizeof(x->slot.id); i++)
		(void)snprintf(id + 2 * i, 3, "%02x", x->slot.id[i]);
	json_put_object(j, NULL);
	json_put_string(j, "id", id);
	json_put_string(j, "kind", keystore_slot_type_name(x->slot.type));
	json_put_string(j, "result", result_words[x->result]);
	if (x->report.what[0])
		json_put_string(j, "detail", x->report.what);
	else
		json_put_null(j, "detail");
	json_put_object_end(j);
}

static enum wire_status conclude(const struct slot_trial *t, struct reply *reply)
{
	struct json j = JSON_INIT(&reply->json);
	size_t count[ARRAY_SIZE(result_words)] = { 0 };

	json_put_object(&j, NULL);
	json_put_array(&j, "slots");
	for (size_t i = 0; i < t->count; i++) {
		write_tried(&j, &t->tried[i]);
		count[t->tried[i].result]++;
		if (t->tried[i].result != RESULT_UNTESTED)
			put_on_record(t, &t->tried[i]);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	if (t->is_single && t->tried[0].result == RESULT_FAILED) {
		reply->report = t->tried[0].report;
		return reply_fail(reply, t->tried[0].error);
	}
	if (t->is_single) {
		report_set(&reply->report, 0, "%s",
			   t->tried[0].report.what[0] ? t->tried[0].report.what
						      : "it opens the keystore");
		return WIRE_STATUS_OK;
	}
	report_set(&reply->report, 0,
		   "%zu of %zu slots open the keystore, %zu fail, %zu need "
		   "a person",
		   count[RESULT_OK], t->count, count[RESULT_FAILED], count[RESULT_UNTESTED]);
	if (count[RESULT_UNTESTED] > 0)
		report_hint(&reply->report, "one of those: rotatectl store slot test SLOT");
	return count[RESULT_FAILED] > 0 ? WIRE_STATUS_REFUSED : WIRE_STATUS_OK;
}

/* ---- trying ---- */

static void judge(struct tried *x, int error)
{
	x->error = error;
	x->result = error < 0 ? RESULT_FAILED : RESULT_OK;
	if (error < 0 && !x->report.what[0])
		report_set(&x->report, error, "%s", strerror(-error));
}

static void try_key_file(struct slot_trial *t, struct tried *x)
{
	const char *path = t->m->config->keystore.key_file;
	cleanup_buf struct buf content = BUF_INIT;
	cleanup_secret struct secret *key = NULL;
	int r;

	if (!path[0]) {
		x->result = RESULT_UNTESTED;
		report_set(&x->report, 0, "the configuration names no key file");
		return;
	}
	r = fs_read(AT_FDCWD, path, KEYSTORE_KEY_FILE_MAX, &content);
	if (r < 0) {
		report_set(&x->report, r, "%s can not be read: %s", path, strerror(-r));
		judge(x, r);
		return;
	}
	key = secret_new(content.data, content.len);
	judge(x,
	      key ? keystore_slot_test(t->m->keystore, x->slot.id, key, &x->report) : -ENOMEM);
}

static void advance(struct slot_trial *t);

static enum wire_status finish(struct slot_trial *t, struct reply *reply)
{
	enum wire_status status = conclude(t, reply);

	trial_free(t);
	return status;
}

/* Whoever asked may be gone; then nothing more is tried. */
static void on_opened(void *context, const struct unlock_result *result)
{
	struct slot_trial *t = context;
	struct tried *x = &t->tried[t->at++];
	struct peer *peer = t->peer;
	cleanup_reply struct reply reply = { 0 };

	x->report = result->report;
	judge(x, result->error < 0 ? result->error
				   : keystore_slot_test(t->m->keystore, x->slot.id,
							result->secret, &x->report));
	if (peer)
		advance(t);
	if (peer && t->at < t->count)
		return;
	if (!peer) {
		trial_free(t);
		return;
	}
	enum wire_status status = finish(t, &reply);

	reply_send(peer, status, &reply);
	peer_set_busy(peer, false);
}

static size_t index_of(const struct manager *m, const struct keystore_slot *slot)
{
	struct keystore_slot other;
	size_t i = 0;

	for (; i < keystore_slot_count(m->keystore); i++) {
		keystore_slot_get(m->keystore, i, &other);
		if (memcmp(other.id, slot->id, sizeof(other.id)) == 0)
			break;
	}
	return i;
}

static int ask_porter(struct slot_trial *t, struct tried *x)
{
	const struct unlock_asker asker = { on_opened, t };
	struct unlock_slot slot = {
		.kind = x->slot.type == KEYSTORE_SLOT_EXEC ? UNLOCK_EXEC : UNLOCK_CREDENTIAL,
		.program = x->slot.program,
	};
	size_t index = index_of(t->m, &x->slot);
	int r;

	memcpy(slot.id, x->slot.id, sizeof(slot.id));
	if (index == keystore_slot_count(t->m->keystore))
		return report_set(&x->report, -ENOENT, "it was removed meanwhile");
	r = keystore_slot_blob(t->m->keystore, index, &slot.blob, &slot.blob_len);
	return r < 0 ? r : unlock_open(t->m, &slot, &asker, &x->report);
}

/* Tries one after the other, up to the first that the porter has to be asked for. */
static void advance(struct slot_trial *t)
{
	for (; t->at < t->count; t->at++) {
		struct tried *x = &t->tried[t->at];
		int r;

		switch (x->slot.type) {
		case KEYSTORE_SLOT_KEY_FILE:
			try_key_file(t, x);
			break;
		case KEYSTORE_SLOT_CREDENTIAL:
		case KEYSTORE_SLOT_EXEC:
			r = ask_porter(t, x);
			if (r == 0)
				return;
			judge(x, r);
			break;
		case KEYSTORE_SLOT_PASSPHRASE:
		case KEYSTORE_SLOT_RECOVERY:
		case KEYSTORE_SLOT_QUORUM:
		case KEYSTORE_SLOT_TYPE_MAX_:
		default:
			x->result = RESULT_UNTESTED;
			report_set(&x->report, 0, "it needs a person");
			break;
		}
	}
}

/* ---- one slot, with what opens it ---- */

/* Shares that are right but too few are a good answer too: each holder can check the own. */
static void try_shares(struct slot_trial *t, const struct secret *text)
{
	struct tried *x = &t->tried[0];
	struct keystore_shares s;
	int r = keystore_shares_test(t->m->keystore, index_of(t->m, &x->slot), text, &s,
				     &x->report);

	if (r == -EAGAIN) {
		report_set(&x->report, 0,
			   "%u right; whether they open the keystore can be tried with %u",
			   s.have, s.threshold);
		r = 0;
	}
	judge(x, r);
}

static enum wire_status try_secret(struct request *req, struct slot_trial *t)
{
	cleanup_secret struct secret *key = NULL;
	struct tried *x = &t->tried[0];
	int r = request_secret(req, "key", &key);

	if (r < 0)
		judge(x, r);
	else if (x->slot.type == KEYSTORE_SLOT_QUORUM)
		try_shares(t, key);
	else
		judge(x, keystore_slot_test(t->m->keystore, x->slot.id, key, &x->report));
	return finish(t, &req->reply);
}

/* Which secret has to come along; NULL when the vault can do without. */
static const char *needed_from_person(const struct request *req,
				      const struct keystore_slot *slot)
{
	switch (slot->type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		return "passphrase";
	case KEYSTORE_SLOT_RECOVERY:
		return "recovery key";
	case KEYSTORE_SLOT_QUORUM:
		return "share";
	case KEYSTORE_SLOT_KEY_FILE:
		return req->m->config->keystore.key_file[0] ? NULL : "key file";
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return NULL;
	}
}

static enum wire_status ask_for_secret(struct request *req, const struct keystore_slot *slot,
				       const char *needs)
{
	char label[SLOT_LABEL_SIZE];

	slot_label(slot, label);
	frame_put_text(&req->reply.fields, "needs", needs);
	frame_put_number(&req->reply.fields, "threshold", slot->threshold);
	return request_refuse(req, WIRE_STATUS_USAGE, NULL, "%s is tested with its %s", label,
			      needs);
}

static enum wire_status start(struct request *req, struct slot_trial *t)
{
	advance(t);
	if (t->at == t->count)
		return finish(t, &req->reply);
	t->next = trials;
	trials = t;
	return CONTROL_LATER;
}

static struct slot_trial *trial_new(const struct request *req)
{
	struct slot_trial *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->m = req->m;
	t->peer = req->peer;
	memcpy(t->actor, req->actor, sizeof(t->actor));
	return t;
}

static enum wire_status test_one(struct request *req)
{
	struct keystore_slot slot;
	struct slot_trial *t;
	const char *needs;
	size_t index = 0;
	int r = slot_find(req, &index);

	if (r < 0)
		return request_fail(req, r);
	keystore_slot_get(req->m->keystore, index, &slot);
	needs = needed_from_person(req, &slot);
	if (needs && !frame_find(req->frame, "key"))
		return ask_for_secret(req, &slot, needs);
	t = trial_new(req);
	if (!t)
		return request_fail(req, -ENOMEM);
	t->is_single = true;
	t->count = 1;
	t->tried[0].slot = slot;
	return frame_find(req->frame, "key") ? try_secret(req, t) : start(req, t);
}

static enum wire_status test_all(struct request *req)
{
	struct slot_trial *t = trial_new(req);

	if (!t)
		return request_fail(req, -ENOMEM);
	for (size_t i = 0; i < keystore_slot_count(req->m->keystore) && i < TRIED_MAX; i++)
		keystore_slot_get(req->m->keystore, i, &t->tried[t->count++].slot);
	return start(req, t);
}

enum wire_status verb_store_slot_test(struct request *req)
{
	if (!req->m->keystore)
		return request_fail(req, request_require(req, KEYSTORE_AUTH));
	return frame_find(req->frame, "slot") ? test_one(req) : test_all(req);
}
