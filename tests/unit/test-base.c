/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/report.h"
#include "base/secret.h"
#include "base/socket.h"
#include "base/suggest.h"
#include "base/text.h"

#define DAY (UINT64_C(24) * 3600 * USEC_PER_SEC)

static void buf_failure_is_sticky_and_told_once(void **state)
{
	cleanup_buf struct buf b = BUF_INIT_MAX(4);

	(void)state;
	buf_append(&b, "abc", 3);
	buf_append(&b, "de", 2);
	buf_append(&b, "f", 1);
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_int_equal(b.len, 3);
	buf_clear(&b);
	buf_append(&b, "abcd", 4);
	assert_int_equal(buf_error(&b), 0);
	assert_string_equal(buf_string(&b), "abcd");
}

static void buf_consume_moves_the_rest_to_the_front(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	buf_printf(&b, "%s-%d", "abc", 42);
	buf_consume(&b, 4);
	assert_string_equal(buf_string(&b), "42");
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
}

static void span_reads_what_systemd_reads(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} good[] = {
		{ "48h", 2 * DAY },
		{ "14d", 14 * DAY },
		{ "1h 30min", 5400 * USEC_PER_SEC },
		{ "1h30min", 5400 * USEC_PER_SEC },
		{ "90", 90 * USEC_PER_SEC },
		{ "500ms", 500 * USEC_PER_MSEC },
		{ "1 month", UINT64_C(2629800) * USEC_PER_SEC },
		{ " 2 weeks ", 14 * DAY },
		{ "0", 0 },
	};
	static const char *const bad[] = { "",	   " ",	   "h",	   "1x", "-1d",
					   "1.5h", "1d x", "0x10", "1dd" };
	uint64_t usec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_to_span(good[i].text, &usec), 0);
		assert_true(usec == good[i].usec);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_to_span(bad[i], &usec), -EINVAL);
	assert_int_equal(text_to_span("99999999999999999999", &usec), -ERANGE);
	assert_int_equal(text_to_span("999999999 years", &usec), -ERANGE);
}

static void span_round_trips_through_text(void **state)
{
	static const uint64_t spans[] = { 0,
					  1,
					  999,
					  USEC_PER_SEC,
					  90 * USEC_PER_SEC,
					  14 * DAY + 5 * USEC_PER_SEC,
					  UINT64_MAX - 1 };
	char text[SPAN_TEXT_SIZE];
	uint64_t usec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		text_from_span(spans[i], text);
		assert_int_equal(text_to_span(text, &usec), 0);
		assert_true(usec == spans[i]);
	}
}

