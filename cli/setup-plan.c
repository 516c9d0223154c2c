/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

const char *const setup_parameters[] = {
	"config_directory",
	"queue_directory",
	"mail_version",
	"cyrus_sasl_config_path",
	"import_environment",
	"mynetworks",
	"relay_clientcerts",
	"relayhost",
	"smtp_sasl_auth_enable",
	"smtp_sasl_mechanism_filter",
	"smtp_sasl_password_maps",
	"smtp_sasl_tls_security_options",
	"smtp_tls_security_level",
	"smtpd_client_restrictions",
	"smtpd_recipient_restrictions",
	"smtpd_relay_restrictions",
	"smtpd_sasl_auth_enable",
	"smtpd_sasl_local_domain",
	"smtpd_sasl_mechanism_filter",
	"smtpd_sasl_path",
	"smtpd_sasl_security_options",
	"smtpd_sasl_tls_security_options",
	"smtpd_sasl_type",
	"smtpd_sender_login_maps",
	"smtpd_sender_restrictions",
	"smtpd_tls_ask_ccert",
	"smtpd_tls_auth_only",
	"smtpd_tls_cert_file",
	"smtpd_tls_chain_files",
	"smtpd_tls_fingerprint_digest",
	"smtpd_tls_req_ccert",
	"smtpd_tls_security_level",
	"smtpd_tls_wrappermode",
	NULL,
};

/* How a rule finds out whether a value is good already, and makes it so. */
enum how {
	EXACTLY,   /* the value itself */
	ENCRYPTED, /* a TLS level that does not let plain text through */
	ANY_TLS,   /* a TLS level at all */
	STRONG,	   /* a digest that is not broken */
	MAP,	   /* our map, before what is there */
	PERMITTED, /* the restriction, before what is there but behind permit_mynetworks */
	NAMED,	   /* a name of a file, not of a socket */
	WITHOUT,   /* anything that does not hold "noplaintext" */
};

/*
 * The rules in the order in which they are printed. A MAP's value is the name of the map behind
 * the socket.
 */
static const struct rule {
	unsigned features;
	enum setup_where where;
	const char *parameter;
	enum how how;
	const char *value;
	const char *why;
} rules[] = {
	{ SETUP_PASSWORDS, SETUP_MAIN, "smtpd_tls_auth_only", EXACTLY, "yes",
	  "no password is asked for before TLS" },
	{ SETUP_CERTIFICATES, SETUP_MAIN, "smtpd_tls_fingerprint_digest", STRONG, "sha256",
	  "certificates are looked up by their SHA-256; MD5 can be forged" },
	{ SETUP_CERTIFICATES, SETUP_MAIN, "relay_clientcerts", MAP, "ccert",
	  "asks rotated-auth at every recipient: what is revoked is refused at once" },
	{ SETUP_SENDERS, SETUP_MAIN, "smtpd_sender_login_maps", MAP, "senders",
	  "rotated-auth knows which service may use which sender address" },
	{ SETUP_OUTBOUND, SETUP_MAIN, "smtp_sasl_auth_enable", EXACTLY, "yes",
	  "log in at the providers" },
	{ SETUP_OUTBOUND, SETUP_MAIN, "smtp_sasl_password_maps", MAP, "outbound",
	  "fetched for each session: a rotated secret needs no reload, and is in no file" },
	{ SETUP_OUTBOUND, SETUP_MAIN, "smtp_sasl_tls_security_options", WITHOUT, "noanonymous",
	  "providers want PLAIN or LOGIN; this allows them inside TLS, and only there" },
	{ SETUP_OUTBOUND, SETUP_MAIN, "smtp_tls_security_level", ANY_TLS, "may",
	  "without TLS no secret is sent, and so no mail to the provider" },
	{ SETUP_PASSWORDS | SETUP_CERTIFICATES, SETUP_OPTION, "smtpd_tls_security_level",
	  ENCRYPTED, "encrypt", "who sends through this host must use TLS" },
	{ SETUP_PASSWORDS, SETUP_OPTION, "smtpd_sasl_type", EXACTLY, "cyrus",
	  "the plugin is one for Cyrus SASL" },
	{ SETUP_PASSWORDS, SETUP_OPTION, "smtpd_sasl_path", NAMED, "smtpd",
	  "names the SASL configuration, smtpd.conf; a path is Dovecot's" },
	{ SETUP_PASSWORDS, SETUP_OPTION, "smtpd_sasl_auth_enable", EXACTLY, "yes",
	  "offers AUTH here, and not to everybody on port 25" },
	{ SETUP_CERTIFICATES, SETUP_OPTION, "smtpd_tls_ask_ccert", EXACTLY, "yes",
	  "without being asked no client shows a certificate" },
	{ SETUP_CERTIFICATES, SETUP_OPTION, "smtpd_relay_restrictions", PERMITTED,
	  "permit_tls_clientcerts", "who showed a certificate of a service may relay" },
	{ SETUP_PASSWORDS, SETUP_OPTION, "smtpd_relay_restrictions", PERMITTED,
	  "permit_sasl_authenticated", "who logged in may relay, and nobody else" },
	{ SETUP_SENDERS, SETUP_OPTION, "smtpd_sender_restrictions", PERMITTED,
	  "reject_authenticated_sender_login_mismatch",
	  "a service may use its own sender addresses only" },
};

