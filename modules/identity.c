/* SPDX-License-Identifier: BSD-2-Clause */
#include "modules/identity.h"

#include <string.h>

static const char *const words[] = {
	[IDENTITY_NOTFOUND] = "notfound",
	[IDENTITY_UNAVAIL] = "unavail",
	[IDENTITY_REJECT] = "reject",
	[IDENTITY_OK] = "ok",
};

_Static_assert(ARRAY_SIZE(words) == IDENTITY_VERDICT_MAX_, "a word for every verdict");

enum identity_verdict identity_fold(const enum identity_verdict *heard, size_t n)
{
	enum identity_verdict v = IDENTITY_NOTFOUND;

	for (size_t i = 0; i < n; i++)
		if (heard[i] > v)
			v = heard[i];
	/* nobody was asked, so nobody said that there is no such login */
	return n ? v : IDENTITY_UNAVAIL;
}

const char *identity_verdict_word(enum identity_verdict v)
{
	return words[v];
}

int identity_verdict_parse(const char *word, enum identity_verdict *ret)
{
	for (unsigned i = 0; i < IDENTITY_VERDICT_MAX_; i++) {
		if (strcmp(words[i], word) == 0) {
			*ret = (enum identity_verdict)i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_final(enum identity_verdict v)
{
	return v == IDENTITY_OK || v == IDENTITY_REJECT;
}

/* Takes the NTH answer into RET if it is the first or outweighs what is there. */
static void merge(struct identity_answer *ret, size_t nth, const struct identity_answer *answer)
{
	const enum identity_verdict both[] = { ret->verdict, answer->verdict };

	if (nth == 0 || identity_fold(both, ARRAY_SIZE(both)) != ret->verdict)
		*ret = *answer;
}

void identity_ask_password(const struct identity_layer *stack, size_t n, const char *login,
			   const struct secret *password, struct identity_answer *ret)
{
	*ret = (struct identity_answer){ .verdict = identity_fold(NULL, 0) };
	for (size_t i = 0; i < n && (i == 0 || !is_final(ret->verdict)); i++) {
		struct identity_answer answer = { .verdict = IDENTITY_UNAVAIL };

		stack[i].module->password(stack[i].context, login, password, &answer);
		merge(ret, i, &answer);
	}
}

void identity_ask_verifier(const struct identity_layer *stack, size_t n, const char *login,
			   struct identity_answer *ret)
{
	*ret = (struct identity_answer){ .verdict = identity_fold(NULL, 0) };
	for (size_t i = 0; i < n && (i == 0 || !is_final(ret->verdict)); i++) {
		struct identity_answer answer = { .verdict = IDENTITY_UNAVAIL };

		stack[i].module->verifier(stack[i].context, login, &answer);
		merge(ret, i, &answer);
	}
}
