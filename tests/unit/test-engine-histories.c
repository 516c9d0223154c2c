/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random histories of one item in a small world: servers that lag, hooks that fail, lie, finish
 * late or never, a vault that crashes between any two writes, an operator, and clocks that are
 * set at will. Every step is checked against the engine's invariants; the world checks from the
 * outside that what is in use can be verified. A failure prints its seed; run it alone with
 * `HISTORY_SEED=N tests/unit/test-engine-histories`.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "rotated/engine/engine.h"

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum {
	HISTORIES = 5000, /* of each kind */
	HISTORIES_LONG = 250000,
	MOVES = 250,
	SERVERS = 2,
	NAMES_MAX = 512,
	LATE_MAX = 16
};

/* The date at which every history begins. */
#define BEGINNING (UINT64_C(1795424400) * USEC_PER_SEC)

/* What a server will answer from some time on. */
struct change {
	uint64_t at; /* true time */
	uint32_t version;
	unsigned server;
	bool is_present;
};

struct world {
	uint64_t random;
	uint64_t truth; /* microseconds that really passed */
	struct moment clock;
	struct engine_policy policy;
	struct engine_item item; /* in memory */
	uint8_t disk[8192];	 /* what a crash leaves */
	size_t disk_len;
	bool is_sealed[NAMES_MAX]; /* secrets on disk, by version */
	bool is_present[SERVERS][NAMES_MAX];
	bool is_bad[NAMES_MAX];	   /* the provider never takes it */
	bool is_hasty[NAMES_MAX];  /* in use without a soak: a server may lag */
	bool is_spoilt[NAMES_MAX]; /* a late or lying hook made nonsense of its record */
	struct change late[LATE_MAX];
	unsigned n_late;
	uint64_t entered[NAMES_MAX][ENGINE_STATE_MAX_]; /* true time */
	bool is_calm;
};

static uint32_t current_seed;

/* How often each row of the engine's table was used, by all histories together. */
static unsigned long moved[ENGINE_TRANSITIONS];

