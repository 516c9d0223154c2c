/* SPDX-License-Identifier: BSD-2-Clause */
/* Revoking what is handed over: passwords and certificates go the same way. */
#include "cli/revoke.h"

#include <jansson.h>

#include "base/text.h"
#include "cli/print.h"

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

int cli_revoke_put_name(const struct cli *c, const char *what, struct buf *request,
			struct report *r)
{
	char service[SERVICE_ID_MAX + 1];
	uint32_t version = 0;
	bool all = cli_has(c, CLI_OPTION_ALL);

	if (text_to_login(c->operand[0], service, &version) < 0)
		return report_set(r, -EINVAL, "\"%s\" is not a %s", c->operand[0], what);
	frame_put_text(request, "service", service);
	if (all == (version != 0)) {
		(void)report_set(r, -EINVAL,
				 all ? "%s names one version: leave it or --all out"
				     : "%s is a service: say which version, or --all",
				 c->operand[0]);
		report_hint(r, "rotatectl %s list %s", c->verb->noun, service);
		return -EINVAL;
	}
	if (all)
		frame_put_text(request, "all", "1");
	else
		frame_put_number(request, "version", version);
	return 0;
}

int cli_revoke_ask(struct cli *c, enum wire_verb verb, struct buf *request)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	int r;

	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(request, "dry_run", "1");
	r = cli_ask(c, verb, request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_revoked) : r;
}
