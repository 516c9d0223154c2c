/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGKILL at any moment: what was reported committed is there, and the whole verifies. Once at
 * every call to the disk that an operation makes, and many times wherever it hits. */
#include "tests/unit/keystore-ops.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "keystore/index.h"
#include "tests/unit/faultshim.h"

enum { KILLS = 40 };

static const struct keystore_id counter_id = { "test", "counter", "n" };

static uint64_t read_counter(struct keystore *ks)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = keystore_get(ks, &counter_id, &rec);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0 ? load_be64(rec->body) : 0;
}

/* One transaction: the counter, a record of its own, and the removal of an old one. */
static int step(struct keystore *ks, uint64_t n)
{
	struct keystore_record rec = fixture_record("", KEYSTORE_AUTH, "body");
	struct keystore_txn *txn;
	uint8_t body[8];
	char name[32];
	char old[32];
	int r;

	store_be64(body, n);
	(void)snprintf(name, sizeof(name), "n-%llu", (unsigned long long)n);
	(void)snprintf(old, sizeof(old), "n-%llu", (unsigned long long)(n - 3));
	r = keystore_begin(ks, &txn, NULL);
	if (r < 0)
		return r;
	rec.id.name = name;
	r = keystore_put(txn, &rec, NULL);
	rec.id = counter_id;
	rec.body = body;
	rec.body_len = sizeof(body);
	if (r == 0)
		r = keystore_put(txn, &rec, NULL);
	rec.id = (struct keystore_id){ "password", "verifier", old };
	if (r == 0 && n > 3)
		r = keystore_remove(txn, &rec.id, "old");
	if (r < 0) {
		keystore_abort(txn);
		return r;
	}
	return keystore_commit(txn, NULL, NULL);
}

static void work(struct fixture *f, int out)
{
	cleanup_secret struct secret *key = secret_new(fixture_key_file, 32);
	struct keystore *ks = NULL;
	uint64_t n;

	if (!key || keystore_open(f->dir, &f->env, &ks, NULL) < 0 ||
	    keystore_unlock_key_file(ks, key, NULL) < 0)
		_exit(1);
	for (n = read_counter(ks) + 1; step(ks, n) == 0; n++)
		if (write(out, &n, sizeof(n)) != sizeof(n))
			_exit(2);
	_exit(3);
}

/* Lets a child commit TURNS times and kills it, wherever it is then. Returns the last counter
 * it reported; what it reported after the last one read here is taken from the pipe as well. */
