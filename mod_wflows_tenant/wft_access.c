#include "wft.h"

#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

/* Longest time admission may take, whatever state the servers behind are in. */
#define ADMIT_TIMEOUT apr_time_from_sec(5)

static int same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* For the access log also where the request is refused; what the client sees only where it is
 * admitted. */
static void export_tenant(request_rec *r, const wf_tenant_t *tenant, int admitted)
{
    const char *account = tenant->account_count > 0 ? tenant->accounts[0].id : NULL;

    apr_table_setn(r->subprocess_env, "WFLOWS_COMPANY_ID", tenant->company.id);
    apr_table_setn(r->subprocess_env, "WFLOWS_COMPANY", tenant->company.slug);
    if (account) {
        apr_table_setn(r->subprocess_env, "WFLOWS_ACCOUNT_ID", account);
    }
    if (admitted) {
        apr_table_setn(r->err_headers_out, "X-Company-Id", tenant->company.id);
        if (account) {
            apr_table_setn(r->err_headers_out, "X-Account-Id", account);
        }
    }
}

/* An internal redirect or a subrequest for the tenant that its origin was admitted for. */
static int is_admitted_already(const request_rec *r, wfm_request_t *req)
{
    const wfm_request_t *from = wft_request_origin(r);

    if (!from || !from->admitted || from->admission.verdict != WF_ADMIT_OK ||
        !same(from->slug, req->slug) ||
        !same(from->account, req->account)) {
        return 0;
    }
    req->admission = from->admission;
    return 1;
}

static int refuse(request_rec *r, const wfm_request_t *req, wfm_problem_t problem)
{
    wfm_refusal_t refusal = {.problem = problem, .request_id = req->request_id};

    if (problem == WFM_LIMITED || problem == WFM_QUOTA) {
        refusal.limit = &req->admission;
    }
    return wfm_problem_refuse(r, &refusal);
}

/* OK, or what wfm_problem_refuse returned. */
static int admit(request_rec *r, wfm_request_t *req)
{
    wf_runtime_t *runtime = wft_runtime();
    int charge = req->place == WFM_PLACE_ENDPOINT && r->method_number == M_POST && !r->main;
    wf_ctx_t *ctx;
    wf_status_t st;

    if (!runtime) {
        return refuse(r, req, WFM_UNAVAILABLE);
    }
    ctx = wfm_ctx_make(r, req->request_id);
    ctx->deadline = apr_time_now() + ADMIT_TIMEOUT;
    st = wf_admit(ctx, &req->admission, &runtime->service, req->slug, req->account, charge);
    if (st != WF_OK) {
        return refuse(r, req, wfm_problem_of_status(st));
    }
    /* WhatsApp would give up on what it tells an inactive company in the meantime: it is kept. */
    if (req->admission.verdict == WF_ADMIT_INACTIVE && req->place == WFM_PLACE_WEBHOOK) {
        return OK;
    }
    if (req->admission.verdict != WF_ADMIT_OK) {
        if (req->admission.tenant) {
            export_tenant(r, req->admission.tenant, 0);
        }
        return refuse(r, req, wfm_problem_of_verdict(req->admission.verdict));
    }
    return OK;
}

int wft_check_access(request_rec *r)
{
    const wft_dir_conf_t *conf = ap_get_module_config(r->per_dir_config, &wflows_tenant_module);
    wfm_request_t *req = wft_request(r);
    int rc;

    if (conf->enabled != 1) {
        return DECLINED;
    }
    /* Another module may have translated the name before us; what it found is behind the tenant all
     * the same. */
    if ((!req || req->place == WFM_PLACE_NONE) &&
        (r->proxyreq == PROXYREQ_PROXY || !r->uri || !wft_resolve(r, conf))) {
        return DECLINED;
    }
    req = wft_request(r);
    switch (req->place) {
    case WFM_PLACE_NONE:
    case WFM_PLACE_HEALTH:
    case WFM_PLACE_METRICS:
    case WFM_PLACE_STRIPE:
    case WFM_PLACE_API:
        return DECLINED;
    case WFM_PLACE_UNKNOWN:
        return refuse(r, req, WFM_NOT_FOUND);
    case WFM_PLACE_ENDPOINT:
    case WFM_PLACE_WEBHOOK:
    case WFM_PLACE_COMPANY_METRICS:
    case WFM_PLACE_GATEWAY:
        break;
    }
    if (req->admitted) {
        return OK; /* a module asks whether this request would need a password: nothing is charged
                      twice */
    }
    if (!is_admitted_already(r, req)) {
        rc = admit(r, req);
        if (rc != OK) {
            return rc;
        }
    }
    req->admitted = 1;
    export_tenant(r, req->admission.tenant, 1);
    return OK;
}
