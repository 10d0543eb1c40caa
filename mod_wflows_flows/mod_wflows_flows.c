/* mod_wflows_flows registers its hooks here and does nothing else. */
#include "wff.h"

static void register_hooks(apr_pool_t *pool)
{
    static const char *const after_tenant[] = {"mod_wflows_tenant.c", NULL};
    static const char *const before_watchdog[] = {"mod_watchdog.c", NULL};

    ap_hook_check_config(wff_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wff_post_config, after_tenant, NULL, APR_HOOK_MIDDLE);
    /* mod_watchdog starts its threads in its own hook: they need what ours make. */
    ap_hook_child_init(wff_watchdog_child_init, after_tenant, before_watchdog, APR_HOOK_MIDDLE);
    /* First of all handlers: no AddHandler may take a flow's name for a script's. */
    ap_hook_handler(wff_handler, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(wflows_flows) = {
    STANDARD20_MODULE_STUFF, wff_dir_conf_create, wff_dir_conf_merge, wff_server_conf_create,
    wff_server_conf_merge,   wff_commands,        register_hooks,     AP_MODULE_FLAG_NONE};
