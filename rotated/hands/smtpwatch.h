/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads along in an SMTP session, so that what the server said of a login can be told from what
 * it said of anything else. libcurl speaks, but reports one error for many answers, and none
 * when a server offers no AUTH. Pure; the server's lines are any bytes.
 */
#ifndef ROTATED_HANDS_SMTPWATCH_H
#define ROTATED_HANDS_SMTPWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum smtp_phase {
	SMTP_PHASE_GREETING, /* nothing was sent yet */
	SMTP_PHASE_EHLO,
	SMTP_PHASE_STARTTLS,
	SMTP_PHASE_AUTH, /* until its final reply */
	SMTP_PHASE_AFTER,
};

enum { SMTP_TEXT_SIZE = 256 };

struct smtp_watch {
	enum smtp_phase phase;
	bool has_replied; /* in this phase */
	bool is_auth_sent;
	bool offers_auth;		 /* in the last EHLO's answer */
	unsigned ehlo_code;		 /* of a reply that refused EHLO; 0 for none */
	unsigned code;			 /* of the last final reply; 0 for none */
	unsigned auth_code;		 /* of the reply that ended AUTH; 0 for none */
	char text[SMTP_TEXT_SIZE];	 /* the last reply up to AUTH's, printable */
	char mechanisms[SMTP_TEXT_SIZE]; /* as offered, printable */
};

/* One line that went to the server; only its verb is looked at. */
void smtp_watch_sent(struct smtp_watch *w, const void *line, size_t len);

/* One line that came from it, with or without its end. */
void smtp_watch_received(struct smtp_watch *w, const void *line, size_t len);

enum smtp_result {
	SMTP_ACCEPTED,
	SMTP_REJECTED,	  /* this secret, by a 5xx reply to AUTH */
	SMTP_TEMPORARY,	  /* a 4xx reply, or the server left */
	SMTP_UNREACHABLE, /* nobody there who speaks SMTP */
	SMTP_CONFIG,	  /* it can not work before somebody changes something */
	SMTP_TIMEOUT,	  /* AUTH was sent, and what came of it is not known */
	SMTP_RESULT_MAX_
};
const char *smtp_result_word(enum smtp_result result);

/* What the session showed of the login; SMTP_RESULT_MAX_ when it never came to that. */
enum smtp_result smtp_watch_result(const struct smtp_watch *w);

#endif
