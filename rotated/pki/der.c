/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/pki/der.h"

#include <stdbool.h>
#include <string.h>

enum tag {
	BOOLEAN = 1,
	INTEGER = 2,
	BIT_STRING = 3,
	NULL_VALUE = 5,
	UTF8_STRING = 12,
	SEQUENCE = 16,
	SET = 17,
	PRINTABLE_STRING = 19,
	T61_STRING = 20,
	IA5_STRING = 22,
	VISIBLE_STRING = 26,
	HIGH_FORM = 31,
};

struct value {
	uint8_t class; /* 0 is universal */
	bool is_constructed;
	uint8_t number;
	const uint8_t *data;
	size_t len;
};

/* The length at *P, minimal and definite (section 10.1). */
static const char *take_length(const uint8_t **p, const uint8_t *end, size_t *ret)
{
	enum { LONG_FORM = 0x80, BYTES_MAX = 3 };
	size_t n, len = 0;

	if (*p == end)
		return "a value is cut off";
	if (**p < LONG_FORM) {
		*ret = *(*p)++;
		return NULL;
	}
	n = *(*p)++ - LONG_FORM;
	if (n == 0)
		return "a length is indefinite";
	if (n > BYTES_MAX || n > (size_t)(end - *p))
		return "a length does not fit";
	for (size_t i = 0; i < n; i++)
		len = len << 8 | *(*p)++;
	if (len < LONG_FORM || len >> 8 * (n - 1) == 0)
		return "a length is longer than it need be";
	*ret = len;
	return NULL;
}

static const char *take_value(const uint8_t **p, const uint8_t *end, struct value *ret)
{
	const char *wrong;
	uint8_t tag = *(*p)++;
	size_t len;

	*ret = (struct value){ .class = tag >> 6,
			       .is_constructed = tag & 0x20,
			       .number = tag & 0x1f };
	if (ret->number == HIGH_FORM)
		return "a tag has the long form";
	wrong = take_length(p, end, &len);
	if (wrong)
		return wrong;
	if (len > (size_t)(end - *p))
		return "a value is cut off";
	ret->data = *p;
	ret->len = len;
	*p += len;
	return NULL;
}

static const char *check_integer(const struct value *v)
{
	if (v->len == 0)
		return "a number is empty";
	if (v->len > 1 && ((v->data[0] == 0x00 && v->data[1] < 0x80) ||
			   (v->data[0] == 0xff && v->data[1] >= 0x80)))
		return "a number is longer than it need be";
	return NULL;
}

static const char *check_bits(const struct value *v)
{
	uint8_t unused = v->len ? v->data[0] : 8;

	if (unused > 7 || (v->len == 1 && unused))
		return "a bit string is malformed";
	if (v->len > 1 && v->data[v->len - 1] & ((1U << unused) - 1))
		return "a bit string has bits that it does not count";
	return NULL;
}

static const char *check_universal(const struct value *v)
{
	if (v->is_constructed != (v->number == SEQUENCE || v->number == SET))
		return "a value is of the wrong form";
	switch (v->number) {
	case 0:
		return "there is an end without a beginning";
	case BOOLEAN:
		return v->len == 1 && (v->data[0] == 0 || v->data[0] == 0xff)
			       ? NULL
			       : "a boolean is malformed";
	case INTEGER:
		return check_integer(v);
	case BIT_STRING:
		return check_bits(v);
	case NULL_VALUE:
		return v->len ? "a null is not empty" : NULL;
	case UTF8_STRING:
	case PRINTABLE_STRING:
	case T61_STRING:
	case IA5_STRING:
	case VISIBLE_STRING:
		return v->len && memchr(v->data, '\0', v->len) ? "a name holds a NUL" : NULL;
	default:
		return NULL;
	}
}

const char *der_check(const uint8_t *data, size_t len)
{
	const uint8_t *ends[DER_DEPTH_MAX];
	const uint8_t *p = data;
	unsigned depth = 0;

	if (len == 0)
		return "there is nothing";
	ends[0] = data + len;
	for (;;) {
		struct value v;
		const char *wrong = take_value(&p, ends[depth], &v);

		if (!wrong && v.class == 0)
			wrong = check_universal(&v);
		if (wrong)
			return wrong;
		if (depth == 0 && p != ends[0])
			return "something follows its end";
		if (v.is_constructed && v.len) {
			if (++depth == DER_DEPTH_MAX)
				return "it is nested too deep";
			ends[depth] = p;
			p = v.data;
		}
		while (depth && p == ends[depth])
			depth--;
		if (depth == 0)
			return NULL;
	}
}
