/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a calendar expression and as a period. What is accepted can be written down and
 * read again as the same, and elapses later each time. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rotated/schedule/calendar.h"
#include "rotated/schedule/period.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_calendar(const char *text)
{
	cleanup_(calendar_freep) struct calendar *c = NULL;
	cleanup_(calendar_freep) struct calendar *again = NULL;
	cleanup_buf struct buf first = BUF_INIT_MAX(CALENDAR_TEXT_MAX);
	cleanup_buf struct buf second = BUF_INIT_MAX(CALENDAR_TEXT_MAX);
	struct report report = { 0 };
	uint64_t t = UINT64_C(1795000000000000);

	if (calendar_parse(text, &c, &report) < 0) {
		if (!report.what[0])
			abort();
		return;
	}
	calendar_format(c, &first);
	if (buf_error(&first) < 0)
		abort();
	if (first.len > CALENDAR_LENGTH_MAX)
		return;
	if (calendar_parse(buf_string(&first), &again, &report) < 0)
		abort();
	calendar_format(again, &second);
	if (strcmp(buf_string(&first), buf_string(&second)) != 0)
		abort();
	for (int i = 0; i < 5 && t != USEC_NEVER; i++) {
		uint64_t next = calendar_next(c, NULL, t);

		if (next <= t || next != calendar_next(again, NULL, t))
			abort();
		t = next;
	}
}

static void as_period(const char *text)
{
	cleanup_(period_freep) struct period *p = NULL;
	struct report report = { 0 };
	uint64_t t = UINT64_C(1795000000000000);

	if (period_parse(text, &p, &report) < 0) {
		if (!report.what[0])
			abort();
		return;
	}
	for (int i = 0; i < 5 && t != USEC_NEVER; i++) {
		uint64_t in = period_next_in(p, NULL, t);

		if (in == USEC_NEVER)
			return;
		t = period_next_out(p, NULL, in);
		if (t <= in || !period_contains(p, NULL, in))
			abort();
		if (t != USEC_NEVER && period_contains(p, NULL, t))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512] = "";

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	as_calendar(text);
	as_period(text);
	return 0;
}
