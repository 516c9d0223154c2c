/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls of libc that it takes the place of, and what becomes of them. No mmap(): LMDB
 * writes its pages with pwrite() and writev(), and what it writes through a map is its lock
 * file, which is made anew at every first open.
 *
 * The path of a descriptor is what it was opened by; the table of them is kept here because a
 * daemon that is not dumpable cannot look at /proc/self/fd.
 */
/* both names of each call have to be had */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include "tests/unit/faultshim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { DESCRIPTORS = 1024, IOV_PARTS = 64 };

/* what libc calls them: the tables of both are made from this */
#define CALLS(X)                                                                               \
	X(ssize_t, write, (int, const void *, size_t))                                         \
	X(ssize_t, pwrite, (int, const void *, size_t, off_t))                                 \
	X(ssize_t, writev, (int, const struct iovec *, int))                                   \
	X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                           \
	X(ssize_t, read, (int, void *, size_t))                                                \
	X(ssize_t, pread, (int, void *, size_t, off_t))                                        \
	X(int, fsync, (int))                                                                   \
	X(int, fdatasync, (int))                                                               \
	X(int, ftruncate, (int, off_t))                                                        \
	X(int, fallocate, (int, int, off_t, off_t))                                            \
	X(int, openat, (int, const char *, int, ...))                                          \
	X(int, close, (int))                                                                   \
	X(int, renameat2, (int, const char *, int, const char *, unsigned))                    \
	X(int, unlinkat, (int, const char *, int))                                             \
	X(int, mkdirat, (int, const char *, mode_t))                                           \
	X(int, fstatfs, (int, struct statfs *))

#define REAL_MEMBER(ret, name, arguments) ret(*name) arguments;
static struct {
	CALLS(REAL_MEMBER)
} real;

static struct {
	char dir[PATH_MAX];
	size_t dir_len;
	struct fault_plan *plan;
	char *paths[DESCRIPTORS]; /* as opened, absolute; NULL: not a file that we saw opened */
	fault_event_fn *record;
	void *record_context;
} shim;

/* ---- starting ---- */

