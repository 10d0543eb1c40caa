/* WhatsApp's webhooks: Meta's handshake (GET) and its events (POST). */
#include "wff.h"

#include "service/wf_intake.h"

#include <string.h>

APLOG_USE_MODULE(wflows_flows);

/* Storing one POST: Meta waits longer, but a thread should not. */
#define INTAKE_TIMEOUT apr_time_from_sec(5)

static int refuse(request_rec *r, const wfm_request_t *req, wfm_problem_t problem)
{
    wfm_refusal_t refusal = {.problem = problem, .request_id = req->request_id};

    refusal.allow = problem == WFM_METHOD ? "GET, HEAD, POST" : NULL;
    return wfm_problem_reply(r, &refusal);
}

/* ---- GET ---- */

/* 403 whatever is wrong with it: any other status says no more to Meta, and less to others. */
static int verify(request_rec *r, const wfm_request_t *req, const wf_service_t *service)
{
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);
    const char *mode = wfm_query_value(r, "hub.mode");
    const char *token = wfm_query_value(r, "hub.verify_token");
    const char *challenge = wfm_query_value(r, "hub.challenge");
    wf_status_t st;

    if (!mode || strcmp(mode, "subscribe") != 0 || !token || !challenge ||
        !wf_intake_challenge_is(challenge)) {
        return refuse(r, req, WFM_FORBIDDEN);
    }
    ctx->deadline = apr_time_now() + INTAKE_TIMEOUT;
    st = wf_intake_verify(ctx, service, req->admission.tenant, token);
    if (st != WF_OK) {
        return refuse(r, req, st == WF_EUNAVAIL ? WFM_UNAVAILABLE : WFM_FORBIDDEN);
    }
    return wfm_text_reply(r, HTTP_OK, "text/plain", challenge, strlen(challenge));
}

/* ---- POST ---- */

static int take(request_rec *r, const wfm_request_t *req, const wf_service_t *service)
{
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);
    wf_intake_in_t in = {0};
    wf_slice_t body;
    int http = wfm_body_read(ctx, &body, r, WF_INTAKE_BODY_MAX);

    if (http != OK) {
        return http == AP_FILTER_ERROR ? http : refuse(r, req, wfm_problem_of_http(http));
    }
    in.tenant = req->admission.tenant;
    in.signature = apr_table_get(r->headers_in, "X-Hub-Signature-256");
    in.body = body.data;
    in.body_len = body.len;
    ctx->deadline = apr_time_now() + INTAKE_TIMEOUT;
    switch (wf_intake(ctx, service, &in)) {
    case WF_INTAKE_OK:
        return wfm_text_reply(r, HTTP_OK, "text/plain", "", 0);
    case WF_INTAKE_BAD_REQUEST:
        return refuse(r, req, WFM_BAD_REQUEST);
    case WF_INTAKE_BAD_SIGNATURE:
        return refuse(r, req, WFM_UNAUTHORIZED);
    case WF_INTAKE_UNAVAILABLE:
        break;
    }
    return refuse(r, req, WFM_UNAVAILABLE);
}

int wff_webhook(request_rec *r, const wfm_request_t *req)
{
    const wf_runtime_t *runtime;

    if (!req->admitted || !req->admission.tenant) {
        return refuse(r, req, WFM_NOT_FOUND);
    }
    if (r->method_number != M_GET && r->method_number != M_POST) {
        return refuse(r, req, WFM_METHOD);
    }
    runtime = wff_runtime();
    if (!runtime) {
        return refuse(r, req, WFM_UNAVAILABLE);
    }
    return r->method_number == M_GET ? verify(r, req, &runtime->service)
                                     : take(r, req, &runtime->service);
}
