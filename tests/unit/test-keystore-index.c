/* SPDX-License-Identifier: BSD-2-Clause */
/* The verifier index between two processes, and the verifiers in it. LMDB must not be opened
 * twice in a process, so whoever reads beside the writer is a child. */
#include "tests/unit/keystore-fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "keystore/db.h"
#include "keystore/index.h"
#include "keystore/keys.h"

static struct verifier_keys *make_keys(uint8_t fill)
{
	struct verifier_keys *keys = NULL;
	uint8_t blob[VERIFIER_KEYS_BLOB_LEN];

	memset(blob, fill, sizeof(blob));
	memcpy(blob, "RTVKEYS1", 8);
	assert_int_equal(verifier_keys_from_blob(blob, sizeof(blob), &keys), 0);
	return keys;
}

static struct verifier_entry make_entry(const struct verifier_keys *keys, const char *login,
					const char *password, uint32_t number)
{
	static const uint8_t salt[VERIFIER_SALT_LEN] = "sixteen salt byt";
	cleanup_secret struct secret *secret = fixture_secret(password);
	struct verifier_entry e = { .service = "billing", .count = 1, .not_after = USEC_NEVER };

	assert_int_equal(verifier_make(keys, login, number, secret, salt, &e.versions[0]), 0);
	return e;
}

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

