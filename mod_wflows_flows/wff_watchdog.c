#include "wff.h"

#include "service/wf_deliver.h"
#include "service/wf_jobs.h"
#include "service/wf_media_fetch.h"

#include <apr_network_io.h>
#include <apr_thread_mutex.h>
#include <unistd.h>

#include <mod_watchdog.h>

APLOG_USE_MODULE(wflows_flows);

/* Background work: mod_watchdog says in which child of this server each worker lives (a singleton has a
 * lock), and when it begins and ends; a thread of lib/service does the work. A callback that failed would
 * never be called again, so they all answer APR_SUCCESS. */

#define INTERVAL apr_time_from_sec(1)
/* Longer than the usual timeout of a callback: what is on its way arrives before the child ends. */
#define STOP_BOUND apr_time_from_sec(6)
#define WORKERS_MAX 16

/* ---- what there is to do; a row for each kind of worker ---- */

typedef struct {
    const char *name; /* of the watchdog: "_wflows_<name>_<number>_" */
    int (*count)(server_rec *s);
    wf_status_t (*start)(wf_ctx_t *ctx, void **out, apr_pool_t *pool, const wf_service_t *service,
                         int number);
    int (*is_alive)(const void *worker);
    void (*quit)(void *worker, apr_interval_time_t bound); /* returns at once */
    void (*join)(void *worker);
} kind_t;

/* Of leases, for people to read: "host:pid:worker". */
static const char *owner_of(apr_pool_t *pool, const char *worker)
{
    char host[APRMAXHOSTLEN + 1];

    if (apr_gethostname(host, sizeof(host), pool) != APR_SUCCESS) {
        apr_cpystrn(host, "localhost", sizeof(host));
    }
    return apr_psprintf(pool, "%s:%ld:%s", host, (long)getpid(), worker);
}

static wf_status_t start_outbox(wf_ctx_t *ctx, void **out, apr_pool_t *pool,
                                const wf_service_t *service, int number)
{
    const wf_deliver_conf_t conf = {.owner = owner_of(pool, apr_itoa(pool, number))};
    wf_deliver_t *deliver;
    wf_status_t st = wf_deliver_start(ctx, &deliver, pool, service, &conf);

    *out = deliver;
    return st;
}

static int is_outbox_alive(const void *worker)
{
    return wf_deliver_is_alive(worker);
}

static void quit_outbox(void *worker, apr_interval_time_t bound)
{
    wf_deliver_quit(worker, bound);
}

static void join_outbox(void *worker)
{
    wf_deliver_join(worker);
}

/* With the outbox: a server that leaves that to others does no work of its own at all. */
static int jobs_workers(server_rec *s)
{
    return wff_outbox_workers(s) > 0;
}

static wf_status_t start_jobs(wf_ctx_t *ctx, void **out, apr_pool_t *pool,
                              const wf_service_t *service, int number)
{
    wf_jobs_t *jobs;
    wf_status_t st = wf_jobs_start(ctx, &jobs, pool, service);

    *out = jobs;
    return st;
}

static int are_jobs_alive(const void *worker)
{
    return wf_jobs_is_alive(worker);
}

/* Their batches are bounded: there is nothing to wait for. */
static void quit_jobs(void *worker, apr_interval_time_t bound)
{
    wf_jobs_quit(worker);
}

static void join_jobs(void *worker)
{
    wf_jobs_join(worker);
}

static wf_status_t start_media(wf_ctx_t *ctx, void **out, apr_pool_t *pool,
                               const wf_service_t *service, int number)
{
    const wf_media_fetcher_conf_t conf = {.owner = owner_of(pool, "media")};
    wf_media_fetcher_t *fetcher;
    wf_status_t st = wf_media_fetcher_start(ctx, &fetcher, pool, service, &conf);

    *out = fetcher;
    return st;
}

static int is_media_alive(const void *worker)
{
    return wf_media_fetcher_is_alive(worker);
}

static void quit_media(void *worker, apr_interval_time_t bound)
{
    wf_media_fetcher_quit(worker, bound);
}

static void join_media(void *worker)
{
    wf_media_fetcher_join(worker);
}

