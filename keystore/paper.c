/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/paper.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keystore/seal.h"

enum { BLANK = -1, FOREIGN = -2 };

/* All ones when A is less than B, of small numbers. */
static int below(int a, int b)
{
	return (a - b) >> 8;
}

/* The digit of V, 0 to 31: the figures, then the letters without I, L, O and U. */
static char digit(uint8_t v)
{
	int c = '0' + v;

	c += below(9, v) & ('A' - '9' - 1);
	c += below('H' - 'A' + 10, v) & 1;
	c += below('K' - 'A' + 9, v) & 1;
	c += below('N' - 'A' + 8, v) & 1;
	c += below('T' - 'A' + 7, v) & 1;
	return (char)c;
}

/* The value of C, a digit in upper case; FOREIGN for any other. */
static int value(int c)
{
	int found = FOREIGN;

	for (uint8_t v = 0; v < 32; v++) {
		int differs = c ^ digit(v);

		found ^= below(differs, 1) & (found ^ v);
	}
	return found;
}

/* 0..31, BLANK for a character that is skipped, FOREIGN for one that cannot be there. */
static int read_char(char character)
{
	int c = (unsigned char)character;

	if (c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '\r')
		return BLANK;
	/* lower case to upper */
	c -= below('a' - 1, c) & below(c, 'z' + 1) & ('a' - 'A');
	/* what people read for what was printed */
	c ^= below(c ^ 'O', 1) & ('O' ^ '0');
	c ^= (below(c ^ 'I', 1) | below(c ^ 'L', 1)) & (c ^ '1');
	return value(c);
}

/* 20 bits of BLAKE2b as four 5-bit values. */
static void checksum(const struct paper *paper, const uint8_t *bytes,
		     uint8_t out[static PAPER_SUM_CHARS])
{
	crypto_generichash_state state;
	uint8_t hash[SEAL_HASH_LEN];

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	(void)crypto_generichash_update(&state, (const uint8_t *)paper->label,
					strlen(paper->label) + 1);
	(void)crypto_generichash_update(&state, bytes, paper->len);
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	out[0] = hash[0] >> 3;
	out[1] = (uint8_t)((hash[0] << 2 | hash[1] >> 6) & 31);
	out[2] = (hash[1] >> 1) & 31;
	out[3] = (uint8_t)((hash[1] << 4 | hash[2] >> 4) & 31);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(hash, sizeof(hash));
}

static size_t data_chars(const struct paper *paper)
{
	return PAPER_CHARS(paper->len) - PAPER_SUM_CHARS;
}

/* Five bits from bit position POS on, the first bit being the highest of bytes[0]. */
static uint8_t five_bits(const uint8_t *bytes, size_t len, size_t pos)
{
	size_t at = pos / 8;
	unsigned next = at + 1 < len ? bytes[at + 1] : 0;

	return (((unsigned)bytes[at] << 8 | next) >> (11 - pos % 8)) & 31;
}

void paper_format(const struct paper *paper, const uint8_t *bytes, char *out)
{
	uint8_t values[PAPER_CHARS_MAX];
	size_t n = data_chars(paper);
	char *p = out;

	assert(paper->len <= PAPER_BYTES_MAX && PAPER_CHARS(paper->len) % PAPER_GROUP == 0);
	for (size_t i = 0; i < n; i++)
		values[i] = five_bits(bytes, paper->len, i * 5);
	checksum(paper, bytes, values + n);
	p = mempcpy(p, paper->prefix, PAPER_PREFIX_LEN);
	for (size_t i = 0; i < n + PAPER_SUM_CHARS; i++) {
		if (i % PAPER_GROUP == 0)
			*p++ = '-';
		*p++ = digit(values[i]);
	}
	*p = '\0';
	sodium_memzero(values, sizeof(values));
}

static int mistyped(const struct paper *paper, struct report *report, const char *what)
{
	(void)report_set(report, -EINVAL, "%s: %s", paper->name, what);
	report_hint(report,
		    "it is \"%s\" and %zu groups of four letters and digits; compare it "
		    "with your copy",
		    paper->prefix, PAPER_CHARS(paper->len) / PAPER_GROUP);
	return -EINVAL;
}

/* The digits of TEXT; how many, or -EINVAL. */
static int collect(const struct paper *paper, struct span text, uint8_t *values,
		   struct report *report)
{
	size_t max = PAPER_PREFIX_LEN + PAPER_CHARS(paper->len);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		int v = read_char((char)text.data[i]);

		if (v == BLANK)
			continue;
		if (v == FOREIGN)
			return mistyped(paper, report, "a character that it cannot have");
		if (n == max)
			return mistyped(paper, report, "too long");
		values[n++] = (uint8_t)v;
	}
	return (int)n;
}

static bool has_prefix(const struct paper *paper, const uint8_t *values)
{
	for (size_t i = 0; i < PAPER_PREFIX_LEN; i++)
		if (values[i] != read_char(paper->prefix[i]))
			return false;
	return true;
}

bool paper_is(const struct paper *paper, const char *text, size_t len)
{
	uint8_t values[PAPER_PREFIX_LEN];
	size_t n = 0;

	for (size_t i = 0; i < len && n < PAPER_PREFIX_LEN; i++) {
		int v = read_char(text[i]);

		if (v == FOREIGN)
			return false;
		if (v != BLANK)
			values[n++] = (uint8_t)v;
	}
	return n == PAPER_PREFIX_LEN && has_prefix(paper, values);
}

/* Packs five-bit values; false when the bits beyond the bytes are not zero. */
static bool pack(const uint8_t *values, size_t count, uint8_t *out)
{
	unsigned acc = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		acc = (acc << 5 | values[i]) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return (acc & ((1U << bits) - 1)) == 0;
}

static int decode_values(const struct paper *paper, const uint8_t *digits, uint8_t *bytes,
			 struct report *report)
{
	uint8_t sum[PAPER_SUM_CHARS];
	bool packed = pack(digits, data_chars(paper), bytes);

	checksum(paper, bytes, sum);
	if (!packed || sodium_memcmp(sum, digits + data_chars(paper), sizeof(sum)) != 0)
		return mistyped(paper, report,
				"the checksum does not fit; a character is mistyped");
	return 0;
}

int paper_parse(const struct paper *paper, const char *text, size_t len, uint8_t *ret,
		struct report *report)
{
	uint8_t values[PAPER_PREFIX_LEN + PAPER_CHARS_MAX];
	uint8_t bytes[PAPER_BYTES_MAX];
	char start[sizeof("it does not start with \"RTR1\"")];
	int r = collect(paper, SPAN_OF((const uint8_t *)text, len), values, report);

	(void)snprintf(start, sizeof(start), "it does not start with \"%s\"", paper->prefix);
	if (r >= 0 && (r < PAPER_PREFIX_LEN || !has_prefix(paper, values)))
		r = mistyped(paper, report, start);
	else if (r >= 0 && (size_t)r < PAPER_PREFIX_LEN + PAPER_CHARS(paper->len))
		r = mistyped(paper, report, "too short");
	if (r >= 0)
		r = decode_values(paper, values + PAPER_PREFIX_LEN, bytes, report);
	if (r == 0)
		memcpy(ret, bytes, paper->len);
	sodium_memzero(values, sizeof(values));
	sodium_memzero(bytes, sizeof(bytes));
	return r;
}
