/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/revoke.h"

#include <jansson.h>

static void show_credentials(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "SERVICE", "LOGIN", "STATE", "ISSUED", "LEAVES" };
	static const char *const keys[] = { "service", "login", "state", "issued", "leaves" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "There is no live credential." };

	print_table(out, json_object_get(json, "credentials"), &table);
}

int cli_run_credential_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CREDENTIAL_LIST, show_credentials);
}

int cli_run_credential_revoke(struct cli *c)
{
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;

	wire_begin_request(&request, WIRE_CREDENTIAL_REVOKE);
	if (cli_revoke_put_name(c, "login", &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	return cli_revoke_ask(c, WIRE_CREDENTIAL_REVOKE, &request);
}
