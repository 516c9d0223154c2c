/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A power cut is worse than a kill: what was written and not synced may be there, or not, or in
 * parts. Each operation is recorded; then, for the moment after each of its calls, disks are
 * made as a cut could have left them, and opened. What was acknowledged must be there, and what
 * was not, wholly or not at all.
 *
 * The model is harder than any file system: of what was written since the last sync of the
 * file, any part may be missing, sector by sector, and the rest be there; a name that was made,
 * changed or removed lasts when its directory was synced, and before that, in order, up to any
 * point. A write through O_DSYNC lasts, and says nothing about those before it.
 */
#include "tests/unit/keystore-ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "tests/unit/faultshim.h"

enum {
	EVENTS_MAX = 4096,
	FILES_MAX = 64,
	NAMES_MAX = 64,
	WRITES_MAX = 2048,
	SECTOR = 512,
	FILE_LEN_MAX = 4 * 1024 * 1024,
	PATH_LEN = 96,
};

/* ---- what happened ---- */

struct event {
	struct fault_event e;
	char path[PATH_LEN];
	char to[PATH_LEN];
	uint8_t *data;
};

struct recording {
	struct event events[EVENTS_MAX];
	size_t count;
};

static void keep(void *context, const struct fault_event *e)
{
	struct recording *rec = context;
	struct event *copy = &rec->events[rec->count++];

	assert_true(rec->count < EVENTS_MAX);
	*copy = (struct event){ .e = *e };
	assert_true(snprintf(copy->path, PATH_LEN, "%s", e->path ? e->path : "") < PATH_LEN);
	assert_true(snprintf(copy->to, PATH_LEN, "%s", e->to ? e->to : "") < PATH_LEN);
	if (!e->data)
		return;
	copy->data = malloc(e->len);
	assert_non_null(copy->data);
	memcpy(copy->data, e->data, e->len);
}

/* ---- the disk ---- */

struct write {
	size_t event;
	bool is_durable;
};

struct file {
	uint64_t inode;
	uint8_t *content; /* as of the last sync */
	size_t len;
	struct write writes[WRITES_MAX]; /* since */
	size_t count;
};

/* A change of names that its directory does not know of for certain yet. */
struct renaming {
	size_t event;
	size_t file; /* that it makes */
};

struct name {
	char path[PATH_LEN]; /* empty: not in use */
	size_t file;
	bool is_dir;
};

struct names {
	struct name all[NAMES_MAX];
};

struct disk {
	const struct recording *rec;
	struct file files[FILES_MAX];
	size_t file_count;
	struct names names; /* that last */
	struct renaming changes[WRITES_MAX];
	size_t change_count;
	uint64_t random;
	bool is_lying; /* syncs nothing */
};

static uint64_t draw(struct disk *d, uint64_t bound)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return d->random % bound;
}

static struct name *find_name(struct names *n, const char *path)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (strcmp(n->all[i].path, path) == 0)
			return &n->all[i];
	return NULL;
}

static struct name *add_name(struct names *n, const char *path)
{
	struct name *at = find_name(n, path);

	if (!at)
		at = find_name(n, "");
	if (!at)
		abort(); /* NAMES_MAX is too small */
	(void)snprintf(at->path, PATH_LEN, "%s", path);
	at->is_dir = false;
	return at;
}

static size_t add_file(struct disk *d, uint64_t inode)
{
	/* the number of a file that was removed may be given again */
	for (size_t i = 0; i < d->file_count; i++)
		if (d->files[i].inode == inode)
			d->files[i].inode = 0;
	assert_true(d->file_count < FILES_MAX);
	d->files[d->file_count].inode = inode;
	return d->file_count++;
}

static struct file *find_file(struct disk *d, uint64_t inode)
{
	for (size_t i = 0; i < d->file_count; i++)
		if (d->files[i].inode == inode)
			return &d->files[i];
	return NULL;
}

