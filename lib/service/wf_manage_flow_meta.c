#include "service/wf_manage_flow_meta.h"

#include "service/wf_graph.h"
#include "service/wf_manage_flow.h"

#include <string.h>

#define FLOW_JSON "/flow_json"
#define CATEGORY_DEFAULT "OTHER"
#define MESSAGE_MAX 300

int wf_flow_category_is(const char *text)
{
    static const char *const words[] = {"SIGN_UP",         "SIGN_IN",    "APPOINTMENT_BOOKING",
                                        "LEAD_GENERATION", "CONTACT_US", "CUSTOMER_SUPPORT",
                                        "SURVEY",          "OTHER"};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], text) == 0) {
            return 1;
        }
    }
    return 0;
}

/* One publishing on its way. */
typedef struct {
    const wf_service_t *service;
    const wf_publish_t *in;
    const wf_actor_t *actor;
    const char *flow_id;
    wf_graph_t graph;
    const char *waba_id;
    const char *meta_id; /* NULL: not there yet */
    int version;
} publishing_t;

/* ---- Meta's validation errors -------------------------------------------------------------------
 */

/* "screens[0].layout.children[1]" as a JSON Pointer below /flow_json. */
static const char *pointer_of(apr_pool_t *pool, const char *path)
{
    const char *pointer = FLOW_JSON;

    while (path && *path) {
        size_t len = strcspn(path, ".[]");

        if (len > 0) {
            pointer = wf_json_pointer_add(pool, pointer, apr_pstrmemdup(pool, path, len));
        }
        path += len + (path[len] != '\0');
    }
    return pointer;
}

static void add_error(wf_ctx_t *ctx, const wf_json_t *error, const char *pointer,
                      const wf_json_t *place)
{
    int64_t line = wf_json_get_int(place, "line_start", 0);
    const char *message = wf_json_get_str(error, "message", "not valid");

    if (line > 0) {
        wf_fault_add(ctx, pointer,
                     "%.*s (%.60s, line %" APR_INT64_T_FMT ", column %" APR_INT64_T_FMT ")",
                     MESSAGE_MAX, message, wf_json_get_str(error, "error", "-"), line,
                     wf_json_get_int(place, "column_start", 0));
    } else {
        wf_fault_add(ctx, pointer, "%.*s (%.60s)", MESSAGE_MAX, message,
                     wf_json_get_str(error, "error", "-"));
    }
}

static wf_status_t tell_errors(wf_ctx_t *ctx, const wf_json_t *errors)
{
    size_t i, k;

    for (i = 0; i < wf_json_len(errors); i++) {
        const wf_json_t *error = wf_json_at(errors, i), *pointers = wf_json_get(error, "pointers");

        for (k = 0; k < wf_json_len(pointers); k++) {
            const wf_json_t *place = wf_json_at(pointers, k);
            add_error(ctx, error, pointer_of(ctx->pool, wf_json_get_str(place, "path", NULL)),
                      place);
        }
        if (wf_json_len(pointers) == 0) {
            add_error(ctx, error, FLOW_JSON, error);
        }
    }
    if (!wf_has_faults(ctx)) {
        return WF_OK;
    }
    return wf_fail_code(ctx, WF_EINVALID, "meta_validation_failed",
                        WFLOGNO(0670) "Meta refuses the flow's JSON: %s", wf_faults_text(ctx));
}

/* ---- the steps ----------------------------------------------------------------------------------
 */

static wf_status_t open_account(wf_ctx_t *ctx, wf_graph_t *graph, const char **waba_id,
                                const wf_service_t *service, const char *company_id,
                                const wf_json_t *flow, const char *wanted)
{
    const char *account_id;
    wf_json_t *account;
    wf_status_t st;

    if ((st = wf_manage_flow_account(ctx, &account_id, service->store, company_id, flow, wanted)) !=
            WF_OK ||
        (st = wf_graph_open(ctx, graph, &account, service, company_id, account_id)) != WF_OK) {
        return st;
    }
    *waba_id = wf_json_get_str(account, "waba_id", NULL);
    return *waba_id ? WF_OK
                    : wf_fail_code(ctx, WF_ECONFLICT, "waba_id_missing",
                                   WFLOGNO(0671) "the account has no waba_id");
}

static const char *path_of(apr_pool_t *pool, const char *id, const char *rest)
{
    return apr_pstrcat(pool, "/", id, rest, NULL);
}

static wf_status_t keep(wf_ctx_t *ctx, const publishing_t *p, const char *status, int version)
{
    const wf_flow_meta_t meta = {p->meta_id, status, version};

    return wf_flow_set_meta(ctx, p->service->store, p->in->company_id, p->flow_id, &meta, p->actor);
}

