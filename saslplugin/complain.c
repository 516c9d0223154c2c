/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* libsasl promises to take 512 bytes and adds a prefix of its own. */
enum { COMPLAINT_SIZE = 384 };

void complain(const sasl_utils_t *utils, sasl_conn_t *conn, const char *fmt, ...)
{
	static const char prefix[] = "rotated: ";
	char text[COMPLAINT_SIZE];
	va_list ap;

	memcpy(text, prefix, sizeof(prefix));
	va_start(ap, fmt);
	/* cut text is still text */
	(void)vsnprintf(text + sizeof(prefix) - 1, sizeof(text) - sizeof(prefix) + 1, fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	utils->log(conn, SASL_LOG_ERR, "%s", text);
}
