/* SPDX-License-Identifier: BSD-2-Clause */
/* The pure parts of the door: logins, protocols, the decision and the log's limit. */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/clock.h"
#include "rotated/config/config.h"
#include "rotated/door/authframe.h"
#include "rotated/door/decide.h"
#include "rotated/door/muxframe.h"
#include "base/refusals.h"
#include "wire/verbs.h"

static char realm_a[] = "example.org";
static char realm_b[] = "relay";
static char *realm_items[] = { realm_a, realm_b };
static const struct config_words realms = { realm_items, 2 };

static void realm_is_taken_off_only_if_it_is_configured(void **state)
{
	static const struct {
		const char *login, *realm, *wanted;
	} cases[] = {
		{ "billing.7", NULL, "billing.7" },
		{ "billing.7", "", "billing.7" },
		{ "billing.7@example.org", NULL, "billing.7" },
		{ "billing.7@EXAMPLE.org", NULL, "billing.7" },
		{ "billing.7", "relay", "billing.7" },
		{ "billing.7@example.com", NULL, "billing.7@example.com" },
		{ "billing.7", "example.com", "billing.7@example.com" },
		{ "a@b", "relay", "a@b" },
		{ "a@relay@relay", NULL, "a@relay" },
		{ "@relay", NULL, "@relay" },
		{ "", "relay", "@relay" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[DOOR_LOGIN_SIZE];

		door_login(cases[i].login, cases[i].realm, &realms, out);
		assert_string_equal(out, cases[i].wanted);
	}
}

static void login_in_a_log_line_cannot_forge_one(void **state)
{
	char out[16];

	(void)state;
	door_login_printable("a\nb c\x1b[\xff", out, sizeof(out));
	assert_string_equal(out, "a?b?c?[?");
	door_login_printable("0123456789abcdefgh", out, sizeof(out));
	assert_string_equal(out, "0123456789ab...");
}

static void decision_follows_the_verdict(void **state)
{
	static const struct {
		enum identity_verdict heard;
		enum door_outcome password, verifier;
	} rows[] = {
		{ IDENTITY_OK, DOOR_ACCEPT, DOOR_ACCEPT },
		{ IDENTITY_REJECT, DOOR_REFUSE, DOOR_ACCEPT },
		{ IDENTITY_NOTFOUND, DOOR_REFUSE, DOOR_ACCEPT },
		{ IDENTITY_UNAVAIL, DOOR_LATER, DOOR_LATER },
	};
	cleanup_secret struct secret *x = secret_new("x", 1);
	const struct door_request password = { .password = x };
	const struct door_request verifier = { .password = NULL };

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), IDENTITY_VERDICT_MAX_);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct identity_answer a = { .verdict = rows[i].heard,
						   .identity = "billing",
						   .verifier = "SCRAM" };
		struct door_verdict v = door_decide(&password, &a);

		assert_int_equal(v.outcome, rows[i].password);
		assert_null(v.verifier);
		assert_int_equal(v.reason == NULL, rows[i].heard == IDENTITY_OK);
		v = door_decide(&verifier, &a);
		assert_int_equal(v.outcome, rows[i].verifier);
		assert_int_equal(v.verifier == a.verifier, rows[i].heard != IDENTITY_UNAVAIL);
		assert_int_equal(v.identity == a.identity, rows[i].heard == IDENTITY_OK);
	}
}

static void a_backend_without_verifiers_is_a_temporary_failure(void **state)
{
	const struct door_request verifier = { .password = NULL };

	(void)state;
	for (unsigned i = 0; i < IDENTITY_VERDICT_MAX_; i++) {
		const struct identity_answer a = { .verdict = (enum identity_verdict)i };

		assert_int_equal(door_decide(&verifier, &a).outcome, DOOR_LATER);
	}
}

/* ---- saslauthd's protocol ---- */

static int parse(const char *data, size_t len, struct mux_request *ret)
{
	return mux_parse((const uint8_t *)data, len, ret);
}

#define PARSE(literal, ret) parse(literal, sizeof(literal) - 1, ret)

