/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a hook ended, by the contract `rotated-dns/1` (rotated-hooks(7)): its exit status, and
 * what it printed. Pure.
 */
#ifndef ROTATED_HANDS_HOOKRESULT_H
#define ROTATED_HANDS_HOOKRESULT_H

#include "base/buf.h"

#include <stdbool.h>

enum hook_result {
	HOOK_OK,
	HOOK_PENDING,	   /* accepted, and done later: somebody else's queue, or a person */
	HOOK_TEMPORARY,	   /* worth another try */
	HOOK_DENIED,	   /* not permitted: trying again will not help */
	HOOK_CONFIG,	   /* set up wrongly: trying again will not help */
	HOOK_UNKNOWN_VERB, /* the hook does not know what was asked */
	HOOK_TIMEOUT,	   /* stopped: the outcome is unknown */
	HOOK_CRASHED,	   /* ended by a signal that was not ours, or an undefined status */
	HOOK_RESULT_MAX_
};

enum {
	HOOK_STDOUT_MAX = 64 * 1024, /* bytes of standard output that are kept */
	HOOK_ITEMS_MAX = 32,	     /* results that are passed on */
	HOOK_NAME_SIZE = 256,
	HOOK_DETAIL_SIZE = 256,
};

enum hook_status { HOOK_STATUS_OK, HOOK_STATUS_PENDING, HOOK_STATUS_FAILED, HOOK_STATUS_MAX_ };

struct hook_item {
	char name[HOOK_NAME_SIZE];
	enum hook_status status;
	char detail[HOOK_DETAIL_SIZE]; /* printable; cut when longer; may be empty */
};

struct hook_output {
	struct hook_item items[HOOK_ITEMS_MAX];
	unsigned count;
	bool any_pending, any_failed; /* of all results, those beyond the limit too */
	bool has_serial;
	uint32_t serial; /* of the zone after the change */
};

const char *hook_result_word(enum hook_result result);
const char *hook_status_word(enum hook_status status);

/* From WAIT_STATUS of waitpid(2), for a hook that was not stopped by us. */
enum hook_result hook_result_from_status(int wait_status);

/* What the hook printed can only make an `ok` worse: an item that failed or is pending. */
enum hook_result hook_result_refine(enum hook_result result, const struct hook_output *o);

/* Reads {"results":[{"name":…,"status":…,"detail":…}],"serial":…}. Nothing at all, or only
 * blanks, is an empty output. -EBADMSG when it is not of that form; RET is untouched then. */
must_check int hook_output_parse(const void *data, size_t len, struct hook_output *ret);

/*
 * Appends to OUT, as lines NAME=VALUE, what a simple hook wants to know of the payload it is
 * given: ROTATED_ID and ROTATED_DRY_RUN, and if there is exactly one change ROTATED_OP, _NAME,
 * _VALUE and _TTL. A value with control characters is left out. -EBADMSG: not a JSON object.
 */
must_check int hook_payload_environment(const void *data, size_t len, struct buf *out);

/* The members "results" and "serial", if there are any, into an object that is open. */
struct json;
void hook_output_write(const struct hook_output *o, struct json *j);

#endif
