/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a sealed entry of the verifier index, as META, as a key blob and as an entry's
 * plaintext; what decodes must survive being sealed again. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/index_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct verifier_keys keys;
static const uint8_t hash[SEAL_HASH_LEN];

static void check_plain(struct span all)
{
	uint8_t value[INDEX_ENTRY_MAX];
	const uint8_t nonce[SEAL_NONCE_LEN] = { 0 };
	struct verifier_entry e;
	struct verifier_entry again;
	char text[VERIFIER_TEXT_SIZE];
	size_t len;

	if (index_entry_decode(all, &e) < 0)
		return;
	if (!index_entry_valid(&e))
		abort();
	for (size_t i = 0; i < e.count; i++)
		verifier_scram_text(&e.versions[i], text);
	len = index_entry_seal(&keys, hash, nonce, &e, value);
	if (index_entry_open(&keys, hash, SPAN_OF(value, len), &again) < 0 ||
	    memcmp(&e, &again, sizeof(e)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verifier_keys *blob = NULL;
	struct verifier_entry e;
	struct index_meta m;

	if (sodium_init() < 0)
		abort();
	ignore_result(index_entry_open(&keys, hash, SPAN_OF(data, size), &e));
	ignore_result(index_meta_open(&keys, SPAN_OF(data, size), &m));
	if (verifier_keys_from_blob(data, size, &blob) == 0)
		verifier_keys_free(blob);
	check_plain(SPAN_OF(data, size));
	return 0;
}
