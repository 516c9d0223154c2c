/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Postfix is configured to do, as postconf(1) tells it: text in, lookups out, no I/O. A
 * private part of the verb setup.
 */
#ifndef CLI_SETUP_PRESENT_H
#define CLI_SETUP_PRESENT_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct setup_pair {
	char *name;
	char *value;
};

struct setup_pairs {
	struct setup_pair *items;
	size_t n;
};

struct setup_present {
	struct setup_pairs main;     /* postconf -x: parameter, value in force */
	struct setup_pairs services; /* postconf -M: "submission/inet", the whole line */
	struct setup_pairs options;  /* postconf -P: "submission/inet/PARAMETER", value */
	char *sasl; /* text of the SASL configuration; NULL: there is no file */
};

#define SETUP_PRESENT_INIT ((struct setup_present){ 0 })

void setup_present_release(struct setup_present *p);
#define cleanup_setup_present cleanup_(setup_present_release)

/* "NAME = VALUE" lines. A line without " = " is refused: -EBADMSG; -ENOMEM. */
must_check int setup_pairs_parse(const char *text, struct setup_pairs *ret);

/* Lines of master.cf as postconf prints them; the name becomes "NAME/TYPE". */
must_check int setup_services_parse(const char *text, struct setup_pairs *ret);

/* NULL when there is none. */
const char *setup_pairs_find(const struct setup_pairs *pairs, const char *name);

/* The value of a parameter in main.cf, "" without. */
const char *setup_main(const struct setup_present *p, const char *parameter);

/* The same as SERVICE ("submission/inet") sees it: its own option, or that of main.cf. */
const char *setup_in_service(const struct setup_present *p, const char *service,
			     const char *parameter);

/* Field N of a line of master.cf, from 0: name type private unprivileged chroot wakeup
 * processes command. OUT is "" when there is none. */
void setup_service_field(const char *line, unsigned n, char *out, size_t size);

/* True if VALUE, a list as Postfix has it (blanks and commas between), holds WORD. */
bool setup_list_has(const char *value, const char *word);

#endif
