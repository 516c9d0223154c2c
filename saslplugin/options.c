/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/options.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "saslplugin/complain.h"

static const char *read_option(const sasl_utils_t *utils, const char *name)
{
	const char *value = NULL;

	if (utils->getopt(utils->getopt_context, "rotated", name, &value, NULL) != SASL_OK)
		return NULL;
	return value && *value ? value : NULL;
}

static uint64_t read_timeout(const sasl_utils_t *utils)
{
	const char *text = read_option(utils, "rotated_timeout_ms");
	uint32_t ms = OPTIONS_TIMEOUT_MS;

	if (text && (text_to_u32(text, &ms) < 0 || ms < OPTIONS_TIMEOUT_MS_MIN ||
		     ms > OPTIONS_TIMEOUT_MS_MAX)) {
		complain(
			utils, NULL,
			"rotated_timeout_ms: \"%.32s\" is not a number from %d to %d; using %d",
			text, OPTIONS_TIMEOUT_MS_MIN, OPTIONS_TIMEOUT_MS_MAX,
			OPTIONS_TIMEOUT_MS);
		ms = OPTIONS_TIMEOUT_MS;
	}
	return ms * USEC_PER_MSEC;
}

bool options_read(const sasl_utils_t *utils, struct options *ret)
{
	const char *path = read_option(utils, "rotated_socket");

	if (!path)
		return false;
	memset(ret, 0, sizeof(*ret));
	if (strlen(path) < sizeof(ret->socket))
		memcpy(ret->socket, path, strlen(path));
	else
		complain(utils, NULL, "rotated_socket: a path of %zu bytes; %d is the most",
			 strlen(path), OPTIONS_PATH_SIZE - 1);
	ret->timeout = read_timeout(utils);
	return true;
}
