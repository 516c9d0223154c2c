/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text in the place of postconf's answers and of the SASL configuration: a plan or a
 * refusal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/setup-plan.h"
#include "cli/setup-show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts what stands before the next "==" line off *TEXT. */
static char *cut(char **text)
{
	char *start = *text, *end = strstr(start, "\n==\n");

	*text = end ? end + 4 : start + strlen(start);
	if (end)
		end[1] = '\0';
	return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct setup_site site = {
		.features =
			SETUP_PASSWORDS | SETUP_CERTIFICATES | SETUP_OUTBOUND | SETUP_SENDERS,
		.auth_socket = "/var/spool/postfix/private/rotated-auth",
		.map_socket = "/var/spool/postfix/private/rotated-map",
	};
	static const struct setup_view view = { "/etc/postfix", "/etc/postfix/sasl/smtpd.conf",
						false };
	cleanup_setup_present struct setup_present p = SETUP_PRESENT_INIT;
	cleanup_setup_plan struct setup_plan plan = SETUP_PLAN_INIT;
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_free char *all = strndup((const char *)data, size);
	char *rest = all, path[512];

	if (!all || setup_pairs_parse(cut(&rest), &p.main) < 0 ||
	    setup_services_parse(cut(&rest), &p.services) < 0 ||
	    setup_pairs_parse(cut(&rest), &p.options) < 0)
		return 0;
	p.sasl = *rest ? strdup(rest) : NULL;
	if (setup_plan_make(&site, &p, &plan) < 0)
		return 0;
	setup_sasl_path(&site, &p, path, sizeof(path));
	setup_show(&plan, &view, &out);
	if (buf_error(&out) < 0)
		abort();
	return 0;
}
