/* SPDX-License-Identifier: BSD-2-Clause */
/* What the relay logs in with at a provider. */
#include "rotated/vault/driver.h"

#define PUBLIC_KIND "upstream-public"
#define SECRET_KIND "upstream-secret"

static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	(void)item;
	*ret = (struct engine_policy){
		.schedule = USEC_NEVER,
		.overlap = USEC_NEVER,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
	};
}

const struct driver driver_upstream = {
	.kind = ENGINE_UPSTREAM,
	.open_kind = PUBLIC_KIND,
	.hidden_kind = SECRET_KIND,
	.policy = policy,
};
