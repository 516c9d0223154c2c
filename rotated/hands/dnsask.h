/* SPDX-License-Identifier: BSD-2-Clause */
/* One question to one server, over UDP and, when the answer was cut, TCP. Blocking, with a
 * deadline; for use in a process of its own. */
#ifndef ROTATED_HANDS_DNSASK_H
#define ROTATED_HANDS_DNSASK_H

#include <sys/socket.h>

#include "rotated/hands/dnsmsg.h"

struct dns_server {
	struct sockaddr_storage address;
	socklen_t len;
};

enum { DNS_PORT = 53, DNS_SERVER_TEXT_SIZE = 64 };

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"; without a port it is 53.
 * -EINVAL. */
must_check int dns_server_parse(const char *text, struct dns_server *ret);

/* From the bytes of an A or AAAA record; -EBADMSG for any other length. */
must_check int dns_server_from_bytes(const uint8_t *data, size_t len, struct dns_server *ret);

/* Always with the port. */
void dns_server_format(const struct dns_server *s, char out[static DNS_SERVER_TEXT_SIZE]);

bool dns_server_equal(const struct dns_server *a, const struct dns_server *b);

/*
 * Asks S before the monotonic DEADLINE; `q->id` is chosen here. ANSWER holds the bytes that RET
 * borrows. Up to two datagrams are sent, a few seconds apart. -ETIMEDOUT; -EBADMSG for an
 * answer that can not be read; else what the network says, as -ECONNREFUSED or -ENETUNREACH.
 */
must_check int dns_ask(const struct dns_server *s, struct dns_question *q, uint64_t deadline,
		       struct buf *answer, struct dns_message *ret);

#endif
