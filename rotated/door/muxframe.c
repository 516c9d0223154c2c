/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/muxframe.h"

#include <stdio.h>
#include <string.h>

/* What does not fit is cut: a login that long is nobody's, and the rest is for the log. */
static void copy(const struct mux_request *m, enum mux_field field, char *out, size_t size)
{
	struct mux_slice s = { NULL, 0 };

	if ((size_t)field < m->count)
		s = m->fields[field];
	if (s.len >= size)
		s.len = size - 1;
	if (s.len)
		memcpy(out, s.data, s.len);
	out[s.len] = '\0';
}

int muxframe_request(const struct mux_request *m, const struct config_words *realms,
		     struct secret *place, struct door_request *ret)
{
	const struct mux_slice *password = &m->fields[MUX_PASSWORD];
	struct door_request q = { .password = NULL };
	char login[DOOR_LOGIN_SIZE];
	char realm[DOOR_LOGIN_SIZE];
	int r;

	copy(m, MUX_LOGIN, login, sizeof(login));
	copy(m, MUX_REALM, realm, sizeof(realm));
	door_login(login, realm, realms, q.login);
	copy(m, MUX_SERVICE, q.service, sizeof(q.service));
	copy(m, MUX_ADDRESS, q.address, sizeof(q.address));
	(void)snprintf(q.mechanism, sizeof(q.mechanism), "saslauthd"); /* it does not say */
	r = secret_set(place, password->data, password->len);
	if (r < 0)
		return r;
	q.password = place;
	*ret = q;
	return 0;
}
