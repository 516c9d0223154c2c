/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass over the directory comes to: over plain structs, no vault and no directory. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "rotated/directory/ldap_table.h"

static const struct config_limit generous = { 1000, 100 };

/* Entry N of the directory, whose service is ID; NULL: it can not be used. */
static struct ldap_entry *entry(unsigned n, const char *id)
{
	char uuid[LDAP_UUID_SIZE];
	struct ldap_entry *e;

	(void)snprintf(uuid, sizeof(uuid), "%08x-0000-0000-0000-000000000000", n);
	e = ldap_entry_new(uuid, "cn=x");
	assert_non_null(e);
	if (!id)
		return e;
	(void)snprintf(e->id, sizeof(e->id), "%s", id);
	e->is_usable = true;
	return e;
}

static void see(struct ldap_pass *p, struct ldap_entry *e, enum ldap_seen seen)
{
	assert_int_equal(ldap_pass_add(p, e, seen), 0);
}

static void say(struct ldap_pass *p, unsigned n, const char *id)
{
	see(p, entry(n, id), LDAP_SEEN_ENTRY);
}

static struct ldap_plan plan(struct ldap_table *t, struct ldap_pass *p,
			     const struct config_limit *limit,
			     const struct ldap_names *approved)
{
	const struct ldap_guard guard = { *limit, approved };
	struct ldap_plan plan = { 0 };

	assert_int_equal(ldap_plan_make(t, p, &guard, &plan), 0);
	return plan;
}

/* Makes PLAN true; what loses its service goes to the gone ones, as in ldap_apply.c. */
static void apply(struct ldap_table *t, struct ldap_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct ldap_op *op = &plan->ops[i];
		struct ldap_entry *gone = NULL;

		if (op->loses_id) {
			gone = entry(0, op->old->id);
			gone->serial = op->old->serial;
		}
		assert_int_equal(ldap_table_apply(t, op, gone), 0);
	}
	assert_int_equal(ldap_table_settle(t), 0);
	ldap_plan_release(plan);
}

static void take(struct ldap_table *t, struct ldap_pass *p)
{
	struct ldap_plan made = plan(t, p, &generous, NULL);

	assert_false(made.is_held);
	apply(t, &made);
	ldap_pass_release(p);
}

static void fill(struct ldap_table *t, unsigned n)
{
	struct ldap_pass p = { .is_full = true };
	char id[SERVICE_ID_MAX + 1];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "s%u", i);
		say(&p, i, id);
	}
	take(t, &p);
	assert_int_equal(t->n_in_force, n);
}

static bool has(const struct ldap_table *t, const char *id, unsigned n)
{
	const struct ldap_entry *e = ldap_table_find(t, id);
	char uuid[LDAP_UUID_SIZE];

	(void)snprintf(uuid, sizeof(uuid), "%08x-0000-0000-0000-000000000000", n);
	return e && !ldap_table_find_gone(t, id) && strcmp(e->uuid, uuid) == 0;
}

/* ---- mark and sweep ---- */

static void test_only_a_full_pass_sweeps(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { 0 };

	(void)state;
	fill(&t, 4);
	take(&t, &p); /* an empty delta */
	assert_int_equal(t.n, 4);
	p.is_full = true;
	say(&p, 0, "s0");
	see(&p, entry(2, NULL), LDAP_SEEN_PRESENT);
	see(&p, entry(3, NULL), LDAP_SEEN_ENTRY); /* broken, and there */
	take(&t, &p);
	assert_int_equal(t.n, 3);
	assert_true(has(&t, "s0", 0) && has(&t, "s2", 2) && has(&t, "s3", 3));
	assert_non_null(ldap_table_find_gone(&t, "s1"));
	ldap_table_release(&t);
}

static void test_a_delta_deletes_what_it_names(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { 0 };

	(void)state;
	fill(&t, 3);
	see(&p, entry(1, NULL), LDAP_SEEN_DELETED);
	see(&p, entry(9, NULL), LDAP_SEEN_DELETED); /* never had */
	take(&t, &p);
	assert_int_equal(t.n, 2);
	assert_non_null(ldap_table_find_gone(&t, "s1"));
	say(&p, 1, "s1");
	take(&t, &p);
	assert_true(has(&t, "s1", 1)); /* it came back */
	assert_int_equal(t.n_gone, 0);
	ldap_table_release(&t);
}

static void test_the_last_of_two_counts(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { .is_full = true };

	(void)state;
	say(&p, 1, "first");
	say(&p, 1, "second");
	take(&t, &p);
	assert_int_equal(t.n, 1);
	assert_true(has(&t, "second", 1));
	assert_null(ldap_table_find(&t, "first"));
	ldap_table_release(&t);
}

/* ---- who has a service ---- */

static void test_the_earlier_claim_holds(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { 0 };

	(void)state;
	say(&p, 5, "a");
	take(&t, &p);
	say(&p, 1, "a"); /* before it by uuid, later in time */
	take(&t, &p);
	assert_true(has(&t, "a", 5));
	see(&p, entry(5, NULL), LDAP_SEEN_DELETED);
	take(&t, &p);
	assert_true(has(&t, "a", 1)); /* taken over, never gone */
	assert_int_equal(t.n_gone, 0);
	ldap_table_release(&t);
}

