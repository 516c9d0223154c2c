/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/hookresult.h"

#include <sys/wait.h>

#include "base/json.h"

static const char *const words[] = {
	[HOOK_OK] = "ok",
	[HOOK_PENDING] = "pending",
	[HOOK_TEMPORARY] = "temporary",
	[HOOK_DENIED] = "denied",
	[HOOK_CONFIG] = "config",
	[HOOK_UNKNOWN_VERB] = "unknown-verb",
	[HOOK_TIMEOUT] = "timeout",
	[HOOK_CRASHED] = "crashed",
};

static const char *const statuses[] = {
	[HOOK_STATUS_OK] = "ok",
	[HOOK_STATUS_PENDING] = "pending",
	[HOOK_STATUS_FAILED] = "failed",
};

_Static_assert(ARRAY_SIZE(statuses) == HOOK_STATUS_MAX_, "a word for every status");

/* sysexits(3), of which these four have a meaning of their own here */
static const struct {
	int code;
	enum hook_result result;
} exits[] = {
	{ 0, HOOK_OK },	     { 64, HOOK_UNKNOWN_VERB }, { 75, HOOK_TEMPORARY },
	{ 77, HOOK_DENIED }, { 78, HOOK_CONFIG },
};

_Static_assert(ARRAY_SIZE(words) == HOOK_RESULT_MAX_, "a word for every result");

const char *hook_result_word(enum hook_result result)
{
	return words[result];
}

const char *hook_status_word(enum hook_status status)
{
	return statuses[status];
}

enum hook_result hook_result_from_status(int wait_status)
{
	if (!WIFEXITED(wait_status))
		return HOOK_CRASHED;
	for (size_t i = 0; i < ARRAY_SIZE(exits); i++)
		if (exits[i].code == WEXITSTATUS(wait_status))
			return exits[i].result;
	return HOOK_CRASHED;
}

enum hook_result hook_result_refine(enum hook_result result, const struct hook_output *o)
{
	if (result != HOOK_OK)
		return result;
	if (o->any_failed)
		return HOOK_TEMPORARY;
	return o->any_pending ? HOOK_PENDING : HOOK_OK;
}

void hook_output_write(const struct hook_output *o, struct json *j)
{
	if (o->count) {
		json_put_array(j, "results");
		for (unsigned i = 0; i < o->count; i++) {
			json_put_object(j, NULL);
			json_put_string(j, "name", o->items[i].name);
			json_put_string(j, "status", hook_status_word(o->items[i].status));
			json_put_string(j, "detail", o->items[i].detail);
			json_put_object_end(j);
		}
		json_put_array_end(j);
	}
	if (o->has_serial)
		json_put_number(j, "serial", o->serial);
}
