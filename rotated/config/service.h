/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A service that no file defines: its values come as pairs of a field and a text, and are
 * judged exactly as a file in services.d would be, by the same parsers, defaults and rules. A
 * field is named as the key is, "schedule"; where several sections have that key, the first of
 * keys.def is meant, and "certificate.overlap" names another.
 */
#ifndef ROTATED_CONFIG_SERVICE_H
#define ROTATED_CONFIG_SERVICE_H

#include "rotated/config/config.h"

enum {
	CONFIG_FIELD_SIZE = 64,	    /* of a field's name, with NUL */
	CONFIG_FIELDS_MAX = 64,	    /* of a service, the id included */
	CONFIG_ATTRIBUTE_MAX = 127, /* bytes of an attribute's name */
};

/* What the id of a service is called in a map. */
#define CONFIG_FIELD_ID "service"

/* The id counts as a field. */
bool config_service_has_field(const char *field);

/* Tells which field may be meant by one that is none. */
void config_service_hint_field(const char *field, struct report *report);

/* One field and the attribute of the directory that holds it. */
struct config_mapped {
	char field[CONFIG_FIELD_SIZE];
	char attribute[CONFIG_ATTRIBUTE_MAX + 1];
	bool is_repeatable; /* each value of the attribute makes a pair of its own */
	bool is_bool;	    /* LDAP writes TRUE and FALSE */
};

/* Every field that [ldap] takes from the directory, the id first: those of the shipped schema
 * as far as `map` says nothing else. Returns how many. */
size_t config_ldap_fields(const struct config_ldap *ldap,
			  struct config_mapped ret[static CONFIG_FIELDS_MAX]);

struct config_pair {
	const char *field;
	const char *value;
};

struct config_source {
	const char *id;	   /* of the service */
	const char *where; /* it comes from; becomes its `file`, and that of errors */
	const struct config_pair *pairs;
	size_t n;
};

/*
 * Fills the zeroed RET with the defaults of C and then what SOURCE says. 0 and an owned
 * content; -EBADMSG with ERRORS, whose `line` is the number of the pair, from 1, where it is
 * about one; or -ENOMEM. C is not changed.
 */
must_check int config_service_make(struct config *c, const struct config_source *source,
				   struct config_service *ret, struct config_errors *errors);

/* Releases the content. NULL is allowed. */
void config_service_release(struct config_service *s);

#endif
