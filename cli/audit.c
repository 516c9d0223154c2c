/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

/* People look at seconds; the log and --json have microseconds. */
static void cut_fractions(json_t *records)
{
	enum { SECONDS_LEN = sizeof("2026-11-23T08:30:00") - 1 };

	for (size_t i = 0; i < json_array_size(records); i++) {
		json_t *record = json_array_get(records, i);
		const char *t = json_string_value(json_object_get(record, "t"));
		char cut[SECONDS_LEN + 2];

		if (!t || strlen(t) <= SECONDS_LEN || t[SECONDS_LEN] != '.')
			continue;
		(void)snprintf(cut, sizeof(cut), "%.*sZ", SECONDS_LEN, t);
		(void)json_object_set_new(record, "t", json_stringn(cut, strlen(cut)));
	}
}

static void show_records(FILE *out, const json_t *json)
{
	json_t *records = json_deep_copy(json_object_get(json, "records"));
	static const char *const heads[] = { "SEQ", "WHEN", "OUTCOME", "WHAT", "OF", "BY" };
	static const char *const keys[] = { "seq", "t", "outcome", "ev", "obj", "actor" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "The audit log is empty." };

	cut_fractions(records);
	print_table(out, records, &table);
	json_decref(records);
}

static int put_number(const struct cli *c, enum cli_option option, struct buf *request,
		      struct report *r)
{
	const char *name = cli_options[option].name;
	uint64_t n;

	if (!cli_has(c, option))
		return 0;
	if (text_to_u64(c->option[option], &n) < 0)
		return report_set(r, -EINVAL, "--%s needs a number, not \"%s\"", name,
				  c->option[option]);
	frame_put_number(request, name, n);
	return 0;
}

int cli_run_audit_show(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	cli_request(c, WIRE_AUDIT_SHOW, &request);
	if (put_number(c, CLI_OPTION_FROM, &request, &report) < 0 ||
	    put_number(c, CLI_OPTION_COUNT, &request, &report) < 0)
		return cli_fail(c, CLI_USAGE, &report);
	r = cli_ask(c, WIRE_AUDIT_SHOW, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_records) : r;
}

static void show_verdict(FILE *out, const json_t *json)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "audit log %s: ", print_cell(json, "state", cell));
	(void)fprintf(out, "%s records", print_cell(json, "records", cell));
	(void)fprintf(out, ", %s", print_cell(json, "first", cell));
	(void)fprintf(out, " to %s", print_cell(json, "last", cell));
	(void)fprintf(out, ", in %s segments\n", print_cell(json, "segments", cell));
	if (json_is_true(json_object_get(json, "tags")))
		(void)fputs("checked: the chain, its end, and the tag of every record\n", out);
	else
		(void)fputs("checked: the chain and its end; not the tags (--recovery)\n", out);
	print_if(out, json, "at", "noticed at record ", "\n");
	print_if(out, json, "detail", "", "\n");
}

int cli_run_audit_verify(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *key = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	int r = CLI_DONE;

	if (cli_has(c, CLI_OPTION_RECOVERY))
		r = passphrase_read(c, "recovery key", false, &key);
	if (r != CLI_DONE)
		return r;
	cli_request(c, WIRE_AUDIT_VERIFY, &request);
	if (key)
		frame_put(&request, "recovery_key", secret_data(key), secret_len(key));
	r = cli_ask(c, WIRE_AUDIT_VERIFY, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_verdict) : r;
}
