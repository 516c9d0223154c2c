/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that setup touches, kept as they were: in memory while it works, so that a failure
 * leaves nothing, and in CONFIG_DIR/rotated-setup (0700) for --undo. What is kept there is from
 * before the first setup, however many follow. A private part of the verb setup.
 */
#ifndef CLI_SETUP_UNDO_H
#define CLI_SETUP_UNDO_H

#include "base/buf.h"
#include "base/report.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SETUP_FILES_MAX = 3 }; /* main.cf, master.cf, the SASL configuration */

struct setup_file {
	char path[PATH_MAX];
	bool exists;
	bool lacks_folder; /* nor is the folder that it would be in */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct buf data;
};

struct setup_files {
	struct setup_file items[SETUP_FILES_MAX];
	size_t n;
};

void setup_files_release(struct setup_files *files);
#define cleanup_setup_files cleanup_(setup_files_release)

/* Reads PATH and adds it; one that is not there is kept as such. A link is refused: what it
 * leads to is somebody else's to manage. */
must_check int setup_files_add(struct setup_files *files, const char *path, struct report *r);

/* Writes every file that is not as it was kept, whole and with owner and mode, or removes it.
 */
must_check int setup_files_put_back(const struct setup_files *files, struct report *r);

/* Makes room for --undo before anything is changed: files that are not kept yet are. */
must_check int setup_undo_prepare(const char *config_dir, const struct setup_files *before,
				  struct report *r);

/* Afterwards: how the files were left, so that --undo knows whether somebody changed them since,
 * or had done so BEFORE. */
must_check int setup_undo_seal(const char *config_dir, const struct setup_files *before,
			       struct report *r);

/*
 * Puts back what is kept. -ENOENT: nothing is. -EBUSY: a file is not as setup left it, which
 * IS_FORCED overrides. With IS_DRY only looks.
 */
must_check int setup_undo(const char *config_dir, bool is_forced, bool is_dry,
			  struct report *r);

#endif
