/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/smtpwatch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rotated/hands/printable.h"

enum { CODE_LEN = 3, CODE_CONTINUE = 334 };

static const char *const words[] = {
	[SMTP_ACCEPTED] = "accepted",	[SMTP_REJECTED] = "rejected",
	[SMTP_TEMPORARY] = "temporary", [SMTP_UNREACHABLE] = "unreachable",
	[SMTP_CONFIG] = "config",	[SMTP_TIMEOUT] = "timeout",
};
_Static_assert(sizeof(words) / sizeof(words[0]) == SMTP_RESULT_MAX_, "a word for every result");

const char *smtp_result_word(enum smtp_result result)
{
	return words[result];
}

static bool begins(const void *line, size_t len, const char *verb)
{
	size_t n = strlen(verb);

	return len >= n && strncasecmp(line, verb, n) == 0;
}

void smtp_watch_sent(struct smtp_watch *w, const void *line, size_t len)
{
	/* what follows AUTH until its final reply is the login itself */
	if (w->phase == SMTP_PHASE_AUTH && (!w->has_replied || w->code == CODE_CONTINUE))
		return;
	if (begins(line, len, "EHLO") || begins(line, len, "HELO")) {
		w->phase = SMTP_PHASE_EHLO;
		w->offers_auth = false;
		w->mechanisms[0] = '\0';
	} else if (begins(line, len, "STARTTLS")) {
		w->phase = SMTP_PHASE_STARTTLS;
	} else if (begins(line, len, "AUTH ")) {
		w->phase = SMTP_PHASE_AUTH;
		w->is_auth_sent = true;
		w->auth_code = 0;
	} else {
		w->phase = SMTP_PHASE_AFTER;
	}
	w->has_replied = false;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static void note_capability(struct smtp_watch *w, const char *p, size_t len)
{
	if (w->phase != SMTP_PHASE_EHLO || !begins(p, len, "AUTH"))
		return;
	/* some servers write AUTH=PLAIN for clients of the last century */
	if (len > 4 && p[4] != ' ' && p[4] != '=' && p[4] != '\r' && p[4] != '\n')
		return;
	w->offers_auth = true;
	if (len > 5)
		printable_copy(w->mechanisms, sizeof(w->mechanisms), p + 5, len - 5);
}

void smtp_watch_received(struct smtp_watch *w, const void *line, size_t len)
{
	const unsigned char *p = line;
	bool is_last;

	if (len < CODE_LEN || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]))
		return;
	is_last = len == CODE_LEN || p[CODE_LEN] != '-';
	if (len > CODE_LEN + 1)
		note_capability(w, (const char *)p + CODE_LEN + 1, len - CODE_LEN - 1);
	if (!is_last)
		return;
	w->code = (unsigned)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
	w->has_replied = true;
	if (w->phase != SMTP_PHASE_AFTER)
		printable_copy(w->text, sizeof(w->text), line, len);
	if (w->phase == SMTP_PHASE_EHLO && w->code / 100 > 2)
		w->ehlo_code = w->code; /* libcurl tries HELO then, which knows no AUTH */
	if (w->phase == SMTP_PHASE_AUTH && w->code != CODE_CONTINUE)
		w->auth_code = w->code;
}

/* These speak of the command, not of the secret. */
static bool is_protocol_error(unsigned code)
{
	return (code >= 500 && code <= 504) || code == 530 || code == 538;
}

enum smtp_result smtp_watch_result(const struct smtp_watch *w)
{
	switch (w->auth_code / 100) {
	case 2:
		return SMTP_ACCEPTED;
	case 4:
		return SMTP_TEMPORARY;
	case 5:
		return is_protocol_error(w->auth_code) ? SMTP_CONFIG : SMTP_REJECTED;
	default:
		return SMTP_RESULT_MAX_;
	}
}
