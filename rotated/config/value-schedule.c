/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that say when something is due, and when it may begin. */
#include "rotated/config/value.h"

#include <string.h>

#define CALENDAR_HINT                                                                          \
	"Write an age as in 90d, never, weekly, or Mon..Fri *-*-1..7 04:26 Europe/Berlin."
#define PERIOD_HINT                                                                            \
	"Write Mon..Fri 02:00-05:00 Europe/Berlin, *-12-20..31, or 2026-12-20..2027-01-06."

/* WHY is about the value alone, with its place in it. */
static int refuse(const struct value_context *ctx, const struct report *why, const char *what,
		  const char *hint)
{
	(void)report_set(ctx->report, 0, "%s: %s", what,
			 why->what); /* the result is ours below */
	report_at(ctx->report, "", 0, why->column);
	report_hint(ctx->report, "%s", hint);
	return -EINVAL;
}

static void set_schedule(struct config_schedule *slot, uint64_t every, struct calendar *c)
{
	calendar_free(slot->calendar);
	*slot = (struct config_schedule){ every, c };
}

/* What begins like a span is meant as one, unless it is a calendar expression. */
int config_value_parse_calendar(const struct value_context *ctx, const char *text, void *slot)
{
	struct report why = { 0 };
	struct calendar *c;
	uint64_t every;
	int r;

	if (strcmp(text, "never") == 0) {
		set_schedule(slot, USEC_NEVER, NULL);
		return 0;
	}
	if (calendar_parse(text, &c, &why) == 0) {
		set_schedule(slot, calendar_least_gap(c), c);
		return 0;
	}
	if (text_to_span(text, &every) != -EINVAL || !*text) {
		r = config_value_parse_span(ctx, text, &every);
		if (r < 0)
			return r;
		set_schedule(slot, every, NULL);
		return 0;
	}
	return refuse(ctx, &why, "neither a time span nor a calendar expression",
		      CALENDAR_HINT);
}

int config_value_copy_calendar(void *slot, const void *from)
{
	const struct config_schedule *source = from;

	*(struct config_schedule *)slot = *source;
	if (source->calendar)
		(void)calendar_ref(source->calendar); /* it is the same that we have */
	return 0;
}

void config_value_release_calendar(void *slot)
{
	set_schedule(slot, 0, NULL);
}

int config_value_parse_periods(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_periods *periods = slot;
	cleanup_(period_freep) struct period *p = NULL;
	struct report why = { 0 };
	struct period **items;
	int r;

	if (!*text) { /* takes back what another file said */
		config_value_release_periods(slot);
		return 0;
	}
	if (periods->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many of them", "64 are the limit.");
	r = period_parse(text, &p, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(ctx, &why, "not a period of time", PERIOD_HINT);
	items = reallocarray(periods->items, periods->n + 1, sizeof(struct period *));
	if (!items)
		return -ENOMEM;
	items[periods->n++] = steal_ptr(p);
	periods->items = items;
	return 0;
}

void config_value_release_periods(void *slot)
{
	struct config_periods *periods = slot;

	for (size_t i = 0; i < periods->n; i++)
		period_free(periods->items[i]);
	free(periods->items);
	*periods = (struct config_periods){ 0 };
}

int config_value_parse_catch_up(const struct value_context *ctx, const char *text, void *slot)
{
	static const char *const words[] = {
		[DUE_CATCH_UP_ONCE] = "once",
		[DUE_CATCH_UP_SKIP] = "skip",
	};
	int i = config_value_choose(ctx, text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*(enum due_catch_up *)slot = (enum due_catch_up)i;
	return 0;
}
