/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/record.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/tlv.h"

enum record_tag {
	TAG_ID = 1,
	TAG_CREATED = 2,
	TAG_STATE = 3,
	TAG_ATTRS = 4,
	TAG_BODY = 5,
	TAG_REASON = 6,
	TAG_MAX_
};

#define BIT(tag) (1U << (tag))

static const char aad_label[] = "rotated-rec-v1"; /* its NUL is part of it */

_Static_assert(RECORD_AAD_MAX ==
		       sizeof(aad_label) + STORE_ID_LEN + 1 + RECORD_KEY_MAX + RECORD_BOUND_LEN,
	       "the AAD must fit");
_Static_assert(RECORD_PLAIN_MAX >= KEYSTORE_BODY_MAX + KEYSTORE_ATTRS_MAX + RECORD_ID_MAX +
					   KEYSTORE_REASON_MAX + 9 + TAG_MAX_ * TLV_HEAD_LEN +
					   RECORD_BLOCK,
	       "the largest record must fit");

static bool part_valid(const char *s, size_t max)
{
	return s && s[0] && strnlen(s, max + 1) <= max;
}

bool record_id_valid(const struct keystore_id *id)
{
	return part_valid(id->space, KEYSTORE_PART_MAX) &&
	       part_valid(id->kind, KEYSTORE_PART_MAX) &&
	       part_valid(id->name, KEYSTORE_NAME_MAX);
}

void record_hash_id(const uint8_t name_key[static SEAL_KEY_LEN], const struct keystore_id *id,
		    uint8_t out[static SEAL_HASH_LEN])
{
	const struct span parts[] = {
		{ (const uint8_t *)id->space, strlen(id->space) + 1 },
		{ (const uint8_t *)id->kind, strlen(id->kind) + 1 },
		{ (const uint8_t *)id->name, strlen(id->name) },
	};

	seal_hash(name_key, parts, ARRAY_SIZE(parts), out);
}

static void header_encode(const struct record_header *h, uint8_t out[static RECORD_HEADER_LEN])
{
	out[0] = RECORD_FORMAT;
	out[1] = RECORD_ALG;
	store_be16(out + 2, h->flags);
	store_be32(out + 4, h->epoch);
	store_be64(out + 8, h->version);
	store_be64(out + 16, h->txid);
	memcpy(out + RECORD_BOUND_LEN, h->nonce, SEAL_NONCE_LEN);
}

int record_header_decode(struct span value, struct record_header *ret)
{
	const uint8_t *p = value.data;
	struct record_header h;

	if (value.len < RECORD_HEADER_LEN + RECORD_BLOCK + SEAL_TAG_LEN ||
	    (value.len - RECORD_HEADER_LEN - SEAL_TAG_LEN) % RECORD_BLOCK != 0 ||
	    value.len - RECORD_HEADER_LEN - SEAL_TAG_LEN > RECORD_PLAIN_MAX)
		return -EBADMSG;
	if (p[0] != RECORD_FORMAT || p[1] != RECORD_ALG)
		return -EBADMSG;
	h.flags = load_be16(p + 2);
	h.epoch = load_be32(p + 4);
	h.version = load_be64(p + 8);
	h.txid = load_be64(p + 16);
	if (h.flags & ~(RECORD_ISSUER | RECORD_TOMBSTONE) || !h.epoch || !h.version || !h.txid)
		return -EBADMSG;
	memcpy(h.nonce, p + RECORD_BOUND_LEN, SEAL_NONCE_LEN);
	*ret = h;
	return 0;
}

size_t record_aad(const struct record_place *place, const uint8_t *header,
		  uint8_t out[static RECORD_AAD_MAX])
{
	uint8_t *p = out;

	p = (uint8_t *)mempcpy(p, aad_label, sizeof(aad_label));
	p = (uint8_t *)mempcpy(p, place->store_id, STORE_ID_LEN);
	*p++ = (uint8_t)place->table;
	p = (uint8_t *)mempcpy(p, place->key.data, place->key.len);
	p = (uint8_t *)mempcpy(p, header, RECORD_BOUND_LEN);
	return (size_t)(p - out);
}

