/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of the saslauthd protocol as the door decides them. */
#ifndef ROTATED_DOOR_MUXFRAME_H
#define ROTATED_DOOR_MUXFRAME_H

#include "rotated/door/decide.h"
#include "rotated/door/mux.h"

struct config_words;

/* The password is put into PLACE, which RET then borrows. -E2BIG: it does not fit there. RET is
 * untouched on failure. */
must_check int muxframe_request(const struct mux_request *m, const struct config_words *realms,
				struct secret *place, struct door_request *ret);

#endif
