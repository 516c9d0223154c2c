/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/certificate_view.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "rotated/vault/driver_certificate.h"
#include "rotated/vault/items.h"
#include "rotated/vault/store.h"

void certificate_serial(const uint8_t serial[static X509_SERIAL_LEN],
			char ret[static CERTIFICATE_SERIAL_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < X509_SERIAL_LEN; i++) {
		*ret++ = digits[serial[i] >> 4];
		*ret++ = digits[serial[i] & 15];
	}
	*ret = '\0';
}

/* "AB:CD:…", what smtpd logs and asks for. */
static void write_fingerprint(struct json *j, const char *key,
			      const uint8_t digest[static X509_DIGEST_LEN])
{
	static const char digits[] = "0123456789ABCDEF";
	char text[CERTIFICATE_FINGERPRINT_SIZE];
	char *p = text;

	for (size_t i = 0; i < X509_DIGEST_LEN; i++) {
		*p++ = digits[digest[i] >> 4];
		*p++ = digits[digest[i] & 15];
		*p++ = ':';
	}
	p[-1] = '\0';
	json_put_string(j, key, text);
}

void certificate_write_info(struct json *j, const struct x509_info *info)
{
	char serial[CERTIFICATE_SERIAL_SIZE];

	certificate_serial(info->serial, serial);
	json_put_string(j, "serial", serial);
	write_fingerprint(j, "fingerprint", info->digest);
	write_fingerprint(j, "public_key_fingerprint", info->public_digest);
	json_put_time(j, "not_before", info->not_before);
	json_put_time(j, "not_after", info->not_after);
}

uint64_t certificate_end(const struct manager *m, const struct engine_item *item,
			 const struct engine_version *v)
{
	cleanup_record struct keystore_record *rec = NULL;
	struct pki_certificate cert;

	if (certificate_load(m, item, v->version, &rec, &cert) < 0)
		return 0;
	return cert.info.not_after;
}

/* ---- alarms ---- */

static void tell_expired(const struct manager *m, const struct engine_item *item,
			 certificate_tell_fn *tell, void *context)
{
	const struct engine_version *v = engine_find_phase(item, ENGINE_CURRENT);
	uint64_t end = v ? certificate_end(m, item, v) : 0;
	char what[REPORT_TEXT_MAX], hint[REPORT_TEXT_MAX], at[CLOCK_TEXT_SIZE];

	if (!end || end > manager_now(m).wall || item_is_disabled(m, item))
		return;
	clock_format(end, at);
	(void)snprintf(what, sizeof(what), "the certificate %s expired at %s: it is refused",
		       v->name, at); /* it fits */
	(void)snprintf(hint, sizeof(hint), "rotatectl certificate renew %s", item->id);
	tell(context, what, hint);
}

static void tell_ca(const struct manager *m, certificate_tell_fn *tell, void *context)
{
	cleanup_ca struct ca ca = CA_INIT;
	char text[REPORT_TEXT_MAX], at[CLOCK_TEXT_SIZE];
	enum ca_end ends;
	uint64_t end;

	if (ca_load(m, &ca) < 0)
		return;
	ends = ca_ends_soon(m, &ca, &end);
	if (ends == CA_LASTS)
		return;
	clock_format(end, at);
	if (ends == CA_ISSUING_ENDS)
		(void)snprintf(text, sizeof(text), "the issuing CA ends at %s", at);
	else
		(void)snprintf(text, sizeof(text), "the root CA ends at %s, and all under it",
			       at);
	tell(context, text,
	     ends == CA_ISSUING_ENDS ? "rotatectl ca renew" : "rotatectl ca show");
}

void certificate_alarms(const struct manager *m, certificate_tell_fn *tell, void *context)
{
	if (!store_is_open(m, KEYSTORE_AUTH))
		return;
	for (size_t i = 0; i < m->item_count; i++)
		if (m->items[i]->engine.kind == ENGINE_CERTIFICATE)
			tell_expired(m, &m->items[i]->engine, tell, context);
	tell_ca(m, tell, context);
}
