#include "service/wf_jobs.h"

#include "service/wf_erase.h"
#include "store/wf_approval_store.h"
#include "store/wf_auth_store.h"
#include "store/wf_jobs_store.h"
#include "store/wf_manage_store.h"
#include "store/wf_outbox_store.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define TURN_INTERVAL apr_time_from_sec(1)
/* What is left after it goes on in the next turn, so that no job keeps another waiting for long. */
#define RUN_MAX apr_time_from_sec(2)
/* Small enough for a transaction of milliseconds. */
#define BATCH 500
#define CACHE_LEASE apr_time_from_sec(30)
#define CACHE_RETRY_MAX apr_time_from_sec(60)

struct wf_jobs_t {
    const wf_service_t *service;
    wf_log_t log;
    wf_sweep_t sweep;
    wf_outbox_cursor_t cursor;
    /* of the thread */
    apr_pool_t *pool;
    apr_thread_t *thread;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *wake;
    atomic_int stop, alive;
};

/* One batch. *more: there may be another one. */
typedef wf_status_t job_fn(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs);

/* ---- the jobs --------------------------------------------------------------------------- */

static wf_status_t expire_sessions(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_sessions_expire(ctx, done, jobs->service->store, BATCH);

    *more = *done == BATCH;
    return st;
}

/* What the API remembers for a while: replies to repeated requests, log-ins. */
static wf_status_t sweep_idempotency(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_idempotency_sweep(ctx, done, jobs->service->store, BATCH);
    int logins = 0;

    *more = *done == BATCH;
    if (st == WF_OK) {
        st = wf_logins_sweep(ctx, &logins, jobs->service->store, BATCH);
        *more |= logins == BATCH;
        *done += logins;
    }
    return st;
}

static wf_status_t mark_stale(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_accounts_mark_stale(ctx, done, jobs->service->store, BATCH);

    *more = *done == BATCH;
    return st;
}

static wf_status_t remind(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_accounts_remind(ctx, done, jobs->service->store, BATCH);

    *more = *done == BATCH;
    return st;
}

static wf_status_t fold_counts(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_counts_fold_next(ctx, done, jobs->service->store);

    *more = *done > 0;
    return st;
}

static wf_status_t bury_callbacks(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_outbox_bury(ctx, done, jobs->service->store, BATCH);

    *more = *done == BATCH;
    return st;
}

static wf_status_t sweep_retention(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    return wf_retention_sweep(ctx, done, more, jobs->service->store, &jobs->sweep, BATCH);
}

static wf_status_t expire_approvals(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    wf_status_t st = wf_approvals_expire(ctx, done, jobs->service->store, BATCH);

    *more = *done == BATCH;
    return st;
}

static wf_status_t erase(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    return wf_erase_turn(ctx, done, more, jobs->service);
}

static wf_status_t suspend_unpaid(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    static const wf_actor_t actor = {.actor = "job:billing"};
    const wf_service_t *service = jobs->service;
    apr_array_header_t *ids;
    wf_status_t st;
    int changed, i;

    if ((st = wf_billing_overdue(ctx, &ids, service->store, service->conf.billing_grace, 20)) !=
        WF_OK) {
        return st;
    }
    for (i = 0; i < ids->nelts && st == WF_OK; i++) {
        st = wf_billing_settle(ctx, &changed, service->store, APR_ARRAY_IDX(ids, i, const char *),
                               service->conf.billing_grace, &actor);
        *done += st == WF_OK && changed;
    }
    *more = *done == ids->nelts && *done > 0;
    return st;
}

static wf_status_t end_trials(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    static const wf_actor_t actor = {.actor = "job:trials"};

    wf_status_t st = wf_trials_end(ctx, done, jobs->service->store, 20, &actor);

    *more = *done == 20;
    return st;
}

static apr_array_header_t *texts_of(apr_pool_t *pool, const wf_json_t *list)
{
    apr_array_header_t *out = apr_array_make(pool, 4, sizeof(const char *));
    size_t i;

    for (i = 0; i < wf_json_len(list); i++) {
        const char *text = wf_json_str(wf_json_at(list, i));
        if (text) {
            APR_ARRAY_PUSH(out, const char *) = text;
        }
    }
    return out;
}

/* {"slug": …, "contexts": …, "flows": […], "auth": […]} of wf_change.c, {"slug", "sessions": […]} of wf_cache_leave_sessions.
 * What cannot be read will not get better. */
