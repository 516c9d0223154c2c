/* SPDX-License-Identifier: BSD-2-Clause */
/* A door with an index and a map socket, for the tests of Postfix's tables. */
#ifndef TESTS_UNIT_DOOR_MAP_FIXTURE_H
#define TESTS_UNIT_DOOR_MAP_FIXTURE_H

#include "tests/unit/verifier-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/socket.h"
#include "keystore/fact.h"
#include "keystore/index.h"
#include "modules/keystore.h"
#include "rotated/config/config.h"
#include "rotated/door/door.h"
#include "rotated/door/hot.h"
#include "rotated/door/mapframe.h"
#include "rotated/door/outbound.h"
#include "wire/client.h"
#include "wire/verbs.h"

struct world {
	char root[64];
	char path[96];
	struct door *door;
	struct hot *hot;
	int vault; /* the vault's end; the door's is in `link` */
	int link;
};

static inline void put_fact(struct index_writer *w, const struct index_key *key,
			    const uint8_t *body, size_t len)
{
	int r = index_put_fact(w, key, body, len);

	if (r == -E2BIG) {
		assert_int_equal(index_commit(w, 1, NULL), 0);
		r = index_put_fact(w, key, body, len);
	}
	assert_int_equal(r, 0);
}

static inline void put_service(struct index_writer *w, const char *id, uint8_t flags,
			       const char *login)
{
	const struct index_key key = { INDEX_FACT_SERVICE, id, strlen(id) };
	struct fact_service s = { .flags = flags };
	uint8_t body[FACT_SERVICE_MAX];

	if (login)
		(void)snprintf(s.logins[s.count++], sizeof(s.logins[0]), "%s", login);
	put_fact(w, &key, body, fact_service_encode(&s, body));
}

static inline void put_sender(struct index_writer *w, const char *sender, const char *a,
			      const char *b)
{
	const struct index_key key = { INDEX_FACT_SENDER, sender, strlen(sender) };
	uint8_t body[256];
	size_t len = 0;

	if (a)
		assert_int_equal(fact_owners_add(body, sizeof(body), &len, a), 0);
	if (b)
		assert_int_equal(fact_owners_add(body, sizeof(body), &len, b), 0);
	put_fact(w, &key, body, len);
}

static inline void put_cert(struct index_writer *w, uint8_t fill, const struct fact_cert *cert)
{
	uint8_t fingerprint[FACT_FINGERPRINT_LEN], body[FACT_CERT_MAX];
	const struct index_key key = { INDEX_FACT_CERT, fingerprint, sizeof(fingerprint) };

	memset(fingerprint, fill, sizeof(fingerprint));
	put_fact(w, &key, body, fact_cert_encode(cert, body));
}

static inline void put_certs(struct index_writer *w)
{
	const struct clock clock = clock_real();
	const uint64_t now = clock_now(&clock).wall;
	struct fact_cert c = { .service = "billing",
			       .serial = { 1 },
			       .serial_len = 1,
			       .not_before = now - USEC_PER_SEC,
			       .not_after = now + 3600 * USEC_PER_SEC };

	put_cert(w, 0xa1, &c);
	c.flags = FACT_CERT_REVOKED;
	put_cert(w, 0xa2, &c);
	c.flags = 0;
	c.not_after = now;
	put_cert(w, 0xa3, &c); /* expired */
	c.not_before = now + 1800 * USEC_PER_SEC;
	c.not_after = now + 3600 * USEC_PER_SEC;
	put_cert(w, 0xa4, &c); /* not yet */
	c.not_before = 0;
	(void)snprintf(c.service, sizeof(c.service), "off");
	put_cert(w, 0xa5, &c);
	(void)snprintf(c.service, sizeof(c.service), "nowhere");
	put_cert(w, 0xa6, &c);
}

/* Two addresses: of as many services as a reply can name, and of one more. */
static inline void put_crowd(struct index_writer *w)
{
	const struct index_key full = { INDEX_FACT_SENDER, "@full.example", 13 };
	const struct index_key key = { INDEX_FACT_SENDER, "@crowd.example", 14 };
	static uint8_t body[INDEX_FACT_BODY_MAX];
	char id[32], login[160];
	size_t len = 0;

	for (int i = 0; i < 1000; i++) { /* each with a login of 99 bytes */
		(void)snprintf(id, sizeof(id), "crowd-%04d", i);
		(void)snprintf(login, sizeof(login), "%s.%088d", id, 1);
		put_service(w, id, 0, login);
		if (i == 999)
			put_fact(w, &full, body, len);
		assert_int_equal(fact_owners_add(body, sizeof(body), &len, id), 0);
	}
	put_fact(w, &key, body, len);
}

