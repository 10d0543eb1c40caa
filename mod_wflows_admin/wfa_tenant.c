#include "wfa.h"

APLOG_USE_MODULE(wflows_admin);

/* Of mod_wflows_tenant; fetched in check_config, as optional_fn_retrieve comes after it. */
static APR_OPTIONAL_FN_TYPE(wflows_conf_get) * conf_get;
static APR_OPTIONAL_FN_TYPE(wflows_runtime_get) * runtime_get;
static APR_OPTIONAL_FN_TYPE(wflows_request_get) * request_get;
static APR_OPTIONAL_FN_TYPE(wflows_identity_get) * identity_get;

int wfa_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    conf_get = APR_RETRIEVE_OPTIONAL_FN(wflows_conf_get);
    runtime_get = APR_RETRIEVE_OPTIONAL_FN(wflows_runtime_get);
    request_get = APR_RETRIEVE_OPTIONAL_FN(wflows_request_get);
    identity_get = APR_RETRIEVE_OPTIONAL_FN(wflows_identity_get);
    if (!conf_get || !runtime_get || !request_get) {
        wfm_startup_error(WFLOGNO(3000) "mod_wflows_admin needs mod_wflows_tenant: add "
                                        "LoadModule wflows_tenant_module mod_wflows_tenant.so");
        return !OK;
    }
    if (!conf_get(WFM_ABI, s) || !identity_get) {
        wfm_startup_error(WFLOGNO(3001) "mod_wflows_admin and mod_wflows_tenant are of different "
                                        "builds: install both from one");
        return !OK;
    }
    return OK;
}

const wf_runtime_t *wfa_runtime(void)
{
    return runtime_get(WFM_ABI);
}

const wfm_request_t *wfa_request(request_rec *r)
{
    return request_get(r);
}

const wfm_identity_t *wfa_identity(request_rec *r)
{
    return identity_get(r);
}
