/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as an anchor file and as the value of META. The first byte says what is made true
 * before they are read, since no fuzzer finds a MAC: bit 0, both halves of the anchor get the
 * right one; bit 1, META is sealed around the bytes. What opens must give the same bytes again.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/anchor.h"

enum { OFF_MAC = 112 };

static const uint8_t key[SEAL_KEY_LEN] = "a key of thirty-two bytes, or so";
static const uint8_t store_id[STORE_ID_LEN] = "a-store-id-of-16";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const uint8_t *half, const struct anchor *a)
{
	uint8_t again[ANCHOR_SLOT_LEN];

	anchor_encode(key, store_id, a, again);
	return memcmp(half, again, OFF_MAC + SEAL_HASH_LEN) == 0;
}

static void check_anchor(const uint8_t *data, size_t size, bool is_right)
{
	uint8_t file[ANCHOR_LEN + 1] = { 0 };
	size_t len = size < sizeof(file) ? size : sizeof(file);
	struct anchor a;

	memcpy(file, data, len);
	for (size_t at = 0; is_right && at < ANCHOR_LEN; at += ANCHOR_SLOT_LEN)
		seal_hash(key, &SPAN_OF(file + at, OFF_MAC), 1, file + at + OFF_MAC);
	if (anchor_decode(key, store_id, SPAN_OF(file, len), &a) < 0)
		return;
	if (len != ANCHOR_LEN || (!is_same(file, &a) && !is_same(file + ANCHOR_SLOT_LEN, &a)))
		abort();
}

static void check_meta(const uint8_t *data, size_t size, bool is_right)
{
	uint8_t aad[16 + STORE_ID_LEN + META_HEAD_LEN];
	uint8_t value[META_LEN + 1] = { 0 };
	uint8_t again[META_LEN];
	size_t len = size < sizeof(value) ? size : sizeof(value);
	uint8_t *plain = value + META_HEAD_LEN + SEAL_NONCE_LEN;
	struct meta m;

	memcpy(value, data, len);
	if (is_right) {
		memcpy(aad, "rotated-meta-v1", 16);
		memcpy(aad + 16, store_id, STORE_ID_LEN);
		memcpy(aad + 16 + STORE_ID_LEN, value, META_HEAD_LEN);
		seal_encrypt(key, value + META_HEAD_LEN, SPAN(aad),
			     SPAN_OF(plain, META_PLAIN_LEN), plain);
	}
	if (meta_open(key, store_id, SPAN_OF(value, len), &m) < 0)
		return;
	meta_seal(key, store_id, &m, value + META_HEAD_LEN, again);
	if (len != META_LEN || memcmp(value, again, META_LEN) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_anchor(data + 1, size - 1, data[0] & 1);
	check_meta(data + 1, size - 1, data[0] & 2);
	return 0;
}
