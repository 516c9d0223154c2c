/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plan.Simulate: copies of all items, with the policies of now, on a virtual clock. Nothing is
 * changed and nobody is asked. ISSUER is taken to be open, and people to come when they are
 * wanted: what the engine does by itself is what is to be seen.
 */
#include "rotated/vault/foresight.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rotated/simulation/simulation.h"
#include "rotated/vault/control.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

#define DAY (UINT64_C(86400) * USEC_PER_SEC)

enum {
	EVENTS_STEP = 500,  /* in one step: a few milliseconds */
	LISTED_MAX = 2000,  /* that are named; all are counted */
	YEARS_MAX = 20,
};

struct foresight {
	struct manager *m;
	struct peer *peer; /* NULL: nobody waits any more */
	struct simulation *simulation;
	sd_event_source *next;
	struct calendar **calendars; /* that the policies borrow: their services may go meanwhile */
	size_t calendar_count;
	uint64_t from, until;
	uint64_t count; /* of what is worth telling */
	struct totals {
		uint64_t rotations, troubles, held;
	} totals[ENGINE_KIND_MAX_];
	struct buf text; /* the reply */
	struct json json;
};

static void foresight_free(struct foresight *f)
{
	simulation_free(f->simulation);
	for (size_t i = 0; i < f->calendar_count; i++)
		calendar_free(f->calendars[i]);
	free(f->calendars);
	sd_event_source_disable_unref(f->next);
	f->m->foresight = NULL;
	buf_release(&f->text);
	free(f);
}

/* ---- what is told ---- */

/* The steps between, of a record on its way, are many and surprise nobody. */
static bool is_worth_telling(const struct simulation_event *e)
{
	if (e->what != SIMULATION_MOVED)
		return true;
	return e->to == ENGINE_PLANNED || e->to == ENGINE_ACTIVE || e->to == ENGINE_DESTROYED;
}

static const char *word_of(const struct simulation_event *e)
{
	if (e->what != SIMULATION_MOVED)
		return simulation_word(e->what);
	return engine_state_word(e->to);
}

static void list_event(struct json *j, const struct simulation_event *e)
{
	json_put_object(j, NULL);
	json_put_time(j, "at", e->at);
	json_put_string(j, "kind", engine_kind_word(e->item->kind));
	json_put_string(j, "id", e->item->id);
	if (e->version)
		json_put_number(j, "version", e->version);
	else
		json_put_null(j, "version");
	view_text(j, "name", e->name);
	json_put_string(j, "what", word_of(e));
	json_put_string(j, "why", e->why);
	json_put_object_end(j);
}

static int on_event(void *context, const struct simulation_event *e)
{
	struct foresight *f = context;
	struct totals *t = &f->totals[e->item->kind];

	t->rotations += e->what == SIMULATION_MOVED && e->to == ENGINE_ACTIVE;
	t->troubles += e->what == SIMULATION_TROUBLE;
	t->held += e->what == SIMULATION_HELD;
	if (!is_worth_telling(e))
		return 0;
	if (f->count++ < LISTED_MAX)
		list_event(&f->json, e);
	return buf_error(&f->text);
}

static void write_totals(struct json *j, const struct foresight *f)
{
	json_put_array(j, "totals");
	for (unsigned i = 0; i < ENGINE_KIND_MAX_; i++) {
		const struct totals *t = &f->totals[i];

		if (t->rotations + t->troubles + t->held == 0)
			continue;
		json_put_object(j, NULL);
		json_put_string(j, "kind", engine_kind_word((enum engine_kind)i));
		json_put_number(j, "rotations", t->rotations);
		json_put_number(j, "troubles", t->troubles);
		json_put_number(j, "held", t->held);
		json_put_object_end(j);
	}
	json_put_array_end(j);
}

static void begin_answer(struct foresight *f, uint64_t faults)
{
	f->json = (struct json)JSON_INIT(&f->text);
	json_put_object(&f->json, NULL);
	json_put_time(&f->json, "time", f->from);
	json_put_time(&f->json, "until", f->until);
	json_put_number(&f->json, "faults", faults);
	json_put_bool(&f->json, "is_issuer_open", store_is_open(f->m, KEYSTORE_ISSUER));
	json_put_array(&f->json, "events");
}

static void answer(struct foresight *f)
{
	cleanup_reply struct reply reply = { 0 };

	if (!f->peer)
		return;
	json_put_array_end(&f->json);
	json_put_number(&f->json, "count", f->count);
	json_put_number(&f->json, "more", f->count > LISTED_MAX ? f->count - LISTED_MAX : 0);
	write_totals(&f->json, f);
	json_put_object_end(&f->json);
	reply.json = f->text;
	f->text = (struct buf)BUF_INIT;
	reply_send(f->peer, WIRE_STATUS_OK, &reply);
	peer_set_busy(f->peer, false);
}

