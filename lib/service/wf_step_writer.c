#include "service/wf_step_writer_int.h"

#include <apr_hash.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* One thread per process commits for all. While it waits for PostgreSQL the next steps gather, and while other
 * requests are on their way to a step it waits for them a little: a commit costs the same for one step as
 * for ten. A request that is alone waits for nobody. */

#define GROUP_MAX 64
#define GATHER_MAX apr_time_from_msec(2)
#define USAGE_FLUSH_INTERVAL apr_time_from_sec(5)
#define USAGE_COMPANIES_MAX 4096

/* On its thread's stack. A semaphore and not a condition: the waiter wakes once, with nothing to lock, and may be
 * gone as soon as it was posted. */
typedef struct waiter_t {
    wf_step_t *step;
    sem_t done;
    struct waiter_t *next;
} waiter_t;

struct wf_step_writer_t {
    apr_pool_t *pool; /* only the writer's thread allocates from it, after the start */
    const wf_store_t *store;
    wf_redis_feed_t *feed; /* NULL: no cache */
    wf_metrics_t *metrics;
    wf_tally_t *tally;
    wf_log_t log;
    apr_thread_t *thread;
    apr_thread_mutex_t *lock; /* guards all below */
    apr_thread_cond_t *wake;
    waiter_t *first, *last;
    int queued;
    int expected; /* requests that may still bring a step */
    int idle;     /* the thread waits for a step, or for the expected ones */
    int stop;
    apr_pool_t *usage_pool;
    apr_hash_t *usage; /* company id -> int64_t * */
};

/* ---- usage ---- */

static void usage_reset(wf_step_writer_t *w)
{
    if (w->usage_pool) {
        apr_pool_destroy(w->usage_pool);
    }
    /* An allocator of its own: request threads allocate from it (under the lock) while the writer's thread
     * allocates from w->pool. */
    if (apr_pool_create_unmanaged(&w->usage_pool) != APR_SUCCESS) {
        abort();
    }
    w->usage = apr_hash_make(w->usage_pool);
}

void wf_step_writer_count(wf_step_writer_t *w, const char *company_id)
{
    int64_t *n;

    apr_thread_mutex_lock(w->lock);
    n = apr_hash_get(w->usage, company_id, APR_HASH_KEY_STRING);
    if (!n) {
        n = apr_pcalloc(w->usage_pool, sizeof(*n));
        apr_hash_set(w->usage, apr_pstrdup(w->usage_pool, company_id), APR_HASH_KEY_STRING, n);
    }
    (*n)++;
    if (apr_hash_count(w->usage) >= USAGE_COMPANIES_MAX) {
        apr_thread_cond_signal(w->wake);
    }
    apr_thread_mutex_unlock(w->lock);
}

/* Takes the counts under the lock, writes them without it; what could not be written is put back. */
static void usage_flush(wf_ctx_t *ctx, wf_step_writer_t *w)
{
    const char *month = wf_month(ctx->pool, wf_now(ctx));
    apr_array_header_t *ids = apr_array_make(ctx->pool, 16, sizeof(const char *));
    apr_array_header_t *counts = apr_array_make(ctx->pool, 16, sizeof(int64_t));
    int i;

    apr_thread_mutex_lock(w->lock);
    for (apr_hash_index_t *hi = apr_hash_first(ctx->pool, w->usage); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(ids, const char *) = apr_pstrdup(ctx->pool, apr_hash_this_key(hi));
        APR_ARRAY_PUSH(counts, int64_t) = *(int64_t *)apr_hash_this_val(hi);
    }
    usage_reset(w);
    apr_thread_mutex_unlock(w->lock);

    for (i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);
        int64_t n = APR_ARRAY_IDX(counts, i, int64_t);
        if (wf_usage_add(ctx, w->store, id, month, "flow_exchange", n) != WF_OK) {
            wf_ctx_clear(ctx);
            apr_thread_mutex_lock(w->lock);
            int64_t *back = apr_hash_get(w->usage, id, APR_HASH_KEY_STRING);
            if (!back) {
                back = apr_pcalloc(w->usage_pool, sizeof(*back));
                apr_hash_set(w->usage, apr_pstrdup(w->usage_pool, id), APR_HASH_KEY_STRING, back);
            }
            *back += n;
            apr_thread_mutex_unlock(w->lock);
        }
    }
}

/* ---- groups ---- */

static int take_group(wf_step_writer_t *w, waiter_t **group)
{
    int n = 0;

    while (w->first && n < GROUP_MAX) {
        group[n++] = w->first;
        w->first = w->first->next;
    }
    if (!w->first) {
        w->last = NULL;
    }
    w->queued -= n;
    return n;
}

/* The caller holds the lock. Until there is a step, and then a little until those on their way are there. */
static void wait_for_steps(wf_step_writer_t *w)
{
    apr_time_t end;

    w->idle = 1;
    if (!w->first && !w->stop) {
        apr_thread_cond_timedwait(w->wake, w->lock, USAGE_FLUSH_INTERVAL);
    }
    end = wf_monotonic() + GATHER_MAX;
    while (w->first && !w->stop && w->expected > 0 && w->queued < GROUP_MAX) {
        apr_interval_time_t left = end - wf_monotonic();
        if (left <= 0 || apr_thread_cond_timedwait(w->wake, w->lock, left) == APR_TIMEUP) {
            break;
        }
    }
    w->idle = 0;
}

