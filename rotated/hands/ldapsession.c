/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/ldapsession.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include "base/clock.h"
#include "rotated/hands/address.h"
#include "rotated/hands/printable.h"

enum { MESSAGE_MAX = 16 * 1024 * 1024, TRY_SECONDS_MAX = 15 };

static const char system_ca[] = "/etc/ssl/certs/ca-certificates.crt";

static const char *const words[] = {
	[LDAP_OUTCOME_OK] = "ok",
	[LDAP_OUTCOME_RESTORED] = "restored",
	[LDAP_OUTCOME_TEMPORARY] = "temporary",
	[LDAP_OUTCOME_DENIED] = "denied",
	[LDAP_OUTCOME_CONFIG] = "config",
	[LDAP_OUTCOME_UNREACHABLE] = "unreachable",
	[LDAP_OUTCOME_TIMEOUT] = "timeout",
};
_Static_assert(ARRAY_SIZE(words) == LDAP_OUTCOME_MAX_, "a word for every outcome");

/* What is not here may pass by itself. */
static const struct {
	int code;
	enum ldap_outcome outcome;
} codes[] = {
	{ LDAP_SERVER_DOWN, LDAP_OUTCOME_UNREACHABLE },
	{ LDAP_CONNECT_ERROR, LDAP_OUTCOME_UNREACHABLE },
	{ LDAP_TIMEOUT, LDAP_OUTCOME_UNREACHABLE },
	{ LDAP_INVALID_CREDENTIALS, LDAP_OUTCOME_DENIED },
	{ LDAP_INSUFFICIENT_ACCESS, LDAP_OUTCOME_DENIED },
	{ LDAP_FILTER_ERROR, LDAP_OUTCOME_CONFIG },
	{ LDAP_PARAM_ERROR, LDAP_OUTCOME_CONFIG },
	{ LDAP_AUTH_METHOD_NOT_SUPPORTED, LDAP_OUTCOME_CONFIG },
	{ LDAP_STRONG_AUTH_REQUIRED, LDAP_OUTCOME_CONFIG },
	{ LDAP_CONFIDENTIALITY_REQUIRED, LDAP_OUTCOME_CONFIG },
	{ LDAP_INAPPROPRIATE_AUTH, LDAP_OUTCOME_CONFIG },
	{ LDAP_SIZELIMIT_EXCEEDED, LDAP_OUTCOME_CONFIG },
	{ LDAP_ADMINLIMIT_EXCEEDED, LDAP_OUTCOME_CONFIG },
	{ LDAP_REFERRAL, LDAP_OUTCOME_CONFIG },
	{ LDAP_UNAVAILABLE_CRITICAL_EXTENSION, LDAP_OUTCOME_CONFIG },
	{ LDAP_PROTOCOL_ERROR, LDAP_OUTCOME_CONFIG },
	{ LDAP_NO_SUCH_OBJECT, LDAP_OUTCOME_CONFIG },
	{ LDAP_INVALID_DN_SYNTAX, LDAP_OUTCOME_CONFIG },
	{ LDAP_INVALID_SYNTAX, LDAP_OUTCOME_CONFIG },
	{ LDAP_UNDEFINED_TYPE, LDAP_OUTCOME_CONFIG },
};

const char *ldap_outcome_word(enum ldap_outcome outcome)
{
	return words[outcome];
}

int ldap_session_fail(struct ldap_session *s, enum ldap_outcome outcome, const char *fmt, ...)
{
	char text[2 * LDAP_DETAIL_SIZE];
	va_list ap;

	if (s->outcome != LDAP_OUTCOME_OK)
		return -EIO;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable_copy(s->detail, sizeof(s->detail), text, strlen(text));
	s->outcome = outcome;
	return -EIO;
}

int ldap_session_fail_code(struct ldap_session *s, int code, const char *step, const char *text)
{
	enum ldap_outcome outcome = LDAP_OUTCOME_TEMPORARY;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			outcome = codes[i].outcome;
	if (clock_monotonic() >= s->deadline)
		outcome = LDAP_OUTCOME_TIMEOUT;
	return ldap_session_fail(s, outcome, "%s: %s%s%.300s%s", step, ldap_err2string(code),
				 text && *text ? " (" : "", text && *text ? text : "",
				 text && *text ? ")" : "");
}

