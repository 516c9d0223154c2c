/* SPDX-License-Identifier: BSD-2-Clause */
/* What unlock.c and unattended.c share. */
#ifndef ROTATED_VAULT_UNLOCK_INTERNAL_H
#define ROTATED_VAULT_UNLOCK_INTERNAL_H

#include "rotated/vault/unlock.h"

struct unlock {
	struct manager *m;
	struct server *server;
	struct peer *peer; /* the last one that said hello */
	uint64_t since;	   /* wall clock; when it did */
	uint64_t last_id;
	struct question *questions; /* to the porter, unanswered */

	/* opening AUTH unattended */
	sd_event_source *retry; /* the next attempt; off while one is under way */
	uint64_t backoff;
	bool is_trying;	     /* a slot's key is being asked for */
	size_t next;	     /* the slot to try after that */
	struct report first; /* what failed first in this attempt; empty: nothing yet */
	char logged[REPORT_TEXT_MAX]; /* what the log was told last */
};

#endif
