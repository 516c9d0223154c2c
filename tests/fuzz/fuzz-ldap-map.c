/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the attributes of an entry, and as what the keystore holds of one. */
#include <stdlib.h>
#include <string.h>

#include "rotated/directory/ldap_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *config(void)
{
	static struct config c;

	if (!c.root) {
		c.root = strdup("");
		c.password.schedule.every = 90 * USEC_PER_SEC;
		c.password.overlap = USEC_PER_SEC;
		c.certificate.email = strdup("");
		c.certificate.lifetime = 2 * USEC_PER_SEC;
		c.certificate.overlap = USEC_PER_SEC;
		c.ca.trust_domain = strdup("");
		c.engine.allow_short_waits = true;
	}
	return &c;
}

/* What is stored is read again as it was. */
static void round_trip(const struct ldap_entry *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_ldap_entry struct ldap_entry *again = NULL;

	ldap_entry_encode(e, &out);
	if (buf_error(&out) < 0 || out.len > 65536)
		abort();
	if (ldap_entry_decode(out.data, out.len, &again) < 0 || !ldap_entry_equal(e, again))
		abort();
}

static void as_attributes(const uint8_t *data, size_t size)
{
	cleanup_ldap_entry struct ldap_entry *e =
		ldap_entry_new("00000000-0000-0000-0000-000000000001", "cn=x");
	struct attributes attributes;
	struct report report = { 0 };

	if (!e || attributes_parse(data, size, &attributes) < 0)
		return;
	if (ldap_map(&config()->ldap, &attributes, e->id, &e->values, &report) < 0) {
		if (!report.what[0] || e->values.n)
			abort();
		return;
	}
	if (!text_is_service_id(e->id) || ldap_entry_judge(e, config()) < 0)
		abort();
	if (e->is_usable == (e->problem != NULL))
		abort();
	round_trip(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_ldap_entry struct ldap_entry *e = NULL;

	as_attributes(data, size);
	if (ldap_entry_decode(data, size, &e) == 0)
		round_trip(e);
	return 0;
}
