/* Shared by the files of lib/redis only. */
#ifndef WF_REDIS_INT_H
#define WF_REDIS_INT_H

#include "redis/wf_redis.h"

#include <hiredis/hiredis.h>

#include <stdatomic.h>

/* More unread bytes than this are no reply of ours, nor is one that needs more memory. */
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
const char *wf_redis_hello_refused(const wf_redis_reply_t *reply);

/* ---- wf_redis_reply.c ---- */

/* Where the reply that is being read goes. The reader points to it and into its pool until the
 * reply is complete: a connection with a reply half read is closed before they go. */
typedef struct {
    apr_pool_t *pool;
    wf_redis_reply_t *root;
    size_t left; /* memory it may still take */
} wf_redis_maker_t;

/* Once for each connection. */
void wf_redis_reader_prepare(redisReader *reader);
/* From what was received: 1 a complete reply stands in maker->root, 0 more is needed, -1 it is
 * nothing that Redis says. */
int wf_redis_read_reply(redisContext *redis, wf_redis_maker_t *maker);

/* ---- wf_redis_conn.c ---- */

typedef struct {
    redisContext *redis;          /* non-blocking for hiredis */
    apr_time_t used;              /* when the last batch over it began, monotonic; 0: none did */
    apr_interval_time_t patience; /* the socket blocks that long when it is read; 0: not at all */
} wf_redis_conn_t;

typedef enum { WF_REDIS_DONE, WF_REDIS_LOST, WF_REDIS_SILENT } wf_redis_outcome_t;

wf_status_t wf_redis_conn_open(wf_ctx_t *ctx, void **resource, void *baton);
void wf_redis_conn_close(void *resource, void *baton);
/* Without a round trip: whether the server has hung up. */
int wf_redis_conn_is_alive(const wf_redis_conn_t *conn);
/* Whether all that was received belonged to replies that were asked for. */
int wf_redis_conn_is_settled(const wf_redis_conn_t *conn);

/* Begins to connect, without waiting. NULL: no memory. */
redisContext *wf_redis_start(const wf_redis_url_t *url);
/* Waits on the socket; 0 when the time is over. */
int wf_redis_wait(const redisContext *redis, short events, apr_time_t end);
/* The error of a finished connect; 0: connected. */
int wf_redis_connect_error(const redisContext *redis);
void wf_redis_no_delay(const redisContext *redis);

wf_redis_outcome_t wf_redis_send(size_t *sent, wf_redis_conn_t *conn, const char *data, size_t len,
                                 apr_time_t end);
/* What *out points to lives in `pool`. Unless it is WF_REDIS_DONE, the connection must be closed
 * while `pool` and *out live. */
wf_redis_outcome_t wf_redis_receive(wf_redis_reply_t *out, wf_redis_conn_t *conn, apr_pool_t *pool,
                                    apr_time_t end);

/* ---- wf_redis.c ---- */

struct wf_redis_t {
    wf_redis_conf_t conf;
    wf_redis_url_t url;
    wf_redis_hello_t hello;
    wf_pool_t *pool;
    atomic_uint_fast64_t round_trips, failures;
    _Atomic apr_time_t lost_at; /* a connection was last found dead then, monotonic */
};

#endif
