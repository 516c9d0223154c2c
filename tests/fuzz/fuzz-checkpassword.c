/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: parse or refuse; what was parsed must lie inside, one string behind the other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checkpassword/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct credentials c;

	if (credentials_parse(text, size, &c) < 0)
		return 0;
	if (size > CREDENTIALS_MAX || c.login != text ||
	    c.password != c.login + strlen(c.login) + 1 ||
	    c.password + strlen(c.password) + 1 >= text + size)
		abort();
	return 0;
}
