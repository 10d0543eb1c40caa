#include "wft.h"
#include "wft_directives.h"

#include "crypto/wf_crypto.h"
#include "pg/wf_pg.h"
#include "redis/wf_redis.h"
#include "tenant/wf_tenant.h"

#include <ctype.h>
#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

/* ---- create, merge
 * ------------------------------------------------------------------------------------- */

#define SET_UNSET(type, name, unset) conf->name = unset;
#define MERGE(type, name, unset) conf->name = add->name != unset ? add->name : base->name;

void *wft_server_conf_create(apr_pool_t *pool, server_rec *s)
{
    wft_server_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFT_SERVER_MEMBERS(SET_UNSET)
    return conf;
}

void *wft_server_conf_merge(apr_pool_t *pool, void *base_conf, void *add_conf)
{
    const wft_server_conf_t *base = base_conf, *add = add_conf;
    wft_server_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFT_SERVER_MEMBERS(MERGE)
    return conf;
}

void *wft_dir_conf_create(apr_pool_t *pool, char *dir)
{
    wft_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFT_DIR_MEMBERS(SET_UNSET)
    return conf;
}

void *wft_dir_conf_merge(apr_pool_t *pool, void *base_conf, void *add_conf)
{
    const wft_dir_conf_t *base = base_conf, *add = add_conf;
    wft_dir_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    WFT_DIR_MEMBERS(MERGE)
    return conf;
}

/* ---- the set of the process
 * ----------------------------------------------------------------------------- */

static wft_global_t *global_of(apr_pool_t *pool, server_rec *s)
{
    wft_server_conf_t *sconf = ap_get_module_config(s->module_config, &wflows_tenant_module);

    if (!sconf->global) {
        sconf->global = apr_pcalloc(pool, sizeof(*sconf->global));
        wf_conf_defaults(&sconf->global->conf);
        sconf->global->keys = apr_array_make(pool, 2, sizeof(wft_key_t));
        sconf->global->jwt_keys = apr_array_make(pool, 2, sizeof(wft_key_t));
    }
    return sconf->global;
}

wft_global_t *wft_global(server_rec *s)
{
    return global_of(s->process->pconf, s);
}

const char *wft_used_at(server_rec *s)
{
    for (; s; s = s->next) {
        const wft_server_conf_t *sconf =
            ap_get_module_config(s->module_config, &wflows_tenant_module);

        if (wft_is_used(sconf)) {
            return sconf->used_at;
        }
    }
    return NULL;
}

/* ---- setters
 * -------------------------------------------------------------------------------------------- */

static const char *wrong(cmd_parms *cmd, const char *value, const char *why)
{
    return apr_psprintf(cmd->pool, "%s: '%s': %s", cmd->cmd->name, value, why);
}

/* A member of wft_global_t and what it may be. */
typedef struct {
    apr_size_t offset;
    wfm_range_t range;
} number_t;

static void *member(cmd_parms *cmd, const number_t *number)
{
    return (char *)global_of(cmd->pool, cmd->server) + number->offset;
}

static const char *set_int(cmd_parms *cmd, void *dir, const char *text)
{
    const number_t *number = cmd->info;
    const char *message = wfm_conf_main_only(cmd);
    int64_t n;

    if (!message && !(message = wfm_conf_int(cmd, &n, text, &number->range))) {
        *(int *)member(cmd, number) = (int)n;
    }
    return message;
}

static const char *set_duration(cmd_parms *cmd, void *dir, const char *text)
{
    const number_t *number = cmd->info;
    const char *message = wfm_conf_main_only(cmd);
    apr_interval_time_t t;

    if (!message && !(message = wfm_conf_duration(cmd, &t, text, &number->range))) {
        *(apr_interval_time_t *)member(cmd, number) = t;
    }
    return message;
}

/* A password in the configuration would be in backups, in editors and in mod_info. */
static int conninfo_has_password(const char *conninfo)
{
    const char *authority = strstr(conninfo, "://"), *word = conninfo;

    if (authority) {
        const char *at, *colon;

        authority += 3;
        at = memchr(authority, '@', strcspn(authority, "/?"));
        colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
        if (colon && colon + 1 < at) {
            return 1;
        }
    }
    while ((word = strstr(word, "password")) != NULL) {
        word += strlen("password");
        if (word[strspn(word, " \t")] == '=') {
            return 1;
        }
    }
    return 0;
}

