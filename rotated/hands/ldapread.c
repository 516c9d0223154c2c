/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/ldapread.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "rotated/hands/ldapentry.h"
#include "wire/verbs.h"

enum {
	PAGE_SIZE = 500,
	EMPTY_PAGES_MAX = 100, /* one after the other */
	NAMES_MAX = 64,
	PARENTS_MAX = 32,
	UUID_BYTES = LDAP_UUID_LEN + 1,
};

#define BYTES_MAX (UINT64_C(256) * 1024 * 1024)

static const char operational[] = " entryUUID entryCSN modifyTimestamp";

struct reader {
	const struct ldap_request *request;
	struct ldap_session session;
	int fd;
	struct buf frame;
	struct ldap_entry entry;
	char filter[LDAP_FILTER_SIZE + LDAP_BOUND_SIZE + 8];
	char names[LDAP_NAMES_SIZE + sizeof(operational)]; /* cut into words */
	char *attributes[NAMES_MAX + 1];

	struct ldap_cursor shown; /* contextCSN, before the first page */
	bool is_restored;
	const char *known; /* entries up to this CSN are not told again; "" for none */
	uint64_t seen;	   /* entries, also those that are known */
	uint64_t entries, broken, bytes;
	bool lacks_csn, lacks_time;
	char newest_csn[LDAP_CSN_LEN + 1];
	char newest_time[LDAP_TIME_LEN + 1];
	struct buf uuids;     /* of a full pass: to see that none comes twice */
	struct berval cookie; /* of the page; owned */
};

static int send_frame(struct reader *r, int built)
{
	if (built == 0)
		built = fs_write_all(r->fd, r->frame.data, r->frame.len);
	if (built < 0)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
					 "what was read can not be passed on: %s",
					 strerrordesc_np(-built));
	return 0;
}

static void begin_op(struct reader *r, const char *op)
{
	wire_begin_request(&r->frame, WIRE_WORKER_SYNC);
	frame_put_text(&r->frame, "id", r->request->id);
	frame_put_text(&r->frame, "op", op);
	frame_put_text(&r->frame, "mode", r->request->is_full ? "full" : "delta");
	if (r->is_restored)
		frame_put_text(&r->frame, "restored", "1");
}

static int send_begin(struct reader *r)
{
	begin_op(r, "begin");
	frame_put_text(&r->frame, "server", r->session.uri);
	return send_frame(r, frame_end(&r->frame));
}

static int send_commit(struct reader *r, const struct ldap_cursor *c)
{
	cleanup_buf struct buf cookie = BUF_INIT;

	ldap_cursor_write(c, &cookie);
	begin_op(r, "commit");
	frame_put_text(&r->frame, "cookie", buf_string(&cookie) ? buf_string(&cookie) : "");
	return send_frame(r, frame_end(&r->frame));
}

static int send_done(struct reader *r)
{
	const struct ldap_session *s = &r->session;
	cleanup_buf struct buf output = BUF_INIT;
	struct json json = JSON_INIT(&output);
	int error;

	json_put_object(&json, NULL);
	if (s->detail[0])
		json_put_string(&json, "detail", s->detail);
	else
		json_put_null(&json, "detail");
	if (s->uri[0])
		json_put_string(&json, "server", s->uri);
	else
		json_put_null(&json, "server");
	json_put_number(&json, "entries", r->entries);
	json_put_number(&json, "broken", r->broken);
	json_put_object_end(&json);
	wire_begin_request(&r->frame, WIRE_WORKER_DONE);
	frame_put_text(&r->frame, "id", r->request->id);
	frame_put_text(&r->frame, "result", ldap_outcome_word(s->outcome));
	frame_put(&r->frame, "output", output.data, output.len);
	error = frame_end(&r->frame);
	return error < 0 ? error : fs_write_all(r->fd, r->frame.data, r->frame.len);
}

static int split_names(struct reader *r)
{
	char *words = r->names;
	char *word;
	size_t n = 0;

	(void)snprintf(r->names, sizeof(r->names), "%s%s", r->request->attributes, operational);
	while ((word = strsep(&words, " "))) {
		if (!*word)
			continue;
		if (n == NAMES_MAX)
			return ldap_session_fail(&r->session, LDAP_OUTCOME_CONFIG,
						 "too many attributes are asked for");
		r->attributes[n++] = word;
	}
	return 0;
}

