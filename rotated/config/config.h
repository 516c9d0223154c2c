/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration as checked structs. It is read as a whole from ROOT/etc/rotated:
 *
 *	rotated.conf, then rotated.conf.d/NAME.conf in name order	the system, and defaults
 *	services.d/ID.conf						one sending service
 *	domains.d/DOMAIN.conf						one sending domain
 *	upstreams.d/ID.conf						one account at a
 *provider
 *
 * Loading is all or nothing: with any error there is no struct config, so a reload that fails
 * leaves the caller with what it had. Everything is resolved: paths carry ROOT, hooks are
 * absolute, users have their ids, and a service or domain has every value of its own, inherited
 * from the defaults or not. keys.def has one row for each key. A struct config is never
 * changed after it was loaded.
 */
#ifndef ROTATED_CONFIG_CONFIG_H
#define ROTATED_CONFIG_CONFIG_H

#include "base/cleanup.h"
#include "base/report.h"
#include "base/text.h"
#include "rotated/schedule/due.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A user or a group. A name that the system does not know is an error where it was written; a
 * default that is not there (no postfix on this machine) is left unknown, with id UINT32_MAX.
 */
struct config_id {
	char *name;
	uint32_t id;
	uint32_t group; /* primary group of a user, UINT32_MAX when it is not known */
	bool is_known;
};

struct config_ids {
	struct config_id *items;
	size_t n;
};

struct config_words {
	char **items;
	size_t n;
};

struct config_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr;	       /* port included */
	socklen_t len; /* of addr, for connect(2); 0 when the key was not set */
	char text[64]; /* as "192.0.2.1:53" or "[2001:db8::1]:53"; empty when not set */
};

struct config_addresses {
	struct config_address *items;
	size_t n;
};

/* Times are microseconds throughout. Strings are never NULL; "" stands for not set. */

struct config_keystore {
	char *path;	/* with ROOT */
	char *key_file; /* with ROOT; "" for none. Opens the AUTH tier without a person */
	uint64_t reseal_every; /* USEC_NEVER: only when asked */
	uint64_t share_timeout;
};

struct config_vault {
	char *control_socket; /* with ROOT, as all paths here */
	char *door_socket;
	char *worker_socket;
	char *unlock_socket;
	char *audit;
	struct config_id door_user;
	struct config_id worker_user;
	struct config_ids admins; /* users that may speak to the control socket */
};

enum config_credential_key {
	CONFIG_CREDENTIAL_KEY_AUTO, /* the TPM's if there is one, and the host's */
	CONFIG_CREDENTIAL_KEY_HOST,
	CONFIG_CREDENTIAL_KEY_TPM2,
	CONFIG_CREDENTIAL_KEY_HOST_TPM2,
	CONFIG_CREDENTIAL_KEY_MAX_
};

struct config_unlock {
	struct config_words helper; /* absolute paths, as slots name them: without ROOT */
	struct config_id helper_user;
	uint64_t timeout;
	enum config_credential_key credential_key;
	char *credential_pcrs; /* as in "7+11"; "" for none */
};

struct config_door {
	char *auth_socket; /* with ROOT */
	char *mux_socket;  /* with ROOT */
	char *map_socket;  /* with ROOT */
	struct config_id socket_user;
	struct config_id socket_group;
	mode_t socket_mode;
	struct config_ids peers;    /* users that may connect to the three sockets */
	struct config_words realms; /* a login NAME@REALM of these is NAME; empty: none */
	struct config_words identity;
};

/* When something is due by itself. */
struct config_schedule {
	uint64_t every; /* an age, USEC_NEVER: only when asked; or the least time between two slots */
	struct calendar *calendar; /* owned; NULL for an age */
};

struct config_periods {
	struct period **items; /* owned */
	size_t n;
};

struct config_engine {
	bool allow_short_waits;
	struct config_periods window;	/* none: at any time */
	struct config_periods blackout; /* when nothing begins by itself */
	uint64_t jitter;
	enum due_catch_up catch_up;
	uint64_t retry_min;
	uint64_t retry_max;
	uint64_t hold_after; /* failing for this long, an item becomes HELD */
};

enum config_login {
	CONFIG_LOGIN_VERSIONED, /* billing.7 */
	CONFIG_LOGIN_STABLE,	/* billing */
	CONFIG_LOGIN_MAX_
};

enum config_dkim_key { CONFIG_DKIM_KEY_RSA2048, CONFIG_DKIM_KEY_MAX_ };

struct config_password {
	struct config_schedule schedule;
	uint64_t overlap;
	enum config_login login;
};

struct config_ca {
	char *trust_domain; /* "" for none: no CA can be made */
	uint64_t root_lifetime;
	uint64_t issuing_lifetime;
};

struct config_certificate {
	uint64_t lifetime;
	uint64_t overlap;
	char *email; /* "" for none */
};

struct config_dkim {
	struct config_schedule schedule;
	uint64_t overlap;
	uint64_t soak;	   /* with is_soak_auto only the least, one hour */
	bool is_soak_auto; /* as long as DNS asks for: engine_soak() */
	bool standby;	   /* the next key is published before it is wanted */
	enum config_dkim_key key;
	uint64_t ttl; /* microseconds too, a whole number of seconds */
};

struct config_dns {
	char *hook;			 /* absolute; "" for none, then a person publishes */
	struct config_words setting;	 /* NAME=VALUE, for the hook */
	struct config_addresses servers; /* authoritative; empty: follow the NS records */
	struct config_address resolver;	 /* len 0: the system's */
	uint64_t timeout;
};