static int source_is_inline(const char *source)
{
    return strncmp(source, "file:", 5) != 0 && strncmp(source, "env:", 4) != 0 &&
           !wf_source_is_exec(source);
}

static const char *set_db(cmd_parms *cmd, void *dir, const char *source)
{
    const char *message = wfm_conf_main_only(cmd);
    wft_global_t *global;

    if (message) {
        return message;
    }
    message = wf_source_check(cmd->pool, source, 1);
    if (!message && source_is_inline(source)) {
        if (conninfo_has_password(source)) {
            return WFT_DB
                ": a password never stands in the configuration, use a source (e.g. " WFT_DB
                " file:/etc/wflows/db) or a passfile";
        }
        message = wf_pg_conninfo_check(cmd->pool, source);
    }
    if (message) {
        return wrong(cmd, source, message);
    }
    global = global_of(cmd->pool, cmd->server);
    global->db_source = source;
    global->db_at = wfm_conf_at(cmd);
    return NULL;
}

static const char *set_redis(cmd_parms *cmd, void *dir, const char *source)
{
    const char *message = wfm_conf_main_only(cmd);
    wft_global_t *global;

    if (message) {
        return message;
    }
    message = wf_source_check(cmd->pool, source, 1);
    if (!message && source_is_inline(source)) {
        message = wf_redis_url_check(cmd->pool, source);
        if (!message && strcmp(wf_redis_url_redact(cmd->pool, source), source) != 0) {
            return WFT_REDIS ": a password never stands in the configuration, use a source "
                             "(e.g. " WFT_REDIS " file:/etc/wflows/redis)";
        }
    }
    if (message) {
        return wrong(cmd, wf_redis_url_redact(cmd->pool, source), message);
    }
    global = global_of(cmd->pool, cmd->server);
    global->redis_source = source;
    global->redis_at = wfm_conf_at(cmd);
    return NULL;
}

static const char *set_redis_prefix(cmd_parms *cmd, void *dir, const char *prefix)
{
    const char *message = wfm_conf_main_only(cmd), *p;

    if (message) {
        return message;
    }
    for (p = prefix; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr(":._-", *p)) {
            break;
        }
    }
    if (*p || !*prefix || strlen(prefix) > 32) {
        return wrong(cmd, prefix,
                     "use 1 to 32 letters, digits or :._- (e.g. " WFT_REDIS_PREFIX " wf:)");
    }
    global_of(cmd->pool, cmd->server)->conf.redis_prefix = prefix;
    return NULL;
}

static int key_id_is(const char *id)
{
    size_t len = strlen(id);

    return len >= 1 && len <= 32 &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* A key of one of the lists in wft_global_t: cmd->info is the list's place there. */
static const char *add_key(cmd_parms *cmd, void *dir, const char *id, const char *source)
{
    const char *message = wfm_conf_main_only(cmd), *name = cmd->cmd->name;
    apr_size_t offset = *(const apr_size_t *)cmd->info;
    apr_array_header_t *keys;
    wft_key_t *key;
    int i;

    if (message) {
        return message;
    }
    if (!key_id_is(id)) {
        return wrong(cmd, id,
                     apr_psprintf(cmd->pool,
                                  "a key's id is 1 to 32 letters, digits or _.- (e.g. %s k2026 "
                                  "file:/etc/wflows/key-k2026)",
                                  name));
    }
    message = wf_source_check(cmd->pool, source, 0);
    if (message) {
        /* What stands there instead may be a key: it is not repeated. */
        return apr_psprintf(cmd->pool, "%s %s: %s", name, id, message);
    }
    keys = *(apr_array_header_t **)((char *)global_of(cmd->pool, cmd->server) + offset);
    for (i = 0; i < keys->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(keys, i, wft_key_t).id, id) == 0) {
            return wrong(cmd, id, "this id is already used, each key needs its own");
        }
    }
    key = apr_array_push(keys);
    key->id = id;
    key->source = source;
    key->at = wfm_conf_at(cmd);
    return NULL;
}

static const char *set_jwks(cmd_parms *cmd, void *dir, const char *source)
{
    const char *message = wfm_conf_main_only(cmd);
    wft_global_t *global;

    if (message) {
        return message;
    }
    if (strncmp(source, "file:/", 6) != 0 && wf_url_fault(source)) {
        return wrong(cmd, source,
                     "use file:/path or an http(s) URL (e.g. " WFT_AUTH_JWKS
                     " https://id.example.com/jwks.json)");
    }
    global = global_of(cmd->pool, cmd->server);
    global->conf.service.auth.jwks = source;
    global->jwks_at = wfm_conf_at(cmd);
    return NULL;
}

