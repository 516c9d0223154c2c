/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>

struct secret {
	size_t mapped;
	size_t len;
	uint8_t data[];
};

struct secret *secret_alloc(size_t len)
{
	struct secret *s;
	size_t mapped;

	if (len > SECRET_MAX)
		return NULL;
	mapped = sizeof(*s) + len + 1;
	s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	/* Each of these only narrows where the bytes can end up; a kernel or a limit that
	 * refuses one leaves a secret that still works and is still wiped. */
	(void)mlock(s, mapped);
	(void)madvise(s, mapped, MADV_DONTDUMP);
	(void)madvise(s, mapped, MADV_WIPEONFORK);
	s->mapped = mapped;
	s->len = len;
	return s;
}

struct secret *secret_new(const void *data, size_t len)
{
	struct secret *s = secret_alloc(len);

	if (s && len)
		memcpy(s->data, data, len);
	return s;
}

struct secret *secret_dup(const struct secret *s)
{
	return secret_new(s->data, s->len);
}

int secret_set(struct secret *s, const void *data, size_t len)
{
	if (len > s->mapped - sizeof(*s) - 1)
		return -E2BIG;
	explicit_bzero(s->data, s->len);
	if (len)
		memcpy(s->data, data, len);
	s->data[len] = '\0';
	s->len = len;
	return 0;
}

uint8_t *secret_fill(struct secret *s)
{
	return s->data;
}

const uint8_t *secret_data(const struct secret *s)
{
	return s->data;
}

const char *secret_string(const struct secret *s)
{
	return (const char *)s->data;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	volatile uint8_t diff = 0;

	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		diff |= (uint8_t)(a->data[i] ^ b->data[i]);
	return diff == 0;
}

void secret_free(struct secret *s)
{
	size_t mapped;

	if (!s)
		return;
	mapped = s->mapped;
	explicit_bzero(s, mapped);
	(void)munmap(s, mapped); /* unmapping what mmap() gave cannot fail */
}
