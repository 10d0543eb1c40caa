#include "wfa.h"
#include "wfa_directives.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

#define SEC APR_USEC_PER_SEC

/* A Flow JSON may have 10 MB (WHATSAPP.md 2). */
#define BODY_MAX_DEFAULT (12 * 1024 * 1024)
#define TIMEOUT_DEFAULT (30 * SEC)

/* ---- create, merge
 * ------------------------------------------------------------------------------------- */

#define SET_UNSET(type, name, unset) conf->name = unset;
#define MERGE(type, name, unset) conf->name = add->name != unset ? add->name : base->name;

void *wfa_dir_conf_create(apr_pool_t *pool, char *dir)
{
    wfa_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFA_DIR_MEMBERS(SET_UNSET)
    return conf;
}

void *wfa_dir_conf_merge(apr_pool_t *pool, void *base_conf, void *add_conf)
{
    const wfa_dir_conf_t *base = base_conf, *add = add_conf;
    wfa_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFA_DIR_MEMBERS(MERGE)
    return conf;
}

static const wfa_dir_conf_t *dir_conf(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &wflows_admin_module);
}

size_t wfa_body_max(const request_rec *r)
{
    int64_t max = dir_conf(r)->body_max;

    return max == WFA_UNSET ? BODY_MAX_DEFAULT : (size_t)max;
}

apr_interval_time_t wfa_timeout(const request_rec *r)
{
    apr_interval_time_t timeout = dir_conf(r)->timeout;

    return timeout == WFA_UNSET ? TIMEOUT_DEFAULT : timeout;
}

const apr_array_header_t *wfa_cors_origins(const request_rec *r)
{
    return dir_conf(r)->cors_origins;
}

/* ---- setters
 * --------------------------------------------------------------------------------------------- */

static const char *set_body_max(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {1024, 64 * 1024 * 1024, "12M"};

    return wfm_conf_size(cmd, &((wfa_dir_conf_t *)dir)->body_max, text, &range);
}

static const char *set_timeout(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {1 * SEC, 600 * SEC, "30s"};

    return wfm_conf_duration(cmd, &((wfa_dir_conf_t *)dir)->timeout, text, &range);
}

/* An origin is scheme, host and port, and nothing after them (RFC 6454). */
static const char *add_cors_origin(cmd_parms *cmd, void *dir, const char *origin)
{
    wfa_dir_conf_t *conf = dir;
    const char *host = strstr(origin, "://");
    const char *fault = strcmp(origin, "*") == 0 ? NULL : wf_url_fault(origin);

    if (!fault && host && strpbrk(host + 3, "/?#")) {
        fault = "an origin ends with the host or its port";
    }
    if (fault) {
        return apr_psprintf(cmd->pool, "%s: '%s': %s (e.g. %s https://manager.example.com)",
                            cmd->cmd->name, origin, fault, cmd->cmd->name);
    }
    if (!conf->cors_origins) {
        conf->cors_origins = apr_array_make(cmd->pool, 2, sizeof(const char *));
    }
    APR_ARRAY_PUSH(conf->cors_origins, const char *) = origin;
    return NULL;
}

const command_rec wfa_commands[] = {
    AP_INIT_TAKE1(WFA_BODY_MAX, set_body_max, NULL, RSRC_CONF | ACCESS_CONF,
                  "largest body of an API request (K and M allowed); a larger one gets 413"),
    AP_INIT_TAKE1(WFA_TIMEOUT, set_timeout, NULL, RSRC_CONF | ACCESS_CONF,
                  "longest time of an API request; exports are not bound by it"),
    AP_INIT_ITERATE(WFA_CORS_ORIGIN, add_cors_origin, NULL, RSRC_CONF | ACCESS_CONF,
                    "origins whose pages may call the API from a browser, or *"),
    {NULL}};
