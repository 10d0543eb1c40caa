/* L1: a bounded pool of anything that is opened, checked and closed (STYLE.md 3.6): lock only round
 * the idle list, connecting outside it, acquire timeout, lifetime, and a breaker while opening
 * fails. */
#ifndef WF_POOL_H
#define WF_POOL_H

#include "base/wf_base.h"

typedef struct wf_pool_t wf_pool_t;

typedef struct {
    /* Called without any lock held. A failure opens the breaker, with one exception: WF_ELIMIT says
     * that the server lives but takes no more connections, and then those there are go on being
     * used. */
    wf_status_t (*open)(wf_ctx_t *ctx, void **resource, void *baton);
    void (*close)(void *resource, void *baton);
    void *baton;
} wf_pool_ops_t;

typedef struct {
    const char *name;                    /* for logs: "PostgreSQL", "Redis" */
    int keep;                            /* idle ones kept beyond idle_ttl */
    int max;                             /* open at once */
    apr_interval_time_t acquire_timeout; /* longest wait for a free one */
    apr_interval_time_t lifetime; /* an older one is closed, up to a tenth earlier; 0: no limit */
    apr_interval_time_t idle_ttl; /* surplus idle ones are closed after it; 0: never */
    apr_interval_time_t retry_interval; /* breaker: fail at once for this long after a failed open,
                                           then one caller tries */
} wf_pool_conf_t;

/* Closes what is idle when `pool` is destroyed (nothing may be on loan then). Thread-safe. */
wf_status_t wf_pool_make(wf_ctx_t *ctx, wf_pool_t **out, apr_pool_t *pool,
                         const wf_pool_conf_t *conf, const wf_pool_ops_t *ops) WF_MUST_CHECK;
/* Expected failures: WF_EUNAVAIL (breaker open, open failed, or nothing free in time), or what
 * `open` returned. The wait is also bounded by ctx->deadline. `fresh`, if not NULL, is set to 1
 * when the resource was opened just now. Refusals are logged once a second, not once each. */
wf_status_t wf_pool_acquire(wf_ctx_t *ctx, void **resource, int *fresh,
                            wf_pool_t *pool) WF_MUST_CHECK;
/* Gives one back; a broken one is closed and never handed out again. */
void wf_pool_release(wf_pool_t *pool, void *resource, int broken);
/* Nobody who used a resource for this long without an answer was merely unlucky. */
#define WF_POOL_STALL_MIN apr_time_from_msec(250)
/* The server fell silent under a command. What is idle is closed, and one caller opens a new one
 * while the others wait for its result (a server that was only slow refuses nobody); if that fails,
 * the breaker opens. */
void wf_pool_suspect(wf_pool_t *pool);

typedef struct {
    int open, idle, waiting, max;
    int breaker_open; /* 1: an acquire would be refused now */
    uint64_t acquired, opened, timeouts, failures;
} wf_pool_stats_t;
void wf_pool_stats(wf_pool_stats_t *out, wf_pool_t *pool);

#endif
