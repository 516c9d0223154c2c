/* SPDX-License-Identifier: BSD-2-Clause */
/* What would hurt although no line of ours changes it, or because of one: said, not touched. */
#include "cli/setup-plan.h"

#include <stdio.h>
#include <string.h>

/* Of its own only: without, it will get some that have nothing of main.cf's. */
static const char *relay_restrictions(const struct setup_present *p, const char *service)
{
	char name[SETUP_TEXT_SIZE];
	const char *value;

	(void)snprintf(name, sizeof(name), "%s/smtpd_relay_restrictions", service);
	value = setup_pairs_find(&p->options, name);
	return value ? value : "";
}

static void warn_restrictions(const struct setup_present *p, const char *service,
			      const char *parameter, struct setup_plan *plan)
{
	const char *value = strcmp(parameter, "smtpd_relay_restrictions") == 0
				    ? relay_restrictions(p, service)
				    : setup_in_service(p, service, parameter);

	if (setup_list_has(value, "permit_tls_all_clientcerts"))
		setup_warn(
			plan,
			"take it out: rotated-auth decides about each certificate, by "
			"permit_tls_clientcerts",
			"%s of %s has permit_tls_all_clientcerts: every certificate of the CA "
			"may relay, the revoked ones too",
			parameter, service);
}

/* True if VALUE names more than this host itself. */
static bool has_foreign_networks(const char *value)
{
	static const char *const own[] = { "127.", "[::1]", "[::ffff:127." };

	while (*value) {
		bool is_own = false;

		value += strspn(value, " ,\t");
		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			is_own = is_own || strncmp(value, own[i], strlen(own[i])) == 0;
		if (*value && !is_own)
			return true;
		value += strcspn(value, " ,\t");
	}
	return false;
}

static void warn_networks(const struct setup_present *p, const char *service,
			  struct setup_plan *plan)
{
	const char *networks = setup_in_service(p, service, "mynetworks");

	if (!has_foreign_networks(networks) ||
	    !setup_list_has(relay_restrictions(p, service), "permit_mynetworks"))
		return;
	setup_warn(
		plan,
		"take the senders' addresses out of mynetworks, or permit_mynetworks out of "
		"the "
		"restrictions, when all of them log in",
		"clients in mynetworks (%s) relay through %s without a login: no credential of "
		"theirs is ever looked at",
		networks, service);
}

static void warn_sasl_options(const struct setup_present *p, const char *service,
			      struct setup_plan *plan)
{
	static const char *const parameters[] = { "smtpd_sasl_tls_security_options" };
	static const char *const bad[] = { "noplaintext", "noactive", "forward_secrecy",
					   "mutual_auth" };

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
			if (setup_list_has(setup_in_service(p, service, parameters[i]), bad[k]))
				setup_warn(plan,
					   "smtpd_sasl_tls_security_options = noanonymous lets "
					   "them in inside TLS",
					   "%s of %s has %s: PLAIN and LOGIN are not offered, "
					   "even "
					   "inside TLS",
					   parameters[i], service, bad[k]);
	if (strcmp(setup_in_service(p, service, "smtpd_sasl_mechanism_filter"),
		   "!external, static:rest") != 0)
		setup_warn(plan, "it must let PLAIN, LOGIN and SCRAM-SHA-256 pass",
			   "smtpd_sasl_mechanism_filter of %s is not Postfix's own: %s",
			   service,
			   setup_in_service(p, service, "smtpd_sasl_mechanism_filter"));
}

static bool is_chrooted(const struct setup_present *p, const char *service)
{
	const char *line = setup_pairs_find(&p->services, service);
	char chroot[8] = "y";

	if (line)
		setup_service_field(line, 4, chroot, sizeof(chroot));
	return *chroot == 'y';
}

static void warn_socket(const struct setup_present *p, const char *service, const char *socket,
			struct setup_plan *plan)
{
	if (*setup_socket(p, socket) != '/' || !is_chrooted(p, service))
		return;
	setup_warn(
		plan,
		"put it below Postfix's queue directory, in [door] of rotated.conf and in the "
		"socket unit: a relative path works in a chroot and without",
		"%s lies outside the chroot of %s (%s): it cannot be reached from there",
		socket, service, setup_main(p, "queue_directory"));
}

static void warn_passwords(const struct setup_site *site, const struct setup_present *p,
			   const char *service, struct setup_plan *plan)
{
	static const char *const alwaystrue = "alwaystrue";
	const char *realm = setup_in_service(p, service, "smtpd_sasl_local_domain");

	warn_socket(p, service, site->auth_socket, plan);
	warn_sasl_options(p, service, plan);
	if (*realm)
		setup_warn(plan, "name it in realms= of [door]",
			   "smtpd_sasl_local_domain = %s: logins reach rotated-auth as "
			   "billing.7@%s",
			   realm, realm);
	if (p->sasl && strstr(p->sasl, alwaystrue))
		setup_warn(plan, "take that line out",
			   "the SASL configuration has pwcheck_method: %s, which accepts any "
			   "password where our mechanism is not asked",
			   alwaystrue);
}

