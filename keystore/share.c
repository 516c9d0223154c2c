/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/share.h"

#include <sodium.h>
#include <string.h>

#include "keystore/paper.h"

_Static_assert(SHARE_TEXT_LEN == PAPER_TEXT_LEN(SHARE_BYTES), "text layout");

static const struct paper paper = {
	.name = "share",
	.prefix = "RTS1",
	.label = "rotated-share-sum-v1",
	.len = SHARE_BYTES,
};

void share_format(const struct share *share, char out[static SHARE_TEXT_SIZE])
{
	uint8_t bytes[SHARE_BYTES];
	uint8_t *p = mempcpy(bytes, share->set, KEYSTORE_SHARE_SET_LEN);

	*p++ = share->point.x;
	*p++ = share->threshold;
	memcpy(p, share->point.value, SHAMIR_LEN);
	paper_format(&paper, bytes, out);
	sodium_memzero(bytes, sizeof(bytes));
}

int share_parse(const char *text, size_t len, struct share *ret, struct report *report)
{
	uint8_t bytes[SHARE_BYTES];
	const uint8_t *p = bytes + KEYSTORE_SHARE_SET_LEN;
	int r = paper_parse(&paper, text, len, bytes, report);

	if (r < 0)
		return r;
	memcpy(ret->set, bytes, KEYSTORE_SHARE_SET_LEN);
	ret->point.x = *p++;
	ret->threshold = *p++;
	memcpy(ret->point.value, p, SHAMIR_LEN);
	sodium_memzero(bytes, sizeof(bytes));
	return 0;
}
