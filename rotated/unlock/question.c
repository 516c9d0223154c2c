/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/unlock/question.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static const char *const words[] = {
	[QUESTION_OK] = "ok",
	[QUESTION_FAILED] = "failed",
	[QUESTION_TIMED_OUT] = "timeout",
	[QUESTION_REFUSED] = "refused",
};

_Static_assert(ARRAY_SIZE(words) == QUESTION_RESULT_MAX_, "a word for every result");

const char *question_result_word(enum question_result result)
{
	return words[result];
}

static int refuse(struct report *report, const char *what)
{
	return report_set(report, -EINVAL, "the question makes no sense: %s", what);
}

/* It becomes a word of a command line: nothing that could be an option or a path. */
static bool is_name(const char *s)
{
	return *s && *s != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static int read_timeout(const struct frame *f, struct question *q)
{
	uint64_t seconds;

	if (frame_number(f, "timeout", &seconds) < 0 || seconds == 0 ||
	    seconds > QUESTION_TIMEOUT_MAX)
		return -EINVAL;
	q->timeout = seconds * USEC_PER_SEC;
	return 0;
}

static int read_kind(const struct frame *f, enum wire_verb verb, struct question *q)
{
	char word[16];

	if (verb == WIRE_UNLOCK_SEAL)
		q->kind = QUESTION_ENCRYPT;
	else if (frame_text(f, "kind", word, sizeof(word)) < 0)
		return -EINVAL;
	else if (strcmp(word, "credential") == 0)
		q->kind = QUESTION_DECRYPT;
	else if (strcmp(word, "exec") == 0)
		q->kind = QUESTION_HELPER;
	else
		return -EINVAL;
	return 0;
}

_Static_assert(QUESTION_BLOB_MAX == (int)KEY_MAX, "one limit for what goes in");

static bool has_input(const struct question *q)
{
	size_t min = q->kind == QUESTION_ENCRYPT ? KEY_MIN : 0;

	return q->input.len >= min && q->input.len <= QUESTION_BLOB_MAX;
}

int question_parse(const struct frame *f, enum wire_verb verb, struct question *ret,
		   struct report *report)
{
	const struct frame_field *input =
		frame_find(f, verb == WIRE_UNLOCK_SEAL ? "secret" : "blob");

	*ret = (struct question){ .input = BUF_INIT };
	if (frame_text(f, "id", ret->id, sizeof(ret->id)) < 0 || !ret->id[0] ||
	    strspn(ret->id, "0123456789") != strlen(ret->id))
		return -EBADMSG;
	if (read_kind(f, verb, ret) < 0)
		return refuse(report, "its kind is unknown");
	if (read_timeout(f, ret) < 0)
		return refuse(report, "its time is out of bounds");
	if (input)
		buf_append(&ret->input, input->data, input->len);
	if (buf_error(&ret->input) < 0)
		return buf_error(&ret->input);
	if (!input || !has_input(ret))
		return refuse(report, "its size is out of bounds");
	if (ret->kind == QUESTION_HELPER &&
	    (frame_text(f, "program", ret->program, sizeof(ret->program)) < 0 ||
	     ret->program[0] != '/' || !text_is_plain(ret->program)))
		return refuse(report, "its program is no absolute path");
	if (ret->kind != QUESTION_HELPER &&
	    (frame_text(f, "name", ret->name, sizeof(ret->name)) < 0 || !is_name(ret->name)))
		return refuse(report, "its name is no credential's");
	return 0;
}

void question_release(struct question *q)
{
	buf_release(&q->input);
}

int question_key(const struct question *q, const char *program, const struct buf *out,
		 struct secret **ret, struct report *report)
{
	size_t len = out->len;

	if (q->kind == QUESTION_HELPER && len > KEY_MIN && out->data[len - 1] == '\n')
		len--;
	if (len < KEY_MIN || len > KEY_MAX)
		return report_set(report, -EINVAL,
				  "%s printed %s%zu bytes, where a key has %d to %d", program,
				  len > KEY_MAX ? "at least " : "", len, KEY_MIN, KEY_MAX);
	*ret = secret_new(out->data, len);
	return *ret ? 0 : -ENOMEM;
}

static bool repeats(const char *line, const struct buf *out)
{
	enum { TELLING = 8 }; /* bytes of a key that are too many to show */
	size_t len = strlen(line);

	for (size_t i = 0; len >= TELLING && i + TELLING <= out->len; i++)
		if (memmem(line, len, out->data + i, TELLING))
			return true;
	return false;
}

/* Ends each line in place; RET_LAST and RET_BEFORE are the last two that say something. */
static void split_lines(char *p, const char **ret_before, const char **ret_last)
{
	while (*p) {
		char *end = p + strcspn(p, "\n");
		char *next = *end ? end + 1 : end;

		*end = '\0';
		if (p[strspn(p, " \t\r")]) {
			*ret_before = *ret_last;
			*ret_last = p;
		}
		p = next;
	}
}

void question_last_words(struct buf *err, const struct buf *out, char *ret, size_t size)
{
	const char *before = NULL, *last = NULL;

	ret[0] = '\0';
	for (size_t i = 0; i < err->len; i++)
		if (err->data[i] == '\0')
			err->data[i] = '?';
	if (!buf_string(err))
		return;
	split_lines((char *)err->data, &before, &last);
	if (!last || repeats(last, out) || (before && repeats(before, out)))
		return;
	(void)snprintf(ret, size, "%s%s%s", before ? before : "", before ? "; " : "",
		       last); /* cut to fit */
}