static void numbers_refuse_signs_blanks_and_overflow(void **state)
{
	static const char *const bad[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1e3" };
	uint32_t v;

	(void)state;
	assert_int_equal(text_to_u32("4294967295", &v), 0);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(text_to_u32("4294967296", &v), -ERANGE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_to_u32(bad[i], &v), -EINVAL);
}

static void names_follow_their_rules(void **state)
{
	(void)state;
	assert_true(text_is_service_id("billing"));
	assert_true(text_is_service_id("a"));
	assert_true(text_is_service_id("0123456789012345678901234567890123456789"));
	assert_false(text_is_service_id("01234567890123456789012345678901234567890"));
	assert_false(text_is_service_id(""));
	assert_false(text_is_service_id("-a"));
	assert_false(text_is_service_id("a-"));
	assert_false(text_is_service_id("Billing"));
	assert_false(text_is_service_id("a.b"));
	assert_true(text_is_domain("example.com"));
	assert_false(text_is_domain("example"));
	assert_false(text_is_domain("example.com."));
	assert_false(text_is_domain("exa_mple.com"));
	assert_false(text_is_domain("Example.com"));
	assert_false(text_is_domain(".example.com"));
	assert_false(text_is_domain("a..b"));
}

static void login_splits_into_service_and_version(void **state)
{
	static const char *const bad[] = {
		"billing.",  "billing.07",  "billing.0",	  "billing.x", ".7",
		"Billing.7", "billing.7.1", "billing.4294967296", ""
	};
	char service[SERVICE_ID_MAX + 1];
	uint32_t version;

	(void)state;
	assert_int_equal(text_to_login("billing.7", service, &version), 0);
	assert_string_equal(service, "billing");
	assert_int_equal(version, 7);
	assert_int_equal(text_to_login("billing", service, &version), 0);
	assert_int_equal(version, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_to_login(bad[i], service, &version), -EINVAL);
}

static void plain_text_has_no_controls_and_is_utf8(void **state)
{
	(void)state;
	assert_true(text_is_plain("caf\xc3\xa9"));
	assert_false(text_is_plain("a\tb"));
	assert_false(text_is_plain("\x7f"));
	assert_false(text_is_plain("\xc2\x85"));	/* C1 control */
	assert_false(text_is_utf8("\xc0\x80"));		/* overlong */
	assert_false(text_is_utf8("\xe0\x80\x80"));	/* overlong */
	assert_false(text_is_utf8("\xed\xa0\x80"));	/* surrogate */
	assert_false(text_is_utf8("\xf4\x90\x80\x80")); /* beyond the last */
	assert_false(text_is_utf8("\xc3"));		/* cut */
}

static void json_escapes_and_separates(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct json j = JSON_INIT(&b);

	(void)state;
	json_put_object(&j, NULL);
	json_put_string(&j, "a", "q\"b\\\n\x7f");
	json_put_array(&j, "list");
	json_put_number(&j, NULL, 1);
	json_put_object(&j, NULL);
	json_put_object_end(&j);
	json_put_array_end(&j);
	json_put_bool(&j, "yes", true);
	json_put_time(&j, "never", USEC_NEVER);
	json_put_time(&j, "then", UINT64_C(1795422600) * USEC_PER_SEC);
	json_put_string(&j, "bad", "x\xff");
	json_put_object_end(&j);
	assert_string_equal(
		buf_string(&b),
		"{\"a\":\"q\\\"b\\\\\\u000a\\u007f\",\"list\":[1,{}],\"yes\":true,"
		"\"never\":null,\"then\":\"2026-11-23T08:30:00Z\",\"bad\":\"x\xef\xbf\xbd\"}");
}

static void report_cannot_drive_a_terminal(void **state)
{
	struct report r;
	char text[256];

	(void)state;
	assert_int_equal(report_set(&r, -EINVAL, "unknown key \"%s\"", "a\033[2J"), -EINVAL);
	report_at(&r, "/etc/rotated/rotated.conf", 3, 7);
	report_format(&r, text, sizeof(text));
	assert_string_equal(text, "/etc/rotated/rotated.conf:3:7: unknown key \"a?[2J\"");
}

static void a_secret_may_take_another_of_no_more_than_its_length(void **state)
{
	cleanup_secret struct secret *s = secret_new("hunter2", 7);

	(void)state;
	assert_int_equal(secret_set(s, "abc", 3), 0);
	assert_int_equal(secret_len(s), 3);
	assert_memory_equal(secret_data(s), "abc\0\0\0\0", 8);
	assert_int_equal(secret_set(s, "1234567", 7), 0);
	assert_string_equal(secret_string(s), "1234567");
	assert_int_equal(secret_set(s, "12345678", 8), -E2BIG);
	assert_string_equal(secret_string(s), "1234567");
	assert_int_equal(secret_set(s, NULL, 0), 0);
	assert_memory_equal(secret_data(s), "\0\0\0\0\0\0\0", 8);
}

static void secrets_compare_and_copy(void **state)
{
	cleanup_secret struct secret *a = secret_new("hunter2", 7);
	cleanup_secret struct secret *b = secret_dup(a);
	cleanup_secret struct secret *c = secret_new("hunter3", 7);
	cleanup_secret struct secret *d = secret_new("hunter", 6);

	(void)state;
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, d));
	assert_string_equal(secret_string(b), "hunter2");
	assert_null(secret_alloc((size_t)SECRET_MAX + 1));
}

static int make_dir(void **state)
{
	char template[] = "/tmp/rotated-test-XXXXXX";
	char *dir = mkdtemp(template);

	*state = dir ? strdup(dir) : NULL;
	return *state ? 0 : -1;
}

static int drop_dir(void **state)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
	free(*state);
	return system(command);
}

static void replace_is_whole_and_has_its_mode(void **state)
{
	char path[128];
	cleanup_buf struct buf b = BUF_INIT;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/file", (char *)*state);
	assert_int_equal(fs_replace(AT_FDCWD, path, "one", 3, 0600), 0);
	assert_int_equal(fs_replace(AT_FDCWD, path, "three", 5, 0600), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fs_read(AT_FDCWD, path, 5, &b), 0);
	assert_string_equal(buf_string(&b), "three");
	assert_int_equal(fs_read(AT_FDCWD, path, 4, &b), -EFBIG);
	assert_int_equal(fs_read(AT_FDCWD, *state, 4, &b), -EISDIR);
	assert_int_equal(fs_replace(AT_FDCWD, *state, "x", 1, 0600), -EISDIR);
	(void)snprintf(path, sizeof(path), "%s.new", (char *)*state);
	assert_int_equal(access(path, F_OK), -1);
}

