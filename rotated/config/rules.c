/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold between values: floors under waits, waits that fit into each other, sockets
 * that do not collide. */
#include "rotated/config/load.h"

#include <string.h>

#include "base/clock.h"

#define HOUR (3600 * USEC_PER_SEC)
#define DAY  (24 * HOUR)

static bool is_own(const struct target *t, enum config_key key)
{
	const struct origin *o = &t->origins[key];

	return t->scope == SCOPE_MAIN ? o->file != NULL : o->file == t->file;
}

static bool has_key(const struct target *t, enum config_key key)
{
	return config_keys[key].where & 1U << t->scope;
}

static uint64_t span_of(const struct target *t, enum config_key key)
{
	return *(uint64_t *)config_key_slot(key, t->scope, t->object);
}

static const char *text_of(const struct target *t, enum config_key key)
{
	return *(char **)config_key_slot(key, t->scope, t->object);
}

/* Adds the place of KEY to REPORT and tells it. */
static int tell_at(const struct target *t, enum config_key key, struct report *report)
{
	const struct origin *o = &t->origins[key];

	report_at(report, o->file, o->line, o->column);
	return config_loader_tell(t->loader, report);
}

static const struct limit {
	uint64_t min;
	uint64_t max; /* 0: none */
	enum config_key key;
	bool is_floor; /* `min` protects mail, and only a test may go below */
} limits[] = {
	{ HOUR, 0, KEY_password_overlap, true },
	{ 7 * DAY, 0, KEY_dkim_overlap, true },
	{ HOUR, 0, KEY_dkim_soak, true },
	{ HOUR, 0, KEY_upstream_overlap, true },
	{ 60 * USEC_PER_SEC, 0, KEY_upstream_soak, true },
	{ USEC_PER_SEC, 0, KEY_upstream_schedule, false },
	{ USEC_PER_SEC, HOUR, KEY_upstream_timeout, false },
	{ USEC_PER_SEC, 0, KEY_engine_retry_min, true },
	{ HOUR, 0, KEY_certificate_overlap, true },
	{ HOUR, 90 * DAY, KEY_certificate_lifetime, true },
	{ DAY, 0, KEY_ca_issuing_lifetime, true },
	{ DAY, 0, KEY_keystore_reseal_every, true },
	{ USEC_PER_SEC, DAY, KEY_keystore_share_timeout, false },
	{ HOUR, 0, KEY_ldap_grace, true },
	{ USEC_PER_SEC, DAY, KEY_ldap_poll, false },
	{ USEC_PER_SEC, HOUR, KEY_ldap_timeout, false },
	{ USEC_PER_SEC, 0, KEY_password_schedule, false },
	{ USEC_PER_SEC, 0, KEY_dkim_schedule, false },
	{ USEC_PER_SEC, 7 * DAY, KEY_dkim_ttl, false },
	{ USEC_PER_SEC, HOUR, KEY_dns_timeout, false },
	{ USEC_PER_SEC, 600 * USEC_PER_SEC, KEY_unlock_timeout, false },
};

static int tell_short(const struct target *t, const struct limit *limit)
{
	char value[SPAN_TEXT_SIZE], min[SPAN_TEXT_SIZE];
	struct report report;

	text_from_span(span_of(t, limit->key), value);
	text_from_span(limit->min, min);
	(void)report_set(&report, 0, "%s = %s: shorter than %s", config_keys[limit->key].name,
			 value, min);
	report_hint(&report, "Write %s or more.%s", min,
		    limit->is_floor ? " For a test, allow_short_waits = yes in [engine] of "
				      "rotated.conf lifts this."
				    : "");
	return tell_at(t, limit->key, &report);
}

static int tell_long(const struct target *t, const struct limit *limit)
{
	char value[SPAN_TEXT_SIZE], max[SPAN_TEXT_SIZE];
	struct report report;

	text_from_span(span_of(t, limit->key), value);
	text_from_span(limit->max, max);
	(void)report_set(&report, 0, "%s = %s: longer than %s", config_keys[limit->key].name,
			 value, max);
	report_hint(&report, "Write %s or less.", max);
	return tell_at(t, limit->key, &report);
}

static int check_limit(const struct target *t, const struct limit *limit)
{
	uint64_t value;

	if (!has_key(t, limit->key) || !is_own(t, limit->key) || t->origins[limit->key].is_bad)
		return 0;
	value = span_of(t, limit->key);
	if (limit->key == KEY_dkim_soak && value == VALUE_SOAK_AUTO)
		return 0;
	if (value < limit->min &&
	    !(limit->is_floor && t->loader->config->engine.allow_short_waits))
		return tell_short(t, limit);
	if (limit->max && value > limit->max)
		return tell_long(t, limit);
	return 0;
}

