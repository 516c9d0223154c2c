/* SPDX-License-Identifier: BSD-2-Clause */
/* The porter's questions, what it takes for a key, and which programs it runs. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "rotated/unlock/command.h"
#include "rotated/unlock/question.h"

#define KEY32 "0123456789abcdef0123456789abcdef"

struct given {
	const char *id, *kind, *program, *name, *secret, *timeout;
	size_t blob_len;
};

/* Parses the frame that G makes; VERB says which. */
static int parse(const struct given *g, enum wire_verb verb, struct question *ret)
{
	static uint8_t blob[8192];
	cleanup_buf struct buf bytes = BUF_INIT;
	struct report report = { 0 };
	enum wire_verb found;
	struct frame f;
	int r;

	wire_begin_request(&bytes, verb);
	frame_put_text(&bytes, "id", g->id);
	if (g->kind)
		frame_put_text(&bytes, "kind", g->kind);
	if (g->program)
		frame_put_text(&bytes, "program", g->program);
	if (g->name)
		frame_put_text(&bytes, "name", g->name);
	if (verb == WIRE_UNLOCK_OPEN)
		frame_put(&bytes, "blob", blob, g->blob_len);
	else
		frame_put_text(&bytes, "secret", g->secret);
	frame_put_text(&bytes, "timeout", g->timeout ? g->timeout : "20");
	assert_int_equal(frame_end(&bytes), 0);
	assert_int_equal(frame_parse(bytes.data, bytes.len, &f), 0);
	assert_int_equal(wire_check_request(&f, WIRE_PUSH, &found), 0);
	assert_int_equal(found, verb);
	r = question_parse(&f, verb, ret, &report);
	assert_true(r == 0 || r == -EBADMSG || report.what[0]);
	return r;
}

static void expect(const struct given *g, enum wire_verb verb, int wanted)
{
	struct question q;

	assert_int_equal(parse(g, verb, &q), wanted);
	question_release(&q);
}

static void question_takes_what_the_vault_sends(void **state)
{
	const struct given exec = {
		.id = "7", .kind = "exec", .program = "/usr/bin/age", .blob_len = 4096
	};
	const struct given credential = { .id = "18446744073709551615",
					  .kind = "credential",
					  .name = "rotated-00ff",
					  .blob_len = 1,
					  .timeout = "600" };
	const struct given seal = { .id = "1", .name = "rotated-00ff", .secret = KEY32 };
	struct question q;

	(void)state;
	assert_int_equal(parse(&exec, WIRE_UNLOCK_OPEN, &q), 0);
	assert_int_equal(q.kind, QUESTION_HELPER);
	assert_string_equal(q.program, "/usr/bin/age");
	assert_int_equal(q.timeout, 20 * 1000000);
	assert_int_equal(q.input.len, 4096);
	question_release(&q);
	assert_int_equal(parse(&credential, WIRE_UNLOCK_OPEN, &q), 0);
	assert_int_equal(q.kind, QUESTION_DECRYPT);
	assert_string_equal(q.name, "rotated-00ff");
	question_release(&q);
	assert_int_equal(parse(&seal, WIRE_UNLOCK_SEAL, &q), 0);
	assert_int_equal(q.kind, QUESTION_ENCRYPT);
	assert_memory_equal(q.input.data, KEY32, 32);
	question_release(&q);
}

