#include "pg/wf_pg_int.h"

#include <poll.h>

/* Scripts go by the simple protocol, the only one that takes several statements in one text; libpq
 * does that outside pipeline mode only. */

/* The next result of the script; 0 when the connection failed or fell silent. */
static int next_result(PGresult **res, wf_pg_conn_t *conn, apr_time_t end)
{
    int unsent;

    *res = NULL;
    while ((unsent = PQflush(conn->pg)) > 0 || PQisBusy(conn->pg)) {
        if (!wf_pg_wait(conn->pg, unsent ? POLLIN | POLLOUT : POLLIN, end) ||
            !PQconsumeInput(conn->pg)) {
            return 0;
        }
    }
    if (unsent < 0) {
        return 0;
    }
    *res = PQgetResult(conn->pg);
    return 1;
}

static int line_of_error(const PGresult *res, const char *sql)
{
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    int64_t left;
    int line = 1;

    if (!wf_parse_int(&left, position, 1, INT32_MAX)) {
        return 0;
    }
    /* The position counts characters, not bytes. */
    for (; *sql && left > 1; sql++) {
        line += *sql == '\n';
        left -= ((unsigned char)sql[1] & 0xc0) != 0x80;
    }
    return line;
}

/* 0 for a COPY, for which nobody here has data. */
static int is_plain(const PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        return 1;
    default:
        return 0;
    }
}

static wf_status_t read_all(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *sql)
{
    wf_status_t st = WF_OK;

    for (;;) {
        /* Each statement has the whole time: a migration may be long without being stuck. */
        apr_time_t end = wf_monotonic() + wf_time_left(ctx, wf_pg_limit(conn));
        PGresult *res;

        if (!next_result(&res, conn, end)) {
            conn->broken = 1;
            return st != WF_OK ? st
                               : wf_fail(ctx, WF_EUNAVAIL,
                                         WFLOGNO(0079) "PostgreSQL, script: no answer: %s",
                                         wf_pg_message(ctx->pool, PQerrorMessage(conn->pg)));
        }
        if (!res) {
            return st;
        }
        if (PQresultStatus(res) == PGRES_FATAL_ERROR && st == WF_OK) {
            st = wf_pg_fail_result(
                ctx, conn, res,
                apr_psprintf(ctx->pool, "script, line %d", line_of_error(res, sql)));
        } else if (!is_plain(res) && st == WF_OK) {
            conn->broken = 1;
            PQclear(res);
            return wf_fail(ctx, WF_EINVALID,
                           WFLOGNO(0080) "PostgreSQL, script: COPY is not for scripts");
        }
        PQclear(res);
    }
}

wf_status_t wf_pg_exec_script(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *sql)
{
    int in_transaction = PQtransactionStatus(conn->pg) != PQTRANS_IDLE;
    wf_status_t st;

    conn->constraint[0] = '\0';
    if (conn->broken || !PQexitPipelineMode(conn->pg) || !PQsendQuery(conn->pg, sql)) {
        conn->broken = 1;
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0081) "PostgreSQL, script: cannot send: %s",
                       wf_pg_message(ctx->pool, PQerrorMessage(conn->pg)));
    }
    conn->owner->round_trips++;
    st = read_all(ctx, conn, sql);
    conn->retryable = st != WF_OK && in_transaction;
    if (!conn->broken && !PQenterPipelineMode(conn->pg)) {
        conn->broken = 1;
    }
    return st;
}
