/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the vault asks of the porter, and what may be made of the answer of a program: bytes in,
 * bytes out, nothing is run here.
 */
#ifndef ROTATED_UNLOCK_QUESTION_H
#define ROTATED_UNLOCK_QUESTION_H

#include "base/buf.h"
#include "base/report.h"
#include "base/secret.h"
#include "wire/verbs.h"

enum {
	QUESTION_ID_SIZE = 24,
	QUESTION_NAME_SIZE = 64,
	QUESTION_PROGRAM_SIZE = 256,
	QUESTION_BLOB_MAX = 4096,
	QUESTION_TIMEOUT_MAX = 600, /* seconds */
	QUESTION_ERROR_MAX = 4096,  /* bytes of standard error that are kept */
	KEY_MIN = 32,
	KEY_MAX = 4096, /* bytes */
};

enum question_kind {
	QUESTION_DECRYPT, /* Unlock.Open of a credential */
	QUESTION_ENCRYPT, /* Unlock.Seal */
	QUESTION_HELPER,  /* Unlock.Open of an exec slot */
};

enum question_result {
	QUESTION_OK,
	QUESTION_FAILED,
	QUESTION_TIMED_OUT,
	QUESTION_REFUSED, /* nothing was run */
	QUESTION_RESULT_MAX_
};

struct question {
	enum question_kind kind;
	char id[QUESTION_ID_SIZE];
	char name[QUESTION_NAME_SIZE];	     /* of a credential */
	char program[QUESTION_PROGRAM_SIZE]; /* of a helper */
	uint64_t timeout;		     /* microseconds */
	struct buf input;		     /* for standard input: the blob, or the key */
};

const char *question_result_word(enum question_result result);

/*
 * From an Unlock.Open or Unlock.Seal frame whose fields were checked against the table. RET is
 * overwritten, and to be released also after a failure. -EBADMSG without an id to answer to;
 * -EINVAL for anything else that is wrong, with a report.
 */
must_check int question_parse(const struct frame *f, enum wire_verb verb, struct question *ret,
			      struct report *report);
void question_release(struct question *q);

/*
 * The key in what a program printed: all of it; of a helper without one newline at the end,
 * unless fewer than KEY_MIN bytes would be left. -EINVAL with a report that names PROGRAM.
 */
must_check int question_key(const struct question *q, const char *program,
			    const struct buf *out, struct secret **ret, struct report *report);

/* The last two lines in ERR that say something, cut to SIZE; "" when there are none, or when
 * they repeat what is in OUT. */
void question_last_words(struct buf *err, const struct buf *out, char *ret, size_t size);

#endif
