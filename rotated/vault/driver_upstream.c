/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay's own logins at its providers. A secret is made by the provider's hook, or by us
 * for a hook that can only set one, or by a person; every step outside is a call of the hook,
 * and the proof of it a real login. Before anything is made the hook is asked what is there:
 * what an earlier try left behind, and nobody knows, is revoked first.
 */
#include "rotated/vault/upstream.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

static const struct config_upstream *settings(const struct manager *m, const char *id)
{
	const struct config_provider *p = config_provider_find(m->config, id);

	return p ? &p->upstream : NULL;
}

/* The same, or the defaults when no file names the account any more. */
static const struct config_upstream *in_force(const struct manager *m, const char *id)
{
	const struct config_upstream *own = settings(m, id);

	return own ? own : &m->config->upstream;
}

/* An account that no file names any more has no server and no hook: nothing can be done. */
static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	const struct config_upstream *own = settings(m, item->engine.id);
	const struct config_upstream *u = in_force(m, item->engine.id);
	bool may_work =
		own && store_is_open(m, KEYSTORE_ISSUER) && worker_is_connected(m->worker);
	bool has_hook = own && own->hook[0];

	*ret = (struct engine_policy){
		.schedule = USEC_NEVER,
		.overlap = u->overlap,
		.soak = u->soak,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
		.is_automatic = true,
		.has_hook = has_hook,
		.may_create = may_work && has_hook,
		.may_work = may_work,
		.is_cut_off = !own,
	};
	if (own)
		schedule_describe(m, &u->schedule, ret);
}

static const char *target(const struct manager *m, const struct item *item)
{
	const struct config_upstream *own = settings(m, item->engine.id);

	return own && own->hook[0] ? own->hook : NULL;
}

/* ---- what a hook reads ---- */

struct call {
	const char *verb;
	const struct engine_version *version;
	const struct upstream_public *public; /* NULL: nothing is known yet */
	const struct secret *secret;	      /* NULL: it is not needed */
};

/* The provider's names of all that we have, so that a hook can tell what is nobody's. */
static void write_known(const struct manager *m, const struct engine_item *item, struct json *j)
{
	struct upstream_public public;

	json_put_array(j, "known");
	for (uint32_t i = 0; i < item->count; i++)
		if (upstream_load_public(m, item, item->versions[i].version, &public) == 0 &&
		    public.credential[0])
			json_put_string(j, NULL, public.credential);
	json_put_array_end(j);
}

static void write_payload(const struct manager *m, const struct engine_item *item,
			  const struct call *call, struct buf *ret)
{
	char id[ENGINE_NAME_SIZE + 16];
	struct json j = JSON_INIT(ret);

	(void)snprintf(id, sizeof(id), "%s-%u", call->version->name,
		       call->version->operation); /* it fits */
	json_put_object(&j, NULL);
	json_put_string(&j, "contract", "rotated-upstream/1");
	json_put_string(&j, "id", id);
	json_put_string(&j, "upstream", item->id);
	json_put_number(&j, "version", call->version->version);
	json_put_string(&j, "name", call->version->name);
	json_put_string(&j, "server", in_force(m, item->id)->server);
	write_known(m, item, &j);
	if (call->public)
		json_put_string(&j, "user", call->public->user);
	if (call->public && call->public->credential[0])
		json_put_string(&j, "credential", call->public->credential);
	if (call->secret)
		json_put_string(&j, "secret", secret_string(call->secret));
	json_put_object_end(&j);
}

static int put_call(const struct manager *m, const struct engine_item *item,
		    const struct call *call, struct buf *ret)
{
	const struct config_upstream *u = settings(m, item->id);
	cleanup_buf struct buf text = BUF_INIT, lines = BUF_INIT;

	write_payload(m, item, call, &text);
	frame_put_text(ret, "program", u->hook);
	frame_put_text(ret, "action", call->verb);
	frame_put(ret, "payload", text.data, text.len);
	for (size_t i = 0; i < u->setting.n; i++)
		buf_printf(&lines, "ROTATED_SETTING_%s\n", u->setting.items[i]);
	if (lines.len > 0)
		frame_put(ret, "environment", lines.data, lines.len);
	if (buf_error(&text) < 0)
		return buf_error(&text);
	return buf_error(&lines) < 0 ? buf_error(&lines) : buf_error(ret);
}