static void apply_change(struct disk *d, struct names *n, const struct renaming *c)
{
	const struct event *ev = &d->rec->events[c->event];
	struct name *at;

	switch (ev->e.type) {
	case FAULT_EVENT_MAKE:
		add_name(n, ev->path)->file = c->file;
		break;
	case FAULT_EVENT_MKDIR:
		add_name(n, ev->path)->is_dir = true;
		break;
	case FAULT_EVENT_RENAME: {
		at = find_name(n, ev->path);
		if (!at)
			break;
		add_name(n, ev->to)->file = at->file;
		at->path[0] = '\0';
		break;
	}
	case FAULT_EVENT_UNLINK:
		at = find_name(n, ev->path);
		if (at)
			at->path[0] = '\0';
		break;
	case FAULT_EVENT_DATA:
	case FAULT_EVENT_SIZE:
	case FAULT_EVENT_SYNC:
	default:
		break;
	}
}

/* Applies SIZE bytes at OFFSET to CONTENT; which sectors of them, says the disk's chance. */
static void apply_bytes(struct disk *d, uint8_t *content, size_t *len, const struct event *ev,
			bool is_torn)
{
	for (size_t at = 0; at < ev->e.len;) {
		size_t part = SECTOR - (ev->e.offset + at) % SECTOR;

		if (part > ev->e.len - at)
			part = ev->e.len - at;
		assert_true(ev->e.offset + at + part <= FILE_LEN_MAX);
		if (!is_torn || draw(d, 2)) {
			memcpy(content + ev->e.offset + at, ev->data + at, part);
			if (ev->e.offset + at + part > *len)
				*len = ev->e.offset + at + part;
		}
		at += part;
	}
}

static void apply_write(struct disk *d, uint8_t *content, size_t *len, const struct write *w,
			bool is_certain)
{
	const struct event *ev = &d->rec->events[w->event];
	uint64_t luck = draw(d, 5);

	if (!is_certain && !w->is_durable && luck < 2)
		return;
	if (ev->e.type == FAULT_EVENT_SIZE) {
		if (ev->e.offset < *len)
			memset(content + ev->e.offset, 0, *len - ev->e.offset);
		*len = ev->e.offset;
		return;
	}
	apply_bytes(d, content, len, ev, !is_certain && !w->is_durable && luck == 2);
}

static void sync_file(struct disk *d, struct file *f)
{
	for (size_t i = 0; i < f->count; i++)
		apply_write(d, f->content, &f->len, &f->writes[i], true);
	f->count = 0;
}

static bool lies_in(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	return strlen(dir) == len && strncmp(path, dir, len) == 0;
}

/* What was done to the names in DIR lasts from now on. */
static void sync_dir(struct disk *d, const char *dir)
{
	size_t left = 0;

	for (size_t i = 0; i < d->change_count; i++) {
		if (lies_in(d->rec->events[d->changes[i].event].path, dir))
			apply_change(d, &d->names, &d->changes[i]);
		else
			d->changes[left++] = d->changes[i];
	}
	d->change_count = left;
}

static void note_write(struct disk *d, size_t number, const struct fault_event *e)
{
	struct file *f = find_file(d, e->inode);

	if (!f)
		abort(); /* written to, and nobody saw it made */
	assert_true(f->count < WRITES_MAX);
	f->writes[f->count++] = (struct write){ number, e->is_durable && !d->is_lying };
}

static void step(struct disk *d, size_t number)
{
	const struct event *ev = &d->rec->events[number];
	struct renaming change = { .event = number };
	struct file *f;

	switch (ev->e.type) {
	case FAULT_EVENT_DATA:
	case FAULT_EVENT_SIZE:
		/* what has no name is gone after a cut */
		if (!strstr(ev->path, "lock") && !strstr(ev->path, "(unnamed)"))
			note_write(d, number, &ev->e);
		return;
	case FAULT_EVENT_SYNC:
		if (d->is_lying)
			return;
		f = find_file(d, ev->e.inode);
		if (f)
			sync_file(d, f);
		else
			sync_dir(d, ev->path);
		return;
	case FAULT_EVENT_MAKE:
		change.file = add_file(d, ev->e.inode);
		d->files[change.file].content = calloc(1, FILE_LEN_MAX);
		assert_non_null(d->files[change.file].content);
		break;
	case FAULT_EVENT_RENAME:
	case FAULT_EVENT_UNLINK:
	case FAULT_EVENT_MKDIR:
	default:
		break;
	}
	assert_true(d->change_count < WRITES_MAX);
	d->changes[d->change_count++] = change;
}

/* ---- from a directory, and to one ---- */

