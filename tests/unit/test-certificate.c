/* SPDX-License-Identifier: BSD-2-Clause */
/* X.509 without a vault around it: what is made, what verifiers make of it, what is not read.
 */
#include "tests/unit/unit.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/clock.h"
#include "rotated/pki/csr.h"
#include "rotated/pki/der.h"
#include "rotated/pki/pki_codec.h"

#define NOW (UINT64_C(1795424400) * USEC_PER_SEC) /* 2026-11-23 */
#define DAY (24 * 3600 * USEC_PER_SEC)

#define TRUST "relay.example.org"

DEFINE_CLEANUP(X509, X509_free)

/* A root and an issuing CA for TRUST. */
struct authority {
	struct evp_pkey_st *root_key, *key;
	struct buf root, issuing;
};

static void authority_new(struct authority *a)
{
	struct x509_subject root = { .role = X509_ROOT,
				     .name = "root",
				     .not_before = NOW - DAY,
				     .not_after = NOW + 3650 * DAY };
	struct x509_subject issuing = { .role = X509_ISSUING,
					.name = "issuing",
					.trust_domain = TRUST,
					.not_before = NOW - DAY,
					.not_after = NOW + 365 * DAY };
	struct x509_issuer by;

	*a = (struct authority){ 0 };
	assert_int_equal(x509_key_new(&a->root_key), 0);
	assert_int_equal(x509_key_new(&a->key), 0);
	root.key = a->root_key;
	issuing.key = a->key;
	x509_serial_new(root.serial);
	x509_serial_new(issuing.serial);
	assert_int_equal(x509_issue(&root, NULL, &a->root), 0);
	by = (struct x509_issuer){ a->root_key, a->root.data, a->root.len };
	assert_int_equal(x509_issue(&issuing, &by, &a->issuing), 0);
}

static void authority_release(struct authority *a)
{
	x509_key_free(a->root_key);
	x509_key_free(a->key);
	buf_release(&a->root);
	buf_release(&a->issuing);
}

static void issue_leaf(const struct authority *a, struct x509_subject *leaf, struct buf *ret)
{
	cleanup_x509_key struct evp_pkey_st *key = NULL;
	struct x509_issuer by = { a->key, a->issuing.data, a->issuing.len };

	assert_int_equal(x509_key_new(&key), 0);
	leaf->role = X509_LEAF;
	leaf->key = key;
	leaf->not_before = NOW - 300 * USEC_PER_SEC;
	leaf->not_after = NOW + 7 * DAY;
	x509_serial_new(leaf->serial);
	assert_int_equal(x509_issue(leaf, &by, ret), 0);
}

static X509 *load(const struct buf *der)
{
	const unsigned char *p = der->data;
	X509 *cert = d2i_X509(NULL, &p, (long)der->len);

	assert_non_null(cert);
	return cert;
}

/* What libcrypto says of LEAF under A at NOW, strictly: X509_V_OK or why not. */
static int verify(const struct authority *a, const struct buf *leaf)
{
	cleanup_(X509_freep) X509 *root = load(&a->root);
	cleanup_(X509_freep) X509 *issuing = load(&a->issuing);
	cleanup_(X509_freep) X509 *cert = load(leaf);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509_VERIFY_PARAM *param;
	int result;

	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	assert_int_equal(sk_X509_push(chain, issuing), 1);
	assert_int_equal(X509_STORE_CTX_init(context, store, cert, chain), 1);
	param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_time(param, (time_t)(NOW / USEC_PER_SEC));
	assert_int_equal(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT), 1);
	assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT), 1);
	result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
	sk_X509_free(chain);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return result;
}

