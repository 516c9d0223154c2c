/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates. A version's record holds the certificate and its two fingerprints, by which
 * Postfix asks the door; the private key, where it is made here at all, exists only between
 * certificate_make() and the reply that carries it. A record by the hash of the public key
 * keeps that one from getting a second certificate, and the serial on the revocation list,
 * until the certificate has expired.
 */
#include "rotated/vault/driver_certificate.h"

#include <sodium.h>
#include <string.h>

#include "rotated/vault/change.h"
#include "rotated/vault/items.h"
#include "rotated/vault/services.h"

enum { KEY_NAME_SIZE = 2 * X509_DIGEST_LEN + 1 };

void certificate_made_release(struct certificate_made *made)
{
	buf_release(&made->record);
	buf_release(&made->chain);
	secret_free(made->private);
}

int certificate_load(const struct manager *m, const struct engine_item *item, uint32_t version,
		     struct keystore_record **ret_record, struct pki_certificate *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	char name[RECORD_NAME_SIZE];
	int r = record_name_version(item, version, name);

	if (r == 0)
		r = record_get(m, PKI_CERTIFICATE, name, &rec);
	if (r == 0)
		r = pki_certificate_decode(rec->body, rec->body_len, ret);
	if (r == 0)
		*ret_record = steal_ptr(rec);
	return r;
}

/* ---- policy ---- */

static const struct config_certificate *settings(const struct manager *m,
						 const struct engine_item *item)
{
	const struct config_service *service = services_find(m, item->id);

	return service ? &service->certificate : &m->config->certificate;
}

/* How long the certificate in use lives, whatever the configuration says by now. */
static uint64_t life_of_active(const struct manager *m, const struct engine_item *item)
{
	const struct engine_version *v = engine_find_phase(item, ENGINE_CURRENT);
	cleanup_record struct keystore_record *rec = NULL;
	struct pki_certificate c;

	if (!v || !m->keystore || certificate_load(m, item, v->version, &rec, &c) < 0)
		return settings(m, item)->lifetime;
	return c.info.not_after - c.info.not_before - X509_BACKDATE;
}

static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	*ret = (struct engine_policy){
		.schedule = life_of_active(m, &item->engine) / 3 * 2,
		.overlap = settings(m, &item->engine)->overlap,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
	};
}

/* ---- records ---- */

static void name_key(const uint8_t digest[static X509_DIGEST_LEN],
		     char ret[static KEY_NAME_SIZE])
{
	sodium_bin2hex(ret, KEY_NAME_SIZE, digest, X509_DIGEST_LEN);
}

static int put_key(struct keystore_txn *txn, const struct x509_info *info,
		   const struct pki_key *key)
{
	cleanup_buf struct buf body = BUF_INIT;
	char name[KEY_NAME_SIZE];
	struct keystore_record rec = { .id = { RECORD_SPACE, PKI_KEY, name },
				       .tier = KEYSTORE_AUTH };
	int r;

	name_key(info->public_digest, name);
	pki_key_encode(key, &body);
	r = buf_error(&body);
	if (r < 0)
		return r;
	rec.body = body.data;
	rec.body_len = body.len;
	return record_put(txn, &rec);
}

static struct pki_key key_of(const struct change *c, uint32_t version,
			     const struct x509_info *info)
{
	struct pki_key key = { .version = version, .not_after = info->not_after };

	memcpy(key.service, c->next.id, strlen(c->next.id) + 1);
	memcpy(key.serial, info->serial, X509_SERIAL_LEN);
	memcpy(key.digest, info->digest, X509_DIGEST_LEN);
	return key;
}

static void leave_index(struct change *c, const uint8_t digest[static X509_DIGEST_LEN])
{
	struct change_gone *gone = &c->gone[c->gone_count++];

	gone->fact = INDEX_FACT_CERT;
	memcpy(gone->key, digest, X509_DIGEST_LEN);
}

