#include "runtime/wf_runtime.h"

#include "service/wf_auth.h"

#include <string.h>

/* The reply of a company's own server: a screen and its data, never a file. */
#define BACKEND_REPLY_MAX (1024 * 1024)
#define BACKEND_BREAKER_FAILURES 5
#define BACKEND_BREAKER_INTERVAL apr_time_from_sec(10)
#define GRAPH_URL "https://graph.facebook.com/v23.0"
#define POOL_IDLE_TTL apr_time_from_sec(60)

void wf_conf_defaults(wf_conf_t *conf)
{
    memset(conf, 0, sizeof(*conf));
    conf->db_pool_keep = 2;
    conf->db_pool_max = 8;
    conf->db_connect_timeout = apr_time_from_sec(2);
    conf->db_acquire_timeout = apr_time_from_msec(250);
    conf->db_statement_timeout = apr_time_from_sec(2);
    conf->db_retry_interval = apr_time_from_sec(15);
    conf->db_lifetime = apr_time_from_sec(1800);
    conf->redis_prefix = "wf:";
    conf->redis_pool_keep = 8;
    conf->redis_pool_max = 64;
    conf->redis_connect_timeout = apr_time_from_msec(200);
    conf->redis_command_timeout = apr_time_from_msec(200);
    conf->redis_acquire_timeout = apr_time_from_msec(100);
    conf->redis_retry_interval = apr_time_from_sec(2);
    conf->rsa_cache_slots = 16384;
    conf->max_companies = 1000;
    conf->max_accounts = 50;
    conf->default_plan = "starter";
    conf->service.limits_fail_open = 1;
    conf->service.graph_url = GRAPH_URL;
    conf->service.repeat_window = apr_time_from_sec(60);
    conf->service.billing_grace = apr_time_from_sec(7 * 86400);
    conf->service.auth.token_ttl = apr_time_from_sec(15 * 60);
    conf->service.auth.refresh_ttl = apr_time_from_sec(30 * 86400);
}

static wf_status_t make_postgres(wf_ctx_t *ctx, wf_runtime_t *rt, apr_pool_t *pool, int check_role)
{
    const wf_conf_t *c = &rt->conf;
    wf_pg_conf_t pg = {
        .conninfo = c->db_conninfo,
        .connect_timeout = c->db_connect_timeout,
        .statement_timeout = c->db_statement_timeout,
        .check_role = check_role,
        .pool =
            {
                .name = "PostgreSQL",
                .keep = c->db_pool_keep,
                .max = c->db_pool_max,
                .acquire_timeout = c->db_acquire_timeout,
                .lifetime = c->db_lifetime,
                .idle_ttl = POOL_IDLE_TTL,
                .retry_interval = c->db_retry_interval,
            },
    };

    return wf_pg_make(ctx, &rt->store.pg, pool, &pg);
}

static wf_redis_conf_t redis_conf(const wf_conf_t *c)
{
    wf_redis_conf_t redis = {
        .url = c->redis_url,
        .connect_timeout = c->redis_connect_timeout,
        .command_timeout = c->redis_command_timeout,
        .pool =
            {
                .name = "Redis",
                .keep = c->redis_pool_keep,
                .max = c->redis_pool_max,
                .acquire_timeout = c->redis_acquire_timeout,
                .idle_ttl = POOL_IDLE_TTL,
                .retry_interval = c->redis_retry_interval,
            },
    };

    return redis;
}

static wf_status_t make_http(wf_ctx_t *ctx, wf_runtime_t *rt, apr_pool_t *pool)
{
    wf_http_guard_t *guard;
    wf_http_conf_t http = {
        .reply_max = BACKEND_REPLY_MAX,
        .breaker_failures = BACKEND_BREAKER_FAILURES,
        .breaker_interval = BACKEND_BREAKER_INTERVAL,
    };
    wf_status_t st = wf_http_guard_make(ctx, &guard, pool, rt->conf.callback_allow);

    if (st != WF_OK) {
        return st;
    }
    http.guard = guard;
    return wf_http_make(ctx, &rt->service.http, pool, &http);
}

/* The thread must not outlive what it uses: made last, it ends first. */
static wf_status_t start_writer(wf_ctx_t *ctx, wf_runtime_t *rt, apr_pool_t *pool)
{
    wf_redis_feed_t *feed = NULL;
    wf_status_t st = wf_tally_make(ctx, &rt->service.tally, pool);

    if (st == WF_OK && rt->store.redis) {
        wf_redis_conf_t redis = redis_conf(&rt->conf);

        st = wf_redis_feed_make(ctx, &feed, pool, &redis);
    }
    return st == WF_OK ? wf_step_writer_start(ctx, &rt->service.writer, pool, &rt->store, feed,
                                              rt->service.metrics, rt->service.tally)
                       : st;
}

wf_status_t wf_runtime_make(wf_ctx_t *ctx, wf_runtime_t **out, apr_pool_t *pool,
                            const wf_conf_t *conf, const wf_runtime_opts_t *opts)
{
    wf_runtime_t *rt = apr_pcalloc(pool, sizeof(*rt));
    wf_status_t st;

    *out = NULL;
    rt->conf = *conf;
    rt->store.prefix = conf->redis_prefix;
    rt->store.scripts = wf_store_scripts_make(pool);
    rt->service.store = &rt->store;
    rt->service.ring = opts->ring;
    rt->service.conf = conf->service;
    rt->service.conf.max_accounts = conf->max_accounts;
    rt->service.woken_at = apr_pcalloc(pool, sizeof(*rt->service.woken_at));
    rt->service.metrics =
        opts->metrics ? opts->metrics : apr_pcalloc(pool, sizeof(*rt->service.metrics));
    if ((st = make_postgres(ctx, rt, pool, opts->check_role)) != WF_OK) {
        return st;
    }
    if (conf->redis_url) {
        wf_redis_conf_t redis = redis_conf(conf);

        if ((st = wf_redis_make(ctx, &rt->store.redis, pool, &redis)) != WF_OK) {
            return st;
        }
    }
    if ((st = wf_rsa_cache_make(ctx, &rt->service.rsa, pool, conf->rsa_cache_slots)) != WF_OK ||
        (st = make_http(ctx, rt, pool)) != WF_OK ||
        (st = wf_auth_state_make(ctx, &rt->service.auth, pool, opts->ring)) != WF_OK) {
        return st;
    }
    if (opts->start_writer && (st = start_writer(ctx, rt, pool)) != WF_OK) {
        return st;
    }
    *out = rt;
    return WF_OK;
}
