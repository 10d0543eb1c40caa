#include "pg/wf_pg_int.h"

#include <poll.h>
#include <string.h>

/* How much longer than the server's statement_timeout the socket is watched. */
#define GRACE apr_time_from_msec(500)
#define NO_LIMIT apr_time_from_sec(86400)

typedef enum { ARRIVED, LOST, SILENT } arrival_t;

/* One round trip on its way. */
typedef struct {
    wf_pg_conn_t *conn;
    wf_pg_step_t *steps;
    int count;
    apr_time_t end;
    PGresult *bad; /* the first failed result */
    int bad_at;    /* its step; `count` when the commit failed */
} run_t;

apr_interval_time_t wf_pg_limit(const wf_pg_conn_t *conn)
{
    apr_interval_time_t timeout = conn->owner->conf.statement_timeout;

    return timeout > 0 ? timeout + GRACE : NO_LIMIT;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Whether an earlier step of the same round trip prepares it already. */
static int is_prepared_before(const wf_pg_step_t *steps, int index)
{
    int i;

    for (i = 0; i < index; i++) {
        if (steps[i].prepares && strcmp(steps[i].stmt->name, steps[index].stmt->name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int queue_step(run_t *run, int index)
{
    wf_pg_step_t *step = &run->steps[index];
    const wf_pg_stmt_t *stmt = step->stmt;
    PGconn *pg = run->conn->pg;

    if (!stmt->name) {
        return PQsendQueryParams(pg, stmt->text, stmt->params, NULL, step->params,
                                 step->lengths, step->formats, 0);
    }
    step->prepares = !wf_pg_names_has(&run->conn->prepared, stmt->name) &&
                     !is_prepared_before(run->steps, index);
    if (step->prepares && !PQsendPrepare(pg, stmt->name, stmt->text, stmt->params, NULL)) {
        return 0;
    }
    return PQsendQueryPrepared(pg, stmt->name, stmt->params, step->params, step->lengths,
                               step->formats, 0);
}

static int queue_all(run_t *run)
{
    int i;

    for (i = 0; i < run->count; i++) {
        if (!queue_step(run, i)) {
            return 0;
        }
    }
    return PQpipelineSync(run->conn->pg);
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* *res may be NULL: libpq's mark for the end of one statement's results. */
static arrival_t next_result(PGresult **res, run_t *run)
{
    PGconn *pg = run->conn->pg;

    *res = NULL;
    for (;;) {
        int unsent = PQflush(pg);

        if (unsent < 0) {
            return LOST;
        }
        if (!PQisBusy(pg)) {
            *res = PQgetResult(pg);
            return ARRIVED;
        }
        if (!wf_pg_wait(pg, unsent ? POLLIN | POLLOUT : POLLIN, run->end)) {
            return SILENT;
        }
        if (!PQconsumeInput(pg)) {
            return LOST;
        }
    }
}

static void note_failure(run_t *run, PGresult *res, int at)
{
    if (run->bad) {
        PQclear(res);
        return;
    }
    run->bad = res;
    run->bad_at = at;
}

/* The one result of a statement and the NULL after it. */
static arrival_t take_result(PGresult **res, run_t *run)
{
    PGresult *more;
    arrival_t got = next_result(res, run);

    if (got != ARRIVED) {
        return got;
    }
    if (!*res) {
        return LOST;
    }
    got = next_result(&more, run);
    if (got == ARRIVED && more == NULL) {
        return ARRIVED;
    }
    PQclear(more);
    /* A FATAL is the last that comes; keep what it said. Anything else has lost step with the
     * server. */
    if (PQresultStatus(*res) != PGRES_FATAL_ERROR) {
        PQclear(*res);
        *res = NULL;
    }
    return got == ARRIVED ? LOST : got;
}

static arrival_t take_step(run_t *run, int index)
{
    wf_pg_step_t *step = &run->steps[index];
    PGresult *res;
    arrival_t got;

    if (step->prepares) {
        got = take_result(&res, run);
        if (res && PQresultStatus(res) == PGRES_COMMAND_OK) {
            /* Forgotten for want of memory, it would be prepared twice and fail: give up then. */
            run->conn->broken |= !wf_pg_names_add(&run->conn->prepared, step->stmt->name);
            PQclear(res);
        } else if (res) {
            note_failure(run, res, index);
        }
        if (got != ARRIVED) {
            return got;
        }
    }
    got = take_result(&res, run);
    if (res &&
        (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK)) {
        step->res = res;
    } else if (res) {
        note_failure(run, res, index);
    }
    return got;
}

/* A deferred constraint or a serialization failure speaks here, after every statement succeeded. */
static arrival_t take_sync(run_t *run)
{
    int nothing = 0;

    for (;;) {
        PGresult *res;
        arrival_t got = next_result(&res, run);

        if (got != ARRIVED) {
            return got;
        }
        if (!res) {
            if (++nothing > 1 || PQstatus(run->conn->pg) == CONNECTION_BAD) {
                return LOST;
            }
        } else if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            return ARRIVED;
        } else {
            nothing = 0;
            note_failure(run, res, run->count);
        }
    }
}

static arrival_t take_all(run_t *run)
{
    int i;

    for (i = 0; i < run->count; i++) {
        arrival_t got = take_step(run, i);

        if (got != ARRIVED) {
            return got;
        }
    }
    return take_sync(run);
}

/* ---- one round trip ----------------------------------------------------------------------- */

static const char *name_of(const run_t *run, int index)
{
    const wf_pg_stmt_t *stmt;

    if (index >= run->count) {
        return "at commit";
    }
    stmt = run->steps[index].stmt;
    return stmt->name ? stmt->name : stmt == &wf_pg_commit_stmt ? "COMMIT" : "session command";
}

static wf_status_t fail_silent(wf_ctx_t *ctx, run_t *run, apr_interval_time_t waited,
                               apr_interval_time_t limit)
{
    wf_pg_conn_t *conn = run->conn;

    conn->broken = 1;
    /* The deadline of one request may be near; that alone does not make the server suspect. */
    if (waited >= limit || waited >= WF_POOL_STALL_MIN) {
        wf_pool_suspect(conn->owner->pool);
    }
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0069) "PostgreSQL, %s: no answer within %d ms",
                   name_of(run, 0), (int)apr_time_as_msec(waited));
}

/* What may be said of the transaction after a failure; see wf_pg_retryable. */
static int is_undone(const run_t *run, int was_in_transaction)
{
    int commits = run->steps[run->count - 1].stmt == &wf_pg_commit_stmt;

    if (!run->bad) {
        return was_in_transaction && !commits;
    }
    /* A server told to stop may say so after it has committed and before it says that. */
    return !(wf_pg_is_fatal(run->bad) && (commits || run->bad_at == run->count));
}

static void clear_results(run_t *run)
{
    int i;

    for (i = 0; i < run->count; i++) {
        PQclear(run->steps[i].res);
        run->steps[i].res = NULL;
    }
}

static wf_status_t exchange(wf_ctx_t *ctx, run_t *run, apr_interval_time_t limit)
{
    wf_pg_conn_t *conn = run->conn;
    apr_time_t started = wf_monotonic();
    int was_in_transaction = PQtransactionStatus(conn->pg) != PQTRANS_IDLE;
    arrival_t got;
    wf_status_t st = WF_OK;

    if (!queue_all(run)) {
        /* Without its Sync nothing of it can be committed. */
        conn->broken = 1;
        conn->retryable = 1;
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0070) "PostgreSQL: cannot send: %s",
                       wf_pg_message(ctx->pool, PQerrorMessage(conn->pg)));
    }
    conn->owner->round_trips++;
    got = take_all(run);
    if (got != ARRIVED) {
        conn->broken = 1;
    }
    if (run->bad) {
        st = wf_pg_fail_result(ctx, conn, run->bad, name_of(run, run->bad_at));
    } else if (got == LOST) {
        st = wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0071) "PostgreSQL, %s: connection lost: %s",
                     name_of(run, 0), wf_pg_message(ctx->pool, PQerrorMessage(conn->pg)));
    } else if (got == SILENT) {
        st = fail_silent(ctx, run, wf_monotonic() - started, limit);
    }
    conn->retryable = st != WF_OK && is_undone(run, was_in_transaction);
    return st;
}

wf_status_t wf_pg_run(wf_ctx_t *ctx, wf_pg_conn_t *conn, wf_pg_step_t *steps, int count,
                      apr_interval_time_t limit)
{
    apr_interval_time_t left = wf_time_left(ctx, limit);
    run_t run = {.conn = conn, .steps = steps, .count = count, .end = wf_monotonic() + left};
    wf_status_t st;

    conn->constraint[0] = '\0';
    if (conn->broken) {
        return wf_fail(ctx, WF_EUNAVAIL,
                       WFLOGNO(0072) "PostgreSQL: this connection has failed before");
    }
    conn->retryable = 1;
    if (left <= 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0073) "PostgreSQL, %s: no time left",
                       name_of(&run, 0));
    }
    st = exchange(ctx, &run, limit);
    if (st != WF_OK) {
        conn->owner->failures++;
        clear_results(&run);
    }
    PQclear(run.bad);
    return st;
}
