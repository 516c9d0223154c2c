/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dns.Check and Hook.Test: questions that only the worker can answer. The client waits; when it
 * goes away the answers are dropped.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/driver_dkim.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/worker.h"

struct inquiry;

/* One record that was asked for. */
struct question {
	struct inquiry *inquiry;
	char selector[ENGINE_NAME_SIZE];
	enum engine_state state;
	bool wants_present;
	bool is_asked;
	enum engine_outcome outcome;
	char *output; /* JSON, as the worker sent it */
};

struct inquiry {
	struct inquiry *next;
	struct peer *peer; /* NULL: gone */
	char domain[DOMAIN_MAX + 1];
	unsigned open;
	unsigned count;
	struct question questions[ENGINE_VERSIONS_MAX];
	bool is_hook;
	char detail[ENGINE_DETAIL_SIZE];
};

/* Those under way. A file-level list, because a peer that goes away knows nothing of them; it
 * is only touched from the event loop. */
static struct inquiry *inquiries;

static void inquiry_free(struct inquiry *q)
{
	struct inquiry **at = &inquiries;

	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
	for (unsigned i = 0; i < q->count; i++)
		free(q->questions[i].output);
	free(q);
}

void verb_dns_forget(struct peer *peer)
{
	for (struct inquiry *q = inquiries; q; q = q->next)
		if (q->peer == peer)
			q->peer = NULL;
}

/* ---- answering ---- */

static bool is_wanted(const struct question *q)
{
	return q->outcome ==
	       (q->wants_present ? ENGINE_OUTCOME_VISIBLE : ENGINE_OUTCOME_ABSENT);
}

/* The worker's list of servers is passed on as it came, when it is a list. */
static void write_servers(struct json *j, const char *output)
{
	static const char key[] = "\"servers\":[";
	const char *from = output ? strstr(output, key) : NULL;
	const char *to = output ? strrchr(output, ']') : NULL;

	if (from && to && to > from) {
		buf_append_str(j->out, ",");
		buf_append(j->out, from, (size_t)(to - from) + 1);
		return;
	}
	json_put_array(j, "servers");
	json_put_array_end(j);
}

static void write_question(struct json *j, const struct inquiry *inquiry,
			   const struct question *q)
{
	char name[DKIM_NAME_SIZE];

	dkim_name(q->selector, inquiry->domain, false, name);
	json_put_object(j, NULL);
	json_put_string(j, "selector", q->selector);
	json_put_string(j, "name", name);
	json_put_string(j, "state", engine_state_word(q->state));
	json_put_string(j, "wanted", q->wants_present ? "present" : "absent");
	json_put_string(j, "result",
			q->outcome == ENGINE_OUTCOME_LOST ? "unreachable"
							  : engine_outcome_word(q->outcome));
	write_servers(j, q->output);
	json_put_object_end(j);
}

static enum wire_status answer_check(const struct inquiry *q, struct reply *reply)
{
	struct json j = JSON_INIT(&reply->json);
	unsigned wrong = 0;

	for (unsigned i = 0; i < q->count; i++)
		wrong += !is_wanted(&q->questions[i]);
	json_put_object(&j, NULL);
	json_put_string(&j, "domain", q->domain);
	json_put_bool(&j, "ok", wrong == 0);
	json_put_array(&j, "records");
	for (unsigned i = 0; i < q->count; i++)
		write_question(&j, q, &q->questions[i]);
	json_put_array_end(&j);
	json_put_object_end(&j);
	if (wrong == 0)
		return WIRE_STATUS_OK;
	report_set(&reply->report, 0, "%s: %u of %u records are not as they should be",
		   q->domain, wrong, q->count);
	return WIRE_STATUS_REFUSED;
}

static enum wire_status answer_hook(const struct inquiry *q, struct reply *reply)
{
	enum engine_outcome outcome = q->questions[0].outcome;
	struct json j = JSON_INIT(&reply->json);

	json_put_object(&j, NULL);
	json_put_string(&j, "domain", q->domain);
	json_put_string(&j, "result", engine_outcome_word(outcome));
	if (q->detail[0])
		json_put_string(&j, "detail", q->detail);
	else
		json_put_null(&j, "detail");
	json_put_object_end(&j);
	if (engine_outcome_effect(outcome) == ENGINE_EFFECT_DONE)
		return WIRE_STATUS_OK;
	report_set(&reply->report, 0, "%s: %s%s%s", q->domain, engine_outcome_meaning(outcome),
		   q->detail[0] ? ": " : "", q->detail);
	report_hint(&reply->report, "see hook= and setting= of the domain; rotated-hooks(7)");
	return engine_outcome_effect(outcome) == ENGINE_EFFECT_GIVE_UP ? WIRE_STATUS_REFUSED
								       : WIRE_STATUS_AGAIN;
}

static void finish(struct inquiry *q)
{
	cleanup_reply struct reply reply = { 0 };
	struct peer *peer = q->peer;
	enum wire_status status;

	if (peer) {
		status = q->is_hook ? answer_hook(q, &reply) : answer_check(q, &reply);
		reply_send(peer, status, &reply);
		peer_set_busy(peer, false);
	}
	inquiry_free(q);
}

