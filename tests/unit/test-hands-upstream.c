/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "rotated/hands/upstream.h"

static int parse(const char *text, struct upstream_output *o)
{
	return upstream_output_parse(text, strlen(text), o);
}

static void nothing_or_blanks_is_an_empty_output(void **state)
{
	static const char *const texts[] = { "", " \r\n\t", "{}", "{\"secret\":null}" };
	struct upstream_output o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse(texts[i], &o), 0);
		assert_null(o.secret);
		assert_string_equal(o.user, "");
		assert_false(o.is_pending);
		upstream_output_release(&o);
	}
}

static void what_was_made_is_read(void **state)
{
	struct upstream_output o;

	(void)state;
	assert_int_equal(parse("{\"user\":\"relay-7\",\"secret\":\"a:b c\"}", &o), -EBADMSG);
	assert_int_equal(parse("{\"user\":\"relay-7\",\"secret\":\"a:b/c=\",\"id\":\"AK\","
			       "\"unknown\":[1]}",
			       &o),
			 0);
	assert_string_equal(o.user, "relay-7");
	assert_string_equal(o.credential, "AK");
	assert_string_equal(secret_string(o.secret), "a:b/c=");
	upstream_output_release(&o);
	assert_null(o.secret);
}

static void list_becomes_lines(void **state)
{
	struct upstream_output o;

	(void)state;
	assert_int_equal(parse("{\"credentials\":[{\"id\":\"A\",\"version\":7},"
			       "{\"id\":\"B\",\"version\":null},{\"id\":\"C\"}]}",
			       &o),
			 0);
	assert_string_equal(buf_string(&o.credentials), "7 A\n0 B\n0 C\n");
	upstream_output_release(&o);
}

static void any_other_form_is_refused_and_nothing_of_it_is_kept(void **state)
{
	static const char *const bad[] = {
		"done",
		"[]",
		"{\"secret\":1}",
		"{\"secret\":\"\"}",
		"{\"secret\":\"a\\nb\"}",
		"{\"secret\":\"a\\u0000b\"}",
		"{\"secret\":\"\303\251\"}",
		"{\"secret\":\"good-enough\",\"user\":\"a:b\"}",
		"{\"secret\":\"good-enough\",\"id\":\"a b\"}",
		"{\"secret\":\"good-enough\",\"status\":\"fine\"}",
		"{\"secret\":\"a\",\"secret\":\"b\"}",
		"{\"credentials\":{}}",
		"{\"credentials\":[{}]}",
		"{\"credentials\":[{\"id\":\"A\",\"version\":-1}]}",
		"{\"credentials\":[{\"id\":\"A\",\"version\":\"7\"}]}",
		"{\"credentials\":[{\"id\":\"A\",\"version\":4294967296}]}",
		"{\"user\":\"a\"} more",
	};
	struct upstream_output o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i], &o) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_null(o.secret);
		assert_int_equal(o.credentials.len, 0);
	}
}

static void lengths_are_bounded(void **state)
{
	char text[2048];
	struct upstream_output o;

	(void)state;
	(void)snprintf(text, sizeof(text), "{\"secret\":\"%01024d\"}", 1);
	assert_int_equal(parse(text, &o), 0);
	upstream_output_release(&o);
	(void)snprintf(text, sizeof(text), "{\"secret\":\"%01025d\"}", 1);
	assert_int_equal(parse(text, &o), -EBADMSG);
	(void)snprintf(text, sizeof(text), "{\"user\":\"%0201d\"}", 1);
	assert_int_equal(parse(text, &o), -EBADMSG);
	(void)snprintf(text, sizeof(text), "{\"detail\":\"%0300d\"}", 1);
	assert_int_equal(parse(text, &o), 0);
	assert_int_equal(strlen(o.detail), UPSTREAM_DETAIL_MAX);
	upstream_output_release(&o);
}

static void pending_has_words_for_a_person_and_none_of_them_the_secret(void **state)
{
	struct upstream_output o;

	(void)state;
	assert_int_equal(parse("{\"status\":\"pending\",\"detail\":\"make\\nit\"}", &o), 0);
	assert_true(o.is_pending);
	assert_string_equal(o.detail, "make?it");
	upstream_output_release(&o);
	assert_int_equal(parse("{\"secret\":\"s3cret-s3cret\",\"detail\":\"it is "
			       "s3cret-s3cret\"}",
			       &o),
			 0);
	assert_string_equal(o.detail, "");
	upstream_output_release(&o);
}

static void secret_of_the_payload_is_found_and_kept_out_of_lines(void **state)
{
	static const char payload[] = "{\"user\":\"a\",\"secret\":\"s3cret-s3cret\"}";
	cleanup_secret struct secret *s = NULL;

	(void)state;
	assert_int_equal(upstream_payload_secret("{}", 2, &s), -ENOENT);
	assert_int_equal(upstream_payload_secret("x", 1, &s), -EBADMSG);
	assert_int_equal(upstream_payload_secret(payload, strlen(payload), &s), 0);
	assert_true(upstream_line_tells("curl: -u a:s3cret-s3cret", s));
	assert_true(upstream_line_tells("cut: s3cret-s", s));
	assert_true(upstream_line_tells("cret-s3cret, and more", s));
	assert_false(upstream_line_tells("s3cret", s)); /* too short to tell */
	assert_false(upstream_line_tells("curl: refused", s));
	assert_false(upstream_line_tells("anything", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_or_blanks_is_an_empty_output),
		cmocka_unit_test(what_was_made_is_read),
		cmocka_unit_test(list_becomes_lines),
		cmocka_unit_test(any_other_form_is_refused_and_nothing_of_it_is_kept),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(pending_has_words_for_a_person_and_none_of_them_the_secret),
		cmocka_unit_test(secret_of_the_payload_is_found_and_kept_out_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
