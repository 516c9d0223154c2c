/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/driver.h"

const struct driver *driver_find(enum engine_kind kind)
{
	static const struct driver *const drivers[] = {
		[ENGINE_PASSWORD] = &driver_password,
		[ENGINE_DKIM] = &driver_dkim,
		[ENGINE_CERTIFICATE] = &driver_certificate,
		[ENGINE_UPSTREAM] = &driver_upstream,
	};

	_Static_assert(ARRAY_SIZE(drivers) == ENGINE_KIND_MAX_, "a driver for every kind");
	return drivers[kind];
}
