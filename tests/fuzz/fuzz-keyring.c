/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a keyring file and as its two bodies in clear. What decodes as a file must give
 * the same bytes again. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(struct span all)
{
	cleanup_buf struct buf head = BUF_INIT;
	struct keyring_file f;
	size_t slots;

	if (keyring_decode(all, &f) < 0)
		return;
	keyring_encode_head(&f.ring, &head, &slots);
	if (head.len + 4 != f.auth.before.len || memcmp(head.data, all.data, head.len) != 0)
		abort();
	if (f.slots.data != all.data + slots || f.slots.len != head.len - slots)
		abort();
	if (f.issuer_all.data + f.issuer_all.len != all.data + all.len)
		abort();
}

static void check_bodies(struct span all)
{
	static struct auth_keys auth;
	static struct issuer_keys issuer;
	uint8_t out[KEYRING_BODY_MAX];
	uint8_t hash[SEAL_HASH_LEN];

	memset(&auth, 0, sizeof(auth));
	memset(&issuer, 0, sizeof(issuer));
	if (auth_keys_decode(all, &auth, hash) == 0 &&
	    (auth_keys_encode(&auth, hash, out) != all.len ||
	     memcmp(out, all.data, all.len) != 0))
		abort();
	if (issuer_keys_decode(all, &issuer) == 0 &&
	    (issuer_keys_encode(&issuer, out) != all.len ||
	     memcmp(out, all.data, all.len) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_file(SPAN_OF(data, size));
	check_bodies(SPAN_OF(data, size));
	return 0;
}
