/* SPDX-License-Identifier: BSD-2-Clause */
/* Postfix's tables: the netstrings, what is in the tables, and the connections they come over.
 */
#include "tests/unit/door-map-fixture.h"

/* ---- netstrings ---- */

static int parse(const char *text, size_t len, size_t *used)
{
	struct map_query q;

	return map_parse((const uint8_t *)text, len, &q, used);
}

static int parse_text(const char *text)
{
	size_t used;

	return parse(text, strlen(text), &used);
}

static void a_query_is_parsed_when_it_is_whole(void **state)
{
	static const char two[] = "15:senders a@b.com,8:ccert A ,";
	struct map_query q;
	size_t used;

	(void)state;
	for (size_t len = 0; len < 19; len++)
		assert_int_equal(parse(two, len, &used), -EAGAIN);
	assert_int_equal(map_parse((const uint8_t *)two, sizeof(two) - 1, &q, &used), 0);
	assert_int_equal(used, 19);
	assert_int_equal(q.name.len, 7);
	assert_memory_equal(q.name.data, "senders", 7);
	assert_int_equal(q.key.len, 7);
	assert_memory_equal(q.key.data, "a@b.com", 7);
	assert_int_equal(
		map_parse((const uint8_t *)two + used, sizeof(two) - 1 - used, &q, &used), 0);
	assert_int_equal(q.key.len, 2); /* all after the first blank is key */
	assert_memory_equal(q.key.data, "A ", 2);
}

static void a_key_may_be_empty_and_a_name_not(void **state)
{
	(void)state;
	assert_int_equal(parse_text("8:senders ,"), 0);
	assert_int_equal(parse_text("2: a,"), -EBADMSG);
	assert_int_equal(parse_text("7:senders,"), -EBADMSG);
	assert_int_equal(parse_text("0:,"), -EBADMSG);
}

static void what_is_no_netstring_is_refused(void **state)
{
	static const char *const bad[] = {
		"x",	   ":",	      "-1:a b,", " 3:a b,",
		"03:a b,", "00:,",    "3 :a b,", "3:a b;",
		"3:a bb",  "4097:",   "10000:",	 "99999999999999999999:a b,",
		"0x3:a b", "+3:a b,",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_text(bad[i]), -EBADMSG);
}

static void the_longest_query_is_taken(void **state)
{
	char text[MAP_INPUT_MAX + 1];
	size_t used;
	int n = snprintf(text, sizeof(text), "%d:senders ", MAP_QUERY_MAX);

	(void)state;
	memset(text + n, 'a', sizeof(text) - (size_t)n);
	text[5 + MAP_QUERY_MAX] = ',';
	for (size_t len = 1; len < MAP_INPUT_MAX; len++)
		assert_int_equal(parse(text, len, &used), -EAGAIN);
	assert_int_equal(parse(text, MAP_INPUT_MAX, &used), 0);
	assert_int_equal(used, MAP_INPUT_MAX);
}

static void a_reply_is_never_longer_than_postfix_takes(void **state)
{
	static const char value[MAP_REPLY_MAX];
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	map_reply(&out, MAP_OK, "a:b", 3);
	map_reply(&out, MAP_NOTFOUND, "", 0);
	map_reply(&out, MAP_TEMP, "why", 3);
	assert_string_equal(buf_string(&out), "6:OK a:b,9:NOTFOUND ,8:TEMP why,");
	buf_clear(&out);
	map_reply(&out, MAP_OK, value, MAP_REPLY_MAX - 3);
	assert_int_equal(out.len, MAP_REPLY_MAX + 8);
	assert_memory_equal(out.data, "100000:OK ", 10);
	buf_clear(&out);
	map_reply(&out, MAP_OK, value, MAP_REPLY_MAX - 2);
	assert_memory_equal(out.data, "44:TEMP ", 8);
}

/* ---- tables ---- */

static void without_keys_everything_is_put_off(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	assert_string_equal(lookup(w, fd, "senders", "a@example.com"),
			    "34:TEMP no keys yet: rotatectl unseal,");
	assert_string_equal(lookup(w, fd, "ccert", fingerprint("A1", 32)),
			    "34:TEMP no keys yet: rotatectl unseal,");
	assert_false(is_closed(fd));
}

static void senders_are_found_by_address_and_domain(void **state)
{
	static const char *const expected[][2] = {
		{ "a@example.com", "18:OK billing.7,web.1," },
		{ "A@EXAMPLE.com", "18:OK billing.7,web.1," },
		{ "shared@example.com", "18:OK billing.7,web.1," },
		{ "b@example.com", "8:OK web.1," },
		{ "b@x.example.com", "12:OK billing.7," },
		{ "b@y.x.example.com", "12:OK billing.7," },
		{ "b@xexample.com", "9:NOTFOUND ," },
		{ "b@com", "9:NOTFOUND ," },
		{ "b@", "9:NOTFOUND ," },
		{ "@example.com", "8:OK web.1," },
		{ "example.com", "9:NOTFOUND ," },
		{ "", "9:NOTFOUND ," },
		{ "off@example.net", "4:OK -," },
		{ "fresh@example.net", "4:OK -," },
		{ "both@example.net", "8:OK web.1," },
		{ "a@b@example.com", "8:OK web.1," },
		{ "a@....", "9:NOTFOUND ," },
		{ ".@example.com.", "9:NOTFOUND ," },
	};
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	char longest[600];

	give_keys(w);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(lookup(w, fd, "senders", expected[i][0]), expected[i][1]);
	memset(longest, '.', sizeof(longest));
	longest[0] = '@';
	longest[FACT_SENDER_KEY_SIZE - 1] = '\0';
	assert_string_equal(lookup(w, fd, "senders", longest), "9:NOTFOUND ,");
	longest[FACT_SENDER_KEY_SIZE - 1] = '.';
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(lookup(w, fd, "senders", longest), "9:NOTFOUND ,");
}

