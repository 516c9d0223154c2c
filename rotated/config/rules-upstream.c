/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold between the values of upstreams.d: a way to prove a secret, no password in
 * the clear, and one upstream for a destination. */
#include "rotated/config/load.h"

#include <stdio.h>
#include <string.h>

static int tell(const struct target *t, enum config_key key, struct report *report)
{
	const struct origin *o = &t->origins[key];

	report_at(report, o->file ? o->file : t->file, o->file ? o->line : 0,
		  o->file ? o->column : 0);
	return config_loader_tell(t->loader, report);
}

static bool is_loopback(const char *server)
{
	return strncmp(server, "127.", 4) == 0 || strncmp(server, "[127.", 5) == 0 ||
	       strncmp(server, "[::1]:", 6) == 0 || strncmp(server, "localhost:", 10) == 0;
}

/* Those that are shipped and have no verb `test`. */
static bool never_tests(const char *hook)
{
	const char *slash = strrchr(hook, '/');
	const char *name = slash ? slash + 1 : hook;

	return strcmp(name, "upstream-manual") == 0 || strcmp(name, "upstream-ses") == 0;
}

static int check_proof(const struct target *t, const struct config_upstream *u)
{
	struct report report;

	if (u->server[0] || (u->hook[0] && !never_tests(u->hook)) ||
	    t->origins[KEY_upstream_server].is_bad || t->origins[KEY_upstream_hook].is_bad)
		return 0;
	(void)report_set(&report, 0, "there is no way to try a secret");
	report_hint(&report, "Add server = HOST:PORT to [upstream], or a hook = that tests.");
	return tell(t, KEY_upstream_server, &report);
}

static int check_clear(const struct target *t, const struct config_upstream *u)
{
	struct report report;

	if (u->tls != CONFIG_UPSTREAM_TLS_NONE || !u->server[0] || is_loopback(u->server))
		return 0;
	(void)report_set(&report, 0, "tls = none would send the secret in the clear to %s",
			 u->server);
	report_hint(&report, "Write starttls, or tls; none is for this machine alone.");
	return tell(t, KEY_upstream_tls, &report);
}

static int check_setting(const struct target *t, const struct config_upstream *u)
{
	struct report report;

	if (!u->setting.n || u->hook[0] || t->origins[KEY_upstream_hook].is_bad)
		return 0;
	(void)report_set(&report, 0, "setting: there is no hook to give it to");
	report_hint(&report, "Add hook = to [upstream].");
	return tell(t, KEY_upstream_setting, &report);
}

int config_rules_check_upstream(const struct target *t)
{
	const struct config_provider *p = t->object;
	int r = check_proof(t, &p->upstream);

	if (r >= 0)
		r = check_clear(t, &p->upstream);
	return r < 0 ? r : check_setting(t, &p->upstream);
}

/* In the order of the files, so that the later one is told. */
int config_rules_check_destinations(struct loader *l)
{
	const struct config *c = l->config;

	for (size_t i = 0; i < c->n_providers; i++) {
		const struct config_words *words = &c->providers[i].upstream.destinations;

		for (size_t k = 0; k < words->n; k++) {
			const struct config_provider *other =
				config_provider_for(c, words->items[k]);
			struct report report;
			int r;

			if (!other || other == &c->providers[i])
				continue;
			(void)report_set(
				&report, 0,
				"destinations: '%s' is a destination of upstream %s already",
				words->items[k], other->id);
			report_at(&report, c->providers[i].file, 0, 0);
			report_hint(&report, "Keep it in one of the two.");
			r = config_loader_tell(l, &report);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
