/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program is made of: configuration, identity stack, and the log's limits. */
#ifndef ROTATED_DOOR_DOOR_H
#define ROTATED_DOOR_DOOR_H

#include <sys/types.h>

#include "base/clock.h"
#include "rotated/door/decide.h"

struct config;
struct door;
struct keystore_backend;
struct outbound;

/* CONFIG is consumed, also by a failure. -ENOMEM. */
must_check int door_new_take(struct config *config, struct door **ret);
void door_free(struct door *d); /* NULL is allowed */

DEFINE_CLEANUP(struct door, door_free)

/* As the program was started with; lives as long as D. */
const struct config *door_startup_config(const struct door *d);
const struct config_words *door_realms(const struct door *d);
struct keystore_backend *door_keystore(const struct door *d);
struct outbound *door_outbound(const struct door *d);

/* Wall clock. */
uint64_t door_now(const struct door *d);

/* A newer configuration takes the old one's place: who may connect, and the realms. */
void door_reload_take(struct door *d, struct config *config);

/* Root, the door's own user, and those of [door] peers. */
bool door_allows(const struct door *d, uid_t uid);

/* Asks the identity stack and decides. RET_ANSWER backs the verdict's texts; the caller wipes
 * it. */
struct door_verdict door_answer(struct door *d, const struct door_request *q,
				struct identity_answer *ret_answer);

/* Logs what was refused. To be called when the answer is on its way: who waits for it must not
 * be able to tell by the time whether there was a line to write, which for a verifier question
 * would tell an unknown login from a known one. */
void door_log_verdict(struct door *d, const struct door_request *q,
		      const struct door_verdict *v);

/* A warning that a stranger can bring about, held back like refusals are. */
void door_complain(struct door *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
