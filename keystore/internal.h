/* SPDX-License-Identifier: BSD-2-Clause */
/* The handle's inside, for the files of this folder that share it: keystore.c opens and closes,
 * unlock.c holds the keys, state.c META and anchor, store.c reads, txn.c changes. */
#ifndef KEYSTORE_INTERNAL_H
#define KEYSTORE_INTERNAL_H

#include <limits.h>

#include "keystore/anchor.h"
#include "keystore/db.h"
#include "keystore/keyring.h"
#include "keystore/keystore.h"
#include "keystore/meta.h"
#include "keystore/record.h"
#include "keystore/sums.h"

#define KEYRING_NAME	  "keyring"
#define KEYRING_PREV_NAME "keyring.prev"
#define ANCHOR_NAME	  "anchor"
#define STORE_NAME	  "store"
#define STORE_COPY	  STORE_NAME "/data.mdb.new"

/* One state of the store, whatever is changed meanwhile; in snapshot.c. */
struct store_view {
	MDB_txn *txn; /* NULL: it was lost, or is closed */
	struct store_view *next;
};
struct record_pool;
struct store_copy;
struct datafile;

struct keystore {
	char dir[PATH_MAX];
	char store_dir[PATH_MAX];
	int dirfd; /* carries the lock that keeps other processes out */
	struct clock clock;
	struct rng rng;
	uint64_t pwhash_ops;
	uint64_t pwhash_mem;

	struct buf ring_bytes;
	struct keyring_file file; /* borrows from ring_bytes */
	bool from_prev;		  /* ring_bytes came from keyring.prev */

	/* The check of the data file, until something reads the store; NULL: it was passed, or
	 * db is a copy. While it is there, db may be NULL. */
	struct datafile *unchecked;
	struct report damage; /* that it found: db is what is left, and is only read */

	MDB_env *db;
	MDB_dbi cur;
	MDB_dbi hist;
	MDB_dbi meta_db;
	MDB_txn *reader;	  /* of keystore_get(); NULL: none was needed yet */
	struct record_pool *pool; /* store.c */
	MDB_dbi sums;
	struct store_view *snapshots; /* that are open */
	bool has_sums;		      /* false: a store of before there were any */

	/* NULL while sealed; in memory of keys_alloc() */
	struct auth_keys *auth;
	struct issuer_keys *issuer;
	struct meta *meta; /* as of the last commit; stays writable */

	struct quorum_pool *shares; /* those entered so far; NULL for none */
	uint8_t *scratch;	    /* RECORD_PLAIN_MAX bytes for one plaintext at a time */
	enum keystore_health health;
	uint64_t seen; /* the newest transaction that somebody else has proof of; 0: none */
	const char *seen_by;
	bool locked;		 /* all of the memory above is locked into RAM */
	bool walking;		 /* inside keystore_foreach(), which owns scratch */
	uint64_t walked;	 /* records that the last walk came by */
	uint64_t passed_over;	 /* of them, did not open */
	struct store_copy *copy; /* compact.c: NULL unless one is being made */
	/* txn.c: of the one transaction, all zero between two, since mapping and locking cost a
	 * tenth of a commit; NULL: none was made yet */
	void *txn_memory;
	bool in_txn;
	bool in_backup; /* a reader holds old pages */
	MDB_txn *backup_txn; /* of that; NULL: lost as the environment was opened anew */
	bool ring_is_ahead; /* a keyring that was refused has its name and is to give way */
	bool is_hurt;	/* a commit failed, and the store could not be opened to write since */
};

/* keystore.c */
/* Without CREATE, nothing may read records before store_settle_pages(). */
must_check int keystore_db_open(struct keystore *ks, bool create, struct report *report);
/* Fills db, cur, hist and meta_db from the environment at PATH with LMDB's FLAGS; db may be set
 * also after a failure. */
must_check int keystore_db_open_at(struct keystore *ks, const char *path, unsigned flags,
				   bool create);
/* files_check() of the file or directory NAME. */
must_check int keystore_check_file(const struct keystore *ks, const char *name, mode_t type,
				   struct report *report);

/* Whether KEY may open a new slot: -EINVAL for its length. */
must_check int keystore_check_key(enum keystore_slot_type type, const struct secret *key,
				  struct report *report);

/* snapshot.c: S is the caller's, and must be closed before the keystore is. */
must_check int store_view_open(struct keystore *ks, struct store_view *s);
void store_view_close(struct keystore *ks, struct store_view *s);
/* Before the map moves, the file is replaced or keys of records are destroyed. */
void store_view_break_all(struct keystore *ks);

/* ringfile.c */
/* Reads the keyring, or keyring.prev when that cannot be decoded. */
must_check int keystore_ring_load(struct keystore *ks, struct report *report);
/* Whether there is a keyring.prev that is not loaded already. */
bool ring_has_prev(const struct keystore *ks);
must_check int ring_load_prev(struct keystore *ks);
/* A keyring that opened is the one to have under its own name. */
void ring_settle(struct keystore *ks);
/* Tries again to put the keyring that is open in the place of one that was refused. */
void ring_put_back(struct keystore *ks);

/* salvage.c */
/* Waits for the end of the check of the pages. When it found damage, DB becomes what is left
 * and DAMAGE says so. -ENOSPC when there is no room for that. */
must_check int store_settle_pages(struct keystore *ks, struct report *report);

