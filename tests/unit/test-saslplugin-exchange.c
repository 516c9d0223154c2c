/* SPDX-License-Identifier: BSD-2-Clause */
/* Several threads of one program ask the door at the same time. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "saslplugin/exchange.h"
#include "tests/unit/fakedoor.h"

enum { THREADS = 4, QUESTIONS = 100 };

struct asker {
	struct exchange *x;
	const char *password;
	bool is_right;
	unsigned wrong; /* answers that are not this asker's */
	unsigned failed;
};

static void *run(void *context)
{
	struct asker *a = context;

	for (int i = 0; i < QUESTIONS; i++) {
		const struct exchange_question q = {
			.verb = WIRE_AUTH_PASSWORD,
			.login = "user",
			.mechanism = "PLAIN",
			.password = a->password,
			.password_len = strlen(a->password),
		};
		struct exchange_answer answer;

		if (exchange_ask(a->x, &q, &answer) < 0)
			a->failed++;
		else if (answer.accepted != a->is_right)
			a->wrong++;
	}
	return NULL;
}

static void threads_get_their_own_answers(void **state)
{
	struct options options = { .timeout = 30 * USEC_PER_SEC };
	struct asker askers[THREADS];
	pthread_t threads[THREADS];
	struct fakedoor door;
	struct exchange *x;

	(void)state;
	fakedoor_new(&door);
	fakedoor_start(&door);
	(void)snprintf(options.socket, sizeof(options.socket), "%s", door.path);
	x = exchange_new(&options);
	assert_non_null(x);
	for (int i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){ x, i % 2 ? "pencil" : "wrong", i % 2 == 1, 0, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, run, &askers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(askers[i].failed, 0);
		assert_int_equal(askers[i].wrong, 0);
	}
	assert_int_equal(door.seen->requests, THREADS * QUESTIONS);
	exchange_free(x);
	fakedoor_free(&door);
}

static void a_path_that_cannot_be_is_a_temporary_failure(void **state)
{
	const struct options options = { .timeout = USEC_PER_SEC };
	const struct exchange_question q = { .verb = WIRE_AUTH_VERIFIER,
					     .login = "user",
					     .mechanism = "SCRAM-SHA-256" };
	struct exchange *x = exchange_new(&options);
	struct exchange_answer answer;

	(void)state;
	assert_non_null(x);
	assert_int_equal(exchange_ask(x, &q, &answer), -EINVAL);
	exchange_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_get_their_own_answers),
		cmocka_unit_test(a_path_that_cannot_be_is_a_temporary_failure),
	};

	return cmocka_run_group_tests_name("saslplugin-exchange", tests, NULL, NULL);
}