static wf_status_t forget(wf_ctx_t *ctx, const wf_store_t *store, const wf_outbox_row_t *row)
{
    const wf_json_t *flows;
    wf_json_t *doc;
    const char *slug;
    wf_status_t st = wf_json_parse(ctx, &doc, row->payload, row->payload_len, 0);
    size_t i;

    if (st != WF_OK) {
        return st;
    }
    slug = wf_json_get_str(doc, "slug", NULL);
    if (!slug) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0501) "outbox row %s names no slug", row->id);
    }
    if (wf_json_get_bool(doc, "contexts", 1)) {
        st = wf_cache_forget_company(ctx, store, slug);
    }
    flows = wf_json_get(doc, "flows");
    for (i = 0; st == WF_OK && i < wf_json_len(flows); i++) {
        const char *name = wf_json_str(wf_json_at(flows, i));
        st = name ? wf_cache_forget_flow(ctx, store, slug, name) : WF_OK;
    }
    if (st == WF_OK) {
        st = wf_cache_forget_sessions(ctx, store, slug,
                                      texts_of(ctx->pool, wf_json_get(doc, "sessions")));
    }
    if (st == WF_OK) {
        st = wf_auth_forget(ctx, store, texts_of(ctx->pool, wf_json_get(doc, "auth")));
    }
    return st;
}

static void forget_row(wf_ctx_t *ctx, wf_outbox_result_t *result, const wf_store_t *store,
                       const wf_outbox_row_t *row)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    apr_interval_time_t pause = apr_time_from_sec(2) << (row->attempts < 5 ? row->attempts : 5);
    wf_status_t st;

    memset(result, 0, sizeof(*result));
    result->row = row;
    result->started_at = wf_now(ctx);
    st = forget(own, store, row);
    result->took = wf_now(ctx) - result->started_at;
    result->outcome = st == WF_OK        ? WF_OUTBOX_DONE
                      : st == WF_EINVALID ? WF_OUTBOX_DEAD
                                          : WF_OUTBOX_RETRY;
    if (st != WF_OK) {
        result->error = own->err.detail ? own->err.detail : wf_status_name(st);
        result->next_attempt_at = wf_now(ctx) + (pause < CACHE_RETRY_MAX ? pause : CACHE_RETRY_MAX);
    }
}

static wf_status_t retry_cache(wf_ctx_t *ctx, int *done, int *more, wf_jobs_t *jobs)
{
    const wf_store_t *store = jobs->service->store;
    wf_outbox_claim_t claim = {.consumer = WF_OUTBOX_CACHE,
                               .owner = apr_psprintf(ctx->pool, "jobs:%d", (int)getpid()),
                               .lease = CACHE_LEASE,
                               .max = 64,
                               .max_per_endpoint = 8,
                               .cursor = &jobs->cursor};
    wf_outbox_result_t *results;
    wf_outbox_row_t *rows;
    wf_status_t st;
    int count, i;

    if (!store->redis) {
        return WF_OK;
    }
    if ((st = wf_outbox_claim(ctx, &rows, &count, store, &claim)) != WF_OK || count == 0) {
        return st;
    }
    results = apr_pcalloc(ctx->pool, (size_t)count * sizeof(*results));
    for (i = 0; i < count; i++) {
        forget_row(ctx, &results[i], store, &rows[i]);
        *done += results[i].outcome == WF_OUTBOX_DONE;
    }
    *more = *done == count;
    return wf_outbox_finish(ctx, store, results, count);
}

static const struct {
    apr_interval_time_t interval;
    job_fn *fn;
} table[WF_JOB_COUNT] = {
    [WF_JOB_CACHE] = {apr_time_from_sec(5), retry_cache},
    [WF_JOB_COUNTS] = {apr_time_from_sec(10), fold_counts},
    [WF_JOB_OUTBOX] = {apr_time_from_sec(60), bury_callbacks},
    [WF_JOB_SESSIONS] = {apr_time_from_sec(60), expire_sessions},
    [WF_JOB_BILLING] = {apr_time_from_sec(60), suspend_unpaid},
    [WF_JOB_TRIALS] = {apr_time_from_sec(60), end_trials},
    [WF_JOB_IDEMPOTENCY] = {apr_time_from_sec(600), sweep_idempotency},
    [WF_JOB_ROTATION] = {apr_time_from_sec(600), remind},
    [WF_JOB_RETENTION] = {apr_time_from_sec(900), sweep_retention},
    [WF_JOB_VERIFICATION] = {apr_time_from_sec(3600), mark_stale},
    [WF_JOB_APPROVALS] = {apr_time_from_sec(600), expire_approvals},
    [WF_JOB_ERASURE] = {apr_time_from_sec(2), erase},
};

