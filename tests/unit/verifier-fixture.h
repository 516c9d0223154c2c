/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, entries and verifiers for the tests of index and verifier. */
#ifndef TESTS_UNIT_VERIFIER_FIXTURE_H
#define TESTS_UNIT_VERIFIER_FIXTURE_H

#include "tests/unit/keystore-fixture.h"

#include "keystore/verifier.h"

static inline struct verifier_keys *make_keys(uint8_t fill)
{
	struct verifier_keys *keys = NULL;
	uint8_t blob[VERIFIER_KEYS_BLOB_LEN];

	memset(blob, fill, sizeof(blob));
	memcpy(blob, "RTVKEYS1", 8);
	assert_int_equal(verifier_keys_from_blob(blob, sizeof(blob), &keys), 0);
	return keys;
}

static inline struct verifier_entry make_entry(const struct verifier_keys *keys,
					       const char *login, const char *password,
					       uint32_t number)
{
	static const uint8_t salt[VERIFIER_SALT_LEN] = "sixteen salt byt";
	cleanup_secret struct secret *secret = fixture_secret(password);
	struct verifier_entry e = { .service = "billing", .count = 1, .not_after = USEC_NEVER };

	assert_int_equal(verifier_make(keys,
				       &(struct verifier_source){ login, number, secret, salt },
				       &e.versions[0]),
			 0);
	return e;
}

#endif
