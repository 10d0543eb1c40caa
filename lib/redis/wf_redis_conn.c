#include "redis/wf_redis_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* hiredis connects, parses and holds the socket; sending is done here, because its own write raises
 * SIGPIPE and does not tell whether anything went out. */

int wf_redis_wait(const redisContext *redis, short events, apr_time_t end)
{
    struct pollfd p = {.fd = redis->fd, .events = events};

    for (;;) {
        apr_interval_time_t left = end - wf_monotonic();
        int n = poll(&p, 1, left <= 0 ? 0 : (int)((left + 999) / 1000));

        if (n >= 0 || errno != EINTR) {
            return n != 0;
        }
    }
}

redisContext *wf_redis_start(const wf_redis_url_t *url)
{
    redisContext *redis = url->path ? redisConnectUnixNonBlock(url->path)
                                    : redisConnectNonBlock(url->host, url->port);

    if (redis) {
        wf_redis_reader_prepare(redis->reader);
    }
    return redis;
}

int wf_redis_connect_error(const redisContext *redis)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ? errno : error;
}

void wf_redis_no_delay(const redisContext *redis)
{
    int on = 1;

    if (redis->connection_type == REDIS_CONN_TCP) {
        (void)setsockopt(redis->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
}

wf_redis_outcome_t wf_redis_send(size_t *sent, wf_redis_conn_t *conn, const char *data, size_t len,
                                 apr_time_t end)
{
    *sent = 0;
    while (*sent < len) {
        ssize_t n = send(conn->redis->fd, data + *sent, len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            *sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wf_redis_wait(conn->redis, POLLOUT, end)) {
                return WF_REDIS_SILENT;
            }
        } else if (errno != EINTR) {
            return WF_REDIS_LOST;
        }
    }
    return WF_REDIS_DONE;
}

/* How much longer than allowed a blocking read may take; saves a poll for each reply. */
#define READ_SLACK apr_time_from_msec(5)

/* From now on the socket itself waits `patience` for a reply. Where the system does not take that, it stays
 * non-blocking, and poll waits. */
static void be_patient(wf_redis_conn_t *conn, apr_interval_time_t patience)
{
    struct timeval t = {.tv_sec = (time_t)apr_time_sec(patience),
                        .tv_usec = (suseconds_t)apr_time_usec(patience)};
    int fd = conn->redis->fd, flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0 &&
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0) {
        conn->patience = patience;
    }
}

/* Waits until there is something to read. Nothing to do before the first read of a batch that may take
 * as long as the socket waits by itself; for what is left over, and for a caller whose own deadline is
 * nearer, poll keeps the time. */
static int wait_to_read(wf_redis_conn_t *conn, int reads, apr_time_t end)
{
    if (reads == 0 && conn->patience > 0 &&
        end - wf_monotonic() + READ_SLACK >= conn->patience) {
        return 1;
    }
    return wf_redis_wait(conn->redis, POLLIN, end);
}

wf_redis_outcome_t wf_redis_receive(wf_redis_reply_t *out, wf_redis_conn_t *conn, apr_pool_t *pool,
                                    apr_time_t end)
{
    wf_redis_maker_t maker = {.pool = pool, .root = out, .left = WF_REDIS_REPLY_MAX};
    redisContext *redis = conn->redis;
    int reads;

    memset(out, 0, sizeof(*out));
    for (reads = 0;; reads++) {
        int got = wf_redis_read_reply(redis, &maker);

        if (got != 0) {
            return got > 0 ? WF_REDIS_DONE : WF_REDIS_LOST;
        }
        if (!wait_to_read(conn, reads, end)) {
            return WF_REDIS_SILENT;
        }
        if (redisBufferRead(redis) != REDIS_OK || redis->reader->len > WF_REDIS_REPLY_MAX) {
            return WF_REDIS_LOST;
        }
    }
}

/* ---- opening ------------------------------------------------------------------------------ */

static wf_status_t refused(wf_ctx_t *ctx, const char *text)
{
    if (strstr(text, "max number of clients")) {
        return wf_fail(ctx, WF_ELIMIT,
                       WFLOGNO(0090) "Redis takes no more connections: lower the pool's maximum or "
                                     "raise maxclients: %s",
                       text);
    }
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0091) "Redis refused the connection: %s", text);
}

static wf_status_t greet(wf_ctx_t *ctx, wf_redis_conn_t *conn, const wf_redis_hello_t *hello,
                         apr_time_t end)
{
    size_t sent;
    wf_redis_outcome_t got = wf_redis_send(&sent, conn, hello->bytes, hello->len, end);
    wf_status_t st = WF_OK;
    int i;

    for (i = 0; i < hello->commands && got == WF_REDIS_DONE && st == WF_OK; i++) {
        wf_redis_reply_t reply;

        got = wf_redis_receive(&reply, conn, ctx->pool, end);
        if (got == WF_REDIS_DONE) {
            const char *text = wf_redis_hello_refused(&reply);

            if (text) {
                st = refused(ctx, text);
            }
        }
    }
    if (got == WF_REDIS_DONE) {
        return st;
    }
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0092) "Redis: %s while greeting",
                   got == WF_REDIS_SILENT ? "no answer in time" : "connection lost");
}

static wf_status_t connect_to(wf_ctx_t *ctx, wf_redis_conn_t *conn, wf_redis_t *redis)
{
    apr_time_t end = wf_monotonic() + wf_time_left(ctx, redis->conf.connect_timeout);
    wf_status_t st;
    int error;

    conn->redis = wf_redis_start(&redis->url);
    if (!conn->redis) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0093) "no memory for a Redis connection");
    }
    if (conn->redis->err) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0094) "Redis: %s", conn->redis->errstr);
    }
    if (!wf_redis_wait(conn->redis, POLLOUT, end)) {
        return wf_fail(ctx, WF_EUNAVAIL,
                       WFLOGNO(0095) "Redis: no connection within the connect timeout");
    }
    error = wf_redis_connect_error(conn->redis);
    if (error) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0096) "Redis: %s", strerror(error));
    }
    wf_redis_no_delay(conn->redis);
    st = greet(ctx, conn, &redis->hello, end);
    if (st == WF_OK) {
        be_patient(conn, redis->conf.command_timeout);
    }
    return st;
}

wf_status_t wf_redis_conn_open(wf_ctx_t *ctx, void **resource, void *baton)
{
    wf_redis_conn_t *conn = calloc(1, sizeof(*conn));
    wf_status_t st;

    *resource = NULL;
    if (!conn) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0097) "no memory for a Redis connection");
    }
    st = connect_to(ctx, conn, baton);
    if (st != WF_OK) {
        wf_redis_conn_close(conn, baton);
        return st;
    }
    *resource = conn;
    return WF_OK;
}

void wf_redis_conn_close(void *resource, void *baton)
{
    wf_redis_conn_t *conn = resource;

    if (conn->redis) {
        redisFree(conn->redis);
    }
    free(conn);
}

int wf_redis_conn_is_alive(const wf_redis_conn_t *conn)
{
    char byte;
    ssize_t n = recv(conn->redis->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    /* Redis says nothing unasked: bytes that wait here would be taken for the next reply. */
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

int wf_redis_conn_is_settled(const wf_redis_conn_t *conn)
{
    return conn->redis->reader->pos == conn->redis->reader->len;
}