/* ---- jobs ---- */

/* What is under way for an item; it may take several calls. Items outlive it: sealing cancels
 * all jobs first. */
struct errand {
	struct manager *m;
	struct item *item;
	struct engine_action action;
	struct buf listed; /* of `list`, while it is gone through */
	size_t at;
};

static void errand_free(struct errand *e)
{
	if (!e)
		return;
	buf_release(&e->listed);
	free(e);
}
DEFINE_CLEANUP(struct errand, errand_free)
#define cleanup_errand cleanup_(errand_freep)

static int submit(struct errand *e, enum wire_verb verb, const struct buf *fields,
		  worker_done_fn *done)
{
	struct worker_request request = {
		.verb = verb,
		.zone = e->item->engine.id,
		.timeout = in_force(e->m, e->item->engine.id)->timeout,
		.fields = fields,
		.done = done,
		.context = e,
	};

	return worker_submit(e->m->worker, &request);
}

static int call_hook(struct errand *e, const struct call *call, worker_done_fn *done)
{
	const struct config_upstream *u = settings(e->m, e->item->engine.id);
	cleanup_buf struct buf fields = BUF_INIT;
	int r = u && u->hook[0] && call->version ? 0 : -EOPNOTSUPP;

	if (r == 0)
		r = put_call(e->m, &e->item->engine, call, &fields);
	return r < 0 ? r : submit(e, WIRE_JOB_UPSTREAM, &fields, done);
}

/* Tells the engine how it ended, and ends the errand. */
static void tell(struct errand *e, const struct worker_result *result)
{
	struct engine_observation seen = {
		.event = result->is_gone ? ENGINE_EVENT_LOST : ENGINE_EVENT_ENDED,
		.serial = e->action.serial,
		.outcome = result->outcome,
		.detail = result->detail,
	};
	struct manager *m = e->m;
	struct item *item = e->item;
	bool is_ours = item->engine.job.serial == e->action.serial;

	errand_free(e);
	if (is_ours)
		schedule_observe(m, item, &seen, NULL);
}

static void tell_failure(struct errand *e, int error)
{
	struct worker_result result = { .outcome = ENGINE_OUTCOME_TEMPORARY,
					.detail = strerror(-error) };

	tell(e, &result);
}

static const struct engine_version *version_of(const struct errand *e)
{
	return engine_find(&e->item->engine, e->action.version);
}

static bool is_abandoned(const struct errand *e)
{
	return e->item->engine.job.serial != e->action.serial || !version_of(e);
}

/* True when RESULT is the end of the errand, one way or another. The account's file may have
 * gone meanwhile: then nobody knows what was done, and it is asked once the file is back. */
static bool is_over(struct errand *e, const struct worker_result *result)
{
	static const struct worker_result lost = { .is_gone = true };

	if (!result || is_abandoned(e)) {
		errand_free(e);
		return true;
	}
	if (result->is_gone || !settings(e->m, e->item->engine.id)) {
		tell(e, result->is_gone ? result : &lost);
		return true;
	}
	return false;
}

static void on_done(void *context, const struct worker_result *result)
{
	struct errand *e = context;

	if (!is_over(e, result))
		tell(e, result);
}

/* ---- create ---- */

