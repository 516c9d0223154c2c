/* SPDX-License-Identifier: BSD-2-Clause */
/* Ca.*: the internal CA as a whole. */
#include <sodium.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/ca.h"
#include "rotated/vault/certificate_view.h"
#include "rotated/vault/control.h"

/* ---- making ---- */

enum wire_status verb_ca_init(struct request *req)
{
	const char *trust = req->m->config->ca.trust_domain;
	cleanup_ca struct ca ca = CA_INIT;
	int r = request_require(req, KEYSTORE_ISSUER);

	if (r < 0)
		return request_fail(req, r);
	if (!*trust)
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "set trust_domain in [ca] of rotated.conf, then reload "
				      "rotated",
				      "a CA needs a trust domain");
	r = ca_load(req->m, &ca);
	if (r == 0)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl ca show",
				      "there is a CA already, for %s", ca.pki.trust_domain);
	if (r != -ENOENT)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would make a CA for %s",
				      trust);
	r = ca_make(req->m, req->actor, &req->reply.report);
	if (r < 0)
		return request_fail(req, r);
	return request_refuse(req, WIRE_STATUS_OK, "rotatectl certificate issue SERVICE",
			      "the CA for %s is made", trust);
}

enum wire_status verb_ca_renew(struct request *req)
{
	cleanup_ca struct ca ca = CA_INIT;
	enum wire_status status;

	if (request_load_ca(req, &ca, &status) < 0)
		return status;
	if (request_require(req, KEYSTORE_ISSUER) < 0)
		return WIRE_STATUS_AGAIN;
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "would renew the certificate of the issuing CA");
	if (ca_renew(req->m, req->actor, &req->reply.report) < 0)
		return WIRE_STATUS_REFUSED;
	return request_refuse(req, WIRE_STATUS_OK, "rotatectl ca bundle",
			      "the issuing CA has a new certificate; the old one stays valid "
			      "until it ends");
}

/* ---- showing ---- */

int request_load_ca(struct request *req, struct ca *ret, enum wire_status *status)
{
	int r = request_require(req, KEYSTORE_AUTH);

	if (r == 0)
		r = ca_load(req->m, ret);
	if (r == 0)
		return 0;
	if (r == -ENOENT && !req->reply.report.what[0])
		*status = request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl ca init",
					 "there is no CA yet");
	else
		*status = request_fail(req, r);
	return r;
}

static void write_authority(struct json *j, const char *key, const struct pki_span *cert,
			    const struct x509_info *info)
{
	char name[X509_NAME_MAX + 1] = "";

	ignore_result(x509_name_of(cert->der, cert->len, name)); /* shown without */
	json_put_object(j, key);
	json_put_string(j, "name", name);
	certificate_write_info(j, info);
	json_put_object_end(j);
}

enum wire_status verb_ca_show(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	cleanup_ca struct ca ca = CA_INIT;
	enum wire_status status;
	uint64_t end;

	if (request_load_ca(req, &ca, &status) < 0)
		return status;
	json_put_object(&j, NULL);
	json_put_string(&j, "trust_domain", ca.pki.trust_domain);
	write_authority(&j, "root", &ca.pki.root, &ca.root);
	write_authority(&j, "issuing", &ca.pki.issuing[0], &ca.issuing);
	json_put_object_end(&j);
	if (ca_ends_soon(req->m, &ca, &end) == CA_ISSUING_ENDS) {
		report_set(&req->reply.report, 0, "the issuing CA ends soon");
		report_hint(&req->reply.report, "rotatectl ca renew");
	}
	return WIRE_STATUS_OK;
}

static enum wire_status answer_pem(struct request *req, const char *key, struct buf *pem)
{
	struct json j = JSON_INIT(&req->reply.json);
	const char *text = buf_string(pem);

	if (!text)
		return request_fail(req, -ENOMEM);
	json_put_object(&j, NULL);
	json_put_string(&j, key, text);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* Whoever checks a certificate needs the root; those who send no chain need the issuing ones.
 */
enum wire_status verb_ca_bundle(struct request *req)
{
	cleanup_buf struct buf pem = BUF_INIT;
	cleanup_ca struct ca ca = CA_INIT;
	enum wire_status status;

	if (request_load_ca(req, &ca, &status) < 0)
		return status;
	x509_pem("CERTIFICATE", ca.pki.root.der, ca.pki.root.len, &pem);
	for (unsigned i = 0; i < ca.pki.n_issuing; i++)
		x509_pem("CERTIFICATE", ca.pki.issuing[i].der, ca.pki.issuing[i].len, &pem);
	return answer_pem(req, "bundle", &pem);
}

/* ---- the revocation list ---- */

/* 0 with the list that is to be given out; a new one is signed where that is due and possible.
 */
static int fresh_list(struct request *req, const struct ca *ca, struct pki_list_head *ret_head,
		      struct buf *ret)
{
	bool is_stale = true;
	int r = ca_list_load(req->m, ret_head, ret);

	if (r == 0)
		r = ca_list_is_stale(req->m, ret_head, &is_stale);
	if ((r < 0 && r != -ENOENT) || !is_stale)
		return r;
	if (!keystore_is_open(req->m->keystore, KEYSTORE_ISSUER))
		return r; /* what there is */
	r = ca_list_make(req->m, ca, req->actor, &req->reply.report);
	if (r < 0)
		return r;
	buf_clear(ret);
	return ca_list_load(req->m, ret_head, ret);
}

enum wire_status verb_ca_crl(struct request *req)
{
	cleanup_buf struct buf der = BUF_INIT, pem = BUF_INIT;
	struct pki_list_head head = { 0 };
	cleanup_ca struct ca ca = CA_INIT;
	enum wire_status status;
	bool is_stale = false;
	int r;

	if (request_load_ca(req, &ca, &status) < 0)
		return status;
	r = fresh_list(req, &ca, &head, &der);
	if (r < 0 && r != -ENOENT)
		return request_fail(req, r);
	if (r == -ENOENT || head.next_update <= manager_now(req->m).wall)
		return request_refuse(req, WIRE_STATUS_AGAIN, "rotatectl unseal",
				      "there is no valid revocation list, and the ISSUER tier "
				      "is sealed: none can be signed");
	if (ca_list_is_stale(req->m, &head, &is_stale) == 0 && is_stale) {
		report_set(&req->reply.report, 0,
			   "the ISSUER tier is sealed: this is the list as it was signed last");
		report_hint(&req->reply.report, "rotatectl unseal");
	}
	x509_pem("X509 CRL", der.data, der.len, &pem);
	return answer_pem(req, "crl", &pem);
}
