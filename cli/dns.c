/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>

static void show_record(FILE *out, const json_t *record)
{
	static const char *const heads[] = { "SERVER", "ANSWER", "TTL", "DETAIL" };
	static const char *const keys[] = { "server", "result", "ttl", "detail" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "no server was asked" };
	char cell[PRINT_CELL_SIZE];

	(void)fputs(print_cell(record, "name", cell), out);
	(void)fprintf(out, ": %s", print_cell(record, "result", cell));
	(void)fprintf(out, " (wanted %s", print_cell(record, "wanted", cell));
	(void)fprintf(out, "; the key is %s)\n", print_cell(record, "state", cell));
	print_table(out, json_object_get(record, "servers"), &table);
}

static void show_check(FILE *out, const json_t *json)
{
	const json_t *records = json_object_get(json, "records");

	for (size_t i = 0; i < json_array_size(records); i++)
		show_record(out, json_array_get(records, i));
	if (json_array_size(records) == 0)
		(void)fputs("The domain has no live key to look for.\n", out);
}

int cli_run_dns_check(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_DNS_CHECK, show_check);
}
