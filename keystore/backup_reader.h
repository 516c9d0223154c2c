/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a backup, for the two files that do it and the one that restores: backup_reader.c
 * takes the stream apart, backup_check.c holds what was in it against itself. */
#ifndef KEYSTORE_BACKUP_READER_H
#define KEYSTORE_BACKUP_READER_H

#include "keystore/backup.h"
#include "keystore/backup_codec.h"
#include "keystore/keyring.h"
#include "keystore/recovery.h"

/* What a backup holds besides records; borrowed, until it is freed. */
struct backup_opened {
	const struct keyring_file *file;
	const struct auth_keys *auth;
	const struct issuer_keys *issuer;
	const struct meta *meta;
};

/* Who wants what is in it. Below 0 ends the reading, with REPORT filled. */
struct backup_sink {
	int (*opened)(void *context, const struct backup_opened *o, struct report *report);
	/* A tombstone has the flag for it in H. CONTENT is wiped after the call. */
	int (*record)(void *context, const struct record_header *h,
		      const struct record_content *content, struct report *report);
	void *context;
};

/* As keystore_backup_read(); SINK is copied, NULL for none. */
must_check int backup_reader_new(const struct secret *recovery, const struct backup_sink *sink,
				 struct keystore_backup_reader **ret, struct report *report);

/* ---- what is in it (backup_check.c) ---- */

struct backup_check;

/* RECOVERY_SK is borrowed. */
must_check int backup_check_new(const uint8_t recovery_sk[static RECOVERY_KEY_LEN],
				const struct backup_sink *sink, struct backup_check **ret);
void backup_check_free(struct backup_check *c); /* NULL is allowed */

/* What the header says, which must be so. */
void backup_check_header(struct backup_check *c, const struct backup_header *h);

/* The next item. -EBADMSG with REPORT saying what is wrong, or what the sink says. */
must_check int backup_check_item(struct backup_check *c, const struct backup_item *item,
				 const uint8_t *data, struct report *report);

/* True when the trailer was there, and all of it fits. */
bool backup_check_is_complete(const struct backup_check *c);

void backup_check_info(const struct backup_check *c, struct keystore_backup_info *ret);

#endif
