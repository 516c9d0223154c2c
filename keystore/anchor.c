/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/anchor.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

static const char magic[] = "RTANCHR1";

enum {
	MAGIC_LEN = sizeof(magic) - 1,
	OFF_STORE_ID = MAGIC_LEN,
	OFF_TXID = OFF_STORE_ID + STORE_ID_LEN,
	OFF_GENERATION = OFF_TXID + 8,
	OFF_TIME = OFF_GENERATION + 8,
	OFF_SET = OFF_TIME + 8,
	OFF_MAC = OFF_SET + SET_HASH_LEN,
	OFF_END = OFF_MAC + SEAL_HASH_LEN,
};

_Static_assert(OFF_END <= (int)ANCHOR_SLOT_LEN, "a slot is one sector");

size_t anchor_offset(uint64_t txid)
{
	return txid % 2 ? ANCHOR_SLOT_LEN : 0;
}

void anchor_encode(const uint8_t key[static SEAL_KEY_LEN],
		   const uint8_t store_id[static STORE_ID_LEN], const struct anchor *a,
		   uint8_t out[static ANCHOR_SLOT_LEN])
{
	memset(out, 0, ANCHOR_SLOT_LEN);
	memcpy(out, magic, MAGIC_LEN);
	memcpy(out + OFF_STORE_ID, store_id, STORE_ID_LEN);
	store_be64(out + OFF_TXID, a->txid);
	store_be64(out + OFF_GENERATION, a->generation);
	store_be64(out + OFF_TIME, a->time);
	memcpy(out + OFF_SET, a->set, SET_HASH_LEN);
	seal_hash(key, &SPAN_OF(out, OFF_MAC), 1, out + OFF_MAC);
}

static int decode_slot(const uint8_t key[static SEAL_KEY_LEN],
		       const uint8_t store_id[static STORE_ID_LEN], const uint8_t *slot,
		       struct anchor *ret)
{
	uint8_t mac[SEAL_HASH_LEN];

	if (memcmp(slot, magic, MAGIC_LEN) != 0 ||
	    memcmp(slot + OFF_STORE_ID, store_id, STORE_ID_LEN) != 0)
		return -EBADMSG;
	seal_hash(key, &SPAN_OF(slot, OFF_MAC), 1, mac);
	if (sodium_memcmp(mac, slot + OFF_MAC, sizeof(mac)) != 0)
		return -EBADMSG;
	ret->txid = load_be64(slot + OFF_TXID);
	ret->generation = load_be64(slot + OFF_GENERATION);
	ret->time = load_be64(slot + OFF_TIME);
	memcpy(ret->set, slot + OFF_SET, SET_HASH_LEN);
	return 0;
}

int anchor_decode(const uint8_t key[static SEAL_KEY_LEN],
		  const uint8_t store_id[static STORE_ID_LEN], struct span file,
		  struct anchor *ret)
{
	struct anchor a;
	struct anchor b;
	int ra;
	int rb;

	if (file.len != ANCHOR_LEN)
		return -EBADMSG;
	ra = decode_slot(key, store_id, file.data, &a);
	rb = decode_slot(key, store_id, file.data + ANCHOR_SLOT_LEN, &b);
	if (ra < 0 && rb < 0)
		return -EBADMSG;
	if (rb < 0 || (ra == 0 && a.txid > b.txid))
		*ret = a;
	else
		*ret = b;
	return 0;
}
