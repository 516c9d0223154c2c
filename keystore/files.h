/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file of the keystore or of the index has to be before anything is read from it. */
#ifndef KEYSTORE_FILES_H
#define KEYSTORE_FILES_H

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/report.h"

/* Of what is the vault's alone. */
enum { FILES_MODE = 0600, FILES_DIR_MODE = 0700 };

struct files_place {
	int dirfd;	  /* of DIR, or AT_FDCWD */
	const char *dir;  /* for texts; with AT_FDCWD the directory itself */
	const char *name; /* in DIR; with AT_FDCWD also "", for DIR itself */
};

/* 0 when PLACE is of TYPE (S_IFREG, S_IFDIR), and no symbolic link to one. -ENOENT and other
 * failures of lstat(), -EPERM for another type. Never opens it. */
must_check int files_check_type(const struct files_place *place, mode_t type,
				struct report *report);

/* The same, and -EPERM as well when it belongs to somebody else, or when others can reach it.
 */
must_check int files_check(const struct files_place *place, mode_t type, struct report *report);

/* Of a directory with the stat ST that others may pass through but not change: -EPERM when it
 * belongs to somebody else or others may write there. MODE is what it should have. */
must_check int files_check_dir(const struct stat *st, const char *path, mode_t mode,
			       struct report *report);

#endif
