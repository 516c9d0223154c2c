/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/keyring_codec.h"

#include <string.h>

#include "base/bytes.h"

static const char magic[] = "RTKRING1";

enum { MAGIC_LEN = sizeof(magic) - 1 };

enum { SLOT_FORM = 2 };

/* Reads off the front; once it has failed, everything reads as zero. */
struct cursor {
	struct span rest;
	bool failed;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *p = c->rest.data;

	if (c->failed || c->rest.len < len) {
		c->failed = true;
		return NULL;
	}
	c->rest = SPAN_OF(p + len, c->rest.len - len);
	return p;
}

static void take_bytes(struct cursor *c, uint8_t *out, size_t len)
{
	const uint8_t *p = take(c, len);

	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

static uint8_t take_u8(struct cursor *c)
{
	const uint8_t *p = take(c, 1);

	return p ? *p : 0;
}

static uint16_t take_be16(struct cursor *c)
{
	const uint8_t *p = take(c, 2);

	return p ? load_be16(p) : 0;
}

static uint32_t take_be32(struct cursor *c)
{
	const uint8_t *p = take(c, 4);

	return p ? load_be32(p) : 0;
}

static uint64_t take_be64(struct cursor *c)
{
	const uint8_t *p = take(c, 8);

	return p ? load_be64(p) : 0;
}

size_t keyring_root_len(const struct keystore_slot *slot)
{
	return slot->tiers == KEYSTORE_BOTH ? 2 * KEYRING_ROOT_LEN : KEYRING_ROOT_LEN;
}

size_t keyring_wrapped_len(const struct keystore_slot *slot)
{
	return keyring_root_len(slot) + KEYRING_BOX_LEN;
}

static size_t params_len(const struct keyring_slot *s)
{
	switch (s->info.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		return 1 + 8 + 8 + KEYRING_SALT_LEN;
	case KEYSTORE_SLOT_KEY_FILE:
		return KEYRING_SALT_LEN;
	case KEYSTORE_SLOT_RECOVERY:
		return 0;
	case KEYSTORE_SLOT_CREDENTIAL:
		return KEYRING_SALT_LEN + 2 + s->helper.blob.len;
	case KEYSTORE_SLOT_EXEC:
		return KEYRING_SALT_LEN + 1 + strlen(s->info.program) + 2 + s->helper.blob.len;
	case KEYSTORE_SLOT_QUORUM:
		return 2 + KEYSTORE_SHARE_SET_LEN + (size_t)s->info.shares * QUORUM_CHECK_LEN;
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return 0;
	}
}

/* ---- reading ---- */

static void decode_passphrase(struct cursor *c, struct keyring_slot *s)
{
	c->failed |= take_u8(c) != KEYRING_ARGON2ID13;
	s->passphrase.ops = take_be64(c);
	s->passphrase.mem = take_be64(c);
	c->failed |= s->passphrase.ops < KEYRING_OPS_MIN ||
		     s->passphrase.ops > KEYRING_OPS_MAX ||
		     s->passphrase.mem < KEYRING_MEM_MIN || s->passphrase.mem > KEYRING_MEM_MAX;
	take_bytes(c, s->passphrase.salt, KEYRING_SALT_LEN);
}

bool keyring_program_valid(const char *program, size_t len)
{
	if (len < 2 || len > KEYSTORE_PROGRAM_MAX || program[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)program[i] <= ' ' || (unsigned char)program[i] > '~')
			return false;
	return true;
}

static void decode_helper(struct cursor *c, struct keyring_slot *s)
{
	size_t len;

	take_bytes(c, s->helper.salt, KEYRING_SALT_LEN);
	if (s->info.type == KEYSTORE_SLOT_EXEC) {
		len = take_u8(c);
		take_bytes(c, (uint8_t *)s->info.program, len);
		c->failed |= !keyring_program_valid(s->info.program, len);
	}
	len = take_be16(c);
	if (len > KEYSTORE_BLOB_MAX)
		c->failed = true;
	else
		s->helper.blob = SPAN_OF(take(c, len), len);
}

static void decode_quorum(struct cursor *c, struct keyring_slot *s)
{
	struct quorum *q = &s->quorum;

	q->threshold = take_u8(c);
	q->shares = take_u8(c);
	if (q->threshold < 2 || q->threshold > q->shares || q->shares > KEYSTORE_SHARES_MAX) {
		c->failed = true;
		return;
	}
	take_bytes(c, q->set, KEYSTORE_SHARE_SET_LEN);
	for (size_t i = 0; i < q->shares; i++)
		take_bytes(c, q->checks[i], QUORUM_CHECK_LEN);
	s->info.threshold = q->threshold;
	s->info.shares = q->shares;
}

static void decode_params(struct cursor *c, struct keyring_slot *s)
{
	switch (s->info.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		decode_passphrase(c, s);
		break;
	case KEYSTORE_SLOT_KEY_FILE:
		take_bytes(c, s->key_file.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_RECOVERY:
		break;
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
		decode_helper(c, s);
		break;
	case KEYSTORE_SLOT_QUORUM:
		decode_quorum(c, s);
		break;
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		c->failed = true;
	}
}

static bool info_valid(uint8_t type, uint8_t tiers)
{
	if (type < KEYSTORE_SLOT_PASSPHRASE || type >= KEYSTORE_SLOT_TYPE_MAX_)
		return false;
	return tiers == KEYSTORE_BOTH ||
	       (tiers == KEYSTORE_AUTH && type != KEYSTORE_SLOT_RECOVERY);
}

static void decode_slot(struct cursor *c, struct keyring_slot *s)
{
	uint8_t form = take_u8(c);
	uint8_t type = take_u8(c);
	uint8_t tiers = take_u8(c);
	uint16_t len;

	if (form != SLOT_FORM || !info_valid(type, tiers)) {
		c->failed = true;
		return;
	}
	s->info.type = (enum keystore_slot_type)type;
	s->info.tiers = (enum keystore_tier)tiers;
	take_bytes(c, s->info.id, KEYSTORE_SLOT_ID_LEN);
	s->info.created = take_be64(c);
	len = take_be16(c);
	decode_params(c, s);
	c->failed |= len != params_len(s);
	take_bytes(c, s->pk, KEYRING_PK_LEN);
	c->failed |= take_be16(c) != keyring_wrapped_len(&s->info);
	take_bytes(c, s->wrapped, keyring_wrapped_len(&s->info));
	take_bytes(c, s->commit, KEYRING_COMMIT_LEN);
	take_bytes(c, s->mac, KEYRING_MAC_LEN);
}

static bool slot_ids_unique(const struct keyring *ring)
{
	for (size_t i = 0; i < ring->slot_count; i++)
		for (size_t j = 0; j < i; j++)
			if (memcmp(ring->slots[i].info.id, ring->slots[j].info.id,
				   KEYSTORE_SLOT_ID_LEN) == 0)
				return false;
	return true;
}

static void decode_body(struct cursor *c, struct span file, struct keyring_body *ret)
{
	uint32_t len = take_be32(c);

	if (c->failed || len <= SEAL_TAG_LEN || len > KEYRING_BODY_MAX + SEAL_TAG_LEN) {
		c->failed = true;
		return;
	}
	ret->before = SPAN_OF(file.data, (size_t)(c->rest.data - file.data));
	ret->nonce = take(c, SEAL_NONCE_LEN);
	ret->sealed = SPAN_OF(take(c, len), len);
}

static void decode_head(struct cursor *c, struct keyring_file *f)
{
	take_bytes(c, f->ring.store_id, STORE_ID_LEN);
	f->ring.generation = take_be64(c);
	f->slots = c->rest;
	f->ring.slot_count = take_be16(c);
	c->failed |= f->ring.generation == 0 || f->ring.slot_count == 0 ||
		     f->ring.slot_count > KEYRING_SLOTS_MAX;
	for (size_t i = 0; i < f->ring.slot_count && !c->failed; i++)
		decode_slot(c, &f->ring.slots[i]);
	f->slots.len -= c->rest.len;
}

static int decode_format(struct cursor *c)
{
	const uint8_t *p = take(c, MAGIC_LEN);
	uint32_t format = take_be32(c);

	if (c->failed || memcmp(p, magic, MAGIC_LEN) != 0 || format == 0)
		return -EBADMSG;
	if (format > KEYRING_FORMAT)
		return -EPROTONOSUPPORT;
	return format < KEYRING_FORMAT ? -ENOTSUP : 0;
}

int keyring_decode(struct span file, struct keyring_file *ret)
{
	struct cursor c = { .rest = file };
	struct keyring_file f = { .ring = { .generation = 0 } };
	int r;

	if (file.len > KEYRING_FILE_MAX)
		return -EBADMSG;
	r = decode_format(&c);
	if (r < 0)
		return r;
	decode_head(&c, &f);
	if (c.failed || !slot_ids_unique(&f.ring))
		return -EBADMSG;
	decode_body(&c, file, &f.auth);
	f.issuer_all = c.rest;
	decode_body(&c, file, &f.issuer);
	if (c.failed || c.rest.len != 0)
		return -EBADMSG;
	*ret = f;
	return 0;
}

/* ---- writing ---- */

static void encode_helper(const struct keyring_slot *s, struct buf *out)
{
	size_t len = strlen(s->info.program);

	buf_append(out, s->helper.salt, KEYRING_SALT_LEN);
	if (s->info.type == KEYSTORE_SLOT_EXEC) {
		buf_append_byte(out, (uint8_t)len);
		buf_append(out, s->info.program, len);
	}
	buf_append_be16(out, (uint16_t)s->helper.blob.len);
	buf_append(out, s->helper.blob.data, s->helper.blob.len);
}

static void encode_quorum(const struct quorum *q, struct buf *out)
{
	buf_append_byte(out, q->threshold);
	buf_append_byte(out, q->shares);
	buf_append(out, q->set, KEYSTORE_SHARE_SET_LEN);
	for (size_t i = 0; i < q->shares; i++)
		buf_append(out, q->checks[i], QUORUM_CHECK_LEN);
}

static void encode_params(const struct keyring_slot *s, struct buf *out)
{
	switch (s->info.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		buf_append_byte(out, KEYRING_ARGON2ID13);
		buf_append_be64(out, s->passphrase.ops);
		buf_append_be64(out, s->passphrase.mem);
		buf_append(out, s->passphrase.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_KEY_FILE:
		buf_append(out, s->key_file.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_RECOVERY:
		break;
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
		encode_helper(s, out);
		break;
	case KEYSTORE_SLOT_QUORUM:
		encode_quorum(&s->quorum, out);
		break;
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		break;
	}
}

void keyring_encode_slot_head(const struct keyring_slot *slot, struct buf *out)
{
	buf_append_byte(out, (uint8_t)slot->info.type);
	buf_append_byte(out, (uint8_t)slot->info.tiers);
	buf_append(out, slot->info.id, KEYSTORE_SLOT_ID_LEN);
	buf_append_be64(out, slot->info.created);
	buf_append_be16(out, (uint16_t)params_len(slot));
	encode_params(slot, out);
}

void keyring_encode_slot_covered(const struct keyring_slot *s, struct buf *out)
{
	keyring_encode_slot_head(s, out);
	buf_append(out, s->pk, KEYRING_PK_LEN);
	buf_append_be16(out, (uint16_t)keyring_wrapped_len(&s->info));
	buf_append(out, s->wrapped, keyring_wrapped_len(&s->info));
	buf_append(out, s->commit, KEYRING_COMMIT_LEN);
}

void keyring_encode_head(const struct keyring *ring, struct buf *out, size_t *ret_slots)
{
	buf_append(out, magic, MAGIC_LEN);
	buf_append_be32(out, KEYRING_FORMAT);
	buf_append(out, ring->store_id, STORE_ID_LEN);
	buf_append_be64(out, ring->generation);
	*ret_slots = out->len;
	buf_append_be16(out, ring->slot_count);
	for (size_t i = 0; i < ring->slot_count; i++) {
		const struct keyring_slot *s = &ring->slots[i];

		buf_append_byte(out, SLOT_FORM);
		keyring_encode_slot_covered(s, out);
		buf_append(out, s->mac, KEYRING_MAC_LEN);
	}
}
