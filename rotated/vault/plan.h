/* SPDX-License-Identifier: BSD-2-Clause */
/* What is going to be done, as far as it can be known: for `rotatectl plan`, and for saying
 * what waits for the ISSUER tier. */
#ifndef ROTATED_VAULT_PLAN_H
#define ROTATED_VAULT_PLAN_H

#include "rotated/vault/manager.h"

struct plan {
	uint64_t at; /* wall clock; 0: it waits for a person or for the outside */
	const struct item *item;
	const struct engine_version *version; /* NULL: it does not exist yet */
	const char *action;
	bool is_now;	   /* it is due, and waits for nothing but what is in WHY */
	bool needs_issuer; /* it can not be done while that tier is sealed */
	char why[REPORT_TEXT_MAX];
};

/* All of it, soonest first. RET is the caller's: free(). -ENOMEM. */
must_check int plan_make(const struct manager *m, struct plan **ret, size_t *ret_count);

/* One line about the same: how much is due, and what is first; empty when nothing waits. */
void plan_tell_waiting(const struct manager *m, char *ret, size_t size);

struct json;

/* The member KEY of an answer: what can not be done before ISSUER is open, soonest first; null
 * while it is open, or nothing is known. */
void plan_write_waiting(const struct manager *m, struct json *j, const char *key);

#endif