static void constraints_hold_whatever_the_issuing_ca_signs(void **state)
{
	static const struct {
		const char *trust, *email;
		int result;
	} cases[] = {
		{ TRUST, NULL, X509_V_OK },
		{ TRUST, "a@" TRUST, X509_V_OK },
		{ TRUST, "a@svc." TRUST, X509_V_OK },
		{ "relay.example.net", NULL, X509_V_ERR_PERMITTED_VIOLATION },
		{ "evil" TRUST, NULL, X509_V_ERR_PERMITTED_VIOLATION },
		{ "svc." TRUST, NULL, X509_V_ERR_PERMITTED_VIOLATION },
		{ TRUST, "a@example.net", X509_V_ERR_PERMITTED_VIOLATION },
		{ TRUST, "a@evil" TRUST, X509_V_ERR_PERMITTED_VIOLATION },
		{ TRUST, "a@" TRUST ",DNS:" TRUST, X509_V_OK },
		{ TRUST, "a@" TRUST ",DNS:example.net", X509_V_ERR_PERMITTED_VIOLATION },
		{ TRUST, "a@" TRUST ",IP:192.0.2.1", X509_V_ERR_EXCLUDED_VIOLATION },
		{ TRUST, "a@" TRUST ",IP:2001:db8::1", X509_V_ERR_EXCLUDED_VIOLATION },
	};
	cleanup_(authority_release) struct authority a;

	(void)state;
	authority_new(&a);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct x509_subject leaf = { .name = "billing",
					     .trust_domain = cases[i].trust,
					     .email = cases[i].email };
		cleanup_buf struct buf der = BUF_INIT;

		issue_leaf(&a, &leaf, &der);
		assert_int_equal(verify(&a, &der), cases[i].result);
	}
}

static void what_was_issued_is_read_back(void **state)
{
	struct x509_subject leaf = { .name = "billing", .trust_domain = TRUST };
	cleanup_(authority_release) struct authority a;
	cleanup_buf struct buf der = BUF_INIT;
	char name[X509_NAME_MAX + 1];
	struct x509_info info;

	(void)state;
	authority_new(&a);
	issue_leaf(&a, &leaf, &der);
	assert_int_equal(x509_read(der.data, der.len, &info), 0);
	assert_int_equal(info.not_before, leaf.not_before);
	assert_int_equal(info.not_after, leaf.not_after);
	assert_memory_equal(info.serial, leaf.serial, X509_SERIAL_LEN);
	assert_int_equal(x509_name_of(der.data, der.len, name), 0);
	assert_string_equal(name, "billing");
	assert_null(der_check(der.data, der.len));
	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(x509_read(der.data, len, &info), -EBADMSG);
	buf_append_byte(&der, 0);
	assert_int_equal(x509_read(der.data, der.len, &info), -EBADMSG);
}

static void a_serial_number_is_positive_and_always_as_long(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t serial[X509_SERIAL_LEN];

		x509_serial_new(serial);
		assert_int_equal(serial[0] >> 6, 1);
	}
}

static void a_private_key_survives_its_record(void **state)
{
	cleanup_x509_key struct evp_pkey_st *key = NULL, *again = NULL;
	cleanup_secret struct secret *der = NULL;
	uint8_t a[X509_DIGEST_LEN], b[X509_DIGEST_LEN];

	(void)state;
	assert_int_equal(x509_key_new(&key), 0);
	assert_int_equal(x509_key_export(key, &der), 0);
	assert_int_equal(x509_key_import(secret_data(der), secret_len(der), &again), 0);
	assert_int_equal(x509_public_digest(key, a), 0);
	assert_int_equal(x509_public_digest(again, b), 0);
	assert_memory_equal(a, b, sizeof(a));
	x509_key_free(again);
	again = NULL;
	assert_int_equal(x509_key_import(secret_data(der), secret_len(der) - 1, &again),
			 -EBADMSG);
}

/* ---- DER ---- */

static void only_der_is_der(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool is_good;
	} cases[] = {
		{ "\x30\x00", 2, true },
		{ "\x02\x01\x00", 3, true },
		{ "\x30\x05\x02\x01\x01\x05\x00", 7, true },
		{ "\x03\x02\x04\xf0", 4, true },
		{ "", 0, false },
		{ "\x30", 1, false },
		{ "\x30\x01", 2, false },
		{ "\x30\x00\x00", 3, false },
		{ "\x30\x80\x00\x00", 4, false },
		{ "\x30\x81\x00", 3, false },
		{ "\x30\x81\x02\x05\x00", 5, false },
		{ "\x30\x84\x00\x00\x00\x00", 6, false },
		{ "\x10\x00", 2, false },
		{ "\x22\x03\x02\x01\x00", 5, false },
		{ "\x02\x00", 2, false },
		{ "\x02\x02\x00\x01", 4, false },
		{ "\x02\x02\xff\x80", 4, false },
		{ "\x01\x01\x01", 3, false },
		{ "\x05\x01\x00", 3, false },
		{ "\x03\x00", 2, false },
		{ "\x03\x01\x01", 3, false },
		{ "\x03\x02\x04\xff", 4, false },
		{ "\x0c\x03"
		  "a\0b",
		  5, false },
		{ "\x1f\x01\x00", 3, false },
		{ "\x00\x00", 2, false },
		{ "\x30\x03\x02\x02\x01", 5, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *wrong = der_check((const uint8_t *)cases[i].bytes, cases[i].len);

		if ((wrong == NULL) != cases[i].is_good)
			fail_msg("case %zu: %s", i, wrong ? wrong : "taken");
	}
}

