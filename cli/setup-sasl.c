/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of libsasl2 for smtpd: "key: value" lines, the first of a key counts. */
#include "cli/setup-plan.h"

#include <string.h>

#include "base/buf.h"

/* What the SASL configuration must say. */
static const struct {
	const char *key;
	const char *value; /* NULL: the socket */
	const char *why;
} sasl_rules[] = {
	{ "mech_list", "PLAIN LOGIN SCRAM-SHA-256",
	  "these three can be checked; more would be offered in vain" },
	{ "auxprop_plugin", "rotated", "SCRAM takes its verifiers from rotated-auth" },
	{ "rotated_socket", NULL,
	  "where rotated-auth listens, as smtpd sees it in its chroot" },
};

/* The value of KEY in LINE ("key: value"), NULL when it is another line. */
static const char *sasl_value(const char *line, const char *key, size_t *ret_len)
{
	size_t len = strlen(key), end = strcspn(line, "\n");

	line += strspn(line, " \t");
	if (strncasecmp(line, key, len) != 0 || line[len] != ':')
		return NULL;
	end = strcspn(line, "\n");
	len++;
	while (line[len] == ' ' || line[len] == '\t')
		len++;
	while (end > len && (line[end - 1] == ' ' || line[end - 1] == '\t'))
		end--;
	*ret_len = end > len ? end - len : 0;
	return line + len;
}

/* The first line with KEY counts, as in libsasl2. NULL when there is none; the caller frees. */
static char *sasl_find(const char *text, const char *key)
{
	while (text && *text) {
		size_t len;
		const char *value = sasl_value(text, key, &len);

		if (value)
			return strndup(value, len);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

static const char *sasl_wanted(const struct setup_site *site, const struct setup_present *p,
			       size_t i)
{
	return sasl_rules[i].value ? sasl_rules[i].value : setup_socket(p, site->auth_socket);
}

/* Every other line stays; ours stand at the end. */
static void rewrite_sasl(const struct setup_site *site, const struct setup_present *p,
			 struct setup_plan *plan)
{
	cleanup_buf struct buf out = BUF_INIT;
	const char *text = p->sasl ? p->sasl : "";

	while (*text) {
		size_t len = strcspn(text, "\n"), unused;
		bool is_ours = false;

		for (size_t i = 0; i < ARRAY_SIZE(sasl_rules); i++)
			is_ours = is_ours || sasl_value(text, sasl_rules[i].key, &unused);
		if (!is_ours) {
			buf_append(&out, text, len);
			buf_append_str(&out, "\n");
		}
		text += len + (text[len] == '\n');
	}
	for (size_t i = 0; i < ARRAY_SIZE(sasl_rules); i++)
		buf_printf(&out, "%s: %s\n", sasl_rules[i].key, sasl_wanted(site, p, i));
	plan->sasl = setup_keep(plan, buf_string(&out) ? buf_string(&out) : "");
}

void setup_plan_sasl(const struct setup_site *site, const struct setup_present *p,
		     struct setup_plan *plan)
{
	size_t before = plan->n_changes;

	for (size_t i = 0; i < ARRAY_SIZE(sasl_rules); i++) {
		cleanup_free char *was = sasl_find(p->sasl, sasl_rules[i].key);
		const char *wanted = sasl_wanted(site, p, i);
		const struct setup_draft d = { SETUP_SASL, sasl_rules[i].key, wanted, was,
					       sasl_rules[i].why };

		if (!was || strcmp(was, wanted) != 0)
			setup_add(plan, &d);
	}
	if (plan->n_changes > before)
		rewrite_sasl(site, p, plan);
}
