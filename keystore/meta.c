/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/meta.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

enum { META_FORMAT = 1, META_ALG = 1 };

static const char aad_label[] = "rotated-meta-v1"; /* each with its NUL */
static const char set_label[] = "rotated-set-v1";

enum { META_AAD_LEN = sizeof(aad_label) + STORE_ID_LEN + META_HEAD_LEN };

static void set_term(const uint8_t set_key[static SEAL_KEY_LEN],
		     const struct record_place *place, struct span value,
		     uint8_t out[static SET_HASH_LEN])
{
	crypto_generichash_state state;
	uint8_t table = (uint8_t)place->table;

	(void)crypto_generichash_init(&state, set_key, SEAL_KEY_LEN, SET_HASH_LEN);
	(void)crypto_generichash_update(&state, &table, 1);
	(void)crypto_generichash_update(&state, place->key.data, place->key.len);
	(void)crypto_generichash_update(&state, value.data, RECORD_HEADER_LEN);
	(void)crypto_generichash_update(&state, value.data + value.len - SEAL_TAG_LEN,
					SEAL_TAG_LEN);
	(void)crypto_generichash_final(&state, out, SET_HASH_LEN);
	sodium_memzero(&state, sizeof(state)); /* it holds set_key */
}

void set_hash_add(struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		  const struct record_place *place, struct span value)
{
	uint8_t term[SET_HASH_LEN];

	set_term(set_key, place, value, term);
	sodium_add(set->sum, term, SET_HASH_LEN);
}

void set_hash_subtract(struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		       const struct record_place *place, struct span value)
{
	uint8_t term[SET_HASH_LEN];

	/* -t = ~t + 1 */
	set_term(set_key, place, value, term);
	for (size_t i = 0; i < sizeof(term); i++)
		term[i] = (uint8_t)~term[i];
	sodium_increment(term, sizeof(term));
	sodium_add(set->sum, term, SET_HASH_LEN);
}

void set_hash_digest(const struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		     uint8_t out[static SET_HASH_LEN])
{
	crypto_generichash_state state;

	/* no term begins like the label: those begin with the number of a table */
	(void)crypto_generichash_init(&state, set_key, SEAL_KEY_LEN, SET_HASH_LEN);
	(void)crypto_generichash_update(&state, (const uint8_t *)set_label, sizeof(set_label));
	(void)crypto_generichash_update(&state, set->sum, SET_HASH_LEN);
	(void)crypto_generichash_final(&state, out, SET_HASH_LEN);
	sodium_memzero(&state, sizeof(state));
}

static void make_aad(const uint8_t store_id[static STORE_ID_LEN],
		     const uint8_t head[static META_HEAD_LEN], uint8_t out[static META_AAD_LEN])
{
	memcpy(out, aad_label, sizeof(aad_label));
	memcpy(out + sizeof(aad_label), store_id, STORE_ID_LEN);
	memcpy(out + sizeof(aad_label) + STORE_ID_LEN, head, META_HEAD_LEN);
}

static void encode(const struct meta *m, uint8_t p[static META_PLAIN_LEN])
{
	store_be64(p, m->txid);
	store_be64(p + 8, m->count_cur);
	store_be64(p + 16, m->count_hist);
	store_be64(p + 24, m->generation);
	store_be64(p + 32, m->seals_auth);
	store_be64(p + 40, m->seals_issuer);
	store_be64(p + 48, m->time);
	memcpy(p + 56, m->set.sum, SET_HASH_LEN);
	store_be64(p + 120, m->audit.seq);
	memcpy(p + 128, m->audit.head, KEYSTORE_AUDIT_LEN);
	memcpy(p + 160, m->audit.key, KEYSTORE_AUDIT_LEN);
}

static void decode(const uint8_t p[static META_PLAIN_LEN], struct meta *ret)
{
	ret->txid = load_be64(p);
	ret->count_cur = load_be64(p + 8);
	ret->count_hist = load_be64(p + 16);
	ret->generation = load_be64(p + 24);
	ret->seals_auth = load_be64(p + 32);
	ret->seals_issuer = load_be64(p + 40);
	ret->time = load_be64(p + 48);
	memcpy(ret->set.sum, p + 56, SET_HASH_LEN);
	ret->audit.seq = load_be64(p + 120);
	memcpy(ret->audit.head, p + 128, KEYSTORE_AUDIT_LEN);
	memcpy(ret->audit.key, p + 160, KEYSTORE_AUDIT_LEN);
}

void meta_seal(const uint8_t key[static SEAL_KEY_LEN],
	       const uint8_t store_id[static STORE_ID_LEN], const struct meta *m,
	       const uint8_t nonce[static SEAL_NONCE_LEN], uint8_t out[static META_LEN])
{
	uint8_t *plain = out + META_HEAD_LEN + SEAL_NONCE_LEN;
	uint8_t aad[META_AAD_LEN];

	memset(out, 0, META_HEAD_LEN);
	out[0] = META_FORMAT;
	out[1] = META_ALG;
	store_be64(out + 8, m->txid);
	memcpy(out + META_HEAD_LEN, nonce, SEAL_NONCE_LEN);
	make_aad(store_id, out, aad);
	encode(m, plain);
	seal_encrypt(key, nonce, SPAN(aad), SPAN_OF(plain, META_PLAIN_LEN), plain);
}

int meta_open(const uint8_t key[static SEAL_KEY_LEN],
	      const uint8_t store_id[static STORE_ID_LEN], struct span value, struct meta *ret)
{
	static const uint8_t head[8] = { META_FORMAT, META_ALG };
	uint8_t plain[META_PLAIN_LEN];
	uint8_t aad[META_AAD_LEN];
	int r;

	/* what comes later may have another length, but begins with its number as well */
	if (value.len > 0 && value.data[0] > META_FORMAT)
		return -EPROTONOSUPPORT;
	if (value.len != META_LEN || memcmp(value.data, head, sizeof(head)) != 0)
		return -EBADMSG;
	make_aad(store_id, value.data, aad);
	r = seal_decrypt(key, value.data + META_HEAD_LEN, SPAN(aad),
			 SPAN_OF(value.data + META_HEAD_LEN + SEAL_NONCE_LEN,
				 META_PLAIN_LEN + SEAL_TAG_LEN),
			 plain);
	if (r == 0 && load_be64(plain) != load_be64(value.data + 8))
		r = -EBADMSG;
	if (r == 0)
		decode(plain, ret);
	sodium_memzero(plain, sizeof(plain));
	return r;
}
