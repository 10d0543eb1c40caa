#include "service/wf_media_fetch.h"
#include "service/wf_media_fetch_int.h"

#include "store/wf_outbox_store.h"
#include "webhook/wf_delivery_schedule.h"

#include <apr_atomic.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <string.h>

#define THREADS 4
#define POLL_INTERVAL apr_time_from_sec(1)
/* A file has to be done well within its lease. */
#define FILE_TIMEOUT apr_time_from_sec(240)
#define LEASE apr_time_from_sec(300)

struct wf_media_fetcher_t {
    const wf_service_t *service;
    wf_log_t log;
    const char *owner;
    wf_outbox_cursor_t cursor; /* of the thread that has the turn */
    apr_thread_mutex_t *lock;  /* guards the members below */
    apr_thread_cond_t *changed;
    int has_turn; /* one thread looks for work, the others that are idle wait for their turn */
    int running;
    int stopping;
    apr_time_t stop_by;
    volatile apr_uint32_t abandon; /* 1: downloads end at once */
    apr_thread_t *threads[THREADS];
};

/* ---- one row --------------------------------------------------------------------------------- */

static void finish(wf_ctx_t *ctx, const wf_service_t *service, wf_outbox_result_t *result)
{
    if (wf_outbox_finish(ctx, service->store, result, 1) != WF_OK) {
        wf_ctx_clear(ctx); /* logged; its lease runs out and it is done again, which does no harm */
    }
}

/* What becomes of the row after an attempt that may be made again. */
static void judge(wf_ctx_t *ctx, wf_outbox_result_t *result, const wf_fetch_t *fetch)
{
    wf_delivery_attempt_t attempt = {
        .status = 0,
        .attempts = result->row->attempts - result->row->attempts_before + 1,
        .max_retries = -1,
        .retry_after = fetch->retry_after,
        .now = wf_now(ctx),
    };
    unsigned char random[2] = {0, 0};
    apr_interval_time_t wait = 0;

    if (wf_rand_bytes(ctx, random, sizeof(random)) != WF_OK) {
        wf_ctx_clear(ctx); /* without jitter then */
    }
    attempt.random = (unsigned)random[0] * 256 + random[1];
    result->outcome =
        wf_delivery_judge(&wait, &attempt) == WF_DELIVERY_RETRY ? WF_OUTBOX_RETRY : WF_OUTBOX_DEAD;
    result->next_attempt_at = attempt.now + wait;
}

/* The outbox row must not be finished before the file's own says so. */
static void tell(wf_ctx_t *ctx, const wf_service_t *service, wf_outbox_result_t *result,
                 const wf_media_t *media, const wf_media_done_t *done)
{
    wf_status_t st = wf_media_done(ctx, service->store, service->ring, media, done);

    if (st == WF_ENOTFOUND) { /* its time ran out while it was fetched: nobody else knows of the file */
        wf_media_file_remove(ctx->pool, service->conf.media_dir, media->company_id, media->id);
    } else if (st != WF_OK) {
        result->outcome = WF_OUTBOX_RETRY;
        result->next_attempt_at = wf_now(ctx) + LEASE;
    }
    wf_ctx_clear(ctx);
}

static void record(wf_ctx_t *ctx, wf_media_fetcher_t *f, wf_outbox_result_t *result,
                   const wf_media_t *media, wf_fetch_verdict_t verdict, wf_fetch_t *fetch)
{
    const wf_service_t *service = f->service;

    result->status_code = fetch->http_status;
    result->error = fetch->error;
    if (verdict == WF_FETCH_STORED) {
        result->outcome = WF_OUTBOX_DONE;
    } else if (verdict == WF_FETCH_FINAL) {
        result->outcome = WF_OUTBOX_DEAD;
    } else {
        judge(ctx, result, fetch);
        fetch->done.status = WF_MEDIA_FAILED;
        fetch->done.reason = fetch->error;
    }
    wf_metric_add(service->metrics,
                  result->outcome == WF_OUTBOX_DONE    ? WF_METRIC_MEDIA_STORED
                  : result->outcome == WF_OUTBOX_RETRY ? WF_METRIC_MEDIA_RETRIED
                                                       : WF_METRIC_MEDIA_DEAD,
                  1);
    if (result->outcome == WF_OUTBOX_DEAD) {
        wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0541) "file %s of company %s is given up: %s",
               media->id, media->company_id, fetch->error);
    }
    wf_ctx_clear(ctx);
    if (result->outcome != WF_OUTBOX_RETRY) {
        tell(ctx, service, result, media, &fetch->done);
    }
    wf_wipe(fetch->done.file_key, sizeof(fetch->done.file_key));
    finish(ctx, service, result);
}

