/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/revoke.h"

#include <jansson.h>
#include <string.h>

static void show_certificates(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "SERVICE", "NAME", "STATE", "ENDS", "LEAVES" };
	static const char *const keys[] = { "service", "name", "state", "not_after", "leaves" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "There is no certificate." };

	print_table(out, json_object_get(json, "certificates"), &table);
}

int cli_run_certificate_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CERTIFICATE_LIST, show_certificates);
}

static void show_one(FILE *out, const json_t *cert)
{
	static const struct print_field fields[] = {
		{ "  issued", "issued" },
		{ "  active", "active_since" },
		{ "  leaves", "leaves" },
		{ "  valid from", "not_before" },
		{ "  valid until", "not_after" },
		{ "  expired", "expired" },
		{ "  serial", "serial" },
		{ "  fingerprint", "fingerprint" },
		{ "  of its key", "public_key_fingerprint" },
	};
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "\n%s: ", print_cell(cert, "name", cell));
	(void)fprintf(out, "%s\n", print_cell(cert, "state", cell));
	print_fields(out, cert, fields, ARRAY_SIZE(fields));
}

static void show_service(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "service", "service" }, { "email", "email" },	      { "state", "state" },
		{ "reason", "reason" },	  { "due", "next_rotation" },
	};
	const json_t *list = json_object_get(json, "certificates");
	char span[PRINT_CELL_SIZE];

	print_fields(out, json, fields, ARRAY_SIZE(fields));
	(void)fprintf(out, "valid for  %s", print_span(json, "lifetime", span));
	(void)fprintf(out, ", overlap %s\n", print_span(json, "overlap", span));
	print_if(out, json, "hint", "  next: ", "\n");
	for (size_t i = 0; i < json_array_size(list); i++)
		show_one(out, json_array_get(list, i));
}

int cli_run_certificate_show(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CERTIFICATE_SHOW, show_service);
}

/* ---- revoking ---- */

/* A serial number has 40 hex digits. A service may be called so too: with --all it is one. */
static bool is_serial(const struct cli *c)
{
	enum { DIGITS = 40 };
	const char *s = c->operand[0];

	return !cli_has(c, CLI_OPTION_ALL) && strlen(s) == DIGITS &&
	       strspn(s, "0123456789abcdefABCDEF") == DIGITS;
}

int cli_run_certificate_revoke(struct cli *c)
{
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;

	wire_begin_request(&request, WIRE_CERTIFICATE_REVOKE);
	if (is_serial(c))
		frame_put_text(&request, "serial", c->operand[0]);
	else if (cli_revoke_put_name(c, "certificate", &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	return cli_revoke_ask(c, WIRE_CERTIFICATE_REVOKE, &request);
}
