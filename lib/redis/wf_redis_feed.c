#include "redis/wf_redis_int.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* What may wait here and at the server before the connection is given up: the data is a cache, so
 * losing it costs a look-up, while waiting would hold up every answer. */
#define PENDING_MAX ((size_t)8 * 1024 * 1024)
#define UNREAD_MAX 65536
/* 16 KiB each; what else has come is read by the next flush. */
#define READS_MAX 256

typedef enum { FEED_DOWN, FEED_CONNECTING, FEED_UP } feed_state_t;

struct wf_redis_feed_t {
    wf_redis_conf_t conf;
    wf_redis_url_t url;
    wf_redis_hello_t hello;
    feed_state_t state;
    wf_redis_conn_t conn;
    wf_redis_reply_t reply;
    wf_redis_maker_t maker; /* its pool is cleared after each reply */
    size_t hello_sent;
    int hello_unread;
    apr_time_t started;  /* connecting since */
    apr_time_t retry_at; /* no attempt before */
    char *pending;       /* malloc: it grows in the writer's thread */
    size_t len, size;
    int begun;      /* `pending` begins in the middle of what the server has the first part of */
    int queued;     /* commands in `pending` that are not in `unread` yet */
    int64_t unread; /* replies outstanding */
    int overflowed;
    apr_time_t complained;
    uint64_t unsaid;
};

static apr_status_t destroy(void *data)
{
    wf_redis_feed_t *feed = data;

    if (feed->conn.redis) {
        redisFree(feed->conn.redis);
    }
    apr_pool_destroy(feed->maker.pool);
    free(feed->pending);
    return APR_SUCCESS;
}

wf_status_t wf_redis_feed_make(wf_ctx_t *ctx, wf_redis_feed_t **out, apr_pool_t *pool,
                               const wf_redis_conf_t *conf)
{
    wf_redis_feed_t *feed = apr_pcalloc(pool, sizeof(*feed));
    const char *fault = wf_redis_url_parse(pool, &feed->url, conf->url);

    *out = NULL;
    if (fault) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0107) "Redis URL: %s", fault);
    }
    feed->conf = *conf;
    feed->conf.url = NULL;
    wf_redis_hello_make(&feed->hello, pool, &feed->url);
    /* With an allocator of its own: the writer's thread fills it. */
    if (apr_pool_create_unmanaged(&feed->maker.pool) != APR_SUCCESS) {
        abort();
    }
    feed->maker.root = &feed->reply;
    apr_pool_cleanup_register(pool, feed, destroy, apr_pool_cleanup_null);
    *out = feed;
    return WF_OK;
}

static int make_room(wf_redis_feed_t *feed, size_t more)
{
    size_t size = feed->size ? feed->size : 16384;
    char *wider;

    if (more > PENDING_MAX - feed->len) {
        return 0;
    }
    while (size < feed->len + more) {
        size *= 2;
    }
    if (size == feed->size) {
        return 1;
    }
    wider = realloc(feed->pending, size);
    if (!wider) {
        return 0;
    }
    feed->pending = wider;
    feed->size = size;
    return 1;
}

void wf_redis_feed_add(wf_redis_feed_t *feed, int argc, const char *const *argv, const size_t *lens)
{
    size_t size = wf_redis_command_size(argc, argv, lens);

    if (feed->overflowed || !make_room(feed, size)) {
        feed->overflowed = 1;
        return;
    }
    wf_redis_command_write(feed->pending + feed->len, argc, argv, lens);
    feed->len += size;
    feed->queued++;
}

/* ---- failing ------------------------------------------------------------------------------ */

/* At most one line a second, because a writer flushes thousands of times a second. */
static void complain(wf_ctx_t *ctx, wf_redis_feed_t *feed, const char *what)
{
    apr_time_t now = wf_monotonic();

    if (feed->complained != 0 && now - feed->complained < APR_USEC_PER_SEC) {
        feed->unsaid++;
        return;
    }
    wf_log(ctx, WF_LOG_WARNING,
           WFLOGNO(0108) "Redis feed: %s (and %" APR_UINT64_T_FMT
                         " times more since the last line)",
           what, feed->unsaid);
    feed->complained = now;
    feed->unsaid = 0;
}

/* Between two replies only: the reader points into the pool while it is in the middle of one. */
static void expect_reply(wf_redis_feed_t *feed)
{
    apr_pool_clear(feed->maker.pool);
    feed->maker.left = WF_REDIS_REPLY_MAX;
}

static void hang_up(wf_redis_feed_t *feed)
{
    if (feed->conn.redis) {
        redisFree(feed->conn.redis);
        feed->conn.redis = NULL;
    }
    feed->state = FEED_DOWN;
    feed->unread = 0;
}

static void forget_pending(wf_redis_feed_t *feed)
{
    feed->len = 0;
    feed->begun = 0;
    feed->queued = 0;
    feed->overflowed = 0;
}

/* Ends the connection and what was to go over it. */
static wf_status_t drop(wf_ctx_t *ctx, wf_redis_feed_t *feed, const char *why)
{
    wf_log_t log = ctx->log;
    apr_time_t now = wf_monotonic();

    complain(ctx, feed, why);
    hang_up(feed);
    forget_pending(feed);
    if (now >= feed->retry_at) {
        feed->retry_at = now + feed->conf.pool.retry_interval;
    }
    ctx->log.fn = NULL;
    (void)wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0109) "Redis feed: %s", why);
    ctx->log = log;
    return WF_EUNAVAIL;
}

