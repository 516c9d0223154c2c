/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/idle.h"

int idle_begin(sd_event *event, sd_event_time_handler_t step, void *context,
	       sd_event_source **ret)
{
	sd_event_source *source = NULL;
	int r = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, 0, 0, step,
					   context);

	if (r < 0)
		return r;
	r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		sd_event_source_disable_unref(source);
		return r;
	}
	*ret = source;
	return 0;
}

int idle_again(sd_event_source *source)
{
	int r = sd_event_source_set_time_relative(source, 0);

	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}
