/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/index_codec.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

enum { INDEX_FORMAT = 2, INDEX_ALG = 1, FIXED_LEN = 1 + 1 + 1 + 8 + 8 };

static const char entry_label[] = "rotated-idx-v1"; /* each with its NUL */
static const char meta_label[] = "rotated-idm-v1";
static const char fact_label[] = "rotated-fct-v1";
static const uint8_t head[INDEX_HEAD_LEN] = { INDEX_FORMAT, INDEX_ALG };

enum {
	ENTRY_AAD_LEN = sizeof(entry_label) + STORE_ID_LEN + SEAL_HASH_LEN + INDEX_HEAD_LEN,
	META_AAD_LEN = sizeof(meta_label) + STORE_ID_LEN + INDEX_HEAD_LEN,
};

_Static_assert(INDEX_ENTRY_PLAIN_MAX >=
		       FIXED_LEN + VERIFIER_SERVICE_MAX +
			       (int)VERIFIER_VERSIONS_MAX * (int)VERIFIER_ENCODED_LEN + 1,
	       "the largest entry must fit");
_Static_assert(sizeof(fact_label) == sizeof(entry_label), "their AAD has one length");
_Static_assert((int)INDEX_FACT_PLAIN_MAX > (int)INDEX_FACT_BODY_MAX,
	       "the longest fact must fit");
_Static_assert(INDEX_ENTRY_PLAIN_MAX % INDEX_BLOCK == 0, "padding fills whole blocks");

void index_hash_login(const struct verifier_keys *keys, const char *login,
		      uint8_t out[static SEAL_HASH_LEN])
{
	const struct span parts[] = { { (const uint8_t *)login, strlen(login) } };

	seal_hash(keys->name, parts, 1, out);
}

static void entry_aad(const struct verifier_keys *keys, const uint8_t *hash,
		      uint8_t out[static ENTRY_AAD_LEN])
{
	uint8_t *p = out;

	p = (uint8_t *)mempcpy(p, entry_label, sizeof(entry_label));
	p = (uint8_t *)mempcpy(p, keys->store_id, STORE_ID_LEN);
	p = (uint8_t *)mempcpy(p, hash, SEAL_HASH_LEN);
	memcpy(p, head, INDEX_HEAD_LEN);
}

bool index_entry_valid(const struct verifier_entry *entry)
{
	size_t len = strnlen(entry->service, sizeof(entry->service));

	if (len == 0 || len > VERIFIER_SERVICE_MAX || entry->flags & ~VERIFIER_DISABLED)
		return false;
	if (entry->count == 0 || entry->count > VERIFIER_VERSIONS_MAX)
		return false;
	for (size_t i = 0; i < entry->count; i++)
		if (entry->versions[i].number == 0 || entry->versions[i].iterations == 0 ||
		    entry->versions[i].iterations > VERIFIER_ITERATIONS_MAX)
			return false;
	return true;
}

static size_t encode_plain(const struct verifier_entry *e,
			   uint8_t out[static INDEX_ENTRY_PLAIN_MAX])
{
	size_t service = strlen(e->service);
	uint8_t *p = out + FIXED_LEN;
	size_t padded = 0;

	out[0] = e->flags;
	out[1] = e->count;
	out[2] = (uint8_t)service;
	store_be64(out + 3, e->not_before);
	store_be64(out + 11, e->not_after);
	p = (uint8_t *)mempcpy(p, e->service, service);
	for (size_t i = 0; i < e->count; i++) {
		verifier_version_encode(&e->versions[i], p);
		p += VERIFIER_ENCODED_LEN;
	}
	(void)sodium_pad(&padded, out, (size_t)(p - out), INDEX_BLOCK, INDEX_ENTRY_PLAIN_MAX);
	return padded;
}

size_t index_entry_seal(const struct verifier_keys *keys,
			const uint8_t hash[static SEAL_HASH_LEN],
			const uint8_t nonce[static SEAL_NONCE_LEN],
			const struct verifier_entry *entry, uint8_t out[static INDEX_ENTRY_MAX])
{
	uint8_t *plain = out + INDEX_HEAD_LEN + SEAL_NONCE_LEN;
	uint8_t aad[ENTRY_AAD_LEN];
	size_t len;

	memcpy(out, head, INDEX_HEAD_LEN);
	memcpy(out + INDEX_HEAD_LEN, nonce, SEAL_NONCE_LEN);
	len = encode_plain(entry, plain);
	entry_aad(keys, hash, aad);
	seal_encrypt(keys->seal, nonce, SPAN(aad), SPAN_OF(plain, len), plain);
	return INDEX_HEAD_LEN + SEAL_NONCE_LEN + len + SEAL_TAG_LEN;
}

