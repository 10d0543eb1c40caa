#include "wff.h"

#include <http_core.h>

APLOG_USE_MODULE(wflows_flows);

/* Of mod_wflows_tenant; NULL where it is not loaded. Fetched in check_config: the
 * optional_fn_retrieve hook comes after it, and not at all with `httpd -t`. */
static APR_OPTIONAL_FN_TYPE(wflows_conf_get) * conf_get;
static APR_OPTIONAL_FN_TYPE(wflows_runtime_get) * runtime_get;
static APR_OPTIONAL_FN_TYPE(wflows_request_get) * request_get;

int wff_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const wff_server_conf_t *own;

    conf_get = APR_RETRIEVE_OPTIONAL_FN(wflows_conf_get);
    runtime_get = APR_RETRIEVE_OPTIONAL_FN(wflows_runtime_get);
    request_get = APR_RETRIEVE_OPTIONAL_FN(wflows_request_get);
    if (!conf_get || !runtime_get || !request_get) {
        wfm_startup_error(WFLOGNO(2000) "mod_wflows_flows needs mod_wflows_tenant: add "
                                        "LoadModule wflows_tenant_module mod_wflows_tenant.so");
        return !OK;
    }
    if (!conf_get(WFM_ABI, s)) {
        wfm_startup_error(WFLOGNO(2001) "mod_wflows_flows and mod_wflows_tenant are of different "
                                        "builds: install both from one");
        return !OK;
    }
    if (wff_watchdog_check(s) != OK) {
        return !OK;
    }
    own = ap_get_module_config(s->module_config, &wflows_flows_module);
    if (wff_media_check(ptemp, own) != OK) {
        return !OK;
    }
    return wff_stripe_secrets_load(ptemp, conf_get(WFM_ABI, s), own, 1);
}

int wff_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const wff_server_conf_t *own = ap_get_module_config(s->module_config, &wflows_flows_module);
    wf_conf_t *conf = conf_get(WFM_ABI, s);

    if (own->repeat_window != WFF_UNSET) {
        conf->service.repeat_window = own->repeat_window;
    }
    conf->callback_allow = own->callback_allow;
    wff_media_apply(pconf, conf, own);
    if (own->billing_grace != WFF_UNSET) {
        conf->service.billing_grace = own->billing_grace;
    }
    /* The first pass only tries the configuration; programs that give secrets run once. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    if (wff_stripe_secrets_load(pconf, conf, own, 0) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    /* Where nobody uses wflows there is nothing to do. */
    return conf->db_conninfo ? wff_watchdog_post_config(pconf, s) : OK;
}

const wf_runtime_t *wff_runtime(void)
{
    return runtime_get(WFM_ABI);
}

const wfm_request_t *wff_request(request_rec *r)
{
    return request_get(r);
}
