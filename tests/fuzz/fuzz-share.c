/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a share; one that is accepted must read back from its proper form. The bytes are
 * also formatted first, since the checksum is the first thing that fails; and one is checked
 * against a set whose parts come from the same bytes. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/quorum.h"
#include "keystore/share.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const char *text, size_t len)
{
	struct share again = { .threshold = 0 };
	struct share share = { .threshold = 0 };
	struct report report = { 0 };
	char proper[SHARE_TEXT_SIZE];

	if (share_parse(text, len, &share, &report) < 0) {
		if (!report.what[0] || !report.hint[0])
			abort();
		return;
	}
	share_format(&share, proper);
	if (strlen(proper) != SHARE_TEXT_LEN ||
	    share_parse(proper, strlen(proper), &again, NULL) < 0 ||
	    memcmp(&share, &again, sizeof(share)) != 0)
		abort();
}

static void check_set(const struct share *share)
{
	struct quorum set = { .threshold = share->threshold, .shares = SHAMIR_SHARES_MAX };

	memcpy(set.set, share->set, sizeof(set.set));
	if (quorum_check(&set, share) != -EBADMSG) /* a hash of zeroes nobody finds */
		abort();
	set.set[0] ^= 1;
	if (quorum_check(&set, share) != -ENOENT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char proper[SHARE_TEXT_SIZE];
	struct share share;

	if (sodium_init() < 0)
		abort();
	check_accepted((const char *)data, size);
	if (size >= sizeof(share)) {
		memcpy(&share, data, sizeof(share));
		share_format(&share, proper);
		check_accepted(proper, strlen(proper));
		check_set(&share);
	}
	return 0;
}
