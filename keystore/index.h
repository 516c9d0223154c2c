/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier index: login -> sealed verifier_entry, and facts (fact.h) beside them, in an
 * LMDB environment of its own. The vault alone writes it; the door reads it through a read-only
 * map, also while the vault is down. A rebuild fills a second table beside the one in use and
 * swaps them in one transaction, so a reader never sees half of one.
 */
#ifndef KEYSTORE_INDEX_H
#define KEYSTORE_INDEX_H

#include <sys/types.h>

#include "base/report.h"
#include "keystore/verifier.h"

struct index_reader;
struct index_writer;

enum {
	INDEX_BATCH_MAX = 1000,	  /* changes in one commit */
	INDEX_FACT_KEY_MAX = 511, /* bytes */
	INDEX_FACT_BODY_MAX = 65535,
	INDEX_FACT_STEP = 16 * 1024, /* a fact counts as one change for each of these begun */
};

/* The number is on disk. */
enum index_fact {
	INDEX_FACT_CERT = 1,
	INDEX_FACT_SENDER = 2,
	INDEX_FACT_SERVICE = 3,
};

/* What a fact is filed under, any bytes; borrowed. */
struct index_key {
	enum index_fact fact;
	const void *data;
	size_t len; /* 1 to INDEX_FACT_KEY_MAX */
};

/* ---- reading (the door) ---- */

/*
 * Remembers DIR; opens nothing yet, since the vault may not have made it. KEYS is borrowed and
 * must outlive the reader. Only one reader or writer of the same DIR in a process.
 */
must_check int index_reader_new(const char *dir, const struct verifier_keys *keys,
				struct index_reader **ret);
/* NEXT, borrowed as KEYS is, or NULL: read the index with these too, from when the vault has
 * sealed it with them. Which of the two it is shows from one state of the index to the next. */
void index_reader_set_next(struct index_reader *r, const struct verifier_keys *next);
void index_reader_free(struct index_reader *r); /* NULL is allowed */

DEFINE_CLEANUP(struct index_reader, index_reader_free)
#define cleanup_index_reader cleanup_(index_reader_freep)

/*
 * One lookup in a read transaction of its own. Opens the files when they have appeared or were
 * replaced. -ENOENT: the index is whole and has no such login. Anything else is trouble, to be
 * answered "try later": -EAGAIN no index yet or not built yet, -EBADMSG not sealed with these
 * keys, -EROFS the lock file cannot be written, -EACCES, -EIO...
 */
must_check int index_get(struct index_reader *r, const char *login, struct verifier_entry *ret);

/* The body of a fact, into SIZE bytes at RET. Errors as index_get(); -ENOBUFS: it is longer. */
must_check int index_get_fact(struct index_reader *r, const struct index_key *key, uint8_t *ret,
			      size_t size, size_t *ret_len);

/*
 * What is looked up from here to index_snapshot_end() is of one state of the index, which saves
 * work too. Keep it short: no page of that state is used again meanwhile. Errors as
 * index_get(), less -ENOENT; then nothing was begun.
 */
must_check int index_snapshot_begin(struct index_reader *r);
void index_snapshot_end(struct index_reader *r);

/* The store transaction that the index reflects. Errors as index_get(), less -ENOENT. */
must_check int index_reader_txid(struct index_reader *r, uint64_t *ret);

/* ---- writing (the vault) ---- */

struct index_options {
	const struct verifier_keys *keys; /* copied */
	const struct verifier_keys *next; /* copied; NULL, or what else it may be sealed with */
	gid_t group;			  /* of the door; (gid_t)-1: as it comes */
	void (*random)(void *context, void *out, size_t len); /* as struct keystore_env */
	void *random_context;
};

/*
 * Makes DIR 0750 and the files in it (data 0640, lock 0660) when they are not there. An index
 * that cannot be used (other keys, damaged) opens as empty and not built.
 */
must_check int index_writer_open(const char *dir, const struct index_options *options,
				 struct index_writer **ret, struct report *report);
/* What was wrong with the pages of the files that were found, which gave way to new ones; NULL
 * when nothing was. */
const struct report *index_writer_damage(const struct index_writer *w);

void index_writer_close(
	struct index_writer *w); /* drops what is not committed; NULL is allowed */

DEFINE_CLEANUP(struct index_writer, index_writer_close)
#define cleanup_index_writer cleanup_(index_writer_closep)

/* 0 and the store transaction it reflects; -EAGAIN when it has to be rebuilt: never built, or
 * changes were dropped since. */
must_check int index_writer_txid(struct index_writer *w, uint64_t *ret);

/*
 * Changes gather in one transaction until index_commit(); at most INDEX_BATCH_MAX: -E2BIG.
 * Replaces what LOGIN had. During a rebuild they go to both tables. Removing a login that is
 * not there is no failure. -EINVAL for an entry without versions or with too many. -ESTALE: the
 * files were replaced or removed; opening or rebuilding makes them anew.
 */
must_check int index_put(struct index_writer *w, const char *login,
			 const struct verifier_entry *entry);
must_check int index_remove(struct index_writer *w, const char *login);

/* The same for facts. -EINVAL for a key or a body out of bounds. */
must_check int index_put_fact(struct index_writer *w, const struct index_key *key,
			      const uint8_t *body, size_t len);
must_check int index_remove_fact(struct index_writer *w, const struct index_key *key);

/* Durable when it returns 0, and seen by every lookup that starts afterwards. TXID: the store
 * transaction that the index reflects from now on. A failure drops the changes. */
must_check int index_commit(struct index_writer *w, uint64_t txid, struct report *report);
/* Drops the changes, and with them a rebuild that is under way. What is committed afterwards
 * takes effect, but the index keeps its old store transaction until it is rebuilt. */
void index_abort(struct index_writer *w);

/*
 * Forgets readers that died in a lookup, whose pages would not be used again; how many there
 * were. Every commit does it first: this is for times in which nothing changes.
 */
must_check int index_writer_clear_readers(struct index_writer *w);

/*
 * A whole rebuild: begin; then, any number of times, rebuild_put() up to INDEX_BATCH_MAX and
 * rebuild_flush(); then finish. Between flushes put/remove/commit work as ever, and win over
 * rebuild_put() for the same login. A rebuild that was cut off starts anew at begin. After
 * -EBADMSG on the way the files are damaged: one more begin makes them anew.
 */
must_check int index_rebuild_begin(struct index_writer *w, struct report *report);
/* The same under other KEYS, which are copied: the finish swaps the keys with the table, so
 * that a reader which has both sets misses nothing. */
must_check int index_rebuild_begin_with(struct index_writer *w,
					const struct verifier_keys *keys,
					struct report *report);
/* Whether the index is sealed with KEYS. */
bool index_writer_has_keys(const struct index_writer *w, const struct verifier_keys *keys);
must_check int index_rebuild_put(struct index_writer *w, const char *login,
				 const struct verifier_entry *entry);
must_check int index_rebuild_put_fact(struct index_writer *w, const struct index_key *key,
				      const uint8_t *body, size_t len);
must_check int index_rebuild_flush(struct index_writer *w, struct report *report);
must_check int index_rebuild_finish(struct index_writer *w, uint64_t txid,
				    struct report *report);

#endif
