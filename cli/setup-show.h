/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan for people and for programs. A private part of the verb setup. */
#ifndef CLI_SETUP_SHOW_H
#define CLI_SETUP_SHOW_H

#include "base/buf.h"
#include "cli/setup-plan.h"

struct setup_view {
	const char *config_dir;
	const char *sasl_path;
	bool is_applied;
};

/* "passwords and certificates", of FEATURES. */
enum { SETUP_FEATURES_SIZE = 64 };
void setup_features_text(unsigned features, char out[static SETUP_FEATURES_SIZE]);

/* The changes, each with its reason, file by file, then the warnings. */
void setup_show(const struct setup_plan *plan, const struct setup_view *view, struct buf *out);

/* {"features": [...], "config_dir": …, "applied": …, "changes": [...], "warnings": [...]} */
void setup_show_json(const struct setup_plan *plan, const struct setup_view *view,
		     unsigned features, struct buf *out);

#endif
