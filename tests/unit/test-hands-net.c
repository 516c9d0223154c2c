/* SPDX-License-Identifier: BSD-2-Clause */
/* What the LDAP and SMTP jobs understand by themselves, without a server. */
#include "tests/unit/unit.h"

#include <string.h>

#include "rotated/hands/address.h"
#include "rotated/hands/ldapcursor.h"
#include "rotated/hands/ldapentry.h"
#include "rotated/hands/ldapstream.h"
#include "rotated/hands/printable.h"
#include "rotated/hands/smtpwatch.h"
#include "wire/attributes.h"
#include "wire/verbs.h"

#define CSN_A  "20261123083000.000001Z#000000#001#000000"
#define CSN_A2 "20261123083500.000001Z#000000#001#000000"
#define CSN_B  "20261122083000.000009Z#000000#002#000000"
#define CSN_B2 "20261123090000.000000Z#000000#002#000000"
#define UUID   "0000aaaa-0000-4000-8000-000000000001"

static void cookies_survive_and_rubbish_is_refused(void **state)
{
	static const char *const good[] = {
		"1 set " CSN_A,
		"1 set " CSN_A " " CSN_B,
		"1 csn " CSN_A " ldaps://a.example.org",
		"1 time 20261123083000Z ldap://a:389",
		"1 none ldapi://%2Frun%2Fldapi",
	};
	static const char *const bad[] = {
		"",
		"1",
		"2 set " CSN_A,
		"1 set",
		"1 set ",
		"1 set x",
		"1 csn " CSN_A,
		"1 csn " CSN_A " ",
		"1 csn " CSN_A " a b",
		"1 time 2026Z a",
		"1 none",
		"1 set " CSN_A "\n",
		"1 max " CSN_A " a",
		"1 set  " CSN_A,
		"1 set " CSN_A " " CSN_A2,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cleanup_buf struct buf again = BUF_INIT;
		struct ldap_cursor c;

		assert_int_equal(ldap_cursor_parse(good[i], &c), 0);
		ldap_cursor_write(&c, &again);
		assert_string_equal(buf_string(&again), good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ldap_cursor c;

		assert_int_equal(ldap_cursor_parse(bad[i], &c), -EBADMSG);
	}
}

static struct ldap_cursor parsed(const char *cookie)
{
	struct ldap_cursor c;

	assert_int_equal(ldap_cursor_parse(cookie, &c), 0);
	return c;
}

static void a_server_that_is_behind_is_noticed(void **state)
{
	struct ldap_cursor both = parsed("1 set " CSN_A " " CSN_B);
	struct ldap_cursor newer = parsed("1 set " CSN_B2 " " CSN_A2);
	struct ldap_cursor one = parsed("1 set " CSN_A2);
	struct ldap_cursor mark = parsed("1 csn " CSN_A " ldap://a");

	(void)state;
	assert_true(ldap_cursor_covers(&both, &both, "x"));
	assert_true(ldap_cursor_covers(&both, &newer, "x"));
	assert_false(ldap_cursor_covers(&newer, &both, "x"));
	assert_false(ldap_cursor_covers(&both, &one, "x"));
	assert_true(ldap_cursor_covers(&mark, &one, "ldap://a"));
	assert_false(ldap_cursor_covers(&mark, &one, "ldap://b"));
	assert_true(ldap_cursor_is_kept(&both, CSN_A));
	assert_false(ldap_cursor_is_kept(&both, CSN_A2));
	assert_false(ldap_cursor_is_kept(&one, CSN_B));
	assert_true(ldap_cursor_is_kept(&one, ""));
}

static void a_delta_begins_before_the_oldest_change(void **state)
{
	struct ldap_cursor old = parsed("1 set " CSN_A " " CSN_B);
	struct ldap_cursor a = parsed("1 set " CSN_A2 " " CSN_B);
	struct ldap_cursor b = parsed("1 set " CSN_A " " CSN_B2);
	struct ldap_cursor third = parsed("1 set " CSN_A2);
	struct ldap_cursor time = parsed("1 time 20261201000001Z ldap://a");
	struct ldap_cursor none = parsed("1 none ldap://a");
	char text[LDAP_BOUND_SIZE];

	(void)state;
	assert_int_equal(ldap_cursor_bound(&old, &a, text), LDAP_BOUND_SINCE);
	assert_string_equal(text, "(entryCSN>=20261123082958.000000Z#000000#000#000000)");
	assert_int_equal(ldap_cursor_bound(&old, &b, text), LDAP_BOUND_SINCE);
	assert_string_equal(text, "(entryCSN>=20261122082958.000000Z#000000#000#000000)");
	assert_int_equal(ldap_cursor_bound(&old, &old, text), LDAP_BOUND_IDLE);
	assert_string_equal(text, "(entryCSN>=20261123082958.000000Z#000000#000#000000)");
	assert_int_equal(ldap_cursor_bound(&third, &b, text), LDAP_BOUND_ALL);
	assert_int_equal(ldap_cursor_bound(&time, &b, text), LDAP_BOUND_SINCE);
	assert_string_equal(text, "(modifyTimestamp>=20261130235959Z)");
	assert_int_equal(ldap_cursor_bound(&none, &b, text), LDAP_BOUND_ALL);
}

static void times_and_uuids_are_taken_strictly(void **state)
{
	char time[LDAP_TIME_LEN + 1], uuid[LDAP_UUID_LEN + 1], csn[LDAP_CSN_LEN + 1];

	(void)state;
	assert_true(ldap_time_take("20261123083000.25Z", 18, time));
	assert_string_equal(time, "20261123083000Z");
	assert_false(ldap_time_take("20261123083000", 14, time));
	assert_false(ldap_time_take("20261123083000+0100", 19, time));
	assert_true(ldap_uuid_take("0000AAAA-0000-4000-8000-000000000001", 36, uuid));
	assert_string_equal(uuid, UUID);
	assert_false(ldap_uuid_take("0000aaaa-0000-4000-8000-00000000000g", 36, uuid));
	assert_false(ldap_uuid_take(UUID "0", 37, uuid));
	assert_false(ldap_csn_take("2026", 4, csn));
}

static void only_one_whole_filter_may_be_put_into_another(void **state)
{
	(void)state;
	assert_true(ldap_filter_is_single("(cn=a)"));
	assert_true(ldap_filter_is_single("(&(cn=a)(|(x=\\28)(!(y=*))))"));
	assert_false(ldap_filter_is_single(""));
	assert_false(ldap_filter_is_single("cn=a"));
	assert_false(ldap_filter_is_single("(cn=a"));
	assert_false(ldap_filter_is_single("(cn=a)(cn=b)"));
	assert_false(ldap_filter_is_single("(cn=a))(objectClass=*"));
	assert_false(ldap_filter_is_single(")(cn=a)("));
	assert_false(ldap_filter_is_single("(cn=a) "));
}

static void hosts_are_taken_from_addresses(void **state)
{
	static const char *const bad[] = { "",	       ":25",	 "mx",	   "mx:",    "mx:0",
					   "mx:65536", "a b:1",	 "u@mx:1", "mx/p:1", "[::1]",
					   "::1:25",   "[mx]:1", "mx:1x" };
	char host[32];

	(void)state;
	assert_true(address_host("mx.example.org:25", host, sizeof(host)));
	assert_string_equal(host, "mx.example.org");
	assert_true(address_host("[2001:db8::1]:587", host, sizeof(host)));
	assert_string_equal(host, "2001:db8::1");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(address_host(bad[i], host, sizeof(host)));
	assert_true(address_is_loopback("127.0.0.2"));
	assert_true(address_is_loopback("::1"));
	assert_true(address_is_loopback("LocalHost"));
	assert_false(address_is_loopback("localhost.example.org"));
	assert_false(address_is_loopback("127.example.org"));
	assert_false(address_is_loopback("10.0.0.1"));
}

static void text_is_made_printable(void **state)
{
	char text[8];

	(void)state;
	printable_copy(text, sizeof(text), "a\033\xff b\r\n", 7);
	assert_string_equal(text, "a?? b");
	printable_copy(text, sizeof(text), "0123456789", 10);
	assert_string_equal(text, "0123456");
	printable_copy(text, sizeof(text), "", 0);
	assert_string_equal(text, "");
}

static void feed(struct ldap_stream *s, struct buf *frame)
{
	assert_int_equal(frame_end(frame), 0);
	ldap_stream_feed(s, frame->data, frame->len);
}

static void put_sync(struct ldap_stream *s, const char *op)
{
	cleanup_buf struct buf b = BUF_INIT;

	wire_begin_request(&b, WIRE_WORKER_SYNC);
	frame_put_text(&b, "id", "j");
	frame_put_text(&b, "op", op);
	if (strcmp(op, "begin") == 0 || strcmp(op, "commit") == 0)
		frame_put_text(&b, "mode", "full");
	if (strcmp(op, "begin") == 0)
		frame_put_text(&b, "server", "ldap://a");
	if (strcmp(op, "commit") == 0)
		frame_put_text(&b, "cookie", "c");
	if (strcmp(op, "upsert") == 0) {
		frame_put_text(&b, "uuid", UUID);
		frame_put_text(&b, "dn", "cn=a");
		frame_put(&b, "attributes", "", 0);
	}
	feed(s, &b);
}

static void put_done(struct ldap_stream *s, const char *id, const char *result)
{
	cleanup_buf struct buf b = BUF_INIT;

	wire_begin_request(&b, WIRE_WORKER_DONE);
	frame_put_text(&b, "id", id);
	frame_put_text(&b, "result", result);
	frame_put_text(&b, "output", "{}");
	feed(s, &b);
}

/* How many frames come out, or what is wrong. */
static int take_all(struct ldap_stream *s)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int count = 0, r;

	while ((r = ldap_stream_next(s, &frame)) > 0)
		count++;
	return r < 0 ? r : count;
}

