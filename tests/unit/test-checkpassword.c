/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "checkpassword/ask.h"
#include "tests/unit/fakedoor.h"

#define PARSE(literal, ret) credentials_parse(literal, sizeof(literal) - 1, ret)

static struct fakedoor door;

static int setup(void **state)
{
	*state = &door;
	fakedoor_new(&door);
	fakedoor_start(&door);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fakedoor_free(&door);
	return 0;
}

static void login_and_password_are_taken_apart(void **state)
{
	struct credentials c;

	(void)state;
	assert_int_equal(PARSE("billing.7\0pencil\0Y123\0", &c), 0);
	assert_string_equal(c.login, "billing.7");
	assert_string_equal(c.password, "pencil");
	assert_int_equal(PARSE("a\0b\0\0whatever follows", &c), 0);
	assert_string_equal(c.password, "b");
	assert_int_equal(PARSE("\0\0\0", &c), 0);
	assert_string_equal(c.login, "");
}

static void what_does_not_end_is_refused(void **state)
{
	struct credentials c = { .login = "x" };

	(void)state;
	assert_int_equal(PARSE("", &c), -EBADMSG);
	assert_int_equal(PARSE("billing.7", &c), -EBADMSG);
	assert_int_equal(PARSE("billing.7\0", &c), -EBADMSG);
	assert_int_equal(PARSE("billing.7\0pencil", &c), -EBADMSG);
	assert_int_equal(PARSE("billing.7\0pencil\0", &c), -EBADMSG);
	assert_int_equal(PARSE("billing.7\0pencil\0Y123", &c), -EBADMSG);
	assert_string_equal(c.login, "x");
}

static void no_more_than_512_bytes_are_taken(void **state)
{
	char data[CREDENTIALS_MAX + 1] = "a";
	struct credentials c;

	(void)state;
	memset(data + 2, 'b', CREDENTIALS_MAX - 4);
	assert_int_equal(credentials_parse(data, CREDENTIALS_MAX, &c), 0);
	assert_int_equal(strlen(c.password), CREDENTIALS_MAX - 4);
	assert_int_equal(credentials_parse(data, CREDENTIALS_MAX + 1, &c), -E2BIG);
}

static int ask(const char *login, const char *password, struct report *report)
{
	const struct credentials c = { login, password };
	const struct question q = { .socket = door.path,
				    .credentials = &c,
				    .address = "192.0.2.7;4711",
				    .deadline = clock_monotonic() + USEC_PER_SEC };
	char service[SERVICE_ID_MAX + 1] = "";
	int r = ask_door(&q, service, report);

	assert_string_equal(service, r > 0 ? login : "");
	return r;
}

static void the_door_decides(void **state)
{
	struct report report;

	(void)state;
	assert_int_equal(ask("user", "pencil", &report), 1);
	assert_string_equal(door.seen->mechanism, "checkpassword");
	assert_string_equal(door.seen->address, "192.0.2.7;4711");
	assert_int_equal(ask("user", "pencils", &report), 0);
	assert_int_equal(ask("nobody", "pencil", &report), 0);
}

static void trouble_is_never_a_verdict(void **state)
{
	struct report report;

	(void)state;
	assert_int_equal(ask("busy", "pencil", &report), -EAGAIN);
	assert_non_null(strstr(report.hint, "rotatectl status"));
	assert_int_equal(ask("broken", "pencil", &report), -EBADMSG);
	fakedoor_pause(&door);
	assert_int_equal(ask("user", "pencil", &report), -ETIMEDOUT);
	fakedoor_resume(&door);
	fakedoor_stop(&door);
	assert_int_equal(ask("user", "pencil", &report), -ECONNREFUSED);
	assert_non_null(strstr(report.hint, "systemctl start rotated-auth"));
}

/* The exit status of the program with DATA at descriptor 3; -1: descriptor 3 is closed. */
static int run(const char *data, ssize_t len, const char *program, const char *argument)
{
	const char *build = getenv("TOP_BUILDDIR");
	char path[512];
	int ends[2], status;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/rotated-checkpassword", build ? build : ".");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (len > 0)
		assert_int_equal(write(ends[1], data, (size_t)len), len);
	(void)close(ends[1]);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (len < 0)
			(void)close(3);
		else if (ends[0] == 3)
			(void)fcntl(3, F_SETFD, 0);
		else
			(void)dup2(ends[0], 3);
		(void)execl(path, path, "--socket", door.path, program, "-c", argument, NULL);
		_exit(99);
	}
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(literal, program, argument) run(literal, sizeof(literal) - 1, program, argument)

static void the_program_runs_only_when_the_password_is_right(void **state)
{
	static const char says[] = "[ \"$USER\" = user ] && exit 42";

	(void)state;
	assert_int_equal(RUN("user\0pencil\0\0", "sh", says), 42);
	assert_int_equal(RUN("user\0pencils\0\0", "sh", "exit 42"), 1);
	assert_int_equal(RUN("nobody\0pencil\0\0", "sh", "exit 42"), 1);
	assert_int_equal(RUN("busy\0pencil\0\0", "sh", "exit 42"), 111);
	assert_int_equal(RUN("user\0pencil\0\0", "/there/is/none", ""), 111);
	fakedoor_stop(&door);
	assert_int_equal(RUN("user\0pencil\0\0", "sh", "exit 42"), 111);
}

static void misuse_has_its_own_status(void **state)
{
	(void)state;
	assert_int_equal(RUN("user\0pencil\0", "sh", "exit 42"), 2);
	assert_int_equal(RUN("", "sh", "exit 42"), 2);
	assert_int_equal(run(NULL, -1, "sh", "exit 42"), 2);
	assert_int_equal(RUN("user\0pencil\0\0", "--unknown", "exit 42"), 2);
}

static void too_long_a_password_is_refused(void **state)
{
	char data[600] = "user";

	(void)state;
	memset(data + 5, 'x', sizeof(data) - 7);
	assert_int_equal(run(data, sizeof(data), "sh", "exit 42"), 1);
}

static void the_program_does_not_see_descriptor_3(void **state)
{
	(void)state;
	assert_int_equal(RUN("user\0pencil\0\0", "sh", "[ ! -e /proc/self/fd/3 ] && exit 42"),
			 42);
}

int main(void)
{
#define DOOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_and_password_are_taken_apart),
		cmocka_unit_test(what_does_not_end_is_refused),
		cmocka_unit_test(no_more_than_512_bytes_are_taken),
		DOOR_TEST(the_door_decides),
		DOOR_TEST(trouble_is_never_a_verdict),
		DOOR_TEST(the_program_runs_only_when_the_password_is_right),
		DOOR_TEST(misuse_has_its_own_status),
		DOOR_TEST(too_long_a_password_is_refused),
		DOOR_TEST(the_program_does_not_see_descriptor_3),
	};

	return cmocka_run_group_tests_name("checkpassword", tests, NULL, NULL);
}
