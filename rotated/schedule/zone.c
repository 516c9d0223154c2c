/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/zone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fs.h"
#include "rotated/schedule/zone_rule.h"

#define LOCAL_FILE "/etc/localtime"

/* RFC 8536, section 3.1: the header, then six counts. */
enum { HEADER_SIZE = 44, COUNTS_AT = 20, TYPE_SIZE = 6, TYPES_MAX = 256 };

struct counts {
	uint32_t utc_marks, standard_marks, leaps, times, types, chars;
};

struct transition {
	int64_t at;
	int32_t offset; /* from then on */
};

struct zone {
	int32_t first; /* the offset before all transitions */
	bool has_rule; /* for what comes after them; else the last one holds for ever */
	struct zone_rule rule;
	size_t n;
	struct transition transitions[]; /* ascending */
};

struct slice {
	const uint8_t *data;
	size_t len;
};

/* The next LEN bytes of S; NULL if there are not so many. */
static const uint8_t *take(struct slice *s, size_t len)
{
	const uint8_t *at = s->data;

	if (len > s->len)
		return NULL;
	s->data += len;
	s->len -= len;
	return at;
}

static int parse_header(struct slice *s, struct counts *ret)
{
	const uint8_t *h = take(s, HEADER_SIZE);
	uint32_t *const order[] = { &ret->utc_marks, &ret->standard_marks, &ret->leaps,
				    &ret->times,     &ret->types,	   &ret->chars };

	/* version 1, a NUL, has no times beyond 2038, and no rule */
	if (!h || memcmp(h, "TZif", 4) != 0 || h[4] < '2')
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		*order[i] = load_be32(h + COUNTS_AT + 4 * i);
		if (*order[i] > ZONE_FILE_MAX)
			return -EBADMSG;
	}
	return 0;
}

/* The block of version 1 holds the same in 32 bits. */
static int skip_block(struct slice *s, const struct counts *c)
{
	size_t size = (size_t)c->times * 5 + (size_t)c->types * TYPE_SIZE + c->chars +
		      (size_t)c->leaps * 8 + c->standard_marks + c->utc_marks;

	return take(s, size) ? 0 : -EBADMSG;
}

static int parse_offset(const uint8_t *type, int32_t *ret)
{
	int32_t offset = (int32_t)load_be32(type);

	if (offset < -ZONE_OFFSET_MAX || offset > ZONE_OFFSET_MAX)
		return -EBADMSG;
	*ret = offset;
	return 0;
}

/* TIMES and INDEXES are of Z->n elements. */
static int parse_transitions(struct zone *z, const uint8_t *times, const uint8_t *indexes,
			     const struct slice *types)
{
	for (size_t i = 0; i < z->n; i++) {
		struct transition *t = &z->transitions[i];

		t->at = (int64_t)load_be64(times + 8 * i);
		if ((i && t->at <= t[-1].at) || indexes[i] >= types->len / TYPE_SIZE ||
		    parse_offset(types->data + (size_t)TYPE_SIZE * indexes[i], &t->offset) < 0)
			return -EBADMSG;
	}
	return parse_offset(types->data, &z->first);
}

/* A line of its own at the end; an empty one says that nothing is known of the future. */
static int parse_footer(struct zone *z, const struct slice *s)
{
	const uint8_t *end;

	if (s->len < 2 || s->data[0] != '\n')
		return -EBADMSG;
	end = memchr(s->data + 1, '\n', s->len - 1);
	if (!end)
		return -EBADMSG;
	if (end == s->data + 1)
		return 0;
	z->has_rule = true;
	return zone_rule_parse((const char *)s->data + 1, (size_t)(end - s->data) - 1,
			       &z->rule) < 0
		       ? -EBADMSG
		       : 0;
}

static struct zone *new_zone(size_t n)
{
	struct zone *z = calloc(1, sizeof(*z) + n * sizeof(z->transitions[0]));

	if (z)
		z->n = n;
	return z;
}

static int parse_block(struct slice *s, const struct counts *c, struct zone *z)
{
	const uint8_t *times = take(s, (size_t)c->times * 8);
	const uint8_t *indexes = take(s, c->times);
	struct slice types = { take(s, (size_t)c->types * TYPE_SIZE),
			       (size_t)c->types * TYPE_SIZE };
	int r;

	if (!times || !indexes || !types.data || !take(s, c->chars) ||
	    !take(s, c->standard_marks) || !take(s, c->utc_marks))
		return -EBADMSG;
	r = parse_transitions(z, times, indexes, &types);
	return r < 0 ? r : parse_footer(z, s);
}

