/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * issue, renew and sign. As with a password, a new certificate becomes active only after it has
 * left through standard output, or into the file of --out: then the vault is told
 * (Certificate.Confirm), and not otherwise. The private key comes first, then the certificate
 * and the one of the issuing CA: what Postfix calls a chain file, and most programs take.
 */
#include "cli/cli.h"
#include "cli/print.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"

enum { CSR_MAX = 16 * 1024, OUT_MODE = 0600 };

struct delivery {
	char name[LOGIN_MAX + 1];
	uint64_t version;
	const struct frame_field *chain;
	const struct frame_field *key; /* NULL: the service has it */
};

static int parse_delivery(const struct frame *f, struct delivery *ret)
{
	int r = frame_text(f, "name", ret->name, sizeof(ret->name));

	if (r == 0)
		r = frame_number(f, "version", &ret->version);
	ret->chain = frame_find(f, "chain");
	ret->key = frame_find(f, "private_key");
	return r == 0 && !ret->chain ? -EBADMSG : r;
}

/* ---- handing it out ---- */

static void put_pem(const struct delivery *d, struct buf *text)
{
	if (d->key)
		buf_append(text, d->key->data, d->key->len);
	buf_append(text, d->chain->data, d->chain->len);
}

static void put_field(struct json *j, const char *key, const struct frame_field *field)
{
	cleanup_buf struct buf text = BUF_INIT;
	const char *s;

	if (field)
		buf_append(&text, field->data, field->len);
	s = field ? buf_string(&text) : NULL;
	if (s)
		json_put_string(j, key, s);
	else
		json_put_null(j, key);
}

static void put_json(const struct cli *c, const struct frame *f, const struct delivery *d,
		     struct buf *text)
{
	struct json j = JSON_INIT(text);
	bool is_in_file = cli_has(c, CLI_OPTION_OUT);

	json_put_object(&j, NULL);
	json_put_string(&j, "service", c->operand[0]);
	json_put_number(&j, "version", d->version);
	json_put_string(&j, "name", d->name);
	put_field(&j, "serial", frame_find(f, "serial"));
	put_field(&j, "not_after", frame_find(f, "not_after"));
	put_field(&j, "chain", is_in_file ? NULL : d->chain);
	put_field(&j, "private_key", is_in_file ? NULL : d->key);
	json_put_object_end(&j);
	buf_append_byte(text, '\n');
}

static int write_file(const char *path, const struct buf *text)
{
	return fs_replace(AT_FDCWD, path, text->data, text->len, OUT_MODE);
}

static int hand_out(struct cli *c, const struct frame *f, const struct delivery *d)
{
	const char *path = c->option[CLI_OPTION_OUT];
	cleanup_buf struct buf pem = BUF_INIT, json = BUF_INIT;
	int r;

	put_pem(d, &pem);
	r = buf_error(&pem);
	if (r == 0 && path)
		r = write_file(path, &pem);
	if (r < 0)
		return r;
	if (cli_has(c, CLI_OPTION_JSON)) {
		put_json(c, f, d, &json);
		return cli_write_secret(c, &json);
	}
	return path ? 0 : cli_write_secret(c, &pem);
}

static int fail_unconfirmed(struct cli *c, const struct delivery *d, int error)
{
	struct report r;

	(void)report_set(&r, error,
			 "the certificate %s could not be written (%s): this version is not "
			 "confirmed and does not become active",
			 d->name, strerror(-error));
	report_hint(&r, "rotatectl certificate %s %s   (it replaces the unconfirmed version)",
		    c->verb->verb, c->operand[0]);
	return cli_fail(c, CLI_REFUSED, &r);
}

/* What became of it, for people; scripts have the exit code. */
static void remark(struct cli *c, const struct delivery *d, const struct json_t *json)
{
	const struct json_t *retiring = print_member(json, "retiring");
	char cell[PRINT_CELL_SIZE];

	if (cli_has(c, CLI_OPTION_JSON))
		return;
	(void)fprintf(c->err, "%s is active.%s\n", d->name,
		      d->key ? " Its private key is not stored and not shown again." : "");
	if (!print_has(retiring, "name"))
		return;
	(void)fprintf(c->err, "%s is accepted ", print_cell(retiring, "name", cell));
	(void)fprintf(c->err, "until %s.\n", print_cell(retiring, "leaves", cell));
}

static int confirm(struct cli *c, const struct delivery *d)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	wire_begin_request(&request, WIRE_CERTIFICATE_CONFIRM);
	frame_put_text(&request, "service", c->operand[0]);
	frame_put_number(&request, "version", d->version);
	r = cli_ask(c, WIRE_CERTIFICATE_CONFIRM, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK)
		return cli_answer(c, &reply, NULL);
	remark(c, d, reply.json);
	return CLI_DONE;
}

static int make(struct cli *c, enum wire_verb verb, struct buf *request)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	struct delivery d = { .version = 0 };
	struct report report;
	int r = cli_ask(c, verb, request, &reply);

	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK || cli_has(c, CLI_OPTION_DRY_RUN))
		return cli_answer(c, &reply, NULL);
	if (parse_delivery(&reply.frame, &d) < 0) {
		(void)report_set(&report, -EBADMSG,
				 "rotated gave an answer without a certificate");
		return cli_fail(c, CLI_REFUSED, &report);
	}
	r = hand_out(c, &reply.frame, &d);
	if (r < 0)
		return fail_unconfirmed(c, &d, r);
	return confirm(c, &d);
}

int cli_run_certificate_issue(struct cli *c)
{
	cleanup_buf struct buf request = BUF_INIT;

	cli_request(c, WIRE_CERTIFICATE_ISSUE, &request);
	return make(c, WIRE_CERTIFICATE_ISSUE, &request);
}

int cli_run_certificate_renew(struct cli *c)
{
	cleanup_buf struct buf request = BUF_INIT;

	cli_request(c, WIRE_CERTIFICATE_RENEW, &request);
	return make(c, WIRE_CERTIFICATE_RENEW, &request);
}

/* ---- a request of the service's own ---- */

static int read_stream(int fd, struct buf *ret)
{
	enum { STEP = 4096 };

	for (;;) {
		uint8_t *p = buf_reserve(ret, STEP);
		ssize_t n;

		if (!p)
			return -EFBIG;
		n = read(fd, p, STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return ret->len > CSR_MAX ? -EFBIG : 0;
		ret->len += (size_t)n;
	}
}

static int read_csr(struct cli *c, struct buf *ret)
{
	const char *path = c->option[CLI_OPTION_CSR];
	struct report report;
	int r;

	if (!path && isatty(c->in))
		(void)fputs("Paste the certificate request, then press Ctrl-D.\n", c->err);
	r = path ? fs_read(AT_FDCWD, path, CSR_MAX, ret) : read_stream(c->in, ret);
	if (r == 0)
		return CLI_DONE;
	(void)report_set(&report, r, "%s: %s", path ? path : "standard input",
			 r == -EFBIG ? "more than 16 KiB: that is no certificate request"
				     : strerror(-r));
	return cli_fail(c, CLI_REFUSED, &report);
}

int cli_run_certificate_sign(struct cli *c)
{
	cleanup_buf struct buf csr = BUF_INIT_MAX(2 * CSR_MAX), request = BUF_INIT;
	int r = read_csr(c, &csr);

	if (r != CLI_DONE)
		return r;
	cli_request(c, WIRE_CERTIFICATE_SIGN, &request);
	frame_put(&request, "csr", csr.data, csr.len);
	return make(c, WIRE_CERTIFICATE_SIGN, &request);
}
