/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>

static void show_services(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "SERVICE", "ENABLED", "STATE",
					     "LOGIN",	"LIVE",	   "NEXT ROTATION" };
	static const char *const keys[] = { "service", "enabled",	"state",
					    "login",   "live_versions", "next_rotation" };
	static const struct print_table table = {
		heads, keys, ARRAY_SIZE(keys),
		"No service is configured: put one into services.d/ID.conf."
	};

	print_table(out, json_object_get(json, "services"), &table);
}

int cli_run_service_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_SERVICE_LIST, show_services);
}

static void show_service(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "service", "service" },
		{ "description", "description" },
		{ "configured", "configured" },
		{ "enabled", "enabled" },
		{ "state", "state" },
		{ "reason", "reason" },
		{ "tried", "attempts" },
		{ "next attempt", "next_attempt" },
		{ "next rotation", "next_rotation" },
		{ "logins are", "login_style" },
	};
	static const char *const heads[] = { "LOGIN", "STATE", "ISSUED", "LEAVES", "REMARK" };
	static const char *const keys[] = { "login", "state", "issued", "leaves", "reason" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "It has no credential yet." };
	char span[PRINT_CELL_SIZE];

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	print_schedule(out, json);
	(void)fprintf(out, ", overlap %s\n\n", print_span(json, "overlap", span));
	print_table(out, json_object_get(json, "versions"), &table);
	print_if(out, json, "hint", "  next: ", "\n");
}

int cli_run_service_show(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_SERVICE_SHOW, show_service);
}

int cli_run_service_disable(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_SERVICE_DISABLE, NULL);
}

int cli_run_service_enable(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_SERVICE_ENABLE, NULL);
}
