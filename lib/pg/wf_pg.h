/* L2: PostgreSQL over libpq (its only user): pooled connections, prepared statements, pipelines,
 * transactions with a tenant. Holds no SQL beyond BEGIN, COMMIT, ROLLBACK and session set-up. */
#ifndef WF_PG_H
#define WF_PG_H

#include "base/wf_base.h"
#include "pool/wf_pool.h"

typedef struct wf_pg_t wf_pg_t;           /* a pool of connections; thread-safe */
typedef struct wf_pg_conn_t wf_pg_conn_t; /* one, on loan to one thread */

typedef struct {
    const char *conninfo; /* libpq keyword string or URI */
    apr_interval_time_t connect_timeout;
    apr_interval_time_t statement_timeout; /* set on the session and watched on the socket too, so
                                              that a stalled server cannot hold a thread */
    int check_role; /* 1: a superuser, BYPASSRLS role or owner of schema wflows is refused at
                       connect (WF_EDENIED, logged what to do) */
    wf_pool_conf_t pool;
} wf_pg_conf_t;

/* Does not connect. WF_EINVALID for a conninfo that wf_pg_conninfo_check refuses. */
wf_status_t wf_pg_make(wf_ctx_t *ctx, wf_pg_t **out, apr_pool_t *pool,
                       const wf_pg_conf_t *conf) WF_MUST_CHECK;
/* NULL if it can be used, else why not (password left out). A host name is looked up by the
 * system's resolver, which no timeout of ours bounds: give hostaddr, or a resolver that is quick.
 */
const char *wf_pg_conninfo_check(apr_pool_t *pool, const char *conninfo);

/* One that is known to be alive: those that died while idle (the server was restarted) are replaced
 * unseen. `ctx` must outlive the loan. Expected failures: WF_EUNAVAIL, WF_EDENIED (check_role). */
wf_status_t wf_pg_acquire(wf_ctx_t *ctx, wf_pg_conn_t **out, wf_pg_t *pg) WF_MUST_CHECK;
/* Rolls back an open transaction; a broken connection is closed. NULL is allowed. */
void wf_pg_release(wf_pg_t *pg, wf_pg_conn_t *conn);

/* A statement of lib/store/wf_sql.c; prepared on a connection at its first use there. */
typedef struct {
    const char *name;
    const char *text;
    int params;
} wf_pg_stmt_t;

/* A text-format parameter; NULL is SQL NULL. */
typedef const char *wf_pg_param_t;

/* A result in ctx->pool's care (cleared with it or by wf_pg_clear). NULL cells are NULL. */
typedef struct wf_pg_result_t wf_pg_result_t;
int wf_pg_rows(const wf_pg_result_t *res);
/* NUL-terminated; NULL also for a row or column that is not there. */
const char *wf_pg_cell(const wf_pg_result_t *res, int row, int column);
size_t wf_pg_cell_len(const wf_pg_result_t *res, int row, int column);
int wf_pg_affected(const wf_pg_result_t *res);

/* What a column's cells are, as far as a writer of JSON has to know. */
typedef enum {
    WF_PG_TEXT,
    WF_PG_NUMBER, /* digits that JSON takes as they are */
    WF_PG_BOOL,   /* "t" or "f" */
    WF_PG_JSON,
    WF_PG_TIME /* "2026-03-01 10:20:30.123456+00": sessions are in UTC */
} wf_pg_kind_t;
int wf_pg_columns(const wf_pg_result_t *res);
wf_pg_kind_t wf_pg_column_kind(const wf_pg_result_t *res, int column);
const char *wf_pg_column_name(const wf_pg_result_t *res, int column);

/* Expected failures: WF_EUNAVAIL (connection lost, server shutting down, timeout), WF_ECONFLICT
 * (unique violation 23505, serialization 40001, deadlock 40P01; err names the constraint),
 * WF_EINVALID (check, foreign key, bad input value), WF_EDENIED (42501). Others WF_EINTERNAL.
 * `out` may be NULL where the result does not matter, here and below. After a lost connection or a
 * timeout every further call on the same connection fails with WF_EUNAVAIL. */
