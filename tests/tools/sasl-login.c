/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl-login PLUGINDIR CONFDIR MECHANISM LOGIN: logs in through libsasl2 as a client of smtpd
 * would, with both ends in this process. The server end is set up as Postfix does it: service
 * "smtp", application "smtpd", its configuration CONFDIR/smtpd.conf, plugins from PLUGINDIR and
 * both addresses known. The password is the first line of standard input.
 *
 * Prints what smtpd would answer. Exit code: 0 for 235, 1 for 535, 75 for 454, 2 for a mistake.
 */
#include <err.h>
#include <errno.h>
#include <sasl/sasl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPTED = 0, REFUSED = 1, MISTAKE = 2, TRY_LATER = 75, PASSWORD_MAX = 1024 };

struct secret_storage { /* sasl_secret_t ends in a flexible array; this gives it room */
	unsigned long len;
	unsigned char data[PASSWORD_MAX + 1];
};

struct login {
	const char *plugin_dir;
	const char *conf_dir;
	const char *mechanism;
	const char *name;
	struct secret_storage password;
};

static int give_plugin_dir(void *context, const char **path)
{
	const struct login *l = context;

	*path = l->plugin_dir;
	return SASL_OK;
}

static int give_conf_dir(void *context, char **path)
{
	const struct login *l = context;

	*path = strdup(l->conf_dir);
	return *path ? SASL_OK : SASL_NOMEM;
}

static int give_name(void *context, int id, const char **result, unsigned *len)
{
	const struct login *l = context;

	(void)id;
	*result = l->name;
	if (len)
		*len = (unsigned)strlen(l->name);
	return SASL_OK;
}

static int give_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	struct login *l = context;

	(void)conn;
	(void)id;
	*secret = (sasl_secret_t *)(void *)&l->password;
	return SASL_OK;
}

static int log_line(void *context, int level, const char *message)
{
	(void)context;
	if (level <= SASL_LOG_WARN)
		(void)fprintf(stderr, "sasl: %s\n", message);
	return SASL_OK;
}

typedef int callback_t(void);
#define CALLBACK(id, function, context)                                                        \
	{                                                                                      \
		id, (callback_t *)(void *)(function), context                                  \
	}

static void read_password(struct login *l)
{
	size_t len = 0;

	while (len < PASSWORD_MAX) {
		ssize_t n = read(STDIN_FILENO, &l->password.data[len], 1);

		if (n < 0)
			err(MISTAKE, "standard input");
		if (n == 0 || l->password.data[len] == '\n')
			break;
		len++;
	}
	l->password.len = len;
	l->password.data[len] = '\0';
}

/* What xsasl_cyrus_server.c of Postfix makes of a result. */
static int tell(sasl_conn_t *server, int result)
{
	const void *user = NULL;

	switch (result) {
	case SASL_OK:
		if (sasl_getprop(server, SASL_USERNAME, &user) != SASL_OK)
			errx(MISTAKE, "libsasl2 does not say who logged in");
		(void)printf("235 2.7.0 Authentication successful (sasl_username=%s)\n",
			     (const char *)user);
		return ACCEPTED;
	case SASL_UNAVAIL:
	case SASL_TRYAGAIN:
	case SASL_FAIL:
	case SASL_NOMEM:
		(void)printf("454 4.7.0 Temporary authentication failure: %s\n",
			     sasl_errstring(result, NULL, NULL));
		return TRY_LATER;
	default:
		(void)printf("535 5.7.8 Error: authentication failed: %s\n",
			     sasl_errstring(result == SASL_NOUSER ? SASL_BADAUTH : result, NULL,
					    NULL));
		return REFUSED;
	}
}

static int converse(sasl_conn_t *client, sasl_conn_t *server, const char *mechanism)
{
	const char *from_client = NULL;
	const char *from_server = NULL;
	const char *chosen = NULL;
	unsigned client_len = 0;
	unsigned server_len = 0;
	int c = sasl_client_start(client, mechanism, NULL, &from_client, &client_len, &chosen);
	int s;

	if (c != SASL_OK && c != SASL_CONTINUE)
		errx(MISTAKE, "the client has no %s: %s", mechanism, sasl_errdetail(client));
	s = sasl_server_start(server, chosen, from_client, client_len, &from_server,
			      &server_len);
	while (s == SASL_CONTINUE) {
		c = sasl_client_step(client, from_server, server_len, NULL, &from_client,
				     &client_len);
		if (c != SASL_OK && c != SASL_CONTINUE)
			errx(MISTAKE, "the client gave up: %s", sasl_errdetail(client));
		s = sasl_server_step(server, from_client, client_len, &from_server,
				     &server_len);
	}
	return s;
}

int main(int argc, char **argv)
{
	static struct login login;
	const sasl_callback_t server_callbacks[] = {
		CALLBACK(SASL_CB_GETPATH, give_plugin_dir, &login),
		CALLBACK(SASL_CB_GETCONFPATH, give_conf_dir, &login),
		CALLBACK(SASL_CB_LOG, log_line, NULL),
		{ SASL_CB_LIST_END, NULL, NULL },
	};
	const sasl_callback_t client_callbacks[] = {
		CALLBACK(SASL_CB_GETPATH, give_plugin_dir, &login),
		CALLBACK(SASL_CB_AUTHNAME, give_name, &login),
		CALLBACK(SASL_CB_USER, give_name, &login),
		CALLBACK(SASL_CB_PASS, give_password, &login),
		CALLBACK(SASL_CB_LOG, log_line, NULL),
		{ SASL_CB_LIST_END, NULL, NULL },
	};
	sasl_conn_t *server = NULL;
	sasl_conn_t *client = NULL;
	int r;

	if (argc != 5)
		errx(MISTAKE, "usage: sasl-login PLUGINDIR CONFDIR MECHANISM LOGIN <PASSWORD");
	login.plugin_dir = argv[1];
	login.conf_dir = argv[2];
	login.mechanism = argv[3];
	login.name = argv[4];
	read_password(&login);
	if (sasl_server_init(server_callbacks, "smtpd") != SASL_OK ||
	    sasl_client_init(client_callbacks) != SASL_OK)
		errx(MISTAKE, "libsasl2 does not start");
	if (sasl_server_new("smtp", "mx.example.org", NULL, "127.0.0.1;25", "127.0.0.1;50000",
			    NULL, 0, &server) != SASL_OK ||
	    sasl_client_new("smtp", "mx.example.org", "127.0.0.1;50000", "127.0.0.1;25", NULL,
			    0, &client) != SASL_OK)
		errx(MISTAKE, "libsasl2 makes no connection");
	r = tell(server, converse(client, server, login.mechanism));
	sasl_dispose(&client);
	sasl_dispose(&server);
	explicit_bzero(&login, sizeof(login));
	return r;
}
