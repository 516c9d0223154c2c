/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mark of a restored keystore: which backup it came out of. The restore seals it beside the
 * records of the backup before there is a keystore, and the transaction that takes the keystore
 * as it is for the truth (keystore_begin_accept()) removes it. Until then its health is
 * KEYSTORE_RESTORED, so whoever has to learn first what was done since the backup can not be
 * passed over: not by a crash, and not by a failure.
 */
#ifndef KEYSTORE_ORIGIN_H
#define KEYSTORE_ORIGIN_H

#include "keystore/keystore.h"

struct keystore_id;
struct keystore_import;

struct keystore_origin {
	uint8_t store_id[16]; /* of the store that the backup is of */
	uint64_t txid;	      /* the state that it shows */
	uint64_t time;	      /* when that was: META's, as a header's proves nothing */
};

/* -ENOENT: it was not restored, or was accepted since. Needs AUTH. */
must_check int keystore_origin_get(struct keystore *ks, struct keystore_origin *ret);

/* ---- for the files of this folder ---- */

bool origin_is_id(const struct keystore_id *id);
/* 1 when the store has the mark, whether or not it opens; 0; below 0 when it can not be read.
 */
must_check int origin_is_marked(struct keystore *ks);
/* Adds the mark to a restore; VERSION is above that of every earlier mark. */
must_check int origin_import(struct keystore_import *import, const struct keystore_origin *o,
			     uint64_t version);
/* Takes the mark away, if there is one. */
must_check int origin_remove(struct keystore_txn *txn);

#endif
