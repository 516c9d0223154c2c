/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnsreport.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { SHOWN_TEXT_MAX = 160 };

static const char *const words[] = {
	[DNS_VISIBLE] = "visible",	   [DNS_ABSENT] = "absent",   [DNS_DIFFERS] = "differs",
	[DNS_UNREACHABLE] = "unreachable", [DNS_PARTIAL] = "partial",
};

_Static_assert(ARRAY_SIZE(words) == DNS_RESULT_MAX_, "a word for every result");

const char *dns_result_word(enum dns_result result)
{
	return words[result];
}

static void judge_error(struct dns_point *p, const struct dns_message *m)
{
	p->result = DNS_UNREACHABLE;
	if (m->rcode == DNS_NOERROR || m->rcode == DNS_NXDOMAIN)
		(void)snprintf(p->detail, sizeof(p->detail),
			       "answers without authority: it does not serve this zone");
	else if (p->rcode)
		(void)snprintf(p->detail, sizeof(p->detail), "answers %s", p->rcode);
	else
		(void)snprintf(p->detail, sizeof(p->detail), "answers with error %u", m->rcode);
}

/* What stands there instead, fit to be shown: it may be anybody's bytes. */
static void describe_other(struct dns_point *p, const struct dns_answer *a)
{
	size_t len = a->text.len < SHOWN_TEXT_MAX ? a->text.len : SHOWN_TEXT_MAX;
	char text[SHOWN_TEXT_MAX + 1];

	for (size_t i = 0; i < len; i++) {
		uint8_t c = a->text.data[i];

		text[i] = (char)(c < ' ' || c > '~' ? '?' : c);
	}
	text[len] = '\0';
	if (a->records > 1)
		(void)snprintf(p->detail, sizeof(p->detail), "has %u TXT records, one is: %s",
			       a->records, text);
	else
		(void)snprintf(p->detail, sizeof(p->detail), "has another text: %s%s", text,
			       len < a->text.len ? "..." : "");
}

static bool is_expected(const struct dns_answer *a, const char *expect)
{
	if (a->records != 1)
		return false;
	return !expect || (a->text.len == strlen(expect) &&
			   memcmp(a->text.data, expect, a->text.len) == 0);
}

void dns_point_judge(struct dns_point *p, const struct dns_message *m,
		     const struct dns_answer *a, const char *expect)
{
	p->rcode = dns_rcode_name(m->rcode);
	p->records = a->records;
	p->has_ttl = a->has_ttl;
	p->ttl = a->ttl;
	if (a->says == DNS_SAYS_ERROR) {
		judge_error(p, m);
	} else if (a->says == DNS_SAYS_NONE) {
		p->result = DNS_ABSENT;
		(void)snprintf(p->detail, sizeof(p->detail), "has no such record");
	} else if (is_expected(a, expect)) {
		p->result = DNS_VISIBLE;
	} else {
		p->result = DNS_DIFFERS;
		describe_other(p, a);
	}
}

void dns_point_fail(struct dns_point *p, int error)
{
	char text[128] = "";

	p->result = DNS_UNREACHABLE;
	p->no_route =
		error == -ENETUNREACH || error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
	if (error == -ETIMEDOUT)
		(void)snprintf(p->detail, sizeof(p->detail), "does not answer in time");
	else if (error == -EBADMSG)
		(void)snprintf(p->detail, sizeof(p->detail), "sends an answer that is broken");
	else
		(void)snprintf(p->detail, sizeof(p->detail), "can not be asked: %s",
			       strerror_r(-error, text, sizeof(text)));
}

static bool is_reached_elsewhere(const struct dns_report *r, const struct dns_point *p)
{
	if (p->is_reached_elsewhere)
		return true;
	for (unsigned i = 0; i < r->count; i++)
		if (r->points[i].result != DNS_UNREACHABLE && p->name[0] &&
		    strcmp(r->points[i].name, p->name) == 0)
			return true;
	return false;
}

enum dns_result dns_report_result(const struct dns_report *r)
{
	enum dns_result all = DNS_RESULT_MAX_;

	for (unsigned i = 0; i < r->count; i++) {
		const struct dns_point *p = &r->points[i];

		if (p->no_route && is_reached_elsewhere(r, p))
			continue;
		if (all == DNS_RESULT_MAX_)
			all = p->result;
		else if (all != p->result)
			return DNS_PARTIAL;
	}
	if (all == DNS_RESULT_MAX_)
		return DNS_UNREACHABLE;
	return r->too_many ? DNS_PARTIAL : all;
}

static void write_number(struct json *j, const char *key, bool has, uint32_t value)
{
	if (has)
		json_put_number(j, key, value);
	else
		json_put_null(j, key);
}

static void write_text(struct json *j, const char *key, const char *text)
{
	if (text && text[0])
		json_put_string(j, key, text);
	else
		json_put_null(j, key);
}

static void write_point(struct json *j, const struct dns_point *p)
{
	json_put_object(j, NULL);
	json_put_string(j, "server", p->address[0] ? p->address : p->name);
	write_text(j, "name", p->name);
	json_put_string(j, "result", words[p->result]);
	write_number(j, "ttl", p->has_ttl, p->ttl);
	write_text(j, "rcode", p->rcode);
	json_put_number(j, "records", p->records);
	write_text(j, "detail", p->detail);
	json_put_object_end(j);
}

void dns_report_write(const struct dns_report *r, struct buf *out)
{
	struct json j = JSON_INIT(out);
	bool has_ttl = false;
	uint32_t ttl = 0;

	for (unsigned i = 0; i < r->count; i++) {
		if (!r->points[i].has_ttl)
			continue;
		has_ttl = true;
		if (r->points[i].ttl > ttl)
			ttl = r->points[i].ttl;
	}
	json_put_object(&j, NULL);
	write_number(&j, "ttl", has_ttl, ttl);
	write_number(&j, "negative_ttl", r->has_negative_ttl, r->negative_ttl);
	write_text(&j, "zone", r->zone);
	write_text(&j, "cname", r->cname);
	json_put_array(&j, "servers");
	for (unsigned i = 0; i < r->count; i++)
		write_point(&j, &r->points[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
}
