#include "service/wf_deliver_int.h"

#include <apr_thread_proc.h>
#include <stdatomic.h>
#include <string.h>

/* Beyond the account's timeout, which a delivery keeps: it is sent as soon as it is claimed. What is left is to write the
 * result, and that may need PostgreSQL three times: 2 s to connect and 2 s for a statement each, and the waiting
 * between. Shorter, and a slow database means callbacks sent twice; longer, and those of a killed worker are late. */
#define LEASE_DEFAULT apr_time_from_sec(15)
#define IN_FLIGHT_DEFAULT 512
#define CLAIM_MAX 128
/* Results are written together: so many, or when the first of them has waited so long. */
#define GROUP_MAX 128
#define GROUP_WAIT apr_time_from_msec(4)
/* While there is work, a claim comes soon even if its notification was held back; between two that have a
 * reason a little time passes, so that they find more than one row. */
#define CLAIM_SOON apr_time_from_msec(20)
#define CLAIM_GAP apr_time_from_msec(5)
#define CLAIM_IDLE apr_time_from_sec(1)
#define BUSY_FOR apr_time_from_sec(2)
#define AFTER_FAILURE apr_time_from_sec(1)
#define LISTEN_RETRY apr_time_from_sec(5)
#define GAUGE_INTERVAL apr_time_from_sec(5)

struct wf_deliver_t {
    apr_pool_t *pool; /* the thread's alone after the start */
    const wf_service_t *service;
    wf_deliver_conf_t conf;
    wf_log_t log;
    apr_thread_t *thread;
    wf_http_multi_t *multi;
    wf_pg_listener_t *listener;
    wf_deliver_endpoints_t endpoints;
    wf_outbox_cursor_t cursor;
    int in_flight;
    wf_deliver_job_t *sending;        /* on their way */
    wf_deliver_job_t *done, **done_end; /* to be written */
    int done_count;
    apr_time_t done_since, finish_at; /* monotonic, as all below */
    apr_time_t claim_at, claimed_at, busy_until, listen_at, gauge_at;
    _Atomic int is_alive, stop;
    _Atomic int64_t stop_by;
};

/* ---- jobs ------------------------------------------------------------------------------- */

static void leave_batch(wf_deliver_batch_t *batch)
{
    if (--batch->users == 0) {
        apr_pool_destroy(batch->pool);
    }
}

static void forget_job(wf_deliver_job_t *job)
{
    wf_deliver_batch_t *batch = job->batch;

    apr_pool_destroy(job->ctx->pool);
    leave_batch(batch);
}

static void unlink_sending(wf_deliver_t *d, wf_deliver_job_t *job)
{
    wf_deliver_job_t **at = &d->sending;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    job->next = NULL;
}

static void put_done(wf_deliver_t *d, wf_deliver_job_t *job)
{
    if (d->done_count++ == 0) {
        d->done_since = wf_monotonic();
    }
    job->next = NULL;
    *d->done_end = job;
    d->done_end = &job->next;
}

/* A receiver that answers lives, whatever it answers; 429 and 5xx say that it is not well. */
static int has_arrived(wf_status_t st, int status)
{
    return st == WF_OK && status != 429 && status < 500;
}

static void tell_endpoint(wf_ctx_t *ctx, const wf_deliver_job_t *job, wf_status_t st)
{
    if (wf_deliver_endpoint_tell(job->endpoint, has_arrived(st, job->result.status_code))) {
        wf_log(ctx, WF_LOG_NOTICE,
               WFLOGNO(0475) "the callbacks of account %s of company %s do not arrive (%s): its "
                             "receiver is tried now and then, the others go on",
               job->row->account_id ? job->row->account_id : "-", job->row->company_id,
               job->result.error ? job->result.error : "-");
    }
}

