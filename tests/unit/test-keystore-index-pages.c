/* SPDX-License-Identifier: BSD-2-Clause */
/* Damaged pages in the verifier index: neither the door that reads it nor the vault that writes
 * to it lets LMDB follow them, and no login is refused for them. */
#include "tests/unit/verifier-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "keystore/index.h"

enum {
	PAGE = 4096,
	HEAD = 48, /* of a page: most of what can lead LMDB astray */
	LOGINS = 300,
	READERS = 300,
	BATCH = 100,	    /* damages for one child */
	ANSWER_DAMAGED = 2, /* bits, of what a child has met */
	ANSWER_WELL = 4,
};

struct files {
	struct fixture *f;
	struct verifier_keys *keys;
	struct verifier_entry entry;
	char dir[PATH_MAX];
	struct buf data; /* as it should be */
	int fd;
};

static void name_of(unsigned i, char name[static 16])
{
	(void)snprintf(name, 16, "login%u", i);
}

static struct index_writer *open_writer(const struct files *s)
{
	const struct index_options options = { .keys = s->keys, .group = (gid_t)-1 };
	struct index_writer *w = NULL;
	struct report report = { 0 };

	if (index_writer_open(s->dir, &options, &w, &report) < 0)
		fixture_fail(&report);
	return w;
}

static int build(const struct files *s, struct index_writer *w)
{
	EXPECT(index_rebuild_begin(w, NULL) == 0);
	for (unsigned i = 0; i < LOGINS; i++) {
		char name[16];

		name_of(i, name);
		EXPECT(index_rebuild_put(w, name, &s->entry) == 0);
	}
	EXPECT(index_rebuild_finish(w, 1, NULL) == 0);
	return 0;
}

static int open_files(void **state)
{
	struct files *s = calloc(1, sizeof(*s));
	struct index_writer *w;
	char path[PATH_MAX];

	if (!s || (access("/dev/shm", W_OK) == 0 && setenv("TMPDIR", "/dev/shm", 1) < 0) ||
	    fixture_setup((void **)&s->f) < 0)
		return -1;
	s->keys = make_keys(7);
	s->entry = make_entry(s->keys, "login0", "secret", 3);
	fixture_path(s->f, "index", s->dir);
	w = open_writer(s);
	if (!w || build(s, w) < 0 || build(s, w) < 0) /* the second one frees pages */
		return -1;
	index_writer_close(w);
	fixture_path(s->f, "index/data.mdb", path);
	if (fs_read(AT_FDCWD, path, 16 * 1024 * 1024, &s->data) < 0)
		return -1;
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	*state = s;
	return s->fd < 0 ? -1 : 0;
}

static int close_files(void **state)
{
	struct files *s = *state;

	(void)close(s->fd);
	buf_release(&s->data);
	verifier_keys_free(s->keys);
	if (fixture_teardown((void **)&s->f) < 0)
		return -1;
	free(s);
	return 0;
}

static int restore(const struct files *s)
{
	if (ftruncate(s->fd, (off_t)s->data.len) < 0)
		return -1;
	return pwrite(s->fd, s->data.data, s->data.len, 0) == (ssize_t)s->data.len ? 0 : -1;
}

/* Every login is found, or none is said to be unknown; RET gets bits. */
static int ask_all(const struct files *s, int *ret)
{
	cleanup_index_reader struct index_reader *r = NULL;

	EXPECT(index_reader_new(s->dir, s->keys, &r) == 0);
	for (unsigned i = 0; i < LOGINS; i += 7) {
		struct verifier_entry e;
		char name[16];
		int n;

		name_of(i, name);
		n = index_get(r, name, &e);
		EXPECT(n != -ENOENT && n <= 0);
		EXPECT(n < 0 || e.versions[0].number == 3);
		*ret |= n < 0 ? ANSWER_DAMAGED : ANSWER_WELL;
	}
	return 0;
}

static int invert(const struct files *s, size_t at)
{
	size_t place = at / HEAD * PAGE + at % HEAD;
	uint8_t byte = s->data.data[place] ^ 0xff;

	return pwrite(s->fd, &byte, 1, (off_t)place) == 1 ? 0 : -1;
}