static uint64_t draw(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static bool chance(struct world *w, unsigned percent)
{
	return draw(w) % 100 < percent;
}

static void fail_history(const char *why)
{
	fail_msg("seed %u: %s", current_seed, why);
}

static void pass(struct world *w, uint64_t usec)
{
	w->truth += usec;
	w->clock.wall += usec;
	w->clock.boot += usec;
	for (unsigned i = 0; i < w->n_late;) {
		struct change *c = &w->late[i];

		if (c->at > w->truth) {
			i++;
			continue;
		}
		w->is_present[c->server][c->version] = c->is_present;
		*c = w->late[--w->n_late];
	}
}

/* ---- the store ---- */

static void store(struct world *w, const struct engine_item *item)
{
	cleanup_buf struct buf b = BUF_INIT, again = BUF_INIT;
	struct engine_item back;

	engine_encode(item, &b);
	assert_int_equal(buf_error(&b), 0);
	assert_true(b.len <= sizeof(w->disk));
	memcpy(w->disk, b.data, b.len);
	w->disk_len = b.len;
	if (engine_decode(b.data, b.len, &back) < 0)
		fail_history("what was stored can not be read");
	engine_encode(&back, &again);
	if (again.len != b.len || memcmp(again.data, b.data, b.len) != 0)
		fail_history("what was stored is read as something else");
	w->item = *item;
}

/* The checks have found the row for each move. */
static void count_moves(const struct engine_item *prev, const struct engine_item *next,
			enum engine_event event)
{
	for (uint32_t i = 0; i < prev->count; i++) {
		const struct engine_version *was = &prev->versions[i];
		const struct engine_version *is = engine_find(next, was->version);
		enum engine_state to = is ? is->state : ENGINE_DESTROYED;

		if (to != was->state)
			moved[engine_transition(prev->kind, was->state, to, event)]++;
	}
	for (uint32_t i = 0; i < next->count; i++)
		if (!engine_find(prev, next->versions[i].version))
			moved[engine_transition(next->kind, ENGINE_STATE_NONE,
						next->versions[i].state, event)]++;
}

static void note_states(struct world *w, const struct engine_item *prev)
{
	for (uint32_t i = 0; i < w->item.count; i++) {
		const struct engine_version *v = &w->item.versions[i];
		const struct engine_version *was = engine_find(prev, v->version);

		if (!was || was->state != v->state)
			w->entered[v->version][v->state] = w->truth;
		w->is_hasty[v->version] |= v->is_urgent;
	}
}

/* ---- the truth about what may be used ---- */

static void check_waits_in_truth(struct world *w, const struct engine_item *prev)
{
	for (uint32_t i = 0; i < prev->count; i++) {
		const struct engine_version *was = &prev->versions[i];
		const struct engine_version *is = engine_find(&w->item, was->version);
		uint64_t spent = w->truth - w->entered[was->version][was->state];

		if (is && is->state == was->state)
			continue;
		if (was->state == ENGINE_RETIRING && !(is && is->is_revoked) && is &&
		    spent < w->policy.overlap)
			fail_history("an overlap was really shorter than it must be");
		if (was->state == ENGINE_VISIBLE && is && is->state == ENGINE_SOAKED &&
		    spent < engine_soak(was, &w->policy))
			fail_history("a soak was really shorter than it must be");
	}
}

static void check_due_in_truth(struct world *w, const struct engine_item *prev)
{
	const struct engine_version *was = engine_find_phase(prev, ENGINE_CURRENT);

	if (w->policy.due.calendar)
		return; /* the next slot may be near; of a jump, see test-engine-due.c */
	if (was && !prev->is_due && w->item.is_due &&
	    w->truth - w->entered[was->version][ENGINE_ACTIVE] <
		    engine_due_age(prev, &w->policy))
		fail_history("a wrong clock made a version due");
}

static void check_use(const struct world *w)
{
	for (uint32_t i = 0; i < w->item.count; i++) {
		const struct engine_version *v = &w->item.versions[i];

		if (v->state != ENGINE_ACTIVE && v->state != ENGINE_RETIRING)
			continue;
		if (!w->is_sealed[v->version])
			fail_history("a version in use has no secret on disk");
		for (unsigned s = 0; s < SERVERS && engine_kind_has_steps(w->item.kind); s++)
			if (!w->is_present[s][v->version] && !w->is_spoilt[v->version] &&
			    !(w->is_hasty[v->version] && w->item.kind == ENGINE_UPSTREAM))
				fail_history("a server does not answer a key in use");
	}
}

/* ---- the outside ---- */

static void change_later(struct world *w, uint32_t version, bool is_present, uint64_t delay)
{
	for (unsigned s = 0; s < SERVERS; s++) {
		uint64_t lag = w->is_calm ? 0 : draw(w) % (2 * HOUR);

		if (w->n_late == LATE_MAX) {
			w->is_present[s][version] = is_present;
			continue;
		}
		w->late[w->n_late++] =
			(struct change){ w->truth + delay + lag, version, s, is_present };
	}
	if (delay > 0)
		w->is_spoilt[version] = true; /* it may undo what comes after it */
}

static enum engine_outcome run_hook(struct world *w, const struct engine_action *a)
{
	bool is_present = a->type == ENGINE_ACTION_PUBLISH;
	unsigned luck = w->is_calm ? 0 : (unsigned)(draw(w) % 100);

	if (luck < 60) {
		change_later(w, a->version, is_present, 0);
		return luck < 50 ? ENGINE_OUTCOME_OK : ENGINE_OUTCOME_PENDING;
	}
	if (luck < 70)
		return ENGINE_OUTCOME_OK; /* a lie */
	if (luck < 80)
		return ENGINE_OUTCOME_TEMPORARY;
	if (luck < 83)
		return luck < 81 ? ENGINE_OUTCOME_DENIED : ENGINE_OUTCOME_CONFIG;
	if (luck < 92)
		change_later(w, a->version, is_present, draw(w) % (3 * HOUR));
	return luck < 96 ? ENGINE_OUTCOME_TIMEOUT : ENGINE_OUTCOME_CRASHED;
}

/* One of the provider's servers answers, with what that one knows. */
static enum engine_outcome ask_provider(struct world *w, uint32_t version)
{
	if (!w->is_calm && chance(w, 5))
		return ENGINE_OUTCOME_TEMPORARY;
	if (w->is_bad[version] || !w->is_present[draw(w) % SERVERS][version])
		return ENGINE_OUTCOME_REJECTED;
	return ENGINE_OUTCOME_ACCEPTED;
}

static enum engine_outcome ask(struct world *w, const struct engine_action *a)
{
	unsigned present = 0;

	if (!w->is_calm && chance(w, 15))
		return ENGINE_OUTCOME_UNREACHABLE;
	if (w->item.kind == ENGINE_UPSTREAM)
		return ask_provider(w, a->version);
	if (!w->is_calm && chance(w, 3))
		return ENGINE_OUTCOME_DIFFERS;
	for (unsigned s = 0; s < SERVERS; s++)
		present += w->is_present[s][a->version];
	if (present == SERVERS)
		return ENGINE_OUTCOME_VISIBLE;
	return present ? ENGINE_OUTCOME_PARTIAL : ENGINE_OUTCOME_ABSENT;
}

static bool observe(struct world *w, struct engine_observation seen);

static void run(struct world *w, const struct engine_action *a)
{
	struct engine_observation end = { .event = ENGINE_EVENT_ENDED, .serial = a->serial };

	pass(w, w->is_calm ? USEC_PER_SEC : draw(w) % (3 * MINUTE));
	switch ((int)a->type) {
	case ENGINE_ACTION_CREATE:
		if (!w->is_calm && chance(w, 10)) {
			end.outcome = chance(w, 50) ? ENGINE_OUTCOME_TEMPORARY
						    : ENGINE_OUTCOME_TIMEOUT;
			break;
		}
		if (w->item.kind == ENGINE_UPSTREAM && !w->is_calm) {
			w->is_bad[a->version] = chance(w, 15);
			if (chance(w, 10)) { /* a person makes it, some day */
				end.outcome = ENGINE_OUTCOME_PENDING;
				break;
			}
		}
		end = (struct engine_observation){ .event = ENGINE_EVENT_CREATED,
						   .version = a->version };
		break;
	case ENGINE_ACTION_ASK_PRESENT:
	case ENGINE_ACTION_ASK_ABSENT:
		end.outcome = ask(w, a);
		end.remembered = draw(w) % (2 * DAY);
		break;
	default:
		end.outcome = run_hook(w, a);
		break;
	}
	if (!w->is_calm && chance(w, 5))
		return;	       /* the answer never comes */
	(void)observe(w, end); /* stale when the item has moved on */
	if (end.event == ENGINE_EVENT_CREATED && !w->is_calm && chance(w, 3)) {
		end.event = ENGINE_EVENT_REVOKE; /* before anything else happens to it */
		(void)observe(w, end);
	}
}

/* ---- the vault ---- */

static void erase(struct world *w, const struct engine_result *res)
{
	for (uint32_t i = 0; i < res->action_count; i++)
		if (res->actions[i].type == ENGINE_ACTION_ERASE)
			w->is_sealed[res->actions[i].version] = false;
}

static void crash(struct world *w)
{
	struct engine_item item;

	if (engine_decode(w->disk, w->disk_len, &item) < 0)
		fail_history("the store can not be read after a crash");
	w->item = item;
	(void)observe(w, (struct engine_observation){ .event = ENGINE_EVENT_LOST });
}

/* One step as the vault does it: step, store, act. Any two of those may be the last. */
static bool observe(struct world *w, struct engine_observation seen)
{
	const struct engine_item prev = w->item;
	struct engine_result res;
	const char *wrong;

	if (engine_step(&prev, &w->policy, &w->clock, &seen, &res) < 0)
		return false;
	wrong = engine_check_step(
		&(struct engine_check){ &prev, &w->policy, &w->clock, &seen, &res });
	if (wrong)
		fail_history(wrong);
	count_moves(&prev, &res.next, seen.event);
	if (!res.is_changed) {
		w->item = res.next;
		return false;
	}
	if (!w->is_calm && chance(w, 4)) {
		crash(w); /* before anything was stored */
		return true;
	}
	store(w, &res.next);
	if (seen.event == ENGINE_EVENT_CREATED)
		w->is_sealed[seen.version] = true;
	erase(w, &res);
	note_states(w, &prev);
	check_waits_in_truth(w, &prev);
	if (seen.event == ENGINE_EVENT_TICK)
		check_due_in_truth(w, &prev);
	if (!w->is_calm && chance(w, 4)) {
		crash(w); /* before the actions were begun */
		return true;
	}
	for (uint32_t i = 0; i < res.action_count; i++)
		if (!engine_action_is_inside(res.actions[i].type))
			run(w, &res.actions[i]);
	check_use(w);
	return true;
}

/* Nothing can reach the outside any more: what is revoked then is forgotten at once. */
static void cut_off(struct world *w)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_REVOKE };

	if (w->item.count == 0)
		return;
	seen.version = w->item.versions[0].version;
	w->policy.is_cut_off = true;
	(void)observe(w, seen);
	w->policy.is_cut_off = false;
}

