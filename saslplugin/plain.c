/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/plain.h"

#include <string.h>

/* Cuts what stands before the next NUL off the front of REST. */
static int cut(struct plain_slice *rest, struct plain_slice *ret)
{
	const char *nul = rest->len ? memchr(rest->data, '\0', rest->len) : NULL;
	size_t len;

	if (!nul)
		return -EBADMSG;
	len = (size_t)(nul - rest->data);
	*ret = (struct plain_slice){ rest->data, len };
	*rest = (struct plain_slice){ nul + 1, rest->len - len - 1 };
	return 0;
}

int plain_parse(const char *data, size_t len, struct plain_message *ret)
{
	struct plain_slice rest = { data, len };
	struct plain_message m;
	int r;

	r = cut(&rest, &m.authzid);
	if (r < 0)
		return r;
	r = cut(&rest, &m.login);
	if (r < 0)
		return r;
	m.password = rest;
	if (m.login.len == 0 || m.password.len == 0 ||
	    memchr(m.password.data, '\0', m.password.len))
		return -EBADMSG;
	if (m.authzid.len > PLAIN_NAME_MAX || m.login.len > PLAIN_NAME_MAX ||
	    m.password.len > PLAIN_PASSWORD_MAX)
		return -E2BIG;
	*ret = m;
	return 0;
}

bool plain_slice_equal(const struct plain_slice *a, const struct plain_slice *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}
