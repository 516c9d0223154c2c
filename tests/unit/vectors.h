/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes on disk are held to tests/vectors/VECTORS (defined by who includes this), which has
 * one of everything as hex, made with fixed keys and nonces. Each is also made a second time by
 * calling libsodium's primitives as docs/keystore-format.md describes, not through our code:
 * cat() and its kin.
 *
 * ROTATED_WRITE_VECTORS=1 in the environment writes the file anew.
 */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>

#include "base/fs.h"

static const uint8_t store_id[16] = "a-store-id-of-16";
static const uint8_t other_id[16] = "another-store-id";

/* The file: one `"name": "hex"` a line. */
static struct buf vectors;
static bool writing;

static inline void key_of(uint8_t fill, uint8_t out[static 32])
{
	for (uint8_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(fill + i);
}

static inline void nonce_of(uint8_t fill, uint8_t out[static 24])
{
	memset(out, fill, 24);
}

static inline void golden(const char *name, const void *data, size_t len)
{
	cleanup_buf struct buf line = BUF_INIT;
	char *hex = malloc(2 * len + 1);

	assert_non_null(hex);
	(void)sodium_bin2hex(hex, 2 * len + 1, data, len);
	if (writing)
		buf_printf(&vectors, "%s\t\"%s\": \"%s\"", vectors.len > 2 ? ",\n" : "", name,
			   hex);
	buf_printf(&line, "\t\"%s\": \"%s\"", name, hex);
	if (!strstr(buf_string(&vectors), buf_string(&line)))
		fail_msg("%s is now %s", name, hex);
	free(hex);
}

static inline void vector_path(char path[static PATH_MAX])
{
	const char *top = getenv("TOP_SRCDIR");

	assert_true(snprintf(path, PATH_MAX, "%s/tests/vectors/" VECTORS, top ? top : ".") <
		    PATH_MAX);
}

static inline int load_vectors(void **state)
{
	char path[PATH_MAX];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	writing = getenv("ROTATED_WRITE_VECTORS") != NULL;
	vector_path(path);
	if (!writing)
		return fs_read(AT_FDCWD, path, 1 << 20, &vectors);
	buf_append_str(&vectors, "{\n");
	return 0;
}

static inline int save_vectors(void **state)
{
	char path[PATH_MAX];
	int r = 0;

	(void)state;
	vector_path(path);
	if (writing) {
		buf_append_str(&vectors, "\n}\n");
		r = fs_replace(AT_FDCWD, path, vectors.data, vectors.len, 0644);
	}
	buf_release(&vectors);
	return r;
}

/* ---- the same by primitives ---- */

struct bytes {
	uint8_t data[8192];
	size_t len;
};

static inline void cat(struct bytes *b, const void *data, size_t len)
{
	assert_true(b->len + len <= sizeof(b->data));
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static inline void cat_be(struct bytes *b, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)(v >> 8 * (len - 1 - i));

		cat(b, &byte, 1);
	}
}

static inline void cat_field(struct bytes *b, uint8_t tag, const void *data, size_t len)
{
	cat_be(b, tag, 1);
	cat_be(b, len, 4);
	cat(b, data, len);
}

static inline void cat_pad(struct bytes *b, size_t block)
{
	cat_be(b, 0x80, 1);
	while (b->len % block)
		cat_be(b, 0, 1);
}

static inline void cat_sealed(struct bytes *b, const uint8_t *key, const uint8_t *nonce,
			      const struct bytes *aad, const struct bytes *plain)
{
	unsigned long long len;

	assert_true(b->len + plain->len + 16 <= sizeof(b->data));
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_encrypt(
				 b->data + b->len, &len, plain->data, plain->len, aad->data,
				 aad->len, NULL, nonce, key),
			 0);
	b->len += len;
}

#endif