static int variable_is(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= 128 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == len;
}

static const char *set_trust(cmd_parms *cmd, void *dir, const char *word, const char *roles,
                             const char *tenant)
{
    static const wfm_word_t words[] = {{"On", 1}, {"Off", 0}, {NULL, 0}};
    const char *message = wfm_conf_main_only(cmd);
    wft_global_t *global;
    int on;

    if (message || (message = wfm_conf_word(cmd, &on, word, words,
                                            "On OIDC_CLAIM_roles OIDC_CLAIM_tenant_id"))) {
        return message;
    }
    if ((roles && !variable_is(roles)) || (tenant && !variable_is(tenant))) {
        return wrong(cmd, roles && !variable_is(roles) ? roles : tenant,
                     "no name of an environment variable (e.g. " WFT_AUTH_TRUST_REMOTE_USER
                     " On OIDC_CLAIM_roles OIDC_CLAIM_tenant_id)");
    }
    global = global_of(cmd->pool, cmd->server);
    global->conf.service.auth.trust_remote_user = on;
    global->roles_variable = roles ? roles : "OIDC_CLAIM_roles";
    global->tenant_variable = tenant ? tenant : "OIDC_CLAIM_tenant_id";
    return NULL;
}

static const char *set_tenant(cmd_parms *cmd, void *dir, int on)
{
    wft_server_conf_t *sconf =
        ap_get_module_config(cmd->server->module_config, &wflows_tenant_module);

    ((wft_dir_conf_t *)dir)->enabled = on;
    if (on && !wft_is_used(sconf)) {
        sconf->used_at = wfm_conf_at(cmd);
    } else if (!on && !cmd->path && !sconf->used_at) {
        sconf->used_at = ""; /* a virtual host does not inherit what it turns off */
    }
    return NULL;
}

static const char *set_from(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    static const wfm_word_t words[] = {
        {"path", 0}, {"header", WFT_FROM_HEADER}, {"subdomain", WFT_FROM_SUBDOMAIN}, {NULL, 0}};
    int from = 0, has_path = 0, i;

    for (i = 0; i < argc; i++) {
        int word;
        const char *message = wfm_conf_word(cmd, &word, argv[i], words, "path header");

        if (message) {
            return message;
        }
        from |= word;
        has_path |= word == 0;
    }
    if (!has_path) {
        return WFT_TENANT_FROM
            ": 'path' cannot be left out, it is always looked at first (e.g. " WFT_TENANT_FROM
            " path header)";
    }
    ((wft_dir_conf_t *)dir)->from = from;
    return NULL;
}

static const char *set_platform_limit(cmd_parms *cmd, void *dir, const char *max,
                                      const char *window)
{
    static const wfm_range_t max_range = {0, 1000000000, "60000 60s"};
    static const wfm_range_t window_range = {APR_USEC_PER_SEC, 3600 * APR_USEC_PER_SEC,
                                             "60000 60s"};
    const char *message = wfm_conf_main_only(cmd);
    apr_interval_time_t t;
    int64_t n;

    if (!message && !(message = wfm_conf_int(cmd, &n, max, &max_range)) &&
        !(message = wfm_conf_duration(cmd, &t, window, &window_range))) {
        wf_service_conf_t *service = &global_of(cmd->pool, cmd->server)->conf.service;

        service->platform_rate_max = n;
        service->platform_rate_window_ms = apr_time_as_msec(t);
    }
    return message;
}

static const char *set_limit_failure(cmd_parms *cmd, void *dir, const char *word)
{
    static const wfm_word_t words[] = {{"open", 1}, {"closed", 0}, {NULL, 0}};
    const char *message = wfm_conf_main_only(cmd);
    int fail_open;

    if (!message && !(message = wfm_conf_word(cmd, &fail_open, word, words, "open"))) {
        global_of(cmd->pool, cmd->server)->conf.service.limits_fail_open = fail_open;
    }
    return message;
}

