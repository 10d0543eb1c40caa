/* mod_wflows_admin registers its hooks here and does nothing else. */
#include "wfa.h"

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_check_config(wfa_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* First of all handlers, as mod_wflows_flows': what is ours no other handler may take. */
    ap_hook_handler(wfa_handler, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(wflows_admin) = {
    STANDARD20_MODULE_STUFF, wfa_dir_conf_create, wfa_dir_conf_merge, NULL, NULL,
    wfa_commands,            register_hooks,      AP_MODULE_FLAG_NONE};
