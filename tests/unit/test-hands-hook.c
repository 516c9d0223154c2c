/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/json.h"
#include "rotated/hands/hookresult.h"

static int parse(const char *text, struct hook_output *o)
{
	return hook_output_parse(text, strlen(text), o);
}

static void nothing_or_blanks_is_an_empty_output(void **state)
{
	static struct hook_output o;

	(void)state;
	assert_int_equal(parse("", &o), 0);
	assert_int_equal(parse(" \r\n\t", &o), 0);
	assert_int_equal(parse("{}", &o), 0);
	assert_int_equal(o.count, 0);
	assert_false(o.has_serial);
	assert_int_equal(hook_result_refine(HOOK_OK, &o), HOOK_OK);
}

static void results_and_serial_are_read_and_written_again(void **state)
{
	static const char text[] = "{\"results\":[{\"name\":\"a.\",\"status\":\"pending\","
				   "\"detail\":\"x\\ny\"}],\"serial\":4294967295}";
	static struct hook_output o;
	cleanup_buf struct buf b = BUF_INIT;
	struct json j = JSON_INIT(&b);

	(void)state;
	assert_int_equal(parse(text, &o), 0);
	json_put_object(&j, NULL);
	hook_output_write(&o, &j);
	json_put_object_end(&j);
	assert_string_equal(buf_string(&b),
			    "{\"results\":[{\"name\":\"a.\",\"status\":\"pending\","
			    "\"detail\":\"x?y\"}],\"serial\":4294967295}");
}

static void any_other_form_is_refused_and_leaves_the_output_alone(void **state)
{
	static const char *const bad[] = {
		"done",
		"[]",
		"{\"results\":{}}",
		"{\"results\":[1]}",
		"{\"results\":[{\"name\":\"a\"}]}",
		"{\"results\":[{\"status\":\"ok\"}]}",
		"{\"results\":[{\"name\":\"a\",\"status\":\"fine\"}]}",
		"{\"serial\":-1}",
		"{\"serial\":4294967296}",
		"{\"serial\":\"1\"}",
		"{\"serial\":1,\"serial\":1}",
		"{} {}",
		"{\"results\":",
	};
	static struct hook_output o = { .count = 17 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], &o), -EBADMSG);
		assert_int_equal(o.count, 17);
	}
}

static void more_results_than_are_kept_still_count(void **state)
{
	static struct hook_output o;
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	buf_append_str(&b, "{\"results\":[");
	for (unsigned i = 0; i < 2 * HOOK_ITEMS_MAX; i++)
		buf_append_str(&b, "{\"name\":\"a\",\"status\":\"ok\"},");
	buf_append_str(&b, "{\"name\":\"a\",\"status\":\"failed\"}]}");
	assert_int_equal(hook_output_parse(b.data, b.len, &o), 0);
	assert_int_equal(o.count, HOOK_ITEMS_MAX);
	assert_int_equal(hook_result_refine(HOOK_OK, &o), HOOK_TEMPORARY);
	assert_int_equal(hook_result_refine(HOOK_DENIED, &o), HOOK_DENIED);
}

static void every_exit_status_has_its_result(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		enum hook_result want = code == 0    ? HOOK_OK
					: code == 64 ? HOOK_UNKNOWN_VERB
					: code == 75 ? HOOK_TEMPORARY
					: code == 77 ? HOOK_DENIED
					: code == 78 ? HOOK_CONFIG
						     : HOOK_CRASHED;

		assert_int_equal(hook_result_from_status(W_EXITCODE(code, 0)), want);
	}
	for (int signal = 1; signal < 32; signal++)
		assert_int_equal(hook_result_from_status(W_EXITCODE(0, signal)), HOOK_CRASHED);
}

static void a_single_change_is_told_in_the_environment(void **state)
{
	static const char one[] =
		"{\"id\":\"i\",\"changes\":[{\"op\":\"set\",\"name\":\"n.\",\"ttl\":5,"
		"\"value\":\"v w\"}]}";
	static const char two[] =
		"{\"id\":\"i\\nPATH=/x\",\"dry_run\":true,\"changes\":[{},{}]}";
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(hook_payload_environment(one, strlen(one), &b), 0);
	assert_string_equal(buf_string(&b),
			    "ROTATED_ID=i\nROTATED_DRY_RUN=0\nROTATED_OP=set\nROTATED_NAME=n.\n"
			    "ROTATED_VALUE=v w\nROTATED_TTL=5\n");
	buf_clear(&b);
	assert_int_equal(hook_payload_environment(two, strlen(two), &b), 0);
	assert_string_equal(buf_string(&b), "ROTATED_DRY_RUN=1\n");
	assert_int_equal(hook_payload_environment("[1]", 3, &b), -EBADMSG);
	assert_int_equal(hook_payload_environment("", 0, &b), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_or_blanks_is_an_empty_output),
		cmocka_unit_test(results_and_serial_are_read_and_written_again),
		cmocka_unit_test(any_other_form_is_refused_and_leaves_the_output_alone),
		cmocka_unit_test(more_results_than_are_kept_still_count),
		cmocka_unit_test(every_exit_status_has_its_result),
		cmocka_unit_test(a_single_change_is_told_in_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
