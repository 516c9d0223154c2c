/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every operation on a keystore, with each of its calls to the disk failing in each way. What
 * has to hold:
 *
 *	- what returned 0 is there, now and after reopening; what failed has left the old
 *content to the handle, and to the disk either the old or the new, whole;
 *	- the failure has a text that names object, reason and what to do;
 *	- the handle goes on reading and changing, and the operation succeeds when the disk
 *does.
 *
 * Calls that are passed over on purpose (the anchor after a commit, tidying) may fail
 *unnoticed; then the first of these is what counts.
 */
#include "tests/unit/keystore-ops.h"

#include <sys/stat.h>

#include "keystore/internal.h"
#include "tests/unit/faultshim.h"

struct bench {
	struct fixture *f;
	struct world w;
	char template[PATH_MAX];
	char crashed[PATH_MAX];
	const struct op *op;
	struct picture before;
	struct picture after;
	char label[128];
	unsigned faults;
};

/* ---- telling which of the many it was ---- */

static void complain(const struct bench *b, const char *what)
{
	print_error("%s, %s at call %llu (%s): %s\n", b->op->name,
		    fault_kind_name(fault_last()->kind), (unsigned long long)fault_last()->nth,
		    fault_last()->what, what);
}

#define MUST(b, condition)                                                                     \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			complain(b, #condition);                                               \
			fail();                                                                \
		}                                                                              \
	} while (0)

static void must_be(struct bench *b, struct picture got, const struct picture *wanted,
		    const char *when)
{
	if (!picture_equal(&got, wanted)) {
		complain(b, when);
		print_error("got:\n%s%swanted:\n%s%s", got.shape, got.records, wanted->shape,
			    wanted->records);
		fail();
	}
	picture_release(&got);
}

/* ---- the check of one fault ---- */

static void check_text(struct bench *b, const struct report *report, int r)
{
	static const int injected[] = { EIO, ENOSPC, EROFS, EINTR };
	bool has_reason = strstr(report->what, strerrordesc_np(-r));

	for (size_t i = 0; i < ARRAY_SIZE(injected); i++)
		has_reason |= strstr(report->what, strerrordesc_np(injected[i])) != NULL;
	if (!strstr(report->what, b->w.dir) || !has_reason || !report->hint[0]) {
		complain(b, "the text does not tell enough");
		print_error("%d: '%s' ('%s')\n", r, report->what, report->hint);
		fail();
	}
}

/* What a process that starts now would find. */
static void check_disk(struct bench *b, bool is_done)
{
	struct picture found;

	copy_tree(b->w.dir, b->crashed);
	found = dir_picture(b->f, b->crashed);
	if (is_done)
		MUST(b, picture_equal(&found, &b->after));
	else
		MUST(b, picture_is_one_of(&found, &b->before, &b->after, b->op));
	picture_release(&found);
}

static int commit_probe(struct world *w, const char *body, struct report *report)
{
	struct keystore_record rec = fixture_record("probe", KEYSTORE_AUTH, body);
	struct keystore_txn *txn;
	int r = keystore_begin(w->ks, &txn, report);

	if (r < 0)
		return r;
	r = keystore_put(txn, &rec, NULL);
	if (r < 0) {
		keystore_abort(txn);
		return r;
	}
	return keystore_commit(txn, NULL, report);
}

/* The handle that has seen the failure still changes what it holds, and that lasts. */
static void check_goes_on(struct bench *b)
{
	cleanup_record struct keystore_record *rec = NULL;
	const struct keystore_id id = { "password", "verifier", "probe" };
	struct report report = { 0 };
	struct keystore_verify totals;
	int r = 0;

	if (keystore_health(b->w.ks, NULL) == KEYSTORE_RESTORED)
		r = keystore_accept(b->w.ks, &report);
	if (r == 0)
		r = commit_probe(&b->w, "after", &report);
	if (r < 0) {
		complain(b, "cannot change any more");
		fixture_fail(&report);
		fail();
	}
	world_close(&b->w);
	r = world_open(&b->w, &report);
	if (r == 0)
		r = keystore_verify(b->w.ks, &totals, &report);
	if (r < 0)
		fixture_fail(&report);
	MUST(b, r == 0);
	MUST(b, keystore_health(b->w.ks, NULL) == KEYSTORE_HEALTHY);
	MUST(b, keystore_get(b->w.ks, &id, &rec) == 0);
	MUST(b, rec->body_len == 5);
	MUST(b, b->w.ks->has_sums);
}

/* Once it has worked: content and form are the new ones, for the handle and after reopening. */
static void check_done(struct bench *b)
{
	if (!(b->op->flags & OP_MAKES))
		must_be(b, world_picture(&b->w), &b->after, "done, and the handle has it not");
	world_close(&b->w);
	must_be(b, dir_picture(b->f, b->w.dir), &b->after, "done, and the disk has it not");
	MUST(b, world_open(&b->w, NULL) == 0);
	check_goes_on(b);
}

