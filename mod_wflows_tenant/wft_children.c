#include "wft.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

APLOG_USE_MODULE(wflows_tenant);

/* id, kind, Prometheus name, labels, value out of the statistics of both servers */
#define FIGURES(F)                                                                                 \
    F(PG_OPEN, GAUGE, "wflows_pool_connections", "pool=\"postgresql\",state=\"open\"",             \
      pg.pool.open)                                                                                \
    F(PG_IDLE, GAUGE, "wflows_pool_connections", "pool=\"postgresql\",state=\"idle\"",             \
      pg.pool.idle)                                                                                \
    F(REDIS_OPEN, GAUGE, "wflows_pool_connections", "pool=\"redis\",state=\"open\"",               \
      redis.pool.open)                                                                             \
    F(REDIS_IDLE, GAUGE, "wflows_pool_connections", "pool=\"redis\",state=\"idle\"",               \
      redis.pool.idle)                                                                             \
    F(PG_WAITING, GAUGE, "wflows_pool_waiting", "pool=\"postgresql\"", pg.pool.waiting)            \
    F(REDIS_WAITING, GAUGE, "wflows_pool_waiting", "pool=\"redis\"", redis.pool.waiting)           \
    F(PG_MAX, GAUGE, "wflows_pool_max", "pool=\"postgresql\"", pg.pool.max)                        \
    F(REDIS_MAX, GAUGE, "wflows_pool_max", "pool=\"redis\"", redis.pool.max)                       \
    F(PG_BREAKERS, GAUGE, "wflows_pool_breakers_open", "pool=\"postgresql\"",                      \
      pg.pool.breaker_open)                                                                        \
    F(REDIS_BREAKERS, GAUGE, "wflows_pool_breakers_open", "pool=\"redis\"",                        \
      redis.pool.breaker_open)                                                                     \
    F(PG_ACQUIRED, COUNTER, "wflows_pool_acquired_total", "pool=\"postgresql\"", pg.pool.acquired) \
    F(REDIS_ACQUIRED, COUNTER, "wflows_pool_acquired_total", "pool=\"redis\"",                     \
      redis.pool.acquired)                                                                         \
    F(PG_OPENED, COUNTER, "wflows_pool_opened_total", "pool=\"postgresql\"", pg.pool.opened)       \
    F(REDIS_OPENED, COUNTER, "wflows_pool_opened_total", "pool=\"redis\"", redis.pool.opened)      \
    F(PG_TIMEOUTS, COUNTER, "wflows_pool_timeouts_total", "pool=\"postgresql\"", pg.pool.timeouts) \
    F(REDIS_TIMEOUTS, COUNTER, "wflows_pool_timeouts_total", "pool=\"redis\"",                     \
      redis.pool.timeouts)                                                                         \
    F(PG_FAILURES, COUNTER, "wflows_pool_failures_total", "pool=\"postgresql\"", pg.pool.failures) \
    F(REDIS_FAILURES, COUNTER, "wflows_pool_failures_total", "pool=\"redis\"",                     \
      redis.pool.failures)                                                                         \
    F(PG_ROUND_TRIPS, COUNTER, "wflows_round_trips_total", "server=\"postgresql\"",                \
      pg.round_trips)                                                                              \
    F(REDIS_ROUND_TRIPS, COUNTER, "wflows_round_trips_total", "server=\"redis\"",                  \
      redis.round_trips)                                                                           \
    F(PG_SERVER_FAILURES, COUNTER, "wflows_server_failures_total", "server=\"postgresql\"",        \
      pg.failures)                                                                                 \
    F(REDIS_SERVER_FAILURES, COUNTER, "wflows_server_failures_total", "server=\"redis\"",          \
      redis.failures)

typedef enum { GAUGE, COUNTER } kind_t;

static const struct {
    kind_t kind;
    const char *name, *labels;
} figures[] = {
#define FIGURE_ROW(id, kind, name, labels, value) {kind, name, labels},
    FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};

typedef enum {
#define FIGURE_ID(id, kind, name, labels, value) id,
    FIGURES(FIGURE_ID)
#undef FIGURE_ID
        FIGURE_COUNT
} figure_t;

static const wf_metric_help_t helps[] = {
    {"wflows_pool_connections", "Connections of all child processes."},
    {"wflows_pool_waiting", "Threads that wait for a connection."},
    {"wflows_pool_max", "Connections that may be open at once, over all child processes."},
    {"wflows_pool_breakers_open", "Child processes that do without the server for now."},
    {"wflows_pool_acquired_total", "Connections lent to a thread."},
    {"wflows_pool_opened_total", "Connections opened."},
    {"wflows_pool_timeouts_total", "Waits for a connection that were given up."},
    {"wflows_pool_failures_total", "Connections that could not be opened."},
    {"wflows_round_trips_total", "Requests sent and answered."},
    {"wflows_server_failures_total", "Requests that failed because the server did not answer."},
};

