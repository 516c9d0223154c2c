/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares of a quorum: the arithmetic, the text, and how a wrong one is told. The vectors are
 * recomputed from nothing by tests/integration/test-shares.py. */
#define VECTORS "keystore-shares.json"
#include "tests/unit/vectors.h"

#include <errno.h>

#include "keystore/quorum.h"
#include "keystore/share.h"

/* ---- shamir ---- */

static void count_up(void *context, void *out, size_t len)
{
	uint8_t *next = context;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (*next)++;
}

static void split(unsigned threshold, struct shamir_share *points, unsigned count)
{
	uint8_t first = 0x41;
	struct rng rng = { count_up, &first };
	uint8_t secret[32];

	key_of(0xe0, secret);
	shamir_split(&rng, secret, threshold, points, count);
}

static void any_subset_of_the_threshold_gives_the_secret(void **state)
{
	static const unsigned kinds[][2] = {
		{ 2, 2 }, { 2, 3 }, { 3, 5 }, { 16, 16 }, { 2, 16 }
	};
	struct shamir_share chosen[16];
	struct shamir_share points[16];
	uint8_t secret[32];
	uint8_t back[32];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		unsigned threshold = kinds[k][0], count = kinds[k][1];

		randombytes_buf(secret, sizeof(secret));
		shamir_split(&(struct rng){ NULL, NULL }, secret, threshold, points, count);
		for (unsigned set = 1; set < 1U << count; set++) {
			unsigned n = 0;

			if ((unsigned)__builtin_popcount(set) != threshold)
				continue;
			for (unsigned i = count; i-- > 0;) /* the last first */
				if (set >> i & 1)
					chosen[n++] = points[i];
			assert_int_equal(shamir_combine(chosen, n, back), 0);
			assert_memory_equal(back, secret, 32);
			assert_int_equal(shamir_combine(chosen, n - 1, back), 0);
			assert_memory_not_equal(back, secret, 32);
		}
	}
}

static void the_shares_are_those_of_the_vectors(void **state)
{
	struct shamir_share points[5];

	(void)state;
	split(2, points, 3);
	golden("shamir_2_of_3", points, 3 * sizeof(points[0]));
	split(3, points, 5);
	golden("shamir_3_of_5", points, 5 * sizeof(points[0]));
}

static void impossible_shares_are_not_combined(void **state)
{
	struct shamir_share points[17] = { 0 };
	uint8_t untouched[32] = { 7 };
	uint8_t back[32] = { 7 };

	(void)state;
	split(2, points, 3);
	assert_int_equal(shamir_combine(points, 0, back), -EINVAL);
	assert_int_equal(shamir_combine(points, 17, back), -EINVAL);
	points[1].x = 1;
	assert_int_equal(shamir_combine(points, 2, back), -EINVAL);
	points[1].x = 0;
	assert_int_equal(shamir_combine(points, 2, back), -EINVAL);
	assert_memory_equal(back, untouched, 32);
}

/* ---- text ---- */

static void sample(struct share *ret)
{
	*ret = (struct share){ .set = "set-id-8", .threshold = 3, .point = { .x = 4 } };
	key_of(0x90, ret->point.value);
}

static void a_share_reads_back_however_it_is_typed(void **state)
{
	char typed[2 * SHARE_TEXT_SIZE] = "";
	char text[SHARE_TEXT_SIZE];
	struct share share;
	struct share back;

	(void)state;
	for (int i = 0; i < 200; i++) {
		randombytes_buf(&share, sizeof(share));
		share_format(&share, text);
		assert_int_equal(strlen(text), SHARE_TEXT_LEN);
		assert_int_equal(share_parse(text, strlen(text), &back, NULL), 0);
		assert_memory_equal(&share, &back, sizeof(share));
	}
	sample(&share);
	share_format(&share, text);
	golden("share_text", text, strlen(text));
	for (size_t i = 0, n = 0; text[i]; i++) {
		char c = text[i];

		typed[n++] = c == '-'			     ? ' '
			     : c == '0'			     ? 'o'
			     : c == '1' && i > 4	     ? 'L'
			     : c >= 'A' && c <= 'Z' && i % 2 ? (char)(c - 'A' + 'a')
							     : c;
	}
	assert_int_equal(share_parse(typed, strlen(typed), &back, NULL), 0);
	assert_memory_equal(&share, &back, sizeof(share));
}

