/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of the saslauthd protocol as the door decides them. */
#ifndef ROTATED_DOOR_MUXFRAME_H
#define ROTATED_DOOR_MUXFRAME_H

#include "rotated/door/decide.h"
#include "rotated/door/mux.h"

struct config_words;

/* -ENOMEM. RET is untouched on failure and is to be released otherwise. */
must_check int muxframe_request(const struct mux_request *m, const struct config_words *realms,
				struct door_request *ret);

#endif