static void *real_of(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

static void share_plan(void)
{
	static struct fault_plan fallback;
	const char *path = getenv("FAULT_PLAN");
	int fd = path ? real.openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *p = mmap(NULL, FAULT_PLAN_LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (path && fd < 0)
		abort(); /* a test that believes in faults which never come is worse */
	if (fd >= 0)
		(void)real.close(fd);
	shim.plan = p == MAP_FAILED ? &fallback : p;
}

/* Other constructors may open files before this one runs: each call starts here. */
static void start(void)
{
	if (shim.plan)
		return;
#define REAL_FIND(ret, name, arguments) *(void **)(void *)&real.name = real_of(#name);
	CALLS(REAL_FIND)
	share_plan();
	if (getenv("FAULT_DIR"))
		fault_below(getenv("FAULT_DIR"));
}

__attribute__((constructor)) static void start_early(void)
{
	start();
}

/* ---- the plan ---- */

void fault_below(const char *dir)
{
	start();
	if (!realpath(dir, shim.dir))
		abort();
	shim.dir_len = strlen(shim.dir);
	fault_disarm();
}

void fault_arm_lasting(enum fault_kind kind, unsigned calls, uint64_t nth, uint64_t lasting)
{
	start();
	*shim.plan = (struct fault_plan){
		.kind = kind,
		.calls = calls,
		.nth = nth,
		.lasting = lasting,
	};
}

void fault_arm(enum fault_kind kind, unsigned calls, uint64_t nth)
{
	fault_arm_lasting(kind, calls, nth, 1);
}

void fault_disarm(void)
{
	start();
	shim.plan->calls = 0;
}

const struct fault_plan *fault_last(void)
{
	start();
	return shim.plan;
}

void fault_record(fault_event_fn *seen, void *context)
{
	start();
	shim.record = seen;
	shim.record_context = context;
}

const char *fault_kind_name(enum fault_kind kind)
{
	static const char *const names[FAULT_KIND_MAX_] = {
		[FAULT_NONE] = "NONE",
		[FAULT_EIO] = "EIO",
		[FAULT_ENOSPC] = "ENOSPC",
		[FAULT_EROFS] = "EROFS",
		[FAULT_EINTR] = "EINTR",
		[FAULT_EIO_LATE] = "EIO_LATE",
		[FAULT_SHORT] = "SHORT",
		[FAULT_SHORT_ENOSPC] = "SHORT_ENOSPC",
		[FAULT_KILL_BEFORE] = "KILL_BEFORE",
		[FAULT_KILL_MIDDLE] = "KILL_MIDDLE",
		[FAULT_KILL_AFTER] = "KILL_AFTER",
	};

	return kind < FAULT_KIND_MAX_ ? names[kind] : "?";
}

/* ---- whether a call is one of ours ---- */

struct call {
	enum fault_call type;
	const char *name;
	char path[PATH_MAX]; /* absolute; empty: none of ours */
	size_t len;	     /* of a write */
};

static bool is_below(const char *path)
{
	return shim.dir_len > 0 && strncmp(path, shim.dir, shim.dir_len) == 0 &&
	       (path[shim.dir_len] == '/' || path[shim.dir_len] == '\0');
}

/* Below the directory, without the slash. */
static const char *inside(const char *path)
{
	path += shim.dir_len;
	return *path == '/' ? path + 1 : path;
}

static const char *path_of(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS ? shim.paths[fd] : NULL;
}

static void resolve(int dirfd, const char *name, char ret[static PATH_MAX])
{
	char here[PATH_MAX];
	const char *base = "";

	if (name[0] != '/')
		base = dirfd == AT_FDCWD ? getcwd(here, sizeof(here)) : path_of(dirfd);
	if (!base || snprintf(ret, PATH_MAX, "%s%s%s", base, name[0] == '/' ? "" : "/", name) >=
			     PATH_MAX)
		ret[0] = '\0';
	if (strcmp(name, ".") == 0 && ret[0])
		ret[strlen(ret) - 2] = '\0';
}

static void call_of_path(struct call *c, enum fault_call type, const char *name, int dirfd,
			 const char *path)
{
	start();
	c->type = type;
	c->name = name;
	c->len = 0;
	resolve(dirfd, path, c->path);
	if (!is_below(c->path))
		c->path[0] = '\0';
}

/* False for a descriptor of no file below the directory, which is the usual case. */
static bool call_of_fd(struct call *c, enum fault_call type, const char *name, int fd)
{
	const char *path;

	start();
	path = path_of(fd);
	if (!path || !is_below(path))
		return false;
	c->type = type;
	c->name = name;
	c->len = 0;
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	return true;
}

/* Not every call can end in every way. */
static bool can_be(const struct call *c, uint32_t kind)
{
	switch (kind) {
	case FAULT_SHORT:
	case FAULT_KILL_MIDDLE:
		return c->type == FAULT_WRITE && c->len > 1;
	case FAULT_SHORT_ENOSPC:
		return c->type == FAULT_WRITE;
	case FAULT_ENOSPC:
	case FAULT_EROFS:
		return c->type != FAULT_READ;
	case FAULT_EIO_LATE:
		return c->type & (FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE);
	case FAULT_EINTR:
		return c->type & (FAULT_WRITE | FAULT_READ | FAULT_TRUNCATE | FAULT_OPEN);
	default:
		return true;
	}
}

/* What is to become of this call; FAULT_NONE for nothing. */
static enum fault_kind fate(const struct call *c)
{
	struct fault_plan *p = shim.plan;
	uint32_t kind = p->kind;
	uint64_t lasting = p->lasting ? p->lasting : 1;
	uint64_t n;

	if (!c->path[0] || !(p->calls & c->type) || !can_be(c, kind))
		return FAULT_NONE;
	n = __atomic_add_fetch(&p->seen, 1, __ATOMIC_SEQ_CST);
	if (kind == FAULT_SHORT_ENOSPC && lasting < 2)
		lasting = 2;
	if (p->nth == 0 || n < p->nth || n - p->nth >= lasting)
		return FAULT_NONE;
	(void)__atomic_add_fetch(&p->hits, 1, __ATOMIC_SEQ_CST);
	(void)snprintf(p->what, sizeof(p->what), "%s %.150s", c->name, inside(c->path));
	if (kind == FAULT_SHORT_ENOSPC)
		return n == p->nth && c->len > 1 ? FAULT_SHORT : FAULT_ENOSPC;
	return kind;
}

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

/* True when the call must not be made: errno says why. */
static bool is_refused(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_EIO:
		errno = EIO;
		return true;
	case FAULT_ENOSPC:
		errno = ENOSPC;
		return true;
	case FAULT_EROFS:
		errno = EROFS;
		return true;
	case FAULT_EINTR:
		errno = EINTR;
		return true;
	case FAULT_KILL_BEFORE:
		die();
		return true;
	case FAULT_EIO_LATE:
	case FAULT_NONE:
	case FAULT_SHORT:
	case FAULT_SHORT_ENOSPC:
	case FAULT_KILL_MIDDLE:
	case FAULT_KILL_AFTER:
	case FAULT_KIND_MAX_:
	default:
		return false;
	}
}

static bool is_half(enum fault_kind kind)
{
	return kind == FAULT_SHORT || kind == FAULT_KILL_MIDDLE;
}

/* What the caller is told, if it lives. */
static ssize_t after(enum fault_kind kind, ssize_t result)
{
	if (kind == FAULT_KILL_AFTER || kind == FAULT_KILL_MIDDLE)
		die();
	if (kind != FAULT_EIO_LATE)
		return result;
	errno = EIO;
	return -1;
}

/* ---- telling the recorder ---- */

static void tell(const struct fault_event *e)
{
	int saved = errno;

	if (shim.record)
		shim.record(shim.record_context, e);
	errno = saved;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Where a write without an offset goes. */
static uint64_t offset_of(int fd)
{
	struct stat st;

	if (fcntl(fd, F_GETFL) & O_APPEND)
		return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return (uint64_t)lseek(fd, 0, SEEK_CUR);
}

static void tell_data(const struct call *c, int fd, uint64_t offset, const void *data,
		      ssize_t len)
{
	if (!shim.record || len <= 0)
		return;
	tell(&(struct fault_event){
		.type = FAULT_EVENT_DATA,
		.inode = inode_of(fd),
		.path = inside(c->path),
		.offset = offset,
		.data = data,
		.len = (size_t)len,
		.is_durable = fcntl(fd, F_GETFL) & O_DSYNC,
	});
}

static void tell_fd(enum fault_event_type type, const struct call *c, int fd, uint64_t offset)
{
	if (shim.record)
		tell(&(struct fault_event){
			.type = type,
			.inode = inode_of(fd),
			.path = inside(c->path),
			.offset = offset,
		});
}

/* ---- writing ---- */

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	struct call c;
	enum fault_kind kind;
	uint64_t offset;
	ssize_t n;

	if (!call_of_fd(&c, FAULT_WRITE, "write", fd))
		return real.write(fd, data, len);
	c.len = len;
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	offset = shim.record ? offset_of(fd) : 0;
	n = real.write(fd, data, is_half(kind) ? len / 2 : len);
	tell_data(&c, fd, offset, data, n);
	return after(kind, n);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	struct call c;
	enum fault_kind kind;
	ssize_t n;

	if (!call_of_fd(&c, FAULT_WRITE, "pwrite", fd))
		return real.pwrite(fd, data, len, offset);
	c.len = len;
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	n = real.pwrite(fd, data, is_half(kind) ? len / 2 : len, offset);
	tell_data(&c, fd, (uint64_t)offset, data, n);
	return after(kind, n);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	return pwrite(fd, data, len, offset);
}

static size_t iov_len(const struct iovec *iov, int count)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* The first half of IOV in OUT; how many parts. */
static int half_of(const struct iovec *iov, int count, struct iovec out[static IOV_PARTS])
{
	size_t left = iov_len(iov, count) / 2;
	int n = 0;

	for (; n < count && n < IOV_PARTS && left > 0; n++) {
		out[n] = iov[n];
		if (out[n].iov_len > left)
			out[n].iov_len = left;
		left -= out[n].iov_len;
	}
	return n;
}

static void tell_iov(const struct call *c, int fd, uint64_t offset, const struct iovec *iov,
		     ssize_t n)
{
	for (size_t left = n > 0 ? (size_t)n : 0; left > 0; iov++) {
		size_t len = iov->iov_len < left ? iov->iov_len : left;

		tell_data(c, fd, offset, iov->iov_base, (ssize_t)len);
		offset += len;
		left -= len;
	}
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct iovec part[IOV_PARTS];
	struct call c;
	enum fault_kind kind;
	ssize_t n;

	if (!call_of_fd(&c, FAULT_WRITE, "pwritev", fd))
		return real.pwritev(fd, iov, count, offset);
	c.len = iov_len(iov, count);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	if (is_half(kind))
		n = real.pwritev(fd, part, half_of(iov, count, part), offset);
	else
		n = real.pwritev(fd, iov, count, offset);
	tell_iov(&c, fd, (uint64_t)offset, iov, n);
	return after(kind, n);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return pwritev(fd, iov, count, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	struct iovec part[IOV_PARTS];
	struct call c;
	enum fault_kind kind;
	uint64_t offset;
	ssize_t n;

	if (!call_of_fd(&c, FAULT_WRITE, "writev", fd))
		return real.writev(fd, iov, count);
	c.len = iov_len(iov, count);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	offset = shim.record ? offset_of(fd) : 0;
	if (is_half(kind))
		n = real.writev(fd, part, half_of(iov, count, part));
	else
		n = real.writev(fd, iov, count);
	tell_iov(&c, fd, offset, iov, n);
	return after(kind, n);
}

EXPORT int ftruncate(int fd, off_t len)
{
	struct call c;
	enum fault_kind kind;
	int r;

	if (!call_of_fd(&c, FAULT_TRUNCATE, "ftruncate", fd))
		return real.ftruncate(fd, len);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	r = real.ftruncate(fd, len);
	if (r == 0)
		tell_fd(FAULT_EVENT_SIZE, &c, fd, (uint64_t)len);
	return (int)after(kind, r);
}

EXPORT int ftruncate64(int fd, off64_t len)
{
	return ftruncate(fd, len);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
	struct call c;
	enum fault_kind kind;
	int r;

	if (!call_of_fd(&c, FAULT_TRUNCATE, "fallocate", fd))
		return real.fallocate(fd, mode, offset, len);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	r = real.fallocate(fd, mode, offset, len);
	return (int)after(kind, r);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	return fallocate(fd, mode, offset, len);
}

/* ---- syncing ---- */

static int sync_by(int (*sync)(int), const char *name, int fd)
{
	struct call c;
	enum fault_kind kind;
	int r;

	if (!call_of_fd(&c, FAULT_SYNC, name, fd))
		return sync(fd);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	r = sync(fd);
	if (r == 0)
		tell_fd(FAULT_EVENT_SYNC, &c, fd, 0);
	return (int)after(kind, r);
}

EXPORT int fsync(int fd)
{
	start();
	return sync_by(real.fsync, "fsync", fd);
}

EXPORT int fdatasync(int fd)
{
	start();
	return sync_by(real.fdatasync, "fdatasync", fd);
}

/* ---- reading ---- */

EXPORT ssize_t read(int fd, void *data, size_t len)
{
	struct call c;

	if (call_of_fd(&c, FAULT_READ, "read", fd) && is_refused(fate(&c)))
		return -1;
	return real.read(fd, data, len);
}

EXPORT ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	struct call c;

	if (call_of_fd(&c, FAULT_READ, "pread", fd) && is_refused(fate(&c)))
		return -1;
	return real.pread(fd, data, len, offset);
}

EXPORT ssize_t pread64(int fd, void *data, size_t len, off64_t offset)
{
	return pread(fd, data, len, offset);
}

/* ---- names ---- */

/* A file of O_TMPFILE has only the name of its directory. */
static void remember(int fd, const char *path, int flags)
{
	char name[PATH_MAX + sizeof("/(unnamed)")];

	if (fd < 0 || fd >= DESCRIPTORS)
		return;
	(void)snprintf(name, sizeof(name), "%s%s", path,
		       (flags & __O_TMPFILE) == __O_TMPFILE ? "/(unnamed)" : "");
	free(shim.paths[fd]);
	shim.paths[fd] = strdup(name);
}

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	struct call c;
	enum fault_kind kind;
	bool is_new;
	int fd;

	call_of_path(&c,
		     (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT) ? FAULT_READ
									   : FAULT_OPEN,
		     "open", dirfd, path);
	if (!c.path[0])
		return real.openat(dirfd, path, flags, mode);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	is_new = flags & O_CREAT && shim.record && faccessat(dirfd, path, F_OK, 0) < 0;
	fd = real.openat(dirfd, path, flags, mode);
	if (fd >= 0) {
		remember(fd, c.path, flags);
		if (is_new)
			tell_fd(FAULT_EVENT_MAKE, &c, fd, 0);
		else if (flags & O_TRUNC)
			tell_fd(FAULT_EVENT_SIZE, &c, fd, 0);
	}
	return (int)after(kind, fd);
}

