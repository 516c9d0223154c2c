/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upstream secrets as records of the keystore: who to log in as, and the provider's own name
 * for it, in a record of the AUTH tier; the secret itself in one of the ISSUER tier.
 */
#ifndef ROTATED_VAULT_UPSTREAM_H
#define ROTATED_VAULT_UPSTREAM_H

#include "base/secret.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/worker.h"

enum { UPSTREAM_USER_SIZE = 201, UPSTREAM_CREDENTIAL_SIZE = 201, UPSTREAM_SECRET_MAX_ = 1024 };

struct upstream_public {
	char user[UPSTREAM_USER_SIZE];
	char credential[UPSTREAM_CREDENTIAL_SIZE]; /* "" for none */
};

/* The stored form: a format byte, then two texts, each after its length in two bytes. */
void upstream_public_encode(const struct upstream_public *p, struct buf *out);
must_check int upstream_public_decode(const uint8_t *data, size_t len,
				      struct upstream_public *ret);

/* [!-~]{1,MAX} without a colon if IS_USER: what fits into a line for Postfix. */
bool upstream_is_word(const char *s, size_t max, bool is_user);

/* The user that the configuration gives to V: user= with %v, or V's own name. */
void upstream_default_user(const struct manager *m, const struct engine_item *item,
			   const struct engine_version *v, char ret[static UPSTREAM_USER_SIZE]);

/* -ENOENT when it is not made yet, or erased; -ENOKEY while the tier is sealed. */
must_check int upstream_load_public(const struct manager *m, const struct engine_item *item,
				    uint32_t version, struct upstream_public *ret);
must_check int upstream_load_secret(const struct manager *m, const struct engine_item *item,
				    uint32_t version, struct secret **ret);

/* True when VERSION has the user of another one that is in use, or about to be, and the same name
 * of the provider's own or none: it is one login, and revoking it would take that away. */
bool upstream_is_shared(const struct manager *m, const struct engine_item *item,
			uint32_t version);

/* A new secret of ours, for a hook that only sets what it is given. */
must_check int upstream_generate(struct secret **ret);

/* Begins a real login with VERSION's secret, or the hook's `test` where there is no server.
 * The outcome is `accepted` or `rejected`, whichever of the two it was. */
must_check int upstream_begin_test(struct manager *m, const struct engine_item *item,
				   uint32_t version, worker_done_fn *done, void *context);
enum engine_outcome upstream_test_outcome(const struct manager *m, const char *id,
					  enum engine_outcome outcome);

/* Which user and secret the relay logs in with where it sends mail for KEY, as fields of REPLY:
 * WIRE_STATUS_OK; _NOTHING when no upstream has that destination; _AGAIN with a report. */
enum wire_status outbound_answer(struct manager *m, const char *key, struct buf *reply,
				 struct report *report);

#endif
