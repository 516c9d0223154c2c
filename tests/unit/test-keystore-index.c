/* SPDX-License-Identifier: BSD-2-Clause */
/* The verifier index between two processes. LMDB must not be opened
 * twice in a process, so whoever reads beside the writer is a child. */
#include "tests/unit/verifier-fixture.h"

#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "keystore/db.h"
#include "keystore/index.h"

static struct index_writer *open_writer(struct fixture *f, const struct verifier_keys *keys)
{
	const struct index_options options = { .keys = keys, .group = (gid_t)-1 };
	struct index_writer *w = NULL;
	struct report report = { 0 };
	char dir[PATH_MAX];

	fixture_path(f, "index", dir);
	if (index_writer_open(dir, &options, &w, &report) < 0)
		fixture_fail(&report);
	assert_non_null(w);
	return w;
}

static void build(struct index_writer *w, const char *login, const struct verifier_entry *e,
		  uint64_t txid)
{
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	if (e)
		assert_int_equal(index_rebuild_put(w, login, e), 0);
	assert_int_equal(index_rebuild_finish(w, txid, NULL), 0);
}

/* What a reader that is made anew finds, as the exit status of a child. */
static int get_in_child(struct fixture *f, const struct verifier_keys *keys, const char *login)
{
	char dir[PATH_MAX];
	int status;
	pid_t pid;

	fixture_path(f, "index", dir);
	pid = fork();
	if (pid == 0) {
		struct index_reader *r = NULL;
		struct verifier_entry e;
		int n = index_reader_new(dir, keys, &r);

		if (n == 0)
			n = index_get(r, login, &e);
		_exit(n == 0 ? (int)e.versions[0].number : 100 - n);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) < 100 ? WEXITSTATUS(status) : 100 - WEXITSTATUS(status);
}

/* A reader that lives on, to be asked over a pipe; it answers with index_get()'s result or the
 * version found. */
struct server {
	pid_t pid;
	int ask;
	int answer;
};

static void serve(const char *dir, const struct verifier_keys *keys, int in, int out)
{
	struct index_reader *r = NULL;
	struct verifier_entry e;
	char login[64];
	ssize_t n;

	if (index_reader_new(dir, keys, &r) < 0)
		_exit(1);
	while ((n = read(in, login, sizeof(login))) > 0) {
		int result = index_get(r, login, &e);

		if (result == 0)
			result = (int)e.versions[0].number;
		if (write(out, &result, sizeof(result)) != sizeof(result))
			_exit(1);
	}
	index_reader_free(r);
	_exit(0);
}

static struct server start_server(struct fixture *f, const struct verifier_keys *keys)
{
	struct server s;
	char dir[PATH_MAX];
	int ask[2];
	int answer[2];

	fixture_path(f, "index", dir);
	assert_int_equal(pipe(ask), 0);
	assert_int_equal(pipe(answer), 0);
	s.pid = fork();
	if (s.pid == 0) {
		(void)close(ask[1]);
		(void)close(answer[0]);
		serve(dir, keys, ask[0], answer[1]);
	}
	assert_true(s.pid > 0);
	(void)close(ask[0]);
	(void)close(answer[1]);
	s.ask = ask[1];
	s.answer = answer[0];
	return s;
}

static int ask_server(const struct server *s, const char *login)
{
	char text[64] = "";
	int result;

	(void)snprintf(text, sizeof(text), "%s", login);
	assert_int_equal(write(s->ask, text, sizeof(text)), sizeof(text));
	assert_int_equal(read(s->answer, &result, sizeof(result)), sizeof(result));
	return result;
}

static void stop_server(const struct server *s)
{
	int status;

	(void)close(s->ask);
	(void)close(s->answer);
	assert_true(waitpid(s->pid, &status, 0) == s->pid);
	assert_int_equal(status, 0);
}

static void an_entry_is_found_by_another_process(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid;

	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	assert_int_equal(index_put(w, "billing.7", &e), -EAGAIN);
	build(w, "billing.7", &e, 5);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	assert_int_equal(get_in_child(*state, keys, "billing.8"), -ENOENT);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 5);
}

static void the_index_survives_its_writer(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid;

	build(w, "billing.7", &e, 5);
	index_writer_close(w);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	w = open_writer(*state, keys);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 5);
	index_writer_close(w);
}

