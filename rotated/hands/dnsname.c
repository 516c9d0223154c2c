/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnsname.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { POINTER = 0xc0 };

/* Not tolower(): the comparison of names knows ASCII only (RFC 4343), whatever the locale. */
static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int append_label(struct dns_name *n, const uint8_t *label, size_t len)
{
	/* one byte for the length, and one kept free for the root */
	if (len == 0 || len > LABEL_MAX || n->len + 1 + len + 1 > DNS_NAME_MAX)
		return -EINVAL;
	n->wire[n->len] = (uint8_t)len;
	memcpy(n->wire + n->len + 1, label, len);
	n->len += 1 + len;
	return 0;
}

int dns_name_from_text(const char *text, struct dns_name *ret)
{
	struct dns_name n = { .len = 0 };

	if (strcmp(text, ".") == 0)
		text++;
	else if (*text == '\0')
		return -EINVAL;
	while (*text) {
		size_t len = strcspn(text, ".");
		int r;

		for (size_t i = 0; i < len; i++)
			if (text[i] <= ' ' || text[i] > '~' || text[i] == '\\')
				return -EINVAL;
		r = append_label(&n, (const uint8_t *)text, len);
		if (r < 0)
			return r;
		text += len;
		if (*text == '.')
			text++;
	}
	n.wire[n.len++] = 0;
	*ret = n;
	return 0;
}

/* The offset that the pointer at AT leads to; it must lie before BELOW. */
static int read_pointer(const uint8_t *data, size_t len, size_t at, size_t below)
{
	size_t to;

	if (at + 1 >= len)
		return -EBADMSG;
	to = (size_t)(data[at] & ~POINTER) << 8 | data[at + 1];
	return to < below ? (int)to : -EBADMSG;
}

int dns_name_read(const uint8_t *data, size_t len, size_t *offset, struct dns_name *ret)
{
	struct dns_name n = { .len = 0 };
	size_t at = *offset;
	size_t start = at; /* of the run of labels that we are in */
	size_t past = 0;   /* the first byte after the name, once a pointer was met */

	while (at < len && data[at] != 0) {
		size_t label = data[at];

		if ((label & POINTER) == POINTER) {
			int to = read_pointer(data, len, at, start);

			if (to < 0)
				return to;
			if (past == 0)
				past = at + 2;
			at = (size_t)to;
			start = at;
			continue;
		}
		if (label > LABEL_MAX || label >= len - at ||
		    append_label(&n, data + at + 1, label) < 0)
			return -EBADMSG;
		at += 1 + label;
	}
	if (at >= len)
		return -EBADMSG;
	n.wire[n.len++] = 0;
	*offset = past ? past : at + 1;
	*ret = n;
	return 0;
}

static bool is_plain_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Returns how many characters it wrote. */
static size_t put_label(char *out, const uint8_t *label, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (is_plain_byte(label[i])) {
			out[used++] = (char)label[i];
			continue;
		}
		(void)snprintf(out + used, 5, "\\%03u", label[i]); /* always four */
		used += 4;
	}
	return used;
}

void dns_name_to_text(const struct dns_name *n, char out[static DNS_NAME_TEXT_SIZE])
{
	size_t used = 0;

	for (size_t at = 0; n->wire[at] != 0; at += 1U + n->wire[at]) {
		used += put_label(out + used, n->wire + at + 1, n->wire[at]);
		out[used++] = '.';
	}
	if (used == 0)
		out[used++] = '.';
	out[used] = '\0';
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return false;
	/* lengths of labels are below 'A', so folding leaves them alone */
	for (size_t i = 0; i < a->len; i++)
		if (fold(a->wire[i]) != fold(b->wire[i]))
			return false;
	return true;
}

unsigned dns_name_labels(const struct dns_name *n)
{
	unsigned count = 0;

	for (size_t at = 0; n->wire[at] != 0; at += 1U + n->wire[at])
		count++;
	return count;
}

struct dns_name dns_name_suffix(const struct dns_name *n, unsigned count)
{
	unsigned labels = dns_name_labels(n);
	struct dns_name suffix = { .len = 0 };
	size_t at = 0;

	for (; labels > count; labels--)
		at += 1U + n->wire[at];
	suffix.len = n->len - at;
	memcpy(suffix.wire, n->wire + at, suffix.len);
	return suffix;
}

bool dns_name_is_under(const struct dns_name *n, const struct dns_name *zone)
{
	struct dns_name suffix = dns_name_suffix(n, dns_name_labels(zone));

	return dns_name_equal(&suffix, zone);
}
