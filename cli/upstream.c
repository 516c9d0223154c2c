/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/print.h"

#include <jansson.h>

#include "base/text.h"

static void show_upstreams(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "UPSTREAM", "STATE",	  "ACTIVE",
					     "LIVE",	 "NEXT ROTATION", "REASON" };
	static const char *const keys[] = { "upstream",	     "state",	      "active_version",
					    "live_versions", "next_rotation", "reason" };
	static const struct print_table table = {
		heads, keys, ARRAY_SIZE(keys),
		"No upstream is configured: put one into upstreams.d/ID.conf."
	};

	print_table(out, json_object_get(json, "upstreams"), &table);
}

int cli_run_upstream_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_UPSTREAM_LIST, show_upstreams);
}

static void show_version(FILE *out, const json_t *version)
{
	static const struct print_field fields[] = {
		{ "  user", "user" },		{ "  at the provider", "credential" },
		{ "  made", "created" },	{ "  accepted", "accepted_since" },
		{ "  active", "active_since" }, { "  refused", "rejected" },
		{ "  leaves", "leaves" },	{ "  remark", "remark" },
	};
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "\n%s: ", print_cell(version, "name", cell));
	(void)fprintf(out, "%s\n", print_cell(version, "state", cell));
	print_fields(out, version, fields, ARRAY_SIZE(fields));
}

static void show_upstream(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "upstream", "upstream" },
		{ "description", "description" },
		{ "configured", "configured" },
		{ "server", "server" },
		{ "hook", "hook" },
		{ "state", "state" },
		{ "reason", "reason" },
		{ "tried", "attempts" },
		{ "next attempt", "next_attempt" },
		{ "next rotation", "next_rotation" },
	};
	const json_t *versions = json_object_get(json, "versions");
	char span[PRINT_CELL_SIZE];

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	print_schedule(out, json);
	(void)fprintf(out, ", overlap %s", print_span(json, "overlap", span));
	(void)fprintf(out, ", soak %s\n", print_span(json, "soak", span));
	print_if(out, json, "hint", "  next: ", "\n");
	for (size_t i = 0; i < json_array_size(versions); i++)
		show_version(out, json_array_get(versions, i));
	if (json_array_size(versions) == 0)
		(void)fputs("\nIt has no secret yet.\n", out);
}

int cli_run_upstream_show(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_UPSTREAM_SHOW, show_upstream);
}

/* What happens next, and what somebody has to do for it. */
static void show_progress(FILE *out, const json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%s, ", print_cell(json, "upstream", cell));
	(void)fprintf(out, "version %s: ", print_cell(json, "version", cell));
	(void)fprintf(out, "%s\n", print_cell(json, "version_state", cell));
	print_if(out, json, "reason", "  ", "\n");
	print_if(out, json, "hint", "  next: ", "\n");
}

int cli_run_upstream_rotate(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_UPSTREAM_ROTATE, show_progress);
}

/* The secret that the provider gave to a person. */
int cli_run_upstream_set(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *secret = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	int r = CLI_DONE;

	cli_request(c, WIRE_UPSTREAM_SET, &request);
	if (cli_has(c, CLI_OPTION_USER))
		frame_put_text(&request, "user", c->option[CLI_OPTION_USER]);
	if (!cli_has(c, CLI_OPTION_DRY_RUN))
		r = passphrase_read(c, "Secret from the provider: ", false, &secret);
	if (r != CLI_DONE)
		return r;
	if (secret)
		frame_put(&request, "secret", secret_data(secret), secret_len(secret));
	r = cli_ask(c, WIRE_UPSTREAM_SET, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_progress) : r;
}

/* ses.7, or where it may be left out ses alone. */
static int put_name(const struct cli *c, bool needs_version, struct buf *request,
		    struct report *r)
{
	char upstream[SERVICE_ID_MAX + 1];
	uint32_t version = 0;

	if (text_to_login(c->operand[0], upstream, &version) < 0)
		return report_set(r, -EINVAL, "\"%s\" is not a name", c->operand[0]);
	if (needs_version && version == 0) {
		(void)report_set(r, -EINVAL, "%s is an upstream: say which version",
				 c->operand[0]);
		report_hint(r, "rotatectl upstream show %s", upstream);
		return -EINVAL;
	}
	frame_put_text(request, "upstream", upstream);
	if (version)
		frame_put_number(request, "version", version);
	return 0;
}

static void show_trial(FILE *out, const json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%s: ", print_cell(json, "name", cell));
	(void)fprintf(out, "%s\n", print_cell(json, "result", cell));
}

int cli_run_upstream_test(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	wire_begin_request(&request, WIRE_UPSTREAM_TEST);
	if (put_name(c, false, &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	r = cli_ask(c, WIRE_UPSTREAM_TEST, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_trial) : r;
}

int cli_run_upstream_revoke(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	wire_begin_request(&request, WIRE_UPSTREAM_REVOKE);
	if (put_name(c, true, &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(&request, "dry_run", "1");
	r = cli_ask(c, WIRE_UPSTREAM_REVOKE, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_progress) : r;
}
