/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/token.h"

#include <string.h>

enum { PREFIX_LEN = 5, BODY_LEN = 43, CHECK_LEN = 6, BASE = 62 };

static const char prefix[] = "rtd1_";
static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

_Static_assert(sizeof(prefix) - 1 == PREFIX_LEN, "the prefix has its length");
_Static_assert(sizeof(digits) - 1 == BASE, "a digit for every value");
_Static_assert(PREFIX_LEN + BODY_LEN + CHECK_LEN + 1 == TOKEN_SIZE, "the parts add up");

/* CRC-32 as in IEEE 802.3, bit by bit: 48 bytes are soon done. */
static uint32_t crc32_of(const char *s, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)s[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0U - (crc & 1U)));
	}
	return ~crc;
}

static void format_check(const char *s, char ret[static CHECK_LEN])
{
	uint32_t crc = crc32_of(s, PREFIX_LEN + BODY_LEN);

	for (unsigned i = CHECK_LEN; i-- > 0; crc /= BASE)
		ret[i] = digits[crc % BASE];
}

/* Long division of the 256-bit number by 62, once for each digit, the last one first. */
void token_format(const uint8_t random[static TOKEN_RANDOM_LEN], char ret[static TOKEN_SIZE])
{
	uint8_t number[TOKEN_RANDOM_LEN];

	memcpy(number, random, sizeof(number));
	memcpy(ret, prefix, PREFIX_LEN);
	for (unsigned i = BODY_LEN; i-- > 0;) {
		unsigned rest = 0;

		for (unsigned k = 0; k < TOKEN_RANDOM_LEN; k++) {
			unsigned v = rest << 8 | number[k];

			number[k] = (uint8_t)(v / BASE);
			rest = v % BASE;
		}
		ret[PREFIX_LEN + i] = digits[rest];
	}
	format_check(ret, ret + PREFIX_LEN + BODY_LEN);
	ret[TOKEN_SIZE - 1] = '\0';
	explicit_bzero(number, sizeof(number));
}

bool token_is_well_formed(const char *s)
{
	char check[CHECK_LEN];

	if (strlen(s) != TOKEN_SIZE - 1 || strncmp(s, prefix, PREFIX_LEN) != 0 ||
	    strspn(s + PREFIX_LEN, digits) != BODY_LEN + CHECK_LEN)
		return false;
	format_check(s, check);
	return memcmp(check, s + PREFIX_LEN + BODY_LEN, CHECK_LEN) == 0;
}
