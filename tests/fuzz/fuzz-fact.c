/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the body of each kind of fact, as a sealed one, and as a sender; what decodes
 * must come out the same when it is encoded again. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "keystore/fact.h"
#include "keystore/index_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
	if (!is_good)
		abort();
}

static void check_cert(const uint8_t *data, size_t size)
{
	uint8_t out[FACT_CERT_MAX];
	struct fact_cert c;

	if (fact_cert_decode(data, size, &c) < 0)
		return;
	check(fact_cert_valid(&c) && fact_cert_encode(&c, out) == size &&
	      memcmp(out, data, size) == 0);
}

static void check_service(const uint8_t *data, size_t size)
{
	static uint8_t out[FACT_SERVICE_MAX];
	struct fact_service s;

	if (fact_service_decode(data, size, &s) < 0)
		return;
	check(fact_service_valid(&s) && fact_service_encode(&s, out) == size &&
	      memcmp(out, data, size) == 0);
}

static void check_owners(const uint8_t *data, size_t size)
{
	static uint8_t out[INDEX_FACT_BODY_MAX];
	struct fact_owners o = { .data = data, .len = size };
	size_t len = 0;
	int r;

	if (size > sizeof(out))
		return;
	while ((r = fact_owners_next(&o)) > 0)
		check(fact_owners_add(out, sizeof(out), &len, o.service) == 0);
	if (r == 0)
		check(len == size && memcmp(out, data, size) == 0);
}

static void check_sender(const uint8_t *data, size_t size)
{
	char text[FACT_SENDER_KEY_SIZE + 16], key[FACT_SENDER_KEY_SIZE];
	char sender[SENDER_SIZE], again[SENDER_SIZE];

	ignore_result(fact_sender_key((const char *)data, size, key));
	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (text_to_sender(text, sender) < 0)
		return;
	check(text_to_sender(sender, again) == 0 && strcmp(sender, again) == 0);
	check(fact_sender_key(text, strlen(text), key) == 0 && strcmp(key, sender) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct verifier_keys keys;
	static uint8_t body[INDEX_FACT_PLAIN_MAX];
	struct index_place place = { .fact = INDEX_FACT_SENDER };
	size_t len;

	check(sodium_init() >= 0);
	ignore_result(index_fact_open(&keys, &place, SPAN_OF(data, size), body, &len));
	check_cert(data, size);
	check_service(data, size);
	check_owners(data, size);
	check_sender(data, size);
	return 0;
}
