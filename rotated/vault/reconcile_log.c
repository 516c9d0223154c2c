/* SPDX-License-Identifier: BSD-2-Clause */
/* What the audit log tells of the time after the keystore's last transaction. */
#include <sodium.h>
#include <string.h>

#include "rotated/vault/reconcile.h"

enum { OPEN_MAX = 64 };

struct reading {
	struct keystore_audit end; /* as far as the chain is proven */
	uint64_t txid;
	struct reconcile_plan *plan;
	struct reconcile_told open[OPEN_MAX]; /* intents whose end was not told yet */
	size_t open_count;
	bool has_end;
};

/* ---- lines ---- */

static void close_intent(struct reading *r, const char *request)
{
	for (size_t i = 0; i < r->open_count; i++)
		if (strcmp(r->open[i].request, request) == 0) {
			r->open[i] = r->open[--r->open_count];
			return;
		}
}

static void take_line(struct reading *r, const struct reconcile_told *t)
{
	if (strcmp(t->outcome, "intent") == 0) {
		if (r->open_count == OPEN_MAX) /* nobody will tell of it any more */
			reconcile_take_event(r->plan, &r->open[--r->open_count]);
		r->open[r->open_count++] = *t;
		return;
	}
	close_intent(r, t->request);
	/* a transaction that the keystore has is nothing that it lacks */
	if (t->txid > r->txid)
		reconcile_take_event(r->plan, t);
}

static int read_line(void *context, const char *line, size_t len)
{
	struct reading *r = context;
	uint8_t hash[KEYSTORE_AUDIT_LEN], tag[KEYSTORE_AUDIT_LEN];
	struct audit_line parsed;
	struct reconcile_told told;

	if (audit_line_parse(line, len, &parsed) < 0)
		return 0;
	audit_line_hash(line, len, hash);
	if (parsed.seq == r->end.seq && memcmp(hash, r->end.head, sizeof(hash)) == 0)
		r->has_end = true;
	if (!r->has_end || parsed.seq != r->end.seq + 1)
		return 0;
	audit_line_tag(line, parsed.mac_at, r->end.key, tag);
	if (sodium_memcmp(parsed.prev, r->end.head, sizeof(tag)) != 0 ||
	    sodium_memcmp(parsed.mac, tag, sizeof(tag)) != 0)
		return 0; /* not of this vault: it says nothing */
	memcpy(r->end.head, hash, sizeof(hash));
	r->end.seq++;
	audit_next_key(r->end.key);
	reconcile_told_parse(line, len, &told);
	if (told.txid > r->txid || strcmp(told.outcome, "intent") == 0)
		r->plan->is_known = true;
	take_line(r, &told);
	return 0;
}

int reconcile_read_log(struct manager *m, const struct keystore_audit *end, uint64_t txid,
		       struct reconcile_plan *plan)
{
	struct reading *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return -ENOMEM;
	r->end = *end;
	r->txid = txid;
	r->plan = plan;
	r->has_end = end->seq == 0;
	result = audit_walk(m->config->vault.audit, read_line, r, NULL);
	while (r->open_count > 0) /* how they ended is not known: they may have been done */
		reconcile_take_event(r->plan, &r->open[--r->open_count]);
	sodium_memzero(&r->end, sizeof(r->end));
	free(r);
	return result == -ENOENT ? 0 : result;
}
