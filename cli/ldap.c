/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/print.h"

#include <jansson.h>

static void show_held(FILE *out, const json_t *held)
{
	const json_t *services = json_object_get(held, "services");
	char cell[PRINT_CELL_SIZE];

	if (!json_is_object(held))
		return;
	(void)fprintf(out, "\nHeld since %s: ", print_cell(held, "since", cell));
	(void)fprintf(out, "%s\n", print_cell(held, "reason", cell));
	for (size_t i = 0; i < json_array_size(services); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		const char *s = json_string_value(json_array_get(services, i));

		print_safe(&text, s ? s : "?");
		s = buf_string(&text);
		(void)fprintf(out, "  %s\n", s ? s : "?");
	}
	(void)fprintf(out, "  next: rotatectl ldap approve %s\n", print_cell(held, "id", cell));
}

static void show_problem(FILE *out, const json_t *problem)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "  %s\n", print_cell(problem, "dn", cell));
	print_if(out, problem, "problem", "    ", "\n");
	if (print_has(problem, "in_force"))
		print_if(out, problem, "service", "    ",
			 ": what it said before stays in force\n");
	print_if(out, problem, "hint", "    next: ", "\n");
}

static void show_directory(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "state", "state" },	       { "server", "server" },
		{ "services", "services" },    { "last read", "last_success" },
		{ "last whole", "last_full" }, { "error", "error" },
		{ "tried", "attempts" },       { "next attempt", "next_attempt" },
	};
	static const char *const heads[] = { "SERVICE", "ERASED", "WAS" };
	static const char *const keys[] = { "service", "erased", "dn" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys), "" };
	const json_t *problems = json_object_get(json, "problems");
	const json_t *gone = json_object_get(json, "gone");
	char span[PRINT_CELL_SIZE];

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	if (json_is_integer(json_object_get(json, "age")))
		(void)fprintf(out, "as of         %s ago\n", print_span(json, "age", span));
	if (json_array_size(problems) > 0)
		(void)fputs("\nEntries that can not be used as they are:\n", out);
	for (size_t i = 0; i < json_array_size(problems); i++)
		show_problem(out, json_array_get(problems, i));
	if (json_array_size(gone) > 0) {
		(void)fputs("\nGone from the directory, and disabled:\n", out);
		print_table(out, gone, &table);
	}
	show_held(out, json_object_get(json, "held"));
	print_if(out, json, "hint", "  next: ", "\n");
}

int cli_run_ldap_status(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_LDAP_STATUS, show_directory);
}

int cli_run_ldap_sync(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_LDAP_SYNC, show_directory);
}

int cli_run_ldap_approve(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_LDAP_APPROVE, show_directory);
}

int cli_run_ldap_secret(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *secret = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	bool is_dry_run = cli_has(c, CLI_OPTION_DRY_RUN);
	int r = is_dry_run ? CLI_DONE
			   : passphrase_read(c, "Password for the directory: ", true, &secret);

	if (r != CLI_DONE)
		return r;
	wire_begin_request(&request, WIRE_LDAP_SECRET);
	if (is_dry_run)
		frame_put_text(&request, "dry_run", "1");
	else
		frame_put(&request, "secret", secret_data(secret), secret_len(secret));
	r = cli_ask(c, WIRE_LDAP_SECRET, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, NULL) : r;
}
