/* SPDX-License-Identifier: BSD-2-Clause */
/* The name that a client logs in with, brought to the form that the index knows. */
#ifndef ROTATED_DOOR_LOGIN_H
#define ROTATED_DOOR_LOGIN_H

#include <stddef.h>

struct config_words;

enum { DOOR_LOGIN_SIZE = 513 }; /* the plugin's limit and a NUL */

/*
 * LOGIN without its realm, if that is one of REALMS (case does not matter); else whole. A realm
 * that came apart from it (saslauthd protocol) counts like one after an '@'. OUT is terminated;
 * what does not fit is cut off, which leaves a login that nobody has.
 */
void door_login(const char *login, const char *realm, const struct config_words *realms,
		char out[static DOOR_LOGIN_SIZE]);

/* LOGIN for a log line: printable ASCII, at most SIZE - 1 bytes, "..." where it was cut. */
void door_login_printable(const char *login, char *out, size_t size);

#endif
