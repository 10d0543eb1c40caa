#include "store/wf_jobs_store.h"
#include "store/wf_media_store.h"
#include "store/wf_store_int.h"

#include <string.h>

static const char *number(apr_pool_t *pool, int64_t n)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, n);
}

/* ---- runs ------------------------------------------------------------------------------- */

static wf_status_t claim(wf_ctx_t *ctx, int *ours, wf_job_run_t *run)
{
    const wf_pg_param_t params[] = {run->name};
    wf_pg_result_t *res;
    wf_status_t st;

    *ours = 0;
    if ((st = wf_pg_begin(ctx, run->conn, NULL)) != WF_OK ||
        (st = wf_pg_exec(ctx, &res, run->conn, wf_sql(WF_SQL_ROLE_PLATFORM), NULL)) != WF_OK ||
        (st = wf_pg_exec(ctx, &res, run->conn, wf_sql(WF_SQL_JOB_LOCK), params)) != WF_OK ||
        strcmp(wf_pg_cell(res, 0, 0), "t") != 0) {
        return st;
    }
    if ((st = wf_pg_exec(ctx, NULL, run->conn, wf_sql(WF_SQL_JOB_MAKE), params)) == WF_OK &&
        (st = wf_pg_exec(ctx, &res, run->conn, wf_sql(WF_SQL_JOB_DUE), params)) == WF_OK) {
        *ours = wf_pg_rows(res) == 1;
    }
    return st;
}

static void give_up(wf_job_run_t *run)
{
    wf_pg_release(run->store->pg, run->conn); /* rolls back, which frees the lock */
    run->conn = NULL;
}

wf_status_t wf_job_begin(wf_ctx_t *ctx, wf_job_run_t *run, const wf_store_t *store,
                         const char *name)
{
    wf_status_t st;
    int ours;

    *run = (wf_job_run_t){store, NULL, name};
    if ((st = wf_pg_acquire(ctx, &run->conn, store->pg)) != WF_OK) {
        return st;
    }
    st = claim(ctx, &ours, run);
    if (st != WF_OK || !ours) {
        give_up(run);
    }
    return st;
}

wf_status_t wf_job_end(wf_ctx_t *ctx, wf_job_run_t *run, wf_status_t st, int64_t done,
                       apr_interval_time_t pause)
{
    const wf_pg_param_t params[] = {run->name, st == WF_OK ? "ok" : "failed",
                                    number(ctx->pool, done), number(ctx->pool, pause)};
    wf_status_t ended;

    if (!run->conn) {
        return WF_OK;
    }
    ended = wf_pg_exec(ctx, NULL, run->conn, wf_sql(WF_SQL_JOB_DONE), params);
    if (ended == WF_OK) {
        ended = wf_pg_commit(ctx, run->conn);
    }
    give_up(run);
    return ended;
}

/* ---- batches over all companies --------------------------------------------------------- */

static wf_status_t batch(wf_ctx_t *ctx, wf_pg_result_t **res, int *done, const wf_store_t *store,
                         wf_sql_id_t id, int max)
{
    const wf_pg_param_t params[] = {number(ctx->pool, max)};
    wf_status_t st = wf_store_query_platform(ctx, res, store, id, params);

    *done = st == WF_OK ? wf_pg_affected(*res) : 0;
    return st;
}

wf_status_t wf_sessions_expire(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;

    return batch(ctx, &res, done, store, WF_SQL_SESSIONS_EXPIRE, max);
}

wf_status_t wf_logins_sweep(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;

    return batch(ctx, &res, done, store, WF_SQL_LOGIN_SWEEP, max);
}

wf_status_t wf_idempotency_sweep(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;

    return batch(ctx, &res, done, store, WF_SQL_IDEMPOTENCY_SWEEP, max);
}

wf_status_t wf_accounts_mark_stale(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;

    return batch(ctx, &res, done, store, WF_SQL_ACCOUNTS_MARK_STALE, max);
}

wf_status_t wf_accounts_remind(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;
    wf_status_t st = batch(ctx, &res, done, store, WF_SQL_ACCOUNTS_REMIND, max);
    int i;

    *done = st == WF_OK ? wf_pg_rows(res) : 0;
    for (i = 0; i < *done; i++) {
        wf_log(ctx, WF_LOG_NOTICE,
               WFLOGNO(0500) "the key of account %s of company %s was to be changed by %s: "
                             "wflowsctl key new",
               wf_pg_cell(res, i, 1), wf_pg_cell(res, i, 0), wf_pg_cell(res, i, 2));
    }
    return st;
}

wf_status_t wf_counts_fold_next(wf_ctx_t *ctx, int *done, const wf_store_t *store)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_COUNTS_FOLD_NEXT, NULL);

    *done = st == WF_OK ? (int)wf_store_int(res, 0, 0) : 0;
    return st;
}

wf_status_t wf_outbox_bury(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    wf_pg_result_t *res;
    int ignored, i;
    wf_status_t st = batch(ctx, &res, &ignored, store, WF_SQL_OUTBOX_BURY, max);

    *done = 0;
    for (i = 0; st == WF_OK && i < wf_pg_rows(res); i++) {
        *done += (int)wf_store_int(res, i, 3);
        wf_log(ctx, WF_LOG_NOTICE,
               WFLOGNO(0575) "%s callbacks of account %s of company %s are given up: %s",
               wf_pg_cell(res, i, 3), wf_pg_cell(res, i, 1), wf_pg_cell(res, i, 0),
               wf_pg_cell(res, i, 2));
    }
    return st;
}