static uint64_t run_and_kill(struct fixture *f, int turns)
{
	uint64_t last = 0;
	uint64_t n;
	int status;
	int out[2];
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(out[0]);
		work(f, out[1]);
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

static void nothing_reported_committed_is_lost_to_sigkill(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = fixture_create(f);

	for (int i = 0; i < KILLS; i++) {
		uint64_t reported = run_and_kill(f, 1 + i % 5);
		cleanup_keystore struct keystore *ks = fixture_open(f);
		struct keystore_verify totals;
		struct report report = { 0 };
		uint64_t n;

		fixture_unlock_auth(ks);
		n = read_counter(ks);
		assert_true(n == reported || n == reported + 1);
		assert_int_equal(keystore_health(ks, &report), KEYSTORE_HEALTHY);
		if (keystore_verify(ks, &totals, &report) < 0)
			fixture_fail(&report);
		assert_true(totals.txid == n + 1);
		assert_true(totals.records == 1 + (n < 3 ? n : 3));
		assert_true(totals.tombstones == (n < 3 ? 0 : n - 3));
	}
}

/* The child rebuilds again and again; the index must be whole at every kill. */
static void rebuild_for_ever(const char *dir, const struct verifier_keys *keys, int out)
{
	const struct index_options options = { .keys = keys, .group = (gid_t)-1 };
	struct verifier_entry e;
	struct index_writer *w = NULL;
	uint64_t txid = 0;

	verifier_decoy(keys, "x", &e);
	e.flags = 0;
	(void)snprintf(e.service, sizeof(e.service), "x");
	if (index_writer_open(dir, &options, &w, NULL) < 0)
		_exit(1);
	for (;;) {
		char login[16];

		if (index_rebuild_begin(w, NULL) < 0)
			_exit(2);
		for (int i = 0; i < 300; i++) {
			(void)snprintf(login, sizeof(login), "svc-%d", i);
			if (index_rebuild_put(w, login, &e) < 0 ||
			    (i % 100 == 99 && index_rebuild_flush(w, NULL) < 0))
				_exit(3);
		}
		if (index_rebuild_finish(w, ++txid, NULL) < 0 ||
		    write(out, &txid, sizeof(txid)) != sizeof(txid))
			_exit(4);
	}
}

static void an_index_is_whole_wherever_its_writer_dies(void **state)
{
	struct fixture *f = *state;
	cleanup_verifier_keys struct verifier_keys *keys = NULL;
	uint8_t blob[VERIFIER_KEYS_BLOB_LEN] = "RTVKEYS1";
	char dir[PATH_MAX];

	assert_int_equal(verifier_keys_from_blob(blob, sizeof(blob), &keys), 0);
	fixture_path(f, "index", dir);
	for (int i = 0; i < KILLS / 2; i++) {
		cleanup_index_reader struct index_reader *r = NULL;
		struct verifier_entry e;
		uint64_t txid;
		int status;
		int out[2];
		pid_t pid;

		assert_int_equal(pipe(out), 0);
		pid = fork();
		if (pid == 0) {
			(void)close(out[0]);
			rebuild_for_ever(dir, keys, out[1]);
		}
		(void)close(out[1]);
		for (int turns = 0; turns <= i % 3; turns++)
			assert_int_equal(read(out[0], &txid, sizeof(txid)), sizeof(txid));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_true(waitpid(pid, &status, 0) == pid);
		assert_true(WIFSIGNALED(status));
		(void)close(out[0]);
		assert_int_equal(index_reader_new(dir, keys, &r), 0);
		assert_int_equal(index_get(r, "svc-0", &e), 0);
		assert_int_equal(index_get(r, "svc-299", &e), 0);
		assert_int_equal(index_get(r, "svc-300", &e), -ENOENT);
	}
}

/* ---- at every call ---- */

struct bench {
	struct world w;
	const struct op *op;
	char template[PATH_MAX];
	struct picture before;
	struct picture after;
};

static void complain(const struct bench *b, const char *what)
{
	print_error("%s, %s at call %llu (%s): %s\n", b->op->name,
		    fault_kind_name(fault_last()->kind), (unsigned long long)fault_last()->nth,
		    fault_last()->what, what);
	fail();
}

static void begin(struct bench *b, struct fixture *f, const struct op *op)
{
	char watched[PATH_MAX];

	*b = (struct bench){ .w = { .f = f }, .op = op };
	fixture_path(f, "template", b->template);
	fixture_path(f, "watched", watched);
	(void)mkdir(watched, 0711);
	fault_below(watched);
	remove_tree(b->template);
	(void)snprintf(b->w.dir, sizeof(b->w.dir), "%s", b->template);
	world_prepare(&b->w, op);
	fixture_path(f, "watched/keystore", b->w.dir);
	copy_tree(b->template, b->w.dir); /* opening it changes it */
	b->before = dir_picture(f, b->w.dir);
	world_take(&b->w, b->template, op);
	assert_true(op->run(&b->w, NULL) >= 0);
	world_close(&b->w);
	b->after = dir_picture(f, b->w.dir);
}

static int run_in_child(struct bench *b, enum fault_kind kind, uint64_t nth)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		world_take(&b->w, b->template, b->op);
		fault_arm(kind, FAULT_ALL, nth);
		_exit(b->op->run(&b->w, NULL) < 0 ? 1 : 0);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	fault_disarm();
	return status;
}

/* Whoever comes next finds all or nothing, and brings it to its end. */
static void check_heir(struct bench *b)
{
	struct picture found = dir_picture(b->w.f, b->w.dir);
	bool is_done = picture_equal(&found, &b->after);

	if (!picture_is_one_of(&found, &b->before, &b->after, b->op))
		complain(b, "half of it was done");
	picture_release(&found);
	if (is_done)
		return;
	b->w.pass = (struct keystore_reseal){ 0 };
	if (!(b->op->flags & (OP_OPENS | OP_MAKES)) && world_open(&b->w, NULL) < 0)
		complain(b, "it does not open");
	if (b->op->run(&b->w, NULL) < 0)
		complain(b, "it cannot be done again");
	world_close(&b->w);
	found = dir_picture(b->w.f, b->w.dir);
	if (!picture_equal(&found, &b->after))
		complain(b, "done again, it is not what it should be");
	picture_release(&found);
}

static void every_operation_can_be_killed_at_every_call(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_KILL_BEFORE, FAULT_KILL_MIDDLE,
						 FAULT_KILL_AFTER };
	const uint64_t stride = getenv("ROTATED_LONG") ? 1 : ARRAY_SIZE(kinds);
	const char *only = getenv("FAULT_ONLY");
	unsigned kills = 0;

	for (size_t i = 0; i < op_count; i++) {
		struct bench b;

		if (only && strcmp(only, ops[i].name) != 0)
			continue;
		begin(&b, *state, &ops[i]);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			for (uint64_t nth = 1 + k;; nth += stride) {
				int status = run_in_child(&b, kinds[k], nth);

				if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
					break;
				if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
					complain(&b, "it ended in another way");
				check_heir(&b);
				kills++;
			}
		}
		picture_release(&b.before);
		picture_release(&b.after);
	}
	print_message("# %u kills\n", kills);
	assert_true(only || kills > op_count);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_reported_committed_is_lost_to_sigkill),
		TEST(an_index_is_whole_wherever_its_writer_dies),
		TEST(every_operation_can_be_killed_at_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
