/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static size_t limit(const struct buf *b)
{
	return b->max ? b->max : BUF_MAX_DEFAULT;
}

/* realloc() would leave the old bytes behind, so the move is made by hand. */
static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *p;

	while (cap < need)
		cap *= 2;
	p = malloc(cap);
	if (!p)
		return -ENOMEM;
	if (b->data) {
		memcpy(p, b->data, b->len);
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	b->data = p;
	b->cap = cap;
	return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	size_t need;

	if (b->error)
		return NULL;
	if (__builtin_add_overflow(b->len, len, &need) || need > limit(b)) {
		b->error = -E2BIG;
		return NULL;
	}
	/* One spare byte lets buf_string() terminate in place. */
	if (need + 1 > b->cap) {
		b->error = grow(b, need + 1);
		if (b->error)
			return NULL;
	}
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	uint8_t *p = buf_reserve(b, len);

	if (!p)
		return;
	if (len)
		memcpy(p, data, len);
	b->len += len;
}

void buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_append_byte(struct buf *b, uint8_t byte)
{
	buf_append(b, &byte, 1);
}

void buf_append_be16(struct buf *b, uint16_t v)
{
	uint8_t bytes[2];

	store_be16(bytes, v);
	buf_append(b, bytes, sizeof(bytes));
}

void buf_append_be32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	store_be32(bytes, v);
	buf_append(b, bytes, sizeof(bytes));
}

void buf_append_be64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	store_be64(bytes, v);
	buf_append(b, bytes, sizeof(bytes));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	uint8_t *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0); /* only a broken format string can fail */

	p = buf_reserve(b, (size_t)n);
	if (!p)
		return;
	(void)vsnprintf((char *)p, (size_t)n + 1, fmt, ap); /* same arguments, same length */
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t len)
{
	if (len > b->len)
		len = b->len;
	if (!len)
		return;
	memmove(b->data, b->data + len, b->len - len);
	explicit_bzero(b->data + b->len - len, len);
	b->len -= len;
}

void buf_clear(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	b->len = 0;
	b->error = 0;
}

int buf_error(const struct buf *b)
{
	return b->error;
}

const char *buf_string(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 0);

	if (!p)
		return NULL;
	*p = '\0';
	return (const char *)b->data;
}

void buf_release(struct buf *b)
{
	if (!b)
		return;
	buf_clear(b);
	free(b->data);
	b->data = NULL;
	b->cap = 0;
}
