/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a question for the porter, as what a helper printed, and as what it said. */
#include <stdlib.h>
#include <string.h>

#include "rotated/unlock/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
	if (!is_good)
		abort();
}

static void ask(const uint8_t *data, size_t size)
{
	struct report report = { 0 };
	enum wire_verb verb;
	struct question q;
	struct frame f;
	int r;

	if (frame_parse(data, size, &f) < 0 || wire_check_request(&f, WIRE_PUSH, &verb) < 0 ||
	    (verb != WIRE_UNLOCK_OPEN && verb != WIRE_UNLOCK_SEAL))
		return;
	r = question_parse(&f, verb, &q, &report);
	check(r == 0 || r == -EBADMSG || report.what[0]);
	check(r < 0 || (q.id[0] && q.input.len <= QUESTION_BLOB_MAX && q.timeout > 0));
	check(r < 0 || (q.kind == QUESTION_HELPER ? q.program[0] == '/'
						  : q.name[0] && q.name[0] != '-'));
	question_release(&q);
}

static void print(const uint8_t *data, size_t size, enum question_kind kind)
{
	const struct question q = { .kind = kind };
	cleanup_secret struct secret *key = NULL;
	cleanup_buf struct buf out = BUF_INIT, err = BUF_INIT;
	struct report report = { 0 };
	char words[256];

	buf_append(&out, data, size / 2);
	buf_append(&err, data, size);
	if (question_key(&q, "/helper", &out, &key, &report) == 0)
		check(secret_len(key) >= KEY_MIN && secret_len(key) <= KEY_MAX &&
		      memcmp(secret_data(key), data, secret_len(key)) == 0);
	else
		check(report.what[0] != '\0');
	question_last_words(&err, &out, words, sizeof(words));
	check(strlen(words) < sizeof(words) && !strchr(words, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ask(data, size);
	print(data, size, QUESTION_HELPER);
	print(data, size, QUESTION_DECRYPT);
	return 0;
}