static void senders_that_can_not_be_told_are_put_off(void **state)
{
	static const char too_many[] =
		"57:TEMP more services own this address than a reply can name,";
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	give_keys(w);
	assert_string_equal(lookup(w, fd, "senders", "many@example.net"), too_many);
	assert_string_equal(lookup(w, fd, "senders", "a@crowd.example"), too_many);
	assert_non_null(strstr(lookup(w, fd, "senders", "lost@example.net"),
			       "TEMP the verifier index can not be read"));
}

static void a_long_answer_arrives_whole(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	const char *text;

	give_keys(w);
	text = lookup(w, fd, "senders", "a@full.example");
	assert_int_equal(strlen(text), strlen("99902:OK ,") + 99899);
	assert_memory_equal(text, "99902:OK crowd-0000.000", 23);
	assert_string_equal(text + strlen(text) - 4, "001,");
	assert_string_equal(lookup(w, fd, "senders", "b@example.com"), "8:OK web.1,");
}

static void logins_come_with_every_realm(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	give_keys(w);
	assert_string_equal(lookup(w, fd, "senders", "b@example.com"),
			    "39:OK web.1,web.1@relay.example,web.1@mail,");
}

static void certificates_are_let_in_by_either_fingerprint(void **state)
{
	static const struct {
		const char *byte;
		const char *answer;
	} expected[] = {
		{ "A1", "5:OK OK," },	  { "a1", "5:OK OK," },	    { "A2", "9:NOTFOUND ," },
		{ "A3", "9:NOTFOUND ," }, { "A4", "9:NOTFOUND ," }, { "A5", "9:NOTFOUND ," },
		{ "A7", "9:NOTFOUND ," },
	};
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	give_keys(w);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(lookup(w, fd, "ccert", fingerprint(expected[i].byte, 32)),
				    expected[i].answer);
	assert_non_null(strstr(lookup(w, fd, "ccert", fingerprint("A6", 32)), "TEMP"));
	assert_string_equal(lookup(w, fd, "ccert", ""), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "ccert", "A1:A"), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "ccert", "A1A1"), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "ccert", "G1"), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "ccert", fingerprint("A1", 31)), "9:NOTFOUND ,");
	assert_non_null(strstr(lookup(w, fd, "ccert", fingerprint("A1", 20)),
			       "TEMP fingerprints are to be of SHA-256"));
}

static void an_unknown_table_is_put_off_and_named(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	assert_string_equal(lookup(w, fd, "sender", "a"),
			    "72:TEMP there is no map 'sender'; ccert, outbound and senders are "
			    "the names,");
	assert_false(is_closed(fd));
}

/* ---- connections ---- */

static void queries_may_come_in_pieces_and_in_one(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	give_keys(w);
	for (const char *p = "21:senders b@example.com"; *p; p++) {
		char one[2] = { *p, '\0' };

		say(w, fd, one);
		assert_string_equal(heard(fd), "");
	}
	say(w, fd, ",16:senders b@b.exam");
	assert_string_equal(heard(fd), "8:OK web.1,");
	say(w, fd, ",8:senders ,21:senders b@example.com,8:send");
	assert_string_equal(heard(fd), "9:NOTFOUND ,9:NOTFOUND ,8:OK web.1,");
	(void)shutdown(fd, SHUT_WR); /* in the middle of one */
	hot_serve(w->hot);
	assert_true(is_closed(fd));
	assert_false(hot_needs_sweep(w->hot));
}

static void what_is_no_query_ends_the_connection(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	cleanup_close int other = connect_to(w);

	say(w, fd, "GET / HTTP/1.0\r\n");
	assert_true(is_closed(fd));
	assert_false(is_closed(other));
}

static void a_connection_is_closed_when_it_is_idle(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	uint64_t now = clock_monotonic();

	say(w, fd, "8:send");
	hot_sweep(w->hot, now + (HOT_MAP_IDLE_SEC - 1) * USEC_PER_SEC);
	assert_false(is_closed(fd));
	hot_sweep(w->hot, now + (HOT_MAP_IDLE_SEC + 1) * USEC_PER_SEC);
	assert_true(is_closed(fd));
}

int main(void)
{
#define DOOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_parsed_when_it_is_whole),
		cmocka_unit_test(a_key_may_be_empty_and_a_name_not),
		cmocka_unit_test(what_is_no_netstring_is_refused),
		cmocka_unit_test(the_longest_query_is_taken),
		cmocka_unit_test(a_reply_is_never_longer_than_postfix_takes),
		DOOR_TEST(without_keys_everything_is_put_off),
		DOOR_TEST(senders_are_found_by_address_and_domain),
		DOOR_TEST(senders_that_can_not_be_told_are_put_off),
		DOOR_TEST(a_long_answer_arrives_whole),
		cmocka_unit_test_setup_teardown(logins_come_with_every_realm, setup_realms,
						teardown),
		DOOR_TEST(certificates_are_let_in_by_either_fingerprint),
		DOOR_TEST(an_unknown_table_is_put_off_and_named),
		DOOR_TEST(queries_may_come_in_pieces_and_in_one),
		DOOR_TEST(what_is_no_query_ends_the_connection),
		DOOR_TEST(a_connection_is_closed_when_it_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
