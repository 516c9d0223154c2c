/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/door.h"

#include <string.h>

#include "base/log.h"
#include "keystore/index.h"
#include "rotated/vault/peer.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/server.h"
#include "rotated/vault/store.h"
#include "rotated/vault/upstream.h"
#include "wire/verbs.h"

enum { CONNECTIONS_MAX = 4 };

struct door {
	struct manager *m;
	struct server *server;
	struct peer *peer; /* the last one that said hello */
	uint64_t since;
	uint64_t gone_at; /* CLOCK_BOOTTIME; when the last one went, or we began */
	bool has_keys;
	/* the key sets that it said it reads the index with; zero for none */
	uint8_t set[VERIFIER_KEYS_ID_LEN];
	uint8_t next[VERIFIER_KEYS_ID_LEN];
};

/* A door that runs comes back within VAULTLINK_RETRY_MAX_MS and a half: after this long there
 * is none that could still read the index with keys from before. */
#define DOOR_AWAITED (15 * USEC_PER_SEC)

static bool put_set(struct buf *f, const char *field, const struct verifier_keys *keys)
{
	cleanup_secret struct secret *blob = NULL;

	if (!keys || verifier_keys_to_blob(keys, &blob) < 0)
		return false;
	frame_put(f, field, secret_data(blob), secret_len(blob));
	return true;
}

/* The keys as fields of F, if there are any to give. Both sets while the index goes from one to
 * the other, that which it has now in front: a door that knows of no second one reads on. */
static bool put_keys(const struct manager *m, struct buf *f)
{
	const struct verifier_keys *keys, *next;

	if (!store_is_open(m, KEYSTORE_AUTH))
		return false;
	keys = keystore_verifier_keys(m->keystore);
	next = keystore_verifier_next(m->keystore);
	if (next && m->index && index_writer_has_keys(m->index, next)) {
		next = keys;
		keys = keystore_verifier_next(m->keystore);
	}
	if (!put_set(f, "keys", keys))
		return false;
	(void)put_set(f, "next", next); /* often there is none */
	return true;
}

static void send_frame(struct peer *p, struct buf *f)
{
	if (frame_end(f) == 0)
		peer_send(p, f);
	buf_release(f);
}

static void on_outbound(struct door *d, struct peer *p, const struct frame *f)
{
	struct buf fields = BUF_INIT, reply = BUF_INIT;
	struct report report = { 0 };
	enum wire_status status;
	char id[64], key[512];

	if (frame_text(f, "id", id, sizeof(id)) < 0) {
		peer_close(p);
		return;
	}
	status = frame_text(f, "key", key, sizeof(key)) < 0
			 ? WIRE_STATUS_NOTHING
			 : outbound_answer(d->m, key, &fields, &report);
	wire_begin_reply(&reply, status);
	frame_put_text(&reply, "id", id);
	buf_append(&reply, fields.data, fields.len);
	if (report.what[0])
		frame_put_text(&reply, "message", report.what);
	buf_release(&fields);
	send_frame(p, &reply);
}

static void take_id(const struct frame *f, const char *name, uint8_t *out)
{
	const struct frame_field *field = frame_find(f, name);

	memset(out, 0, VERIFIER_KEYS_ID_LEN);
	if (field && field->len == VERIFIER_KEYS_ID_LEN)
		memcpy(out, field->data, VERIFIER_KEYS_ID_LEN);
}

static void on_have(struct door *d, const struct peer *p, const struct frame *f)
{
	if (d->peer != p)
		return; /* one that another took the place of */
	take_id(f, "set", d->set);
	take_id(f, "next", d->next);
	reseal_go_on(d->m);
}

