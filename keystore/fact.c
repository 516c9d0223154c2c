/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/fact.h"

#include <string.h>

#include "base/bytes.h"

enum { CERT_FIXED_LEN = 1 + 8 + 8 + 1 + 1, SERVICE_FIXED_LEN = 2 };

/* ---- certificates ---- */

bool fact_cert_valid(const struct fact_cert *c)
{
	size_t service = strnlen(c->service, sizeof(c->service));

	return service > 0 && service <= VERIFIER_SERVICE_MAX &&
	       !(c->flags & ~FACT_CERT_REVOKED) && c->serial_len > 0 &&
	       c->serial_len <= FACT_SERIAL_MAX && c->not_before <= c->not_after;
}

size_t fact_cert_encode(const struct fact_cert *c, uint8_t out[static FACT_CERT_MAX])
{
	size_t service = strlen(c->service);
	uint8_t *p = out;

	*p++ = c->flags;
	store_be64(p, c->not_before);
	store_be64(p + 8, c->not_after);
	p += 16;
	*p++ = c->serial_len;
	p = (uint8_t *)mempcpy(p, c->serial, c->serial_len);
	*p++ = (uint8_t)service;
	p = (uint8_t *)mempcpy(p, c->service, service);
	return (size_t)(p - out);
}

int fact_cert_decode(const uint8_t *data, size_t len, struct fact_cert *ret)
{
	struct fact_cert c = { .flags = 0 };
	size_t service;

	if (len < CERT_FIXED_LEN)
		return -EBADMSG;
	c.flags = data[0];
	c.not_before = load_be64(data + 1);
	c.not_after = load_be64(data + 9);
	c.serial_len = data[17];
	if (c.serial_len > FACT_SERIAL_MAX || len < CERT_FIXED_LEN + (size_t)c.serial_len)
		return -EBADMSG;
	memcpy(c.serial, data + 18, c.serial_len);
	service = data[18 + c.serial_len];
	if (service > VERIFIER_SERVICE_MAX || len != CERT_FIXED_LEN + c.serial_len + service)
		return -EBADMSG;
	memcpy(c.service, data + CERT_FIXED_LEN + c.serial_len, service);
	if (!fact_cert_valid(&c) || strlen(c.service) != service)
		return -EBADMSG;
	*ret = c;
	return 0;
}

bool fact_cert_usable(const struct fact_cert *c, uint64_t now)
{
	return !(c->flags & FACT_CERT_REVOKED) && now >= c->not_before && now < c->not_after;
}

/* ---- services ---- */

static bool has_login_before(const struct fact_service *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(s->logins[j], s->logins[i]) == 0)
			return true;
	return false;
}

bool fact_service_valid(const struct fact_service *s)
{
	if (s->flags & ~FACT_SERVICE_DISABLED || s->count > VERIFIER_VERSIONS_MAX)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (!s->logins[i][0] ||
		    strnlen(s->logins[i], sizeof(s->logins[i])) > VERIFIER_LOGIN_MAX ||
		    has_login_before(s, i))
			return false;
	return true;
}

size_t fact_service_encode(const struct fact_service *s, uint8_t out[static FACT_SERVICE_MAX])
{
	uint8_t *p = out;

	*p++ = s->flags;
	*p++ = s->count;
	for (size_t i = 0; i < s->count; i++) {
		size_t len = strlen(s->logins[i]);

		*p++ = (uint8_t)len;
		p = (uint8_t *)mempcpy(p, s->logins[i], len);
	}
	return (size_t)(p - out);
}

int fact_service_decode(const uint8_t *data, size_t len, struct fact_service *ret)
{
	struct fact_service s = { .flags = 0 };
	size_t at = SERVICE_FIXED_LEN;

	if (len < SERVICE_FIXED_LEN)
		return -EBADMSG;
	s.flags = data[0];
	s.count = data[1];
	if (s.count > VERIFIER_VERSIONS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < s.count; i++) {
		size_t n;

		if (at >= len)
			return -EBADMSG;
		n = data[at++];
		if (n > len - at)
			return -EBADMSG;
		memcpy(s.logins[i], data + at, n);
		at += n;
		if (strlen(s.logins[i]) != n)
			return -EBADMSG;
	}
	if (at != len || !fact_service_valid(&s))
		return -EBADMSG;
	*ret = s;
	return 0;
}

/* ---- senders ---- */

int fact_sender_key(const char *address, size_t len, char ret[static FACT_SENDER_KEY_SIZE])
{
	if (len == 0 || len >= FACT_SENDER_KEY_SIZE || memchr(address, '\0', len))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char c = address[i];

		ret[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	ret[len] = '\0';
	return 0;
}

/* Where the last of the owners in DATA begins; they are known to be good. */
static size_t last_owner(const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at + 1 + data[at] < len)
		at += 1 + (size_t)data[at];
	return at;
}

/* As strcmp(), of text without a NUL and with a length before it. */
static int compare_owner(const uint8_t *item, const char *service)
{
	size_t n = item[0];
	size_t len = strlen(service);
	int order = memcmp(item + 1, service, n < len ? n : len);

	return order ? order : (int)n - (int)len;
}

int fact_owners_add(uint8_t *out, size_t size, size_t *len, const char *service)
{
	size_t n = strlen(service);

	if (n == 0 || n > VERIFIER_SERVICE_MAX)
		return -EINVAL;
	if (*len > 0 && compare_owner(out + last_owner(out, *len), service) >= 0)
		return -EINVAL;
	if (size - *len < 1 + n)
		return -E2BIG;
	out[(*len)++] = (uint8_t)n;
	memcpy(out + *len, service, n);
	*len += n;
	return 0;
}

int fact_owners_next(struct fact_owners *o)
{
	char service[sizeof(o->service)];
	size_t n;

	if (o->at == o->len)
		return 0;
	n = o->data[o->at];
	if (n == 0 || n > VERIFIER_SERVICE_MAX || n > o->len - o->at - 1 ||
	    memchr(o->data + o->at + 1, '\0', n))
		return -EBADMSG;
	memcpy(service, o->data + o->at + 1, n);
	service[n] = '\0';
	if (o->at > 0 && strcmp(service, o->service) <= 0)
		return -EBADMSG;
	memcpy(o->service, service, n + 1);
	o->at += 1 + n;
	return 1;
}
