/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-present.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 512 };

static const char blanks[] = " \t";
static const char separators[] = " \t\n,";

static void pairs_release(struct setup_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
	*pairs = (struct setup_pairs){ 0 };
}

void setup_present_release(struct setup_present *p)
{
	pairs_release(&p->main);
	pairs_release(&p->services);
	pairs_release(&p->options);
	free(p->sasl);
	p->sasl = NULL;
}

static int pairs_add(struct setup_pairs *pairs, const char *name, size_t name_len,
		     const char *value, size_t value_len)
{
	struct setup_pair *items = reallocarray(pairs->items, pairs->n + 1, sizeof(*items));
	struct setup_pair pair;

	if (!items)
		return -ENOMEM;
	pairs->items = items;
	pair = (struct setup_pair){ strndup(name, name_len), strndup(value, value_len) };
	if (!pair.name || !pair.value) {
		free(pair.name);
		free(pair.value);
		return -ENOMEM;
	}
	items[pairs->n++] = pair;
	return 0;
}

/* An empty value is printed as "NAME =", with or without a blank behind it. */
static int parse_pair(const char *line, size_t len, struct setup_pairs *ret)
{
	const char *sign = memmem(line, len, " =", 2);
	const char *value;

	if (!sign || sign == line)
		return -EBADMSG;
	value = sign + 2;
	while (value < line + len && *value == ' ')
		value++;
	return pairs_add(ret, line, (size_t)(sign - line), value, (size_t)(line + len - value));
}

static int parse_service(const char *line, size_t len, struct setup_pairs *ret)
{
	char whole[NAME_SIZE * 2], name[NAME_SIZE], type[32], both[NAME_SIZE + 33];

	(void)snprintf(whole, sizeof(whole), "%.*s", (int)(len < 1000 ? len : 1000), line);
	setup_service_field(whole, 0, name, sizeof(name));
	setup_service_field(whole, 1, type, sizeof(type));
	if (!*name || !*type)
		return -EBADMSG;
	(void)snprintf(both, sizeof(both), "%s/%s", name, type);
	return pairs_add(ret, both, strlen(both), line, len);
}

static int each_line(const char *text, struct setup_pairs *ret,
		     int (*parse)(const char *line, size_t len, struct setup_pairs *ret))
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		int r = len ? parse(text, len, ret) : 0;

		if (r < 0)
			return r;
		text += len + (text[len] == '\n');
	}
	return 0;
}

int setup_pairs_parse(const char *text, struct setup_pairs *ret)
{
	return each_line(text, ret, parse_pair);
}

int setup_services_parse(const char *text, struct setup_pairs *ret)
{
	return each_line(text, ret, parse_service);
}

const char *setup_pairs_find(const struct setup_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (strcmp(pairs->items[i].name, name) == 0)
			return pairs->items[i].value;
	return NULL;
}

const char *setup_main(const struct setup_present *p, const char *parameter)
{
	const char *value = setup_pairs_find(&p->main, parameter);

	return value ? value : "";
}

const char *setup_in_service(const struct setup_present *p, const char *service,
			     const char *parameter)
{
	char name[NAME_SIZE];
	const char *value;

	(void)snprintf(name, sizeof(name), "%s/%s", service, parameter);
	value = setup_pairs_find(&p->options, name);
	return value ? value : setup_main(p, parameter);
}

void setup_service_field(const char *line, unsigned n, char *out, size_t size)
{
	size_t len;

	line += strspn(line, blanks);
	while (n--) {
		line += strcspn(line, blanks);
		line += strspn(line, blanks);
	}
	len = strcspn(line, blanks);
	(void)snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), line);
}

bool setup_list_has(const char *value, const char *word)
{
	size_t len = strlen(word);

	while (*value) {
		size_t n;

		value += strspn(value, separators);
		n = strcspn(value, separators);
		if (n == len && strncmp(value, word, len) == 0)
			return true;
		value += n;
	}
	return false;
}
