/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold between the values of [ldap]: nothing goes over a wire in the clear, and there
 * is somebody to bind as and something to look for. */
#include "rotated/config/load.h"

#include <string.h>

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_loopback(const char *uri)
{
	const char *host = strstr(uri, "://") + 3;
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	return (len == 9 && strncmp(host, "localhost", len) == 0) ||
	       (len == 5 && strncmp(host, "[::1]", len) == 0) ||
	       (starts_with(host, "127.") && strspn(host, "0123456789.") == len);
}

bool config_ldap_is_plain(const struct config *c)
{
	for (size_t i = 0; i < c->ldap.uri.n; i++)
		if (!c->ldap.starttls && starts_with(c->ldap.uri.items[i], "ldap://"))
			return true;
	return false;
}

/* Where KEY was written; where the servers are when nobody wrote it. */
static int tell(const struct target *t, enum config_key key, struct report *report)
{
	const struct origin *o = &t->origins[key];

	if (!o->file)
		o = &t->origins[KEY_ldap_uri];
	report_at(report, o->file, o->line, o->column);
	return config_loader_tell(t->loader, report);
}

static int check_wire(const struct target *t, const struct config_ldap *ldap)
{
	struct report report;

	for (size_t i = 0; i < ldap->uri.n && !ldap->starttls; i++) {
		const char *uri = ldap->uri.items[i];

		if (!starts_with(uri, "ldap://") || is_loopback(uri))
			continue;
		(void)report_set(&report, 0,
				 "%s without TLS: everybody on the way could make "
				 "services, and read the password",
				 uri);
		report_hint(&report, "Write ldaps://, or starttls = yes.");
		return tell(t, KEY_ldap_starttls, &report);
	}
	return 0;
}

static int check_bind(const struct target *t, const struct config_ldap *ldap)
{
	struct report report;

	if (ldap->bind == CONFIG_LDAP_BIND_SIMPLE && !ldap->bind_dn[0]) {
		(void)report_set(&report, 0, "bind = simple: nobody to bind as");
		report_hint(&report, "Add bind_dn =, or write bind = external or anonymous.");
		return tell(t, KEY_ldap_bind, &report);
	}
	if (ldap->bind != CONFIG_LDAP_BIND_SIMPLE && ldap->bind_dn[0]) {
		(void)report_set(&report, 0, "bind_dn: only bind = simple has one");
		report_hint(&report, "Remove it, or write bind = simple.");
		return tell(t, KEY_ldap_bind_dn, &report);
	}
	return 0;
}

/* The server parses it; this only sees what would be told late. */
static bool is_filter(const char *s)
{
	int depth = 0;

	if (*s != '(')
		return false;
	for (; *s; s++) {
		depth += (*s == '(') - (*s == ')');
		if (depth < 0 || (depth == 0 && s[1]))
			return false;
	}
	return depth == 0;
}

int config_rules_check_ldap(const struct target *t)
{
	const struct config_ldap *ldap = &t->loader->config->ldap;
	struct report report;
	int r;

	if (t->origins[KEY_ldap_filter].file && !is_filter(ldap->filter)) {
		(void)report_set(&report, 0, "filter = %s: its parentheses do not match",
				 ldap->filter);
		report_hint(&report, "Write it as in (objectClass=rotatedService).");
		return tell(t, KEY_ldap_filter, &report);
	}
	if (ldap->uri.n == 0)
		return 0;
	if (!ldap->base[0]) {
		(void)report_set(&report, 0, "uri: there is no base to look below");
		report_hint(&report, "Add base =, as in ou=services,dc=example,dc=com.");
		return tell(t, KEY_ldap_base, &report);
	}
	r = t->origins[KEY_ldap_uri].is_bad ? 0 : check_wire(t, ldap);
	return r < 0 ? r : check_bind(t, ldap);
}
