/* SPDX-License-Identifier: BSD-2-Clause */
/* What the worker tells of the directory, staged. A frame that does not fit ends the pass: it
 * is our own program that is wrong then, and not an entry. */
#include <string.h>

#include "rotated/vault/ldap_state.h"

static int take_entry(struct ldap *l, const struct frame *f, bool is_broken)
{
	char uuid[LDAP_UUID_SIZE], dn[LDAP_DN_MAX + 1] = "", problem[REPORT_TEXT_MAX] = "";
	const struct frame_field *raw = frame_find(f, "attributes");
	struct attributes attributes;
	struct report report = { 0 };
	struct ldap_entry *e;
	int r;

	if (frame_text(f, "uuid", uuid, sizeof(uuid)) < 0 || !ldap_uuid_is_valid(uuid) ||
	    frame_text(f, "dn", dn, sizeof(dn)) < 0 || !text_is_plain(dn))
		return -EBADMSG;
	e = ldap_entry_new(uuid, dn);
	if (!e)
		return -ENOMEM;
	if (is_broken) {
		r = frame_text(f, "problem", problem, sizeof(problem));
		if (r < 0 || !text_is_plain(problem))
			report_set(&report, 0, "it can not be read");
		else
			report_set(&report, 0, "%s", problem);
		r = -EBADMSG;
	} else if (!raw || attributes_parse(raw->data, raw->len, &attributes) < 0) {
		ldap_entry_free(e);
		return -EBADMSG;
	} else {
		r = ldap_map(&l->m->config->ldap, &attributes, e->id, &e->values, &report);
		if (r == 0)
			r = ldap_entry_judge(e, l->m->config);
		if (!e->is_usable && r != -ENOMEM &&
		    ldap_map_disables(&l->m->config->ldap, &attributes)) {
			if (r == -EBADMSG)
				ldap_entry_blame(e, &report);
			r = ldap_entry_disable(e, ldap_table_find_uuid(&l->table, uuid),
					       l->m->config);
		}
	}
	if (r == -EBADMSG) {
		ldap_entry_blame(e, &report);
		r = 0;
	}
	if (r < 0) {
		ldap_entry_free(e);
		return r;
	}
	l->pass.bytes += e->values.bytes + strlen(e->dn);
	if (l->pass.bytes > LDAP_PASS_BYTES_MAX) {
		ldap_entry_free(e);
		return -E2BIG;
	}
	return ldap_pass_add(&l->pass, e, LDAP_SEEN_ENTRY);
}

static int take_uuid(struct ldap *l, const struct frame *f, enum ldap_seen seen)
{
	char uuid[LDAP_UUID_SIZE];
	struct ldap_entry *e;

	if (frame_text(f, "uuid", uuid, sizeof(uuid)) < 0 || !ldap_uuid_is_valid(uuid) ||
	    (seen == LDAP_SEEN_PRESENT) != l->pass.is_full)
		return -EBADMSG;
	e = ldap_entry_new(uuid, "");
	return e ? ldap_pass_add(&l->pass, e, seen) : -ENOMEM;
}

/* A delta that was taken for everything would delete whatever it does not mention. */
static bool has_asked_mode(const struct ldap *l, const struct frame *f)
{
	char mode[8];

	return frame_text(f, "mode", mode, sizeof(mode)) == 0 &&
	       strcmp(mode, l->pass.is_full ? "full" : "delta") == 0;
}

static int take_begin(struct ldap *l, const struct frame *f)
{
	char server[sizeof(l->pass.server)];

	if (l->pass.has_begun || !has_asked_mode(l, f))
		return -EBADMSG;
	l->pass.has_begun = true;
	l->pass.is_restored = frame_flag(f, "restored");
	if (frame_text(f, "server", server, sizeof(server)) == 0 && text_is_plain(server))
		memcpy(l->pass.server, server, sizeof(server));
	return 0;
}

static int take_commit(struct ldap *l, const struct frame *f)
{
	char cookie[LDAP_COOKIE_MAX + 1];

	if (!has_asked_mode(l, f) || frame_text(f, "cookie", cookie, sizeof(cookie)) < 0 ||
	    !text_is_plain(cookie))
		return -EBADMSG;
	buf_append_str(&l->pass.cookie, cookie);
	l->pass.is_restored |= frame_flag(f, "restored");
	l->pass.is_committed = true;
	return buf_error(&l->pass.cookie);
}

static int take_step(struct ldap *l, const struct frame *f)
{
	char op[16];

	if (frame_text(f, "op", op, sizeof(op)) < 0 || l->pass.is_committed)
		return -EBADMSG;
	if (strcmp(op, "begin") == 0)
		return take_begin(l, f);
	if (!l->pass.has_begun)
		return -EBADMSG;
	if (l->pass.n >= LDAP_ENTRIES_MAX * 2)
		return -E2BIG;
	if (strcmp(op, "upsert") == 0)
		return take_entry(l, f, false);
	if (strcmp(op, "broken") == 0)
		return take_entry(l, f, true);
	if (strcmp(op, "present") == 0)
		return take_uuid(l, f, LDAP_SEEN_PRESENT);
	if (strcmp(op, "delete") == 0)
		return take_uuid(l, f, LDAP_SEEN_DELETED);
	return strcmp(op, "commit") == 0 ? take_commit(l, f) : -EBADMSG;
}

int ldap_read_sync(void *context, const struct frame *f)
{
	struct ldap *l = context;
	int r;

	if (l->phase != LDAP_READS || l->pass.is_spoiled)
		return -EBADMSG;
	if (l->is_outdated)
		return -ESTALE; /* ends the job: it is asked for anew */
	r = take_step(l, f);
	l->pass.is_spoiled = r < 0;
	return r;
}
