/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plans of `rotatectl setup postfix`, from what postconf printed to what is shown. Each
 * case in tests/golden/setup is NAME.in (the three answers of postconf and the SASL
 * configuration, each after a line "== …") and NAME.txt.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/setup-plan.h"
#include "cli/setup-run.h"
#include "cli/setup-show.h"
#include "cli/setup-undo.h"

enum { EVERYTHING = SETUP_PASSWORDS | SETUP_CERTIFICATES | SETUP_OUTBOUND | SETUP_SENDERS };

static const struct golden {
	const char *name;
	unsigned features;
	const char *service;
	const char *without_senders;
} goldens[] = {
	{ "debian", SETUP_PASSWORDS, NULL, NULL },
	{ "debian-all", EVERYTHING, NULL, "billing" },
	{ "conflicting", EVERYTHING, NULL, NULL },
	{ "both-services", SETUP_PASSWORDS | SETUP_CERTIFICATES, NULL, NULL },
	{ "named-service", SETUP_PASSWORDS, "192.0.2.1:2525/inet", NULL },
	{ "complete", EVERYTHING, NULL, NULL },
	{ "outside-the-chroot", SETUP_PASSWORDS, NULL, NULL },
};

static void read_golden(const char *name, const char *suffix, struct buf *ret)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/golden/setup/%s.%s", top ? top : ".", name,
		       suffix);
	assert_int_equal(fs_read(AT_FDCWD, path, 1024 * 1024, ret), 0);
}

/* What stands after "== TITLE" up to the next such line; NULL without. The caller frees. */
static char *section(const char *text, const char *title)
{
	char line[64];
	const char *start, *end;

	(void)snprintf(line, sizeof(line), "== %s\n", title);
	start = strstr(text, line);
	if (!start)
		return NULL;
	start += strlen(line);
	if (strncmp(start, "== ", 3) == 0)
		return strdup("");
	end = strstr(start, "\n== ");
	return end ? strndup(start, (size_t)(end + 1 - start)) : strdup(start);
}

static void read_present(const char *name, struct setup_present *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free char *main = NULL, *services = NULL, *options = NULL;

	read_golden(name, "in", &text);
	main = section(buf_string(&text), "main");
	services = section(buf_string(&text), "services");
	options = section(buf_string(&text), "options");
	ret->sasl = section(buf_string(&text), "sasl");
	assert_int_equal(setup_pairs_parse(main, &ret->main), 0);
	assert_int_equal(setup_services_parse(services, &ret->services), 0);
	assert_int_equal(setup_pairs_parse(options ? options : "", &ret->options), 0);
}

static void compare(const char *name, const char *text)
{
	cleanup_buf struct buf wanted = BUF_INIT;

	if (getenv("GOLDEN_UPDATE")) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/tests/golden/setup/%s.txt",
			       getenv("TOP_SRCDIR"), name);
		assert_int_equal(fs_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
	}
	read_golden(name, "txt", &wanted);
	assert_string_equal(text, buf_string(&wanted));
}

static void plans_are_as_the_golden_files_have_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		cleanup_setup_present struct setup_present p = SETUP_PRESENT_INIT;
		cleanup_setup_plan struct setup_plan plan = SETUP_PLAN_INIT;
		cleanup_buf struct buf out = BUF_INIT;
		const struct setup_site site = {
			.features = goldens[i].features,
			.auth_socket = "/var/spool/postfix/private/rotated-auth",
			.map_socket = "/var/spool/postfix/private/rotated-map",
			.service = goldens[i].service,
			.without_senders = goldens[i].without_senders,
		};
		char sasl[512];
		struct setup_view view = { .config_dir = "/etc/postfix", .sasl_path = sasl };

		read_present(goldens[i].name, &p);
		assert_int_equal(setup_plan_make(&site, &p, &plan), 0);
		setup_sasl_path(&site, &p, sasl, sizeof(sasl));
		setup_show(&plan, &view, &out);
		if (plan.sasl)
			buf_printf(&out, "\n%s afterwards:\n%s", sasl, plan.sasl);
		compare(goldens[i].name, buf_string(&out));
	}
}

static void lists_are_searched_by_whole_words(void **state)
{
	(void)state;
	assert_true(setup_list_has("permit_mynetworks, reject", "reject"));
	assert_true(setup_list_has("a\tb,c", "b"));
	assert_false(setup_list_has("reject_unauth_destination", "reject"));
	assert_false(setup_list_has("", "reject"));
}

