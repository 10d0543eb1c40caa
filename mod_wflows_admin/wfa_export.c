#include "wfa.h"
#include "wfa_list_int.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* What has come of so many rows is sent at once: the first bytes do not wait for the last row. */
#define FLUSH_ROWS 500
#define LINE_MAX_BYTES (16 * 1024 * 1024)

typedef struct {
    request_rec *r;
    const wfa_column_t *columns; /* NULL: NDJSON */
    int64_t rows;
} export_t;

static wf_status_t send_bytes(wf_ctx_t *ctx, export_t *e, const char *data, size_t len)
{
    if (e->r->connection->aborted || ap_rwrite(data, (int)len, e->r) < 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(3006) "the client of an export has gone");
    }
    return WF_OK;
}

/* ---- CSV (RFC 4180)
 * ------------------------------------------------------------------------------------------------ */

/* A spreadsheet takes a text that begins so for a formula; a quote in front keeps it a text. */
static int is_formula(const char *text)
{
    return *text && strchr("=+-@\t\r", *text) != NULL;
}

static void add_field(wf_buf_t *line, const char *text, int is_text)
{
    const char *p;

    if (is_text && is_formula(text)) {
        text = apr_pstrcat(line->pool, "'", text, NULL);
    }
    if (!strpbrk(text, ",\"\r\n")) {
        wf_buf_puts(line, text);
        return;
    }
    wf_buf_putc(line, '"');
    for (p = text; *p; p++) {
        if (*p == '"') {
            wf_buf_putc(line, '"');
        }
        wf_buf_putc(line, *p);
    }
    wf_buf_putc(line, '"');
}

static void add_value(wf_buf_t *line, const wf_json_t *value)
{
    switch (wf_json_type(value)) {
    case WF_JSON_ABSENT:
    case WF_JSON_NULL:
        break;
    case WF_JSON_STRING:
        add_field(line, wf_json_str(value), 1);
        break;
    default:
        add_field(line, wf_json_text(line->pool, value, NULL), 0);
        break;
    }
}

static wf_status_t send_line(wf_ctx_t *ctx, export_t *e, wf_buf_t *line)
{
    wf_buf_puts(line, "\r\n");
    if (line->failed) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(3007) "a record of over %d bytes",
                       LINE_MAX_BYTES);
    }
    return send_bytes(ctx, e, line->data, line->len);
}

static wf_status_t send_head(wf_ctx_t *ctx, export_t *e)
{
    const wfa_column_t *column;
    wf_buf_t line;

    wf_buf_init(&line, ctx->pool, 256, LINE_MAX_BYTES);
    for (column = e->columns; column->head; column++) {
        wf_buf_puts(&line, column == e->columns ? "" : ",");
        wf_buf_puts(&line, column->head);
    }
    return send_line(ctx, e, &line);
}

static wf_status_t send_csv_row(wf_ctx_t *ctx, export_t *e, const char *doc, size_t len)
{
    const wfa_column_t *column;
    wf_json_t *row;
    wf_buf_t line;
    wf_status_t st = wf_json_parse(ctx, &row, doc, len, 256);

    if (st != WF_OK) {
        return st;
    }
    wf_buf_init(&line, ctx->pool, 512, LINE_MAX_BYTES);
    for (column = e->columns; column->head; column++) {
        wf_buf_puts(&line, column == e->columns ? "" : ",");
        add_value(&line, wf_json_pointer_get(row, column->pointer));
    }
    return send_line(ctx, e, &line);
}

/* ---- the stream
 * ------------------------------------------------------------------------------------------------ */

static wf_status_t begin(wf_ctx_t *ctx, export_t *e, const char *file_name)
{
    const char *extension = e->columns ? "csv" : "ndjson";

    ap_set_content_type(e->r, e->columns ? "text/csv; charset=utf-8; header=present"
                                         : "application/x-ndjson");
    apr_table_setn(e->r->headers_out, "Content-Disposition",
                   apr_psprintf(e->r->pool, "attachment; filename=\"%s.%s\"", file_name,
                                extension));
    apr_table_setn(e->r->err_headers_out, "Cache-Control", "no-store");
    return e->columns ? send_head(ctx, e) : WF_OK;
}

static wf_status_t send_row(wf_ctx_t *ctx, const char *doc, size_t len, void *baton)
{
    export_t *e = baton;
    wf_status_t st;

    if (e->columns) {
        st = send_csv_row(ctx, e, doc, len);
    } else {
        st = send_bytes(ctx, e, doc, len);
        st = st == WF_OK ? send_bytes(ctx, e, "\n", 1) : st;
    }
    if (st == WF_OK && ++e->rows % FLUSH_ROWS == 0 && ap_rflush(e->r) < 0) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(3008) "the client of an export has gone");
    }
    return st;
}

void wfa_break_off(request_rec *r)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->connection->keepalive = AP_CONN_CLOSE;
    APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
}

/* *csv: what ?format says, else what Accept prefers. */
static wf_status_t choose(wfa_call_t *call, int *csv)
{
    const char *format = wfa_query(call, "format");

    if (format && strcmp(format, "csv") != 0 && strcmp(format, "ndjson") != 0) {
        wf_fault_add(call->ctx, "?format", "one of csv ndjson expected");
        return wf_fail_public(call->ctx, WF_EINVALID, WFLOGNO(3009) "%s",
                              wf_faults_text(call->ctx));
    }
    *csv = format ? strcmp(format, "csv") == 0
                  : !wfa_accepts(call->r, "application/x-ndjson") && wfa_accepts(call->r, "text/csv");
    return WF_OK;
}

static wf_status_t audit(wfa_call_t *call, const wf_list_t *list, const wf_list_query_t *query,
                         const wfa_export_t *what, int csv)
{
    apr_pool_t *pool = call->ctx->pool;
    wf_json_t *metadata = wf_list_asked(pool, list, query);
    wf_audit_t row = {.company_id = wfa_list_company(call),
                      .action = what->action,
                      .resource_type = what->resource_type,
                      .resource_id = call->id};

    wf_json_set_str(metadata, "format", csv ? "csv" : "ndjson");
    row.metadata = wf_json_text(pool, metadata, NULL);
    return wf_audit_write(call->ctx, call->service->store, &row, &call->actor);
}

wf_status_t wfa_export(wfa_call_t *call, wfa_reply_t *reply, const wf_list_t *list,
                       const wfa_export_t *what)
{
    export_t e = {.r = call->r};
    wf_list_query_t query;
    wf_status_t st;
    int csv;

    if ((st = wfa_list_query(call, &query, list, 1)) != WF_OK ||
        (st = wf_list_check(call->ctx, list, &query)) != WF_OK ||
        (st = choose(call, &csv)) != WF_OK ||
        /* Before the first byte: nobody gets any of it unseen. */
        (what->action && (st = audit(call, list, &query, what, csv)) != WF_OK)) {
        return st;
    }
    e.columns = csv ? what->columns : NULL;
    call->ctx->deadline = 0;
    reply->sent = 1;
    if ((st = begin(call->ctx, &e, what->file_name)) == WF_OK) {
        st = wf_list_each(call->ctx, call->service->store, wfa_list_company(call), list, &query,
                          send_row, &e);
    }
    if (st != WF_OK) {
        wfa_break_off(call->r);
    }
    return WF_OK;
}