static void a_reader_sees_each_commit_at_its_next_lookup(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct server s = start_server(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);

	assert_int_equal(ask_server(&s, "billing.7"), -EAGAIN); /* not built yet */
	build(w, NULL, NULL, 1);
	for (uint64_t txid = 2; txid < 20; txid += 2) {
		assert_int_equal(index_put(w, "billing.7", &e), 0);
		assert_int_equal(ask_server(&s, "billing.7"), -ENOENT);
		assert_int_equal(index_commit(w, txid, NULL), 0);
		assert_int_equal(ask_server(&s, "billing.7"), 7);
		assert_int_equal(index_remove(w, "billing.7"), 0);
		assert_int_equal(index_commit(w, txid + 1, NULL), 0);
		assert_int_equal(ask_server(&s, "billing.7"), -ENOENT);
	}
	assert_int_equal(index_put(w, "billing.7", &e), 0);
	index_abort(w);
	assert_int_equal(ask_server(&s, "billing.7"), -ENOENT);
	stop_server(&s);
}

static void a_reader_waits_for_an_index_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	struct server s = start_server(f, keys);
	struct index_writer *w;

	assert_int_equal(ask_server(&s, "billing.7"), -EAGAIN);
	fixture_shell(f, "mkdir index && : > index/data.mdb");
	assert_true(ask_server(&s, "billing.7") < -1);
	fixture_shell(f, "rm -r index");
	w = open_writer(f, keys);
	build(w, "billing.7", &e, 5);
	assert_int_equal(ask_server(&s, "billing.7"), 7);
	index_writer_close(w);

	/* made anew under the reader's feet */
	fixture_shell(f, "rm -r index");
	assert_int_equal(ask_server(&s, "billing.7"), -EAGAIN);
	w = open_writer(f, keys);
	e.versions[0].number = 9;
	build(w, "billing.7", &e, 6);
	assert_int_equal(ask_server(&s, "billing.7"), 9);
	index_writer_close(w);
	stop_server(&s);
}

static void a_login_is_found_all_through_a_rebuild(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct server s = start_server(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	char login[32];

	build(w, "billing.7", &e, 5);
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(login, sizeof(login), "svc-%d", i);
		assert_int_equal(index_rebuild_put(w, login, &e), 0);
		if (i % 500 == 499) {
			assert_int_equal(index_rebuild_flush(w, NULL), 0);
			assert_int_equal(ask_server(&s, "billing.7"), 7);
			assert_int_equal(ask_server(&s, "svc-1"), -ENOENT);
		}
	}
	assert_int_equal(index_rebuild_put(w, "billing.7", &e), 0);
	assert_int_equal(index_rebuild_finish(w, 6, NULL), 0);
	assert_int_equal(ask_server(&s, "billing.7"), 7);
	assert_int_equal(ask_server(&s, "svc-1"), 7);
	stop_server(&s);
}

static void a_change_during_a_rebuild_wins_over_the_rebuild(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct server s = start_server(*state, keys);
	struct verifier_entry old = make_entry(keys, "a", "secret", 7);
	struct verifier_entry new = make_entry(keys, "a", "secret", 8);

	build(w, "revoked", &old, 5);
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(index_remove(w, "revoked"), 0);
	assert_int_equal(index_put(w, "replaced", &new), 0);
	assert_int_equal(index_commit(w, 6, NULL), 0);
	assert_int_equal(ask_server(&s, "revoked"), -ENOENT);
	assert_int_equal(ask_server(&s, "replaced"), 8);
	/* the walk through the store started before these two changes */
	assert_int_equal(index_rebuild_put(w, "revoked", &old), 0);
	assert_int_equal(index_rebuild_put(w, "replaced", &old), 0);
	assert_int_equal(index_rebuild_finish(w, 6, NULL), 0);
	assert_int_equal(ask_server(&s, "revoked"), -ENOENT);
	assert_int_equal(ask_server(&s, "replaced"), 8);
	assert_int_equal(index_put(w, "revoked", &new), 0);
	assert_int_equal(index_commit(w, 7, NULL), 0);
	assert_int_equal(ask_server(&s, "revoked"), 8);
	stop_server(&s);
}