static void add_context(struct reader *r, struct ldap_cursor *set, LDAPMessage *m)
{
	LDAPMessage *e = ldap_first_entry(r->session.ld, m);
	struct berval **values = e ? ldap_get_values_len(r->session.ld, e, "contextCSN") : NULL;

	for (size_t i = 0; values && values[i]; i++)
		if (!ldap_cursor_add(set, values[i]->bv_val, values[i]->bv_len))
			(void)fprintf(stderr, "a contextCSN is not understood\n");
	ldap_value_free_len(values);
}

/* Looks for contextCSN at DN. What stands against it, as an access rule, is no failure. */
static int look_at(struct reader *r, const char *dn, struct ldap_cursor *set)
{
	char name[] = "contextCSN";
	char *names[] = { name, NULL };
	int ms = clock_remaining_ms(r->session.deadline);
	struct timeval left = { ms / 1000, ms % 1000 * 1000 };
	LDAPMessage *m = NULL;
	int code = ldap_search_ext_s(r->session.ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
				     names, 0, NULL, NULL, &left, 0, &m);

	if (code == LDAP_SUCCESS)
		add_context(r, set, m);
	ldap_msgfree(m);
	if (code == LDAP_SERVER_DOWN || code == LDAP_TIMEOUT || code == LDAP_DECODING_ERROR)
		return ldap_session_fail_code(&r->session, code, "reading contextCSN", NULL);
	return 0;
}

/* It stands at the top of the database that the base is in: the base, or above it. */
static int read_context(struct reader *r, struct ldap_cursor *set)
{
	LDAPDN parsed = NULL;
	int error = 0;

	if (ldap_str2dn(r->request->base, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_CONFIG,
					 "the base is not a distinguished name");
	for (size_t i = 0; parsed && parsed[i] && i < PARENTS_MAX; i++) {
		char *dn = NULL;

		if (ldap_dn2str(&parsed[i], &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
			break;
		error = look_at(r, dn, set);
		ldap_memfree(dn);
		if (error < 0 || set->count)
			break;
	}
	ldap_dnfree(parsed);
	set->kind = set->count ? LDAP_CURSOR_SET : LDAP_CURSOR_NONE;
	return error;
}

static int note_uuid(struct reader *r)
{
	const struct ldap_entry *e = &r->entry;

	if (!e->uuid[0])
		return ldap_session_fail(
			&r->session, LDAP_OUTCOME_CONFIG,
			"%.300s: its entryUUID can not be read; the login needs "
			"to read entryUUID, entryCSN and modifyTimestamp",
			e->dn);
	if (!r->request->is_full)
		return 0;
	r->uuids.max = SIZE_MAX / 2; /* the limit of entries bounds it */
	buf_append(&r->uuids, e->uuid, UUID_BYTES);
	if (buf_error(&r->uuids) < 0)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY, "no memory");
	return 0;
}

static int take_entry(struct reader *r, LDAPMessage *m)
{
	struct ldap_entry *e = &r->entry;
	int error;

	if (ldap_entry_take(r->session.ld, m, r->request->attributes, e) < 0)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
					 "the server sent an entry that can not be decoded");
	error = note_uuid(r);
	if (error < 0)
		return error;
	r->lacks_csn |= !e->csn[0];
	r->lacks_time |= !e->time[0];
	if (strcmp(e->csn, r->newest_csn) > 0)
		memcpy(r->newest_csn, e->csn, sizeof(e->csn));
	if (strcmp(e->time, r->newest_time) > 0)
		memcpy(r->newest_time, e->time, sizeof(e->time));
	r->seen++;
	if (r->seen <= r->request->limit && e->csn[0] && strcmp(e->csn, r->known) <= 0)
		return 0;
	r->entries++;
	r->broken += e->problem[0] != '\0';
	r->bytes += e->attributes.len;
	if (r->seen > r->request->limit || r->bytes > BYTES_MAX)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_CONFIG,
					 "more than %llu entries, or 256 MiB, match the filter",
					 (unsigned long long)r->request->limit);
	return send_frame(r, ldap_entry_frame(e, r->request->id, &r->frame));
}

/* The page's cookie from the end of it. A server that does not page may leave out entries. */
static int take_page_control(struct reader *r, LDAPControl **controls)
{
	LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	struct berval cookie = { .bv_len = 0 };
	ber_int_t estimate;

	ber_memfree(steal_ptr(r->cookie.bv_val));
	r->cookie.bv_len = 0;
	if (!page)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_CONFIG,
					 "the server does not answer in pages (RFC 2696)");
	if (ldap_parse_pageresponse_control(r->session.ld, page, &estimate, &cookie) !=
	    LDAP_SUCCESS)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
					 "the end of a page can not be decoded");
	r->cookie = cookie;
	return 0;
}

