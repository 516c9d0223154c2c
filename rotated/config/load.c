/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole tree: which files there are, what each is about, and in which order they count. */
#include "rotated/config/load.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

#define CONFIG_DIR    "/etc/rotated"
#define CONFIG_SUFFIX ".conf"

enum { FILES_MAX = 100000 }; /* in one directory */

/* Keeps a copy of PATH for as long as the loader lives. NULL when memory is short. */
static const char *keep_path(struct loader *l, const char *path)
{
	char **kept = config_value_words_add(&l->files);

	if (!kept)
		return NULL;
	*kept = strdup(path);
	return *kept;
}

static int tell_file(struct loader *l, const char *file, const char *what, const char *hint)
{
	struct report report;

	(void)report_set(&report, 0, "%s", what);
	report_at(&report, file, 0, 0);
	report_hint(&report, "%s", hint);
	return config_loader_tell(l, &report);
}

/* Editors leave backups beside a file, and packages theirs: only NAME.conf counts. */
static int is_config_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > strlen(CONFIG_SUFFIX) &&
	       strcmp(entry->d_name + len - strlen(CONFIG_SUFFIX), CONFIG_SUFFIX) == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int check_dir_mode(struct loader *l, const char *dir)
{
	char hint[PATH_MAX + 16];
	struct stat st;

	if (stat(dir, &st) < 0 || !(st.st_mode & S_IWOTH))
		return 0; /* that it is not there is for the caller to judge */
	(void)snprintf(hint, sizeof(hint), "chmod o-w %s", dir);
	return tell_file(l, dir, "everybody can write to the directory", hint);
}

/*
 * The paths of the *.conf files in ROOT/etc/rotated/NAME, sorted by name, as a slice of
 * l->files. A directory that is not there has none. 0 or -ENOMEM.
 */
static int list_dir(struct loader *l, const char *name, size_t *ret_first, size_t *ret_n)
{
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries = NULL;
	size_t first = l->files.n;
	int n, r;

	*ret_first = first;
	*ret_n = 0;
	(void)snprintf(dir, sizeof(dir), "%s" CONFIG_DIR "/%s", l->values.root, name);
	r = check_dir_mode(l, dir);
	if (r < 0)
		return r;
	n = scandir(dir, &entries, is_config_name, compare_names);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return errno == ENOMEM ? -ENOMEM
				       : tell_file(l, dir, strerrordesc_np(errno),
						   "Make it a directory that can be read.");
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (r == 0 && !keep_path(l, path))
			r = -ENOMEM;
		free(entries[i]);
	}
	free(entries);
	*ret_n = l->files.n - first;
	if (r == 0 && n > FILES_MAX) {
		*ret_n = 0;
		return tell_file(l, dir, "too many files", "A directory has at most 100000.");
	}
	return r;
}

/* The file's name without its directory and ".conf". -ENAMETOOLONG when it does not fit. */
static int stem_of(const char *path, char *out, size_t size)
{
	const char *base = strrchr(path, '/') + 1;
	size_t len = strlen(base) - strlen(CONFIG_SUFFIX);

	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out, base, len);
	out[len] = '\0';
	return 0;
}

static int load_main(struct loader *l)
{
	struct target t = { .loader = l, .object = l->config, .origins = l->origins };
	char path[PATH_MAX];
	size_t first, n;
	int r = config_target_inherit(&t, NULL);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s" CONFIG_DIR, l->values.root);
	r = check_dir_mode(l, path);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s" CONFIG_DIR "/rotated.conf", l->values.root);
	t.file = keep_path(l, path);
	r = t.file ? config_target_read(&t) : -ENOMEM;
	if (r < 0)
		return r;
	r = list_dir(l, "rotated.conf.d", &first, &n);
	for (size_t i = 0; i < n && r >= 0; i++) {
		t.file = l->files.items[first + i];
		r = config_target_read(&t);
	}
	return r < 0 ? r : config_rules_check(&t);
}

