/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of an index writer, for the files that share it: index_open.c opens and closes the
 * environment, index_writer.c changes what is in it. */
#ifndef KEYSTORE_INDEX_INTERNAL_H
#define KEYSTORE_INDEX_INTERNAL_H

#include <limits.h>

#include "keystore/db.h"
#include "keystore/index.h"
#include "keystore/index_codec.h"

struct index_writer {
	char dir[PATH_MAX];
	gid_t group;
	struct rng rng;
	struct verifier_keys *keys; /* of META and of the table in use */
	struct verifier_keys *next; /* of the other table, while it is filled; NULL: the same */
	struct verifier_keys *spare; /* what else META may be sealed with; NULL: nothing */
	MDB_env *db;
	dev_t lock_dev; /* which lock file it has: LMDB keeps its descriptor to itself */
	ino_t lock_ino;
	MDB_dbi meta_db;
	MDB_dbi tables[2];
	MDB_txn *txn; /* NULL when nothing is pending */
	unsigned changes;
	int failed;	 /* a failure that spoils the pending transaction */
	bool rebuilding; /* the other table is being filled */
	bool given_up;	 /* by LMDB, and not opened again yet */
	bool damaged;	 /* LMDB met bytes that it did not write */
	bool behind;	 /* changes were dropped: only a rebuild makes it the store's image */
	struct report damage; /* of the files that were found */
	struct index_meta meta;
};

/* The path of the file NAME of the index. */
must_check int index_path(const struct index_writer *w, const char *name,
			  char path[static PATH_MAX]);
must_check int index_env_open(struct index_writer *w);
void index_env_close(struct index_writer *w);
/* Reads META with either set of keys; the one that fits becomes KEYS, the other SPARE. */
must_check int index_load_meta(struct index_writer *w);
/* In new files: what was there is damaged, and holds nothing that the store does not. */
must_check int index_env_make_anew(struct index_writer *w);

#endif
