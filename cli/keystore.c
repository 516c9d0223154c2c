/* SPDX-License-Identifier: BSD-2-Clause */
/* init, unseal, seal: the verbs that move secrets into the vault and one, once, out of it. */
#include "cli/cli.h"
#include "cli/passphrase.h"

#include <string.h>

#include "base/json.h"

enum { KEY_FILE_MAX = 4096, RECOVERY_TEXT_MAX = 512 };

static void put_secret(struct buf *request, const char *key, const struct secret *s)
{
	frame_put(request, key, secret_data(s), secret_len(s));
}

static void format_recovery_key(const struct cli *c, const char *key, struct buf *text)
{
	struct json j = JSON_INIT(text);

	if (cli_has(c, CLI_OPTION_JSON)) {
		json_put_object(&j, NULL);
		json_put_string(&j, "recovery_key", key);
		json_put_object_end(&j);
		buf_append_str(text, "\n");
		return;
	}
	buf_append_str(text, "The keystore is made and open.\n\nRecovery key:\n\n    ");
	buf_append_str(text, key);
	buf_append_str(text,
		       "\n\nIt opens everything when the passphrase is lost, and it is not "
		       "shown again.\nWrite it down and keep it away from this machine.\n");
}

static int show_recovery_key(struct cli *c, const struct cli_reply *reply)
{
	cleanup_buf struct buf text = BUF_INIT;
	char key[RECOVERY_TEXT_MAX];
	struct report r;
	int k = frame_text(&reply->frame, "recovery_key", key, sizeof(key));

	if (k == 0) {
		format_recovery_key(c, key, &text);
		k = cli_write_secret(c, &text);
	}
	explicit_bzero(key, sizeof(key));
	if (k == 0)
		return CLI_DONE;
	(void)report_set(&r, k, "the keystore is made, but its recovery key was not shown: %s",
			 strerror(-k));
	report_hint(&r, "remove the new keystore and run rotatectl init again");
	return cli_fail(c, CLI_REFUSED, &r);
}

int cli_run_init(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *passphrase = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	r = passphrase_read(c, "new passphrase", true, &passphrase);
	if (r != CLI_DONE)
		return r;
	cli_request(c, WIRE_STORE_INIT, &request);
	put_secret(&request, "passphrase", passphrase);
	if (cli_has(c, CLI_OPTION_UNATTENDED))
		frame_put_text(&request, "key_file", "1");
	r = cli_ask(c, WIRE_STORE_INIT, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status == WIRE_STATUS_OK && !cli_has(c, CLI_OPTION_DRY_RUN))
		return show_recovery_key(c, &reply);
	return cli_answer(c, &reply, NULL);
}

static int read_unseal_secret(struct cli *c, const char **ret_field, struct secret **ret)
{
	if (cli_has(c, CLI_OPTION_KEY_FILE)) {
		*ret_field = "key";
		return passphrase_read_file(c, c->option[CLI_OPTION_KEY_FILE], KEY_FILE_MAX,
					    ret);
	}
	if (cli_has(c, CLI_OPTION_SHARE)) {
		*ret_field = "share";
		return passphrase_read(c, "share", false, ret);
	}
	if (cli_has(c, CLI_OPTION_RECOVERY)) {
		*ret_field = "recovery_key";
		return passphrase_read(c, "recovery key", false, ret);
	}
	*ret_field = "passphrase";
	return passphrase_read(c, "passphrase", false, ret);
}

int cli_run_unseal(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *secret = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	const char *field = NULL;
	int r = read_unseal_secret(c, &field, &secret);

	if (r != CLI_DONE)
		return r;
	cli_request(c, WIRE_STORE_UNSEAL, &request);
	put_secret(&request, field, secret);
	r = cli_ask(c, WIRE_STORE_UNSEAL, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, NULL) : r;
}

int cli_open_first(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *passphrase = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	if (!cli_has(c, CLI_OPTION_PASSPHRASE_FD) && !cli_has(c, CLI_OPTION_PASSPHRASE_FILE))
		return CLI_DONE;
	r = passphrase_read(c, "passphrase", false, &passphrase);
	if (r != CLI_DONE)
		return r;
	wire_begin_request(&request, WIRE_STORE_UNSEAL);
	put_secret(&request, "passphrase", passphrase);
	r = cli_ask(c, WIRE_STORE_UNSEAL, &request, &reply);
	if (r != CLI_DONE || reply.status == WIRE_STATUS_OK ||
	    reply.status == WIRE_STATUS_NOTHING)
		return r;
	return cli_answer(c, &reply, NULL);
}

int cli_run_seal(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	cli_request(c, WIRE_STORE_SEAL, &request);
	if (cli_has(c, CLI_OPTION_ISSUER))
		frame_put_text(&request, "tier", "issuer");
	r = cli_ask(c, WIRE_STORE_SEAL, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, NULL) : r;
}