static void a_rebuild_that_was_cut_off_leaves_the_old_index(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid;

	build(w, "billing.7", &e, 5);
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(index_rebuild_put(w, "half", &e), 0);
	assert_int_equal(index_rebuild_flush(w, NULL), 0);
	index_writer_close(w);
	w = open_writer(*state, keys);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 5);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	assert_int_equal(get_in_child(*state, keys, "half"), -ENOENT);
	build(w, "other", &e, 6);
	assert_int_equal(get_in_child(*state, keys, "half"), -ENOENT);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), -ENOENT);
	assert_int_equal(get_in_child(*state, keys, "other"), 7);
	index_writer_close(w);
}

static void another_keystores_index_is_trouble_and_not_an_unknown_login(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_verifier_keys struct verifier_keys *others = make_keys(2);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid;

	build(w, "billing.7", &e, 5);
	index_writer_close(w);
	assert_int_equal(get_in_child(*state, others, "billing.7"), -EBADMSG);
	w = open_writer(*state, others);
	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(get_in_child(*state, others, "billing.7"), -EAGAIN);
	assert_int_equal(index_rebuild_finish(w, 1, NULL), 0);
	assert_int_equal(get_in_child(*state, others, "billing.7"), -ENOENT);
	index_writer_close(w);
}

static void a_damaged_index_is_made_anew(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid;

	build(w, "billing.7", &e, 5);
	index_writer_close(w);
	fixture_shell(*state, "head -c 8192 /dev/zero > index/data.mdb");
	w = open_writer(*state, keys);
	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	build(w, "billing.7", &e, 6);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	index_writer_close(w);
}

static void the_door_may_read_and_lock_but_not_write(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = { { "index", 0750 },
		      { "index/data.mdb", 0640 },
		      { "index/lock.mdb", 0660 } };
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	mode_t old = umask(077);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	char path[PATH_MAX];
	struct stat st;

	(void)umask(old);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		fixture_path(*state, files[i].name, path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, files[i].mode);
	}
}