static void give_up(struct foresight *f, const struct report *why)
{
	cleanup_reply struct reply reply = { .report = *why };

	if (f->peer) {
		reply_send(f->peer, WIRE_STATUS_AGAIN, &reply);
		peer_set_busy(f->peer, false);
	}
	foresight_free(f);
}

/* ---- steps ---- */

static int on_next(sd_event_source *source, uint64_t usec, void *context)
{
	struct foresight *f = context;
	struct report report = { 0 };
	int r = f->peer ? simulation_run(f->simulation, f->until, EVENTS_STEP, on_event, f) : 0;

	(void)usec;
	if (r == 0) {
		answer(f);
		foresight_free(f);
		return 0;
	}
	if (r > 0)
		r = sd_event_source_set_time_relative(source, 0);
	if (r >= 0)
		r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r < 0) {
		report_set(&report, r, "looking ahead can not go on: %s", strerror(-r));
		give_up(f, &report);
	}
	return 0;
}

void foresight_cancel(struct manager *m, const char *why, const char *hint)
{
	struct report report = { 0 };

	if (!m->foresight)
		return;
	report_set(&report, -ECANCELED, "%s", why);
	report_hint(&report, "%s", hint);
	give_up(m->foresight, &report);
}

void foresight_forget(struct manager *m, const struct peer *peer)
{
	if (m->foresight && m->foresight->peer == peer)
		m->foresight->peer = NULL;
}

/* ---- the request ---- */

static int add_items(struct foresight *f)
{
	f->calendars = calloc(f->m->item_count + 1, sizeof(struct calendar *));
	if (!f->calendars)
		return -ENOMEM;
	for (size_t i = 0; i < f->m->item_count; i++) {
		const struct item *item = f->m->items[i];
		struct engine_policy policy = { 0 };
		int r;

		item->driver->policy(f->m, item, &policy);
		policy.may_create = true;
		policy.may_work = true;
		if (policy.due.calendar)
			f->calendars[f->calendar_count++] = calendar_ref(policy.due.calendar);
		r = simulation_add(f->simulation, &item->engine, &policy);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin(struct foresight *f, uint64_t faults)
{
	const struct simulation_world world = {
		.seed = faults,
		.answer = 60 * USEC_PER_SEC,
		.person = DAY,
	};
	const struct moment now = manager_now(f->m);
	int r = simulation_new(&now, &world, &f->simulation);

	if (r == 0)
		r = add_items(f);
	if (r == 0)
		r = sd_event_add_time_relative(f->m->event, &f->next, CLOCK_MONOTONIC, 0, 0,
					       on_next, f);
	if (r >= 0)
		r = sd_event_source_set_priority(f->next, SD_EVENT_PRIORITY_IDLE);
	begin_answer(f, faults);
	return r < 0 ? r : 0;
}

static int read_until(const struct request *req, uint64_t *ret)
{
	uint64_t now = manager_now(req->m).wall;
	char text[CLOCK_TEXT_SIZE];
	int r = frame_text(req->frame, "until", text, sizeof(text));

	if (r == 0)
		r = clock_parse(text, ret);
	if (r < 0)
		return r;
	return *ret > now && *ret - now <= YEARS_MAX * 366 * DAY ? 0 : -ERANGE;
}

enum wire_status verb_plan_simulate(struct request *req)
{
	struct manager *m = req->m;
	struct foresight *f;
	uint64_t until, faults = 0;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	r = read_until(req, &until);
	if (r == -ERANGE)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "that is in the past, or more than %d years ahead",
				      YEARS_MAX);
	if (r < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "that is no date: YYYY-MM-DD, or YYYY-MM-DDThh:mm:ssZ");
	if (frame_find(req->frame, "faults") &&
	    (frame_number(req->frame, "faults", &faults) < 0 || faults == 0))
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "the seed of faults is a number from 1");
	if (m->foresight)
		return request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl plan",
				      "somebody else is looking ahead");
	f = calloc(1, sizeof(*f));
	if (!f)
		return request_fail(req, -ENOMEM);
	*f = (struct foresight){ .m = m, .peer = req->peer, .until = until };
	f->from = manager_now(m).wall;
	m->foresight = f;
	r = begin(f, faults);
	if (r == 0)
		return CONTROL_LATER;
	foresight_free(f);
	return request_fail(req, r);
}
