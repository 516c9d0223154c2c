/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/recovery.h"

#include "keystore/paper.h"

_Static_assert(RECOVERY_TEXT_LEN == PAPER_TEXT_LEN(RECOVERY_KEY_LEN), "text layout");

static const struct paper paper = {
	.name = "recovery key",
	.prefix = "RTR1",
	.label = "rotated-recovery-v1",
	.len = RECOVERY_KEY_LEN,
};

void recovery_format(const uint8_t key[static RECOVERY_KEY_LEN],
		     char out[static RECOVERY_TEXT_SIZE])
{
	paper_format(&paper, key, out);
}

int recovery_parse(const char *text, size_t len, uint8_t ret[static RECOVERY_KEY_LEN],
		   struct report *report)
{
	return paper_parse(&paper, text, len, ret, report);
}
