/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/unlock.h"

#include <stdio.h>

void unlock_name(const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		 char ret[static UNLOCK_NAME_SIZE])
{
	size_t len = (size_t)snprintf(ret, UNLOCK_NAME_SIZE, "rotated-");

	for (size_t i = 0; i < KEYSTORE_SLOT_ID_LEN; i++)
		len += (size_t)snprintf(ret + len, UNLOCK_NAME_SIZE - len, "%02x", id[i]);
}

static int refuse_absent(struct report *report)
{
	(void)report_set(report, -ENOTCONN, "rotated-unlock is not connected");
	report_hint(report, "systemctl start rotated-unlock");
	return -ENOTCONN;
}

int unlock_seal(struct manager *m, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		const struct secret *key, const struct unlock_asker *asker,
		struct report *report)
{
	(void)m;
	(void)id;
	(void)key;
	(void)asker;
	return refuse_absent(report);
}

int unlock_open(struct manager *m, const struct unlock_slot *slot,
		const struct unlock_asker *asker, struct report *report)
{
	(void)m;
	(void)slot;
	(void)asker;
	return refuse_absent(report);
}

void unlock_forget(struct manager *m, const void *context)
{
	(void)m;
	(void)context;
}
