/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a recovery key; one that is accepted must read back from its proper form. The
 * checksum is put right before a second try, since it is the first thing that fails. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const char *text, size_t len)
{
	char proper[RECOVERY_TEXT_SIZE];
	uint8_t key[RECOVERY_KEY_LEN];
	uint8_t again[RECOVERY_KEY_LEN];
	struct report report = { 0 };

	if (recovery_parse(text, len, key, &report) < 0) {
		if (!report.what[0] || !report.hint[0])
			abort();
		return;
	}
	recovery_format(key, proper);
	if (strlen(proper) != RECOVERY_TEXT_LEN ||
	    recovery_parse(proper, strlen(proper), again, NULL) < 0 ||
	    memcmp(key, again, sizeof(key)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char proper[RECOVERY_TEXT_SIZE];

	if (sodium_init() < 0)
		abort();
	check_accepted((const char *)data, size);
	if (size >= RECOVERY_KEY_LEN) {
		recovery_format(data, proper);
		check_accepted(proper, strlen(proper));
	}
	return 0;
}
