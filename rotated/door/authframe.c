/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/authframe.h"

#include <string.h>

#include "wire/verbs.h"

static int read_optional(const struct frame *f, const char *key, char *out, size_t size)
{
	int r = frame_text(f, key, out, size);

	return r == -ENOENT ? 0 : r;
}

static int read_login(const struct frame *f, const struct config_words *realms,
		      struct door_request *q)
{
	char login[DOOR_LOGIN_SIZE];
	int r = frame_text(f, "login", login, sizeof(login));

	if (r < 0)
		return r;
	door_login(login, NULL, realms, q->login);
	return 0;
}

static int read_password(const struct frame *f, struct secret *place, struct door_request *q)
{
	const struct frame_field *field = frame_find(f, "password");
	int r;

	if (!field)
		return -EBADMSG;
	r = secret_set(place, field->data, field->len);
	if (r < 0)
		return r;
	q->password = place;
	return 0;
}

int authframe_parse(const uint8_t *data, size_t len, const struct config_words *realms,
		    struct secret *place, struct door_request *ret)
{
	struct door_request q = { .password = NULL };
	enum wire_verb verb;
	struct frame f;
	int r;

	r = frame_parse(data, len, &f);
	if (r < 0)
		return r;
	r = wire_check_request(&f, WIRE_AUTH, &verb);
	if (r < 0)
		return r;
	r = read_login(&f, realms, &q);
	if (r < 0)
		return r;
	if (read_optional(&f, "mechanism", q.mechanism, sizeof(q.mechanism)) < 0 ||
	    read_optional(&f, "address", q.address, sizeof(q.address)) < 0 ||
	    read_optional(&f, "service", q.service, sizeof(q.service)) < 0)
		return -EBADMSG;
	if (verb == WIRE_AUTH_PASSWORD) {
		r = read_password(&f, place, &q);
		if (r < 0)
			return r;
	}
	*ret = q;
	return 0;
}

/* In words that are as much as an outsider may know: no "notfound". */
static const char *const outcome_words[] = {
	[DOOR_LATER] = "unavail",
	[DOOR_REFUSE] = "reject",
	[DOOR_ACCEPT] = "ok",
};

_Static_assert(ARRAY_SIZE(outcome_words) == DOOR_OUTCOME_MAX_, "a word for every outcome");

int authframe_reply(const struct door_verdict *verdict, struct buf *out)
{
	wire_begin_reply(out, WIRE_STATUS_OK);
	frame_put_text(out, "verdict", outcome_words[verdict->outcome]);
	if (verdict->verifier)
		frame_put_text(out, "verifier", verdict->verifier);
	if (verdict->identity)
		frame_put_text(out, "identity", verdict->identity);
	return frame_end(out);
}
