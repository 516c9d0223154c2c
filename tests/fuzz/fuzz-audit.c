/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as lines of the audit log: what the chain takes of each, and what a restore puts on
 * the list of what is to be looked at. */
#include <stdlib.h>
#include <string.h>

#include "rotated/vault/audit.h"
#include "rotated/vault/reconcile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct reconcile_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct reconcile_entry *e = &l->all[i];

		if (!e->name[0] || e->revoked_count > RECONCILE_REVOKED_MAX ||
		    reconcile_find(l, e->name) != e)
			abort();
		if (i > 0 && strcmp(l->all[i - 1].name, e->name) >= 0)
			abort();
	}
}

static void take(const char *line, size_t len, struct reconcile_plan *p)
{
	uint8_t key[KEYSTORE_AUDIT_LEN] = { 1 }, tag[KEYSTORE_AUDIT_LEN];
	struct audit_line parsed;
	struct reconcile_told told;

	reconcile_told_parse(line, len, &told);
	if (!memchr(told.object, '\0', sizeof(told.object)) ||
	    !memchr(told.event, '\0', sizeof(told.event)))
		abort();
	reconcile_take_event(p, &told);
	if (audit_line_parse(line, len, &parsed) < 0)
		return;
	if (parsed.mac_at > len || parsed.prev_at > len)
		abort();
	audit_line_hash(line, len, tag);
	audit_line_tag(line, parsed.mac_at, key, tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reconcile_plan p = { .since = 0 };
	const char *at = (const char *)data;

	while (size > 0) {
		const char *end = memchr(at, '\n', size);
		size_t len = end ? (size_t)(end - at) : size;
		char *line =
			malloc(len + !len); /* as long as it is: what reads on is noticed */

		if (!line)
			abort();
		memcpy(line, at, len);
		take(line, len, &p);
		free(line);
		at += len + !!end;
		size -= len + !!end;
	}
	check_list(&p.list);
	reconcile_list_release(&p.list);
	return 0;
}
