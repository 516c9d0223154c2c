/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/printable.h"

void printable_copy(char *ret, size_t size, const void *text, size_t len)
{
	const unsigned char *p = text;
	size_t n = len < size - 1 ? len : size - 1;

	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\r' || p[n - 1] == '\n'))
		n--;
	for (size_t i = 0; i < n; i++)
		ret[i] = p[i] >= ' ' && p[i] <= '~' ? (char)p[i] : '?';
	ret[n] = '\0';
}
