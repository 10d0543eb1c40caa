#include "wff.h"

APLOG_USE_MODULE(wflows_flows);

static int refuse(request_rec *r, const wfm_request_t *req, wfm_problem_t problem,
                  const char *allow)
{
    wfm_refusal_t refusal = {.problem = problem, .request_id = req->request_id, .allow = allow};

    return wfm_problem_reply(r, &refusal);
}

/* The operator's limit. It runs from when the body has come: a slow client's time is its own. The account's
 * own limit is for its server (wf_backend.c): were it this one, nothing would be left for storing the step
 * when that server uses all of it. */
static apr_time_t deadline_of(const request_rec *r)
{
    return apr_time_now() + wff_timeout(r);
}

/* For the access log: conf/wflows.conf has a LogFormat with them. */
static void note_outcome(request_rec *r, const wf_exchange_out_t *out)
{
    if (out->flow_name) {
        apr_table_set(r->subprocess_env, "WFLOWS_FLOW", out->flow_name);
    }
    if (out->action) {
        apr_table_set(r->subprocess_env, "WFLOWS_ACTION", out->action);
    }
    if (out->account) {
        /* Several numbers may share the URL: now it is known whose key it was. */
        apr_table_set(r->subprocess_env, "WFLOWS_ACCOUNT_ID", out->account->id);
        apr_table_set(r->err_headers_out, "X-Account-Id", out->account->id);
    }
}

static int exchange(request_rec *r, const wfm_request_t *req, const wf_service_t *service)
{
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);
    wf_exchange_in_t in = {0};
    wf_exchange_out_t out = {0};
    wf_slice_t body;
    int http = wfm_body_read(ctx, &body, r, wff_body_max(r));

    if (http != OK) {
        return http == AP_FILTER_ERROR ? http : refuse(r, req, wfm_problem_of_http(http), NULL);
    }
    in.tenant = req->admission.tenant;
    in.flow_name = req->flow_name;
    in.flow_version = req->flow_version;
    in.signature = apr_table_get(r->headers_in, "X-Hub-Signature-256");
    in.body = body.data;
    in.body_len = body.len;
    ctx->deadline = deadline_of(r);
    wf_exchange(ctx, &out, service, &in);
    note_outcome(r, &out);
    return wfm_exchange_reply(r, req->request_id, &out);
}

int wff_endpoint(request_rec *r, const wfm_request_t *req)
{
    const wf_runtime_t *runtime;

    /* The reply is the bare base64 text (WHATSAPP.md 6.1, 8): no filter may compress it. */
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
    apr_table_setn(r->subprocess_env, "no-brotli", "1");
    if (!req->admitted || !req->admission.tenant) {
        return refuse(r, req, WFM_NOT_FOUND, NULL);
    }
    if (r->method_number != M_POST) {
        return refuse(r, req, WFM_METHOD, "POST");
    }
    runtime = wff_runtime();
    if (!runtime) {
        return refuse(r, req, WFM_UNAVAILABLE, NULL);
    }
    return exchange(r, req, &runtime->service);
}
