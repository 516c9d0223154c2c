/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to libsasl's log. Its formatter is not printf(): it knows no precision and no
 * length modifier, and takes what it does not know for pointers. So the text is made here and
 * goes through "%s".
 */
#ifndef SASLPLUGIN_COMPLAIN_H
#define SASLPLUGIN_COMPLAIN_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

/* One line, prefixed with "rotated: ". CONN is NULL while the plugin is being loaded. */
void complain(const sasl_utils_t *utils, sasl_conn_t *conn, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