static uint32_t check(const struct verifier_keys *keys, const char *login,
		      const struct verifier_entry *e, const char *password)
{
	cleanup_secret struct secret *secret = fixture_secret(password);

	return verifier_entry_check_password(keys, login, e, secret, FIXTURE_NOW);
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

static void a_reader_killed_in_a_transaction_does_not_bloat_the_file(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(f, keys);
	struct verifier_entry e = make_entry(keys, "billing.7", "secret", 7);
	char path[PATH_MAX];
	struct stat before;
	struct stat after;
	int status;

	build(w, "billing.7", &e, 1);
	fixture_path(f, "index", path);
	for (int i = 0; i < 5; i++) {
		int ready[2];
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

/* ---- verifiers ---- */

static void each_live_version_of_a_stable_login_is_accepted(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing", "newest", 9);

	(void)state;
	for (uint32_t i = 1; i < VERIFIER_VERSIONS_MAX; i++) {
		char password[16];

		(void)snprintf(password, sizeof(password), "older-%u", i);
		e.versions[i] = make_entry(keys, "billing", password, 9 - i).versions[0];
	}
	e.count = VERIFIER_VERSIONS_MAX;
	assert_int_equal(check(keys, "billing", &e, "newest"), 9);
	assert_int_equal(check(keys, "billing", &e, "older-1"), 8);
	assert_int_equal(check(keys, "billing", &e, "older-7"), 2);
	assert_int_equal(check(keys, "billing", &e, "older-8"), 0);
	assert_int_equal(check(keys, "billing", &e, ""), 0);
	assert_int_equal(check(keys, "other", &e, "newest"), 0);
	e.count = 7;
	assert_int_equal(check(keys, "billing", &e, "older-7"), 0);
}

static void a_disabled_or_untimely_entry_accepts_nothing(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing", "secret", 1);

	(void)state;
	e.flags = VERIFIER_DISABLED;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.flags = 0;
	e.not_before = FIXTURE_NOW + 1;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.not_before = FIXTURE_NOW;
	assert_int_equal(check(keys, "billing", &e, "secret"), 1);
	e.not_after = FIXTURE_NOW;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.not_after = FIXTURE_NOW + 1;
	assert_int_equal(check(keys, "billing", &e, "secret"), 1);
}

static void a_decoy_is_steady_and_looks_like_a_real_one(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_verifier_keys struct verifier_keys *others = make_keys(2);
	const struct verifier_entry real = make_entry(keys, "a", "secret", 1);
	char text[VERIFIER_TEXT_SIZE];
	char real_text[VERIFIER_TEXT_SIZE];
	struct verifier_entry a;
	struct verifier_entry again;
	struct verifier_entry b;

	(void)state;
	memset(&a, 0xff, sizeof(a)); /* nothing may shine through */
	verifier_decoy(keys, "nobody", &a);
	verifier_decoy(keys, "nobody", &again);
	assert_memory_equal(a.versions, again.versions, sizeof(a.versions));
	verifier_decoy(keys, "somebody", &b);
	assert_memory_not_equal(a.versions, b.versions, sizeof(a.versions));
	verifier_decoy(others, "nobody", &b);
	assert_memory_not_equal(a.versions, b.versions, sizeof(a.versions));
	assert_int_equal(a.flags, VERIFIER_DECOY);
	assert_int_equal(a.count, 1);
	verifier_scram_text(&a.versions[0], text);
	verifier_scram_text(&real.versions[0], real_text);
	assert_int_equal(strlen(text), strlen(real_text));
	assert_memory_equal(text, "SCRAM-SHA-256$4096:", 19);
	/* not even with a tag that fits */
	a.versions[0] = make_entry(keys, "nobody", "secret", 1).versions[0];
	assert_int_equal(check(keys, "nobody", &a, "secret"), 0);
}

/* RFC 7677 section 3: user "user", password "pencil". */
static void the_scram_keys_are_those_of_rfc_7677(void **state)
{
	static const char salt_text[] = "W22ZaJ0SNY7soEsUEjb6gQ==";
	static const char auth_message[] =
		"n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	static const char proof_text[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const char signature_text[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_secret struct secret *pencil = fixture_secret("pencil");
	const uint8_t *message = (const uint8_t *)auth_message;
	struct verifier_version v;
	uint8_t salt[VERIFIER_SALT_LEN];
	uint8_t client[32];
	uint8_t hash[32];
	char text[64];

	(void)state;
	assert_int_equal(sodium_base642bin(salt, sizeof(salt), salt_text, strlen(salt_text),
					   NULL, NULL, NULL, sodium_base64_VARIANT_ORIGINAL),
			 0);
	assert_int_equal(verifier_make(keys, "user", 1, pencil, salt, &v), 0);
	(void)crypto_auth_hmacsha256(hash, message, strlen(auth_message), v.server_key);
	assert_string_equal(sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
					      sodium_base64_VARIANT_ORIGINAL),
			    signature_text);
	/* the proof must lead back to the stored key */
	assert_int_equal(sodium_base642bin(client, sizeof(client), proof_text,
					   strlen(proof_text), NULL, NULL, NULL,
					   sodium_base64_VARIANT_ORIGINAL),
			 0);
	(void)crypto_auth_hmacsha256(hash, message, strlen(auth_message), v.stored_key);
	for (size_t i = 0; i < sizeof(hash); i++)
		client[i] ^= hash[i];
	(void)crypto_hash_sha256(hash, client, sizeof(client));
	assert_memory_equal(hash, v.stored_key, sizeof(hash));
}

static void verifiers_are_made_of_ascii_only(void **state)
{
	static const uint8_t salt[VERIFIER_SALT_LEN];
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_secret struct secret *good = fixture_secret("good");
	cleanup_secret struct secret *empty = fixture_secret("");
	cleanup_secret struct secret *umlaut = fixture_secret("gr\xc3\xbc\xc3\x9f");
	cleanup_secret struct secret *control = fixture_secret("a\tb");
	struct verifier_version v;

	(void)state;
	assert_int_equal(verifier_make(keys, "a", 1, umlaut, salt, &v), -EINVAL);
	assert_int_equal(verifier_make(keys, "a", 1, control, salt, &v), -EINVAL);
	assert_int_equal(verifier_make(keys, "a", 1, empty, salt, &v), -EINVAL);
	assert_int_equal(verifier_make(keys, "", 1, good, salt, &v), -EINVAL);
	assert_int_equal(verifier_make(keys, "a", 0, good, salt, &v), -EINVAL);
}

static void keys_and_versions_survive_being_bytes(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(7);
	cleanup_verifier_keys struct verifier_keys *again = NULL;
	cleanup_secret struct secret *blob = NULL;
	const struct verifier_entry e = make_entry(keys, "a", "secret", 7);
	uint8_t bytes[VERIFIER_ENCODED_LEN];
	struct verifier_keys *none = NULL;
	struct verifier_version v;

	(void)state;
	assert_int_equal(verifier_keys_to_blob(keys, &blob), 0);
	assert_int_equal(secret_len(blob), VERIFIER_KEYS_BLOB_LEN);
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), secret_len(blob), &again),
			 0);
	assert_memory_equal(keys, again, sizeof(*keys));
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), 151, &none), -EBADMSG);
	secret_fill(blob)[0] ^= 1;
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), 152, &none), -EBADMSG);
	verifier_version_encode(&e.versions[0], bytes);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), 0);
	assert_memory_equal(&v, &e.versions[0], sizeof(v));
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes) - 1, &v), -EBADMSG);
	memset(bytes + 4, 0xff, 4);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), -EBADMSG);
	memset(bytes + 4, 0, 4);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), -EBADMSG);
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
		TEST(a_reader_killed_in_a_transaction_does_not_bloat_the_file),
		TEST(entries_out_of_bounds_are_refused),
		TEST(each_live_version_of_a_stable_login_is_accepted),
		TEST(a_disabled_or_untimely_entry_accepts_nothing),
		TEST(a_decoy_is_steady_and_looks_like_a_real_one),
		TEST(the_scram_keys_are_those_of_rfc_7677),
		TEST(verifiers_are_made_of_ascii_only),
		TEST(keys_and_versions_survive_being_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
