/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/upstream.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/token.h"
#include "rotated/vault/items.h"

enum { PUBLIC_FORMAT = 1 };

/* ---- records ---- */

static void put_text(struct buf *out, const char *s)
{
	uint8_t len[2];

	store_be16(len, (uint16_t)strlen(s));
	buf_append(out, len, sizeof(len));
	buf_append_str(out, s);
}

void upstream_public_encode(const struct upstream_public *p, struct buf *out)
{
	buf_append_byte(out, PUBLIC_FORMAT);
	put_text(out, p->user);
	put_text(out, p->credential);
}

static int get_text(const uint8_t **p, const uint8_t *end, char *ret, size_t size)
{
	size_t len;

	if (end - *p < 2)
		return -EBADMSG;
	len = load_be16(*p);
	if (len >= size || len > (size_t)(end - *p) - 2 || memchr(*p + 2, '\0', len))
		return -EBADMSG;
	memcpy(ret, *p + 2, len);
	ret[len] = '\0';
	*p += 2 + len;
	return 0;
}

int upstream_public_decode(const uint8_t *data, size_t len, struct upstream_public *ret)
{
	struct upstream_public p;
	const uint8_t *at = data + 1;
	int r;

	if (len < 1 || data[0] != PUBLIC_FORMAT)
		return -EBADMSG;
	r = get_text(&at, data + len, p.user, sizeof(p.user));
	if (r == 0)
		r = get_text(&at, data + len, p.credential, sizeof(p.credential));
	if (r < 0 || at != data + len)
		return -EBADMSG;
	*ret = p;
	return 0;
}

static int load(const struct manager *m, const struct engine_item *item, uint32_t version,
		const char *kind, struct keystore_record **ret)
{
	char name[RECORD_NAME_SIZE];
	int r = record_name_version(item, version, name);

	return r < 0 ? r : record_get(m, kind, name, ret);
}

int upstream_load_public(const struct manager *m, const struct engine_item *item,
			 uint32_t version, struct upstream_public *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = load(m, item, version, driver_upstream.open_kind, &rec);

	return r < 0 ? r : upstream_public_decode(rec->body, rec->body_len, ret);
}

int upstream_load_secret(const struct manager *m, const struct engine_item *item,
			 uint32_t version, struct secret **ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = load(m, item, version, driver_upstream.hidden_kind, &rec);

	if (r < 0)
		return r;
	*ret = secret_new(rec->body, rec->body_len);
	return *ret ? 0 : -ENOMEM;
}

static bool is_wanted(const struct engine_version *v)
{
	return !v->is_revoked && v->state != ENGINE_PLANNED && v->state != ENGINE_WITHDRAWING &&
	       v->state != ENGINE_WITHDRAWN;
}

bool upstream_is_shared(const struct manager *m, const struct engine_item *item,
			uint32_t version)
{
	struct upstream_public own, other;

	if (upstream_load_public(m, item, version, &own) < 0)
		return false;
	for (uint32_t i = 0; i < item->count; i++) {
		const struct engine_version *v = &item->versions[i];

		if (v->version == version || !is_wanted(v) ||
		    upstream_load_public(m, item, v->version, &other) < 0)
			continue;
		if (strcmp(own.user, other.user) == 0 &&
		    strcmp(own.credential, other.credential) == 0)
			return true;
	}
	return false;
}

/* ---- what is made ---- */

bool upstream_is_word(const char *s, size_t max, bool is_user)
{
	size_t len = strlen(s);

	if (len == 0 || len > max || (is_user && strchr(s, ':')))
		return false;
	for (; *s; s++)
		if (*s < '!' || *s > '~')
			return false;
	return true;
}

void upstream_default_user(const struct manager *m, const struct engine_item *item,
			   const struct engine_version *v, char ret[static UPSTREAM_USER_SIZE])
{
	const struct config_provider *p = config_provider_find(m->config, item->id);
	cleanup_buf struct buf text = BUF_INIT;
	const char *s = p && p->upstream.user[0] ? p->upstream.user : v->name;

	for (; *s; s++) {
		if (s[0] == '%' && s[1] == 'v') {
			buf_printf(&text, "%u", v->version);
			s++;
		} else {
			buf_append_byte(&text, (uint8_t)*s);
		}
	}
	s = buf_string(&text);
	(void)snprintf(ret, UPSTREAM_USER_SIZE, "%s", s ? s : v->name); /* cut to fit */
}

int upstream_generate(struct secret **ret)
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

/* ---- lookups ---- */

static enum wire_status later(struct report *report, const char *fmt, const char *id)
{
	char what[REPORT_TEXT_MAX];

	(void)snprintf(what, sizeof(what), "%s: %s", id, fmt); /* cut to fit */
	report_set(report, 0, "%s", what);
	return WIRE_STATUS_AGAIN;
}

enum wire_status outbound_answer(struct manager *m, const char *key, struct buf *reply,
				 struct report *report)
{
	const struct config_provider *p = config_provider_for(m->config, key);
	cleanup_secret struct secret *secret = NULL;
	const struct engine_version *v;
	struct upstream_public public;
	const struct item *item;

	if (!p)
		return WIRE_STATUS_NOTHING;
	if (!m->keystore || !keystore_is_open(m->keystore, KEYSTORE_ISSUER))
		return later(report, "the ISSUER tier is sealed", p->id);
	item = item_find(m, ENGINE_UPSTREAM, p->id);
	v = item ? engine_find_phase(&item->engine, ENGINE_CURRENT) : NULL;
	if (!v)
		return later(report, "it has no secret in use yet", p->id);
	if (upstream_load_public(m, &item->engine, v->version, &public) < 0 ||
	    upstream_load_secret(m, &item->engine, v->version, &secret) < 0)
		return later(report, "its secret can not be read", p->id);
	frame_put_text(reply, "user", public.user);
	frame_put(reply, "secret", secret_data(secret), secret_len(secret));
	return WIRE_STATUS_OK;
}
