/* SPDX-License-Identifier: BSD-2-Clause */
/* Wrong bytes anywhere in the store's data file, files cut short anywhere, and pages that
 * somebody made up: LMDB never sees them, they are named, and the records on the other pages
 * are read. */
#include "tests/unit/keystore-fixture.h"
#include "tests/unit/keystore-crafts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/fs.h"
#include "keystore/backup.h"
#include "keystore/datafile.h"
#include "keystore/internal.h"
#include "keystore/pages_format.h"
#include "keystore/verify.h"

enum {
	REMOVED = 60,
	LARGE = 6,   /* of the records have values on pages of their own */
	BATCH = 100, /* damages for one child */
	SPREAD = 1000,
};

struct store {
	struct fixture *f;
	struct buf data; /* data.mdb as it should be */
	struct buf anchor;
	int fd;
	size_t *at; /* in memory that children share: what they are at */
};

static void name_of(unsigned i, char name[static 16])
{
	(void)snprintf(name, 16, "n%u", i);
}

static size_t body_of(unsigned i, uint8_t *body)
{
	size_t len = i < LARGE ? 9000 * (i + 1) : 100 + i % 200;

	memset(body, (int)(i & 0xff), len);
	return len;
}

static void put_some(struct keystore *ks, unsigned from, unsigned to)
{
	static uint8_t body[KEYSTORE_BODY_MAX];
	struct keystore_txn *txn = NULL;
	char name[16];

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	for (unsigned i = from; i < to; i++) {
		struct keystore_record rec;

		name_of(i, name);
		rec = fixture_record(name, KEYSTORE_AUTH, "");
		rec.body = body;
		rec.body_len = body_of(i, body);
		assert_int_equal(keystore_put(txn, &rec, NULL), 0);
	}
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
}

static void fill(struct fixture *f)
{
	cleanup_keystore struct keystore *ks = fixture_new(f);
	char name[16];

	for (unsigned i = 0; i < RECORDS; i += 50)
		put_some(ks, i, i + 50);
	for (unsigned i = 0; i < REMOVED; i++) {
		name_of(RECORDS + i, name);
		fixture_put(ks, name, KEYSTORE_AUTH, "to be removed");
		fixture_remove(ks, name);
	}
	put_some(ks, 0, LARGE); /* the pages of before are free now */
}

static int open_store(void **state)
{
	struct store *s = calloc(1, sizeof(*s));
	char path[PATH_MAX];

	/* thousands of commits: on a disk they take minutes */
	if (!s || (access("/dev/shm", W_OK) == 0 && setenv("TMPDIR", "/dev/shm", 1) < 0) ||
	    fixture_setup((void **)&s->f) < 0)
		return -1;
	fill(s->f);
	fixture_path(s->f, "anchor", path);
	if (fs_read(AT_FDCWD, path, 4096, &s->anchor) < 0)
		return -1;
	fixture_path(s->f, "store/data.mdb", path);
	if (fs_read(AT_FDCWD, path, 16 * 1024 * 1024, &s->data) < 0)
		return -1;
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	s->at = mmap(NULL, sizeof(*s->at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	*state = s;
	return s->fd < 0 || s->at == MAP_FAILED ? -1 : 0;
}

static int close_store(void **state)
{
	struct store *s = *state;

	(void)close(s->fd);
	buf_release(&s->data);
	buf_release(&s->anchor);
	(void)munmap(s->at, sizeof(*s->at));
	if (fixture_teardown((void **)&s->f) < 0)
		return -1;
	free(s);
	return 0;
}

static int write_all(int fd, const struct buf *bytes)
{
	if (ftruncate(fd, (off_t)bytes->len) < 0)
		return -1;
	return pwrite(fd, bytes->data, bytes->len, 0) == (ssize_t)bytes->len ? 0 : -1;
}

static int restore(const struct store *s)
{
	char path[PATH_MAX];
	int fd;
	int r;

	fixture_path(s->f, "anchor", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 ? -1 : write_all(fd, &s->anchor);
	(void)close(fd);
	return r < 0 ? r : write_all(s->fd, &s->data);
}

/* ---- using it ---- */

/* Counts what is as it was. */
static int count_one(void *context, const struct keystore_record *rec)
{
	static uint8_t body[KEYSTORE_BODY_MAX];
	unsigned *found = context;
	unsigned i = (unsigned)strtoul(rec->id.name + 1, NULL, 10);
	size_t len = body_of(i, body);

	EXPECT(i < RECORDS && rec->body_len == len && memcmp(rec->body, body, len) == 0);
	++*found;
	return 0;
}

/* A get costs some mappings, so not all are asked for. */
enum { ASK_EVERY = 10 };

static unsigned count_lost(struct keystore *ks)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < RECORDS; i += ASK_EVERY) {
		cleanup_record struct keystore_record *rec = NULL;
		char name[16];
		const struct keystore_id id = { "password", "verifier", name };

		name_of(i, name);
		lost += keystore_get(ks, &id, &rec) < 0;
	}
	return lost;
}

static int try_put(struct keystore *ks, struct report *report)
{
	const struct keystore_record rec = fixture_record("new", KEYSTORE_AUTH, "new");
	struct keystore_txn *txn = NULL;
	int r = keystore_begin(ks, &txn, report);

	if (r < 0)
		return r;
	r = keystore_put(txn, &rec, NULL);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(report, r, "put: %s", strerrordesc_np(-r));
	}
	return keystore_commit(txn, NULL, report);
}

