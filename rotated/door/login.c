/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/login.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rotated/config/config.h"

static bool is_realm(const struct config_words *realms, const char *name)
{
	for (size_t i = 0; i < realms->n; i++)
		if (strcasecmp(realms->items[i], name) == 0)
			return true;
	return false;
}

void door_login(const char *login, const char *realm, const struct config_words *realms,
		char out[static DOOR_LOGIN_SIZE])
{
	bool has_realm = realm && *realm;
	char *at;
	int n;

	n = snprintf(out, DOOR_LOGIN_SIZE, "%s%s%s", login, has_realm ? "@" : "",
		     has_realm ? realm : "");
	if (n < 0)
		out[0] = '\0';
	at = strrchr(out, '@');
	if (at && at > out && is_realm(realms, at + 1))
		*at = '\0';
}

void door_login_printable(const char *login, char *out, size_t size)
{
	size_t len = strlen(login);
	size_t n = len < size ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = '?';
	for (size_t i = 0; i < n; i++)
		if (login[i] > 0x20 && login[i] < 0x7f)
			out[i] = login[i];
	out[n] = '\0';
	if (n < len && n >= 3)
		memcpy(out + n - 3, "...", 3);
}
