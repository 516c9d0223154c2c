/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/ca.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "rotated/vault/change.h"
#include "rotated/vault/items.h"

enum { SOON = 12 }; /* this part of a certificate's life is left */

void ca_release(struct ca *ca)
{
	keystore_record_free(ca->record);
}

int ca_load(const struct manager *m, struct ca *ret)
{
	cleanup_ca struct ca ca = CA_INIT;
	int r = record_get(m, PKI_CERTIFICATES, PKI_NAME, &ca.record);

	if (r == 0)
		r = pki_ca_decode(ca.record->body, ca.record->body_len, &ca.pki);
	if (r == 0)
		r = x509_read(ca.pki.root.der, ca.pki.root.len, &ca.root);
	if (r == 0)
		r = x509_read(ca.pki.issuing[0].der, ca.pki.issuing[0].len, &ca.issuing);
	if (r < 0)
		return r;
	*ret = ca;
	ca.record = NULL;
	return 0;
}

static int load_key(const struct manager *m, const char *kind, struct evp_pkey_st **ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = record_get(m, kind, PKI_NAME, &rec);

	return r < 0 ? r : x509_key_import(rec->body, rec->body_len, ret);
}

int ca_issuer(const struct manager *m, const struct ca *ca, struct x509_issuer *ret)
{
	struct x509_issuer issuer = { .der = ca->pki.issuing[0].der,
				      .len = ca->pki.issuing[0].len };
	int r = load_key(m, PKI_ISSUING, &issuer.key);

	if (r < 0)
		return r;
	*ret = issuer;
	return 0;
}

static bool is_ending(const struct x509_info *cert, uint64_t now)
{
	return now + (cert->not_after - cert->not_before) / SOON >= cert->not_after;
}

enum ca_end ca_ends_soon(const struct manager *m, const struct ca *ca, uint64_t *ret_end)
{
	uint64_t now = manager_now(m).wall;

	if (is_ending(&ca->root, now)) {
		*ret_end = ca->root.not_after;
		return CA_ROOT_ENDS;
	}
	if (is_ending(&ca->issuing, now)) {
		*ret_end = ca->issuing.not_after;
		return CA_ISSUING_ENDS;
	}
	return CA_LASTS;
}

/* ---- making ---- */

/* What is made before it is sealed, in one transaction. */
struct draft {
	const struct manager *m;
	struct pki_ca pki;
	struct evp_pkey_st *root, *issuing;
	struct buf root_der, issuing_der;
	bool has_keys; /* they are new, and to be sealed too */
};

static void draft_release(struct draft *d)
{
	x509_key_free(d->root);
	x509_key_free(d->issuing);
	buf_release(&d->root_der);
	buf_release(&d->issuing_der);
}

static int put_key(struct keystore_txn *txn, const char *kind, const struct evp_pkey_st *key)
{
	cleanup_secret struct secret *der = NULL;
	struct keystore_record rec = { .id = { RECORD_SPACE, kind, PKI_NAME },
				       .tier = KEYSTORE_ISSUER };
	int r = x509_key_export(key, &der);

	if (r < 0)
		return r;
	rec.body = secret_data(der);
	rec.body_len = secret_len(der);
	return record_put(txn, &rec);
}

static int put_draft(void *context, struct keystore_txn *txn)
{
	cleanup_buf struct buf body = BUF_INIT_MAX(KEYSTORE_BODY_MAX);
	const struct draft *d = context;
	struct keystore_record rec = { .id = { RECORD_SPACE, PKI_CERTIFICATES, PKI_NAME },
				       .tier = KEYSTORE_AUTH };
	int r;

	pki_ca_encode(&d->pki, &body);
	r = buf_error(&body);
	if (r < 0)
		return r;
	rec.body = body.data;
	rec.body_len = body.len;
	r = record_put(txn, &rec);
	if (r == 0 && d->has_keys)
		r = put_key(txn, PKI_ROOT, d->root);
	if (r == 0 && d->has_keys)
		r = put_key(txn, PKI_ISSUING, d->issuing);
	return r;
}

/* "rotated root 3f9a01bc": two CAs never have one name, also when one was made anew. */
static void name_authority(const char *what, const uint8_t serial[static X509_SERIAL_LEN],
			   char ret[static X509_NAME_MAX + 1])
{
	enum { TAG = 4 };
	char tag[2 * TAG + 1];

	sodium_bin2hex(tag, sizeof(tag), serial + 1, TAG);
	(void)snprintf(ret, X509_NAME_MAX + 1, "rotated %s %s", what, tag); /* it fits */
}

static int sign_root(struct draft *d)
{
	uint64_t now = manager_now(d->m).wall;
	char name[X509_NAME_MAX + 1];
	struct x509_subject root = {
		.role = X509_ROOT,
		.key = d->root,
		.name = name,
		.not_before = now - X509_BACKDATE,
		.not_after = now + d->m->config->ca.root_lifetime,
	};
	int r;

	x509_serial_new(root.serial);
	name_authority("root", root.serial, name);
	r = x509_issue(&root, NULL, &d->root_der);
	d->pki.root = (struct pki_span){ d->root_der.data, d->root_der.len };
	return r;
}

