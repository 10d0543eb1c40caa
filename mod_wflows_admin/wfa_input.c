#include "wfa.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- headers
 * --------------------------------------------------------------------------------------------- */

/* 1 if `header` begins with the media type `type`; parameters after it do not matter. */
static int is_type(const char *header, const char *type)
{
    size_t len = strlen(type);

    return header && ap_cstr_casecmpn(header, type, len) == 0 &&
           (header[len] == '\0' || header[len] == ';' || header[len] == ' ' || header[len] == ',');
}

/* 1 if one range of an Accept header takes the type and does not refuse it with q=0. */
static int range_takes(const char *range, const char *type)
{
    size_t major = strcspn(type, "/") + 1;
    const char *q = strstr(range, "q=0");
    size_t digits = q ? strspn(q + 3, ".0") : 0;

    if (q && (q[3 + digits] == '\0' || q[3 + digits] == ' ')) {
        return 0;
    }
    return is_type(range, "*/*") || is_type(range, type) ||
           (ap_cstr_casecmpn(range, type, major) == 0 && range[major] == '*');
}

/* mod_deflate and mod_brotli hand out "<tag>-gzip" and "<tag>-br" for what they have compressed; the caller sends them
 * back, and they name the same version. */
static void drop_suffix(request_rec *r, const char *header, const char *suffix)
{
    const char *text = apr_table_get(r->headers_in, header);
    size_t len = strlen(suffix);
    char *tags, *at;

    if (!text || !strstr(text, suffix)) {
        return;
    }
    tags = apr_pstrdup(r->pool, text);
    while ((at = strstr(tags, suffix)) != NULL) {
        memmove(at, at + len - 1, strlen(at + len - 1) + 1); /* all but the closing quote */
    }
    apr_table_setn(r->headers_in, header, tags);
}

void wfa_input_tags(request_rec *r)
{
    static const char *const headers[] = {"If-Match", "If-None-Match"};
    size_t i;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        drop_suffix(r, headers[i], "-gzip\"");
        drop_suffix(r, headers[i], "-br\"");
    }
}

int wfa_accepts(const request_rec *r, const char *type)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");
    char *range, *state = NULL;

    if (!accept) {
        return 1;
    }
    for (range = apr_strtok(apr_pstrdup(r->pool, accept), ",", &state); range;
         range = apr_strtok(NULL, ",", &state)) {
        range += strspn(range, " \t");
        if (range_takes(range, type)) {
            return 1;
        }
    }
    return 0;
}

/* ---- query
 * ----------------------------------------------------------------------------------------------- */

const char *wfa_query(const wfa_call_t *call, const char *name)
{
    return wfm_query_value(call->r, name);
}

static int is_among(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(*names, name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A name as it may be repeated to the caller. */
static const char *shown_name(apr_pool_t *pool, const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

    return apr_pstrcat(pool, "?", apr_pstrmemdup(pool, name, len < 64 ? len : 64), NULL);
}

wf_status_t wfa_query_check(wfa_call_t *call, const char *const *names)
{
    apr_table_t *seen = apr_table_make(call->r->pool, 8);
    char *pair, *state = NULL;

    if (!call->r->args) {
        return WF_OK;
    }
    for (pair = apr_strtok(apr_pstrdup(call->r->pool, call->r->args), "&", &state); pair;
         pair = apr_strtok(NULL, "&", &state)) {
        char *value = strchr(pair, '=');
        const char *shown;

        if (value) {
            *value++ = '\0';
        }
        shown = shown_name(call->r->pool, pair);
        if (!is_among(pair, names)) {
            wf_fault_add(call->ctx, shown, "not known");
        } else if (!value || ap_unescape_urlencoded(value) != OK ||
                   !wf_utf8_is(value, strlen(value))) {
            wf_fault_add(call->ctx, shown, "a value in percent-encoded UTF-8 expected");
        } else if (apr_table_get(seen, pair)) {
            wf_fault_add(call->ctx, shown, "given twice");
        }
        apr_table_setn(seen, pair, "");
    }
    return wf_has_faults(call->ctx) ? wf_fail_public(call->ctx, WF_EINVALID, WFLOGNO(3003) "%s",
                                                     wf_faults_text(call->ctx))
                                    : WF_OK;
}

/* ---- body
 * ------------------------------------------------------------------------------------------------ */

static wf_status_t parse(wfa_call_t *call, wfm_problem_t *problem)
{
    wf_status_t st = wf_json_parse(call->ctx, &call->body, call->raw.data, call->raw.len, 0);

    if (st != WF_OK) {
        *problem = WFM_BAD_REQUEST;
        return st;
    }
    if (wf_json_type(call->body) != WF_JSON_OBJECT) {
        *problem = WFM_INVALID;
        wf_fault_add(call->ctx, "", "an object expected");
        return wf_fail_public(call->ctx, WF_EINVALID, WFLOGNO(3004) "%s",
                              wf_faults_text(call->ctx));
    }
    return WF_OK;
}

wf_status_t wfa_input_read(wfa_call_t *call, wfm_problem_t *problem, int *http)
{
    const char *type = apr_table_get(call->r->headers_in, "Content-Type");
    unsigned flags = call->route->flags;

    if ((flags & WF_API_CSV) && !is_type(type, "text/csv")) {
        *problem = WFM_MEDIA_TYPE;
        return WF_EINVALID;
    }
    if (!(flags & (WF_API_BODY | WF_API_BODY_OPT))) {
        return WF_OK;
    }
    *http = wfm_body_read(call->ctx, &call->raw, call->r, wfa_body_max(call->r));
    if (*http != OK) {
        *problem = *http == AP_FILTER_ERROR ? WFM_PROBLEM_COUNT : wfm_problem_of_http(*http);
        return WF_EINVALID;
    }
    if (call->raw.len == 0 && (flags & WF_API_BODY_OPT)) {
        call->body = wf_json_object_make(call->r->pool);
        return WF_OK;
    }
    if (call->raw.len == 0) {
        *problem = WFM_BAD_REQUEST;
        return wf_fail_public(call->ctx, WF_EINVALID,
                              WFLOGNO(3005) "a body with a JSON object expected");
    }
    if (!is_type(type, "application/json") &&
        !((flags & WF_API_MERGE) && is_type(type, "application/merge-patch+json"))) {
        *problem = WFM_MEDIA_TYPE;
        return WF_EINVALID;
    }
    return parse(call, problem);
}

wf_status_t wfa_input_stream(wfa_call_t *call, wfa_reply_t *reply, wf_bytes_fn *sink, void *baton)
{
    wfm_refusal_t refusal = {.request_id = call->ctx->request_id};
    wf_status_t st;
    int http = wfm_body_stream(call->ctx, &st, call->r, wfa_body_max(call->r), sink, baton);

    if (http == OK) {
        return st;
    }
    reply->sent = 1;
    if (http != AP_FILTER_ERROR) {
        refusal.problem = wfm_problem_of_http(http);
        (void)wfm_problem_reply(call->r, &refusal);
    }
    return WF_EINVALID;
}
