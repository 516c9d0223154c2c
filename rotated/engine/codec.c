/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stored form of an item. Numbers are u64 whatever their type, so that a field never
 * changes its size; what is zero or empty is left out. Unknown tags are refused: an older
 * program must not drop what a newer one wrote.
 */
#include "rotated/engine/internal.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"

enum tag {
	TAG_KIND = 1,
	TAG_ID = 2,
	TAG_LAST_VERSION = 3,
	TAG_LAST_DAY = 4,
	TAG_LAST_TURN = 5,
	TAG_LAST_OPERATION = 6,
	TAG_LAST_SERIAL = 7,
	TAG_VERSION = 8, /* repeated; holds tags of its own */
	TAG_JOB_TYPE = 9,
	TAG_JOB_VERSION = 10,
	TAG_JOB_SERIAL = 11,
	TAG_SEEN_WALL = 12,
	TAG_SEEN_BOOT = 13,
	TAG_SEEN_BOOT_ID = 14,
	TAG_FLAGS = 15,
	TAG_TROUBLE = 16,
	TAG_DETAIL = 17,
	TAG_FAILURES = 18,
	TAG_FAILING = 19,
	TAG_TROUBLE_SINCE = 20,
	TAG_RETRY_IN = 21,
	TAG_REPLACED = 22,
};

enum version_tag {
	VERSION_NUMBER = 1,
	VERSION_STATE = 2,
	VERSION_NAME = 3,
	VERSION_AGE = 4,
	VERSION_CREATED = 5,
	VERSION_VISIBLE = 6,
	VERSION_ACTIVE = 7,
	VERSION_OPERATION = 8,
	VERSION_ASKED = 9,
	VERSION_FLAGS = 10,
	VERSION_REMEMBERED = 11,
	VERSION_REJECTED = 12,
};

enum {
	ITEM_IS_DUE = 1,
	ITEM_IS_DISABLED = 2,
	ITEM_IS_HELD = 4,
	ITEM_IS_TIDYING = 8,
	ITEM_SEEN_IS_SYNCED = 16,
	ITEM_FLAGS = 31
};
enum {
	VERSION_IS_APPLIED = 1,
	VERSION_IS_REVOKED = 2,
	VERSION_IS_URGENT = 4,
	VERSION_FLAGS_ALL = 7
};

/* ---- writing ---- */

static void put(struct buf *out, uint8_t tag, const void *data, size_t len)
{
	uint8_t head[3] = { tag };

	if (len > UINT16_MAX) {
		out->error = -E2BIG;
		return;
	}
	store_be16(head + 1, (uint16_t)len);
	buf_append(out, head, sizeof(head));
	buf_append(out, data, len);
}

static void put_number(struct buf *out, uint8_t tag, uint64_t v)
{
	uint8_t bytes[8];

	if (v == 0)
		return;
	store_be64(bytes, v);
	put(out, tag, bytes, sizeof(bytes));
}

static void put_text(struct buf *out, uint8_t tag, const char *s)
{
	if (*s)
		put(out, tag, s, strlen(s));
}

static void put_version(struct buf *out, const struct engine_version *v)
{
	cleanup_buf struct buf b = BUF_INIT;

	put_number(&b, VERSION_NUMBER, v->version);
	put_number(&b, VERSION_STATE, engine_state_code(v->state));
	put_text(&b, VERSION_NAME, v->name);
	put_number(&b, VERSION_AGE, v->age);
	put_number(&b, VERSION_CREATED, v->created);
	put_number(&b, VERSION_VISIBLE, v->visible);
	put_number(&b, VERSION_ACTIVE, v->active);
	put_number(&b, VERSION_REMEMBERED, v->remembered);
	put_number(&b, VERSION_OPERATION, v->operation);
	put_number(&b, VERSION_ASKED, v->asked);
	put_number(&b, VERSION_REJECTED, v->rejected);
	put_number(&b, VERSION_FLAGS,
		   (v->is_applied ? VERSION_IS_APPLIED : 0U) |
			   (v->is_revoked ? VERSION_IS_REVOKED : 0U) |
			   (v->is_urgent ? VERSION_IS_URGENT : 0U));
	if (buf_error(&b) < 0)
		out->error = buf_error(&b);
	else
		put(out, TAG_VERSION, b.data, b.len);
}