static void settle(struct world *w)
{
	for (unsigned i = 0; i < 64; i++) {
		if (!w->is_calm && chance(w, 1)) { /* somebody comes between */
			if (chance(w, 30))
				cut_off(w);
			return;
		}
		if (!observe(w, (struct engine_observation){ .event = ENGINE_EVENT_TICK }))
			return;
	}
}

/* ---- what happens to it ---- */

static void set_clock(struct world *w)
{
	uint64_t by = draw(w) % (60 * DAY);

	if (chance(w, 50))
		w->clock.wall += by;
	else
		w->clock.wall -= by < w->clock.wall / 2 ? by : 0;
	w->clock.is_synced = false;
	settle(w);
}

static void sync_clock(struct world *w)
{
	w->clock.wall = BEGINNING + w->truth;
	w->clock.is_synced = true;
}

static void reboot(struct world *w)
{
	uint64_t away = draw(w) % DAY;

	pass(w, away);
	w->clock.boot = draw(w) % MINUTE;
	w->clock.boot_id[0]++;
	if (chance(w, 50)) {
		sync_clock(w);
	} else { /* its battery clock may say anything */
		w->clock.wall = draw(w) % (2 * BEGINNING);
		w->clock.is_synced = false;
	}
	crash(w);
}

static void operate(struct world *w)
{
	uint32_t newest = w->item.last_version;
	struct engine_observation seen = { .event = ENGINE_EVENT_ROTATE };
	const struct engine_version *coming = engine_find_phase(&w->item, ENGINE_COMING);

	if (coming && coming->state == ENGINE_PLANNED && coming->is_applied) {
		seen.event = ENGINE_EVENT_CREATED;
		seen.version = coming->version;
	} else if (w->item.count > 0 && chance(w, 15)) {
		seen.event = chance(w, 20) ? ENGINE_EVENT_COMPROMISED : ENGINE_EVENT_REVOKE;
		seen.version = w->item.versions[draw(w) % w->item.count].version;
		w->policy.is_cut_off = chance(w, 20);
	}
	(void)observe(w, seen);
	w->policy.is_cut_off = false;
	if (engine_kind_has_steps(w->item.kind))
		return;
	if (w->item.last_version != newest)
		(void)observe(w,
			      (struct engine_observation){ .event = ENGINE_EVENT_CREATED,
							   .version = w->item.last_version });
	if (chance(w, 80))
		(void)observe(w,
			      (struct engine_observation){ .event = ENGINE_EVENT_CONFIRM,
							   .version = w->item.last_version });
}

