/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/shamir.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

/* All ones when the lowest bit of B is set. */
static uint8_t mask(uint8_t b)
{
	return (uint8_t) - (b & 1);
}

/* Eight rounds whatever the factors are: tables would be read at secret places. */
static uint8_t multiply(uint8_t a, uint8_t b)
{
	uint8_t product = 0;

	for (unsigned i = 0; i < 8; i++) {
		product ^= a & mask((uint8_t)(b >> i));
		a = (uint8_t)((unsigned)a << 1) ^ (0x1b & mask((uint8_t)(a >> 7)));
	}
	return product;
}

/* a^254, which is 1/a; of 0 it is 0. */
static uint8_t invert(uint8_t a)
{
	uint8_t power = a;
	uint8_t result = 1;

	for (unsigned i = 0; i < 7; i++) {
		power = multiply(power, power);
		result = multiply(result, power);
	}
	return result;
}

void shamir_split(const struct rng *rng, const uint8_t secret[static SHAMIR_LEN],
		  unsigned threshold, struct shamir_share *ret, unsigned count)
{
	uint8_t higher[SHAMIR_SHARES_MAX - 1][SHAMIR_LEN]; /* coefficients of x, x^2, ... */

	assert(threshold >= SHAMIR_THRESHOLD_MIN && threshold <= count &&
	       count <= SHAMIR_SHARES_MAX);
	rng_fill(rng, higher, (threshold - 1) * sizeof(higher[0]));
	for (unsigned s = 0; s < count; s++) {
		ret[s].x = (uint8_t)(s + 1);
		for (unsigned i = 0; i < SHAMIR_LEN; i++) {
			uint8_t y = 0;

			for (unsigned c = threshold - 1; c > 0; c--)
				y = multiply(y ^ higher[c - 1][i], ret[s].x);
			ret[s].value[i] = y ^ secret[i];
		}
	}
	sodium_memzero(higher, sizeof(higher));
}

static int check(const struct shamir_share *shares, unsigned count)
{
	if (count == 0 || count > SHAMIR_SHARES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		if (shares[i].x == 0)
			return -EINVAL;
		for (unsigned j = 0; j < i; j++)
			if (shares[i].x == shares[j].x)
				return -EINVAL;
	}
	return 0;
}

/* What the share I counts for at x = 0: the product of x_j / (x_j - x_i) over the others. */
static uint8_t weight(const struct shamir_share *shares, unsigned count, unsigned i)
{
	uint8_t over = 1;
	uint8_t under = 1;

	for (unsigned j = 0; j < count; j++) {
		if (j == i)
			continue;
		over = multiply(over, shares[j].x);
		under = multiply(under, shares[j].x ^ shares[i].x);
	}
	return multiply(over, invert(under));
}

int shamir_combine(const struct shamir_share *shares, unsigned count,
		   uint8_t ret[static SHAMIR_LEN])
{
	uint8_t sum[SHAMIR_LEN] = { 0 };
	int r = check(shares, count);

	if (r < 0)
		return r;
	for (unsigned s = 0; s < count; s++) {
		uint8_t w = weight(shares, count, s);

		for (unsigned i = 0; i < SHAMIR_LEN; i++)
			sum[i] ^= multiply(shares[s].value[i], w);
	}
	memcpy(ret, sum, sizeof(sum));
	sodium_memzero(sum, sizeof(sum));
	return 0;
}