/* The newest goes first; an old one that has expired, or has no room, goes. ROOT_END: no longer
 * than that. */
static int sign_issuing(struct draft *d, const char *name, uint64_t root_end)
{
	uint64_t now = manager_now(d->m).wall;
	struct x509_issuer root = { d->root, d->pki.root.der, d->pki.root.len };
	struct x509_subject issuing = {
		.role = X509_ISSUING,
		.key = d->issuing,
		.name = name,
		.trust_domain = d->pki.trust_domain,
		.not_before = now - X509_BACKDATE,
		.not_after = now + d->m->config->ca.issuing_lifetime,
	};
	int r;

	if (issuing.not_after > root_end)
		issuing.not_after = root_end;
	x509_serial_new(issuing.serial);
	r = x509_issue(&issuing, &root, &d->issuing_der);
	if (r < 0)
		return r;
	if (d->pki.n_issuing == PKI_ISSUING_MAX)
		d->pki.n_issuing--;
	memmove(d->pki.issuing + 1, d->pki.issuing,
		d->pki.n_issuing * sizeof(d->pki.issuing[0]));
	d->pki.issuing[0] = (struct pki_span){ d->issuing_der.data, d->issuing_der.len };
	d->pki.n_issuing++;
	return 0;
}

static int draft_new(struct draft *d)
{
	uint8_t tag[X509_SERIAL_LEN];
	char name[X509_NAME_MAX + 1];
	int r = x509_key_new(&d->root);

	if (r == 0)
		r = x509_key_new(&d->issuing);
	if (r == 0)
		r = sign_root(d);
	if (r < 0)
		return r;
	x509_serial_new(tag);
	name_authority("issuing", tag, name);
	d->has_keys = true;
	return sign_issuing(d, name, manager_now(d->m).wall + d->m->config->ca.root_lifetime);
}

static int seal(struct manager *m, struct draft *d, const char *event, const char *actor,
		struct report *report)
{
	struct change_records change = { .event = event,
					 .actor = actor,
					 .object = d->pki.trust_domain,
					 .fill = put_draft,
					 .context = d };

	return change_records(m, &change, report);
}

int ca_make(struct manager *m, const char *actor, struct report *report)
{
	cleanup_(draft_release) struct draft d = { .m = m };
	cleanup_ca struct ca old = CA_INIT;
	int r = ca_load(m, &old);

	if (r == 0)
		return report_set(report, -EEXIST, "there is a CA already, for %s",
				  old.pki.trust_domain);
	if (r != -ENOENT)
		return report_set(report, r, "the CA can not be read: %s", strerror(-r));
	memcpy(d.pki.trust_domain, m->config->ca.trust_domain,
	       strlen(m->config->ca.trust_domain) + 1);
	r = draft_new(&d);
	if (r < 0)
		return report_set(report, r, "the CA can not be made: %s", strerror(-r));
	return seal(m, &d, "ca.init", actor, report);
}

/* ---- renewing ---- */

static int draft_renewed(struct draft *d, const struct ca *ca)
{
	char name[X509_NAME_MAX + 1];
	int r = load_key(d->m, PKI_ROOT, &d->root);

	d->pki = ca->pki;
	while (d->pki.n_issuing > 1) { /* those that nothing valid can be under any more */
		const struct pki_span *last = &d->pki.issuing[d->pki.n_issuing - 1];
		struct x509_info info;

		if (x509_read(last->der, last->len, &info) == 0 &&
		    info.not_after > manager_now(d->m).wall)
			break;
		d->pki.n_issuing--;
	}
	if (r == 0)
		r = load_key(d->m, PKI_ISSUING, &d->issuing);
	if (r == 0)
		r = x509_name_of(ca->pki.issuing[0].der, ca->pki.issuing[0].len, name);
	return r < 0 ? r : sign_issuing(d, name, ca->root.not_after);
}

/* What it signed now would be over before it begins. */
static int refuse_ended(const struct ca *ca, struct report *report)
{
	char end[CLOCK_TEXT_SIZE];

	clock_format(ca->root.not_after, end);
	report_set(report, -EPERM, "the root ended at %s: nothing can be signed under it", end);
	report_hint(report, "is the clock right?");
	return -EPERM;
}

int ca_renew(struct manager *m, const char *actor, struct report *report)
{
	cleanup_(draft_release) struct draft d = { .m = m };
	cleanup_ca struct ca ca = CA_INIT;
	int r = ca_load(m, &ca);

	if (r == 0 && ca.root.not_after <= manager_now(m).wall)
		return refuse_ended(&ca, report);
	if (r == 0)
		r = draft_renewed(&d, &ca);
	if (r < 0)
		return report_set(report, r, "the issuing certificate can not be renewed: %s",
				  strerror(-r));
	return seal(m, &d, "ca.renew", actor, report);
}
