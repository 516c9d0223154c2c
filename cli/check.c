/* SPDX-License-Identifier: BSD-2-Clause */
/* check: the configuration as the vault would load it. Needs no vault. */
#include "cli/cli.h"
#include "cli/print.h"

#include <string.h>

#include "base/json.h"
#include "rotated/config/config.h"

enum { LINE_SIZE = REPORT_FILE_MAX + REPORT_TEXT_MAX + 32 };

/* The text quotes files, and their names, as they are. */
static void show_error(FILE *out, const struct report *r)
{
	cleanup_buf struct buf text = BUF_INIT;
	char line[LINE_SIZE];
	const char *s;

	report_format(r, line, sizeof(line));
	print_safe(&text, line);
	buf_append_str(&text, "\n");
	if (r->hint[0]) {
		buf_append_str(&text, "  ");
		print_safe(&text, r->hint);
		buf_append_str(&text, "\n");
	}
	s = buf_string(&text);
	(void)fputs(s ? s : "", out);
}

static void show_errors(FILE *out, const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		show_error(out, &errors->items[i]);
	if (errors->dropped)
		(void)fprintf(out, "and %zu more\n", errors->dropped);
	(void)fprintf(out, "%zu error%s: nothing of this configuration is used\n",
		      errors->n + errors->dropped, errors->n + errors->dropped == 1 ? "" : "s");
}

static void put_error(struct json *j, const struct report *r)
{
	json_put_object(j, NULL);
	json_put_string(j, "file", r->file);
	json_put_number(j, "line", r->line);
	json_put_number(j, "column", r->column);
	json_put_string(j, "what", r->what);
	json_put_string(j, "hint", r->hint);
	json_put_object_end(j);
}

/* Sound, and still worth a second look. */
static const char plain_ldap[] =
	"[ldap] is spoken without TLS: a password would be readable on loopback";

static void show_as_json(FILE *out, const struct config *config,
			 const struct config_errors *errors)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct json j = JSON_INIT(&text);
	struct report report = { 0 };
	const char *s;

	json_put_object(&j, NULL);
	json_put_bool(&j, "ok", config != NULL);
	json_put_number(&j, "services", config ? config->n_services : 0);
	json_put_number(&j, "domains", config ? config->n_domains : 0);
	json_put_number(&j, "upstreams", config ? config->n_providers : 0);
	json_put_array(&j, "errors");
	for (size_t i = 0; i < errors->n; i++)
		put_error(&j, &errors->items[i]);
	json_put_array_end(&j);
	json_put_number(&j, "dropped", errors->dropped);
	json_put_array(&j, "warnings");
	if (config && config_ldap_is_plain(config))
		json_put_string(&j, NULL, plain_ldap);
	for (size_t i = 0; config && i < config->unlock.helper.n; i++)
		if (config_check_program(config->unlock.helper.items[i], &report) < 0)
			json_put_string(&j, NULL, report.what);
	json_put_array_end(&j);
	json_put_object_end(&j);
	s = buf_string(&text);
	(void)fprintf(out, "%s\n", s ? s : "{}");
}

/* A helper that is not as it should be is not run; the vault starts all the same. */
static void warn_of_helpers(FILE *out, const struct config *config)
{
	struct report report = { 0 };

	for (size_t i = 0; i < config->unlock.helper.n; i++)
		if (config_check_program(config->unlock.helper.items[i], &report) < 0)
			(void)fprintf(out, "warning: %s: %s\n", report.what, report.hint);
}

int cli_run_check(struct cli *c)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *config = NULL;
	char summary[CONFIG_SUMMARY_SIZE];
	struct report report;
	int r = config_load(cli_root(c), CONFIG_CHECK_FILES, &config, &errors);

	if (r < 0 && r != -EBADMSG) {
		(void)report_set(&report, r, "cannot read the configuration: %s", strerror(-r));
		return cli_fail(c, CLI_REFUSED, &report);
	}
	if (cli_has(c, CLI_OPTION_JSON)) {
		show_as_json(c->out, config, &errors);
		return config ? CLI_DONE : CLI_REFUSED;
	}
	if (!config) {
		show_errors(c->err, &errors);
		return CLI_REFUSED;
	}
	config_summary(config, summary);
	(void)fprintf(c->out, "the configuration is good: %s\n", summary);
	if (config_ldap_is_plain(config))
		(void)fprintf(c->err, "warning: %s\n", plain_ldap);
	warn_of_helpers(c->err, config);
	return CLI_DONE;
}
