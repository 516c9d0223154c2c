/* SPDX-License-Identifier: BSD-2-Clause */
/* Encrypting anew: nothing is lost, wherever it is cut off, and the old keys open nothing that
 * is left. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fs.h"
#include "keystore/db.h"
#include "keystore/internal.h"
#include "keystore/record.h"
#include "keystore/verifier.h"

enum { MANY = 700, KILLS = 60 };

static void put_from(struct keystore *ks, unsigned from, unsigned count)
{
	struct keystore_txn *txn = NULL;

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	for (unsigned i = from; i < from + count; i++) {
		struct keystore_record rec;
		char name[32];

		(void)snprintf(name, sizeof(name), "n-%u", i);
		rec = fixture_record(name, i % 3 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, name);
		assert_int_equal(keystore_put(txn, &rec, NULL), 0);
	}
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
}

static void put_many(struct keystore *ks, unsigned count)
{
	put_from(ks, 0, count);
}

static void begin(struct keystore *ks)
{
	struct report report = { 0 };

	if (keystore_reseal_begin(ks, &report) < 0)
		fixture_fail(&report);
	assert_true(keystore_is_resealing(ks));
}

static int step(struct keystore *ks, struct keystore_reseal *pass)
{
	struct report report = { 0 };
	int r = keystore_reseal_step(ks, pass, &report);

	if (r < 0)
		fixture_fail(&report);
	assert_true(r >= 0);
	return r;
}

static struct keystore_reseal run(struct keystore *ks)
{
	struct keystore_reseal pass = { 0 };

	while (step(ks, &pass) > 0)
		;
	assert_false(keystore_is_resealing(ks));
	return pass;
}

static void verify(struct keystore *ks, uint64_t records, uint64_t tombstones)
{
	struct keystore_verify totals;
	struct report report = { 0 };

	if (keystore_verify(ks, &totals, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(totals.records, records);
	assert_int_equal(totals.tombstones, tombstones);
	assert_int_equal(totals.unreadable, 0);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
}

static int get(struct keystore *ks, const char *name)
{
	const struct keystore_id id = { "password", "verifier", name };
	cleanup_record struct keystore_record *rec = NULL;
	int r = keystore_get(ks, &id, &rec);

	if (r == 0)
		assert_memory_equal(rec->body, name, strlen(name));
	return r;
}

static void all_is_as_it_was_under_other_keys(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_secret struct secret *blob = NULL;
	const struct verifier_keys *lent;
	const struct keystore_id gone = { "password", "verifier", "n-5" };
	const struct keystore_id kept = { "password", "verifier", "n-6" };
	struct keystore_tombstone grave;
	struct keystore_reseal pass;
	uint64_t version;

	put_many(ks, MANY);
	fixture_remove(ks, "n-5");
	fixture_put(ks, "n-6", KEYSTORE_ISSUER, "n-6");
	lent = keystore_verifier_keys(ks);
	begin(ks);
	pass = run(ks);
	assert_ptr_equal(keystore_verifier_keys(ks), lent);
	assert_int_equal(verifier_keys_to_blob(lent, &blob), 0);
	assert_int_equal(pass.seen, MANY);
	assert_int_equal(pass.resealed, MANY);
	assert_true(pass.is_compact);
	for (int round = 0; round < 2; round++) {
		/* of both tiers the new key alone, in memory and in what the slots open */
		assert_int_equal(ks->auth->epochs.count, 1);
		assert_int_equal(ks->issuer->epochs.count, 1);
		verify(ks, MANY - 1, 1);
		for (unsigned i = 0; i < MANY; i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "n-%u", i);
			assert_int_equal(get(ks, name), i == 5 ? -ENOENT : 0);
		}
		assert_int_equal(keystore_get_tombstone(ks, &gone, &grave), 0);
		assert_string_equal(grave.reason, "revoked by hand");
		assert_int_equal(keystore_last_version(ks, &kept, &version), 0);
		assert_int_equal(version, 2);
		keystore_close(steal_ptr(ks));
		ks = fixture_open(f);
		fixture_unlock_both(ks);
	}
	/* and a second time; the slots are as they were */
	begin(ks);
	(void)run(ks);
	verify(ks, MANY - 1, 1);
	keystore_close(steal_ptr(ks));
	ks = fixture_open(f);
	fixture_unlock_auth(ks);
	assert_int_equal(get(ks, "n-1"), 0);
	assert_int_equal(get(ks, "n-0"), -ENOKEY);
}

