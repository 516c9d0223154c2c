/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: rotatectl's requests, each answered by one handler of one table. */
#ifndef ROTATED_VAULT_CONTROL_H
#define ROTATED_VAULT_CONTROL_H

#include "rotated/vault/change.h"
#include "rotated/vault/manager.h"
#include "wire/verbs.h"

must_check int control_new(struct manager *m, struct control **ret, struct report *report);
void control_free(struct control *c); /* NULL is allowed */

/* A reply in the making. Secrets go into `fields` only. */
struct reply {
	struct report report; /* `message` and `hint` */
	struct buf json;
	struct buf fields; /* frame_put() ones */
};

void reply_release(struct reply *r);
#define cleanup_reply cleanup_(reply_release)

/* Cuts the JSON into as many frames as it needs, and sends them. */
void reply_send(struct peer *p, enum wire_status status, struct reply *r);

struct request {
	struct manager *m;
	struct peer *peer;
	const struct frame *frame; /* checked against the table */
	char actor[CHANGE_ACTOR_SIZE];
	bool is_dry_run;
	struct reply reply;
};

/*
 * A handler fills the reply and returns its status, or CONTROL_LATER: then it has arranged for
 * reply_send() and peer_set_busy(peer, false) to be called later, unless control_peer_gone()
 * is.
 */
typedef enum wire_status handler_fn(struct request *req);
#define CONTROL_LATER WIRE_STATUS_MAX_

/* The status that fits a failed step, with a report if there is none yet. */
enum wire_status request_fail(struct request *req, int error);

/* The same for a reply that is sent later. */
enum wire_status reply_fail(struct reply *reply, int error);

/* Refuses with a text and the next command (NULL: none). */
enum wire_status request_refuse(struct request *req, enum wire_status status, const char *hint,
				const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* 0, or -ENOKEY and the like with the report set. */
must_check int request_require(struct request *req, enum keystore_tier tier);

/* What the engine is told, by the flag `compromised`: ROTATE or COMPROMISED. */
enum engine_event request_rotation(const struct request *req);

/* The field KEY as an owned secret; NULL without one. -ENOMEM. */
must_check int request_secret(const struct request *req, const char *key, struct secret **ret);

/* Puts what was done to the keystore itself on record: in the audit log or, while its key is
 * sealed, in the system's. A failure to do so is told, and does not undo it. OBJECT may be
 * NULL. */
void request_note(const struct request *req, const char *event, const char *object);

/* The domain that the request names; NULL with STATUS and the reply set. */
struct item *request_find_domain(struct request *req, enum wire_status *status);

/* The upstream that the request names, and of it the version, or without one the active; NULL
 * with STATUS and the reply set. */
struct item *request_find_upstream(struct request *req, enum wire_status *status);
const struct engine_version *request_find_upstream_version(struct request *req,
							   const struct item *item,
							   enum wire_status *status);

/* ITEM has moved, or could not (REPORT not NULL): whoever waits for its key is answered. */
void control_item_moved(struct manager *m, struct item *item, const struct report *report);

#define HANDLER(name) enum wire_status name(struct request *req)
HANDLER(verb_store_init);
HANDLER(verb_store_unseal);
HANDLER(verb_store_seal);
HANDLER(verb_store_verify);
HANDLER(verb_store_accept);
HANDLER(verb_store_reconcile);
HANDLER(verb_store_slots);
HANDLER(verb_store_slot_add);
HANDLER(verb_store_slot_remove);
HANDLER(verb_store_slot_test);
HANDLER(verb_store_rekey);
HANDLER(verb_store_reseal);
HANDLER(verb_store_compact);
HANDLER(verb_store_backup);
HANDLER(verb_store_backup_data);
HANDLER(verb_store_restore);
HANDLER(verb_store_restore_data);
HANDLER(verb_store_restore_end);
HANDLER(verb_status_get);
HANDLER(verb_plan_get);
HANDLER(verb_plan_simulate);
HANDLER(verb_service_list);
HANDLER(verb_service_show);
HANDLER(verb_service_disable);
HANDLER(verb_service_enable);
HANDLER(verb_credential_list);
HANDLER(verb_credential_issue);
HANDLER(verb_credential_rotate);
HANDLER(verb_credential_confirm);
HANDLER(verb_credential_revoke);
HANDLER(verb_ca_init);
HANDLER(verb_ca_renew);
HANDLER(verb_ca_show);
HANDLER(verb_ca_bundle);
HANDLER(verb_ca_crl);
HANDLER(verb_certificate_list);
HANDLER(verb_certificate_show);
HANDLER(verb_certificate_issue);
HANDLER(verb_certificate_renew);
HANDLER(verb_certificate_sign);
HANDLER(verb_certificate_confirm);
HANDLER(verb_certificate_revoke);
HANDLER(verb_dkim_list);
HANDLER(verb_dkim_show);
HANDLER(verb_dkim_rotate);
HANDLER(verb_dkim_revoke);
HANDLER(verb_upstream_list);
HANDLER(verb_upstream_show);
HANDLER(verb_upstream_rotate);
HANDLER(verb_upstream_set);
HANDLER(verb_upstream_test);
HANDLER(verb_upstream_revoke);
HANDLER(verb_dns_check);
HANDLER(verb_hook_test);
HANDLER(verb_ldap_status);
HANDLER(verb_ldap_sync);
HANDLER(verb_ldap_approve);
HANDLER(verb_ldap_secret);
HANDLER(verb_audit_show);
HANDLER(verb_audit_verify);
#undef HANDLER

/* Questions to the worker that PEER waits for have no asker any more (verbs_dns.c). */
void verb_dns_forget(struct peer *peer);
void verb_upstream_forget(struct peer *peer); /* (verbs_upstream_test.c) */

/* Of what the porter was asked for PEER, nobody waits any more (verbs_slots.c). */
void verb_slots_forget(struct peer *peer);
void verb_slot_test_forget(struct peer *peer); /* (verbs_slot_test.c) */
/* A backup or restore of PEER ends with it, and a backup when the keystore is sealed
 * (verbs_backup.c). */
void verb_backup_forget(struct manager *m, const struct peer *peer);
void verb_backup_sealed(struct manager *m);
/* Who makes a backup just now; NULL: nobody does. */
const char *verb_backup_maker(const struct manager *m);
/* Who makes a keystore out of a backup just now; NULL: nobody does. */
const char *verb_backup_restorer(const struct manager *m);

#endif
