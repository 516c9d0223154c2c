/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/attributes.h"

#include <string.h>
#include <strings.h>

#include "base/bytes.h"

static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz"
				 "0123456789.;_-";

bool attribute_name_is_valid(const char *name)
{
	size_t len = strspn(name, name_bytes);

	return len > 0 && len <= ATTRIBUTE_NAME_MAX && name[len] == '\0';
}

/* The length of the values of COUNT that DATA begins with. */
static int measure_values(const uint8_t *data, size_t len, unsigned count, size_t *ret)
{
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		uint32_t size;

		if (len - used < sizeof(size))
			return -EBADMSG;
		size = load_be32(data + used);
		used += sizeof(size);
		if (size > len - used)
			return -EBADMSG;
		used += size;
	}
	*ret = used;
	return 0;
}

/* Reads one attribute, and how many bytes it takes. */
static int read_attribute(const uint8_t *data, size_t len, struct attribute *ret,
			  size_t *ret_used)
{
	const uint8_t *nul = memchr(data, '\0', len);
	size_t head, size;
	unsigned count;
	int r;

	if (!nul || len - (size_t)(nul + 1 - data) < 2)
		return -EBADMSG;
	if (!attribute_name_is_valid((const char *)data))
		return -EBADMSG;
	count = (unsigned)nul[1] << 8 | nul[2];
	head = (size_t)(nul + 3 - data);
	if (count == 0)
		return -EBADMSG;
	if (count > ATTRIBUTE_VALUES_MAX)
		return -E2BIG;
	r = measure_values(data + head, len - head, count, &size);
	if (r < 0)
		return r;
	*ret = (struct attribute){ (const char *)data, count, data + head, size };
	*ret_used = head + size;
	return 0;
}

static bool is_known(const char *const *names, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

int attributes_parse(const uint8_t *data, size_t len, struct attributes *ret)
{
	const char *names[ATTRIBUTES_MAX];
	unsigned count = 0;

	if (len > ATTRIBUTES_BYTES_MAX)
		return -E2BIG;
	for (size_t at = 0; at < len;) {
		struct attribute a;
		size_t used;
		int r = read_attribute(data + at, len - at, &a, &used);

		if (r < 0)
			return r;
		if (count == ATTRIBUTES_MAX)
			return -E2BIG;
		if (is_known(names, count, a.name))
			return -EBADMSG;
		names[count++] = a.name;
		at += used;
	}
	*ret = (struct attributes){ data, len };
	return 0;
}

bool attributes_next(const struct attributes *list, size_t *offset, struct attribute *ret)
{
	size_t used;

	if (*offset >= list->len ||
	    read_attribute(list->data + *offset, list->len - *offset, ret, &used) < 0)
		return false;
	*offset += used;
	return true;
}

bool attribute_next(const struct attribute *a, size_t *offset, struct attribute_value *ret)
{
	const uint8_t *p = a->data + *offset;

	if (*offset >= a->len)
		return false;
	*ret = (struct attribute_value){ p + sizeof(uint32_t), load_be32(p) };
	*offset += sizeof(uint32_t) + ret->len;
	return true;
}

bool attributes_find(const struct attributes *list, const char *name, struct attribute *ret)
{
	struct attribute a;
	size_t offset = 0;

	while (attributes_next(list, &offset, &a)) {
		if (strcasecmp(a.name, name) != 0)
			continue;
		*ret = a;
		return true;
	}
	return false;
}

void attributes_put(struct buf *out, const char *name, unsigned count)
{
	buf_append(out, name, strlen(name) + 1);
	buf_append_be16(out, (uint16_t)count);
}

void attributes_put_value(struct buf *out, const void *data, size_t len)
{
	buf_append_be32(out, (uint32_t)len);
	buf_append(out, data, len);
}