/* How often the header of a record of the first epochs is found in data.mdb. */
static size_t old_headers(const struct fixture *f)
{
	static const uint8_t auth[] = { 1, 1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t issuer[] = { 1, 1, 0, 1, 0, 0, 0, 1 };
	cleanup_buf struct buf file = BUF_INIT;
	char path[PATH_MAX];
	size_t n = 0;

	fixture_path(f, "store/data.mdb", path);
	assert_int_equal(fs_read(AT_FDCWD, path, 64 << 20, &file), 0);
	for (size_t i = 0; i + sizeof(auth) < file.len; i++)
		n += memcmp(file.data + i, auth, sizeof(auth)) == 0 ||
		     memcmp(file.data + i, issuer, sizeof(issuer)) == 0;
	return n;
}

static void no_file_that_is_left_holds_the_old_ones(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	put_many(ks, MANY);
	fixture_remove(ks, "n-5");
	assert_true(old_headers(f) >= MANY - 1);
	begin(ks);
	fixture_shell(f, "test ! -e keyring.prev");
	(void)run(ks);
	assert_int_equal(old_headers(f), 0);
	fixture_shell(f, "test ! -e keyring.prev && test ! -e store/data.mdb.new &&"
			 "test ! -e store/data.mdb.new-lock &&"
			 "test $(stat -c %a store/data.mdb) = 600 &&"
			 "test $(stat -c %a store/lock.mdb) = 600");
	/* the copy is the store: what is written now is there after opening it by its name */
	fixture_put(ks, "after", KEYSTORE_AUTH, "after");
	keystore_close(steal_ptr(ks));
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(get(ks, "after"), 0);
	verify(ks, MANY, 1);
}

static void old_files_are_shut_to_the_new_keyring(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *key = fixture_secret(fixture_passphrase);
	struct report report = { 0 };
	cleanup_keystore struct keystore *ks = fixture_new(f);

	put_many(ks, 20);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "mkdir old && cp -rp keyring anchor store old/");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_remove(ks, "n-3");
	fixture_remove(ks, "n-4");
	begin(ks);
	(void)run(ks);
	keystore_close(steal_ptr(ks));

	/* yesterday's store beside today's keyring: not even META opens */
	fixture_shell(f, "mkdir new && cp -rp keyring anchor store new/ &&"
			 "cp -p old/store/data.mdb store/");
	ks = fixture_open(f);
	assert_int_equal(keystore_unlock_passphrase(ks, key, &report), -EBADMSG);
	assert_non_null(strstr(report.what, "older"));
	keystore_close(steal_ptr(ks));

	/* yesterday's keyring beside today's store: the same */
	fixture_shell(f, "cp -p new/store/data.mdb store/ && cp -p old/keyring keyring");
	ks = fixture_open(f);
	assert_int_equal(keystore_unlock_passphrase(ks, key, &report), -EBADMSG);
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
	keystore_close(steal_ptr(ks));

	/* the limit that the manual tells: yesterday's keyring with the passphrase opens it */
	fixture_shell(f, "cp -p old/keyring old/anchor . && cp -p old/store/data.mdb store/");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(get(ks, "n-3"), 0);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp -rp new/. . && rm -r old new");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	verify(ks, 18, 2);
}

static void a_copy_under_another_name_is_left_alone(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	fixture_put(ks, "billing", KEYSTORE_AUTH, "billing");
	fixture_shell(f, "cp keyring bytes && ln keyring linked");
	begin(ks);
	(void)run(ks);
	fixture_shell(f, "cmp bytes linked && ! cmp -s keyring linked");
}

/* Between any two steps: a restart, a change, and only then the next step of a new pass. */
static void it_goes_on_after_every_restart(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	unsigned restarts = 0;

	put_many(ks, MANY);
	begin(ks);
	while (keystore_is_resealing(ks)) {
		struct keystore_reseal pass = { 0 };
		char name[32];

		/* as many steps as it takes to get one further than the last time */
		for (unsigned i = 0; i <= restarts && step(ks, &pass) > 0; i++)
			;
		(void)snprintf(name, sizeof(name), "m-%u", restarts);
		fixture_put(ks, name, restarts % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, name);
		if (restarts > 0) {
			(void)snprintf(name, sizeof(name), "m-%u", restarts - 1);
			assert_int_equal(get(ks, name), 0);
			fixture_remove(ks, name);
		}
		restarts++;
		verify(ks, MANY + 1, restarts - 1);
		keystore_close(steal_ptr(ks));
		ks = fixture_open(f);
		fixture_unlock_both(ks);
	}
	assert_true(restarts >= 3);
	verify(ks, MANY + 1, restarts - 1);
	assert_int_equal(old_headers(f), 0);
}

