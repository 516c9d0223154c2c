/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a server take this login? Connects, brings TLS up, logs in, says NOOP and QUIT; sends no
 * mail. Blocking, with a deadline; runs in a child process (see job.h).
 */
#ifndef ROTATED_HANDS_SMTPPROBE_H
#define ROTATED_HANDS_SMTPPROBE_H

#include "base/buf.h"
#include "rotated/hands/smtpwatch.h"

enum {
	SMTP_SERVER_SIZE = 272, /* [HOST]:PORT */
	SMTP_USER_SIZE = 512,
	SMTP_SECRET_MAX = 4096,
	SMTP_PATH_SIZE = 1024,
	SMTP_MECHANISM_SIZE = 32,
	SMTP_DETAIL_SIZE = 512,
};

enum smtp_tls { SMTP_TLS_START, SMTP_TLS_DIRECT, SMTP_TLS_NONE };

struct smtp_probe {
	char server[SMTP_SERVER_SIZE];
	enum smtp_tls tls;
	char ca[SMTP_PATH_SIZE]; /* "" for the system's certificates */
	char user[SMTP_USER_SIZE];
	char mechanism[SMTP_MECHANISM_SIZE]; /* "" for PLAIN or LOGIN */
	struct buf secret;		     /* text */
};

struct smtp_report {
	enum smtp_result result;
	unsigned code; /* of the reply that decided; 0 for none */
	char detail[SMTP_DETAIL_SIZE];
};

/* NULL when it can be run; else what is wrong with it. */
const char *smtp_probe_check(const struct smtp_probe *p);

/* RET is filled whatever happens. TIMEOUT in microseconds. */
void smtp_probe_run(struct smtp_probe *p, uint64_t timeout, struct smtp_report *ret);

#endif
