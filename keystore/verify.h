/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the whole store and holding it against META, anchor, keyring and its own sums, in
 * small steps between which everything else goes on. Nothing ends it at the first problem. Part
 * of keystore.h.
 */
#ifndef KEYSTORE_VERIFY_H
#define KEYSTORE_VERIFY_H

#include "keystore/keystore.h"

enum keystore_problem_type {
#define PROBLEM(id, word, hint) KEYSTORE_PROBLEM_##id,
#include "keystore/problems.def"
#undef PROBLEM
	KEYSTORE_PROBLEM_MAX_
};

enum {
	KEYSTORE_KEY_LEN = 32,	    /* of what stands for an id on disk */
	KEYSTORE_PROBLEMS_MAX = 64, /* that are listed; all are counted */
};

/* What a check has read. */
struct keystore_verify {
	uint64_t txid;
	uint64_t records;
	uint64_t tombstones;
	uint64_t unreadable; /* records of a sealed tier: counted and hashed, not opened */
};

struct keystore_problem {
	enum keystore_problem_type type;
	bool has_key;
	uint8_t key[KEYSTORE_KEY_LEN]; /* which id it is about; keystore_key_of() */
	char what[REPORT_TEXT_MAX];
};

struct keystore_verdict {
	struct keystore_verify totals;
	uint64_t readable_auth, readable_issuer; /* records that open */
	uint64_t problem_count;
	size_t listed;
	struct keystore_problem problems[KEYSTORE_PROBLEMS_MAX];
};

struct keystore_check;
struct keystore_id;

/* A check of the store as it is now, whatever is changed meanwhile. -ENOKEY while AUTH is
 * sealed. Must be freed before the keystore is closed. */
must_check int keystore_check_begin(struct keystore *ks, struct keystore_check **ret,
				    struct report *report);
/* Some milliseconds of work: 1 when there is more to do, 0 when the verdict is complete.
 * -ESTALE when the store was replaced under it (compacted, grown): begin again. -ENOKEY when it
 * was sealed. */
must_check int keystore_check_step(struct keystore_check *c, struct report *report);
/* How much of it is done: records and tombstones looked at. */
uint64_t keystore_check_seen(const struct keystore_check *c);
/* Borrowed from C. */
const struct keystore_verdict *keystore_check_verdict(const struct keystore_check *c);
void keystore_check_free(struct keystore_check *c); /* NULL is allowed */

/* All of it at once: 0, or -EBADMSG, -ESTALE with the first problem. RET may be NULL. */
must_check int keystore_verify(struct keystore *ks, struct keystore_verify *ret,
			       struct report *report);

const char *keystore_problem_word(enum keystore_problem_type type);
const char *keystore_problem_hint(enum keystore_problem_type type);

/* What stands for ID on disk, so that a problem can be given its name. Needs AUTH. */
must_check int keystore_key_of(const struct keystore *ks, const struct keystore_id *id,
			       uint8_t ret[static KEYSTORE_KEY_LEN]);

#endif
