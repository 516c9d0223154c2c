/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every directory in tests/golden/config is a configuration and what is said about it, compared
 * to the letter. REGENERATE=1 in the environment writes expected.txt anew; look at the diff.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "rotated/config/config.h"

enum { CASES_MAX = 500 };

/* Appends TEXT with what differs between machines replaced. */
static void append_neutral(struct buf *out, const char *text, const char *root)
{
	static const char libexec[] = PKG_LIBEXECDIR;

	while (*text) {
		if (strncmp(text, root, strlen(root)) == 0) {
			buf_append_str(out, "@ROOT@");
			text += strlen(root);
		} else if (strncmp(text, libexec, sizeof(libexec) - 1) == 0) {
			buf_append_str(out, "@LIBEXECDIR@");
			text += sizeof(libexec) - 1;
		} else {
			buf_append_byte(out, (uint8_t)*text++);
		}
	}
}

static void describe(struct buf *out, const char *root, struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		const struct report *e = &errors->items[i];
		char line[2048];

		/* the rules of a good error: a place, a reason and a way out, always */
		assert_true(e->file[0] && e->what[0] && e->hint[0]);
		report_format(e, line, sizeof(line));
		append_neutral(out, line, root);
		buf_append_str(out, "\n\t");
		append_neutral(out, e->hint, root);
		buf_append_byte(out, '\n');
	}
}

static void compare(const char *path, struct buf *got)
{
	cleanup_buf struct buf expected = BUF_INIT;

	if (getenv("REGENERATE")) {
		assert_int_equal(fs_replace(AT_FDCWD, path, got->data, got->len, 0644), 0);
		return;
	}
	assert_int_equal(fs_read(AT_FDCWD, path, 65536, &expected), 0);
	assert_string_equal(buf_string(got), buf_string(&expected));
}

/* 0, or 1 for a case that cannot be made by this user. */
static int prepare(const char *dir, const char *root)
{
	char command[8192 + 64];
	int status;

	(void)snprintf(command, sizeof(command), "sh '%s/../prepare' '%s' '%s'", dir, dir,
		       root);
	status = system(command);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
	return WEXITSTATUS(status) == 77;
}

static void remove_tree(const char *root)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static void golden_case_says_what_is_expected(void **state)
{
	const char *dir = *state;
	char root[] = "/tmp/rotated-config-XXXXXX";
	char expected[4096];
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	int r;

	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	if (prepare(dir, root) > 0) {
		remove_tree(root);
		skip(); /* only root can give a file away */
	}
	r = config_load(root, CONFIG_CHECK_FILES, &c, &errors);
	describe(&out, root, &errors);
	if (r == 0) {
		char summary[CONFIG_SUMMARY_SIZE];

		config_summary(c, summary);
		buf_printf(&out, "good: %s\n", summary);
		assert_int_equal(errors.n, 0);
	} else {
		assert_int_equal(r, -EBADMSG);
		assert_true(errors.n > 0);
		assert_null(c);
	}
	remove_tree(root);
	(void)snprintf(expected, sizeof(expected), "%s/expected.txt", dir);
	compare(expected, &out);
}

static int is_case(const struct dirent *e)
{
	return e->d_name[0] != '.' && e->d_type == DT_DIR;
}

int main(void)
{
	static struct CMUnitTest tests[CASES_MAX];
	struct dirent **entries = NULL;
	char base[4096];
	int n, r;

	(void)snprintf(base, sizeof(base), "%s/tests/golden/config", getenv("TOP_SRCDIR"));
	n = scandir(base, &entries, is_case, alphasort);
	if (n < 60 || n > CASES_MAX) {
		(void)fprintf(stderr, "%s: %d cases, where at least 60 are wanted\n", base, n);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char *dir;

		if (asprintf(&dir, "%s/%s", base, entries[i]->d_name) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){ .name = entries[i]->d_name,
						.test_func = golden_case_says_what_is_expected,
						.initial_state = dir };
	}
	r = _cmocka_run_group_tests("golden", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++) {
		free(tests[i].initial_state);
		free(entries[i]);
	}
	free(entries);
	return r;
}
