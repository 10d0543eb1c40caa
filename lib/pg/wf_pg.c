#include "pg/wf_pg_int.h"

#include <string.h>

/* ---- configuration ------------------------------------------------------------------------ */

static int is_port_list(const char *text)
{
    return text[strspn(text, "0123456789,")] == '\0';
}

/* libpq quotes in its messages what it could not use. In a URI whose password holds a bare '@', ':'
 * or
 * '/' that is a piece of the password, so those are found here and never reach libpq. */
static const char *check_options(const PQconninfoOption *options)
{
    const PQconninfoOption *o;

    for (o = options; o->keyword; o++) {
        if (!o->val) {
            continue;
        }
        if (strcmp(o->keyword, "port") == 0 && !is_port_list(o->val)) {
            return "the port is not a number; in a URI, percent-encode '/', ':' and '@' of the "
                   "password (%2F, %3A, %40)";
        }
        if (strcmp(o->keyword, "host") == 0 && strchr(o->val, '@') && o->val[0] != '@') {
            return "the host has an '@'; in a URI, percent-encode the '@' of the password (%40)";
        }
    }
    return NULL;
}

const char *wf_pg_conninfo_check(apr_pool_t *pool, const char *conninfo)
{
    char *reason = NULL;
    PQconninfoOption *options;
    const char *fault;

    if (!conninfo || !*conninfo) {
        return "empty; expected e.g. \"host=/run/postgresql dbname=wflows user=wflows_app\"";
    }
    options = PQconninfoParse(conninfo, &reason);
    if (options) {
        fault = check_options(options);
    } else if (reason && !strstr(conninfo, "password") && !strchr(conninfo, '@')) {
        fault = wf_pg_message(pool, reason);
    } else {
        fault = "not understood by libpq; expected \"key=value key=value\" or "
                "\"postgresql://user:password@host:port/database\"";
    }
    PQfreemem(reason);
    PQconninfoFree(options);
    return fault;
}

wf_status_t wf_pg_make(wf_ctx_t *ctx, wf_pg_t **out, apr_pool_t *pool, const wf_pg_conf_t *conf)
{
    const char *fault = wf_pg_conninfo_check(ctx->pool, conf->conninfo);
    wf_pool_ops_t ops = {.open = wf_pg_conn_open, .close = wf_pg_conn_close};
    wf_pg_t *pg;
    wf_status_t st;

    *out = NULL;
    if (fault) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0074) "PostgreSQL connection: %s", fault);
    }
    if (conf->connect_timeout <= 0) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0075) "PostgreSQL: no connect timeout is set");
    }
    /* OpenSSL belongs to the process (mod_ssl); libpq shall not initialise it a second time. */
    PQinitOpenSSL(0, 0);
    pg = apr_pcalloc(pool, sizeof(*pg));
    pg->conf = *conf;
    pg->conf.conninfo = apr_pstrdup(pool, conf->conninfo);
    ops.baton = pg;
    st = wf_pool_make(ctx, &pg->pool, pool, &conf->pool, &ops);
    if (st == WF_OK) {
        *out = pg;
    }
    return st;
}

/* ---- loans -------------------------------------------------------------------------------- */

wf_status_t wf_pg_acquire(wf_ctx_t *ctx, wf_pg_conn_t **out, wf_pg_t *pg)
{
    *out = NULL;
    /* Ends: every turn takes one dead connection out of the pool. */
    for (;;) {
        wf_pg_conn_t *conn;
        void *resource;
        int fresh;
        wf_status_t st = wf_pool_acquire(ctx, &resource, &fresh, pg->pool);

        if (st != WF_OK) {
            return st;
        }
        conn = resource;
        conn->ctx = ctx;
        conn->retryable = 0;
        if (fresh || wf_pg_conn_is_alive(conn)) {
            *out = conn;
            return WF_OK;
        }
        wf_log(ctx, WF_LOG_INFO,
               WFLOGNO(0076) "PostgreSQL closed an idle connection; it is replaced");
        wf_pool_release(pg->pool, conn, 1);
    }
}

void wf_pg_release(wf_pg_t *pg, wf_pg_conn_t *conn)
{
    if (!conn) {
        return;
    }
    wf_pg_rollback(conn->ctx, conn);
    conn->ctx = NULL;
    wf_pool_release(pg->pool, conn, conn->broken || PQstatus(conn->pg) != CONNECTION_OK);
}

const char *wf_pg_constraint(const wf_pg_conn_t *conn)
{
    return conn->constraint[0] ? conn->constraint : NULL;
}

int wf_pg_retryable(const wf_pg_conn_t *conn)
{
    return conn->retryable;
}

