/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening the tiers through the slots. */
#include <sodium.h>
#include <string.h>

#include "keystore/internal.h"
#include "keystore/recovery.h"

/* Finds the slot that KEY opens. */
static int open_slot(const struct keystore *ks, enum keystore_slot_type type, struct span key,
		     struct roots *roots, enum keystore_tier *ret_tiers)
{
	const struct keyring *ring = &ks->file.ring;
	int result = -ENOENT;

	for (size_t i = 0; i < ring->slot_count; i++) {
		int r;

		if (ring->slots[i].info.type != type)
			continue;
		r = keyring_slot_open(&ring->slots[i], ring->store_id, key, roots);
		if (r == 0)
			*ret_tiers = ring->slots[i].info.tiers;
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
static int try_ring(struct keystore *ks, enum keystore_slot_type type, struct span key,
		    struct roots *roots)
{
	enum keystore_tier tiers = 0;
	int r;

	r = open_slot(ks, type, key, roots, &tiers);
	if (r == 0 && !ks->auth)
		r = open_auth(ks, roots);
	if (r == 0 && !ks->issuer && tiers & KEYSTORE_ISSUER)
		r = open_issuer(ks, roots);
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

static int unlock_with(struct keystore *ks, enum keystore_slot_type type, struct span key,
		       struct report *report, struct roots *roots)
{
	bool was_open = ks->auth;
	int r;

	r = try_ring(ks, type, key, roots);
	if (r == -EBADMSG && !was_open && ring_has_prev(ks) && ring_load_prev(ks) == 0) {
		keystore_seal(ks, KEYSTORE_BOTH);
		r = try_ring(ks, type, key, roots);
	}
	if (r < 0) {
		if (!was_open)
			keystore_seal(ks, KEYSTORE_BOTH);
		return ring_tell(report, r, ks, type);
	}
	if (was_open)
		return 0;
	r = state_load(ks, report);
	if (r < 0) {
		keystore_seal(ks, KEYSTORE_BOTH);
		return r;
	}
	if (ks->health == KEYSTORE_HEALTHY)
		ring_settle(ks);
	return 0;
}

static int unlock(struct keystore *ks, enum keystore_slot_type type, struct span key,
		  struct report *report)
{
	struct roots *roots = keys_alloc(sizeof(*roots), &ks->locked);
	int r;

	if (!roots)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = unlock_with(ks, type, key, report, roots);
	keys_free(roots);
	return r;
}

int keystore_unlock_passphrase(struct keystore *ks, const struct secret *passphrase,
			       struct report *report)
{
	if (secret_len(passphrase) > KEYSTORE_PASSPHRASE_MAX)
		return ring_tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_PASSPHRASE);
	return unlock(ks, KEYSTORE_SLOT_PASSPHRASE,
		      SPAN_OF(secret_data(passphrase), secret_len(passphrase)), report);
}

int keystore_unlock_key_file(struct keystore *ks, const struct secret *content,
			     struct report *report)
{
	if (secret_len(content) > KEYSTORE_KEY_FILE_MAX)
		return ring_tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_KEY_FILE);
	return unlock(ks, KEYSTORE_SLOT_KEY_FILE,
		      SPAN_OF(secret_data(content), secret_len(content)), report);
}

int keystore_unlock_recovery(struct keystore *ks, const struct secret *text,
			     struct report *report)
{
	uint8_t key[RECOVERY_KEY_LEN];
	int r = recovery_parse(secret_string(text), secret_len(text), key, report);

	if (r == 0)
		r = unlock(ks, KEYSTORE_SLOT_RECOVERY, SPAN(key), report);
	sodium_memzero(key, sizeof(key));
	return r;
}

int ring_unlock_kek(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		    const uint8_t kek[static SEAL_KEY_LEN], struct report *report)
{
	(void)ks;
	(void)id;
	(void)kek;
	return report_set(report, -ENOENT, "there is no such slot");
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
	state_forget(ks);
	keys_free(ks->auth);
	ks->auth = NULL;
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
	uint8_t key[RECOVERY_KEY_LEN];
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	r = recovery_parse(secret_string(recovery), secret_len(recovery), key, report);
	if (r < 0)
		return r;
	if (crypto_box_seal_open(ret, ks->auth->audit_first, KEYRING_AUDIT_FIRST_LEN,
				 ks->auth->recovery_pk, key) != 0)
		r = ring_tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_RECOVERY);
	sodium_memzero(key, sizeof(key));
	return r;
}
