/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/password.h"

#include <string.h>

#include "saslplugin/complain.h"
#include "saslplugin/exchange.h"
#include "saslplugin/plain.h"

/* Shared by both mechanisms; libsasl releases each of them by itself. */
struct passwords {
	sasl_server_plug_t plugs[PASSWORD_MECHANISMS];
	unsigned live;
	struct exchange *exchange;
};

/* One LOGIN or PLAIN exchange. */
struct attempt {
	struct passwords *passwords;
	bool is_prompted; /* LOGIN: for the name */
	bool has_login;	  /* LOGIN: and now waits for the password */
	char login[PLAIN_NAME_MAX + 1];
};

static int attempt_new(void *context, sasl_server_params_t *sparams, const char *challenge,
		       unsigned challen, void **ret)
{
	struct attempt *a = calloc(1, sizeof(*a));

	(void)sparams;
	(void)challenge;
	(void)challen;
	if (!a)
		return SASL_NOMEM;
	a->passwords = context;
	*ret = a;
	return SASL_OK;
}

static void attempt_dispose(void *context, const sasl_utils_t *utils)
{
	(void)utils;
	if (context)
		explicit_bzero(context, sizeof(struct attempt));
	free(context);
}

static int keep_login(struct attempt *a, const char *login, size_t len)
{
	if (len == 0 || len > PLAIN_NAME_MAX || memchr(login, '\0', len))
		return SASL_BADPROT;
	memcpy(a->login, login, len);
	a->login[len] = '\0';
	return SASL_OK;
}

/* What libsasl wants to be told of an exchange that negotiates no security layer. */
static int finish(struct attempt *a, sasl_server_params_t *sparams, sasl_out_params_t *oparams)
{
	int r = sparams->canon_user(
		sparams->utils->conn, a->login, 0,
		SASL_CU_AUTHID | SASL_CU_AUTHZID | SASL_CU_EXTERNALLY_VERIFIED, oparams);

	if (r != SASL_OK)
		return r;
	oparams->doneflag = 1;
	oparams->mech_ssf = 0;
	oparams->maxoutbuf = 0;
	oparams->encode_context = NULL;
	oparams->encode = NULL;
	oparams->decode_context = NULL;
	oparams->decode = NULL;
	oparams->param_version = 0;
	return SASL_OK;
}

/* What a step gives back to libsasl, and how it came to be. */
struct step {
	sasl_server_params_t *sparams;
	const char **serverout;
	unsigned *serveroutlen;
	sasl_out_params_t *oparams;
};

/*
 * There is no verdict, so that the client shall come later. SASL_UNAVAIL says so to libsasl,
 * and Postfix tells it as 454. Sendmail answers whatever it does not know with 535, which makes
 * senders give up; but what it cannot encode in base64 it answers with 454. So it gets a
 * challenge without bytes: sasl_encode64() refuses it, and the exchange is over.
 */
static int come_later(const struct step *s)
{
	const sasl_utils_t *utils = s->sparams->utils;

	utils->seterror(utils->conn, SASL_NOLOG, "%s", "no verdict on the password");
	if (!s->sparams->appname || strcmp(s->sparams->appname, "Sendmail") != 0)
		return SASL_UNAVAIL;
	*s->serverout = NULL;
	*s->serveroutlen = 1;
	return SASL_CONTINUE;
}

