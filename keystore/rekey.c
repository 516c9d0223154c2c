/* SPDX-License-Identifier: BSD-2-Clause */
/* New roots for the slots that there are, and the slots of format 1 made into those of 2. */
#include <sodium.h>
#include <string.h>

#include "keystore/draft.h"

int ring_may_change(const struct keystore *ks, struct report *report)
{
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (!ks->issuer) {
		(void)report_set(report, -ENOKEY, "changing slots needs both tiers open");
		report_hint(report, "rotatectl unseal");
		return -ENOKEY;
	}
	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	return 0;
}

/* ---- slots of format 1 ---- */

void ring_remember(struct keystore *ks, const struct keyring_slot *slot,
		   const uint8_t kek[static SEAL_KEY_LEN])
{
	struct fresh_slots *f = ks->fresh;

	if (!slot->info.is_old)
		return;
	if (!f)
		f = keys_alloc(sizeof(*f), &ks->locked);
	if (!f)
		return; /* it stays old until it is used the next time */
	ks->fresh = f;
	for (size_t i = 0; i < f->count; i++)
		if (memcmp(f->all[i].mac.id, slot->info.id, KEYSTORE_SLOT_ID_LEN) == 0)
			return;
	keys_unprotect(f);
	keyring_slot_keys(slot, kek, &f->all[f->count++]);
	keys_protect(f);
}

static int convert_slot(const struct keystore *ks, struct ring_draft *d,
			const struct slot_keys *keys)
{
	for (size_t i = 0; i < d->ring.slot_count; i++) {
		struct keyring_slot *s = &d->ring.slots[i];

		if (!s->info.is_old ||
		    memcmp(s->info.id, keys->mac.id, KEYSTORE_SLOT_ID_LEN) != 0)
			continue;
		s->info.is_old = false;
		memcpy(s->pk, keys->pk, sizeof(s->pk));
		slot_macs_add(draft_macs(d, s->info.tiers), &keys->mac);
		return keyring_slot_wrap(&ks->rng, d->ring.store_id, &d->roots, &keys->mac, s);
	}
	return 0;
}

void ring_convert(struct keystore *ks)
{
	cleanup_draft struct ring_draft *d = NULL;
	int r;

	if (!ks->fresh || ring_may_change(ks, NULL) < 0)
		return;
	r = draft_new(ks, &d, NULL);
	for (size_t i = 0; r == 0 && i < ks->fresh->count; i++)
		r = convert_slot(ks, d, &ks->fresh->all[i]);
	if (r == 0)
		r = draft_write(ks, d, NULL);
	if (r < 0)
		return;
	keys_free(steal_ptr(ks->fresh));
	ring_drop_prev(ks);
	/* the next commit binds META to the keyring if this does not */
	ignore_result(txn_commit_empty(ks, NULL));
}

/* ---- new roots ---- */

int ring_may_rekey(const struct keyring *ring, struct report *report)
{
	char id[2 * KEYSTORE_SLOT_ID_LEN + 1];

	for (size_t i = 0; i < ring->slot_count; i++) {
		const struct keystore_slot *s = &ring->slots[i].info;

		/* a recovery slot has its public key since ever */
		if (!s->is_old || s->type == KEYSTORE_SLOT_RECOVERY)
			continue;
		(void)sodium_bin2hex(id, sizeof(id), s->id, sizeof(s->id));
		(void)report_set(report, -EUCLEAN,
				 "the roots stay: %s slot %s is of format 1 until it is used",
				 keystore_slot_type_name(s->type), id);
		report_hint(report, "rotatectl unseal%s, or: rotatectl store slot remove %s",
			    s->type == KEYSTORE_SLOT_KEY_FILE ? " --key-file FILE" : "", id);
		return -EUCLEAN;
	}
	return 0;
}

int keystore_may_rekey(const struct keystore *ks, struct report *report)
{
	return ring_may_rekey(&ks->file.ring, report);
}

void ring_settle_keys(struct keystore *ks)
{
	cleanup_draft struct ring_draft *d = NULL;

	if (!ks->auth->has_before || ks->health != KEYSTORE_HEALTHY)
		return;
	if (!state_is_bound(ks) && txn_commit_empty(ks, NULL) < 0)
		return;
	/* a power cut must not leave an anchor that only the keys of before would open */
	if (state_sync_anchor(ks) < 0 || draft_new(ks, &d, NULL) < 0 ||
	    draft_write(ks, d, NULL) < 0)
		return;
	ring_drop_prev(ks);
}

int keystore_rekey(struct keystore *ks, struct report *report)
{
	cleanup_draft struct ring_draft *d = NULL;
	int r = ring_may_change(ks, report);

	if (r == 0)
		r = keystore_may_rekey(ks, report);
	if (r == 0)
		r = draft_new(ks, &d, report);
	if (r == 0)
		r = draft_rotate(ks, d, report);
	if (r == 0)
		r = draft_write(ks, d, report);
	if (r < 0)
		return r;
	ring_drop_prev(ks);
	ring_settle_keys(ks);
	return 0;
}
