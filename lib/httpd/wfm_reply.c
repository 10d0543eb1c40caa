#include "httpd/wfm.h"

#include "json/wf_json.h"

#include <apr_buckets.h>

#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

/* What a Retry-After says when a server of ours is down: about one breaker interval. */
#define RETRY_UNAVAILABLE_S 5

/* The one table from what went wrong to HTTP. */
typedef struct {
    int http;
    const char *code;
    const char *detail;
} problem_row_t;

static const problem_row_t problems[WFM_PROBLEM_COUNT] = {
    [WFM_BAD_REQUEST] = {400, "bad_request", "The request could not be understood."},
    [WFM_UNAUTHORIZED] = {401, "unauthorized", "The signature is missing or does not fit."},
    [WFM_FORBIDDEN] = {403, "forbidden", "This is not allowed."},
    [WFM_NOT_FOUND] = {404, "not_found", "There is nothing here."},
    [WFM_METHOD] = {405, "method_not_allowed", "This method is not allowed here."},
    [WFM_NOT_ACCEPTABLE] = {406, "not_acceptable", "The answer is not to be had in a form you accept."},
    [WFM_TIMEOUT] = {408, "request_timeout", "The request took too long to arrive."},
    [WFM_CONFLICT] = {409, "conflict", "The state of the resource does not allow this."},
    [WFM_PLAN_LIMIT] = {409, "limit_reached", "A limit of the plan is reached."},
    [WFM_STALE] = {412, "precondition_failed", "The resource has changed: read it again."},
    [WFM_TOO_LARGE] = {413, "body_too_large", "The request body is too large."},
    [WFM_ENCODING] = {415, "unsupported_encoding", "Send the body without a Content-Encoding."},
    [WFM_MEDIA_TYPE] = {415, "unsupported_media_type", "Send the body as application/json."},
    [WFM_INVALID] = {422, "invalid", "The input is not valid."},
    [WFM_MATCH_NEEDED] = {428, "precondition_required", "Send If-Match with the ETag of the resource."},
    [WFM_INACTIVE] = {403, "inactive", "The company or account is not active."},
    [WFM_LIMITED] = {429, "rate_limited", "Too many requests."},
    [WFM_QUOTA] = {429, "quota_exceeded", "The monthly quota is used up."},
    [WFM_INTERNAL] = {500, "internal", "Something went wrong here."},
    [WFM_UNAVAILABLE] = {503, "unavailable", "Try again in a moment."},
};

/* Statuses that httpd has no line for; without one it would send 500 (STYLE.md 3.3). */
static const struct {
    int http;
    const char *line;
} status_lines[] = {
    {427, "427 Flow Token Not Valid"},
    {432, "432 Signature Not Valid"},
};

wfm_problem_t wfm_problem_of_status(wf_status_t status)
{
    switch (status) {
    case WF_ENOTFOUND:
        return WFM_NOT_FOUND;
    case WF_EINVALID:
        return WFM_BAD_REQUEST;
    case WF_EDENIED:
        return WFM_FORBIDDEN;
    case WF_ECONFLICT:
        return WFM_CONFLICT;
    case WF_ELIMIT:
        return WFM_LIMITED;
    case WF_EUNAVAIL:
        return WFM_UNAVAILABLE;
    case WF_ESTALE:
        return WFM_STALE;
    case WF_OK:
    case WF_EINTERNAL:
        break;
    }
    return WFM_INTERNAL;
}

wfm_problem_t wfm_problem_of_verdict(wf_admit_verdict_t verdict)
{
    switch (verdict) {
    case WF_ADMIT_UNKNOWN:
        return WFM_NOT_FOUND;
    case WF_ADMIT_INACTIVE:
        return WFM_INACTIVE;
    case WF_ADMIT_LIMITED:
        return WFM_LIMITED;
    case WF_ADMIT_QUOTA:
        return WFM_QUOTA;
    case WF_ADMIT_OK:
        break;
    }
    return WFM_INTERNAL;
}

wfm_problem_t wfm_problem_of_http(int http_status)
{
    switch (http_status) {
    case HTTP_BAD_REQUEST:
        return WFM_BAD_REQUEST;
    case HTTP_REQUEST_TIME_OUT:
        return WFM_TIMEOUT;
    case HTTP_REQUEST_ENTITY_TOO_LARGE:
        return WFM_TOO_LARGE;
    case HTTP_UNSUPPORTED_MEDIA_TYPE:
        return WFM_ENCODING;
    default:
        return WFM_INTERNAL;
    }
}

static const char *status_line(int http)
{
    size_t i;

    for (i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++) {
        if (status_lines[i].http == http) {
            return status_lines[i].line;
        }
    }
    return ap_get_status_line(http);
}

static void set_status(request_rec *r, int http)
{
    r->status = http;
    r->status_line = status_line(http);
}

static int send_body(request_rec *r, const char *body, size_t len)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    ap_set_content_length(r, (apr_off_t)len);
    if (len > 0 && !r->header_only) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(body, len, r->pool, alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    /* A client that went away is httpd's business: it logs it and closes the connection. */
    (void)ap_pass_brigade(r->output_filters, bb);
    return OK;
}

int wfm_text_reply(request_rec *r, int http_status, const char *content_type, const char *body,
                   size_t len)
{
    set_status(r, http_status);
    /* mod_mime may have read something into the last letters of a flow's name. */
    r->content_encoding = NULL;
    r->content_languages = NULL;
    ap_set_content_type(r, content_type);
    if (!apr_table_get(r->err_headers_out, "Cache-Control")) {
        apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    }
    return send_body(r, body, len);
}

