/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/ldapcursor.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	DIGITS = 14, /* of a time */
	SID_AT = 30, /* in a CSN */
	SID_LEN = 3,
	OVERLAP = 2, /* seconds */
	DEPTH_MAX = 64,
};

static const char csn_shape[] = "dddddddddddddd.ddddddZ#hhhhhh#hhh#hhhhhh";
_Static_assert(sizeof(csn_shape) == LDAP_CSN_LEN + 1, "the shape of a whole CSN");

static const char *const kinds[] = {
	[LDAP_CURSOR_NONE] = "none",
	[LDAP_CURSOR_SET] = "set",
	[LDAP_CURSOR_CSN] = "csn",
	[LDAP_CURSOR_TIME] = "time",
};
_Static_assert(ARRAY_SIZE(kinds) == LDAP_CURSOR_MAX_, "a word for every kind");

bool ldap_csn_take(const void *data, size_t len, char ret[static LDAP_CSN_LEN + 1])
{
	const unsigned char *p = data;

	if (len != LDAP_CSN_LEN)
		return false;
	for (size_t i = 0; i < LDAP_CSN_LEN; i++) {
		bool fits = csn_shape[i] == 'd'	  ? isdigit(p[i])
			    : csn_shape[i] == 'h' ? isxdigit(p[i]) && !isupper(p[i])
						  : p[i] == (unsigned char)csn_shape[i];

		if (!fits)
			return false;
	}
	memcpy(ret, p, LDAP_CSN_LEN);
	ret[LDAP_CSN_LEN] = '\0';
	return true;
}

bool ldap_time_take(const void *data, size_t len, char ret[static LDAP_TIME_LEN + 1])
{
	const unsigned char *p = data;
	size_t i = 0;

	while (i < len && i < DIGITS && isdigit(p[i]))
		i++;
	if (i != DIGITS)
		return false;
	if (i < len && (p[i] == '.' || p[i] == ','))
		for (i++; i < len && isdigit(p[i]);)
			i++;
	if (i + 1 != len || p[i] != 'Z')
		return false;
	memcpy(ret, p, DIGITS);
	ret[DIGITS] = 'Z';
	ret[LDAP_TIME_LEN] = '\0';
	return true;
}

/* The CSN in SET of the replica that made CSN; NULL for none. */
static const char *find_sid(const struct ldap_cursor *set, const char *csn)
{
	for (unsigned i = 0; i < set->count; i++)
		if (strncmp(set->csn[i] + SID_AT, csn + SID_AT, SID_LEN) == 0)
			return set->csn[i];
	return NULL;
}

bool ldap_cursor_add(struct ldap_cursor *set, const void *data, size_t len)
{
	char *csn = set->csn[set->count < LDAP_CSNS_MAX ? set->count : 0];

	if (set->count == LDAP_CSNS_MAX || !ldap_csn_take(data, len, csn) || find_sid(set, csn))
		return false;
	set->count++;
	return true;
}

static bool is_uri(const char *s)
{
	size_t len = 0;

	for (; s[len]; len++)
		if (s[len] <= ' ' || s[len] > '~')
			return false;
	return len > 0 && len < LDAP_URI_SIZE;
}

/* The words of a cookie, after its version and its kind. */
static int parse_words(char *words, struct ldap_cursor *c)
{
	const char *first = strsep(&words, " ");

	if (c->kind == LDAP_CURSOR_TIME) {
		if (!first || strlen(first) != LDAP_TIME_LEN ||
		    !ldap_time_take(first, LDAP_TIME_LEN, c->time))
			return -EBADMSG;
		first = strsep(&words, " ");
	} else if (c->kind != LDAP_CURSOR_NONE) {
		do {
			if (!first || !ldap_cursor_add(c, first, strlen(first)))
				return -EBADMSG;
			first = strsep(&words, " ");
		} while (c->kind == LDAP_CURSOR_SET && first);
	}
	if (c->kind == LDAP_CURSOR_SET)
		return 0;
	if (!first || words || !is_uri(first))
		return -EBADMSG;
	(void)snprintf(c->uri, sizeof(c->uri), "%s", first);
	return 0;
}

