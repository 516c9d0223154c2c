/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, entries and verifiers for the tests of index and verifier. */
#ifndef TESTS_UNIT_VERIFIER_FIXTURE_H
#define TESTS_UNIT_VERIFIER_FIXTURE_H

#include "tests/unit/keystore-fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#include "keystore/keys.h"
#include "keystore/verifier.h"

/* The door gets its keys by a socket; the children that are doors here get them by the fork,
 * which wipes what is not told to stay. */
static inline void keep_on_fork(void *keys, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t ahead = (uintptr_t)keys % page;

	assert_int_equal(madvise((uint8_t *)keys - ahead,
				 (ahead + size + page - 1) / page * page, MADV_KEEPONFORK),
			 0);
}

static inline struct verifier_keys *make_keys(uint8_t fill)
{
	struct verifier_keys *keys = NULL;
	uint8_t blob[VERIFIER_KEYS_BLOB_LEN];

	memset(blob, fill, sizeof(blob));
	memcpy(blob, "RTVKEYS1", 8);
	assert_int_equal(verifier_keys_from_blob(blob, sizeof(blob), &keys), 0);
	keep_on_fork(keys, sizeof(*keys));
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