static void a_mistyped_share_is_told_how(void **state)
{
	static const char *const recovery =
		"RTR1-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCD";
	struct report report = { 0 };
	char text[SHARE_TEXT_SIZE];
	struct share share;
	struct share back = { .threshold = 9 };

	(void)state;
	sample(&share);
	share_format(&share, text);
	for (size_t i = 5; text[i]; i++) {
		char c = text[i];

		if (c == '-')
			continue;
		text[i] = c == 'Z' ? 'Y' : 'Z';
		assert_int_equal(share_parse(text, strlen(text), &back, &report), -EINVAL);
		assert_non_null(strstr(report.what, "checksum"));
		text[i] = '*';
		assert_int_equal(share_parse(text, strlen(text), &back, &report), -EINVAL);
		assert_non_null(strstr(report.what, "character"));
		text[i] = c;
	}
	assert_int_equal(share_parse(text, SHARE_TEXT_LEN - 1, &back, &report), -EINVAL);
	assert_non_null(strstr(report.what, "too short"));
	assert_int_equal(share_parse(recovery, strlen(recovery), &back, &report), -EINVAL);
	assert_non_null(strstr(report.what, "start with \"RTS1\""));
	assert_int_equal(back.threshold, 9);
}

/* ---- sets ---- */

static void a_set_knows_its_shares_and_no_others(void **state)
{
	struct secret *other_text = NULL;
	struct secret *text = NULL;
	struct quorum other = { .threshold = 3, .shares = 5 };
	struct quorum set = { .threshold = 3, .shares = 5 };
	struct share share;
	uint8_t key[32];
	struct rng rng = { NULL, NULL };

	(void)state;
	key_of(0x10, key);
	assert_int_equal(quorum_split(&rng, key, &set, &text), 0);
	assert_int_equal(quorum_split(&rng, key, &other, &other_text), 0);
	for (unsigned i = 0; i < 5; i++) {
		const char *line = secret_string(text) + (size_t)i * SHARE_TEXT_SIZE;

		assert_int_equal(line[SHARE_TEXT_LEN], '\n');
		assert_int_equal(share_parse(line, SHARE_TEXT_LEN, &share, NULL), 0);
		assert_int_equal(share.point.x, i + 1);
		assert_int_equal(share.threshold, 3);
		assert_int_equal(quorum_check(&set, &share), 0);
		assert_int_equal(quorum_check(&other, &share), -ENOENT);
		share.point.value[i] ^= 0x40;
		assert_int_equal(quorum_check(&set, &share), -EBADMSG);
		share.point.value[i] ^= 0x40;
		share.threshold = 2;
		assert_int_equal(quorum_check(&set, &share), -EBADMSG);
		share.threshold = 3;
		for (unsigned x = 0; x < 256; x++) {
			share.point.x = (uint8_t)x;
			assert_int_equal(quorum_check(&set, &share), x == i + 1 ? 0 : -EBADMSG);
		}
	}
	secret_free(other_text);
	secret_free(text);
}

static void numbers_out_of_bounds_make_no_set(void **state)
{
	static const unsigned bad[][2] = { { 0, 0 }, { 1, 1 },	{ 1, 3 },
					   { 4, 3 }, { 2, 17 }, { 17, 17 } };
	struct rng rng = { NULL, NULL };
	struct secret *text = NULL;
	struct quorum set;
	uint8_t key[32] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set.threshold = (uint8_t)bad[i][0];
		set.shares = (uint8_t)bad[i][1];
		assert_int_equal(quorum_split(&rng, key, &set, &text), -EINVAL);
	}
	assert_null(text);
}

/* What a slot keeps is no help: two sets of the same key share nothing. */
static void the_checks_are_those_of_the_vectors(void **state)
{
	struct secret *text = NULL;
	struct quorum set = { .threshold = 2, .shares = 3 };
	uint8_t first = 0x41;
	struct rng rng = { count_up, &first };
	uint8_t key[32];

	(void)state;
	key_of(0xe0, key);
	assert_int_equal(quorum_split(&rng, key, &set, &text), 0);
	golden("share_set_checks", set.checks, 3 * sizeof(set.checks[0]));
	golden("share_set_text", secret_data(text), secret_len(text));
	secret_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_subset_of_the_threshold_gives_the_secret),
		cmocka_unit_test(the_shares_are_those_of_the_vectors),
		cmocka_unit_test(impossible_shares_are_not_combined),
		cmocka_unit_test(a_share_reads_back_however_it_is_typed),
		cmocka_unit_test(a_mistyped_share_is_told_how),
		cmocka_unit_test(a_set_knows_its_shares_and_no_others),
		cmocka_unit_test(numbers_out_of_bounds_make_no_set),
		cmocka_unit_test(the_checks_are_those_of_the_vectors),
	};

	return cmocka_run_group_tests(tests, load_vectors, save_vectors);
}
