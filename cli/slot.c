/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store slot …, store rekey and unseal --share: what opens the keystore. A recovery key and the
 * shares of a quorum leave the vault once; they go to the terminal or to files of their own,
 * and the slot is of no use to anybody when they get lost on the way: then it is to be removed.
 */
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/print.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/fs.h"

enum {
	SHARES_MAX = 16,
	SECRET_TEXT_MAX = 4096,
	BLOB_MAX = 4096,
	KEY_FILE_MAX = 64 * 1024,
	ID_SIZE = 33,
	SHORT_ID = 8,
	NAME_SIZE = 64,
	OUT_MODE = 0600,
};

/* ---- showing ---- */

static bool opens(const json_t *slot, const char *tier)
{
	const json_t *tiers = json_object_get(slot, "tiers");

	for (size_t i = 0; i < json_array_size(tiers); i++) {
		const char *s = json_string_value(json_array_get(tiers, i));

		if (s && strcmp(s, tier) == 0)
			return true;
	}
	return false;
}

static void show_slot(FILE *out, const json_t *slot)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%-8.*s  ", SHORT_ID, print_cell(slot, "id", cell));
	(void)fprintf(out, "%-10s  ", print_cell(slot, "kind", cell));
	(void)fprintf(out, "%-15s  ", opens(slot, "issuer") ? "logins, issuing" : "logins");
	(void)fprintf(out, "%.10s", print_cell(slot, "created", cell));
	if (print_has(slot, "threshold")) {
		(void)fprintf(out, "  any %s", print_cell(slot, "threshold", cell));
		(void)fprintf(out, " of %s shares", print_cell(slot, "shares", cell));
	}
	print_if(out, slot, "program", "  ", "");
	(void)fputc('\n', out);
}

static void show_slots(FILE *out, const json_t *json)
{
	const json_t *slots = json_object_get(json, "slots");

	(void)fprintf(out, "%-8s  %-10s  %-15s  %s\n", "SLOT", "KIND", "OPENS", "MADE");
	for (size_t i = 0; i < json_array_size(slots); i++)
		show_slot(out, json_array_get(slots, i));
}

static void show_tests(FILE *out, const json_t *json)
{
	const json_t *slots = json_object_get(json, "slots");
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "%-8s  %-10s  %s\n", "SLOT", "KIND", "RESULT");
	for (size_t i = 0; i < json_array_size(slots); i++) {
		const json_t *slot = json_array_get(slots, i);

		(void)fprintf(out, "%-8.*s  ", SHORT_ID, print_cell(slot, "id", cell));
		(void)fprintf(out, "%-10s  ", print_cell(slot, "kind", cell));
		(void)fputs(print_cell(slot, "result", cell), out);
		print_if(out, slot, "detail", ": ", "");
		(void)fputc('\n', out);
	}
}

int cli_run_store_slot_list(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_SLOTS, show_slots);
}

int cli_run_store_slot_remove(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_SLOT_REMOVE, NULL);
}

int cli_run_store_rekey(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STORE_REKEY, NULL);
}

/* ---- slot add: handing out ---- */

/* What is shown once: the recovery key, or the shares. */
struct handout {
	char id[ID_SIZE];
	bool is_quorum;
	unsigned count;
	char *line[SHARES_MAX]; /* in text */
	char text[SECRET_TEXT_MAX];
	const json_t *slot;
};

static int read_handout(const struct cli_reply *reply, struct handout *h)
{
	json_t *slots = json_object_get(reply->json, "slots");
	const char *id;
	int r;

	h->slot = json_array_get(slots, 0);
	id = json_string_value(json_object_get(h->slot, "id"));
	if (!id || snprintf(h->id, sizeof(h->id), "%s", id) != ID_SIZE - 1)
		return -EBADMSG;
	h->is_quorum = frame_find(&reply->frame, "shares");
	r = frame_text(&reply->frame, h->is_quorum ? "shares" : "recovery_key", h->text,
		       sizeof(h->text));
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (char *s = h->text; *s && h->count < SHARES_MAX;) {
		size_t len = strcspn(s, "\n");

		h->line[h->count++] = s;
		s += len + (s[len] != '\0');
		h->line[h->count - 1][len] = '\0';
	}
	return h->count > 0 ? 0 : -EBADMSG;
}

