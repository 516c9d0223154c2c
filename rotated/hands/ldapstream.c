/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/ldapstream.h"

#include <string.h>

#include "base/bytes.h"
#include "rotated/hands/ldapentry.h"
#include "wire/attributes.h"
#include "wire/verbs.h"

enum { PREFIX = 4, WORD_SIZE = 16, ID_SIZE = 65, OUTPUT_MAX = 4096 };

/* Which fields, besides id and op, an op has and may have. */
enum {
	HAS_ENTRY = 1,
	HAS_ATTRIBUTES = 2,
	HAS_PROBLEM = 4,
	HAS_MODE = 8,
	HAS_COOKIE = 16,
	HAS_SERVER = 32
};

static const struct {
	const char *field;
	unsigned bit;
} fields[] = {
	{ "uuid", HAS_ENTRY },	    { "dn", HAS_ENTRY },      { "attributes", HAS_ATTRIBUTES },
	{ "problem", HAS_PROBLEM }, { "mode", HAS_MODE },     { "restored", 0 },
	{ "cookie", HAS_COOKIE },   { "server", HAS_SERVER },
};

static const struct {
	const char *word;
	unsigned has;
} ops[] = {
	{ "begin", HAS_MODE | HAS_SERVER },
	{ "upsert", HAS_ENTRY | HAS_ATTRIBUTES },
	{ "broken", HAS_ENTRY | HAS_PROBLEM },
	{ "commit", HAS_MODE | HAS_COOKIE },
};

void ldap_stream_feed(struct ldap_stream *s, const void *data, size_t len)
{
	buf_append(&s->bytes, data, len);
}

size_t ldap_stream_left(const struct ldap_stream *s)
{
	return s->bytes.len;
}

static bool has_fields(const struct frame *f, unsigned has)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].bit &&
		    (frame_find(f, fields[i].field) != NULL) != ((has & fields[i].bit) != 0))
			return false;
	return true;
}

static bool is_entry(const struct frame *f)
{
	const struct frame_field *uuid = frame_find(f, "uuid");
	const struct frame_field *list = frame_find(f, "attributes");
	char text[LDAP_UUID_LEN + 1];
	struct attributes parsed;

	return uuid && ldap_uuid_take(uuid->data, uuid->len, text) &&
	       (!list || attributes_parse(list->data, list->len, &parsed) == 0);
}

static int check_sync(struct ldap_stream *s, const struct frame *f)
{
	char op[WORD_SIZE];
	size_t i = 0;

	if (s->has_committed || frame_text(f, "op", op, sizeof(op)) < 0)
		return -EBADMSG;
	while (i < ARRAY_SIZE(ops) && strcmp(ops[i].word, op) != 0)
		i++;
	if (i == ARRAY_SIZE(ops) || !has_fields(f, ops[i].has))
		return -EBADMSG;
	if (s->has_begun == (i == 0))
		return -EBADMSG;
	if ((ops[i].has & HAS_ENTRY) && !is_entry(f))
		return -EBADMSG;
	s->has_begun = true;
	s->has_committed = (ops[i].has & HAS_COOKIE) != 0;
	return 1;
}

static int take_done(struct ldap_stream *s, const struct frame *f)
{
	const struct frame_field *output = frame_find(f, "output");
	char word[WORD_SIZE];

	if (frame_text(f, "result", word, sizeof(word)) < 0 || !output ||
	    output->len > OUTPUT_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < LDAP_OUTCOME_MAX_; i++)
		if (strcmp(ldap_outcome_word((enum ldap_outcome)i), word) == 0)
			s->result = ldap_outcome_word((enum ldap_outcome)i);
	if (!s->result || s->has_committed != (strcmp(word, "ok") == 0))
		return -EBADMSG;
	buf_append(&s->output, output->data, output->len);
	return buf_error(&s->output);
}

static int check_frame(struct ldap_stream *s, size_t len)
{
	enum wire_verb verb;
	struct frame f;
	char id[ID_SIZE];

	if (s->result || frame_parse(s->bytes.data, len, &f) < 0 ||
	    wire_check_request(&f, WIRE_WORKER, &verb) < 0 ||
	    (verb != WIRE_WORKER_SYNC && verb != WIRE_WORKER_DONE) ||
	    frame_text(&f, "id", id, sizeof(id)) < 0 || strcmp(id, s->id) != 0)
		return -EBADMSG;
	return verb == WIRE_WORKER_SYNC ? check_sync(s, &f) : take_done(s, &f);
}

int ldap_stream_next(struct ldap_stream *s, struct buf *ret)
{
	size_t len;
	int r = buf_error(&s->bytes);

	if (r < 0 || s->bytes.len < PREFIX)
		return r;
	len = load_be32(s->bytes.data);
	if (len > FRAME_MAX - PREFIX)
		return -EBADMSG;
	len += PREFIX;
	if (s->bytes.len < len)
		return 0;
	r = check_frame(s, len);
	if (r > 0) {
		buf_clear(ret);
		buf_append(ret, s->bytes.data, len);
	}
	if (r >= 0)
		buf_consume(&s->bytes, len);
	if (r > 0 && buf_error(ret) < 0)
		return buf_error(ret);
	return r;
}

void ldap_stream_release(struct ldap_stream *s)
{
	buf_release(&s->bytes);
	buf_release(&s->output);
}
