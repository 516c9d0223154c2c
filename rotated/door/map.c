/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/map.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "keystore/fact.h"
#include "keystore/index.h"
#include "modules/keystore.h"
#include "rotated/config/config.h"
#include "rotated/door/door.h"
#include "rotated/door/outbound.h"

static void reply_text(struct buf *out, enum map_status status, const char *text)
{
	map_reply(out, status, text, strlen(text));
}

/* KEY as text for a log line. */
enum { SHOWN_SIZE = 96 };
static void show(struct map_slice s, char out[static SHOWN_SIZE])
{
	char text[SHOWN_SIZE + 8];
	size_t len = s.len < sizeof(text) - 1 ? s.len : sizeof(text) - 1;

	memcpy(text, s.data, len);
	text[len] = '\0';
	door_login_printable(text, out, SHOWN_SIZE);
}

/* The answer when the index does not give one. R is from keystore_backend_fact(). */
static void reply_trouble(struct door *d, int r, struct buf *out)
{
	const char *why = strerrordesc_np(-r);
	char text[128];

	if (r == -ENOKEY) {
		reply_text(out, MAP_TEMP, "no keys yet: rotatectl unseal");
		return;
	}
	if (r == -EAGAIN)
		why = "it is not built yet";
	else if (r == -EBADMSG)
		why = "it is damaged, or not of these keys";
	(void)snprintf(text, sizeof(text), "the verifier index can not be read: %s", why);
	door_complain(d, "%s", text);
	reply_text(out, MAP_TEMP, text);
}

/* 0 or 1, and the fact; -EBADMSG and the like are trouble. A service that has facts has one. */
static int get_service(struct door *d, const char *service, struct fact_service *ret)
{
	const struct index_key key = { INDEX_FACT_SERVICE, service, strlen(service) };
	uint8_t body[FACT_SERVICE_MAX];
	size_t len;
	int r = keystore_backend_fact(door_keystore(d), &key, body, sizeof(body), &len);

	return r < 0 ? r : fact_service_decode(body, len, ret);
}

/* ---- ccert ---- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "AA:BB:.." as bytes: how many, or -EINVAL. RET has room for the first SIZE. */
static int parse_fingerprint(struct map_slice key, uint8_t *ret, size_t size)
{
	size_t n = 0;

	if (key.len % 3 != 2)
		return -EINVAL;
	for (size_t i = 0; i < key.len; i += 3, n++) {
		int high = hex_digit(key.data[i]), low = hex_digit(key.data[i + 1]);

		if (high < 0 || low < 0 || (i + 2 < key.len && key.data[i + 2] != ':'))
			return -EINVAL;
		if (n < size)
			ret[n] = (uint8_t)(high << 4 | low);
	}
	return (int)n;
}

static int find_cert(struct door *d, const uint8_t *fingerprint, struct fact_cert *ret)
{
	const struct index_key key = { INDEX_FACT_CERT, fingerprint, FACT_FINGERPRINT_LEN };
	uint8_t body[FACT_CERT_MAX];
	size_t len;
	int r = keystore_backend_fact(door_keystore(d), &key, body, sizeof(body), &len);

	return r < 0 ? r : fact_cert_decode(body, len, ret);
}

/* 0 when it may come in, -ENOENT when not. */
static int check_cert(struct door *d, const uint8_t *fingerprint)
{
	struct fact_service service;
	struct fact_cert cert;
	int r = find_cert(d, fingerprint, &cert);

	if (r < 0)
		return r;
	if (!fact_cert_usable(&cert, door_now(d)))
		return -ENOENT;
	r = get_service(d, cert.service, &service);
	if (r == -ENOENT)
		return -EBADMSG; /* never without one: the index is not whole */
	if (r < 0)
		return r;
	return service.flags & FACT_SERVICE_DISABLED ? -ENOENT : 0;
}

