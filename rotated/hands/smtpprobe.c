/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/smtpprobe.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "rotated/hands/address.h"
#include "rotated/hands/printable.h"

enum { URL_SIZE = 320, LONGEST_MS = 3600 * 1000 };

static const char system_ca[] = "/etc/ssl/certs/ca-certificates.crt";
static const char default_login[] = "AUTH=PLAIN;AUTH=LOGIN";

struct session {
	struct smtp_watch watch;
	char error[CURL_ERROR_SIZE];
};

const char *smtp_probe_check(const struct smtp_probe *p)
{
	char host[SMTP_SERVER_SIZE];

	if (!address_host(p->server, host, sizeof(host)))
		return "the server is not HOST:PORT";
	if (p->tls == SMTP_TLS_NONE && !address_is_loopback(host))
		return "a secret is not sent without TLS but to this machine itself";
	if (p->ca[0] && p->ca[0] != '/')
		return "ca_file is not an absolute path";
	if (!p->user[0] || !text_is_plain(p->user))
		return "the user is not printable text";
	if (p->secret.len == 0 || p->secret.len > SMTP_SECRET_MAX ||
	    memchr(p->secret.data, '\0', p->secret.len))
		return "the secret is empty, too long, or not text";
	if (p->mechanism[strspn(p->mechanism, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")])
		return "the mechanism is not the name of one";
	return NULL;
}

/* All that passes, the secret too: nothing of it is kept but what the watch keeps. */
static int on_debug(CURL *handle, curl_infotype type, char *data, size_t size, void *context)
{
	struct session *s = context;

	(void)handle;
	if (type == CURLINFO_HEADER_OUT)
		smtp_watch_sent(&s->watch, data, size);
	else if (type == CURLINFO_HEADER_IN)
		smtp_watch_received(&s->watch, data, size);
	return 0;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

static CURLcode set_login(CURL *h, struct smtp_probe *p)
{
	char login[sizeof("AUTH=") + SMTP_MECHANISM_SIZE];
	const char *secret = buf_string(&p->secret);
	CURLcode c = curl_easy_setopt(h, CURLOPT_USERNAME, p->user);

	(void)snprintf(login, sizeof(login), "AUTH=%s", p->mechanism);
	if (c == CURLE_OK)
		c = secret ? curl_easy_setopt(h, CURLOPT_PASSWORD, secret)
			   : CURLE_OUT_OF_MEMORY;
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_LOGIN_OPTIONS,
				     p->mechanism[0] ? login : default_login);
	return c;
}

static CURLcode set_tls(CURL *h, const struct smtp_probe *p)
{
	CURLcode c = curl_easy_setopt(h, CURLOPT_USE_SSL,
				      p->tls == SMTP_TLS_NONE ? (long)CURLUSESSL_NONE
							      : (long)CURLUSESSL_ALL);

	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_CAINFO, p->ca[0] ? p->ca : system_ca);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_CAPATH, NULL); /* that file and no others */
	return c;
}

static CURLcode set_session(CURL *h, const struct smtp_probe *p, struct session *s,
			    uint64_t timeout)
{
	uint64_t ms = timeout / USEC_PER_MSEC;
	char url[URL_SIZE];
	CURLcode c;

	(void)snprintf(url, sizeof(url), "%s://%s",
		       p->tls == SMTP_TLS_DIRECT ? "smtps" : "smtp", p->server);
	c = curl_easy_setopt(h, CURLOPT_URL, url);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_PROXY, ""); /* nor what the environment names */
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, "NOOP");
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_TIMEOUT_MS,
				     (long)(ms < LONGEST_MS ? ms : LONGEST_MS));
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_ERRORBUFFER, s->error);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, on_debug);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_DEBUGDATA, s);
	if (c == CURLE_OK)
		c = curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
	return c;
}

static void tell(struct smtp_report *ret, enum smtp_result result, const char *text)
{
	ret->result = result;
	printable_copy(ret->detail, sizeof(ret->detail), text, strlen(text));
}

/* The server's own words decided. */
static void tell_reply(struct smtp_report *ret, enum smtp_result result,
		       const struct smtp_watch *w)
{
	tell(ret, result, w->text);
	ret->code = w->code;
}

