/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/recovery.h"

#include <sodium.h>
#include <string.h>

#include "keystore/seal.h"

enum {
	PREFIX_LEN = 4,
	KEY_CHARS = 52, /* 260 bits: the key and four zero bits */
	SUM_CHARS = 4,	/* 20 bits */
	ALL_CHARS = KEY_CHARS + SUM_CHARS,
	GROUP = 4,
};

static const char prefix[] = "RTR1";
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char sum_label[] = "rotated-recovery-v1"; /* its NUL is part of it */

_Static_assert(RECOVERY_TEXT_LEN == PREFIX_LEN + ALL_CHARS + ALL_CHARS / GROUP, "text layout");

/* 20 bits of BLAKE2b as four 5-bit values. */
static void checksum(const uint8_t key[static RECOVERY_KEY_LEN], uint8_t out[static SUM_CHARS])
{
	crypto_generichash_state state;
	uint8_t hash[SEAL_HASH_LEN];

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	(void)crypto_generichash_update(&state, (const uint8_t *)sum_label, sizeof(sum_label));
	(void)crypto_generichash_update(&state, key, RECOVERY_KEY_LEN);
	(void)crypto_generichash_final(&state, hash, sizeof(hash));
	out[0] = hash[0] >> 3;
	out[1] = (uint8_t)((hash[0] << 2 | hash[1] >> 6) & 31);
	out[2] = (hash[1] >> 1) & 31;
	out[3] = (uint8_t)((hash[1] << 4 | hash[2] >> 4) & 31);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(hash, sizeof(hash));
}

/* Five bits from bit position POS on, the first bit being the highest of key[0]. */
static uint8_t five_bits(const uint8_t key[static RECOVERY_KEY_LEN], size_t pos)
{
	size_t byte = pos / 8;
	unsigned next = byte + 1 < RECOVERY_KEY_LEN ? key[byte + 1] : 0;

	return (((unsigned)key[byte] << 8 | next) >> (11 - pos % 8)) & 31;
}

void recovery_format(const uint8_t key[static RECOVERY_KEY_LEN],
		     char out[static RECOVERY_TEXT_SIZE])
{
	uint8_t values[ALL_CHARS];
	char *p = out;

	for (size_t i = 0; i < KEY_CHARS; i++)
		values[i] = five_bits(key, i * 5);
	checksum(key, values + KEY_CHARS);
	p = mempcpy(p, prefix, PREFIX_LEN);
	for (size_t i = 0; i < ALL_CHARS; i++) {
		if (i % GROUP == 0)
			*p++ = '-';
		*p++ = digits[values[i]];
	}
	*p = '\0';
	sodium_memzero(values, sizeof(values));
}

/* 0..31, -1 for a character that is skipped, -2 for one that cannot be there. */
static int digit_value(char c)
{
	const char *p;

	if (c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '\r')
		return -1;
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	/* what people read for what was printed */
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	p = c ? strchr(digits, c) : NULL;
	return p ? (int)(p - digits) : -2;
}

static int mistyped(struct report *report, const char *what)
{
	(void)report_set(report, -EINVAL, "recovery key: %s", what);
	report_hint(report,
		    "it is \"%s\" and %d groups of four letters and digits; compare it "
		    "with your copy",
		    prefix, ALL_CHARS / GROUP);
	return -EINVAL;
}

/* The digits of TEXT; how many, or -EINVAL. */
static int collect(const char *text, size_t len, uint8_t values[static PREFIX_LEN + ALL_CHARS],
		   struct report *report)
{
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		int v = digit_value(text[i]);

		if (v == -1)
			continue;
		if (v < 0)
			return mistyped(report, "a character that it cannot have");
		if (n == PREFIX_LEN + ALL_CHARS)
			return mistyped(report, "too long");
		values[n++] = (uint8_t)v;
	}
	return n;
}

static bool has_prefix(const uint8_t values[static PREFIX_LEN])
{
	for (size_t i = 0; i < PREFIX_LEN; i++)
		if (values[i] != digit_value(prefix[i]))
			return false;
	return true;
}

/* Packs KEY_CHARS five-bit values; false when the bits beyond the key are not zero. */
static bool pack(const uint8_t values[static KEY_CHARS], uint8_t out[static RECOVERY_KEY_LEN])
{
	unsigned acc = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < KEY_CHARS; i++) {
		acc = (acc << 5 | values[i]) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return (acc & ((1U << bits) - 1)) == 0;
}

static int decode_values(const uint8_t values[static PREFIX_LEN + ALL_CHARS],
			 uint8_t key[static RECOVERY_KEY_LEN], struct report *report)
{
	const uint8_t *digit = values + PREFIX_LEN;
	uint8_t sum[SUM_CHARS];
	bool packed = pack(digit, key);

	checksum(key, sum);
	if (!packed || sodium_memcmp(sum, digit + KEY_CHARS, SUM_CHARS) != 0)
		return mistyped(report, "the checksum does not fit; a character is mistyped");
	return 0;
}

int recovery_parse(const char *text, size_t len, uint8_t ret[static RECOVERY_KEY_LEN],
		   struct report *report)
{
	uint8_t values[PREFIX_LEN + ALL_CHARS];
	uint8_t key[RECOVERY_KEY_LEN];
	int r;

	r = collect(text, len, values, report);
	if (r >= 0 && (r < PREFIX_LEN || !has_prefix(values)))
		r = mistyped(report, "it does not start with \"RTR1\"");
	else if (r >= 0 && r < PREFIX_LEN + ALL_CHARS)
		r = mistyped(report, "too short");
	if (r >= 0)
		r = decode_values(values, key, report);
	if (r == 0)
		memcpy(ret, key, sizeof(key));
	sodium_memzero(values, sizeof(values));
	sodium_memzero(key, sizeof(key));
	return r;
}
