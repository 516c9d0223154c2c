/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit log on a disk that fails, and under kills: a line that was refused leaves the log
 * as it was and the next one fits; whoever comes after a kill goes on without an alarm, whether
 * the line of the dead (an intent without its change, a change without its outcome) is there or
 * not.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "rotated/vault/audit.h"
#include "tests/unit/faultshim.h"

enum { LINES = 3 };

struct bench {
	char root[64];
	char dir[80];
	struct keystore_audit first;
	struct keystore_audit end; /* what the keystore would remember */
	size_t segment_max;
	struct audit *audit;
	bool is_durable;
};

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0); /* "." and ".." stay */
	(void)closedir(d);
	assert_int_equal(rmdir(dir), 0);
}

static struct bench bench_new(size_t segment_max, bool is_durable)
{
	struct bench b = {
		.root = "/tmp/test-audit-faults.XXXXXX",
		.segment_max = segment_max,
		.is_durable = is_durable,
	};

	if (access("/dev/shm", W_OK) == 0)
		(void)snprintf(b.root, sizeof(b.root), "/dev/shm/test-audit-faults.XXXXXX");
	assert_non_null(mkdtemp(b.root));
	(void)snprintf(b.dir, sizeof(b.dir), "%s/log", b.root);
	memset(b.first.key, 7, sizeof(b.first.key));
	fault_below(b.root);
	return b;
}

static void bench_release(struct bench *b)
{
	fault_disarm();
	audit_close(steal_ptr(b->audit));
	empty(b->dir);
	assert_int_equal(rmdir(b->root), 0);
}

static int append(struct bench *b, struct report *report)
{
	const struct audit_event e = {
		.wall = UINT64_C(1795424400123456),
		.event = "credential.issue",
		.actor = "uid 0 pid 1",
		.object = "billing",
		.outcome = "intent",
		.request = "0123456789abcdef",
	};

	return audit_append(b->audit, &e, b->is_durable, report);
}

static int open_log(struct bench *b, struct report *report)
{
	return audit_open(b->dir, &b->end, b->segment_max, &b->audit, report);
}

/* A log of a few lines, closed; the keystore knows its end. */
static void begin(struct bench *b)
{
	fault_disarm();
	audit_close(steal_ptr(b->audit));
	empty(b->dir);
	b->end = b->first;
	assert_int_equal(open_log(b, NULL), 0);
	for (int i = 0; i < LINES; i++)
		assert_int_equal(append(b, NULL), 0);
	audit_end(b->audit, &b->end);
	audit_close(steal_ptr(b->audit));
}

static void complain(const char *what)
{
	print_error("%s at call %llu (%s): %s\n", fault_kind_name(fault_last()->kind),
		    (unsigned long long)fault_last()->nth, fault_last()->what, what);
	fail();
}

static void check_log(struct bench *b, uint64_t least, uint64_t most)
{
	struct keystore_audit end;
	struct audit_verdict v;

	audit_end(b->audit, &end);
	assert_int_equal(audit_verify(b->dir, &end, b->first.key, &v), 0);
	if (v.state != AUDIT_OK)
		complain(audit_state_word(v.state));
	if (v.last < least || v.last > most)
		complain("lines are missing, or too many");
	if (audit_alarm(b->audit))
		complain(audit_alarm(b->audit));
}

static void check_text(const struct bench *b, const struct report *report)
{
	(void)b;
	if (!strstr(report->what, "audit log") || !strchr(report->what, ':'))
		complain("the text does not tell enough");
}

/* One fault in an append: false when it came to its end before. */
static bool try_append(struct bench *b, enum fault_kind kind, uint64_t nth, uint64_t lasting)
{
	struct keystore_audit before;
	struct keystore_audit after;
	struct report report = { 0 };
	int r;

	begin(b);
	assert_int_equal(open_log(b, NULL), 0);
	audit_end(b->audit, &before);
	fault_arm_lasting(kind, FAULT_ALL, nth, lasting);
	r = append(b, &report);
	audit_end(b->audit, &after);
	if (r < 0) {
		check_text(b, &report);
		if (memcmp(&before, &after, sizeof(before)) != 0)
			complain("the end has moved");
		if (lasting > 1 && append(b, NULL) >= 0)
			complain("a disk that is gone takes lines");
	}
	fault_disarm();
	if (fault_last()->hits == 0)
		return false;
	/* the same handle goes on */
	if (append(b, NULL) < 0)
		complain("no more lines are taken");
	check_log(b, LINES + 1U, LINES + 2U);
	/* and so does who knows only the keystore's end */
	audit_close(steal_ptr(b->audit));
	assert_int_equal(open_log(b, NULL), 0);
	assert_int_equal(append(b, NULL), 0);
	check_log(b, LINES + 2U, LINES + 3U);
	return true;
}

