/* Shared by the files of lib/redis only. */
#ifndef WF_REDIS_INT_H
#define WF_REDIS_INT_H

#include "redis/wf_redis.h"

#include <hiredis/hiredis.h>

#include <stdatomic.h>

/* More unread bytes than this are no reply of ours. */
#define WF_REDIS_REPLY_MAX ((size_t)64 * 1024 * 1024)

/* ---- wf_redis_url.c ---- */

typedef struct {
    const char *host; /* NULL: `path` */
    int port;
    const char *path;
    const char *user; /* "" where there is none */
    char *password;
    int db;
} wf_redis_url_t;

/* NULL, or what is wrong with it. */
const char *wf_redis_url_parse(apr_pool_t *pool, wf_redis_url_t *out, const char *url);

/* ---- wf_redis_wire.c ---- */

/* A command in RESP: its size, and its bytes written at `to`; returns the end. */
size_t wf_redis_command_size(int argc, const char *const *argv, const size_t *lens);
char *wf_redis_command_write(char *to, int argc, const char *const *argv, const size_t *lens);

/* What every connection says first: AUTH, SELECT, CLIENT SETNAME, PING. Wiped with the pool,
 * because it holds the password. */
typedef struct {
    char *bytes;
    size_t len;
    int commands;
} wf_redis_hello_t;

/* Wipes the password in `url`, which is not needed any more. */
void wf_redis_hello_make(wf_redis_hello_t *out, apr_pool_t *pool, wf_redis_url_t *url);
/* NULL if the reply to its n-th command allows to go on, else the server's text. PING is last: a
 * server that still loads its data refuses it. */
const char *wf_redis_hello_refused(const redisReply *reply);

/* ---- wf_redis_conn.c ---- */

typedef struct {
    redisContext *redis; /* non-blocking */
} wf_redis_conn_t;

typedef enum { WF_REDIS_DONE, WF_REDIS_LOST, WF_REDIS_SILENT } wf_redis_outcome_t;

wf_status_t wf_redis_conn_open(wf_ctx_t *ctx, void **resource, void *baton);
void wf_redis_conn_close(void *resource, void *baton);
/* Without a round trip: whether the server has hung up. */
int wf_redis_conn_is_alive(const wf_redis_conn_t *conn);

/* Begins to connect, without waiting. NULL: no memory. */
redisContext *wf_redis_start(const wf_redis_url_t *url);
/* Waits on the socket; 0 when the time is over. */
int wf_redis_wait(const redisContext *redis, short events, apr_time_t end);
/* The error of a finished connect; 0: connected. */
int wf_redis_connect_error(const redisContext *redis);
void wf_redis_no_delay(const redisContext *redis);

wf_redis_outcome_t wf_redis_send(size_t *sent, wf_redis_conn_t *conn, const char *data, size_t len,
                                 apr_time_t end);
/* The caller frees the reply. */
wf_redis_outcome_t wf_redis_receive(redisReply **out, wf_redis_conn_t *conn, apr_time_t end);

/* ---- wf_redis.c ---- */

struct wf_redis_t {
    wf_redis_conf_t conf;
    wf_redis_url_t url;
    wf_redis_hello_t hello;
    wf_pool_t *pool;
    atomic_uint_fast64_t round_trips, failures;
};

#endif
