/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The services that are in force: those of services.d, and those of the directory that no file
 * names too. Everything in the vault asks here and nowhere else what a service should be like.
 * What is returned lives until the configuration is loaded anew or the directory changes
 * something: not beyond a return to the event loop.
 */
#ifndef ROTATED_VAULT_SERVICES_H
#define ROTATED_VAULT_SERVICES_H

#include "rotated/vault/manager.h"

/* NULL when no service in force has that id. */
const struct config_service *services_find(const struct manager *m, const char *id);

/* Walks all of them by id, ascending:
 *
 *	struct services_cursor at = { 0 };
 *	while ((service = services_next(m, &at)))
 */
struct services_cursor {
	size_t file;
	size_t directory;
};
const struct config_service *services_next(const struct manager *m, struct services_cursor *at);

#endif
