/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of servers as the configuration writes them. */
#ifndef ROTATED_HANDS_ADDRESS_H
#define ROTATED_HANDS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* What comes before the port in HOST:PORT or [ADDRESS]:PORT, without brackets. False when TEXT
 * is not of that form, or HOST does not fit SIZE. */
bool address_host(const char *text, char *ret, size_t size);

/* localhost, 127.0.0.0/8 or ::1: what is said there stays on this machine. */
bool address_is_loopback(const char *host);

#endif