static const char *set_default_plan(cmd_parms *cmd, void *dir, const char *plan)
{
    const char *message = wfm_conf_main_only(cmd);

    if (!message && !wf_plan_limits_find(plan)) {
        message = wrong(cmd, plan,
                        "this plan is not known, use 'starter', 'pro' or 'enterprise' "
                        "(e.g. " WFT_TENANT_DEFAULT_PLAN " starter)");
    }
    if (!message) {
        global_of(cmd->pool, cmd->server)->conf.default_plan = plan;
    }
    return message;
}

/* ---- the table
 * -------------------------------------------------------------------------------------------- */

#define MS APR_TIME_C(1000)
#define SEC APR_USEC_PER_SEC
#define HOUR (3600 * SEC)
#define NUMBER(setter, name, where, lo, hi, example, help)                                 \
    AP_INIT_TAKE1(                                                                         \
        name, setter,                                                                      \
        (void *)(&(const number_t){APR_OFFSETOF(wft_global_t, where), {lo, hi, example}}), \
        RSRC_CONF, help)
#define INT(...) NUMBER(set_int, __VA_ARGS__)
#define DURATION(...) NUMBER(set_duration, __VA_ARGS__)

#define KEY(name, list, help)                                                              \
    AP_INIT_TAKE2(name, add_key,                                                           \
                  (void *)(&(const apr_size_t){APR_OFFSETOF(wft_global_t, list)}), RSRC_CONF, help)

const command_rec wft_commands[] = {
    AP_INIT_TAKE1(WFT_DB, set_db, NULL, RSRC_CONF,
                  "source of the PostgreSQL connection string: file:, env:, exec:, or itself"),
    /* 2: a job holds one while its batches use another. */
    INT(WFT_DB_POOL_MAX, conf.db_pool_max, 2, 512, "8",
        "PostgreSQL connections of a child process at most"),
    INT(WFT_DB_POOL_KEEP, conf.db_pool_keep, 0, 512, "2",
        "idle PostgreSQL connections that stay open"),
    DURATION(WFT_DB_ACQUIRE_TIMEOUT, conf.db_acquire_timeout, MS, 60 * SEC, "250ms",
             "longest wait for a free PostgreSQL connection; then 503"),
    DURATION(WFT_DB_CONNECT_TIMEOUT, conf.db_connect_timeout, 10 * MS, 60 * SEC, "2s",
             "longest time to open a PostgreSQL connection"),
    DURATION(WFT_DB_STATEMENT_TIMEOUT, conf.db_statement_timeout, 10 * MS, 60 * SEC, "2s",
             "longest time of an SQL statement"),
    DURATION(WFT_DB_RETRY_INTERVAL, conf.db_retry_interval, 100 * MS, HOUR, "15s",
             "after a failed connect, fail at once for this long"),
    DURATION(WFT_DB_LIFETIME, conf.db_lifetime, SEC, 24 * HOUR, "30min",
             "an older PostgreSQL connection is replaced"),
    AP_INIT_TAKE1(WFT_REDIS, set_redis, NULL, RSRC_CONF,
                  "source of the Redis URL: file:, env:, exec:, or itself"),
    AP_INIT_TAKE1(WFT_REDIS_PREFIX, set_redis_prefix, NULL, RSRC_CONF, "prefix of every Redis key"),
    INT(WFT_REDIS_POOL_MAX, conf.redis_pool_max, 1, 1024, "64",
        "Redis connections of a child process at most"),
    INT(WFT_REDIS_POOL_KEEP, conf.redis_pool_keep, 0, 1024, "8",
        "idle Redis connections that stay open"),
    DURATION(WFT_REDIS_TIMEOUT, conf.redis_command_timeout, MS, 10 * SEC, "200ms",
             "longest time of a Redis command"),
    DURATION(WFT_REDIS_CONNECT_TIMEOUT, conf.redis_connect_timeout, MS, 10 * SEC, "200ms",
             "longest time to open a Redis connection"),
    DURATION(WFT_REDIS_ACQUIRE_TIMEOUT, conf.redis_acquire_timeout, MS, 10 * SEC, "100ms",
             "longest wait for a free Redis connection"),
    DURATION(WFT_REDIS_RETRY_INTERVAL, conf.redis_retry_interval, 100 * MS, HOUR, "2s",
             "after a failure, do without Redis for this long"),
    KEY(WFT_KEY, keys, "id and source of a master key; the first one is the primary"),
    KEY(WFT_AUTH_JWT_KEY, jwt_keys,
        "kid and source of a secret for tokens (HS256); the first one signs"),
    AP_INIT_TAKE1(WFT_AUTH_JWKS, set_jwks, NULL, RSRC_CONF,
                  "file or URL of an identity provider's keys (RS256, ES256)"),
    DURATION(WFT_AUTH_TOKEN_TTL, conf.service.auth.token_ttl, 10 * SEC, 24 * HOUR, "15min",
             "how long an access token of a log-in is valid"),
    DURATION(WFT_AUTH_REFRESH_TTL, conf.service.auth.refresh_ttl, 60 * SEC, 8760 * HOUR, "720h",
             "how long a log-in lasts that is not used"),
    AP_INIT_TAKE123(WFT_AUTH_TRUST_REMOTE_USER, set_trust, NULL, RSRC_CONF,
                    "On: whom another module authenticated is known by the roles and the company "
                    "in these environment variables"),
    AP_INIT_FLAG(WFT_TENANT, set_tenant, NULL, RSRC_CONF | ACCESS_CONF,
                 "On: serve wflows' routes and resolve tenants here"),
    AP_INIT_TAKE_ARGV(WFT_TENANT_FROM, set_from, NULL, RSRC_CONF | ACCESS_CONF,
                      "where the tenant is named: path [header] [subdomain]"),
    AP_INIT_TAKE2(WFT_TENANT_PLATFORM_LIMIT, set_platform_limit, NULL, RSRC_CONF,
                  "requests and window over all companies; 0: no limit"),
    AP_INIT_TAKE1(WFT_TENANT_LIMIT_FAILURE, set_limit_failure, NULL, RSRC_CONF,
                  "open or closed: what rate limits do without Redis"),
    INT(WFT_TENANT_MAX_COMPANIES, conf.max_companies, 1, 10000000, "1000",
        "companies of this installation at most"),
    INT(WFT_TENANT_MAX_ACCOUNTS, conf.max_accounts, 1, 10000, "50",
        "WhatsApp accounts of a company at most"),
    AP_INIT_TAKE1(WFT_TENANT_DEFAULT_PLAN, set_default_plan, NULL, RSRC_CONF,
                  "plan of a new company"),
    INT(WFT_TENANT_RSA_SLOTS, conf.rsa_cache_slots, 16, 1048576, "16384",
        "parsed RSA keys that a child process keeps at most"),
    {NULL}};

