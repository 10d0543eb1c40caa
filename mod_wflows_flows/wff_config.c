#include "wff.h"
#include "wff_directives.h"

#include "http/wf_http.h"
#include "webhook/wf_media_ref.h"

APLOG_USE_MODULE(wflows_flows);

#define MS APR_TIME_C(1000)
#define SEC APR_USEC_PER_SEC

/* 10 MiB as Meta allows; Meta gives up after 10 s (WHATSAPP.md 1.15). */
#define BODY_MAX_DEFAULT (10 * 1024 * 1024)
#define TIMEOUT_DEFAULT (8 * SEC)
#define OUTBOX_WORKERS_DEFAULT 1

/* ---- create, merge
 * ------------------------------------------------------------------------------------- */

#define SET_UNSET(type, name, unset) conf->name = unset;
#define MERGE(type, name, unset) conf->name = add->name != unset ? add->name : base->name;

void *wff_dir_conf_create(apr_pool_t *pool, char *dir)
{
    wff_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFF_DIR_MEMBERS(SET_UNSET)
    return conf;
}

void *wff_dir_conf_merge(apr_pool_t *pool, void *base_conf, void *add_conf)
{
    const wff_dir_conf_t *base = base_conf, *add = add_conf;
    wff_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFF_DIR_MEMBERS(MERGE)
    return conf;
}

void *wff_server_conf_create(apr_pool_t *pool, server_rec *s)
{
    wff_server_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFF_SERVER_MEMBERS(SET_UNSET)
    return conf;
}

void *wff_server_conf_merge(apr_pool_t *pool, void *base_conf, void *add_conf)
{
    const wff_server_conf_t *base = base_conf, *add = add_conf;
    wff_server_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFF_SERVER_MEMBERS(MERGE)
    return conf;
}

static const wff_dir_conf_t *dir_conf(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &wflows_flows_module);
}

size_t wff_body_max(const request_rec *r)
{
    int64_t max = dir_conf(r)->body_max;

    return max == WFF_UNSET ? BODY_MAX_DEFAULT : (size_t)max;
}

apr_interval_time_t wff_timeout(const request_rec *r)
{
    apr_interval_time_t timeout = dir_conf(r)->timeout;

    return timeout == WFF_UNSET ? TIMEOUT_DEFAULT : timeout;
}

int wff_outbox_workers(server_rec *s)
{
    const wff_server_conf_t *conf = ap_get_module_config(s->module_config, &wflows_flows_module);

    return conf->outbox_workers == WFF_UNSET ? OUTBOX_WORKERS_DEFAULT : (int)conf->outbox_workers;
}

int wff_media_fetchers(server_rec *s)
{
    const wff_server_conf_t *conf = ap_get_module_config(s->module_config, &wflows_flows_module);

    return conf->media_dir ? 1 : 0;
}

/* ---- setters
 * --------------------------------------------------------------------------------------------- */

static wff_server_conf_t *server_conf(cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &wflows_flows_module);
}

static const char *set_body_max(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {1024, 64 * 1024 * 1024, "10M"};

    return wfm_conf_size(cmd, &((wff_dir_conf_t *)dir)->body_max, text, &range);
}

static const char *set_timeout(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {100 * MS, 10 * SEC, "8s"};

    return wfm_conf_duration(cmd, &((wff_dir_conf_t *)dir)->timeout, text, &range);
}

static const char *set_repeat_window(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {0, 3600 * SEC, "60s"};
    const char *message = wfm_conf_main_only(cmd);

    return message ? message
                   : wfm_conf_duration(cmd, &server_conf(cmd)->repeat_window, text, &range);
}

static const char *set_outbox_workers(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {0, 8, "1"};
    const char *message = wfm_conf_main_only(cmd);

    return message ? message
                   : wfm_conf_int(cmd, &server_conf(cmd)->outbox_workers, text, &range);
}

/* One more text of a list of the main server. `fault`: what is wrong with it, or NULL. */
static const char *add_text(cmd_parms *cmd, apr_array_header_t **list, const char *text,
                            const char *fault)
{
    const char *message = wfm_conf_main_only(cmd);

    if (message) {
        return message;
    }
    if (fault) {
        return apr_psprintf(cmd->pool, "%s: '%s': %s", cmd->cmd->name, text, fault);
    }
    if (!*list) {
        *list = apr_array_make(cmd->pool, 4, sizeof(const char *));
    }
    APR_ARRAY_PUSH(*list, const char *) = text;
    return NULL;
}

