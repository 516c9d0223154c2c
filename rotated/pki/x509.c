/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/pki/x509.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rotated/pki/pkcs8.h"
#include "rotated/pki/x509_internal.h"

DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

void x509_key_free(struct evp_pkey_st *key)
{
	EVP_PKEY_free(key);
}

/* ---- keys ---- */

int x509_key_new(struct evp_pkey_st **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

int x509_key_export(const struct evp_pkey_st *key, struct secret **ret)
{
	return pkcs8_export(key, X509_KEY_MAX, ret);
}

int x509_key_import(const uint8_t *der, size_t len, struct evp_pkey_st **ret)
{
	cleanup_(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = NULL;
	const unsigned char *p = der;
	EVP_PKEY *key;

	if (len > X509_KEY_MAX)
		return -EBADMSG;
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)len);
	key = info && p == der + len ? EVP_PKCS82PKEY(info) : NULL;
	if (!key)
		return -EBADMSG;
	*ret = key;
	return 0;
}

int x509_public_import(const uint8_t *der, size_t len, struct evp_pkey_st **ret)
{
	const unsigned char *p = der;
	EVP_PKEY *key;

	if (len > X509_DER_MAX)
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, (long)len);
	if (!key || p != der + len) {
		EVP_PKEY_free(key);
		return -EBADMSG;
	}
	*ret = key;
	return 0;
}

int x509_public_digest(const struct evp_pkey_st *key, uint8_t ret[static X509_DIGEST_LEN])
{
	unsigned char der[X509_DER_MAX];
	unsigned char *p = der;
	int len = i2d_PUBKEY(key, NULL);

	if (len <= 0 || len > X509_DER_MAX || i2d_PUBKEY(key, &p) != len)
		return -EIO;
	SHA256(der, (size_t)len, ret);
	return 0;
}

/* ---- building ---- */

void x509_serial_new(uint8_t ret[static X509_SERIAL_LEN])
{
	randombytes_buf(ret, X509_SERIAL_LEN);
	ret[0] = (ret[0] & 0x3f) | 0x40; /* never negative, never shorter */
}

int x509_set_time(ASN1_TIME *time, uint64_t usec)
{
	return ASN1_TIME_set(time, (time_t)(usec / USEC_PER_SEC)) ? 0 : -EIO;
}

int x509_set_serial(ASN1_INTEGER *to, const uint8_t serial[static X509_SERIAL_LEN])
{
	BIGNUM *number = BN_bin2bn(serial, X509_SERIAL_LEN, NULL);
	bool is_set = number && BN_to_ASN1_INTEGER(number, to);

	BN_free(number);
	return is_set ? 0 : -EIO;
}

int x509_load_certificate(const uint8_t *der, size_t len, X509 **ret)
{
	const unsigned char *p = der;
	X509 *cert;

	if (len > X509_DER_MAX)
		return -EBADMSG;
	cert = d2i_X509(NULL, &p, (long)len);
	if (!cert || p != der + len) {
		X509_free(cert);
		return -EBADMSG;
	}
	*ret = cert;
	return 0;
}

static int add_extension(X509 *cert, X509V3_CTX *context, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, context, nid, value);
	bool is_added = ext && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return is_added ? 0 : -EIO;
}

/* The issuing CA may sign for hosts of the trust domain, and for no address of a machine. Names
 * of kinds that are not spoken of would be free: RFC 5280, section 4.2.1.10. */
static int add_constraints(X509 *cert, X509V3_CTX *context, const char *trust)
{
	char value[5 * 256 + 128];
	int n = snprintf(value, sizeof(value),
			 "critical,permitted;URI:%s,permitted;email:%s,permitted;email:.%s,"
			 "permitted;DNS:%s,excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:::/::",
			 trust, trust, trust, trust);

	if (n < 0 || n >= (int)sizeof(value))
		return -E2BIG;
	return add_extension(cert, context, NID_name_constraints, value);
}

static int add_names(X509 *cert, X509V3_CTX *context, const struct x509_subject *s)
{
	char value[1024];
	bool has_email = s->email && *s->email;
	int n = snprintf(value, sizeof(value), "URI:smtp-svc://%s/service/%s%s%s",
			 s->trust_domain, s->name, has_email ? ",email:" : "",
			 has_email ? s->email : "");

	if (n < 0 || n >= (int)sizeof(value))
		return -E2BIG;
	return add_extension(cert, context, NID_subject_alt_name, value);
}

static int add_role(X509 *cert, X509V3_CTX *context, const struct x509_subject *s)
{
	static const struct {
		const char *basic, *usage, *purpose;
	} roles[] = {
		[X509_ROOT] = { "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL },
		[X509_ISSUING] = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
				   "clientAuth" },
		[X509_LEAF] = { "critical,CA:FALSE", "critical,digitalSignature",
				"clientAuth" },
	};
	int r;

	_Static_assert(ARRAY_SIZE(roles) == X509_ROLE_MAX_, "a row for every role");
	r = add_extension(cert, context, NID_basic_constraints, roles[s->role].basic);
	if (r == 0)
		r = add_extension(cert, context, NID_key_usage, roles[s->role].usage);
	if (r == 0 && roles[s->role].purpose)
		r = add_extension(cert, context, NID_ext_key_usage, roles[s->role].purpose);
	if (r == 0)
		r = add_extension(cert, context, NID_subject_key_identifier, "hash");
	if (r == 0 && s->role != X509_ROOT) /* by name and serial, a new issuer would break */
		r = add_extension(cert, context, NID_authority_key_identifier, "keyid:always");
	if (r == 0 && s->role == X509_ISSUING)
		r = add_constraints(cert, context, s->trust_domain);
	if (r == 0 && s->role == X509_LEAF)
		r = add_names(cert, context, s);
	return r;
}