static void put_id(struct tlv_writer *w, const struct keystore_id *id)
{
	uint8_t text[RECORD_ID_MAX];
	uint8_t *p = text;

	p = (uint8_t *)mempcpy(p, id->space, strlen(id->space) + 1);
	p = (uint8_t *)mempcpy(p, id->kind, strlen(id->kind) + 1);
	p = (uint8_t *)mempcpy(p, id->name, strlen(id->name) + 1);
	tlv_put(w, TAG_ID, SPAN_OF(text, (size_t)(p - text)));
}

static bool content_valid(const struct record_content *c, bool tombstone)
{
	if (!record_id_valid(&c->id))
		return false;
	if (tombstone)
		return c->reason.len <= KEYSTORE_REASON_MAX && !c->attrs.len && !c->body.len;
	return !c->reason.len && c->attrs.len <= KEYSTORE_ATTRS_MAX &&
	       c->body.len <= KEYSTORE_BODY_MAX;
}

/* Returns the padded length. SCRATCH is large enough for every valid content. */
static size_t encode_plain(const struct record_content *c, bool tombstone, uint8_t *scratch)
{
	struct tlv_writer w = { .data = scratch, .cap = RECORD_PLAIN_MAX };
	uint8_t created[8];
	size_t padded = 0;

	store_be64(created, c->created);
	put_id(&w, &c->id);
	tlv_put(&w, TAG_CREATED, SPAN(created));
	if (tombstone) {
		tlv_put(&w, TAG_REASON, c->reason);
	} else {
		tlv_put(&w, TAG_STATE, SPAN_OF(&c->state, 1));
		if (c->attrs.len)
			tlv_put(&w, TAG_ATTRS, c->attrs);
		if (c->body.len)
			tlv_put(&w, TAG_BODY, c->body);
	}
	(void)sodium_pad(&padded, scratch, w.len, RECORD_BLOCK, RECORD_PLAIN_MAX);
	return padded;
}

int record_seal(const struct record_place *place, const struct record_header *header,
		const uint8_t key[static SEAL_KEY_LEN], const struct record_content *content,
		const struct record_output *out)
{
	bool tombstone = header->flags & RECORD_TOMBSTONE;
	uint8_t aad[RECORD_AAD_MAX];
	size_t aad_len;
	size_t len;
	uint8_t *p;

	if (!content_valid(content, tombstone))
		return -EINVAL;
	len = encode_plain(content, tombstone, out->scratch);
	p = buf_reserve(out->value, RECORD_HEADER_LEN + len + SEAL_TAG_LEN);
	if (p) {
		header_encode(header, p);
		aad_len = record_aad(place, p, aad);
		seal_encrypt(key, header->nonce, SPAN_OF(aad, aad_len),
			     SPAN_OF(out->scratch, len), p + RECORD_HEADER_LEN);
		out->value->len += RECORD_HEADER_LEN + len + SEAL_TAG_LEN;
	}
	sodium_memzero(out->scratch, len);
	return buf_error(out->value);
}

/* One NUL-terminated part off the front of V; NULL when there is none within bounds. */
static const char *take_part(struct span *v, size_t max)
{
	const char *s = (const char *)v->data;
	size_t len = strnlen(s, v->len);

	if (len == 0 || len == v->len || len > max)
		return NULL;
	*v = SPAN_OF(v->data + len + 1, v->len - len - 1);
	return s;
}

static int decode_id(struct span v, struct keystore_id *ret)
{
	ret->space = take_part(&v, KEYSTORE_PART_MAX);
	if (!ret->space)
		return -EBADMSG;
	ret->kind = take_part(&v, KEYSTORE_PART_MAX);
	if (!ret->kind)
		return -EBADMSG;
	ret->name = take_part(&v, KEYSTORE_NAME_MAX);
	return ret->name && v.len == 0 ? 0 : -EBADMSG;
}

