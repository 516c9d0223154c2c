/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/auxprop.h"

#include <string.h>

#include "saslplugin/complain.h"
#include "saslplugin/exchange.h"
#include "saslplugin/plain.h"

/* RFC 5803's attribute; the star says that it is looked up for the authentication identity. */
#define PROPERTY "*authPassword"

struct auxprop {
	sasl_auxprop_plug_t plug;
	char name[sizeof("rotated")];
	struct exchange *exchange; /* NULL: not configured */
};

/*
 * libsasl calls this up to four times for a login, mostly to fill in nothing; each of those
 * must be free. Lookups for the authorization identity ask for names without a star.
 */
static bool is_wanted(sasl_server_params_t *sparams, unsigned flags)
{
	const struct propval *p = sparams->utils->prop_get(sparams->propctx);

	if (flags & SASL_AUXPROP_AUTHZID)
		return false;
	for (; p && p->name; p++)
		if (strcmp(p->name, PROPERTY) == 0)
			return !p->values || !p->values[0] || (flags & SASL_AUXPROP_OVERRIDE);
	return false;
}

static const char *mechanism_name(const sasl_utils_t *utils)
{
	const void *name = NULL;

	if (utils->getprop(utils->conn, SASL_MECHNAME, &name) != SASL_OK || !name)
		return "auxprop"; /* a lookup outside of an exchange */
	return name;
}

static int set_verifier(sasl_server_params_t *sparams, unsigned flags, const char *verifier)
{
	if (flags & SASL_AUXPROP_OVERRIDE)
		sparams->utils->prop_erase(sparams->propctx, PROPERTY);
	return sparams->utils->prop_set(sparams->propctx, PROPERTY, verifier, -1);
}

static int look_up(struct auxprop *a, sasl_server_params_t *sparams, unsigned flags,
		   const char *login)
{
	const struct exchange_question question = {
		.verb = WIRE_AUTH_VERIFIER,
		.login = login,
		.mechanism = mechanism_name(sparams->utils),
		.address = sparams->ipremoteport,
		.service = sparams->service,
	};
	struct exchange_answer answer;
	int r;

	r = exchange_ask(a->exchange, &question, &answer);
	if (r < 0) {
		complain(sparams->utils, sparams->utils->conn,
			 "%s: no verifier for a login: %s", exchange_path(a->exchange),
			 strerrordesc_np(-r));
		return SASL_UNAVAIL;
	}
	r = answer.accepted ? set_verifier(sparams, flags, answer.verifier) : SASL_NOUSER;
	explicit_bzero(&answer, sizeof(answer));
	return r;
}

static int lookup(void *context, sasl_server_params_t *sparams, unsigned flags,
		  const char *user, unsigned ulen)
{
	struct auxprop *a = context;
	char login[PLAIN_NAME_MAX + 1];

	/* SASL_NOMECH is the one answer that libsasl passes over whatever else it has heard */
	if (!a || !a->exchange)
		return SASL_NOMECH;
	if (!sparams || !sparams->utils || !user)
		return SASL_BADPARAM;
	if (!is_wanted(sparams, flags))
		return SASL_OK;
	if (ulen == 0 || ulen > PLAIN_NAME_MAX || memchr(user, '\0', ulen))
		return SASL_NOUSER;
	memcpy(login, user, ulen);
	login[ulen] = '\0';
	return look_up(a, sparams, flags, login);
}

static void release(void *context, const sasl_utils_t *utils)
{
	struct auxprop *a = context;

	(void)utils;
	exchange_free(a->exchange);
	free(a);
}

int auxprop_new(const struct options *options, sasl_auxprop_plug_t **ret)
{
	struct auxprop *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	if (options) {
		a->exchange = exchange_new(options);
		if (!a->exchange) {
			free(a);
			return -ENOMEM;
		}
	}
	memcpy(a->name, "rotated", sizeof(a->name));
	a->plug.name = a->name;
	a->plug.glob_context = a;
	a->plug.auxprop_lookup = lookup;
	a->plug.auxprop_free = release;
	*ret = &a->plug;
	return 0;
}
