/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a sealed value, and, since nobody guesses a tag, as the plaintext behind it.
 * What decodes must lie within the input and say the same after being encoded again. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[SEAL_KEY_LEN];
static const uint8_t hash[SEAL_HASH_LEN];
static const struct record_place place = { key, RECORD_CUR, { hash, sizeof(hash) } };
static uint8_t scratch[RECORD_PLAIN_MAX];
static uint8_t opened[RECORD_PLAIN_MAX];

static void check_inside(struct span all, struct span part)
{
	if (part.len && (part.data < all.data || part.data + part.len > all.data + all.len))
		abort();
}

static void check_round_trip(const struct record_content *c, bool tombstone)
{
	const struct record_header h = {
		.flags = tombstone ? RECORD_TOMBSTONE : 0, .epoch = 1, .version = 1, .txid = 1
	};
	cleanup_buf struct buf value = BUF_INIT;
	struct record_content again;

	if (record_seal(&place, &h, key, c, &(struct record_output){ scratch, &value }) < 0 ||
	    record_open(&place, key, SPAN_OF(value.data, value.len), opened, &again) < 0)
		abort();
	if (strcmp(again.id.name, c->id.name) != 0 || again.created != c->created ||
	    again.state != c->state || again.body.len != c->body.len ||
	    (c->body.len && memcmp(again.body.data, c->body.data, c->body.len) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = { data, size };
	struct record_header h;
	struct record_content c;

	if (sodium_init() < 0)
		abort();
	if (size <= RECORD_PLAIN_MAX && record_open(&place, key, all, opened, &c) == 0 &&
	    record_header_decode(all, &h) < 0)
		abort();
	for (int tombstone = 0; tombstone < 2; tombstone++) {
		if (record_decode_plain(all, tombstone, &c) < 0)
			continue;
		check_inside(all, c.attrs);
		check_inside(all, c.body);
		check_inside(all, c.reason);
		check_round_trip(&c, tombstone);
	}
	return 0;
}
