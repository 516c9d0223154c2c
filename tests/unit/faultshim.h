/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that fails on demand: takes the place of libc's calls that change or sync files, in this
 * program and in the libraries it has loaded, and lets all of them through but the one that is
 * wanted. Acts only below one directory. Linked into a test program, or as faultshim.so in
 * LD_PRELOAD of a daemon, where the environment of the test says what to do:
 *
 *	FAULT_DIR	the directory
 *	FAULT_PLAN	a file of at least FAULT_PLAN_LEN bytes that holds a struct fault_plan; it
 *			is shared with the test, which can change it at any moment
 *	FAULT_FS	a number that fstatfs() gives for the kind of the file system
 */
#ifndef TESTS_UNIT_FAULTSHIM_H
#define TESTS_UNIT_FAULTSHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_kind {
	FAULT_NONE, /* counts */
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_EROFS,
	FAULT_EINTR,	    /* where the system may say so */
	FAULT_EIO_LATE,	    /* a write or sync that is done, and reported to have failed */
	FAULT_SHORT,	    /* half of a write */
	FAULT_SHORT_ENOSPC, /* half of a write, and nothing of the next: a disk that fills up */
	FAULT_KILL_BEFORE,
	FAULT_KILL_MIDDLE, /* with half of a write done */
	FAULT_KILL_AFTER,
	FAULT_KIND_MAX_
};

/* Bits: which calls count. */
enum fault_call {
	FAULT_WRITE = 1,
	FAULT_SYNC = 2,
	FAULT_TRUNCATE = 4,
	FAULT_OPEN = 8, /* to write */
	FAULT_RENAME = 16,
	FAULT_UNLINK = 32,
	FAULT_MKDIR = 64,
	FAULT_READ = 128, /* also opening for it */
	FAULT_CHANGES = 127, /* all but FAULT_READ */
	FAULT_ALL = 255,
};

enum { FAULT_PLAN_LEN = 256, FAULT_WHAT_LEN = 192 };

/* In memory that is shared with the children of a fork, so that the parent of one that was
 * killed can read what it died of. In the machine's byte order; the integration tests write it
 * too. */
struct fault_plan {
	uint32_t kind;
	uint32_t calls;
	uint64_t nth;		   /* 1 is the next; 0 never */
	uint64_t lasting;	   /* how many calls from the nth on fail; 0 is as 1 */
	uint64_t seen;		   /* calls that counted */
	uint64_t hits;		   /* of them, those that were made to fail */
	char what[FAULT_WHAT_LEN]; /* the last that was: "pwrite store/data.mdb" */
};

_Static_assert(sizeof(struct fault_plan) <= FAULT_PLAN_LEN, "the size of the file");

/* Sets the directory, and lets everything through. */
void fault_below(const char *dir);

/* The NTH of CALLS from now on goes wrong as KIND says. Zeroes seen, hits and what. */
void fault_arm(enum fault_kind kind, unsigned calls, uint64_t nth);
/* The same for LASTING calls from the NTH on; UINT64_MAX is a disk that is gone for good. */
void fault_arm_lasting(enum fault_kind kind, unsigned calls, uint64_t nth, uint64_t lasting);
/* Lets everything through again; seen, hits and what stay to be read. */
void fault_disarm(void);
const struct fault_plan *fault_last(void);

/* "EIO", "KILL_AFTER". */
const char *fault_kind_name(enum fault_kind kind);

/* ---- what a disk would have to remember ---- */

enum fault_event_type {
	FAULT_EVENT_MAKE, /* a file came into being under PATH */
	FAULT_EVENT_DATA, /* LEN bytes at OFFSET of INODE; is_durable: the descriptor is O_DSYNC
			   */
	FAULT_EVENT_SIZE, /* INODE has OFFSET bytes now */
	FAULT_EVENT_SYNC, /* of INODE, a file or a directory */
	FAULT_EVENT_RENAME, /* PATH became TO */
	FAULT_EVENT_UNLINK, /* PATH is gone */
	FAULT_EVENT_MKDIR,  /* PATH */
};

struct fault_event {
	enum fault_event_type type;
	uint64_t inode;
	const char *path; /* below the directory; "" is the directory itself */
	const char *to;
	uint64_t offset;
	const void *data;
	size_t len;
	bool is_durable;
};

typedef void fault_event_fn(void *context, const struct fault_event *event);

/* Calls SEEN after every change or sync that was made, in order. NULL: no more. */
void fault_record(fault_event_fn *seen, void *context);

#endif