static const char four[] = "\0\011billing.7\0\6s3cret\0\4smtp\0\5relay";
static const char five[] = "\0\011billing.7\0\6s3cret\0\4smtp\0\0\0\x0e"
			   "192.0.2.7;4711";

static void mux_request_of_four_or_five_fields_is_understood(void **state)
{
	cleanup_secret struct secret *place = secret_alloc(16);
	struct door_request q;
	struct mux_request m;

	(void)state;
	assert_int_equal(PARSE(four, &m), 0);
	assert_int_equal(m.count, 4);
	assert_int_equal(muxframe_request(&m, &realms, place, &q), 0);
	assert_string_equal(q.login, "billing.7");
	assert_string_equal(q.service, "smtp");
	assert_string_equal(q.address, "");
	assert_string_equal(secret_string(q.password), "s3cret");

	assert_int_equal(PARSE(five, &m), 0);
	assert_int_equal(m.count, 5);
	assert_int_equal(muxframe_request(&m, &realms, place, &q), 0);
	assert_string_equal(q.address, "192.0.2.7;4711");
}

static void mux_request_may_come_byte_by_byte(void **state)
{
	struct mux_request m;

	(void)state;
	for (size_t len = 0; len < sizeof(four) - 1; len++) {
		char *copy = malloc(len + 1); /* so that ASan sees an overrun */

		assert_non_null(copy);
		memcpy(copy, four, len);
		assert_int_equal(parse(copy, len, &m), -EAGAIN);
		free(copy);
	}
}

static void mux_request_that_cannot_be_one_is_refused(void **state)
{
	static char full[MUX_REQUEST_MAX + 1];
	struct mux_request m;

	(void)state;
	assert_int_equal(PARSE("\0\1a\0\1b\0\1c\0\1d\0\1e\0", &m), -EBADMSG);
	assert_int_equal(PARSE("\0\0\0\1b\0\1c\0\1d", &m), -EBADMSG);
	assert_int_equal(PARSE("\0\3a\0b\0\1b\0\1c\0\1d", &m), -EBADMSG);
	assert_int_equal(PARSE("\0\1a\0\2b\0\0\1c\0\1d", &m), -EBADMSG);

	memset(full, 'a', sizeof(full));
	full[0] = '\x7f';
	assert_int_equal(parse(full, MUX_REQUEST_MAX - 1, &m), -EAGAIN);
	assert_int_equal(parse(full, MUX_REQUEST_MAX, &m), -EBADMSG);
	assert_int_equal(parse(full, MUX_REQUEST_MAX + 1, &m), -EBADMSG);
}

static void mux_replies_are_counted_strings(void **state)
{
	(void)state;
	assert_memory_equal(mux_reply_ok().data, "\0\2OK", mux_reply_ok().len);
	assert_memory_equal(mux_reply_no().data, "\0\2NO", mux_reply_no().len);
	assert_int_equal(mux_reply_later().len, 2);
	assert_memory_equal(mux_reply_later().data, "\0\0", 2);
}

/* ---- frames ---- */

static void build(struct buf *b, enum wire_verb verb, const char *login, const char *password)
{
	wire_begin_request(b, verb);
	frame_put_text(b, "login", login);
	if (password)
		frame_put_text(b, "password", password);
	frame_put_text(b, "mechanism", "PLAIN");
	frame_put_text(b, "address", "192.0.2.7;4711");
	assert_int_equal(frame_end(b), 0);
}

static void auth_frames_become_requests(void **state)
{
	cleanup_secret struct secret *place = secret_alloc(16);
	cleanup_buf struct buf b = BUF_INIT;
	struct door_request q;

	(void)state;
	build(&b, WIRE_AUTH_PASSWORD, "billing.7@relay", "s3cret");
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), 0);
	assert_string_equal(q.login, "billing.7");
	assert_string_equal(q.mechanism, "PLAIN");
	assert_string_equal(q.address, "192.0.2.7;4711");
	assert_string_equal(q.service, "");
	assert_string_equal(secret_string(q.password), "s3cret");

	build(&b, WIRE_AUTH_VERIFIER, "billing.7", NULL);
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), 0);
	assert_null(q.password);
}