static void on_frame(struct peer *p, const struct frame *f)
{
	struct door *d = peer_context(p);
	struct buf reply = BUF_INIT;
	enum wire_verb verb;

	if (wire_check_request(f, WIRE_DOOR, &verb) < 0) {
		log_warning("the door sent a frame that it may not send");
		peer_close(p);
		return;
	}
	if (verb == WIRE_DOOR_OUTBOUND) {
		on_outbound(d, p, f);
		return;
	}
	if (verb == WIRE_DOOR_HAVE) {
		on_have(d, p, f);
		return;
	}
	if (d->peer && d->peer != p)
		peer_close(d->peer);
	d->peer = p;
	d->since = manager_now(d->m).wall;
	memset(d->set, 0, sizeof(d->set));
	memset(d->next, 0, sizeof(d->next));
	wire_begin_reply(&reply, WIRE_STATUS_OK);
	/* a vault that was restarted and is sealed yet leaves the door with what it has */
	d->has_keys = put_keys(d->m, &reply) ||
		      (frame_flag(f, "has_keys") && !d->m->is_sealed_by_order);
	send_frame(p, &reply);
	log_info("the door is connected");
	if (d->m->is_sealed_by_order)
		door_push_sealed(d->m);
}

static void on_closed(struct peer *p)
{
	struct door *d = peer_context(p);

	server_release(d->server);
	if (d->peer != p)
		return;
	d->peer = NULL;
	d->since = 0;
	d->gone_at = manager_now(d->m).boot;
	d->has_keys = false;
	log_notice("the door went away");
}

static void on_accepted(void *context, int fd)
{
	static const struct peer_ops ops = { .frame = on_frame, .closed = on_closed };
	struct door *d = context;
	struct peer_options options = { .event = d->m->event, .ops = &ops, .context = d };
	struct peer *p;

	if (peer_new(fd, &options, &p) < 0)
		server_release(d->server);
}

static bool is_allowed(void *context, const struct socket_peer *peer)
{
	const struct door *d = context;
	const struct config_id *user = &d->m->config->vault.door_user;

	return user->is_known && user->id == peer->uid;
}

int door_new(struct manager *m, struct door **ret, struct report *report)
{
	struct door *d = calloc(1, sizeof(*d));
	struct server_options options = {
		.event = m->event,
		.name = "door",
		.path = m->config->vault.door_socket,
		.mode = 0666, /* SO_PEERCRED decides */
		.connections_max = CONNECTIONS_MAX,
		.context = d,
		.is_allowed = is_allowed,
		.accepted = on_accepted,
	};
	int r;

	if (!d)
		return -ENOMEM;
	d->m = m;
	d->gone_at = manager_now(m).boot;
	r = server_new(&options, &d->server, report);
	if (r < 0) {
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	peer_close(d->peer);
	server_free(d->server);
	free(d);
}

void door_push_keys(struct manager *m)
{
	struct buf f = BUF_INIT;

	if (!m->door || !m->door->peer)
		return;
	wire_begin_request(&f, WIRE_DOOR_KEYS);
	m->door->has_keys = put_keys(m, &f);
	if (m->door->has_keys)
		send_frame(m->door->peer, &f);
	buf_release(&f);
}

bool door_can_read(const struct manager *m, const struct verifier_keys *keys)
{
	const struct door *d = m->door;
	uint8_t id[VERIFIER_KEYS_ID_LEN];

	if (!d->peer)
		return manager_now(m).boot - d->gone_at >= DOOR_AWAITED;
	verifier_keys_id(keys, id);
	return memcmp(id, d->set, sizeof(id)) == 0 || memcmp(id, d->next, sizeof(id)) == 0;
}

void door_push_sealed(struct manager *m)
{
	struct buf f = BUF_INIT;

	if (!m->door || !m->door->peer)
		return;
	wire_begin_request(&f, WIRE_DOOR_SEALED);
	m->door->has_keys = false;
	send_frame(m->door->peer, &f);
}

void door_state(const struct door *d, struct door_state *ret)
{
	*ret = (struct door_state){ d->peer != NULL, d->has_keys, d->since };
}
