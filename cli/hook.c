/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

static void show_test(FILE *out, const struct json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "hook of %s: ", print_cell(json, "domain", cell));
	(void)fprintf(out, "%s", print_cell(json, "result", cell));
	print_if(out, json, "detail", ": ", "");
	(void)fputc('\n', out);
}

int cli_run_hook_test(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_HOOK_TEST, show_test);
}
