/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/ini.h"

/* Everything that the reader says about TEXT, one line each. */
static const char *read_all(struct buf *out, const char *text, size_t len)
{
	struct ini ini = INI_INIT(text, len);
	struct report report;
	struct ini_item item;
	int r;

	buf_clear(out);
	while ((r = ini_next(&ini, &item, &report)) != 0)
		if (r < 0)
			buf_printf(out, "%u:%u %s\n", report.line, report.column, report.what);
		else if (item.kind == INI_SECTION)
			buf_printf(out, "%u:%u [%s]\n", item.line, item.column, item.section);
		else
			buf_printf(out, "%u:%u,%u %s.%s=%s\n", item.line, item.column,
				   item.value_column, item.section, item.key, item.value);
	return buf_string(out);
}

#define READS(text, expected)                                                                  \
	assert_string_equal(read_all(&out, (text), sizeof(text) - 1), (expected))

static void ini_gives_sections_keys_and_values_with_their_places(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("[a]\nk = v\n", "1:2 [a]\n2:1,5 a.k=v\n");
	READS("# x\n;y\n\n  [a]\n\tk-1=v w \n[b]\nK_2=", "4:4 [a]\n5:2,6 a.k-1=v w\n6:2 [b]\n"
							 "7:1,5 b.K_2=\n");
	READS("", "");
	READS("\n\n", "");
}

static void ini_value_keeps_everything_up_to_the_line_end(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("[a]\nk = a=b # c ; \"d\"\n", "1:2 [a]\n2:1,5 a.k=a=b # c ; \"d\"\n");
	READS("[a]\nk = caf\xc3\xa9\n", "1:2 [a]\n2:1,5 a.k=caf\xc3\xa9\n");
}

static void ini_takes_cr_lf_for_a_line_end(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("[a]\r\nk = v\r\n", "1:2 [a]\n2:1,5 a.k=v\n");
	READS("[a]\nk = v\rw\n", "1:2 [a]\n2:6 a carriage return in the middle of a line\n");
	READS("[a]\nk = v\r", "1:2 [a]\n2:6 a carriage return in the middle of a line\n");
}

static void ini_refuses_what_is_not_text(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("[a]\nk = \0v\n", "1:2 [a]\n2:5 a NUL byte in a text file\n");
	READS("[a]\nk = \x1b[0m\n", "1:2 [a]\n2:5 a control character\n");
	READS("[a]\n# \xff\n", "1:2 [a]\n2:1 the line is not UTF-8\n");
	READS("\xef\xbb\xbf[a]\n", "1:1 the file starts with a byte order mark\n");
}

static void ini_goes_on_after_an_error_and_finds_them_all(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("[a]\nno\n= v\nk k = v\nl = \\\n[b]\nm=n\n",
	      "1:2 [a]\n2:1 the line has no '='\n3:1 there is no key before the '='\n"
	      "4:2 a character that no key has\n5:5 lines cannot be continued\n6:2 [b]\n"
	      "7:1,3 b.m=n\n");
}

static void ini_tells_a_lost_section_once_and_passes_over_its_entries(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("k = v\nl = w\n[a]\nm=n\n", "1:1 a key before the first section\n3:2 [a]\n"
					  "4:1,3 a.m=n\n");
	READS("[a] x\nk = v\nbad\n[b]\n",
	      "1:1 this is not a section line\n3:1 the line has no '='\n"
	      "4:2 [b]\n");
	READS("[]\n[a b]\n[a\n",
	      "1:1 this is not a section line\n2:1 this is not a section line\n"
	      "3:1 this is not a section line\n");
}

static void ini_bounds_lines_and_names(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	buf_append_str(&text, "[a]\nk=");
	for (unsigned i = 0; i < INI_LINE_MAX - 2; i++)
		buf_append_byte(&text, 'x');
	(void)read_all(&out, buf_string(&text), text.len); /* looked at below */
	assert_null(strstr(buf_string(&out), "too long"));
	buf_append_byte(&text, 'x');
	assert_string_equal(read_all(&out, buf_string(&text), text.len),
			    "1:2 [a]\n2:4097 the line is too long\n");

	buf_clear(&text);
	buf_printf(&text, "[%065d]\n[a]\n%065d = x\n", 0, 0);
	assert_string_equal(
		read_all(&out, buf_string(&text), text.len),
		"1:1 the section's name is too long\n2:2 [a]\n3:1 the key is too long\n");
}

static void ini_takes_a_backslash_in_a_comment(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	READS("# a \\\n[a]\n", "2:2 [a]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ini_gives_sections_keys_and_values_with_their_places),
		cmocka_unit_test(ini_value_keeps_everything_up_to_the_line_end),
		cmocka_unit_test(ini_takes_cr_lf_for_a_line_end),
		cmocka_unit_test(ini_refuses_what_is_not_text),
		cmocka_unit_test(ini_goes_on_after_an_error_and_finds_them_all),
		cmocka_unit_test(ini_tells_a_lost_section_once_and_passes_over_its_entries),
		cmocka_unit_test(ini_bounds_lines_and_names),
		cmocka_unit_test(ini_takes_a_backslash_in_a_comment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
