/* SPDX-License-Identifier: BSD-2-Clause */
/* The list in memory, and an entry of it as bytes. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "rotated/vault/reconcile.h"

enum {
	ENTRIES_MAX = 900, /* they are stored in one transaction, with room to spare */
	FORMAT = 1,
	HEAD_LEN = 11, /* format, flags, is_all_revoked, floor, count of revoked */
	FLAG_PENDING = 1,
	FLAG_DISABLED = 2,
	FLAG_ALL_REVOKED = 4,
};

/* ---- the list in memory ---- */

static size_t position(const struct reconcile_list *l, const char *name)
{
	size_t i = 0;

	while (i < l->count && strcmp(l->all[i].name, name) < 0)
		i++;
	return i;
}

struct reconcile_entry *reconcile_find(const struct reconcile_list *l, const char *name)
{
	size_t i = position(l, name);

	return i < l->count && strcmp(l->all[i].name, name) == 0 ? &l->all[i] : NULL;
}

struct reconcile_entry *reconcile_entry_get(struct reconcile_list *l, const char *name)
{
	size_t at = position(l, name);
	struct reconcile_entry *all;

	if (at < l->count && strcmp(l->all[at].name, name) == 0)
		return &l->all[at];
	all = l->count < ENTRIES_MAX ? reallocarray(l->all, l->count + 1, sizeof(*all)) : NULL;
	if (!all) {
		l->more++;
		return NULL;
	}
	l->all = all;
	memmove(all + at + 1, all + at, (l->count - at) * sizeof(*all));
	l->count++;
	all[at] = (struct reconcile_entry){ 0 };
	(void)snprintf(all[at].name, sizeof(all[at].name), "%s", name); /* it fits */
	return &all[at];
}

void reconcile_list_release(struct reconcile_list *l)
{
	free(l->all);
	*l = (struct reconcile_list){ 0 };
}

void reconcile_list_remove(struct reconcile_list *l, const char *name)
{
	struct reconcile_entry *e = reconcile_find(l, name);

	if (!e)
		return;
	memmove(e, e + 1, (size_t)(l->all + l->count - e - 1) * sizeof(*e));
	l->count--;
}

/* ---- an entry as bytes ---- */

void reconcile_entry_encode(const struct reconcile_entry *e, struct buf *out)
{
	uint8_t head[HEAD_LEN] = { FORMAT };

	head[1] = (uint8_t)((e->is_pending ? FLAG_PENDING : 0) |
			    (e->is_disabled ? FLAG_DISABLED : 0) |
			    (e->is_all_revoked ? FLAG_ALL_REVOKED : 0));
	store_be32(head + 3, e->floor);
	store_be32(head + 7, e->revoked_count);
	buf_append(out, head, sizeof(head));
	for (uint32_t i = 0; i < e->revoked_count; i++) {
		uint8_t n[4];

		store_be32(n, e->revoked[i]);
		buf_append(out, n, sizeof(n));
	}
	buf_append(out, e->what, strlen(e->what) + 1);
	buf_append(out, e->hint, strlen(e->hint) + 1);
}

/* A NUL-terminated text that is left in AT; -EBADMSG. */
static int take_text(const uint8_t **at, const uint8_t *end, char *ret, size_t size)
{
	size_t len = strnlen((const char *)*at, (size_t)(end - *at));

	if (len == (size_t)(end - *at) || len >= size)
		return -EBADMSG;
	memcpy(ret, *at, len + 1);
	*at += len + 1;
	return 0;
}

int reconcile_entry_decode(const uint8_t *data, size_t len, struct reconcile_entry *ret)
{
	const uint8_t *at = data;
	const uint8_t *end = at + len;
	struct reconcile_entry e = { 0 };
	int r;

	if (len < HEAD_LEN || at[0] != FORMAT || load_be32(at + 7) > RECONCILE_REVOKED_MAX)
		return -EBADMSG;
	e.is_pending = at[1] & FLAG_PENDING;
	e.is_disabled = at[1] & FLAG_DISABLED;
	e.is_all_revoked = at[1] & FLAG_ALL_REVOKED;
	e.floor = load_be32(at + 3);
	e.revoked_count = load_be32(at + 7);
	at += HEAD_LEN;
	if ((size_t)(end - at) < (size_t)e.revoked_count * 4)
		return -EBADMSG;
	for (uint32_t i = 0; i < e.revoked_count; i++, at += 4)
		e.revoked[i] = load_be32(at);
	r = take_text(&at, end, e.what, sizeof(e.what));
	if (r == 0)
		r = take_text(&at, end, e.hint, sizeof(e.hint));
	if (r < 0 || at != end)
		return -EBADMSG;
	*ret = e;
	return 0;
}
