/* SPDX-License-Identifier: BSD-2-Clause */
/* Long work in steps: one whenever nothing else is to be done, so that logins, status and
 * operators wait for one step at most. */
#ifndef ROTATED_VAULT_IDLE_H
#define ROTATED_VAULT_IDLE_H

#include <systemd/sd-event.h>

#include "base/cleanup.h"

/* Calls STEP once the loop is idle. RET is the caller's, who ends the work by
 * sd_event_source_disable_unref(). */
must_check int idle_begin(sd_event *event, sd_event_time_handler_t step, void *context,
			  sd_event_source **ret);

/* From STEP: there is more to do. Elsewhere: what waits goes on. */
must_check int idle_again(sd_event_source *source);

#endif
