/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store.Slots, Store.SlotAdd, Store.SlotRemove, Store.Rekey: what opens the keystore. Of a
 * credential or exec slot the porter makes or gets the key (vault/unlock.h); the client waits.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/slots.h"
#include "rotated/vault/store.h"
#include "rotated/vault/unlock.h"

enum { HELPER_KEY_LEN = 32, SLOTS_MAX = 16 };

/* ---- Store.Slots ---- */

enum wire_status verb_store_slots(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	struct keystore_slot slot;

	if (!req->m->keystore)
		return request_fail(req, request_require(req, KEYSTORE_AUTH));
	json_put_object(&j, NULL);
	json_put_array(&j, "slots");
	for (size_t i = 0; i < keystore_slot_count(req->m->keystore); i++) {
		keystore_slot_get(req->m->keystore, i, &slot);
		slot_write(&j, i, &slot);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* ---- Store.SlotAdd: what is asked for ---- */

/* Which fields of the request each kind needs; it takes no other of them. */
static const struct slot_kind {
	enum keystore_slot_type type;
	bool has_key;
	bool has_program;
	bool has_shares;
	bool may_issue; /* `issuer` says more than the kind does by itself */
} slot_kinds[] = {
	{ KEYSTORE_SLOT_PASSPHRASE, .has_key = true },
	{ KEYSTORE_SLOT_KEY_FILE, .has_key = true, .may_issue = true },
	{ KEYSTORE_SLOT_RECOVERY, .has_key = false },
	{ KEYSTORE_SLOT_CREDENTIAL, .may_issue = true },
	{ KEYSTORE_SLOT_EXEC, .has_program = true, .may_issue = true },
	{ KEYSTORE_SLOT_QUORUM, .has_shares = true },
};

/* A slot in the making. It outlives its request while the porter is asked, and its asker. */
struct addition {
	struct addition *next;
	struct manager *m;
	struct peer *peer; /* NULL: nobody waits any more */
	char actor[CHANGE_ACTOR_SIZE];
	const struct slot_kind *kind;
	struct secret *key; /* owned, as the blob */
	struct keystore_new_slot slot;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	char program[KEYSTORE_PROGRAM_MAX + 1];
	struct buf blob;
	struct secret *text; /* owned: what the keystore gives to be shown */
};

/* Those that wait for the porter; only touched from the event loop. */
static struct addition *additions;

static void addition_free(struct addition *a)
{
	struct addition **at = &additions;

	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	buf_release(&a->blob);
	secret_free(a->key);
	secret_free(a->text);
	free(a);
}

void verb_slots_forget(struct peer *peer)
{
	for (struct addition *a = additions; a; a = a->next)
		if (a->peer == peer)
			a->peer = NULL;
}

static const struct slot_kind *find_kind(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(slot_kinds); i++)
		if (strcmp(keystore_slot_type_name(slot_kinds[i].type), word) == 0)
			return &slot_kinds[i];
	return NULL;
}

/* A field that is there without a use would be believed to have one. */
static const char *misplaced_field(const struct request *req, const struct slot_kind *kind)
{
	const struct {
		const char *field;
		bool is_wanted;
		bool is_needed;
	} rules[] = {
		{ "key", kind->has_key, kind->has_key },
		{ "program", kind->has_program, kind->has_program },
		{ "blob", kind->has_program, kind->has_program },
		{ "shares", kind->has_shares, kind->has_shares },
		{ "threshold", kind->has_shares, kind->has_shares },
		{ "issuer", kind->may_issue, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool is_there = frame_find(req->frame, rules[i].field) != NULL;

		if (is_there ? !rules[i].is_wanted : rules[i].is_needed)
			return rules[i].field;
	}
	return NULL;
}

static int read_numbers(struct request *req, struct keystore_new_slot *slot)
{
	uint64_t shares = 0;
	uint64_t threshold = 0;

	if (frame_number(req->frame, "shares", &shares) == 0 &&
	    frame_number(req->frame, "threshold", &threshold) == 0 && threshold >= 2 &&
	    threshold <= shares && shares <= KEYSTORE_SHARES_MAX) {
		slot->shares = (uint8_t)shares;
		slot->threshold = (uint8_t)threshold;
		return 0;
	}
	report_set(&req->reply.report, -EINVAL,
		   "a quorum has 2 to %d shares, and needs 2 of them or more",
		   KEYSTORE_SHARES_MAX);
	report_hint(&req->reply.report,
		    "rotatectl store slot add quorum --shares 5 --threshold 3");
	return -EINVAL;
}

static bool is_helper(const struct manager *m, const char *program)
{
	const struct config_words *allowed = &m->config->unlock.helper;

	for (size_t i = 0; i < allowed->n; i++)
		if (strcmp(allowed->items[i], program) == 0)
			return true;
	return false;
}

static int read_helper(struct request *req, struct addition *a)
{
	const struct frame_field *blob = frame_find(req->frame, "blob");
	struct report *report = &req->reply.report;
	int r = frame_text(req->frame, "program", a->program, sizeof(a->program));

	if (r < 0)
		return report_set(report, -EINVAL, "the program's path is too long");
	if (!is_helper(a->m, a->program)) {
		report_set(report, -EPERM, "%s is no program that may give a key", a->program);
		report_hint(report,
			    "name it in rotated.conf, [unlock] helper=, then reload rotated");
		return -EPERM;
	}
	if (blob->len > KEYSTORE_BLOB_MAX)
		return report_set(report, -EINVAL, "the blob is longer than %d bytes",
				  KEYSTORE_BLOB_MAX);
	buf_append(&a->blob, blob->data, blob->len);
	a->slot.program = a->program;
	return buf_error(&a->blob);
}

/* Everything that can be said before a key is made. */
static int read_request(struct request *req, struct addition *a)
{
	const struct slot_kind *kind = a->kind;
	int r = 0;

	a->slot.type = kind->type;
	a->slot.id = a->id;
	if (frame_flag(req->frame, "issuer"))
		a->slot.tiers = KEYSTORE_BOTH;
	randombytes_buf(a->id, sizeof(a->id));
	if (kind->has_key)
		r = request_secret(req, "key", &a->key);
	if (r == 0 && kind->has_shares)
		r = read_numbers(req, &a->slot);
	if (r == 0 && kind->has_program)
		r = read_helper(req, a);
	a->slot.key = a->key;
	return r;
}

/* ---- Store.SlotAdd: doing it ---- */

static void describe(const struct addition *a, struct keystore_slot *ret)
{
	*ret = (struct keystore_slot){ .type = a->slot.type };
	memcpy(ret->id, a->id, sizeof(ret->id));
}

static int add(void *context, struct report *report)
{
	struct addition *a = context;

	a->slot.blob = a->blob.data;
	a->slot.blob_len = a->blob.len;
	return keystore_slot_add(a->m->keystore, &a->slot, a->id, &a->text, report);
}

static void write_added(const struct addition *a, struct reply *reply)
{
	struct json j = JSON_INIT(&reply->json);
	struct keystore_slot slot;

	json_put_object(&j, NULL);
	json_put_array(&j, "slots");
	for (size_t i = 0; i < keystore_slot_count(a->m->keystore); i++) {
		keystore_slot_get(a->m->keystore, i, &slot);
		if (memcmp(slot.id, a->id, sizeof(slot.id)) == 0)
			slot_write(&j, i, &slot);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
	if (a->text)
		frame_put(&reply->fields,
			  a->slot.type == KEYSTORE_SLOT_QUORUM ? "shares" : "recovery_key",
			  secret_data(a->text), secret_len(a->text));
}

static int carry_out(struct addition *a, struct reply *reply)
{
	char label[SLOT_LABEL_SIZE];
	struct keystore_slot slot;
	struct slot_change change = {
		.event = "store.slot-add",
		.object = label,
		.fn = add,
		.context = a,
	};
	int r;

	describe(a, &slot);
	slot_label(&slot, label);
	r = slot_change(a->m, a->actor, &change, &reply->report);
	if (r >= 0)
		write_added(a, reply);
	return r;
}

/* The porter has answered; whoever asked may be gone, and then gets no slot either. */
static void finish(struct addition *a, int r, struct reply *reply)
{
	if (a->peer && r >= 0)
		r = carry_out(a, reply);
	if (a->peer) {
		reply_send(a->peer, r < 0 ? reply_fail(reply, r) : WIRE_STATUS_OK, reply);
		peer_set_busy(a->peer, false);
	}
	addition_free(a);
}

static void on_sealed(void *context, const struct unlock_result *result)
{
	cleanup_reply struct reply reply = { .report = result->report };
	struct addition *a = context;
	int r = result->error;

	if (r == 0)
		buf_append(&a->blob, result->blob, result->blob_len);
	finish(a, r < 0 ? r : buf_error(&a->blob), &reply);
}

static void on_opened(void *context, const struct unlock_result *result)
{
	cleanup_reply struct reply reply = { .report = result->report };
	struct addition *a = context;
	int r = result->error;

	if (r == 0) {
		a->key = secret_dup(result->secret);
		a->slot.key = a->key;
		r = a->key ? 0 : -ENOMEM;
	}
	finish(a, r, &reply);
}

static int draw_key(struct addition *a)
{
	a->key = secret_alloc(HELPER_KEY_LEN);
	if (!a->key)
		return -ENOMEM;
	randombytes_buf(secret_fill(a->key), HELPER_KEY_LEN);
	a->slot.key = a->key;
	return 0;
}

/* A credential is sealed with a new key; a helper shows that it gives the one it was made
 * with. */
static int ask_porter(struct addition *a, struct report *report)
{
	const struct unlock_asker sealed = { on_sealed, a };
	const struct unlock_asker opened = { on_opened, a };
	struct unlock_slot slot = {
		.kind = UNLOCK_EXEC,
		.program = a->program,
		.blob = a->blob.data,
		.blob_len = a->blob.len,
	};
	int r;

	memcpy(slot.id, a->id, sizeof(slot.id));
	if (a->slot.type == KEYSTORE_SLOT_EXEC)
		return unlock_open(a->m, &slot, &opened, report);
	r = draw_key(a);
	return r < 0 ? r : unlock_seal(a->m, a->id, a->key, &sealed, report);
}

static bool needs_porter(const struct addition *a)
{
	return a->slot.type == KEYSTORE_SLOT_CREDENTIAL || a->slot.type == KEYSTORE_SLOT_EXEC;
}

static enum wire_status begin(struct request *req, struct addition *a)
{
	int r;

	if (needs_porter(a)) {
		r = ask_porter(a, &req->reply.report);
		if (r == 0)
			return CONTROL_LATER;
	} else {
		r = carry_out(a, &req->reply);
	}
	addition_free(a);
	return r < 0 ? request_fail(req, r) : WIRE_STATUS_OK;
}

static enum wire_status would_add(struct request *req, const struct addition *a)
{
	enum wire_status status = WIRE_STATUS_OK;
	const char *kind = keystore_slot_type_name(a->slot.type);

	if (keystore_slot_count(req->m->keystore) >= SLOTS_MAX)
		status = request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl store slot list",
					"all %d slots are in use", SLOTS_MAX);
	else if (a->kind->has_shares)
		request_refuse(req, status, NULL,
			       "would add a quorum slot: %u shares, %u of "
			       "them needed",
			       a->slot.shares, a->slot.threshold);
	else
		request_refuse(req, status, NULL, "would add a slot of the kind %s", kind);
	return status;
}

static enum wire_status add_kind(struct request *req, const struct slot_kind *kind)
{
	struct addition *a = calloc(1, sizeof(*a));
	enum wire_status status;
	int r;

	if (!a)
		return request_fail(req, -ENOMEM);
	*a = (struct addition){ .next = additions,
				.m = req->m,
				.peer = req->peer,
				.kind = kind,
				.blob = BUF_INIT };
	memcpy(a->actor, req->actor, sizeof(a->actor));
	additions = a;
	r = read_request(req, a);
	if (r == 0 && !req->is_dry_run)
		return begin(req, a);
	status = r < 0 ? request_fail(req, r) : would_add(req, a);
	addition_free(a);
	return status;
}

enum wire_status verb_store_slot_add(struct request *req)
{
	const struct slot_kind *kind;
	const char *field;
	char word[16] = "";
	int r;

	r = frame_text(req->frame, "kind", word, sizeof(word));
	kind = r < 0 ? NULL : find_kind(word);
	if (!kind)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "a slot is of the kind passphrase, key-file, recovery, "
				      "credential, exec or quorum");
	field = misplaced_field(req, kind);
	if (field)
		return request_refuse(req, WIRE_STATUS_USAGE, "rotatectl store slot add --help",
				      frame_find(req->frame, field)
					      ? "a slot of the kind %s takes no %s"
					      : "a slot of the kind %s needs: %s",
				      word, field);
	r = request_require(req, KEYSTORE_BOTH);
	return r < 0 ? request_fail(req, r) : add_kind(req, kind);
}

/* ---- Store.SlotRemove, Store.Rekey ---- */

struct removal {
	struct keystore *ks;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
};

static int remove_slot(void *context, struct report *report)
{
	const struct removal *x = context;

	return keystore_slot_remove(x->ks, x->id, report);
}

static bool is_needed(const struct keystore_slot *slot)
{
	return slot->type == KEYSTORE_SLOT_RECOVERY || slot->tiers == KEYSTORE_BOTH;
}

/* What the keystore would refuse: there is always a recovery slot, and another that opens
 * both tiers. */
static enum wire_status would_remove(struct request *req, const struct keystore_slot *slot)
{
	bool is_recovery = slot->type == KEYSTORE_SLOT_RECOVERY;
	char label[SLOT_LABEL_SIZE];
	unsigned others = 0;

	slot_label(slot, label);
	for (size_t i = 0; i < keystore_slot_count(req->m->keystore); i++) {
		struct keystore_slot other;

		keystore_slot_get(req->m->keystore, i, &other);
		others += is_needed(&other) &&
			  (other.type == KEYSTORE_SLOT_RECOVERY) == is_recovery &&
			  memcmp(other.id, slot->id, sizeof(slot->id)) != 0;
	}
	if (is_needed(slot) && others == 0)
		return request_refuse(req, WIRE_STATUS_REFUSED, "add another one first",
				      "%s stays: it is the last of its sort", label);
	return request_refuse(req, WIRE_STATUS_OK, NULL, "would remove %s", label);
}

/* The slot is gone, whatever becomes of the keys that it opened. */
static enum wire_status removed(struct request *req, const char *label)
{
	struct report why = { 0 };
	int r = reseal_after_removal(req->m, req->actor, label, &why);

	if (r < 0)
		return request_refuse(req, WIRE_STATUS_OK, "rotatectl store reseal",
				      "%s is removed: no keyring from now on opens with it; "
				      "but the records keep the keys that it opened: %s",
				      label, why.what);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      "%s is removed: no keyring from now on opens with it; the "
			      "records are being encrypted anew: rotatectl status",
			      label);
}

