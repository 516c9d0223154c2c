/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PLAIN and LOGIN as server mechanisms that put the password to the door. The stock ones either
 * need a recoverable password or talk to saslauthd, whose client code in libsasl has no
 * time-out: a silent server would hold smtpd for ever.
 *
 * Both carry one security flag more than the stock ones (NODICTIONARY, which is true of
 * machine-made secrets): libsasl sorts mechanisms by flags and takes the first of a name, so
 * ours is used in whatever order the plugins were loaded.
 */
#ifndef SASLPLUGIN_PASSWORD_H
#define SASLPLUGIN_PASSWORD_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/cleanup.h"
#include "saslplugin/options.h"

enum { PASSWORD_MECHANISMS = 2 };

/* An array of PASSWORD_MECHANISMS that libsasl owns and releases through its mech_free. */
must_check int password_mechanisms_new(const struct options *options, sasl_server_plug_t **ret);

#endif