static int set_name(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					  (const unsigned char *)name, -1, -1, 0)
		       ? 0
		       : -EIO;
}

static int fill(X509 *cert, X509 *issuer, const struct x509_subject *s)
{
	X509V3_CTX context;
	int r = X509_set_version(cert, X509_VERSION_3) ? 0 : -EIO;

	if (r == 0)
		r = x509_set_serial(X509_get_serialNumber(cert), s->serial);
	if (r == 0)
		r = set_name(cert, s->name);
	if (r == 0 && !X509_set_issuer_name(cert, X509_get_subject_name(issuer)))
		r = -EIO;
	if (r == 0)
		r = x509_set_time(X509_getm_notBefore(cert), s->not_before);
	if (r == 0)
		r = x509_set_time(X509_getm_notAfter(cert), s->not_after);
	if (r == 0 && !X509_set_pubkey(cert, s->key))
		r = -EIO;
	if (r < 0)
		return r;
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	return add_role(cert, &context, s);
}

static int append_der(X509 *cert, struct buf *ret)
{
	int len = i2d_X509(cert, NULL);
	unsigned char *p;

	if (len <= 0 || len > X509_DER_MAX)
		return -EIO;
	p = buf_reserve(ret, (size_t)len);
	if (!p)
		return buf_error(ret);
	if (i2d_X509(cert, &p) != len)
		return -EIO;
	ret->len += (size_t)len;
	return 0;
}

int x509_issue(const struct x509_subject *subject, const struct x509_issuer *issuer,
	       struct buf *ret)
{
	cleanup_x509 X509 *cert = X509_new();
	cleanup_x509 X509 *parent = NULL;
	int r;

	if (!cert)
		return -ENOMEM;
	if (issuer) {
		r = x509_load_certificate(issuer->der, issuer->len, &parent);
		if (r < 0)
			return r;
	}
	r = fill(cert, parent ? parent : cert, subject);
	if (r == 0 && X509_sign(cert, issuer ? issuer->key : subject->key, EVP_sha256()) <= 0)
		r = -EIO;
	return r < 0 ? r : append_der(cert, ret);
}

/* ---- reading ---- */

static int read_time(const ASN1_TIME *time, uint64_t *ret)
{
	static const time_t epoch;
	cleanup_(ASN1_TIME_freep) ASN1_TIME *start = ASN1_TIME_set(NULL, epoch);
	int days, seconds;

	if (!start || !ASN1_TIME_diff(&days, &seconds, start, time) || days < 0 || seconds < 0)
		return -EBADMSG;
	*ret = ((uint64_t)days * 86400 + (uint64_t)seconds) * USEC_PER_SEC;
	return 0;
}

static int read_serial(const X509 *cert, uint8_t ret[static X509_SERIAL_LEN])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);

	if (!serial || ASN1_STRING_type(serial) != V_ASN1_INTEGER ||
	    ASN1_STRING_length(serial) != X509_SERIAL_LEN)
		return -EBADMSG;
	memcpy(ret, ASN1_STRING_get0_data(serial), X509_SERIAL_LEN);
	return 0;
}

int x509_read(const uint8_t *der, size_t len, struct x509_info *ret)
{
	cleanup_x509 X509 *cert = NULL;
	struct x509_info info;
	const EVP_PKEY *key;
	int r = x509_load_certificate(der, len, &cert);

	if (r == 0)
		r = read_time(X509_get0_notBefore(cert), &info.not_before);
	if (r == 0)
		r = read_time(X509_get0_notAfter(cert), &info.not_after);
	if (r == 0)
		r = read_serial(cert, info.serial);
	if (r < 0)
		return r;
	key = X509_get0_pubkey(cert);
	if (!key || info.not_after <= info.not_before)
		return -EBADMSG;
	r = x509_public_digest(key, info.public_digest);
	if (r < 0)
		return -EBADMSG;
	SHA256(der, len, info.digest);
	*ret = info;
	return 0;
}

int x509_name_of(const uint8_t *der, size_t len, char ret[static X509_NAME_MAX + 1])
{
	cleanup_x509 X509 *cert = NULL;
	int r = x509_load_certificate(der, len, &cert);

	if (r < 0)
		return r;
	return X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, ret,
					 X509_NAME_MAX + 1) > 0
		       ? 0
		       : -EBADMSG;
}

/* ---- PEM ---- */

void x509_pem(const char *label, const uint8_t *der, size_t len, struct buf *ret)
{
	enum { LINE_BYTES = 48, LINE = 64 };

	buf_printf(ret, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < len; at += LINE_BYTES) {
		size_t n = len - at < LINE_BYTES ? len - at : LINE_BYTES;
		char line[LINE + 1];

		sodium_bin2base64(line, sizeof(line), der + at, n,
				  sodium_base64_VARIANT_ORIGINAL);
		buf_append_str(ret, line);
		buf_append_byte(ret, '\n');
		sodium_memzero(line, sizeof(line));
	}
	buf_printf(ret, "-----END %s-----\n", label);
}
