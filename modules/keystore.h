/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The identity backend over the verifier index. It needs the index's keys, which come from the
 * vault and are kept in guarded memory; until it has them it answers UNAVAIL to everything.
 */
#ifndef MODULES_KEYSTORE_H
#define MODULES_KEYSTORE_H

#include "base/clock.h"
#include "modules/identity.h"

extern const struct identity_module keystore_module; /* its context: struct keystore_backend */

struct keystore_backend;

/* INDEX_DIR need not exist yet. -ENOMEM. */
must_check int keystore_backend_new(const char *index_dir, const struct clock *clock,
				    struct keystore_backend **ret);
void keystore_backend_free(struct keystore_backend *b); /* NULL is allowed */

DEFINE_CLEANUP(struct keystore_backend, keystore_backend_free)

/* Replaces the keys and opens the index anew with them; a second set is forgotten. BLOB is
 * as verifier_keys_to_blob() makes it. After a failure (-EBADMSG, -ENOMEM) the old keys are
 * still in use. */
must_check int keystore_backend_set_keys(struct keystore_backend *b, const uint8_t *blob,
					 size_t len);
/* A second set, which the index is about to be sealed with; NULL of 0 bytes: there is none any
 * more. There must be keys. Failures as above. */
must_check int keystore_backend_set_next(struct keystore_backend *b, const uint8_t *blob,
					 size_t len);
/* The ids of the sets at hand: false for one that there is not. */
bool keystore_backend_set_id(const struct keystore_backend *b, uint8_t *out);
bool keystore_backend_next_id(const struct keystore_backend *b, uint8_t *out);
void keystore_backend_drop_keys(struct keystore_backend *b);
/* The body of a fact, as index_get_fact(). -ENOKEY: there are no keys. */
struct index_key;
must_check int keystore_backend_fact(struct keystore_backend *b, const struct index_key *key,
				     uint8_t *ret, size_t size, size_t *ret_len);
/* A snapshot as index_snapshot_begin()'s, for facts that are looked up together. -ENOKEY. */
must_check int keystore_backend_snapshot_begin(struct keystore_backend *b);
void keystore_backend_snapshot_end(struct keystore_backend *b);
bool keystore_backend_has_keys(const struct keystore_backend *b);

#endif