static bool names_page(const struct report *report)
{
	return (strstr(report->what, "store/data.mdb is damaged: page ") ||
		strstr(report->what, "store/data.mdb is damaged: it is empty")) &&
	       strstr(report->hint, "journalctl -k; then stop rotated and put back a backup");
}

/* Nothing can be changed, and what is there is told. */
static int use_rest(struct keystore *ks)
{
	struct keystore_backup *backup = NULL;
	struct keystore_txn *txn = NULL;
	struct report report = { 0 };

	EXPECT(keystore_health(ks, &report) == KEYSTORE_DAMAGED && names_page(&report));
	report = (struct report){ 0 };
	EXPECT(try_put(ks, &report) == -EBADMSG && names_page(&report));
	EXPECT(keystore_begin_accept(ks, &txn, NULL) == -EBADMSG);
	EXPECT(keystore_backup_begin(ks, &backup, NULL) == -EBADMSG);
	EXPECT(store_compact(ks, NULL) == -EBADMSG);
	report = (struct report){ 0 };
	EXPECT(keystore_verify(ks, NULL, &report) == -EBADMSG && names_page(&report));
	return 0;
}

struct want {
	unsigned lost; /* at most so many records */
	bool is_named; /* the page, in any case; else nothing may be amiss at all */
};

/* Opens, reads, verifies and writes. */
static int use(struct store *s, struct want want)
{
	cleanup_keystore struct keystore *ks = NULL;
	cleanup_secret struct secret *key = fixture_secret(fixture_key_file);
	struct report report = { 0 };
	struct keystore_verify totals;
	unsigned found = 0;
	unsigned lost;
	int r = keystore_open(s->f->dir, &s->f->env, &ks, &report);

	if (r == 0)
		r = keystore_unlock_key_file(ks, key, &report);
	if (r < 0) {
		EXPECT(want.lost == RECORDS && r == -EBADMSG);
		EXPECT(names_page(&report) || (!want.is_named && report.hint[0]));
		return 0;
	}
	lost = count_lost(ks);
	r = keystore_foreach(ks, NULL, NULL, count_one, &found);
	EXPECT(r <= 0);
	if (keystore_health(ks, NULL) == KEYSTORE_DAMAGED) {
		EXPECT(r < 0 || found + want.lost >= RECORDS);
		return use_rest(ks);
	}
	EXPECT(!want.is_named && keystore_health(ks, NULL) == KEYSTORE_HEALTHY);
	r = keystore_verify(ks, &totals, &report);
	if (r < 0) { /* the bytes of a record */
		EXPECT(report.what[0] && report.hint[0]);
		return 0;
	}
	EXPECT(lost == 0 && found == RECORDS && totals.records == RECORDS);
	EXPECT(try_put(ks, &report) == 0);
	return 0;
}

/* ---- pages that somebody made up ---- */

static const char *const tables[] = { "cur", "hist", "meta", "sums", NULL };

static int count_entry(void *context, const char *table, struct span key, struct span value)
{
	size_t *counts = context;

	(void)key;
	(void)value;
	counts[strcmp(table, "cur") == 0 ? 0 : 1]++;
	return 0;
}