static void load_file(struct disk *d, const char *path, const char *name)
{
	cleanup_buf struct buf content = { .max = FILE_LEN_MAX };
	struct stat st;
	size_t file;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(fs_read(AT_FDCWD, path, FILE_LEN_MAX, &content), 0);
	file = add_file(d, st.st_ino);
	d->files[file].content = calloc(1, FILE_LEN_MAX);
	assert_non_null(d->files[file].content);
	memcpy(d->files[file].content, content.data, content.len);
	d->files[file].len = content.len;
	add_name(&d->names, name)->file = file;
}

/* All that is in DIR is on the disk. */
static void load(struct disk *d, const char *dir, const char *prefix)
{
	char path[PATH_MAX];
	char name[PATH_LEN];
	DIR *handle = opendir(dir);
	const struct dirent *e;

	if (!handle)
		return;
	add_name(&d->names, prefix)->is_dir = true;
	while ((e = readdir(handle))) {
		if (e->d_name[0] == '.' || strstr(e->d_name, "lock"))
			continue;
		assert_true(snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < PATH_MAX);
		assert_true(snprintf(name, sizeof(name), "%s/%s", prefix, e->d_name) <
			    PATH_LEN);
		if (e->d_type == DT_DIR)
			load(d, path, name);
		else
			load_file(d, path, name);
	}
	(void)closedir(handle);
}

static void store_file(struct disk *d, const struct file *f, const char *path)
{
	static uint8_t content[FILE_LEN_MAX];
	size_t len = f->len;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(content, 0, sizeof(content));
	memcpy(content, f->content, f->len);
	for (size_t i = 0; i < f->count; i++)
		apply_write(d, content, &len, &f->writes[i], false);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, content, len), 0);
	(void)close(fd);
}

/* Parents before what is in them. */
static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* What is in a directory that was lost is lost. */
static bool has_parent(const char *path)
{
	char parent[PATH_MAX];

	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	return access(parent, F_OK) == 0;
}

/* Makes under ROOT what a cut at this moment may have left. */
static void cut(struct disk *d, const char *root)
{
	struct names n = d->names;
	size_t changes = draw(d, d->change_count + 1);
	char path[PATH_MAX];

	for (size_t i = 0; i < changes; i++)
		apply_change(d, &n, &d->changes[i]);
	qsort(n.all, NAMES_MAX, sizeof(n.all[0]), by_path);
	remove_tree(root);
	assert_int_equal(mkdir(root, 0711), 0);
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (!n.all[i].path[0] || strstr(n.all[i].path, "lock"))
			continue;
		assert_true(snprintf(path, sizeof(path), "%s/%s", root, n.all[i].path) <
			    PATH_MAX);
		if (!has_parent(path))
			continue;
		if (n.all[i].is_dir)
			assert_int_equal(
				mkdir(path, strstr(n.all[i].path, "store") ? 0700 : 0711), 0);
		else
			store_file(d, &d->files[n.all[i].file], path);
	}
}

/* ---- the test ---- */

struct bench {
	struct world w;
	const struct op *op;
	char template[PATH_MAX];
	char root[PATH_MAX]; /* of what a cut leaves */
	char left[PATH_MAX]; /* the keystore in it */
	struct recording *rec;
	struct disk *disk;
	struct picture before;
	struct picture after;
	unsigned cuts;
};

static void begin(struct bench *b, struct fixture *f, const struct op *op)
{
	char watched[PATH_MAX];

	*b = (struct bench){ .w = { .f = f }, .op = op };
	b->rec = calloc(1, sizeof(*b->rec));
	b->disk = calloc(1, sizeof(*b->disk));
	assert_true(b->rec && b->disk);
	fixture_path(f, "template", b->template);
	fixture_path(f, "cut", b->root);
	fixture_path(f, "cut/keystore", b->left);
	fixture_path(f, "watched", watched);
	(void)mkdir(watched, 0711);
	fault_below(watched);
	remove_tree(b->template);
	(void)snprintf(b->w.dir, sizeof(b->w.dir), "%s", b->template);
	world_prepare(&b->w, op);
	fixture_path(f, "watched/keystore", b->w.dir);
	copy_tree(b->template, b->w.dir); /* opening it changes it */
	b->before = dir_picture(f, b->w.dir);
}