static void tell_lost(struct smtp_report *ret, const struct session *s, CURLcode c)
{
	const struct smtp_watch *w = &s->watch;
	const char *why = s->error[0] ? s->error : curl_easy_strerror(c);

	if (w->is_auth_sent)
		tell(ret, c == CURLE_OPERATION_TIMEDOUT ? SMTP_TIMEOUT : SMTP_TEMPORARY, why);
	else
		tell(ret, SMTP_UNREACHABLE, why);
}

/* TLS that fails for want of a partner is another matter than TLS that must not be. */
static void tell_tls(struct smtp_report *ret, const struct session *s, CURLcode c)
{
	bool is_cut = c == CURLE_SSL_CONNECT_ERROR &&
		      (strstr(s->error, "SYSCALL") || strstr(s->error, "unexpected eof") ||
		       strstr(s->error, "Recv failure") || strstr(s->error, "Send failure"));

	tell(ret, is_cut ? SMTP_UNREACHABLE : SMTP_CONFIG,
	     s->error[0] ? s->error : curl_easy_strerror(c));
}

static void tell_no_auth(struct smtp_report *ret, const struct smtp_watch *w)
{
	if (w->offers_auth && w->mechanisms[0])
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "the server offers none of the mechanisms wanted, but %s",
			       w->mechanisms);
	else
		tell(ret, SMTP_CONFIG, "the server offers no AUTH");
	ret->result = SMTP_CONFIG;
}

static void judge(struct smtp_report *ret, const struct session *s, CURLcode c)
{
	const struct smtp_watch *w = &s->watch;
	enum smtp_result result = smtp_watch_result(w);

	if (result != SMTP_RESULT_MAX_) {
		tell(ret, result, w->text);
		ret->code = w->auth_code;
	} else if (c == CURLE_PEER_FAILED_VERIFICATION || c == CURLE_SSL_CONNECT_ERROR ||
		   c == CURLE_SSL_CACERT_BADFILE || c == CURLE_SSL_CIPHER ||
		   c == CURLE_SSL_ISSUER_ERROR) {
		tell_tls(ret, s, c);
	} else if (w->has_replied && w->code / 100 == 4) {
		tell_reply(ret, SMTP_TEMPORARY, w);
	} else if (c == CURLE_USE_SSL_FAILED && w->phase != SMTP_PHASE_STARTTLS) {
		tell(ret, SMTP_CONFIG, "the server offers no STARTTLS");
	} else if (w->has_replied && w->code / 100 == 5 && w->phase != SMTP_PHASE_AFTER) {
		tell_reply(ret, SMTP_CONFIG, w);
	} else if (w->ehlo_code / 100 == 4) {
		tell(ret, SMTP_TEMPORARY, "the server refuses EHLO for now");
		ret->code = w->ehlo_code;
	} else if (c == CURLE_OK || c == CURLE_LOGIN_DENIED) {
		tell_no_auth(ret, w);
	} else {
		tell_lost(ret, s, c);
	}
}

/* A server may say back what it was told. */
static void take_secret_out(struct smtp_report *ret, struct smtp_probe *p)
{
	const char *secret = buf_string(&p->secret);

	if (!secret || strstr(ret->detail, secret))
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "%u; the server's text holds the secret and is left out",
			       ret->code);
}

void smtp_probe_run(struct smtp_probe *p, uint64_t timeout, struct smtp_report *ret)
{
	struct session s = { .error = "" };
	CURL *h = NULL;
	CURLcode c = curl_global_init(CURL_GLOBAL_DEFAULT);

	*ret = (struct smtp_report){ .code = 0 };
	if (c == CURLE_OK)
		h = curl_easy_init();
	if (!h) {
		tell(ret, SMTP_TEMPORARY, "no memory");
		return;
	}
	c = set_session(h, p, &s, timeout);
	if (c == CURLE_OK)
		c = set_tls(h, p);
	if (c == CURLE_OK)
		c = set_login(h, p);
	if (c != CURLE_OK) {
		tell(ret, SMTP_CONFIG, curl_easy_strerror(c));
	} else {
		c = curl_easy_perform(h);
		judge(ret, &s, c);
		take_secret_out(ret, p);
	}
	curl_easy_cleanup(h); /* says QUIT */
	curl_global_cleanup();
}