/* An unknown login and a wrong password get the same code and text. */
static int check(struct attempt *a, const struct step *s, const char *mechanism,
		 const struct plain_slice *password)
{
	sasl_server_params_t *sparams = s->sparams;
	const sasl_utils_t *utils = sparams->utils;
	const struct exchange_question question = {
		.verb = WIRE_AUTH_PASSWORD,
		.login = a->login,
		.mechanism = mechanism,
		.address = sparams->ipremoteport,
		.service = sparams->service,
		.password = password->data,
		.password_len = password->len,
	};
	struct exchange_answer answer;
	int r;

	r = exchange_ask(a->passwords->exchange, &question, &answer);
	if (r < 0) {
		complain(utils, utils->conn, "%s: no verdict on a %s login: %s",
			 exchange_path(a->passwords->exchange), mechanism, strerrordesc_np(-r));
		return come_later(s);
	}
	if (!answer.accepted) {
		utils->seterror(utils->conn, SASL_NOLOG, "%s", "Password verification failed");
		return SASL_BADAUTH;
	}
	return finish(a, sparams, s->oparams);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are libsasl's */
static int plain_step(void *context, sasl_server_params_t *sparams, const char *clientin,
		      unsigned clientinlen, const char **serverout, unsigned *serveroutlen,
		      sasl_out_params_t *oparams)
{
	const struct step s = { sparams, serverout, serveroutlen, oparams };
	struct attempt *a = context;
	struct plain_message m;
	int r;

	*serverout = NULL;
	*serveroutlen = 0;
	if (!clientin || plain_parse(clientin, clientinlen, &m) < 0)
		return SASL_BADPROT;
	if (m.authzid.len && !plain_slice_equal(&m.authzid, &m.login)) {
		sparams->utils->seterror(sparams->utils->conn, SASL_NOLOG, "%s",
					 "another identity was requested");
		return SASL_BADAUTH;
	}
	r = keep_login(a, m.login.data, m.login.len);
	if (r != SASL_OK)
		return r;
	return check(a, &s, "PLAIN", &m.password);
}

static int prompt(const char *text, const char **serverout, unsigned *serveroutlen)
{
	*serverout = text;
	*serveroutlen = (unsigned)strlen(text);
	return SASL_CONTINUE;
}

/* draft-murchison-sasl-login: two prompts; some clients send the name with the command. */
/* NOLINTNEXTLINE(readability-function-size): the parameters are libsasl's */
static int login_step(void *context, sasl_server_params_t *sparams, const char *clientin,
		      unsigned clientinlen, const char **serverout, unsigned *serveroutlen,
		      sasl_out_params_t *oparams)
{
	const struct step s = { sparams, serverout, serveroutlen, oparams };
	struct attempt *a = context;
	const struct plain_slice password = { clientin, clientinlen };

	*serverout = NULL;
	*serveroutlen = 0;
	if (!a->is_prompted) {
		a->is_prompted = true;
		if (!clientin || clientinlen == 0)
			return prompt("Username:", serverout, serveroutlen);
	}
	if (!a->has_login) {
		int r = keep_login(a, clientin ? clientin : "", clientinlen);

		if (r != SASL_OK)
			return r;
		a->has_login = true;
		return prompt("Password:", serverout, serveroutlen);
	}
	if (!clientin || clientinlen == 0 || clientinlen > PLAIN_PASSWORD_MAX ||
	    memchr(clientin, '\0', clientinlen))
		return SASL_BADPROT;
	return check(a, &s, "LOGIN", &password);
}

static void release(void *context, const sasl_utils_t *utils)
{
	struct passwords *p = context;

	(void)utils;
	if (--p->live)
		return;
	exchange_free(p->exchange);
	free(p);
}

static const sasl_server_plug_t mechanisms[PASSWORD_MECHANISMS] = {
	{
		.mech_name = "PLAIN",
		.security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS |
				  SASL_SEC_NODICTIONARY,
		.features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
		.mech_new = attempt_new,
		.mech_step = plain_step,
		.mech_dispose = attempt_dispose,
		.mech_free = release,
	},
	{
		.mech_name = "LOGIN",
		.security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS |
				  SASL_SEC_NODICTIONARY,
		.mech_new = attempt_new,
		.mech_step = login_step,
		.mech_dispose = attempt_dispose,
		.mech_free = release,
	},
};

int password_mechanisms_new(const struct options *options, sasl_server_plug_t **ret)
{
	struct passwords *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->exchange = exchange_new(options);
	if (!p->exchange) {
		free(p);
		return -ENOMEM;
	}
	memcpy(p->plugs, mechanisms, sizeof(mechanisms));
	for (size_t i = 0; i < PASSWORD_MECHANISMS; i++)
		p->plugs[i].glob_context = p;
	p->live = PASSWORD_MECHANISMS;
	*ret = p->plugs;
	return 0;
}
