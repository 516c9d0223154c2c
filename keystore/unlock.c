/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening the tiers through the slots. */
#include <sodium.h>
#include <string.h>

#include "keystore/compact.h"
#include "keystore/internal.h"
#include "keystore/recovery.h"

/* In guarded memory. */
struct opened {
	struct roots roots;
	uint8_t kek[SEAL_KEY_LEN];
	const struct keyring_slot *slot; /* of the loaded keyring */
};

/* What somebody brings to open a slot. */
struct opener {
	enum keystore_slot_type type;
	const uint8_t *id; /* that slot alone; NULL: any of the type */
	struct span key;
	bool is_kek; /* key is the slot's key encryption key already */
};

static bool fits(const struct opener *o, const struct keystore_slot *slot)
{
	return slot->type == o->type &&
	       (!o->id || memcmp(slot->id, o->id, KEYSTORE_SLOT_ID_LEN) == 0);
}

static int find_kek(const struct opener *o, const struct keyring_slot *slot,
		    uint8_t kek[static SEAL_KEY_LEN])
{
	uint8_t commit[KEYRING_COMMIT_LEN];

	if (!o->is_kek)
		return keyring_slot_kek(slot, o->key, kek);
	keyring_commit(o->key.data, slot->info.id, commit);
	if (sodium_memcmp(commit, slot->commit, sizeof(commit)) != 0)
		return -EKEYREJECTED;
	memcpy(kek, o->key.data, SEAL_KEY_LEN);
	return 0;
}

/* Finds the slot that O opens. */
static int open_slot(const struct keystore *ks, const struct opener *o, struct opened *ret)
{
	const struct keyring *ring = &ks->file.ring;
	int result = -ENOENT;

	for (size_t i = 0; i < ring->slot_count; i++) {
		int r;

		if (!fits(o, &ring->slots[i].info))
			continue;
		r = find_kek(o, &ring->slots[i], ret->kek);
		if (r == 0)
			r = keyring_slot_open(&ring->slots[i], ring->store_id, ret->kek,
					      &ret->roots);
		if (r == 0)
			ret->slot = &ring->slots[i];
		if (r != -EKEYREJECTED)
			return r;
		result = r;
	}
	return result;
}

static int open_auth(struct keystore *ks, const struct roots *roots)
{
	struct auth_keys *keys = keys_alloc(sizeof(*keys), &ks->locked);
	int r;

	if (!keys)
		return -ENOMEM;
	memcpy(keys->root, roots->bytes, KEYRING_ROOT_LEN);
	r = keyring_open_auth(&ks->file, keys);
	if (r < 0) {
		keys_free(keys);
		return r;
	}
	keys_protect(keys);
	ks->auth = keys;
	return 0;
}

