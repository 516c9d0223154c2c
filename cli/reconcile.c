/* SPDX-License-Identifier: BSD-2-Clause */
/* Going on with a keystore that was put back: what has to be looked at, and ticking it off. */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>

static void show_list(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "ENTRY", "WHAT", "NEXT" };
	static const char *const keys[] = { "name", "what", "hint" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "There is nothing to reconcile." };

	print_table(out, json_object_get(json, "reconcile"), &table);
}

static void show_accepted(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "the keystore is of", "since" },
		{ "told by the audit log", "known" },
	};

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	show_list(out, json);
}

int cli_accept_rollback(struct cli *c)
{
	int r = cli_open_first(c);

	return r == CLI_DONE ? cli_ask_and_answer(c, WIRE_STORE_ACCEPT, show_accepted) : r;
}

int cli_run_store_reconcile(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_RECONCILE, show_list);
}
