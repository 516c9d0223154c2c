/* SPDX-License-Identifier: BSD-2-Clause */
/* A quorum slot of a real keystore: shares entered one at a time, right and wrong ones. */
#include "tests/unit/keystore-fixture.h"

#include "keystore/share.h"

enum { SHARES = 5, THRESHOLD = 3 };

struct quorum_case {
	struct keystore *ks;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	struct secret *text; /* of all shares */
};

static struct secret *nth(const struct quorum_case *q, unsigned i)
{
	struct secret *s =
		secret_new(secret_data(q->text) + (size_t)i * SHARE_TEXT_SIZE, SHARE_TEXT_LEN);

	assert_non_null(s);
	return s;
}

/* Enters share I + 1. */
static int enter(const struct quorum_case *q, unsigned i, struct keystore_shares *ret)
{
	cleanup_secret struct secret *s = nth(q, i);

	return keystore_unlock_share(q->ks, s, ret, NULL);
}

static void open_up(const struct quorum_case *q)
{
	cleanup_secret struct secret *p = fixture_secret(fixture_passphrase);

	assert_int_equal(keystore_unlock_passphrase(q->ks, p, NULL), 0);
}

/* A keystore that is sealed, with a quorum slot. */
static void prepare(struct fixture *f, struct quorum_case *q)
{
	const struct keystore_new_slot slot = { .type = KEYSTORE_SLOT_QUORUM,
						.shares = SHARES,
						.threshold = THRESHOLD };
	cleanup_secret struct secret *recovery = fixture_create(f);

	assert_int_equal(keystore_open(f->dir, &f->env, &q->ks, NULL), 0);
	open_up(q);
	assert_int_equal(keystore_slot_add(q->ks, &slot, q->id, &q->text, NULL), 0);
	assert_int_equal(secret_len(q->text), SHARES * SHARE_TEXT_SIZE);
	keystore_seal(q->ks, KEYSTORE_BOTH);
}

static void finish(struct quorum_case *q)
{
	secret_free(q->text);
	keystore_close(q->ks);
}

static void any_three_of_five_open_the_keystore(void **state)
{
	struct keystore_shares s;
	struct quorum_case q;

	prepare(*state, &q);
	for (unsigned set = 1; set < 1U << SHARES; set++) {
		unsigned n = 0;

		if ((unsigned)__builtin_popcount(set) != THRESHOLD)
			continue;
		for (unsigned i = SHARES; i-- > 0;) {
			if (!(set >> i & 1))
				continue;
			n++;
			assert_int_equal(enter(&q, i, &s), n < THRESHOLD ? -EAGAIN : 0);
			assert_int_equal(s.have, n);
			assert_int_equal(s.threshold, THRESHOLD);
			assert_int_equal(keystore_is_open(q.ks, KEYSTORE_BOTH), n == THRESHOLD);
		}
		assert_false(keystore_shares_get(q.ks, 0, &s)); /* none is kept */
		keystore_seal(q.ks, KEYSTORE_BOTH);
	}
	finish(&q);
}

/* With a checksum that fits, so that only the slot can tell. */
static int enter_forged(const struct quorum_case *q, const struct share *share,
			struct report *report)
{
	cleanup_secret struct secret *s = NULL;
	struct keystore_shares ret;
	char text[SHARE_TEXT_SIZE];

	share_format(share, text);
	s = fixture_secret(text);
	return keystore_unlock_share(q->ks, s, &ret, report);
}

static void a_wrong_share_is_named_and_spoils_nothing(void **state)
{
	struct report report = { 0 };
	struct keystore_shares s;
	struct quorum_case q;
	struct share share;
	struct share forged;

	prepare(*state, &q);
	assert_int_equal(enter(&q, 4, &s), -EAGAIN);
	assert_int_equal(share_parse(secret_string(q.text) + 2 * SHARE_TEXT_SIZE,
				     SHARE_TEXT_LEN, &share, NULL),
			 0);
	forged = share;
	forged.point.value[7] ^= 1;
	assert_int_equal(enter_forged(&q, &forged, &report), -EINVAL);
	assert_non_null(strstr(report.what, "share 3 was altered"));
	forged = share;
	forged.threshold = 2;
	assert_int_equal(enter_forged(&q, &forged, &report), -EINVAL);
	forged = share;
	forged.point.x = 6;
	assert_int_equal(enter_forged(&q, &forged, &report), -EINVAL);
	assert_non_null(strstr(report.what, "no share 6 in this set of 5"));
	forged = share;
	forged.set[0] ^= 1;
	assert_int_equal(enter_forged(&q, &forged, &report), -EINVAL);
	assert_non_null(strstr(report.what, "another set"));
	assert_int_equal(enter(&q, 4, &s), -EALREADY);
	assert_int_equal(s.have, 1);
	assert_int_equal(s.given, 1U << 5);
	assert_int_equal(enter(&q, 2, &s), -EAGAIN);
	assert_int_equal(enter(&q, 0, &s), 0);
	assert_true(keystore_is_open(q.ks, KEYSTORE_BOTH));
	finish(&q);
}

