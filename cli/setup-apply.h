/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading Postfix's configuration and changing it, all or nothing, through postconf(1). A
 * private part of the verb setup. */
#ifndef CLI_SETUP_APPLY_H
#define CLI_SETUP_APPLY_H

#include "base/report.h"
#include "cli/setup-plan.h"

/* What the configuration in CONFIG_DIR says now. */
must_check int setup_read(const char *config_dir, const struct setup_site *site,
			  struct setup_present *ret, struct report *r);

/*
 * Makes the changes of PLAN, keeps for --undo what was there, and lets `postfix check` judge.
 * After a failure every file is as it was.
 */
must_check int setup_apply(const char *config_dir, const struct setup_site *site,
			   const struct setup_present *p, const struct setup_plan *plan,
			   struct report *r);

#endif