static int ccert(struct door *d, struct map_slice key, void *waiter, struct buf *out)
{
	static const char other_digest[] =
		"fingerprints are to be of SHA-256: set smtpd_tls_fingerprint_digest = sha256";
	uint8_t fingerprint[FACT_FINGERPRINT_LEN];
	int n = parse_fingerprint(key, fingerprint, sizeof(fingerprint));
	int r;

	(void)waiter;
	if (n == 16 || n == 20 || n == 48 || n == 64) { /* would all be refused, for a typo */
		door_complain(d, "ccert: %s", other_digest);
		reply_text(out, MAP_TEMP, other_digest);
		return 0;
	}
	r = n == FACT_FINGERPRINT_LEN ? check_cert(d, fingerprint) : -ENOENT;
	if (r == 0)
		reply_text(out, MAP_OK, "OK");
	else if (r == -ENOENT)
		reply_text(out, MAP_NOTFOUND, "");
	else
		reply_trouble(d, r, out);
	return 0;
}

/* ---- senders ---- */

enum { OWNERS_MAX = 16384 };

struct owners {
	char (*ids)[VERIFIER_SERVICE_MAX + 1];
	size_t n;
};

static void owners_release(struct owners *o)
{
	free(o->ids);
}

static int owners_add(struct owners *o, const char *service)
{
	if (o->n == OWNERS_MAX)
		return -E2BIG;
	if ((o->n & (o->n - 1)) == 0) { /* at each power of two it doubles */
		void *grown = reallocarray(o->ids, o->n ? o->n * 2 : 1, sizeof(o->ids[0]));

		if (!grown)
			return -ENOMEM;
		o->ids = grown;
	}
	memcpy(o->ids[o->n++], service, strlen(service) + 1);
	return 0;
}

/* Adds who owns SENDER; that nobody does is no failure. */
static int add_owners(struct door *d, const char *sender, struct owners *o)
{
	const struct index_key key = { INDEX_FACT_SENDER, sender, strlen(sender) };
	uint8_t body[INDEX_FACT_BODY_MAX];
	struct fact_owners at = { .data = body };
	int r = keystore_backend_fact(door_keystore(d), &key, body, sizeof(body), &at.len);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (at.len == 0)
		return -E2BIG; /* the vault has said so in status */
	while ((r = fact_owners_next(&at)) > 0) {
		r = owners_add(o, at.service);
		if (r < 0)
			break;
	}
	return r;
}

