/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/files.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "keystore/db.h"

static const char *type_word(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static int check_owner(const struct stat *st, const char *path, struct report *report)
{
	if (st->st_uid == geteuid())
		return 0;
	(void)report_set(report, -EPERM, "%s belongs to uid %u, and this is uid %u", path,
			 (unsigned)st->st_uid, (unsigned)geteuid());
	report_hint(report, "run it as the owner, or: chown -R %u %s", (unsigned)geteuid(),
		    path);
	return -EPERM;
}

static int check_mode(const struct stat *st, const char *path, mode_t forbidden, mode_t want,
		      struct report *report)
{
	if ((st->st_mode & forbidden) == 0)
		return 0;
	(void)report_set(report, -EPERM, "%s has mode %04o: others can reach the keys", path,
			 (unsigned)st->st_mode & 07777);
	report_hint(report, "chmod %04o %s", (unsigned)want, path);
	return -EPERM;
}

static int look(const struct files_place *place, mode_t type, char path[static PATH_MAX],
		struct stat *st, struct report *report)
{
	int r = place->name[0] ? fs_join(place->dir, place->name, path, PATH_MAX)
			       : fs_join("", place->dir, path, PATH_MAX);

	if (r < 0)
		return report_set(report, r, "%s: name too long", place->dir);
	if (fstatat(place->dirfd, place->dirfd == AT_FDCWD ? path : place->name, st,
		    AT_SYMLINK_NOFOLLOW) < 0) {
		r = report_set(report, -errno, "%s: %s", path, strerrordesc_np(errno));
		db_hint(report, r, place->dir);
		return r;
	}
	if ((st->st_mode & S_IFMT) == type)
		return 0;
	(void)report_set(report, -EPERM, "%s is %s and not %s", path, type_word(st->st_mode),
			 type_word(type));
	report_hint(report, "put %s there, from a backup: ls -lan %s", type_word(type), path);
	return -EPERM;
}

int files_check_type(const struct files_place *place, mode_t type, struct report *report)
{
	char path[PATH_MAX];
	struct stat st;

	return look(place, type, path, &st, report);
}

int files_check(const struct files_place *place, mode_t type, struct report *report)
{
	char path[PATH_MAX];
	struct stat st;
	int r = look(place, type, path, &st, report);

	if (r == 0)
		r = check_owner(&st, path, report);
	if (r < 0)
		return r;
	return check_mode(&st, path, S_IRWXG | S_IRWXO,
			  type == S_IFDIR ? FILES_DIR_MODE : FILES_MODE, report);
}

int files_check_dir(const struct stat *st, const char *path, mode_t mode, struct report *report)
{
	int r = check_owner(st, path, report);

	return r < 0 ? r : check_mode(st, path, S_IWGRP | S_IWOTH, mode, report);
}