static mode_t mode_of(int flags, va_list more)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN_BY(dirfd, path, flags)                                                            \
	do {                                                                                   \
		va_list more;                                                                  \
		mode_t mode;                                                                   \
		va_start(more, flags);                                                         \
		mode = mode_of(flags, more);                                                   \
		va_end(more);                                                                  \
		return open_at(dirfd, path, flags, mode);                                      \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	OPEN_BY(AT_FDCWD, path, flags);
}

EXPORT int open64(const char *path, int flags, ...)
{
	OPEN_BY(AT_FDCWD, path, flags | O_LARGEFILE);
}

EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	OPEN_BY(dirfd, path, flags);
}

EXPORT int openat64(int dirfd, const char *path, int flags, ...)
{
	OPEN_BY(dirfd, path, flags | O_LARGEFILE);
}

EXPORT int close(int fd)
{
	start();
	if (fd >= 0 && fd < DESCRIPTORS) {
		free(shim.paths[fd]);
		shim.paths[fd] = NULL;
	}
	return real.close(fd);
}

EXPORT int renameat2(int from, const char *path, int to, const char *name, unsigned flags)
{
	struct call c;
	struct call there;
	enum fault_kind kind;
	int r;

	call_of_path(&c, FAULT_RENAME, "rename", from, path);
	call_of_path(&there, FAULT_RENAME, "rename", to, name);
	if (!there.path[0])
		return real.renameat2(from, path, to, name, flags);
	kind = fate(&there);
	if (is_refused(kind))
		return -1;
	r = real.renameat2(from, path, to, name, flags);
	if (r == 0 && c.path[0])
		tell(&(struct fault_event){ .type = FAULT_EVENT_RENAME,
					    .path = inside(c.path),
					    .to = inside(there.path) });
	return (int)after(kind, r);
}

