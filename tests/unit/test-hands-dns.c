/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/bytes.h"
#include "rotated/hands/dnscheck.h"

static struct dns_name name_of(const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_from_text(text, &n), 0);
	return n;
}

static void put16(struct buf *b, unsigned v)
{
	uint8_t bytes[2];

	store_be16(bytes, (uint16_t)v);
	buf_append(b, bytes, sizeof(bytes));
}

/* An answer to Q with COUNTS of records, which the test appends. */
static void begin_answer(struct buf *b, const struct dns_question *q, unsigned flags,
			 const unsigned counts[3])
{
	buf_clear(b);
	put16(b, q->id);
	put16(b, flags);
	put16(b, 1);
	for (unsigned i = 0; i < 3; i++)
		put16(b, counts[i]);
	buf_append(b, q->name.wire, q->name.len);
	put16(b, q->type);
	put16(b, 1);
}

static void put_record(struct buf *b, const char *owner, unsigned type, const void *data,
		       size_t len)
{
	struct dns_name n = name_of(owner);

	buf_append(b, n.wire, n.len);
	put16(b, type);
	put16(b, 1);
	buf_append_be32(b, 300);
	put16(b, (unsigned)len);
	buf_append(b, data, len);
}

static struct dns_question txt_question(const char *name)
{
	return (struct dns_question){ .name = name_of(name), .type = DNS_TYPE_TXT, .id = 77 };
}

static void names_round_trip_and_compare_without_case(void **state)
{
	static const char *const bad[] = { "", "..", ".a", "a..b", "a b", "a\\b", "\x7f" };
	char text[DNS_NAME_TEXT_SIZE];
	char longest[300];
	struct dns_name a = name_of("R1._DomainKey.example.com");
	struct dns_name b = name_of("r1._domainkey.EXAMPLE.com.");
	struct dns_name root = name_of(".");

	(void)state;
	dns_name_to_text(&b, text);
	assert_string_equal(text, "r1._domainkey.EXAMPLE.com.");
	dns_name_to_text(&root, text);
	assert_string_equal(text, ".");
	assert_true(dns_name_equal(&a, &b));
	assert_true(dns_name_is_under(&a, &root));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dns_name_from_text(bad[i], &a), -EINVAL);

	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	longest[253] = '\0'; /* 63 + 63 + 63 + 61 and three dots: 255 bytes on the wire */
	assert_int_equal(dns_name_from_text(longest, &a), 0);
	assert_int_equal(a.len, DNS_NAME_MAX);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(dns_name_from_text(longest, &a), -EINVAL);
	memset(longest, 'b', 64);
	longest[64] = '\0';
	assert_int_equal(dns_name_from_text(longest, &a), -EINVAL);
}

static void a_name_is_under_a_zone_by_whole_labels(void **state)
{
	struct dns_name name = name_of("r1._domainkey.example.com");
	struct dns_name zone = name_of("example.com");
	struct dns_name other = name_of("ample.com");
	struct dns_name two = dns_name_suffix(&name, 2);

	(void)state;
	assert_true(dns_name_is_under(&name, &zone));
	assert_true(dns_name_is_under(&zone, &zone));
	assert_false(dns_name_is_under(&name, &other));
	assert_false(dns_name_is_under(&zone, &name));
	assert_true(dns_name_equal(&two, &zone));
	assert_int_equal(dns_name_labels(&name), 4);
}

static void compression_pointers_must_go_backwards(void **state)
{
	/* at 0: "com"; at 5: "example" and a pointer to 0; at 15: a pointer to itself */
	static const uint8_t data[] = "\3com\0\7example\300\0\300\17\300\40";
	struct dns_name n;
	struct dns_name want = name_of("example.com");
	size_t at = 5;

	(void)state;
	assert_int_equal(dns_name_read(data, sizeof(data) - 1, &at, &n), 0);
	assert_int_equal(at, 15);
	assert_true(dns_name_equal(&n, &want));
	assert_int_equal(dns_name_read(data, sizeof(data) - 1, &at, &n), -EBADMSG);
	at = 17;
	assert_int_equal(dns_name_read(data, sizeof(data) - 1, &at, &n), -EBADMSG);
	/* a pointer whose second byte is missing */
	assert_int_equal(dns_name_read((const uint8_t *)"\300", 1, &(size_t){ 0 }, &n),
			 -EBADMSG);
	/* a label that reaches past the end */
	assert_int_equal(dns_name_read((const uint8_t *)"\5abc", 4, &(size_t){ 0 }, &n),
			 -EBADMSG);
}