static const char *add_callback_allow(cmd_parms *cmd, void *dir, const char *cidr)
{
    return add_text(cmd, &server_conf(cmd)->callback_allow, cidr,
                    wf_http_cidr_check(cmd->pool, cidr));
}

static const char *add_stripe_secret(cmd_parms *cmd, void *dir, const char *source)
{
    wff_server_conf_t *conf = server_conf(cmd);
    const char *message = wfm_conf_main_only(cmd);
    wff_stripe_secret_t *secret;

    if (message) {
        return message;
    }
    message = wf_source_check(cmd->pool, source, 0);
    if (message) {
        /* Not the value: it may be the secret itself. */
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, message);
    }
    if (!conf->stripe_secrets) {
        conf->stripe_secrets = apr_array_make(cmd->pool, 2, sizeof(wff_stripe_secret_t));
    }
    secret = apr_array_push(conf->stripe_secrets);
    secret->source = source;
    secret->at = wfm_conf_at(cmd);
    return NULL;
}

static const char *set_billing_grace(cmd_parms *cmd, void *dir, const char *text)
{
    static const wfm_range_t range = {0, 2160 * 3600 * SEC, "168h"};
    const char *message = wfm_conf_main_only(cmd);

    return message ? message
                   : wfm_conf_duration(cmd, &server_conf(cmd)->billing_grace, text, &range);
}

static const char *set_media_dir(cmd_parms *cmd, void *dir, const char *path)
{
    const char *message = wfm_conf_main_only(cmd);

    if (message) {
        return message;
    }
    server_conf(cmd)->media_dir = ap_server_root_relative(cmd->pool, path);
    return server_conf(cmd)->media_dir
               ? NULL
               : apr_psprintf(cmd->pool, "%s: '%s' is not a path", cmd->cmd->name, path);
}

static const char *add_media_host(cmd_parms *cmd, void *dir, const char *rule)
{
    return add_text(cmd, &server_conf(cmd)->media_hosts, rule, wf_media_host_check(rule));
}

static const char *set_graph_url(cmd_parms *cmd, void *dir, const char *url)
{
    const char *message = wfm_conf_main_only(cmd);
    size_t len = strlen(url);

    if (message) {
        return message;
    }
    message = wf_url_fault(url);
    if (message || strpbrk(url, "?#") || url[len - 1] == '/') {
        return apr_psprintf(cmd->pool, "%s: '%s': %s (e.g. %s https://graph.facebook.com/v23.0)",
                            cmd->cmd->name, url,
                            message ? message : "use no query and no slash at the end",
                            cmd->cmd->name);
    }
    server_conf(cmd)->graph_url = url;
    return NULL;
}

const command_rec wff_commands[] = {
    AP_INIT_TAKE1(WFF_BODY_MAX, set_body_max, NULL, RSRC_CONF | ACCESS_CONF,
                  "largest body of a flow request (K and M allowed); a larger one gets 413"),
    AP_INIT_TAKE1(WFF_TIMEOUT, set_timeout, NULL, RSRC_CONF | ACCESS_CONF,
                  "longest time of a flow request, whatever the account's own limit says"),
    AP_INIT_TAKE1(WFF_REPEAT_WINDOW, set_repeat_window, NULL, RSRC_CONF,
                  "how long a repeated flow request gets the same answer"),
    AP_INIT_ITERATE(WFF_CALLBACK_ALLOW, add_callback_allow, NULL, RSRC_CONF,
                    "private networks that companies' own servers may be in"),
    AP_INIT_TAKE1(WFF_OUTBOX_WORKERS, set_outbox_workers, NULL, RSRC_CONF,
                  "threads of this server that deliver callbacks; 0: another server does"),
    AP_INIT_TAKE1(WFF_STRIPE_SECRET, add_stripe_secret, NULL, RSRC_CONF,
                  "where a signing secret of Stripe's webhook is: file:/path, env:NAME or exec:/path"),
    AP_INIT_TAKE1(WFF_BILLING_GRACE, set_billing_grace, NULL, RSRC_CONF,
                  "how long a payment may be overdue before the company is suspended"),
    AP_INIT_TAKE1(WFF_MEDIA_DIR, set_media_dir, NULL, RSRC_CONF,
                  "folder for the files that users send; without one they are not fetched here"),
    AP_INIT_ITERATE(WFF_MEDIA_HOST, add_media_host, NULL, RSRC_CONF,
                    "ends of host names, or origins, that such files may be fetched from"),
    AP_INIT_TAKE1(WFF_GRAPH_URL, set_graph_url, NULL, RSRC_CONF,
                  "the Graph API with its version"),
    {NULL}};