char *setup_keep(struct setup_plan *plan, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		plan->error = -ENOMEM;
	return copy;
}

void setup_add(struct setup_plan *plan, const struct setup_draft *d)
{
	if (plan->n_changes == SETUP_CHANGES_MAX) {
		plan->error = -E2BIG;
		return;
	}
	plan->changes[plan->n_changes++] = (struct setup_change){
		.where = d->where,
		.name = setup_keep(plan, d->name),
		.value = setup_keep(plan, d->value),
		.was = d->was && *d->was ? setup_keep(plan, d->was) : NULL,
		.why = d->why,
	};
}

void setup_warn(struct setup_plan *plan, const char *hint, const char *fmt, ...)
{
	char text[SETUP_TEXT_SIZE];
	va_list ap;

	if (plan->n_warnings == SETUP_WARNINGS_MAX)
		return; /* more than anybody reads */
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	plan->warnings[plan->n_warnings++] =
		(struct setup_warning){ setup_keep(plan, text), hint };
}

void setup_plan_release(struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->n_changes; i++) {
		free(plan->changes[i].name);
		free(plan->changes[i].value);
		free(plan->changes[i].was);
	}
	for (size_t i = 0; i < plan->n_warnings; i++)
		free(plan->warnings[i].what);
	free(plan->sasl);
	*plan = SETUP_PLAN_INIT;
}

const char *setup_socket(const struct setup_present *p, const char *socket)
{
	const char *queue = setup_main(p, "queue_directory");
	size_t len = strlen(queue);

	if (len && strncmp(socket, queue, len) == 0 && socket[len] == '/')
		return socket + len + 1;
	return socket;
}

size_t setup_targets(const struct setup_site *site, const struct setup_present *p,
		     const char *ret[static SETUP_TARGETS_MAX])
{
	static const char *const usual[] = { "submission/inet", "submissions/inet",
					     "smtps/inet" };
	size_t n = 0;

	if (site->service) {
		ret[0] = site->service;
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual) && n < SETUP_TARGETS_MAX; i++)
		if (setup_pairs_find(&p->services, usual[i]))
			ret[n++] = usual[i];
	if (n == 0)
		ret[n++] = usual[0];
	return n;
}

/* An earlier change of the same thing, which a later rule goes on from. */
static struct setup_change *find_change(struct setup_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		if (strcmp(plan->changes[i].name, name) == 0)
			return &plan->changes[i];
	return NULL;
}

static bool is_good(const struct rule *rule, const char *value, const char *wanted)
{
	switch (rule->how) {
	case EXACTLY:
		return strcmp(value, wanted) == 0;
	case ENCRYPTED:
		return *value && strcmp(value, "none") != 0 && strcmp(value, "may") != 0;
	case ANY_TLS:
		return *value && strcmp(value, "none") != 0;
	case STRONG:
		return strcmp(value, "sha256") == 0;
	case MAP:
	case PERMITTED:
		return setup_list_has(value, wanted);
	case NAMED:
		return *value && !strchr(value, '/');
	case WITHOUT:
		return !setup_list_has(value, "noplaintext");
	}
	return false;
}

/*
 * What is there stays behind what is ours, and permit_mynetworks in front. A service without
 * restrictions of its own does not get main.cf's, which are for mail from outside.
 */
static void combine(const struct rule *rule, const char *value, const char *wanted,
		    struct buf *out)
{
	static const char front[] = "permit_mynetworks";
	size_t len = strlen(front);

	if (rule->how == MAP && *value)
		buf_printf(out, "%s, %s", wanted, value);
	else if (rule->how != PERMITTED)
		buf_append_str(out, wanted);
	else if (!*value)
		buf_printf(out, "%s%s", wanted,
			   strncmp(wanted, "permit", 6) == 0 ? ",reject" : "");
	else if (strncmp(value, front, len) == 0 && value[len])
		buf_printf(out, "%s,%s,%s", front, wanted,
			   value + len + strspn(value + len, " ,"));
	else
		buf_printf(out, "%s,%s", wanted, value);
}

