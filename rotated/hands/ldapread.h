/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a directory: by pages (RFC 2696), and in a delta only what changed since the cursor.
 * Writes Worker.Sync frames and one Worker.Done to a descriptor. Blocking; runs in a child
 * process, with its own deadline.
 */
#ifndef ROTATED_HANDS_LDAPREAD_H
#define ROTATED_HANDS_LDAPREAD_H

#include "rotated/hands/ldapsession.h"

/* 0 when a Worker.Done was written, whatever it says. */
must_check int ldap_read(const struct ldap_request *request, int fd);

#endif
