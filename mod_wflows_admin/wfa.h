/* mod_wflows_admin: the management API, /api/v2. */
#ifndef WFA_H
#define WFA_H

#include "httpd/wfm.h"
#include "store/wf_list.h"
#include "store/wf_once_store.h"
#include "tenant/wf_route.h"

#include <http_protocol.h>

extern module AP_MODULE_DECLARE_DATA wflows_admin_module;

/* ---- configuration (wfa_config.c)
 * ------------------------------------------------------------------------ */

#define WFA_UNSET (-1)

/* type, name, value where nothing was said */
#define WFA_DIR_MEMBERS(M)                      \
    M(int64_t, body_max, WFA_UNSET)             \
    M(apr_interval_time_t, timeout, WFA_UNSET)  \
    M(apr_array_header_t *, cors_origins, NULL)

#define WFA_DECLARE(type, name, unset) type name;
typedef struct {
    WFA_DIR_MEMBERS(WFA_DECLARE)
} wfa_dir_conf_t;
#undef WFA_DECLARE

extern const command_rec wfa_commands[];
void *wfa_dir_conf_create(apr_pool_t *pool, char *dir);
void *wfa_dir_conf_merge(apr_pool_t *pool, void *base, void *add);

/* What the operator said, or the default. */
size_t wfa_body_max(const request_rec *r);
apr_interval_time_t wfa_timeout(const request_rec *r);
/* Of const char *: "https://host[:port]", or "*"; NULL: none. */
const apr_array_header_t *wfa_cors_origins(const request_rec *r);

/* ---- mod_wflows_tenant, which this module cannot do without (wfa_tenant.c)
 * ------------------------------------ */

int wfa_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
/* NULL: it could not be made; 503. */
const wf_runtime_t *wfa_runtime(void);
/* NULL: not a request of wflows'. */
const wfm_request_t *wfa_request(request_rec *r);
/* Never NULL. */
const wfm_identity_t *wfa_identity(request_rec *r);

/* ---- one call of the API
 * --------------------------------------------------------------------------------------- */

/* What a handler gets. The frame (wfa_handler.c) has seen to all that the route's row says: who calls, whether
 * they may, whose company it is, that a body is there and is an object. */
typedef struct {
    request_rec *r;
    wf_ctx_t *ctx;               /* with a deadline */
    const wf_service_t *service;
    const wf_api_route_t *route;
    const wf_identity_t *who;    /* NULL: a public route, and nobody said who they are */
    wf_actor_t actor;            /* for audit rows; if_match is the If-Match header */
    const char *company_id;      /* of {companyId}: there is one, and the caller may see it; NULL: none in the path */
    const char *params[WF_API_PARAMS_MAX]; /* of the path, in order */
    const char *id;              /* the last of them that is not the company; NULL */
    wf_json_t *body;             /* an object; NULL: the route takes none */
    wf_slice_t raw;              /* its text */
    int64_t wait_s;              /* set by a handler: its WF_ELIMIT is 429, and when to come again */
    int denied_is_401;           /* set by a handler: its WF_EDENIED is 401, as of credentials */
} wfa_call_t;

/* What a handler answers. Nothing set: 204. */
typedef struct {
    int http;             /* 0: 200, or 204 without a body */
    const char *text;     /* JSON; NULL: `doc`, or no body */
    size_t len;
    wf_json_t *doc;
    const char *etag;     /* without quotes; NULL: none */
    const char *location; /* below WF_API_PREFIX */
    int sent;             /* the handler has sent the reply itself: wfa_export_begin */
} wfa_reply_t;

/* WF_OK, or the frame answers with the problem that ctx->err tells of. */
typedef wf_status_t wfa_handler_fn(wfa_call_t *call, wfa_reply_t *reply);

/* wfa_<name> for each row of lib/tenant/wf_route_rows.inc. */
#define WFA_DECLARE_HANDLER(name, ...) wfa_handler_fn wfa_##name;
#define R WFA_DECLARE_HANDLER
#include "tenant/wf_route_rows.inc"
#undef R
#undef WFA_DECLARE_HANDLER

/* The handler of a route (wfa_routes.c). */
wfa_handler_fn *wfa_route_handler(wf_api_route_id_t id);

/* ---- the frame
 * --------------------------------------------------------------------------------------------------- */

/* The handler hook (wfa_handler.c). */
int wfa_handler(request_rec *r);

/* The body, as the route's flags say, into the call (wfa_input.c). WF_OK, or *problem says what is wrong, with
 * ctx->err for the words; *problem WFM_PROBLEM_COUNT: the connection is gone, answer with *http. */
wf_status_t wfa_input_read(wfa_call_t *call, wfm_problem_t *problem, int *http) WF_MUST_CHECK;
/* The ETags that the caller names, as they were before a filter compressed what they stand for. */
void wfa_input_tags(request_rec *r);
/* 1 if the Accept header takes `type` ("application/json"), or there is none. */
int wfa_accepts(const request_rec *r, const char *type);

/* Before the handler: *once NULL where the request carries no key that counts. HTTP_CONTINUE, or what the handler is to
 * return: the reply is sent (wfa_once.c). */
