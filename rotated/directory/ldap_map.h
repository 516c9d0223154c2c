/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what a directory says to a service. The attributes are a stranger's bytes; what passes
 * here is text that a file in services.d could hold, and is then judged by the configuration's
 * own parsers and rules. Pure: no keystore, no event loop.
 */
#ifndef ROTATED_DIRECTORY_LDAP_MAP_H
#define ROTATED_DIRECTORY_LDAP_MAP_H

#include "base/report.h"
#include "rotated/config/service.h"
#include "wire/attributes.h"

#define LDAP_FIELD_ENABLED "service.enabled"

enum { LDAP_PAIRS_MAX = 256, LDAP_VALUES_MAX = 32 * 1024, LDAP_UUID_SIZE = 37 };

/* Values by field, the id not among them. */
struct ldap_values {
	struct config_pair *items; /* owned, with both of their strings */
	size_t n;
	size_t bytes; /* of all; at most LDAP_VALUES_MAX */
};

void ldap_values_release(struct ldap_values *v);
#define cleanup_ldap_values cleanup_(ldap_values_release)

must_check int ldap_values_add(struct ldap_values *v, const char *field, const char *value);
bool ldap_values_equal(const struct ldap_values *a, const struct ldap_values *b);

/* Lower-case hexadecimal with hyphens, as in RFC 4530. */
bool ldap_uuid_is_valid(const char *s);

/*
 * Picks the mapped values out of ATTRIBUTES. -EBADMSG with a report that names the attribute
 * and says why; RET_ID and RET are then empty.
 */
must_check int ldap_map(const struct config_ldap *ldap, const struct attributes *attributes,
			char ret_id[static SERVICE_ID_MAX + 1], struct ldap_values *ret,
			struct report *report);

/* Whether they say, whatever else may be wrong with them, that the service is disabled. */
bool ldap_map_disables(const struct config_ldap *ldap, const struct attributes *attributes);

struct ldap_origin {
	const char *id;
	const char *dn;
	const struct ldap_values *values;
};

/* Judges what was picked. -EBADMSG as above, RET untouched. */
must_check int ldap_judge(struct config *c, const struct ldap_origin *origin,
			  struct config_service *ret, struct report *report);

#endif
