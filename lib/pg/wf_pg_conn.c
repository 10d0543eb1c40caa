#include "pg/wf_pg_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What a wait without any limit is cut into; it is simply begun again. */
#define POLL_MAX_MS 60000

int wf_pg_wait(const PGconn *pg, short events, apr_time_t end)
{
    struct pollfd p = {.fd = PQsocket(pg), .events = events};

    for (;;) {
        apr_interval_time_t left = end - wf_monotonic();
        int ms, n;

        if (left < 0) {
            left = 0;
        }
        ms = left / 1000 >= POLL_MAX_MS ? POLL_MAX_MS : (int)((left + 999) / 1000);
        n = poll(&p, 1, ms);
        /* An error on the socket is "ready" too: libpq finds it and says what it is. */
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return 1;
        }
        if (n == 0 && ms < POLL_MAX_MS) {
            return 0;
        }
    }
}

/* ---- connecting --------------------------------------------------------------------------- */

static wf_status_t connect_failed(wf_ctx_t *ctx, const PGconn *pg)
{
    const char *text = PQerrorMessage(pg);

    /* 53300 too_many_connections: the server lives, so the pool goes on with those it has. */
    if (strstr(text, ":  53300: ")) {
        return wf_fail(ctx, WF_ELIMIT,
                       WFLOGNO(0064) "PostgreSQL takes no more connections: lower the pool's "
                                     "maximum or raise max_connections: %s",
                       wf_pg_message(ctx->pool, text));
    }
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0065) "PostgreSQL: %s",
                   wf_pg_message(ctx->pool, text));
}

static wf_status_t finish_connecting(wf_ctx_t *ctx, PGconn *pg, apr_time_t end)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;

    if (PQstatus(pg) == CONNECTION_BAD) {
        return connect_failed(ctx, pg);
    }
    while (next != PGRES_POLLING_OK) {
        if (!wf_pg_wait(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, end)) {
            return wf_fail(ctx, WF_EUNAVAIL,
                           WFLOGNO(0066) "PostgreSQL: no connection within the connect timeout");
        }
        next = PQconnectPoll(pg);
        if (next == PGRES_POLLING_FAILED) {
            return connect_failed(ctx, pg);
        }
    }
    return WF_OK;
}

static wf_status_t open_connection(wf_ctx_t *ctx, wf_pg_conn_t *conn)
{
    const char *const words[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
    const char *const values[] = {conn->owner->conf.conninfo, "wflows", "UTF8", NULL};
    apr_interval_time_t limit = wf_time_left(ctx, conn->owner->conf.connect_timeout);
    apr_time_t end = wf_monotonic() + limit;
    wf_status_t st;

    conn->pg = PQconnectStartParams(words, values, 1);
    if (!conn->pg) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0067) "no memory for a PostgreSQL connection");
    }
    PQsetNoticeReceiver(conn->pg, wf_pg_on_notice, conn);
    /* Only so does the text of a refused connection carry its SQLSTATE. */
    PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE);
    st = finish_connecting(ctx, conn->pg, end);
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    if (st != WF_OK) {
        return st;
    }
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) {
        return connect_failed(ctx, conn->pg);
    }
    return wf_pg_set_up_session(ctx, conn, end - wf_monotonic());
}

wf_status_t wf_pg_conn_open(wf_ctx_t *ctx, void **resource, void *baton)
{
    wf_pg_conn_t *conn = calloc(1, sizeof(*conn));
    wf_status_t st;

    *resource = NULL;
    if (!conn) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0068) "no memory for a PostgreSQL connection");
    }
    conn->owner = baton;
    conn->ctx = ctx;
    st = open_connection(ctx, conn);
    if (st != WF_OK) {
        wf_pg_conn_close(conn, baton);
        return st;
    }
    *resource = conn;
    return WF_OK;
}

void wf_pg_conn_close(void *resource, void *baton)
{
    wf_pg_conn_t *conn = resource;

    conn->ctx = NULL;
    PQfinish(conn->pg);
    wf_pg_names_clear(&conn->prepared);
    free(conn);
}

int wf_pg_conn_is_alive(wf_pg_conn_t *conn)
{
    int tries;

    /* Waiting bytes may be a harmless notice or parameter change: let libpq read them, look again.
     */
    for (tries = 0; tries < 4 && !conn->broken; tries++) {
        char byte;
        ssize_t n = recv(PQsocket(conn->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        }
        if (n == 0 || !PQconsumeInput(conn->pg)) {
            return 0;
        }
        (void)PQisBusy(conn->pg); /* parses what was read */
    }
    return 0;
}
