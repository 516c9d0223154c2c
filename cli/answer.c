/* SPDX-License-Identifier: BSD-2-Clause */
/* How a run ends: the answer on standard output, what went wrong on standard error. */
#include "cli/cli.h"

#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/print.h"

enum { LINE_SIZE = 2 * REPORT_TEXT_MAX };

static const char *status_word(enum cli_exit exit_code)
{
	for (unsigned i = 0; i < WIRE_STATUS_MAX_; i++)
		if (wire_status_exit_code((enum wire_status)i) == (int)exit_code)
			return wire_status_word((enum wire_status)i);
	return "refused";
}

/* {"status", "message", "hint"} on one line */
static void tell_json(FILE *out, const char *status, const char *message, const char *hint)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct json j = JSON_INIT(&text);
	const char *s;

	json_put_object(&j, NULL);
	json_put_string(&j, "status", status);
	if (*message)
		json_put_string(&j, "message", message);
	else
		json_put_null(&j, "message");
	if (*hint)
		json_put_string(&j, "hint", hint);
	else
		json_put_null(&j, "hint");
	json_put_object_end(&j);
	s = buf_string(&text);
	(void)fprintf(out, "%s\n", s ? s : "{}");
}

static void tell(FILE *out, const char *lead, const char *message, const char *hint)
{
	cleanup_buf struct buf text = BUF_INIT;
	const char *s;

	if (*message) {
		buf_append_str(&text, lead);
		print_safe(&text, message);
		buf_append_str(&text, "\n");
	}
	if (*hint) {
		buf_append_str(&text, "  next: ");
		print_safe(&text, hint);
		buf_append_str(&text, "\n");
	}
	s = buf_string(&text);
	(void)fputs(s ? s : "", out);
}

int cli_fail(struct cli *c, enum cli_exit exit_code, const struct report *r)
{
	char line[LINE_SIZE];

	report_format(r, line, sizeof(line));
	(void)fflush(c->out); /* so that what was said before comes first */
	if (cli_has(c, CLI_OPTION_JSON))
		tell_json(c->err, status_word(exit_code), line, r->hint);
	else
		tell(c->err, "rotatectl: ", line, r->hint);
	return (int)exit_code;
}

int cli_answer(struct cli *c, const struct cli_reply *reply, cli_show_t *show)
{
	bool is_json = cli_has(c, CLI_OPTION_JSON);
	bool is_ok = reply->status == WIRE_STATUS_OK;
	char message[REPORT_TEXT_MAX] = "";
	char hint[REPORT_TEXT_MAX] = "";

	/* absent or too long: told without */
	ignore_result(frame_text(&reply->frame, "message", message, sizeof(message)));
	ignore_result(frame_text(&reply->frame, "hint", hint, sizeof(hint)));

	if (reply->json && is_json)
		print_json(c->out, reply->json);
	else if (reply->json && show)
		show(c->out, reply->json);
	if (is_json && !(is_ok && reply->json)) {
		(void)fflush(c->out);
		tell_json(is_ok ? c->out : c->err, wire_status_word(reply->status), message,
			  hint);
	} else if (!is_json) {
		(void)fflush(c->out);
		tell(is_ok ? c->out : c->err, is_ok ? "" : "rotatectl: ", message, hint);
	}
	return wire_status_exit_code(reply->status);
}

int cli_write_secret(struct cli *c, struct buf *text)
{
	int r = buf_error(text);

	if (r < 0)
		return r;
	if (fflush(c->out) != 0)
		return -errno;
	return fs_write_all(fileno(c->out), text->data, text->len);
}