/* A and B may be told together: both are sound, and at least one was written here. RET is
 * where to point at. */
static bool is_pair_own(const struct target *t, enum config_key a, enum config_key b,
			enum config_key *ret)
{
	if (!has_key(t, a) || t->origins[a].is_bad || t->origins[b].is_bad)
		return false;
	if (!is_own(t, a) && !is_own(t, b))
		return false;
	*ret = is_own(t, a) ? a : b;
	return true;
}

static int check_password(const struct target *t)
{
	char overlap[SPAN_TEXT_SIZE], schedule[SPAN_TEXT_SIZE];
	enum config_key at;
	struct report report;

	if (!is_pair_own(t, KEY_password_overlap, KEY_password_schedule, &at) ||
	    span_of(t, KEY_password_overlap) < span_of(t, KEY_password_schedule))
		return 0;
	text_from_span(span_of(t, KEY_password_overlap), overlap);
	text_from_span(span_of(t, KEY_password_schedule), schedule);
	(void)report_set(
		&report, 0,
		"a password is due after %s while the one before still overlaps for %s",
		schedule, overlap);
	report_hint(&report, "Make [password] schedule longer than overlap.");
	return tell_at(t, at, &report);
}

void config_rules_resolve_soak(struct config_dkim *dkim)
{
	if (dkim->soak != VALUE_SOAK_AUTO)
		return;
	dkim->is_soak_auto = true;
	dkim->soak = HOUR;
}

static int check_dkim(const struct target *t)
{
	char total[SPAN_TEXT_SIZE], schedule[SPAN_TEXT_SIZE];
	struct config_dkim dkim = { 0 };
	enum config_key at;
	struct report report;

	if (!is_pair_own(t, KEY_dkim_overlap, KEY_dkim_schedule, &at) &&
	    !is_pair_own(t, KEY_dkim_soak, KEY_dkim_schedule, &at))
		return 0;
	dkim.soak = span_of(t, KEY_dkim_soak);
	dkim.ttl = span_of(t, KEY_dkim_ttl);
	config_rules_resolve_soak(&dkim);
	if (dkim.is_soak_auto && dkim.soak < dkim.ttl)
		dkim.soak = dkim.ttl;
	dkim.overlap = span_of(t, KEY_dkim_overlap);
	if (dkim.soak + dkim.overlap < span_of(t, KEY_dkim_schedule))
		return 0;
	text_from_span(dkim.soak + dkim.overlap, total);
	text_from_span(span_of(t, KEY_dkim_schedule), schedule);
	(void)report_set(&report, 0, "a key is due after %s while a rotation takes %s",
			 schedule, total);
	report_hint(&report, "Make [dkim] schedule longer than soak and overlap together.");
	return tell_at(t, at, &report);
}

static int check_upstream(const struct target *t)
{
	enum config_key at;
	struct report report;

	if ((!is_pair_own(t, KEY_upstream_overlap, KEY_upstream_schedule, &at) &&
	     !is_pair_own(t, KEY_upstream_soak, KEY_upstream_schedule, &at)) ||
	    span_of(t, KEY_upstream_overlap) + span_of(t, KEY_upstream_soak) <
		    span_of(t, KEY_upstream_schedule))
		return 0;
	(void)report_set(&report, 0, "a secret is due before the last rotation is over");
	report_hint(&report, "Make [upstream] schedule longer than soak and overlap together.");
	return tell_at(t, at, &report);
}

static int check_ttl(const struct target *t)
{
	struct report report;

	if (!has_key(t, KEY_dkim_ttl) || !is_own(t, KEY_dkim_ttl) ||
	    span_of(t, KEY_dkim_ttl) % USEC_PER_SEC == 0)
		return 0;
	(void)report_set(&report, 0, "ttl: not a whole number of seconds");
	report_hint(&report, "Write it in seconds or more, as in 1h.");
	return tell_at(t, KEY_dkim_ttl, &report);
}

/* LESS must not exceed MORE. */
static int check_order(const struct target *t, enum config_key less, enum config_key more)
{
	char text[SPAN_TEXT_SIZE];
	enum config_key at;
	struct report report;

	if (!is_pair_own(t, less, more, &at) || span_of(t, less) <= span_of(t, more))
		return 0;
	text_from_span(span_of(t, less), text);
	(void)report_set(&report, 0, "%s is longer than %s", config_keys[less].name,
			 config_keys[more].name);
	report_hint(&report, "Make %s %s or more.", config_keys[more].name, text);
	return tell_at(t, at, &report);
}

