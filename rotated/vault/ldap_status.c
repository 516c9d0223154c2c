/* SPDX-License-Identifier: BSD-2-Clause */
/* What the directory is to the rest of the vault, and to people. */
#include <stdio.h>
#include <string.h>

#include "rotated/vault/ldap_state.h"
#include "rotated/vault/store.h"
#include "rotated/vault/view.h"

enum { PROBLEMS_SHOWN = 100 };

const struct config_service *ldap_find(const struct ldap *l, const char *id)
{
	const struct ldap_entry *e = l ? ldap_table_find(&l->table, id) : NULL;

	return e ? &e->service : NULL;
}

size_t ldap_count(const struct ldap *l)
{
	return l ? l->table.n_in_force : 0;
}

const struct config_service *ldap_at(const struct ldap *l, size_t i)
{
	return &l->table.in_force[i]->service;
}

static uint64_t left(const struct ldap *l, const struct ldap_entry *e)
{
	struct moment now = manager_now(l->m);
	uint64_t age = e->gone_age + engine_elapsed(&e->gone_seen, &now);
	uint64_t grace = l->m->config->ldap.grace;

	return age < grace ? grace - age : 0;
}

bool ldap_is_gone(const struct ldap *l, const char *id, uint64_t *ret_left)
{
	const struct ldap_entry *e = l ? ldap_table_find(&l->table, id) : NULL;

	if (!e || ldap_table_find_gone(&l->table, id) != e ||
	    config_service_find(l->m->config, id))
		return false;
	if (ret_left)
		*ret_left = left(l, e);
	return true;
}

/* ---- problems ---- */

struct problems {
	struct json *j; /* NULL: only count */
	size_t n;
};

static void write_problem(struct problems *p, const struct ldap_entry *e, const char *what,
			  const char *hint)
{
	struct json *j = p->j;

	if (!j || p->n++ >= PROBLEMS_SHOWN) {
		p->n += !j;
		return;
	}
	json_put_object(j, NULL);
	json_put_string(j, "dn", e->dn);
	json_put_string(j, "uuid", e->uuid);
	view_text(j, "service", e->id);
	json_put_bool(j, "in_force", e->is_usable && e->problem);
	json_put_string(j, "problem", what);
	view_text(j, "hint", hint);
	json_put_object_end(j);
}

static void view_entry(const struct ldap *l, const struct ldap_entry *e, struct problems *p)
{
	const struct config_service *file = config_service_find(l->m->config, e->id);
	const struct ldap_entry *holder = ldap_table_find(&l->table, e->id);
	char text[REPORT_TEXT_MAX];

	if (e->problem) {
		write_problem(p, e, e->problem, e->hint);
		return;
	}
	if (!e->is_usable)
		return;
	if (holder && holder != e) {
		(void)snprintf(text, sizeof(text), "%s has the service %s since before",
			       holder->dn, e->id); /* cut to fit */
		write_problem(p, e, text, "give one of the two entries another id");
	} else if (file) {
		(void)snprintf(text, sizeof(text), "%s is named by %s too, which counts", e->id,
			       file->file); /* cut to fit */
		write_problem(p, e, text, "remove the file, or the entry");
	}
}

static size_t walk_problems(const struct ldap *l, struct json *j)
{
	struct problems p = { .j = j };

	for (size_t i = 0; i < l->table.n; i++)
		view_entry(l, l->table.entries[i], &p);
	return p.n;
}

/* ---- status ---- */

static uint64_t age(const struct ldap *l)
{
	struct moment now = manager_now(l->m);
	const struct moment *then = &l->cursor.success;
	uint64_t by_wall = now.wall > then->wall ? now.wall - then->wall : 0;
	uint64_t sure = engine_elapsed(then, &now);

	return by_wall > sure ? by_wall : sure;
}

static bool waits_for_issuer(const struct ldap *l)
{
	return l->m->config->ldap.bind == CONFIG_LDAP_BIND_SIMPLE &&
	       !store_is_open(l->m, KEYSTORE_ISSUER);
}

static const char *state_word(const struct ldap *l)
{
	if (l->m->config->ldap.uri.n == 0)
		return "none";
	if (!l->is_open)
		return "sealed";
	if (l->phase == LDAP_READS)
		return "reading";
	if (l->phase == LDAP_APPLIES)
		return "applying";
	if (waits_for_issuer(l))
		return "waiting";
	if (l->failures > 0)
		return "failing";
	return l->held.n > 0 ? "held" : "ok";
}

static void write_held(const struct ldap *l, struct json *j)
{
	if (l->held.n == 0) {
		json_put_null(j, "held");
		return;
	}
	json_put_object(j, "held");
	json_put_string(j, "id", l->held_id);
	json_put_string(j, "reason", l->held_reason);
	json_put_time(j, "since", l->held_since);
	json_put_number(j, "count", l->held.n);
	json_put_array(j, "services");
	for (size_t i = 0; i < l->held.n; i++)
		json_put_string(j, NULL, l->held.items[i]);
	json_put_array_end(j);
	json_put_object_end(j);
}

