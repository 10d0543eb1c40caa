/* L2: Redis over hiredis 0.14 API (its only user). Pipelines and scripts; a connection whose
 * context has an error is closed, never reused. */
#ifndef WF_REDIS_H
#define WF_REDIS_H

#include "base/wf_base.h"
#include "pool/wf_pool.h"

typedef struct wf_redis_t wf_redis_t; /* a pool of connections, one per process; thread-safe */

typedef struct {
    /* redis://[user[:password]@]host[:port][/db] or unix://[user[:password]@]/path[?db=n]; user and
     * password percent-encoded, the user empty where Redis has only a password. */
    const char *url;
    apr_interval_time_t connect_timeout; /* the look-up of a host name is not bounded by it */
    apr_interval_time_t command_timeout; /* for a whole batch */
    wf_pool_conf_t pool;
} wf_redis_conf_t;

/* Does not connect. WF_EINVALID for a bad URL (never printed with its password). */
wf_status_t wf_redis_make(wf_ctx_t *ctx, wf_redis_t **out, apr_pool_t *pool,
                          const wf_redis_conf_t *conf) WF_MUST_CHECK;
/* NULL if well-formed, else what is wrong (password left out). */
const char *wf_redis_url_check(apr_pool_t *pool, const char *url);
/* The URL with its password replaced, for logs. */
const char *wf_redis_url_redact(apr_pool_t *pool, const char *url);

typedef enum {
    WF_REDIS_NIL,
    WF_REDIS_TEXT, /* string, status or error (is_error) */
    WF_REDIS_INT,
    WF_REDIS_ARRAY
} wf_redis_type_t;

typedef struct wf_redis_reply_t {
    wf_redis_type_t type;
    int is_error;
    const char *text; /* NUL-terminated, in the batch's pool */
    size_t len;
    int64_t n;
    struct wf_redis_reply_t *items;
    size_t count;
} wf_redis_reply_t;

/* A batch: commands queued, sent in one write, answered in one round trip. It and its replies live
 * in ctx->pool. It runs once. */
typedef struct wf_redis_batch_t wf_redis_batch_t;
wf_redis_batch_t *wf_redis_batch(wf_ctx_t *ctx, wf_redis_t *redis);
/* argv with lengths (%b style); copies. Returns the index of its reply. */
int wf_redis_add(wf_redis_batch_t *batch, int argc, const char *const *argv, const size_t *lens);
/* Convenience: NUL-terminated words, ended by NULL. */
int wf_redis_addv(wf_redis_batch_t *batch, ...) __attribute__((sentinel));

/* A server-side script, run by EVALSHA and loaded on NOSCRIPT. Static in lib/store. */
typedef struct {
    const char *name;
    const char *text;
    char sha1[41]; /* filled by wf_redis_script_init, once, before threads start */
} wf_redis_script_t;
void wf_redis_script_init(wf_redis_script_t *script);
int wf_redis_add_script(wf_redis_batch_t *batch, const wf_redis_script_t *script, int keys,
                        int argc, const char *const *argv, const size_t *lens);

/* One round trip (two when a script had to be loaded, once per server start; the script then runs
 * after the rest of the batch). A reply that is a Redis error is WF_OK here and is_error there.
 * Expected failure: WF_EUNAVAIL (down, still loading its data, a read-only replica, timed out,
 * breaker open): nothing can be said of what was done. */
wf_status_t wf_redis_run(wf_ctx_t *ctx, wf_redis_batch_t *batch) WF_MUST_CHECK;
/* Of a batch that ran with WF_OK; NULL otherwise. */
const wf_redis_reply_t *wf_redis_reply(const wf_redis_batch_t *batch, int index);

/* One way: sends and never waits, not for a connection either; replies are read before the next
 * flush (errors are logged, once a second). Belongs to one thread. For the group writer's session
 * cache. */
typedef struct wf_redis_feed_t wf_redis_feed_t;
wf_status_t wf_redis_feed_make(wf_ctx_t *ctx, wf_redis_feed_t **out, apr_pool_t *pool,
                               const wf_redis_conf_t *conf) WF_MUST_CHECK;
void wf_redis_feed_add(wf_redis_feed_t *feed, int argc, const char *const *argv,
                       const size_t *lens);
/* Writes what was added, as far as the socket takes it; the rest goes out with the next flush. If
 * there is no connection it is dropped: WF_EUNAVAIL, logged once a second. */
wf_status_t wf_redis_feed_flush(wf_ctx_t *ctx, wf_redis_feed_t *feed) WF_MUST_CHECK;

typedef struct {
    wf_pool_stats_t pool;
    uint64_t round_trips, failures;
} wf_redis_stats_t;
void wf_redis_stats(wf_redis_stats_t *out, wf_redis_t *redis);

#endif