static void question_refuses_what_could_become_something_else(void **state)
{
	static const struct given bad[] = {
		{ .id = "1", .kind = "exec", .program = "age", .blob_len = 9 },
		{ .id = "1", .kind = "exec", .program = "/usr/bin/a\nge", .blob_len = 9 },
		{ .id = "1", .kind = "exec", .blob_len = 9 },
		{ .id = "1", .kind = "exec", .program = "/bin/x", .blob_len = 4097 },
		{ .id = "1", .kind = "shell", .program = "/bin/x", .blob_len = 9 },
		{ .id = "1", .kind = "credential", .blob_len = 9 },
		{ .id = "1", .kind = "credential", .name = "--with-key", .blob_len = 9 },
		{ .id = "1", .kind = "credential", .name = "../x", .blob_len = 9 },
		{ .id = "1", .kind = "credential", .name = "", .blob_len = 9 },
		{ .id = "1", .kind = "credential", .name = "a", .timeout = "0" },
		{ .id = "1", .kind = "credential", .name = "a", .timeout = "601" },
	};
	static const struct given nobody = { .id = "a", .kind = "exec", .program = "/x" };
	static const struct given empty = { .id = "", .kind = "exec", .program = "/x" };
	static const struct given short_key = { .id = "1", .name = "a", .secret = "short" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect(&bad[i], WIRE_UNLOCK_OPEN, -EINVAL);
	expect(&nobody, WIRE_UNLOCK_OPEN, -EBADMSG);
	expect(&empty, WIRE_UNLOCK_OPEN, -EBADMSG);
	expect(&short_key, WIRE_UNLOCK_SEAL, -EINVAL);
}

/* What KIND's program printed as a key: its length, or a negative errno. */
static int key_of(enum question_kind kind, const void *text, size_t len)
{
	cleanup_secret struct secret *key = NULL;
	cleanup_buf struct buf out = BUF_INIT;
	const struct question q = { .kind = kind };
	struct report report = { 0 };
	int r;

	buf_append(&out, text, len);
	r = question_key(&q, "/usr/bin/helper", &out, &key, &report);
	assert_true(r == 0 || strstr(report.what, "/usr/bin/helper printed"));
	assert_true(r < 0 || memcmp(secret_data(key), text, secret_len(key)) == 0);
	return r < 0 ? r : (int)secret_len(key);
}

static void key_is_what_was_printed_but_for_one_newline_of_a_helper(void **state)
{
	static char large[4200];

	(void)state;
	memset(large, 'k', sizeof(large));
	assert_int_equal(key_of(QUESTION_HELPER, KEY32, 32), 32);
	assert_int_equal(key_of(QUESTION_HELPER, KEY32 "\n", 33), 32);
	assert_int_equal(key_of(QUESTION_HELPER, KEY32 "\n\n", 34), 33);
	/* raw bytes of which the last happens to be a newline */
	assert_int_equal(key_of(QUESTION_HELPER, "123456789012345678901234567890\0\n", 32), 32);
	assert_int_equal(key_of(QUESTION_DECRYPT, KEY32 "\n", 33), 33);
	assert_int_equal(key_of(QUESTION_HELPER, KEY32, 31), -EINVAL);
	assert_int_equal(key_of(QUESTION_HELPER, "", 0), -EINVAL);
	assert_int_equal(key_of(QUESTION_HELPER, large, 4096), 4096);
	assert_int_equal(key_of(QUESTION_HELPER, large, 4098), -EINVAL);
}

static void say(const char *err, size_t len, const char *out, const char *wanted)
{
	cleanup_buf struct buf e = BUF_INIT, o = BUF_INIT;
	char words[64];

	buf_append(&e, err, len);
	buf_append_str(&o, out);
	question_last_words(&e, &o, words, sizeof(words));
	assert_string_equal(words, wanted);
}

static void last_words_are_the_last_two_lines_that_say_something(void **state)
{
	static const char with_nul[] = "a\0b";

	(void)state;
	say("", 0, "", "");
	say("one\ntwo\n \t\nthree\n\n", 18, "", "two; three");
	say("one", 3, "", "one");
	say(with_nul, 3, "", "a?b");
	say("no: " KEY32 "\n", 37, "", "no: " KEY32);
	say("no: " KEY32 "\n", 37, KEY32, ""); /* it repeats what may be a key */
}

static char *make_program(char dir[static 64])
{
	char *path;

	(void)strcpy(dir, "/tmp/rotated-unlock-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_true(asprintf(&path, "%s/helper", dir) > 0);
	assert_int_equal(fs_replace(AT_FDCWD, path, "#!/bin/sh\n", 10, 0755), 0);
	return path;
}

static void expect_refused(const struct question *q, const struct config *c, const char *why)
{
	struct report report = { 0 };
	struct command command;

	assert_int_equal(command_build(&command, q, c, &report), -EPERM);
	assert_non_null(strstr(report.what, why));
	assert_true(report.hint[0] != '\0');
}

static void command_runs_only_helpers_that_nobody_else_could_change(void **state)
{
	char dir[64], root[] = "";
	cleanup_free char *path = make_program(dir);
	char *items[] = { path };
	struct question q = { .kind = QUESTION_HELPER };
	struct config c = { .root = root,
			    .unlock = { .helper_user = { .name = path,
							 .id = geteuid(),
							 .group = getegid(),
							 .is_known = true } } };
	struct report report = { 0 };
	struct command command;

	(void)state;
	assert_true((size_t)snprintf(q.program, sizeof(q.program), "%s", path) <
		    sizeof(q.program));
	expect_refused(&q, &c, "is not among the helpers");
	c.unlock.helper = (struct config_words){ .items = items, .n = 1 };
	assert_int_equal(command_build(&command, &q, &c, &report), 0);
	assert_string_equal(command.argv[0], path);
	assert_null(command.argv[1]);
	assert_true(command.is_helper);
	assert_int_equal(chmod(path, 0775), 0);
	expect_refused(&q, &c, "can be written by others");
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	expect_refused(&q, &c, "can be written by others");
	assert_int_equal(chmod(dir, 0755), 0);
	c.unlock.helper_user.is_known = false;
	expect_refused(&q, &c, "can not be run as");
	assert_int_equal(unlink(path), 0);
	expect_refused(&q, &c, "is not there");
	assert_int_equal(rmdir(dir), 0);
}

static void command_binds_new_credentials_as_configured(void **state)
{
	char root[] = "", pcrs[] = "7+11", none[] = "";
	const struct question seal = { .kind = QUESTION_ENCRYPT, .name = "rotated-ab" };
	const struct question open = { .kind = QUESTION_DECRYPT, .name = "rotated-ab" };
	struct config c = { .root = root,
			    .unlock = { .credential_key = CONFIG_CREDENTIAL_KEY_HOST_TPM2,
					.credential_pcrs = pcrs } };
	struct report report = { 0 };
	struct command command;

	(void)state;
	assert_int_equal(command_build(&command, &seal, &c, &report), 0);
	assert_false(command.is_helper);
	assert_string_equal(command.argv[0], "/usr/bin/systemd-creds");
	assert_string_equal(command.argv[1], "encrypt");
	assert_string_equal(command.argv[2], "--name=rotated-ab");
	assert_string_equal(command.argv[3], "--with-key=host+tpm2");
	assert_string_equal(command.argv[4], "--tpm2-pcrs=7+11");
	assert_string_equal(command.argv[5], "-");
	assert_string_equal(command.argv[6], "-");
	assert_null(command.argv[7]);
	assert_string_equal(command.secret_path, "");
	c.unlock.credential_pcrs = none;
	assert_int_equal(command_build(&command, &seal, &c, &report), 0);
	assert_string_equal(command.argv[4], "--tpm2-pcrs=");
	assert_int_equal(command_build(&command, &open, &c, &report), 0);
	assert_string_equal(command.argv[1], "decrypt");
	assert_string_equal(command.argv[3], "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_takes_what_the_vault_sends),
		cmocka_unit_test(question_refuses_what_could_become_something_else),
		cmocka_unit_test(key_is_what_was_printed_but_for_one_newline_of_a_helper),
		cmocka_unit_test(last_words_are_the_last_two_lines_that_say_something),
		cmocka_unit_test(command_runs_only_helpers_that_nobody_else_could_change),
		cmocka_unit_test(command_binds_new_credentials_as_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
