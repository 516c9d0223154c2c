/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new keystore out of a backup, in a directory that has none. It has a store id, roots and
 * epochs of its own, so that neither is a copy of the other; the slots open with what opened
 * them before, the records keep their versions, logins and the audit chain go on. It can be
 * read at once; it can be changed when somebody has accepted it, who knows what was done since
 * the backup (origin.h).
 */
#ifndef KEYSTORE_RESTORE_H
#define KEYSTORE_RESTORE_H

#include "keystore/backup.h"

struct keystore_restore;

/*
 * DIR as for keystore_create(); -EEXIST when it holds a keystore. RECOVERY as for
 * keystore_backup_read(). Until keystore_restore_step() has returned 0 there is no keystore
 * in DIR, also after a crash; what an interrupted one left is removed by the next.
 */
must_check int keystore_restore_begin(const char *dir, const struct keystore_env *env,
				      const struct secret *recovery,
				      struct keystore_restore **ret, struct report *report);

/* As keystore_backup_push(), and the errors of writing. */
must_check int keystore_restore_push(struct keystore_restore *r, const uint8_t *data,
				     size_t len, struct report *report);

struct keystore_restored {
	struct keystore_backup_info from;
	uint8_t store_id[16]; /* the new one */
	uint64_t txid;
	unsigned slots;
};

/*
 * That was all. Each call is some milliseconds of putting in order, of writing and of reading
 * again what was written: 1 when there is more to do, 0 when it is a keystore, to be opened by
 * keystore_open(). Errors as keystore_backup_finish(), and those of writing.
 */
must_check int keystore_restore_step(struct keystore_restore *r, struct keystore_restored *ret,
				     struct report *report);

/* All the steps. */
must_check int keystore_restore_finish(struct keystore_restore *r,
				       struct keystore_restored *ret, struct report *report);

/* Before the last step it takes everything back. NULL is allowed. */
void keystore_restore_free(struct keystore_restore *r);

DEFINE_CLEANUP(struct keystore_restore, keystore_restore_free)
#define cleanup_restore cleanup_(keystore_restore_freep)

#endif