int wfa_once_begin(wf_once_t **once, wfa_call_t *call);
/* After it; `reply` with status and text, NULL where there is nothing to remember. */
void wfa_once_end(wfa_call_t *call, const wf_once_t *once, const wfa_reply_t *reply);

/* Text and status of a reply, from what the handler has set (wfa_reply.c). */
void wfa_reply_finish(wfa_call_t *call, wfa_reply_t *reply);
/* Writes a call down whose change a second person has to agree to: 202 with the approval (wfa_approvals.c). */
wf_status_t wfa_approval_hold(wfa_call_t *call, wfa_reply_t *reply) WF_MUST_CHECK;

/* Sends what a handler answered, with what the request's headers ask for: If-None-Match, Prefer (wfa_reply.c). */
int wfa_reply_send(wfa_call_t *call, wfa_reply_t *reply);

/* Headers for a browser on another origin (wfa_cors.c); OPTIONS is answered with `allow`. */
void wfa_cors_headers(request_rec *r);
int wfa_options_reply(request_rec *r, const char *allow);

/* ---- for handlers
 * ------------------------------------------------------------------------------------------------ */

/* A document as the answer, with its version as ETag. */
void wfa_reply_doc(wfa_call_t *call, wfa_reply_t *reply, wf_json_t *doc);
/* 201 with the document; `path` is where it is, below WF_API_PREFIX. */
void wfa_reply_created(wfa_call_t *call, wfa_reply_t *reply, wf_json_t *doc, const char *path);
/* Answers the status, or sets the document: for `return wfa_found(call, reply, st, doc)`. */
wf_status_t wfa_found(wfa_call_t *call, wfa_reply_t *reply, wf_status_t st, wf_json_t *doc);

/* A value of the query string, or NULL. */
const char *wfa_query(const wfa_call_t *call, const char *name);
/* WF_EINVALID with a fault for each query parameter that is not among the names (NULL ends them). */
wf_status_t wfa_query_check(wfa_call_t *call, const char *const *names) WF_MUST_CHECK;

/* Members of the body, each with a fault where it is not what is expected; `otherwise`, NULL or 0 where it is
 * absent, null or wrong (wfa_body.c). */
void wfa_body_names(wfa_call_t *call, const char *const *names); /* all that are known; NULL ends them */
int64_t wfa_body_int(wfa_call_t *call, const char *name, int64_t min, int64_t max,
                     int64_t otherwise);
int wfa_body_bool(wfa_call_t *call, const char *name, int otherwise);
const char *wfa_body_text(wfa_call_t *call, const char *name, int (*is)(const char *text),
                          const char *expected);
apr_time_t wfa_body_time(wfa_call_t *call, const char *name);
/* WF_EINVALID if there are faults. */
wf_status_t wfa_body_done(wfa_call_t *call) WF_MUST_CHECK;

/* One record, as far as the caller may see its account (wfa_list.c); its id is in the path. WF_ENOTFOUND. */
wf_status_t wfa_record(wfa_call_t *call, wf_json_t **doc, const wf_record_t *record,
                       const char *id) WF_MUST_CHECK;
/* The same of call->id as the answer. */
wf_status_t wfa_find(wfa_call_t *call, wfa_reply_t *reply, const wf_record_t *record) WF_MUST_CHECK;
/* WF_EDENIED where the caller's key is for other accounts only. NULL: any account of the company. */
wf_status_t wfa_account_allowed(wfa_call_t *call, const char *account_id) WF_MUST_CHECK;

/* For routes with WF_API_CSV: the body, piece by piece, to `sink`. Other than WF_OK: what `sink` answered, or it could
 * not be read, and the refusal is sent (wfa_input.c). */
wf_status_t wfa_input_stream(wfa_call_t *call, wfa_reply_t *reply, wf_bytes_fn *sink,
                             void *baton) WF_MUST_CHECK;

/* One page of a list by the query string: limit, cursor, sort and the list's filters (wfa_list.c). */
wf_status_t wfa_list(wfa_call_t *call, wfa_reply_t *reply, const wf_list_t *list) WF_MUST_CHECK;

/* Ends a reply of which something was sent without its last chunk, and the connection with it: the client sees
 * that something is missing (wfa_export.c). */
void wfa_break_off(request_rec *r);

/* All of a list as a stream (wfa_export.c): CSV or NDJSON by ?format or Accept (NDJSON unless CSV is asked for),
 * in constant memory. `columns` are JSON Pointers, each with its head: {"created_at", "/created_at"}; CSV only.
 * What fails after the first row breaks the connection off, so that nobody takes half of it for all. */
typedef struct {
    const char *head, *pointer;
} wfa_column_t;
typedef struct {
    const wfa_column_t *columns;
    const char *file_name; /* without extension */
    /* Of the audit row, with what was asked for as metadata; the resource is call->id. NULL: none is written. */
    const char *action, *resource_type;
} wfa_export_t;
wf_status_t wfa_export(wfa_call_t *call, wfa_reply_t *reply, const wf_list_t *list,
                       const wfa_export_t *what) WF_MUST_CHECK;

#endif