static void work(wf_ctx_t *ctx, wf_media_fetcher_t *f, const wf_outbox_row_t *row)
{
    wf_outbox_result_t result = {.row = row, .started_at = wf_now(ctx)};
    apr_time_t started = wf_monotonic();
    wf_fetch_verdict_t verdict;
    wf_media_t *media;
    wf_fetch_t fetch;
    wf_json_t *doc;
    wf_status_t st = wf_json_parse(ctx, &doc, row->payload, row->payload_len, 0);

    ctx->deadline = result.started_at + FILE_TIMEOUT;
    if (st == WF_OK) {
        st = wf_media_load(ctx, &media, f->service->store, f->service->ring, row->company_id,
                           wf_json_get_str(doc, "id", ""));
    }
    if (st == WF_ENOTFOUND || (st == WF_OK && strcmp(media->status, WF_MEDIA_STORED) == 0)) {
        wf_ctx_clear(ctx); /* its time has run out, or another worker was killed after it had it */
        result.outcome = WF_OUTBOX_DONE;
        finish(ctx, f->service, &result);
        return;
    }
    if (st != WF_OK) {
        const wf_media_t unread = {.company_id = row->company_id,
                                   .id = wf_json_get_str(doc, "id", "")};

        fetch = (wf_fetch_t){.error = ctx->err.detail ? ctx->err.detail : wf_status_name(st)};
        record(ctx, f, &result, &unread, WF_FETCH_AGAIN, &fetch);
        return;
    }
    verdict = wf_media_fetch_file(ctx, &fetch, f->service, media, &f->abandon);
    result.took = wf_monotonic() - started;
    ctx->deadline = 0;
    if (verdict == WF_FETCH_AGAIN && apr_atomic_read32(&f->abandon)) {
        wf_ctx_clear(ctx);
        if (wf_outbox_release(ctx, f->service->store, &row, 1) != WF_OK) {
            wf_ctx_clear(ctx); /* its lease runs out */
        }
        return;
    }
    record(ctx, f, &result, media, verdict, &fetch);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static int claim(wf_ctx_t *ctx, wf_outbox_row_t **row, wf_media_fetcher_t *f)
{
    wf_outbox_claim_t claim = {.consumer = WF_OUTBOX_MEDIA,
                               .owner = f->owner,
                               .lease = LEASE,
                               .max = 1,
                               .max_per_endpoint = 1,
                               .cursor = &f->cursor};
    int count = 0;

    if (wf_outbox_claim(ctx, row, &count, f->service->store, &claim) != WF_OK) {
        wf_ctx_clear(ctx);
        count = 0;
    }
    return count;
}

/* 1: this thread is the one that looks for work. */
static int take_turn(wf_media_fetcher_t *f)
{
    int mine;

    apr_thread_mutex_lock(f->lock);
    while (f->has_turn && !f->stopping) {
        apr_thread_cond_wait(f->changed, f->lock);
    }
    mine = !f->stopping;
    f->has_turn |= mine;
    apr_thread_mutex_unlock(f->lock);
    return mine;
}

static void give_turn(wf_media_fetcher_t *f)
{
    apr_thread_mutex_lock(f->lock);
    f->has_turn = 0;
    apr_thread_cond_broadcast(f->changed);
    apr_thread_mutex_unlock(f->lock);
}

static void rest(wf_media_fetcher_t *f)
{
    apr_thread_mutex_lock(f->lock);
    if (!f->stopping) {
        apr_thread_cond_timedwait(f->changed, f->lock, POLL_INTERVAL);
    }
    apr_thread_mutex_unlock(f->lock);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    wf_media_fetcher_t *f = data;
    apr_pool_t *pool;

    /* An allocator of its own: the other threads have theirs. */
    if (apr_pool_create_unmanaged(&pool) == APR_SUCCESS) {
        while (take_turn(f)) {
            wf_ctx_t *ctx = wf_ctx_make(pool, &f->log);
            wf_outbox_row_t *row;
            int found = claim(ctx, &row, f);

            if (!found) {
                rest(f);
            }
            give_turn(f);
            if (found) {
                work(ctx, f, row);
            }
            apr_pool_clear(pool);
        }
        apr_pool_destroy(pool);
    }
    apr_thread_mutex_lock(f->lock);
    f->running--;
    apr_thread_cond_broadcast(f->changed);
    apr_thread_mutex_unlock(f->lock);
    return NULL;
}

wf_status_t wf_media_fetcher_start(wf_ctx_t *ctx, wf_media_fetcher_t **out, apr_pool_t *pool,
                                   const wf_service_t *service, const wf_media_fetcher_conf_t *conf)
{
    wf_media_fetcher_t *f = apr_pcalloc(pool, sizeof(*f));
    int i;

    *out = NULL;
    f->service = service;
    f->log = ctx->log;
    f->owner = conf->owner;
    if (apr_thread_mutex_create(&f->lock, APR_THREAD_MUTEX_UNNESTED, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&f->changed, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0542) "the file fetcher got no lock");
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_mutex_lock(f->lock);
        f->running++;
        apr_thread_mutex_unlock(f->lock);
        if (apr_thread_create(&f->threads[i], NULL, run, f, pool) != APR_SUCCESS) {
            f->threads[i] = NULL;
            apr_thread_mutex_lock(f->lock);
            f->running--;
            apr_thread_mutex_unlock(f->lock);
            wf_media_fetcher_quit(f, 0);
            wf_media_fetcher_join(f);
            return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0543) "the file fetcher got no thread");
        }
    }
    *out = f;
    return WF_OK;
}

int wf_media_fetcher_is_alive(const wf_media_fetcher_t *f)
{
    int running;

    apr_thread_mutex_lock(f->lock);
    running = f->running;
    apr_thread_mutex_unlock(f->lock);
    return running > 0;
}

void wf_media_fetcher_quit(wf_media_fetcher_t *f, apr_interval_time_t bound)
{
    apr_thread_mutex_lock(f->lock);
    f->stopping = 1;
    f->stop_by = wf_monotonic() + bound;
    apr_thread_cond_broadcast(f->changed);
    apr_thread_mutex_unlock(f->lock);
}

void wf_media_fetcher_join(wf_media_fetcher_t *f)
{
    apr_interval_time_t left;
    apr_status_t rv;
    int i;

    apr_thread_mutex_lock(f->lock);
    while (f->running > 0 && (left = f->stop_by - wf_monotonic()) > 0) {
        apr_thread_cond_timedwait(f->changed, f->lock, left);
    }
    apr_thread_mutex_unlock(f->lock);
    apr_atomic_set32(&f->abandon, 1);
    for (i = 0; i < THREADS; i++) {
        if (f->threads[i]) {
            apr_thread_join(&rv, f->threads[i]);
        }
    }
}