/* What libldap itself has to say, mostly of TLS. */
static int fail_locally(struct ldap_session *s, int code, const char *step)
{
	char *text = NULL;
	int r;

	if (s->ld)
		(void)ldap_get_option(s->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text); /* or NULL */
	r = ldap_session_fail_code(s, code, step, text);
	ldap_memfree(text);
	return r;
}

static bool is_ldapi(const char *uri)
{
	return strncasecmp(uri, "ldapi://", strlen("ldapi://")) == 0;
}

static bool is_ldaps(const char *uri)
{
	return strncasecmp(uri, "ldaps://", strlen("ldaps://")) == 0;
}

static bool is_ldap(const char *uri)
{
	return strncasecmp(uri, "ldap://", strlen("ldap://")) == 0;
}

/* ldap:// without TLS shows the password and the answers to whoever is on the way. */
static bool is_safe(const char *uri, bool starttls)
{
	char host[LDAP_URI_SIZE + 8];
	size_t len;

	if (!is_ldap(uri))
		return is_ldapi(uri) || is_ldaps(uri);
	if (starttls)
		return true;
	uri += strlen("ldap://");
	len = strcspn(uri, "/");
	/* address_host() wants a port */
	(void)snprintf(host, sizeof(host), "%.*s", (int)len, uri);
	if (!strchr(host, ':') || host[len - 1] == ']')
		(void)snprintf(host + len, sizeof(host) - len, ":389");
	return address_host(host, host, sizeof(host)) && address_is_loopback(host);
}

static const char *check_uris(const struct ldap_request *r)
{
	const char *p = r->uris;
	char uri[LDAP_URI_SIZE];

	if (!p[strspn(p, " ")])
		return "no server is named";
	while (*p) {
		size_t len = strcspn(p, " ");

		if (len >= sizeof(uri))
			return "a server's URI is too long";
		memcpy(uri, p, len);
		uri[len] = '\0';
		if (len && !is_safe(uri, r->starttls))
			return "a server's URI is neither ldaps:// nor ldapi://, nor ldap:// "
			       "with StartTLS or on loopback";
		p += len;
		p += strspn(p, " ");
	}
	return NULL;
}

const char *ldap_request_check(const struct ldap_request *r)
{
	const char *why = check_uris(r);

	if (why)
		return why;
	if (r->ca[0] && r->ca[0] != '/')
		return "ca_file is not an absolute path";
	/* an empty password would be taken as no login at all, and be let in */
	if (r->bind == LDAP_BIND_SIMPLE && (r->password.len == 0 || !r->bind_dn[0]))
		return "a simple login needs a name and a password";
	if (r->password.len > LDAP_PASSWORD_MAX)
		return "the password is too long";
	if (!ldap_filter_is_single(r->filter))
		return "the filter is not one filter in parentheses";
	if (!r->is_full && !r->has_cookie)
		return "a delta needs a cookie";
	return NULL;
}

static struct timeval time_left(const struct ldap_session *s, unsigned shares, int max)
{
	int ms = clock_remaining_ms(s->deadline) / (int)shares;

	if (max && ms > max * 1000)
		ms = max * 1000;
	if (ms < 1)
		ms = 1;
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

int ldap_session_wait(struct ldap_session *s, int msgid, LDAPMessage **ret)
{
	struct timeval left = time_left(s, 1, 0);
	LDAPMessage *m = NULL;
	int type, code = LDAP_OTHER;

	type = ldap_result(s->ld, msgid, LDAP_MSG_ONE, &left, &m);
	if (type > 0) {
		*ret = m;
		return type;
	}
	if (type == 0)
		return ldap_session_fail(s, LDAP_OUTCOME_TIMEOUT,
					 "the server stopped answering");
	(void)ldap_get_option(s->ld, LDAP_OPT_RESULT_CODE, &code); /* LDAP_OTHER stays */
	if (code == LDAP_SERVER_DOWN)
		return ldap_session_fail(s, LDAP_OUTCOME_TEMPORARY,
					 "the server closed the connection");
	return fail_locally(s, code, "waiting for the server");
}

/* Waits for the one answer to MSGID, which must be success. */
static int finish(struct ldap_session *s, int msgid, struct timeval left, const char *step)
{
	LDAPMessage *m = NULL;
	char *text = NULL;
	int type, code, r = 0;

	type = ldap_result(s->ld, msgid, LDAP_MSG_ALL, &left, &m);
	if (type == 0)
		return ldap_session_fail_code(s, LDAP_TIMEOUT, step, NULL);
	if (type < 0) {
		code = LDAP_SERVER_DOWN;
		(void)ldap_get_option(s->ld, LDAP_OPT_RESULT_CODE, &code);
		return fail_locally(s, code, step);
	}
	if (ldap_parse_result(s->ld, m, &code, NULL, &text, NULL, NULL, 1) != LDAP_SUCCESS)
		code = LDAP_DECODING_ERROR;
	if (code != LDAP_SUCCESS)
		r = ldap_session_fail_code(s, code, step, text);
	ldap_memfree(text);
	return r;
}

/* Debian's libldap is on GnuTLS, where PROTOCOL_MIN does nothing: the priority string does. */
static int set_tls_version(struct ldap_session *s)
{
	int min = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	char *package = NULL;
	int r = LDAP_OPT_SUCCESS;

	(void)ldap_get_option(s->ld, LDAP_OPT_X_TLS_PACKAGE, &package); /* or NULL */
	if (package && strcmp(package, "GnuTLS") == 0)
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_CIPHER_SUITE,
				    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
	else
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &min);
	ldap_memfree(package);
	return r;
}

