#include "wfa.h"
#include "wfa_docs.h"

#include <http_request.h>
#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* The page loads from this server and from nowhere else. The viewer's style sheet has its small pictures as data:. */
#define POLICY                                                                                     \
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "               \
    "form-action 'none'; frame-ancestors 'none'"

static const wfa_file_t *find_file(const char *name)
{
    const wfa_file_t *file = wfa_files;

    while (file->name && strcmp(file->name, name) != 0) {
        file++;
    }
    return file->name ? file : NULL;
}

static void set_headers(request_rec *r, const wfa_file_t *file)
{
    apr_table_setn(r->headers_out, "ETag", apr_pstrcat(r->pool, "\"", file->etag, "\"", NULL));
    apr_table_setn(r->err_headers_out, "Cache-Control", "public, no-cache");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy", POLICY);
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
}

static wf_status_t send_file(wfa_call_t *call, wfa_reply_t *reply, const char *name)
{
    const wfa_file_t *file = find_file(name);
    static const char *const no_query[] = {NULL};
    request_rec *r = call->r;
    wf_status_t st = wfa_query_check(call, no_query);

    if (st != WF_OK) {
        return st;
    }
    if (!file) {
        return wf_fail(call->ctx, WF_ENOTFOUND, WFLOGNO(3070) "no such file of the page");
    }
    set_headers(r, file);
    reply->sent = 1;
    if (ap_meets_conditions(r) == HTTP_NOT_MODIFIED) {
        (void)wfm_empty_reply(r, HTTP_NOT_MODIFIED);
    } else {
        (void)wfm_text_reply(r, HTTP_OK, file->type, file->data, file->len);
    }
    return WF_OK;
}

wf_status_t wfa_openapi_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return send_file(call, reply, "openapi.json");
}

wf_status_t wfa_docs_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return send_file(call, reply, "docs.html");
}

wf_status_t wfa_docs_file_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return send_file(call, reply, call->params[0]);
}
