/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower_or_digit(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

/* Reads digits from *S on and moves it past them. */
static int read_digits(const char **s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**s - '0'), &v))
			return -ERANGE;
	*ret = v;
	return 0;
}

int text_to_u64(const char *s, uint64_t *ret)
{
	uint64_t v;
	int r = read_digits(&s, &v);

	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

int text_to_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = text_to_u64(s, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct unit {
	const char *name;
	uint64_t usec;
} units[] = {
	{ "", USEC_PER_SEC },
	{ "us", 1 },
	{ "usec", 1 },
	{ "ms", USEC_PER_MSEC },
	{ "msec", USEC_PER_MSEC },
	{ "s", USEC_PER_SEC },
	{ "sec", USEC_PER_SEC },
	{ "second", USEC_PER_SEC },
	{ "seconds", USEC_PER_SEC },
	{ "m", MINUTE },
	{ "min", MINUTE },
	{ "minute", MINUTE },
	{ "minutes", MINUTE },
	{ "h", HOUR },
	{ "hr", HOUR },
	{ "hour", HOUR },
	{ "hours", HOUR },
	{ "d", DAY },
	{ "day", DAY },
	{ "days", DAY },
	{ "w", 7 * DAY },
	{ "week", 7 * DAY },
	{ "weeks", 7 * DAY },
	{ "M", 2629800 * USEC_PER_SEC },
	{ "month", 2629800 * USEC_PER_SEC },
	{ "months", 2629800 * USEC_PER_SEC },
	{ "y", 31557600 * USEC_PER_SEC },
	{ "year", 31557600 * USEC_PER_SEC },
	{ "years", 31557600 * USEC_PER_SEC },
};

static const struct unit *find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == len && strncmp(units[i].name, name, len) == 0)
			return &units[i];
	return NULL;
}

int text_to_span(const char *s, uint64_t *ret_usec)
{
	uint64_t total = 0;

	s += strspn(s, " ");
	if (!*s)
		return -EINVAL;
	while (*s) {
		const struct unit *unit;
		uint64_t v;
		size_t len;
		int r = read_digits(&s, &v);

		if (r < 0)
			return r;
		s += strspn(s, " ");
		len = strcspn(s, " 0123456789");
		unit = find_unit(s, len);
		if (!unit)
			return -EINVAL;
		if (__builtin_mul_overflow(v, unit->usec, &v) ||
		    __builtin_add_overflow(total, v, &total))
			return -ERANGE;
		s += len;
		s += strspn(s, " ");
	}
	*ret_usec = total;
	return 0;
}

void text_from_span(uint64_t usec, char out[static SPAN_TEXT_SIZE])
{
	static const struct unit steps[] = {
		{ "d", DAY },	       { "h", HOUR },		{ "min", MINUTE },
		{ "s", USEC_PER_SEC }, { "ms", USEC_PER_MSEC }, { "us", 1 },
	};
	size_t used = 0;

	if (usec == 0) {
		(void)snprintf(out, SPAN_TEXT_SIZE, "0");
		return;
	}
	if (usec == USEC_NEVER) {
		(void)snprintf(out, SPAN_TEXT_SIZE, "infinity");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t n = usec / steps[i].usec;

		if (n == 0)
			continue;
		used += (size_t)snprintf(out + used, SPAN_TEXT_SIZE - used, "%s%ju%s",
					 used ? " " : "", (uintmax_t)n, steps[i].name);
		usec %= steps[i].usec;
	}
}

