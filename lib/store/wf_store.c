#include "store/wf_store_int.h"

#include <string.h>

/* Deeper than what callers may send (64), because records put their objects into objects of ours.
 */
#define RECORD_DEPTH 80

typedef enum { AS_NOBODY, AS_COMPANY, AS_PLATFORM } identity_t;

static wf_status_t run_as_platform(wf_ctx_t *ctx, wf_pg_result_t **out, wf_pg_conn_t *conn,
                                   wf_sql_id_t id, const wf_pg_param_t *params)
{
    wf_pg_pipe_t *pipe = wf_pg_pipe(ctx, conn);
    wf_status_t st;

    if ((st = wf_pg_pipe_add(ctx, pipe, wf_sql(WF_SQL_ROLE_PLATFORM), NULL)) != WF_OK ||
        (st = wf_pg_pipe_add(ctx, pipe, wf_sql(id), params)) != WF_OK ||
        (st = wf_pg_pipe_run(ctx, pipe)) != WF_OK) {
        return st;
    }
    *out = wf_pg_pipe_result(pipe, 1);
    return WF_OK;
}

/* *again: the connection was lost with nothing done, so that another one may be tried. */
static wf_status_t query_once(wf_ctx_t *ctx, wf_pg_result_t **out, int *again,
                              const wf_store_t *store, identity_t as, const char *company_id,
                              wf_sql_id_t id, const wf_pg_param_t *params)
{
    wf_pg_conn_t *conn;
    wf_status_t st;

    *again = 0;
    if ((st = wf_pg_acquire(ctx, &conn, store->pg)) != WF_OK) {
        return st;
    }
    switch (as) {
    case AS_NOBODY:
        st = wf_pg_exec(ctx, out, conn, wf_sql(id), params);
        break;
    case AS_COMPANY:
        st = wf_pg_exec_as(ctx, out, conn, company_id, wf_sql(id), params);
        break;
    case AS_PLATFORM:
        st = run_as_platform(ctx, out, conn, id, params);
        break;
    }
    *again = st == WF_EUNAVAIL && wf_pg_retryable(conn);
    wf_pg_release(store->pg, conn);
    return st;
}

static wf_status_t query(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                         identity_t as, const char *company_id, wf_sql_id_t id,
                         const wf_pg_param_t *params)
{
    wf_status_t st;
    int again;

    *out = NULL;
    st = query_once(ctx, out, &again, store, as, company_id, id, params);
    if (again) {
        wf_ctx_clear(ctx);
        st = query_once(ctx, out, &again, store, as, company_id, id, params);
    }
    return st;
}

wf_status_t wf_store_query(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                           const char *company_id, wf_sql_id_t id, const wf_pg_param_t *params)
{
    *out = NULL;
    /* What is no UUID names no company, and must not become the tenant setting. */
    if (!wf_store_uuid(company_id)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0270) "no such company");
    }
    return query(ctx, out, store, AS_COMPANY, company_id, id, params);
}

wf_status_t wf_store_query_plain(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                                 wf_sql_id_t id, const wf_pg_param_t *params)
{
    return query(ctx, out, store, AS_NOBODY, NULL, id, params);
}

wf_status_t wf_store_query_platform(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                                    wf_sql_id_t id, const wf_pg_param_t *params)
{
    return query(ctx, out, store, AS_PLATFORM, NULL, id, params);
}

wf_status_t wf_store_json(wf_ctx_t *ctx, wf_json_t **out, const wf_pg_result_t *res, int row,
                          int column)
{
    const char *text = wf_pg_cell(res, row, column);

    *out = NULL;
    if (!text) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0271) "a record without its JSON");
    }
    return wf_json_parse(ctx, out, text, wf_pg_cell_len(res, row, column), RECORD_DEPTH);
}

wf_status_t wf_store_document(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id, wf_sql_id_t id, const wf_pg_param_t *params)
{
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query(ctx, &res, store, company_id, id, params);
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

wf_status_t wf_store_document_platform(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                       wf_sql_id_t id, const wf_pg_param_t *params)
{
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query_platform(ctx, &res, store, id, params);
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

int64_t wf_store_int(const wf_pg_result_t *res, int row, int column)
{
    int64_t n;

    return wf_parse_int(&n, wf_pg_cell(res, row, column), 0, INT64_MAX) ? n : 0;
}

const char *wf_store_uuid(const char *text)
{
    return text && wf_uuid_is(text) ? text : NULL;
}

void wf_store_array_add_slice(wf_buf_t *out, wf_slice_t value)
{
    const char *p = value.data, *end = p + value.len;

    wf_buf_putc(out, out->len == 0 ? '{' : ',');
    if (!p) {
        wf_buf_add(out, "NULL", 4);
        return;
    }
    wf_buf_putc(out, '"');
    while (p < end) {
        const char *plain = p;

        while (p < end && *p != '"' && *p != '\\') {
            p++;
        }
        wf_buf_add(out, plain, (size_t)(p - plain));
        if (p < end) {
            wf_buf_putc(out, '\\');
            wf_buf_putc(out, *p++);
        }
    }
    wf_buf_putc(out, '"');
}

void wf_store_array_add(wf_buf_t *out, const char *value)
{
    wf_store_array_add_slice(out, (wf_slice_t){value, value ? strlen(value) : 0});
}

const char *wf_store_array_end(wf_buf_t *out)
{
    if (out->len == 0) {
        wf_buf_putc(out, '{');
    }
    wf_buf_putc(out, '}');
    return out->failed ? NULL : out->data;
}
