/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's data file before LMDB reads records from it: all of it is held against pages.h,
 * by a thread of its own, since that takes as long as a third of an Argon2id. The thread has
 * its own map of the file, which nobody may change as long as this object is there.
 */
#ifndef KEYSTORE_DATAFILE_H
#define KEYSTORE_DATAFILE_H

#include "keystore/db.h"
#include "keystore/keystore.h"
#include "keystore/pages.h"

/* What to do about one that is damaged. */
#define DATAFILE_HINT                                                                          \
	"look for disk errors: journalctl -k; then stop rotated and put back a backup: "       \
	"docs/runbook-damage.md"

struct datafile;

struct datafile_place {
	int dirfd;
	const char *dir; /* for texts */
	const char *name;
	const char *const *tables; /* those that it may have, NULL at the end */
};

/*
 * Looks at the beginning of the file and begins with the rest. 0, also when the file is not
 * there or empty, since LMDB has not written to it then; -EBADMSG when nothing of it can be
 * used; -EIO when the disk does not give it; -EINVAL when it is no file.
 */
must_check int datafile_open(const struct datafile_place *place, struct datafile **ret,
			     struct report *report);

/*
 * Looks at the file that LMDB has open as DB, as the transaction TXID sees it, which must be
 * one that a reader holds; others may write meanwhile. -EAGAIN when the writer was so fast that
 * its beginning is gone.
 */
must_check int datafile_check_open(MDB_env *db, uint64_t txid, const char *const *tables,
				   struct pages_problem *ret);

/* Whether LMDB may open the file and its tables before datafile_wait() has said that it may
 * read in them. */
bool datafile_may_open(const struct datafile *d);

/* The end of it: 0, or -EBADMSG with what is damaged; -ETIMEDOUT when there is none yet: it can
 * be asked for again. */
must_check int datafile_wait(struct datafile *d, struct report *report);

/* Bytes; of the file as it was opened. */
uint64_t datafile_size(const struct datafile *d);

/* pages_salvage(). Not before datafile_wait() has had an answer. */
must_check int datafile_salvage(struct datafile *d, pages_entry_fn *visit, void *context);

/* Also while the thread is at work: it is stopped. NULL is allowed. */
void datafile_close(struct datafile *d);

DEFINE_CLEANUP(struct datafile, datafile_close)
#define cleanup_datafile cleanup_(datafile_closep)

#endif
