/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * issue and rotate. A new credential becomes active only after its secret has left through
 * standard output: the vault is told (Credential.Confirm) when that worked, and not otherwise.
 */
#include "cli/cli.h"
#include "cli/print.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

enum { PASSWORD_MAX = 256 };

struct credential {
	char login[LOGIN_MAX + 1];
	uint64_t version;
	char password[PASSWORD_MAX];
};

static void credential_wipe(struct credential *cred)
{
	explicit_bzero(cred, sizeof(*cred));
}

static int parse_credential(const struct frame *f, struct credential *ret)
{
	int r = frame_text(f, "login", ret->login, sizeof(ret->login));

	if (r == 0)
		r = frame_number(f, "version", &ret->version);
	if (r == 0)
		r = frame_text(f, "secret", ret->password, sizeof(ret->password));
	return r;
}

static int print_credential(struct cli *c, const struct credential *cred)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct json j = JSON_INIT(&text);

	if (cli_has(c, CLI_OPTION_JSON)) {
		json_put_object(&j, NULL);
		json_put_string(&j, "service", c->operand[0]);
		json_put_number(&j, "version", cred->version);
		json_put_string(&j, "login", cred->login);
		json_put_string(&j, "secret", cred->password);
		json_put_object_end(&j);
		buf_append_str(&text, "\n");
	} else {
		buf_append_str(&text, "login   ");
		buf_append_str(&text, cred->login);
		buf_append_str(&text, "\nsecret  ");
		buf_append_str(&text, cred->password);
		buf_append_str(&text, "\n");
	}
	return cli_write_secret(c, &text);
}

static int fail_unconfirmed(struct cli *c, const struct credential *cred, int error)
{
	struct report r;

	(void)report_set(&r, error,
			 "the secret of %s could not be written (%s): this version is not "
			 "confirmed and does not become active",
			 cred->login, strerror(-error));
	report_hint(&r, "rotatectl %s %s   (it replaces the unconfirmed version)",
		    strcmp(c->verb->verb, "issue") == 0 ? "credential issue"
							: "credential rotate",
		    c->operand[0]);
	return cli_fail(c, CLI_REFUSED, &r);
}

/* What became of it, for people; scripts have the exit code. */
static void remark(struct cli *c, const struct credential *cred, const struct json_t *json)
{
	const struct json_t *retiring = print_member(json, "retiring");
	char cell[PRINT_CELL_SIZE];

	if (cli_has(c, CLI_OPTION_JSON))
		return;
	(void)fprintf(c->err, "%s is active. The secret is not stored and not shown again.\n",
		      cred->login);
	if (!print_has(retiring, "login"))
		return;
	(void)fprintf(c->err, "%s works ", print_cell(retiring, "login", cell));
	(void)fprintf(c->err, "until %s.\n", print_cell(retiring, "leaves", cell));
}

static int confirm(struct cli *c, const struct credential *cred)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	wire_begin_request(&request, WIRE_CREDENTIAL_CONFIRM);
	frame_put_text(&request, "service", c->operand[0]);
	frame_put_number(&request, "version", cred->version);
	r = cli_ask(c, WIRE_CREDENTIAL_CONFIRM, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK)
		return cli_answer(c, &reply, NULL);
	remark(c, cred, reply.json);
	return CLI_DONE;
}

static int make(struct cli *c, enum wire_verb verb)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_(credential_wipe) struct credential cred = { .version = 0 };
	cleanup_buf struct buf request = BUF_INIT;
	struct report report;
	int r;

	cli_request(c, verb, &request);
	r = cli_ask(c, verb, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK || cli_has(c, CLI_OPTION_DRY_RUN))
		return cli_answer(c, &reply, NULL);
	if (parse_credential(&reply.frame, &cred) < 0) {
		(void)report_set(&report, -EBADMSG,
				 "rotated gave an answer without a credential");
		return cli_fail(c, CLI_REFUSED, &report);
	}
	r = print_credential(c, &cred);
	if (r < 0)
		return fail_unconfirmed(c, &cred, r);
	return confirm(c, &cred);
}

int cli_run_credential_issue(struct cli *c)
{
	return make(c, WIRE_CREDENTIAL_ISSUE);
}

int cli_run_credential_rotate(struct cli *c)
{
	return make(c, WIRE_CREDENTIAL_ROTATE);
}