static int edit_whole(struct store *s, const struct craft *c, struct buf *ret, size_t *ret_page)
{
	struct layout l = find_layout(&s->data);

	buf_append(ret, s->data.data, s->data.len);
	*ret_page = c->edit(ret, &l);
	return buf_error(ret);
}

static void each_way_to_make_up_a_page_is_named(void **state)
{
	struct store *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(crafts); i++) {
		cleanup_buf struct buf b = BUF_INIT;
		struct pages_file file = { .tables = tables };
		struct pages_problem p;
		size_t page;

		assert_int_equal(edit_whole(s, &crafts[i], &b, &page), 0);
		file.bytes = SPAN_OF(b.data, b.len);
		if (pages_check(&file, &p) != -EBADMSG || !strstr(p.what, crafts[i].what) ||
		    (page && p.page != page / PAGE) || p.offset != p.page * PAGE)
			fail_msg("%s (page %zu): page %" PRIu64 " %s", crafts[i].name,
				 page / PAGE, p.page, p.what);
	}
}

static int craft_one(struct store *s, size_t at)
{
	cleanup_buf struct buf b = BUF_INIT;
	size_t page;

	return edit_whole(s, &crafts[at], &b, &page) < 0 ? -1 : write_all(s->fd, &b);
}

static struct want want_craft(const struct store *s, size_t at)
{
	(void)s;
	return (struct want){ crafts[at].lost, true };
}

/* ---- damage ---- */

typedef int damage_fn(struct store *s, size_t at);

typedef struct want want_fn(const struct store *s, size_t at);

struct kind {
	damage_fn *damage;
	want_fn *want;
};

static int flip(struct store *s, size_t at)
{
	uint8_t byte = s->data.data[at] ^ (uint8_t)(1 << at % 8);

	return pwrite(s->fd, &byte, 1, (off_t)at) == 1 ? 0 : -1;
}

static bool is_cur_leaf(const struct store *s, size_t page)
{
	struct layout l = find_layout(&s->data);

	for (unsigned i = 0; i < nodes_of(&s->data, l.branch); i++)
		if (child_of(&s->data, l.branch, i) == page)
			return true;
	return false;
}

static struct want want_byte(const struct store *s, size_t at)
{
	return (struct want){ is_cur_leaf(s, at - at % PAGE) ? LEAF_MAX : RECORDS, false };
}

/* AT counts bytes of the heads of pages alone, where most is that can lead LMDB astray. */
enum { HEAD = 160 };

static size_t place_of(size_t at)
{
	return at / HEAD * PAGE + at % HEAD;
}

static int invert_head(struct store *s, size_t at)
{
	uint8_t byte = s->data.data[place_of(at)] ^ 0xff;

	return pwrite(s->fd, &byte, 1, (off_t)place_of(at)) == 1 ? 0 : -1;
}

static struct want want_head(const struct store *s, size_t at)
{
	return want_byte(s, place_of(at));
}

static int cut(struct store *s, size_t at)
{
	return ftruncate(s->fd, (off_t)at);
}

static struct want want_cut(const struct store *s, size_t at)
{
	(void)s;
	(void)at;
	return (struct want){ RECORDS, false };
}

static const struct kind flips = { flip, want_byte };
static const struct kind heads = { invert_head, want_head };
static const struct kind cuts = { cut, want_cut };
static const struct kind made_up = { craft_one, want_craft };

static int use_damaged(struct store *s, const struct kind *kind, size_t from, size_t to,
		       size_t step)
{
	for (unsigned i = 0; i < BATCH && from < to; i++, from += step) {
		*s->at = from;
		EXPECT(restore(s) == 0);
		EXPECT(kind->damage(s, from) == 0);
		EXPECT(use(s, kind->want(s, from)) == 0);
	}
	return 0;
}

/* In children, so that one that crashes can be told. */
static void damage_every(struct store *s, const struct kind *kind, size_t to, size_t step)
{
	for (size_t at = 0; at < to; at += BATCH * step) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(use_damaged(s, kind, at, to, step));
		assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("case %zu (as a byte: page %zu, %zu): status 0x%x", *s->at,
				 *s->at / PAGE, *s->at % PAGE, status);
	}
	assert_int_equal(restore(s), 0);
}

static bool is_long_form(void)
{
	return getenv("ROTATED_LONG") != NULL;
}

