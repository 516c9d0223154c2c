/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of services. */
#include "rotated/vault/driver.h"
#include "rotated/vault/services.h"

static void policy(const struct manager *m, const struct item *item, struct engine_policy *ret)
{
	const struct config_service *service = services_find(m, item->engine.id);
	const struct config_certificate *c =
		service ? &service->certificate : &m->config->certificate;

	*ret = (struct engine_policy){
		.schedule = c->lifetime / 3 * 2,
		.overlap = c->overlap,
		.retry_min = m->config->engine.retry_min,
		.retry_max = m->config->engine.retry_max,
		.hold_after = m->config->engine.hold_after,
	};
}

const struct driver driver_certificate = {
	.kind = ENGINE_CERTIFICATE,
	.open_kind = "certificate",
	.policy = policy,
};
