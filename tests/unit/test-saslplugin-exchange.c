/* SPDX-License-Identifier: BSD-2-Clause */
/* Several threads of one program ask the door at the same time. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/socket.h"
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

/* ---- a door that has gone bad ---- */

static void build_refusal(struct buf *b)
{
	wire_begin_reply(b, WIRE_STATUS_OK);
	frame_put_text(b, "verdict", "reject");
	assert_int_equal(frame_end(b), 0);
}

/* The Nth way to damage a refusal: any byte any other, then any length short of the whole, then
 * one that is more than a frame may have. False when there are no more. */
static bool damage(struct buf *b, size_t n)
{
	static const uint8_t zeros[FRAME_MAX + 1];
	size_t whole;

	build_refusal(b);
	whole = b->len;
	if (n < whole * UINT8_MAX) {
		b->data[n / UINT8_MAX] ^= (uint8_t)(1 + n % UINT8_MAX);
	} else if (n < whole * UINT8_MAX + whole - 1) {
		b->len = 1 + n - whole * UINT8_MAX;
	} else {
		b->max = sizeof(zeros) + whole;
		buf_append(b, zeros, sizeof(zeros));
	}
	return n < whole * UINT8_MAX + whole;
}

/* Answers the Nth question with the Nth damage, on whatever connection it comes. */
static pid_t start_bad_door(const char *path)
{
	int listener = socket_listen(path, SOCK_SEQPACKET, 0600);
	size_t n = 0;
	pid_t pid;

	assert_true(listener >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(listener);
		return pid;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (socket_wait(listener, POLLIN, USEC_NEVER) == 0) {
		cleanup_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		uint8_t question[1024];

		while (recv(fd, question, sizeof(question), 0) > 0) {
			cleanup_buf struct buf b = BUF_INIT;

			(void)damage(&b, n++);
			(void)send(fd, b.data, b.len, MSG_NOSIGNAL);
		}
	}
	_exit(0);
}

static void no_damaged_refusal_lets_anybody_in(void **state)
{
	struct options options = { .socket = "/tmp/rotated-test-bad-XXXXXX",
				   .timeout = 30 * USEC_PER_SEC };
	const struct exchange_question q = { .verb = WIRE_AUTH_PASSWORD,
					     .login = "user",
					     .mechanism = "PLAIN",
					     .password = "x",
					     .password_len = 1 };
	cleanup_buf struct buf b = BUF_INIT;
	struct exchange *x;
	size_t n = 0;
	int status;
	pid_t pid;

	(void)state;
	assert_true(mkstemp(options.socket) >= 0);
	assert_int_equal(unlink(options.socket), 0);
	pid = start_bad_door(options.socket);
	x = exchange_new(&options);
	assert_non_null(x);
	for (; damage(&b, n); n++) {
		struct exchange_answer answer = { .accepted = false };
		int r = exchange_ask(x, &q, &answer);

		assert_false(answer.accepted);
		assert_true(r == 0 || r == -EBADMSG || r == -EPROTO || r == -EAGAIN ||
			    r == -ENOENT);
	}
	assert_true(n > 10000);
	exchange_free(x);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(unlink(options.socket), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_get_their_own_answers),
		cmocka_unit_test(a_path_that_cannot_be_is_a_temporary_failure),
		cmocka_unit_test(no_damaged_refusal_lets_anybody_in),
	};

	return cmocka_run_group_tests_name("saslplugin-exchange", tests, NULL, NULL);
}