static void a_whole_pass_is_passed_on(void **state)
{
	struct ldap_stream s = { .id = "j" };

	(void)state;
	put_sync(&s, "begin");
	put_sync(&s, "upsert");
	put_sync(&s, "upsert");
	put_sync(&s, "commit");
	put_done(&s, "j", "ok");
	assert_int_equal(take_all(&s), 4);
	assert_string_equal(s.result, "ok");
	assert_int_equal(ldap_stream_left(&s), 0);
	ldap_stream_release(&s);
}

static void a_pass_out_of_order_is_not(void **state)
{
	static const char *const bad[][4] = {
		{ "upsert" },
		{ "commit" },
		{ "begin", "begin" },
		{ "begin", "commit", "upsert" },
		{ "begin", "commit", "commit" },
		{ "begin", "delete" },
		{ "begin", "nonsense" },
		{ "Done ok" },
		{ "begin", "upsert", "Done ok" },
		{ "begin", "commit", "Done temporary" },
		{ "begin", "Done nonsense" },
		{ "other", "Done temporary" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ldap_stream s = { .id = "j" };

		for (size_t k = 0; k < ARRAY_SIZE(bad[i]) && bad[i][k]; k++) {
			if (strncmp(bad[i][k], "Done ", 5) == 0)
				put_done(&s, i == ARRAY_SIZE(bad) - 1 ? "k" : "j",
					 bad[i][k] + 5);
			else if (strcmp(bad[i][k], "other") != 0)
				put_sync(&s, bad[i][k]);
		}
		assert_int_equal(take_all(&s), -EBADMSG);
		ldap_stream_release(&s);
	}
}

static void a_failed_pass_has_no_commit(void **state)
{
	struct ldap_stream s = { .id = "j" };

	(void)state;
	put_sync(&s, "begin");
	put_sync(&s, "upsert");
	put_done(&s, "j", "unreachable");
	assert_int_equal(take_all(&s), 2);
	assert_string_equal(s.result, "unreachable");
	ldap_stream_release(&s);
}

static void what_follows_the_end_stays(void **state)
{
	struct ldap_stream s = { .id = "j" };

	(void)state;
	put_done(&s, "j", "temporary");
	put_sync(&s, "begin");
	assert_int_equal(take_all(&s), 0);
	assert_true(ldap_stream_left(&s) > 0);
	assert_int_equal(take_all(&s), -EBADMSG);
	ldap_stream_release(&s);
}

static void sent(struct smtp_watch *w, const char *line)
{
	smtp_watch_sent(w, line, strlen(line));
}

static void received(struct smtp_watch *w, const char *line)
{
	smtp_watch_received(w, line, strlen(line));
}

static void an_smtp_session_is_read_along(void **state)
{
	struct smtp_watch w = { .code = 0 };

	(void)state;
	received(&w, "220 hello\r\n");
	sent(&w, "EHLO me\r\n");
	received(&w, "250-x\r\n");
	received(&w, "250-AUTH PLAIN LOGIN\r\n");
	received(&w, "250 8BITMIME\r\n");
	assert_true(w.offers_auth);
	assert_string_equal(w.mechanisms, "PLAIN LOGIN");
	sent(&w, "AUTH LOGIN\r\n");
	received(&w, "334 VXNlcg==\r\n");
	sent(&w, "NOOPnotacommand\r\n");
	assert_int_equal(w.phase, SMTP_PHASE_AUTH);
	received(&w, "334 UGFzcw==\r\n");
	sent(&w, "c2VjcmV0\r\n");
	assert_int_equal(smtp_watch_result(&w), SMTP_RESULT_MAX_);
	received(&w, "235 2.7.0 ok\r\n");
	assert_int_equal(smtp_watch_result(&w), SMTP_ACCEPTED);
	sent(&w, "NOOP\r\n");
	received(&w, "535 no\r\n");
	assert_int_equal(smtp_watch_result(&w), SMTP_ACCEPTED);
	assert_string_equal(w.text, "235 2.7.0 ok");
}

static void auth_before_tls_is_not_auth_after_it(void **state)
{
	struct smtp_watch w = { .code = 0 };

	(void)state;
	received(&w, "220 hello\r\n");
	sent(&w, "EHLO me\r\n");
	received(&w, "250-AUTH PLAIN\r\n");
	received(&w, "250 STARTTLS\r\n");
	sent(&w, "STARTTLS\r\n");
	received(&w, "220 go\r\n");
	sent(&w, "EHLO me\r\n");
	received(&w, "250 AUTHENTIC\r\n");
	assert_false(w.offers_auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_survive_and_rubbish_is_refused),
		cmocka_unit_test(a_server_that_is_behind_is_noticed),
		cmocka_unit_test(a_delta_begins_before_the_oldest_change),
		cmocka_unit_test(times_and_uuids_are_taken_strictly),
		cmocka_unit_test(only_one_whole_filter_may_be_put_into_another),
		cmocka_unit_test(hosts_are_taken_from_addresses),
		cmocka_unit_test(text_is_made_printable),
		cmocka_unit_test(a_whole_pass_is_passed_on),
		cmocka_unit_test(a_pass_out_of_order_is_not),
		cmocka_unit_test(a_failed_pass_has_no_commit),
		cmocka_unit_test(what_follows_the_end_stays),
		cmocka_unit_test(an_smtp_session_is_read_along),
		cmocka_unit_test(auth_before_tls_is_not_auth_after_it),
	};

	return cmocka_run_group_tests_name("hands-net", tests, NULL, NULL);
}