int zone_parse(const void *data, size_t len, struct zone **ret)
{
	cleanup_(zone_freep) struct zone *z = NULL;
	struct slice s = { data, len };
	struct counts c;
	int r;

	if (len > ZONE_FILE_MAX || parse_header(&s, &c) < 0 || skip_block(&s, &c) < 0 ||
	    parse_header(&s, &c) < 0 || c.types == 0 || c.types > TYPES_MAX || c.leaps)
		return -EBADMSG;
	z = new_zone(c.times);
	if (!z)
		return -ENOMEM;
	r = parse_block(&s, &c, z);
	if (r < 0)
		return r;
	*ret = steal_ptr(z);
	return 0;
}

int zone_parse_rule(const char *text, struct zone **ret)
{
	cleanup_(zone_freep) struct zone *z = new_zone(0);
	int r;

	if (!z)
		return -ENOMEM;
	r = zone_rule_parse(text, strlen(text), &z->rule);
	if (r < 0)
		return r;
	z->has_rule = true;
	*ret = steal_ptr(z);
	return 0;
}

static int open_file(const char *path, struct zone **ret)
{
	cleanup_buf struct buf b = BUF_INIT;
	int r = fs_read(AT_FDCWD, path, ZONE_FILE_MAX, &b);

	if (r == -ENOTDIR || r == -EISDIR)
		return -ENOENT; /* "Europe/Berlin/Mitte", "Europe" */
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	return zone_parse(b.data, b.len, ret);
}

/* Parts of letters, digits and "+-_", with single slashes between: nothing that leaves the
 * directory. */
static bool is_name(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++) {
		bool is_letter = (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z';

		if (s[i] == '/' ? i == 0 || i + 1 == len || s[i - 1] == '/'
				: !is_letter && !strchr("0123456789+-_", s[i]))
			return false;
	}
	return len > 0 && len <= ZONE_NAME_MAX;
}

int zone_open(const char *name, struct zone **ret)
{
	char path[sizeof(ZONE_DIRECTORY "/") + ZONE_NAME_MAX] = ZONE_DIRECTORY "/";

	if (!is_name(name))
		return -EINVAL;
	if (strcmp(name, "UTC") == 0) {
		*ret = NULL;
		return 0;
	}
	memcpy(path + sizeof(ZONE_DIRECTORY), name, strlen(name) + 1);
	return open_file(path, ret);
}

int zone_open_local(struct zone **ret)
{
	const char *tz = getenv("TZ");
	int r;

	if (!tz) {
		r = open_file(LOCAL_FILE, ret);
		if (r != -ENOENT)
			return r;
		tz = "UTC";
	}
	tz += *tz == ':';
	if (!*tz)
		tz = "UTC";
	r = zone_open(tz, ret);
	return r == -ENOENT || r == -EINVAL ? zone_parse_rule(tz, ret) : r;
}

void zone_free(struct zone *z)
{
	free(z);
}

/* How many transitions are at T or before it. */
static size_t count_until(const struct zone *z, int64_t t)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->transitions[middle].at <= t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void zone_stretch_at(const struct zone *z, int64_t t, struct zone_stretch *ret)
{
	size_t i = z ? count_until(z, t) : 0;
	int64_t begin = i ? z->transitions[i - 1].at : INT64_MIN;

	*ret = (struct zone_stretch){ begin, INT64_MAX, 0 };
	if (!z)
		return;
	if (i == z->n && z->has_rule) {
		zone_rule_stretch(&z->rule, t, ret);
		if (ret->begin < begin)
			ret->begin = begin;
		return;
	}
	if (i < z->n)
		ret->end = z->transitions[i].at;
	ret->offset = i ? z->transitions[i - 1].offset : z->first;
}

int64_t zone_wall(const struct zone *z, uint64_t usec)
{
	struct zone_stretch s;

	zone_stretch_at(z, (int64_t)(usec / USEC_PER_SEC), &s);
	return (int64_t)usec + s.offset * (int64_t)USEC_PER_SEC;
}