void wf_pg_stats(wf_pg_stats_t *out, wf_pg_t *pg)
{
    wf_pool_stats(&out->pool, pg->pool);
    out->round_trips = pg->round_trips;
    out->failures = pg->failures;
}

/* ---- results ------------------------------------------------------------------------------ */

struct wf_pg_result_t {
    PGresult *res;
    apr_pool_t *pool;
};

static apr_status_t clear_result(void *data)
{
    wf_pg_result_t *res = data;

    PQclear(res->res);
    res->res = NULL;
    return APR_SUCCESS;
}

static wf_pg_result_t *adopt(apr_pool_t *pool, PGresult *raw)
{
    wf_pg_result_t *res = apr_palloc(pool, sizeof(*res));

    res->res = raw;
    res->pool = pool;
    apr_pool_cleanup_register(pool, res, clear_result, apr_pool_cleanup_null);
    return res;
}

void wf_pg_clear(wf_pg_result_t *res)
{
    if (res) {
        apr_pool_cleanup_run(res->pool, res, clear_result);
    }
}

int wf_pg_rows(const wf_pg_result_t *res)
{
    return PQntuples(res->res);
}

static int has_cell(const wf_pg_result_t *res, int row, int column)
{
    return row >= 0 && row < PQntuples(res->res) && column >= 0 && column < PQnfields(res->res) &&
           !PQgetisnull(res->res, row, column);
}

const char *wf_pg_cell(const wf_pg_result_t *res, int row, int column)
{
    return has_cell(res, row, column) ? PQgetvalue(res->res, row, column) : NULL;
}

size_t wf_pg_cell_len(const wf_pg_result_t *res, int row, int column)
{
    return has_cell(res, row, column) ? (size_t)PQgetlength(res->res, row, column) : 0;
}

int wf_pg_columns(const wf_pg_result_t *res)
{
    return PQnfields(res->res);
}

const char *wf_pg_column_name(const wf_pg_result_t *res, int column)
{
    return PQfname(res->res, column);
}

wf_pg_kind_t wf_pg_column_kind(const wf_pg_result_t *res, int column)
{
    switch (PQftype(res->res, column)) { /* pg_type.dat: these never change */
    case 20: /* int8 */
    case 21: /* int2 */
    case 23: /* int4 */
    case 1700: /* numeric: sums of whole numbers; nobody makes a NaN of one */
        return WF_PG_NUMBER;
    case 16:
        return WF_PG_BOOL;
    case 114:  /* json */
    case 3802: /* jsonb */
        return WF_PG_JSON;
    case 1184: /* timestamptz */
        return WF_PG_TIME;
    default:
        return WF_PG_TEXT;
    }
}

int wf_pg_affected(const wf_pg_result_t *res)
{
    int64_t n;

    return wf_parse_int(&n, PQcmdTuples(res->res), 0, INT32_MAX) ? (int)n : 0;
}

/* ---- statements and transactions ---------------------------------------------------------- */

static wf_status_t run_plain(wf_ctx_t *ctx, wf_pg_conn_t *conn, wf_pg_step_t *steps, int count)
{
    return wf_pg_run(ctx, conn, steps, count, wf_pg_limit(conn));
}

static void hand_over(wf_ctx_t *ctx, wf_pg_result_t **out, PGresult *raw)
{
    if (out) {
        *out = adopt(ctx->pool, raw);
    } else {
        PQclear(raw);
    }
}

static wf_status_t run_one(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                           wf_pg_step_t *step)
{
    wf_status_t st;

    if (out) {
        *out = NULL;
    }
    st = run_plain(ctx, conn, step, 1);
    if (st == WF_OK) {
        hand_over(ctx, out, step->res);
    }
    return st;
}

wf_status_t wf_pg_exec(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                       const wf_pg_stmt_t *stmt, const wf_pg_param_t *params)
{
    wf_pg_step_t step = {.stmt = stmt, .params = params};

    return run_one(ctx, out, conn, &step);
}

wf_status_t wf_pg_exec_binary(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                              const wf_pg_stmt_t *stmt, const void *value, size_t len)
{
    const wf_pg_param_t params[] = {value};
    const int lengths[] = {(int)len}, formats[] = {1};
    wf_pg_step_t step = {.stmt = stmt, .params = params, .lengths = lengths, .formats = formats};

    return run_one(ctx, out, conn, &step);
}

wf_status_t wf_pg_exec_as(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                          const char *company_id, const wf_pg_stmt_t *stmt,
                          const wf_pg_param_t *params)
{
    wf_pg_step_t steps[] = {{.stmt = &wf_pg_tenant_stmt, .params = &company_id},
                            {.stmt = stmt, .params = params}};
    wf_status_t st;

    if (out) {
        *out = NULL;
    }
    st = run_plain(ctx, conn, steps, 2);
    if (st == WF_OK) {
        PQclear(steps[0].res);
        hand_over(ctx, out, steps[1].res);
    }
    return st;
}