/* The process is gone after the failure: what it could not cut off stays. */
static void try_end(struct bench *b, enum fault_kind kind, uint64_t nth)
{
	begin(b);
	assert_int_equal(open_log(b, NULL), 0);
	fault_arm_lasting(kind, FAULT_CHANGES, nth, UINT64_MAX);
	(void)append(b, NULL);
	fault_disarm();
	audit_close(steal_ptr(b->audit));
	assert_int_equal(open_log(b, NULL), 0);
	assert_int_equal(append(b, NULL), 0);
	check_log(b, LINES + 1U, LINES + 2U);
}

static const enum fault_kind errors[] = { FAULT_EIO,	 FAULT_ENOSPC, FAULT_EROFS,
					  FAULT_EINTR,	 FAULT_SHORT,  FAULT_SHORT_ENOSPC,
					  FAULT_EIO_LATE };

static void fail_appends(size_t segment_max, bool is_durable)
{
	struct bench b = bench_new(segment_max, is_durable);
	unsigned faults = 0;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		for (uint64_t nth = 1; try_append(&b, errors[i], nth, 1); nth++)
			faults++;
		/* FAULT_EINTR for ever would be no failure but a hang */
		for (uint64_t nth = 1; errors[i] != FAULT_EINTR && errors[i] != FAULT_SHORT &&
				       try_append(&b, errors[i], nth, UINT64_MAX);
		     nth++) {
			try_end(&b, errors[i], nth);
			faults++;
		}
	}
	assert_true(faults > 4);
	print_message("# %u faults\n", faults);
	bench_release(&b);
}

static void a_refused_line_leaves_the_log_as_it_was(void **state)
{
	(void)state;
	fail_appends(AUDIT_SEGMENT_MAX, true);
	fail_appends(AUDIT_SEGMENT_MAX, false);
}

static void so_does_one_that_begins_a_segment(void **state)
{
	(void)state;
	fail_appends(1, true);
}

static void a_log_that_cannot_be_opened_can_be_later(void **state)
{
	struct bench b = bench_new(AUDIT_SEGMENT_MAX, true);
	unsigned faults = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		for (uint64_t nth = 1;; nth++) {
			struct report report = { 0 };
			int r;

			begin(&b);
			fault_arm(errors[i], FAULT_ALL, nth);
			r = open_log(&b, &report);
			fault_disarm();
			if (r < 0)
				check_text(&b, &report);
			else
				audit_close(steal_ptr(b.audit));
			if (fault_last()->hits == 0)
				break;
			faults++;
			assert_int_equal(open_log(&b, NULL), 0);
			assert_int_equal(append(&b, NULL), 0);
			check_log(&b, LINES + 1, LINES + 1);
		}
	}
	assert_true(faults > 0);
	bench_release(&b);
}

/* True when the child died of it. */
static bool append_in_child(struct bench *b, enum fault_kind kind, uint64_t nth)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (open_log(b, NULL) < 0)
			_exit(2);
		fault_arm(kind, FAULT_CHANGES, nth);
		_exit(append(b, NULL) < 0 ? 1 : 0);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	fault_disarm();
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void kill_appends(size_t segment_max)
{
	static const enum fault_kind kinds[] = { FAULT_KILL_BEFORE, FAULT_KILL_MIDDLE,
						 FAULT_KILL_AFTER };
	struct bench b = bench_new(segment_max, true);
	unsigned kills = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (uint64_t nth = 1;; nth++) {
			begin(&b);
			if (!append_in_child(&b, kinds[i], nth))
				break;
			kills++;
			assert_int_equal(open_log(&b, NULL), 0);
			assert_int_equal(append(&b, NULL), 0);
			check_log(&b, LINES + 1, LINES + 2);
		}
	}
	assert_true(kills >= 5);
	bench_release(&b);
}

static void a_kill_leaves_a_whole_line_or_none(void **state)
{
	(void)state;
	kill_appends(AUDIT_SEGMENT_MAX);
	kill_appends(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_line_leaves_the_log_as_it_was),
		cmocka_unit_test(so_does_one_that_begins_a_segment),
		cmocka_unit_test(a_log_that_cannot_be_opened_can_be_later),
		cmocka_unit_test(a_kill_leaves_a_whole_line_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