/* The address itself, its domain, and every domain above that. */
static int find_owners(struct door *d, const char *address, struct owners *o)
{
	char pattern[FACT_SENDER_KEY_SIZE + 2];
	const char *domain = strrchr(address, '@');
	int r = add_owners(d, address, o);

	if (!domain || domain == address)
		return r;
	if (r == 0)
		r = add_owners(d, domain, o);
	for (const char *dot = domain; r == 0 && (dot = strchr(dot + 1, '.'));) {
		(void)snprintf(pattern, sizeof(pattern), "@%s", dot); /* shorter than it was */
		r = add_owners(d, pattern, o);
	}
	return r;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A login is known to smtpd with the realm that it was typed with, if any. */
static void append_login(const struct door *d, const char *login, struct buf *list)
{
	const struct config_words *realms = door_realms(d);

	buf_printf(list, "%s%s", list->len ? "," : "", login);
	for (size_t i = 0; i < realms->n; i++)
		buf_printf(list, ",%s@%s", login, realms->items[i]);
}

static int append_service(struct door *d, const char *id, struct buf *list)
{
	struct fact_service service;
	int r = get_service(d, id, &service);

	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r; /* never without one */
	if (service.flags & FACT_SERVICE_DISABLED)
		return 0;
	for (size_t i = 0; i < service.count; i++)
		append_login(d, service.logins[i], list);
	return buf_error(list);
}

/* An address whose owners can not log in now still is not free for others: it is given to a
 * login that nobody can have. */
static int list_logins(struct door *d, struct owners *o, struct buf *list)
{
	int r = 0;

	if (o->n == 0)
		return -ENOENT;
	qsort(o->ids, o->n, sizeof(o->ids[0]), compare_ids);
	for (size_t i = 0; r == 0 && i < o->n; i++)
		if (i == 0 || strcmp(o->ids[i], o->ids[i - 1]) != 0)
			r = append_service(d, o->ids[i], list);
	if (r == 0 && list->len == 0)
		buf_append_byte(list, '-');
	return r;
}

static int senders(struct door *d, struct map_slice key, void *waiter, struct buf *out)
{
	static const char too_many[] = "more services own this address than a reply can name";
	cleanup_buf struct buf list = BUF_INIT_MAX(MAP_REPLY_MAX - 3);
	cleanup_(owners_release) struct owners owners = { .n = 0 };
	char address[FACT_SENDER_KEY_SIZE];
	int r = fact_sender_key((const char *)key.data, key.len, address);

	(void)waiter;
	if (r < 0) {
		reply_text(out, MAP_NOTFOUND, ""); /* too long for anybody's address */
		return 0;
	}
	r = find_owners(d, address, &owners);
	if (r == 0)
		r = list_logins(d, &owners, &list);
	if (r == 0)
		map_reply(out, MAP_OK, list.data, list.len);
	else if (r == -ENOENT)
		reply_text(out, MAP_NOTFOUND, "");
	else if (r == -E2BIG) {
		char shown[SHOWN_SIZE];

		show(key, shown);
		door_complain(d, "senders: %s: %s", shown, too_many);
		reply_text(out, MAP_TEMP, too_many);
	} else {
		reply_trouble(d, r, out);
	}
	return 0;
}

/* ---- outbound ---- */

static int outbound(struct door *d, struct map_slice key, void *waiter, struct buf *out)
{
	int r = outbound_ask(door_outbound(d), waiter, key.data, key.len, clock_monotonic());

	if (r == 0)
		return -EINPROGRESS;
	if (r == -EINVAL)
		reply_text(out, MAP_NOTFOUND, "");
	else if (r == -EBUSY)
		reply_text(out, MAP_TEMP, "too many lookups are under way");
	else
		reply_text(out, MAP_TEMP, "the vault is away: systemctl status rotated");
	return 0;
}

void map_outbound_reply(struct door *d, const struct outbound_answer *a, struct buf *out)
{
	cleanup_buf struct buf value = BUF_INIT_MAX(MAP_REPLY_MAX);

	switch (a->outcome) {
	case OUTBOUND_FOUND:
		buf_append(&value, a->user, a->user_len);
		buf_append_byte(&value, ':');
		buf_append(&value, a->secret, a->secret_len);
		if (buf_error(&value) == 0)
			map_reply(out, MAP_OK, value.data, value.len);
		else
			reply_text(out, MAP_TEMP, "out of memory");
		break;
	case OUTBOUND_UNKNOWN:
		reply_text(out, MAP_NOTFOUND, "");
		break;
	case OUTBOUND_LATER:
		door_complain(d, "outbound: put off: %s", a->reason);
		reply_text(out, MAP_TEMP, a->reason);
		break;
	}
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	int (*answer)(struct door *d, struct map_slice key, void *waiter, struct buf *out);
	bool is_in_index;
} maps[] = {
	{ "ccert", ccert, true },
	{ "outbound", outbound, false },
	{ "senders", senders, true },
};

/* An address may be found under several patterns, and one of them take another's place while
 * they are looked up: all is read from one state of the index. */
static int answer_from_index(struct door *d, size_t map, struct map_slice key, struct buf *out)
{
	int r = keystore_backend_snapshot_begin(door_keystore(d));

	if (r < 0) {
		reply_trouble(d, r, out);
		return 0;
	}
	r = maps[map].answer(d, key, NULL, out);
	keystore_backend_snapshot_end(door_keystore(d));
	return r;
}

static int find_map(struct map_slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		if (strlen(maps[i].name) == name.len &&
		    memcmp(maps[i].name, name.data, name.len) == 0)
			return (int)i;
	return -1;
}

/* A name with a typo in main.cf must be seen, and must not cost mail. */
static int unknown(struct door *d, struct map_slice name, struct buf *out)
{
	char shown[SHOWN_SIZE], text[SHOWN_SIZE + 64];

	show(name, shown);
	(void)snprintf(text, sizeof(text),
		       "there is no map '%s'; ccert, outbound and senders are the names",
		       shown);
	door_complain(d, "%s", text);
	reply_text(out, MAP_TEMP, text);
	return 0;
}

int map_answer(struct door *d, const struct map_query *q, void *waiter, struct buf *out)
{
	int map = find_map(q->name);

	if (map < 0)
		return unknown(d, q->name, out);
	if (maps[map].is_in_index)
		return answer_from_index(d, (size_t)map, q->key, out);
	return maps[map].answer(d, q->key, waiter, out);
}
