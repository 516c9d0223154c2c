/* SPDX-License-Identifier: BSD-2-Clause */
/* Records: read one, walk many, change some in one durable transaction. Part of keystore.h. */
#ifndef KEYSTORE_STORE_H
#define KEYSTORE_STORE_H

#include "keystore/keystore.h"

/* Three NUL-terminated strings, not empty, no longer than KEYSTORE_PART_MAX and
 * KEYSTORE_NAME_MAX. None of them is visible on disk. */
struct keystore_id {
	const char *space;
	const char *kind;
	const char *name;
};

struct keystore_record {
	struct keystore_id id;
	enum keystore_tier tier; /* KEYSTORE_AUTH or KEYSTORE_ISSUER */
	uint64_t version;     /* of this id; grows with every put and remove, is never reused */
	uint64_t txid;	      /* that wrote it; put ignores it */
	uint64_t created;     /* microseconds since 1970; put takes 0 as now */
	uint8_t state;	      /* the caller's */
	const uint8_t *attrs; /* the caller's; NULL only with attrs_len 0 */
	size_t attrs_len;
	const uint8_t *body; /* the secret part */
	size_t body_len;
};

/*
 * RET and all that it points to are one object, wiped by keystore_record_free(). -ENOENT for an
 * id without a live record; -ENOKEY when it exists in a tier that is sealed.
 */
must_check int keystore_get(struct keystore *ks, const struct keystore_id *id,
			    struct keystore_record **ret);
void keystore_record_free(struct keystore_record *rec);

DEFINE_CLEANUP(struct keystore_record, keystore_record_free)
#define cleanup_record cleanup_(keystore_record_freep)

/* The last version an id had, live or removed; 0 when it never had one. Needs AUTH. */
must_check int keystore_last_version(struct keystore *ks, const struct keystore_id *id,
				     uint64_t *ret);

/* REC is borrowed for the call, and wiped after it. Below 0 stops the walk and is its result.
 */
typedef int keystore_visit_fn(void *context, const struct keystore_record *rec);

/*
 * Visits every live record of an open tier, in no useful order; SPACE and KIND narrow it when
 * not NULL. Reads the whole store (300,000 records a second). The visitor must not begin a
 * transaction. What does not open was altered, moved or added by somebody: it is passed over
 * and counted, so that it takes nothing else with it.
 */
must_check int keystore_foreach(struct keystore *ks, const char *space, const char *kind,
				keystore_visit_fn *visit, void *context);

/* How many records the last walk passed over, or should have found and did not: as many as META
 * counts. keystore_check_begin() names them. */
uint64_t keystore_passed_over(const struct keystore *ks);

/*
 * A transaction sees nothing of itself through keystore_get() until it is committed. One at a
 * time: -EBUSY. -ESTALE unless keystore_health() is KEYSTORE_HEALTHY. Needs AUTH.
 */
must_check int keystore_begin(struct keystore *ks, struct keystore_txn **ret,
			      struct report *report);

/* The same for a store that is rolled back, restored, or whose anchor is lost: its commit takes
 * the store as it is for the truth from now on, after a person has decided so or what is
 * missing is noted in the same transaction, and writes a new anchor. Its number is above every
 * one that the anchor knows. */
must_check int keystore_begin_accept(struct keystore *ks, struct keystore_txn **ret,
				     struct report *report);

/*
 * Seals REC into its tier, replacing what the id had. VERSION 0 stands for the next one; any
 * other must be above every earlier one: -EEXIST. RET_VERSION may be NULL. -EINVAL for an id,
 * tier, length or version out of bounds, -E2BIG for one change too many. After a failure the
 * transaction can still be used or dropped.
 */
must_check int keystore_put(struct keystore_txn *txn, const struct keystore_record *rec,
			    uint64_t *ret_version);

/* Leaves a tombstone with time, the next version and REASON, and nothing of the record. Needs
 * AUTH only, whatever the record's tier. -ENOENT. */
must_check int keystore_remove(struct keystore_txn *txn, const struct keystore_id *id,
			       const char *reason);

/*
 * A place in a transaction to come back to: several writers can share one, and the changes of
 * one of them be taken back. A mark is good until the transaction ends or an earlier mark is
 * gone back to.
 */
struct keystore_mark {
	size_t undo; /* the keystore's */
	unsigned changes;
	int failed;
};

struct keystore_mark keystore_mark(struct keystore_txn *txn);

/*
 * Records, counts and set hash become what they were at MARK; the audit end and what was
 * sealed for nothing do not. A change that failed after MARK does not keep the rest from being
 * committed any more. After a failure nothing of the transaction can be.
 */
must_check int keystore_undo(struct keystore_txn *txn, const struct keystore_mark *mark);

/* Changes that still fit in. */
unsigned keystore_txn_room(const struct keystore_txn *txn);

/* The audit chain's new end, to be kept with this transaction. */
void keystore_set_audit(struct keystore_txn *txn, const struct keystore_audit *audit);

/*
 * Makes it all durable, or nothing of it, and frees TXN either way. RET_TXID may be NULL.
 * When it returns 0 the changes are on the disk.
 */
must_check int keystore_commit(struct keystore_txn *txn, uint64_t *ret_txid,
			       struct report *report);

/* Drops it. NULL is allowed. */
void keystore_abort(struct keystore_txn *txn);

DEFINE_CLEANUP(struct keystore_txn, keystore_abort)
#define cleanup_txn cleanup_(keystore_abortp)

/* What is left of a removed record. */
struct keystore_tombstone {
	uint64_t version;
	uint64_t time; /* microseconds since 1970 */
	char reason[KEYSTORE_REASON_MAX + 1];
};

/* The tombstone of an id; -ENOENT when it has none or was put again since. */
must_check int keystore_get_tombstone(struct keystore *ks, const struct keystore_id *id,
				      struct keystore_tombstone *ret);

#endif