static void take_made(struct errand *e, const struct worker_result *result)
{
	const struct engine_version *v = version_of(e);
	cleanup_secret struct secret *own = NULL;
	const struct secret *secret = result->secret;
	cleanup_buf struct buf open = BUF_INIT;
	struct upstream_public public = { .user = "" };
	struct engine_observation seen = { .event = ENGINE_EVENT_CREATED,
					   .version = e->action.version };
	struct made made = { .version = e->action.version };
	int r = 0;

	if (!secret) {
		r = upstream_generate(&own);
		secret = own;
	}
	if (result->user[0])
		(void)snprintf(public.user, sizeof(public.user), "%s", result->user);
	else
		upstream_default_user(e->m, &e->item->engine, v, public.user);
	(void)snprintf(public.credential, sizeof(public.credential), "%s", result->credential);
	upstream_public_encode(&public, &open);
	if (r == 0)
		r = buf_error(&open);
	if (r < 0) {
		tell_failure(e, r);
		return;
	}
	made.open = open.data;
	made.open_len = open.len;
	made.hidden = secret_data(secret);
	made.hidden_len = secret_len(secret);
	schedule_observe(e->m, e->item, &seen, &made);
	errand_free(e);
}

static void on_created(void *context, const struct worker_result *result)
{
	struct errand *e = context;

	if (is_over(e, result))
		return;
	if (result->outcome == ENGINE_OUTCOME_OK ||
	    result->outcome == ENGINE_OUTCOME_UNKNOWN_VERB)
		take_made(e, result);
	else
		tell(e, result);
}

/* One that says it is ours, and is not one that we have. What does not say is left alone. */
static bool is_orphan(const struct errand *e, uint32_t version, const char *credential)
{
	const struct engine_version *v = engine_find(&e->item->engine, version);
	struct upstream_public public;

	if (version == 0)
		return false;
	if (!v || v->state == ENGINE_PLANNED)
		return true;
	return upstream_load_public(e->m, &e->item->engine, version, &public) == 0 &&
	       strcmp(public.credential, credential) != 0;
}

/* Takes the next line VERSION CREDENTIAL of the list; false at its end. */
static bool next_listed(struct errand *e, uint32_t *ret_version,
			char ret[static UPSTREAM_CREDENTIAL_SIZE])
{
	const char *all = buf_string(&e->listed);
	const char *line = all ? all + e->at : "";
	size_t len = strcspn(line, "\n");
	size_t number = strspn(line, "0123456789");
	char digits[12];

	if (len == 0 || line[len] != '\n' || line[number] != ' ' || number >= sizeof(digits) ||
	    len - number - 1 >= UPSTREAM_CREDENTIAL_SIZE)
		return false;
	memcpy(digits, line, number);
	digits[number] = '\0';
	memcpy(ret, line + number + 1, len - number - 1);
	ret[len - number - 1] = '\0';
	e->at += len + 1;
	return text_to_u32(digits, ret_version) == 0;
}

static void on_orphan_revoked(void *context, const struct worker_result *result);

/* Revokes the next orphan; when there is none left, makes the new one. */
static void go_on_creating(struct errand *e)
{
	struct upstream_public public = { .user = "" };
	struct engine_version v = *version_of(e);
	uint32_t version = 0;
	int r;

	upstream_default_user(e->m, &e->item->engine, &v, public.user);
	while (next_listed(e, &version, public.credential)) {
		const struct call revoke = { "revoke", &v, &public, NULL };

		if (!is_orphan(e, version, public.credential))
			continue;
		log_notice("%s: version %u at the provider is nobody's: it is revoked",
			   e->item->engine.id, version);
		v.version = version;
		r = call_hook(e, &revoke, on_orphan_revoked);
		if (r < 0)
			tell_failure(e, r);
		return;
	}
	public.credential[0] = '\0';
	r = call_hook(e, &(struct call){ "create", &v, &public, NULL }, on_created);
	if (r < 0)
		tell_failure(e, r);
}

static bool is_done(enum engine_outcome outcome)
{
	return engine_outcome_effect(outcome) == ENGINE_EFFECT_DONE ||
	       outcome == ENGINE_OUTCOME_UNKNOWN_VERB;
}

