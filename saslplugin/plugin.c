/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two entry points that libsasl looks for. It calls them in every SASL server program of
 * the host, before a chroot and before privileges are dropped: nothing is opened here.
 *
 * DIAGNOSTICS: nothing unless rotated_socket is set. A bad option is logged once, at error.
 */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "saslplugin/auxprop.h"
#include "saslplugin/options.h"
#include "saslplugin/password.h"

#define EXPORT __attribute__((visibility("default")))

/* libsasl finds both by name; its headers declare only the types. */
EXPORT sasl_server_plug_init_t sasl_server_plug_init;
EXPORT sasl_auxprop_init_t sasl_auxprop_plug_init;

int sasl_server_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			  sasl_server_plug_t **pluglist, int *plugcount)
{
	struct options options;

	if (max_version < SASL_SERVER_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_SERVER_PLUG_VERSION;
	*pluglist = NULL;
	*plugcount = 0;
	if (!options_read(utils, &options))
		return SASL_OK;
	if (password_mechanisms_new(&options, pluglist) < 0)
		return SASL_NOMEM;
	*plugcount = PASSWORD_MECHANISMS;
	return SASL_OK;
}

int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			   sasl_auxprop_plug_t **plug, const char *plugname)
{
	struct options options;
	bool is_configured;

	(void)plugname;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	is_configured = options_read(utils, &options);
	return auxprop_new(is_configured ? &options : NULL, plug) < 0 ? SASL_NOMEM : SASL_OK;
}