static int set_tls(struct ldap_session *s)
{
	const struct ldap_request *q = s->request;
	const char *ca = q->ca[0] ? q->ca : system_ca;
	int demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
	int r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);

	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_CACERTFILE, ca);
	if (r == LDAP_OPT_SUCCESS)
		r = set_tls_version(s);
	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_X_TLS_NEWCTX, &client);
	if (r == LDAP_OPT_SUCCESS)
		return 0;
	return ldap_session_fail(s, LDAP_OUTCOME_CONFIG,
				 "%s: not certificates that can be used", ca);
}

static int set_options(struct ldap_session *s, struct timeval left)
{
	int version = LDAP_VERSION3, deref = LDAP_DEREF_NEVER;
	ber_len_t max = MESSAGE_MAX;
	Sockbuf *sb = NULL;
	int r = ldap_set_option(s->ld, LDAP_OPT_PROTOCOL_VERSION, &version);

	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_DEREF, &deref);
	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	if (r == LDAP_OPT_SUCCESS)
		r = ldap_set_option(s->ld, LDAP_OPT_TIMEOUT, &left);
	if (r == LDAP_OPT_SUCCESS)
		r = ldap_get_option(s->ld, LDAP_OPT_SOCKBUF, &sb);
	if (r != LDAP_OPT_SUCCESS ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max) < 0)
		return ldap_session_fail(s, LDAP_OUTCOME_CONFIG, "libldap takes no options");
	return is_ldapi(s->uri) ? 0 : set_tls(s);
}

/* What was agreed on is looked at, whatever was asked for. */
static int check_tls(struct ldap_session *s)
{
	char *version = NULL;
	bool is_good;

	if (!ldap_tls_inplace(s->ld))
		return ldap_session_fail(s, LDAP_OUTCOME_CONFIG, "TLS did not come up");
	(void)ldap_get_option(s->ld, LDAP_OPT_X_TLS_VERSION, &version); /* or NULL */
	is_good = version && (strstr(version, "1.2") || strstr(version, "1.3"));
	if (!is_good)
		(void)ldap_session_fail(s, LDAP_OUTCOME_CONFIG, "the server speaks only %s",
					version ? version : "an unknown TLS");
	ldap_memfree(version);
	return is_good ? 0 : -EIO;
}

/* libldap says of a certificate that is refused what it says of a server that is away, but then
 * it has words; with GnuTLS, three that mean that the certificate was looked at in vain. */
static int fail_tls(struct ldap_session *s, int code)
{
	char *text = NULL;
	int r;

	(void)ldap_get_option(s->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text); /* or NULL */
	if (text && strcmp(text, "(unknown error code)") == 0)
		r = ldap_session_fail(s, LDAP_OUTCOME_CONFIG,
				      "TLS: the certificate is not for the name in the uri, or "
				      "of no authority in ca_file");
	else if (text && *text && clock_monotonic() < s->deadline)
		r = ldap_session_fail(s, LDAP_OUTCOME_CONFIG, "TLS: %s", text);
	else
		r = ldap_session_fail_code(s, code, "connecting", NULL);
	ldap_memfree(text);
	return r;
}