static void on_orphan_revoked(void *context, const struct worker_result *result)
{
	struct errand *e = context;

	if (is_over(e, result))
		return;
	if (is_done(result->outcome))
		go_on_creating(e);
	else
		tell(e, result);
}

static void on_listed(void *context, const struct worker_result *result)
{
	struct errand *e = context;

	if (is_over(e, result))
		return;
	if (!is_done(result->outcome)) {
		tell(e, result);
		return;
	}
	buf_append_str(&e->listed, result->credentials);
	go_on_creating(e);
}

/* ---- set, finish, revoke, test ---- */

static int begin_with(struct errand *e, const char *verb, bool with_secret)
{
	cleanup_secret struct secret *secret = NULL;
	struct upstream_public public;
	int r = upstream_load_public(e->m, &e->item->engine, e->action.version, &public);

	if (r == 0 && with_secret)
		r = upstream_load_secret(e->m, &e->item->engine, e->action.version, &secret);
	return r < 0 ? r
		     : call_hook(e, &(struct call){ verb, version_of(e), &public, secret },
				 on_done);
}

static void on_finished(void *context, const struct worker_result *result)
{
	struct errand *e = context;
	int r;

	if (is_over(e, result))
		return;
	if (!is_done(result->outcome)) {
		tell(e, result);
		return;
	}
	r = begin_with(e, "revoke", false);
	if (r < 0)
		tell_failure(e, r);
}

static void on_kept(void *context, const struct worker_result *result)
{
	static const struct worker_result kept = { .outcome = ENGINE_OUTCOME_OK, .detail = "" };
	struct errand *e = context;

	if (!is_over(e, result))
		tell(e, &kept);
}

/* Before an old one goes, the provider is told which one stays. */
static int begin_withdraw(struct errand *e)
{
	const struct engine_version *active =
		engine_find_phase(&e->item->engine, ENGINE_CURRENT);
	struct upstream_public public;

	if (upstream_is_shared(e->m, &e->item->engine, e->action.version)) {
		log_info("%s: its login is another version's too, and is not revoked",
			 version_of(e)->name);
		return call_hook(e, &(struct call){ "list", version_of(e), NULL, NULL },
				 on_kept); /* which changes nothing */
	}
	if (!active || version_of(e)->is_revoked ||
	    upstream_load_public(e->m, &e->item->engine, active->version, &public) < 0)
		return begin_with(e, "revoke", false);
	return call_hook(e, &(struct call){ "finish", active, &public, NULL }, on_finished);
}

enum engine_outcome upstream_test_outcome(const struct manager *m, const char *id,
					  enum engine_outcome outcome)
{
	const struct config_upstream *u = settings(m, id);

	if (u && u->server[0])
		return outcome;
	if (outcome == ENGINE_OUTCOME_OK)
		return ENGINE_OUTCOME_ACCEPTED;
	return outcome == ENGINE_OUTCOME_DENIED ? ENGINE_OUTCOME_REJECTED : outcome;
}

static int put_login(const struct config_upstream *u, const struct call *call, struct buf *ret)
{
	static const char *const words[CONFIG_UPSTREAM_TLS_MAX_] = {
		[CONFIG_UPSTREAM_TLS_STARTTLS] = "starttls",
		[CONFIG_UPSTREAM_TLS_TLS] = "tls",
		[CONFIG_UPSTREAM_TLS_NONE] = "none",
	};

	frame_put_text(ret, "server", u->server);
	frame_put_text(ret, "tls", words[u->tls]);
	if (u->ca_file[0])
		frame_put_text(ret, "ca", u->ca_file);
	frame_put_text(ret, "user", call->public->user);
	frame_put(ret, "secret", secret_data(call->secret), secret_len(call->secret));
	return buf_error(ret);
}

