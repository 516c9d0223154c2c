/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/verifier.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "keystore/keys.h"

static const char blob_magic[] = "RTVKEYS1";
static const char tag_label[] = "rotated-tag-v1"; /* with its NUL */
static const char set_label[] = "rotated-set-v1"; /* with its NUL */

enum { BLOB_MAGIC_LEN = sizeof(blob_magic) - 1 };

_Static_assert(VERIFIER_KEYS_BLOB_LEN ==
		       BLOB_MAGIC_LEN + (int)STORE_ID_LEN + 4 * (int)SEAL_KEY_LEN,
	       "blob layout");
_Static_assert((int)VERIFIER_KEYS_ID_LEN == (int)SEAL_HASH_LEN, "an id is a hash");
_Static_assert(VERIFIER_KEY_LEN == crypto_auth_hmacsha256_BYTES, "SCRAM-SHA-256");
_Static_assert(VERIFIER_ENCODED_LEN == 8 + VERIFIER_SALT_LEN + 3 * VERIFIER_KEY_LEN, "layout");

/* ---- keys ---- */

int verifier_keys_to_blob(const struct verifier_keys *keys, struct secret **ret)
{
	struct secret *s = secret_alloc(VERIFIER_KEYS_BLOB_LEN);
	uint8_t *p;

	if (!s)
		return -ENOMEM;
	p = secret_fill(s);
	p = (uint8_t *)mempcpy(p, blob_magic, BLOB_MAGIC_LEN);
	p = (uint8_t *)mempcpy(p, keys->store_id, STORE_ID_LEN);
	p = (uint8_t *)mempcpy(p, keys->name, SEAL_KEY_LEN);
	p = (uint8_t *)mempcpy(p, keys->seal, SEAL_KEY_LEN);
	p = (uint8_t *)mempcpy(p, keys->tag, SEAL_KEY_LEN);
	memcpy(p, keys->decoy, SEAL_KEY_LEN);
	*ret = s;
	return 0;
}

int verifier_keys_from_blob(const uint8_t *blob, size_t len, struct verifier_keys **ret)
{
	struct verifier_keys *keys;
	bool locked = true; /* a door that cannot lock memory still serves */

	if (len != VERIFIER_KEYS_BLOB_LEN || memcmp(blob, blob_magic, BLOB_MAGIC_LEN) != 0)
		return -EBADMSG;
	keys = sodium_init() < 0 ? NULL : keys_alloc(sizeof(*keys), &locked);
	if (!keys)
		return -ENOMEM;
	blob += BLOB_MAGIC_LEN;
	memcpy(keys->store_id, blob, STORE_ID_LEN);
	blob += STORE_ID_LEN;
	memcpy(keys->name, blob, SEAL_KEY_LEN);
	blob += SEAL_KEY_LEN;
	memcpy(keys->seal, blob, SEAL_KEY_LEN);
	blob += SEAL_KEY_LEN;
	memcpy(keys->tag, blob, SEAL_KEY_LEN);
	blob += SEAL_KEY_LEN;
	memcpy(keys->decoy, blob, SEAL_KEY_LEN);
	keys_protect(keys);
	*ret = keys;
	return 0;
}

int verifier_keys_dup(const struct verifier_keys *keys, struct verifier_keys **ret)
{
	bool locked = true; /* as above */
	struct verifier_keys *copy = keys_alloc(sizeof(*copy), &locked);

	if (!copy)
		return -ENOMEM;
	*copy = *keys;
	keys_protect(copy);
	*ret = copy;
	return 0;
}

void verifier_keys_free(struct verifier_keys *keys)
{
	keys_free(keys);
}

void verifier_keys_id(const struct verifier_keys *keys,
		      uint8_t out[static VERIFIER_KEYS_ID_LEN])
{
	const struct span parts[] = {
		{ (const uint8_t *)set_label, sizeof(set_label) },
		SPAN(keys->store_id),
		SPAN(keys->name),
		SPAN(keys->seal),
	};

	seal_hash(keys->tag, parts, ARRAY_SIZE(parts), out);
}

/* ---- the tag for PLAIN ---- */

