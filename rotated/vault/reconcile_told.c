/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of the audit log, and what it means for the list. */
#include <stdio.h>
#include <string.h>

#include "rotated/vault/reconcile.h"

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

void reconcile_told_parse(const char *line, size_t len, struct reconcile_told *ret)
{
	uint64_t version;

	*ret = (struct reconcile_told){ 0 };
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

static bool name_entry(const struct reconcile_told *t, char ret[static RECONCILE_NAME_SIZE])
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

void reconcile_take_event(struct reconcile_plan *p, const struct reconcile_told *t)
{
	char name[RECONCILE_NAME_SIZE];
	struct reconcile_entry *e;

	if (!name_entry(t, name))
		return;
	e = reconcile_entry_get(&p->list, name);
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
