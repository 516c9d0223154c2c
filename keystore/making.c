/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/making.h"

#include <fcntl.h>

#include "base/fs.h"

#define MARK_NAME "restoring"

enum { MARK_MODE = 0600 };

int making_mark(struct keystore *ks, struct report *report)
{
	return db_report(report, fs_replace(ks->dirfd, MARK_NAME, "", 0, MARK_MODE),
			 "cannot write to", ks->dir);
}

int making_ring(struct keystore *ks, const struct buf *file, struct report *report)
{
	/* an empty one after a power cut would be taken for one that was lost */
	int r = state_replace_anchor(ks);

	if (r == 0)
		r = fs_replace(ks->dirfd, KEYRING_NAME, file->data, file->len, 0600);
	/* it may have its name already, and its recovery key would never be shown */
	if (r < 0)
		(void)unlinkat(ks->dirfd, KEYRING_NAME, 0);
	return db_report(report, r, "cannot write the keyring in", ks->dir);
}

void making_unmark(struct keystore *ks)
{
	(void)unlinkat(ks->dirfd, MARK_NAME, 0); /* with a keyring beside it, it says nothing */
	(void)fsync(ks->dirfd);
}

/* The mark last, so that a crash in between goes on here. */
static void remove_files(struct keystore *ks)
{
	static const char *const names[] = {
		STORE_NAME "/data.mdb",
		STORE_NAME "/lock.mdb",
		STORE_NAME "/import.new",
		STORE_NAME "/data.mdb.new",
		ANCHOR_NAME,
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(ks->dirfd, names[i], 0); /* most are not there */
	(void)unlinkat(ks->dirfd, STORE_NAME, AT_REMOVEDIR);
	(void)fsync(ks->dirfd);
	making_unmark(ks);
}

void making_take_back(struct keystore *ks)
{
	if (ks->db)
		mdb_env_close(steal_ptr(ks->db));
	remove_files(ks);
}

static bool has(const struct keystore *ks, const char *name)
{
	return faccessat(ks->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void making_settle(struct keystore *ks)
{
	if (!has(ks, MARK_NAME))
		return;
	if (has(ks, KEYRING_NAME) || has(ks, KEYRING_PREV_NAME))
		making_unmark(ks);
	else
		remove_files(ks);
}
