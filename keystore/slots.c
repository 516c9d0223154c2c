/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots: what there is, adding, removing and trying one. */
#include <string.h>

#include "keystore/internal.h"

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

/* Makes RING the keyring: on disk first, then here, then in META. */
static int replace_ring(struct keystore *ks, struct keyring *ring, struct report *report)
{
	int r = ring_write(ks, ring, report);

	return r < 0 ? r : txn_commit_empty(ks, report);
}

static int may_change_slots(const struct keystore *ks, struct report *report)
{
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (ks->issuer)
		return 0;
	(void)report_set(report, -ENOKEY, "changing slots needs both tiers open");
	report_hint(report, "rotatectl unseal");
	return -ENOKEY;
}

int keystore_slot_add(struct keystore *ks, const struct keystore_new_slot *slot,
		      uint8_t ret_id[static KEYSTORE_SLOT_ID_LEN], struct secret **ret_text,
		      struct report *report)
{
	enum keystore_slot_type type = slot->type;
	const struct secret *key = slot->key;
	const struct keystore_slot kind = {
		.type = type,
		.tiers = type == KEYSTORE_SLOT_KEY_FILE ? KEYSTORE_AUTH : KEYSTORE_BOTH,
	};
	const struct slot_source src = {
		.rng = &ks->rng,
		.store_id = ks->file.ring.store_id,
		.now = clock_now(&ks->clock).wall,
		.pwhash_ops = ks->pwhash_ops,
		.pwhash_mem = ks->pwhash_mem,
	};
	struct keyring ring = ks->file.ring;
	struct roots *roots;
	int r;

	r = may_change_slots(ks, report);
	if (r < 0)
		return r;
	*ret_text = NULL;
	if (type != KEYSTORE_SLOT_PASSPHRASE && type != KEYSTORE_SLOT_KEY_FILE)
		return report_set(report, -EINVAL, "%s slots are not made yet",
				  keystore_slot_type_name(type));
	if (ring.slot_count == KEYRING_SLOTS_MAX) {
		(void)report_set(report, -ENOSPC, "all %d slots are in use", KEYRING_SLOTS_MAX);
		report_hint(report, "remove one that is not needed any more");
		return -ENOSPC;
	}
	r = keystore_check_key(type, key, report);
	if (r < 0)
		return r;
	roots = keys_alloc(sizeof(*roots), &ks->locked);
	if (!roots)
		return report_set(report, -ENOMEM, "out of guarded memory");
	memcpy(roots->bytes, ks->auth->root, KEYRING_ROOT_LEN);
	memcpy(roots->bytes + KEYRING_ROOT_LEN, ks->issuer->root, KEYRING_ROOT_LEN);
	r = keyring_slot_make(&src, &kind, SPAN_OF(secret_data(key), secret_len(key)), roots,
			      &ring.slots[ring.slot_count]);
	keys_free(roots);
	if (r < 0)
		return ring_tell(report, r, ks, type);
	memcpy(ret_id, ring.slots[ring.slot_count].info.id, KEYSTORE_SLOT_ID_LEN);
	ring.slot_count++;
	return replace_ring(ks, &ring, report);
}

static size_t count_type(const struct keyring *ring, enum keystore_slot_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < ring->slot_count; i++)
		n += ring->slots[i].info.type == type;
	return n;
}

static int refuse_last(enum keystore_slot_type type, struct report *report)
{
	(void)report_set(report, -EPERM, "the last %s slot stays",
			 keystore_slot_type_name(type));
	report_hint(report, type == KEYSTORE_SLOT_PASSPHRASE
				    ? "add another passphrase first"
				    : "without it a forgotten passphrase would be the end");
	return -EPERM;
}

int keystore_slot_remove(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			 struct report *report)
{
	struct keyring ring = ks->file.ring;
	size_t i = 0;
	int r;

	r = may_change_slots(ks, report);
	if (r < 0)
		return r;
	while (i < ring.slot_count &&
	       memcmp(ring.slots[i].info.id, id, KEYSTORE_SLOT_ID_LEN) != 0)
		i++;
	if (i == ring.slot_count)
		return report_set(report, -ENOENT, "there is no such slot");
	if (ring.slots[i].info.type != KEYSTORE_SLOT_KEY_FILE &&
	    count_type(&ring, ring.slots[i].info.type) == 1)
		return refuse_last(ring.slots[i].info.type, report);
	memmove(&ring.slots[i], &ring.slots[i + 1],
		(ring.slot_count - i - 1U) * sizeof(ring.slots[0]));
	ring.slot_count--;
	return replace_ring(ks, &ring, report);
}

int keystore_slot_blob(const struct keystore *ks, size_t index, const uint8_t **ret,
		       size_t *ret_len)
{
	(void)ks;
	(void)index;
	(void)ret;
	(void)ret_len;
	return -ENOENT;
}

int keystore_slot_test(const struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		       const struct secret *key, struct report *report)
{
	(void)ks;
	(void)id;
	(void)key;
	return report_set(report, -ENOENT, "there is no such slot");
}

int keystore_unlock_slot(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			 const struct secret *key, struct report *report)
{
	(void)ks;
	(void)id;
	(void)key;
	return report_set(report, -ENOENT, "there is no such slot");
}

int keystore_may_rekey(const struct keystore *ks, struct report *report)
{
	(void)ks;
	return report_set(report, -EUCLEAN, "the keyring is of format 1");
}

int keystore_rekey(struct keystore *ks, struct report *report)
{
	return keystore_may_rekey(ks, report);
}