static void record(struct bench *b)
{
	struct report report = { 0 };

	world_take(&b->w, b->template, b->op);
	*b->disk = (struct disk){ .rec = b->rec, .random = 88172645463325252U };
	load(b->disk, b->w.dir, "keystore");
	fault_record(keep, b->rec);
	if (b->op->run(&b->w, &report) < 0)
		fixture_fail(&report);
	fault_record(NULL, NULL);
	world_close(&b->w);
	b->after = dir_picture(b->w.f, b->w.dir);
}

static void end(struct bench *b)
{
	for (size_t i = 0; i < b->rec->count; i++)
		free(b->rec->events[i].data);
	for (size_t i = 0; i < b->disk->file_count; i++)
		free(b->disk->files[i].content);
	free(b->rec);
	free(b->disk);
	picture_release(&b->before);
	picture_release(&b->after);
}

static void complain(const struct bench *b, size_t at, const char *what)
{
	const struct event *ev = at ? &b->rec->events[at - 1] : NULL;

	print_error("%s, cut after call %zu of %zu (type %d of %s): %s\n", b->op->name, at,
		    b->rec->count, ev ? (int)ev->e.type : -1, ev ? ev->path : "nothing", what);
	if (getenv("ROTATED_KEEP"))
		copy_tree(b->left, getenv("ROTATED_KEEP"));
	fail();
}

static void check_cut(struct bench *b, size_t at)
{
	struct world heir = { .f = b->w.f };
	struct picture found;
	bool is_done;

	cut(b->disk, b->root);
	b->cuts++;
	(void)snprintf(heir.dir, sizeof(heir.dir), "%s", b->left);
	found = dir_picture(b->w.f, b->left);
	is_done = picture_equal(&found, &b->after);
	if (!picture_is_one_of(&found, &b->before, &b->after, b->op))
		complain(b, at, "half of it was done");
	if (at == b->rec->count && !is_done)
		complain(b, at, "it was acknowledged and is lost");
	picture_release(&found);
	if (is_done)
		return;
	if (!(b->op->flags & (OP_OPENS | OP_MAKES)) && world_open(&heir, NULL) < 0)
		complain(b, at, "it does not open");
	if (b->op->run(&heir, NULL) < 0)
		complain(b, at, "it cannot be done again");
	world_close(&heir);
	found = dir_picture(b->w.f, b->left);
	if (!picture_equal(&found, &b->after))
		complain(b, at, "done again, it is not what it should be");
	picture_release(&found);
}

static void every_operation_outlasts_a_power_cut_at_every_call(void **state)
{
	const char *only = getenv("FAULT_ONLY");
	unsigned disks = getenv("ROTATED_LONG") ? 200 : 8;
	unsigned cuts = 0;

	for (size_t i = 0; i < op_count; i++) {
		struct bench b;

		if (only && strcmp(only, ops[i].name) != 0)
			continue;
		begin(&b, *state, &ops[i]);
		record(&b);
		assert_true(b.rec->count > 0);
		for (size_t at = 0; at <= b.rec->count; at++) {
			if (at > 0)
				step(b.disk, at - 1);
			for (unsigned n = 0; n < disks; n++)
				check_cut(&b, at);
		}
		print_message("# %s: %zu changes, %u cuts\n", ops[i].name, b.rec->count,
			      b.cuts);
		cuts += b.cuts;
		end(&b);
	}
	print_message("# %u power cuts\n", cuts);
}

/* The model has teeth: were nothing synced, it would show. */
static void a_disk_that_syncs_nothing_is_found_out(void **state)
{
	const struct keystore_id id = { "password", "verifier", "bulk-0" };
	unsigned losses = 0;
	struct bench b;

	assert_string_equal(ops[0].name, "put");
	begin(&b, *state, &ops[0]);
	record(&b);
	b.disk->is_lying = true;
	for (size_t at = 0; at < b.rec->count; at++)
		step(b.disk, at);
	for (unsigned n = 0; n < 32; n++) {
		cleanup_record struct keystore_record *rec = NULL;
		struct world heir = { .f = *state };

		cut(b.disk, b.root);
		(void)snprintf(heir.dir, sizeof(heir.dir), "%s", b.left);
		if (world_open(&heir, NULL) < 0 || keystore_get(heir.ks, &id, &rec) < 0)
			losses++;
		world_close(&heir);
	}
	assert_true(losses > 0);
	end(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_that_syncs_nothing_is_found_out),
		TEST(every_operation_outlasts_a_power_cut_at_every_call),
	};

	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