/* A version that goes before its certificate ends is dead, for whatever reason it goes. */
static int bury(const struct manager *m, struct change *c, const struct engine_action *a,
		struct keystore_txn *txn)
{
	cleanup_record struct keystore_record *rec = NULL;
	struct pki_certificate cert;
	char name[KEY_NAME_SIZE];
	struct keystore_id id = { RECORD_SPACE, PKI_KEY, name };
	struct pki_key key;
	int r = certificate_load(m, &c->next, a->version, &rec, &cert);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* it was never signed */
	leave_index(c, cert.info.digest);
	leave_index(c, cert.info.public_digest);
	key = key_of(c, a->version, &cert.info);
	key.revoked = manager_now(m).wall;
	key.reason =
		strcmp(a->reason, "revoked") == 0 ? X509_REASON_NONE : X509_REASON_SUPERSEDED;
	if (key.not_after > key.revoked)
		return put_key(txn, &cert.info, &key);
	name_key(cert.info.public_digest, name);
	r = keystore_remove(txn, &id, "expired");
	return r == -ENOENT ? 0 : r;
}

static int seal(const struct manager *m, struct change *c, struct keystore_txn *txn)
{
	struct pki_certificate cert;
	struct pki_key key;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->erased_count; i++)
		r = bury(m, c, &c->erased[i], txn);
	if (r < 0 || !c->made)
		return r;
	r = pki_certificate_decode(c->made->open, c->made->open_len, &cert);
	if (r < 0)
		return r;
	key = key_of(c, c->made->version, &cert.info);
	return put_key(txn, &cert.info, &key);
}

/* ---- the index ---- */

static int put_fact(struct manager *m, const uint8_t digest[static X509_DIGEST_LEN],
		    const struct fact_cert *fact)
{
	struct index_key key = { INDEX_FACT_CERT, digest, X509_DIGEST_LEN };
	uint8_t body[FACT_CERT_MAX];

	return index_put_fact(m->index, &key, body, fact_cert_encode(fact, body));
}

static int put_version(struct manager *m, const struct engine_item *item, uint32_t version)
{
	cleanup_record struct keystore_record *rec = NULL;
	struct fact_cert fact = { .serial_len = X509_SERIAL_LEN };
	struct pki_certificate cert;
	int r = certificate_load(m, item, version, &rec, &cert);

	if (r < 0)
		return r;
	memcpy(fact.service, item->id, strlen(item->id) + 1);
	memcpy(fact.serial, cert.info.serial, X509_SERIAL_LEN);
	fact.not_before = cert.info.not_before;
	fact.not_after = cert.info.not_after;
	r = put_fact(m, cert.info.digest, &fact);
	return r == 0 ? put_fact(m, cert.info.public_digest, &fact) : r;
}

/* What leaves the index is named by seal(): here its records are gone already. Whether the
 * service is on is the SERVICE fact's to say. */
static int update_index(struct manager *m, const struct engine_item *prev,
			const struct engine_item *next)
{
	int r = 0;

	(void)prev;
	for (uint32_t i = 0; r == 0 && i < next->count; i++)
		if (next->versions[i].state != ENGINE_PLANNED) {
			r = put_version(m, next, next->versions[i].version);
			if (r != -ENOENT && r != -EBADMSG)
				continue;
			item_tell_lost(m, &next->versions[i], "rotatectl certificate renew",
				       next->id);
			r = 0;
		}
	return r;
}

/* ---- making ---- */

int certificate_check_key(const struct manager *m, const struct evp_pkey_st *key,
			  struct report *report)
{
	cleanup_record struct keystore_record *rec = NULL;
	uint8_t digest[X509_DIGEST_LEN];
	char name[KEY_NAME_SIZE];
	struct pki_key old;
	int r = x509_public_digest(key, digest);

	if (r < 0)
		return r;
	name_key(digest, name);
	r = record_get(m, PKI_KEY, name, &rec);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = pki_key_decode(rec->body, rec->body_len, &old);
	if (r < 0)
		return r;
	report_set(report, -EEXIST, "this key has a certificate already: %s.%u%s", old.service,
		   old.version, old.revoked ? ", which was taken back" : "");
	report_hint(report, "make a new key for each certificate");
	return -EEXIST;
}

