/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: parse or refuse; what was parsed must lie inside and spell the message again. */
#include <stdint.h>
#include <stdlib.h>

#include "saslplugin/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct plain_message m;

	if (plain_parse(text, size, &m) < 0)
		return 0;
	if (m.authzid.data != text || m.login.data != text + m.authzid.len + 1 ||
	    m.password.data != m.login.data + m.login.len + 1 ||
	    m.password.data + m.password.len != text + size)
		abort();
	return 0;
}
