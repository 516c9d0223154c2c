/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/keys.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keystore/tlv.h"

enum keys_tag {
	TAG_EPOCH = 1,
	TAG_NAME = 2,
	TAG_SET = 3,
	TAG_VERIFIER = 4,
	TAG_RECOVERY_PK = 6,
	TAG_ISSUER_HASH = 7,
	TAG_SLOT_MAC = 8,
	TAG_BEFORE = 9,		/* may be absent */
	TAG_VERIFIER_NEXT = 16, /* may be absent */
	TAG_MAX_
};

/* Bits, one for each tag that must be there. */
#define TAGS_REQUIRED                                                                          \
	((1U << TAG_EPOCH) | (1U << TAG_NAME) | (1U << TAG_SET) | (1U << TAG_VERIFIER) |       \
	 (1U << TAG_RECOVERY_PK) | (1U << TAG_ISSUER_HASH))

enum {
	EPOCH_LEN = 4 + 1 + 8 + SEAL_KEY_LEN,
	VERIFIER_LEN = 4 * SEAL_KEY_LEN,
	SLOT_MAC_LEN = KEYSTORE_SLOT_ID_LEN + SEAL_KEY_LEN,
};

/* Those that may come more than once. */
#define REPEATED ((1U << TAG_EPOCH) | (1U << TAG_SLOT_MAC))

_Static_assert((int)SLOT_MAC_LEN >= (int)EPOCH_LEN &&
		       (KEYS_EPOCHS_MAX + KEYRING_SLOTS_MAX + TAG_MAX_) *
					       (TLV_HEAD_LEN + SLOT_MAC_LEN) +
				       2 * VERIFIER_LEN + 2 * SEAL_KEY_LEN <=
			       KEYRING_BODY_MAX,
	       "the largest body must fit");

const struct epoch *epochs_find(const struct epochs *e, uint32_t id)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (e->all[i].id == id)
			return &e->all[i];
	return NULL;
}

const struct epoch *epochs_active(const struct epochs *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		if (e->all[i].state == EPOCH_ACTIVE)
			return &e->all[i];
	return NULL;
}

bool epochs_equal(const struct epochs *a, const struct epochs *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct epoch *x = &a->all[i];
		const struct epoch *y = &b->all[i];

		if (x->id != y->id || x->state != y->state || x->created != y->created ||
		    sodium_memcmp(x->key, y->key, SEAL_KEY_LEN) != 0)
			return false;
	}
	return true;
}

const struct slot_mac *slot_macs_find(const struct slot_macs *macs, const uint8_t *id)
{
	for (uint32_t i = 0; i < macs->count; i++)
		if (memcmp(macs->all[i].id, id, KEYSTORE_SLOT_ID_LEN) == 0)
			return &macs->all[i];
	return NULL;
}

void slot_macs_add(struct slot_macs *macs, const struct slot_mac *mac)
{
	assert(macs->count < KEYRING_SLOTS_MAX && !slot_macs_find(macs, mac->id));
	macs->all[macs->count++] = *mac;
}

void slot_macs_drop(struct slot_macs *macs, const uint8_t *id)
{
	const struct slot_mac *gone = slot_macs_find(macs, id);

	if (!gone)
		return;
	macs->all[gone - macs->all] = macs->all[--macs->count];
	sodium_memzero(&macs->all[macs->count], sizeof(macs->all[0]));
}

/* A child, should there ever be one, has zeros in their place. A kernel that does not know of
 * it leaves keys that are still locked and wiped. */
static void wipe_on_fork(void *keys, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *start = keys;
	size_t ahead = (uintptr_t)keys % page;

	(void)madvise(start - ahead, (ahead + size + page - 1) / page * page, MADV_WIPEONFORK);
}

void *keys_alloc(size_t size, bool *locked)
{
	void *p = sodium_malloc(size);

	if (!p)
		return NULL;
	/* sodium_malloc() says nothing when its own mlock() fails */
	if (sodium_mlock(p, size) != 0)
		*locked = false;
	memset(p, 0, size);
	wipe_on_fork(p, size);
	return p;
}

void keys_protect(void *keys)
{
	/* fails only for memory that is not ours; writable keys still work */
	(void)sodium_mprotect_readonly(keys);
}

void keys_unprotect(void *keys)
{
	/* fails only for memory that is not ours */
	(void)sodium_mprotect_readwrite(keys);
}

void keys_free(void *keys)
{
	sodium_free(keys);
}

void auth_keys_derive(struct auth_keys *keys)
{
	seal_derive(keys->root, "rtkeyrng", keys->ring);
	seal_derive(keys->root, "rtanchor", keys->anchor);
	seal_derive(keys->root, "rtmetaky", keys->meta);
}

void issuer_keys_derive(struct issuer_keys *keys)
{
	seal_derive(keys->root, "rtkeyrng", keys->ring);
}

void auth_keys_draw_next(struct auth_keys *keys, const struct rng *rng)
{
	keys->next = keys->verifier;
	rng_fill(rng, keys->next.name, SEAL_KEY_LEN);
	rng_fill(rng, keys->next.seal, SEAL_KEY_LEN);
	keys->has_next = true;
}

