/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb and status tables as code: names, and which fields a frame may carry. */
#ifndef WIRE_VERBS_H
#define WIRE_VERBS_H

#include "wire/frame.h"

enum wire_verb {
#define VERB(id, name, socket, request, reply) WIRE_##id,
#include "wire/verbs.def"
#undef VERB
	WIRE_VERB_MAX_
};

enum wire_socket { WIRE_CONTROL, WIRE_DOOR, WIRE_WORKER, WIRE_UNLOCK, WIRE_AUTH, WIRE_PUSH };

enum wire_status {
#define STATUS(id, word, exit_code) WIRE_STATUS_##id,
#include "wire/status.def"
#undef STATUS
	WIRE_STATUS_MAX_
};

const char *wire_verb_name(enum wire_verb verb);
enum wire_socket wire_verb_socket(enum wire_verb verb);
const char *wire_status_word(enum wire_status status);
int wire_status_exit_code(enum wire_status status);

/*
 * Which verb a request asks for, after its fields were checked against the table. -EBADMSG: no
 * `verb`, a field that is unknown, missing or out of place. -EOPNOTSUPP: a verb that is unknown
 * or belongs to another socket. RET is untouched on failure.
 */
must_check int wire_check_request(const struct frame *f, enum wire_socket socket,
				  enum wire_verb *ret);

/* The status of a reply to VERB, after its fields were checked. -EBADMSG. */
must_check int wire_check_reply(const struct frame *f, enum wire_verb verb,
				enum wire_status *ret);

/* frame_begin() and the leading fields. */
void wire_begin_request(struct buf *out, enum wire_verb verb);
void wire_begin_reply(struct buf *out, enum wire_status status);

/* A whole reply that carries a message, and a hint unless NULL. */
struct report;
must_check int wire_reply_report(struct buf *out, enum wire_status status,
				 const struct report *r);

#endif