static int end_page(struct reader *r, LDAPMessage *m)
{
	LDAPControl **controls = NULL;
	char *text = NULL;
	int code, error;

	if (ldap_parse_result(r->session.ld, m, &code, NULL, &text, NULL, &controls, 0) !=
	    LDAP_SUCCESS)
		error = ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
					  "the server's result can not be decoded");
	else if (code != LDAP_SUCCESS)
		error = ldap_session_fail_code(&r->session, code, "searching", text);
	else
		error = take_page_control(r, controls);
	ldap_controls_free(controls);
	ldap_memfree(text);
	return error;
}

/* Takes the messages of one page. 0 at its end. */
static int take_page(struct reader *r, int msgid)
{
	for (;;) {
		LDAPMessage *m = NULL;
		int type = ldap_session_wait(&r->session, msgid, &m);
		int error = type;

		if (type == LDAP_RES_SEARCH_ENTRY)
			error = take_entry(r, m);
		else if (type == LDAP_RES_SEARCH_RESULT)
			error = end_page(r, m);
		else if (type == LDAP_RES_SEARCH_REFERENCE)
			error = ldap_session_fail(&r->session, LDAP_OUTCOME_CONFIG,
						  "a part of the tree is on another server: "
						  "choose a base without referrals");
		else if (type >= 0)
			error = ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
						  "the server sent what does not belong here");
		ldap_msgfree(m);
		if (error < 0 || type == LDAP_RES_SEARCH_RESULT)
			return error;
	}
}

static int ask_page(struct reader *r)
{
	LDAPControl *page = NULL;
	LDAPControl *controls[] = { NULL, NULL };
	int msgid, code;

	code = ldap_create_page_control(r->session.ld, PAGE_SIZE, &r->cookie, 'T', &page);
	controls[0] = page;
	if (code == LDAP_SUCCESS)
		code = ldap_search_ext(r->session.ld, r->request->base, LDAP_SCOPE_SUBTREE,
				       r->filter, r->attributes, 0, controls, NULL, NULL, 0,
				       &msgid);
	ldap_control_free(page);
	if (code != LDAP_SUCCESS)
		return ldap_session_fail_code(&r->session, code, "searching", NULL);
	return take_page(r, msgid);
}

static int read_pages(struct reader *r)
{
	unsigned empty = 0;
	int error;

	do {
		uint64_t before = r->seen;

		error = ask_page(r);
		if (error < 0)
			return error;
		empty = r->seen == before ? empty + 1 : 0;
		if (empty > EMPTY_PAGES_MAX)
			return ldap_session_fail(&r->session, LDAP_OUTCOME_TEMPORARY,
						 "the server sends empty pages without end");
	} while (r->cookie.bv_len);
	return 0;
}

static int compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_BYTES);
}

/* Pages that overlap may as well leave something out. */
static int check_uuids(struct reader *r)
{
	size_t count = r->uuids.len / UUID_BYTES;
	const uint8_t *p = r->uuids.data;

	if (count > 1)
		qsort(r->uuids.data, count, UUID_BYTES, compare_uuids);
	for (size_t i = 1; i < count; i++)
		if (memcmp(p + (i - 1) * UUID_BYTES, p + i * UUID_BYTES, UUID_BYTES) == 0)
			return ldap_session_fail(
				&r->session, LDAP_OUTCOME_TEMPORARY,
				"the server listed %s twice: its pages can not "
				"be relied on",
				(const char *)p + i * UUID_BYTES);
	return 0;
}

/* Where the next delta begins. */
static void next_cursor(struct reader *r, struct ldap_cursor *c)
{
	const struct ldap_cursor *old = &r->request->cursor;
	bool goes_on = !r->request->is_full;

	*c = r->shown;
	if (c->kind == LDAP_CURSOR_SET)
		return;
	(void)snprintf(c->uri, sizeof(c->uri), "%s", r->session.uri);
	if (goes_on && r->entries == 0) {
		*c = *old;
	} else if (!r->lacks_csn && r->newest_csn[0]) {
		c->kind = LDAP_CURSOR_CSN;
		c->count = 1;
		memcpy(c->csn[0], r->newest_csn, sizeof(r->newest_csn));
	} else if (!r->lacks_time && r->newest_time[0]) {
		c->kind = LDAP_CURSOR_TIME;
		memcpy(c->time, r->newest_time, sizeof(r->newest_time));
	}
}

