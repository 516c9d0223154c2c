/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit log: DIR/00000001.log and following, one JSON object a line, written by the vault
 * alone. Each line has the hash of the one before (`prev`, BLAKE2b-256 of its bytes without the
 * newline) and a tag (`mac`, keyed BLAKE2b-256 of the line up to it) under a key that is
 * replaced by its own hash after every line, so that not even the running vault can rewrite
 * what it wrote. The end of the chain is kept in the keystore, in the transaction of the change
 * that the line is about.
 */
#ifndef ROTATED_VAULT_AUDIT_H
#define ROTATED_VAULT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/report.h"
#include "keystore/keystore.h"

struct audit;

enum {
	AUDIT_SEGMENT_MAX = 16 * 1024 * 1024, /* bytes, then the next file is begun */
	AUDIT_LINE_MAX = 4096,
	AUDIT_REQUEST_SIZE = 17, /* 16 hex digits */
};

struct audit_event {
	uint64_t wall;	     /* microseconds since 1970 */
	const char *event;   /* "credential.issue" */
	const char *actor;   /* "uid 0 pid 4712", "rotated" */
	const char *object;  /* service id or domain; NULL for none */
	uint32_t version;    /* 0 for none */
	const char *outcome; /* "intent", "ok", or why not */
	const char *request; /* joins intent and result */
	uint64_t txid;	     /* 0 for none */
};

/*
 * Opens the log in DIR (made 0700) and takes up the chain where it ends. END is what the
 * keystore remembers: lines that follow it are read and checked; an unfinished last line is cut
 * off. A log that ends before END, or whose end does not fit it, does not keep the vault from
 * working: a new segment goes on from END, audit_alarm() tells, and verification shows the
 * place for ever.
 */
must_check int audit_open(const char *dir, const struct keystore_audit *end, size_t segment_max,
			  struct audit **ret, struct report *report);
void audit_close(struct audit *a); /* wipes the key; NULL is allowed */

DEFINE_CLEANUP(struct audit, audit_close)
#define cleanup_audit cleanup_(audit_closep)

/*
 * Appends one line; on the disk when it returns 0 if IS_DURABLE. After a failure the log is as
 * it was before. A log that was removed or replaced under the vault is begun anew, with an
 * alarm.
 */
must_check int audit_append(struct audit *a, const struct audit_event *event, bool is_durable,
			    struct report *report);

/* A place in the log to go back to; wipe it. */
struct audit_mark {
	struct keystore_audit end;
	off_t size;
	unsigned segment;
};
void audit_mark(const struct audit *a, struct audit_mark *ret);

/* All lines since MARK are on the disk when it returns 0. After a failure the log is as it was
 * at MARK, unless a segment was begun since. */
must_check int audit_sync(struct audit *a, const struct audit_mark *mark,
			  struct report *report);

/* The end of the chain, for keystore_set_audit(). */
void audit_end(const struct audit *a, struct keystore_audit *ret);

/* The newest transaction that the lines after the end that the keystore remembered tell of, as
 * far as they are proven; 0 for none. A keystore that is older was rolled back. */
uint64_t audit_newest_txid(const struct audit *a);

/* What a person has to know about the log; NULL when it is well. */
const char *audit_alarm(const struct audit *a);

/* ---- reading (audit_read.c, audit_verify.c) ---- */

/* One line without its newline; LINE is borrowed for the call. Below 0 ends the walk. */
typedef int audit_line_fn(void *context, const char *line, size_t len);

/* All lines of all segments in order. -ENOENT without a log. RET_SEGMENTS may be NULL. */
must_check int audit_walk(const char *dir, audit_line_fn *fn, void *context,
			  unsigned *ret_segments);

/* What the chain needs of a line; -EBADMSG for a line of another form. */
struct audit_line {
	uint64_t seq;
	uint8_t prev[KEYSTORE_AUDIT_LEN];
	uint8_t mac[KEYSTORE_AUDIT_LEN];
	size_t mac_at; /* how much of the line the tag covers */
	size_t prev_at;
};
must_check int audit_line_parse(const char *line, size_t len, struct audit_line *ret);
/* The number behind KEY, such as "\"txid\":", in a line of our own; 0 for none. */
uint64_t audit_line_number(const char *line, size_t len, const char *key);
void audit_line_hash(const char *line, size_t len, uint8_t ret[static KEYSTORE_AUDIT_LEN]);
void audit_line_tag(const char *line, size_t len, const uint8_t key[static KEYSTORE_AUDIT_LEN],
		    uint8_t ret[static KEYSTORE_AUDIT_LEN]);
void audit_next_key(uint8_t key[static KEYSTORE_AUDIT_LEN]);

enum audit_state {
	AUDIT_OK,
	AUDIT_ALTERED,	 /* line `at` is not what was written */
	AUDIT_TRUNCATED, /* nothing follows line `at`, and there was more */
	AUDIT_GAP,	 /* line `at` does not follow the one before it */
};

struct audit_verdict {
	enum audit_state state;
	uint64_t records, first, last, at;
	unsigned segments;
};

/*
 * Checks the hash chain of the whole log up to END, and with FIRST_KEY (not NULL) the tag of
 * every line. Fails only when the log can not be read.
 */
must_check int audit_verify(const char *dir, const struct keystore_audit *end,
			    const uint8_t *first_key, struct audit_verdict *ret);

const char *audit_state_word(enum audit_state state);

#endif