void auth_keys_promote_next(struct auth_keys *keys)
{
	if (!keys->has_next)
		return;
	keys->verifier = keys->next;
	keys->has_next = false;
	sodium_memzero(&keys->next, sizeof(keys->next));
}

static void epochs_generate(struct epochs *e, const struct rng *rng, uint64_t now)
{
	e->count = 1;
	e->all[0] = (struct epoch){ .id = 1, .state = EPOCH_ACTIVE, .created = now };
	rng_fill(rng, e->all[0].key, SEAL_KEY_LEN);
}

void auth_keys_generate(struct auth_keys *keys, const uint8_t store_id[static STORE_ID_LEN],
			const struct rng *rng, uint64_t now)
{
	auth_keys_derive(keys);
	epochs_generate(&keys->epochs, rng, now);
	rng_fill(rng, keys->name, SEAL_KEY_LEN);
	rng_fill(rng, keys->set, SEAL_KEY_LEN);
	memcpy(keys->verifier.store_id, store_id, STORE_ID_LEN);
	rng_fill(rng, keys->verifier.name, SEAL_KEY_LEN);
	rng_fill(rng, keys->verifier.seal, SEAL_KEY_LEN);
	rng_fill(rng, keys->verifier.tag, SEAL_KEY_LEN);
	rng_fill(rng, keys->verifier.decoy, SEAL_KEY_LEN);
}

void issuer_keys_generate(struct issuer_keys *keys, const struct rng *rng, uint64_t now)
{
	issuer_keys_derive(keys);
	epochs_generate(&keys->epochs, rng, now);
}

static void put_epochs(struct tlv_writer *w, const struct epochs *e)
{
	uint8_t p[EPOCH_LEN];

	for (uint32_t i = 0; i < e->count; i++) {
		store_be32(p, e->all[i].id);
		p[4] = e->all[i].state;
		store_be64(p + 5, e->all[i].created);
		memcpy(p + 13, e->all[i].key, SEAL_KEY_LEN);
		tlv_put(w, TAG_EPOCH, SPAN(p));
	}
	sodium_memzero(p, sizeof(p));
}

static void put_macs(struct tlv_writer *w, const struct slot_macs *macs)
{
	uint8_t p[SLOT_MAC_LEN];

	for (uint32_t i = 0; i < macs->count; i++) {
		memcpy(p, macs->all[i].id, KEYSTORE_SLOT_ID_LEN);
		memcpy(p + KEYSTORE_SLOT_ID_LEN, macs->all[i].key, SEAL_KEY_LEN);
		tlv_put(w, TAG_SLOT_MAC, SPAN(p));
	}
	sodium_memzero(p, sizeof(p));
}

static void put_before(struct tlv_writer *w, const struct auth_keys *keys)
{
	uint8_t p[2 * SEAL_KEY_LEN];

	if (!keys->has_before)
		return;
	memcpy(p, keys->meta_before, SEAL_KEY_LEN);
	memcpy(p + SEAL_KEY_LEN, keys->anchor_before, SEAL_KEY_LEN);
	tlv_put(w, TAG_BEFORE, SPAN(p));
	sodium_memzero(p, sizeof(p));
}

static void put_verifier(struct tlv_writer *w, enum keys_tag tag, const struct verifier_keys *v)
{
	uint8_t p[VERIFIER_LEN];

	memcpy(p, v->name, SEAL_KEY_LEN);
	memcpy(p + 32, v->seal, SEAL_KEY_LEN);
	memcpy(p + 64, v->tag, SEAL_KEY_LEN);
	memcpy(p + 96, v->decoy, SEAL_KEY_LEN);
	tlv_put(w, (uint8_t)tag, SPAN(p));
	sodium_memzero(p, sizeof(p));
}

size_t auth_keys_encode(const struct auth_keys *keys,
			const uint8_t issuer_hash[static SEAL_HASH_LEN],
			uint8_t out[static KEYRING_BODY_MAX])
{
	struct tlv_writer w = { .data = out, .cap = KEYRING_BODY_MAX };

	put_epochs(&w, &keys->epochs);
	tlv_put(&w, TAG_NAME, SPAN(keys->name));
	tlv_put(&w, TAG_SET, SPAN(keys->set));
	put_verifier(&w, TAG_VERIFIER, &keys->verifier);
	tlv_put(&w, TAG_RECOVERY_PK, SPAN(keys->recovery_pk));
	tlv_put(&w, TAG_ISSUER_HASH, SPAN_OF(issuer_hash, SEAL_HASH_LEN));
	put_macs(&w, &keys->macs);
	put_before(&w, keys);
	if (keys->has_next)
		put_verifier(&w, TAG_VERIFIER_NEXT, &keys->next);
	return w.len;
}

size_t issuer_keys_encode(const struct issuer_keys *keys, uint8_t out[static KEYRING_BODY_MAX])
{
	struct tlv_writer w = { .data = out, .cap = KEYRING_BODY_MAX };

	put_epochs(&w, &keys->epochs);
	put_macs(&w, &keys->macs);
	return w.len;
}

