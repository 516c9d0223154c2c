/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has to change in Postfix so that it uses rotated, and what would hurt: a pure function
 * of what the site wants and what is there. Only what differs becomes a change, so a plan for a
 * Postfix that was set up is empty. A private part of the verb setup.
 */
#ifndef CLI_SETUP_PLAN_H
#define CLI_SETUP_PLAN_H

#include "cli/setup-present.h"

enum setup_feature {
	SETUP_PASSWORDS = 1 << 0,
	SETUP_CERTIFICATES = 1 << 1,
	SETUP_OUTBOUND = 1 << 2,
	SETUP_SENDERS = 1 << 3,
};

struct setup_site {
	unsigned features;	 /* enum setup_feature */
	const char *auth_socket; /* absolute, as Postfix's queue_directory is */
	const char *map_socket;
	const char *service; /* of master.cf, for logins; NULL: submission and submissions */
	const char *without_senders; /* a service that may use no sender address, or NULL */
};

enum setup_where {
	SETUP_MAIN,    /* main.cf: NAME = VALUE */
	SETUP_SERVICE, /* master.cf: a new line VALUE for the service NAME ("submission/inet")
			*/
	SETUP_OPTION,  /* master.cf: NAME is "submission/inet/PARAMETER" */
	SETUP_SASL,    /* the SASL configuration: NAME: VALUE */
	SETUP_WHERE_MAX_
};

struct setup_change {
	enum setup_where where;
	char *name;
	char *value;
	char *was; /* NULL: nothing of its own */
	const char *why;
};

struct setup_warning {
	char *what;
	const char *hint;
};

enum { SETUP_CHANGES_MAX = 64, SETUP_WARNINGS_MAX = 64 };

struct setup_plan {
	struct setup_change changes[SETUP_CHANGES_MAX];
	size_t n_changes;
	struct setup_warning warnings[SETUP_WARNINGS_MAX];
	size_t n_warnings;
	char *sasl; /* the SASL configuration as it shall be; NULL: it stays */
	int error;  /* sticky */
};

#define SETUP_PLAN_INIT ((struct setup_plan){ 0 })

/* 0, -ENOMEM, or -E2BIG when there are more changes than a plan holds. */
must_check int setup_plan_make(const struct setup_site *site, const struct setup_present *p,
			       struct setup_plan *ret);

void setup_plan_release(struct setup_plan *plan);
#define cleanup_setup_plan cleanup_(setup_plan_release)

/* The file of the SASL configuration: what smtpd of the first target reads. Empty when it does
 * not fit. */
void setup_sasl_path(const struct setup_site *site, const struct setup_present *p, char *out,
		     size_t size);

/* Every parameter whose value the planning looks at, for postconf -x; ended by NULL. */
extern const char *const setup_parameters[];

/* Building blocks of the planning. */
enum { SETUP_TARGETS_MAX = 2, SETUP_TEXT_SIZE = 4096 };

/* A change that borrows its strings. */
struct setup_draft {
	enum setup_where where;
	const char *name;
	const char *value;
	const char *was; /* NULL or "": nothing of its own */
	const char *why;
};

void setup_add(struct setup_plan *plan, const struct setup_draft *d);

/* A copy; without memory NULL, and the plan's error says so. */
char *setup_keep(struct setup_plan *plan, const char *text);

/* The part about the SASL configuration. */
void setup_plan_sasl(const struct setup_site *site, const struct setup_present *p,
		     struct setup_plan *plan);

/* The services of master.cf that logins come to, "submission/inet". */
size_t setup_targets(const struct setup_site *site, const struct setup_present *p,
		     const char *ret[static SETUP_TARGETS_MAX]);

void setup_warn(struct setup_plan *plan, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void setup_plan_warnings(const struct setup_site *site, const struct setup_present *p,
			 struct setup_plan *plan);

/* SOCKET as Postfix's programs reach it, in a chroot too: relative to the queue directory; as
 * it is when it lies elsewhere. Borrowed from SOCKET. */
const char *setup_socket(const struct setup_present *p, const char *socket);

#endif
