/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shares of a quorum on their way to opening the keystore: entered one at a time, by
 * different people, and forgotten when the next one is too long in coming, when the keystore is
 * opened in another way, and when it is sealed. What cannot be written to the audit log yet,
 * since its key is sealed as well, is written as soon as it can.
 */
#ifndef ROTATED_VAULT_SHARES_H
#define ROTATED_VAULT_SHARES_H

#include "rotated/vault/control.h"

struct json;

/* Store.Unseal with a share. */
enum wire_status shares_unseal(struct request *req);

/* The keystore was opened: nothing is waited for, and what was done before is put on record. */
void shares_opened(struct manager *m);

/* Forgets what was entered. WHY is for the record: "sealed". */
void shares_forget(struct manager *m, const char *why);

/* Forgets what was entered too long ago. */
void shares_expire(struct manager *m);

/* `shares` of Status.Get: how many were entered, and until when they are kept. */
void shares_write(struct manager *m, struct json *j);

void shares_free(struct manager *m);

#endif