static void shares_are_forgotten_on_demand_and_not_by_a_failure(void **state)
{
	cleanup_secret struct secret *wrong = fixture_secret("not this one");
	struct keystore_shares s;
	struct quorum_case q;

	prepare(*state, &q);
	assert_int_equal(enter(&q, 0, &s), -EAGAIN);
	assert_int_equal(keystore_unlock_passphrase(q.ks, wrong, NULL), -EKEYREJECTED);
	assert_true(keystore_shares_get(q.ks, 0, &s));
	assert_int_equal(s.have, 1);
	assert_false(keystore_shares_get(q.ks, 1, &s));
	keystore_shares_forget(q.ks);
	assert_false(keystore_shares_get(q.ks, 0, &s));
	assert_int_equal(enter(&q, 0, &s), -EAGAIN);
	assert_int_equal(s.have, 1);
	finish(&q);
}

/* Two sets at once do not mix. */
static void each_set_counts_its_own_shares(void **state)
{
	const struct keystore_new_slot slot = { .type = KEYSTORE_SLOT_QUORUM,
						.shares = 2,
						.threshold = 2 };
	struct quorum_case other = { .text = NULL };
	struct keystore_shares s;
	struct quorum_case q;

	prepare(*state, &q);
	open_up(&q);
	other.ks = q.ks;
	assert_int_equal(keystore_slot_add(q.ks, &slot, other.id, &other.text, NULL), 0);
	keystore_seal(q.ks, KEYSTORE_BOTH);
	assert_int_equal(enter(&q, 0, &s), -EAGAIN);
	assert_int_equal(enter(&other, 0, &s), -EAGAIN);
	assert_int_equal(s.have, 1);
	assert_int_equal(enter(&q, 1, &s), -EAGAIN);
	assert_int_equal(s.have, 2);
	assert_int_equal(enter(&other, 1, &s), 0);
	assert_true(keystore_is_open(q.ks, KEYSTORE_BOTH));
	secret_free(other.text);
	finish(&q);
}

static void shares_open_what_was_rekeyed(void **state)
{
	struct keystore_shares s;
	struct quorum_case q;

	prepare(*state, &q);
	open_up(&q);
	assert_int_equal(keystore_rekey(q.ks, NULL), 0);
	keystore_seal(q.ks, KEYSTORE_BOTH);
	for (unsigned i = 0; i < THRESHOLD; i++)
		assert_int_equal(enter(&q, i, &s), i + 1 < THRESHOLD ? -EAGAIN : 0);
	assert_true(keystore_is_open(q.ks, KEYSTORE_BOTH));
	finish(&q);
}

static void shares_are_tried_without_opening_anything(void **state)
{
	cleanup_secret struct secret *one = NULL;
	struct report report = { 0 };
	struct keystore_shares s;
	struct quorum_case q;
	size_t index;

	prepare(*state, &q);
	index = keystore_slot_count(q.ks) - 1;
	one = nth(&q, 1);
	assert_int_equal(keystore_shares_test(q.ks, index, one, &s, NULL), -EAGAIN);
	assert_int_equal(s.have, 1);
	assert_int_equal(keystore_shares_test(q.ks, index, q.text, &s, NULL), 0);
	assert_int_equal(keystore_shares_test(q.ks, 0, one, &s, &report), -EINVAL);
	assert_false(keystore_is_open(q.ks, KEYSTORE_AUTH));
	assert_false(keystore_shares_get(q.ks, 0, &s));
	finish(&q);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_three_of_five_open_the_keystore),
		TEST(a_wrong_share_is_named_and_spoils_nothing),
		TEST(shares_are_forgotten_on_demand_and_not_by_a_failure),
		TEST(each_set_counts_its_own_shares),
		TEST(shares_open_what_was_rekeyed),
		TEST(shares_are_tried_without_opening_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
