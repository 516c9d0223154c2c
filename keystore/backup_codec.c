/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/backup_codec.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

static const char magic[] = "RTBKUP01"; /* without its NUL */

enum {
	COUNT_AT = BACKUP_HEAD_LEN - 2,
	VALUE_MIN = RECORD_HEADER_LEN + RECORD_BLOCK + SEAL_TAG_LEN,
	VALUE_MAX = RECORD_HEADER_LEN + RECORD_PLAIN_MAX + SEAL_TAG_LEN,
};

_Static_assert(BACKUP_STREAM_LEN == crypto_secretstream_xchacha20poly1305_HEADERBYTES,
	       "format");
_Static_assert(BACKUP_KEY_LEN == crypto_secretstream_xchacha20poly1305_KEYBYTES, "format");
_Static_assert(BACKUP_CHUNK_SEAL_LEN == crypto_secretstream_xchacha20poly1305_ABYTES, "format");

size_t backup_header_len(uint16_t count)
{
	return BACKUP_HEAD_LEN + (size_t)count * BACKUP_RECIPIENT_LEN + BACKUP_STREAM_LEN +
	       BACKUP_SUM_LEN;
}

/* Of no use against anybody; it tells a header that has rotted from a key that does not fit. */
static void sum_up(const uint8_t *header, size_t len, uint8_t out[static BACKUP_SUM_LEN])
{
	(void)crypto_generichash(out, BACKUP_SUM_LEN, header, len, NULL, 0);
}

size_t backup_header_encode(const struct backup_header *h,
			    uint8_t out[static BACKUP_HEADER_MAX])
{
	uint8_t *p = out + BACKUP_HEAD_LEN;

	memcpy(out, magic, 8);
	store_be32(out + 8, BACKUP_FORMAT);
	memcpy(out + 12, h->store_id, STORE_ID_LEN);
	store_be64(out + 28, h->txid);
	store_be64(out + 36, h->time);
	store_be64(out + 44, h->generation);
	store_be16(out + COUNT_AT, h->count);
	for (uint16_t i = 0; i < h->count; i++, p += BACKUP_RECIPIENT_LEN) {
		const struct backup_recipient *to = &h->recipients[i];

		memcpy(p, to->slot_id, KEYSTORE_SLOT_ID_LEN);
		memcpy(p + KEYSTORE_SLOT_ID_LEN, to->pk, KEYRING_PK_LEN);
		memcpy(p + KEYSTORE_SLOT_ID_LEN + KEYRING_PK_LEN, to->box, BACKUP_BOX_LEN);
	}
	memcpy(p, h->stream, BACKUP_STREAM_LEN);
	p += BACKUP_STREAM_LEN;
	sum_up(out, (size_t)(p - out), p);
	return (size_t)(p - out) + BACKUP_SUM_LEN;
}

int backup_header_measure(struct span bytes)
{
	uint16_t count;

	if (memcmp(bytes.data, magic, bytes.len < 8 ? bytes.len : 8) != 0)
		return -EBADMSG;
	if (bytes.len < BACKUP_MAGIC_LEN)
		return 0;
	if (load_be32(bytes.data + 8) > BACKUP_FORMAT)
		return -EOPNOTSUPP;
	if (load_be32(bytes.data + 8) != BACKUP_FORMAT)
		return -EBADMSG;
	if (bytes.len < BACKUP_HEAD_LEN)
		return 0;
	count = load_be16(bytes.data + COUNT_AT);
	if (count == 0 || count > KEYRING_SLOTS_MAX)
		return -EBADMSG;
	return (int)backup_header_len(count);
}

