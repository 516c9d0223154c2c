/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook-upstream: the JSON of rotated-upstream/1 (rotated-hooks(7)) for hooks that are shell
 * scripts. All of it goes through standard input and output, since it holds secrets.
 *
 *	hook-upstream fields	reads a job and prints a line each: version, name, server, user,
 *				credential, secret, and last the known credentials; a line is
 *				empty where there is nothing
 *	hook-upstream made	reads lines: secret, user, credential; the last two may be
 *				missing. Prints the answer to `create`
 *	hook-upstream ses REGION	reads the secret access key of IAM, and prints the
 *				password for the SMTP interface of Amazon SES in REGION
 *
 * No value holds a blank or a control character; input that does is refused. Exit status 78 and
 * a sentence on standard error, without a value, for input that is not as it should be.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78, INPUT_MAX = 64 * 1024, WORD_MAX = 1024 };

static int refuse(const char *why)
{
	(void)fprintf(stderr, "hook-upstream: %s\n", why);
	return EXIT_CONFIG;
}

static int read_input(struct buf *ret)
{
	for (;;) {
		uint8_t *p = buf_reserve(ret, 4096);
		ssize_t n;

		if (!p)
			return -E2BIG;
		n = read(STDIN_FILENO, p, 4096);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return buf_string(ret) ? 0 : -ENOMEM;
		if (n > 0)
			ret->len += (size_t)n;
	}
}

/* [!-~]{0,WORD_MAX} */
static bool is_word(const char *s)
{
	if (strlen(s) > WORD_MAX)
		return false;
	for (; *s; s++)
		if (*s < '!' || *s > '~')
			return false;
	return true;
}

static int print(const struct buf *out)
{
	if (buf_error(out) < 0 || fs_write_all(STDOUT_FILENO, out->data, out->len) < 0)
		return refuse("the answer can not be written");
	return EXIT_SUCCESS;
}

/* ---- fields ---- */

static bool put_member(const json_t *top, const char *name, struct buf *out)
{
	const char *s = json_string_value(json_object_get(top, name));

	if (s && !is_word(s))
		return false;
	buf_printf(out, "%s\n", s ? s : "");
	return true;
}

static bool put_known(const json_t *top, struct buf *out)
{
	const json_t *list = json_object_get(top, "known");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s || !is_word(s))
			return false;
		buf_printf(out, "%s%s", i ? " " : "", s);
	}
	buf_append_str(out, "\n");
	return true;
}

static bool put_fields(const json_t *top, struct buf *out)
{
	static const char *const names[] = { "name", "server", "user", "credential", "secret" };
	const char *contract = json_string_value(json_object_get(top, "contract"));
	const json_t *version = json_object_get(top, "version");

	if (!contract || strcmp(contract, "rotated-upstream/1") != 0 ||
	    !json_is_integer(version) || json_integer_value(version) <= 0)
		return false;
	buf_printf(out, "%lld\n", (long long)json_integer_value(version));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!put_member(top, names[i], out))
			return false;
	return put_known(top, out);
}

static int run_fields(const struct buf *input)
{
	cleanup_buf struct buf out = BUF_INIT;
	json_t *top =
		json_loadb((const char *)input->data, input->len, JSON_REJECT_DUPLICATES, NULL);
	bool is_good = put_fields(top, &out);

	json_decref(top);
	return is_good ? print(&out) : refuse("the job is not of rotated-upstream/1");
}

/* ---- made ---- */

/* Cuts the next line off *S; NULL when none is left. */
static char *take_line(char **s)
{
	char *line = *s;
	size_t len = strcspn(line, "\n");

	if (!*line)
		return NULL;
	*s = line[len] ? line + len + 1 : line + len;
	line[len] = '\0';
	if (len && line[len - 1] == '\r')
		line[len - 1] = '\0';
	return line;
}

/* A word needs no more escaping than these two. */
static void put_text(struct buf *out, const char *name, const char *s)
{
	buf_printf(out, "%s\"%s\":\"", out->len > 1 ? "," : "", name);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)*s);
	}
	buf_append_byte(out, '"');
}

static int run_made(struct buf *input)
{
	static const char *const names[] = { "secret", "user", "id" };
	cleanup_buf struct buf out = BUF_INIT;
	char *s = buf_string(input) ? (char *)input->data : NULL;

	buf_append_str(&out, "{");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *line = s ? take_line(&s) : NULL;

		if (line && !is_word(line))
			return refuse("what was made has a blank or a control character");
		if (line && *line)
			put_text(&out, names[i], line);
	}
	if (s && *s)
		return refuse("what was made has more than three lines");
	buf_append_str(&out, "}\n");
	return print(&out);
}

/* ---- ses ---- */

/* https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html: a chain of HMAC-SHA256 over
 * fixed words, each keyed by the one before, and a version byte in front. */
static int run_ses(struct buf *input, const char *region)
{
	static const char prefix[] = "AWS4";
	enum { VERSION = 0x04, KEY_MAX = sizeof(prefix) + WORD_MAX };
	const char *const words[] = { "11111111", region, "ses", "aws4_request",
				      "SendRawEmail" };
	uint8_t mac[1 + crypto_auth_hmacsha256_BYTES] = { VERSION };
	char text[sodium_base64_ENCODED_LEN(sizeof(mac), sodium_base64_VARIANT_ORIGINAL)];
	cleanup_buf struct buf key = BUF_INIT, out = BUF_INIT;
	char *s = buf_string(input) ? (char *)input->data : NULL;
	const char *line = s ? take_line(&s) : NULL;
	crypto_auth_hmacsha256_state state;

	if (!line || !*line || !is_word(line) || *s)
		return refuse("that is no secret access key");
	buf_printf(&key, "%s%s", prefix, line);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		crypto_auth_hmacsha256_init(&state, key.data, key.len);
		crypto_auth_hmacsha256_update(&state, (const uint8_t *)words[i],
					      strlen(words[i]));
		crypto_auth_hmacsha256_final(&state, mac + 1);
		buf_clear(&key);
		buf_append(&key, mac + 1, sizeof(mac) - 1);
	}
	sodium_bin2base64(text, sizeof(text), mac, sizeof(mac), sodium_base64_VARIANT_ORIGINAL);
	buf_printf(&out, "%s\n", text);
	sodium_memzero(mac, sizeof(mac));
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&state, sizeof(state));
	return buf_error(&key) < 0 ? refuse("no memory") : print(&out);
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf input = BUF_INIT_MAX(INPUT_MAX);
	const char *verb = argc > 1 ? argv[1] : "";

	if (sodium_init() < 0 || read_input(&input) < 0)
		return refuse("the input can not be read, or is too long");
	if (argc == 2 && strcmp(verb, "fields") == 0)
		return run_fields(&input);
	if (argc == 2 && strcmp(verb, "made") == 0)
		return run_made(&input);
	if (argc == 3 && strcmp(verb, "ses") == 0)
		return run_ses(&input, argv[2]);
	(void)fputs("usage: hook-upstream fields | made | ses REGION\n", stderr);
	return EXIT_USAGE;
}