static void on_answer(void *context, const struct worker_result *result)
{
	struct question *question = context;
	struct inquiry *q = question->inquiry;

	question->outcome = result ? result->outcome : ENGINE_OUTCOME_LOST;
	if (result) {
		question->output = strdup(result->output); /* without it the list is empty */
		(void)snprintf(q->detail, sizeof(q->detail), "%s", result->detail);
	}
	if (--q->open == 0)
		finish(q);
}

/* ---- asking ---- */

static bool is_published(enum engine_state state)
{
	return state != ENGINE_PLANNED && state != ENGINE_STAGED;
}

static int submit(struct request *req, struct question *question, enum wire_verb verb,
		  const struct buf *fields)
{
	const char *domain = question->inquiry->domain;
	struct worker_request w = {
		.verb = verb,
		.zone = domain,
		.timeout = dkim_config_dns(req->m, domain)->timeout,
		.fields = fields,
		.done = on_answer,
		.context = question,
	};
	int r = buf_error(fields);

	return r < 0 ? r : worker_submit(req->m->worker, &w);
}

static int ask(struct request *req, const struct item *item, struct question *question,
	       uint32_t version)
{
	cleanup_buf struct buf record = BUF_INIT;
	cleanup_buf struct buf fields = BUF_INIT;
	const char *expect = NULL;
	char name[DKIM_NAME_SIZE];

	if (question->wants_present) {
		int r = dkim_load_record(req->m, &item->engine, version, &record);

		expect = r < 0 ? NULL : buf_string(&record);
		if (!expect)
			return r < 0 ? r : -ENOMEM;
	}
	dkim_name(question->selector, item->engine.id, false, name);
	dkim_put_question(dkim_config_dns(req->m, item->engine.id), name, expect, &fields);
	return submit(req, question, WIRE_JOB_DNS, &fields);
}

static struct inquiry *inquiry_new(struct request *req, const struct item *item)
{
	struct inquiry *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->peer = req->peer;
	memcpy(q->domain, item->engine.id, strlen(item->engine.id) + 1);
	q->next = inquiries;
	inquiries = q;
	return q;
}

/* Those that can not be asked count as not reached. */
static void ask_all(struct request *req, const struct item *item, struct inquiry *q)
{
	q->open = 1; /* ours, so that no answer ends it before all are asked */
	for (uint32_t i = 0; i < item->engine.count; i++) {
		const struct engine_version *v = &item->engine.versions[i];
		struct question *question = &q->questions[q->count];

		if (!is_published(v->state))
			continue;
		*question = (struct question){
			.inquiry = q,
			.state = v->state,
			.wants_present =
				v->state != ENGINE_WITHDRAWING && v->state != ENGINE_WITHDRAWN,
			.outcome = ENGINE_OUTCOME_LOST,
		};
		memcpy(question->selector, v->name, sizeof(question->selector));
		q->count++;
		if (ask(req, item, question, v->version) == 0)
			q->open++;
	}
}

static enum wire_status refuse_away(struct request *req)
{
	return request_refuse(req, WIRE_STATUS_AGAIN, "systemctl start rotated-worker",
			      "rotated-worker is not connected: nobody can ask");
}

enum wire_status verb_dns_check(struct request *req)
{
	enum wire_status status;
	const struct item *item = request_find_domain(req, &status);
	struct inquiry *q;

	if (!item)
		return status;
	if (!worker_is_connected(req->m->worker))
		return refuse_away(req);
	q = inquiry_new(req, item);
	if (!q)
		return request_fail(req, -ENOMEM);
	ask_all(req, item, q);
	if (q->count == 0) {
		inquiry_free(q);
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl dkim rotate",
				      "%s has no published key", item->engine.id);
	}
	if (--q->open == 0)
		finish(q);
	return CONTROL_LATER;
}

/* `check` with nothing to change: programs, settings and rights, as far as the hook can see. */
enum wire_status verb_hook_test(struct request *req)
{
	cleanup_buf struct buf fields = BUF_INIT;
	enum wire_status status;
	const struct item *item = request_find_domain(req, &status);
	struct inquiry *q;
	int r;

	if (!item)
		return status;
	if (!dkim_config_dns(req->m, item->engine.id)->hook[0])
		return request_refuse(req, WIRE_STATUS_NOTHING, "set hook= in [dns]",
				      "%s has no hook: a person publishes its records",
				      item->engine.id);
	if (!worker_is_connected(req->m->worker))
		return refuse_away(req);
	q = inquiry_new(req, item);
	if (!q)
		return request_fail(req, -ENOMEM);
	q->is_hook = true;
	q->count = q->open = 1;
	q->questions[0].inquiry = q;
	dkim_put_hook_check(req->m, &item->engine, &fields);
	r = submit(req, &q->questions[0], WIRE_JOB_HOOK, &fields);
	if (r < 0) {
		inquiry_free(q);
		return request_fail(req, r);
	}
	return CONTROL_LATER;
}