/* Reads FILE into the zeroed OBJECT of a scope below main. */
static int load_object(struct loader *l, enum config_scope scope, void *object,
		       const char *file)
{
	cleanup_free struct origin *origins = calloc(KEY_MAX_, sizeof(*origins));
	struct target t = { .loader = l, .scope = scope, .object = object, .file = file };
	int r;

	if (!origins)
		return -ENOMEM;
	t.origins = origins;
	r = config_target_inherit(&t, l->config);
	if (r == 0)
		r = config_target_read(&t);
	return r < 0 ? r : config_rules_check(&t);
}

static int load_service(struct loader *l, const char *file)
{
	struct config_service *s = &l->config->services[l->config->n_services];

	if (stem_of(file, s->id, sizeof(s->id)) < 0 || !text_is_service_id(s->id)) {
		s->id[0] = '\0';
		return tell_file(l, file, "the file's name is not a service id",
				 "Name it ID.conf with 1 to 40 of a-z, 0-9 and '-', as in "
				 "billing.conf.");
	}
	s->file = strdup(file);
	if (!s->file)
		return -ENOMEM;
	l->config->n_services++; /* from here on config_free() knows it */
	return load_object(l, SCOPE_SERVICE, s, file);
}

static int load_domain(struct loader *l, const char *file)
{
	struct config_domain *d = &l->config->domains[l->config->n_domains];

	if (stem_of(file, d->name, sizeof(d->name)) < 0 || !text_is_domain(d->name)) {
		d->name[0] = '\0';
		return tell_file(l, file, "the file's name is not a domain",
				 "Name it DOMAIN.conf in lower case, as in example.com.conf; "
				 "write an international name in its xn-- form.");
	}
	d->file = strdup(file);
	if (!d->file)
		return -ENOMEM;
	l->config->n_domains++; /* from here on config_free() knows it */
	return load_object(l, SCOPE_DOMAIN, d, file);
}

static int load_provider(struct loader *l, const char *file)
{
	struct config_provider *p = &l->config->providers[l->config->n_providers];

	if (stem_of(file, p->id, sizeof(p->id)) < 0 || !text_is_service_id(p->id)) {
		p->id[0] = '\0';
		return tell_file(l, file, "the file's name is not the id of an upstream",
				 "Name it ID.conf with 1 to 40 of a-z, 0-9 and '-', as in "
				 "ses.conf.");
	}
	p->file = strdup(file);
	if (!p->file)
		return -ENOMEM;
	l->config->n_providers++; /* from here on config_free() knows it */
	return load_object(l, SCOPE_UPSTREAM, p, file);
}

/* "billing-2.conf" sorts before "billing.conf", and "billing-2" after "billing". */
static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct config_service *)a)->id,
		      ((const struct config_service *)b)->id);
}

static int compare_domains(const void *a, const void *b)
{
	return strcmp(((const struct config_domain *)a)->name,
		      ((const struct config_domain *)b)->name);
}

static int compare_providers(const void *a, const void *b)
{
	return strcmp(((const struct config_provider *)a)->id,
		      ((const struct config_provider *)b)->id);
}

struct identity {
	dev_t dev;
	ino_t ino;
	const char *file;
};

static int compare_identities(const void *a, const void *b)
{
	const struct identity *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return strcmp(x->file, y->file);
}

static int tell_twin(struct loader *l, const char *file, const char *first)
{
	char what[REPORT_TEXT_MAX];

	(void)snprintf(what, sizeof(what), "the same file as %s", strrchr(first, '/') + 1);
	return tell_file(l, file, what,
			 "One file makes one service or domain: write a second file, or remove "
			 "the link.");
}

/* A link gives one file two names, and so two services where one was meant. */
static int check_twins(struct loader *l, size_t first, size_t n)
{
	cleanup_free struct identity *ids = calloc(n ? n : 1, sizeof(*ids));
	size_t found = 0;
	int r = 0;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *file = l->files.items[first + i];
		struct stat st;

		if (stat(file, &st) == 0)
			ids[found++] = (struct identity){ st.st_dev, st.st_ino, file };
	}
	qsort(ids, found, sizeof(*ids), compare_identities);
	for (size_t i = 1; i < found && r >= 0; i++)
		if (ids[i].dev == ids[i - 1].dev && ids[i].ino == ids[i - 1].ino)
			r = tell_twin(l, ids[i].file, ids[i - 1].file);
	return r;
}