static const kind_t kinds[] = {
    {"outbox", wff_outbox_workers, start_outbox, is_outbox_alive, quit_outbox,
     join_outbox},
    {"jobs", jobs_workers, start_jobs, are_jobs_alive, quit_jobs, join_jobs},
    {"media", wff_media_fetchers, start_media, is_media_alive, quit_media,
     join_media},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- a worker's life ---- */

typedef struct {
    const kind_t *kind;
    int number;
    server_rec *server;
    void *thread; /* NULL: not started */
    apr_pool_t *pool;
} worker_t;

/* Of this child process. The watchdogs' threads and the end of the child meet here. */
static struct {
    apr_thread_mutex_t *lock;
    worker_t *workers[WORKERS_MAX];
    int count;
    int is_ending;
} child;

static void quit_worker(worker_t *worker)
{
    if (worker->thread) {
        worker->kind->quit(worker->thread, STOP_BOUND);
    }
}

static void join_worker(worker_t *worker)
{
    if (worker->thread) {
        worker->kind->join(worker->thread);
        worker->thread = NULL;
        apr_pool_destroy(worker->pool);
    }
}

static void start_worker(worker_t *worker)
{
    const wf_runtime_t *runtime = wff_runtime();
    wf_ctx_t *ctx;

    if (!runtime || child.is_ending || apr_pool_create_unmanaged(&worker->pool) != APR_SUCCESS) {
        return; /* the next turn tries again */
    }
    ctx = wfm_ctx_server(worker->pool, worker->server);
    if (worker->kind->start(ctx, &worker->thread, worker->pool, &runtime->service,
                            worker->number) != WF_OK) {
        worker->thread = NULL;
        apr_pool_destroy(worker->pool);
    }
}

/* The child ends. mod_watchdog tells each worker of it by itself, but they end together, in the time of the
 * slowest: the parent kills a child that takes all of their times. Whoever comes second finds nothing left. */
static apr_status_t end_workers(void *unused)
{
    int i;

    apr_thread_mutex_lock(child.lock);
    child.is_ending = 1;
    for (i = 0; i < child.count; i++) {
        quit_worker(child.workers[i]);
    }
    for (i = 0; i < child.count; i++) {
        join_worker(child.workers[i]);
    }
    apr_thread_mutex_unlock(child.lock);
    return APR_SUCCESS;
}

static apr_status_t on_watchdog(int state, void *data, apr_pool_t *pool)
{
    worker_t *worker = data;

    if (state == AP_WATCHDOG_STATE_STOPPING) {
        return end_workers(NULL);
    }
    apr_thread_mutex_lock(child.lock);
    if (!worker->thread) {
        start_worker(worker);
    } else if (!worker->kind->is_alive(worker->thread)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, worker->server,
                     WFLOGNO(2120) "the %s thread %d has ended by itself; it is "
                                   "started again",
                     worker->kind->name, worker->number);
        quit_worker(worker);
        join_worker(worker);
        start_worker(worker);
    }
    apr_thread_mutex_unlock(child.lock);
    return APR_SUCCESS;
}

void wff_watchdog_child_init(apr_pool_t *pchild, server_rec *s)
{
    if (child.count > 0 && apr_thread_mutex_create(&child.lock, APR_THREAD_MUTEX_DEFAULT,
                                                   pchild) == APR_SUCCESS) {
        /* Before anything that the threads use goes: mod_watchdog may be later. */
        apr_pool_pre_cleanup_register(pchild, NULL, end_workers);
    }
}

/* ---- start-up ---- */

int wff_watchdog_check(server_rec *s)
{
    size_t i;
    int wanted = 0;

    for (i = 0; i < KINDS; i++) {
        wanted += kinds[i].count(s);
    }
    if (wanted > 0 && !APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance)) {
        wfm_startup_error(WFLOGNO(2121) "background work needs mod_watchdog: add LoadModule "
                                        "watchdog_module mod_watchdog.so, or set "
                                        "WflowsFlowOutboxWorkers 0 and no WflowsFlowMediaDir where another "
                                        "server does it");
        return !OK;
    }
    return OK;
}

static int add_worker(apr_pool_t *pconf, server_rec *s, const kind_t *kind, int number)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    worker_t *worker = apr_pcalloc(pconf, sizeof(*worker));
    /* mod_watchdog keeps the pointer. */
    const char *name = apr_psprintf(pconf, "_wflows_%s_%d_", kind->name, number);
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    *worker = (worker_t){.kind = kind, .number = number, .server = s};
    rv = get(&watchdog, name, 0, 1, pconf);
    if (rv == APR_SUCCESS) {
        rv = add(watchdog, INTERVAL, worker, on_watchdog);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, WFLOGNO(2122) "mod_watchdog refuses %s", name);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    child.workers[child.count++] = worker;
    return OK;
}

int wff_watchdog_post_config(apr_pool_t *pconf, server_rec *s)
{
    size_t i;
    int n;

    child.count = 0;
    for (i = 0; i < KINDS; i++) {
        for (n = 1; n <= kinds[i].count(s) && child.count < WORKERS_MAX; n++) {
            if (add_worker(pconf, s, &kinds[i], n) != OK) {
                return HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }
    return OK;
}
