/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growable byte buffer with a hard limit. Failure is sticky: after the first failed append
 * every later one does nothing, and buf_error() tells once at the end. Whatever memory it
 * leaves behind, on growth or release, is wiped, so that it may carry a secret.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/cleanup.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; not NUL-terminated unless buf_string() was asked */
	size_t len;
	size_t cap;
	size_t max; /* the limit in bytes; 0 stands for BUF_MAX_DEFAULT */
	int error;  /* 0, -ENOMEM, or -E2BIG when the limit was hit */
};

enum { BUF_MAX_DEFAULT = 64 * 1024 * 1024 };

#define BUF_INIT	((struct buf){ 0 })
#define BUF_INIT_MAX(n) ((struct buf){ .max = (n) })
#define cleanup_buf	cleanup_(buf_release)

/* Appends LEN bytes. A slice of the buffer itself is not allowed. */
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_str(struct buf *b, const char *s);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_append_be16(struct buf *b, uint16_t v);
void buf_append_be32(struct buf *b, uint32_t v);
void buf_append_be64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Makes room for LEN more bytes and returns where they go; NULL on failure. buf->len is not
 * changed: the caller adds what it wrote. */
uint8_t *buf_reserve(struct buf *b, size_t len);

/* Drops the first LEN bytes (at most all). */
void buf_consume(struct buf *b, size_t len);

/* Empties the buffer and clears its error; keeps the memory, wiped. */
void buf_clear(struct buf *b);

/* 0, or the first failure as a negative errno. */
must_check int buf_error(const struct buf *b);

/* The content as a C string that lives until the next change; NULL after a failure. */
const char *buf_string(struct buf *b);

/* Wipes and frees; the buffer is empty and usable afterwards. NULL is allowed. */
void buf_release(struct buf *b);

#endif