/* The id is kept before anything else is done with it: a second flow would be made otherwise. */
static wf_status_t create(wf_ctx_t *ctx, publishing_t *p)
{
    wf_json_t *doc = wf_json_object_make(ctx->pool), *reply;
    wf_status_t st;

    wf_json_set_str(doc, "name",
                    p->in->name ? p->in->name : wf_json_get_str(p->in->flow, "name", ""));
    wf_json_set(doc, "categories",
                p->in->categories ? wf_json_copy(ctx->pool, p->in->categories)
                                  : wf_json_array_make(ctx->pool));
    if (wf_json_len(wf_json_get(doc, "categories")) == 0) {
        wf_json_push(wf_json_get(doc, "categories"), wf_json_str_make(ctx->pool, CATEGORY_DEFAULT));
    }
    wf_json_set_str(doc, "endpoint_uri", p->in->endpoint_uri);
    st = wf_graph_post(ctx, &reply, &p->graph, path_of(ctx->pool, p->waba_id, "/flows"), doc);
    if (st != WF_OK) {
        return st;
    }
    p->meta_id = wf_json_get_str(reply, "id", NULL);
    if (!wf_graph_is_id(p->meta_id)) {
        return wf_fail_code(ctx, WF_EUNAVAIL, "meta_unavailable",
                            WFLOGNO(0672) "Meta made a flow and did not say its id");
    }
    return keep(ctx, p, WF_META_DRAFT, 0);
}

static wf_status_t update(wf_ctx_t *ctx, publishing_t *p, int is_new)
{
    wf_json_t *doc = wf_json_object_make(ctx->pool);

    if (!is_new) {
        wf_json_set_str(doc, "name", p->in->name);
        wf_json_set_str(doc, "endpoint_uri", p->in->endpoint_uri);
        if (p->in->categories) {
            wf_json_set(doc, "categories", wf_json_copy(ctx->pool, p->in->categories));
        }
    }
    wf_json_set_str(doc, "application_id", p->in->application_id);
    return wf_json_len(doc) == 0
               ? WF_OK
               : wf_graph_post(ctx, NULL, &p->graph, path_of(ctx->pool, p->meta_id, ""), doc);
}

static wf_status_t load_version(wf_ctx_t *ctx, publishing_t *p, const char **flow_json)
{
    const char *logic;
    wf_status_t st;

    p->version =
        p->in->version ? p->in->version : (int)wf_json_get_int(p->in->flow, "active_version", 0);
    if (p->version == 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "no_active_version",
                            WFLOGNO(0673) "the flow has no active version: name one");
    }
    st = wf_flow_source_load(ctx, flow_json, &logic, p->service->store, p->in->company_id,
                             wf_json_get_str(p->in->flow, "name", ""), p->version);
    if (st == WF_ENOTFOUND) {
        wf_fault_add(ctx, "/version", "the flow has no such version");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0674) "%s", wf_faults_text(ctx));
    }
    return st;
}

/* What is there already: the caller's word, else the flow's own, unless that is gone for good. */
static const char *id_of(const wf_publish_t *in)
{
    if (in->meta_flow_id) {
        return in->meta_flow_id;
    }
    return strcmp(wf_json_get_str(in->flow, "meta_status", ""), WF_META_DEPRECATED) == 0
               ? NULL
               : wf_json_get_str(in->flow, "meta_flow_id", NULL);
}

wf_status_t wf_manage_flow_publish(wf_ctx_t *ctx, const wf_service_t *service,
                                   const wf_publish_t *in, const wf_actor_t *actor)
{
    wf_actor_t later = *actor;
    publishing_t p = {.service = service, .in = in, .actor = &later, .meta_id = id_of(in)};
    int is_new = p.meta_id == NULL;
    const char *flow_json;
    wf_json_t *errors;
    wf_status_t st;

    p.flow_id = wf_json_get_str(in->flow, "id", "");
    later.if_match = NULL; /* we change the record ourselves, step by step */
    if ((st = load_version(ctx, &p, &flow_json)) != WF_OK ||
        (st = open_account(ctx, &p.graph, &p.waba_id, service, in->company_id, in->flow,
                           in->account_id)) != WF_OK ||
        (is_new && (st = create(ctx, &p)) != WF_OK) || (st = update(ctx, &p, is_new)) != WF_OK ||
        (st = wf_graph_flow_upload(ctx, &errors, &p.graph, p.meta_id, flow_json)) != WF_OK ||
        (st = keep(ctx, &p, WF_META_DRAFT, p.version)) != WF_OK ||
        (st = tell_errors(ctx, errors)) != WF_OK || in->draft ||
        (st = wf_graph_post(ctx, NULL, &p.graph, path_of(ctx->pool, p.meta_id, "/publish"),
                            NULL)) != WF_OK) {
        return st;
    }
    return keep(ctx, &p, WF_META_PUBLISHED, p.version);
}

wf_status_t wf_manage_flow_deprecate(wf_ctx_t *ctx, const wf_service_t *service,
                                     const char *company_id, const wf_json_t *flow,
                                     const char *account_id, const wf_actor_t *actor)
{
    const wf_flow_meta_t meta = {NULL, WF_META_DEPRECATED, 0};
    const char *id = wf_json_get_str(flow, "meta_flow_id", NULL), *waba_id;
    wf_actor_t later = *actor;
    wf_graph_t graph;
    wf_status_t st;

    later.if_match = NULL; /* what Meta did must be kept */
    if (!id) {
        return wf_fail_code(ctx, WF_ECONFLICT, "flow_not_published",
                            WFLOGNO(0675) "the flow is not at Meta");
    }
    if ((st = open_account(ctx, &graph, &waba_id, service, company_id, flow, account_id)) !=
            WF_OK ||
        (st = wf_graph_post(ctx, NULL, &graph, path_of(ctx->pool, id, "/deprecate"), NULL)) !=
            WF_OK) {
        return st;
    }
    return wf_flow_set_meta(ctx, service->store, company_id, wf_json_get_str(flow, "id", ""), &meta,
                            &later);
}
