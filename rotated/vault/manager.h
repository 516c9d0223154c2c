/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the vault: everything that outlives a request, in one struct that is passed
 * down. One thread, one event loop; only keygen.c has a second thread, which shares nothing.
 */
#ifndef ROTATED_VAULT_MANAGER_H
#define ROTATED_VAULT_MANAGER_H

#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/report.h"
#include "keystore/index.h"
#include "keystore/keystore.h"
#include "rotated/config/config.h"
#include "rotated/engine/engine.h"
#include "rotated/vault/audit.h"

struct compact;
struct control;
struct door;
struct driver;
struct facts;
struct foresight;
struct group;
struct keygen;
struct ldap;
struct peer;
struct reconcile_entry;
struct reseal;
struct shares;
struct unlock;
struct verify;
struct transfer;
struct worker;

/* What the verifier index says of an item that can be switched off. */
enum item_indexed { INDEXED_NOT, INDEXED_ENABLED, INDEXED_DISABLED };

/* One service's password or one domain's keys, in memory while the AUTH tier is open. */
struct item {
	struct engine_item engine;
	const struct driver *driver;
	struct moment stored; /* up to when the stored form has credited its waits */
	bool is_stored;	      /* false: nothing about it is in the keystore yet */
	bool is_lost;	      /* there is a record of it, which does not open */
	bool is_unsure;	  /* what a job's end meant could not be stored: it counts as lost */
	bool is_moving;	  /* schedule.c's: it may have to move */
	uint64_t wake_at; /* CLOCK_BOOTTIME; USEC_NEVER */
	enum item_indexed indexed;
	struct peer *waiter; /* wants to hear that the planned key is sealed; NULL for none */
};

enum vault_alarm {
	ALARM_BACKUP,  /* one keeps the store's old pages for too long */
	ALARM_COMPACT, /* the compact copy that somebody asked for was not made */
	ALARM_CONFIG,  /* the last reload was refused */
	ALARM_DOOR,    /* it does not say which keys it has */
	ALARM_INDEX,   /* the verifier index lags behind the store */
	ALARM_RECONCILE, /* what was done since can not be listed */
	ALARM_RECORDS, /* some do not open, and what they held can not be used */
	ALARM_SENDERS, /* a sender has too many owners */
	ALARM_RESEAL,  /* encrypting the keystore anew does not get on */
	ALARM_STORE,   /* the last change could not be written */
	ALARM_UNSEAL,  /* nothing opened the keystore without a person */
	ALARM_MAX_
};

/* What a person has to look at after the keystore was put back; reconcile.h has the entries. */
struct reconcile_list {
	size_t count;
	struct reconcile_entry *all; /* by name */
	size_t more;		     /* that did not fit */
};

struct manager {
	sd_event *event;
	struct clock clock;
	uint64_t started; /* wall clock */
	char *root;
	struct config *config;
	struct zone *zone; /* of this machine; NULL for UTC */

	struct keystore *keystore;	/* NULL: there is none yet, or it can not be opened */
	struct report keystore_problem; /* why not, unless it is just absent */
	struct report keystore_absent;	/* what is to be said of that then */
	struct index_writer *index; /* this, the audit log and the items: while AUTH is open */
	struct audit *audit;
	bool is_sealed_by_order; /* since the last unseal: the door must not keep its keys */
	bool has_lost_records;	 /* when the items were loaded, some did not open */
	struct facts *facts;	 /* what the index says of senders */
	struct item **items;	 /* by kind, then id, ascending */
	size_t item_count;

	struct group *group; /* changes that wait to be stored together */
	struct control *control;
	struct door *door;
	struct worker *worker;
	struct unlock *unlock;
	struct keygen *keygen;
	struct ldap *ldap;
	struct shares *shares; /* of a quorum, on their way; NULL for none */
	struct reseal *reseal;
	struct compact *compact;	 /* NULL: no compact copy is under way */
	struct reconcile_list reconcile; /* while AUTH is open */
	struct verify *verify;		 /* NULL: no check is under way */
	struct foresight *foresight;	 /* NULL: nobody looks ahead */
	struct transfer *transfer;	 /* a backup or restore under way; NULL: none */
	sd_event_source *wake;
	uint64_t probe_at; /* when to see if the disk takes something again; 0: it does */
	sd_event_source *hourly;
	sd_event_source *clock_watch;
	int clock_fd;

	struct report alarms[ALARM_MAX_]; /* set when `what` is not empty */
};

/* Loads the configuration, opens the keystore and every socket. */
must_check int manager_new(const char *root, struct manager **ret, struct report *report);
must_check int manager_run(struct manager *m);
void manager_free(struct manager *m); /* NULL is allowed */

DEFINE_CLEANUP(struct manager, manager_free)
#define cleanup_manager cleanup_(manager_freep)

/* SIGHUP: all of the new configuration, or an alarm and the old one as it was. */
void manager_reload(struct manager *m);

struct moment manager_now(const struct manager *m);

/* From within work that takes long and gets on: the event loop, which tells the service manager
 * that we are alive, has no turn meanwhile. */
void manager_alive(void);

/* What the service manager shows beside our name. */
void manager_notify(const struct manager *m);

static inline void alarm_raise(struct manager *m, enum vault_alarm alarm,
			       const struct report *r)
{
	m->alarms[alarm] = *r;
}

static inline void alarm_clear(struct manager *m, enum vault_alarm alarm)
{
	m->alarms[alarm] = (struct report){ 0 };
}

#endif
