/* SPDX-License-Identifier: BSD-2-Clause */
/* The question to the directory, as a job for the worker. */
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "rotated/vault/items.h"
#include "rotated/vault/ldap_state.h"
#include "rotated/vault/store.h"

void ldap_digest(const struct config_ldap *ldap, uint8_t ret[static LDAP_DIGEST_LEN])
{
	struct config_mapped fields[CONFIG_FIELDS_MAX];
	size_t n = config_ldap_fields(ldap, fields);
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, NULL, 0,
				      LDAP_DIGEST_LEN); /* never fails, nor below */
	(void)crypto_generichash_update(&h, (const uint8_t *)ldap->base,
					strlen(ldap->base) + 1);
	(void)crypto_generichash_update(&h, (const uint8_t *)ldap->filter,
					strlen(ldap->filter) + 1);
	for (size_t i = 0; i < n; i++) {
		(void)crypto_generichash_update(&h, (const uint8_t *)fields[i].field,
						strlen(fields[i].field) + 1);
		(void)crypto_generichash_update(&h, (const uint8_t *)fields[i].attribute,
						strlen(fields[i].attribute) + 1);
	}
	(void)crypto_generichash_final(&h, ret, LDAP_DIGEST_LEN);
}

static int put_password(const struct ldap *l, struct buf *f, struct report *report)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = store_require(l->m, KEYSTORE_ISSUER, report);

	if (r < 0)
		return report_set(report, r,
				  "the ISSUER tier is sealed, and with it the "
				  "password for the directory");
	r = record_get(l->m, LDAP_SECRET_KIND, LDAP_SECRET_NAME, &rec);
	if (r < 0 && r != -ENOENT) {
		report_set(report, r, "the password for the directory can not be read: %s",
			   strerror(-r));
		report_hint(report, "rotatectl store verify");
		return r;
	}
	if (r < 0) {
		report_set(report, r, "there is no password for the directory");
		report_hint(report, "rotatectl ldap secret");
		return r;
	}
	frame_put(f, "password", rec->body, rec->body_len);
	return 0;
}

static void put_words(struct buf *f, const char *key, const struct config_words *words)
{
	cleanup_buf struct buf list = BUF_INIT;

	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			buf_append_str(&list, " ");
		buf_append_str(&list, words->items[i]);
	}
	frame_put(f, key, list.data, list.len);
}

static void put_attributes(const struct config_ldap *ldap, struct buf *f)
{
	struct config_mapped fields[CONFIG_FIELDS_MAX];
	cleanup_buf struct buf list = BUF_INIT;
	size_t n = config_ldap_fields(ldap, fields);

	for (size_t i = 0; i < n; i++) {
		bool is_known = !fields[i].attribute[0];

		for (size_t k = 0; k < i && !is_known; k++)
			is_known = strcasecmp(fields[k].attribute, fields[i].attribute) == 0;
		if (is_known)
			continue;
		if (list.len > 0)
			buf_append_str(&list, " ");
		buf_append_str(&list, fields[i].attribute);
	}
	frame_put(f, "attributes", list.data, list.len);
}

int ldap_build_job(const struct ldap *l, struct buf *f, struct report *report)
{
	static const char *const binds[] = { "simple", "external", "anonymous" };
	const struct config_ldap *c = &l->m->config->ldap;
	int r = 0;

	put_words(f, "uris", &c->uri);
	if (c->starttls)
		frame_put_text(f, "starttls", "1");
	if (c->ca_file[0])
		frame_put_text(f, "ca", c->ca_file);
	frame_put_text(f, "bind", binds[c->bind]);
	if (c->bind == CONFIG_LDAP_BIND_SIMPLE) {
		frame_put_text(f, "bind_dn", c->bind_dn);
		r = put_password(l, f, report);
	}
	frame_put_text(f, "base", c->base);
	frame_put_text(f, "filter", c->filter);
	put_attributes(c, f);
	frame_put_text(f, "mode", l->pass.is_full ? "full" : "delta");
	if (l->cursor.cookie[0])
		frame_put_text(f, "cookie", l->cursor.cookie);
	frame_put_number(f, "limit", LDAP_ENTRIES_MAX);
	return r < 0 ? r : buf_error(f);
}
