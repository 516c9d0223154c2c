/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/pki/csr.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "rotated/pki/der.h"

DEFINE_CLEANUP(X509_REQ, X509_REQ_free)
DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

#define HINT_NEW                                                                               \
	"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / "         \
	"-keyout KEY -out CSR"

static int refuse(struct report *report, const char *why)
{
	ERR_clear_error();
	(void)report_set(report, -EBADMSG, "the certificate request is refused: %s", why);
	report_hint(report, HINT_NEW);
	return -EBADMSG;
}

/* ---- PEM ---- */

static bool skip(const char **p, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(end - *p) < len || memcmp(*p, word, len) != 0)
		return false;
	*p += len;
	return true;
}

/* libsodium's base64 takes a NUL for a blank, and whatever is beyond ASCII for a slash. */
static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0)
			return false;
	return true;
}

static void skip_blanks(const char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r' || **p == '\n'))
		(*p)++;
}

/* One block from end to end, with nothing but blanks around it. */
static const char *unwrap(const char *p, const char *end, uint8_t der[static CSR_DER_MAX],
			  size_t *ret_len)
{
	static const char *const labels[] = { "CERTIFICATE REQUEST-----",
					      "NEW CERTIFICATE REQUEST-----" };
	const char *label = NULL;

	skip_blanks(&p, end);
	if (!skip(&p, end, "-----BEGIN "))
		return "it does not begin with -----BEGIN CERTIFICATE REQUEST-----";
	for (size_t i = 0; i < ARRAY_SIZE(labels) && !label; i++)
		if (skip(&p, end, labels[i]))
			label = labels[i];
	if (!label)
		return "it is PEM of something else";
	if (sodium_base642bin(der, CSR_DER_MAX, p, (size_t)(end - p), "\r\n \t", ret_len, &p,
			      sodium_base64_VARIANT_ORIGINAL) < 0)
		return "its base64 is malformed or too long";
	skip_blanks(&p, end);
	if (!skip(&p, end, "-----END ") || !skip(&p, end, label))
		return "its base64 is malformed, or its end is missing";
	skip_blanks(&p, end);
	return p == end ? NULL : "something follows its end: one request at a time";
}

/* ---- the key ---- */

static bool is_canonical(X509_REQ *req, const uint8_t *prefix, size_t prefix_len, size_t len)
{
	unsigned char der[X509_DER_MAX];
	unsigned char *p = der;
	int n = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), NULL);

	return n == (int)len && n <= X509_DER_MAX &&
	       i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &p) == n &&
	       memcmp(der, prefix, prefix_len) == 0;
}

/* SubjectPublicKeyInfo of id-ecPublicKey, the curve by its name, and a point uncompressed: RFC
 * 5480. Curves spelled out, and points compressed, are other bytes for what may be the same
 * key. */
static const char *check_ec(X509_REQ *req)
{
	static const uint8_t p256[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
					0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
	enum { LEN = 91 };

	return is_canonical(req, p256, sizeof(p256), LEN)
		       ? NULL
		       : "its key is not on the curve P-256, or not in the usual form";
}

static const char *check_ed25519(X509_REQ *req)
{
	static const uint8_t ed25519[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
	enum { LEN = 44 };

	return is_canonical(req, ed25519, sizeof(ed25519), LEN) ? NULL : "its key is malformed";
}

/* FIPS 186-4, section B.3.1: odd, and between 2^16 and 2^256. */
static bool is_exponent_sound(const EVP_PKEY *key)
{
	enum { BITS_MIN = 17, BITS_MAX = 256 };
	BIGNUM *e = NULL;
	bool is_sound = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) && BN_is_odd(e) &&
			BN_num_bits(e) >= BITS_MIN && BN_num_bits(e) <= BITS_MAX;

	BN_free(e);
	return is_sound;
}

static const char *check_rsa(X509_REQ *req, const EVP_PKEY *key)
{
	unsigned char der[X509_DER_MAX];
	unsigned char *p = der;
	int bits = EVP_PKEY_get_bits(key);
	int len;

	if (bits < CSR_RSA_BITS_MIN)
		return "its RSA key has less than 2048 bits";
	if (bits > CSR_RSA_BITS_MAX)
		return "its RSA key has more than 4096 bits";
	if (!is_exponent_sound(key))
		return "the exponent of its RSA key is not 65537";
	len = i2d_PUBKEY(key, NULL);
	if (len <= 0 || len > X509_DER_MAX || i2d_PUBKEY(key, &p) != len ||
	    !is_canonical(req, der, (size_t)len, (size_t)len))
		return "its key is malformed";
	return NULL;
}

/* On the curve, of the right order; a modulus without small factors, an exponent that is odd
 * and above 2^16. */
static bool is_sound(EVP_PKEY *key)
{
	cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);

	return context && EVP_PKEY_public_check(context) == 1;
}

static const char *check_key(X509_REQ *req, EVP_PKEY *key)
{
	const char *wrong;

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_EC:
		wrong = check_ec(req);
		break;
	case EVP_PKEY_ED25519:
		wrong = check_ed25519(req);
		break;
	case EVP_PKEY_RSA:
		wrong = check_rsa(req, key);
		break;
	default:
		wrong = "its key is of a kind that is not taken: P-256, RSA or Ed25519";
		break;
	}
	if (!wrong && !is_sound(key))
		wrong = "its key is weak or malformed";
	return wrong;
}

/* ---- the request ---- */

static bool is_signature_taken(const X509_REQ *req)
{
	static const int taken[] = { NID_ecdsa_with_SHA256,
				     NID_ecdsa_with_SHA384,
				     NID_ecdsa_with_SHA512,
				     NID_sha256WithRSAEncryption,
				     NID_sha384WithRSAEncryption,
				     NID_sha512WithRSAEncryption,
				     NID_ED25519 };
	int nid = X509_REQ_get_signature_nid(req);

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (taken[i] == nid)
			return true;
	return false;
}

static const char *check_request(X509_REQ *req)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	const char *wrong;

	if (X509_REQ_get_version(req) != X509_REQ_VERSION_1)
		return "its version is not 1";
	if (!key)
		return "its key can not be read";
	wrong = check_key(req, key);
	if (wrong)
		return wrong;
	if (!is_signature_taken(req))
		return "it is signed in a way that is not taken: SHA-256 or better";
	if (X509_REQ_verify(req, key) != 1)
		return "its signature is not of its key: who sent it may not hold the key";
	return NULL;
}

static const char *parse(const uint8_t *der, size_t len, X509_REQ **ret)
{
	const unsigned char *p = der;
	const char *wrong = der_check(der, len);

	if (wrong)
		return wrong;
	*ret = d2i_X509_REQ(NULL, &p, (long)len);
	return *ret && p == der + len ? NULL : "it is no certificate request";
}

int csr_read(const char *text, size_t len, struct evp_pkey_st **ret, struct report *report)
{
	cleanup_(X509_REQ_freep) X509_REQ *req = NULL;
	uint8_t der[CSR_DER_MAX];
	size_t der_len = 0;
	const char *wrong;

	if (len > CSR_PEM_MAX)
		return refuse(report, "it is longer than 16 KiB");
	if (!is_ascii(text, len))
		return refuse(report, "it holds bytes that are no text");
	wrong = unwrap(text, text + len, der, &der_len);
	if (!wrong)
		wrong = parse(der, der_len, &req);
	if (!wrong)
		wrong = check_request(req);
	if (wrong)
		return refuse(report, wrong);
	*ret = X509_REQ_get_pubkey(req); /* counted */
	return *ret ? 0 : -ENOMEM;
}
