/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots: what there is, adding, removing and trying one. */
#include <sodium.h>
#include <string.h>

#include "keystore/draft.h"
#include "keystore/recovery.h"

_Static_assert((int)RECOVERY_KEY_LEN == (int)SEAL_KEY_LEN, "both kinds of drawn key");

const char *keystore_slot_type_name(enum keystore_slot_type type)
{
	static const char *const names[KEYSTORE_SLOT_TYPE_MAX_] = {
		[KEYSTORE_SLOT_PASSPHRASE] = "passphrase",
		[KEYSTORE_SLOT_KEY_FILE] = "key-file",
		[KEYSTORE_SLOT_RECOVERY] = "recovery",
		[KEYSTORE_SLOT_CREDENTIAL] = "credential",
		[KEYSTORE_SLOT_EXEC] = "exec",
		[KEYSTORE_SLOT_QUORUM] = "quorum",
	};

	return type < KEYSTORE_SLOT_TYPE_MAX_ && names[type] ? names[type] : "?";
}

size_t keystore_slot_count(const struct keystore *ks)
{
	return ks->file.ring.slot_count;
}

void keystore_slot_get(const struct keystore *ks, size_t index, struct keystore_slot *ret)
{
	*ret = ks->file.ring.slots[index].info;
}

static bool has_helper(enum keystore_slot_type type)
{
	return type == KEYSTORE_SLOT_CREDENTIAL || type == KEYSTORE_SLOT_EXEC;
}

int keystore_slot_blob(const struct keystore *ks, size_t index, const uint8_t **ret,
		       size_t *ret_len)
{
	const struct keyring_slot *s = &ks->file.ring.slots[index];

	if (!has_helper(s->info.type))
		return -ENOENT;
	*ret = s->helper.blob.data;
	*ret_len = s->helper.blob.len;
	return 0;
}

int ring_no_slot(const uint8_t *id, struct report *report)
{
	char hex[2 * KEYSTORE_SLOT_ID_LEN + 1];

	(void)sodium_bin2hex(hex, sizeof(hex), id, KEYSTORE_SLOT_ID_LEN);
	(void)report_set(report, -ENOENT, "there is no slot %s", hex);
	report_hint(report, "rotatectl store slot list");
	return -ENOENT;
}

/* ---- adding ---- */

static int check_helper(const struct keystore_new_slot *slot, struct report *report)
{
	bool is_exec = slot->type == KEYSTORE_SLOT_EXEC;

	if (slot->blob_len > KEYSTORE_BLOB_MAX)
		return report_set(report, -EINVAL, "what a helper gets has at most %d bytes",
				  KEYSTORE_BLOB_MAX);
	if (!is_exec)
		return 0;
	if (slot->program && keyring_program_valid(slot->program, strlen(slot->program)))
		return 0;
	(void)report_set(report, -EINVAL,
			 "a helper is an absolute path of at most %d printable characters",
			 KEYSTORE_PROGRAM_MAX);
	report_hint(report, "name it as [unlock] helper in rotated.conf does");
	return -EINVAL;
}

static int check_shares(const struct keystore_new_slot *slot, struct report *report)
{
	if (slot->threshold >= 2 && slot->threshold <= slot->shares &&
	    slot->shares <= KEYSTORE_SHARES_MAX)
		return 0;
	(void)report_set(report, -EINVAL, "%u of %u shares cannot be", slot->threshold,
			 slot->shares);
	report_hint(report, "2 to all of at most %d: --shares 5 --threshold 3",
		    KEYSTORE_SHARES_MAX);
	return -EINVAL;
}

static int check_parts(const struct keystore_new_slot *slot, struct report *report)
{
	bool is_drawn =
		slot->type == KEYSTORE_SLOT_RECOVERY || slot->type == KEYSTORE_SLOT_QUORUM;
	int r = 0;

	if (is_drawn && slot->key)
		return report_set(report, -EINVAL, "the key of a %s slot is drawn",
				  keystore_slot_type_name(slot->type));
	switch (slot->type) {
	case KEYSTORE_SLOT_RECOVERY:
		return 0;
	case KEYSTORE_SLOT_QUORUM:
		return check_shares(slot, report);
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
		r = check_helper(slot, report);
		break;
	case KEYSTORE_SLOT_PASSPHRASE:
	case KEYSTORE_SLOT_KEY_FILE:
		break;
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return report_set(report, -EINVAL, "there is no such type of slot");
	}
	return r < 0 ? r : keystore_check_key(slot->type, slot->key, report);
}