/* ---- check_config: what can be said without a server
 * ---------------------------------------------------------- */

static int check_needed(const wft_global_t *global, const char *used_at)
{
    if (!global->db_source) {
        wfm_startup_error(WFLOGNO(1000) WFT_TENANT " On (%s) needs a database: add e.g. " WFT_DB
                                                   " file:/etc/wflows/db",
                          used_at);
        return 0;
    }
    if (!global->redis_source) {
        wfm_startup_error(WFLOGNO(1001) WFT_TENANT " On (%s) needs Redis: add e.g. " WFT_REDIS
                                                   " redis://127.0.0.1:6379/0",
                          used_at);
        return 0;
    }
    if (global->keys->nelts == 0) {
        wfm_startup_error(WFLOGNO(1002) WFT_TENANT
                          " On (%s) needs a master key: make one with `wflowsctl master-key new` "
                          "and add e.g. " WFT_KEY " k1 file:/etc/wflows/key-k1",
                          used_at);
        return 0;
    }
    return 1;
}

static int check_pools(const wf_conf_t *conf)
{
    if (conf->db_pool_keep > conf->db_pool_max) {
        wfm_startup_error(WFLOGNO(1003) WFT_DB_POOL_KEEP " %d is more than " WFT_DB_POOL_MAX " %d",
                          conf->db_pool_keep, conf->db_pool_max);
        return 0;
    }
    if (conf->redis_pool_keep > conf->redis_pool_max) {
        wfm_startup_error(WFLOGNO(1004) WFT_REDIS_POOL_KEEP " %d is more than " WFT_REDIS_POOL_MAX
                                                            " %d",
                          conf->redis_pool_keep, conf->redis_pool_max);
        return 0;
    }
    return 1;
}

int wft_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    wft_global_t *global = global_of(pconf, s);
    const char *used_at = wft_used_at(s);

    if ((used_at && !check_needed(global, used_at)) || !check_pools(&global->conf)) {
        return !OK;
    }
    return wft_secrets_load(ptemp, global, 1);
}