enum wire_status verb_store_slot_remove(struct request *req)
{
	struct removal removal = { .ks = req->m->keystore };
	char label[SLOT_LABEL_SIZE];
	struct slot_change change = {
		.event = "store.slot-remove",
		.object = label,
		.fn = remove_slot,
		.context = &removal,
	};
	struct keystore_slot slot;
	size_t index = 0;
	int r = request_require(req, KEYSTORE_BOTH);

	if (r == 0)
		r = slot_find(req, &index);
	if (r < 0)
		return request_fail(req, r);
	keystore_slot_get(removal.ks, index, &slot);
	memcpy(removal.id, slot.id, sizeof(removal.id));
	slot_label(&slot, label);
	if (req->is_dry_run)
		return would_remove(req, &slot);
	r = slot_change(req->m, req->actor, &change, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	return removed(req, label);
}

static int rekey(void *context, struct report *report)
{
	return keystore_rekey(context, report);
}

enum wire_status verb_store_rekey(struct request *req)
{
	struct slot_change change = { .event = "store.rekey", .fn = rekey };
	int r = request_require(req, KEYSTORE_BOTH);

	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "would make new root keys and wrap them for %zu slots",
				      keystore_slot_count(req->m->keystore));
	change.context = req->m->keystore;
	r = slot_change(req->m, req->actor, &change, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      "new root keys are in use, wrapped for %zu slots",
			      keystore_slot_count(req->m->keystore));
}
