/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <string.h>

#include "modules/identity.h"

enum { LAYERS = 4 };

/* A backend that says what it is told to, and counts how often it is asked. */
struct parrot {
	enum identity_verdict says;
	unsigned asked;
};

static void parrot_password(void *context, const char *login, const struct secret *password,
			    struct identity_answer *ret)
{
	struct parrot *p = context;

	(void)login;
	(void)password;
	p->asked++;
	ret->verdict = p->says;
}

static void parrot_verifier(void *context, const char *login, struct identity_answer *ret)
{
	struct parrot *p = context;

	(void)login;
	p->asked++;
	ret->verdict = p->says;
	ret->verifier[0] = (char)('a' + p->says);
}

static const struct identity_module parrot = {
	.abi = IDENTITY_ABI,
	.name = "parrot",
	.password = parrot_password,
	.verifier = parrot_verifier,
};

static bool heard_any(const enum identity_verdict *heard, enum identity_verdict v)
{
	for (size_t i = 0; i < LAYERS; i++)
		if (heard[i] == v)
			return true;
	return false;
}

/* Combination N of the 4^4 as base-4 digits. */
static void combination(unsigned n, enum identity_verdict ret[static LAYERS])
{
	for (size_t i = 0; i < LAYERS; i++, n /= IDENTITY_VERDICT_MAX_)
		ret[i] = (enum identity_verdict)(n % IDENTITY_VERDICT_MAX_);
}

static void fold_takes_the_weightiest_of_every_combination(void **state)
{
	static const enum identity_verdict order[] = { IDENTITY_OK, IDENTITY_REJECT,
						       IDENTITY_UNAVAIL, IDENTITY_NOTFOUND };

	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		enum identity_verdict heard[LAYERS];
		size_t i = 0;

		combination(n, heard);
		while (!heard_any(heard, order[i]))
			i++;
		assert_int_equal(identity_fold(heard, LAYERS), order[i]);
	}
}

static void nobody_asked_is_unavailable(void **state)
{
	struct identity_answer answer;

	(void)state;
	assert_int_equal(identity_fold(NULL, 0), IDENTITY_UNAVAIL);
	identity_ask_verifier(NULL, 0, "billing.1", &answer);
	assert_int_equal(answer.verdict, IDENTITY_UNAVAIL);
}

static void stack_stops_at_the_first_that_knows(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		enum identity_verdict heard[LAYERS];
		struct parrot parrots[LAYERS];
		struct identity_layer stack[LAYERS];
		struct identity_answer answer;
		size_t asked = 0;

		combination(n, heard);
		for (size_t i = 0; i < LAYERS; i++) {
			parrots[i] = (struct parrot){ .says = heard[i] };
			stack[i] = (struct identity_layer){ &parrot, &parrots[i] };
		}
		while (asked < LAYERS && heard[asked] != IDENTITY_OK &&
		       heard[asked] != IDENTITY_REJECT)
			asked++;
		if (asked < LAYERS)
			asked++;
		identity_ask_password(stack, LAYERS, "billing.1", NULL, &answer);
		assert_int_equal(answer.verdict, identity_fold(heard, asked));
		for (size_t i = 0; i < LAYERS; i++)
			assert_int_equal(parrots[i].asked, i < asked ? 1 : 0);
	}
}

static void verifier_comes_from_the_layer_that_won(void **state)
{
	struct parrot parrots[] = { { IDENTITY_UNAVAIL, 0 }, { IDENTITY_NOTFOUND, 0 } };
	const struct identity_layer stack[] = { { &parrot, &parrots[0] },
						{ &parrot, &parrots[1] } };
	struct identity_answer answer;

	(void)state;
	identity_ask_verifier(stack, 2, "billing.1", &answer);
	assert_int_equal(answer.verdict, IDENTITY_UNAVAIL);
	assert_int_equal(answer.verifier[0], 'a' + IDENTITY_UNAVAIL);
}

static void verdict_words_can_be_read_back(void **state)
{
	enum identity_verdict v = IDENTITY_REJECT;

	(void)state;
	for (unsigned i = 0; i < IDENTITY_VERDICT_MAX_; i++) {
		const char *word = identity_verdict_word((enum identity_verdict)i);

		assert_int_equal(identity_verdict_parse(word, &v), 0);
		assert_int_equal(v, i);
	}
	assert_int_equal(identity_verdict_parse("OK", &v), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_takes_the_weightiest_of_every_combination),
		cmocka_unit_test(nobody_asked_is_unavailable),
		cmocka_unit_test(stack_stops_at_the_first_that_knows),
		cmocka_unit_test(verifier_comes_from_the_layer_that_won),
		cmocka_unit_test(verdict_words_can_be_read_back),
	};

	return cmocka_run_group_tests_name("modules", tests, NULL, NULL);
}
