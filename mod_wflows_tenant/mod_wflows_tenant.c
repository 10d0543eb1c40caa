/* mod_wflows_tenant registers its hooks here and does nothing else; STYLE.md 3.5 says why each is
 * where it is. */
#include "wft.h"

#include <http_connection.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_status.h>

static void register_hooks(apr_pool_t *pool)
{
    /* A URL that mod_rewrite made is resolved as rewritten; a ProxyPass of everything does not take
     * our routes. */
    static const char *const after_rewrite[] = {"mod_rewrite.c", NULL};
    static const char *const before_proxy[] = {"mod_proxy.c", NULL};
    static const char *const after_ours[] = {"mod_wflows_flows.c", "mod_wflows_admin.c", NULL};

    wft_runtime_register();
    ap_hook_check_config(wft_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wft_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(wft_child_init, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_post_read_request(wft_post_read_request, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_translate_name(wft_translate_name, after_rewrite, before_proxy, APR_HOOK_FIRST);
    ap_hook_map_to_storage(wft_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_check_access(wft_check_access, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(wft_check_authn, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_note_auth_failure(wft_note_auth_failure, NULL, NULL, APR_HOOK_MIDDLE);
    wft_authz_register(pool);
    ap_hook_insert_error_filter(wft_tell_refusal, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(wft_handler, after_ours, NULL, APR_HOOK_FIRST);
    ap_hook_log_transaction(wft_log_transaction, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, wft_status_hook, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(wflows_tenant) = {
    STANDARD20_MODULE_STUFF, wft_dir_conf_create, wft_dir_conf_merge, wft_server_conf_create,
    wft_server_conf_merge,   wft_commands,        register_hooks,     AP_MODULE_FLAG_NONE};
