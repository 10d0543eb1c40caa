/* Shared by the files of lib/pg only. */
#ifndef WF_PG_INT_H
#define WF_PG_INT_H

#include "pg/wf_pg.h"

#include <libpq-fe.h>

#include <stdatomic.h>

/* Names of the statements prepared on a connection. */
typedef struct {
    char **names; /* open addressing; `size` is a power of two */
    size_t size;
    size_t count;
} wf_pg_names_t;

int wf_pg_names_has(const wf_pg_names_t *names, const char *name);
/* 0 when there is no memory. */
int wf_pg_names_add(wf_pg_names_t *names, const char *name);
void wf_pg_names_clear(wf_pg_names_t *names);

struct wf_pg_t {
    wf_pg_conf_t conf;
    wf_pool_t *pool;
    atomic_uint_fast64_t round_trips, failures;
};

/* In malloc memory: it lives longer than a request and is opened and closed by any thread. Always
 * in libpq's pipeline mode and non-blocking, but for wf_pg_exec_script. */
struct wf_pg_conn_t {
    PGconn *pg;
    wf_pg_t *owner;
    wf_ctx_t *ctx; /* the borrower's, for notices; NULL while idle */
    wf_pg_names_t prepared;
    int broken; /* to be closed when given back */
    int retryable;
    char constraint[64];
};

/* ---- wf_pg_conn.c ---- */

wf_status_t wf_pg_conn_open(wf_ctx_t *ctx, void **resource, void *baton);
void wf_pg_conn_close(void *resource, void *baton);
/* Without a round trip: whether the server has hung up. */
int wf_pg_conn_is_alive(wf_pg_conn_t *conn);
/* Waits on the socket; 0 when the time is over. */
int wf_pg_wait(const PGconn *pg, short events, apr_time_t end);

/* ---- wf_pg_run.c ---- */

typedef struct {
    const wf_pg_stmt_t *stmt; /* name NULL: not prepared */
    const wf_pg_param_t *params;
    const int *lengths, *formats; /* of binary parameters; NULL: all are text */
    PGresult *res; /* NULL before; the caller's after success, NULL after failure */
    int prepares;
} wf_pg_step_t;

/* The statements and one Sync in one round trip, none of it longer than `limit` or the deadline. */
wf_status_t wf_pg_run(wf_ctx_t *ctx, wf_pg_conn_t *conn, wf_pg_step_t *steps, int count,
                      apr_interval_time_t limit);
/* How long a whole call may take: the server's own statement_timeout shall come first, because a
 * connection survives that one. */
apr_interval_time_t wf_pg_limit(const wf_pg_conn_t *conn);

/* ---- wf_pg_session.c ---- */

extern const wf_pg_stmt_t wf_pg_begin_stmt, wf_pg_commit_stmt, wf_pg_rollback_stmt;
extern const wf_pg_stmt_t wf_pg_tenant_stmt;

/* Settings and the check of the role, in one round trip. */
wf_status_t wf_pg_set_up_session(wf_ctx_t *ctx, wf_pg_conn_t *conn, apr_interval_time_t limit);

/* ---- wf_pg_error.c ---- */

/* Turns a failed result into status, log line and conn->constraint, conn->broken. `what` names the
 * statement. */
wf_status_t wf_pg_fail_result(wf_ctx_t *ctx, wf_pg_conn_t *conn, const PGresult *res,
                              const char *what);
int wf_pg_is_fatal(const PGresult *res);
/* libpq's own message on one line, without source locations. */
const char *wf_pg_message(apr_pool_t *pool, const char *text);
void wf_pg_on_notice(void *conn, const PGresult *res);

#endif
