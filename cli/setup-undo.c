/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-undo.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"

enum { FILE_MAX = 4 * 1024 * 1024, LINE_MAX_ = PATH_MAX + 128 };

static int fail(struct report *r, int error, const char *path)
{
	return report_set(r, error, "%s: %s", path, strerrordesc_np(-error));
}

void setup_files_release(struct setup_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		buf_release(&files->items[i].data);
	files->n = 0;
}

static void folder_of(const char *path, char out[static PATH_MAX])
{
	char *slash;

	(void)snprintf(out, PATH_MAX, "%s", path);
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
}

int setup_files_add(struct setup_files *files, const char *path, struct report *r)
{
	struct setup_file *f = &files->items[files->n];
	char folder[PATH_MAX];
	struct stat st;
	int k;

	memset(f, 0, sizeof(*f));
	if ((size_t)snprintf(f->path, sizeof(f->path), "%s", path) >= sizeof(f->path))
		return fail(r, -ENAMETOOLONG, path);
	files->n++;
	if (lstat(path, &st) < 0) {
		folder_of(path, folder);
		f->lacks_folder = access(folder, F_OK) < 0;
		return errno == ENOENT ? 0 : fail(r, -errno, path);
	}
	if (!S_ISREG(st.st_mode)) {
		(void)report_set(r, -EINVAL, "%s is not a plain file", path);
		report_hint(r,
			    "change the file that it leads to by hand, or name another folder "
			    "by --config-dir");
		return -EINVAL;
	}
	f->exists = true;
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	k = fs_read(AT_FDCWD, path, FILE_MAX, &f->data);
	return k < 0 ? fail(r, k, path) : 0;
}

static bool is_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool is_same(const struct setup_file *f, const struct setup_file *now)
{
	return f->exists == now->exists &&
	       (!f->exists ||
		(f->mode == now->mode && f->uid == now->uid && f->gid == now->gid &&
		 is_equal(&f->data, &now->data)));
}