void engine_encode(const struct engine_item *item, struct buf *out)
{
	buf_append_byte(out, ENGINE_FORMAT);
	put_number(out, TAG_KIND, engine_kind_code(item->kind));
	put_text(out, TAG_ID, item->id);
	put_number(out, TAG_LAST_VERSION, item->last_version);
	put_number(out, TAG_LAST_DAY, item->last_day);
	put_number(out, TAG_LAST_TURN, item->last_turn);
	put_number(out, TAG_LAST_OPERATION, item->last_operation);
	put_number(out, TAG_LAST_SERIAL, item->last_serial);
	for (uint32_t i = 0; i < item->count; i++)
		put_version(out, &item->versions[i]);
	put_number(out, TAG_JOB_TYPE, engine_action_code(item->job.type));
	put_number(out, TAG_JOB_VERSION, item->job.version);
	put_number(out, TAG_JOB_SERIAL, item->job.serial);
	put_number(out, TAG_SEEN_WALL, item->seen.wall);
	put_number(out, TAG_SEEN_BOOT, item->seen.boot);
	put(out, TAG_SEEN_BOOT_ID, item->seen.boot_id, BOOT_ID_LEN);
	put_number(out, TAG_FLAGS,
		   (item->is_due ? ITEM_IS_DUE : 0U) |
			   (item->is_disabled ? ITEM_IS_DISABLED : 0U) |
			   (item->is_held ? ITEM_IS_HELD : 0U) |
			   (item->is_tidying ? ITEM_IS_TIDYING : 0U) |
			   (item->seen.is_synced ? ITEM_SEEN_IS_SYNCED : 0U));
	if (item->failures > 0)
		put_text(out, TAG_TROUBLE, engine_outcome_word(item->trouble));
	put_text(out, TAG_DETAIL, item->detail);
	put_number(out, TAG_FAILURES, item->failures);
	put_number(out, TAG_FAILING, item->failing);
	put_number(out, TAG_TROUBLE_SINCE, item->trouble_since);
	put_number(out, TAG_RETRY_IN, item->retry_in);
	put_number(out, TAG_REPLACED, item->replaced);
}

/* ---- reading ---- */

struct tlv {
	uint8_t tag;
	const uint8_t *data;
	size_t len;
};

/* Takes the next one off *P. 1: there it is; 0: nothing is left; -EBADMSG. */
static int next(const uint8_t **p, const uint8_t *end, struct tlv *ret)
{
	size_t left = (size_t)(end - *p);
	size_t len;

	if (left == 0)
		return 0;
	if (left < 3)
		return -EBADMSG;
	len = load_be16(*p + 1);
	if (len > left - 3)
		return -EBADMSG;
	*ret = (struct tlv){ (*p)[0], *p + 3, len };
	*p += 3 + len;
	return 1;
}

