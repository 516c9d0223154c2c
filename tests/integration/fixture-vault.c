/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vault's end of the door socket, for tests of the door alone:
 *
 *	fixture-vault INDEX-DIR SOCKET KEYS-FILE
 *
 * KEYS-FILE is made when it is not there, so that a second run is the same vault. Takes one
 * order a line on standard input and answers each with a line:
 *
 *	add LOGIN PASSWORD	a verifier of it is in the index
 *	many PREFIX COUNT	so many logins are, none of which opens
 *	disable LOGIN PASSWORD	likewise, but it is not in force
 *	sender ADDRESS SERVICE	SERVICE owns ADDRESS, and has one login
 *	remove LOGIN		it is gone from there
 *	seal			Door.Sealed is sent; who asks is told to come again
 *	open			Door.Keys is sent
 *	await			nothing; answered when a door has said hello
 */
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/socket.h"
#include "keystore/fact.h"
#include "keystore/index.h"
#include "wire/client.h"
#include "wire/verbs.h"

enum { DOORS_MAX = 16, KEYS_LEN = VERIFIER_KEYS_BLOB_LEN };

static const char keys_magic[8] = { 'R', 'T', 'V', 'K', 'E', 'Y', 'S', '1' };

struct fixture {
	uint8_t blob[KEYS_LEN];
	struct verifier_keys *keys;
	struct index_writer *writer;
	struct pollfd fds[2 + DOORS_MAX]; /* standard input, listener, doors */
	bool is_sealed;
	bool is_awaiting;
	uint64_t txid;
};

static void die(const char *what, int r)
{
	(void)fprintf(stderr, "fixture-vault: %s: %s\n", what, strerrordesc_np(-r));
	exit(1);
}

static void random_bytes(void *context, void *out, size_t len)
{
	(void)context;
	randombytes_buf(out, len);
}

static void load_keys(struct fixture *x, const char *path)
{
	cleanup_buf struct buf b = BUF_INIT;
	int r = fs_read(AT_FDCWD, path, KEYS_LEN, &b);

	if (r == -ENOENT) {
		randombytes_buf(x->blob, KEYS_LEN);
		memcpy(x->blob, keys_magic, sizeof(keys_magic));
		r = fs_replace(AT_FDCWD, path, x->blob, KEYS_LEN, 0600);
	} else if (r == 0 && b.len == KEYS_LEN) {
		memcpy(x->blob, b.data, KEYS_LEN);
	}
	if (r == 0)
		r = verifier_keys_from_blob(x->blob, KEYS_LEN, &x->keys);
	if (r < 0)
		die(path, r);
}

static void open_index(struct fixture *x, const char *dir)
{
	const struct index_options options = { .keys = x->keys,
					       .group = (gid_t)-1,
					       .random = random_bytes };
	int r = index_writer_open(dir, &options, &x->writer, NULL);

	if (r == 0 && index_writer_txid(x->writer, &x->txid) < 0) {
		r = index_rebuild_begin(x->writer, NULL);
		if (r == 0)
			r = index_rebuild_finish(x->writer, ++x->txid, NULL);
	}
	if (r < 0)
		die(dir, r);
}

/* ---- the door's side ---- */

static void send_frame(int fd, struct buf *b)
{
	if (frame_end(b) == 0)
		ignore_result(wire_send(fd, b, clock_monotonic() + USEC_PER_SEC));
	/* a door that went away says so by itself */
}

static void answer_order(int r)
{
	(void)printf("%s\n", r < 0 ? strerrorname_np(-r) : "ok"); /* the test sees a loss */
	(void)fflush(stdout);
}

static void answer_hello(struct fixture *x, int fd)
{
	cleanup_buf struct buf b = BUF_INIT;

	wire_begin_reply(&b, x->is_sealed ? WIRE_STATUS_AGAIN : WIRE_STATUS_OK);
	if (!x->is_sealed)
		frame_put(&b, "keys", x->blob, KEYS_LEN);
	send_frame(fd, &b);
	if (x->is_awaiting)
		answer_order(0);
	x->is_awaiting = false;
}

static bool serve_door(struct fixture *x, int fd)
{
	cleanup_buf struct buf b = BUF_INIT;
	enum wire_verb verb;
	struct frame f;

	if (wire_receive(fd, &b, clock_monotonic() + USEC_PER_SEC) < 0 ||
	    frame_parse(b.data, b.len, &f) < 0 || wire_check_request(&f, WIRE_DOOR, &verb) < 0)
		return false;
	if (verb == WIRE_DOOR_HELLO)
		answer_hello(x, fd); /* what else it says takes no answer */
	return true;
}

static void tell_doors(struct fixture *x, bool is_sealed)
{
	x->is_sealed = is_sealed;
	for (size_t i = 2; i < ARRAY_SIZE(x->fds); i++) {
		cleanup_buf struct buf b = BUF_INIT;

		if (x->fds[i].fd < 0)
			continue;
		wire_begin_request(&b, is_sealed ? WIRE_DOOR_SEALED : WIRE_DOOR_KEYS);
		if (!is_sealed)
			frame_put(&b, "keys", x->blob, KEYS_LEN);
		send_frame(x->fds[i].fd, &b);
	}
}

static void accept_door(struct fixture *x)
{
	int fd = accept4(x->fds[1].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 2; fd >= 0 && i < ARRAY_SIZE(x->fds); i++) {
		if (x->fds[i].fd < 0) {
			x->fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
			return;
		}
	}
	closep(&fd);
}

