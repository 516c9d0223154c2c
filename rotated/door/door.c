/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/door.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/refusals.h"
#include "modules/keystore.h"
#include "rotated/config/config.h"
#include "rotated/door/outbound.h"

enum { LAYERS_MAX = 1 };

struct door {
	struct config *config;	/* in force */
	struct config *startup; /* the same until the first reload */
	struct keystore_backend *keystore;
	struct outbound *outbound;
	struct clock clock;
	struct identity_layer stack[LAYERS_MAX];
	size_t layers;
	struct refusals refusals;
	struct refusals complaints;
};

int door_new_take(struct config *config, struct door **ret)
{
	cleanup_(door_freep) struct door *d = calloc(1, sizeof(*d));
	char dir[PATH_MAX];
	int r;

	if (!d) {
		config_free(config);
		return -ENOMEM;
	}
	d->config = d->startup = config;
	d->clock = clock_real();
	d->refusals = refusals_init(clock_monotonic());
	d->complaints = refusals_init(clock_monotonic());
	r = fs_join(config->keystore.path, "index", dir, sizeof(dir));
	if (r < 0)
		return r;
	r = keystore_backend_new(dir, &d->clock, &d->keystore);
	if (r < 0)
		return r;
	r = outbound_new(&d->outbound);
	if (r < 0)
		return r;
	d->stack[0] = (struct identity_layer){ &keystore_module, d->keystore };
	d->layers = 1;
	*ret = steal_ptr(d);
	return 0;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	keystore_backend_free(d->keystore);
	outbound_free(d->outbound);
	if (d->config != d->startup)
		config_free(d->config);
	config_free(d->startup);
	free(d);
}

const struct config *door_startup_config(const struct door *d)
{
	return d->startup;
}

const struct config_words *door_realms(const struct door *d)
{
	return &d->config->door.realms;
}

struct keystore_backend *door_keystore(const struct door *d)
{
	return d->keystore;
}

struct outbound *door_outbound(const struct door *d)
{
	return d->outbound;
}

uint64_t door_now(const struct door *d)
{
	return clock_now(&d->clock).wall;
}

void door_reload_take(struct door *d, struct config *config)
{
	if (d->config != d->startup)
		config_free(d->config);
	d->config = config;
}

bool door_allows(const struct door *d, uid_t uid)
{
	return uid == 0 || uid == geteuid() || config_ids_has(&d->config->door.peers, uid);
}

void door_log_verdict(struct door *d, const struct door_request *q,
		      const struct door_verdict *v)
{
	char login[128], address[DOOR_WORD_SIZE], mechanism[DOOR_WORD_SIZE];
	uint64_t held_back;

	if (!v->reason || !refusals_allow(&d->refusals, clock_monotonic(), &held_back))
		return;
	if (held_back)
		log_info("%ju more refusals were not logged", (uintmax_t)held_back);
	door_login_printable(q->login, login, sizeof(login));
	door_login_printable(q->address, address, sizeof(address));
	door_login_printable(q->mechanism, mechanism, sizeof(mechanism));
	log_info("%s login=%s address=%s mechanism=%s reason=\"%s\"",
		 v->outcome == DOOR_LATER ? "put off" : "refused", login,
		 address[0] ? address : "-", mechanism, v->reason);
}

struct door_verdict door_answer(struct door *d, const struct door_request *q,
				struct identity_answer *ret_answer)
{
	if (q->password)
		identity_ask_password(d->stack, d->layers, q->login, q->password, ret_answer);
	else
		identity_ask_verifier(d->stack, d->layers, q->login, ret_answer);
	return door_decide(q, ret_answer);
}

void door_complain(struct door *d, const char *fmt, ...)
{
	uint64_t held_back;
	char text[512];
	va_list ap;

	if (!refusals_allow(&d->complaints, clock_monotonic(), &held_back))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut text is still text */
	va_end(ap);
	if (held_back)
		log_warning("%ju more warnings were not logged", (uintmax_t)held_back);
	log_warning("%s", text);
}
