/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The directory as a source of services. The worker reads it, whole or what has changed; what
 * it tells is staged until it has told everything, and becomes true in batches between which
 * the event loop goes on. What is known is kept in the keystore: logins and rotations never
 * wait for the directory.
 */
#ifndef ROTATED_VAULT_LDAP_H
#define ROTATED_VAULT_LDAP_H

#include "base/json.h"
#include "rotated/vault/control.h"
#include "rotated/vault/manager.h"

struct ldap;

must_check int ldap_new(struct manager *m, struct ldap **ret);
void ldap_free(struct ldap *l); /* NULL is allowed */

/* With the AUTH tier: what is known is loaded before the items are, also when no directory is
 * configured any more: what it had disabled stays so; and let go of. */
must_check int ldap_open(struct ldap *l, struct report *report);
void ldap_close(struct ldap *l);

/* There is a new configuration: what is known is judged by it. */
void ldap_reload(struct ldap *l);

/* Something that it may wait for has come: the worker, a tier, a moment. */
void ldap_wake(struct ldap *l);

/* The services that the directory names, gone ones too, by id. What they say lives until the
 * event loop goes on. */
const struct config_service *ldap_find(const struct ldap *l, const char *id);
size_t ldap_count(const struct ldap *l);
const struct config_service *ldap_at(const struct ldap *l, size_t i);

/* The service was of the directory, is not named any more, and waits out its grace. RET_LEFT
 * may be NULL. */
bool ldap_is_gone(const struct ldap *l, const char *id, uint64_t *ret_left);

/* ---- for verbs_ldap.c ---- */

/* Reads it now, whole. P is answered when that has ended. -EBUSY: somebody waits already;
 * -ENOTCONN: there is no worker. */
must_check int ldap_sync(struct ldap *l, struct peer *p);

/* Lets what is held with the name HELD ("" for any) happen, if it is still all that would: the
 * directory is read anew. -ENOENT: nothing is held; -ESTALE: something else is. */
must_check int ldap_approve(struct ldap *l, const char *held, struct peer *p);

void ldap_forget(struct ldap *l, const struct peer *p); /* it hung up */

/* A directory is configured, or was, and services of it are left. */
bool ldap_matters(const struct ldap *l);

void ldap_write_status(const struct ldap *l, struct json *j, bool is_whole);

/* 0, 1 or more things that a person has to know; REPORT is for one call. */
typedef void ldap_alarm_fn(void *context, const struct report *report);
void ldap_alarms(const struct ldap *l, ldap_alarm_fn *fn, void *context);

#define LDAP_SECRET_KIND "ldap-secret"
#define LDAP_SECRET_NAME "bind"

#endif