int wfm_empty_reply(request_rec *r, int http_status)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    set_status(r, http_status);
    r->content_encoding = NULL;
    r->content_languages = NULL;
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
    return OK;
}

/* draft-ietf-httpapi-ratelimit-headers: RateLimit: "company";r=0;t=12 */
static void limit_headers(request_rec *r, const wf_admission_t *limit)
{
    apr_table_t *out = r->err_headers_out;
    int64_t wait = limit->limit_reset_s > 0 ? limit->limit_reset_s : 1;

    apr_table_setn(out, "Retry-After", apr_psprintf(r->pool, "%" APR_INT64_T_FMT, wait));
    if (!limit->limit_scope) {
        return;
    }
    apr_table_setn(out, "RateLimit",
                   apr_psprintf(r->pool, "\"%s\";r=%" APR_INT64_T_FMT ";t=%" APR_INT64_T_FMT,
                                limit->limit_scope, limit->limit_remaining, wait));
    apr_table_setn(out, "RateLimit-Policy",
                   apr_psprintf(r->pool, "\"%s\";q=%" APR_INT64_T_FMT ";w=%" APR_INT64_T_FMT,
                                limit->limit_scope, limit->limit_max, limit->limit_window_s));
}

static wf_json_t *fault_list(apr_pool_t *pool, const apr_array_header_t *faults)
{
    wf_json_t *out = wf_json_array_make(pool);
    int i;

    for (i = 0; i < faults->nelts; i++) {
        const wf_fault_t *fault = &APR_ARRAY_IDX(faults, i, const wf_fault_t);
        wf_json_t *item = wf_json_object_make(pool);

        wf_json_set_str(item, "pointer", fault->pointer);
        wf_json_set_str(item, "message", fault->message);
        wf_json_push(out, item);
    }
    return out;
}

const char *wfm_problem_text(request_rec *r, size_t *len, int *http, const wfm_refusal_t *refusal)
{
    const problem_row_t *row = &problems[refusal->problem];
    wf_json_t *body = wf_json_object_make(r->pool);

    *http = row->http;
    wf_json_set_str(body, "type", "about:blank");
    wf_json_set_str(body, "title", status_line(row->http) + 4);
    wf_json_set_int(body, "status", row->http);
    wf_json_set_str(body, "code", refusal->code ? refusal->code : row->code);
    wf_json_set_str(body, "detail", refusal->detail ? refusal->detail : row->detail);
    wf_json_set_str(body, "request_id", refusal->request_id);
    if (refusal->faults) {
        wf_json_set(body, "errors", fault_list(r->pool, refusal->faults));
    }
    return wf_json_text(r->pool, body, len);
}

/* What came with the request and was not read must not be taken for the next request on the
 * connection. A large rest is not worth reading: the connection is closed instead. */
static void leave_body(request_rec *r, int http)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    int64_t n;

    if (!ap_request_has_body(r)) {
        return;
    }
    if (http == HTTP_REQUEST_ENTITY_TOO_LARGE || http == HTTP_BAD_REQUEST ||
        http == HTTP_REQUEST_TIME_OUT || !wf_parse_int(&n, length, 0, AP_IOBUFSIZE)) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return;
    }
    (void)ap_discard_request_body(r);
}

int wfm_problem_reply(request_rec *r, const wfm_refusal_t *refusal)
{
    size_t len;
    int http;
    const char *body = wfm_problem_text(r, &len, &http, refusal);

    leave_body(r, http);
    if (refusal->limit) {
        limit_headers(r, refusal->limit);
    } else if (http == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After", APR_STRINGIFY(RETRY_UNAVAILABLE_S));
    }
    if (refusal->allow) {
        apr_table_setn(r->err_headers_out, "Allow", refusal->allow);
    }
    return wfm_text_reply(r, http, WFM_PROBLEM_TYPE, body, len);
}

int wfm_problem_refuse(request_rec *r, const wfm_refusal_t *refusal)
{
    if (r->main) {
        return problems[refusal->problem].http; /* the page that includes this one goes on */
    }
    /* As ap_send_error_response does: the operator's "Header always …" holds for our errors too. */
    ap_run_insert_error_filter(r);
    (void)wfm_problem_reply(r, refusal);
    return DONE;
}

int wfm_exchange_reply(request_rec *r, const char *request_id, const wf_exchange_out_t *out)
{
    wfm_refusal_t refusal = {.request_id = request_id};

    switch (out->code) {
    case WF_EXCHANGE_OK:
        return wfm_text_reply(r, HTTP_OK, "text/plain", out->body.data, out->body.len);
    case WF_EXCHANGE_TOKEN_INVALID:
        return wfm_text_reply(r, 427, "text/plain", out->body.data, out->body.len);
    case WF_EXCHANGE_BAD_SIGNATURE:
        return wfm_text_reply(r, 432, "text/plain", "", 0);
    case WF_EXCHANGE_UNDECRYPTABLE:
        return wfm_text_reply(r, 421, "text/plain", "", 0);
    case WF_EXCHANGE_BAD_REQUEST:
        refusal.problem = WFM_BAD_REQUEST;
        break;
    case WF_EXCHANGE_NO_FLOW:
        refusal.problem = WFM_NOT_FOUND;
        break;
    case WF_EXCHANGE_UNAVAILABLE:
        refusal.problem = WFM_UNAVAILABLE;
        break;
    case WF_EXCHANGE_FAILED:
        refusal.problem = WFM_INTERNAL;
        break;
    }
    return wfm_problem_reply(r, &refusal);
}