static int check_new(const struct keystore *ks, const struct keystore_new_slot *slot,
		     struct report *report)
{
	if (ks->file.ring.slot_count == KEYRING_SLOTS_MAX) {
		(void)report_set(report, -ENOSPC, "all %d slots are in use", KEYRING_SLOTS_MAX);
		report_hint(report, "remove one that is not needed any more");
		return -ENOSPC;
	}
	if (slot->id && ring_slot(ks, slot->id))
		return report_set(report, -EEXIST, "there is a slot of that id already");
	if (slot->tiers > KEYSTORE_BOTH || slot->tiers == KEYSTORE_ISSUER ||
	    (slot->type == KEYSTORE_SLOT_RECOVERY && slot->tiers == KEYSTORE_AUTH))
		return report_set(report, -EINVAL, "a %s slot cannot open these tiers alone",
				  keystore_slot_type_name(slot->type));
	return check_parts(slot, report);
}

static enum keystore_tier usual_tiers(enum keystore_slot_type type)
{
	return type == KEYSTORE_SLOT_KEY_FILE || has_helper(type) ? KEYSTORE_AUTH
								  : KEYSTORE_BOTH;
}

static void fill_info(const struct keystore *ks, const struct keystore_new_slot *slot,
		      struct keyring_slot *s)
{
	memset(s, 0, sizeof(*s));
	s->info.type = slot->type;
	s->info.tiers = slot->tiers ? slot->tiers : usual_tiers(slot->type);
	s->info.created = clock_now(&ks->clock).wall;
	if (slot->id)
		memcpy(s->info.id, slot->id, sizeof(s->info.id));
	else
		rng_fill(&ks->rng, s->info.id, sizeof(s->info.id));
	if (slot->type == KEYSTORE_SLOT_EXEC)
		memcpy(s->info.program, slot->program, strlen(slot->program));
	if (has_helper(slot->type))
		s->helper.blob = SPAN_OF(slot->blob, slot->blob_len);
	if (slot->type == KEYSTORE_SLOT_QUORUM) {
		s->info.shares = s->quorum.shares = slot->shares;
		s->info.threshold = s->quorum.threshold = slot->threshold;
	}
}

static int recovery_text(const uint8_t key[static RECOVERY_KEY_LEN], struct secret **ret)
{
	struct secret *s = secret_alloc(RECOVERY_TEXT_SIZE - 1);

	if (!s)
		return -ENOMEM;
	recovery_format(key, (char *)secret_fill(s)); /* the NUL has its room */
	*ret = s;
	return 0;
}

/* Draws the key of a slot that nobody brings one for, and makes its text. */
static int draw_key(const struct keystore *ks, struct keyring_slot *s,
		    uint8_t key[static SEAL_KEY_LEN], struct secret **ret_text)
{
	rng_fill(&ks->rng, key, SEAL_KEY_LEN);
	if (s->info.type == KEYSTORE_SLOT_RECOVERY)
		return recovery_text(key, ret_text);
	return quorum_split(&ks->rng, key, &s->quorum, ret_text);
}

static int make_slot(struct keystore *ks, const struct keystore_new_slot *slot,
		     struct ring_draft *d, struct secret **ret_text)
{
	const struct slot_source src = {
		.rng = &ks->rng,
		.store_id = d->ring.store_id,
		.pwhash_ops = ks->pwhash_ops,
		.pwhash_mem = ks->pwhash_mem,
	};
	struct keyring_slot *s = &d->ring.slots[d->ring.slot_count];
	struct span key = { NULL, 0 };
	uint8_t drawn[SEAL_KEY_LEN];
	struct slot_mac mac;
	int r = 0;

	fill_info(ks, slot, s);
	if (slot->type == KEYSTORE_SLOT_RECOVERY || slot->type == KEYSTORE_SLOT_QUORUM) {
		r = draw_key(ks, s, drawn, ret_text);
		key = SPAN(drawn);
	} else {
		key = SPAN_OF(secret_data(slot->key), secret_len(slot->key));
	}
	if (r == 0)
		r = keyring_slot_make(&src, key, &d->roots, s, &mac);
	if (r == 0) {
		slot_macs_add(draft_macs(d, s->info.tiers), &mac);
		d->ring.slot_count++;
	}
	sodium_memzero(drawn, sizeof(drawn));
	sodium_memzero(&mac, sizeof(mac));
	return r;
}

int keystore_slot_add(struct keystore *ks, const struct keystore_new_slot *slot,
		      uint8_t ret_id[static KEYSTORE_SLOT_ID_LEN], struct secret **ret_text,
		      struct report *report)
{
	cleanup_draft struct ring_draft *d = NULL;
	cleanup_secret struct secret *text = NULL;
	int r = ring_may_change(ks, report);

	if (r == 0)
		r = check_new(ks, slot, report);
	if (r == 0)
		r = draft_new(ks, &d, report);
	if (r < 0)
		return r;
	r = make_slot(ks, slot, d, &text);
	if (r < 0)
		return ring_tell(report, r, ks, slot->type);
	r = draft_write(ks, d, report);
	if (r < 0)
		return r;
	/* the next commit binds META to the keyring if this does not */
	ignore_result(txn_commit_empty(ks, NULL));
	memcpy(ret_id, d->ring.slots[d->ring.slot_count - 1].info.id, KEYSTORE_SLOT_ID_LEN);
	*ret_text = steal_ptr(text);
	return 0;
}