/* ---- orders ---- */

static int add(struct fixture *x, const char *login, const char *password, uint8_t flags)
{
	cleanup_secret struct secret *s = secret_new(password, strlen(password));
	struct verifier_entry e = { .flags = flags, .count = 1, .not_after = USEC_NEVER };
	uint8_t salt[VERIFIER_SALT_LEN];
	int r;

	if (!s)
		return -ENOMEM;
	(void)snprintf(e.service, sizeof(e.service), "%s", "billing");
	randombytes_buf(salt, sizeof(salt));
	r = verifier_make(x->keys, &(struct verifier_source){ login, 1, s, salt },
			  &e.versions[0]);
	if (r == 0)
		r = index_put(x->writer, login, &e);
	return r < 0 ? r : index_commit(x->writer, ++x->txid, NULL);
}

/* COUNT logins that begin with PREFIX, of one verifier: only how many there are matters. */
static int add_many(struct fixture *x, const char *prefix, unsigned count)
{
	struct verifier_entry e = { .count = 1, .not_after = USEC_NEVER };
	char login[160];
	int r = 0;

	(void)snprintf(e.service, sizeof(e.service), "%s", "billing");
	e.versions[0].number = 1;
	e.versions[0].iterations = 4096;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		(void)snprintf(login, sizeof(login), "%s%u", prefix, i);
		r = index_put(x->writer, login, &e);
		if (r == 0 && (i % INDEX_BATCH_MAX == INDEX_BATCH_MAX - 1 || i == count - 1))
			r = index_commit(x->writer, ++x->txid, NULL);
	}
	return r;
}

/* SERVICE owns SENDER and logs in as SERVICE.1. */
static int own(struct fixture *x, const char *sender, const char *service)
{
	const struct index_key of_sender = { INDEX_FACT_SENDER, sender, strlen(sender) };
	const struct index_key of_service = { INDEX_FACT_SERVICE, service, strlen(service) };
	struct fact_service s = { .count = 1 };
	uint8_t body[FACT_SERVICE_MAX];
	size_t len = 0;
	int r;

	(void)snprintf(s.logins[0], sizeof(s.logins[0]), "%s.1", service);
	r = index_put_fact(x->writer, &of_service, body, fact_service_encode(&s, body));
	if (r == 0)
		r = fact_owners_add(body, sizeof(body), &len, service);
	if (r == 0)
		r = index_put_fact(x->writer, &of_sender, body, len);
	return r < 0 ? r : index_commit(x->writer, ++x->txid, NULL);
}

static int drop(struct fixture *x, const char *login)
{
	int r = index_remove(x->writer, login);

	return r < 0 ? r : index_commit(x->writer, ++x->txid, NULL);
}

static int obey(struct fixture *x, const char *line)
{
	char login[128], password[128];
	unsigned count;

	if (sscanf(line, "many %127s %u", login, &count) == 2)
		return add_many(x, login, count);
	if (sscanf(line, "add %127s %127s", login, password) == 2)
		return add(x, login, password, 0);
	if (sscanf(line, "disable %127s %127s", login, password) == 2)
		return add(x, login, password, VERIFIER_DISABLED);
	if (sscanf(line, "sender %127s %63s", login, password) == 2)
		return own(x, login, password);
	if (sscanf(line, "remove %127s", login) == 1)
		return drop(x, login);
	if (strcmp(line, "seal\n") == 0 || strcmp(line, "open\n") == 0) {
		tell_doors(x, line[0] == 's');
		return 0;
	}
	return -EINVAL;
}

static bool has_door(const struct fixture *x)
{
	for (size_t i = 2; i < ARRAY_SIZE(x->fds); i++)
		if (x->fds[i].fd >= 0)
			return true;
	return false;
}

static bool take_order(struct fixture *x)
{
	char line[512];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (strcmp(line, "await\n") == 0 && !has_door(x))
		x->is_awaiting = true;
	else
		answer_order(strcmp(line, "await\n") == 0 ? 0 : obey(x, line));
	return true;
}

static void run(struct fixture *x)
{
	for (;;) {
		if (poll(x->fds, ARRAY_SIZE(x->fds), -1) < 0)
			return;
		for (size_t i = 2; i < ARRAY_SIZE(x->fds); i++) {
			if (x->fds[i].revents && !serve_door(x, x->fds[i].fd)) {
				closep(&x->fds[i].fd);
				x->fds[i].fd = -1;
			}
		}
		if (x->fds[1].revents)
			accept_door(x);
		if (x->fds[0].revents && !take_order(x))
			return;
	}
}

int main(int argc, char **argv)
{
	struct fixture x = { .is_sealed = false, .is_awaiting = false };
	int listener;

	if (argc != 4 || sodium_init() < 0)
		die("usage: fixture-vault INDEX-DIR SOCKET KEYS-FILE", -EINVAL);
	(void)setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is still unread */
	load_keys(&x, argv[3]);
	open_index(&x, argv[1]);
	listener = socket_listen(argv[2], SOCK_SEQPACKET, 0600);
	if (listener < 0)
		die(argv[2], listener);
	for (size_t i = 0; i < ARRAY_SIZE(x.fds); i++)
		x.fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	x.fds[0].fd = STDIN_FILENO;
	x.fds[1].fd = listener;
	(void)printf("ready\n"); /* the test sees a loss */
	(void)fflush(stdout);
	run(&x);
	index_writer_close(x.writer);
	verifier_keys_free(x.keys);
	return 0;
}