int certificate_check(const struct manager *m, const struct item *item, const struct ca *ca,
		      struct report *report)
{
	const struct config_certificate *c = settings(m, &item->engine);
	uint64_t now = manager_now(m).wall;
	char end[CLOCK_TEXT_SIZE];

	if (strcmp(ca->pki.trust_domain, m->config->ca.trust_domain) != 0) {
		report_set(report, -EPERM,
			   "the CA was made for the trust domain %s, and the configuration "
			   "says %s",
			   ca->pki.trust_domain,
			   *m->config->ca.trust_domain ? m->config->ca.trust_domain : "none");
		report_hint(report, "set trust_domain = %s in [ca] of rotated.conf",
			    ca->pki.trust_domain);
		return -EPERM;
	}
	if (now + c->lifetime <= ca->issuing.not_after)
		return 0;
	clock_format(ca->issuing.not_after, end);
	report_set(report, -EPERM,
		   "a certificate of %s would outlive the issuing CA, which ends at %s",
		   item->engine.id, end);
	report_hint(report, "rotatectl ca renew");
	return -EPERM;
}

static int sign(const struct manager *m, const struct ca *ca,
		const struct certificate_source *source, struct buf *ret)
{
	const struct config_certificate *c = settings(m, &source->item->engine);
	uint64_t now = manager_now(m).wall;
	struct x509_issuer issuer = { .key = NULL };
	struct x509_subject leaf = {
		.role = X509_LEAF,
		.key = source->key,
		.name = source->item->engine.id,
		.trust_domain = ca->pki.trust_domain,
		.email = c->email,
		.not_before = now - X509_BACKDATE,
		.not_after = now + c->lifetime,
	};
	int r = ca_issuer(m, ca, &issuer);

	x509_serial_new(leaf.serial);
	if (r == 0)
		r = x509_issue(&leaf, &issuer, ret);
	x509_key_free(issuer.key);
	return r;
}

static int write_private(const struct evp_pkey_st *key, struct secret **ret)
{
	cleanup_secret struct secret *der = NULL;
	cleanup_buf struct buf pem = BUF_INIT;
	int r = x509_key_export(key, &der);

	if (r < 0)
		return r;
	x509_pem("PRIVATE KEY", secret_data(der), secret_len(der), &pem);
	r = buf_error(&pem);
	if (r < 0)
		return r;
	*ret = secret_new(pem.data, pem.len);
	return *ret ? 0 : -ENOMEM;
}

int certificate_make(const struct manager *m, const struct ca *ca,
		     const struct engine_version *v, const struct certificate_source *source,
		     struct certificate_made *ret)
{
	cleanup_buf struct buf der = BUF_INIT;
	struct pki_certificate cert;
	int r = sign(m, ca, source, &der);

	if (r == 0)
		r = x509_read(der.data, der.len, &ret->info);
	if (r < 0)
		return r;
	cert = (struct pki_certificate){ ret->info, der.data, der.len };
	pki_certificate_encode(&cert, &ret->record);
	x509_pem("CERTIFICATE", der.data, der.len, &ret->chain);
	x509_pem("CERTIFICATE", ca->pki.issuing[0].der, ca->pki.issuing[0].len, &ret->chain);
	r = buf_error(&ret->record);
	if (r == 0)
		r = buf_error(&ret->chain);
	if (r == 0 && source->is_ours)
		r = write_private(source->key, &ret->private);
	ret->made = (struct made){ .version = v->version,
				   .open = ret->record.data,
				   .open_len = ret->record.len };
	return r;
}

const struct driver driver_certificate = {
	.kind = ENGINE_CERTIFICATE,
	.open_kind = PKI_CERTIFICATE,
	.policy = policy,
	.seal = seal,
	.index = update_index,
};