static int get_number(const struct tlv *t, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (t->len != sizeof(uint64_t))
		return -EBADMSG;
	v = load_be64(t->data);
	if (v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int get_u32(const struct tlv *t, uint32_t *ret)
{
	uint64_t v;
	int r = get_number(t, UINT32_MAX, &v);

	if (r < 0)
		return r;
	*ret = (uint32_t)v;
	return 0;
}

static int get_u8(const struct tlv *t, uint8_t *ret)
{
	uint64_t v;
	int r = get_number(t, UINT8_MAX, &v);

	if (r < 0)
		return r;
	*ret = (uint8_t)v;
	return 0;
}

static int get_text(const struct tlv *t, char *ret, size_t size)
{
	if (t->len >= size || memchr(t->data, '\0', t->len))
		return -EBADMSG;
	memcpy(ret, t->data, t->len);
	ret[t->len] = '\0';
	return text_is_utf8(ret) ? 0 : -EBADMSG;
}

static int get_state(const struct tlv *t, enum engine_state *ret)
{
	uint64_t v;
	int r = get_number(t, UINT8_MAX, &v);

	return r < 0 ? r : engine_state_from_code((uint8_t)v, ret);
}

static int get_action(const struct tlv *t, enum engine_action_type *ret)
{
	uint64_t v;
	int r = get_number(t, UINT8_MAX, &v);

	return r < 0 ? r : engine_action_from_code((uint8_t)v, ret);
}

static int get_kind(const struct tlv *t, enum engine_kind *ret)
{
	uint64_t v;
	int r = get_number(t, UINT8_MAX, &v);

	return r < 0 ? r : engine_kind_from_code((uint8_t)v, ret);
}

static int get_outcome(const struct tlv *t, enum engine_outcome *ret)
{
	char word[32];
	int r = get_text(t, word, sizeof(word));

	if (r < 0 || engine_outcome_parse(word, ret) < 0)
		return -EBADMSG;
	return 0;
}

static int get_version_flags(const struct tlv *t, struct engine_version *v)
{
	uint64_t flags;
	int r = get_number(t, VERSION_FLAGS_ALL, &flags);

	if (r < 0)
		return r;
	v->is_applied = flags & VERSION_IS_APPLIED;
	v->is_revoked = flags & VERSION_IS_REVOKED;
	v->is_urgent = flags & VERSION_IS_URGENT;
	return 0;
}

static int get_version_field(const struct tlv *t, struct engine_version *v)
{
	switch (t->tag) {
	case VERSION_NUMBER:
		return get_u32(t, &v->version);
	case VERSION_STATE:
		return get_state(t, &v->state);
	case VERSION_NAME:
		return get_text(t, v->name, sizeof(v->name));
	case VERSION_AGE:
		return get_number(t, UINT64_MAX, &v->age);
	case VERSION_CREATED:
		return get_number(t, UINT64_MAX, &v->created);
	case VERSION_VISIBLE:
		return get_number(t, UINT64_MAX, &v->visible);
	case VERSION_ACTIVE:
		return get_number(t, UINT64_MAX, &v->active);
	case VERSION_REMEMBERED:
		return get_number(t, UINT64_MAX, &v->remembered);
	case VERSION_OPERATION:
		return get_u32(t, &v->operation);
	case VERSION_ASKED:
		return get_u8(t, &v->asked);
	case VERSION_REJECTED:
		return get_u8(t, &v->rejected);
	case VERSION_FLAGS:
		return get_version_flags(t, v);
	default:
		return -EBADMSG;
	}
}

static int get_version(const struct tlv *t, struct engine_item *item)
{
	const uint8_t *p = t->data;
	const uint8_t *end = p + t->len;
	struct engine_version v = { 0 };
	struct tlv field;
	int r;

	if (item->count == ENGINE_VERSIONS_MAX)
		return -EBADMSG;
	while ((r = next(&p, end, &field)) > 0) {
		r = get_version_field(&field, &v);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	item->versions[item->count++] = v;
	return 0;
}

static int get_boot_id(const struct tlv *t, struct engine_item *item)
{
	if (t->len != BOOT_ID_LEN)
		return -EBADMSG;
	memcpy(item->seen.boot_id, t->data, BOOT_ID_LEN);
	return 0;
}

static int get_item_flags(const struct tlv *t, struct engine_item *item)
{
	uint64_t flags;
	int r = get_number(t, ITEM_FLAGS, &flags);

	if (r < 0)
		return r;
	item->is_due = flags & ITEM_IS_DUE;
	item->is_disabled = flags & ITEM_IS_DISABLED;
	item->is_held = flags & ITEM_IS_HELD;
	item->is_tidying = flags & ITEM_IS_TIDYING;
	item->seen.is_synced = flags & ITEM_SEEN_IS_SYNCED;
	return 0;
}

static int get_item_field(const struct tlv *t, struct engine_item *item)
{
	static const struct {
		enum tag tag;
		size_t offset;
	} u32s[] = {
		{ TAG_LAST_VERSION, offsetof(struct engine_item, last_version) },
		{ TAG_LAST_DAY, offsetof(struct engine_item, last_day) },
		{ TAG_LAST_TURN, offsetof(struct engine_item, last_turn) },
		{ TAG_LAST_OPERATION, offsetof(struct engine_item, last_operation) },
		{ TAG_LAST_SERIAL, offsetof(struct engine_item, last_serial) },
		{ TAG_JOB_VERSION, offsetof(struct engine_item, job.version) },
		{ TAG_JOB_SERIAL, offsetof(struct engine_item, job.serial) },
		{ TAG_FAILURES, offsetof(struct engine_item, failures) },
		{ TAG_REPLACED, offsetof(struct engine_item, replaced) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(u32s); i++)
		if (u32s[i].tag == t->tag)
			return get_u32(t, (uint32_t *)(void *)((char *)item + u32s[i].offset));
	switch (t->tag) {
	case TAG_KIND:
		return get_kind(t, &item->kind);
	case TAG_ID:
		return get_text(t, item->id, sizeof(item->id));
	case TAG_VERSION:
		return get_version(t, item);
	case TAG_JOB_TYPE:
		return get_action(t, &item->job.type);
	case TAG_SEEN_WALL:
		return get_number(t, UINT64_MAX, &item->seen.wall);
	case TAG_SEEN_BOOT:
		return get_number(t, UINT64_MAX, &item->seen.boot);
	case TAG_SEEN_BOOT_ID:
		return get_boot_id(t, item);
	case TAG_FLAGS:
		return get_item_flags(t, item);
	case TAG_TROUBLE:
		return get_outcome(t, &item->trouble);
	case TAG_DETAIL:
		return get_text(t, item->detail, sizeof(item->detail));
	case TAG_FAILING:
		return get_number(t, UINT64_MAX, &item->failing);
	case TAG_TROUBLE_SINCE:
		return get_number(t, UINT64_MAX, &item->trouble_since);
	case TAG_RETRY_IN:
		return get_number(t, UINT64_MAX, &item->retry_in);
	default:
		return -EBADMSG;
	}
}

int engine_decode(const uint8_t *data, size_t len, struct engine_item *ret)
{
	const uint8_t *p = data + 1;
	struct engine_item item = { 0 };
	struct tlv field;
	int r;

	if (len < 1 || data[0] != ENGINE_FORMAT)
		return -EBADMSG;
	while ((r = next(&p, data + len, &field)) > 0) {
		r = get_item_field(&field, &item);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (engine_check_item(&item))
		return -EBADMSG;
	*ret = item;
	return 0;
}
