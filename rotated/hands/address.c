/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { PORT_MAX = 65535 };

static const char host_bytes[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
static const char address_bytes[] = "0123456789abcdefABCDEF:.";

bool address_host(const char *text, char *ret, size_t size)
{
	bool is_bracketed = text[0] == '[';
	const char *host = is_bracketed ? text + 1 : text;
	size_t len = strspn(host, is_bracketed ? address_bytes : host_bytes);
	const char *rest = host + len;
	uint32_t port;

	if (is_bracketed && *rest++ != ']')
		return false;
	if (len == 0 || len >= size || *rest != ':' || text_to_u32(rest + 1, &port) < 0 ||
	    port == 0 || port > PORT_MAX)
		return false;
	memcpy(ret, host, len);
	ret[len] = '\0';
	return true;
}

bool address_is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcasecmp(host, "localhost") == 0;
}