static void want(struct setup_plan *plan, const struct rule *rule, const struct setup_draft *d)
{
	struct setup_change *earlier = find_change(plan, d->name);
	const char *value = earlier ? earlier->value : d->was;
	cleanup_buf struct buf out = BUF_INIT;
	struct setup_draft change = *d;

	if (!value || is_good(rule, value, d->value)) /* no memory for the earlier one */
		return;
	combine(rule, value, d->value, &out);
	change.value = buf_string(&out);
	if (!change.value) {
		plan->error = buf_error(&out);
		return;
	}
	if (!earlier) {
		setup_add(plan, &change);
		return;
	}
	free(earlier->value);
	earlier->value = setup_keep(plan, change.value);
	earlier->why = d->why;
}

static void apply_to_main(const struct setup_site *site, const struct setup_present *p,
			  const struct rule *rule, struct setup_plan *plan)
{
	struct setup_draft d = { SETUP_MAIN, rule->parameter, rule->value,
				 setup_main(p, rule->parameter), rule->why };
	char map[SETUP_TEXT_SIZE];

	if (rule->how == MAP) {
		(void)snprintf(map, sizeof(map), "socketmap:unix:%s:%s",
			       setup_socket(p, site->map_socket), rule->value);
		d.value = map;
	}
	want(plan, rule, &d);
}

static void apply_to_service(const struct setup_present *p, const char *service,
			     const struct rule *rule, struct setup_plan *plan)
{
	char name[SETUP_TEXT_SIZE];
	struct setup_draft d = { SETUP_OPTION, name, rule->value, NULL, rule->why };

	(void)snprintf(name, sizeof(name), "%s/%s", service, rule->parameter);
	d.was = rule->how == PERMITTED ? setup_pairs_find(&p->options, name)
				       : setup_in_service(p, service, rule->parameter);
	if (!d.was)
		d.was = "";
	if (rule->how == ENCRYPTED &&
	    strcmp(setup_in_service(p, service, "smtpd_tls_wrappermode"), "yes") == 0)
		return; /* TLS comes first there */
	want(plan, rule, &d);
}

/* A service that is not there yet gets a line as Debian's other services of its kind have. */
static void make_service(const struct setup_present *p, const char *service,
			 struct setup_plan *plan)
{
	const char *model = setup_pairs_find(&p->services, "smtp/inet");
	char name[128], chroot[8] = "y", value[256], option[SETUP_TEXT_SIZE];
	const struct setup_draft line = {
		SETUP_SERVICE, service, value, NULL,
		"the service that senders log in to; port 25 stays as it is"
	};
	const struct setup_draft tag = { SETUP_OPTION, option, "postfix/submission", NULL,
					 "tells its lines in the log from those of port 25" };

	if (setup_pairs_find(&p->services, service))
		return;
	if (model)
		setup_service_field(model, 4, chroot, sizeof(chroot));
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(service, "/"), service);
	(void)snprintf(value, sizeof(value), "%s inet n - %s - - smtpd", name, chroot);
	setup_add(plan, &line);
	(void)snprintf(option, sizeof(option), "%s/syslog_name", service);
	setup_add(plan, &tag);
}

void setup_sasl_path(const struct setup_site *site, const struct setup_present *p, char *out,
		     size_t size)
{
	const char *targets[SETUP_TARGETS_MAX];
	const char *folder = setup_main(p, "cyrus_sasl_config_path");
	const char *base;
	int n;

	ignore_result(setup_targets(site, p, targets)); /* one at least */
	base = setup_in_service(p, targets[0], "smtpd_sasl_path");
	if (strchr(base, '/'))
		base = "smtpd"; /* as it will be */
	if (*folder)
		n = snprintf(out, size, "%.*s/%s.conf", (int)strcspn(folder, ":"), folder,
			     base);
	else
		n = snprintf(out, size, "%s/sasl/%s.conf", setup_main(p, "config_directory"),
			     base);
	if (n < 0 || (size_t)n >= size)
		*out = '\0';
}

int setup_plan_make(const struct setup_site *site, const struct setup_present *p,
		    struct setup_plan *ret)
{
	const char *targets[SETUP_TARGETS_MAX];
	size_t n = setup_targets(site, p, targets);

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if ((rules[i].features & site->features) && rules[i].where == SETUP_MAIN)
			apply_to_main(site, p, &rules[i], ret);
	for (size_t t = 0; t < n && site->features & ~(unsigned)SETUP_OUTBOUND; t++) {
		make_service(p, targets[t], ret);
		for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
			if ((rules[i].features & site->features) &&
			    rules[i].where == SETUP_OPTION)
				apply_to_service(p, targets[t], &rules[i], ret);
	}
	if (site->features & SETUP_PASSWORDS)
		setup_plan_sasl(site, p, ret);
	setup_plan_warnings(site, p, ret);
	return ret->error;
}