static int start_tls(struct ldap_session *s, struct timeval left)
{
	int msgid, r = ldap_start_tls(s->ld, NULL, NULL, &msgid);

	if (r != LDAP_SUCCESS)
		return fail_locally(s, r, "asking for StartTLS");
	r = finish(s, msgid, left, "asking for StartTLS");
	if (r < 0)
		return r;
	r = ldap_install_tls(s->ld);
	return r == LDAP_SUCCESS ? check_tls(s) : fail_tls(s, r);
}

static int login(struct ldap_session *s, struct timeval left)
{
	const struct ldap_request *q = s->request;
	char nothing[] = "";
	struct berval secret = { .bv_val = nothing, .bv_len = 0 };
	const char *dn = q->bind_dn, *mechanism = LDAP_SASL_SIMPLE;
	int msgid, r;

	if (q->bind == LDAP_BIND_SIMPLE)
		secret = (struct berval){ q->password.len, (char *)q->password.data };
	if (q->bind == LDAP_BIND_EXTERNAL)
		mechanism = "EXTERNAL";
	if (q->bind != LDAP_BIND_SIMPLE)
		dn = "";
	r = ldap_sasl_bind(s->ld, dn, mechanism, &secret, NULL, NULL, &msgid);
	if (r != LDAP_SUCCESS)
		return fail_locally(s, r, "logging in");
	return finish(s, msgid, left, "logging in");
}

static int open_one(struct ldap_session *s, unsigned shares)
{
	struct timeval left = time_left(s, shares, TRY_SECONDS_MAX);
	int r = ldap_initialize(&s->ld, s->uri);

	if (r != LDAP_SUCCESS)
		return ldap_session_fail(s, LDAP_OUTCOME_CONFIG, "not a server's URI");
	r = set_options(s, left);
	if (r < 0)
		return r;
	r = ldap_connect(s->ld);
	if (r != LDAP_SUCCESS)
		return is_ldaps(s->uri) ? fail_tls(s, r) : fail_locally(s, r, "connecting");
	if (is_ldaps(s->uri))
		r = check_tls(s);
	else if (s->request->starttls && is_ldap(s->uri))
		r = start_tls(s, left);
	return r < 0 ? r : login(s, left);
}

/* Of several failures the one that a person can do most about. */
static bool is_worse(enum ldap_outcome a, enum ldap_outcome b)
{
	static const int ranks[LDAP_OUTCOME_MAX_] = {
		[LDAP_OUTCOME_UNREACHABLE] = 1, [LDAP_OUTCOME_TIMEOUT] = 2,
		[LDAP_OUTCOME_TEMPORARY] = 3,	[LDAP_OUTCOME_CONFIG] = 4,
		[LDAP_OUTCOME_DENIED] = 5,
	};

	return ranks[a] > ranks[b];
}

static unsigned count_words(const char *p)
{
	unsigned n = 0;

	for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
		p += strcspn(p, " ");
		n++;
	}
	return n;
}

int ldap_session_open(struct ldap_session *s)
{
	enum ldap_outcome outcome = LDAP_OUTCOME_OK;
	const char *p = s->request->uris + strspn(s->request->uris, " ");
	char detail[LDAP_DETAIL_SIZE] = "";

	while (*p && clock_monotonic() < s->deadline) {
		unsigned shares = count_words(p);

		(void)snprintf(s->uri, sizeof(s->uri), "%.*s", (int)strcspn(p, " "), p);
		s->outcome = LDAP_OUTCOME_OK;
		if (open_one(s, shares) == 0)
			return 0;
		(void)fprintf(stderr, "%s: %s\n", s->uri, s->detail);
		if (is_worse(s->outcome, outcome)) {
			outcome = s->outcome;
			(void)snprintf(detail, sizeof(detail), "%.200s: %.300s", s->uri,
				       s->detail);
		}
		ldap_session_close(s);
		if (s->outcome == LDAP_OUTCOME_DENIED)
			break; /* more tries with a wrong password may lock the account */
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	s->uri[0] = '\0';
	s->outcome = outcome == LDAP_OUTCOME_OK ? LDAP_OUTCOME_TIMEOUT : outcome;
	(void)snprintf(s->detail, sizeof(s->detail), "%s", detail);
	return -EIO;
}

void ldap_session_close(struct ldap_session *s)
{
	if (s->ld)
		(void)ldap_unbind_ext(s->ld, NULL, NULL); /* whatever it says, it is gone */
	s->ld = NULL;
}
