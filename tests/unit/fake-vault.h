/* SPDX-License-Identifier: BSD-2-Clause */
/* A vault that says what it is told to, for tests of rotatectl: a process of its own behind the
 * control socket of a root. */
#ifndef TESTS_UNIT_FAKE_VAULT_H
#define TESTS_UNIT_FAKE_VAULT_H

#include "wire/verbs.h"

#include <sys/types.h>

/* One request that is expected and the frames that answer it. No frames: hang up instead. */
struct fake_turn {
	enum wire_verb verb;
	struct buf frames[3];
	size_t n_frames;
};

/* Serves TURNS in order, one connection each, at ROOT/run/rotated/control. What was asked is
 * appended to ROOT/requests as lines "verb key=value key=value"; a request that is not the one
 * expected becomes the line "unexpected". */
pid_t fake_vault_start(const char *root, const struct fake_turn *turns, size_t n);

/* Waits for it to end. */
void fake_vault_stop(pid_t pid);

#endif