/* ---- a turn ----------------------------------------------------------------------------- */

/* Batches until there are no more or the time is over; *more then. */
static wf_status_t run_batches(wf_ctx_t *ctx, int64_t *total, int *more, wf_jobs_t *jobs, wf_job_t job)
{
    apr_time_t until = wf_monotonic() + RUN_MAX;
    apr_pool_t *pool;
    wf_status_t st;
    int done;

    apr_pool_create(&pool, ctx->pool);
    do {
        wf_ctx_t *own = wf_ctx_derive(ctx, pool);

        done = 0;
        *more = 0;
        st = table[job].fn(own, &done, more, jobs);
        *total += done;
        if (st != WF_OK) {
            wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0502) "job %s failed (%s): it is tried again later",
                   wf_job_name(job), own->err.detail ? own->err.detail : wf_status_name(st));
        }
        apr_pool_clear(pool);
    } while (st == WF_OK && *more && !jobs->stop && wf_monotonic() < until);
    apr_pool_destroy(pool);
    return st;
}

static void run_job(wf_ctx_t *ctx, wf_jobs_t *jobs, wf_job_t job)
{
    wf_job_run_t run;
    int64_t done = 0;
    int more = 0;
    wf_status_t st = wf_job_begin(ctx, &run, jobs->service->store, wf_job_name(job));

    if (st != WF_OK || !run.conn) {
        return; /* another server's turn; or PostgreSQL is away, which it has said itself */
    }
    st = run_batches(ctx, &done, &more, jobs, job);
    wf_metrics_job(jobs->service->metrics, job, st == WF_OK, done, wf_now(ctx));
    if (wf_job_end(ctx, &run, st, done, st == WF_OK && more ? 0 : table[job].interval) != WF_OK) {
        wf_ctx_clear(ctx); /* it runs again at once, which does no harm */
    }
}

void wf_jobs_turn(wf_ctx_t *ctx, wf_jobs_t *jobs)
{
    int job;

    for (job = 0; job < WF_JOB_COUNT && !jobs->stop; job++) {
        run_job(wf_ctx_derive(ctx, ctx->pool), jobs, (wf_job_t)job);
    }
}

wf_jobs_t *wf_jobs_make(wf_ctx_t *ctx, apr_pool_t *pool, const wf_service_t *service)
{
    wf_jobs_t *jobs = apr_pcalloc(pool, sizeof(*jobs));

    jobs->service = service;
    jobs->log = ctx->log;
    jobs->sweep.media_dir = service->conf.media_dir;
    return jobs;
}

/* ---- the thread ------------------------------------------------------------------------- */

static void *APR_THREAD_FUNC jobs_main(apr_thread_t *thread, void *data)
{
    wf_jobs_t *jobs = data;
    apr_pool_t *pool;

    apr_pool_create(&pool, jobs->pool);
    while (!jobs->stop) {
        wf_jobs_turn(wf_ctx_make(pool, &jobs->log), jobs);
        apr_pool_clear(pool);
        apr_thread_mutex_lock(jobs->lock);
        if (!jobs->stop) {
            apr_thread_cond_timedwait(jobs->wake, jobs->lock, TURN_INTERVAL);
        }
        apr_thread_mutex_unlock(jobs->lock);
    }
    apr_pool_destroy(pool);
    jobs->alive = 0;
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

wf_status_t wf_jobs_start(wf_ctx_t *ctx, wf_jobs_t **out, apr_pool_t *pool,
                          const wf_service_t *service)
{
    wf_jobs_t *jobs = wf_jobs_make(ctx, pool, service);
    apr_status_t rv = apr_pool_create_unmanaged(&jobs->pool);

    *out = NULL;
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&jobs->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&jobs->wake, pool);
    }
    if (rv == APR_SUCCESS) {
        jobs->alive = 1;
        rv = apr_thread_create(&jobs->thread, NULL, jobs_main, jobs, pool);
    }
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0503) "the thread of the jobs did not start: %d",
                       rv);
    }
    *out = jobs;
    return WF_OK;
}

int wf_jobs_is_alive(const wf_jobs_t *jobs)
{
    return jobs->alive;
}

void wf_jobs_quit(wf_jobs_t *jobs)
{
    apr_thread_mutex_lock(jobs->lock);
    jobs->stop = 1;
    apr_thread_cond_signal(jobs->wake);
    apr_thread_mutex_unlock(jobs->lock);
}

void wf_jobs_join(wf_jobs_t *jobs)
{
    apr_status_t rv;

    apr_thread_join(&rv, jobs->thread);
    apr_pool_destroy(jobs->pool);
}
