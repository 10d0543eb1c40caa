#include "pg/wf_pg_int.h"

struct wf_pg_listener_t {
    wf_pg_t *pg;
    const wf_pg_stmt_t *listen;
    wf_pg_conn_t *conn; /* NULL: not connected */
};

static apr_status_t destroy(void *data)
{
    wf_pg_listener_t *listener = data;

    if (listener->conn) {
        wf_pg_conn_close(listener->conn, listener->pg);
        listener->conn = NULL;
    }
    return APR_SUCCESS;
}

wf_pg_listener_t *wf_pg_listener_make(apr_pool_t *pool, wf_pg_t *pg, const wf_pg_stmt_t *listen)
{
    wf_pg_listener_t *listener = apr_pcalloc(pool, sizeof(*listener));

    listener->pg = pg;
    listener->listen = listen;
    apr_pool_cleanup_register(pool, listener, destroy, apr_pool_cleanup_null);
    return listener;
}

wf_status_t wf_pg_listener_open(wf_ctx_t *ctx, wf_pg_listener_t *listener)
{
    void *resource;
    wf_status_t st;

    if (listener->conn) {
        return WF_OK;
    }
    if ((st = wf_pg_conn_open(ctx, &resource, listener->pg)) != WF_OK) {
        return st;
    }
    listener->conn = resource;
    st = wf_pg_exec(ctx, NULL, listener->conn, listener->listen, NULL);
    listener->conn->ctx = NULL; /* it does not outlive this call */
    if (st != WF_OK) {
        destroy(listener);
    }
    return st;
}

int wf_pg_listener_fd(const wf_pg_listener_t *listener)
{
    return listener->conn ? PQsocket(listener->conn->pg) : -1;
}

int wf_pg_listener_heard(wf_pg_listener_t *listener)
{
    PGnotify *note;
    int heard = 0;

    if (!listener->conn) {
        return 0;
    }
    if (!PQconsumeInput(listener->conn->pg) || listener->conn->broken) {
        destroy(listener);
        return 0;
    }
    while ((note = PQnotifies(listener->conn->pg)) != NULL) {
        heard = 1;
        PQfreemem(note);
    }
    if (listener->conn->broken || PQstatus(listener->conn->pg) != CONNECTION_OK) {
        destroy(listener);
    }
    return heard;
}