static void start_job(wf_ctx_t *ctx, wf_deliver_t *d, wf_deliver_job_t *job)
{
    wf_status_t st = wf_deliver_job_prepare(job, d->service);

    if (st == WF_OK) {
        st = wf_http_multi_start(job->ctx, d->multi, &job->request, job);
    }
    if (st == WF_OK) {
        job->next = d->sending;
        d->sending = job;
        d->in_flight++;
        job->endpoint->in_flight++;
        return;
    }
    wf_deliver_job_conclude(job, st, NULL);
    tell_endpoint(ctx, job, st);
    put_done(d, job);
}

/* ---- claiming --------------------------------------------------------------------------- */

/* There is a reason to think that a claim would bring something. */
static void claim_soon(wf_deliver_t *d)
{
    if (d->claim_at > d->claimed_at + CLAIM_GAP) {
        d->claim_at = d->claimed_at + CLAIM_GAP;
    }
}

/* A claim brings few of each endpoint, that nobody is kept waiting by a long queue of another's. The rest of
 * the queue comes as soon as the receiver can take it. */
static void go_on_with(wf_deliver_t *d, const wf_deliver_endpoint_t *endpoint)
{
    if (endpoint->has_more && !wf_deliver_endpoint_is_busy(endpoint)) {
        claim_soon(d);
    }
}

static void give_back(wf_ctx_t *ctx, const wf_deliver_t *d, const wf_outbox_row_t *const *rows,
                      int count)
{
    if (count > 0 && wf_outbox_release(ctx, d->service->store, rows, count) != WF_OK) {
        wf_ctx_clear(ctx); /* their lease runs out */
    }
}

static void start_rows(wf_ctx_t *ctx, wf_deliver_t *d, wf_deliver_batch_t *batch,
                       const wf_outbox_row_t *rows, int count)
{
    const wf_outbox_row_t **back = apr_palloc(ctx->pool, (size_t)(count + 1) * sizeof(*back));
    wf_deliver_endpoint_t *endpoint = NULL, *before = NULL;
    int i, back_count = 0, of_endpoint = 0;

    for (i = 0; i < count; i++, before = endpoint) {
        wf_deliver_job_t *job;

        endpoint = wf_deliver_endpoint_of(&d->endpoints, &rows[i]);
        of_endpoint = endpoint == before ? of_endpoint + 1 : 1; /* they come beside each other */
        endpoint->has_more = of_endpoint == WF_DELIVER_CLAIM_EACH;
        if (!wf_deliver_endpoint_has_room(endpoint)) {
            back[back_count++] = &rows[i];
            continue;
        }
        job = wf_deliver_job_make(ctx, batch, &rows[i]);
        job->endpoint = endpoint;
        start_job(ctx, d, job);
        go_on_with(d, endpoint);
    }
    give_back(ctx, d, back, back_count);
}

/* What is claimed lives until the last of its jobs is written. */
static void claim(wf_deliver_t *d, wf_ctx_t *scratch)
{
    int room = d->conf.in_flight_max - d->in_flight - d->done_count, count;
    wf_outbox_claim_t how = {.consumer = WF_OUTBOX_CALLBACK,
                             .owner = d->conf.owner,
                             .lease = d->conf.lease,
                             .max = room < CLAIM_MAX ? room : CLAIM_MAX,
                             .max_per_endpoint = WF_DELIVER_CLAIM_EACH,
                             .cursor = &d->cursor};
    apr_time_t now = wf_monotonic();
    wf_deliver_batch_t *batch;
    wf_outbox_row_t *rows;
    apr_pool_t *pool;
    wf_status_t st;
    wf_ctx_t *ctx;

    if (room <= 0) {
        return;
    }
    apr_pool_create(&pool, d->pool);
    ctx = wf_ctx_make(pool, &d->log);
    batch = apr_palloc(pool, sizeof(*batch));
    *batch = (wf_deliver_batch_t){pool, 1};
    how.skip_count = wf_deliver_endpoints_busy(&how.skip_endpoints, &d->endpoints, scratch->pool);
    d->claimed_at = now;
    st = wf_outbox_claim(ctx, &rows, &count, d->service->store, &how);
    if (st != WF_OK) {
        d->claim_at = now + AFTER_FAILURE;
    } else {
        if (count > 0) {
            d->busy_until = now + BUSY_FOR;
        }
        d->claim_at = now + (count == how.max         ? 0
                             : now < d->busy_until ? CLAIM_SOON
                                                      : CLAIM_IDLE);
        start_rows(ctx, d, batch, rows, count);
    }
    leave_batch(batch);
}

