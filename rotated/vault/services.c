/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/services.h"

#include <string.h>

#include "rotated/vault/ldap.h"

const struct config_service *services_find(const struct manager *m, const char *id)
{
	const struct config_service *file = config_service_find(m->config, id);

	return file ? file : ldap_find(m->ldap, id);
}

const struct config_service *services_next(const struct manager *m, struct services_cursor *at)
{
	const struct config_service *file = NULL, *other = NULL;
	int order;

	if (at->file < m->config->n_services)
		file = &m->config->services[at->file];
	if (at->directory < ldap_count(m->ldap))
		other = ldap_at(m->ldap, at->directory);
	if (!file && !other)
		return NULL;
	order = !file ? 1 : !other ? -1 : strcmp(file->id, other->id);
	at->file += order <= 0;
	at->directory += order >= 0;
	return order <= 0 ? file : other;
}