/* The last look is the proof: it believes no pass that says that it is through. */
static void what_a_pass_has_left_is_found_before_anything_is_destroyed(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct keystore_reseal pass = { .table = RECORD_HIST + 1, .seen = MANY };

	put_many(ks, MANY);
	begin(ks);
	while (step(ks, &pass) > 0)
		;
	assert_int_equal(pass.resealed, MANY);
	assert_int_equal(old_headers(f), 0);
	verify(ks, MANY, 0);
}

/* Both the pass and the proof, whatever the size of the store. */
static void a_step_looks_at_a_bounded_part(void **state)
{
	enum { COUNT = KEYSTORE_RESEAL_LOOK + 616 }; /* 34 times 500 */
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_reseal pass = { .table = RECORD_HIST + 1 };
	unsigned proofs = 0;

	for (unsigned i = 0; i < COUNT; i += 500)
		put_from(ks, i, 500);
	begin(ks);
	do {
		uint64_t seen = pass.seen;
		uint64_t resealed = pass.resealed;
		bool was_proving = pass.is_proving;

		if (step(ks, &pass) == 0)
			break;
		assert_true(pass.seen < seen + KEYSTORE_RESEAL_LOOK + 1);
		assert_true(pass.resealed <= resealed + KEYSTORE_RESEAL_BATCH);
		proofs += was_proving && pass.is_proving && pass.table <= RECORD_HIST;
	} while (keystore_is_resealing(ks));
	assert_int_equal(proofs, 2); /* of which the second ends in the other table */
	assert_int_equal(pass.resealed, COUNT);
	assert_int_equal(pass.seen, COUNT);
}

static void it_says_when_it_cannot(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct keystore_reseal pass = { 0 };
	struct report report = { 0 };

	fixture_put(ks, "billing", KEYSTORE_AUTH, "billing");
	assert_int_equal(step(ks, &pass), 0);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(keystore_reseal_begin(ks, &report), -ENOKEY);
	assert_true(report.what[0] && report.hint[0]);
	fixture_unlock_both(ks);
	begin(ks);
	assert_int_equal(keystore_reseal_begin(ks, NULL), -EALREADY);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_true(keystore_is_resealing(ks));
	assert_int_equal(keystore_reseal_step(ks, &pass, NULL), -ENOKEY);
	assert_int_equal(get(ks, "billing"), 0);
	keystore_seal(ks, KEYSTORE_AUTH);
	assert_false(keystore_is_resealing(ks));
	assert_int_equal(keystore_reseal_step(ks, &pass, NULL), -ENOKEY);
	fixture_unlock_both(ks);
	(void)run(ks);
	verify(ks, 1, 0);
}

