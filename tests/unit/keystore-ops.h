/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that can be done to a keystore, as a table, so that one test can interrupt each of
 * them at each point: by a disk that fails, by a kill, by a power cut. And what a keystore
 * holds, as a text, so that two of them can be compared record by record.
 *
 * Takes the place of libsodium's crypto_pwhash() by something quick: Argon2id is not what is
 * tested here.
 */
#ifndef TESTS_UNIT_KEYSTORE_OPS_H
#define TESTS_UNIT_KEYSTORE_OPS_H

#include "keystore/backup.h"
#include "tests/unit/keystore-fixture.h"

/* One keystore and what belongs to it. */
struct world {
	struct fixture *f;
	char dir[PATH_MAX];
	struct keystore *ks; /* open with both tiers, or NULL */
	struct keystore_reseal pass;
	struct keystore_backup *backup; /* under way, or NULL */
};

typedef int world_fn(struct world *w, struct report *report);

enum {
	OP_OPENS = 1, /* starts with ks NULL and leaves it open */
	OP_MAKES = 2, /* of nothing, and leaves ks NULL */
	OP_STEPS = 4, /* may stop half way by design: then the records are as ever */
};

struct op {
	const char *name;
	world_fn *prepare; /* NULL: the common beginning will do */
	world_fn *run;	   /* below 0: failed. May be called again then. */
	unsigned flags;
};

extern const struct op ops[];
extern const size_t op_count;

/* Puts the common beginning into w->dir, which must not be there: records of both tiers, small
 * and large, tombstones, an end of the audit log, a key file slot. Leaves ks open. */
void world_begin(struct world *w);
/* The state that OP starts from, ks NULL. */
void world_prepare(struct world *w, const struct op *op);
/* Makes w->dir a copy of the directory FROM, and opens it unless OP wants it otherwise. */
void world_take(struct world *w, const char *from, const struct op *op);
/* 0, or what keystore_open() or unlocking says. */
int world_open(struct world *w, struct report *report);
void world_close(struct world *w);

/* All of FROM but locks to TO, made anew. */
void copy_tree(const char *from, const char *to);
void remove_tree(const char *dir);

/* Two texts, to be freed. */
struct picture {
	char *records; /* and tombstones, and the end of the audit log */
	char *shape;   /* slots, and whether a reseal is under way */
};

/* Of what is open in W, which verifies; "none" for a world without keystore. */
struct picture world_picture(struct world *w);
/* The same, opened for it and closed. */
struct picture dir_picture(struct fixture *f, const char *dir);
void picture_release(struct picture *s);
bool picture_equal(const struct picture *a, const struct picture *b);
/* As far as OP promises it: those that work in steps may stop between the two shapes. */
bool picture_is_one_of(const struct picture *s, const struct picture *before,
		       const struct picture *after, const struct op *op);

#endif
