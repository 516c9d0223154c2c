/* SPDX-License-Identifier: BSD-2-Clause */
#include "checkpassword/credentials.h"

#include <string.h>

/* The string at *NEXT, which is moved behind it; NULL when it does not end before END. */
static const char *take(const char **next, const char *end)
{
	const char *s = *next;
	const char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (!nul)
		return NULL;
	*next = nul + 1;
	return s;
}

int credentials_parse(const char *data, size_t len, struct credentials *ret)
{
	const char *next = data, *end = data + len;
	const char *login, *password;

	if (len > CREDENTIALS_MAX)
		return -E2BIG;
	login = take(&next, end);
	password = login ? take(&next, end) : NULL;
	if (!password || !take(&next, end))
		return -EBADMSG;
	*ret = (struct credentials){ .login = login, .password = password };
	return 0;
}