static void a_question_has_edns_and_asks_for_recursion_only_if_told(void **state)
{
	struct dns_question q = txt_question("a.b");
	static const uint8_t golden[] = "\0\115\0\0\0\1\0\0\0\0\0\1"
					"\1a\1b\0\0\20\0\1"
					"\0\0\51\4\320\0\0\0\0\0\0";
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	dns_question_build(&q, &b);
	assert_int_equal(b.len, sizeof(golden) - 1);
	assert_memory_equal(b.data, golden, b.len);
	buf_clear(&b);
	q.recurse = true;
	dns_question_build(&q, &b);
	assert_int_equal(b.data[2], 1);
}

static void an_answer_to_another_question_is_passed_over(void **state)
{
	struct dns_question q = txt_question("a.b"), other = txt_question("a.c");
	static const unsigned none[3] = { 0 };
	cleanup_buf struct buf b = BUF_INIT;
	struct dns_message m;

	(void)state;
	begin_answer(&b, &q, 0x8400, none);
	assert_int_equal(dns_message_parse(b.data, b.len, &q, &m), 0);
	assert_true(m.aa);
	assert_int_equal(dns_message_parse(b.data, b.len, &other, &m), -ENOMSG);
	other = q;
	other.id++;
	assert_int_equal(dns_message_parse(b.data, b.len, &other, &m), -ENOMSG);
	other = q;
	other.type = DNS_TYPE_A;
	assert_int_equal(dns_message_parse(b.data, b.len, &other, &m), -ENOMSG);
	begin_answer(&b, &q, 0x0400, none); /* a question, not an answer */
	assert_int_equal(dns_message_parse(b.data, b.len, &q, &m), -ENOMSG);
}

static int read_answer(struct buf *b, const struct dns_question *q, struct dns_answer *a)
{
	struct dns_name zone = name_of("b");
	struct dns_message m;
	int r = dns_message_parse(b->data, b->len, q, &m);

	return r < 0 ? r : dns_answer_read(&m, &q->name, &zone, a);
}

static void text_is_joined_and_every_cut_of_the_message_is_refused(void **state)
{
	struct dns_question q = txt_question("a.b");
	static const unsigned one[3] = { 1, 0, 0 };
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	cleanup_buf struct buf b = BUF_INIT;
	struct dns_message m;

	(void)state;
	begin_answer(&b, &q, 0x8400, one);
	put_record(&b, "A.b", DNS_TYPE_TXT, "\3v=D\0\4KIM1", 10);
	assert_int_equal(read_answer(&b, &q, &a), 0);
	assert_int_equal(a.says, DNS_SAYS_TEXT);
	assert_int_equal(a.records, 1);
	assert_int_equal(a.ttl, 300);
	assert_int_equal(a.text.len, 7);
	assert_memory_equal(a.text.data, "v=DKIM1", 7);
	for (size_t cut = 0; cut < b.len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1); /* so that ASan sees a read too far */

		memcpy(exact, b.data, cut);
		assert_int_equal(dns_message_parse(exact, cut, &q, &m),
				 cut < 12 ? -ENOMSG : -EBADMSG);
		free(exact);
	}
	buf_append_byte(&b, 0);
	assert_int_equal(dns_message_parse(b.data, b.len, &q, &m), -EBADMSG);
}

static void strings_that_overrun_their_record_are_refused(void **state)
{
	struct dns_question q = txt_question("a.b");
	static const unsigned one[3] = { 1, 0, 0 };
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	begin_answer(&b, &q, 0x8400, one);
	put_record(&b, "a.b", DNS_TYPE_TXT, "\4abc", 4);
	assert_int_equal(read_answer(&b, &q, &a), -EBADMSG);
	begin_answer(&b, &q, 0x8400, one);
	put_record(&b, "a.b", DNS_TYPE_TXT, "", 0);
	a.records = 0;
	assert_int_equal(read_answer(&b, &q, &a), -EBADMSG);
}

