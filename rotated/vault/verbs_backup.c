/* SPDX-License-Identifier: BSD-2-Clause */
/* Store.Backup and Store.Restore: the whole keystore out and in, a piece at a time. */
#include "rotated/vault/control.h"

static enum wire_status refuse(struct request *req)
{
	return request_refuse(req, WIRE_STATUS_REFUSED, NULL, "no backup is under way");
}

enum wire_status verb_store_backup(struct request *req)
{
	return refuse(req);
}

enum wire_status verb_store_backup_data(struct request *req)
{
	return refuse(req);
}

enum wire_status verb_store_restore(struct request *req)
{
	return refuse(req);
}

enum wire_status verb_store_restore_data(struct request *req)
{
	return refuse(req);
}

enum wire_status verb_store_restore_end(struct request *req)
{
	return refuse(req);
}