static int open_issuer(struct keystore *ks, const struct roots *roots)
{
	struct issuer_keys *keys = keys_alloc(sizeof(*keys), &ks->locked);
	int r;

	if (!keys)
		return -ENOMEM;
	memcpy(keys->root, roots->bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	r = keyring_open_issuer(&ks->file, keys);
	if (r < 0) {
		keys_free(keys);
		return r;
	}
	keys_protect(keys);
	ks->issuer = keys;
	return 0;
}

/* Tries the loaded keyring: slot, then bodies. */
static int try_ring(struct keystore *ks, const struct opener *o, struct opened *opened)
{
	int r = open_slot(ks, o, opened);

	if (r == 0 && !ks->auth)
		r = open_auth(ks, &opened->roots);
	if (r == 0 && !ks->issuer && opened->slot->info.tiers & KEYSTORE_ISSUER)
		r = open_issuer(ks, &opened->roots);
	return r;
}

int ring_tell(struct report *report, int r, const struct keystore *ks,
	      enum keystore_slot_type type)
{
	const char *name = keystore_slot_type_name(type);

	if (r == -EKEYREJECTED) {
		(void)report_set(report, r, "this %s opens no slot of %s", name, ks->dir);
		report_hint(report, type == KEYSTORE_SLOT_RECOVERY
					    ? "is it the recovery key of this keystore?"
					    : "try again; the recovery key opens it as well");
	} else if (r == -ENOENT) {
		(void)report_set(report, r, "%s has no %s slot", ks->dir, name);
		report_hint(report, "use the passphrase or the recovery key");
	} else if (r == -ENOMEM) {
		(void)report_set(report, r, "not enough memory for Argon2id");
		report_hint(report, "up to 2 GiB may be needed: free -m");
	} else if (r < 0) {
		(void)report_set(report, r, "%s/keyring was altered: %s", ks->dir,
				 strerrordesc_np(-r));
		report_hint(report, "put back a backup of %s/keyring", ks->dir);
	}
	return r;
}

static int unlock_with(struct keystore *ks, const struct opener *o, struct opened *opened,
		       struct report *report)
{
	bool was_open = ks->auth;
	int r;

	r = try_ring(ks, o, opened);
	if (r == -EBADMSG && !was_open && ring_has_prev(ks) && ring_load_prev(ks) == 0) {
		keystore_seal(ks, KEYSTORE_BOTH);
		r = try_ring(ks, o, opened);
	}
	if (r == 0 && !was_open)
		r = state_load(ks, report);
	else if (r < 0)
		(void)ring_tell(report, r, ks, o->type);
	if (r < 0) {
		if (!was_open)
			keystore_seal(ks, KEYSTORE_BOTH);
		return r;
	}
	if (ks->health == KEYSTORE_HEALTHY && !was_open) {
		ring_settle(ks);
		ring_settle_keys(ks);
	}
	return 0;
}

static int unlock(struct keystore *ks, const struct opener *o, struct report *report)
{
	struct opened *opened = keys_alloc(sizeof(*opened), &ks->locked);
	int r;

	if (!opened)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = unlock_with(ks, o, opened, report);
	keys_free(opened);
	return r;
}

static int unlock_any(struct keystore *ks, enum keystore_slot_type type, struct span key,
		      struct report *report)
{
	const struct opener o = { .type = type, .key = key };

	return unlock(ks, &o, report);
}

const struct keyring_slot *ring_slot(const struct keystore *ks, const uint8_t *id)
{
	for (size_t i = 0; i < ks->file.ring.slot_count; i++)
		if (memcmp(ks->file.ring.slots[i].info.id, id, KEYSTORE_SLOT_ID_LEN) == 0)
			return &ks->file.ring.slots[i];
	return NULL;
}

int keystore_unlock_slot(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			 const struct secret *key, struct report *report)
{
	const struct keyring_slot *slot = ring_slot(ks, id);
	struct opener o = { .id = id, .key = { secret_data(key), secret_len(key) } };

	if (!slot)
		return ring_no_slot(id, report);
	o.type = slot->info.type;
	if (o.type != KEYSTORE_SLOT_CREDENTIAL && o.type != KEYSTORE_SLOT_EXEC) {
		(void)report_set(report, -EINVAL, "a %s slot is not opened by a helper",
				 keystore_slot_type_name(o.type));
		report_hint(report, "rotatectl unseal");
		return -EINVAL;
	}
	if (o.key.len > KEYSTORE_KEY_FILE_MAX)
		return ring_tell(report, -EKEYREJECTED, ks, o.type);
	return unlock(ks, &o, report);
}

int ring_unlock_kek(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		    const uint8_t kek[static SEAL_KEY_LEN], struct report *report)
{
	const struct keyring_slot *slot = ring_slot(ks, id);
	struct opener o = { .id = id, .key = { kek, SEAL_KEY_LEN }, .is_kek = true };

	if (!slot)
		return ring_no_slot(id, report);
	o.type = slot->info.type;
	return unlock(ks, &o, report);
}

int keystore_unlock_passphrase(struct keystore *ks, const struct secret *passphrase,
			       struct report *report)
{
	if (secret_len(passphrase) > KEYSTORE_PASSPHRASE_MAX)
		return ring_tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_PASSPHRASE);
	return unlock_any(ks, KEYSTORE_SLOT_PASSPHRASE,
			  SPAN_OF(secret_data(passphrase), secret_len(passphrase)), report);
}

int keystore_unlock_key_file(struct keystore *ks, const struct secret *content,
			     struct report *report)
{
	if (secret_len(content) > KEYSTORE_KEY_FILE_MAX)
		return ring_tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_KEY_FILE);
	return unlock_any(ks, KEYSTORE_SLOT_KEY_FILE,
			  SPAN_OF(secret_data(content), secret_len(content)), report);
}

int keystore_unlock_recovery(struct keystore *ks, const struct secret *text,
			     struct report *report)
{
	uint8_t key[RECOVERY_KEY_LEN];
	int r = recovery_parse(secret_string(text), secret_len(text), key, report);

	if (r == 0)
		r = unlock_any(ks, KEYSTORE_SLOT_RECOVERY, SPAN(key), report);
	sodium_memzero(key, sizeof(key));
	return r;
}

bool keystore_is_open(const struct keystore *ks, enum keystore_tier tier)
{
	return (!(tier & KEYSTORE_AUTH) || ks->auth) &&
	       (!(tier & KEYSTORE_ISSUER) || ks->issuer);
}

void keystore_seal(struct keystore *ks, enum keystore_tier tier)
{
	keys_free(ks->issuer);
	ks->issuer = NULL;
	if (!(tier & KEYSTORE_AUTH))
		return;
	keystore_compact_abort(ks); /* it can not be held against META any more */
	state_forget(ks);
	keys_free(steal_ptr(ks->auth));
}

const struct verifier_keys *keystore_verifier_keys(const struct keystore *ks)
{
	return ks->auth ? &ks->auth->verifier : NULL;
}

const struct verifier_keys *keystore_verifier_next(const struct keystore *ks)
{
	return ks->auth && ks->auth->has_next ? &ks->auth->next : NULL;
}

int keystore_audit_first_key(const struct keystore *ks, const struct secret *recovery,
			     uint8_t ret[static KEYSTORE_AUDIT_LEN], struct report *report)
{
	uint8_t pk[KEYRING_PK_LEN];
	uint8_t key[RECOVERY_KEY_LEN];
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	r = recovery_parse(secret_string(recovery), secret_len(recovery), key, report);
	if (r < 0)
		return r;
	(void)crypto_scalarmult_base(pk, key);
	if (sodium_memcmp(pk, ks->auth->recovery_pk, sizeof(pk)) == 0) {
		keyring_audit_first(key, ret);
	} else {
		r = report_set(report, -EKEYREJECTED,
			       "this is not the recovery key that %s was made with", ks->dir);
		report_hint(report, "no key that was added later gives the first key of the "
				    "audit log");
	}
	sodium_memzero(key, sizeof(key));
	return r;
}
