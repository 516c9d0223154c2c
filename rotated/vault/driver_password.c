/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords. A version's record holds what checks it; the password itself exists only between
 * password_make() and the reply that carries it. The index has an entry for each login with the
 * versions that it opens.
 */
#include "rotated/vault/driver_password.h"

#include <sodium.h>
#include <string.h>

#include "base/token.h"
#include "rotated/vault/facts.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/services.h"

#define VERIFIER_KIND "verifier"

static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	const struct config_service *service = services_find(m, item->engine.id);
	const struct config_password *p = service ? &service->password : &m->config->password;

	*ret = (struct engine_policy){
		.schedule = USEC_NEVER,
		.overlap = p->overlap,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
		.is_stable = p->login == CONFIG_LOGIN_STABLE,
	};
	if (service)
		schedule_describe(m, &p->schedule, ret);
}

static int load_verifier(const struct manager *m, const struct engine_item *item,
			 uint32_t version, struct verifier_version *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	char name[RECORD_NAME_SIZE];
	int r = record_name_version(item, version, name);

	if (r == 0)
		r = record_get(m, VERIFIER_KIND, name, &rec);
	if (r < 0)
		return r;
	return verifier_version_decode(rec->body, rec->body_len, ret);
}

/* All versions of ITEM that log in as LOGIN, newest first. */
static int fill_entry(struct manager *m, const struct engine_item *item, const char *login,
		      struct verifier_entry *ret)
{
	struct verifier_entry e = { .not_after = USEC_NEVER };

	memcpy(e.service, item->id, strlen(item->id) + 1);
	e.flags = item_is_disabled(m, item) ? VERIFIER_DISABLED : 0;
	for (uint32_t i = item->count; i-- > 0;) {
		const struct engine_version *v = &item->versions[i];
		int r;

		if (v->state == ENGINE_PLANNED || strcmp(v->name, login) != 0)
			continue;
		r = load_verifier(m, item, v->version, &e.versions[e.count]);
		if (r == -ENOENT || r == -EBADMSG)
			item_tell_lost(m, v, "rotatectl credential rotate", item->id);
		else if (r < 0)
			return r;
		else
			e.count++;
	}
	*ret = e;
	return 0;
}

static int put_login(struct manager *m, const struct engine_item *item, const char *login)
{
	struct verifier_entry entry;
	int r = fill_entry(m, item, login, &entry);

	if (r < 0)
		return r;
	if (entry.count == 0)
		r = index_remove(m->index, login);
	else
		r = index_put(m->index, login, &entry);
	sodium_memzero(&entry, sizeof(entry));
	return r;
}

static int update_index(struct manager *m, const struct engine_item *prev,
			const struct engine_item *next)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < prev->count; i++)
		if (!engine_find_name(next, prev->versions[i].name))
			r = index_remove(m->index, prev->versions[i].name);
	for (uint32_t i = 0; r == 0 && i < next->count; i++)
		if (engine_find_name(next, next->versions[i].name) == &next->versions[i])
			r = put_login(m, next, next->versions[i].name);
	return r == 0 ? facts_put_service(m, next) : r;
}

static int generate(struct secret **ret)
{
	uint8_t random[TOKEN_RANDOM_LEN];
	char text[TOKEN_SIZE];

	randombytes_buf(random, sizeof(random));
	token_format(random, text);
	*ret = secret_new(text, strlen(text));
	sodium_memzero(random, sizeof(random));
	sodium_memzero(text, sizeof(text));
	return *ret ? 0 : -ENOMEM;
}

int password_make(struct manager *m, const struct engine_version *v, struct password_made *ret)
{
	cleanup_secret struct secret *password = NULL;
	struct verifier_version verifier;
	uint8_t salt[VERIFIER_SALT_LEN];
	struct verifier_source source = {
		.login = v->name,
		.number = v->version,
		.salt = salt,
	};
	int r = generate(&password);

	if (r < 0)
		return r;
	randombytes_buf(salt, sizeof(salt));
	source.password = password;
	r = verifier_make(keystore_verifier_keys(m->keystore), &source, &verifier);
	if (r < 0)
		return r;
	verifier_version_encode(&verifier, ret->verifier);
	sodium_memzero(&verifier, sizeof(verifier));
	ret->made = (struct made){
		.version = v->version,
		.open = ret->verifier,
		.open_len = sizeof(ret->verifier),
	};
	ret->password = steal_ptr(password);
	return 0;
}

const struct driver driver_password = {
	.kind = ENGINE_PASSWORD,
	.open_kind = VERIFIER_KIND,
	.policy = policy,
	.index = update_index,
};
