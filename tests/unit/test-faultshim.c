/* SPDX-License-Identifier: BSD-2-Clause */
/* The disk that fails on demand does so, and only then: what the fault tests stand on. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/unit/faultshim.h"

static int setup(void **state)
{
	int r = fixture_setup(state);

	if (r == 0)
		fault_below(((struct fixture *)*state)->dir);
	return r;
}

static int teardown(void **state)
{
	fault_record(NULL, NULL);
	fault_disarm();
	return fixture_teardown(state);
}

static int make_file(const struct fixture *f, const char *name)
{
	char path[PATH_MAX];
	int fd;

	fixture_path(f, name, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void the_nth_call_fails_and_no_other(void **state)
{
	int fd = make_file(*state, "a");

	fault_arm(FAULT_ENOSPC, FAULT_WRITE, 2);
	assert_int_equal(write(fd, "abcd", 4), 4);
	errno = 0;
	assert_int_equal(pwrite(fd, "abcd", 4, 4), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(pwrite(fd, "abcd", 4, 4), 4);
	assert_int_equal(fault_last()->seen, 3);
	assert_int_equal(fault_last()->hits, 1);
	assert_string_equal(fault_last()->what, "pwrite a");
	assert_int_equal(size_of(fd), 8);
	(void)close(fd);
}

static void a_disk_that_is_gone_stays_so(void **state)
{
	int fd = make_file(*state, "a");

	fault_arm_lasting(FAULT_EIO, FAULT_WRITE | FAULT_SYNC, 2, UINT64_MAX);
	assert_int_equal(write(fd, "abcd", 4), 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fdatasync(fd), -1);
	assert_int_equal(write(fd, "abcd", 4), -1);
	fault_disarm();
	assert_int_equal(write(fd, "abcd", 4), 4);
	(void)close(fd);
}

static void a_short_write_is_half(void **state)
{
	char text[] = "abcdefgh";
	struct iovec iov[] = { { text, 3 }, { text + 3, 5 } };
	int fd = make_file(*state, "a");

	fault_arm(FAULT_SHORT, FAULT_WRITE, 1);
	assert_int_equal(writev(fd, iov, 2), 4);
	assert_int_equal(size_of(fd), 4);
	fault_arm(FAULT_SHORT_ENOSPC, FAULT_WRITE, 1);
	assert_int_equal(write(fd, text, 8), 4);
	assert_int_equal(write(fd, text, 8), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(write(fd, text, 8), 8);
	(void)close(fd);
}

static void other_directories_are_let_alone(void **state)
{
	struct fixture *f = *state;
	char below[PATH_MAX];
	int fd;

	fixture_shell(f, "mkdir watched watched2");
	fixture_path(f, "watched", below);
	fault_below(below);
	fault_arm(FAULT_EIO, FAULT_ALL, 1);
	fd = make_file(f, "watched2/a");
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(fsync(fd), 0);
	(void)close(fd);
	assert_int_equal(fault_last()->seen, 0);
	fixture_path(f, "watched/a", below);
	assert_int_equal(open(below, O_RDWR | O_CREAT | O_CLOEXEC, 0600), -1);
	assert_int_equal(errno, EIO);
}

static void names_are_watched_from_a_directory_as_well(void **state)
{
	struct fixture *f = *state;
	int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir >= 0);
	fault_arm(FAULT_EROFS, FAULT_CHANGES & ~(unsigned)FAULT_OPEN, 1);
	assert_int_equal(mkdirat(dir, "d", 0700), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	fault_arm(FAULT_EIO, FAULT_RENAME, 1);
	assert_int_equal(renameat(dir, "d", dir, "e"), -1);
	assert_string_equal(fault_last()->what, "rename e");
	assert_int_equal(renameat(dir, "d", dir, "e"), 0);
	fault_arm(FAULT_EIO, FAULT_UNLINK, 1);
	assert_int_equal(unlinkat(dir, "e", AT_REMOVEDIR), -1);
	assert_int_equal(unlinkat(dir, "e", AT_REMOVEDIR), 0);
	fault_arm(FAULT_EIO, FAULT_SYNC, 1);
	assert_int_equal(fsync(dir), -1);
	(void)close(dir);
}

static void a_kill_strikes_where_it_was_told(void **state)
{
	static const struct {
		enum fault_kind kind;
		off_t size;
	} kills[] = { { FAULT_KILL_BEFORE, 4 },
		      { FAULT_KILL_MIDDLE, 6 },
		      { FAULT_KILL_AFTER, 8 } };

	for (size_t i = 0; i < ARRAY_SIZE(kills); i++) {
		int fd = make_file(*state, "a");
		int status;
		pid_t pid;

		assert_int_equal(ftruncate(fd, 0), 0);
		fault_arm(kills[i].kind, FAULT_WRITE, 2);
		pid = fork();
		if (pid == 0) {
			for (int n = 0; n < 9; n++)
				if (write(fd, "abcd", 4) != 4)
					_exit(1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(size_of(fd), kills[i].size);
		assert_string_equal(fault_last()->what, "write a"); /* told by the dead */
		fault_disarm();
		(void)close(fd);
	}
}

/* LMDB is a shared library: what it calls must be ours too, or nothing is proven by it. */
static void the_calls_of_lmdb_are_seen(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	bool has_pages = false;
	bool has_sync = false;

	for (uint64_t n = 1; n < 16; n++) {
		fault_arm(FAULT_NONE, FAULT_CHANGES, n);
		fixture_put(ks, "svc", KEYSTORE_AUTH, "body");
		has_pages |= strcmp(fault_last()->what, "pwrite store/data.mdb") == 0 ||
			     strcmp(fault_last()->what, "writev store/data.mdb") == 0;
		has_sync |= strcmp(fault_last()->what, "fdatasync store/data.mdb") == 0;
	}
	assert_true(has_pages);
	assert_true(has_sync);
}

struct seen {
	unsigned counts[FAULT_EVENT_MKDIR + 1];
	uint64_t bytes;
};

static void note(void *context, const struct fault_event *e)
{
	struct seen *s = context;

	s->counts[e->type]++;
	s->bytes += e->type == FAULT_EVENT_DATA ? e->len : 0;
}

static void a_recorder_hears_of_every_change(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	char from[PATH_MAX];
	char to[PATH_MAX];
	int fd;

	fixture_path(f, "a", from);
	fixture_path(f, "b", to);
	fault_record(note, &s);
	fd = make_file(f, "a");
	assert_int_equal(write(fd, "abcd", 4), 4);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(ftruncate(fd, 2), 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(mkdir(to, 0700), 0);
	(void)close(fd);
	for (int type = 0; type <= FAULT_EVENT_MKDIR; type++)
		assert_int_equal(s.counts[type], 1);
	assert_int_equal(s.bytes, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_nth_call_fails_and_no_other),
		TEST(a_disk_that_is_gone_stays_so),
		TEST(a_short_write_is_half),
		TEST(other_directories_are_let_alone),
		TEST(names_are_watched_from_a_directory_as_well),
		TEST(a_kill_strikes_where_it_was_told),
		TEST(the_calls_of_lmdb_are_seen),
		TEST(a_recorder_hears_of_every_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
