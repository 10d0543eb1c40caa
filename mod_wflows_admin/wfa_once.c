/* Idempotency-Key: a POST that comes again is answered as before and not done again. */
#include "wfa.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* Longer than the request may take, so that who is still at work is not taken for dead. */
#define LEASE_MARGIN apr_time_from_sec(15)
/* For the record of what was done, when the request's own time is up. */
#define RECORD_TIMEOUT apr_time_from_sec(5)

static int is_key(const char *key)
{
    size_t len = strlen(key), i;

    for (i = 0; i < len; i++) {
        if (key[i] <= ' ' || key[i] > '~') {
            return 0;
        }
    }
    return len >= 1 && len <= WF_ONCE_KEY_MAX;
}

static int refuse(const wfa_call_t *call, wfm_problem_t problem, const char *code,
                  const char *detail)
{
    wfm_refusal_t refusal = {.problem = problem,
                             .request_id = call->ctx->request_id,
                             .code = code,
                             .detail = detail};

    return wfm_problem_reply(call->r, &refusal);
}

static int replay(wfa_call_t *call, const wf_once_found_t *found)
{
    wfa_reply_t reply = {.http = found->status,
                         .text = found->body,
                         .len = found->body_len,
                         .etag = wf_json_get_str(found->headers, "etag", NULL),
                         .location = wf_json_get_str(found->headers, "location", NULL)};

    apr_table_setn(call->r->err_headers_out, "Idempotent-Replayed", "true");
    return found->status >= HTTP_BAD_REQUEST
               ? wfm_text_reply(call->r, found->status, WFM_PROBLEM_TYPE, found->body,
                                found->body_len)
               : wfa_reply_send(call, &reply);
}

int wfa_once_begin(wf_once_t **out, wfa_call_t *call)
{
    const char *key = apr_table_get(call->r->headers_in, "Idempotency-Key");
    wf_once_found_t found;
    wf_once_t *once;

    *out = NULL;
    /* What is streamed in is not there yet to be compared. */
    if (!key || call->route->method != WF_POST || !call->who ||
        (call->route->flags & (WF_API_CSV | WF_API_ANY_TYPE))) {
        return HTTP_CONTINUE;
    }
    if (!is_key(key)) {
        return refuse(call, WFM_BAD_REQUEST, "idempotency_key_invalid",
                      "Idempotency-Key: 1 to 255 printable ASCII characters without space expected.");
    }
    once = apr_pcalloc(call->r->pool, sizeof(*once));
    once->company_id = call->company_id ? call->company_id : call->who->company_id;
    once->subject = call->who->subject;
    once->key = key;
    once->method = call->r->method;
    once->target = call->r->unparsed_uri;
    once->content = call->raw;
    once->lease = wfa_timeout(call->r) + LEASE_MARGIN;
    if (wf_once_begin(call->ctx, &found, once, call->service->store, call->service->ring) !=
        WF_OK) {
        return refuse(call, wfm_problem_of_status(call->ctx->err.status), NULL, NULL);
    }
    switch (found.kind) {
    case WF_ONCE_NEW:
        *out = once;
        return HTTP_CONTINUE;
    case WF_ONCE_DONE:
        return replay(call, &found);
    case WF_ONCE_IN_FLIGHT:
        return refuse(call, WFM_CONFLICT, "idempotency_key_in_flight",
                      "A request with this Idempotency-Key is being worked on: try again.");
    case WF_ONCE_OTHER:
        break;
    }
    return refuse(call, WFM_INVALID, "idempotency_key_reused",
                  "This Idempotency-Key was used for another request.");
}

static int is_remembered(int http)
{
    return http < HTTP_INTERNAL_SERVER_ERROR && http != HTTP_TOO_MANY_REQUESTS;
}

void wfa_once_end(wfa_call_t *call, const wf_once_t *once, const wfa_reply_t *reply)
{
    wf_ctx_t *own = wf_ctx_derive(call->ctx, call->ctx->pool);
    wf_json_t *headers = wf_json_object_make(call->r->pool);
    const wf_service_t *service = call->service;
    wf_status_t st;

    own->deadline = apr_time_now() + RECORD_TIMEOUT;
    if (reply && is_remembered(reply->http)) {
        wf_json_set_str(headers, "etag", reply->etag);
        wf_json_set_str(headers, "location", reply->location);
        st = wf_once_done(own, once, service->store, service->ring, reply->http, headers,
                          reply->text, reply->len);
    } else {
        st = wf_once_release(own, once, service->store);
    }
    if (st != WF_OK) {
        wf_log(call->ctx, WF_LOG_WARNING,
               WFLOGNO(3030) "what was answered to an Idempotency-Key is not remembered: until its "
                             "lease ends, the request is taken for being worked on");
    }
}