/* ---- records ---- */

/* What libsodium's base64 would let pass. */
static void a_request_is_text(void **state)
{
	char text[] =
		"-----BEGIN CERTIFICATE REQUEST-----\n"
		"MIHGMG4CAQAwDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n"
		"BOFYlRTaEeE4utfER3i0eSZKo47BqL17Q5VKQEoKrJFQpxao91yqUvl/Wbjj0xBY\n"
		"X2t4BFxNvJs4bSfR/T7zfw+gADAKBggqhkjOPQQDAgNIADBFAiBNzWNEtRnzf+Cq\n"
		"nzva3r0hPuQQyPe0zU9U80tjdAgTSgIhAJjQIf+LAKe+Ga3k0Ucin25QG5+Lpl9Q\n"
		"+k9HvCWXFI0A\n"
		"-----END CERTIFICATE REQUEST-----\n";
	struct report report;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		cleanup_x509_key struct evp_pkey_st *key = NULL;
		char *slash = strchr(text, '/');
		const char with[] = { '/', '\0', '\xff' };

		assert_non_null(slash);
		*slash = with[i];
		assert_int_equal(csr_read(text, sizeof(text) - 1, &key, &report),
				 i == 0 ? 0 : -EBADMSG);
		*slash = '/';
	}
}

static void records_are_read_whole_or_not_at_all(void **state)
{
	struct pki_key key = { .service = "billing",
			       .version = 7,
			       .not_after = 9,
			       .revoked = 8,
			       .reason = X509_REASON_SUPERSEDED };
	struct pki_ca ca = { .trust_domain = TRUST,
			     .root = { (const uint8_t *)"root", 4 },
			     .issuing = { { (const uint8_t *)"one", 3 },
					  { (const uint8_t *)"two", 3 } },
			     .n_issuing = 2 };
	cleanup_buf struct buf k = BUF_INIT, c = BUF_INIT;
	struct pki_key key_again;
	struct pki_ca ca_again;

	(void)state;
	pki_key_encode(&key, &k);
	pki_ca_encode(&ca, &c);
	assert_int_equal(pki_key_decode(k.data, k.len, &key_again), 0);
	assert_string_equal(key_again.service, "billing");
	assert_int_equal(key_again.version, 7);
	assert_int_equal(key_again.reason, X509_REASON_SUPERSEDED);
	assert_int_equal(pki_ca_decode(c.data, c.len, &ca_again), 0);
	assert_int_equal(ca_again.n_issuing, 2);
	assert_memory_equal(ca_again.issuing[1].der, "two", 3);
	for (size_t len = 0; len < k.len; len++)
		assert_int_equal(pki_key_decode(k.data, len, &key_again), -EBADMSG);
	for (size_t len = 0; len < c.len; len++)
		assert_int_equal(pki_ca_decode(c.data, len, &ca_again), -EBADMSG);
	buf_append_byte(&k, 0);
	buf_append_byte(&c, 0);
	assert_int_equal(pki_key_decode(k.data, k.len, &key_again), -EBADMSG);
	assert_int_equal(pki_ca_decode(c.data, c.len, &ca_again), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constraints_hold_whatever_the_issuing_ca_signs),
		cmocka_unit_test(what_was_issued_is_read_back),
		cmocka_unit_test(a_serial_number_is_positive_and_always_as_long),
		cmocka_unit_test(a_private_key_survives_its_record),
		cmocka_unit_test(only_der_is_der),
		cmocka_unit_test(a_request_is_text),
		cmocka_unit_test(records_are_read_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
