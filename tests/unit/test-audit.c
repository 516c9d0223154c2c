/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "rotated/vault/audit.h"

struct bench {
	char dir[64];
	struct keystore_audit end; /* what the keystore would remember */
	uint8_t first_key[KEYSTORE_AUDIT_LEN];
	struct audit *audit;
};

static struct bench bench_new(void)
{
	struct bench b = { .dir = "/tmp/test-audit.XXXXXX" };

	assert_non_null(mkdtemp(b.dir));
	memset(b.end.key, 7, sizeof(b.end.key));
	memcpy(b.first_key, b.end.key, sizeof(b.first_key));
	return b;
}

static void open_log(struct bench *b, size_t segment_max)
{
	assert_int_equal(audit_open(b->dir, &b->end, segment_max, &b->audit, NULL), 0);
}

/* As a clean stop does: the keystore knows the end. */
static void close_log(struct bench *b)
{
	audit_end(b->audit, &b->end);
	audit_close(steal_ptr(b->audit));
}

static void bench_release(struct bench *b)
{
	DIR *d = opendir(b->dir);
	const struct dirent *e;

	audit_close(b->audit);
	assert_non_null(d);
	while ((e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0); /* "." and ".." stay */
	(void)closedir(d);
	assert_int_equal(rmdir(b->dir), 0);
}

static void append(struct bench *b, uint32_t version)
{
	struct audit_event e = { .wall = UINT64_C(1795424400123456),
				 .event = "credential.issue",
				 .actor = "uid 0 pid 1",
				 .object = "billing",
				 .version = version,
				 .outcome = "ok",
				 .request = "0123456789abcdef",
				 .txid = 7 };

	assert_int_equal(audit_append(b->audit, &e, true, NULL), 0);
}

static void write_lines(struct bench *b, uint32_t n)
{
	open_log(b, AUDIT_SEGMENT_MAX);
	for (uint32_t i = 1; i <= n; i++)
		append(b, i);
	close_log(b);
}

static struct audit_verdict verify(const struct bench *b, bool with_key)
{
	struct audit_verdict v;

	assert_int_equal(audit_verify(b->dir, &b->end, with_key ? b->first_key : NULL, &v), 0);
	return v;
}

static void segment_path(const struct bench *b, unsigned n, char out[static 128])
{
	(void)snprintf(out, 128, "%s/%08u.log", b->dir, n);
}

static void read_segment(const struct bench *b, unsigned n, struct buf *ret)
{
	char path[128];

	segment_path(b, n, path);
	assert_int_equal(fs_read(AT_FDCWD, path, 1 << 20, ret), 0);
}

static void write_segment(const struct bench *b, unsigned n, const struct buf *data)
{
	char path[128];

	segment_path(b, n, path);
	assert_int_equal(fs_replace(AT_FDCWD, path, data->data, data->len, 0600), 0);
}

static void log_that_was_written_verifies(void **state)
{
	struct bench b = bench_new();
	struct audit_verdict v;

	(void)state;
	write_lines(&b, 5);
	v = verify(&b, true);
	assert_int_equal(v.state, AUDIT_OK);
	assert_int_equal(v.records, 5);
	assert_int_equal(v.first, 1);
	assert_int_equal(v.last, 5);
	bench_release(&b);
}

static void line_has_the_documented_form(void **state)
{
	static const char head[] =
		"{\"v\":1,\"seq\":1,\"t\":\"2026-11-23T09:00:00.123456Z\",\"ev\":"
		"\"credential.issue\",\"actor\":\"uid 0 pid 1\",\"obj\":\"billing\",\"ver\":1,"
		"\"outcome\":\"ok\",\"req\":\"0123456789abcdef\",\"txid\":7,\"prev\":\"0000";
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	write_lines(&b, 1);
	read_segment(&b, 1, &text);
	assert_true(text.len > sizeof(head));
	assert_memory_equal(text.data, head, sizeof(head) - 1);
	bench_release(&b);
}

static void chain_goes_on_after_a_stop(void **state)
{
	struct bench b = bench_new();

	(void)state;
	write_lines(&b, 3);
	write_lines(&b, 3);
	assert_int_equal(verify(&b, true).state, AUDIT_OK);
	assert_int_equal(verify(&b, true).last, 6);
	bench_release(&b);
}

/* The keystore remembers the intent; the line after it was written and never remembered. */
static void chain_goes_on_after_a_kill(void **state)
{
	struct bench b = bench_new();

	(void)state;
	write_lines(&b, 2);
	open_log(&b, AUDIT_SEGMENT_MAX);
	append(&b, 3);
	append(&b, 4);
	audit_close(steal_ptr(b.audit)); /* b.end is as after line 2 */
	open_log(&b, AUDIT_SEGMENT_MAX);
	assert_null(audit_alarm(b.audit));
	append(&b, 5);
	close_log(&b);
	assert_int_equal(b.end.seq, 5);
	assert_int_equal(verify(&b, true).state, AUDIT_OK);
	bench_release(&b);
}

static void unfinished_last_line_is_cut_off(void **state)
{
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	write_lines(&b, 2);
	read_segment(&b, 1, &text);
	buf_append_str(&text, "{\"v\":1,\"seq\":3,\"t\":\"20");
	write_segment(&b, 1, &text);
	write_lines(&b, 1);
	assert_int_equal(verify(&b, true).state, AUDIT_OK);
	assert_int_equal(verify(&b, true).last, 3);
	bench_release(&b);
}

static void change_of_any_byte_is_noticed(void **state)
{
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	write_lines(&b, 4);
	read_segment(&b, 1, &text);
	for (size_t i = 0; i < text.len; i += 3) {
		text.data[i] ^= 1;
		write_segment(&b, 1, &text);
		assert_int_not_equal(verify(&b, false).state, AUDIT_OK);
		assert_int_not_equal(verify(&b, true).state, AUDIT_OK);
		text.data[i] ^= 1;
	}
	bench_release(&b);
}

static void altered_line_is_named(void **state)
{
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;
	struct audit_verdict v;
	char *hit;

	(void)state;
	write_lines(&b, 4);
	read_segment(&b, 1, &text);
	assert_non_null(buf_string(&text));
	hit = strstr((char *)text.data, "\"seq\":3");
	assert_non_null(hit);
	hit = strstr(hit, "billing");
	assert_non_null(hit);
	hit[0] = 'f';
	write_segment(&b, 1, &text);
	v = verify(&b, false);
	assert_int_equal(v.state, AUDIT_ALTERED);
	assert_int_equal(v.at, 3);
	bench_release(&b);
}

static void removed_lines_are_noticed(void **state)
{
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;
	const uint8_t *second;
	struct audit_verdict v;

	(void)state;
	write_lines(&b, 4);
	read_segment(&b, 1, &text);
	second = memchr(text.data, '\n', text.len);
	assert_non_null(second);
	buf_consume(&text, (size_t)(second - text.data) + 1);
	write_segment(&b, 1, &text);
	v = verify(&b, false);
	assert_int_equal(v.state, AUDIT_GAP);
	assert_int_equal(v.at, 2);
	bench_release(&b);
}

static void cut_end_is_noticed_and_shown_for_ever(void **state)
{
	struct bench b = bench_new();
	cleanup_buf struct buf text = BUF_INIT;
	struct audit_verdict v;

	(void)state;
	write_lines(&b, 4);
	read_segment(&b, 1, &text);
	text.len = text.len / 4 * 2 + 20;
	write_segment(&b, 1, &text);
	v = verify(&b, false);
	assert_int_not_equal(v.state, AUDIT_OK);

	open_log(&b, AUDIT_SEGMENT_MAX);
	assert_non_null(audit_alarm(b.audit));
	append(&b, 5);
	close_log(&b);
	v = verify(&b, false);
	assert_int_equal(v.state, AUDIT_GAP);
	assert_int_equal(v.last, 5);
	bench_release(&b);
}

static void log_without_its_end_is_truncated(void **state)
{
	struct bench b = bench_new();
	char path[128];

	(void)state;
	write_lines(&b, 4);
	segment_path(&b, 1, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(verify(&b, false).state, AUDIT_TRUNCATED);
	bench_release(&b);
}

static void log_that_is_removed_while_open_raises_an_alarm(void **state)
{
	struct bench b = bench_new();
	char path[128];

	(void)state;
	open_log(&b, AUDIT_SEGMENT_MAX);
	append(&b, 1);
	segment_path(&b, 1, path);
	assert_int_equal(unlink(path), 0);
	assert_null(audit_alarm(b.audit));
	append(&b, 2);
	assert_non_null(audit_alarm(b.audit));
	segment_path(&b, 2, path);
	assert_int_equal(access(path, F_OK), 0);
	bench_release(&b);
}

static void chain_crosses_segments(void **state)
{
	struct bench b = bench_new();
	struct audit_verdict v;

	(void)state;
	open_log(&b, 1000);
	for (uint32_t i = 1; i <= 20; i++)
		append(&b, i);
	close_log(&b);
	open_log(&b, 1000);
	append(&b, 21);
	close_log(&b);
	v = verify(&b, true);
	assert_int_equal(v.state, AUDIT_OK);
	assert_int_equal(v.last, 21);
	assert_true(v.segments > 3);
	bench_release(&b);
}

static void line_that_can_not_be_written_leaves_the_log_whole(void **state)
{
	struct audit_event e = { .event = "x", .actor = "y", .outcome = "ok", .request = "z" };
	struct bench b = bench_new();
	struct report report = { 0 };
	cleanup_buf struct buf long_name = BUF_INIT;

	(void)state;
	open_log(&b, AUDIT_SEGMENT_MAX);
	append(&b, 1);
	for (unsigned i = 0; i < AUDIT_LINE_MAX; i++)
		buf_append_byte(&long_name, 'a');
	e.object = buf_string(&long_name);
	assert_true(audit_append(b.audit, &e, true, &report) < 0);
	assert_true(report.what[0] != '\0');
	append(&b, 2);
	close_log(&b);
	assert_int_equal(verify(&b, true).state, AUDIT_OK);
	assert_int_equal(verify(&b, true).last, 2);
	bench_release(&b);
}

static void lines_that_the_keystore_has_not_heard_of_tell_its_transaction(void **state)
{
	struct bench b = bench_new();
	struct keystore_audit before;

	(void)state;
	write_lines(&b, 1);
	before = b.end;
	open_log(&b, AUDIT_SEGMENT_MAX);
	assert_true(audit_newest_txid(b.audit) == 0);
	append(&b, 2);
	close_log(&b);
	b.end = before;
	open_log(&b, AUDIT_SEGMENT_MAX);
	assert_true(audit_newest_txid(b.audit) == 7);
	close_log(&b);
	b.end = before;
	b.end.key[0] ^= 1; /* of another keystore: nothing is proven */
	open_log(&b, AUDIT_SEGMENT_MAX);
	assert_true(audit_newest_txid(b.audit) == 0);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_that_was_written_verifies),
		cmocka_unit_test(line_has_the_documented_form),
		cmocka_unit_test(chain_goes_on_after_a_stop),
		cmocka_unit_test(chain_goes_on_after_a_kill),
		cmocka_unit_test(unfinished_last_line_is_cut_off),
		cmocka_unit_test(change_of_any_byte_is_noticed),
		cmocka_unit_test(altered_line_is_named),
		cmocka_unit_test(removed_lines_are_noticed),
		cmocka_unit_test(cut_end_is_noticed_and_shown_for_ever),
		cmocka_unit_test(log_without_its_end_is_truncated),
		cmocka_unit_test(log_that_is_removed_while_open_raises_an_alarm),
		cmocka_unit_test(chain_crosses_segments),
		cmocka_unit_test(line_that_can_not_be_written_leaves_the_log_whole),
		cmocka_unit_test(lines_that_the_keystore_has_not_heard_of_tell_its_transaction),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
