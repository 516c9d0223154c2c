/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <string.h>

#include "saslplugin/plain.h"

#define PARSE(literal, ret) plain_parse(literal, sizeof(literal) - 1, ret)

static void assert_slice(const struct plain_slice *s, const char *wanted)
{
	assert_int_equal(s->len, strlen(wanted));
	assert_memory_equal(s->data, wanted, s->len);
}

static void message_without_authzid_is_taken_apart(void **state)
{
	struct plain_message m;

	(void)state;
	assert_int_equal(PARSE("\0billing.1\0secret", &m), 0);
	assert_slice(&m.authzid, "");
	assert_slice(&m.login, "billing.1");
	assert_slice(&m.password, "secret");
}

static void message_with_authzid_is_taken_apart(void **state)
{
	struct plain_message m;

	(void)state;
	assert_int_equal(PARSE("a\0billing.1\0secret", &m), 0);
	assert_slice(&m.authzid, "a");
	assert_false(plain_slice_equal(&m.authzid, &m.login));
	assert_int_equal(PARSE("b\0b\0secret", &m), 0);
	assert_true(plain_slice_equal(&m.authzid, &m.login));
}

static void malformed_messages_are_refused(void **state)
{
	struct plain_message m = { .login = { "x", 1 } };

	(void)state;
	assert_int_equal(PARSE("", &m), -EBADMSG);
	assert_int_equal(PARSE("\0", &m), -EBADMSG);
	assert_int_equal(PARSE("\0\0", &m), -EBADMSG);
	assert_int_equal(PARSE("billing.1", &m), -EBADMSG);
	assert_int_equal(PARSE("\0billing.1", &m), -EBADMSG);
	assert_int_equal(PARSE("\0billing.1\0", &m), -EBADMSG);
	assert_int_equal(PARSE("\0\0secret", &m), -EBADMSG);
	assert_int_equal(PARSE("\0billing.1\0secret\0", &m), -EBADMSG);
	assert_int_equal(PARSE("\0billing.1\0sec\0ret", &m), -EBADMSG);
	assert_int_equal(plain_parse(NULL, 0, &m), -EBADMSG);
	assert_slice(&m.login, "x"); /* untouched */
}

/* A message of three parts of these lengths, in exactly as much memory. */
static int parse_sized(size_t authzid, size_t login, size_t password)
{
	size_t len = authzid + 1 + login + 1 + password;
	char *text = malloc(len);
	struct plain_message m;
	int r;

	assert_non_null(text);
	memset(text, 'a', len);
	text[authzid] = '\0';
	text[authzid + 1 + login] = '\0';
	r = plain_parse(text, len, &m);
	free(text);
	return r;
}

static void each_part_has_its_limit(void **state)
{
	(void)state;
	assert_int_equal(parse_sized(PLAIN_NAME_MAX, PLAIN_NAME_MAX, PLAIN_PASSWORD_MAX), 0);
	assert_int_equal(parse_sized(PLAIN_NAME_MAX + 1, 1, 1), -E2BIG);
	assert_int_equal(parse_sized(0, PLAIN_NAME_MAX + 1, 1), -E2BIG);
	assert_int_equal(parse_sized(0, 1, PLAIN_PASSWORD_MAX + 1), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_without_authzid_is_taken_apart),
		cmocka_unit_test(message_with_authzid_is_taken_apart),
		cmocka_unit_test(malformed_messages_are_refused),
		cmocka_unit_test(each_part_has_its_limit),
	};

	return cmocka_run_group_tests_name("saslplugin-plain", tests, NULL, NULL);
}