/* ---- writing what became of them -------------------------------------------------------- */

static void count_result(const wf_deliver_t *d, const wf_deliver_job_t *job)
{
    static const wf_metric_t by_verdict[] = {[WF_DELIVERY_DONE] = WF_METRIC_CALLBACK_DELIVERED,
                                             [WF_DELIVERY_RETRY] = WF_METRIC_CALLBACK_FAILED,
                                             [WF_DELIVERY_DEAD] = WF_METRIC_CALLBACK_DEAD,
                                             [WF_DELIVERY_GONE] = WF_METRIC_CALLBACK_GONE};
    wf_metrics_t *m = d->service->metrics;

    wf_metrics_observe(m, WF_HISTOGRAM_CALLBACK_ATTEMPT, job->result.took);
    if (job->result.lost) {
        wf_metric_add(m, WF_METRIC_CALLBACK_LOST, 1);
        return;
    }
    wf_metric_add(m, by_verdict[job->verdict], 1);
    if (job->verdict == WF_DELIVERY_DONE) {
        wf_metrics_observe(m, WF_HISTOGRAM_CALLBACK_DELAY,
                           job->result.started_at + job->result.took - job->row->created_at);
    }
}

static void after_result(wf_ctx_t *ctx, const wf_deliver_t *d, const wf_deliver_job_t *job)
{
    static const wf_actor_t actor = {.actor = "job:outbox"};
    const wf_outbox_row_t *row = job->row;

    count_result(d, job);
    if (job->result.lost || job->result.outcome != WF_OUTBOX_DEAD) {
        return;
    }
    wf_log(ctx, WF_LOG_NOTICE,
           WFLOGNO(0476) "callback %s of company %s is given up after %d attempts: %s", row->id,
           row->company_id, row->attempts - row->attempts_before + 1,
           job->result.error ? job->result.error : "-");
    if (job->verdict == WF_DELIVERY_GONE && row->account_id) {
        wf_log(ctx, WF_LOG_NOTICE,
               WFLOGNO(0477) "the receiver of account %s of company %s says 410: its callbacks are "
                             "off until it has a new URL or secret",
               row->account_id, row->company_id);
        if (wf_account_disable_callback(ctx, d->service->store, row->company_id, row->account_id,
                                        row->url, &actor) != WF_OK) {
            wf_ctx_clear(ctx); /* the next callback will be told 410 too */
        }
    }
}

/* 1: nothing more to be done about these. A result that cannot be written for its own sake must not hold
 * up the others: its lease runs out. */
static int write_results(wf_ctx_t *ctx, const wf_deliver_t *d, wf_outbox_result_t *results,
                         int count)
{
    wf_status_t st = wf_outbox_finish(ctx, d->service->store, results, count);
    int i;

    if (st == WF_OK || st == WF_EUNAVAIL || count == 1) {
        return st != WF_EUNAVAIL;
    }
    for (i = 0; i < count; i++) {
        wf_ctx_clear(ctx);
        if (!write_results(ctx, d, &results[i], 1)) {
            results[i].lost = 1;
        }
    }
    return 1;
}

static void finish_some(wf_ctx_t *ctx, wf_deliver_t *d)
{
    wf_outbox_result_t results[GROUP_MAX];
    wf_deliver_job_t *job;
    int count = 0, i;

    for (job = d->done; job && count < GROUP_MAX; job = job->next) {
        results[count++] = job->result;
    }
    if (!write_results(ctx, d, results, count)) {
        wf_ctx_clear(ctx);
        d->finish_at = wf_monotonic() + AFTER_FAILURE / 4;
        return;
    }
    for (i = 0; i < count; i++) {
        job = d->done;
        d->done = job->next;
        job->result.lost = results[i].lost;
        after_result(ctx, d, job);
        forget_job(job);
    }
    if (!d->done) {
        d->done_end = &d->done;
    }
    d->done_count -= count;
    d->done_since = wf_monotonic();
}