static void test_a_new_id_is_a_new_service(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { 0 };

	(void)state;
	fill(&t, 2);
	say(&p, 0, "other");
	take(&t, &p);
	assert_true(has(&t, "other", 0));
	assert_non_null(ldap_table_find_gone(&t, "s0"));
	say(&p, 0, "s1"); /* claims what another has */
	take(&t, &p);
	assert_true(has(&t, "s1", 1));
	ldap_table_release(&t);
}

static void test_two_may_swap(void **state)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { 0 };

	(void)state;
	fill(&t, 2);
	say(&p, 0, "s1");
	say(&p, 1, "s0");
	take(&t, &p);
	assert_true(has(&t, "s1", 0) && has(&t, "s0", 1));
	assert_int_equal(t.n_gone, 0);
	ldap_table_release(&t);
}

/* ---- the guard ---- */

/* As rotated.conf(5) says it, in another way than the code does. */
static bool may_go(unsigned lost, unsigned alive, const struct config_limit *l)
{
	if (lost == 0)
		return true;
	if (lost == alive || l->count == 0 || lost > l->count)
		return false;
	return lost == 1 || lost * 100 <= alive * l->percent;
}

static void lose(unsigned alive, unsigned lost, const struct config_limit *limit)
{
	struct ldap_table t = { 0 };
	struct ldap_pass p = { .is_full = true };
	struct ldap_plan made;

	fill(&t, alive);
	for (unsigned i = lost; i < alive; i++)
		see(&p, entry(i, NULL), LDAP_SEEN_PRESENT);
	made = plan(&t, &p, limit, NULL);
	if (made.is_held == may_go(lost, alive, limit))
		fail_msg("%u of %u with %u %u%%: %s", lost, alive, limit->count, limit->percent,
			 made.is_held ? "held" : "done");
	assert_int_equal(made.lost.n, lost);
	assert_int_equal(made.n, made.is_held ? 0 : lost);
	ldap_plan_release(&made);
	ldap_pass_release(&p);
	ldap_table_release(&t);
}

static void test_the_guard_exhaustively(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 5, 1000 };
	static const uint32_t shares[] = { 0, 1, 10, 33, 50, 99, 100 };

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++)
		for (size_t s = 0; s < ARRAY_SIZE(shares); s++)
			for (unsigned alive = 1; alive <= 24; alive++)
				for (unsigned lost = 0; lost <= alive; lost++) {
					const struct config_limit l = { counts[c], shares[s] };

					lose(alive, lost, &l);
				}
}

static void test_held_is_only_what_takes_away(void **state)
{
	const struct config_limit none = { 0, 0 };
	struct ldap_table t = { 0 };
	struct ldap_pass p = { .is_full = true };
	struct ldap_plan made;

	(void)state;
	fill(&t, 4);
	say(&p, 0, "s0");
	say(&p, 1, "renamed");
	say(&p, 7, "fresh");
	made = plan(&t, &p, &none, NULL);
	assert_true(made.is_held);
	assert_int_equal(made.lost.n, 3);
	assert_int_equal(made.n, 1);
	assert_string_equal(made.ops[0].fresh->id, "fresh");
	apply(&t, &made);
	ldap_pass_release(&p);
	assert_true(has(&t, "s1", 1) && has(&t, "s2", 2) && has(&t, "fresh", 7));
	ldap_table_release(&t);
}

static void test_approval_is_for_those_named(void **state)
{
	const struct config_limit none = { 0, 0 };
	char ids[2][SERVICE_ID_MAX + 1] = { "s0", "s1" };
	const struct ldap_names approved = { ids, 2 };

	(void)state;
	for (unsigned lost = 1; lost <= 4; lost++) {
		struct ldap_table t = { 0 };
		struct ldap_pass p = { .is_full = true };
		struct ldap_plan made;

		fill(&t, 4);
		for (unsigned i = lost; i < 4; i++)
			see(&p, entry(i, NULL), LDAP_SEEN_PRESENT);
		made = plan(&t, &p, &none, &approved);
		assert_int_equal(made.is_held, lost > 2);
		ldap_plan_release(&made);
		ldap_pass_release(&p);
		ldap_table_release(&t);
	}
}

static void test_an_older_directory_changes_nothing(void **state)
{
	const struct config_limit one = { 1, 100 };
	struct ldap_table t = { 0 };
	struct ldap_pass p = { .is_full = true, .is_restored = true };
	struct ldap_plan made;

	(void)state;
	fill(&t, 3);
	say(&p, 0, "s0");
	say(&p, 1, "s1");
	say(&p, 2, "s2");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(ldap_values_add(&p.items[i].entry->values, "x", "y"), 0);
	made = plan(&t, &p, &one, NULL);
	assert_true(made.is_held);
	assert_int_equal(made.lost.n, 0);
	assert_int_equal(made.guarded.n, 2);
	assert_int_equal(made.n, 0);
	ldap_plan_release(&made);
	ldap_pass_release(&p);
	ldap_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_a_full_pass_sweeps),
		cmocka_unit_test(test_a_delta_deletes_what_it_names),
		cmocka_unit_test(test_the_last_of_two_counts),
		cmocka_unit_test(test_the_earlier_claim_holds),
		cmocka_unit_test(test_a_new_id_is_a_new_service),
		cmocka_unit_test(test_two_may_swap),
		cmocka_unit_test(test_the_guard_exhaustively),
		cmocka_unit_test(test_held_is_only_what_takes_away),
		cmocka_unit_test(test_approval_is_for_those_named),
		cmocka_unit_test(test_an_older_directory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
