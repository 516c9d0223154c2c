/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole keystore as a stream of bytes that only its recovery keys open
 * (docs/keystore-format.md, "Backup"). Making one takes AUTH alone, so that it can run
 * unattended: what ISSUER has sealed stays sealed inside. One state of the store is shown,
 * however long it takes; changes go on meanwhile.
 */
#ifndef KEYSTORE_BACKUP_H
#define KEYSTORE_BACKUP_H

#include "keystore/keystore.h"

struct keystore_backup;
struct keystore_backup_reader;

/* What a backup is of. */
struct keystore_backup_info {
	uint8_t store_id[16];
	uint64_t txid; /* the state that it shows */
	uint64_t time; /* when it was begun, microseconds since 1970; a label: not proven */
	uint64_t generation; /* of its keyring */
	uint64_t records;
	uint64_t tombstones;
	uint64_t size; /* bytes so far; at the end, of all of it */
};

/* ---- making one ---- */

/*
 * Needs AUTH, and no other backup of KS under way (-EBUSY). Until it is freed, pages that the
 * store gives up are not used again, and keystore_compact_step() waits. KS must outlive it, and a
 * backup whose keystore is sealed ends with -ENOKEY.
 */
must_check int keystore_backup_begin(struct keystore *ks, struct keystore_backup **ret,
				     struct report *report);

/* Fills OUT with the next bytes: as many as there is room for, fewer only at the end. 0 in
 * RET_LEN: that was all. After a failure the backup is to be dropped. */
must_check int keystore_backup_next(struct keystore_backup *b, uint8_t *out, size_t size,
				    size_t *ret_len, struct report *report);

void keystore_backup_info(const struct keystore_backup *b, struct keystore_backup_info *ret);

/* At the end, or earlier to give it up. NULL is allowed. */
void keystore_backup_free(struct keystore_backup *b);

DEFINE_CLEANUP(struct keystore_backup, keystore_backup_free)
#define cleanup_backup cleanup_(keystore_backup_freep)

/* ---- reading one: everything is checked, nothing is written ---- */

/* One that RECOVERY, the text of a recovery key, shall open. -EINVAL for a mistyped key. */
must_check int keystore_backup_read(const struct secret *recovery,
				    struct keystore_backup_reader **ret, struct report *report);

/*
 * The next bytes, cut anywhere. -EBADMSG: not a backup, altered, out of order; -EOPNOTSUPP: of
 * a newer format; -EKEYREJECTED: for other recovery keys. The report names the chunk and where
 * it begins. After a failure every later call fails with the same.
 */
must_check int keystore_backup_push(struct keystore_backup_reader *r, const uint8_t *data,
				    size_t len, struct report *report);

/* That was all. -ENODATA: there must be more; it was cut short. RET may be NULL. */
must_check int keystore_backup_finish(struct keystore_backup_reader *r,
				      struct keystore_backup_info *ret, struct report *report);

void keystore_backup_reader_free(struct keystore_backup_reader *r); /* NULL is allowed */

DEFINE_CLEANUP(struct keystore_backup_reader, keystore_backup_reader_free)
#define cleanup_backup_reader cleanup_(keystore_backup_reader_freep)

#endif