static void file_name(const struct handout *h, unsigned i, char ret[static NAME_SIZE])
{
	if (h->is_quorum)
		(void)snprintf(ret, NAME_SIZE, "rotated-%.*s-share-%u-of-%u", SHORT_ID, h->id,
			       i + 1, h->count);
	else
		(void)snprintf(ret, NAME_SIZE, "rotated-%.*s-recovery-key", SHORT_ID, h->id);
}

static int write_files(const char *dir, const struct handout *h)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	for (unsigned i = 0; i < h->count && r == 0; i++) {
		cleanup_buf struct buf text = BUF_INIT;
		char name[NAME_SIZE];

		file_name(h, i, name);
		buf_append_str(&text, h->line[i]);
		buf_append_byte(&text, '\n');
		r = buf_error(&text);
		if (r == 0)
			r = fs_replace(fd, name, text.data, text.len, OUT_MODE);
	}
	return r;
}

static void put_words(const struct cli *c, const struct handout *h, struct buf *text)
{
	const char *dir = c->option[CLI_OPTION_OUT];

	buf_printf(text, "The slot %.*s is made.", SHORT_ID, h->id);
	if (h->is_quorum)
		buf_printf(text, " %s of these %u shares open the keystore together:\n",
			   c->option[CLI_OPTION_THRESHOLD], h->count);
	else
		buf_append_str(text, " This recovery key opens the keystore:\n");
	for (unsigned i = 0; i < h->count; i++) {
		char name[NAME_SIZE];

		file_name(h, i, name);
		if (dir)
			buf_printf(text, "\n    %s/%s", dir, name);
		else
			buf_printf(text, "\n    %s", h->line[i]);
	}
	buf_append_str(text,
		       h->is_quorum
			       ? "\n\nThey are not shown again. Give each to another person, "
				 "who keeps it on paper and away\nfrom this machine. "
			       : "\n\nIt is not shown again. Write it down and keep it away "
				 "from this machine. ");
	buf_append_str(text, "The last four characters are a checksum: a mistyped one is "
			     "noticed.\n");
	if (!h->is_quorum)
		buf_append_str(text,
			       "Keep the first recovery key too: with it alone audit verify "
			       "--recovery checks the audit log.\n");
	buf_printf(text, "Try the copy: rotatectl store slot test %.*s\n", SHORT_ID, h->id);
}

static int put_json(const struct cli *c, const struct handout *h, struct buf *text)
{
	const char *dir = c->option[CLI_OPTION_OUT];
	json_t *list = json_array();
	json_t *all = json_pack("{s:O, s:o}", "slot", h->slot,
				dir	       ? "files"
				: h->is_quorum ? "shares"
					       : "recovery_key",
				list);
	char *dump = NULL;
	int r = 0;

	for (unsigned i = 0; i < h->count && r == 0; i++) {
		char name[NAME_SIZE];

		file_name(h, i, name);
		r = json_array_append_new(list, dir ? json_sprintf("%s/%s", dir, name)
						    : json_string(h->line[i]));
	}
	if (r == 0 && !dir && !h->is_quorum)
		r = json_object_set(all, "recovery_key", json_array_get(list, 0));
	dump = r == 0 ? json_dumps(all, JSON_COMPACT) : NULL;
	if (dump) {
		buf_append_str(text, dump);
		buf_append_byte(text, '\n');
		explicit_bzero(dump, strlen(dump));
	}
	free(dump);
	json_decref(all);
	return dump ? buf_error(text) : -ENOMEM;
}