static void what_postconf_does_not_print_is_refused(void **state)
{
	cleanup_setup_present struct setup_present p = SETUP_PRESENT_INIT;

	(void)state;
	assert_int_equal(setup_pairs_parse("a = b = c\nd =\n", &p.main), 0);
	assert_string_equal(setup_main(&p, "a"), "b = c");
	assert_string_equal(setup_main(&p, "d"), "");
	assert_string_equal(setup_main(&p, "e"), "");
	assert_int_equal(setup_pairs_parse("nothing of the kind\n", &p.main), -EBADMSG);
	assert_int_equal(setup_services_parse("smtp\n", &p.services), -EBADMSG);
}

static void features_are_told_as_a_list(void **state)
{
	char text[SETUP_FEATURES_SIZE];

	(void)state;
	setup_features_text(SETUP_OUTBOUND, text);
	assert_string_equal(text, "outbound");
	setup_features_text(SETUP_PASSWORDS | SETUP_OUTBOUND, text);
	assert_string_equal(text, "passwords and outbound");
	setup_features_text(EVERYTHING, text);
	assert_string_equal(text, "passwords, certificates, outbound and senders");
}

/* The looking for programs is not PATH's, and `true` is everywhere. */
static void programs_are_run_and_their_end_is_told(void **state)
{
	const char *const good[] = { "printf", "%s", "words", NULL };
	const char *const bad[] = { "sh", "-c", "echo first >&2; echo last >&2; exit 4", NULL };
	const char *const killed[] = { "sh", "-c", "kill -9 $$", NULL };
	const char *const none[] = { "no-program-of-this-name", NULL };
	const char *const clean[] = { "sh", "-c", "[ -z \"$SETUP_TEST\" ] && cat", NULL };
	cleanup_buf struct buf out = BUF_INIT;
	struct report r;

	(void)state;
	assert_int_equal(setup_run(good, &out, &r), 0);
	assert_string_equal(buf_string(&out), "words");
	assert_int_equal(setup_run(bad, &out, &r), -EIO);
	assert_string_equal(r.what, "sh: last");
	assert_int_equal(setup_run(killed, &out, &r), -EIO);
	assert_non_null(strstr(r.what, "signal 9"));
	assert_int_equal(setup_run(none, &out, &r), -ENOENT);
	assert_int_equal(setenv("SETUP_TEST", "1", 1), 0);
	assert_int_equal(setup_run(clean, &out, &r), 0);
}

static void too_much_output_is_an_error(void **state)
{
	const char *const many[] = { "sh", "-c", "head -c 300000 /dev/zero; exit 0", NULL };
	cleanup_buf struct buf out = BUF_INIT_MAX(1000);
	struct report r;

	(void)state;
	assert_int_equal(setup_run(many, &out, &r), -E2BIG);
}

static void write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(fs_replace(AT_FDCWD, path, text, strlen(text), mode), 0);
}

static void files_are_put_back_whole(void **state)
{
	cleanup_setup_files struct setup_files before = { .n = 0 };
	char folder[] = "/tmp/rotated-setup.XXXXXX", path[256], command[300];
	struct report r;

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_text(folder, "main.cf", "before\n", 0640);
	(void)snprintf(path, sizeof(path), "%s/main.cf", folder);
	assert_int_equal(setup_files_add(&before, path, &r), 0);
	(void)snprintf(path, sizeof(path), "%s/sasl/smtpd.conf", folder);
	assert_int_equal(setup_files_add(&before, path, &r), 0);
	assert_true(before.items[1].lacks_folder);
	assert_int_equal(setup_undo(folder, false, false, &r), -ENOENT);
	assert_int_equal(setup_undo_prepare(folder, &before, &r), 0);

	write_text(folder, "main.cf", "after\n", 0600);
	(void)snprintf(path, sizeof(path), "%s/sasl", folder);
	assert_int_equal(fs_make_dirs(path, 0755), 0);
	write_text(folder, "sasl/smtpd.conf", "after\n", 0644);
	assert_int_equal(setup_undo_seal(folder, &before, &r), 0);
	write_text(folder, "main.cf", "somebody's\n", 0600);
	assert_int_equal(setup_undo(folder, false, false, &r), -EBUSY);
	assert_int_equal(setup_undo(folder, true, true, &r), 0);
	assert_int_equal(setup_undo(folder, true, false, &r), 0);
	(void)snprintf(
		command, sizeof(command),
		"[ \"$(cat %s/main.cf)\" = before ] && [ \"$(stat -c %%a %s/main.cf)\" = 640 ]",
		folder, folder);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "[ \"$(ls -A %s)\" = main.cf ] && rm -r %s",
		       folder, folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_as_the_golden_files_have_them),
		cmocka_unit_test(lists_are_searched_by_whole_words),
		cmocka_unit_test(what_postconf_does_not_print_is_refused),
		cmocka_unit_test(features_are_told_as_a_list),
		cmocka_unit_test(programs_are_run_and_their_end_is_told),
		cmocka_unit_test(too_much_output_is_an_error),
		cmocka_unit_test(files_are_put_back_whole),
	};

	return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
