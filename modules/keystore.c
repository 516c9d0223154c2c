/* SPDX-License-Identifier: BSD-2-Clause */
#include "modules/keystore.h"

#include <string.h>

#include "keystore/index.h"

_Static_assert(sizeof(char[VERIFIER_TEXT_SIZE]) <= IDENTITY_VERIFIER_MAX,
	       "a verifier must fit its answer");

struct keystore_backend {
	char *dir;
	struct clock clock;
	struct verifier_keys *keys; /* NULL: sealed; outlives `reader` */
	struct verifier_keys *next; /* NULL: no others are to come; as `keys` */
	struct index_reader *reader;
};

int keystore_backend_new(const char *index_dir, const struct clock *clock,
			 struct keystore_backend **ret)
{
	cleanup_(keystore_backend_freep) struct keystore_backend *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->clock = *clock;
	b->dir = strdup(index_dir);
	if (!b->dir)
		return -ENOMEM;
	*ret = steal_ptr(b);
	return 0;
}

void keystore_backend_free(struct keystore_backend *b)
{
	if (!b)
		return;
	keystore_backend_drop_keys(b);
	free(b->dir);
	free(b);
}

void keystore_backend_drop_keys(struct keystore_backend *b)
{
	index_reader_free(b->reader);
	b->reader = NULL;
	verifier_keys_free(b->keys);
	b->keys = NULL;
	verifier_keys_free(b->next);
	b->next = NULL;
}

bool keystore_backend_has_keys(const struct keystore_backend *b)
{
	return b->keys != NULL;
}

int keystore_backend_set_keys(struct keystore_backend *b, const uint8_t *blob, size_t len)
{
	cleanup_verifier_keys struct verifier_keys *keys = NULL;
	struct index_reader *reader;
	int r;

	r = verifier_keys_from_blob(blob, len, &keys);
	if (r < 0)
		return r;
	r = index_reader_new(b->dir, keys, &reader);
	if (r < 0)
		return r;
	/* The new reader has opened nothing yet: LMDB must not have a directory open twice in a
	 * process. */
	keystore_backend_drop_keys(b);
	b->reader = reader;
	b->keys = steal_ptr(keys);
	return 0;
}

int keystore_backend_set_next(struct keystore_backend *b, const uint8_t *blob, size_t len)
{
	struct verifier_keys *next = NULL;
	int r = blob ? verifier_keys_from_blob(blob, len, &next) : 0;

	if (r < 0)
		return r;
	index_reader_set_next(b->reader, next);
	verifier_keys_free(b->next);
	b->next = next;
	return 0;
}

bool keystore_backend_set_id(const struct keystore_backend *b, uint8_t *out)
{
	if (b->keys)
		verifier_keys_id(b->keys, out);
	return b->keys != NULL;
}

bool keystore_backend_next_id(const struct keystore_backend *b, uint8_t *out)
{
	if (b->next)
		verifier_keys_id(b->next, out);
	return b->next != NULL;
}

int keystore_backend_fact(struct keystore_backend *b, const struct index_key *key, uint8_t *ret,
			  size_t size, size_t *ret_len)
{
	return b->keys ? index_get_fact(b->reader, key, ret, size, ret_len) : -ENOKEY;
}

int keystore_backend_snapshot_begin(struct keystore_backend *b)
{
	return b->keys ? index_snapshot_begin(b->reader) : -ENOKEY;
}

void keystore_backend_snapshot_end(struct keystore_backend *b)
{
	index_snapshot_end(b->reader);
}

/* The entry of LOGIN, or the decoy that stands for it. NOTFOUND or UNAVAIL, or OK when it is
 * real. The decoy is made in every case and only here, so that no login costs more than
 * another. */
static enum identity_verdict fetch(struct keystore_backend *b, const char *login,
				   struct verifier_entry *ret_decoy, struct verifier_entry *ret)
{
	int r;

	if (!b->keys)
		return IDENTITY_UNAVAIL;
	verifier_decoy(b->keys, login, ret_decoy);
	r = strlen(login) > VERIFIER_LOGIN_MAX ? -ENOENT : index_get(b->reader, login, ret);
	if (r == -ENOENT) {
		*ret = *ret_decoy;
		return IDENTITY_NOTFOUND;
	}
	return r < 0 ? IDENTITY_UNAVAIL : IDENTITY_OK;
}

static void set_identity(struct identity_answer *a, const struct verifier_entry *entry)
{
	size_t len = strnlen(entry->service, sizeof(a->identity) - 1);

	memcpy(a->identity, entry->service, len);
	a->identity[len] = '\0';
}

static void ask_password(void *context, const char *login, const struct secret *password,
			 struct identity_answer *ret)
{
	struct keystore_backend *b = context;
	struct identity_answer answer = { .verdict = IDENTITY_UNAVAIL };
	struct verifier_entry entry, decoy;

	answer.verdict = fetch(b, login, &decoy, &entry);
	if (answer.verdict != IDENTITY_UNAVAIL) {
		uint64_t now = clock_now(&b->clock).wall;
		uint32_t version =
			verifier_entry_check_password(b->keys, login, &entry, password, now);

		if (version && answer.verdict == IDENTITY_OK)
			set_identity(&answer, &entry);
		else if (answer.verdict == IDENTITY_OK)
			answer.verdict = IDENTITY_REJECT;
		explicit_bzero(&entry, sizeof(entry));
	}
	*ret = answer;
}

/* A login that may not log in now gets the decoy too: its own verifier would let it. */
static void ask_verifier(void *context, const char *login, struct identity_answer *ret)
{
	struct keystore_backend *b = context;
	struct identity_answer answer = { .verdict = IDENTITY_UNAVAIL };
	struct verifier_entry entry, decoy;

	answer.verdict = fetch(b, login, &decoy, &entry);
	if (answer.verdict == IDENTITY_OK &&
	    !verifier_entry_usable(&entry, clock_now(&b->clock).wall)) {
		answer.verdict = IDENTITY_REJECT;
		entry = decoy;
	}
	if (answer.verdict != IDENTITY_UNAVAIL) {
		verifier_scram_text(&entry.versions[0], answer.verifier); /* the newest */
		if (answer.verdict == IDENTITY_OK)
			set_identity(&answer, &entry);
		explicit_bzero(&entry, sizeof(entry));
	}
	*ret = answer;
	explicit_bzero(&answer, sizeof(answer));
}

const struct identity_module keystore_module = {
	.abi = IDENTITY_ABI,
	.name = "keystore",
	.password = ask_password,
	.verifier = ask_verifier,
};