static void happen(struct world *w)
{
	unsigned luck = (unsigned)(draw(w) % 100);

	if (w->item.last_version > NAMES_MAX - 8)
		luck = 99;
	if (luck < 12)
		operate(w);
	else if (luck < 14)
		set_clock(w);
	else if (luck < 16)
		sync_clock(w);
	else if (luck < 19)
		reboot(w);
	else if (luck < 22)
		crash(w);
	else if (luck < 23)
		(void)observe(w, (struct engine_observation){ .event = ENGINE_EVENT_RECOVERED });
	else if (luck < 30)
		w->policy.may_work = !w->policy.may_work;
	else if (luck < 35)
		w->policy.may_create = !w->policy.may_create;
	else
		pass(w, draw(w) % (luck < 80 ? 6 * HOUR : 10 * DAY));
	settle(w);
}

/* Some go by a calendar, some begin in a window only; both are made once. */
static void set_due(struct due_policy *due, uint32_t seed)
{
	static struct calendar *monthly;
	static struct period *window;

	if (!monthly)
		assert_int_equal(calendar_parse("monthly Europe/Berlin", &monthly, NULL), 0);
	if (!window)
		assert_int_equal(period_parse("Mon..Fri 02:00-05:00", &window, NULL), 0);
	if (seed % 5 == 1)
		due->calendar = monthly;
	if (seed % 4 == 2) {
		due->windows = &window;
		due->window_count = 1;
		due->jitter = HOUR;
	}
}