int text_to_bool(const char *s, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "yes", true }, { "no", false },  { "true", true }, { "false", false },
		{ "on", true },	 { "off", false }, { "1", true },    { "0", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(s, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

/* One run of [a-z0-9-] that neither starts nor ends with a hyphen. */
static bool is_hyphenated(const char *s, size_t len, size_t max)
{
	if (len == 0 || len > max || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower_or_digit(s[i]) && s[i] != '-')
			return false;
	return true;
}

bool text_is_service_id(const char *s)
{
	return is_hyphenated(s, strlen(s), SERVICE_ID_MAX);
}

bool text_is_label(const char *s)
{
	return is_hyphenated(s, strlen(s), LABEL_MAX);
}

bool text_is_domain(const char *s)
{
	size_t labels = 0;

	if (strlen(s) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(s, ".");

		if (!is_hyphenated(s, len, LABEL_MAX))
			return false;
		labels++;
		if (!s[len])
			return labels >= 2;
		s += len + 1;
	}
}

int text_to_login(const char *s, char ret_service[static SERVICE_ID_MAX + 1],
		  uint32_t *ret_version)
{
	size_t len = strcspn(s, ".");
	uint32_t version = 0;

	if (!is_hyphenated(s, len, SERVICE_ID_MAX))
		return -EINVAL;
	if (s[len] == '.') {
		if (s[len + 1] == '0')
			return -EINVAL;
		if (text_to_u32(s + len + 1, &version) < 0)
			return -EINVAL;
	}
	memcpy(ret_service, s, len);
	ret_service[len] = '\0';
	*ret_version = version;
	return 0;
}

/* The length of a UTF-8 sequence at S after its well-formedness is checked; 0 if it is not. */
static size_t utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead, low, high;
		size_t len;
	} forms[] = {
		{ 0xe0, 0xc0, 0xc2, 0xdf, 2 },
		{ 0xf0, 0xe0, 0xe0, 0xef, 3 },
		{ 0xf8, 0xf0, 0xf0, 0xf4, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if ((s[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (s[0] < forms[i].low || s[0] > forms[i].high)
			return 0;
		for (size_t k = 1; k < forms[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		/* overlong forms, surrogates, beyond U+10FFFF */
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return forms[i].len;
	}
	return 0;
}

bool text_is_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		size_t len = *p < 0x80 ? 1 : utf8_length(p);

		if (len == 0)
			return false;
		p += len;
	}
	return true;
}

/* What turns the direction of a line, or ends one: text after it is not read as it is. */
static bool is_format_control(const unsigned char *p)
{
	if (p[0] == 0xd8)
		return p[1] == 0x9c; /* U+061C */
	if (p[0] != 0xe2)
		return false;
	if (p[1] == 0x80) /* U+200E, U+200F, U+2028 to U+202E */
		return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
	return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9; /* U+2066 to U+2069 */
}

bool text_is_plain(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (!text_is_utf8(s))
		return false;
	for (; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0) ||
		    is_format_control(p))
			return false;
	return true;
}

/* ---- senders ---- */

static bool is_local_byte(unsigned char c)
{
	return c > 0x20 && c != 0x7f && !strchr("@,;:\\\"()<>[]", c);
}

/* A domain in lower case, of one label or more; bytes beyond ASCII are not looked at. */
static bool is_sender_domain(const char *s)
{
	if (!*s || strlen(s) > 255)
		return false;
	while (*s) {
		size_t len = strcspn(s, ".");

		if (len == 0 || len > LABEL_MAX || s[0] == '-' || s[len - 1] == '-')
			return false;
		for (size_t i = 0; i < len; i++)
			if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
			      s[i] == '-' || s[i] == '_' || (unsigned char)s[i] >= 0x80))
				return false;
		s += len;
		if (*s == '.' && !*++s)
			return false;
	}
	return true;
}

int text_to_sender(const char *s, char ret[static SENDER_SIZE])
{
	char lower[SENDER_SIZE];
	size_t len = strlen(s);
	size_t local;
	const char *domain;

	if (len >= sizeof(lower) || !text_is_plain(s))
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		lower[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + ('a' - 'A') : s[i]);
	local = strcspn(lower, "@");
	if (!lower[local] || local > 64)
		return -EINVAL;
	for (size_t i = 0; i < local; i++)
		if (!is_local_byte((unsigned char)lower[i]))
			return -EINVAL;
	domain = lower + local + 1;
	if (!is_sender_domain(domain + (local == 0 && domain[0] == '.')))
		return -EINVAL;
	memcpy(ret, lower, len + 1);
	return 0;
}