static void warn_tls(const struct setup_present *p, const char *service,
		     struct setup_plan *plan)
{
	if (!*setup_in_service(p, service, "smtpd_tls_cert_file") &&
	    !*setup_in_service(p, service, "smtpd_tls_chain_files"))
		setup_warn(plan,
			   "smtpd_tls_chain_files = a file with the key, then the chain; until "
			   "then "
			   "nobody can log in",
			   "%s has no certificate of its own, so there is no TLS", service);
}

static void warn_certificates(const struct setup_site *site, const struct setup_present *p,
			      const char *service, struct setup_plan *plan)
{
	warn_socket(p, service, site->map_socket, plan);
	if (strcmp(setup_main(p, "smtpd_tls_req_ccert"), "yes") == 0)
		setup_warn(plan,
			   "smtpd_tls_ask_ccert = yes asks for one and takes mail without",
			   "smtpd_tls_req_ccert = yes in main.cf: port 25 refuses TLS to every "
			   "sender that has no certificate");
}

static void warn_main(const struct setup_present *p, struct setup_plan *plan)
{
	const char *relay = setup_main(p, "smtpd_relay_restrictions");

	if (setup_list_has(setup_main(p, "import_environment"), "SASL_PATH") ||
	    strstr(setup_main(p, "import_environment"), "SASL_PATH="))
		setup_warn(
			plan, "leave it, or take SASL_PATH out once the plugin is installed",
			"import_environment has SASL_PATH, which is not needed: libsasl2 finds "
			"the plugin in its own folder");
	if (strcmp(setup_main(p, "smtpd_sasl_auth_enable"), "yes") == 0)
		setup_warn(
			plan,
			"smtpd_sasl_auth_enable = no in main.cf, yes for the service only",
			"smtpd_sasl_auth_enable = yes in main.cf: port 25 offers AUTH too, to "
			"everybody who tries passwords there");
	if (*relay && !strstr(relay, "unauth_destination"))
		setup_warn(
			plan,
			"smtpd_relay_restrictions = permit_mynetworks, "
			"permit_sasl_authenticated, defer_unauth_destination",
			"smtpd_relay_restrictions in main.cf (%s) has no "
			"reject_unauth_destination: mail from others for your own domains may "
			"be refused, or anybody may relay",
			relay);
}

static void warn_outbound(const struct setup_site *site, const struct setup_present *p,
			  struct setup_plan *plan)
{
	const char *maps = setup_main(p, "smtp_sasl_password_maps");
	const char *level = setup_main(p, "smtp_tls_security_level");

	warn_socket(p, "smtp/unix", site->map_socket, plan);
	if (*maps && !strstr(maps, ":outbound"))
		setup_warn(plan, "take it away when rotated knows all of its logins",
			   "%s still holds secrets in a file; it is asked for what rotated "
			   "does not "
			   "know",
			   maps);
	if (strcmp(level, "verify") != 0 && strcmp(level, "secure") != 0 &&
	    strncmp(level, "dane", 4) != 0)
		setup_warn(plan,
			   "smtp_tls_policy_maps with secure, and smtp_tls_CAfile, for each "
			   "provider",
			   "smtp_tls_security_level = %s does not check who the provider is: "
			   "one in "
			   "between could take the secret",
			   *level ? level : "may");
}

void setup_plan_warnings(const struct setup_site *site, const struct setup_present *p,
			 struct setup_plan *plan)
{
	static const char *const restrictions[] = { "smtpd_client_restrictions",
						    "smtpd_relay_restrictions",
						    "smtpd_recipient_restrictions" };
	const char *targets[SETUP_TARGETS_MAX];
	size_t n = setup_targets(site, p, targets);

	for (size_t t = 0; t < n && site->features & ~(unsigned)SETUP_OUTBOUND; t++) {
		for (size_t i = 0; i < ARRAY_SIZE(restrictions); i++)
			warn_restrictions(p, targets[t], restrictions[i], plan);
		warn_networks(p, targets[t], plan);
		warn_tls(p, targets[t], plan);
		if (site->features & SETUP_PASSWORDS)
			warn_passwords(site, p, targets[t], plan);
		if (site->features & SETUP_CERTIFICATES)
			warn_certificates(site, p, targets[t], plan);
	}
	warn_main(p, plan);
	if (site->features & SETUP_SENDERS && site->without_senders)
		setup_warn(
			plan,
			"senders = its addresses, in services.d; then "
			"systemctl reload rotated",
			"%s has no senders: with smtpd_sender_login_maps a service that logs "
			"in may use only the addresses that are its own",
			site->without_senders);
	if (site->features & SETUP_SENDERS && site->features & SETUP_CERTIFICATES)
		setup_warn(plan, "let that service log in where its sender address matters",
			   "smtpd_sender_login_maps is for logins: a service that shows a "
			   "certificate only may use any sender address");
	if (site->features & SETUP_OUTBOUND)
		warn_outbound(site, p, plan);
}
