/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

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

static void show_names(FILE *out, const json_t *list, const char *head)
{
	if (json_array_size(list) == 0)
		return;
	(void)fputs(head, out);
	for (size_t i = 0; i < json_array_size(list); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		const char *name = json_string_value(json_array_get(list, i));
		const char *s;

		print_safe(&text, name ? name : "?");
		s = buf_string(&text);
		(void)fprintf(out, " %s", s ? s : "?");
	}
	(void)fputc('\n', out);
}

static void show_revoked(FILE *out, const json_t *json)
{
	show_names(out, json_object_get(json, "revoked"), "refused from now on:");
	show_names(out, json_object_get(json, "left"), "still accepted:");
}

/* A serial number has 40 hex digits. A service may be called so too: with --all it is one. */
static bool is_serial(const struct cli *c)
{
	enum { DIGITS = 40 };
	const char *s = c->operand[0];

	return !cli_has(c, CLI_OPTION_ALL) && strlen(s) == DIGITS &&
	       strspn(s, "0123456789abcdefABCDEF") == DIGITS;
}

/* billing.7 names a version; billing with --all, or with both, is told apart here. */
static int put_target(const struct cli *c, struct buf *request, struct report *r)
{
	char service[SERVICE_ID_MAX + 1];
	uint32_t version = 0;
	bool all = cli_has(c, CLI_OPTION_ALL);

	if (is_serial(c)) {
		frame_put_text(request, "serial", c->operand[0]);
		return 0;
	}
	if (text_to_login(c->operand[0], service, &version) < 0)
		return report_set(r, -EINVAL, "\"%s\" is not a certificate", c->operand[0]);
	frame_put_text(request, "service", service);
	if (all == (version != 0)) {
		(void)report_set(r, -EINVAL,
				 all ? "%s names one version: leave it or --all out"
				     : "%s is a service: say which version, or --all",
				 c->operand[0]);
		report_hint(r, "rotatectl certificate list %s", service);
		return -EINVAL;
	}
	if (all)
		frame_put_text(request, "all", "1");
	else
		frame_put_number(request, "version", version);
	return 0;
}

int cli_run_certificate_revoke(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	wire_begin_request(&request, WIRE_CERTIFICATE_REVOKE);
	if (put_target(c, &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(&request, "dry_run", "1");
	r = cli_ask(c, WIRE_CERTIFICATE_REVOKE, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_revoked) : r;
}
