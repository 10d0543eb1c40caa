/* L6: from a plain configuration to everything wired, once per process. No httpd here:
 * mod_wflows_tenant builds it in child_init, wflowsctl per command. */
#ifndef WF_RUNTIME_H
#define WF_RUNTIME_H

#include "service/wf_service.h"

/* Values of the global directives. wf_conf_defaults first, then what the operator says over it. */
typedef struct {
    const char *db_conninfo;
    int db_pool_keep, db_pool_max;
    apr_interval_time_t db_connect_timeout, db_acquire_timeout, db_statement_timeout;
    apr_interval_time_t db_retry_interval, db_lifetime;
    const char *redis_url; /* NULL: none */
    const char *redis_prefix;
    int redis_pool_keep, redis_pool_max;
    apr_interval_time_t redis_connect_timeout, redis_command_timeout, redis_acquire_timeout;
    apr_interval_time_t redis_retry_interval;
    int rsa_cache_slots;
    apr_array_header_t *callback_allow; /* of const char *: CIDRs; NULL: none */
    int max_companies, max_accounts;    /* of the installation; of a company */
    const char *default_plan;           /* of a new company */
    wf_service_conf_t service;
} wf_conf_t;

void wf_conf_defaults(wf_conf_t *conf);

typedef struct {
    wf_conf_t conf;
    wf_store_t store;
    wf_service_t service;
} wf_runtime_t;

typedef struct {
    const wf_keyring_t *ring; /* read before, while still root */
    wf_metrics_t *metrics;    /* shared memory, or NULL: own */
    int start_writer;         /* httpd: the group commit thread */
    int check_role;           /* refuse superuser, owner, BYPASSRLS; wflowsctl as owner says 0 */
} wf_runtime_opts_t;

/* Makes pools, key table, clients, scripts. Connects to nothing: a server that is down does not
 * stop start-up. Everything ends with `pool`. */
wf_status_t wf_runtime_make(wf_ctx_t *ctx, wf_runtime_t **out, apr_pool_t *pool,
                            const wf_conf_t *conf, const wf_runtime_opts_t *opts) WF_MUST_CHECK;

/* A <source> of STYLE.md 3.4: "file:/path", "env:NAME", "exec:/path args", or (where `inline_ok`)
 * the text itself. Trailing white space is cut. A file that group or others can read is refused
 * (WF_EDENIED). WF_EINVALID names what is wrong. The text is in secret memory. */
wf_status_t wf_source_read(wf_ctx_t *ctx, wf_secret_t *out, const char *source,
                           int inline_ok) WF_MUST_CHECK;
/* The form only (for directive setters): NULL, or what is wrong with an example of what is right.
 */
const char *wf_source_check(apr_pool_t *pool, const char *source, int inline_ok);
/* 1 if reading it runs a program ("exec:"), which a mere check of the configuration must not do. */
int wf_source_is_exec(const char *source);

/* What health and wflowsctl doctor report. */
typedef struct {
    int postgres_ok, redis_ok, redis_configured;
    int schema_version, schema_needed;
    const char *postgres_error, *redis_error; /* no secrets */
} wf_health_t;
/* Never fails; bounded by `timeout`. */
void wf_health_check(wf_ctx_t *ctx, wf_health_t *out, const wf_runtime_t *runtime,
                     apr_interval_time_t timeout);

#endif
