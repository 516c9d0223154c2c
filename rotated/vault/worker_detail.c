/* SPDX-License-Identifier: BSD-2-Clause */
/* What the vault takes from the worker's JSON: one line for people, and how long DNS may be
 * remembered. It is looked for, not parsed: nothing depends on it but the length of a wait that
 * has a floor, and so the process that holds the keys needs no JSON parser. */
#include <stdio.h>
#include <string.h>

#include "rotated/vault/worker.h"

/* Copies the string that starts at S up to its closing quote; what was escaped becomes '?'. */
static void copy_string(const char *s, char *ret, size_t size)
{
	size_t n = 0;

	for (; *s && *s != '"' && n + 1 < size; s++) {
		char c = *s;

		if (c == '\\' && s[1]) {
			s++;
			c = *s == '"' || *s == '\\' || *s == '/' ? *s : '?';
		}
		ret[n++] = c;
	}
	ret[n] = '\0';
	if (!text_is_plain(ret))
		ret[0] = '\0';
}

/* The last "server":" before END. */
static const char *server_before(const char *output, const char *end)
{
	static const char key[] = "\"server\":\"";
	const char *found = NULL;

	for (const char *p = output; (p = strstr(p, key)) && p < end; p += sizeof(key) - 1)
		found = p + sizeof(key) - 1;
	return found;
}

void worker_detail(const char *output, char *ret, size_t size)
{
	static const char key[] = "\"detail\":\"";
	const char *detail = strstr(output, key);
	const char *server = detail ? server_before(output, detail) : NULL;
	char name[96] = "";
	char text[ENGINE_DETAIL_SIZE] = "";

	if (detail)
		copy_string(detail + sizeof(key) - 1, text, sizeof(text));
	if (server)
		copy_string(server, name, sizeof(name));
	(void)snprintf(ret, size, "%s%s%s", name, name[0] && text[0] ? " " : "",
		       text); /* cut to fit */
}

/* Takes PREFIX and the number or null behind it off *P. */
static bool take_ttl(const char **p, const char *prefix, uint64_t *ret)
{
	char digits[12] = "";
	size_t n;

	if (strncmp(*p, prefix, strlen(prefix)) != 0)
		return false;
	*p += strlen(prefix);
	if (strncmp(*p, "null", 4) == 0) {
		*p += 4;
		*ret = 0;
		return true;
	}
	for (n = 0; (*p)[n] >= '0' && (*p)[n] <= '9'; n++) {
		if (n == sizeof(digits) - 1)
			return false;
		digits[n] = (*p)[n];
	}
	*p += n;
	return text_to_u64(digits, ret) == 0;
}

uint64_t worker_ttl(const char *output)
{
	uint64_t ttl, negative;

	if (!take_ttl(&output, "{\"ttl\":", &ttl) ||
	    !take_ttl(&output, ",\"negative_ttl\":", &negative) || *output != ',')
		return 0;
	return (ttl > negative ? ttl : negative) * USEC_PER_SEC;
}

bool worker_outcome_fits(enum wire_verb verb, enum engine_outcome outcome)
{
	enum { HOOK = 1, DNS = 2, SMTP = 4 };
	static const unsigned fits[ENGINE_OUTCOME_MAX_] = {
		[ENGINE_OUTCOME_OK] = HOOK,
		[ENGINE_OUTCOME_PENDING] = HOOK,
		[ENGINE_OUTCOME_TEMPORARY] = HOOK | SMTP,
		[ENGINE_OUTCOME_DENIED] = HOOK,
		[ENGINE_OUTCOME_CONFIG] = HOOK | SMTP,
		[ENGINE_OUTCOME_UNKNOWN_VERB] = HOOK,
		[ENGINE_OUTCOME_TIMEOUT] = HOOK | SMTP,
		[ENGINE_OUTCOME_CRASHED] = HOOK,
		[ENGINE_OUTCOME_LOST] = 0, /* ours to say */
		[ENGINE_OUTCOME_VISIBLE] = DNS,
		[ENGINE_OUTCOME_ABSENT] = DNS,
		[ENGINE_OUTCOME_DIFFERS] = DNS,
		[ENGINE_OUTCOME_PARTIAL] = DNS,
		[ENGINE_OUTCOME_UNREACHABLE] = DNS | SMTP,
		[ENGINE_OUTCOME_ACCEPTED] = SMTP,
		[ENGINE_OUTCOME_REJECTED] = SMTP,
	};

	if (verb == WIRE_JOB_HOOK || verb == WIRE_JOB_UPSTREAM)
		return fits[outcome] & HOOK;
	return fits[outcome] & (verb == WIRE_JOB_SMTP ? SMTP : DNS);
}