enum config_ldap_bind {
	CONFIG_LDAP_BIND_SIMPLE,
	CONFIG_LDAP_BIND_EXTERNAL,
	CONFIG_LDAP_BIND_ANONYMOUS,
	CONFIG_LDAP_BIND_MAX_
};

struct config_limit {
	uint32_t count;
	uint32_t percent;
};

struct config_ldap {
	struct config_words uri; /* in order of preference; empty: there is no directory */
	bool starttls;		 /* for those of ldap:// */
	char *ca_file;		 /* with ROOT; "" for the system's certificates */
	enum config_ldap_bind bind;
	char *bind_dn;
	char *base;
	char *filter;
	struct config_words map; /* "FIELD=ATTRIBUTE"; see rotated/config/service.h */
	uint64_t poll;
	uint64_t full_every;
	struct config_limit deletion_limit;
	uint64_t max_stale;
	uint64_t grace;
	uint64_t timeout;
};

enum config_upstream_tls {
	CONFIG_UPSTREAM_TLS_STARTTLS,
	CONFIG_UPSTREAM_TLS_TLS,
	CONFIG_UPSTREAM_TLS_NONE, /* on the loopback only */
	CONFIG_UPSTREAM_TLS_MAX_
};

enum { CONFIG_UPSTREAM_USER_MAX = 200 };

struct config_upstream {
	char *description;
	char *server; /* HOST:PORT; "": the hook's `test` decides */
	enum config_upstream_tls tls;
	char *ca_file;			  /* with ROOT; "" for the system's */
	struct config_words destinations; /* in lower case */
	char *user;			  /* %v is the version; "": the hook says */
	char *hook;			  /* absolute; "" for none, then a person does it */
	struct config_words setting;	  /* NAME=VALUE, for the hook */
	struct config_schedule schedule;  /* USEC_NEVER: only when asked */
	uint64_t overlap;
	uint64_t soak;
	uint64_t timeout;
};

/* One account of ours at a provider of upstreams.d. */
struct config_provider {
	char id[SERVICE_ID_MAX + 1];
	char *file; /* that defines it */
	struct config_upstream upstream;
};

struct config_service {
	char id[SERVICE_ID_MAX + 1];
	char *file; /* that defines it */
	char *description;
	bool enabled;
	struct config_words senders; /* as text_to_sender() makes them */
	struct config_password password;
	struct config_certificate certificate;
};

struct config_domain {
	char name[DOMAIN_MAX + 1];
	char *file; /* that defines it */
	char *description;
	struct config_dkim dkim;
	struct config_dns dns;
};

struct config {
	char *root; /* as given, "" for the real one */
	struct config_keystore keystore;
	struct config_vault vault;
	struct config_unlock unlock;
	struct config_door door;
	struct config_engine engine;
	struct config_ca ca;
	struct config_ldap ldap;

	/* defaults for the services and domains below, which have taken them over already */
	struct config_password password;
	struct config_certificate certificate;
	struct config_dkim dkim;
	struct config_dns dns;
	struct config_upstream upstream; /* only what rotated.conf can say of it */

	struct config_service *services; /* by id, ascending */
	size_t n_services;
	struct config_domain *domains; /* by name, ascending */
	size_t n_domains;
	struct config_provider *providers; /* by id, ascending */
	size_t n_providers;
};

/* Every error that was found, file by file, up to CONFIG_ERRORS_MAX. */
enum { CONFIG_ERRORS_MAX = 100 };

struct config_errors {
	struct report *items; /* owned */
	size_t n;
	size_t dropped; /* more than were kept */
};

#define CONFIG_ERRORS_INIT ((struct config_errors){ 0 })

void config_errors_release(struct config_errors *errors);
#define cleanup_config_errors cleanup_(config_errors_release)

/* Also look at what the configuration names: hooks and the key file, their owners and modes.
 * The vault and `rotatectl check` ask for it; the door and the worker may not see those. */
enum { CONFIG_CHECK_FILES = 1 << 0 };

/*
 * Loads everything under ROOT ("" for the real system). 0 and an owned *ret, or -EBADMSG with
 * at least one entry in ERRORS, or -ENOMEM. ERRORS starts empty and is the caller's to release.
 */
must_check int config_load(const char *root, unsigned flags, struct config **ret,
			   struct config_errors *errors);

/* NULL is allowed. */
void config_free(struct config *c);
DEFINE_CLEANUP(struct config, config_free)
#define cleanup_config cleanup_(config_freep)

/* By exact id or name; NULL when there is none. Borrowed from C. */
const struct config_service *config_service_find(const struct config *c, const char *id);
const struct config_domain *config_domain_find(const struct config *c, const char *name);
const struct config_provider *config_provider_find(const struct config *c, const char *id);

/* Whose destinations hold exactly KEY, whatever its case; NULL when none do. */
const struct config_provider *config_provider_for(const struct config *c, const char *key);

/*
 * Whether the program at PATH may be run with the powers of root: a regular file that everybody
 * may execute, owned by root or by our own user, which nobody else can write to or replace in
 * its directory. -EINVAL with a report. Looks at the file system as it is now.
 */
must_check int config_check_program(const char *path, struct report *report);

/* "auto", "host", "tpm2" or "host+tpm2", as systemd-creds(1) calls them. */
const char *config_credential_key_word(enum config_credential_key key);

/* True when UID is one of IDS. */
bool config_ids_has(const struct config_ids *ids, uid_t uid);

/* Whether some of [ldap] uri is spoken without TLS, which is taken on loopback only. */
bool config_ldap_is_plain(const struct config *c);

/* "3 services, 1 domain", for people. */
enum { CONFIG_SUMMARY_SIZE = 96 };
void config_summary(const struct config *c, char out[static CONFIG_SUMMARY_SIZE]);

#endif