static void a_wrong_bit_anywhere_is_harmless_or_named(void **state)
{
	struct store *s = *state;

	damage_every(s, &flips, s->data.len, is_long_form() ? 1 : s->data.len / SPREAD | 1);
}

static void a_wrong_byte_in_the_head_of_a_page_is_harmless_or_named(void **state)
{
	struct store *s = *state;

	damage_every(s, &heads, s->data.len / PAGE * HEAD, is_long_form() ? 1 : 23);
}

static void a_file_cut_short_anywhere_is_harmless_or_named(void **state)
{
	struct store *s = *state;

	damage_every(s, &cuts, s->data.len, PAGE);
	damage_every(s, &cuts, s->data.len, is_long_form() ? 1000 : 10 * PAGE + 1000);
}

static void made_up_pages_cost_the_records_on_them_alone(void **state)
{
	damage_every(*state, &made_up, ARRAY_SIZE(crafts), 1);
}

/* ---- what else holds ---- */

static void a_whole_file_passes(void **state)
{
	static const char *const others[] = { "a", "b", "meta", NULL };
	struct store *s = *state;
	struct pages_file file = { .bytes = SPAN_OF(s->data.data, s->data.len),
				   .tables = tables };
	struct pages_problem p;
	size_t counts[2] = { 0 };

	assert_int_equal(pages_check(&file, &p), 0);
	assert_int_equal(pages_salvage(&file, count_entry, counts, &p), 0);
	assert_int_equal(counts[0], RECORDS);
	assert_string_equal(p.what, "");
	file.tables = others;
	assert_int_equal(pages_check(&file, &p), -EBADMSG);
	assert_non_null(strstr(p.what, "names a table"));
	assert_int_equal(use(s, (struct want){ 0, false }), 0);
	assert_int_equal(restore(s), 0);
}

/* ---- a disk that does not give a page ---- */

struct disk {
	size_t bad; /* the page */
	int error;
};

static int fetch_but(void *context, size_t at, size_t len)
{
	const struct disk *d = context;

	return at <= d->bad && d->bad < at + len ? d->error : 0;
}

static void a_sector_that_is_not_read_costs_its_page(void **state)
{
	struct store *s = *state;
	struct layout l = find_layout(&s->data);
	struct disk disk = { l.leaf, -EIO };
	const struct pages_file file = { .bytes = SPAN_OF(s->data.data, s->data.len),
					 .fetch = fetch_but,
					 .context = &disk,
					 .tables = tables };
	struct pages_problem p;
	size_t counts[2] = { 0 };

	assert_int_equal(pages_check(&file, &p), -EBADMSG);
	assert_int_equal(p.page, l.leaf / PAGE);
	assert_string_equal(p.what, "can not be read from the disk");
	assert_string_equal(p.place, "cur");
	assert_int_equal(pages_salvage(&file, count_entry, counts, &p), 0);
	assert_in_range(counts[0], RECORDS - LEAF_MAX, RECORDS - 1);

	disk.bad = l.meta;
	counts[0] = 0;
	assert_true(pages_can_salvage(&file));
	assert_int_equal(pages_salvage(&file, count_entry, counts, &p), 0);
	assert_int_equal(counts[0], RECORDS);

	disk.error = -ECANCELED;
	assert_int_equal(pages_check(&file, &p), -ECANCELED);
	assert_int_equal(pages_salvage(&file, count_entry, counts, &p), -ECANCELED);
}