static int hand_out(struct cli *c, const struct handout *h)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = 0;

	if (cli_has(c, CLI_OPTION_OUT))
		r = write_files(c->option[CLI_OPTION_OUT], h);
	if (r < 0)
		return r;
	if (cli_has(c, CLI_OPTION_JSON))
		r = put_json(c, h, &text);
	else
		put_words(c, h, &text);
	return r < 0 ? r : cli_write_secret(c, &text);
}

static int show_added(struct cli *c, const struct cli_reply *reply)
{
	struct handout h = { .count = 0 };
	struct report report;
	int r = read_handout(reply, &h);

	if (r == 0 && h.count == 0)
		return cli_answer(c, reply, show_slots);
	if (r == 0)
		r = hand_out(c, &h);
	explicit_bzero(h.text, sizeof(h.text));
	if (r == 0)
		return CLI_DONE;
	(void)report_set(&report, r,
			 "the slot is made, but what opens it was not handed out: %s",
			 strerror(-r));
	report_hint(&report, "it is of no use: rotatectl store slot remove %.*s", SHORT_ID,
		    h.id[0] ? h.id : "SLOT");
	return cli_fail(c, CLI_REFUSED, &report);
}

/* ---- slot add: asking ---- */

/* Better now than when the shares are there. */
static int check_out(struct cli *c)
{
	const char *dir = c->option[CLI_OPTION_OUT];
	struct report report;

	if (!dir || faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0)
		return CLI_DONE;
	(void)report_set(&report, -errno, "%s: %s", dir, strerror(errno));
	report_hint(&report, "name a directory that exists: mkdir -m 700 %s", dir);
	return cli_fail(c, CLI_REFUSED, &report);
}

static int put_file(struct cli *c, const char *path, const char *field, struct buf *request)
{
	size_t max = strcmp(field, "blob") == 0 ? BLOB_MAX : KEY_FILE_MAX;
	cleanup_secret struct secret *content = NULL;
	int r = passphrase_read_file(c, path, max, &content);

	if (r == CLI_DONE)
		frame_put(request, field, secret_data(content), secret_len(content));
	return r;
}

/* One that is not there may be a mistyped name, so it is not made here: the command for it
 * makes it readable for nobody else from the first byte on, and writes over nothing. */
static int check_key_file(struct cli *c)
{
	const char *path = c->option[CLI_OPTION_KEY_FILE];
	struct report report;

	if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0 || errno != ENOENT)
		return CLI_DONE;
	(void)report_set(&report, -ENOENT, "there is no key file %s", path);
	report_hint(&report, "(umask 077; set -C; head -c 64 /dev/urandom >'%s')", path);
	return cli_fail(c, CLI_REFUSED, &report);
}

static void put_option(const struct cli *c, enum cli_option option, struct buf *request)
{
	if (cli_has(c, option))
		frame_put_text(request, cli_options[option].name, c->option[option]);
}

static int put_secrets(struct cli *c, struct buf *request)
{
	cleanup_secret struct secret *passphrase = NULL;
	int r = CLI_DONE;

	if (strcmp(c->operand[0], "passphrase") == 0) {
		r = passphrase_read(c, "new passphrase", true, &passphrase);
		if (r == CLI_DONE)
			frame_put(request, "key", secret_data(passphrase),
				  secret_len(passphrase));
	}
	if (r == CLI_DONE && cli_has(c, CLI_OPTION_KEY_FILE))
		r = check_key_file(c);
	if (r == CLI_DONE && cli_has(c, CLI_OPTION_KEY_FILE))
		r = put_file(c, c->option[CLI_OPTION_KEY_FILE], "key", request);
	if (r == CLI_DONE && cli_has(c, CLI_OPTION_BLOB))
		r = put_file(c, c->option[CLI_OPTION_BLOB], "blob", request);
	return r;
}