int index_entry_decode(struct span padded, struct verifier_entry *ret)
{
	struct verifier_entry e = { .flags = 0 };
	const uint8_t *p = padded.data;
	size_t service;
	size_t len;
	int r;

	if (sodium_unpad(&len, p, padded.len, INDEX_BLOCK) != 0 ||
	    padded.len - len > INDEX_BLOCK || len < FIXED_LEN)
		return -EBADMSG;
	e.flags = p[0];
	e.count = p[1];
	service = p[2];
	e.not_before = load_be64(p + 3);
	e.not_after = load_be64(p + 11);
	if (e.count > VERIFIER_VERSIONS_MAX || service > VERIFIER_SERVICE_MAX ||
	    len != FIXED_LEN + service + e.count * (size_t)VERIFIER_ENCODED_LEN)
		return -EBADMSG;
	memcpy(e.service, p + FIXED_LEN, service);
	p += FIXED_LEN + service;
	for (size_t i = 0; i < e.count; i++, p += VERIFIER_ENCODED_LEN) {
		r = verifier_version_decode(p, VERIFIER_ENCODED_LEN, &e.versions[i]);
		if (r < 0)
			return r;
	}
	if (!index_entry_valid(&e) || strlen(e.service) != service)
		return -EBADMSG;
	*ret = e;
	sodium_memzero(&e, sizeof(e));
	return 0;
}

int index_entry_open(const struct verifier_keys *keys, const uint8_t hash[static SEAL_HASH_LEN],
		     struct span value, struct verifier_entry *ret)
{
	uint8_t plain[INDEX_ENTRY_PLAIN_MAX];
	uint8_t aad[ENTRY_AAD_LEN];
	struct span sealed;
	int r;

	if (value.len < INDEX_HEAD_LEN + SEAL_NONCE_LEN + SEAL_TAG_LEN ||
	    value.len > INDEX_ENTRY_MAX || memcmp(value.data, head, INDEX_HEAD_LEN) != 0)
		return -EBADMSG;
	sealed = SPAN_OF(value.data + INDEX_HEAD_LEN + SEAL_NONCE_LEN,
			 value.len - INDEX_HEAD_LEN - SEAL_NONCE_LEN);
	entry_aad(keys, hash, aad);
	r = seal_decrypt(keys->seal, value.data + INDEX_HEAD_LEN, SPAN(aad), sealed, plain);
	if (r == 0)
		r = index_entry_decode(SPAN_OF(plain, sealed.len - SEAL_TAG_LEN), ret);
	sodium_memzero(plain, sizeof(plain));
	return r;
}

/* ---- facts ---- */

bool index_key_valid(const struct index_key *key)
{
	return key->len > 0 && key->len <= INDEX_FACT_KEY_MAX;
}

/* The label's NUL keeps it apart from logins, which have none. */
void index_hash_fact(const struct verifier_keys *keys, const struct index_key *key,
		     uint8_t out[static SEAL_HASH_LEN])
{
	const uint8_t kind = (uint8_t)key->fact;
	const struct span parts[] = {
		{ (const uint8_t *)fact_label, sizeof(fact_label) },
		{ &kind, 1 },
		{ key->data, key->len },
	};

	seal_hash(keys->name, parts, ARRAY_SIZE(parts), out);
}

static void fact_head(const struct index_place *place, uint8_t out[static INDEX_HEAD_LEN])
{
	memcpy(out, head, INDEX_HEAD_LEN);
	out[2] = (uint8_t)place->fact;
}

static void fact_aad(const struct verifier_keys *keys, const struct index_place *place,
		     uint8_t out[static ENTRY_AAD_LEN])
{
	uint8_t *p = out;

	p = (uint8_t *)mempcpy(p, fact_label, sizeof(fact_label));
	p = (uint8_t *)mempcpy(p, keys->store_id, STORE_ID_LEN);
	p = (uint8_t *)mempcpy(p, place->hash, SEAL_HASH_LEN);
	fact_head(place, p);
}

