#include "wff.h"
#include "wff_directives.h"

APLOG_USE_MODULE(wflows_flows);

/* Stripe's events are a few kB; Stripe waits 20 s or more for the answer. */
#define BODY_MAX (3 * 1024 * 1024)
#define TIMEOUT apr_time_from_sec(10)
#define RECEIVED "{\"received\":true}"

/* ---- secrets
 * ---------------------------------------------------------------------------------------------- */

int wff_stripe_secrets_load(apr_pool_t *pool, wf_conf_t *conf, const wff_server_conf_t *own,
                            int try_only)
{
    wf_ctx_t *ctx = wf_ctx_make(pool, NULL);
    int count = own->stripe_secrets ? own->stripe_secrets->nelts : 0, i;
    wf_secret_t *secrets = apr_pcalloc(pool, (apr_size_t)(count + 1) * sizeof(*secrets));

    for (i = 0; i < count; i++) {
        const wff_stripe_secret_t *s =
            &APR_ARRAY_IDX(own->stripe_secrets, i, const wff_stripe_secret_t);

        if (try_only && wf_source_is_exec(s->source)) {
            continue;
        }
        if (wf_source_read(ctx, &secrets[i], s->source, 0) != WF_OK || secrets[i].len == 0) {
            wfm_startup_error(WFLOGNO(2140) "%s (%s): %s", WFF_STRIPE_SECRET, s->at,
                              ctx->err.detail ? ctx->err.detail : "the secret is empty");
            return !OK;
        }
    }
    if (!try_only) {
        conf->service.stripe_secrets = secrets;
        conf->service.stripe_secret_count = count;
    }
    return OK;
}

/* ---- the webhook
 * ------------------------------------------------------------------------------------------ */

static int refuse(request_rec *r, const wfm_request_t *req, wfm_problem_t problem,
                  const char *allow)
{
    wfm_refusal_t refusal = {.problem = problem, .request_id = req->request_id, .allow = allow};

    return wfm_problem_reply(r, &refusal);
}

static wfm_problem_t problem_of(wf_status_t status)
{
    switch (status) {
    case WF_EDENIED:
        return WFM_UNAUTHORIZED;
    case WF_EINVALID:
        return WFM_BAD_REQUEST;
    default:
        return WFM_UNAVAILABLE;
    }
}

static int take(request_rec *r, const wfm_request_t *req, const wf_service_t *service)
{
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);
    wf_slice_t body;
    wf_status_t st;
    int http = wfm_body_read(ctx, &body, r, BODY_MAX);

    if (http != OK) {
        return http == AP_FILTER_ERROR ? http : refuse(r, req, wfm_problem_of_http(http), NULL);
    }
    ctx->deadline = apr_time_now() + TIMEOUT;
    st = wf_billing_intake(ctx, service, apr_table_get(r->headers_in, "Stripe-Signature"), &body);
    if (st != WF_OK) {
        return refuse(r, req, problem_of(st), NULL);
    }
    return wfm_text_reply(r, HTTP_OK, "application/json", RECEIVED, sizeof(RECEIVED) - 1);
}

int wff_stripe(request_rec *r, const wfm_request_t *req)
{
    const wf_runtime_t *runtime = wff_runtime();

    if (!runtime) {
        return refuse(r, req, WFM_UNAVAILABLE, NULL);
    }
    if (runtime->service.conf.stripe_secret_count == 0) {
        return refuse(r, req, WFM_NOT_FOUND, NULL);
    }
    if (r->method_number != M_POST) {
        return refuse(r, req, WFM_METHOD, "POST");
    }
    return take(r, req, &runtime->service);
}
