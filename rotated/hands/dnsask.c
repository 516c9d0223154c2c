/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnsask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/socket.h"
#include "base/text.h"

enum { UDP_TRIES = 2 };
#define UDP_TRY_USEC (2 * USEC_PER_SEC)
#define TCP_TRY_USEC (5 * USEC_PER_SEC)

static int fill_v4(const struct in_addr *a, unsigned port, struct dns_server *ret)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = *a };

	sin.sin_port = htons((uint16_t)port);
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->address, &sin, sizeof(sin));
	ret->len = sizeof(sin);
	return 0;
}

static int fill_v6(const struct in6_addr *a, unsigned port, struct dns_server *ret)
{
	struct sockaddr_in6 sin = { .sin6_family = AF_INET6, .sin6_addr = *a };

	sin.sin6_port = htons((uint16_t)port);
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->address, &sin, sizeof(sin));
	ret->len = sizeof(sin);
	return 0;
}

/* Cuts a port off HOST in place. One colon or a bracket tells a port from an IPv6 address. */
static int split_port(char *host, uint32_t *ret_port)
{
	char *colon = strrchr(host, ':');
	bool bracketed = host[0] == '[';

	*ret_port = DNS_PORT;
	if (bracketed) {
		char *end = strchr(host, ']');

		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		colon = end[1] == ':' ? end + 1 : NULL;
		*end = '\0';
		memmove(host, host + 1, strlen(host + 1) + 1); /* up to the bracket's NUL */
	} else if (colon && strchr(host, ':') != colon) {
		return 0;
	}
	if (!colon)
		return 0;
	if (!bracketed)
		*colon = '\0';
	if (text_to_u32(colon + 1, ret_port) < 0 || *ret_port == 0 || *ret_port > UINT16_MAX)
		return -EINVAL;
	return 0;
}

int dns_server_parse(const char *text, struct dns_server *ret)
{
	char host[DNS_SERVER_TEXT_SIZE];
	struct in6_addr v6;
	struct in_addr v4;
	uint32_t port;

	if (strlen(text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, strlen(text) + 1);
	if (split_port(host, &port) < 0)
		return -EINVAL;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return fill_v4(&v4, port, ret);
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return fill_v6(&v6, port, ret);
	return -EINVAL;
}

int dns_server_from_bytes(const uint8_t *data, size_t len, struct dns_server *ret)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (len == sizeof(v4)) {
		memcpy(&v4, data, sizeof(v4));
		return fill_v4(&v4, DNS_PORT, ret);
	}
	if (len == sizeof(v6)) {
		memcpy(&v6, data, sizeof(v6));
		return fill_v6(&v6, DNS_PORT, ret);
	}
	return -EBADMSG;
}

void dns_server_format(const struct dns_server *s, char out[static DNS_SERVER_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (s->address.ss_family == AF_INET6) {
		memcpy(&v6, &s->address, sizeof(v6));
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host)); /* it fits */
		(void)snprintf(out, DNS_SERVER_TEXT_SIZE, "[%s]:%u", host, ntohs(v6.sin6_port));
	} else {
		memcpy(&v4, &s->address, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host)); /* it fits */
		(void)snprintf(out, DNS_SERVER_TEXT_SIZE, "%s:%u", host, ntohs(v4.sin_port));
	}
}

bool dns_server_equal(const struct dns_server *a, const struct dns_server *b)
{
	return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A connected socket: the kernel picks a random port and drops what others send. */
static int open_socket(const struct dns_server *s, int type)
{
	cleanup_close int fd =
		socket(s->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&s->address, s->len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

/* Waits for the datagram that answers Q, past any that do not. */
static int receive_datagram(int fd, const struct dns_question *q, uint64_t deadline,
			    struct buf *answer, struct dns_message *ret)
{
	for (;;) {
		int r = socket_wait(fd, POLLIN, deadline);
		uint8_t *p;
		ssize_t n;

		if (r < 0)
			return r;
		buf_clear(answer);
		p = buf_reserve(answer, DNS_MESSAGE_MAX);
		if (!p)
			return buf_error(answer);
		n = recv(fd, p, DNS_MESSAGE_MAX, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		answer->len = (size_t)n;
		r = dns_message_parse(answer->data, answer->len, q, ret);
		if (r != -ENOMSG)
			return r;
	}
}

static int ask_udp(const struct dns_server *s, const struct dns_question *q, uint64_t deadline,
		   struct buf *answer, struct dns_message *ret)
{
	cleanup_close int fd = open_socket(s, SOCK_DGRAM);
	cleanup_buf struct buf question = BUF_INIT;
	int r = fd < 0 ? fd : -ETIMEDOUT;

	dns_question_build(q, &question);
	if (buf_error(&question) < 0)
		return buf_error(&question);
	for (unsigned i = 0; i < UDP_TRIES && r == -ETIMEDOUT; i++) {
		if (send(fd, question.data, question.len, MSG_NOSIGNAL) < 0)
			return -errno;
		r = receive_datagram(fd, q, earlier(deadline, clock_monotonic() + UDP_TRY_USEC),
				     answer, ret);
	}
	return r;
}

static int write_stream(int fd, const uint8_t *p, size_t len, uint64_t deadline)
{
	while (len) {
		int r = socket_wait(fd, POLLOUT, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int read_stream(int fd, uint8_t *p, size_t len, uint64_t deadline)
{
	while (len) {
		int r = socket_wait(fd, POLLIN, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(fd, p, len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int ask_tcp(const struct dns_server *s, const struct dns_question *q, uint64_t deadline,
		   struct buf *answer, struct dns_message *ret)
{
	cleanup_close int fd = open_socket(s, SOCK_STREAM);
	uint64_t until = earlier(deadline, clock_monotonic() + TCP_TRY_USEC);
	cleanup_buf struct buf question = BUF_INIT;
	uint8_t prefix[2] = { 0 };
	uint8_t *p;
	int r;

	if (fd < 0)
		return fd;
	buf_append(&question, prefix, sizeof(prefix));
	dns_question_build(q, &question);
	if (buf_error(&question) < 0)
		return buf_error(&question);
	store_be16(question.data, (uint16_t)(question.len - sizeof(prefix)));
	r = write_stream(fd, question.data, question.len, until);
	if (r == 0)
		r = read_stream(fd, prefix, sizeof(prefix), until);
	if (r < 0)
		return r;
	buf_clear(answer);
	p = buf_reserve(answer, load_be16(prefix));
	if (!p)
		return buf_error(answer);
	r = read_stream(fd, p, load_be16(prefix), until);
	if (r < 0)
		return r;
	answer->len = load_be16(prefix);
	r = dns_message_parse(answer->data, answer->len, q, ret);
	/* on a stream nobody else can have sent it, and it can not have been cut */
	return r == -ENOMSG || (r == 0 && ret->tc) ? -EBADMSG : r;
}

int dns_ask(const struct dns_server *s, struct dns_question *q, uint64_t deadline,
	    struct buf *answer, struct dns_message *ret)
{
	struct dns_message m = { .tc = false };
	int r;

	if (getrandom(&q->id, sizeof(q->id), 0) != sizeof(q->id))
		return -errno;
	r = ask_udp(s, q, deadline, answer, &m);
	if (r == 0 && m.tc)
		r = ask_tcp(s, q, deadline, answer, &m);
	if (r < 0)
		return r;
	*ret = m;
	return 0;
}
