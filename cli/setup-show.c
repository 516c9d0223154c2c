/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-show.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/print.h"

static const struct {
	enum setup_feature feature;
	const char *word;
} features[] = {
	{ SETUP_PASSWORDS, "passwords" },
	{ SETUP_CERTIFICATES, "certificates" },
	{ SETUP_OUTBOUND, "outbound" },
	{ SETUP_SENDERS, "senders" },
};

static const char *const where_words[] = {
	[SETUP_MAIN] = "main.cf",
	[SETUP_SERVICE] = "master.cf",
	[SETUP_OPTION] = "master.cf",
	[SETUP_SASL] = "sasl",
};

_Static_assert(ARRAY_SIZE(where_words) == SETUP_WHERE_MAX_, "a word for each");

void setup_features_text(unsigned wanted, char out[static SETUP_FEATURES_SIZE])
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		bool is_last = !(wanted >> (i + 1));

		if (!(wanted & features[i].feature) || len >= SETUP_FEATURES_SIZE)
			continue;
		len += (size_t)snprintf(out + len, SETUP_FEATURES_SIZE - len, "%s%s",
					!len	  ? ""
					: is_last ? " and "
						  : ", ",
					features[i].word);
	}
}

/* What is shown of an option is how it stands in master.cf, below its service. */
static void show_change(const struct setup_change *c, struct buf *out)
{
	const char *parameter = strrchr(c->name, '/');

	buf_append_str(out, "  ");
	if (c->where == SETUP_MAIN)
		buf_printf(out, "%s = ", c->name);
	else if (c->where == SETUP_OPTION)
		buf_printf(out, "  -o %s=", parameter ? parameter + 1 : c->name);
	else if (c->where == SETUP_SASL)
		buf_printf(out, "%s: ", c->name);
	print_safe(out, c->value);
	buf_printf(out, "\n        %s", c->why);
	if (c->was) {
		buf_append_str(out, "\n        now: ");
		print_safe(out, c->was);
	}
	buf_append_str(out, "\n");
}

/* The options of one service belong together, below its name. */
static void show_heading(const struct setup_change *c, const struct setup_change *before,
			 const struct setup_view *view, struct buf *out)
{
	const char *slash = strrchr(c->name, '/');
	size_t len = slash ? (size_t)(slash - c->name) : 0;

	if (!before || strcmp(where_words[c->where], where_words[before->where]) != 0) {
		if (c->where == SETUP_SASL)
			buf_printf(out, "\n%s\n", view->sasl_path);
		else
			buf_printf(out, "\n%s/%s\n", view->config_dir, where_words[c->where]);
	}
	if (c->where != SETUP_OPTION)
		return;
	if (before && before->where == SETUP_SERVICE &&
	    strncmp(before->name, c->name, len) == 0)
		return;
	if (before && before->where == SETUP_OPTION &&
	    strncmp(before->name, c->name, len + 1) == 0)
		return;
	buf_printf(out, "  the service %.*s:\n", (int)len, c->name);
}

void setup_show(const struct setup_plan *plan, const struct setup_view *view, struct buf *out)
{
	for (size_t i = 0; i < plan->n_changes; i++) {
		show_heading(&plan->changes[i], i ? &plan->changes[i - 1] : NULL, view, out);
		show_change(&plan->changes[i], out);
	}
	if (plan->n_warnings)
		buf_append_str(out, "\nLook at this; setup leaves it as it is:\n");
	for (size_t i = 0; i < plan->n_warnings; i++) {
		buf_append_str(out, "  ");
		print_safe(out, plan->warnings[i].what);
		buf_printf(out, "\n    next: %s\n", plan->warnings[i].hint);
	}
}

void setup_show_json(const struct setup_plan *plan, const struct setup_view *view,
		     unsigned wanted, struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_put_object(&j, NULL);
	json_put_array(&j, "features");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (wanted & features[i].feature)
			json_put_string(&j, NULL, features[i].word);
	json_put_array_end(&j);
	json_put_string(&j, "config_dir", view->config_dir);
	json_put_string(&j, "sasl_file", view->sasl_path);
	json_put_bool(&j, "applied", view->is_applied);
	json_put_array(&j, "changes");
	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct setup_change *c = &plan->changes[i];

		json_put_object(&j, NULL);
		json_put_string(&j, "file", where_words[c->where]);
		json_put_string(&j, "name", c->name);
		json_put_string(&j, "value", c->value);
		if (c->was)
			json_put_string(&j, "was", c->was);
		else
			json_put_null(&j, "was");
		json_put_string(&j, "why", c->why);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_array(&j, "warnings");
	for (size_t i = 0; i < plan->n_warnings; i++) {
		json_put_object(&j, NULL);
		json_put_string(&j, "what", plan->warnings[i].what);
		json_put_string(&j, "hint", plan->warnings[i].hint);
		json_put_object_end(&j);
	}
	json_put_array_end(&j);
	json_put_object_end(&j);
}