static void absence_needs_authority_and_tells_its_ttl(void **state)
{
	static const char soa[] = "\1m\0\1h\0\0\0\0\7\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\74";
	struct dns_question q = txt_question("a.b");
	static const unsigned authority[3] = { 0, 1, 0 };
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	begin_answer(&b, &q, 0x8403, authority); /* NXDOMAIN */
	put_record(&b, "b", DNS_TYPE_SOA, soa, sizeof(soa) - 1);
	assert_int_equal(read_answer(&b, &q, &a), 0);
	assert_int_equal(a.says, DNS_SAYS_NONE);
	assert_true(a.has_negative_ttl);
	assert_int_equal(a.negative_ttl, 60); /* the smaller of 300 and the minimum */

	begin_answer(&b, &q, 0x8003, authority); /* the same, not authoritative */
	put_record(&b, "b", DNS_TYPE_SOA, soa, sizeof(soa) - 1);
	assert_int_equal(read_answer(&b, &q, &a), 0);
	assert_int_equal(a.says, DNS_SAYS_ERROR);

	begin_answer(&b, &q, 0x8405, (const unsigned[3]){ 0 }); /* REFUSED */
	assert_int_equal(read_answer(&b, &q, &a), 0);
	assert_int_equal(a.says, DNS_SAYS_ERROR);
}

static void a_referral_may_only_lead_down_towards_the_name(void **state)
{
	struct dns_question q = txt_question("x.a.b");
	static const unsigned authority[3] = { 0, 1, 0 };
	static const struct {
		const char *owner;
		enum dns_says says;
	} cases[] = {
		{ "a.b", DNS_SAYS_REFERRAL }, { "x.a.b", DNS_SAYS_REFERRAL },
		{ "b", DNS_SAYS_ERROR },      { ".", DNS_SAYS_ERROR },
		{ "c.b", DNS_SAYS_ERROR },    { "y.x.a.b", DNS_SAYS_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
		cleanup_buf struct buf b = BUF_INIT;

		begin_answer(&b, &q, 0x8000, authority);
		put_record(&b, cases[i].owner, DNS_TYPE_NS, "\2ns\0", 4);
		assert_int_equal(read_answer(&b, &q, &a), 0);
		assert_int_equal(a.says, cases[i].says);
	}
}

static void an_alias_is_followed_unless_there_is_text_beside_it(void **state)
{
	struct dns_question q = txt_question("a.b");
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	cleanup_buf struct buf b = BUF_INIT;
	struct dns_name target = name_of("t.c");

	(void)state;
	begin_answer(&b, &q, 0x8400, (const unsigned[3]){ 1, 0, 0 });
	put_record(&b, "a.b", DNS_TYPE_CNAME, target.wire, target.len);
	assert_int_equal(read_answer(&b, &q, &a), 0);
	assert_int_equal(a.says, DNS_SAYS_CNAME);
	assert_true(dns_name_equal(&a.target, &target));
	begin_answer(&b, &q, 0x8400, (const unsigned[3]){ 2, 0, 0 });
	put_record(&b, "a.b", DNS_TYPE_TXT, "\1x", 2);
	put_record(&b, "a.b", DNS_TYPE_CNAME, target.wire, target.len);
	assert_int_equal(read_answer(&b, &q, &a), -EBADMSG);
}

static void server_addresses_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1:53" },
		{ "192.0.2.1:5353", "192.0.2.1:5353" },
		{ "2001:db8::1", "[2001:db8::1]:53" },
		{ "[2001:db8::1]", "[2001:db8::1]:53" },
		{ "[2001:db8::1]:5353", "[2001:db8::1]:5353" },
	};
	static const char *const bad[] = {
		"",	"ns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536",
		"[::1", "[::1]x",     "[::1]:",	    ":53"
	};
	struct dns_server s, t;
	struct dns_servers list;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char text[DNS_SERVER_TEXT_SIZE];

		assert_int_equal(dns_server_parse(good[i].text, &s), 0);
		dns_server_format(&s, text);
		assert_string_equal(text, good[i].want);
		assert_int_equal(dns_server_parse(text, &t), 0);
		assert_true(dns_server_equal(&s, &t));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dns_server_parse(bad[i], &s), -EINVAL);
	assert_int_equal(dns_servers_parse(" 192.0.2.1 [::1]:5 ", &list), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(dns_servers_parse("", &list), 0);
	assert_int_equal(list.count, 0);
	dns_servers_from_resolv_conf("# nameserver 9.9.9.9\nsearch x\nnameserver 192.0.2.1\n"
				     "nameserver\t::1 # two\nnameserver ns.example\n",
				     &list);
	assert_int_equal(list.count, 2);
	assert_int_equal(dns_server_parse("192.0.2.1", &s), 0);
	assert_true(dns_server_equal(&list.at[0], &s));
	dns_servers_from_resolv_conf("", &list);
	assert_int_equal(list.count, 1);
}

