/* SPDX-License-Identifier: BSD-2-Clause */
/* The revocation list: RFC 5280, section 5. */
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "rotated/pki/x509_internal.h"

DEFINE_CLEANUP(X509_CRL, X509_CRL_free)
DEFINE_CLEANUP(X509_REVOKED, X509_REVOKED_free)
DEFINE_CLEANUP(ASN1_ENUMERATED, ASN1_ENUMERATED_free)
DEFINE_CLEANUP(ASN1_INTEGER, ASN1_INTEGER_free)

/* "Unspecified" is said by saying nothing (section 5.3.1). */
static int add_reason(X509_REVOKED *entry, enum x509_reason reason)
{
	cleanup_(ASN1_ENUMERATED_freep) ASN1_ENUMERATED *code = NULL;

	if (reason == X509_REASON_NONE)
		return 0;
	code = ASN1_ENUMERATED_new();
	if (!code || !ASN1_ENUMERATED_set(code, reason) ||
	    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0) <= 0)
		return -EIO;
	return 0;
}

static int add_entry(X509_CRL *crl, const struct x509_revoked *item)
{
	cleanup_(X509_REVOKED_freep) X509_REVOKED *entry = X509_REVOKED_new();
	cleanup_(ASN1_TIME_freep) ASN1_TIME *at = ASN1_TIME_new();
	cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *serial = ASN1_INTEGER_new();
	int r;

	if (!entry || !at || !serial)
		return -ENOMEM;
	r = x509_set_time(at, item->at);
	if (r == 0)
		r = x509_set_serial(serial, item->serial);
	if (r == 0 && (!X509_REVOKED_set_revocationDate(entry, at) ||
		       !X509_REVOKED_set_serialNumber(entry, serial)))
		r = -EIO;
	if (r == 0)
		r = add_reason(entry, item->reason);
	if (r < 0)
		return r;
	if (!X509_CRL_add0_revoked(crl, entry))
		return -EIO;
	steal_ptr(entry); /* the list's now */
	return 0;
}

static int add_entries(X509_CRL *crl, const struct x509_list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = add_entry(crl, &list->items[i]);
	return r == 0 && !X509_CRL_sort(crl) ? -EIO : r;
}

static int add_extensions(X509_CRL *crl, X509 *issuer, uint64_t number)
{
	cleanup_(ASN1_INTEGER_freep) ASN1_INTEGER *n = ASN1_INTEGER_new();
	X509V3_CTX context;
	X509_EXTENSION *ext;
	bool is_added;

	if (!n || !ASN1_INTEGER_set_uint64(n, number) ||
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) <= 0)
		return -EIO;
	X509V3_set_ctx(&context, issuer, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	is_added = ext && X509_CRL_add_ext(crl, ext, -1);
	X509_EXTENSION_free(ext);
	return is_added ? 0 : -EIO;
}

static int set_times(X509_CRL *crl, const struct x509_list *list)
{
	cleanup_(ASN1_TIME_freep) ASN1_TIME *from = ASN1_TIME_new();
	cleanup_(ASN1_TIME_freep) ASN1_TIME *until = ASN1_TIME_new();
	int r;

	if (!from || !until)
		return -ENOMEM;
	r = x509_set_time(from, list->this_update);
	if (r == 0)
		r = x509_set_time(until, list->next_update);
	if (r == 0 &&
	    (!X509_CRL_set1_lastUpdate(crl, from) || !X509_CRL_set1_nextUpdate(crl, until)))
		r = -EIO;
	return r;
}

static int append_der(X509_CRL *crl, struct buf *ret)
{
	int len = i2d_X509_CRL(crl, NULL);
	unsigned char *p;

	if (len <= 0)
		return -EIO;
	if (len > X509_LIST_MAX)
		return -E2BIG;
	p = buf_reserve(ret, (size_t)len);
	if (!p)
		return buf_error(ret);
	if (i2d_X509_CRL(crl, &p) != len)
		return -EIO;
	ret->len += (size_t)len;
	return 0;
}

int x509_list_sign(const struct x509_list *list, const struct x509_issuer *issuer,
		   struct buf *ret)
{
	cleanup_(X509_CRL_freep) X509_CRL *crl = X509_CRL_new();
	cleanup_x509 X509 *parent = NULL;
	int r;

	if (!crl)
		return -ENOMEM;
	r = x509_load_certificate(issuer->der, issuer->len, &parent);
	if (r == 0 && (!X509_CRL_set_version(crl, X509_CRL_VERSION_2) ||
		       !X509_CRL_set_issuer_name(crl, X509_get_subject_name(parent))))
		r = -EIO;
	if (r == 0)
		r = set_times(crl, list);
	if (r == 0)
		r = add_entries(crl, list);
	if (r == 0)
		r = add_extensions(crl, parent, list->number);
	if (r == 0 && X509_CRL_sign(crl, issuer->key, EVP_sha256()) <= 0)
		r = -EIO;
	return r < 0 ? r : append_der(crl, ret);
}
