/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts in the verifier index: put, found by another process, removed, rebuilt and damaged. */
#include "tests/unit/verifier-fixture.h"

#include <sys/wait.h>

#include "keystore/db.h"
#include "keystore/index.h"

static const struct index_key sender = { INDEX_FACT_SENDER, "a@example.com", 13 };
static const struct index_key service = { INDEX_FACT_SERVICE, "billing", 7 };

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

static void build(struct index_writer *w)
{
	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(index_rebuild_finish(w, 1, NULL), 0);
}

static int put(struct index_writer *w, const struct index_key *key, const char *body)
{
	return index_put_fact(w, key, (const uint8_t *)body, strlen(body));
}

static int put_new(struct index_writer *w, const struct index_key *key, const char *body)
{
	return index_rebuild_put_fact(w, key, (const uint8_t *)body, strlen(body));
}

/* What a reader that is made anew finds, in a child, since LMDB must not be opened twice in a
 * process: 0 when it is BODY, 1 when it is another, or the failure. */
static int compare_in_child(struct fixture *f, const struct verifier_keys *keys,
			    const struct index_key *key, const char *body)
{
	char dir[PATH_MAX];
	int status;
	pid_t pid;

	fixture_path(f, "index", dir);
	pid = fork();
	if (pid == 0) {
		uint8_t got[INDEX_FACT_BODY_MAX];
		struct index_reader *r = NULL;
		size_t len;
		int n = index_reader_new(dir, keys, &r);

		if (n == 0)
			n = index_get_fact(r, key, got, strlen(body), &len);
		if (n == 0)
			n = len != strlen(body) || memcmp(got, body, len) != 0;
		_exit(n < 0 ? -n : n);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) > 1 ? -WEXITSTATUS(status) : WEXITSTATUS(status);
}

