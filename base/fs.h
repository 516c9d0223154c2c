/* SPDX-License-Identifier: BSD-2-Clause */
/* Files: read whole with a bound, replaced atomically, made with the right mode at birth. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

/* ROOT and PATH joined; ROOT may be empty, PATH is absolute or becomes so. -ENAMETOOLONG. */
must_check int fs_join(const char *root, const char *path, char *ret, size_t size);

/* Reads the regular file NAME under DIRFD (AT_FDCWD allowed) into RET, at most MAX bytes.
 * -EFBIG when it is larger, -EISDIR or -EINVAL when it is not a regular file. */
must_check int fs_read(int dirfd, const char *name, size_t max, struct buf *ret);

/*
 * Replaces NAME under DIRFD as a whole: a temporary beside it with MODE from birth, written,
 * fsynced, renamed over, directory fsynced. After a failure the old file is as it was and no
 * temporary is left.
 */
must_check int fs_replace(int dirfd, const char *name, const void *data, size_t len,
			  mode_t mode);

/* All of DATA or a negative errno. */
must_check int fs_write_all(int fd, const void *data, size_t len);

/*
 * For the first line of main(): puts /dev/null where descriptor 0, 1 or 2 is closed, the wrong
 * way round, so that its use stays an error. Otherwise the next file or socket to be opened
 * would stand there, and what is meant for the log would be written into it.
 */
must_check int fs_claim_streams(void);

/* Makes PATH and its parents, durably. Those it makes have MODE, whatever the umask; one that
 * is there already is left. */
must_check int fs_make_dirs(const char *path, mode_t mode);

#endif