static void auth_frames_out_of_place_are_refused(void **state)
{
	cleanup_secret struct secret *place = secret_alloc(16);
	static char huge[DOOR_LOGIN_SIZE + 1];
	cleanup_buf struct buf b = BUF_INIT;
	struct door_request q;

	(void)state;
	memset(huge, 'a', DOOR_LOGIN_SIZE);
	build(&b, WIRE_AUTH_VERIFIER, huge, NULL);
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), -EBADMSG);
	build(&b, WIRE_AUTH_PASSWORD, "billing.7", "seventeen letters");
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), -E2BIG);
	build(&b, WIRE_AUTH_VERIFIER, "billing.7", "s3cret");
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), -EBADMSG);
	build(&b, WIRE_AUTH_PASSWORD, "billing.7", NULL);
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), -EBADMSG);
	wire_begin_request(&b, WIRE_STATUS_GET);
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(authframe_parse(b.data, b.len, &realms, place, &q), -EOPNOTSUPP);
	assert_int_equal(authframe_parse(b.data, b.len - 1, &realms, place, &q), -EBADMSG);
}

static void auth_reply_says_no_more_than_an_outsider_may_know(void **state)
{
	static const char *const words[] = { "unavail", "reject", "ok" };
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	for (unsigned i = 0; i < DOOR_OUTCOME_MAX_; i++) {
		const struct door_verdict v = { .outcome = (enum door_outcome)i,
						.reason = "unknown login" };
		enum wire_status status;
		struct frame f;
		char word[16];

		assert_int_equal(authframe_reply(&v, &b), 0);
		assert_int_equal(frame_parse(b.data, b.len, &f), 0);
		assert_int_equal(wire_check_reply(&f, WIRE_AUTH_PASSWORD, &status), 0);
		assert_int_equal(frame_text(&f, "verdict", word, sizeof(word)), 0);
		assert_string_equal(word, words[i]);
		assert_int_equal(f.count, 3);
	}
}

/* ---- the log's limit ---- */

static void refusals_are_held_back_after_a_burst_and_counted(void **state)
{
	uint64_t now = 1000, held_back = 7;
	struct refusals r = refusals_init(now);

	(void)state;
	for (int i = 0; i < REFUSALS_BURST; i++) {
		assert_true(refusals_allow(&r, now, &held_back));
		assert_int_equal(held_back, 0);
	}
	for (int i = 0; i < 3; i++)
		assert_false(refusals_allow(&r, now, &held_back));
	now += USEC_PER_SEC / REFUSALS_PER_SECOND;
	assert_true(refusals_allow(&r, now, &held_back));
	assert_int_equal(held_back, 3);
	assert_false(refusals_allow(&r, now, &held_back));
	now += UINT64_MAX / 2; /* no overflow makes it mute */
	for (int i = 0; i < REFUSALS_BURST; i++)
		assert_true(refusals_allow(&r, now, &held_back));
	assert_false(refusals_allow(&r, now, &held_back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(realm_is_taken_off_only_if_it_is_configured),
		cmocka_unit_test(login_in_a_log_line_cannot_forge_one),
		cmocka_unit_test(decision_follows_the_verdict),
		cmocka_unit_test(a_backend_without_verifiers_is_a_temporary_failure),
		cmocka_unit_test(mux_request_of_four_or_five_fields_is_understood),
		cmocka_unit_test(mux_request_may_come_byte_by_byte),
		cmocka_unit_test(mux_request_that_cannot_be_one_is_refused),
		cmocka_unit_test(mux_replies_are_counted_strings),
		cmocka_unit_test(auth_frames_become_requests),
		cmocka_unit_test(auth_frames_out_of_place_are_refused),
		cmocka_unit_test(auth_reply_says_no_more_than_an_outsider_may_know),
		cmocka_unit_test(refusals_are_held_back_after_a_burst_and_counted),
	};

	return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