static inline void fill_index(const struct world *w, const struct verifier_keys *keys)
{
	const struct index_options options = { .keys = keys, .group = (gid_t)-1 };
	struct index_writer *index = NULL;
	char dir[128];

	(void)snprintf(dir, sizeof(dir), "%s/var/lib/rotated/index", w->root);
	assert_int_equal(fs_make_dirs(dir, 0755), 0);
	assert_int_equal(index_writer_open(dir, &options, &index, NULL), 0);
	assert_int_equal(index_rebuild_begin(index, NULL), 0);
	assert_int_equal(index_rebuild_finish(index, 1, NULL), 0);
	put_service(index, "billing", 0, "billing.7");
	put_service(index, "web", 0, "web.1");
	put_service(index, "off", FACT_SERVICE_DISABLED, "off.1");
	put_service(index, "fresh", 0, NULL);
	put_sender(index, "a@example.com", "billing", NULL);
	put_sender(index, "shared@example.com", "billing", "web");
	put_sender(index, "@example.com", "web", NULL);
	put_sender(index, "@.example.com", "billing", NULL);
	put_sender(index, "off@example.net", "off", NULL);
	put_sender(index, "fresh@example.net", "fresh", "off");
	put_sender(index, "both@example.net", "off", "web");
	put_sender(index, "many@example.net", NULL, NULL);
	put_sender(index, "lost@example.net", "nowhere", NULL);
	put_certs(index);
	put_crowd(index);
	assert_int_equal(index_commit(index, 2, NULL), 0);
	index_writer_close(index);
}

static inline void give_keys(struct world *w)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_secret struct secret *blob = NULL;

	fill_index(w, keys);
	assert_int_equal(verifier_keys_to_blob(keys, &blob), 0);
	assert_int_equal(keystore_backend_set_keys(door_keystore(w->door), secret_data(blob),
						   secret_len(blob)),
			 0);
}

static inline int setup_with(void **state, const char *conf)
{
	static struct world w;
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *config = NULL;
	char path[128];
	int ends[2];
	int fd;

	memset(&w, 0, sizeof(w));
	(void)snprintf(w.root, sizeof(w.root), "/tmp/test-map.XXXXXX");
	assert_non_null(mkdtemp(w.root));
	(void)snprintf(path, sizeof(path), "%s/etc/rotated", w.root);
	assert_int_equal(fs_make_dirs(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/etc/rotated/rotated.conf", w.root);
	assert_int_equal(fs_replace(AT_FDCWD, path, conf, strlen(conf), 0644), 0);
	assert_int_equal(config_load(w.root, 0, &config, &errors), 0);
	assert_int_equal(door_new_take(config, &w.door), 0);
	assert_int_equal(hot_new(w.door, 8, &w.hot), 0);
	(void)snprintf(w.path, sizeof(w.path), "%s/map", w.root);
	fd = socket_listen(w.path, SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	assert_int_equal(hot_listen(w.hot, HOT_MAP, fd), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	w.vault = ends[0];
	w.link = ends[1];
	*state = &w;
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(state, "[door]\n");
}

static inline int setup_realms(void **state)
{
	return setup_with(state, "[door]\nrealms = relay.example mail\n");
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	hot_free(w->hot);
	door_free(w->door);
	closep(&w->vault);
	closep(&w->link);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", w->root);
	return system(command);
}

static inline int connect_to(struct world *w)
{
	int fd = socket_connect(w->path, SOCK_STREAM, clock_monotonic() + USEC_PER_SEC);

	assert_true(fd >= 0);
	hot_serve(w->hot);
	return fd;
}

static inline void say(struct world *w, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	hot_serve(w->hot);
}

static inline void query(struct world *w, int fd, const char *name, const char *key)
{
	char text[8192];

	(void)snprintf(text, sizeof(text), "%zu:%s %s,", strlen(name) + 1 + strlen(key), name,
		       key);
	say(w, fd, text);
}

/* What has been answered by now; "" for nothing. */
static inline const char *heard(int fd)
{
	static char text[2 * MAP_REPLY_MAX];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static inline const char *lookup(struct world *w, int fd, const char *name, const char *key)
{
	query(w, fd, name, key);
	return heard(fd);
}

static inline const char *fingerprint(const char *byte, int n)
{
	static char text[3 * 64 + 1];

	text[0] = '\0';
	for (int i = 0; i < n; i++)
		(void)snprintf(text + (i ? 3 * i - 1 : 0), 4, "%s%s", i ? ":" : "", byte);
	return text;
}

#endif
