/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

_Static_assert(FRAME_MAX <= UINT32_MAX, "a frame's length must fit its prefix");

/* The length of a well-formed key at P that ends within LEFT bytes; 0 if there is none. */
static size_t key_length(const uint8_t *p, size_t left)
{
	size_t n = 0;

	while (n < left && n <= FRAME_KEY_MAX && p[n] != '\0') {
		if (p[n] != '_' && (p[n] < 'a' || p[n] > 'z'))
			return 0;
		n++;
	}
	return n < left && n <= FRAME_KEY_MAX ? n : 0;
}

/* Parses the field at *P and moves it past. */
static int parse_field(const uint8_t **p, const uint8_t *end, struct frame_field *ret)
{
	size_t left = (size_t)(end - *p);
	size_t key = key_length(*p, left);
	uint32_t len;

	if (key == 0)
		return -EBADMSG;
	left -= key + 1;
	if (left < sizeof(uint32_t))
		return -EBADMSG;
	len = load_be32(*p + key + 1);
	left -= sizeof(uint32_t);
	if (len > left)
		return -EBADMSG;

	ret->key = (const char *)*p;
	ret->data = *p + key + 1 + sizeof(uint32_t);
	ret->len = len;
	*p = ret->data + len;
	return 0;
}

static int check_version(const struct frame *f)
{
	uint64_t version;

	if (f->count == 0 || strcmp(f->fields[0].key, "v") != 0)
		return -EBADMSG;
	if (frame_number(f, "v", &version) < 0)
		return -EBADMSG;
	return version == FRAME_VERSION ? 0 : -EPROTO;
}

int frame_parse(const uint8_t *data, size_t len, struct frame *ret)
{
	const uint8_t *end = data + len;
	const uint8_t *p;
	struct frame f = { .count = 0 };
	int r;

	if (len < sizeof(uint32_t) || len > FRAME_MAX ||
	    load_be32(data) != len - sizeof(uint32_t))
		return -EBADMSG;
	p = data + sizeof(uint32_t);
	while (p < end) {
		struct frame_field field;

		if (f.count == FRAME_FIELDS_MAX)
			return -EBADMSG;
		r = parse_field(&p, end, &field);
		if (r < 0)
			return r;
		if (frame_find(&f, field.key))
			return -EBADMSG;
		f.fields[f.count++] = field;
	}
	r = check_version(&f);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}

const struct frame_field *frame_find(const struct frame *f, const char *key)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (strcmp(f->fields[i].key, key) == 0)
			return &f->fields[i];
	return NULL;
}

int frame_text(const struct frame *f, const char *key, char *ret, size_t size)
{
	const struct frame_field *field = frame_find(f, key);

	if (!field)
		return -ENOENT;
	if (field->len >= size || memchr(field->data, '\0', field->len))
		return -EBADMSG;
	memcpy(ret, field->data, field->len);
	ret[field->len] = '\0';
	return 0;
}

int frame_number(const struct frame *f, const char *key, uint64_t *ret)
{
	char text[24];
	int r = frame_text(f, key, text, sizeof(text));

	if (r < 0)
		return r;
	return text_to_u64(text, ret) < 0 ? -EBADMSG : 0;
}

bool frame_flag(const struct frame *f, const char *key)
{
	const struct frame_field *field = frame_find(f, key);

	return field && field->len == 1 && field->data[0] == '1';
}

void frame_begin(struct buf *out)
{
	buf_clear(out);
	out->max = FRAME_MAX;
	buf_append_be32(out, 0);
	frame_put_number(out, "v", FRAME_VERSION);
}

void frame_put(struct buf *out, const char *key, const void *data, size_t len)
{
	if (len > FRAME_MAX) {
		out->error = -E2BIG;
		return;
	}
	buf_append(out, key, strlen(key) + 1);
	buf_append_be32(out, (uint32_t)len);
	buf_append(out, data, len);
}

void frame_put_text(struct buf *out, const char *key, const char *text)
{
	frame_put(out, key, text, strlen(text));
}

void frame_put_number(struct buf *out, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)value); /* 20 digits at most */
	frame_put_text(out, key, text);
}

int frame_end(struct buf *out)
{
	int r = buf_error(out);

	if (r < 0)
		return r;
	store_be32(out->data, (uint32_t)(out->len - sizeof(uint32_t)));
	return 0;
}