/* ---- the thread ------------------------------------------------------------------------- */

static void take_done(wf_ctx_t *ctx, wf_deliver_t *d)
{
    wf_http_done_t done;

    while (wf_http_multi_next(&done, d->multi)) {
        wf_deliver_job_t *job = done.baton;

        unlink_sending(d, job);
        d->in_flight--;
        job->endpoint->in_flight--;
        wf_deliver_job_conclude(job, done.status, &done.reply);
        tell_endpoint(ctx, job, done.status);
        go_on_with(d, job->endpoint);
        put_done(d, job);
    }
}

static void hear(wf_ctx_t *ctx, wf_deliver_t *d, apr_time_t now)
{
    if (wf_pg_listener_heard(d->listener)) {
        /* More may be stored in the moment for which notifications are held back. */
        d->busy_until = now + BUSY_FOR;
        claim_soon(d);
    }
    if (wf_pg_listener_fd(d->listener) < 0 && now >= d->listen_at) {
        d->listen_at = now + LISTEN_RETRY;
        if (wf_pg_listener_open(ctx, d->listener) == WF_OK) {
            d->claim_at = now;
        }
        wf_ctx_clear(ctx);
    }
}

static void set_gauges(wf_ctx_t *ctx, const wf_deliver_t *d)
{
    static const struct {
        const char *consumer;
        wf_gauge_t depth, oldest;
    } rows[] = {{WF_OUTBOX_CALLBACK, WF_GAUGE_CALLBACK_DEPTH, WF_GAUGE_CALLBACK_AGE},
                {WF_OUTBOX_MEDIA, WF_GAUGE_MEDIA_DEPTH, WF_GAUGE_MEDIA_AGE},
                {WF_OUTBOX_CACHE, WF_GAUGE_CACHE_DEPTH, WF_GAUGE_CACHE_AGE}};
    wf_outbox_depth_t depth;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (wf_outbox_depth(ctx, &depth, d->service->store, rows[i].consumer) != WF_OK) {
            wf_ctx_clear(ctx);
            return;
        }
        apr_interval_time_t age = depth.oldest_due_at ? wf_now(ctx) - depth.oldest_due_at : 0;
        wf_gauge_set(d->service->metrics, rows[i].depth, depth.depth);
        wf_gauge_set(d->service->metrics, rows[i].oldest, age > 0 ? apr_time_sec(age) : 0);
    }
}

static apr_interval_time_t time_to_wait(const wf_deliver_t *d, apr_time_t now)
{
    apr_time_t until = now + CLAIM_IDLE;

    if (d->in_flight + d->done_count < d->conf.in_flight_max && !d->stop && d->claim_at < until) {
        until = d->claim_at;
    }
    if (d->done_count > 0) {
        apr_time_t flush = d->done_since + GROUP_WAIT;

        flush = flush > d->finish_at ? flush : d->finish_at;
        until = flush < until ? flush : until;
    }
    if (d->stop && d->stop_by < until) {
        until = d->stop_by;
    }
    return until > now ? until - now : 0;
}

static void one_turn(wf_ctx_t *ctx, wf_deliver_t *d)
{
    apr_time_t now = wf_monotonic();

    if (!d->stop) {
        hear(ctx, d, now);
        if (now >= d->claim_at) {
            claim(d, ctx);
        }
        if (now >= d->gauge_at) {
            d->gauge_at = now + GAUGE_INTERVAL;
            wf_deliver_endpoints_sweep(&d->endpoints);
            set_gauges(ctx, d);
        }
    }
    take_done(ctx, d);
    now = wf_monotonic();
    if (d->done_count > 0 && now >= d->finish_at &&
        (d->done_count >= GROUP_MAX || d->in_flight == 0 || d->stop ||
         now >= d->done_since + GROUP_WAIT)) {
        finish_some(ctx, d);
    } else {
        wf_http_multi_wait(d->multi, wf_pg_listener_fd(d->listener), time_to_wait(d, now));
    }
}

