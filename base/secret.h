/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one type that holds a secret while it is in flight: a password on its way to its owner,
 * a passphrase on its way to the key derivation. Opaque, wiped on release, kept out of core
 * files (MADV_DONTDUMP) and of child processes (MADV_WIPEONFORK). Long-lived keys live in
 * keystore/ in guarded memory instead. Each secret takes a page of its own.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret;

enum { SECRET_MAX = 1024 * 1024 };

/* Copies LEN bytes (at most SECRET_MAX); NULL when memory is short. Owned by the caller. */
must_check struct secret *secret_new(const void *data, size_t len);
must_check struct secret *secret_dup(const struct secret *s);

/* Zero-filled, to be written once through secret_fill(). */
must_check struct secret *secret_alloc(size_t len);
uint8_t *secret_fill(struct secret *s);

/*
 * Gives S other content of at most the length that it was made with; what it held is wiped.
 * For a place that takes one secret after the other, since making one costs several calls to
 * the kernel. -E2BIG.
 */
must_check int secret_set(struct secret *s, const void *data, size_t len);

/* Borrowed; valid until secret_free(). The bytes are followed by a NUL that secret_len() does
 * not count. */
const uint8_t *secret_data(const struct secret *s);
const char *secret_string(const struct secret *s);
size_t secret_len(const struct secret *s);

/* Takes the same time wherever the difference is. Different lengths are unequal at once. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* Wipes; NULL is allowed. */
void secret_free(struct secret *s);

DEFINE_CLEANUP(struct secret, secret_free)
#define cleanup_secret cleanup_(secret_freep)

#endif