size_t index_fact_seal(const struct verifier_keys *keys, const struct index_place *place,
		       const uint8_t nonce[static SEAL_NONCE_LEN], struct span body,
		       uint8_t out[static INDEX_FACT_MAX])
{
	uint8_t *plain = out + INDEX_HEAD_LEN + SEAL_NONCE_LEN;
	uint8_t aad[ENTRY_AAD_LEN];
	size_t len = 0;

	fact_head(place, out);
	memcpy(out + INDEX_HEAD_LEN, nonce, SEAL_NONCE_LEN);
	if (body.len > 0)
		memcpy(plain, body.data, body.len);
	(void)sodium_pad(&len, plain, body.len, INDEX_BLOCK, INDEX_FACT_PLAIN_MAX);
	fact_aad(keys, place, aad);
	seal_encrypt(keys->seal, nonce, SPAN(aad), SPAN_OF(plain, len), plain);
	return INDEX_HEAD_LEN + SEAL_NONCE_LEN + len + SEAL_TAG_LEN;
}

int index_fact_open(const struct verifier_keys *keys, const struct index_place *place,
		    struct span value, uint8_t *ret, size_t *ret_len)
{
	uint8_t aad[ENTRY_AAD_LEN];
	uint8_t expected[INDEX_HEAD_LEN];
	struct span sealed;
	size_t len;
	int r;

	fact_head(place, expected);
	if (value.len < INDEX_HEAD_LEN + SEAL_NONCE_LEN + SEAL_TAG_LEN ||
	    value.len > INDEX_FACT_MAX || memcmp(value.data, expected, INDEX_HEAD_LEN) != 0)
		return -EBADMSG;
	sealed = SPAN_OF(value.data + INDEX_HEAD_LEN + SEAL_NONCE_LEN,
			 value.len - INDEX_HEAD_LEN - SEAL_NONCE_LEN);
	fact_aad(keys, place, aad);
	r = seal_decrypt(keys->seal, value.data + INDEX_HEAD_LEN, SPAN(aad), sealed, ret);
	if (r < 0)
		return r;
	if (sodium_unpad(&len, ret, sealed.len - SEAL_TAG_LEN, INDEX_BLOCK) != 0)
		return -EBADMSG;
	*ret_len = len;
	return 0;
}

/* ---- META ---- */

static void meta_aad(const struct verifier_keys *keys, uint8_t out[static META_AAD_LEN])
{
	memcpy(out, meta_label, sizeof(meta_label));
	memcpy(out + sizeof(meta_label), keys->store_id, STORE_ID_LEN);
	memcpy(out + sizeof(meta_label) + STORE_ID_LEN, head, INDEX_HEAD_LEN);
}

void index_meta_seal(const struct verifier_keys *keys,
		     const uint8_t nonce[static SEAL_NONCE_LEN], const struct index_meta *m,
		     uint8_t out[static INDEX_META_LEN])
{
	uint8_t *plain = out + INDEX_HEAD_LEN + SEAL_NONCE_LEN;
	uint8_t aad[META_AAD_LEN];

	memset(out, 0, INDEX_META_LEN);
	memcpy(out, head, INDEX_HEAD_LEN);
	memcpy(out + INDEX_HEAD_LEN, nonce, SEAL_NONCE_LEN);
	store_be64(plain, m->txid);
	plain[8] = m->active;
	plain[9] = m->complete;
	meta_aad(keys, aad);
	seal_encrypt(keys->seal, nonce, SPAN(aad), SPAN_OF(plain, INDEX_META_PLAIN_LEN), plain);
}

int index_meta_open(const struct verifier_keys *keys, struct span value, struct index_meta *ret)
{
	static const uint8_t zero[INDEX_META_PLAIN_LEN - 10];
	uint8_t plain[INDEX_META_PLAIN_LEN];
	uint8_t aad[META_AAD_LEN];
	int r;

	if (value.len != INDEX_META_LEN || memcmp(value.data, head, INDEX_HEAD_LEN) != 0)
		return -EBADMSG;
	meta_aad(keys, aad);
	r = seal_decrypt(keys->seal, value.data + INDEX_HEAD_LEN, SPAN(aad),
			 SPAN_OF(value.data + INDEX_HEAD_LEN + SEAL_NONCE_LEN,
				 INDEX_META_PLAIN_LEN + SEAL_TAG_LEN),
			 plain);
	if (r < 0)
		return r;
	if (plain[8] > 1 || plain[9] > 1 || memcmp(plain + 10, zero, sizeof(zero)) != 0)
		return -EBADMSG;
	*ret = (struct index_meta){
		.txid = load_be64(plain),
		.active = plain[8],
		.complete = plain[9],
	};
	return 0;
}
