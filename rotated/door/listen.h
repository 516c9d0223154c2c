/* SPDX-License-Identifier: BSD-2-Clause */
/* The door's three listening sockets: handed over by systemd, or made here. */
#ifndef ROTATED_DOOR_LISTEN_H
#define ROTATED_DOOR_LISTEN_H

#include <sys/stat.h>

#include "base/report.h"
#include "rotated/door/hot.h"

struct config;

struct listening {
	int fds[HOT_PROTOCOL_MAX_]; /* -1: handed on or not there */
	struct {
		const char *path; /* borrowed from the configuration; NULL: not made here */
		dev_t dev;
		ino_t ino;
	} made[HOT_PROTOCOL_MAX_];
};

#define LISTENING_INIT ((struct listening){ .fds = { -1, -1, -1 } })

/*
 * Takes sockets named "auth", "mux" and "map" from sd_listen_fds_with_names(3); makes those
 * that are missing at their configured paths, with the configured owner (when root) and mode.
 * CONFIG must outlive RET. On failure what was made is gone again.
 */
must_check int listening_open(const struct config *config, struct listening *ret,
			      struct report *report);

/* Closes what was not handed on and unlinks what was made, unless another file is there now. */
void listening_close(struct listening *l);

#endif