/* ---- removing ---- */

static bool opens_both(const struct keystore_slot *slot)
{
	return slot->type != KEYSTORE_SLOT_RECOVERY && slot->tiers == KEYSTORE_BOTH;
}

static int refuse_last(const struct keyring *ring, const struct keystore_slot *slot,
		       struct report *report)
{
	size_t same = 0;

	if (slot->type != KEYSTORE_SLOT_RECOVERY && !opens_both(slot))
		return 0;
	for (size_t i = 0; i < ring->slot_count; i++) {
		const struct keystore_slot *s = &ring->slots[i].info;

		same += slot->type == KEYSTORE_SLOT_RECOVERY ? s->type == slot->type
							     : opens_both(s);
	}
	if (same > 1)
		return 0;
	if (slot->type == KEYSTORE_SLOT_RECOVERY) {
		(void)report_set(report, -EPERM, "the last recovery slot stays");
		report_hint(report, "add another first: rotatectl store slot add recovery");
	} else {
		(void)report_set(report, -EPERM,
				 "the last slot that opens both tiers stays (the recovery key "
				 "is for emergencies)");
		report_hint(report, "add another first: rotatectl store slot add passphrase");
	}
	return -EPERM;
}

static void take_out(struct ring_draft *d, size_t i)
{
	const struct keystore_slot slot = d->ring.slots[i].info;

	slot_macs_drop(draft_macs(d, slot.tiers), slot.id);
	memmove(&d->ring.slots[i], &d->ring.slots[i + 1],
		(d->ring.slot_count - i - 1U) * sizeof(d->ring.slots[0]));
	d->ring.slot_count--;
}

int keystore_slot_remove(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			 struct report *report)
{
	cleanup_draft struct ring_draft *d = NULL;
	const struct keyring_slot *slot = ring_slot(ks, id);
	int r = ring_may_change(ks, report);

	if (r < 0)
		return r;
	if (!slot)
		return ring_no_slot(id, report);
	r = refuse_last(&ks->file.ring, &slot->info, report);
	if (r == 0)
		r = draft_new(ks, &d, report);
	if (r < 0)
		return r;
	take_out(d, (size_t)(slot - ks->file.ring.slots));
	r = draft_rotate(ks, d, report);
	if (r == 0)
		r = draft_write(ks, d, report);
	if (r < 0)
		return r;
	ring_drop_prev(ks);
	ring_settle_keys(ks);
	/* the next commit binds META to the keyring if this does not */
	ignore_result(txn_commit_empty(ks, NULL));
	return 0;
}

/* ---- trying ---- */

/* The bytes that a slot's key encryption key comes from. */
static int key_bytes(const struct keystore_slot *slot, const struct secret *key,
		     uint8_t recovery[static RECOVERY_KEY_LEN], struct span *ret,
		     struct report *report)
{
	*ret = SPAN_OF(secret_data(key), secret_len(key));
	if (slot->type != KEYSTORE_SLOT_RECOVERY)
		return ret->len > KEYSTORE_KEY_FILE_MAX ? -EKEYREJECTED : 0;
	*ret = SPAN_OF(recovery, RECOVERY_KEY_LEN);
	return recovery_parse(secret_string(key), secret_len(key), recovery, report);
}

struct trial {
	uint8_t kek[SEAL_KEY_LEN];
	uint8_t recovery[RECOVERY_KEY_LEN];
	struct roots roots;
	struct auth_keys auth;
	struct issuer_keys issuer;
};

/* The slot, then the bodies: only then does it open what is in use. */
static int try_slot(const struct keystore *ks, const struct keyring_slot *slot, struct span key,
		    struct trial *t)
{
	int r = keyring_slot_kek(slot, key, t->kek);

	if (r == 0)
		r = keyring_slot_open(slot, ks->file.ring.store_id, t->kek, &t->roots);
	if (r < 0)
		return r;
	memcpy(t->auth.root, t->roots.bytes, KEYRING_ROOT_LEN);
	r = keyring_open_auth(&ks->file, &t->auth);
	if (r < 0 || slot->info.tiers != KEYSTORE_BOTH)
		return r;
	memcpy(t->issuer.root, t->roots.bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	return keyring_open_issuer(&ks->file, &t->issuer);
}

int keystore_slot_test(const struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		       const struct secret *key, struct report *report)
{
	const struct keyring_slot *slot = ring_slot(ks, id);
	bool locked = true;
	struct trial *t;
	struct span bytes;
	int r;

	if (!slot)
		return ring_no_slot(id, report);
	t = keys_alloc(sizeof(*t), &locked);
	if (!t)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = key_bytes(&slot->info, key, t->recovery, &bytes, report);
	if (r != -EINVAL) {
		if (r == 0)
			r = try_slot(ks, slot, bytes, t);
		r = ring_tell(report, r, ks, slot->info.type);
	}
	keys_free(t);
	return r;
}