/* What index_get() says to a process of that group and no other, and of no special user. */
static int get_as_group(struct fixture *f, const struct verifier_keys *keys, gid_t group)
{
	char dir[PATH_MAX];
	int status;
	pid_t pid;

	fixture_path(f, "index", dir);
	pid = fork();
	if (pid == 0) {
		struct index_reader *r = NULL;
		struct verifier_entry e;
		int n;

		if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(54321) < 0)
			_exit(1);
		n = index_reader_new(dir, keys, &r);
		if (n == 0)
			n = index_get(r, "billing.7", &e);
		_exit(-n);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void only_the_doors_group_can_read(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	const struct index_options options = { .keys = keys, .group = 54322 };
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	struct index_writer *w = NULL;
	char dir[PATH_MAX];

	if (geteuid() != 0)
		skip(); /* another user is needed to be refused */
	assert_int_equal(chmod(f->dir, 0711), 0);
	fixture_path(f, "index", dir);
	assert_int_equal(index_writer_open(dir, &options, &w, NULL), 0);
	build(w, "billing.7", &e, 1);
	assert_int_equal(get_as_group(f, keys, 54322), 0);
	assert_int_equal(get_as_group(f, keys, 54323), -EACCES);
	index_writer_close(w);
}

/* One that is in a lookup of the index in PATH. */
static void kill_a_reader(const char *path)
{
	int ready[2];
	int status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		MDB_env *env = NULL;
		MDB_txn *txn;

		if (mdb_env_create(&env) == 0 &&
		    mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS, 0) == 0 &&
		    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0)
			(void)!write(ready[1], "r", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void a_reader_that_was_killed_is_forgotten_without_a_change(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(f, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	struct server s;
	char path[PATH_MAX];
	uint64_t txid;

	build(w, "billing.7", &e, 1);
	fixture_path(f, "index", path);
	s = start_server(f, keys);
	assert_int_equal(ask_server(&s, "billing.7"), 7);
	assert_int_equal(index_writer_clear_readers(w), 0); /* it lives */
	kill_a_reader(path);
	kill_a_reader(path);
	assert_int_equal(index_writer_clear_readers(w), 2);
	assert_int_equal(index_writer_clear_readers(w), 0);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 1);
	assert_int_equal(ask_server(&s, "billing.7"), 7);
	stop_server(&s);
}

static void a_reader_killed_in_a_transaction_does_not_bloat_the_file(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(f, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	char path[PATH_MAX];
	struct stat before;
	struct stat after;

	build(w, "billing.7", &e, 1);
	fixture_path(f, "index", path);
	for (int i = 0; i < 5; i++)
		kill_a_reader(path);
	fixture_path(f, "index/data.mdb", path);
	for (uint64_t i = 2; i < 20; i++) {
		assert_int_equal(index_put(w, "billing.7", &e), 0);
		assert_int_equal(index_commit(w, i, NULL), 0);
	}
	assert_int_equal(stat(path, &before), 0);
	for (uint64_t i = 20; i < 120; i++) {
		assert_int_equal(index_put(w, "billing.7", &e), 0);
		assert_int_equal(index_commit(w, i, NULL), 0);
	}
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_size <= before.st_size + 8 * 4096);
	assert_int_equal(get_in_child(f, keys, "billing.7"), 7);
}

static void entries_out_of_bounds_are_refused(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	const struct verifier_entry good = make_entry(keys, "a", "secret", 7);
	struct verifier_entry e = good;
	char login[VERIFIER_LOGIN_MAX + 2];

	build(w, NULL, NULL, 1);
	e.count = 0;
	assert_int_equal(index_put(w, "a", &e), -EINVAL);
	e.count = VERIFIER_VERSIONS_MAX + 1;
	assert_int_equal(index_put(w, "a", &e), -EINVAL);
	e = good;
	e.flags = VERIFIER_DECOY;
	assert_int_equal(index_put(w, "a", &e), -EINVAL);
	e = good;
	e.service[0] = '\0';
	assert_int_equal(index_put(w, "a", &e), -EINVAL);
	e = good;
	e.versions[0].number = 0;
	assert_int_equal(index_put(w, "a", &e), -EINVAL);
	memset(login, 'x', sizeof(login));
	login[VERIFIER_LOGIN_MAX + 1] = '\0';
	assert_int_equal(index_put(w, login, &good), -EINVAL);
	assert_int_equal(index_put(w, "", &good), -EINVAL);
	for (int i = 0; i <= INDEX_BATCH_MAX; i++)
		assert_int_equal(index_put(w, "a", &good), i < INDEX_BATCH_MAX ? 0 : -E2BIG);
}

/* Else a login that was revoked, and not taken out, would stay when a later change is. */
static void what_was_dropped_is_due_until_a_rebuild(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	uint64_t txid = 0;

	build(w, "billing.7", &e, 5);
	assert_int_equal(index_remove(w, "billing.7"), 0);
	index_abort(w);
	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	/* the next change takes effect, and does not hide that one is missing */
	assert_int_equal(index_put(w, "other.1", &e), 0);
	assert_int_equal(index_commit(w, 7, NULL), 0);
	assert_int_equal(get_in_child(*state, keys, "other.1"), 7);
	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	index_writer_close(w);
	w = open_writer(*state, keys);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 5);
	build(w, "other.1", &e, 7);
	assert_int_equal(index_writer_txid(w, &txid), 0);
	assert_true(txid == 7);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), -ENOENT);
	index_writer_close(w);
}

static void a_rebuild_that_lost_a_part_does_not_end(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);

	build(w, "billing.7", &e, 5);
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(index_rebuild_put(w, "billing.7", &e), 0);
	index_abort(w);
	assert_int_equal(index_rebuild_finish(w, 6, NULL), -EINVAL);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	build(w, "billing.7", &e, 6);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
}

static int rebuild(struct index_writer *w, const struct verifier_entry *e)
{
	int r = index_rebuild_begin(w, NULL);

	if (r == 0)
		r = index_rebuild_put(w, "billing.7", e);
	return r < 0 ? r : index_rebuild_finish(w, 9, NULL);
}

