/* SPDX-License-Identifier: BSD-2-Clause */
/* The auxiliary property plugin: SCRAM verifiers as *authPassword. */
#ifndef SASLPLUGIN_AUXPROP_H
#define SASLPLUGIN_AUXPROP_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/cleanup.h"
#include "saslplugin/options.h"

/* Without OPTIONS (NULL) it is inert: every lookup says "not mine". libsasl owns the result and
 * releases it through its auxprop_free. */
must_check int auxprop_new(const struct options *options, sasl_auxprop_plug_t **ret);

#endif