/* Both ends of it: before the thread is done and after. */
static void a_check_can_be_given_up_at_any_time(void **state)
{
	struct store *s = *state;
	int dirfd = open(s->f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	const struct datafile_place place = { dirfd, s->f->dir, "store/data.mdb", tables };

	assert_true(dirfd >= 0);
	for (unsigned i = 0; i < 200; i++) {
		cleanup_datafile struct datafile *d = NULL;
		struct report report = { 0 };

		assert_int_equal(datafile_open(&place, &d, &report), 0);
		assert_true(datafile_may_open(d));
		if (i % 2)
			assert_int_equal(datafile_wait(d, &report), 0);
	}
	(void)close(dirfd);
}

static void a_damaged_file_stays_as_it_is(void **state)
{
	struct store *s = *state;
	struct layout l = find_layout(&s->data);
	cleanup_buf struct buf before = BUF_INIT;
	cleanup_buf struct buf after = BUF_INIT;
	char path[PATH_MAX];

	fixture_path(s->f, "store/data.mdb", path);
	assert_int_equal(flip(s, l.leaf + 10), 0);
	assert_int_equal(ftruncate(s->fd, (off_t)s->data.len - 1), 0); /* not filled up */
	assert_int_equal(fs_read(AT_FDCWD, path, 16 * 1024 * 1024, &before), 0);
	assert_int_equal(use(s, (struct want){ RECORDS, true }), 0);
	assert_int_equal(fs_read(AT_FDCWD, path, 16 * 1024 * 1024, &after), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	fixture_shell(s->f, "test \"$(ls store | tr '\\n' ' ')\" = 'data.mdb lock.mdb '");
	assert_int_equal(restore(s), 0);
}

static int open_damaged(struct store *s, struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;

	return keystore_open(s->f->dir, &s->f->env, &ks, report);
}

static void a_file_of_something_else_is_refused_at_once(void **state)
{
	static const char text[] = "0123456789abcdef";
	struct store *s = *state;
	const uint8_t version = META_VERSION + 1;
	struct report report = { 0 };

	for (size_t i = 0; i < META_PAGES; i++)
		assert_int_equal(
			pwrite(s->fd, &version, 1, (off_t)(i * PAGE + PAGE_HEADER_LEN + 4)), 1);
	assert_int_equal(open_damaged(s, &report), -EBADMSG);
	assert_non_null(
		strstr(report.what, "page 0 (byte 0, of the meta pages) is of version 2"));
	assert_string_equal(report.hint, "install the rotated that wrote it, or a newer one");

	assert_int_equal(restore(s), 0);
	for (off_t at = 0; at < 8 * PAGE; at += 16)
		assert_int_equal(pwrite(s->fd, text, 16, at), 16);
	assert_int_equal(open_damaged(s, &report), -EBADMSG);
	assert_true(names_page(&report));
	assert_non_null(strstr(report.what, "is not a meta page: no file of LMDB, or damaged"));
	assert_int_equal(restore(s), 0);
}

/* What is lost is told by its key, as far as the sums lead to it. */
static void a_check_names_the_page_and_what_it_cost(void **state)
{
	struct store *s = *state;
	struct layout l = find_layout(&s->data);
	cleanup_keystore struct keystore *ks = NULL;
	cleanup_secret struct secret *key = fixture_secret(fixture_key_file);
	struct keystore_check *check = NULL;
	const struct keystore_verdict *v;
	struct report report = { 0 };
	char want[64];

	assert_int_equal(flip(s, l.leaf + 10), 0);
	assert_int_equal(keystore_open(s->f->dir, &s->f->env, &ks, &report), 0);
	assert_int_equal(keystore_unlock_key_file(ks, key, &report), 0);
	assert_int_equal(keystore_check_begin(ks, &check, &report), 0);
	while (keystore_check_step(check, &report) > 0)
		;
	v = keystore_check_verdict(check);
	assert_int_equal(v->problems[0].type, KEYSTORE_PROBLEM_PAGES);
	(void)snprintf(want, sizeof(want), "page %zu (byte %zu, of table cur) ", l.leaf / PAGE,
		       l.leaf);
	assert_non_null(strstr(v->problems[0].what, want));
	assert_true(v->problem_count > 1);
	assert_int_equal(v->problems[1].type, KEYSTORE_PROBLEM_RECORD_DELETED);
	keystore_check_free(check);
	assert_int_equal(restore(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_passes),
		cmocka_unit_test(each_way_to_make_up_a_page_is_named),
		cmocka_unit_test(a_sector_that_is_not_read_costs_its_page),
		cmocka_unit_test(a_check_can_be_given_up_at_any_time),
		cmocka_unit_test(a_damaged_file_stays_as_it_is),
		cmocka_unit_test(a_file_of_something_else_is_refused_at_once),
		cmocka_unit_test(a_check_names_the_page_and_what_it_cost),
		cmocka_unit_test(made_up_pages_cost_the_records_on_them_alone),
		cmocka_unit_test(a_wrong_bit_anywhere_is_harmless_or_named),
		cmocka_unit_test(a_wrong_byte_in_the_head_of_a_page_is_harmless_or_named),
		cmocka_unit_test(a_file_cut_short_anywhere_is_harmless_or_named),
	};

	return cmocka_run_group_tests(tests, open_store, close_store);
}
