/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/services.h"

const struct config_service *services_find(const struct manager *m, const char *id)
{
	return config_service_find(m->config, id);
}

const struct config_service *services_next(const struct manager *m, struct services_cursor *at)
{
	return at->file < m->config->n_services ? &m->config->services[at->file++] : NULL;
}