/* Flips a byte of the first record in cur. */
static void damage_first(const struct fixture *f)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	uint8_t copy[4096];
	char path[PATH_MAX];
	MDB_val value;
	MDB_val key;
	MDB_dbi cur;

	fixture_path(f, "store", path);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "cur", 0, &cur), 0);
	assert_int_equal(mdb_cursor_open(txn, cur, &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	assert_true(value.mv_size <= sizeof(copy));
	memcpy(copy, value.mv_data, value.mv_size);
	copy[value.mv_size - 20] ^= 1;
	value.mv_data = copy;
	assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void an_altered_record_stops_it_and_costs_nothing_else(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct keystore_reseal pass = { 0 };
	struct report report = { 0 };
	unsigned open = 0;

	put_many(ks, 30);
	keystore_close(steal_ptr(ks));
	damage_first(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	begin(ks);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(keystore_reseal_step(ks, &pass, &report), -EBADMSG);
		assert_non_null(strstr(report.what, "record "));
		assert_true(report.hint[0]);
		assert_int_equal(pass.seen, 0);
	}
	assert_true(keystore_is_resealing(ks));
	for (unsigned i = 0; i < 30; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n-%u", i);
		open += get(ks, name) == 0;
	}
	assert_int_equal(open, 29);
}

/* ---- no room ---- */

static int without_room_for_a_copy(struct fixture *f)
{
	static char body[KEYSTORE_BODY_MAX];
	struct keystore_reseal pass = { 0 };
	struct keystore *ks = NULL;
	struct secret *recovery;
	int r = 1;

	EXPECT(mount("tmpfs", f->dir, "tmpfs", 0, "size=64m,mode=0700") == 0);
	recovery = fixture_create(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	memset(body, 'x', sizeof(body) - 1);
	for (unsigned i = 0; i < 520; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n-%u", i);
		fixture_put(ks, name, KEYSTORE_AUTH, body);
	}
	EXPECT(keystore_reseal_begin(ks, NULL) == 0);
	while (r > 0)
		r = keystore_reseal_step(ks, &pass, NULL);
	EXPECT(r == 0);
	EXPECT(!pass.is_compact);
	EXPECT(!keystore_is_resealing(ks));
	EXPECT(keystore_health(ks, NULL) == KEYSTORE_HEALTHY);
	fixture_shell(f, "test ! -e keyring.prev && test ! -e store/data.mdb.new");
	keystore_close(ks);
	secret_free(recovery);
	return 0;
}

static void the_key_goes_also_without_room_for_a_copy(void **state)
{
	fixture_in_namespace(*state, without_room_for_a_copy);
}

/* ---- SIGKILL ---- */

/* Death by a signal spares what the kernel has: no disk is needed to see what is left, and so
 * many syncs of one take minutes. */
static int setup_in_memory(void **state)
{
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1); /* fails for want of memory alone */
	return fixture_setup(state);
}

/* As text, for the children: a secret is wiped in them. */
static void create(struct fixture *f, char ret_recovery[static 128])
{
	cleanup_secret struct secret *recovery = fixture_create(f);

	(void)snprintf(ret_recovery, 128, "%s", secret_string(recovery)); /* it fits */
}

/* By the recovery key, which takes no Argon2id. */
static struct keystore *open_with(struct fixture *f, const char *recovery)
{
	cleanup_secret struct secret *key = fixture_secret(recovery);
	struct keystore *ks = fixture_open(f);
	struct report report = { 0 };

	if (keystore_unlock_recovery(ks, key, &report) < 0)
		fixture_fail(&report);
	return ks;
}

/* Reseals for ever, with a change between any two steps; tells each finished change. */
static void reseal_for_ever(struct fixture *f, const char *recovery, uint64_t n, int out)
{
	struct keystore *ks = open_with(f, recovery);

	for (;;) {
		struct keystore_reseal pass = { 0 };

		if (!keystore_is_resealing(ks) && keystore_reseal_begin(ks, NULL) < 0)
			_exit(1);
		while (keystore_reseal_step(ks, &pass, NULL) > 0) {
			char name[32];

			n++;
			(void)snprintf(name, sizeof(name), "k-%llu", (unsigned long long)n);
			fixture_put(ks, name, n % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, name);
			if (write(out, &n, sizeof(n)) != sizeof(n))
				_exit(2);
		}
		if (keystore_is_resealing(ks) || !pass.is_compact)
			_exit(3);
		if (write(out, &n, sizeof(n)) != sizeof(n))
			_exit(4);
	}
}

static uint64_t run_and_kill(struct fixture *f, const char *recovery, uint64_t last, int turns)
{
	uint64_t n;
	int status;
	int out[2];
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(out[0]);
		reseal_for_ever(f, recovery, last, out[1]);
	}
	assert_true(pid > 0);
	(void)close(out[1]);
	for (int i = 0; i < turns; i++) {
		assert_int_equal(read(out[0], &n, sizeof(n)), sizeof(n));
		last = n;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	while (read(out[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	(void)close(out[0]);
	return last;
}

static void sigkill_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct keystore *first;
	char recovery[128];
	uint64_t last = 0;

	create(f, recovery);
	first = open_with(f, recovery);
	put_many(first, MANY);
	keystore_close(first);
	for (int i = 0; i < KILLS; i++) {
		uint64_t reported = run_and_kill(f, recovery, last, 1 + i % 9);
		cleanup_keystore struct keystore *ks = open_with(f, recovery);

		last = keystore_count(ks) - MANY;
		assert_true(last == reported || last == reported + 1);
		verify(ks, MANY + last, 0);
		assert_int_equal(get(ks, "n-0"), 0);
		assert_int_equal(get(ks, "n-1"), 0);
		fixture_shell(f, "test ! -e store/data.mdb.new && test ! -e keyring.prev");
	}
}

/* ---- every call that reaches the disk ---- */

static unsigned fuse;	 /* calls until it burns; 0: never */
static bool fuse_killed; /* or fails with EIO */

static bool burns(void)
{
	if (fuse == 0 || --fuse > 0)
		return false;
	if (fuse_killed)
		(void)raise(SIGKILL);
	errno = EIO;
	return true;
}

/* These stand before libc's for the keystore and for LMDB. */
int fsync(int fd)
{
	return burns() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return burns() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int renameat(int from, const char *a, int to, const char *b)
{
	return burns() ? -1 : (int)syscall(SYS_renameat, from, a, to, b);
}

int unlinkat(int fd, const char *name, int flags)
{
	return burns() ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return burns() ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, data, len, at);
}

/* 0 when all of it was done before the fuse burnt, 1 when it failed, for the exit code. */
static int reseal_on_a_fuse(struct fixture *f, const char *recovery, unsigned calls)
{
	struct keystore_reseal pass = { 0 };
	struct keystore *ks = open_with(f, recovery);
	unsigned left;
	int r;

	fuse = calls;
	r = keystore_reseal_begin(ks, NULL);
	if (r == 0)
		r = 1;
	while (r > 0)
		r = keystore_reseal_step(ks, &pass, NULL);
	left = fuse;
	fuse = 0;
	keystore_close(ks);
	return left == 0;
}

static int run_on_a_fuse(struct fixture *f, const char *recovery, unsigned calls)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(reseal_on_a_fuse(f, recovery, calls));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return 1;
	}
	return WEXITSTATUS(status);
}

static void burn_every_call(struct fixture *f)
{
	struct keystore *ks;
	char recovery[128];
	unsigned calls = 0;
	int burnt;

	create(f, recovery);
	ks = open_with(f, recovery);
	put_many(ks, 9);
	fixture_remove(ks, "n-8");
	keystore_close(ks);
	fixture_shell(f, "mkdir saved && cp -rp keyring anchor store saved/");
	do {
		fixture_shell(f, "rm -rf keyring keyring.prev anchor store &&"
				 "cp -rp saved/. .");
		burnt = run_on_a_fuse(f, recovery, ++calls);
		ks = open_with(f, recovery);
		verify(ks, 8, 1);
		(void)run(ks);
		verify(ks, 8, 1);
		for (unsigned i = 0; i < 8; i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "n-%u", i);
			assert_int_equal(get(ks, name), 0);
		}
		keystore_close(ks);
		fixture_shell(f, "test ! -e keyring.prev");
	} while (burnt);
	assert_true(calls > 20); /* or they were not caught */
}

static void death_at_any_call_loses_nothing(void **state)
{
	fuse_killed = true;
	burn_every_call(*state);
}

static void an_error_of_any_call_loses_nothing(void **state)
{
	fuse_killed = false;
	burn_every_call(*state);
}

static void what_an_interrupted_copy_left_is_removed(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	put_many(ks, 10);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "head -c 9999 store/data.mdb > store/data.mdb.new &&"
			 "cp store/lock.mdb store/data.mdb.new-lock");
	ks = fixture_open(f);
	fixture_shell(f, "test ! -e store/data.mdb.new && test ! -e store/data.mdb.new-lock");
	fixture_unlock_both(ks);
	verify(ks, 10, 0);
}

#define TEST(f)	  cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
#define MEMORY(f) cmocka_unit_test_setup_teardown(f, setup_in_memory, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_is_as_it_was_under_other_keys),
		TEST(no_file_that_is_left_holds_the_old_ones),
		TEST(old_files_are_shut_to_the_new_keyring),
		TEST(a_copy_under_another_name_is_left_alone),
		TEST(it_goes_on_after_every_restart),
		TEST(what_a_pass_has_left_is_found_before_anything_is_destroyed),
		TEST(a_step_looks_at_a_bounded_part),
		TEST(it_says_when_it_cannot),
		TEST(an_altered_record_stops_it_and_costs_nothing_else),
		TEST(the_key_goes_also_without_room_for_a_copy),
		TEST(what_an_interrupted_copy_left_is_removed),
		MEMORY(death_at_any_call_loses_nothing),
		MEMORY(an_error_of_any_call_loses_nothing),
		MEMORY(sigkill_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
