/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the answer to a question: parse or refuse, then read it as the answer of an
 * authoritative server, and judge. The id of the question is taken from the bytes, so that the
 * fuzzer need not guess it.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "rotated/hands/dnsreport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct dns_message *m)
{
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;

	while (dns_message_next(m, &offset, &index, &rr)) {
		char text[DNS_NAME_TEXT_SIZE];
		struct dns_name name;
		struct dns_soa soa;

		if (rr.data > m->len || rr.data_len > m->len - rr.data)
			abort();
		dns_name_to_text(&rr.name, text);
		if (dns_rr_name(m, &rr, &name) == 0 && name.len > DNS_NAME_MAX)
			abort();
		ignore_result(dns_rr_soa(m, &rr, &soa)); /* any answer will do */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	struct dns_question q = { .type = DNS_TYPE_TXT };
	struct dns_point p = { .records = 0 };
	struct dns_name zone;
	struct dns_message m;

	if (dns_name_from_text("s._domainkey.example.com", &q.name) < 0 ||
	    dns_name_from_text("example.com", &zone) < 0)
		abort();
	q.id = size >= 2 ? load_be16(data) : 0;
	if (dns_message_parse(data, size, &q, &m) < 0)
		return 0;
	read_all(&m);
	if (dns_answer_read(&m, &q.name, &zone, &a) < 0)
		return 0;
	if (a.says == DNS_SAYS_REFERRAL && !dns_name_is_under(&a.target, &zone))
		abort();
	if (a.says != DNS_SAYS_REFERRAL && a.says != DNS_SAYS_CNAME)
		dns_point_judge(&p, &m, &a, "v=DKIM1; p=x");
	return 0;
}
