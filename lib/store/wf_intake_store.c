#include "store/wf_store_int.h"

#include <string.h>

/* Payloads are bounded by the parser, each backslash in them is doubled. */
#define COLUMN_MAX ((size_t)64 * 1024 * 1024)
#define COLUMNS 16
#define PAYLOAD 3
#define RESPONSE 14
/* Two POSTs that complete the same sessions, or a group of steps, may wait for each other in a
 * circle: PostgreSQL ends one of them. */
#define TRIES 3

wf_status_t wf_webhook_secrets_load(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                                    const char *company_id, int max)
{
    const wf_pg_param_t params[] = {company_id, apr_itoa(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st;

    *array = NULL;
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_WEBHOOK_SECRETS, params);
    return st == WF_OK ? wf_store_json(ctx, array, res, 0, 0) : st;
}

static const char *kind_name(wf_wa_kind_t kind)
{
    static const char *const names[WF_WA_KIND_COUNT] = {
        [WF_WA_MESSAGE] = "message",       [WF_WA_STATUS] = "status", [WF_WA_FLOW] = "flow",
        [WF_WA_PREFERENCE] = "preference", [WF_WA_OTHER] = "other",   [WF_WA_UNKNOWN] = "unknown"};

    return names[kind];
}

/* In the order of wflows.intake's parameters. */
static void columns_of(wf_ctx_t *ctx, const wf_intake_row_t *row, wf_slice_t out[COLUMNS])
{
    const wf_wa_event_t *e = row->event;
    const char *at =
        e->at > 0 ? apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, (apr_int64_t)e->at) : NULL;
    const char *const texts[COLUMNS] = {kind_name(e->kind),
                                        e->event_type,
                                        e->dedup_key,
                                        NULL,
                                        e->waba_id,
                                        e->phone_number_id,
                                        at,
                                        e->message_id,
                                        e->context_id,
                                        e->contact,
                                        e->status,
                                        e->kind == WF_WA_FLOW ? e->flow_id : e->category,
                                        row->token_hash,
                                        e->flow_token,
                                        NULL,
                                        row->files};
    int i;

    for (i = 0; i < COLUMNS; i++) {
        out[i] = (wf_slice_t){texts[i], texts[i] ? strlen(texts[i]) : 0};
    }
    out[PAYLOAD] = e->payload;
    if (e->is_flow_reply) {
        out[RESPONSE] = e->response_text;
    }
}

static wf_status_t params_of(wf_ctx_t *ctx, wf_pg_param_t *params, const wf_intake_row_t *rows,
                             int count)
{
    wf_buf_t columns[COLUMNS];
    wf_slice_t values[COLUMNS];
    int i, j;

    for (j = 0; j < COLUMNS; j++) {
        wf_buf_init(&columns[j], ctx->pool, 64 + 32 * (size_t)count, COLUMN_MAX);
    }
    for (i = 0; i < count; i++) {
        columns_of(ctx, &rows[i], values);
        for (j = 0; j < COLUMNS; j++) {
            wf_store_array_add_slice(&columns[j], values[j]);
        }
    }
    for (j = 0; j < COLUMNS; j++) {
        params[j] = wf_store_array_end(&columns[j]);
        if (!params[j]) {
            return wf_fail(ctx, WF_EINTERNAL,
                           WFLOGNO(0440) "the events of one POST are over %d MiB",
                           (int)(COLUMN_MAX >> 20));
        }
    }
    return WF_OK;
}

static void read_outcomes(wf_ctx_t *ctx, apr_array_header_t *completed, wf_intake_row_t *rows,
                          int count, const wf_pg_result_t *res)
{
    int64_t number;
    int i;

    for (i = 0; i < wf_pg_rows(res); i++) {
        const char *outcome = wf_pg_cell(res, i, 1), *hash = wf_pg_cell(res, i, 2);
        if (!outcome || !wf_parse_int(&number, wf_pg_cell(res, i, 0), 0, count - 1)) {
            continue;
        }
        rows[number].outcome = strcmp(outcome, "stored") == 0     ? WF_INTAKE_STORED
                               : strcmp(outcome, "unrouted") == 0 ? WF_INTAKE_UNROUTED
                                                                  : WF_INTAKE_DUPLICATE;
        if (hash) {
            APR_ARRAY_PUSH(completed, const char *) = apr_pstrdup(ctx->pool, hash);
        }
    }
}

wf_status_t wf_intake_save(wf_ctx_t *ctx, apr_array_header_t **completed, const wf_store_t *store,
                           const char *company_id, const char *named_account, wf_intake_row_t *rows,
                           int count)
{
    wf_pg_param_t params[2 + COLUMNS] = {company_id, named_account};
    wf_pg_result_t *res;
    wf_status_t st = params_of(ctx, params + 2, rows, count);
    int tries = TRIES;

    *completed = apr_array_make(ctx->pool, 4, sizeof(const char *));
    if (st != WF_OK) {
        return st;
    }
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_INTAKE, params);
    while (st == WF_ECONFLICT && --tries > 0) {
        wf_ctx_clear(ctx);
        st = wf_store_query_plain(ctx, &res, store, WF_SQL_INTAKE, params);
    }
    if (st == WF_OK && wf_pg_rows(res) != count) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0441) "intake answered %d rows for %d events",
                       wf_pg_rows(res), count);
    }
    if (st == WF_OK) {
        read_outcomes(ctx, *completed, rows, count, res);
    }
    return st;
}