/* state.c */
/* 0, or -EBADMSG with what is damaged. */
must_check int state_is_whole(const struct keystore *ks, struct report *report);
must_check int state_load(struct keystore *ks, struct report *report);
void state_forget(struct keystore *ks);
/* META as TXN sees it. -EBADMSG. */
must_check int state_meta_of(struct keystore *ks, MDB_txn *txn, struct meta *ret);
/* Brings the anchor up to META. An anchor that stays behind is no danger but to the detection
 * of a rollback of that one transaction, so callers that have committed pass over a failure. */
must_check int state_write_anchor(struct keystore *ks);
/* The whole file, durably, with the newest slot alone; makes it if it is lost. */
must_check int state_replace_anchor(struct keystore *ks);
/* The newest transaction that the anchor or somebody else knows; 0 when they know none. */
uint64_t state_newest_txid(const struct keystore *ks);
/* A new anchor for META as it is; the store is healthy from then on. */
must_check int state_accept(struct keystore *ks);
/* 0, or -ENOKEY, -ESTALE, with the report filled. */
must_check int state_may_change(const struct keystore *ks, struct report *report);

/* Looks again at META and anchor on disk. */
must_check int state_check(struct keystore *ks, struct report *report);

/* META in the open environment. -EBADMSG. */
must_check int state_read_meta(struct keystore *ks, struct meta *ret);
/* 0 when META in the open environment is that of the last commit, or -EBADMSG. */
must_check int state_same(struct keystore *ks);

/* True when META on disk is under the key of now, not of before the roots changed. */
bool state_is_bound(struct keystore *ks);

/* state_write_anchor(), synced. */
must_check int state_sync_anchor(struct keystore *ks);

/* store.c */
/* The active or the wanted epoch of a record's tier; NULL when it is sealed or unknown. */
const struct epoch *store_epoch(const struct keystore *ks, const struct record_header *h);
must_check int store_pool_new(struct record_pool **ret);
void store_pool_free(struct record_pool *pool); /* NULL is allowed */
/* Before the environment is closed. */
void store_drop_reader(struct keystore *ks);
/* Wipes what opening a value of LEN bytes, of any length, may have left in scratch. */
void store_wipe_scratch(struct keystore *ks, size_t len);
/* The newest entry of HASH in hist, or -ENOENT. RET_KEY has RECORD_KEY_MAX bytes. */
must_check int store_newest_hist(struct keystore *ks, MDB_txn *txn, const uint8_t *hash,
				 uint8_t *ret_key, struct span *ret_value);

/* unlock.c */
/* Says in REPORT what the failure R of a slot of TYPE means; returns R. */
int ring_tell(struct report *report, int r, const struct keystore *ks,
	      enum keystore_slot_type type);
/* The slot ID of the loaded keyring; NULL when there is none. */
const struct keyring_slot *ring_slot(const struct keystore *ks, const uint8_t *id);
/* -ENOENT, and says so. */
int ring_no_slot(const uint8_t *id, struct report *report);
/* Opens the tiers of one slot with its key encryption key; for a quorum, what its shares
 * combine to. */
must_check int ring_unlock_kek(struct keystore *ks,
			       const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			       const uint8_t kek[static SEAL_KEY_LEN], struct report *report);

/* ringfile.c */
/* Makes BYTES the keyring file, and what is open keyring.prev. After a failure the file is as
 * it was, as far as the disk still lets us. */
must_check int ring_replace(struct keystore *ks, const struct buf *bytes);
/* Overwrites and removes keyring.prev. The caller has proven the keyring. */
void ring_drop_prev(struct keystore *ks);

/* mend.c */
/* After the commit of NEXT (NULL: of none) has failed with FAILURE. 0 when NEXT is on the disk
 * all the same, else FAILURE, and the handle goes on with what it was; at least it reads. */
must_check int store_settle(struct keystore *ks, const struct meta *next, int failure);
/* Before a change: 0, or why none can be made since a commit failed. */
must_check int store_mend(struct keystore *ks, struct report *report);

/* rekey.c */
/* After META's keys have changed: binds META and anchor to the new ones, and writes a keyring
 * without those of before. What does not work out is tried again at the next unlock. */
void ring_settle_keys(struct keystore *ks);
/* Whether both tiers are open and the store may change: 0, -ENOKEY, -ESTALE, -EBUSY. */
must_check int ring_may_change(const struct keystore *ks, struct report *report);

/* compact.c: puts a copy without free pages in the place of the store. -ENOSPC when there is no
 * room for it; after any failure the store is as it was. */
must_check int store_compact(struct keystore *ks, struct report *report);
/* The record at PLACE changes: a copy that is being made has to look at it again. */
void store_copy_touch(struct keystore *ks, const struct record_place *place);
/* Removes what an interrupted store_compact() left. */
void store_drop_copy(struct keystore *ks);

/* room.c */
struct store_load {
	unsigned changes;
	uint64_t bytes; /* sealed */
};
/* 0, or -ENOSPC when the disk has no room for TXN with what was put into it. */
must_check int store_check_room(const struct keystore *ks, MDB_txn *txn,
				const struct store_load *load, struct report *report);

/* txn.c */
/* Seals what is under the key AT anew, for the active epoch of its tier. The id, version and
 * content stay. -ENOKEY when the tier is sealed, -EBADMSG. */
must_check int txn_reseal(struct keystore_txn *txn, enum record_table table, struct span at);

/* Puts VALUE, which was sealed for that place before, where nothing is: -EEXIST. Quick in the
 * order of keys. Does not count as one of the KEYSTORE_TXN_MAX changes. */
must_check int txn_enter(struct keystore_txn *txn, enum record_table table, struct span key,
			 struct span value);

/* Commits META alone, to bind a new generation of the keyring. */
must_check int txn_commit_empty(struct keystore *ks, struct report *report);

#endif