/* The issuing CA may sign for its trust domain only: another address would make every
 * certificate invalid. */
static int check_email(const struct target *t)
{
	const char *trust = t->loader->config->ca.trust_domain;
	const char *email = text_of(t, KEY_certificate_email);
	const char *host = strchr(email, '@');
	size_t trust_len, host_len;
	struct report report;

	if (!is_own(t, KEY_certificate_email) || !host)
		return 0;
	host++;
	trust_len = strlen(trust);
	host_len = strlen(host);
	if (trust_len && host_len >= trust_len &&
	    strcmp(host + host_len - trust_len, trust) == 0 &&
	    (host_len == trust_len || host[host_len - trust_len - 1] == '.'))
		return 0;
	(void)report_set(&report, 0, "email = %s: %s%s", email,
			 trust_len ? "not in the trust domain " : "there is no trust domain",
			 trust);
	report_hint(&report, trust_len ? "The CA signs only for addresses there."
				       : "Set trust_domain in [ca] of rotated.conf.");
	return tell_at(t, KEY_certificate_email, &report);
}

/* Two listeners on one path would take it from each other. */
static int check_sockets(const struct target *t)
{
	static const enum config_key sockets[] = {
		KEY_vault_control_socket, KEY_vault_door_socket, KEY_vault_worker_socket,
		KEY_vault_unlock_socket,  KEY_door_auth_socket,	 KEY_door_mux_socket,
		KEY_door_map_socket,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		for (size_t j = 0; j < i; j++) {
			enum config_key at;
			struct report report;
			int r;

			if (!is_pair_own(t, sockets[i], sockets[j], &at) ||
			    strcmp(text_of(t, sockets[i]), text_of(t, sockets[j])) != 0)
				continue;
			(void)report_set(&report, 0, "%s and %s are the same path",
					 config_keys[sockets[j]].name,
					 config_keys[sockets[i]].name);
			report_hint(&report, "Give each socket a path of its own.");
			r = tell_at(t, at, &report);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* In rotated.conf it may be meant for the domains that name a hook; in a domain it is lost. */
static int check_setting(const struct target *t)
{
	const struct config_words *settings =
		config_key_slot(KEY_dns_setting, t->scope, t->object);
	struct report report;

	if (!is_own(t, KEY_dns_setting) || !settings->n || t->origins[KEY_dns_hook].is_bad ||
	    text_of(t, KEY_dns_hook)[0])
		return 0;
	(void)report_set(&report, 0, "setting: there is no hook to give it to");
	report_hint(&report, "Add hook = to [dns], here or in rotated.conf.");
	return tell_at(t, KEY_dns_setting, &report);
}

int config_rules_check(struct target *t)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && r >= 0; i++)
		r = check_limit(t, &limits[i]);
	if (r >= 0 && t->scope == SCOPE_MAIN) {
		r = check_order(t, KEY_engine_retry_min, KEY_engine_retry_max);
		if (r >= 0)
			r = check_order(t, KEY_engine_retry_max, KEY_engine_hold_after);
		if (r >= 0)
			r = check_sockets(t);
		if (r >= 0)
			r = check_order(t, KEY_ldap_poll, KEY_ldap_full_every);
		if (r >= 0)
			r = check_order(t, KEY_ldap_full_every, KEY_ldap_max_stale);
		if (r >= 0)
			r = config_rules_check_ldap(t);
	}
	if (r >= 0 && t->scope == SCOPE_MAIN)
		r = check_order(t, KEY_ca_issuing_lifetime, KEY_ca_root_lifetime);
	if (r >= 0 && (t->scope == SCOPE_MAIN || t->scope == SCOPE_SERVICE)) {
		r = check_password(t);
		if (r >= 0)
			r = check_order(t, KEY_certificate_overlap, KEY_certificate_lifetime);
		if (r >= 0)
			r = check_email(t);
	}
	if (r >= 0 && (t->scope == SCOPE_MAIN || t->scope == SCOPE_DOMAIN)) {
		r = check_dkim(t);
		if (r >= 0)
			r = check_ttl(t);
	}
	if (r >= 0)
		r = check_upstream(t);
	if (r >= 0 && t->scope == SCOPE_DOMAIN)
		r = check_setting(t);
	if (r >= 0 && t->scope == SCOPE_UPSTREAM)
		r = config_rules_check_upstream(t);
	return r;
}
