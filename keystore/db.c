/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

/* Of a lock file with room for LMDB's usual number of readers. */
enum { LOCK_LEN = 8192 };

int db_error(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
		return -ENOSPC;
	case MDB_MAP_RESIZED:
		return -EAGAIN;
	case MDB_READERS_FULL:
		return -EBUSY;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return -EBADMSG;
	default:
		return rc > 0 ? -rc : -EIO;
	}
}

void db_hint(struct report *report, int r, const char *dir)
{
	if (r == -EIO)
		report_hint(report,
			    "the disk may be full, which shows as this error: df -h %s; "
			    "otherwise look for disk errors: journalctl -k",
			    dir);
	else if (r == -ENOSPC)
		report_hint(report, "make room: df -h %s", dir);
	else if (r == -EBADMSG)
		report_hint(report, "the file is damaged; put back a backup of %s", dir);
	else if (r == -EACCES || r == -EPERM || r == -EROFS)
		report_hint(report, "look at owner, mode and mount: ls -lan %s; findmnt -T %s",
			    dir, dir);
	else if (r == -EINTR)
		report_hint(report, "a signal came in between: try again");
}

int db_report(struct report *report, int r, const char *what, const char *dir)
{
	if (r == 0)
		return 0;
	(void)report_set(report, r, "%s %s: %s", what, dir, strerrordesc_np(-r));
	db_hint(report, r, dir);
	return r;
}

int db_check_disk(int fd, struct report *report)
{
	static const unsigned long network[] = {
		NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, AFS_SUPER_MAGIC,  AFS_FS_MAGIC,
		CEPH_SUPER_MAGIC, CODA_SUPER_MAGIC, V9FS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return report_set(report, -errno, "cannot tell the file system");
	for (size_t i = 0; i < ARRAY_SIZE(network); i++) {
		if ((unsigned long)fs.f_type != network[i])
			continue;
		(void)report_set(report, -EMEDIUMTYPE,
				 "the keystore lies on a network file system, where shared "
				 "memory maps cannot be trusted");
		report_hint(report, "set path= in [keystore] of rotated.conf to a local disk");
		return -EMEDIUMTYPE;
	}
	return 0;
}

int db_check_room(const char *dir, uint64_t need, struct report *report)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs(dir, &fs) < 0)
		return report_set(report, -errno, "%s: %s", dir, strerrordesc_np(errno));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= need)
		return 0;
	(void)report_set(report, -ENOSPC,
			 "%s: %" PRIu64 " KiB free, this change may take %" PRIu64 " KiB", dir,
			 room / 1024, need / 1024);
	report_hint(report, "make room: df -h %s", dir);
	return -ENOSPC;
}

static uint64_t db_used(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat stat;

	(void)mdb_env_info(env, &info); /* fail only for a NULL */
	(void)mdb_env_stat(env, &stat);
	return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

int db_fill_up(MDB_env *env)
{
	uint64_t used = db_used(env);
	struct stat st;
	mdb_filehandle_t fd;

	(void)mdb_env_get_fd(env, &fd); /* fails only for a NULL */
	if (fstat(fd, &st) < 0)
		return -errno;
	/* pages that a transaction took and gave back may be missing from a whole file, too */
	if ((uint64_t)st.st_size < used && ftruncate(fd, (off_t)used) < 0)
		return -errno;
	return 0;
}

int db_reserve_lock(const char *path, mode_t mode)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	/* a descriptor of one that is in use must not be closed: its locks would go with it */
	if (lstat(path, &st) == 0 && st.st_size >= LOCK_LEN && st.st_blocks > 0)
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	do
		r = posix_fallocate(fd, 0, LOCK_LEN);
	while (r == EINTR);
	return -r;
}

bool db_must_grow(MDB_env *env, uint64_t ahead)
{
	MDB_envinfo info;

	(void)mdb_env_info(env, &info); /* fails only for a NULL */
	return info.me_mapsize - db_used(env) < ahead;
}

int db_grow(MDB_env *env, uint64_t ahead)
{
	uint64_t used = db_used(env);
	MDB_envinfo info;
	uint64_t size;

	(void)mdb_env_info(env, &info); /* fails only for a NULL */
	size = info.me_mapsize;
	if (size - used >= ahead)
		return 0;
	while (size - used < ahead)
		size *= 2;
	return db_error(mdb_env_set_mapsize(env, size));
}
