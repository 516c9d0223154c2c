/* SPDX-License-Identifier: BSD-2-Clause */
/* How an item looks to people: one word, the reason, the next command (docs/protocol.md 4). */
#ifndef ROTATED_VAULT_VIEW_H
#define ROTATED_VAULT_VIEW_H

#include "base/json.h"
#include "rotated/vault/manager.h"

enum view_state {
	VIEW_NONE,
	VIEW_OK,
	VIEW_WORKING,
	VIEW_WAITING,
	VIEW_FAILING,
	VIEW_HELD,
	VIEW_DISABLED,
	VIEW_STATE_MAX_
};

struct view {
	enum view_state state;
	const struct engine_version *subject; /* which version it is about; NULL for none */
	char reason[REPORT_TEXT_MAX];	      /* "" for none */
	char hint[REPORT_TEXT_MAX];	      /* "" for none */
	uint64_t next_attempt;		      /* wall clock; 0: it waits for no time */
};

void view_item(const struct manager *m, const struct item *item, struct view *ret);
/* Nothing is amiss with a service that has no certificate: most have none. */
bool view_is_unused(const struct item *item);
const char *view_word(enum view_state state);

/* Wall-clock times, 0 when there is none: the next rotation; when a version leaves. */
uint64_t view_next_rotation(const struct manager *m, const struct item *item);

/* Why then; appended. */
void view_next_reason(const struct manager *m, const struct item *item, struct buf *out);
uint64_t view_leaves(const struct manager *m, const struct item *item,
		     const struct engine_version *v);

/* For those who fill a view: `rotatectl COMMAND ID` is the hint (ID NULL: none), and WAIT less
 * AGE from now on the wall clock, 0 for never. */
void view_say(struct view *v, enum view_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void view_hint(struct view *v, const char *command, const char *id);
uint64_t view_after(const struct manager *m, uint64_t wait, uint64_t age);
void view_upstream(const struct manager *m, const struct item *item, struct view *v);

/* TEXT, or null when it is empty. */
void view_text(struct json *j, const char *key, const char *text);

/* "state", "reason", "hint", "since", "next_attempt", "attempts". */
void view_write_progress(struct json *j, const struct item *item, const struct view *v);

/* A span in seconds; null for never. */
void view_span(struct json *j, const char *key, uint64_t usec);

/* "schedule", an age, and "calendar", the expression; at least one of them is null. */
void view_schedule(struct json *j, const struct config_schedule *s);

#endif