typedef struct {
    _Atomic int pid; /* 0: free */
    _Atomic uint64_t values[FIGURE_COUNT];
} slot_t;

struct wft_children_t {
    _Atomic uint64_t retired[FIGURE_COUNT]; /* counters of the children that are gone */
    int count;
    slot_t slots[];
};

/* Of this process. */
static slot_t *own_slot;

/* ---- slots
 * -----------------------------------------------------------------------------------------------
 */

size_t wft_children_size(int slots)
{
    return sizeof(wft_children_t) + (size_t)slots * sizeof(slot_t);
}

void wft_children_init(wft_children_t *children, int slots)
{
    children->count = slots;
}

/* What a gone child counted stays counted. */
static void retire(wft_children_t *children, slot_t *slot)
{
    int i;

    for (i = 0; i < FIGURE_COUNT; i++) {
        uint64_t n = atomic_exchange(&slot->values[i], 0);

        if (figures[i].kind == COUNTER) {
            atomic_fetch_add(&children->retired[i], n);
        }
    }
}

static int is_gone(int pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

static apr_status_t give_back(void *data)
{
    wft_children_t *children = data;

    if (own_slot && atomic_load(&own_slot->pid) == (int)getpid()) {
        retire(children, own_slot);
        atomic_store(&own_slot->pid, 0);
    }
    own_slot = NULL;
    return APR_SUCCESS;
}

void wft_child_slot_take(apr_pool_t *pchild, wft_children_t *children)
{
    int me = (int)getpid(), i;

    own_slot = NULL;
    for (i = 0; children && i < children->count && !own_slot; i++) {
        slot_t *slot = &children->slots[i];
        int pid = atomic_load(&slot->pid);

        /* A child that was killed could not give its slot back. */
        if ((pid == 0 || is_gone(pid)) && atomic_compare_exchange_strong(&slot->pid, &pid, me)) {
            retire(children, slot);
            own_slot = slot;
        }
    }
    if (own_slot) {
        apr_pool_cleanup_register(pchild, children, give_back, apr_pool_cleanup_null);
    }
}

void wft_child_slot_update(const wf_runtime_t *runtime)
{
    struct {
        wf_pg_stats_t pg;
        wf_redis_stats_t redis;
    } stats = {0};

    if (!own_slot) {
        return;
    }
    wf_pg_stats(&stats.pg, runtime->store.pg);
    if (runtime->store.redis) {
        wf_redis_stats(&stats.redis, runtime->store.redis);
    }
#define FIGURE_STORE(id, kind, name, labels, value) \
    atomic_store_explicit(&own_slot->values[id], (uint64_t)stats.value, memory_order_relaxed);
    FIGURES(FIGURE_STORE)
#undef FIGURE_STORE
}

/* ---- Prometheus
 * --------------------------------------------------------------------------------------------- */

static uint64_t sum_of(wft_children_t *children, figure_t figure)
{
    uint64_t sum = atomic_load(&children->retired[figure]);
    int i;

    for (i = 0; i < children->count; i++) {
        slot_t *slot = &children->slots[i];
        int pid = atomic_load(&slot->pid);

        if (pid != 0 && (figures[figure].kind == COUNTER || !is_gone(pid))) {
            sum += atomic_load(&slot->values[figure]);
        }
    }
    return sum;
}

uint64_t wft_children_sum(wft_figure_t figure)
{
    static const figure_t rows[] = {[WFT_PG_OPEN] = PG_OPEN,
                                    [WFT_PG_BREAKERS] = PG_BREAKERS,
                                    [WFT_REDIS_OPEN] = REDIS_OPEN,
                                    [WFT_REDIS_BREAKERS] = REDIS_BREAKERS};
    wft_children_t *children = wft_metrics_children();

    return children ? sum_of(children, rows[figure]) : 0;
}

void wft_children_format(wf_buf_t *out, wft_children_t *children)
{
    const char *last = "";
    int i;

    for (i = 0; i < FIGURE_COUNT; i++) {
        const char *name = figures[i].name;

        wf_metric_head(out, &last, name, figures[i].kind == GAUGE ? "gauge" : "counter", helps,
                       sizeof(helps) / sizeof(helps[0]));
        wf_buf_printf(out, "%s{%s} %" APR_UINT64_T_FMT "\n", name, figures[i].labels,
                      sum_of(children, i));
    }
}
