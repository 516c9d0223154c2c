/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading many records at once. What is given is sealed at once and laid aside, sealed, in a
 * file without a name; the steps then put it into the store in the order of its keys, in large
 * transactions, each durable. Part of keystore.h.
 *
 * Ids that are given twice, or (KEYSTORE_IMPORT_NEW) that the store has already, are found
 * before the first record is written. An import that is interrupted afterwards leaves a part
 * of its records, each whole and counted: it is begun again with KEYSTORE_IMPORT_RESUME, or
 * the store that it was made for is thrown away.
 */
#ifndef KEYSTORE_IMPORT_H
#define KEYSTORE_IMPORT_H

#include "keystore/keystore.h"

struct keystore_id;
struct keystore_import;
struct keystore_record;
struct keystore_tombstone;

enum keystore_import_mode {
	KEYSTORE_IMPORT_NEW, /* an id that the store has, live or as a tombstone, is refused */
	KEYSTORE_IMPORT_RESUME, /* it is passed over */
};

/* Needs AUTH and a healthy store. No transaction is open in between: others may go on. */
must_check int keystore_import_begin(struct keystore *ks, enum keystore_import_mode mode,
				     struct keystore_import **ret, struct report *report);

/* As keystore_put(); VERSION 0 stands for 1. -EINVAL, -ENOKEY, or what the disk says. */
must_check int keystore_import_put(struct keystore_import *imp,
				   const struct keystore_record *rec);

/* What is left of a record that was removed; an id has a record or a tombstone, not both. */
must_check int keystore_import_tombstone(struct keystore_import *imp,
					 const struct keystore_id *id,
					 const struct keystore_tombstone *t);

/*
 * One transaction, and before the first some milliseconds of putting in order what was given,
 * and of looking for ids that are there already: 1 when there is more to do, 0 when everything
 * is on the disk. -EEXIST with
 * the id in the report. Nothing can be put after the first step. After a failure the same step
 * can be tried again.
 */
must_check int keystore_import_step(struct keystore_import *imp, struct report *report);

/* Records and tombstones given, and how many of them are in the store. */
uint64_t keystore_import_total(const struct keystore_import *imp);
uint64_t keystore_import_done(const struct keystore_import *imp);

/* Forgets what was laid aside. NULL is allowed. */
void keystore_import_free(struct keystore_import *imp);

DEFINE_CLEANUP(struct keystore_import, keystore_import_free)
#define cleanup_import cleanup_(keystore_import_freep)

/* All the steps, and frees IMP either way. RET_TXID may be NULL. */
must_check int keystore_import_finish(struct keystore_import *imp, uint64_t *ret_txid,
				      struct report *report);

#endif