/* ---- retention: company by company ------------------------------------------------------ */

/* Duplicates of a webhook are recognised for 8 days (DESIGN.md section 8). */
#define DEDUP_DAYS 8

static const struct {
    wf_sql_id_t id;
    int min_days;
    int always; /* also where the plan keeps everything: then min_days are kept */
} tables[] = {
    {WF_SQL_SWEEP_CACHE_ROWS, 0, 1},
    {WF_SQL_SWEEP_EVENTS, DEDUP_DAYS, 0},
    {WF_SQL_SWEEP_OUTBOX, 0, 0},
    {WF_SQL_SWEEP_RESPONSES, 0, 0},
    {WF_SQL_SWEEP_FLOW_MESSAGES, 0, 0},
    {WF_SQL_SWEEP_SENT_MESSAGES, 0, 0},
    {WF_SQL_SWEEP_FLOW_HEALTH, 0, 0},
};
#define TABLES ((int)(sizeof(tables) / sizeof(tables[0])))
/* Walked by key: an index by time would cost every step of a session. */
#define SESSIONS TABLES
/* With what lies in the media folder: the last. */
#define MEDIA (TABLES + 1)
/* Files are removed while their rows are locked. */
#define MEDIA_BATCH 50

static wf_status_t next_company(wf_ctx_t *ctx, int *more, const wf_store_t *store, wf_sweep_t *sweep)
{
    const wf_pg_param_t params[] = {*sweep->company_id ? sweep->company_id : NULL};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_SWEEP_COMPANY, params);

    *sweep = (wf_sweep_t){.media_dir = sweep->media_dir};
    *more = st == WF_OK && wf_pg_rows(res) == 1;
    if (*more) {
        apr_cpystrn(sweep->company_id, wf_pg_cell(res, 0, 0), sizeof(sweep->company_id));
        sweep->days = (int)wf_store_int(res, 0, 1);
        sweep->table = 0;
    }
    return st;
}

static wf_status_t sweep_table(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                               const wf_sweep_t *sweep, int max)
{
    int least = tables[sweep->table].min_days;
    const wf_pg_param_t params[] = {
        sweep->company_id, number(ctx->pool, sweep->days > least ? sweep->days : least),
        number(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st;

    if (sweep->days == 0 && !tables[sweep->table].always) {
        return WF_OK;
    }
    st = wf_store_query_platform(ctx, &res, store, tables[sweep->table].id, params);
    *done = st == WF_OK ? wf_pg_affected(res) : 0;
    return st;
}

/* *left 0: all of the company's sessions have been looked at. */
static wf_status_t sweep_sessions(wf_ctx_t *ctx, int *done, int *left, const wf_store_t *store,
                                  wf_sweep_t *sweep, int max)
{
    const wf_pg_param_t params[] = {sweep->company_id, number(ctx->pool, sweep->days),
                                    number(ctx->pool, max), sweep->token};
    wf_pg_result_t *res;
    wf_status_t st;

    *left = 0;
    if (sweep->days == 0) {
        return WF_OK;
    }
    if ((st = wf_store_query_platform(ctx, &res, store, WF_SQL_SWEEP_SESSIONS, params)) != WF_OK) {
        return st;
    }
    *done = (int)wf_store_int(res, 0, 0);
    *left = wf_pg_cell(res, 0, 1) != NULL;
    if (*left) {
        apr_cpystrn(sweep->token, wf_pg_cell(res, 0, 1), sizeof(sweep->token));
    }
    return st;
}

/* A folder that cannot be written to must not keep all other companies from being swept. */
static void sweep_media(wf_ctx_t *ctx, int *done, int *left, const wf_store_t *store,
                        const wf_sweep_t *sweep, int max)
{
    apr_time_t before = wf_now(ctx) - apr_time_from_sec(86400) * sweep->days;
    wf_status_t st;

    *left = 0;
    max = max < MEDIA_BATCH ? max : MEDIA_BATCH;
    if (sweep->days == 0) {
        return;
    }
    st = wf_media_expire(ctx, done, store, sweep->media_dir, sweep->company_id, before, max);
    *left = st == WF_OK && *done == max;
    if (st != WF_OK) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0560) "files of company %s whose time is over stay for now: %s",
               sweep->company_id, ctx->err.detail ? ctx->err.detail : wf_status_name(st));
        wf_ctx_clear(ctx);
    }
}

wf_status_t wf_retention_sweep(wf_ctx_t *ctx, int *done, int *more, const wf_store_t *store,
                               wf_sweep_t *sweep, int max)
{
    wf_status_t st = WF_OK;
    int left;

    *done = 0;
    *more = 1;
    if (!*sweep->company_id || sweep->table > MEDIA) {
        return next_company(ctx, more, store, sweep);
    }
    if (sweep->table == MEDIA) {
        sweep_media(ctx, done, &left, store, sweep, max);
    } else if (sweep->table == SESSIONS) {
        st = sweep_sessions(ctx, done, &left, store, sweep, max);
    } else {
        st = sweep_table(ctx, done, store, sweep, max);
        left = *done == max;
    }
    if (st == WF_OK && !left) {
        sweep->table++;
    }
    return st;
}