static int take_epoch(struct span v, struct epochs *e)
{
	struct epoch *n = &e->all[e->count];

	if (v.len != EPOCH_LEN || e->count == KEYS_EPOCHS_MAX)
		return -EBADMSG;
	n->id = load_be32(v.data);
	n->state = v.data[4];
	n->created = load_be64(v.data + 5);
	memcpy(n->key, v.data + 13, SEAL_KEY_LEN);
	if (n->id == 0 || n->state < EPOCH_ACTIVE || n->state >= EPOCH_STATE_MAX_)
		return -EBADMSG;
	if (epochs_find(e, n->id) || (n->state == EPOCH_ACTIVE && epochs_active(e)))
		return -EBADMSG;
	e->count++;
	return 0;
}

static int take_mac(struct span v, struct slot_macs *macs)
{
	struct slot_mac mac;

	if (v.len != SLOT_MAC_LEN || macs->count == KEYRING_SLOTS_MAX)
		return -EBADMSG;
	memcpy(mac.id, v.data, KEYSTORE_SLOT_ID_LEN);
	memcpy(mac.key, v.data + KEYSTORE_SLOT_ID_LEN, SEAL_KEY_LEN);
	if (slot_macs_find(macs, mac.id))
		return -EBADMSG;
	slot_macs_add(macs, &mac);
	sodium_memzero(&mac, sizeof(mac));
	return 0;
}

static int take_before(struct span v, struct auth_keys *k)
{
	if (v.len != 2 * SEAL_KEY_LEN)
		return -EBADMSG;
	memcpy(k->meta_before, v.data, SEAL_KEY_LEN);
	memcpy(k->anchor_before, v.data + SEAL_KEY_LEN, SEAL_KEY_LEN);
	k->has_before = true;
	return 0;
}

static int take_fixed(struct span v, uint8_t *out, size_t len)
{
	if (v.len != len)
		return -EBADMSG;
	memcpy(out, v.data, len);
	return 0;
}

static int take_verifier(struct span v, struct verifier_keys *k)
{
	if (v.len != VERIFIER_LEN)
		return -EBADMSG;
	memcpy(k->name, v.data, SEAL_KEY_LEN);
	memcpy(k->seal, v.data + 32, SEAL_KEY_LEN);
	memcpy(k->tag, v.data + 64, SEAL_KEY_LEN);
	memcpy(k->decoy, v.data + 96, SEAL_KEY_LEN);
	return 0;
}

static int take_auth_field(const struct tlv *t, struct auth_keys *k, uint8_t *issuer_hash)
{
	switch ((enum keys_tag)t->tag) {
	case TAG_EPOCH:
		return take_epoch(t->value, &k->epochs);
	case TAG_NAME:
		return take_fixed(t->value, k->name, sizeof(k->name));
	case TAG_SET:
		return take_fixed(t->value, k->set, sizeof(k->set));
	case TAG_VERIFIER:
		return take_verifier(t->value, &k->verifier);
	case TAG_RECOVERY_PK:
		return take_fixed(t->value, k->recovery_pk, sizeof(k->recovery_pk));
	case TAG_ISSUER_HASH:
		return take_fixed(t->value, issuer_hash, SEAL_HASH_LEN);
	case TAG_SLOT_MAC:
		return take_mac(t->value, &k->macs);
	case TAG_BEFORE:
		return take_before(t->value, k);
	case TAG_VERIFIER_NEXT:
		k->has_next = true;
		return take_verifier(t->value, &k->next);
	case TAG_MAX_:
	default:
		return -EBADMSG;
	}
}

int auth_keys_decode(struct span plain, struct auth_keys *ret,
		     uint8_t ret_issuer_hash[static SEAL_HASH_LEN])
{
	struct tlv_reader reader = { .rest = plain, .repeat = REPEATED };
	unsigned seen = 0;
	struct tlv t;
	int r;

	ret->epochs.count = 0;
	ret->macs.count = 0;
	ret->has_before = false;
	ret->has_next = false;
	while ((r = tlv_next(&reader, &t)) > 0) {
		if (t.tag >= TAG_MAX_)
			return -EBADMSG;
		seen |= 1U << t.tag;
		r = take_auth_field(&t, ret, ret_issuer_hash);
		if (r < 0)
			return r;
	}
	if (r < 0 || (seen & TAGS_REQUIRED) != TAGS_REQUIRED || !epochs_active(&ret->epochs))
		return -EBADMSG;
	return 0;
}

int issuer_keys_decode(struct span plain, struct issuer_keys *ret)
{
	struct tlv_reader reader = { .rest = plain, .repeat = REPEATED };
	struct tlv t;
	int r;

	ret->epochs.count = 0;
	ret->macs.count = 0;
	while ((r = tlv_next(&reader, &t)) > 0) {
		if (t.tag == TAG_EPOCH)
			r = take_epoch(t.value, &ret->epochs);
		else
			r = t.tag == TAG_SLOT_MAC ? take_mac(t.value, &ret->macs) : -EBADMSG;
		if (r < 0)
			return r;
	}
	if (r < 0 || !epochs_active(&ret->epochs))
		return -EBADMSG;
	return 0;
}