wf_status_t wf_pg_exec(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                       const wf_pg_stmt_t *stmt, const wf_pg_param_t *params) WF_MUST_CHECK;
/* The same with one parameter, in PostgreSQL's binary form. */
wf_status_t wf_pg_exec_binary(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                              const wf_pg_stmt_t *stmt, const void *value,
                              size_t len) WF_MUST_CHECK;
/* NULL is allowed. */
void wf_pg_clear(wf_pg_result_t *res);
/* The constraint named by the last WF_ECONFLICT / WF_EINVALID on this connection, or NULL. */
const char *wf_pg_constraint(const wf_pg_conn_t *conn);
/* 1 if the last call on this connection failed and certainly left nothing committed, so that the
 * whole transaction may be run again on another connection. 0 where the server may have done the
 * work and only its answer was lost. */
int wf_pg_retryable(const wf_pg_conn_t *conn);

/* BEGIN + set_config('app.tenant_id', company, true) in one round trip; company NULL: no tenant. */
wf_status_t wf_pg_begin(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *company_id) WF_MUST_CHECK;
/* WF_EINTERNAL if a statement of the transaction had failed and it was therefore rolled back. */
wf_status_t wf_pg_commit(wf_ctx_t *ctx, wf_pg_conn_t *conn) WF_MUST_CHECK;
/* Nothing to do is fine. If it cannot be done the connection is given up, which does the same. */
void wf_pg_rollback(wf_ctx_t *ctx, wf_pg_conn_t *conn);

/* One statement in its own transaction with the tenant set, in ONE round trip (pipeline:
 * set_config + statement + sync). */
wf_status_t wf_pg_exec_as(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                          const char *company_id, const wf_pg_stmt_t *stmt,
                          const wf_pg_param_t *params) WF_MUST_CHECK;

/* A pipeline: all queued statements are one implicit transaction, one round trip. After run,
 * results in order; if one failed, its status is reported and nothing was done. Parameters are
 * copied. A pipe runs once. */
typedef struct wf_pg_pipe_t wf_pg_pipe_t;
#define WF_PG_PIPE_MAX 4096 /* statements in one; more is WF_ELIMIT */
wf_pg_pipe_t *wf_pg_pipe(wf_ctx_t *ctx, wf_pg_conn_t *conn);
wf_status_t wf_pg_pipe_add(wf_ctx_t *ctx, wf_pg_pipe_t *pipe, const wf_pg_stmt_t *stmt,
                           const wf_pg_param_t *params) WF_MUST_CHECK;
wf_status_t wf_pg_pipe_run(wf_ctx_t *ctx, wf_pg_pipe_t *pipe) WF_MUST_CHECK;
wf_pg_result_t *wf_pg_pipe_result(const wf_pg_pipe_t *pipe, int index);

/* A script of several statements (a migration file), as it stands, in the open transaction. */
wf_status_t wf_pg_exec_script(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *sql) WF_MUST_CHECK;

/* A connection of its own, outside the pool, that hears notifications. Used by one thread at a time;
 * closed with `pool`. `listen` is the LISTEN statement. */
typedef struct wf_pg_listener_t wf_pg_listener_t;
wf_pg_listener_t *wf_pg_listener_make(apr_pool_t *pool, wf_pg_t *pg, const wf_pg_stmt_t *listen);
/* Connects where it is not connected. What was notified before is not heard: look once after it.
 * Expected failure: WF_EUNAVAIL. */
wf_status_t wf_pg_listener_open(wf_ctx_t *ctx, wf_pg_listener_t *listener) WF_MUST_CHECK;
/* To wait on for reading; -1: not connected. */
int wf_pg_listener_fd(const wf_pg_listener_t *listener);
/* Without waiting: 1 if anything was notified since the last call. Finds out when the connection is lost. */
int wf_pg_listener_heard(wf_pg_listener_t *listener);

typedef struct {
    wf_pool_stats_t pool;
    uint64_t round_trips, failures;
} wf_pg_stats_t;
void wf_pg_stats(wf_pg_stats_t *out, wf_pg_t *pg);

#endif
