/* SPDX-License-Identifier: BSD-2-Clause */
/* The reading side of the audit log: lines taken apart, the chain walked. */
#include "rotated/vault/audit.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { HEX_LEN = 2 * KEYSTORE_AUDIT_LEN };

#define PREFIX "{\"v\":1,\"seq\":"
#define PREV   ",\"prev\":\""
#define MAC    "\",\"mac\":\""
#define TAIL   "\"}"

/* ---- one line ---- */

static bool take_hex(const char *hex, uint8_t ret[static KEYSTORE_AUDIT_LEN])
{
	size_t len;

	return sodium_hex2bin(ret, KEYSTORE_AUDIT_LEN, hex, HEX_LEN, NULL, &len, NULL) == 0 &&
	       len == KEYSTORE_AUDIT_LEN;
}

/* The end of a line has a fixed length, and so has its beginning up to the number. */
int audit_line_parse(const char *line, size_t len, struct audit_line *ret)
{
	enum {
		END = sizeof(PREV) - 1 + HEX_LEN + sizeof(MAC) - 1 + HEX_LEN + sizeof(TAIL) - 1
	};
	struct audit_line l = { 0 };
	char number[24] = "";
	const char *p;
	size_t digits;

	if (len < sizeof(PREFIX) + END || memcmp(line, PREFIX, sizeof(PREFIX) - 1) != 0 ||
	    memchr(line, '\0', len))
		return -EBADMSG;
	p = line + sizeof(PREFIX) - 1;
	for (digits = 0; p[digits] >= '0' && p[digits] <= '9' && digits < 20; digits++)
		number[digits] = p[digits]; /* ends at the latest with the line's tail */
	if (text_to_u64(number, &l.seq) < 0)
		return -EBADMSG;

	p = line + len - END;
	l.prev_at = len - END;
	if (memcmp(p, PREV, sizeof(PREV) - 1) != 0 || !take_hex(p + sizeof(PREV) - 1, l.prev))
		return -EBADMSG;
	p += sizeof(PREV) - 1 + HEX_LEN;
	l.mac_at = (size_t)(p + 1 - line);
	if (memcmp(p, MAC, sizeof(MAC) - 1) != 0 || !take_hex(p + sizeof(MAC) - 1, l.mac))
		return -EBADMSG;
	if (memcmp(line + len - (sizeof(TAIL) - 1), TAIL, sizeof(TAIL) - 1) != 0)
		return -EBADMSG;
	*ret = l;
	return 0;
}

uint64_t audit_line_number(const char *line, size_t len, const char *key)
{
	const char *at = memmem(line, len, key, strlen(key));
	char digits[24] = "";
	uint64_t n = 0;

	if (!at)
		return 0;
	at += strlen(key);
	for (size_t i = 0; at + i < line + len && at[i] >= '0' && at[i] <= '9' && i < 20; i++)
		digits[i] = at[i];
	return digits[0] && text_to_u64(digits, &n) == 0 ? n : 0;
}

/* ---- all lines ---- */

static FILE *open_segment(const char *dir, unsigned segment)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%08u.log", dir, segment);

	return n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
}

static int walk_segment(FILE *f, audit_line_fn *fn, void *context)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, f)) > 0) {
		int r;

		if (line[len - 1] == '\n')
			line[--len] = '\0';
		r = fn(context, line, (size_t)len);
		if (r < 0)
			return r;
	}
	return ferror(f) ? -EIO : 0;
}

int audit_walk(const char *dir, audit_line_fn *fn, void *context, unsigned *ret_segments)
{
	unsigned n;
	int r = 0;

	for (n = 1; r == 0; n++) {
		FILE *f = open_segment(dir, n);

		if (!f)
			break;
		r = walk_segment(f, fn, context);
		(void)fclose(f); /* only read */
	}
	if (r < 0)
		return r;
	if (n == 1)
		return -ENOENT;
	if (ret_segments)
		*ret_segments = n - 1;
	return 0;
}

/* ---- the chain ---- */

struct chain {
	const struct keystore_audit *end;
	struct audit_verdict verdict;
	uint8_t prev[KEYSTORE_AUDIT_LEN]; /* hash of the line before */
	uint8_t key[KEYSTORE_AUDIT_LEN];
	bool has_key;
};

static int wrong(struct chain *c, enum audit_state state, uint64_t at)
{
	if (c->verdict.state == AUDIT_OK) {
		c->verdict.state = state;
		c->verdict.at = at;
	}
	return 0;
}

/* A line that another one does not point to was altered; one that points nowhere was moved. */
static int check_line(void *context, const char *line, size_t len)
{
	struct chain *c = context;
	struct audit_line parsed;
	uint8_t tag[KEYSTORE_AUDIT_LEN];

	c->verdict.records++;
	if (audit_line_parse(line, len, &parsed) < 0)
		return wrong(c, AUDIT_ALTERED, c->verdict.last + 1);
	if (parsed.seq != c->verdict.last + 1)
		wrong(c, AUDIT_GAP, parsed.seq);
	else if (memcmp(parsed.prev, c->prev, sizeof(c->prev)) != 0)
		wrong(c, AUDIT_ALTERED, parsed.seq > 1 ? parsed.seq - 1 : 1);
	if (c->has_key) {
		audit_line_tag(line, parsed.mac_at, c->key, tag);
		if (sodium_memcmp(tag, parsed.mac, sizeof(tag)) != 0)
			wrong(c, AUDIT_ALTERED, parsed.seq);
		audit_next_key(c->key);
	}
	if (c->verdict.first == 0)
		c->verdict.first = parsed.seq;
	c->verdict.last = parsed.seq;
	audit_line_hash(line, len, c->prev);
	if (parsed.seq == c->end->seq && memcmp(c->prev, c->end->head, sizeof(c->prev)) != 0)
		wrong(c, AUDIT_ALTERED, parsed.seq);
	return 0;
}

int audit_verify(const char *dir, const struct keystore_audit *end, const uint8_t *first_key,
		 struct audit_verdict *ret)
{
	struct chain c = { .end = end, .has_key = first_key != NULL };
	int r;

	if (first_key)
		memcpy(c.key, first_key, sizeof(c.key));
	r = audit_walk(dir, check_line, &c, &c.verdict.segments);
	sodium_memzero(c.key, sizeof(c.key));
	if (r < 0 && r != -ENOENT)
		return r;
	if (c.verdict.last < end->seq)
		wrong(&c, AUDIT_TRUNCATED, c.verdict.last);
	*ret = c.verdict;
	return 0;
}

const char *audit_state_word(enum audit_state state)
{
	static const char *const words[] = {
		[AUDIT_OK] = "ok",
		[AUDIT_ALTERED] = "altered",
		[AUDIT_TRUNCATED] = "truncated",
		[AUDIT_GAP] = "gap",
	};

	return words[state];
}
