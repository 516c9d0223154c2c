/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>

#include "base/text.h"

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

static void show_list(FILE *out, const json_t *list, const char *head)
{
	if (json_array_size(list) == 0)
		return;
	(void)fputs(head, out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		const char *login = json_string_value(json_array_get(list, i));
		const char *s;

		print_safe(&text, login ? login : "?");
		s = buf_string(&text);
		(void)fprintf(out, " %s", s ? s : "?");
	}
	(void)fputc('\n', out);
}

static void show_revoked(FILE *out, const json_t *json)
{
	show_list(out, json_object_get(json, "revoked"), "refused from now on:");
	show_list(out, json_object_get(json, "left"), "still accepted:");
}

/* billing.7 names a version; billing with --all, or with both, is told apart here. */
static int put_login(const struct cli *c, struct buf *request, struct report *r)
{
	char service[SERVICE_ID_MAX + 1];
	uint32_t version = 0;
	bool all = cli_has(c, CLI_OPTION_ALL);

	if (text_to_login(c->operand[0], service, &version) < 0)
		return report_set(r, -EINVAL, "\"%s\" is not a login", c->operand[0]);
	frame_put_text(request, "service", service);
	if (all == (version != 0)) {
		(void)report_set(r, -EINVAL,
				 all ? "%s names one version: leave it or --all out"
				     : "%s is a service: say which version, or --all",
				 c->operand[0]);
		report_hint(r, "rotatectl credential list %s", service);
		return -EINVAL;
	}
	if (all)
		frame_put_text(request, "all", "1");
	else
		frame_put_number(request, "version", version);
	return 0;
}

int cli_run_credential_revoke(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	wire_begin_request(&request, WIRE_CREDENTIAL_REVOKE);
	if (put_login(c, &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(&request, "dry_run", "1");
	r = cli_ask(c, WIRE_CREDENTIAL_REVOKE, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_revoked) : r;
}
