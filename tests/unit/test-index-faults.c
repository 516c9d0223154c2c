/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier index on a disk that fails, and under kills: readers go on with what was
 * committed last; what failed is there wholly or not at all; the writer says when it is behind,
 * and makes up for it by a rebuild, or by itself.
 */
#include "tests/unit/verifier-fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "keystore/index.h"
#include "tests/unit/faultshim.h"

enum { LOGINS = 20 };

struct bench {
	struct fixture *f;
	char dir[PATH_MAX];
	struct verifier_keys *keys;
	struct index_writer *w;
};

static int open_writer(struct bench *b, struct report *report)
{
	const struct index_options options = { .keys = b->keys, .group = (gid_t)-1 };

	return index_writer_open(b->dir, &options, &b->w, report);
}

static void name_of(char out[static 16], int n)
{
	(void)snprintf(out, 16, "svc-%d", n);
}

static struct verifier_entry entry_of(const struct bench *b)
{
	struct verifier_entry e;

	verifier_decoy(b->keys, "x", &e);
	e.flags = 0;
	(void)snprintf(e.service, sizeof(e.service), "x");
	return e;
}

static int rebuild(struct bench *b, uint64_t txid, struct report *report)
{
	struct verifier_entry e = entry_of(b);
	char login[16];
	int r = index_rebuild_begin(b->w, report);

	for (int i = 0; r == 0 && i < LOGINS; i++) {
		name_of(login, i);
		r = index_rebuild_put(b->w, login, &e);
		if (r == 0 && i == LOGINS / 2)
			r = index_rebuild_flush(b->w, report);
	}
	return r < 0 ? r : index_rebuild_finish(b->w, txid, report);
}

/* Adds one, takes one away. */
static int change(struct bench *b, uint64_t txid, struct report *report)
{
	struct verifier_entry e = entry_of(b);
	int r = index_put(b->w, "new", &e);

	if (r == 0)
		r = index_remove(b->w, "svc-0");
	if (r < 0) {
		index_abort(b->w);
		return report_set(report, r, "%s: %s", b->dir, strerrordesc_np(-r));
	}
	return index_commit(b->w, txid, report);
}

typedef int step_fn(struct bench *b, uint64_t txid, struct report *report);

static void complain(const char *what)
{
	print_error("%s at call %llu (%s): %s\n", fault_kind_name(fault_last()->kind),
		    (unsigned long long)fault_last()->nth, fault_last()->what, what);
	fail();
}

/* As a door sees it: false before the change, true after; nothing else. */
static bool is_changed(struct bench *b)
{
	cleanup_index_reader struct index_reader *r = NULL;
	struct verifier_entry e;
	char login[16];
	bool has_new;

	assert_int_equal(index_reader_new(b->dir, b->keys, &r), 0);
	has_new = index_get(r, "new", &e) == 0;
	if (index_get(r, "svc-0", &e) != (has_new ? -ENOENT : 0))
		complain("half of a change is there");
	for (int i = 1; i < LOGINS; i++) {
		name_of(login, i);
		if (index_get(r, login, &e) != 0)
			complain("a login is lost");
	}
	return has_new;
}

static void begin(struct bench *b)
{
	fault_disarm();
	index_writer_close(steal_ptr(b->w));
	fixture_shell(b->f, "rm -rf index");
	assert_int_equal(open_writer(b, NULL), 0);
	assert_int_equal(rebuild(b, 1, NULL), 0);
}

/* The vault's answer to a failed change: what is in the store now, anew. */
static void mend(struct bench *b)
{
	struct report report = { 0 };
	uint64_t txid = 0;
	int r = rebuild(b, 2, &report);

	if (r == 0)
		r = change(b, 3, &report);
	if (r < 0) {
		fixture_fail(&report);
		complain("it cannot be made up for");
	}
	if (!is_changed(b))
		complain("it was made up for and is not there");
	assert_int_equal(index_writer_txid(b->w, &txid), 0);
	assert_int_equal(txid, 3);
}

static bool try_fault(struct bench *b, step_fn *step, enum fault_kind kind, uint64_t nth,
		      uint64_t lasting)
{
	struct report report = { 0 };
	uint64_t txid;
	int r;

	begin(b);
	fault_arm_lasting(kind, lasting > 1 ? FAULT_CHANGES : FAULT_ALL, nth, lasting);
	r = step(b, 2, &report);
	fault_disarm();
	if (r < 0 && (!strstr(report.what, b->dir) || !report.hint[0])) {
		print_error("'%s' ('%s')\n", report.what, report.hint);
		complain("the text does not tell enough");
	}
	if (is_changed(b) != (r == 0 && step == change) && r == 0)
		complain("it was acknowledged and is not there");
	if (r < 0 && index_writer_txid(b->w, &txid) == 0 && txid != 1)
		complain("it claims what it failed to do");
	if (fault_last()->hits == 0)
		return false;
	mend(b);
	return true;
}

static struct bench bench_new(void **state)
{
	struct bench b = { .f = *state, .keys = make_keys(3) };

	fixture_path(b.f, "index", b.dir);
	fault_below(b.f->dir);
	return b;
}

static void bench_release(struct bench *b)
{
	fault_disarm();
	index_writer_close(b->w);
	verifier_keys_free(b->keys);
}

static void every_failure_is_made_up_for(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_EIO,	FAULT_ENOSPC,
						 FAULT_EROFS,	FAULT_EINTR,
						 FAULT_SHORT,	FAULT_SHORT_ENOSPC,
						 FAULT_EIO_LATE };
	static step_fn *const steps[] = { change, rebuild };
	struct bench b = bench_new(state);
	unsigned faults = 0;

	for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			for (uint64_t n = 1; try_fault(&b, steps[s], kinds[i], n, 1); n++)
				faults++;
			/* LMDB tries again as long as it is interrupted */
			for (uint64_t n = 1; kinds[i] != FAULT_EINTR &&
					     try_fault(&b, steps[s], kinds[i], n, UINT64_MAX);
			     n++)
				faults++;
		}
	}
	print_message("# %u faults\n", faults);
	bench_release(&b);
}

static void every_kill_leaves_it_whole(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_KILL_BEFORE, FAULT_KILL_MIDDLE,
						 FAULT_KILL_AFTER };
	static step_fn *const steps[] = { change, rebuild };
	struct bench b = bench_new(state);

	for (size_t i = 0; i < ARRAY_SIZE(kinds) * ARRAY_SIZE(steps); i++) {
		for (uint64_t nth = 1;; nth++) {
			int status;
			pid_t pid;

			begin(&b);
			index_writer_close(steal_ptr(b.w));
			pid = fork();
			if (pid == 0) {
				if (open_writer(&b, NULL) < 0)
					_exit(2);
				fault_arm(kinds[i / 2], FAULT_ALL, nth);
				_exit(steps[i % 2](&b, 2, NULL) < 0 ? 1 : 0);
			}
			assert_true(waitpid(pid, &status, 0) == pid);
			fault_disarm();
			if (WIFEXITED(status)) {
				assert_int_equal(WEXITSTATUS(status), 0);
				break;
			}
			(void)is_changed(&b); /* either */
			assert_int_equal(open_writer(&b, NULL), 0);
			mend(&b);
		}
	}
	bench_release(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_failure_is_made_up_for),
		TEST(every_kill_leaves_it_whole),
	};

	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
