/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: parse or refuse, and check what was parsed against every socket's verb table. */
#include <stdlib.h>

#include "wire/verbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wire_status status;
	enum wire_verb verb;
	struct frame f;
	char text[64];

	if (frame_parse(data, size, &f) < 0)
		return 0;
	for (uint32_t i = 0; i < f.count; i++) {
		if (f.fields[i].data < data || f.fields[i].data + f.fields[i].len > data + size)
			abort();
		ignore_result(frame_text(&f, f.fields[i].key, text, sizeof(text)));
	}
	for (unsigned s = WIRE_CONTROL; s <= WIRE_PUSH; s++)
		ignore_result(wire_check_request(&f, (enum wire_socket)s, &verb));
	for (unsigned v = 0; v < WIRE_VERB_MAX_; v++)
		ignore_result(wire_check_reply(&f, (enum wire_verb)v, &status));
	return 0;
}