static void make_tag(const struct verifier_keys *keys, const char *login, uint32_t number,
		     const struct secret *password, uint8_t out[static VERIFIER_KEY_LEN])
{
	uint8_t fixed[8];
	const struct span parts[] = {
		{ (const uint8_t *)tag_label, sizeof(tag_label) },
		SPAN(fixed),
		{ (const uint8_t *)login, strlen(login) },
		{ secret_data(password), secret_len(password) },
	};

	store_be32(fixed, number);
	store_be32(fixed + 4, (uint32_t)strlen(login));
	seal_hash(keys->tag, parts, ARRAY_SIZE(parts), out);
}

/* ---- SCRAM-SHA-256 ---- */

/* Hi() of RFC 5802 section 2.2, which is PBKDF2 with one block. */
static void salted_password(const struct secret *password, const uint8_t *salt,
			    uint32_t iterations, uint8_t out[static VERIFIER_KEY_LEN])
{
	static const uint8_t block[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed;
	crypto_auth_hmacsha256_state state;
	uint8_t u[VERIFIER_KEY_LEN];

	/* the key is hashed once, not at every turn */
	(void)crypto_auth_hmacsha256_init(&keyed, secret_data(password), secret_len(password));
	state = keyed;
	(void)crypto_auth_hmacsha256_update(&state, salt, VERIFIER_SALT_LEN);
	(void)crypto_auth_hmacsha256_update(&state, block, sizeof(block));
	(void)crypto_auth_hmacsha256_final(&state, u);
	memcpy(out, u, sizeof(u));
	for (uint32_t i = 1; i < iterations; i++) {
		state = keyed;
		(void)crypto_auth_hmacsha256_update(&state, u, sizeof(u));
		(void)crypto_auth_hmacsha256_final(&state, u);
		for (size_t j = 0; j < sizeof(u); j++)
			out[j] ^= u[j];
	}
	sodium_memzero(&keyed, sizeof(keyed));
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(u, sizeof(u));
}

static void scram_keys(const uint8_t salted[static VERIFIER_KEY_LEN],
		       struct verifier_version *v)
{
	uint8_t client_key[VERIFIER_KEY_LEN];

	(void)crypto_auth_hmacsha256(client_key, (const uint8_t *)"Client Key", 10, salted);
	(void)crypto_hash_sha256(v->stored_key, client_key, sizeof(client_key));
	(void)crypto_auth_hmacsha256(v->server_key, (const uint8_t *)"Server Key", 10, salted);
	sodium_memzero(client_key, sizeof(client_key));
}

static bool is_ascii(const struct secret *s)
{
	const uint8_t *p = secret_data(s);

	for (size_t i = 0; i < secret_len(s); i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	return secret_len(s) > 0;
}

int verifier_make(const struct verifier_keys *keys, const struct verifier_source *source,
		  struct verifier_version *ret)
{
	uint8_t salted[VERIFIER_KEY_LEN];

	if (source->number == 0 || !source->login[0] ||
	    strnlen(source->login, VERIFIER_LOGIN_MAX + 1) > VERIFIER_LOGIN_MAX ||
	    !is_ascii(source->password))
		return -EINVAL;
	*ret = (struct verifier_version){ .number = source->number,
					  .iterations = VERIFIER_ITERATIONS };
	memcpy(ret->salt, source->salt, VERIFIER_SALT_LEN);
	salted_password(source->password, source->salt, VERIFIER_ITERATIONS, salted);
	scram_keys(salted, ret);
	make_tag(keys, source->login, source->number, source->password, ret->tag);
	sodium_memzero(salted, sizeof(salted));
	return 0;
}

/* ---- checking ---- */

bool verifier_entry_usable(const struct verifier_entry *e, uint64_t now)
{
	return !(e->flags & (VERIFIER_DISABLED | VERIFIER_DECOY)) && now >= e->not_before &&
	       now < e->not_after;
}

uint32_t verifier_entry_check_password(const struct verifier_keys *keys, const char *login,
				       const struct verifier_entry *entry,
				       const struct secret *password, uint64_t now)
{
	uint8_t tag[VERIFIER_KEY_LEN];
	uint32_t found = 0;

	for (size_t i = 0; i < VERIFIER_VERSIONS_MAX; i++) {
		const struct verifier_version *v = &entry->versions[i];
		bool same;

		make_tag(keys, login, v->number, password, tag);
		same = sodium_memcmp(tag, v->tag, sizeof(tag)) == 0;
		/* the first match alone: two numbers in one would be a third */
		found |= v->number & (0U - (uint32_t)(same & (i < entry->count) & !found));
	}
	sodium_memzero(tag, sizeof(tag));
	return verifier_entry_usable(entry, now) ? found : 0;
}

void verifier_decoy(const struct verifier_keys *keys, const char *login,
		    struct verifier_entry *ret)
{
	static const uint8_t labels[] = { 's', 'k', 'v', 't' };
	uint8_t out[sizeof(labels)][SEAL_HASH_LEN];
	struct verifier_version *v = &ret->versions[0];

	for (size_t i = 0; i < sizeof(labels); i++) {
		const struct span parts[] = {
			{ &labels[i], 1 },
			{ (const uint8_t *)login, strlen(login) },
		};

		seal_hash(keys->decoy, parts, ARRAY_SIZE(parts), out[i]);
	}
	*ret = (struct verifier_entry){ .flags = VERIFIER_DECOY,
					.count = 1,
					.not_after = USEC_NEVER };
	v->number = 1;
	v->iterations = VERIFIER_ITERATIONS;
	memcpy(v->salt, out[0], VERIFIER_SALT_LEN);
	memcpy(v->stored_key, out[1], VERIFIER_KEY_LEN);
	memcpy(v->server_key, out[2], VERIFIER_KEY_LEN);
	memcpy(v->tag, out[3], VERIFIER_KEY_LEN);
}

/* ---- forms ---- */

static const char *base64(const uint8_t *data, size_t len, char out[static 64])
{
	return sodium_bin2base64(out, 64, data, len, sodium_base64_VARIANT_ORIGINAL);
}

void verifier_scram_text(const struct verifier_version *v, char out[static VERIFIER_TEXT_SIZE])
{
	char salt[64];
	char stored[64];
	char server[64];

	/* at most 13 + 1 + 10 + 1 + 24 + 1 + 44 + 1 + 44 characters */
	(void)snprintf(out, VERIFIER_TEXT_SIZE, "SCRAM-SHA-256$%u:%s$%s:%s", v->iterations,
		       base64(v->salt, VERIFIER_SALT_LEN, salt),
		       base64(v->stored_key, VERIFIER_KEY_LEN, stored),
		       base64(v->server_key, VERIFIER_KEY_LEN, server));
}

void verifier_version_encode(const struct verifier_version *v,
			     uint8_t out[static VERIFIER_ENCODED_LEN])
{
	store_be32(out, v->number);
	store_be32(out + 4, v->iterations);
	memcpy(out + 8, v->salt, VERIFIER_SALT_LEN);
	memcpy(out + 24, v->stored_key, VERIFIER_KEY_LEN);
	memcpy(out + 56, v->server_key, VERIFIER_KEY_LEN);
	memcpy(out + 88, v->tag, VERIFIER_KEY_LEN);
}

int verifier_version_decode(const uint8_t *data, size_t len, struct verifier_version *ret)
{
	struct verifier_version v;

	if (len != VERIFIER_ENCODED_LEN)
		return -EBADMSG;
	v.number = load_be32(data);
	v.iterations = load_be32(data + 4);
	if (v.number == 0 || v.iterations == 0 || v.iterations > VERIFIER_ITERATIONS_MAX)
		return -EBADMSG;
	memcpy(v.salt, data + 8, VERIFIER_SALT_LEN);
	memcpy(v.stored_key, data + 24, VERIFIER_KEY_LEN);
	memcpy(v.server_key, data + 56, VERIFIER_KEY_LEN);
	memcpy(v.tag, data + 88, VERIFIER_KEY_LEN);
	*ret = v;
	sodium_memzero(&v, sizeof(v));
	return 0;
}
