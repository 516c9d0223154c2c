/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/verbs.h"

#include <string.h>

#include "base/report.h"

struct verb {
	const char *name;
	enum wire_socket socket;
	const char *request;
	const char *reply;
};

static const struct verb verbs[] = {
#define VERB(id, name, socket, request, reply)                                                 \
	[WIRE_##id] = { name, WIRE_##socket, request, reply },
#include "wire/verbs.def"
#undef VERB
};

static const struct {
	const char *word;
	int exit_code;
} statuses[] = {
#define STATUS(id, word, exit_code) [WIRE_STATUS_##id] = { word, exit_code },
#include "wire/status.def"
#undef STATUS
};

_Static_assert(ARRAY_SIZE(verbs) == WIRE_VERB_MAX_, "a row for every verb");
_Static_assert(ARRAY_SIZE(statuses) == WIRE_STATUS_MAX_, "a row for every status");

#define REPLY_COMMON "message? hint? json? more?"

enum { NAME_SIZE = 64 };

const char *wire_verb_name(enum wire_verb verb)
{
	return verbs[verb].name;
}

enum wire_socket wire_verb_socket(enum wire_verb verb)
{
	return verbs[verb].socket;
}

const char *wire_status_word(enum wire_status status)
{
	return statuses[status].word;
}

int wire_status_exit_code(enum wire_status status)
{
	return statuses[status].exit_code;
}

/* True if KEY is in the blank-separated LIST, with or without its question mark. */
static bool list_has(const char *list, const char *key)
{
	size_t len = strlen(key);

	while (*list) {
		size_t word = strcspn(list, " ");
		size_t name = strcspn(list, "? ");

		if (name == len && strncmp(list, key, len) == 0)
			return true;
		list += word;
		list += strspn(list, " ");
	}
	return false;
}

/* True if every word of LIST without a question mark is a field of F. */
static bool list_is_satisfied(const char *list, const struct frame *f)
{
	while (*list) {
		size_t word = strcspn(list, " ");
		char key[FRAME_KEY_MAX + 1];

		if (list[word - 1] != '?' && word < sizeof(key)) {
			memcpy(key, list, word);
			key[word] = '\0';
			if (!frame_find(f, key))
				return false;
		}
		list += word;
		list += strspn(list, " ");
	}
	return true;
}

/* Fields 0 and 1 are `v` and LEAD; the rest must be in one of the lists. */
static int check_fields(const struct frame *f, const char *lead, const char *list,
			const char *common)
{
	if (f->count < 2 || strcmp(f->fields[1].key, lead) != 0)
		return -EBADMSG;
	for (uint32_t i = 2; i < f->count; i++)
		if (!list_has(list, f->fields[i].key) && !list_has(common, f->fields[i].key))
			return -EBADMSG;
	return 0;
}

static int find_verb(const char *name, enum wire_socket socket, enum wire_verb *ret)
{
	for (unsigned i = 0; i < WIRE_VERB_MAX_; i++) {
		if (verbs[i].socket == socket && strcmp(verbs[i].name, name) == 0) {
			*ret = (enum wire_verb)i;
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

int wire_check_request(const struct frame *f, enum wire_socket socket, enum wire_verb *ret)
{
	char name[NAME_SIZE];
	enum wire_verb verb;
	int r;

	if (frame_text(f, "verb", name, sizeof(name)) < 0)
		return -EBADMSG;
	r = find_verb(name, socket, &verb);
	if (r < 0)
		return r;
	r = check_fields(f, "verb", verbs[verb].request, "");
	if (r < 0)
		return r;
	if (!list_is_satisfied(verbs[verb].request, f))
		return -EBADMSG;
	*ret = verb;
	return 0;
}

/* Only a reply that says ok must carry what the table promises. */
int wire_check_reply(const struct frame *f, enum wire_verb verb, enum wire_status *ret)
{
	char word[NAME_SIZE];
	int r = check_fields(f, "status", verbs[verb].reply, REPLY_COMMON);

	if (r < 0)
		return r;
	if (frame_text(f, "status", word, sizeof(word)) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < WIRE_STATUS_MAX_; i++) {
		if (strcmp(statuses[i].word, word) != 0)
			continue;
		if (i == WIRE_STATUS_OK && !list_is_satisfied(verbs[verb].reply, f))
			return -EBADMSG;
		*ret = (enum wire_status)i;
		return 0;
	}
	return -EBADMSG;
}

void wire_begin_request(struct buf *out, enum wire_verb verb)
{
	frame_begin(out);
	frame_put_text(out, "verb", verbs[verb].name);
}

void wire_begin_reply(struct buf *out, enum wire_status status)
{
	frame_begin(out);
	frame_put_text(out, "status", statuses[status].word);
}

int wire_reply_report(struct buf *out, enum wire_status status, const struct report *r)
{
	wire_begin_reply(out, status);
	if (r->what[0])
		frame_put_text(out, "message", r->what);
	if (r->hint[0])
		frame_put_text(out, "hint", r->hint);
	return frame_end(out);
}