static void write_gone(const struct ldap *l, struct json *j)
{
	uint64_t now = manager_now(l->m).wall;

	json_put_array(j, "gone");
	for (size_t i = 0; i < l->table.n_gone; i++) {
		const struct ldap_entry *e = l->table.gone[i];

		json_put_object(j, NULL);
		json_put_string(j, "service", e->id);
		json_put_string(j, "dn", e->dn);
		json_put_time(j, "erased", now + left(l, e));
		json_put_object_end(j);
	}
	json_put_array_end(j);
}

static void write_attempts(const struct ldap *l, struct json *j)
{
	struct moment now = manager_now(l->m);
	bool is_resting = l->is_open && l->phase == LDAP_RESTS;
	uint64_t wait = l->next > now.boot ? l->next - now.boot : 0;
	bool has_error = l->failures > 0;

	view_text(j, "error", has_error ? l->error.what : NULL);
	view_text(j, "hint", has_error ? l->error.hint : NULL);
	json_put_number(j, "attempts", l->failures);
	json_put_time(j, "next_attempt", is_resting ? now.wall + wait : 0);
}

void ldap_write_status(const struct ldap *l, struct json *j, bool is_whole)
{
	bool is_known = l->cursor.success.wall != 0;

	json_put_object(j, is_whole ? NULL : "ldap");
	json_put_string(j, "state", state_word(l));
	view_text(j, "server", l->server);
	if (is_known)
		json_put_number(j, "age", age(l) / USEC_PER_SEC);
	else
		json_put_null(j, "age");
	json_put_time(j, "last_success", l->cursor.success.wall);
	json_put_time(j, "last_full", l->cursor.full);
	write_attempts(l, j);
	json_put_number(j, "entries", l->table.n);
	json_put_number(j, "services", l->table.n_in_force - l->table.n_gone);
	json_put_number(j, "problem_count", walk_problems(l, NULL));
	json_put_number(j, "gone_count", l->table.n_gone);
	json_put_number(j, "held_count", l->held.n);
	if (is_whole) {
		json_put_array(j, "problems");
		ignore_result(walk_problems(l, j));
		json_put_array_end(j);
		write_gone(l, j);
		write_held(l, j);
	}
	json_put_object_end(j);
}

/* ---- alarms ---- */

/* Services that only a directory names that we do not ask any more. */
static void alarm_orphans(const struct ldap *l, ldap_alarm_fn *fn, void *context)
{
	struct report report;
	size_t n = 0;

	for (size_t i = 0; i < l->table.n_in_force; i++)
		n += !config_service_find(l->m->config, l->table.in_force[i]->id);
	if (n == 0)
		return;
	report_set(&report, 0,
		   "no directory is configured any more: %zu service%s stay%s as it had them",
		   n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	report_hint(&report,
		    "set uri= in [ldap] again, or write a file in services.d for each");
	fn(context, &report);
}

bool ldap_matters(const struct ldap *l)
{
	return l->m->config->ldap.uri.n > 0 || l->table.n_in_force > 0;
}

void ldap_alarms(const struct ldap *l, ldap_alarm_fn *fn, void *context)
{
	char text[SPAN_TEXT_SIZE];
	struct report report;
	size_t n;

	if (!l || !l->is_open)
		return;
	if (l->m->config->ldap.uri.n == 0) {
		alarm_orphans(l, fn, context);
		return;
	}
	if (l->cursor.success.wall && age(l) > l->m->config->ldap.max_stale) {
		text_from_span(age(l) / USEC_PER_SEC * USEC_PER_SEC, text);
		report_set(&report, 0, "what is known of the directory is %s old%s%s", text,
			   l->failures > 0 ? ": " : "", l->failures > 0 ? l->error.what : "");
		report_hint(&report, "rotatectl ldap status");
		fn(context, &report);
	}
	if (l->failures > 0 && (l->is_refused || !l->cursor.success.wall)) {
		report_set(&report, 0, "%s", l->error.what);
		report_hint(&report, "%s",
			    l->error.hint[0] ? l->error.hint : "rotatectl ldap status");
		fn(context, &report);
	}
	if (l->held.n > 0) {
		report_set(&report, 0, "%s", l->held_reason);
		report_hint(&report, "rotatectl ldap status; rotatectl ldap approve %s",
			    l->held_id);
		fn(context, &report);
	}
	n = walk_problems(l, NULL);
	if (n > 0) {
		report_set(&report, 0, "%zu entr%s of the directory can not be used as %s", n,
			   n == 1 ? "y" : "ies", n == 1 ? "it is" : "they are");
		report_hint(&report, "rotatectl ldap status");
		fn(context, &report);
	}
}