/* Without contextCSN the newest entry is the only witness: it is gone, or it never was. */
static bool is_behind(const struct reader *r)
{
	const struct ldap_cursor *old = &r->request->cursor;

	if (!r->request->has_cookie)
		return false;
	if (old->kind == LDAP_CURSOR_CSN)
		return strcmp(r->newest_csn, old->csn[0]) < 0;
	return old->kind == LDAP_CURSOR_TIME && strcmp(r->newest_time, old->time) < 0;
}

/* Shown, but not kept: then it is no mark, and a delta that went by it has seen nothing. */
static int check_context(struct reader *r)
{
	struct ldap_cursor after = { .count = 0 };
	int error = 0;

	if (r->shown.kind == LDAP_CURSOR_SET)
		error = read_context(r, &after);
	if (error < 0 || r->shown.kind != LDAP_CURSOR_SET ||
	    ldap_cursor_is_kept(&after, r->newest_csn))
		return error;
	if (!r->request->is_full && r->request->cursor.kind == LDAP_CURSOR_SET)
		return ldap_session_fail(&r->session, LDAP_OUTCOME_RESTORED,
					 "contextCSN is not kept: is syncprov gone?");
	r->shown = (struct ldap_cursor){ .kind = LDAP_CURSOR_NONE };
	return 0;
}

static void prepare_filter(struct reader *r)
{
	const struct ldap_request *q = r->request;
	enum ldap_bound bound = LDAP_BOUND_ALL;
	char since[LDAP_BOUND_SIZE] = "";

	r->known = "";
	if (!q->is_full)
		bound = ldap_cursor_bound(&q->cursor, &r->shown, since);
	if (bound == LDAP_BOUND_IDLE)
		r->known = ldap_cursor_newest(&q->cursor);
	if (bound == LDAP_BOUND_ALL)
		(void)snprintf(r->filter, sizeof(r->filter), "%s", q->filter);
	else
		(void)snprintf(r->filter, sizeof(r->filter), "(&%s%s)", q->filter, since);
}

static int read_all(struct reader *r)
{
	const struct ldap_request *q = r->request;
	struct ldap_cursor next;
	int error;

	prepare_filter(r);
	error = send_begin(r);
	if (error == 0)
		error = read_pages(r);
	if (error == 0)
		error = check_uuids(r);
	if (error == 0)
		error = check_context(r);
	if (error < 0)
		return error;
	if (is_behind(r)) {
		if (!q->is_full)
			return ldap_session_fail(&r->session, LDAP_OUTCOME_RESTORED,
						 "the newest entry that was there is gone");
		r->is_restored = true;
	}
	next_cursor(r, &next);
	return send_commit(r, &next);
}

static int read_directory(struct reader *r)
{
	const struct ldap_request *q = r->request;
	int error = split_names(r);

	if (error == 0)
		error = ldap_session_open(&r->session);
	if (error == 0)
		error = read_context(r, &r->shown);
	if (error < 0)
		return error;
	if (q->has_cookie && !ldap_cursor_covers(&q->cursor, &r->shown, r->session.uri)) {
		if (!q->is_full)
			return ldap_session_fail(
				&r->session, LDAP_OUTCOME_RESTORED,
				"the directory is older than what was read last, or another");
		r->is_restored = true;
	}
	return read_all(r);
}

int ldap_read(const struct ldap_request *request, int fd)
{
	cleanup_free struct reader *r = calloc(1, sizeof(*r));
	int error;

	/* neither the environment's settings nor a file of ours or of the machine count */
	if (!r || setenv("LDAPNOINIT", "1", 1) < 0)
		return -ENOMEM;
	r->request = request;
	r->fd = fd;
	r->session.request = request;
	r->session.deadline = clock_monotonic() + request->timeout;
	error = read_directory(r);
	if (error < 0 && r->session.outcome == LDAP_OUTCOME_OK)
		r->session.outcome = LDAP_OUTCOME_TEMPORARY;
	error = send_done(r);
	ldap_session_close(&r->session);
	ber_memfree(r->cookie.bv_val);
	buf_release(&r->frame);
	buf_release(&r->entry.attributes);
	buf_release(&r->uuids);
	return error;
}
