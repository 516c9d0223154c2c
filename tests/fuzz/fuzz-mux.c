/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as they may trickle in: every shorter prefix of a request must ask for more (or be
 * a request of four fields itself), and what was parsed must lie inside.
 */
#include <stdlib.h>
#include <string.h>

#include "rotated/config/config.h"
#include "rotated/door/muxframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct mux_request *m, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->fields[i].data < data ||
		    m->fields[i].data + m->fields[i].len > data + size)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret *place;
	const struct config_words no_realms = { NULL, 0 };
	struct door_request request;
	struct mux_request m, shorter;

	if (mux_parse(data, size, &m) < 0)
		return 0;
	if (m.count < MUX_FIELDS_MIN || size > MUX_REQUEST_MAX)
		abort();
	check_inside(&m, data, size);
	for (size_t len = 0; len < size; len++) {
		int r = mux_parse(data, len, &shorter);

		if (r != -EAGAIN && !(r == 0 && shorter.count < m.count))
			abort();
	}
	if (!place)
		place = secret_alloc(MUX_REQUEST_MAX);
	if (place && muxframe_request(&m, &no_realms, place, &request) == 0 &&
	    secret_len(request.password) != m.fields[MUX_PASSWORD].len)
		abort();
	return 0;
}