int backup_header_decode(struct span bytes, struct backup_header *ret)
{
	int len = backup_header_measure(bytes);
	uint8_t sum[BACKUP_SUM_LEN];
	const uint8_t *p;

	if (len <= 0 || (size_t)len != bytes.len)
		return len < 0 ? len : -EBADMSG;
	sum_up(bytes.data, bytes.len - BACKUP_SUM_LEN, sum);
	if (sodium_memcmp(sum, bytes.data + bytes.len - BACKUP_SUM_LEN, sizeof(sum)) != 0)
		return -EBADMSG;
	memcpy(ret->store_id, bytes.data + 12, STORE_ID_LEN);
	ret->txid = load_be64(bytes.data + 28);
	ret->time = load_be64(bytes.data + 36);
	ret->generation = load_be64(bytes.data + 44);
	ret->count = load_be16(bytes.data + COUNT_AT);
	p = bytes.data + BACKUP_HEAD_LEN;
	for (uint16_t i = 0; i < ret->count; i++, p += BACKUP_RECIPIENT_LEN) {
		struct backup_recipient *to = &ret->recipients[i];

		memcpy(to->slot_id, p, KEYSTORE_SLOT_ID_LEN);
		memcpy(to->pk, p + KEYSTORE_SLOT_ID_LEN, KEYRING_PK_LEN);
		memcpy(to->box, p + KEYSTORE_SLOT_ID_LEN + KEYRING_PK_LEN, BACKUP_BOX_LEN);
	}
	memcpy(ret->stream, p, BACKUP_STREAM_LEN);
	return 0;
}

/* ---- chunks ---- */

void backup_chunk_encode(const struct backup_chunk *c,
			 uint8_t out[static BACKUP_CHUNK_HEAD_LEN])
{
	store_be32(out, c->number);
	store_be32(out + 4, c->len);
}

int backup_chunk_decode(const uint8_t in[static BACKUP_CHUNK_HEAD_LEN],
			struct backup_chunk *ret)
{
	uint32_t len = load_be32(in + 4);

	if (len < BACKUP_CHUNK_SEAL_LEN || len > BACKUP_CHUNK_LEN + BACKUP_CHUNK_SEAL_LEN)
		return -EBADMSG;
	*ret = (struct backup_chunk){ .number = load_be32(in), .len = len };
	return 0;
}

/* ---- items ---- */

static const struct {
	uint32_t least;
	uint32_t most;
} bounds[BACKUP_ITEM_TYPE_MAX_] = {
	[BACKUP_KEYRING] = { 1, KEYRING_FILE_MAX },
	[BACKUP_META] = { META_LEN, META_LEN },
	[BACKUP_CUR] = { SEAL_HASH_LEN + VALUE_MIN, SEAL_HASH_LEN + VALUE_MAX },
	[BACKUP_HIST] = { RECORD_KEY_MAX + VALUE_MIN, RECORD_KEY_MAX + VALUE_MAX },
	[BACKUP_TRAILER] = { BACKUP_TRAILER_LEN, BACKUP_TRAILER_LEN },
};

size_t backup_item_max(enum backup_item_type type)
{
	return bounds[type].most;
}

void backup_item_encode(const struct backup_item *i, uint8_t out[static BACKUP_ITEM_HEAD_LEN])
{
	out[0] = (uint8_t)i->type;
	store_be32(out + 1, i->len);
}

int backup_item_decode(const uint8_t in[static BACKUP_ITEM_HEAD_LEN], struct backup_item *ret)
{
	uint32_t len = load_be32(in + 1);

	if (in[0] == 0 || in[0] >= BACKUP_ITEM_TYPE_MAX_)
		return -EBADMSG;
	if (len < bounds[in[0]].least || len > bounds[in[0]].most)
		return -EBADMSG;
	*ret = (struct backup_item){ .type = (enum backup_item_type)in[0], .len = len };
	return 0;
}

void backup_trailer_encode(const struct backup_trailer *t,
			   uint8_t out[static BACKUP_TRAILER_LEN])
{
	store_be64(out, t->count_cur);
	store_be64(out + 8, t->count_hist);
	memcpy(out + 16, t->set.sum, SET_HASH_LEN);
}

void backup_trailer_decode(const uint8_t in[static BACKUP_TRAILER_LEN],
			   struct backup_trailer *ret)
{
	ret->count_cur = load_be64(in);
	ret->count_hist = load_be64(in + 8);
	memcpy(ret->set.sum, in + 16, SET_HASH_LEN);
}
