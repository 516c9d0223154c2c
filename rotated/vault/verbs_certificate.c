/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificate.List, .Show, .Confirm and .Revoke. */
#include <sodium.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/certificate_view.h"
#include "rotated/vault/control.h"
#include "rotated/vault/driver_certificate.h"
#include "rotated/vault/handed.h"
#include "rotated/vault/items.h"
#include "rotated/vault/services.h"
#include "rotated/vault/view.h"

static const struct handed_words words = {
	.noun = "certificate",
	.name_key = "name",
	.left_none = "no certificate of it is accepted any more",
};

/* ---- finding ---- */

struct item *request_find_certificates(struct request *req, enum wire_status *status)
{
	char id[SERVICE_ID_MAX + 1];
	struct item *item = NULL;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0) {
		*status = request_fail(req, r);
		return NULL;
	}
	if (frame_text(req->frame, "service", id, sizeof(id)) < 0 || !text_is_service_id(id)) {
		*status = request_refuse(req, WIRE_STATUS_USAGE, NULL,
					 "that is not the name of a service");
		return NULL;
	}
	item = item_find(req->m, ENGINE_CERTIFICATE, id);
	if (item)
		return item;
	if (!services_find(req->m, id)) {
		*status = request_refuse(req, WIRE_STATUS_REFUSED, NULL,
					 "there is no service %s", id);
		report_hint(
			&req->reply.report,
			"rotatectl service list; a new one is made by services.d/%s.conf and "
			"systemctl reload rotated",
			id);
		return NULL;
	}
	r = item_ensure(req->m, ENGINE_CERTIFICATE, id, &item);
	if (r < 0)
		*status = request_fail(req, r);
	return r < 0 ? NULL : item;
}

/* ---- showing ---- */

static void write_pem(struct json *j, const struct pki_certificate *cert)
{
	cleanup_buf struct buf pem = BUF_INIT;

	x509_pem("CERTIFICATE", cert->der, cert->len, &pem);
	view_text(j, "pem", buf_string(&pem));
}

static void write_version(struct json *j, const struct request *req, const struct item *item,
			  const struct engine_version *v, bool with_pem)
{
	cleanup_record struct keystore_record *rec = NULL;
	struct pki_certificate cert;
	bool has_it = certificate_load(req->m, &item->engine, v->version, &rec, &cert) == 0;

	json_put_object(j, NULL);
	json_put_string(j, "service", item->engine.id);
	json_put_number(j, "version", v->version);
	json_put_string(j, "name", v->name);
	json_put_string(j, "state", engine_state_word(v->state));
	json_put_time(j, "issued", v->created);
	json_put_time(j, "active_since", v->active);
	json_put_time(j, "leaves", view_leaves(req->m, item, v));
	if (has_it) {
		json_put_bool(j, "expired", cert.info.not_after <= manager_now(req->m).wall);
		certificate_write_info(j, &cert.info);
		if (with_pem)
			write_pem(j, &cert);
	}
	json_put_object_end(j);
}

static void write_versions(struct json *j, const struct request *req, const struct item *item,
			   bool with_pem)
{
	for (uint32_t i = item->engine.count; i-- > 0;)
		if (item->engine.versions[i].state != ENGINE_PLANNED)
			write_version(j, req, item, &item->engine.versions[i], with_pem);
}

enum wire_status verb_certificate_list(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	const struct item *only = NULL;
	enum wire_status status;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (frame_find(req->frame, "service")) {
		only = request_find_certificates(req, &status);
		if (!only)
			return status;
	}
	json_put_object(&j, NULL);
	json_put_array(&j, "certificates");
	for (size_t i = 0; i < req->m->item_count; i++)
		if (req->m->items[i]->engine.kind == ENGINE_CERTIFICATE &&
		    (!only || only == req->m->items[i]))
			write_versions(&j, req, req->m->items[i], false);
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

enum wire_status verb_certificate_show(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	const struct config_service *s;
	struct engine_policy policy;
	enum wire_status status;
	const struct item *item = request_find_certificates(req, &status);
	struct view view;

	if (!item)
		return status;
	s = services_find(req->m, item->engine.id);
	view_item(req->m, item, &view);
	item->driver->policy(req->m, item, &policy);
	json_put_object(&j, NULL);
	json_put_string(&j, "service", item->engine.id);
	json_put_bool(&j, "configured", s != NULL);
	json_put_bool(&j, "enabled", !item_is_disabled(req->m, &item->engine));
	view_text(&j, "email", s ? s->certificate.email : NULL);
	view_span(&j, "lifetime", s ? s->certificate.lifetime : USEC_NEVER);
	view_span(&j, "overlap", policy.overlap);
	json_put_time(&j, "next_rotation", view_next_rotation(req->m, item));
	view_write_progress(&j, item, &view);
	json_put_array(&j, "certificates");
	write_versions(&j, req, item, true);
	json_put_array_end(&j);
	json_put_object_end(&j);
	return WIRE_STATUS_OK;
}

/* ---- confirming and revoking ---- */

enum wire_status verb_certificate_confirm(struct request *req)
{
	enum wire_status status;
	struct item *item = request_find_certificates(req, &status);

	return item ? handed_confirm(req, item, &words) : status;
}

struct search {
	uint8_t serial[X509_SERIAL_LEN];
	struct pki_key found;
	bool is_found;
};

static int visit(void *context, const struct keystore_record *rec)
{
	struct search *s = context;
	struct pki_key k;
	int r = pki_key_decode(rec->body, rec->body_len, &k);

	if (r == 0 && memcmp(k.serial, s->serial, X509_SERIAL_LEN) == 0) {
		s->found = k;
		s->is_found = true;
	}
	return r;
}

static enum wire_status revoke_serial(struct request *req)
{
	char text[CERTIFICATE_SERIAL_SIZE];
	struct search s = { .is_found = false };
	struct item *item;
	size_t len;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (frame_text(req->frame, "serial", text, sizeof(text)) < 0 ||
	    sodium_hex2bin(s.serial, sizeof(s.serial), text, strlen(text), NULL, &len, NULL) <
		    0 ||
	    len != X509_SERIAL_LEN)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "a serial number has 40 hex digits");
	r = record_foreach(req->m, PKI_KEY, visit, &s);
	if (r < 0)
		return request_fail(req, r);
	item = s.is_found ? item_find(req->m, ENGINE_CERTIFICATE, s.found.service) : NULL;
	if (!item || s.found.revoked)
		return request_refuse(req, WIRE_STATUS_NOTHING, "rotatectl certificate list",
				      s.is_found ? "%s is revoked already"
						 : "no living certificate has the serial %s",
				      text);
	return handed_revoke(req, item, s.found.version, &words);
}

enum wire_status verb_certificate_revoke(struct request *req)
{
	bool all = frame_flag(req->frame, "all");
	bool has_version = frame_find(req->frame, "version");
	bool has_serial = frame_find(req->frame, "serial");
	enum wire_status status;
	uint32_t version = 0;
	struct item *item;

	if (all + has_version + has_serial != 1 ||
	    has_serial == (frame_find(req->frame, "service") != NULL))
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "a serial, or a service with one of a version and all");
	if (has_serial)
		return revoke_serial(req);
	item = request_find_certificates(req, &status);
	if (!item)
		return status;
	if (has_version && handed_version(req->frame, &version) < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL, "that is no version");
	return handed_revoke(req, item, version, &words);
}
