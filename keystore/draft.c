/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/draft.h"

#include <sodium.h>
#include <string.h>

int draft_new(struct keystore *ks, struct ring_draft **ret, struct report *report)
{
	struct ring_draft *d = keys_alloc(sizeof(*d), &ks->locked);

	if (!d)
		return report_set(report, -ENOMEM, "out of guarded memory");
	d->ring = ks->file.ring;
	d->auth = *ks->auth;
	memcpy(d->roots.bytes, ks->auth->root, KEYRING_ROOT_LEN);
	if (ks->issuer) {
		d->has_issuer = true;
		d->issuer = *ks->issuer;
		memcpy(d->roots.bytes + KEYRING_ROOT_LEN, ks->issuer->root, KEYRING_ROOT_LEN);
	}
	if (d->auth.has_before && state_is_bound(ks)) {
		d->auth.has_before = false;
		sodium_memzero(d->auth.meta_before, SEAL_KEY_LEN);
		sodium_memzero(d->auth.anchor_before, SEAL_KEY_LEN);
	}
	*ret = d;
	return 0;
}

void draft_free(struct ring_draft *d)
{
	keys_free(d);
}

struct slot_macs *draft_macs(struct ring_draft *d, enum keystore_tier tiers)
{
	return tiers == KEYSTORE_BOTH ? &d->issuer.macs : &d->auth.macs;
}

/* ---- new roots ---- */

static int wrap_all(const struct keystore *ks, struct ring_draft *d)
{
	for (size_t i = 0; i < d->ring.slot_count; i++) {
		struct keyring_slot *s = &d->ring.slots[i];
		const struct slot_mac *mac =
			slot_macs_find(draft_macs(d, s->info.tiers), s->info.id);
		int r;

		/* opening the bodies has found one for each */
		r = mac ? keyring_slot_wrap(&ks->rng, d->ring.store_id, &d->roots, mac, s)
			: -EBADMSG;
		if (r < 0)
			return r;
	}
	return 0;
}

int draft_rotate(struct keystore *ks, struct ring_draft *d, struct report *report)
{
	int r;

	/* one set of keys from before is kept, so META may not be two behind */
	if (d->auth.has_before) {
		r = txn_commit_empty(ks, report);
		if (r == 0)
			r = db_report(report, state_sync_anchor(ks),
				      "cannot write the anchor in", ks->dir);
		if (r < 0)
			return r;
	}
	memcpy(d->auth.meta_before, d->auth.meta, SEAL_KEY_LEN);
	memcpy(d->auth.anchor_before, d->auth.anchor, SEAL_KEY_LEN);
	d->auth.has_before = true;
	rng_fill(&ks->rng, d->roots.bytes, sizeof(d->roots.bytes));
	memcpy(d->auth.root, d->roots.bytes, KEYRING_ROOT_LEN);
	memcpy(d->issuer.root, d->roots.bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	auth_keys_derive(&d->auth);
	issuer_keys_derive(&d->issuer);
	r = wrap_all(ks, d);
	if (r < 0)
		(void)report_set(report, r, "cannot wrap the new roots: %s",
				 strerrordesc_np(-r));
	return r;
}

/* ---- writing ---- */

/* Opens FILE with the roots of D, as who unlocks it the next time will. */
static int prove(struct keystore *ks, const struct ring_draft *d,
		 const struct keyring_file *file)
{
	struct auth_keys *auth = keys_alloc(sizeof(*auth), &ks->locked);
	struct issuer_keys *issuer = keys_alloc(sizeof(*issuer), &ks->locked);
	int r = auth && issuer ? 0 : -ENOMEM;

	if (r == 0) {
		memcpy(auth->root, d->auth.root, KEYRING_ROOT_LEN);
		memcpy(issuer->root, d->issuer.root, KEYRING_ROOT_LEN);
		r = keyring_open_auth(file, auth);
	}
	if (r == 0 && d->has_issuer)
		r = keyring_open_issuer(file, issuer);
	if (r == 0 && !epochs_equal(&auth->epochs, &d->auth.epochs))
		r = -EBADMSG;
	if (r == 0 && d->has_issuer && !epochs_equal(&issuer->epochs, &d->issuer.epochs))
		r = -EBADMSG;
	keys_free(auth);
	keys_free(issuer);
	return r;
}

/* In place: verifier keys are lent to others. */
static void adopt(struct keystore *ks, const struct ring_draft *d)
{
	keys_unprotect(ks->auth);
	*ks->auth = d->auth;
	keys_protect(ks->auth);
	if (!d->has_issuer)
		return;
	keys_unprotect(ks->issuer);
	*ks->issuer = d->issuer;
	keys_protect(ks->issuer);
}

int draft_write(struct keystore *ks, const struct ring_draft *d, struct report *report)
{
	const struct keyring_content content = {
		.auth = &d->auth,
		.issuer = d->has_issuer ? &d->issuer : NULL,
		.issuer_sealed = ks->file.issuer_all,
	};
	cleanup_buf struct buf bytes = BUF_INIT;
	struct keyring ring = d->ring;
	struct keyring_file file;
	int r;

	ring.generation = ks->file.ring.generation + 1;
	r = keyring_encode(&ring, &content, &ks->rng, &bytes);
	if (r == 0)
		r = keyring_decode(SPAN_OF(bytes.data, bytes.len), &file);
	if (r == 0)
		r = prove(ks, d, &file);
	if (r == 0)
		r = ring_replace(ks, &bytes);
	if (r < 0)
		return db_report(report, r, "cannot write the keyring in", ks->dir);
	buf_release(&ks->ring_bytes);
	ks->ring_bytes = bytes;
	bytes = BUF_INIT;
	ks->file = file;
	adopt(ks, d);
	return 0;
}