wf_status_t wf_pg_begin(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *company_id)
{
    wf_pg_step_t steps[] = {{.stmt = &wf_pg_begin_stmt},
                            {.stmt = &wf_pg_tenant_stmt, .params = &company_id}};
    wf_status_t st = run_plain(ctx, conn, steps, company_id ? 2 : 1);

    PQclear(steps[0].res);
    PQclear(steps[1].res);
    return st;
}

wf_status_t wf_pg_commit(wf_ctx_t *ctx, wf_pg_conn_t *conn)
{
    wf_pg_step_t step = {.stmt = &wf_pg_commit_stmt};
    wf_status_t st = run_plain(ctx, conn, &step, 1);

    /* A COMMIT after a failed statement succeeds as a ROLLBACK. */
    if (st == WF_OK && strcmp(PQcmdStatus(step.res), "COMMIT") != 0) {
        conn->retryable = 1;
        st = wf_fail(ctx, WF_EINTERNAL,
                     WFLOGNO(0077) "PostgreSQL: a failed transaction was to be committed");
    }
    PQclear(step.res);
    return st;
}

void wf_pg_rollback(wf_ctx_t *ctx, wf_pg_conn_t *conn)
{
    wf_pg_step_t step = {.stmt = &wf_pg_rollback_stmt};
    wf_err_t before = ctx->err;
    int retryable = conn->retryable;

    if (conn->broken || PQtransactionStatus(conn->pg) == PQTRANS_IDLE) {
        return;
    }
    if (wf_time_left(ctx, 1) == 0 || run_plain(ctx, conn, &step, 1) != WF_OK) {
        conn->broken = 1;
    }
    PQclear(step.res);
    /* What led here is what the caller wants to know. */
    conn->retryable = retryable;
    ctx->err = before;
}

/* ---- pipelines ---------------------------------------------------------------------------- */

struct wf_pg_pipe_t {
    wf_pg_conn_t *conn;
    apr_array_header_t *steps; /* wf_pg_step_t */
    wf_pg_result_t **results;  /* after a successful run */
};

wf_pg_pipe_t *wf_pg_pipe(wf_ctx_t *ctx, wf_pg_conn_t *conn)
{
    wf_pg_pipe_t *pipe = apr_pcalloc(ctx->pool, sizeof(*pipe));

    pipe->conn = conn;
    pipe->steps = apr_array_make(ctx->pool, 8, sizeof(wf_pg_step_t));
    return pipe;
}

wf_status_t wf_pg_pipe_add(wf_ctx_t *ctx, wf_pg_pipe_t *pipe, const wf_pg_stmt_t *stmt,
                           const wf_pg_param_t *params)
{
    wf_pg_param_t *copy = NULL;
    wf_pg_step_t *step;
    int i;

    if (pipe->steps->nelts >= WF_PG_PIPE_MAX) {
        return wf_fail(ctx, WF_ELIMIT,
                       WFLOGNO(0078) "PostgreSQL: more than %d statements in a pipe",
                       WF_PG_PIPE_MAX);
    }
    if (stmt->params > 0) {
        copy = apr_palloc(pipe->steps->pool, (size_t)stmt->params * sizeof(*copy));
        for (i = 0; i < stmt->params; i++) {
            copy[i] = params[i] ? apr_pstrdup(pipe->steps->pool, params[i]) : NULL;
        }
    }
    step = apr_array_push(pipe->steps);
    *step = (wf_pg_step_t){.stmt = stmt, .params = copy};
    return WF_OK;
}

wf_status_t wf_pg_pipe_run(wf_ctx_t *ctx, wf_pg_pipe_t *pipe)
{
    wf_pg_step_t *steps = (wf_pg_step_t *)pipe->steps->elts;
    int count = pipe->steps->nelts, i;
    wf_status_t st;

    if (count == 0) {
        return WF_OK;
    }
    st = wf_pg_run(ctx, pipe->conn, steps, count, wf_pg_limit(pipe->conn));
    if (st == WF_OK) {
        pipe->results = apr_palloc(ctx->pool, (size_t)count * sizeof(wf_pg_result_t *));
        for (i = 0; i < count; i++) {
            pipe->results[i] = adopt(ctx->pool, steps[i].res);
        }
    }
    return st;
}

wf_pg_result_t *wf_pg_pipe_result(const wf_pg_pipe_t *pipe, int index)
{
    return pipe->results && index >= 0 && index < pipe->steps->nelts ? pipe->results[index] : NULL;
}
