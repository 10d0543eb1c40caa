#include "wfa.h"

#include <http_request.h>
#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- for handlers
 * ----------------------------------------------------------------------------------------------- */

void wfa_reply_doc(wfa_call_t *call, wfa_reply_t *reply, wf_json_t *doc)
{
    reply->doc = doc;
    reply->etag = wf_version_tag(call->r->pool, doc);
}

void wfa_reply_created(wfa_call_t *call, wfa_reply_t *reply, wf_json_t *doc, const char *path)
{
    wfa_reply_doc(call, reply, doc);
    reply->http = HTTP_CREATED;
    reply->location = path;
}

wf_status_t wfa_found(wfa_call_t *call, wfa_reply_t *reply, wf_status_t st, wf_json_t *doc)
{
    if (st == WF_OK) {
        wfa_reply_doc(call, reply, doc);
    }
    return st;
}

/* ---- sending
 * ---------------------------------------------------------------------------------------------------- */

/* RFC 7240: a preference among others, its parameters apart. */
static int prefers_minimal(const request_rec *r)
{
    const char *prefer = apr_table_get(r->headers_in, "Prefer");

    return prefer && ap_find_token(r->pool, prefer, "return=minimal");
}

/* Status and headers; 1: the body is to be left out. */
static int apply_preference(request_rec *r, wfa_reply_t *reply)
{
    if (r->method_number == M_GET || !reply->text || !prefers_minimal(r)) {
        return 0;
    }
    apr_table_setn(r->err_headers_out, "Preference-Applied", "return=minimal");
    if (reply->http == HTTP_OK) {
        reply->http = HTTP_NO_CONTENT;
    }
    return 1;
}

void wfa_reply_finish(wfa_call_t *call, wfa_reply_t *reply)
{
    if (!reply->text && reply->doc) {
        reply->text = wf_json_text(call->r->pool, reply->doc, &reply->len);
    }
    if (reply->http == 0) {
        reply->http = reply->text ? HTTP_OK : HTTP_NO_CONTENT;
    }
}

int wfa_reply_send(wfa_call_t *call, wfa_reply_t *reply)
{
    request_rec *r = call->r;
    int rc;

    wfa_reply_finish(call, reply);
    if (reply->location) {
        apr_table_setn(r->err_headers_out, "Location",
                       apr_pstrcat(r->pool, WF_API_PREFIX, reply->location, NULL));
    }
    if (reply->etag) {
        apr_table_setn(r->headers_out, "ETag", apr_pstrcat(r->pool, "\"", reply->etag, "\"", NULL));
    }
    if (r->method_number == M_GET) {
        /* Kept by the caller's own cache, and asked for again each time. */
        apr_table_setn(r->err_headers_out, "Cache-Control",
                       reply->etag ? "private, no-cache" : "no-store");
        rc = reply->etag ? ap_meets_conditions(r) : OK;
        if (rc == HTTP_NOT_MODIFIED) {
            return wfm_empty_reply(r, rc);
        }
    }
    if (apply_preference(r, reply) || !reply->text) {
        return wfm_empty_reply(r, reply->http);
    }
    return wfm_text_reply(r, reply->http, "application/json", reply->text, reply->len);
}