static void a_fact_is_found_by_another_process(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	const struct index_key as_service = { INDEX_FACT_SERVICE, sender.data, sender.len };

	assert_int_equal(put(w, &sender, "\7billing"), -EAGAIN); /* not built yet */
	build(w);
	assert_int_equal(put(w, &sender, "\7billing"), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), -ENOENT);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7bill"), -ENOBUFS);
	assert_int_equal(compare_in_child(*state, keys, &as_service, "\7billing"), -ENOENT);
	assert_int_equal(put(w, &sender, "\3web"), 0);
	assert_int_equal(index_commit(w, 3, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\3web"), 0);
	assert_int_equal(index_remove_fact(w, &sender), 0);
	assert_int_equal(index_remove_fact(w, &sender), 0); /* twice is no failure */
	assert_int_equal(index_commit(w, 4, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\3web"), -ENOENT);
}

static void a_fact_and_a_login_of_one_name_do_not_meet(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	struct verifier_entry e = make_entry(keys, "billing", "secret", 7);

	build(w);
	assert_int_equal(put(w, &service, "fact"), 0);
	assert_int_equal(index_put(w, "billing", &e), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	assert_int_equal(index_remove(w, "billing"), 0);
	assert_int_equal(index_commit(w, 3, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &service, "fact"), 0);
}

static void facts_go_through_a_rebuild(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	const struct index_key other = { INDEX_FACT_CERT, "\0fingerprint", 12 };

	build(w);
	assert_int_equal(put(w, &sender, "old"), 0);
	assert_int_equal(put(w, &service, "old"), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	assert_int_equal(put_new(w, &sender, "new"), -EINVAL); /* no rebuild is under way */

	assert_int_equal(index_rebuild_begin(w, NULL), 0);
	assert_int_equal(put(w, &sender, "changed"), 0);
	assert_int_equal(index_remove_fact(w, &service), 0);
	assert_int_equal(put_new(w, &sender, "new"), 0);
	assert_int_equal(put_new(w, &service, "new"), 0);
	assert_int_equal(put_new(w, &other, "new"), 0);
	assert_int_equal(index_commit(w, 3, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "changed"), 0);
	assert_int_equal(compare_in_child(*state, keys, &service, "new"), -ENOENT);
	assert_int_equal(compare_in_child(*state, keys, &other, "new"), -ENOENT);
	assert_int_equal(index_rebuild_finish(w, 4, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "changed"), 0);
	assert_int_equal(compare_in_child(*state, keys, &service, "new"), -ENOENT);
	assert_int_equal(compare_in_child(*state, keys, &other, "new"), 0);
	build(w); /* in which nothing is put */
	assert_int_equal(compare_in_child(*state, keys, &other, "new"), -ENOENT);
}

static void facts_out_of_bounds_are_refused(void **state)
{
	static const uint8_t body[INDEX_FACT_BODY_MAX + 1];
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_index_writer struct index_writer *w = open_writer(*state, keys);
	const struct index_key empty = { INDEX_FACT_SENDER, "", 0 };
	const struct index_key longest = { INDEX_FACT_SENDER, body, INDEX_FACT_KEY_MAX };
	const struct index_key longer = { INDEX_FACT_SENDER, body, INDEX_FACT_KEY_MAX + 1 };
	unsigned n = 0;

	build(w);
	assert_int_equal(index_put_fact(w, &empty, body, 1), -EINVAL);
	assert_int_equal(index_put_fact(w, &longer, body, 1), -EINVAL);
	assert_int_equal(index_remove_fact(w, &longer), -EINVAL);
	assert_int_equal(index_put_fact(w, &sender, body, sizeof(body)), -EINVAL);
	assert_int_equal(index_put_fact(w, &longest, body, 0), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	/* large ones count for several, so that a commit stays within bounds; what was put
	 * before the one that is too many stays */
	while (index_put_fact(w, &sender, body, INDEX_FACT_BODY_MAX) == 0)
		n++;
	assert_int_equal(n, INDEX_BATCH_MAX / 4);
	assert_int_equal(index_put_fact(w, &sender, body, INDEX_FACT_BODY_MAX), -E2BIG);
	assert_int_equal(index_commit(w, 3, NULL), 0);
	assert_int_equal(index_put_fact(w, &sender, body, INDEX_FACT_BODY_MAX), 0);
	assert_int_equal(index_commit(w, 4, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &longest, ""), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "short"), -ENOBUFS);
}

/* ---- what somebody who can write the file might do ---- */

static void open_table(struct fixture *f, MDB_env **env, MDB_txn **txn, MDB_dbi *table)
{
	char dir[PATH_MAX];

	fixture_path(f, "index", dir);
	assert_int_equal(mdb_env_create(env), 0);
	assert_int_equal(mdb_env_set_maxdbs(*env, 3), 0);
	assert_int_equal(mdb_env_open(*env, dir, MDB_NOTLS, 0640), 0);
	assert_int_equal(mdb_txn_begin(*env, NULL, 0, txn), 0);
	assert_int_equal(mdb_dbi_open(*txn, "b", 0, table), 0); /* where the first build goes */
}

static void swap_all(MDB_txn *txn, MDB_dbi table)
{
	uint8_t copies[2][512];
	MDB_val keys[2], values[2];
	MDB_cursor *c;

	assert_int_equal(mdb_cursor_open(txn, table, &c), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mdb_cursor_get(c, &keys[i], &values[i], MDB_NEXT), 0);
		assert_true(values[i].mv_size <= sizeof(copies[i]));
		memcpy(copies[i], values[i].mv_data, values[i].mv_size);
		values[i].mv_data = copies[i];
	}
	mdb_cursor_close(c);
	assert_int_equal(mdb_put(txn, table, &keys[0], &values[1], 0), 0);
	assert_int_equal(mdb_put(txn, table, &keys[1], &values[0], 0), 0);
}

static void flip_all(MDB_txn *txn, MDB_dbi table)
{
	uint8_t copy[512];
	MDB_val key, value;
	MDB_cursor *c;

	assert_int_equal(mdb_cursor_open(txn, table, &c), 0);
	while (mdb_cursor_get(c, &key, &value, MDB_NEXT) == 0) {
		assert_true(value.mv_size <= sizeof(copy));
		memcpy(copy, value.mv_data, value.mv_size);
		copy[value.mv_size / 2] ^= 1;
		value.mv_data = copy;
		assert_int_equal(mdb_cursor_put(c, &key, &value, MDB_CURRENT), 0);
	}
	mdb_cursor_close(c);
}

static void tamper(struct fixture *f, void (*how)(MDB_txn *txn, MDB_dbi table))
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;

	open_table(f, &env, &txn, &table);
	how(txn, table);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void facts_that_changed_places_are_trouble(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	const struct index_key second = { INDEX_FACT_SENDER, "b@example.com", 13 };
	struct index_writer *w = open_writer(*state, keys);

	build(w);
	assert_int_equal(put(w, &sender, "\7billing"), 0);
	assert_int_equal(put(w, &second, "\3web"), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	index_writer_close(w);
	tamper(*state, swap_all);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\3web"), -EBADMSG);
	assert_int_equal(compare_in_child(*state, keys, &second, "\7billing"), -EBADMSG);
	tamper(*state, swap_all); /* and back */
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), 0);
	tamper(*state, flip_all);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), -EBADMSG);
}

/* An index as it was made before there were facts: its META has the number 1. */
static void age(MDB_txn *txn, MDB_dbi table)
{
	MDB_val key = { 4, (void *)(uintptr_t) "META" };
	uint8_t copy[512];
	MDB_val value;
	MDB_dbi meta;

	(void)table;
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	assert_int_equal(mdb_get(txn, meta, &key, &value), 0);
	memcpy(copy, value.mv_data, value.mv_size);
	copy[0] = 1;
	value.mv_data = copy;
	assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
}

static void an_index_of_before_is_due_for_a_rebuild(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct index_writer *w = open_writer(*state, keys);
	uint64_t txid;

	build(w);
	assert_int_equal(put(w, &sender, "\7billing"), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	index_writer_close(w);
	tamper(*state, age);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), -EBADMSG);
	w = open_writer(*state, keys);
	assert_int_equal(index_writer_txid(w, &txid), -EAGAIN);
	build(w);
	assert_int_equal(put(w, &sender, "\7billing"), 0);
	assert_int_equal(index_commit(w, 2, NULL), 0);
	assert_int_equal(compare_in_child(*state, keys, &sender, "\7billing"), 0);
	index_writer_close(w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(a_fact_is_found_by_another_process),
		T(a_fact_and_a_login_of_one_name_do_not_meet),
		T(facts_go_through_a_rebuild),
		T(facts_out_of_bounds_are_refused),
		T(facts_that_changed_places_are_trouble),
		T(an_index_of_before_is_due_for_a_rebuild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