static struct dns_point point(const char *name, enum dns_result result)
{
	struct dns_point p = { .result = result };

	strncpy(p.name, name, sizeof(p.name) - 1);
	return p;
}

static enum dns_result sum(const struct dns_point *points, unsigned count)
{
	static struct dns_report r;

	memset(&r, 0, sizeof(r));
	for (unsigned i = 0; i < count; i++)
		r.points[i] = points[i];
	r.count = count;
	return dns_report_result(&r);
}

static void the_word_for_all_is_theirs_only_if_they_agree(void **state)
{
	(void)state;
	for (unsigned a = 0; a < DNS_PARTIAL; a++) {
		for (unsigned b = 0; b < DNS_PARTIAL; b++) {
			struct dns_point p[2] = { point("x", (enum dns_result)a),
						  point("y", (enum dns_result)b) };

			assert_int_equal(sum(p, 2), a == b ? a : DNS_PARTIAL);
			assert_int_equal(sum(p, 1), a);
		}
	}
	assert_int_equal(sum(NULL, 0), DNS_UNREACHABLE);
}

static void an_address_without_a_route_counts_unless_its_server_was_reached(void **state)
{
	struct dns_point p[2] = { point("x", DNS_VISIBLE), point("x", DNS_UNREACHABLE) };

	(void)state;
	assert_int_equal(sum(p, 2), DNS_PARTIAL);
	p[1].no_route = true;
	assert_int_equal(sum(p, 2), DNS_VISIBLE);
	p[1] = point("y", DNS_UNREACHABLE);
	p[1].no_route = true;
	assert_int_equal(sum(p, 2), DNS_PARTIAL);
	assert_int_equal(sum(p + 1, 1), DNS_UNREACHABLE);
}

static void a_server_that_was_left_out_keeps_the_result_from_being_whole(void **state)
{
	static struct dns_report r = { .count = 1, .too_many = true };

	(void)state;
	r.points[0] = point("x", DNS_VISIBLE);
	assert_int_equal(dns_report_result(&r), DNS_PARTIAL);
}

static void only_one_record_with_exactly_the_text_is_visible(void **state)
{
	struct dns_message m = { .rcode = DNS_NOERROR, .aa = true };
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	struct dns_point p = point("", DNS_PARTIAL);

	(void)state;
	a.says = DNS_SAYS_TEXT;
	a.records = 1;
	buf_append_str(&a.text, "v=DKIM1; p=\001x");
	dns_point_judge(&p, &m, &a, NULL);
	assert_int_equal(p.result, DNS_VISIBLE);
	dns_point_judge(&p, &m, &a, "v=DKIM1; p=\001x");
	assert_int_equal(p.result, DNS_VISIBLE);
	dns_point_judge(&p, &m, &a, "v=DKIM1; p=\001");
	assert_int_equal(p.result, DNS_DIFFERS);
	assert_string_equal(p.detail, "has another text: v=DKIM1; p=?x");
	a.records = 2;
	dns_point_judge(&p, &m, &a, NULL);
	assert_int_equal(p.result, DNS_DIFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_round_trip_and_compare_without_case),
		cmocka_unit_test(a_name_is_under_a_zone_by_whole_labels),
		cmocka_unit_test(compression_pointers_must_go_backwards),
		cmocka_unit_test(a_question_has_edns_and_asks_for_recursion_only_if_told),
		cmocka_unit_test(an_answer_to_another_question_is_passed_over),
		cmocka_unit_test(text_is_joined_and_every_cut_of_the_message_is_refused),
		cmocka_unit_test(strings_that_overrun_their_record_are_refused),
		cmocka_unit_test(absence_needs_authority_and_tells_its_ttl),
		cmocka_unit_test(a_referral_may_only_lead_down_towards_the_name),
		cmocka_unit_test(an_alias_is_followed_unless_there_is_text_beside_it),
		cmocka_unit_test(server_addresses_are_read_as_people_write_them),
		cmocka_unit_test(the_word_for_all_is_theirs_only_if_they_agree),
		cmocka_unit_test(
			an_address_without_a_route_counts_unless_its_server_was_reached),
		cmocka_unit_test(a_server_that_was_left_out_keeps_the_result_from_being_whole),
		cmocka_unit_test(only_one_record_with_exactly_the_text_is_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