int upstream_begin_test(struct manager *m, const struct engine_item *item, uint32_t version,
			worker_done_fn *done, void *context)
{
	const struct config_upstream *u = settings(m, item->id);
	cleanup_secret struct secret *secret = NULL;
	cleanup_buf struct buf fields = BUF_INIT;
	struct upstream_public public;
	struct call call = { "test", engine_find(item, version), &public, NULL };
	struct worker_request request = {
		.zone = item->id,
		.fields = &fields,
		.done = done,
		.context = context,
	};
	int r = u && call.version ? 0 : -EOPNOTSUPP;

	if (r == 0)
		r = upstream_load_public(m, item, version, &public);
	if (r == 0)
		r = upstream_load_secret(m, item, version, &secret);
	if (r < 0)
		return r;
	call.secret = secret;
	request.timeout = u->timeout;
	request.verb = u->server[0] ? WIRE_JOB_SMTP : WIRE_JOB_UPSTREAM;
	r = u->server[0] ? put_login(u, &call, &fields) : put_call(m, item, &call, &fields);
	return r < 0 ? r : worker_submit(m->worker, &request);
}

static void tell_tested(struct errand *e, const struct worker_result *result,
			enum engine_outcome outcome)
{
	struct worker_result told = *result;

	told.outcome = outcome;
	tell(e, &told);
}

/* The one in use, right after an old one was refused: if that is refused as well, the provider
 * refuses everything now, and the refusal of the old one says nothing. */
static void on_compared(void *context, const struct worker_result *result)
{
	static const struct worker_result nothing = {
		.outcome = ENGINE_OUTCOME_TEMPORARY,
		.detail = "the provider refuses the secret in use as well: that the old one is "
			  "refused proves nothing",
	};
	struct errand *e = context;
	enum engine_outcome outcome;

	if (is_over(e, result))
		return;
	outcome = upstream_test_outcome(e->m, e->item->engine.id, result->outcome);
	if (outcome == ENGINE_OUTCOME_REJECTED)
		tell(e, &nothing);
	else
		tell_tested(e, result,
			    outcome == ENGINE_OUTCOME_ACCEPTED ? ENGINE_OUTCOME_REJECTED
							       : outcome);
}

static void on_tested(void *context, const struct worker_result *result)
{
	struct errand *e = context;
	const struct engine_version *active;
	enum engine_outcome outcome;
	int r;

	if (is_over(e, result))
		return;
	active = engine_find_phase(&e->item->engine, ENGINE_CURRENT);
	outcome = upstream_test_outcome(e->m, e->item->engine.id, result->outcome);
	if (e->action.type != ENGINE_ACTION_ASK_ABSENT || outcome != ENGINE_OUTCOME_REJECTED ||
	    !active) {
		tell_tested(e, result, outcome);
		return;
	}
	r = upstream_begin_test(e->m, &e->item->engine, active->version, on_compared, e);
	if (r < 0)
		tell_failure(e, r);
}

static int begin(struct manager *m, struct item *item, const struct engine_action *a)
{
	cleanup_errand struct errand *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	*e = (struct errand){ .m = m, .item = item, .action = *a };
	switch ((int)a->type) {
	case ENGINE_ACTION_CREATE:
		r = call_hook(e, &(struct call){ "list", version_of(e), NULL, NULL },
			      on_listed);
		break;
	case ENGINE_ACTION_PUBLISH:
		r = begin_with(e, "set", true);
		break;
	case ENGINE_ACTION_WITHDRAW:
		r = begin_withdraw(e);
		break;
	case ENGINE_ACTION_ASK_PRESENT:
	case ENGINE_ACTION_ASK_ABSENT:
		r = upstream_begin_test(m, &item->engine, a->version, on_tested, e);
		break;
	default:
		r = -EOPNOTSUPP;
		break;
	}
	if (r == 0)
		(void)steal_ptr(e); /* the job's now */
	return r;
}

const struct driver driver_upstream = {
	.kind = ENGINE_UPSTREAM,
	.open_kind = "upstream-public",
	.hidden_kind = "upstream-secret",
	.policy = policy,
	.target = target,
	.begin = begin,
};
