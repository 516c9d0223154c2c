/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/index_modes.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "keystore/db.h"

static int give(const char *path, gid_t group, mode_t mode)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() && chown(path, geteuid(), (gid_t)-1) < 0)
		return -errno;
	if (group != (gid_t)-1 && st.st_gid != group && chown(path, (uid_t)-1, group) < 0)
		return -errno;
	if ((st.st_mode & 07777) != mode && chmod(path, mode) < 0)
		return -errno;
	return 0;
}

int index_set_modes(const char *dir, gid_t group, struct report *report)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = { { "", INDEX_DIR_MODE },
		      { "data.mdb", INDEX_DATA_MODE },
		      { "lock.mdb", INDEX_LOCK_MODE } };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX];
		int r = fs_join(dir, files[i].name, path, sizeof(path));

		if (r == 0)
			r = give(path, group, files[i].mode);
		if (r == 0)
			continue;
		(void)report_set(report, r, "cannot give %s to the door's group: %s", path,
				 strerrordesc_np(-r));
		report_hint(report, "is this user a member of group %u?", (unsigned)group);
		return r;
	}
	return 0;
}
