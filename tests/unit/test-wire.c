/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/report.h"
#include "wire/attributes.h"
#include "wire/frame.h"
#include "wire/verbs.h"

static int parse(const struct buf *b, struct frame *ret)
{
	return frame_parse(b->data, b->len, ret);
}

static void build_issue(struct buf *b)
{
	wire_begin_request(b, WIRE_CREDENTIAL_ISSUE);
	frame_put_text(b, "service", "billing");
	assert_int_equal(frame_end(b), 0);
}

static void frame_carries_binary_text_and_numbers(void **state)
{
	static const uint8_t binary[] = { 0, 1, 0xff, 0 };
	cleanup_buf struct buf b = BUF_INIT;
	const struct frame_field *field;
	struct frame f;
	char text[16];
	uint64_t n;

	(void)state;
	frame_begin(&b);
	frame_put(&b, "secret", binary, sizeof(binary));
	frame_put_text(&b, "login", "billing.7");
	frame_put_number(&b, "count", UINT64_MAX);
	assert_int_equal(frame_end(&b), 0);

	assert_int_equal(parse(&b, &f), 0);
	field = frame_find(&f, "secret");
	assert_non_null(field);
	assert_int_equal(field->len, sizeof(binary));
	assert_memory_equal(field->data, binary, sizeof(binary));
	assert_int_equal(frame_text(&f, "login", text, sizeof(text)), 0);
	assert_string_equal(text, "billing.7");
	assert_int_equal(frame_number(&f, "count", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(frame_text(&f, "secret", text, sizeof(text)), -EBADMSG);
	assert_int_equal(frame_text(&f, "login", text, 9), -EBADMSG);
	assert_int_equal(frame_text(&f, "absent", text, sizeof(text)), -ENOENT);
}

/* The bytes are the protocol: other programs are built against them. */
static void frame_bytes_are_as_documented(void **state)
{
	static const uint8_t golden[] = "\0\0\0\x1d"
					"v\0\0\0\0\x01"
					"1"
					"verb\0\0\0\0\x0dStatus";
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	wire_begin_request(&b, WIRE_STATUS_GET);
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(b.len, 4 + 7 + 9 + strlen("Status.Get"));
	assert_int_equal(load_be32(b.data), b.len - 4);
	assert_memory_equal(b.data + 4, golden + 4, 7 + 5);
	assert_int_equal(load_be32(b.data + 16), strlen("Status.Get"));
	assert_memory_equal(b.data + 20, "Status.Get", strlen("Status.Get"));
}

static void frame_rejects_every_truncation(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct frame f;

	(void)state;
	build_issue(&b);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len + 1); /* exact size, so that ASan sees an overrun */

		assert_non_null(copy);
		memcpy(copy, b.data, len);
		assert_int_equal(frame_parse(copy, len, &f), -EBADMSG);
		if (len >= 4) {
			store_be32(copy, (uint32_t)(len - 4));
			ignore_result(
				frame_parse(copy, len, &f)); /* may parse between fields */
		}
		free(copy);
	}
}

static void frame_rejects_repeated_and_bad_keys(void **state)
{
	static const char *const bad[] = { "login", "Login", "lo-gin", "lo gin", "" };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_buf struct buf b = BUF_INIT;

		frame_begin(&b);
		frame_put_text(&b, "login", "a");
		frame_put_text(&b, bad[i], "b");
		assert_int_equal(frame_end(&b), 0);
		assert_int_equal(parse(&b, &f), -EBADMSG);
	}
}

static void frame_rejects_another_version(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct frame f;

	(void)state;
	build_issue(&b);
	b.data[4 + 6] = '2';
	assert_int_equal(parse(&b, &f), -EPROTO);
}

static void frame_refuses_to_grow_past_its_limit(void **state)
{
	static uint8_t large[FRAME_MAX];
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	frame_begin(&b);
	frame_put(&b, "payload", large, sizeof(large));
	assert_int_equal(frame_end(&b), -E2BIG);
}

static void frame_rejects_too_many_fields(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct frame f;

	(void)state;
	frame_begin(&b);
	for (int i = 0; i < FRAME_FIELDS_MAX; i++) {
		char key[3] = { (char)('a' + i / 26), (char)('a' + i % 26), '\0' };

		frame_put_text(&b, key, "x");
	}
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(parse(&b, &f), -EBADMSG);
}

static void request_is_checked_against_the_verb_table(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	enum wire_verb verb;
	struct frame f;

	(void)state;
	build_issue(&b);
	assert_int_equal(parse(&b, &f), 0);
	assert_int_equal(wire_check_request(&f, WIRE_CONTROL, &verb), 0);
	assert_int_equal(verb, WIRE_CREDENTIAL_ISSUE);
	assert_int_equal(wire_check_request(&f, WIRE_AUTH, &verb), -EOPNOTSUPP);

	wire_begin_request(&b, WIRE_CREDENTIAL_ISSUE);
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(parse(&b, &f), 0);
	assert_int_equal(wire_check_request(&f, WIRE_CONTROL, &verb), -EBADMSG);

	wire_begin_request(&b, WIRE_CREDENTIAL_ISSUE);
	frame_put_text(&b, "service", "billing");
	frame_put_text(&b, "serv", "billing");
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(parse(&b, &f), 0);
	assert_int_equal(wire_check_request(&f, WIRE_CONTROL, &verb), -EBADMSG);
}