int cli_run_store_slot_add(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r = check_out(c);

	if (r != CLI_DONE)
		return r;
	cli_request(c, WIRE_STORE_SLOT_ADD, &request);
	if (cli_has(c, CLI_OPTION_ISSUER))
		frame_put_text(&request, "issuer", "1");
	put_option(c, CLI_OPTION_PROGRAM, &request);
	put_option(c, CLI_OPTION_SHARES, &request);
	put_option(c, CLI_OPTION_THRESHOLD, &request);
	r = put_secrets(c, &request);
	if (r == CLI_DONE)
		r = cli_ask(c, WIRE_STORE_SLOT_ADD, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status == WIRE_STATUS_OK && !cli_has(c, CLI_OPTION_DRY_RUN))
		return show_added(c, &reply);
	return cli_answer(c, &reply, NULL);
}

/* ---- slot test ---- */

/* Shares, one a line: as many as are needed, or fewer when a line is left empty. */
static int read_shares(struct cli *c, uint64_t threshold, struct secret **ret)
{
	cleanup_buf struct buf lines = BUF_INIT_MAX(SECRET_TEXT_MAX);
	char prompt[NAME_SIZE];
	int r = CLI_DONE;

	if (cli_has(c, CLI_OPTION_PASSPHRASE_FILE))
		return passphrase_read_file(c, c->option[CLI_OPTION_PASSPHRASE_FILE],
					    SECRET_TEXT_MAX, ret);
	for (uint64_t i = 0; i < threshold && r == CLI_DONE; i++) {
		cleanup_secret struct secret *line = NULL;

		(void)snprintf(prompt, sizeof(prompt), "share, %u of %u (empty: no more)",
			       (unsigned)i + 1, (unsigned)threshold);
		r = passphrase_read_optional(c, prompt, &line);
		if (r != CLI_DONE || !line)
			break;
		buf_append(&lines, secret_data(line), secret_len(line));
		buf_append_byte(&lines, '\n');
	}
	if (r != CLI_DONE)
		return r;
	*ret = buf_error(&lines) < 0 ? NULL : secret_new(lines.data, lines.len);
	if (*ret && lines.len > 0)
		return CLI_DONE;
	secret_free(*ret);
	*ret = NULL;
	return cli_fail(c, CLI_USAGE, &(struct report){ .what = "no share was given" });
}

static int read_needed(struct cli *c, const struct cli_reply *reply, struct secret **ret)
{
	char needs[NAME_SIZE] = "";
	uint64_t threshold = 0;

	ignore_result(frame_text(&reply->frame, "needs", needs, sizeof(needs)));
	ignore_result(frame_number(&reply->frame, "threshold", &threshold));
	if (threshold > 0)
		return read_shares(c, threshold < SHARES_MAX ? threshold : SHARES_MAX, ret);
	return passphrase_read(c, needs, false, ret);
}

static int test_with(struct cli *c, const struct secret *key)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	cli_request(c, WIRE_STORE_SLOT_TEST, &request);
	frame_put(&request, "key", secret_data(key), secret_len(key));
	r = cli_ask(c, WIRE_STORE_SLOT_TEST, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_tests) : r;
}

/* The vault says whether a secret has to come along, and which. */
int cli_run_store_slot_test(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_secret struct secret *key = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	if (c->n_operands > 0 && cli_has(c, CLI_OPTION_KEY_FILE)) {
		r = passphrase_read_file(c, c->option[CLI_OPTION_KEY_FILE], KEY_FILE_MAX, &key);
		return r == CLI_DONE ? test_with(c, key) : r;
	}
	cli_request(c, WIRE_STORE_SLOT_TEST, &request);
	r = cli_ask(c, WIRE_STORE_SLOT_TEST, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (!frame_find(&reply.frame, "needs"))
		return cli_answer(c, &reply, show_tests);
	r = read_needed(c, &reply, &key);
	return r == CLI_DONE ? test_with(c, key) : r;
}