/* What is still on its way when the time is over goes back, to be sent by somebody else. */
static void release_rest(wf_ctx_t *ctx, wf_deliver_t *d)
{
    const wf_outbox_row_t **rows =
        apr_palloc(ctx->pool, (size_t)(d->in_flight + 1) * sizeof(*rows));
    wf_deliver_job_t *job;
    int count = 0;

    wf_http_multi_abandon(d->multi);
    for (job = d->sending; job; job = job->next) {
        rows[count++] = job->row;
    }
    give_back(ctx, d, rows, count);
    while (d->sending) {
        job = d->sending;
        d->sending = job->next;
        forget_job(job);
    }
}

static void *APR_THREAD_FUNC deliver_main(apr_thread_t *thread, void *data)
{
    wf_deliver_t *d = data;
    apr_pool_t *pool;

    apr_pool_create(&pool, d->pool);
    while (!d->stop ||
           ((d->in_flight > 0 || d->done_count > 0) && wf_monotonic() < d->stop_by)) {
        one_turn(wf_ctx_make(pool, &d->log), d);
        apr_pool_clear(pool);
    }
    release_rest(wf_ctx_make(pool, &d->log), d);
    while (d->done) {
        wf_deliver_job_t *job = d->done;

        d->done = job->next;
        forget_job(job);
    }
    d->is_alive = 0;
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* ---- start and stop --------------------------------------------------------------------- */

static wf_status_t make(wf_ctx_t *ctx, wf_deliver_t *d, const wf_deliver_conf_t *conf)
{
    wf_http_multi_conf_t http = {.guard = wf_http_guard(d->service->http),
                                 .reply_max = WF_OUTBOX_REPLY_MAX};

    d->conf = *conf;
    d->conf.owner = apr_pstrdup(d->pool, conf->owner);
    d->conf.lease = conf->lease > 0 ? conf->lease : LEASE_DEFAULT;
    d->conf.in_flight_max = conf->in_flight_max > 0 ? conf->in_flight_max : IN_FLIGHT_DEFAULT;
    http.connections_max = d->conf.in_flight_max;
    d->log = ctx->log;
    d->done_end = &d->done;
    wf_deliver_endpoints_make(&d->endpoints, d->pool);
    d->listener = wf_outbox_listener_make(d->pool, d->service->store);
    return wf_http_multi_make(ctx, &d->multi, d->pool, &http);
}

wf_status_t wf_deliver_start(wf_ctx_t *ctx, wf_deliver_t **out, apr_pool_t *pool,
                             const wf_service_t *service, const wf_deliver_conf_t *conf)
{
    wf_deliver_t *d = apr_pcalloc(pool, sizeof(*d));
    apr_status_t rv = apr_pool_create_unmanaged(&d->pool);
    wf_status_t st;

    *out = NULL;
    d->service = service;
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0478) "no memory for an outbox worker");
    }
    if ((st = make(ctx, d, conf)) != WF_OK) {
        apr_pool_destroy(d->pool);
        return st;
    }
    d->is_alive = 1;
    rv = apr_thread_create(&d->thread, NULL, deliver_main, d, pool);
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(d->pool);
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0479) "an outbox worker did not start: %d", rv);
    }
    *out = d;
    return WF_OK;
}

int wf_deliver_is_alive(const wf_deliver_t *d)
{
    return d->is_alive;
}

void wf_deliver_quit(wf_deliver_t *d, apr_interval_time_t bound)
{
    d->stop_by = wf_monotonic() + bound;
    d->stop = 1;
    wf_http_multi_wake(d->multi);
}

void wf_deliver_join(wf_deliver_t *d)
{
    apr_status_t rv;

    apr_thread_join(&rv, d->thread);
    apr_pool_destroy(d->pool);
}