static int take_optional(struct span v, size_t least, size_t most, struct span *ret)
{
	if (v.len < least || v.len > most)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int decode_field(const struct tlv *t, struct record_content *ret)
{
	switch ((enum record_tag)t->tag) {
	case TAG_ID:
		return decode_id(t->value, &ret->id);
	case TAG_CREATED:
		if (t->value.len != 8)
			return -EBADMSG;
		ret->created = load_be64(t->value.data);
		return 0;
	case TAG_STATE:
		if (t->value.len != 1)
			return -EBADMSG;
		ret->state = t->value.data[0];
		return 0;
	case TAG_ATTRS:
		return take_optional(t->value, 1, KEYSTORE_ATTRS_MAX, &ret->attrs);
	case TAG_BODY:
		return take_optional(t->value, 1, KEYSTORE_BODY_MAX, &ret->body);
	case TAG_REASON:
		return take_optional(t->value, 0, KEYSTORE_REASON_MAX, &ret->reason);
	case TAG_MAX_:
	default:
		return -EBADMSG;
	}
}

int record_decode_plain(struct span padded, bool tombstone, struct record_content *ret)
{
	unsigned must = tombstone ? BIT(TAG_ID) | BIT(TAG_CREATED) | BIT(TAG_REASON)
				  : BIT(TAG_ID) | BIT(TAG_CREATED) | BIT(TAG_STATE);
	unsigned may = tombstone ? must : must | BIT(TAG_ATTRS) | BIT(TAG_BODY);
	struct record_content c = { .created = 0 };
	struct tlv_reader reader = { .last = 0 };
	unsigned seen = 0;
	struct tlv t;
	size_t len;
	int r;

	if (sodium_unpad(&len, padded.data, padded.len, RECORD_BLOCK) != 0 ||
	    padded.len - len > RECORD_BLOCK)
		return -EBADMSG;
	reader.rest = SPAN_OF(padded.data, len);
	while ((r = tlv_next(&reader, &t)) > 0) {
		if (t.tag >= TAG_MAX_)
			return -EBADMSG;
		seen |= BIT(t.tag);
		r = decode_field(&t, &c);
		if (r < 0)
			return r;
	}
	if (r < 0 || (seen & must) != must || seen & ~may)
		return -EBADMSG;
	*ret = c;
	return 0;
}

static int unseal(const struct record_place *place, const uint8_t key[static SEAL_KEY_LEN],
		  struct span value, uint8_t *plain)
{
	uint8_t aad[RECORD_AAD_MAX];
	size_t aad_len = record_aad(place, value.data, aad);

	return seal_decrypt(
		key, value.data + RECORD_BOUND_LEN, SPAN_OF(aad, aad_len),
		SPAN_OF(value.data + RECORD_HEADER_LEN, value.len - RECORD_HEADER_LEN), plain);
}

int record_reseal(const struct record_place *place, const struct record_header *header,
		  const struct record_rekey *keys, struct span value,
		  const struct record_output *out)
{
	uint8_t aad[RECORD_AAD_MAX];
	struct record_header old;
	size_t aad_len;
	size_t len;
	uint8_t *p;
	int r;

	r = record_header_decode(value, &old);
	if (r < 0)
		return r;
	len = value.len - RECORD_HEADER_LEN - SEAL_TAG_LEN;
	p = buf_reserve(out->value, value.len);
	if (!p)
		return buf_error(out->value);
	r = unseal(place, keys->from, value, out->scratch);
	if (r == 0) {
		header_encode(header, p);
		aad_len = record_aad(place, p, aad);
		seal_encrypt(keys->to, header->nonce, SPAN_OF(aad, aad_len),
			     SPAN_OF(out->scratch, len), p + RECORD_HEADER_LEN);
		out->value->len += value.len;
	}
	sodium_memzero(out->scratch, len);
	return r;
}

int record_open(const struct record_place *place, const uint8_t key[static SEAL_KEY_LEN],
		struct span value, uint8_t *plain, struct record_content *ret)
{
	struct record_header h;
	int r;

	r = record_header_decode(value, &h);
	if (r == 0)
		r = unseal(place, key, value, plain);
	if (r < 0)
		return r;
	return record_decode_plain(SPAN_OF(plain, value.len - RECORD_HEADER_LEN - SEAL_TAG_LEN),
				   h.flags & RECORD_TOMBSTONE, ret);
}
