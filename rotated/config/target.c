/* SPDX-License-Identifier: BSD-2-Clause */
/* One file into one struct: every line is looked up in the table of keys, read and kept. */
#include "rotated/config/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/ini.h"

int config_loader_tell(struct loader *loader, const struct report *report)
{
	struct config_errors *errors = loader->errors;
	struct report *items;

	if (errors->n == CONFIG_ERRORS_MAX) {
		errors->dropped++;
		return 0;
	}
	items = reallocarray(errors->items, errors->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	errors->items = items;
	items[errors->n++] = *report;
	return 0;
}

/* A default is ours: that it is refused can only come from a long --root. */
static int set_default(struct target *target, enum config_key key)
{
	struct value_context ctx = target->loader->values;
	struct report report = { 0 };
	char reason[REPORT_TEXT_MAX];
	int r;

	ctx.is_default = true;
	ctx.n_own = &target->n_own_settings;
	ctx.report = &report;
	r = config_value_parse(config_keys[key].type, &ctx, config_keys[key].default_text,
			       config_key_slot(key, target->scope, target->object));
	if (r != -EINVAL)
		return r;
	(void)snprintf(reason, sizeof(reason), "%s", report.what);
	(void)report_set(&report, 0, "the default of [%s] %s does not fit under '%s': %s",
			 config_keys[key].section, config_keys[key].name, ctx.root, reason);
	report_hint(&report, "Choose a shorter --root.");
	return config_loader_tell(target->loader, &report);
}

int config_target_inherit(struct target *target, struct config *main)
{
	for (unsigned i = 0; i < KEY_MAX_; i++) {
		enum config_key key = (enum config_key)i;
		int r;

		if (!(config_keys[i].where & 1U << target->scope))
			continue;
		if (main && config_keys[i].where & 1U << SCOPE_MAIN) {
			r = config_value_copy(
				config_keys[i].type,
				config_key_slot(key, target->scope, target->object),
				config_key_slot(key, SCOPE_MAIN, main));
			target->origins[i] = target->loader->origins[i];
		} else {
			r = set_default(target, key);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int tell_item(struct target *target, const struct ini_item *item, unsigned column,
		     struct report *report)
{
	report_at(report, target->file, item->line, column);
	return config_loader_tell(target->loader, report);
}

/* TEXT with its end cut off when it is long, never within a character. */
static void quote(const char *text, char out[static 64])
{
	size_t len = strlen(text);

	if (len < 60) {
		(void)snprintf(out, 64, "%s", text);
		return;
	}
	len = 56;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	(void)snprintf(out, 64, "%.*s...", (int)len, text);
}

static int tell_bad_value(struct target *target, const struct ini_item *item,
			  enum value_type type, struct report *report)
{
	/* a value that has a grammar of its own knows where in it */
	unsigned column = item->value_column + (report->column ? report->column - 1 : 0);
	char reason[REPORT_TEXT_MAX];
	char hint[REPORT_TEXT_MAX];
	char value[64];

	(void)snprintf(reason, sizeof(reason), "%s", report->what);
	(void)snprintf(hint, sizeof(hint), "%s", report->hint);
	quote(item->value, value);
	/* a reason that starts with the value has said it already */
	if (item->value[0] && config_value_is_public(type) &&
	    strncmp(reason, item->value, strlen(item->value)) != 0)
		(void)report_set(report, 0, "%s = %s: %s", item->key, value, reason);
	else
		(void)report_set(report, 0, "%s: %s", item->key, reason);
	if (strstr(item->value, " #") || strstr(item->value, " ;"))
		report_hint(report, "A comment stands on a line of its own.");
	else
		report_hint(report, "%s", hint);
	return tell_item(target, item, column, report);
}

static int tell_unknown_key(struct target *target, const struct ini_item *item)
{
	struct report report;

	(void)report_set(&report, 0, "[%s] has no key '%s' in %s", item->section, item->key,
			 config_scope_place(target->scope));
	config_key_hint(target->scope, item->section, item->key, &report);
	return tell_item(target, item, item->column, &report);
}

static int tell_duplicate(struct target *target, const struct ini_item *item, unsigned first)
{
	struct report report;

	(void)report_set(&report, 0, "%s is set twice in this file", item->key);
	report_hint(&report, "The other one is on line %u. Keep one of them.", first);
	return tell_item(target, item, item->column, &report);
}

int config_target_take(struct target *target, const struct ini_item *item)
{
	enum config_key key = config_key_find(target->scope, item->section, item->key);
	struct value_context ctx = target->loader->values;
	struct report report = { 0 };
	struct origin *origin;
	int r;

	if (key == KEY_MAX_)
		return tell_unknown_key(target, item);
	origin = &target->origins[key];
	if (origin->file == target->file && !config_value_is_repeatable(config_keys[key].type))
		return tell_duplicate(target, item, origin->line);
	ctx.n_own = &target->n_own_settings;
	ctx.report = &report;
	r = config_value_parse(config_keys[key].type, &ctx, item->value,
			       config_key_slot(key, target->scope, target->object));
	*origin = (struct origin){ target->file, item->line, item->value_column, r < 0 };
	return r == -EINVAL ? tell_bad_value(target, item, config_keys[key].type, &report) : r;
}

static int tell_unknown_section(struct target *target, const struct ini_item *item)
{
	struct report report;

	(void)report_set(&report, 0, "there is no section [%s] in %s", item->section,
			 config_scope_place(target->scope));
	config_key_hint_section(target->scope, item->section, &report);
	return tell_item(target, item, item->column, &report);
}

static int tell_empty(struct target *target)
{
	struct report report;

	(void)report_set(&report, 0, "the file says nothing");
	report_at(&report, target->file, 0, 0);
	if (target->scope == SCOPE_MAIN)
		report_hint(&report,
			    "Write at least a section line, such as [vault], or remove it.");
	else
		report_hint(&report, "Write at least the line [%s], or remove it.",
			    target->scope == SCOPE_SERVICE  ? "service"
			    : target->scope == SCOPE_DOMAIN ? "domain"
							    : "upstream");
	return config_loader_tell(target->loader, &report);
}

static int read_text(struct target *target, const struct buf *text)
{
	struct ini ini = INI_INIT(text->data, text->len);
	bool is_known = true; /* the section; its keys are not told one by one if not */
	bool is_empty = true;
	struct report report;
	struct ini_item item;
	int r;

	while ((r = ini_next(&ini, &item, &report)) != 0) {
		is_empty = false;
		if (r < 0) {
			report_at(&report, target->file, report.line, report.column);
			r = config_loader_tell(target->loader, &report);
		} else if (item.kind == INI_SECTION) {
			is_known = config_key_has_section(target->scope, item.section);
			r = is_known ? 0 : tell_unknown_section(target, &item);
		} else {
			r = is_known ? config_target_take(target, &item) : 0;
		}
		if (r < 0)
			return r;
	}
	return is_empty ? tell_empty(target) : 0;
}

static int tell_unreadable(struct target *target, int err)
{
	bool is_dangling = false;
	struct report report;
	struct stat st;

	(void)report_set(&report, 0, "cannot be read: %s", strerrordesc_np(-err));
	report_hint(&report, "Check the path: namei -l %s", target->file);
	if (err == -ENOENT)
		is_dangling = lstat(target->file, &st) == 0;
	if (is_dangling) {
		(void)report_set(&report, 0, "a symbolic link to nothing");
		report_hint(&report, "Make its target or remove it.");
	} else if (err == -ENOENT) {
		(void)report_set(&report, 0, "there is no configuration");
		report_hint(&report,
			    "Start with the one line [vault]: every key has a default. "
			    "rotated.conf(5) has an example.");
	} else if (err == -EISDIR) {
		(void)report_set(&report, 0, "a directory, not a file");
		report_hint(&report, "Rename or remove it; names that end in .conf are read.");
	} else if (err == -EFBIG) {
		(void)report_set(&report, 0, "the file is too large");
		report_hint(&report, "A file has at most %d bytes.", INI_FILE_MAX);
	} else if (err == -EINVAL) {
		(void)report_set(&report, 0, "not a regular file");
		report_hint(&report, "Rename or remove it; names that end in .conf are read.");
	}
	report_at(&report, target->file, 0, 0);
	return config_loader_tell(target->loader, &report);
}

static int check_mode(struct target *target)
{
	struct report report;
	struct stat st;

	if (stat(target->file, &st) < 0 || !(st.st_mode & S_IWOTH))
		return 0; /* that it is not there is told on reading */
	(void)report_set(&report, 0, "everybody can write to the file");
	report_at(&report, target->file, 0, 0);
	report_hint(&report, "chmod o-w %s", target->file);
	return config_loader_tell(target->loader, &report);
}

int config_target_read(struct target *target)
{
	cleanup_buf struct buf text = BUF_INIT_MAX(INI_FILE_MAX);
	int r = check_mode(target);

	if (r < 0)
		return r;
	target->n_own_settings = 0;
	r = fs_read(AT_FDCWD, target->file, INI_FILE_MAX, &text);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? tell_unreadable(target, r) : read_text(target, &text);
}
