#include "wft.h"

#include "tenant/wf_route.h"

#include <ctype.h>
#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

#define SCRUBBED_PREFIX "X-Wflows-"
#define TRACEPARENT_LEN 55
#define TRACE_RANDOM 24 /* trace id and parent id */

/* ---- request id
 * ------------------------------------------------------------------------------------------- */

/* What a caller may name a request: short, and harmless in a log, a header and a URL. */
static int is_request_id(const char *id)
{
    size_t len = id ? strlen(id) : 0, i;

    if (len < 8 || len > 128) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char)id[i]) && !strchr("._-", id[i])) {
            return 0;
        }
    }
    return 1;
}

/* ---- W3C trace context
 * ---------------------------------------------------------------------------------------- */

static int is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static int is_zero(const char *text, size_t len)
{
    return strspn(text, "0") >= len;
}

/* Version 00, or a later one that begins as 00 does. */
static int is_traceparent(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    return len >= TRACEPARENT_LEN && is_hex(text, 2) && strncmp(text, "ff", 2) != 0 &&
           text[2] == '-' && is_hex(text + 3, 32) && !is_zero(text + 3, 32) && text[35] == '-' &&
           is_hex(text + 36, 16) && !is_zero(text + 36, 16) && text[52] == '-' &&
           is_hex(text + 53, 2) &&
           (len == TRACEPARENT_LEN ||
            (strncmp(text, "00", 2) != 0 && text[TRACEPARENT_LEN] == '-'));
}

/* A trace begins here, not sampled. `id`: random. */
static void begin_trace(request_rec *r, wfm_request_t *req, unsigned char id[TRACE_RANDOM])
{
    id[0] |= 1; /* neither of the two may be all zero */
    id[16] |= 1;
    req->trace_id = wf_hex(r->pool, id, 16);
    apr_table_setn(
        r->headers_in, "traceparent",
        apr_pstrcat(r->pool, "00-", req->trace_id, "-", wf_hex(r->pool, id + 16, 8), "-00", NULL));
}

/* Both ids, as the caller gave them or made here; random bytes for both are drawn at once. The caller's trace is
 * passed on as it came: httpd reports no span of its own, and a parent that nobody reported would
 * tear the trace apart. */
static void name_request(request_rec *r, wfm_request_t *req)
{
    const char *id = apr_table_get(r->headers_in, "X-Request-Id");
    const char *trace = apr_table_get(r->headers_in, "traceparent");
    int has_id = is_request_id(id), has_trace = is_traceparent(trace);
    unsigned char random[WF_UUID_RANDOM + TRACE_RANDOM];
    wf_ctx_t *ctx;

    req->request_id = has_id ? id : "-";
    if (has_trace) {
        req->trace_id = apr_pstrmemdup(r->pool, trace + 3, 32);
    } else {
        apr_table_unset(r->headers_in, "tracestate");
        apr_table_unset(r->headers_in, "traceparent");
    }
    if (has_id && has_trace) {
        return;
    }
    ctx = wfm_ctx_make(r, NULL);
    if (wf_rand_bytes(ctx, random, sizeof(random)) != WF_OK) {
        return;
    }
    if (!has_id) {
        char *made = apr_palloc(r->pool, WF_UUID_LEN + 1);

        wf_uuid_v7_of(made, wf_now(ctx), random);
        req->request_id = made;
    }
    if (!has_trace) {
        begin_trace(r, req, random + WF_UUID_RANDOM);
    }
}

/* ---- the record
 * ----------------------------------------------------------------------------------------------------
 */

wfm_request_t *wft_request(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &wflows_tenant_module);
}

const wfm_request_t *wft_request_origin(const request_rec *r)
{
    const request_rec *from = r->prev ? r->prev : r->main;

    return from ? wft_request(from) : NULL;
}

wfm_request_t *wft_request_make(request_rec *r)
{
    wfm_request_t *req = wft_request(r);
    const wfm_request_t *from;

    if (req) {
        return req;
    }
    req = apr_pcalloc(r->pool, sizeof(*req));
    from = wft_request_origin(r);
    if (from) {
        req->request_id = from->request_id;
        req->trace_id = from->trace_id;
    } else {
        name_request(r, req);
    }
    ap_set_module_config(r->request_config, &wflows_tenant_module, req);
    return req;
}

void wft_request_export(request_rec *r, const wfm_request_t *req)
{
    /* err_headers_out is what error replies and internal redirects carry too. */
    apr_table_setn(r->err_headers_out, "X-Request-Id", req->request_id);
    apr_table_setn(r->headers_in, "X-Request-Id", req->request_id);
    apr_table_setn(r->subprocess_env, "WFLOWS_REQUEST_ID", req->request_id);
    /* For a log in JSON: mod_log_config writes strange bytes as \xhh, which JSON does not know. */
    apr_table_setn(r->subprocess_env, "WFLOWS_PATH", ap_escape_uri(r->pool, r->uri));
    if (req->trace_id) {
        apr_table_setn(r->subprocess_env, "WFLOWS_TRACE_ID", req->trace_id);
    }
}

/* ---- post_read_request
 * ------------------------------------------------------------------------------------------------
 */

/* A backend behind this server may trust X-Wflows-* headers that RequestHeader makes from the
 * environment: no client can send them. */
static void scrub(request_rec *r)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)headers->elts;
    apr_array_header_t *found = NULL;
    int i;

    for (i = 0; i < headers->nelts; i++) {
        if (entry[i].key && (entry[i].key[0] | 0x20) == 'x' &&
            ap_cstr_casecmpn(entry[i].key, SCRUBBED_PREFIX, sizeof(SCRUBBED_PREFIX) - 1) == 0) {
            if (!found) {
                found = apr_array_make(r->pool, 2, sizeof(const char *));
            }
            APR_ARRAY_PUSH(found, const char *) = entry[i].key;
        }
    }
    for (i = 0; found && i < found->nelts; i++) {
        apr_table_unset(r->headers_in, APR_ARRAY_IDX(found, i, const char *));
    }
}

int wft_post_read_request(request_rec *r)
{
    const wft_server_conf_t *sconf =
        ap_get_module_config(r->server->module_config, &wflows_tenant_module);
    const wft_dir_conf_t *conf = ap_get_module_config(r->per_dir_config, &wflows_tenant_module);

    /* Location sections are not known yet: a server that turns tenants on nowhere is left alone. An
     * internal redirect comes here a second time, with headers that are ours. */
    if (!wft_is_used(sconf) || r->prev) {
        return DECLINED;
    }
    scrub(r);
    /* So that the id is also on a reply that httpd itself gives before it looks for a route (a bad
     * escape). */
    if (conf->enabled == 1 && r->uri &&
        (strncmp(r->uri, WFT_COMPANY_PREFIX, sizeof(WFT_COMPANY_PREFIX) - 1) == 0 ||
         strncmp(r->uri, WF_API_PREFIX "/", sizeof(WF_API_PREFIX)) == 0)) {
        apr_table_setn(r->err_headers_out, "X-Request-Id", wft_request_make(r)->request_id);
    }
    return DECLINED;
}