static void begin(struct world *w, uint32_t seed, enum engine_kind kind)
{
	*w = (struct world){
		.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
		.clock = { .wall = BEGINNING, .boot = MINUTE },
		.policy = { .schedule = 90 * DAY,
			    .overlap = 14 * DAY,
			    .soak = HOUR,
			    .is_soak_observed = true,
			    .retry_min = MINUTE,
			    .retry_max = 6 * HOUR,
			    .hold_after = 3 * DAY,
			    .is_automatic = engine_kind_has_steps(kind),
			    .has_hook = true,
			    .has_standby = seed % 3 == 0 && engine_kind_has_steps(kind),
			    .may_create = true,
			    .may_work = true },
	};
	set_due(&w->policy.due, seed);
	engine_item_init(&w->item, kind, kind == ENGINE_DKIM ? "example.com" : "billing",
			 &w->clock);
	store(w, &w->item);
}

/* Whoever was asked to make a secret has made it. */
static void hand_over_pending(struct world *w)
{
	const struct engine_version *v = engine_find_phase(&w->item, ENGINE_COMING);

	if (!v || v->state != ENGINE_PLANNED || !v->is_applied)
		return;
	(void)observe(w, (struct engine_observation){ .event = ENGINE_EVENT_CREATED,
						      .version = v->version });
	settle(w);
}

/* When everything works again and somebody looks after it, it ends well. */
static void end_well(struct world *w)
{
	const struct engine_version *v;

	w->is_calm = true;
	w->policy.may_work = true;
	w->policy.may_create = true;
	w->policy.schedule = USEC_NEVER;
	w->policy.due.calendar = NULL;
	crash(w);
	pass(w, DAY);
	settle(w);
	(void)observe(w, (struct engine_observation){ .event = ENGINE_EVENT_ROTATE });
	for (unsigned i = 0; i < 40 * 24; i++) {
		settle(w);
		hand_over_pending(w);
		pass(w, HOUR);
	}
	settle(w);
	v = engine_find_phase(&w->item, ENGINE_CURRENT);
	if (!v || w->item.count != (w->policy.has_standby ? 2 : 1))
		fail_history("left alone in a sane world it did not come to rest");
	for (uint32_t n = 1; n <= w->item.last_version; n++)
		if ((engine_find(&w->item, n) != NULL) != w->is_sealed[n])
			fail_history("a secret outlived its version, or the other way round");
}

static uint32_t seed_from_environment(void)
{
	const char *text = getenv("HISTORY_SEED");
	uint32_t seed = 0;

	if (text && text_to_u32(text, &seed) < 0)
		fail_msg("HISTORY_SEED=%s is not a number", text);
	return seed;
}

static void run_histories(enum engine_kind kind, void (*end)(struct world *w))
{
	uint32_t only = seed_from_environment();
	uint32_t first = only ? only : 1;
	uint32_t last = only ? only : getenv("ROTATED_LONG") ? HISTORIES_LONG : HISTORIES;
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	for (uint32_t seed = first; seed <= last; seed++) {
		current_seed = seed;
		begin(w, seed, kind);
		for (unsigned i = 0; i < MOVES; i++)
			happen(w);
		end(w);
	}
	free(w);
}

static void no_history_of_a_key_breaks_an_invariant(void **state)
{
	(void)state;
	run_histories(ENGINE_DKIM, end_well);
}

static void no_history_of_an_upstream_breaks_an_invariant(void **state)
{
	(void)state;
	run_histories(ENGINE_UPSTREAM, end_well);
}

static void end_anyhow(struct world *w)
{
	if (engine_check_item(&w->item))
		fail_history("the item is not sane");
}

static void no_history_of_a_password_breaks_an_invariant(void **state)
{
	(void)state;
	run_histories(ENGINE_PASSWORD, end_anyhow);
}

static void no_history_of_a_certificate_breaks_an_invariant(void **state)
{
	(void)state;
	run_histories(ENGINE_CERTIFICATE, end_anyhow);
}

static void every_row_of_the_table_was_used(void **state)
{
	char text[ENGINE_TRANSITION_TEXT_SIZE];

	(void)state;
	if (seed_from_environment())
		skip();
	for (unsigned i = 0; i < ENGINE_TRANSITIONS; i++)
		if (moved[i] == 0)
			fail_msg("no history moved from %s", engine_transition_text(i, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_history_of_a_key_breaks_an_invariant),
		cmocka_unit_test(no_history_of_an_upstream_breaks_an_invariant),
		cmocka_unit_test(no_history_of_a_password_breaks_an_invariant),
		cmocka_unit_test(no_history_of_a_certificate_breaks_an_invariant),
		cmocka_unit_test(every_row_of_the_table_was_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
