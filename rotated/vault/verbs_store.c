/* SPDX-License-Identifier: BSD-2-Clause */
/* Store.*: making, opening, sealing and checking the keystore. */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "rotated/vault/control.h"
#include "rotated/vault/shares.h"
#include "rotated/vault/store.h"

enum { KEY_FILE_LEN = 64 };

/* ---- Store.Init ---- */

static int write_key_file(const struct request *req, struct secret **ret, struct report *report)
{
	const char *path = req->m->config->keystore.key_file;
	uint8_t random[KEY_FILE_LEN / 2];
	char text[KEY_FILE_LEN + 2];
	int r;

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(text, sizeof(text), random, sizeof(random));
	sodium_memzero(random, sizeof(random));
	text[KEY_FILE_LEN] = '\n';
	*ret = secret_new(text, KEY_FILE_LEN + 1);
	r = *ret ? fs_replace(AT_FDCWD, path, text, KEY_FILE_LEN + 1, 0600) : -ENOMEM;
	sodium_memzero(text, sizeof(text));
	if (r < 0) {
		report_set(report, r, "the key file %s can not be written: %s", path,
			   strerror(-r));
		report_hint(report, "set key_file= to a place where the user of rotated may "
				    "write, such as /var/lib/rotated/auth.key");
	}
	return r;
}

static int create(struct request *req, const struct secret *passphrase,
		  struct secret **ret_recovery)
{
	struct manager *m = req->m;
	struct report *report = &req->reply.report;
	const struct keystore_env env = { .clock = m->clock };
	struct keystore_first_keys keys = { .passphrase = passphrase };
	cleanup_secret struct secret *key = NULL;
	int r = 0;

	if (frame_flag(req->frame, "key_file"))
		r = write_key_file(req, &key, report);
	keys.key_file = key;
	if (r == 0)
		r = keystore_create(m->config->keystore.path, &env, &keys, ret_recovery,
				    report);
	if (r == 0)
		r = store_open(m, report);
	if (r == 0)
		r = keystore_unlock_passphrase(m->keystore, passphrase, report);
	return r < 0 ? r : store_unsealed(m, report);
}

static enum wire_status check_init(struct request *req)
{
	const struct config_keystore *k = &req->m->config->keystore;

	if (req->m->keystore || req->m->keystore_problem.what[0])
		return request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl status",
				      "there is a keystore in %s already", k->path);
	if (verb_backup_restorer(req->m))
		return request_fail(req, request_require(req, KEYSTORE_AUTH));
	if (!frame_flag(req->frame, "key_file"))
		return WIRE_STATUS_OK;
	if (!k->key_file[0])
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "set key_file= in [keystore], then reload rotated",
				      "the configuration names no key file");
	if (faccessat(AT_FDCWD, k->key_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return request_refuse(req, WIRE_STATUS_REFUSED, NULL,
				      "the key file %s exists already: it may open another "
				      "keystore, so it is not replaced",
				      k->key_file);
	return WIRE_STATUS_OK;
}

enum wire_status verb_store_init(struct request *req)
{
	cleanup_secret struct secret *passphrase = NULL;
	cleanup_secret struct secret *recovery = NULL;
	enum wire_status status = check_init(req);
	int r;

	if (status != WIRE_STATUS_OK)
		return status;
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would make a keystore in %s",
				      req->m->config->keystore.path);
	r = request_secret(req, "passphrase", &passphrase);
	if (r == 0)
		r = create(req, passphrase, &recovery);
	if (r < 0)
		return request_fail(req, r);
	request_note(req, "store.init", NULL);
	frame_put(&req->reply.fields, "recovery_key", secret_data(recovery),
		  secret_len(recovery));
	return WIRE_STATUS_OK;
}

/* ---- Store.Unseal ---- */

static const struct key_kind {
	const char *field;
	const char *event;
	int (*unlock)(struct keystore *ks, const struct secret *key, struct report *report);
} key_kinds[] = {
	{ "passphrase", "store.unseal", keystore_unlock_passphrase },
	{ "recovery_key", "store.recover", keystore_unlock_recovery },
	{ "key", "store.unseal-key-file", keystore_unlock_key_file },
	{ "share", NULL, NULL }, /* one is seldom enough: vault/shares.h */
};

static const struct key_kind *find_key(const struct frame *f)
{
	const struct key_kind *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(key_kinds); i++) {
		if (!frame_find(f, key_kinds[i].field))
			continue;
		if (found)
			return NULL;
		found = &key_kinds[i];
	}
	return found;
}

enum wire_status verb_store_unseal(struct request *req)
{
	const struct key_kind *kind = find_key(req->frame);
	cleanup_secret struct secret *key = NULL;
	struct manager *m = req->m;
	int r;

	if (!kind)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "exactly one of passphrase, recovery key, key file and "
				      "share");
	/* what kept it from being opened may have been put right */
	if (!m->keystore && !verb_backup_restorer(m))
		ignore_result(store_open(m, &req->reply.report)); /* it is told by the next */
	r = m->keystore ? 0 : request_require(req, KEYSTORE_AUTH);
	if (r < 0)
		return request_fail(req, r);
	if (store_is_open(m, KEYSTORE_BOTH))
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL, "%s",
				      store_open_tiers(m));
	if (!kind->unlock)
		return shares_unseal(req);
	r = request_secret(req, kind->field, &key);
	if (r == 0)
		r = kind->unlock(m->keystore, key, &req->reply.report);
	if (r == 0)
		r = store_unsealed(m, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	request_note(req, kind->event, NULL);
	return request_refuse(req, WIRE_STATUS_OK, NULL, "%s", store_open_tiers(m));
}

/* ---- Store.Seal ---- */

/* A vault that is sealed since it started can still be told to take the door its keys. */
static bool can_seal(const struct manager *m, enum keystore_tier tier)
{
	if (tier == KEYSTORE_ISSUER)
		return keystore_is_open(m->keystore, KEYSTORE_ISSUER);
	return !m->is_sealed_by_order;
}

enum wire_status verb_store_seal(struct request *req)
{
	enum keystore_tier tier = KEYSTORE_BOTH;
	struct manager *m = req->m;
	char word[16];
	int r = frame_text(req->frame, "tier", word, sizeof(word));

	if (r != -ENOENT && (r < 0 || strcmp(word, "issuer") != 0))
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "only `issuer` can be sealed alone");
	if (r == 0)
		tier = KEYSTORE_ISSUER;
	if (!m->keystore) {
		r = request_require(req, KEYSTORE_AUTH);
		return request_fail(req, r);
	}
	if (!can_seal(m, tier))
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL, "it is sealed already");
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would seal %s",
				      tier == KEYSTORE_BOTH ? "both tiers" : "the ISSUER tier");
	request_note(req, tier == KEYSTORE_BOTH ? "store.seal" : "store.seal-issuer", NULL);
	store_seal(m, tier);
	return request_refuse(req, WIRE_STATUS_OK, NULL, "%s", store_open_tiers(m));
}
