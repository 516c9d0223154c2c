/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a named file must be like before it is run or believed: its kind, its owner, its mode,
 * and who could put another in its place.
 */
#include "rotated/config/value.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int refuse_file(const struct value_context *ctx, const char *path, const char *what,
		       const char *command)
{
	(void)report_set(ctx->report, 0, "%s %s", path, what); /* the result is ours below */
	report_hint(ctx->report, "%s %s", command, path);
	return -EINVAL;
}

static int refuse_errno(const struct value_context *ctx, const char *path, int err)
{
	(void)report_set(ctx->report, 0, "%s: %s", path, strerrordesc_np(err));
	report_hint(ctx->report, "Check the path: namei -l %s", path);
	return -EINVAL;
}

/* Root, or whoever we run as: those could change the file anyway. */
static bool is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static int check_owner_and_mode(const struct value_context *ctx, const char *path,
				const struct stat *st)
{
	if (!is_trusted(st->st_uid))
		return refuse_file(ctx, path, "belongs to neither root nor this user",
				   "chown root");
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return refuse_file(ctx, path, "can be written by others", "chmod go-w");
	return 0;
}

/* Whoever may write to the directory could put another file in its place. */
static int stat_parent(const struct value_context *ctx, const char *path,
		       char dir[static VALUE_PATH_MAX], struct stat *ret)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(dir, VALUE_PATH_MAX, "%.*s", slash > path ? (int)(slash - path) : 1,
		       path);
	return stat(dir, ret) < 0 ? refuse_errno(ctx, dir, errno) : 0;
}

static int check_parent(const struct value_context *ctx, const char *path)
{
	char dir[VALUE_PATH_MAX];
	struct stat st;
	int r = stat_parent(ctx, path, dir, &st);

	return r < 0 ? r : check_owner_and_mode(ctx, dir, &st);
}

int config_value_check_hook(const struct value_context *ctx, const char *path)
{
	static const char shipped[] = PKG_LIBEXECDIR "/hooks/";
	char real[PATH_MAX];
	struct stat st;
	int r;

	if (!realpath(path, real) || stat(real, &st) < 0) {
		if (errno != ENOENT)
			return refuse_errno(ctx, path, errno);
		r = refuse_file(ctx, path, "is not there", "");
		if (strncmp(path, shipped, sizeof(shipped) - 1) == 0)
			report_hint(ctx->report, "See which are installed: ls %s", shipped);
		else
			report_hint(ctx->report, "Install it, or correct the path.");
		return r;
	}
	if (S_ISDIR(st.st_mode))
		return refuse_file(ctx, path, "is a directory", "Name a program in it: ls");
	if (!S_ISREG(st.st_mode))
		return refuse_file(ctx, path, "is not a regular file", "Look at it: ls -l");
	r = check_owner_and_mode(ctx, path, &st);
	if (r < 0)
		return r;
	if ((st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != (S_IXUSR | S_IXGRP | S_IXOTH))
		return refuse_file(ctx, path, "is not executable for everybody", "chmod a+rx");
	r = check_parent(ctx, path);
	if (r == 0 && strcmp(path, real) != 0)
		r = check_parent(ctx, real);
	return r;
}

int config_check_program(const char *path, struct report *report)
{
	const struct value_context ctx = { .root = "", .report = report };

	return config_value_check_hook(&ctx, path);
}

/* Root checks on behalf of the vault, whose user it does not know here. */
static bool is_of_vault(uid_t uid)
{
	return geteuid() == 0 || is_trusted(uid);
}

/* Where `rotatectl init` will make the file, with the configuration already in force. */
static int check_key_parent(const struct value_context *ctx, const char *path)
{
	char dir[VALUE_PATH_MAX];
	struct stat st;
	int r = stat_parent(ctx, path, dir, &st);

	if (r < 0)
		return r;
	if (is_of_vault(st.st_uid))
		st.st_uid = 0;
	return check_owner_and_mode(ctx, dir, &st);
}

/* Certificates are no secret, but whoever may change them decides whom we believe. */
int config_value_check_ca_file(const struct value_context *ctx, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return refuse_errno(ctx, path, errno);
	if (S_ISDIR(st.st_mode))
		return refuse_file(ctx, path, "is a directory", "Name a file in it: ls");
	if (!S_ISREG(st.st_mode))
		return refuse_file(ctx, path, "is not a regular file", "Look at it: ls -l");
	return check_owner_and_mode(ctx, path, &st);
}

int config_value_check_key_file(const struct value_context *ctx, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? check_key_parent(ctx, path)
				       : refuse_errno(ctx, path, errno);
	if (S_ISDIR(st.st_mode))
		return refuse_file(ctx, path, "is a directory", "Name a file in it: ls");
	if (!S_ISREG(st.st_mode))
		return refuse_file(ctx, path, "is not a regular file", "Look at it: ls -l");
	if (!is_of_vault(st.st_uid))
		return refuse_file(ctx, path, "belongs to neither root nor this user",
				   "chown rotated");
	if (st.st_mode & (S_IRWXG | S_IRWXO | S_IXUSR))
		return refuse_file(ctx, path, "can be used by others than its owner",
				   "chmod 0600");
	return 0;
}