static void reply_is_checked_against_the_verb_table(void **state)
{
	struct report report;
	cleanup_buf struct buf b = BUF_INIT;
	enum wire_status status;
	struct frame f;

	(void)state;
	assert_int_equal(report_set(&report, -ENOENT, "there is no service \"x\""), -ENOENT);
	assert_int_equal(wire_reply_report(&b, WIRE_STATUS_REFUSED, &report), 0);
	assert_int_equal(parse(&b, &f), 0);
	assert_int_equal(wire_check_reply(&f, WIRE_AUTH_PASSWORD, &status), 0);
	assert_int_equal(status, WIRE_STATUS_REFUSED);
	assert_int_equal(wire_status_exit_code(status), 1);

	wire_begin_reply(&b, WIRE_STATUS_OK); /* without the verdict that the table promises */
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(parse(&b, &f), 0);
	assert_int_equal(wire_check_reply(&f, WIRE_AUTH_PASSWORD, &status), -EBADMSG);
}

/* Two attributes: cn with two values, one of them binary, and an empty one. */
static void build_attributes(struct buf *b)
{
	attributes_put(b, "cn", 2);
	attributes_put_value(b, "billing", 7);
	attributes_put_value(b, "\0\xff", 2);
	attributes_put(b, "description;lang-en", 1);
	attributes_put_value(b, "", 0);
	assert_int_equal(buf_error(b), 0);
}

static void attributes_carry_binary_values(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct attribute_value v;
	struct attributes list;
	struct attribute a;
	size_t at = 0;

	(void)state;
	build_attributes(&b);
	assert_int_equal(attributes_parse(b.data, b.len, &list), 0);
	assert_true(attributes_find(&list, "CN", &a));
	assert_int_equal(a.count, 2);
	assert_true(attribute_next(&a, &at, &v));
	assert_int_equal(v.len, 7);
	assert_true(attribute_next(&a, &at, &v));
	assert_int_equal(v.len, 2);
	assert_memory_equal(v.data, "\0\xff", 2);
	assert_false(attribute_next(&a, &at, &v));
	assert_true(attributes_find(&list, "description;lang-en", &a));
	at = 0;
	assert_true(attribute_next(&a, &at, &v));
	assert_int_equal(v.len, 0);
	assert_false(attribute_next(&a, &at, &v));
	assert_false(attributes_find(&list, "c", &a));
	assert_int_equal(attributes_parse(b.data, 0, &list), 0);
	at = 0;
	assert_false(attributes_next(&list, &at, &a));
}

static void attributes_are_refused_when_cut(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct attributes list;
	size_t first;

	(void)state;
	build_attributes(&b);
	first = 3 + 2 + 4 + 7 + 4 + 2;
	for (size_t len = 1; len < b.len; len++)
		assert_int_equal(attributes_parse(b.data, len, &list),
				 len == first ? 0 : -EBADMSG);
}

static void attributes_are_refused_when_repeated_or_too_many(void **state)
{
	cleanup_buf struct buf b = BUF_INIT, many = BUF_INIT;
	struct attributes list;

	(void)state;
	build_attributes(&b);
	attributes_put(&b, "CN", 1);
	attributes_put_value(&b, "x", 1);
	assert_int_equal(attributes_parse(b.data, b.len, &list), -EBADMSG);
	buf_clear(&b);
	attributes_put(&b, "cn", 0);
	assert_int_equal(attributes_parse(b.data, b.len, &list), -EBADMSG);
	buf_clear(&b);
	attributes_put(&b, "a b", 1);
	attributes_put_value(&b, "x", 1);
	assert_int_equal(attributes_parse(b.data, b.len, &list), -EBADMSG);
	for (unsigned i = 0; i <= ATTRIBUTES_MAX; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "a%u", i);
		attributes_put(&many, name, 1);
		attributes_put_value(&many, "x", 1);
	}
	assert_int_equal(attributes_parse(many.data, many.len, &list), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_carries_binary_text_and_numbers),
		cmocka_unit_test(frame_bytes_are_as_documented),
		cmocka_unit_test(frame_rejects_every_truncation),
		cmocka_unit_test(frame_rejects_repeated_and_bad_keys),
		cmocka_unit_test(frame_rejects_another_version),
		cmocka_unit_test(frame_refuses_to_grow_past_its_limit),
		cmocka_unit_test(frame_rejects_too_many_fields),
		cmocka_unit_test(request_is_checked_against_the_verb_table),
		cmocka_unit_test(reply_is_checked_against_the_verb_table),
		cmocka_unit_test(attributes_carry_binary_values),
		cmocka_unit_test(attributes_are_refused_when_cut),
		cmocka_unit_test(attributes_are_refused_when_repeated_or_too_many),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
