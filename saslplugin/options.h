/* SPDX-License-Identifier: BSD-2-Clause */
/* What the application's SASL configuration (for Postfix: smtpd.conf) says to the plugin. */
#ifndef SASLPLUGIN_OPTIONS_H
#define SASLPLUGIN_OPTIONS_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	OPTIONS_PATH_SIZE = 108, /* sockaddr_un's */
	OPTIONS_TIMEOUT_MS = 5000,
	OPTIONS_TIMEOUT_MS_MIN = 100,
	OPTIONS_TIMEOUT_MS_MAX = 60000,
};

struct options {
	char socket[OPTIONS_PATH_SIZE]; /* rotated_socket; relative paths work in a chroot */
	uint64_t timeout;		/* rotated_timeout_ms, as microseconds */
};

/*
 * False, and silent, when there is no rotated_socket: every SASL program of the host loads this
 * plugin and most have nothing to do with it. A value that cannot be used is logged; the
 * time-out falls back to its default, and a socket path that is too long stands for a door that
 * cannot be reached.
 */
bool options_read(const sasl_utils_t *utils, struct options *ret);

#endif