static void check_failed(struct bench *b, const struct report *report, int r)
{
	struct report again = { 0 };
	struct picture now = world_picture(&b->w);

	check_text(b, report, r);
	MUST(b, !(b->op->flags & (OP_OPENS | OP_MAKES)) || !b->w.ks);
	MUST(b, b->op->flags & (OP_OPENS | OP_MAKES) ||
			(b->op->flags & OP_STEPS
				 ? picture_is_one_of(&now, &b->before, &b->after, b->op)
				 : picture_equal(&now, &b->before)));
	picture_release(&now);
	check_disk(b, false);
	r = b->op->run(&b->w, &again);
	/* not even what was made could be taken away: it is whole, and says that it is there */
	if (r == -EEXIST && b->op->flags & OP_MAKES && fault_last()->hits > 1)
		r = 0;
	if (r < 0)
		fixture_fail(&again);
	MUST(b, r >= 0);
	check_done(b);
}

/* While the disk is still failing. */
static void check_reads(struct bench *b)
{
	const struct keystore_id id = { "password", "verifier", "svc-15" };
	cleanup_record struct keystore_record *rec = NULL;
	int r = b->w.ks ? keystore_get(b->w.ks, &id, &rec) : 0;

	MUST(b, r == 0);
}

/* False when the operation ended before its NTH call. */
static bool try_fault(struct bench *b, enum fault_kind kind, uint64_t nth, uint64_t lasting)
{
	struct report report = { 0 };
	int r;

	world_take(&b->w, b->template, b->op);
	/* a disk that takes no more still gives what is in the cache */
	fault_arm_lasting(kind, lasting > 1 ? FAULT_CHANGES : FAULT_ALL, nth, lasting);
	r = b->op->run(&b->w, &report);
	check_reads(b);
	fault_disarm();
	if (fault_last()->hits == 0) {
		MUST(b, r >= 0);
		return false;
	}
	b->faults++;
	if (getenv("FAULT_TRACE"))
		complain(b, r < 0 ? report.what : "done");
	if (r < 0) {
		check_failed(b, &report, r);
	} else {
		check_disk(b, true);
		check_done(b);
	}
	return true;
}

/* ---- all of them ---- */

static void bench_begin(struct bench *b, struct fixture *f, const struct op *op)
{
	char watched[PATH_MAX];

	*b = (struct bench){ .f = f, .w = { .f = f }, .op = op };
	fixture_path(f, "template", b->template);
	fixture_path(f, "crashed", b->crashed);
	fixture_path(f, "watched", watched);
	(void)mkdir(watched, 0711);
	fault_below(watched);
	remove_tree(b->template);
	(void)snprintf(b->w.dir, sizeof(b->w.dir), "%s", b->template);
	world_prepare(&b->w, op);
	fixture_path(f, "watched/keystore", b->w.dir);
	copy_tree(b->template, b->crashed); /* opening it changes it */
	b->before = dir_picture(f, b->crashed);
	world_take(&b->w, b->template, op);
	assert_true(op->run(&b->w, NULL) >= 0);
	world_close(&b->w);
	b->after = dir_picture(f, b->w.dir);
}

static void bench_end(struct bench *b)
{
	world_close(&b->w);
	picture_release(&b->before);
	picture_release(&b->after);
}

/* Every call in every way; in the short form every call in every third way. */
static void try_all(struct bench *b)
{
	const uint64_t stride = getenv("ROTATED_LONG") ? 1 : 3;
	static const struct {
		enum fault_kind kind;
		uint64_t lasting;
	} kinds[] = {
		{ FAULT_EIO, 1 },
		{ FAULT_ENOSPC, 1 },
		{ FAULT_EROFS, 1 },
		{ FAULT_EINTR, 1 },
		{ FAULT_SHORT, 1 },
		{ FAULT_SHORT_ENOSPC, 1 },
		{ FAULT_EIO_LATE, 1 },
		{ FAULT_EIO, UINT64_MAX },
		{ FAULT_EIO_LATE, UINT64_MAX },
		{ FAULT_ENOSPC, UINT64_MAX },
		{ FAULT_EROFS, UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t nth = 1 + i % stride;

		while (try_fault(b, kinds[i].kind, nth, kinds[i].lasting))
			nth += stride;
	}
}

static void every_operation_survives_every_failure_of_the_disk(void **state)
{
	const char *only = getenv("FAULT_ONLY");
	unsigned faults = 0;

	for (size_t i = 0; i < op_count; i++) {
		struct bench b;

		if (only && strcmp(only, ops[i].name) != 0)
			continue;
		bench_begin(&b, *state, &ops[i]);
		try_all(&b);
		print_message("# %s: %u faults\n", b.op->name, b.faults);
		faults += b.faults;
		assert_true(b.faults > 0);
		bench_end(&b);
	}
	print_message("# %u faults\n", faults);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_operation_survives_every_failure_of_the_disk),
	};

	/* what is synced here is not asked for again: memory will do */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
