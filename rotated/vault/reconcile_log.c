/* SPDX-License-Identifier: BSD-2-Clause */
/* What the audit log tells of the time after the keystore's last transaction. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rotated/vault/reconcile.h"

enum { OPEN_MAX = 64, WORD_SIZE = 64 };

/* A line as far as it matters; our own writing, so nothing in it is escaped. */
struct told {
	char event[WORD_SIZE];
	char object[ENGINE_ID_SIZE];
	char outcome[WORD_SIZE];
	char request[AUDIT_REQUEST_SIZE];
	uint32_t version;
	uint64_t txid;
};

struct reading {
	struct keystore_audit end; /* as far as the chain is proven */
	uint64_t txid;
	struct reconcile_plan *plan;
	struct told open[OPEN_MAX]; /* intents whose end was not told yet */
	size_t open_count;
	bool has_end;
};

static void take_text(const char *line, size_t len, const char *key, char *ret, size_t size)
{
	const char *at = memmem(line, len, key, strlen(key));
	size_t n = 0;

	ret[0] = '\0';
	if (!at)
		return;
	at += strlen(key);
	while (at + n < line + len && at[n] != '"' && n < size - 1)
		n++;
	memcpy(ret, at, n);
	ret[n] = '\0';
}

static void parse(const char *line, size_t len, struct told *ret)
{
	uint64_t version;

	*ret = (struct told){ 0 };
	take_text(line, len, "\"ev\":\"", ret->event, sizeof(ret->event));
	take_text(line, len, "\"obj\":\"", ret->object, sizeof(ret->object));
	take_text(line, len, "\"outcome\":\"", ret->outcome, sizeof(ret->outcome));
	take_text(line, len, "\"req\":\"", ret->request, sizeof(ret->request));
	version = audit_line_number(line, len, "\"ver\":");
	ret->version = version <= UINT32_MAX ? (uint32_t)version : 0;
	ret->txid = audit_line_number(line, len, "\"txid\":");
}

/* ---- what it was about ---- */

static const struct {
	const char *prefix;
	const char *kind; /* NULL: of no item, by its own name */
} nouns[] = {
	{ "credential.", "password" },
	{ "service.", "password" },
	{ "password.", "password" },
	{ "ldap.", "password" },
	{ "dkim.", "dkim" },
	{ "upstream.", "upstream" },
	{ "certificate.", "certificate" },
	{ "ca.", NULL },
};

static bool name_entry(const struct told *t, char ret[static RECONCILE_NAME_SIZE])
{
	for (size_t i = 0; i < ARRAY_SIZE(nouns); i++) {
		if (strncmp(t->event, nouns[i].prefix, strlen(nouns[i].prefix)) != 0)
			continue;
		if (!nouns[i].kind)
			(void)snprintf(ret, RECONCILE_NAME_SIZE, "ca"); /* it fits */
		else if (t->object[0])
			(void)snprintf(ret, RECONCILE_NAME_SIZE, "%s/%s", nouns[i].kind,
				       t->object); /* it fits */
		else
			return false;
		return true;
	}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

static void note_revoked(struct reconcile_entry *e, uint32_t version)
{
	if (version == 0 || e->revoked_count == RECONCILE_REVOKED_MAX)
		e->is_all_revoked = true; /* rather too much than too little */
	else
		e->revoked[e->revoked_count++] = version;
}

static void take_event(struct reading *r, const struct told *t)
{
	char name[RECONCILE_NAME_SIZE];
	struct reconcile_entry *e;

	if (!name_entry(t, name))
		return;
	e = reconcile_entry_get(&r->plan->list, name);
	if (!e)
		return;
	e->is_pending = true;
	if (t->version > e->floor)
		e->floor = t->version;
	if (ends_with(t->event, ".revoke") || strcmp(t->event, "ldap.erase") == 0)
		note_revoked(e, t->version);
	else if (strcmp(t->event, "service.disable") == 0)
		e->is_disabled = true;
	else if (strcmp(t->event, "service.enable") == 0)
		e->is_disabled = false;
	else
		e->is_new = true;
}

/* ---- lines ---- */

static void close_intent(struct reading *r, const char *request)
{
	for (size_t i = 0; i < r->open_count; i++)
		if (strcmp(r->open[i].request, request) == 0) {
			r->open[i] = r->open[--r->open_count];
			return;
		}
}

static void take_line(struct reading *r, const struct told *t)
{
	if (strcmp(t->outcome, "intent") == 0) {
		if (r->open_count == OPEN_MAX) /* nobody will tell of it any more */
			take_event(r, &r->open[--r->open_count]);
		r->open[r->open_count++] = *t;
		return;
	}
	close_intent(r, t->request);
	/* a transaction that the keystore has is nothing that it lacks */
	if (t->txid > r->txid)
		take_event(r, t);
}

static int read_line(void *context, const char *line, size_t len)
{
	struct reading *r = context;
	uint8_t hash[KEYSTORE_AUDIT_LEN], tag[KEYSTORE_AUDIT_LEN];
	struct audit_line parsed;
	struct told told;

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
	parse(line, len, &told);
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
		take_event(r, &r->open[--r->open_count]);
	sodium_memzero(&r->end, sizeof(r->end));
	free(r);
	return result == -ENOENT ? 0 : result;
}
