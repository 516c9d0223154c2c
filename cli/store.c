/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

static void show_verify(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "PROBLEM", "OBJECT", "WHAT" };
	static const char *const keys[] = { "problem", "object", "what" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "Every record opens and every sum agrees." };
	static const struct print_field fields[] = {
		{ "records", "records" },	{ "not opened: sealed", "unreadable" },
		{ "tombstones", "tombstones" }, { "transaction", "txid" },
		{ "store", "store_id" },	{ "problems", "problem_count" },
	};
	static const struct print_field works[] = {
		{ "can be changed", "changes" },
		{ "records that open, logins", "auth_records" },
		{ "records that open, issuing", "issuer_records" },
		{ "services", "services" },
		{ "services that can log in", "services_able" },
	};

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	print_table(out, json_object_get(json, "problems"), &table);
	if (json_array_size(json_object_get(json, "problems")) == 0)
		return;
	(void)fputs("\nWhat works:\n", out);
	print_fields(out, json_object_get(json, "works"), works, ARRAY_SIZE(works));
}

int cli_run_store_verify(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_VERIFY, show_verify);
}

int cli_run_store_compact(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_COMPACT, NULL);
}

int cli_run_store_reseal(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_RESEAL, NULL);
}