static int read_damaged(const struct files *s, size_t from, size_t to, size_t step)
{
	int met = 0;

	for (unsigned i = 0; i < BATCH && from < to; i++, from += step) {
		EXPECT(restore(s) == 0 && invert(s, from) == 0);
		if (ask_all(s, &met) < 0) {
			print_error("byte %zu of page %zu\n", from % HEAD, from / HEAD);
			return 1;
		}
	}
	return met;
}

static void a_door_survives_each_damaged_page(void **state)
{
	const struct files *s = *state;
	size_t to = s->data.len / PAGE * HEAD;
	size_t step = getenv("ROTATED_LONG") ? 1 : 11;
	int met = 0;

	for (size_t at = 0; at < to; at += BATCH * step) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(read_damaged(s, at, to, step));
		assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) & 1)
			fail_msg("bytes from %zu on: status 0x%x", at, status);
		met |= WEXITSTATUS(status);
	}
	assert_int_equal(met, ANSWER_DAMAGED | ANSWER_WELL);
	assert_int_equal(restore(s), 0);
}

/* Of a table in use: the first leaf, of which a key's length is made too long. */
static size_t find_leaf(const struct files *s)
{
	size_t page = 2;

	while (page < s->data.len / PAGE &&
	       (s->data.data[page * PAGE + 10] != 0x02 || s->data.data[page * PAGE + 12] < 30))
		page++;
	return page * PAGE;
}

static int rebuild_damaged(const struct files *s)
{
	cleanup_index_writer struct index_writer *w = open_writer(s);
	const struct report *damage;
	uint64_t txid;
	int met = 0;

	EXPECT(w);
	damage = index_writer_damage(w);
	EXPECT(damage && strstr(damage->what, "index/data.mdb is damaged: page "));
	EXPECT(index_writer_txid(w, &txid) == -EAGAIN);
	EXPECT(build(s, w) == 0);
	index_writer_close(steal_ptr(w));
	EXPECT(ask_all(s, &met) == 0 && met == ANSWER_WELL);
	return 0;
}

static void a_vault_makes_a_damaged_index_anew(void **state)
{
	struct files *s = *state;
	const uint8_t kind = 0xff;
	char path[PATH_MAX];

	for (size_t page = 0; page < s->data.len / PAGE; page++)
		assert_int_equal(pwrite(s->fd, &kind, 1, (off_t)(page * PAGE + 10)), 1);
	assert_int_equal(rebuild_damaged(s), 0);

	(void)close(s->fd); /* it is another file now */
	fixture_path(s->f, "index/data.mdb", path);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(restore(s), 0);
	assert_int_equal(ftruncate(s->fd, (off_t)find_leaf(s)), 0);
	assert_int_equal(rebuild_damaged(s), 0);
}

/* ---- beside a writer ---- */

static _Noreturn void write_on(const struct files *s, int ready)
{
	struct index_writer *w = open_writer(s);

	if (!w || build(s, w) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (uint64_t i = 2;; i++) {
		char name[16];

		name_of((unsigned)(i % LOGINS), name);
		if (index_put(w, name, &s->entry) < 0 || index_commit(w, i, NULL) < 0)
			_exit(1);
		if (i % 50 == 0 && build(s, w) < 0)
			_exit(1);
	}
}

static void a_writer_at_work_is_no_damage(void **state)
{
	const struct files *s = *state;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		write_on(s, ready[1]);
	assert_true(pid > 0);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (unsigned i = 0; i < READERS; i++) {
		int met = 0;

		assert_int_equal(ask_all(s, &met), 0);
		assert_int_equal(met, ANSWER_WELL);
	}
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it is still at it */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_door_survives_each_damaged_page),
		cmocka_unit_test(a_vault_makes_a_damaged_index_anew),
		cmocka_unit_test(a_writer_at_work_is_no_damage),
	};

	return cmocka_run_group_tests(tests, open_files, close_files);
}
