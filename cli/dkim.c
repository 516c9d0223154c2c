/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

static void show_domains(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "DOMAIN", "STATE",		"ACTIVE",
					     "KEYS",   "NEXT ROTATION", "REASON" };
	static const char *const keys[] = { "domain",	 "state",	  "active_selector",
					    "live_keys", "next_rotation", "reason" };
	static const struct print_table table = {
		heads, keys, ARRAY_SIZE(keys),
		"No domain is configured: put one into domains.d/DOMAIN.conf."
	};

	print_table(out, json_object_get(json, "domains"), &table);
}

int cli_run_dkim_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_DKIM_LIST, show_domains);
}

static void show_key(FILE *out, const json_t *key)
{
	static const struct print_field fields[] = {
		{ "  algorithm", "algorithm" },	  { "  made", "created" },
		{ "  visible", "visible_since" }, { "  active", "active_since" },
		{ "  leaves", "leaves" },	  { "  destroyed", "destroyed" },
		{ "  remark", "reason" },	  { "  name", "name" },
		{ "  record", "record" },
	};
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "\n%s: ", print_cell(key, "selector", cell));
	(void)fprintf(out, "%s\n", print_cell(key, "state", cell));
	print_fields(out, key, fields, ARRAY_SIZE(fields));
}

static void show_domain(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "domain", "domain" },
		{ "description", "description" },
		{ "configured", "configured" },
		{ "state", "state" },
		{ "reason", "reason" },
		{ "tried", "attempts" },
		{ "next attempt", "next_attempt" },
		{ "next rotation", "next_rotation" },
		{ "hook", "hook" },
	};
	const json_t *keys = json_object_get(json, "keys");
	char span[PRINT_CELL_SIZE];

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	print_schedule(out, json);
	(void)fprintf(out, ", overlap %s", print_span(json, "overlap", span));
	(void)fprintf(out, ", soak %s", print_span(json, "soak", span));
	(void)fprintf(out, ", TTL %s\n", print_span(json, "ttl", span));
	print_if(out, json, "hint", "  next: ", "\n");
	for (size_t i = 0; i < json_array_size(keys); i++)
		show_key(out, json_array_get(keys, i));
	if (json_array_size(keys) == 0)
		(void)fputs("\nIt has no key yet.\n", out);
}

static int print_private_key(struct cli *c, const struct cli_reply *reply)
{
	const struct frame_field *key = frame_find(&reply->frame, "private_key");
	cleanup_buf struct buf text = BUF_INIT;
	struct report report;
	int r;

	if (key)
		buf_append(&text, key->data, key->len);
	r = key ? cli_write_secret(c, &text) : -EBADMSG;
	if (r == 0)
		return CLI_DONE;
	(void)report_set(&report, r, "the private key was not written: %s", strerror(-r));
	return cli_fail(c, CLI_REFUSED, &report);
}

static int show_private_key(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	if (c->n_operands < 2 || cli_has(c, CLI_OPTION_JSON)) {
		(void)report_set(
			&report, -EINVAL,
			"--private-key prints one PEM: it needs a SELECTOR, and no --json");
		report_hint(&report, "rotatectl dkim show %s", c->operand[0]);
		return cli_fail(c, CLI_USAGE, &report);
	}
	cli_request(c, WIRE_DKIM_SHOW, &request);
	frame_put_text(&request, "private_key", "1");
	r = cli_ask(c, WIRE_DKIM_SHOW, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK)
		return cli_answer(c, &reply, NULL);
	return print_private_key(c, &reply);
}

int cli_run_dkim_show(struct cli *c)
{
	if (cli_has(c, CLI_OPTION_PRIVATE_KEY))
		return show_private_key(c);
	return cli_ask_and_answer(c, WIRE_DKIM_SHOW, show_domain);
}

static void show_started(FILE *out, const json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%s: ", print_cell(json, "domain", cell));
	(void)fprintf(out, "%s is made and will be published\n",
		      print_cell(json, "selector", cell));
}

int cli_run_dkim_rotate(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_DKIM_ROTATE, show_started);
}

static void show_revoked(FILE *out, const json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%s: ", print_cell(json, "domain", cell));
	(void)fprintf(out, "%s is revoked and ", print_cell(json, "selector", cell));
	(void)fprintf(out, "%s\n", print_cell(json, "state", cell));
}

int cli_run_dkim_revoke(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_DKIM_REVOKE, show_revoked);
}
