/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as each of the records of certificates, and as a certificate: what decodes lies
 * within the input and says the same after being encoded again. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "rotated/pki/pki_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct buf *again, const uint8_t *data, size_t size)
{
	if (again->error || again->len != size || memcmp(again->data, data, size) != 0)
		abort();
}

static void try_certificate(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = BUF_INIT;
	struct pki_certificate c;

	if (pki_certificate_decode(data, size, &c) < 0)
		return;
	if (c.der < data || c.der + c.len > data + size)
		abort();
	pki_certificate_encode(&c, &again);
	compare(&again, data, size);
}

static void try_key(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = BUF_INIT;
	struct pki_key k;

	if (pki_key_decode(data, size, &k) < 0)
		return;
	pki_key_encode(&k, &again);
	compare(&again, data, size);
}

static void try_ca(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = BUF_INIT;
	struct pki_ca ca;

	if (pki_ca_decode(data, size, &ca) < 0)
		return;
	pki_ca_encode(&ca, &again);
	compare(&again, data, size);
}

static void try_head(const uint8_t *data, size_t size)
{
	uint8_t again[PKI_LIST_HEAD_LEN];
	struct pki_list_head head;

	if (pki_list_head_decode(data, size, &head) < 0)
		return;
	pki_list_head_encode(&head, again);
	if (size != sizeof(again) || memcmp(again, data, size) != 0)
		abort();
}

static void try_x509(const uint8_t *data, size_t size)
{
	cleanup_x509_key struct evp_pkey_st *key = NULL;
	char name[X509_NAME_MAX + 1];
	struct x509_info info;

	if (x509_read(data, size, &info) == 0 && info.not_after <= info.not_before)
		abort();
	ignore_result(x509_name_of(data, size, name)); /* it must not crash */
	ignore_result(x509_key_import(data, size, &key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *, size_t) = {
		try_certificate, try_key, try_ca, try_head, try_x509,
	};

	if (size > 0)
		tries[data[0] % ARRAY_SIZE(tries)](data + 1, size - 1);
	return 0;
}
