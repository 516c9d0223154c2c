/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/directory/ldap_table.h"

#include <stdio.h>
#include <string.h>

static void release_list(struct ldap_entry **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ldap_entry_free(list[i]);
	free(list);
}

void ldap_table_release(struct ldap_table *t)
{
	release_list(t->entries, t->n);
	release_list(t->gone, t->n_gone);
	free(t->in_force);
	*t = (struct ldap_table){ 0 };
}

/* ---- sorted lists ---- */

static const char *key_of(const struct ldap_entry *e, bool by_id)
{
	return by_id ? e->id : e->uuid;
}

/* Where KEY is in LIST, or belongs. */
static size_t place(struct ldap_entry *const *list, size_t n, const char *key, bool by_id)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (strcmp(key_of(list[mid], by_id), key) < 0)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

static struct ldap_entry *find(struct ldap_entry *const *list, size_t n, const char *key,
			       bool by_id)
{
	size_t at = place(list, n, key, by_id);

	return at < n && strcmp(key_of(list[at], by_id), key) == 0 ? list[at] : NULL;
}

struct ldap_entry *ldap_table_find(const struct ldap_table *t, const char *id)
{
	return find(t->in_force, t->n_in_force, id, true);
}

struct ldap_entry *ldap_table_find_gone(const struct ldap_table *t, const char *id)
{
	return find(t->gone, t->n_gone, id, true);
}

struct ldap_entry *ldap_table_find_uuid(const struct ldap_table *t, const char *uuid)
{
	return find(t->entries, t->n, uuid, false);
}

/* Puts E where it belongs, in the place of one with the same key. */
static int put(struct ldap_entry ***list, size_t *n, struct ldap_entry *e, bool by_id)
{
	size_t at = place(*list, *n, key_of(e, by_id), by_id);
	struct ldap_entry **grown;

	if (at < *n && strcmp(key_of((*list)[at], by_id), key_of(e, by_id)) == 0) {
		ldap_entry_free((*list)[at]);
		(*list)[at] = e;
		return 0;
	}
	grown = reallocarray(*list, *n + 1, sizeof(struct ldap_entry *));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	memmove(grown + at + 1, grown + at, (*n - at) * sizeof(struct ldap_entry *));
	grown[at] = e;
	++*n;
	return 0;
}

static void drop(struct ldap_entry **list, size_t *n, const char *key, bool by_id)
{
	size_t at = place(list, *n, key, by_id);

	if (at == *n || strcmp(key_of(list[at], by_id), key) != 0)
		return;
	ldap_entry_free(list[at]);
	--*n;
	memmove(list + at, list + at + 1, (*n - at) * sizeof(struct ldap_entry *));
}

int ldap_table_add(struct ldap_table *t, struct ldap_entry *e, bool is_gone)
{
	int r = is_gone ? put(&t->gone, &t->n_gone, e, true)
			: put(&t->entries, &t->n, e, false);

	if (r == 0 && e->serial > t->serial)
		t->serial = e->serial;
	return r;
}

/* ---- who is in force ---- */

static int by_claim(const void *a, const void *b)
{
	const struct ldap_entry *x = *(struct ldap_entry *const *)a;
	const struct ldap_entry *y = *(struct ldap_entry *const *)b;
	int order = strcmp(x->id, y->id);

	if (order)
		return order;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

/* Leaves in LIST the one that has each service, by id. */
static size_t keep_winners(struct ldap_entry **list, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(list, n, sizeof(struct ldap_entry *), by_claim);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(list[kept - 1]->id, list[i]->id) != 0)
			list[kept++] = list[i];
	return kept;
}

int ldap_table_settle(struct ldap_table *t)
{
	struct ldap_entry **list = calloc(t->n + t->n_gone + 1, sizeof(struct ldap_entry *));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		if (t->entries[i]->is_usable)
			list[n++] = t->entries[i];
	n = keep_winners(list, n);
	for (size_t i = 0, alive = n; i < t->n_gone; i++)
		if (t->gone[i]->is_usable && !find(list, alive, t->gone[i]->id, true))
			list[n++] = t->gone[i];
	if (n > 0)
		qsort(list, n, sizeof(struct ldap_entry *), by_claim);
	free(t->in_force);
	t->in_force = list;
	t->n_in_force = n;
	return 0;
}

/* ---- a pass ---- */

void ldap_pass_release(struct ldap_pass *p)
{
	for (size_t i = 0; i < p->n; i++)
		ldap_entry_free(p->items[i].entry);
	free(p->items);
	buf_release(&p->cookie);
	*p = (struct ldap_pass){ 0 };
}

int ldap_pass_add(struct ldap_pass *p, struct ldap_entry *entry, enum ldap_seen seen)
{
	if (p->n == p->size) {
		size_t size = p->size ? 2 * p->size : 64;
		struct ldap_staged *grown = reallocarray(p->items, size, sizeof(*grown));

		if (!grown) {
			ldap_entry_free(entry);
			return -ENOMEM;
		}
		p->items = grown;
		p->size = size;
	}
	p->items[p->n] = (struct ldap_staged){ entry, seen, p->n };
	p->n++;
	return 0;
}

/* ---- applying ---- */

int ldap_table_apply(struct ldap_table *t, struct ldap_op *op, struct ldap_entry *gone)
{
	struct ldap_entry *e = op->fresh;
	char uuid[LDAP_UUID_SIZE];
	int r = gone ? put(&t->gone, &t->n_gone, gone, true) : 0;

	if (r < 0) {
		ldap_entry_free(gone);
		return r;
	}
	if (op->type == LDAP_OP_REMOVE) {
		memcpy(uuid, op->old->uuid, sizeof(uuid));
		drop(t->entries, &t->n, uuid, false);
		op->old = NULL;
		return 0;
	}
	r = put(&t->entries, &t->n, e, false);
	if (r < 0)
		return r;
	op->old = NULL; /* it was replaced */
	op->fresh = NULL;
	if (e->serial > t->serial)
		t->serial = e->serial;
	if (e->is_usable)
		drop(t->gone, &t->n_gone, e->id, true);
	return 0;
}

void ldap_table_forget(struct ldap_table *t, const char *id)
{
	char copy[SERVICE_ID_MAX + 1];

	(void)snprintf(copy, sizeof(copy), "%s", id); /* ID may live in what is dropped */
	drop(t->gone, &t->n_gone, copy, true);
}