int ldap_cursor_parse(const char *cookie, struct ldap_cursor *ret)
{
	struct ldap_cursor c = { .count = 0 };
	char text[LDAP_COOKIE_SIZE];
	char *words = text;
	const char *word;
	int r;

	if (strlen(cookie) >= sizeof(text))
		return -EBADMSG;
	(void)snprintf(text, sizeof(text), "%s", cookie);
	word = strsep(&words, " ");
	if (strcmp(word, "1") != 0)
		return -EBADMSG;
	word = strsep(&words, " ");
	for (c.kind = 0; word && c.kind < LDAP_CURSOR_MAX_; c.kind++)
		if (strcmp(word, kinds[c.kind]) == 0)
			break;
	if (!word || c.kind == LDAP_CURSOR_MAX_)
		return -EBADMSG;
	r = parse_words(words, &c);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

void ldap_cursor_write(const struct ldap_cursor *c, struct buf *out)
{
	buf_printf(out, "1 %s", kinds[c->kind]);
	if (c->kind == LDAP_CURSOR_TIME)
		buf_printf(out, " %s", c->time);
	for (unsigned i = 0; i < c->count; i++)
		buf_printf(out, " %s", c->csn[i]);
	if (c->kind != LDAP_CURSOR_SET)
		buf_printf(out, " %s", c->uri);
}

bool ldap_cursor_covers(const struct ldap_cursor *old, const struct ldap_cursor *now,
			const char *uri)
{
	if (old->kind == LDAP_CURSOR_NONE)
		return true;
	if (old->kind != LDAP_CURSOR_SET)
		return strcmp(old->uri, uri) == 0;
	for (unsigned i = 0; i < old->count; i++) {
		const char *csn = find_sid(now, old->csn[i]);

		if (!csn || strcmp(csn, old->csn[i]) < 0)
			return false;
	}
	return true;
}

/* TEXT begins with the digits of a time; RET is the same some seconds before. */
static bool step_back(const char *text, char ret[static DIGITS + 1])
{
	struct tm tm = { .tm_isdst = 0 };
	char digits[DIGITS + 1];
	const char *end;
	time_t t;

	memcpy(digits, text, DIGITS);
	digits[DIGITS] = '\0';
	end = strptime(digits, "%Y%m%d%H%M%S", &tm);
	if (!end || *end)
		return false;
	t = timegm(&tm) - OVERLAP;
	return gmtime_r(&t, &tm) && strftime(ret, DIGITS + 1, "%Y%m%d%H%M%S", &tm) == DIGITS;
}

/* The oldest mark of those replicas that have made changes since; NULL when it is before all.
 */
static const char *oldest_changed(const struct ldap_cursor *old, const struct ldap_cursor *now,
				  bool *ret_changed)
{
	const char *oldest = NULL;

	*ret_changed = false;
	for (unsigned i = 0; i < now->count; i++) {
		const char *csn = find_sid(old, now->csn[i]);

		if (csn && strcmp(csn, now->csn[i]) == 0)
			continue;
		*ret_changed = true;
		if (!csn)
			return NULL;
		if (!oldest || strcmp(csn, oldest) < 0)
			oldest = csn;
	}
	return oldest;
}

const char *ldap_cursor_newest(const struct ldap_cursor *c)
{
	const char *newest = "";

	for (unsigned i = 0; i < c->count; i++)
		if (strcmp(c->csn[i], newest) > 0)
			newest = c->csn[i];
	return newest;
}

bool ldap_cursor_is_kept(const struct ldap_cursor *set, const char *csn)
{
	const char *known = csn[0] ? find_sid(set, csn) : "";

	return !csn[0] || (known && strcmp(csn, known) <= 0);
}

enum ldap_bound ldap_cursor_bound(const struct ldap_cursor *old, const struct ldap_cursor *now,
				  char ret[static LDAP_BOUND_SIZE])
{
	const char *mark = old->csn[0];
	char digits[DIGITS + 1];
	bool has_changed = true;

	if (old->kind == LDAP_CURSOR_NONE)
		return LDAP_BOUND_ALL;
	if (old->kind == LDAP_CURSOR_SET) {
		mark = oldest_changed(old, now, &has_changed);
		if (!has_changed)
			mark = ldap_cursor_newest(old);
	} else if (old->kind == LDAP_CURSOR_TIME) {
		mark = old->time;
	}
	if (!mark || !step_back(mark, digits))
		return LDAP_BOUND_ALL;
	if (old->kind == LDAP_CURSOR_TIME)
		(void)snprintf(ret, LDAP_BOUND_SIZE, "(modifyTimestamp>=%sZ)", digits);
	else
		(void)snprintf(ret, LDAP_BOUND_SIZE, "(entryCSN>=%s.000000Z#000000#000#000000)",
			       digits);
	return has_changed ? LDAP_BOUND_SINCE : LDAP_BOUND_IDLE;
}

bool ldap_filter_is_single(const char *filter)
{
	unsigned depth = 0;

	/* a parenthesis in a value is written \28 or \29 */
	for (const char *p = filter; *p; p++) {
		if (p > filter && depth == 0)
			return false;
		if (*p == '(' && ++depth > DEPTH_MAX)
			return false;
		if (*p == ')' && depth-- == 0)
			return false;
		if (p == filter && depth == 0)
			return false;
	}
	return filter[0] && depth == 0;
}
