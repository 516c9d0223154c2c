/* SPDX-License-Identifier: BSD-2-Clause */
/* The finished configuration: finding things in it, and letting go of it. */
#include "rotated/config/config.h"

#include <stdio.h>
#include <string.h>

#include "rotated/config/keys.h"

static void release_values(enum config_scope scope, void *object)
{
	for (unsigned i = 0; i < KEY_MAX_; i++)
		if (config_keys[i].where & 1U << scope)
			config_value_release(
				config_keys[i].type,
				config_key_slot((enum config_key)i, scope, object));
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_services; i++) {
		release_values(SCOPE_SERVICE, &c->services[i]);
		free(c->services[i].file);
	}
	for (size_t i = 0; i < c->n_domains; i++) {
		release_values(SCOPE_DOMAIN, &c->domains[i]);
		free(c->domains[i].file);
	}
	for (size_t i = 0; i < c->n_providers; i++) {
		release_values(SCOPE_UPSTREAM, &c->providers[i]);
		free(c->providers[i].file);
	}
	release_values(SCOPE_MAIN, c);
	free(c->services);
	free(c->domains);
	free(c->providers);
	free(c->root);
	free(c);
}

void config_errors_release(struct config_errors *errors)
{
	free(errors->items);
	*errors = CONFIG_ERRORS_INIT;
}

static int compare_service(const void *id, const void *service)
{
	return strcmp(id, ((const struct config_service *)service)->id);
}

const struct config_service *config_service_find(const struct config *c, const char *id)
{
	return c->n_services ? bsearch(id, c->services, c->n_services, sizeof(*c->services),
				       compare_service)
			     : NULL;
}

static int compare_domain(const void *name, const void *domain)
{
	return strcmp(name, ((const struct config_domain *)domain)->name);
}

const struct config_domain *config_domain_find(const struct config *c, const char *name)
{
	return c->n_domains ? bsearch(name, c->domains, c->n_domains, sizeof(*c->domains),
				      compare_domain)
			    : NULL;
}

static int compare_provider(const void *id, const void *provider)
{
	return strcmp(id, ((const struct config_provider *)provider)->id);
}

const struct config_provider *config_provider_find(const struct config *c, const char *id)
{
	return c->n_providers ? bsearch(id, c->providers, c->n_providers, sizeof(*c->providers),
					compare_provider)
			      : NULL;
}

const struct config_provider *config_provider_for(const struct config *c, const char *key)
{
	for (size_t i = 0; i < c->n_providers; i++) {
		const struct config_words *words = &c->providers[i].upstream.destinations;

		for (size_t k = 0; k < words->n; k++)
			if (strcasecmp(words->items[k], key) == 0)
				return &c->providers[i];
	}
	return NULL;
}

bool config_ids_has(const struct config_ids *ids, uid_t uid)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->items[i].is_known && ids->items[i].id == uid)
			return true;
	return false;
}

void config_summary(const struct config *c, char out[static CONFIG_SUMMARY_SIZE])
{
	int n = snprintf(out, CONFIG_SUMMARY_SIZE, "%zu service%s, %zu domain%s", c->n_services,
			 c->n_services == 1 ? "" : "s", c->n_domains,
			 c->n_domains == 1 ? "" : "s");

	if (c->n_providers && n > 0 && n < CONFIG_SUMMARY_SIZE)
		(void)snprintf(out + n, CONFIG_SUMMARY_SIZE - (size_t)n, ", %zu upstream%s",
			       c->n_providers, c->n_providers == 1 ? "" : "s");
}