EXPORT int renameat(int from, const char *path, int to, const char *name)
{
	return renameat2(from, path, to, name, 0);
}

EXPORT int rename(const char *path, const char *name)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, name, 0);
}

EXPORT int unlinkat(int dirfd, const char *path, int flags)
{
	struct call c;
	enum fault_kind kind;
	int r;

	call_of_path(&c, FAULT_UNLINK, "unlink", dirfd, path);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	r = real.unlinkat(dirfd, path, flags);
	if (r == 0 && c.path[0])
		tell(&(struct fault_event){ .type = FAULT_EVENT_UNLINK,
					    .path = inside(c.path) });
	return (int)after(kind, r);
}

EXPORT int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct call c;
	enum fault_kind kind;
	int r;

	call_of_path(&c, FAULT_MKDIR, "mkdir", dirfd, path);
	kind = fate(&c);
	if (is_refused(kind))
		return -1;
	r = real.mkdirat(dirfd, path, mode);
	if (r == 0 && c.path[0])
		tell(&(struct fault_event){ .type = FAULT_EVENT_MKDIR,
					    .path = inside(c.path) });
	return (int)after(kind, r);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

/* FAULT_FS: the number of the file system that all of them are said to be, f_type of statfs(2). */
EXPORT int fstatfs(int fd, struct statfs *buf)
{
	const char *type = getenv("FAULT_FS");
	int r = real.fstatfs(fd, buf);

	if (r == 0 && type)
		buf->f_type = (__typeof__(buf->f_type))strtoul(type, NULL, 0);
	return r;
}
