/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a check of the store: verify.c reads, diagnose.c says what it means. */
#ifndef KEYSTORE_CHECK_H
#define KEYSTORE_CHECK_H

#include "keystore/internal.h"

/* A record that does not open, for the question whose it is. */
struct suspect {
	enum record_table table;
	size_t key_len;
	uint8_t key[RECORD_KEY_MAX];
	uint8_t header[RECORD_HEADER_LEN];
	size_t problem; /* its place among the problems */
};

enum check_phase { CHECK_CUR = RECORD_CUR, CHECK_HIST = RECORD_HIST, CHECK_COPIES, CHECK_DONE };

struct keystore_check {
	struct keystore *ks;
	struct store_view snapshot;
	enum check_phase phase;
	enum record_table table; /* that is being read */
	size_t at_len;		 /* of the last key; 0: before the first */
	uint8_t at[RECORD_KEY_MAX];

	struct meta *meta; /* of the snapshot; guarded memory */
	struct set_hash set;
	uint64_t count[RECORD_HIST + 1];
	uint64_t seen;
	struct sum sums[SUMS_BUCKETS];
	struct suspect suspects[KEYSTORE_PROBLEMS_MAX];
	size_t suspect_count;
	bool is_before_ring; /* of a keystore in the making: its keyring is not on disk yet */
	bool is_cut;	     /* a part of a table could not be read */
	struct keystore_verdict verdict;
};

/* One more problem, about the record KEY (NULL: none). Returns it, or NULL when there are too
 * many to list. */
struct keystore_problem *check_add(struct keystore_check *c, enum keystore_problem_type type,
				   const uint8_t *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* When it is complete: 0, or -EBADMSG, -ESTALE, -EIO with the first problem. */
must_check int check_outcome(const struct keystore_check *c, struct report *report);

/* "record 0123456789abcdef… in cur", for texts. */
enum { CHECK_WHERE_SIZE = 64 };
void check_where(enum record_table table, struct span key, char ret[static CHECK_WHERE_SIZE]);

/* After both tables were read: which records the sums miss, or have too many. */
void diagnose_sums(struct keystore_check *c);
/* Suspects that lie in another's place. */
void diagnose_moved(struct keystore_check *c);
/* A record with the nonce of a suspect, in another place, is what the suspect was copied from.
 */
void diagnose_copy(struct keystore_check *c, enum record_table table, struct span key,
		   struct span value);

#endif