/* ---- connecting --------------------------------------------------------------------------- */

/* NULL, or why there can be no connection now. */
static const char *start(wf_redis_feed_t *feed)
{
    apr_time_t now = wf_monotonic();

    if (now < feed->retry_at) {
        return "not connected, waiting before the next attempt";
    }
    feed->conn.redis = wf_redis_start(&feed->url);
    if (!feed->conn.redis) {
        return "no memory for a connection";
    }
    if (feed->conn.redis->err) {
        return feed->conn.redis->errstr;
    }
    expect_reply(feed);
    feed->state = FEED_CONNECTING;
    feed->started = now;
    feed->hello_sent = 0;
    feed->hello_unread = feed->hello.commands;
    return NULL;
}

static const char *finish_connecting(wf_redis_feed_t *feed)
{
    int error;

    if (!wf_redis_wait(feed->conn.redis, POLLOUT, 0)) {
        return wf_monotonic() - feed->started > feed->conf.connect_timeout
                   ? "no connection within the connect timeout"
                   : NULL;
    }
    error = wf_redis_connect_error(feed->conn.redis);
    if (error) {
        return strerror(error);
    }
    wf_redis_no_delay(feed->conn.redis);
    feed->state = FEED_UP;
    return NULL;
}

/* ---- reading and writing ------------------------------------------------------------------ */

/* NULL, or why the connection cannot go on. */
static const char *take_replies(wf_ctx_t *ctx, wf_redis_feed_t *feed)
{
    while (wf_redis_read_reply(feed->conn.redis, &feed->maker) > 0) {
        int refused = 0;

        if (feed->hello_unread > 0) {
            feed->hello_unread--;
            refused = wf_redis_hello_refused(&feed->reply) != NULL;
        } else {
            feed->unread--;
        }
        if (feed->reply.is_error) {
            complain(ctx, feed, feed->reply.text);
        }
        expect_reply(feed);
        if (refused) {
            return "the server refused the connection";
        }
    }
    return feed->conn.redis->err ? feed->conn.redis->errstr : NULL;
}

static const char *drain(wf_ctx_t *ctx, wf_redis_feed_t *feed)
{
    int i;

    for (i = 0; i < READS_MAX && wf_redis_wait(feed->conn.redis, POLLIN, 0); i++) {
        const char *fault;

        if (redisBufferRead(feed->conn.redis) != REDIS_OK) {
            return feed->conn.redis->errstr;
        }
        if ((fault = take_replies(ctx, feed)) != NULL) {
            return fault;
        }
    }
    return NULL;
}

/* 0 when the connection is lost. What the socket does not take stays. */
static int write_pending(wf_redis_feed_t *feed)
{
    size_t sent;
    const char *hello = feed->hello.bytes + feed->hello_sent;

    if (wf_redis_send(&sent, &feed->conn, hello, feed->hello.len - feed->hello_sent, 0) ==
        WF_REDIS_LOST) {
        return 0;
    }
    feed->hello_sent += sent;
    if (feed->hello_sent < feed->hello.len) {
        return 1;
    }
    if (feed->len == 0) {
        return 1;
    }
    if (wf_redis_send(&sent, &feed->conn, feed->pending, feed->len, 0) == WF_REDIS_LOST) {
        return 0;
    }
    feed->unread += feed->queued;
    feed->queued = 0;
    feed->len -= sent;
    feed->begun = feed->len > 0 && (feed->begun || sent > 0);
    memmove(feed->pending, feed->pending + sent, feed->len);
    return 1;
}

/* A connection that died since the last flush is replaced at once, unless a part of what is pending
 * went over it, or it had only just been made. */
static const char *look_after(wf_ctx_t *ctx, wf_redis_feed_t *feed)
{
    const char *fault = feed->state == FEED_UP ? drain(ctx, feed) : NULL;

    if (fault) {
        /* Otherwise a server that hangs up on us would be dialled at every flush. */
        int may_go_on = !feed->begun && wf_monotonic() - feed->started >= APR_USEC_PER_SEC;

        complain(ctx, feed, fault);
        hang_up(feed);
        if (!may_go_on) {
            return "connection lost";
        }
    }
    if (feed->state == FEED_DOWN && (fault = start(feed)) != NULL) {
        return fault;
    }
    return feed->state == FEED_CONNECTING ? finish_connecting(feed) : NULL;
}

wf_status_t wf_redis_feed_flush(wf_ctx_t *ctx, wf_redis_feed_t *feed)
{
    const char *fault;
    char why[160]; /* a fault may stand in the connection that drop() frees */

    if (feed->overflowed) {
        return drop(ctx, feed, "more waits than may, the server is too slow");
    }
    if ((fault = look_after(ctx, feed)) != NULL) {
        apr_cpystrn(why, fault, sizeof(why));
        return drop(ctx, feed, why);
    }
    if (feed->state == FEED_UP && !write_pending(feed)) {
        return drop(ctx, feed, "connection lost");
    }
    if (feed->unread > UNREAD_MAX) {
        return drop(ctx, feed, "the server does not answer");
    }
    return WF_OK;
}
