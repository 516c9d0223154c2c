/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a backup, and any bytes as what a backup holds: the latter are put, in clear,
 * into chunks of a backup for a recovery key that is known, since nothing that is made up at
 * random would pass the seal. The first byte says which, and how finely the stream is cut.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/backup_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t sk[RECOVERY_KEY_LEN] = "the recovery key of every test";

enum { CHUNKS_MAX = 4, STREAM_MAX = BACKUP_HEADER_MAX + CHUNKS_MAX * BACKUP_CHUNK_MAX };

static void read_stream(struct span stream, size_t cut)
{
	char text[RECOVERY_TEXT_SIZE];
	cleanup_secret struct secret *recovery = NULL;
	cleanup_backup_reader struct keystore_backup_reader *r = NULL;
	struct report report;
	int k;

	recovery_format(sk, text);
	recovery = secret_new(text, strlen(text));
	if (!recovery || keystore_backup_read(recovery, &r, &report) < 0)
		abort();
	for (size_t at = 0; at < stream.len; at += cut) {
		k = keystore_backup_push(r, stream.data + at,
					 cut < stream.len - at ? cut : stream.len - at,
					 &report);
		if (k < 0 && !report.what[0])
			abort();
		if (k < 0)
			break;
	}
	k = keystore_backup_finish(r, NULL, &report);
	if (k < 0 && !report.what[0])
		abort();
}

static size_t put_header(uint8_t *out, crypto_secretstream_xchacha20poly1305_state *state)
{
	static const uint8_t key[BACKUP_KEY_LEN] = { 1 };
	struct backup_header h = { .txid = 1, .time = 1, .generation = 1, .count = 1 };

	(void)crypto_scalarmult_base(h.recipients[0].pk, sk);
	keyring_box_seal(&(struct rng){ 0 }, h.recipients[0].pk, SPAN(key),
			 h.recipients[0].box);
	(void)crypto_secretstream_xchacha20poly1305_init_push(state, h.stream, key);
	return backup_header_encode(&h, out);
}

/* The chunk is bound to the BOUND bytes before its content, which are in OUT already: its head,
 * and before the first one the header. */
static size_t put_chunk(uint8_t *out, struct backup_chunk *chunk, size_t bound,
			struct span plain, crypto_secretstream_xchacha20poly1305_state *state)
{
	uint8_t tag = plain.len < BACKUP_CHUNK_LEN || chunk->number + 1 == CHUNKS_MAX
			      ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
			      : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

	chunk->number++;
	chunk->len = (uint32_t)plain.len + BACKUP_CHUNK_SEAL_LEN;
	backup_chunk_encode(chunk, out);
	(void)crypto_secretstream_xchacha20poly1305_push(
		state, out + BACKUP_CHUNK_HEAD_LEN, NULL, plain.data, plain.len,
		out + BACKUP_CHUNK_HEAD_LEN - bound, bound, tag);
	return BACKUP_CHUNK_HEAD_LEN + chunk->len;
}

static size_t wrap(struct span plain, uint8_t *out)
{
	crypto_secretstream_xchacha20poly1305_state state;
	struct backup_chunk chunk = { 0 };
	size_t len = put_header(out, &state);
	size_t bound = len + BACKUP_CHUNK_HEAD_LEN;

	for (bool is_last = false; !is_last; bound = BACKUP_CHUNK_HEAD_LEN) {
		size_t n = plain.len < BACKUP_CHUNK_LEN ? plain.len : BACKUP_CHUNK_LEN;

		is_last = n < BACKUP_CHUNK_LEN || chunk.number + 1 == CHUNKS_MAX;
		len += put_chunk(out + len, &chunk, bound, SPAN_OF(plain.data, n), &state);
		plain = SPAN_OF(plain.data + n, plain.len - n);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t stream[STREAM_MAX];
	size_t cut;

	if (size == 0 || sodium_init() < 0)
		return 0;
	cut = (size_t)(data[0] >> 1) * 37 + 1;
	if (data[0] & 1)
		read_stream(SPAN_OF(stream, wrap(SPAN_OF(data + 1, size - 1), stream)), cut);
	else
		read_stream(SPAN_OF(data + 1, size - 1), cut);
	return 0;
}