static int sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	cleanup_close int fd = -1;

	folder_of(path, folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill(int fd, const struct setup_file *f)
{
	int k = fs_write_all(fd, f->data.data, f->data.len);

	if (k < 0)
		return k;
	if (fchown(fd, f->uid, f->gid) < 0 || fchmod(fd, f->mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int write_file(const struct setup_file *f)
{
	char tmp[PATH_MAX + 16];
	cleanup_close int fd = -1;
	int k;

	(void)snprintf(tmp, sizeof(tmp), "%s.rotated-new", f->path);
	if (unlink(tmp) < 0 && errno != ENOENT)
		return -errno;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	k = fill(fd, f);
	if (k == 0 && rename(tmp, f->path) < 0)
		k = -errno;
	if (k < 0) {
		(void)unlink(tmp); /* the failure above is the one to tell */
		return k;
	}
	return sync_folder_of(f->path);
}

/* The folder goes with it when it came with it; one that is in use by now stays. */
static int remove_file(const struct setup_file *f)
{
	char folder[PATH_MAX];

	if (unlink(f->path) < 0)
		return -errno;
	folder_of(f->path, folder);
	if (f->lacks_folder && rmdir(folder) == 0)
		return 0;
	return sync_folder_of(f->path);
}

int setup_files_put_back(const struct setup_files *files, struct report *r)
{
	int result = 0;

	for (size_t i = 0; i < files->n; i++) {
		const struct setup_file *f = &files->items[i];
		cleanup_setup_files struct setup_files now = { .n = 0 };
		int k = setup_files_add(&now, f->path, r);

		if (k == 0 && !is_same(f, &now.items[0]))
			k = f->exists ? write_file(f) : remove_file(f);
		if (k < 0) /* the others are tried all the same */
			result = fail(r, k, f->path);
	}
	return result;
}

/* --- what is kept on disk --------------------------------------------------------------------
 */

static int kept_path(const char *config_dir, const char *name, char out[static PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/rotated-setup/%s", config_dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int keep(const char *config_dir, size_t i, const char *when, const struct buf *data)
{
	char name[32], path[PATH_MAX];
	int k;

	(void)snprintf(name, sizeof(name), "%zu.%s", i, when);
	k = kept_path(config_dir, name, path);
	return k < 0 ? k : fs_replace(AT_FDCWD, path, data->data, data->len, 0600);
}

enum { IS_ABSENT, IS_THERE, LACKS_FOLDER };

/* A line "WHAT MODE UID GID PATH" for each; numbers in decimal. */
static int write_list(const char *config_dir, const struct setup_files *files)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int k = kept_path(config_dir, "files", path);

	for (size_t i = 0; i < files->n; i++) {
		const struct setup_file *f = &files->items[i];

		buf_printf(&text, "%d %u %u %u %s\n",
			   f->exists	     ? IS_THERE
			   : f->lacks_folder ? LACKS_FOLDER
					     : IS_ABSENT,
			   (unsigned)f->mode, (unsigned)f->uid, (unsigned)f->gid, f->path);
	}
	if (k < 0 || buf_error(&text) < 0)
		return k < 0 ? k : buf_error(&text);
	return fs_replace(AT_FDCWD, path, text.data, text.len, 0600);
}

/* Cuts the next word off *LINE. */
static int take_number(char **line, uint32_t *ret)
{
	char *blank = strchr(*line, ' ');
	int k;

	if (!blank)
		return -EBADMSG;
	*blank = '\0';
	k = text_to_u32(*line, ret);
	*line = blank + 1;
	return k;
}

static int parse_kept(char *line, struct setup_file *f)
{
	uint32_t what, mode, uid, gid;

	if (take_number(&line, &what) < 0 || take_number(&line, &mode) < 0 ||
	    take_number(&line, &uid) < 0 || take_number(&line, &gid) < 0 || *line != '/' ||
	    strlen(line) >= sizeof(f->path))
		return -EBADMSG;
	f->exists = what == IS_THERE;
	f->lacks_folder = what == LACKS_FOLDER;
	f->mode = mode & 07777;
	f->uid = uid;
	f->gid = gid;
	(void)snprintf(f->path, sizeof(f->path), "%s", line);
	return 0;
}

static int read_kept(const char *config_dir, size_t i, const char *when, struct buf *ret)
{
	char name[32], path[PATH_MAX];
	int k;

	(void)snprintf(name, sizeof(name), "%zu.%s", i, when);
	k = kept_path(config_dir, name, path);
	return k < 0 ? k : fs_read(AT_FDCWD, path, FILE_MAX, ret);
}

/* -ENOENT: nothing is kept. */
static int read_list(const char *config_dir, struct setup_files *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int k = kept_path(config_dir, "files", path);
	char *line;

	if (k == 0)
		k = fs_read(AT_FDCWD, path, LINE_MAX_ * SETUP_FILES_MAX, &text);
	if (k < 0)
		return k;
	line = (char *)(uintptr_t)buf_string(&text);
	while (k == 0 && line && *line) {
		char *end = strchr(line, '\n');
		struct setup_file *f = &ret->items[ret->n];

		if (!end || ret->n == SETUP_FILES_MAX)
			return -EBADMSG;
		*end = '\0';
		memset(f, 0, sizeof(*f));
		k = parse_kept(line, f);
		if (k == 0 && f->exists)
			k = read_kept(config_dir, ret->n, "before", &f->data);
		ret->n++;
		line = end + 1;
	}
	return k;
}

static const struct setup_file *find_file(const struct setup_files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->items[i].path, path) == 0)
			return &files->items[i];
	return NULL;
}

static int copy_kept(struct setup_files *to, const struct setup_file *f)
{
	struct setup_file *copy;

	if (to->n == SETUP_FILES_MAX)
		return -E2BIG;
	copy = &to->items[to->n++];
	*copy = *f;
	copy->data = BUF_INIT;
	buf_append(&copy->data, f->data.data, f->data.len);
	return buf_error(&copy->data);
}

int setup_undo_prepare(const char *config_dir, const struct setup_files *before,
		       struct report *r)
{
	cleanup_setup_files struct setup_files kept = { .n = 0 };
	char folder[PATH_MAX];
	int k = kept_path(config_dir, "", folder);

	if (k == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST)
		k = -errno;
	if (k == 0)
		k = read_list(config_dir, &kept);
	if (k == -ENOENT)
		k = 0;
	for (size_t i = 0; k == 0 && i < before->n; i++) {
		if (find_file(&kept, before->items[i].path))
			continue;
		k = keep(config_dir, kept.n, "before", &before->items[i].data);
		if (k == 0)
			k = copy_kept(&kept, &before->items[i]);
	}
	if (k == 0)
		k = write_list(config_dir, &kept);
	return k < 0 ? fail(r, k, folder) : 0;
}

/* A file that was not as an earlier setup had left it holds what somebody wrote: it stays that
 * way for --undo. */
static int seal(const char *config_dir, size_t i, const struct setup_file *before,
		struct report *r)
{
	cleanup_setup_files struct setup_files now = { .n = 0 };
	cleanup_buf struct buf left = BUF_INIT;
	int k = read_kept(config_dir, i, "after", &left);

	if (k == 0 && !is_equal(&left, &before->data))
		return 0;
	if (k == 0 || k == -ENOENT)
		k = setup_files_add(&now, before->path, r);
	return k < 0 ? k : keep(config_dir, i, "after", &now.items[0].data);
}

int setup_undo_seal(const char *config_dir, const struct setup_files *before, struct report *r)
{
	cleanup_setup_files struct setup_files kept = { .n = 0 };
	int k = read_list(config_dir, &kept);

	for (size_t i = 0; k == 0 && i < kept.n; i++) {
		const struct setup_file *f = find_file(before, kept.items[i].path);

		if (f)
			k = seal(config_dir, i, f, r);
	}
	return k < 0 ? fail(r, k, config_dir) : 0;
}

/* A setup that was interrupted has not said how it left the files: then there is nothing to
 * compare with. */
static int check_untouched(const char *config_dir, const struct setup_files *kept,
			   struct report *r)
{
	for (size_t i = 0; i < kept->n; i++) {
		cleanup_setup_files struct setup_files now = { .n = 0 };
		cleanup_buf struct buf after = BUF_INIT;
		int k = read_kept(config_dir, i, "after", &after);

		if (k == -ENOENT)
			continue;
		if (k == 0)
			k = setup_files_add(&now, kept->items[i].path, r);
		if (k < 0)
			return k;
		if (is_equal(&now.items[0].data, &after))
			continue;
		(void)report_set(r, -EBUSY, "%s was changed since setup wrote it",
				 kept->items[i].path);
		report_hint(
			r,
			"diff %s/rotated-setup/%zu.after %s shows how; --force puts the old "
			"file back all the same",
			config_dir, i, kept->items[i].path);
		return -EBUSY;
	}
	return 0;
}

/* The list goes first: without it nothing counts as kept, should this be cut short. */
static void forget(const char *config_dir)
{
	char path[PATH_MAX], name[32];

	if (kept_path(config_dir, "files", path) == 0)
		(void)unlink(path); /* what is left is written over by the next setup */
	for (size_t i = 0; i < SETUP_FILES_MAX * 2; i++) {
		(void)snprintf(name, sizeof(name), "%zu.%s", i / 2, i % 2 ? "after" : "before");
		if (kept_path(config_dir, name, path) == 0)
			(void)unlink(path); /* most of them are not there */
	}
	if (kept_path(config_dir, "", path) == 0)
		(void)rmdir(path); /* what somebody else put there stays */
}

int setup_undo(const char *config_dir, bool is_forced, bool is_dry, struct report *r)
{
	cleanup_setup_files struct setup_files kept = { .n = 0 };
	int k = read_list(config_dir, &kept);

	if (k == -ENOENT)
		return report_set(r, k, "there is nothing to undo in %s", config_dir);
	if (k < 0)
		return fail(r, k, config_dir);
	k = is_forced ? 0 : check_untouched(config_dir, &kept, r);
	if (k < 0 || is_dry)
		return k;
	k = setup_files_put_back(&kept, r);
	if (k == 0)
		forget(config_dir);
	return k;
}
