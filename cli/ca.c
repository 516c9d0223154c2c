/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>

int cli_run_ca_init(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CA_INIT, NULL);
}

int cli_run_ca_renew(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CA_RENEW, NULL);
}

static void show_authority(FILE *out, const json_t *ca, const char *what)
{
	static const struct print_field fields[] = {
		{ "  name", "name" },
		{ "  serial", "serial" },
		{ "  fingerprint", "fingerprint" },
		{ "  valid from", "not_before" },
		{ "  valid until", "not_after" },
	};

	(void)fprintf(out, "\n%s\n", what);
	print_fields(out, ca, fields, ARRAY_SIZE(fields));
}

static void show_ca(FILE *out, const json_t *json)
{
	print_if(out, json, "trust_domain", "trust domain  ", "\n");
	show_authority(out, print_member(json, "root"), "root");
	show_authority(out, print_member(json, "issuing"), "issuing CA");
}

int cli_run_ca_show(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CA_SHOW, show_ca);
}

static void show_bundle(FILE *out, const json_t *json)
{
	const char *pem = json_string_value(json_object_get(json, "bundle"));

	(void)fputs(pem ? pem : "", out);
}

int cli_run_ca_bundle(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CA_BUNDLE, show_bundle);
}

static void show_crl(FILE *out, const json_t *json)
{
	const char *pem = json_string_value(json_object_get(json, "crl"));

	(void)fputs(pem ? pem : "", out);
}

int cli_run_ca_crl(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_CA_CRL, show_crl);
}
