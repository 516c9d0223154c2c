/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int fs_join(const char *root, const char *path, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s%s%s", root, path[0] == '/' ? "" : "/", path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int check_regular(int fd, size_t max)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return (uint64_t)st.st_size > max ? -EFBIG : 0;
}

int fs_read(int dirfd, const char *name, size_t max, struct buf *ret)
{
	/* O_NONBLOCK: opening a FIFO by mistake must not hang */
	cleanup_close int fd =
		openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_buf struct buf content = { .max = max + 1 };
	int r;

	if (fd < 0)
		return -errno;
	r = check_regular(fd, max);
	if (r < 0)
		return r;
	for (;;) {
		size_t want = max + 1 - content.len;
		uint8_t *p = buf_reserve(&content, want > 65536 ? 65536 : want);
		ssize_t n;

		if (!p)
			return content.error;
		n = read(fd, p, want > 65536 ? 65536 : want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		content.len += (size_t)n;
		if (content.len > max)
			return -EFBIG; /* it grew while it was read */
	}
	buf_append(ret, content.data, content.len);
	return buf_error(ret);
}

int fs_write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	cleanup_close int fd = -1;
	int r;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = fs_write_all(fd, data, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The rename is durable only when the directory that holds the name is. */
static int sync_parent(int dirfd, const char *name)
{
	const char *slash = strrchr(name, '/');
	char dir[PATH_MAX] = ".";
	cleanup_close int fd = -1;

	if (slash == name)
		(void)snprintf(dir, sizeof(dir), "/");
	else if (slash)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - name), name);
	fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int fs_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	char tmp[PATH_MAX];
	int n = snprintf(tmp, sizeof(tmp), "%s.new", name);
	int r;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return -ENAMETOOLONG;
	/* left behind by a writer that was killed: there is only ever one writer */
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	r = write_new(dirfd, tmp, data, len, mode);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0); /* the failure above is the one to tell */
		return r;
	}
	return sync_parent(dirfd, name);
}

/* A directory that was made just now: the umask must not take from MODE, and its name is to
 * outlast a power cut as what will be in it does. */
static int finish_dir(const char *path, mode_t mode)
{
	int r;

	if (chmod(path, mode) < 0)
		return -errno;
	r = sync_parent(AT_FDCWD, path);
	return r == -EACCES ? 0 : r; /* a parent to write to but not to read cannot be synced */
}

int fs_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r = 0;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) == 0)
			r = finish_dir(part, mode);
		else if (errno != EEXIST)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

int fs_claim_streams(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* the lowest that is free, so it is this one; not close-on-exec, as streams are
		 */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return -errno;
	}
	return 0;
}