static void listen_replaces_a_dead_socket_and_not_a_live_one(void **state)
{
	char path[128];
	int first;
	int second;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/sock", (char *)*state);
	first = socket_listen(path, SOCK_SEQPACKET, 0600);
	assert_true(first >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(socket_listen(path, SOCK_SEQPACKET, 0600), -EADDRINUSE);
	close(first);
	second = socket_listen(path, SOCK_SEQPACKET, 0660);
	assert_true(second >= 0);
	close(second);
	assert_int_equal(socket_connect(path, SOCK_SEQPACKET, clock_monotonic() + 1),
			 -ECONNREFUSED);

	/* of another type, but alive: somebody's */
	(void)snprintf(path, sizeof(path), "%s/other", (char *)*state);
	first = socket_listen(path, SOCK_STREAM, 0600);
	assert_true(first >= 0);
	assert_int_equal(socket_listen(path, SOCK_SEQPACKET, 0600), -EADDRINUSE);
	close(first);
}

static void directories_have_their_mode_whatever_the_umask(void **state)
{
	char path[128];
	struct stat st;
	mode_t old = umask(077);

	(void)snprintf(path, sizeof(path), "%s/a", (char *)*state);
	assert_int_equal(fs_make_dirs(path, 0711), 0);
	(void)umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(fs_make_dirs(path, 0711), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* Runs in a process without standard streams; its exit status says what was wrong. */
static int without_streams(void)
{
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		(void)close(fd);
	if (fs_claim_streams() < 0)
		return 1;
	if (write(STDERR_FILENO, "x", 1) >= 0 || read(STDIN_FILENO, &fd, 1) >= 0)
		return 2;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) > STDERR_FILENO ? 0 : 3;
}

static void what_is_opened_later_never_stands_for_a_closed_stream(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(without_streams());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_typing_mistake_finds_the_name_that_was_meant(void **state)
{
	static const char *const names[] = { "issue", "list", "rotate", "revoke" };

	(void)state;
	assert_int_equal(suggest_distance("rotate", "rotate"), 0);
	assert_int_equal(suggest_distance("rotaet", "rotate"), 1);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_string_equal(suggest_nearest("rotaet", names, ARRAY_SIZE(names)), "rotate");
	assert_string_equal(suggest_nearest("revok", names, ARRAY_SIZE(names)), "revoke");
	assert_string_equal(suggest_nearest("lst", names, ARRAY_SIZE(names)), "list");
	assert_null(suggest_nearest("destroy", names, ARRAY_SIZE(names)));
	assert_null(suggest_nearest("", names, ARRAY_SIZE(names)));
}

/* Asking is a system call, which no login has to pay. */
static void only_who_asks_hears_if_the_clock_is_synchronised(void **state)
{
	const struct clock clocks[] = { clock_real(), clock_real_with_sync() };
	struct moment plain = clock_now(&clocks[0]), asked = clock_now(&clocks[1]);
	struct timex t = { .modes = 0 };
	bool is_synced = adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC);

	(void)state;
	assert_false(plain.is_synced);
	assert_int_equal(asked.is_synced, is_synced);
	assert_memory_equal(asked.boot_id, plain.boot_id, BOOT_ID_LEN);
}

static void dates_are_read_as_they_are_written(void **state)
{
	static const char *const bad[] = { "",
					   "2026",
					   "2026-1-2",
					   "2026-02-29",
					   "2026-13-01",
					   "2026-11-23T24:00:00Z",
					   "2026-11-23T08:30:00",
					   "2026-11-23 08:30:00Z",
					   "2026-11-23T08:30:00Z ",
					   " 026-11-23",
					   "1969-12-31",
					   "10000-01-01",
					   "tomorrow!!" };
	uint64_t wall;

	(void)state;
	assert_int_equal(clock_parse("2028-02-29", &wall), 0);
	assert_true(wall == UINT64_C(1835395200) * USEC_PER_SEC);
	assert_int_equal(clock_parse("2026-11-23T08:30:00Z", &wall), 0);
	assert_true(wall == UINT64_C(1795422600) * USEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (clock_parse(bad[i], &wall) != -EINVAL)
			fail_msg("\"%s\" is taken for a date", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_failure_is_sticky_and_told_once),
		cmocka_unit_test(buf_consume_moves_the_rest_to_the_front),
		cmocka_unit_test(span_reads_what_systemd_reads),
		cmocka_unit_test(span_round_trips_through_text),
		cmocka_unit_test(numbers_refuse_signs_blanks_and_overflow),
		cmocka_unit_test(names_follow_their_rules),
		cmocka_unit_test(login_splits_into_service_and_version),
		cmocka_unit_test(plain_text_has_no_controls_and_is_utf8),
		cmocka_unit_test(json_escapes_and_separates),
		cmocka_unit_test(report_cannot_drive_a_terminal),
		cmocka_unit_test(secrets_compare_and_copy),
		cmocka_unit_test(a_secret_may_take_another_of_no_more_than_its_length),
		cmocka_unit_test(a_typing_mistake_finds_the_name_that_was_meant),
		cmocka_unit_test(what_is_opened_later_never_stands_for_a_closed_stream),
		cmocka_unit_test_setup_teardown(replace_is_whole_and_has_its_mode, make_dir,
						drop_dir),
		cmocka_unit_test_setup_teardown(
			listen_replaces_a_dead_socket_and_not_a_live_one, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(directories_have_their_mode_whatever_the_umask,
						make_dir, drop_dir),
		cmocka_unit_test(only_who_asks_hears_if_the_clock_is_synchronised),
		cmocka_unit_test(dates_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
