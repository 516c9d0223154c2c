/* SPDX-License-Identifier: BSD-2-Clause */
/* A private directory, a clock that stands still and randomness that repeats, for the tests of
 * keystore/. */
#ifndef TESTS_UNIT_KEYSTORE_FIXTURE_H
#define TESTS_UNIT_KEYSTORE_FIXTURE_H

#include "tests/unit/unit.h"

#include <limits.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "keystore/keystore.h"

#define FIXTURE_NOW UINT64_C(1800000000000000)

struct fixture {
	char dir[PATH_MAX];
	struct keystore_env env;
	uint64_t now;
	uint64_t draws; /* of deterministic randomness */
};

static inline void fixture_clock(void *context, struct moment *ret)
{
	const struct fixture *f = context;

	*ret = (struct moment){ .wall = f->now, .boot = f->now };
}

/* BLAKE2b of a counter: the same bytes at every run, never the same twice in one. */
static inline void fixture_random(void *context, void *out, size_t len)
{
	struct fixture *f = context;
	uint8_t counter[8];

	store_be64(counter, ++f->draws);
	for (size_t at = 0; at < len; at += 64) {
		uint8_t block[64];
		uint8_t salted[16] = { 0 };

		memcpy(salted, counter, sizeof(counter));
		store_be64(salted + 8, at);
		(void)crypto_generichash(block, sizeof(block), salted, sizeof(salted), NULL, 0);
		memcpy((uint8_t *)out + at, block, len - at < 64 ? len - at : 64);
	}
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sodium_init() < 0)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "%s/rotated-ks.XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	f->now = FIXTURE_NOW;
	f->env = (struct keystore_env){
		.clock = { fixture_clock, f },
		.pwhash_ops = crypto_pwhash_OPSLIMIT_INTERACTIVE,
		.pwhash_mem = crypto_pwhash_MEMLIMIT_INTERACTIVE,
	};
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char command[PATH_MAX + 16];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	if (system(command) != 0)
		return -1;
	free(f);
	return 0;
}

static inline void fixture_path(const struct fixture *f, const char *name,
				char path[static PATH_MAX])
{
	assert_true(snprintf(path, PATH_MAX, "%s/%s", f->dir, name) < PATH_MAX);
}

static inline void fixture_shell(const struct fixture *f, const char *script)
{
	char command[2 * PATH_MAX];

	assert_true(snprintf(command, sizeof(command), "cd '%s' && %s", f->dir, script) <
		    (int)sizeof(command));
	assert_int_equal(system(command), 0);
}

static const char fixture_passphrase[] = "correct horse battery staple";
static const char fixture_key_file[] = "0123456789abcdef0123456789abcdef";

static inline struct secret *fixture_secret(const char *text)
{
	struct secret *s = secret_new(text, strlen(text));

	assert_non_null(s);
	return s;
}

static inline void fixture_fail(const struct report *report)
{
	print_error("%s (%s)\n", report->what, report->hint);
}

/* Returns the recovery text. */
static inline struct secret *fixture_create(struct fixture *f)
{
	cleanup_secret struct secret *passphrase = fixture_secret(fixture_passphrase);
	cleanup_secret struct secret *key_file = fixture_secret(fixture_key_file);
	const struct keystore_first_keys keys = { passphrase, key_file };
	struct secret *recovery = NULL;
	struct report report = { 0 };

	if (keystore_create(f->dir, &f->env, &keys, &recovery, &report) < 0)
		fixture_fail(&report);
	assert_non_null(recovery);
	return recovery;
}

static inline struct keystore *fixture_open(struct fixture *f)
{
	struct keystore *ks = NULL;
	struct report report = { 0 };

	if (keystore_open(f->dir, &f->env, &ks, &report) < 0)
		fixture_fail(&report);
	assert_non_null(ks);
	return ks;
}

static inline void fixture_unlock_auth(struct keystore *ks)
{
	cleanup_secret struct secret *key = fixture_secret(fixture_key_file);
	struct report report = { 0 };

	if (keystore_unlock_key_file(ks, key, &report) < 0)
		fixture_fail(&report);
	assert_true(keystore_is_open(ks, KEYSTORE_AUTH));
}

static inline void fixture_unlock_both(struct keystore *ks)
{
	cleanup_secret struct secret *key = fixture_secret(fixture_passphrase);
	struct report report = { 0 };

	if (keystore_unlock_passphrase(ks, key, &report) < 0)
		fixture_fail(&report);
	assert_true(keystore_is_open(ks, KEYSTORE_BOTH));
}

/* A new keystore with both tiers open. */
static inline struct keystore *fixture_new(struct fixture *f)
{
	cleanup_secret struct secret *recovery = fixture_create(f);
	struct keystore *ks = fixture_open(f);

	fixture_unlock_both(ks);
	return ks;
}

/* Adds a slot that KEY opens. */
static inline int fixture_add(struct keystore *ks, enum keystore_slot_type type,
			      const struct secret *key, struct report *report)
{
	const struct keystore_new_slot slot = { .type = type, .key = key };
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	cleanup_secret struct secret *text = NULL;

	return keystore_slot_add(ks, &slot, id, &text, report);
}

static inline struct keystore_record fixture_record(const char *name, enum keystore_tier tier,
						    const char *body)
{
	return (struct keystore_record){
		.id = { "password", "verifier", name },
		.tier = tier,
		.state = 3,
		.attrs = (const uint8_t *)"a=1",
		.attrs_len = 3,
		.body = (const uint8_t *)body,
		.body_len = strlen(body),
	};
}

static inline void fixture_put(struct keystore *ks, const char *name, enum keystore_tier tier,
			       const char *body)
{
	const struct keystore_record rec = fixture_record(name, tier, body);
	struct keystore_txn *txn = NULL;
	struct report report = { 0 };

	assert_int_equal(keystore_begin(ks, &txn, &report), 0);
	assert_int_equal(keystore_put(txn, &rec, NULL), 0);
	assert_int_equal(keystore_commit(txn, NULL, &report), 0);
}

static inline void fixture_remove(struct keystore *ks, const char *name)
{
	const struct keystore_id id = { "password", "verifier", name };
	struct keystore_txn *txn = NULL;
	struct report report = { 0 };

	assert_int_equal(keystore_begin(ks, &txn, &report), 0);
	assert_int_equal(keystore_remove(txn, &id, "revoked by hand"), 0);
	assert_int_equal(keystore_commit(txn, NULL, &report), 0);
}

/* ---- disks ---- */

enum { FIXTURE_SKIPPED = 77 };

/* Runs RUN in a child with mounts of its own, which root alone may make. */
static inline void fixture_in_namespace(struct fixture *f, int (*run)(struct fixture *f))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(FIXTURE_SKIPPED);
		_exit(run(f));
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == FIXTURE_SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* For RUN, which returns 0 when all is well. */
#define EXPECT(c)                                                                              \
	do {                                                                                   \
		if (!(c)) {                                                                    \
			print_error("%s:%d: %s\n", __FILE__, __LINE__, #c);                    \
			return 1;                                                              \
		}                                                                              \
	} while (0)

static inline int fixture_read_only(const char *path)
{
	if (mount(path, path, NULL, MS_BIND, NULL) < 0)
		return -1;
	return mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

#endif