static int rebuild_in_child(struct fixture *f, const struct verifier_keys *keys)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const struct index_options options = { .keys = keys, .group = (gid_t)-1 };
		struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
		struct index_writer *w = NULL;
		char dir[PATH_MAX];
		int r;

		fixture_path(f, "index", dir);
		if (index_writer_open(dir, &options, &w, NULL) < 0)
			_exit(1);
		r = rebuild(w, &e);
		if (r == -EBADMSG)
			r = rebuild(w, &e);
		index_writer_close(w);
		_exit(r == 0 ? 0 : 2);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void an_index_damaged_anywhere_can_be_rebuilt(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	char script[256];
	char path[PATH_MAX];
	struct stat st;

	assert_int_equal(rebuild_in_child(f, keys), 0);
	fixture_shell(f, "cp -rp index whole");
	fixture_path(f, "index/data.mdb", path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = 0; size < st.st_size; size += 1000) {
		fixture_shell(f, "rm -r index && cp -rp whole index");
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(rebuild_in_child(f, keys), 0);
		assert_int_equal(get_in_child(f, keys, "billing.7"), 7);
	}
	for (off_t page = 0; page < st.st_size / 4096; page++) {
		(void)snprintf(script, sizeof(script),
			       "rm -r index && cp -rp whole index && dd if=/dev/zero "
			       "of=index/data.mdb bs=4096 count=1 seek=%d conv=notrunc "
			       "2>/dev/null",
			       (int)page);
		fixture_shell(f, script);
		assert_int_equal(rebuild_in_child(f, keys), 0);
		assert_int_equal(get_in_child(f, keys, "billing.7"), 7);
	}
}

static void a_writer_notices_that_its_files_are_gone(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	struct report report = { 0 };

	build(w, "billing.7", &e, 5);
	fixture_shell(*state, "rm -r index");
	assert_int_equal(index_remove(w, "billing.7"), -ESTALE);
	assert_int_equal(index_commit(w, 6, &report), -ESTALE);
	assert_true(report.what[0] && report.hint[0]);
	build(w, "billing.7", &e, 7);
	assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
}

/* LMDB has places for 126 readers, and does not clear them by itself. */
static void doors_that_are_killed_leave_no_place_taken(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	struct server s;

	build(w, "billing.7", &e, 5);
	index_writer_close(w);
	/* another one lives, so that nobody finds the lock file unused and makes it anew */
	s = start_server(*state, keys);
	assert_int_equal(ask_server(&s, "billing.7"), 7);
	/* get_in_child() does not close what it opened */
	for (int i = 0; i < 130; i++)
		assert_int_equal(get_in_child(*state, keys, "billing.7"), 7);
	stop_server(&s);
}

static int read_from_read_only(struct fixture *f)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(f, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	char dir[PATH_MAX];

	build(w, "billing.7", &e, 5);
	index_writer_close(w);
	fixture_path(f, "index", dir);
	if (fixture_read_only(dir) < 0)
		return FIXTURE_SKIPPED;
	EXPECT(get_in_child(f, keys, "billing.7") == -EROFS);
	return 0;
}

static void a_reader_that_cannot_lock_does_not_read(void **state)
{
	fixture_in_namespace(*state, read_from_read_only);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_is_found_by_another_process),
		TEST(the_index_survives_its_writer),
		TEST(a_reader_sees_each_commit_at_its_next_lookup),
		TEST(a_reader_waits_for_an_index_that_is_not_there),
		TEST(a_login_is_found_all_through_a_rebuild),
		TEST(a_change_during_a_rebuild_wins_over_the_rebuild),
		TEST(a_rebuild_that_was_cut_off_leaves_the_old_index),
		TEST(another_keystores_index_is_trouble_and_not_an_unknown_login),
		TEST(a_damaged_index_is_made_anew),
		TEST(the_door_may_read_and_lock_but_not_write),
		TEST(only_the_doors_group_can_read),
		TEST(a_reader_that_was_killed_is_forgotten_without_a_change),
		TEST(a_reader_killed_in_a_transaction_does_not_bloat_the_file),
		TEST(entries_out_of_bounds_are_refused),
		TEST(what_was_dropped_is_due_until_a_rebuild),
		TEST(a_rebuild_that_lost_a_part_does_not_end),
		TEST(an_index_damaged_anywhere_can_be_rebuilt),
		TEST(a_writer_notices_that_its_files_are_gone),
		TEST(doors_that_are_killed_leave_no_place_taken),
		TEST(a_reader_that_cannot_lock_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