static void run_group(wf_ctx_t *ctx, wf_step_writer_t *w, waiter_t **group, int count)
{
    wf_step_t *steps[GROUP_MAX];
    int i;

    for (i = 0; i < count; i++) {
        steps[i] = group[i]->step;
    }
    wf_steps_commit(ctx, w->store, steps, count);
    if (w->feed) {
        wf_steps_publish(ctx, w->feed, steps, count);
    }
    wf_metric_add(w->metrics, WF_METRIC_STEP_GROUPS, 1);
    wf_metric_add(w->metrics, WF_METRIC_STEPS, (uint64_t)count);
    for (i = 0; i < count; i++) {
        sem_post(&group[i]->done);
    }
}

static void *APR_THREAD_FUNC writer_main(apr_thread_t *thread, void *data)
{
    wf_step_writer_t *w = data;
    waiter_t *group[GROUP_MAX];
    apr_time_t flush_at = wf_monotonic() + USAGE_FLUSH_INTERVAL;
    apr_pool_t *pool;
    wf_ctx_t *ctx;
    int count, stop = 0;

    apr_pool_create(&pool, w->pool);
    while (!stop) {
        apr_thread_mutex_lock(w->lock);
        wait_for_steps(w);
        count = take_group(w, group);
        stop = w->stop && count == 0;
        apr_thread_mutex_unlock(w->lock);

        ctx = wf_ctx_make(pool, &w->log);
        if (count > 0) {
            run_group(ctx, w, group, count);
        }
        if (stop || wf_monotonic() >= flush_at) {
            wf_ctx_clear(ctx);
            usage_flush(ctx, w);
            wf_tally_flush(ctx, w->tally, w->store);
            flush_at = wf_monotonic() + USAGE_FLUSH_INTERVAL;
        }
        apr_pool_clear(pool);
    }
    apr_pool_destroy(pool);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

void wf_step_writer_expect(wf_step_writer_t *w, int change)
{
    int wake;

    apr_thread_mutex_lock(w->lock);
    w->expected += change;
    wake = w->expected == 0 && w->idle && w->first;
    apr_thread_mutex_unlock(w->lock);
    if (wake) {
        apr_thread_cond_signal(w->wake);
    }
}

/* 0: the server is stopping. */
static int enqueue(wf_step_writer_t *w, waiter_t *waiter)
{
    int stop, wake;

    apr_thread_mutex_lock(w->lock);
    stop = w->stop;
    if (!stop) {
        if (w->last) {
            w->last->next = waiter;
        } else {
            w->first = waiter;
        }
        w->last = waiter;
        w->queued++;
        w->expected--; /* it is here */
    }
    /* The first step ends the thread's sleep; those after it only if it is worth starting now. */
    wake = w->idle && (w->queued == 1 || w->expected == 0 || w->queued >= GROUP_MAX);
    apr_thread_mutex_unlock(w->lock);
    if (wake) {
        apr_thread_cond_signal(w->wake);
    }
    return !stop;
}

wf_status_t wf_step_writer_commit(wf_ctx_t *ctx, wf_step_writer_t *w, wf_step_t *step)
{
    waiter_t me = {.step = step};

    sem_init(&me.done, 0, 0);
    if (!enqueue(w, &me)) {
        sem_destroy(&me.done);
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0411) "the server is stopping");
    }
    /* No deadline here: the writer's own waits are bounded, and the step's memory is ours. */
    while (sem_wait(&me.done) != 0 && errno == EINTR) {
    }
    sem_destroy(&me.done);
    wf_step_writer_expect(w, 1);
    if (step->status != WF_OK && step->status != WF_ECONFLICT) {
        wf_metric_add(w->metrics, WF_METRIC_STEP_FAILURES, 1);
    }
    return step->status;
}

static apr_status_t writer_stop(void *data)
{
    wf_step_writer_t *w = data;
    apr_status_t rv;

    apr_thread_mutex_lock(w->lock);
    w->stop = 1;
    apr_thread_cond_signal(w->wake);
    apr_thread_mutex_unlock(w->lock);
    apr_thread_join(&rv, w->thread);
    apr_pool_destroy(w->usage_pool);
    apr_pool_destroy(w->pool);
    return APR_SUCCESS;
}

wf_status_t wf_step_writer_start(wf_ctx_t *ctx, wf_step_writer_t **out, apr_pool_t *pool,
                                 const wf_store_t *store, wf_redis_feed_t *feed,
                                 wf_metrics_t *metrics, wf_tally_t *tally)
{
    wf_step_writer_t *w = apr_pcalloc(pool, sizeof(*w));
    apr_status_t rv;

    *out = NULL;
    w->store = store;
    w->feed = feed;
    w->metrics = metrics;
    w->tally = tally;
    w->log = ctx->log;
    rv = apr_pool_create_unmanaged(&w->pool);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&w->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&w->wake, pool);
    }
    if (rv == APR_SUCCESS) {
        usage_reset(w);
        rv = apr_thread_create(&w->thread, NULL, writer_main, w, pool);
    }
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0412) "the step writer did not start: %d", rv);
    }
    apr_pool_pre_cleanup_register(pool, w, writer_stop);
    *out = w;
    return WF_OK;
}