static int load_services(struct loader *l)
{
	size_t first, n;
	int r = list_dir(l, "services.d", &first, &n);

	if (r == 0)
		r = check_twins(l, first, n);
	if (r < 0 || n == 0)
		return r;
	l->config->services = calloc(n, sizeof(*l->config->services));
	if (!l->config->services)
		return -ENOMEM;
	for (size_t i = 0; i < n && r >= 0; i++)
		r = load_service(l, l->files.items[first + i]);
	if (r >= 0)
		qsort(l->config->services, l->config->n_services, sizeof(*l->config->services),
		      compare_ids);
	return r;
}

static int load_domains(struct loader *l)
{
	size_t first, n;
	int r = list_dir(l, "domains.d", &first, &n);

	if (r == 0)
		r = check_twins(l, first, n);
	if (r < 0 || n == 0)
		return r;
	l->config->domains = calloc(n, sizeof(*l->config->domains));
	if (!l->config->domains)
		return -ENOMEM;
	for (size_t i = 0; i < n && r >= 0; i++)
		r = load_domain(l, l->files.items[first + i]);
	if (r >= 0)
		qsort(l->config->domains, l->config->n_domains, sizeof(*l->config->domains),
		      compare_domains);
	return r;
}

static int load_providers(struct loader *l)
{
	size_t first, n;
	int r = list_dir(l, "upstreams.d", &first, &n);

	if (r == 0)
		r = check_twins(l, first, n);
	if (r < 0 || n == 0)
		return r;
	l->config->providers = calloc(n, sizeof(*l->config->providers));
	if (!l->config->providers)
		return -ENOMEM;
	for (size_t i = 0; i < n && r >= 0; i++)
		r = load_provider(l, l->files.items[first + i]);
	if (r < 0)
		return r;
	qsort(l->config->providers, l->config->n_providers, sizeof(*l->config->providers),
	      compare_providers);
	return config_rules_check_destinations(l);
}

static void resolve(struct config *c)
{
	config_rules_resolve_soak(&c->dkim);
	for (size_t i = 0; i < c->n_domains; i++)
		config_rules_resolve_soak(&c->domains[i].dkim);
}

static int tell_root(struct loader *l, const char *root, const char *what)
{
	struct report report;

	(void)report_set(&report, 0, "--root %s: %s", root, what);
	report_hint(&report, "Name a directory that is there.");
	return config_loader_tell(l, &report) < 0 ? -ENOMEM : -EBADMSG;
}

/* ROOT as an absolute path without slashes at its end: our paths all start with one. */
static int set_root(struct loader *l, const char *root)
{
	char path[PATH_MAX];
	size_t len;

	if (root[0] && root[0] != '/') {
		if (!realpath(root, path))
			return tell_root(l, root, strerrordesc_np(errno));
		root = path;
	}
	len = strlen(root);
	while (len && root[len - 1] == '/')
		len--;
	if (len > PATH_MAX / 2)
		return tell_root(l, "", "the path is too long");
	l->config->root = strndup(root, len);
	return l->config->root ? 0 : -ENOMEM;
}

static int load_tree(struct loader *l)
{
	int r = load_main(l);

	if (r >= 0)
		r = load_services(l);
	if (r >= 0)
		r = load_domains(l);
	if (r >= 0)
		r = load_providers(l);
	if (r >= 0)
		resolve(l->config);
	return r;
}

int config_load(const char *root, unsigned flags, struct config **ret,
		struct config_errors *errors)
{
	cleanup_config struct config *c = calloc(1, sizeof(*c));
	struct loader l = { .config = c, .errors = errors };
	int r;

	if (!c)
		return -ENOMEM;
	r = set_root(&l, root);
	if (r < 0)
		return r;
	l.values = (struct value_context){ .root = c->root, .flags = flags };
	r = load_tree(&l);
	config_value_release(VALUE_STACK, &l.files);
	if (r < 0)
		return r;
	if (errors->n)
		return -EBADMSG;
	*ret = steal_ptr(c);
	return 0;
}
