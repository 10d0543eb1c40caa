#include "store/wf_outbox_store.h"
#include "store/wf_store_int.h"

#include <stdlib.h>
#include <string.h>

#define NIL_UUID "00000000-0000-0000-0000-000000000000"
/* A result is at most a reply in base64 and some words. */
#define RESULT_MAX ((size_t)WF_BASE64_LEN(WF_OUTBOX_REPLY_MAX) + 4096)
#define ERROR_MAX 500

/* ---- claiming --------------------------------------------------------------------------- */

enum {
    COMPANY,
    ID,
    ENDPOINT,
    EVENT_TYPE,
    PAYLOAD,
    ATTEMPTS,
    ATTEMPTS_BEFORE,
    CREATED,
    URL,
    SECRET,
    PREVIOUS_SECRET,
    PREVIOUS_UNTIL,
    TIMEOUT,
    MAX_RETRIES,
    DATA_KEYS
};

static void read_row(wf_outbox_row_t *row, const wf_pg_result_t *res, int i, const char *lease)
{
    const char *endpoint = wf_pg_cell(res, i, ENDPOINT);

    memset(row, 0, sizeof(*row));
    row->company_id = wf_pg_cell(res, i, COMPANY);
    row->id = wf_pg_cell(res, i, ID);
    row->account_id = endpoint && strcmp(endpoint, NIL_UUID) != 0 ? endpoint : NULL;
    row->event_type = wf_pg_cell(res, i, EVENT_TYPE);
    row->payload = wf_pg_cell(res, i, PAYLOAD);
    row->payload_len = wf_pg_cell_len(res, i, PAYLOAD);
    row->attempts = (int)wf_store_int(res, i, ATTEMPTS);
    row->attempts_before = (int)wf_store_int(res, i, ATTEMPTS_BEFORE);
    row->created_at = wf_store_int(res, i, CREATED);
    row->lease = lease;
    row->url = wf_pg_cell(res, i, URL);
    row->secret = wf_pg_cell(res, i, SECRET);
    row->previous_secret = wf_pg_cell(res, i, PREVIOUS_SECRET);
    row->previous_until = wf_store_int(res, i, PREVIOUS_UNTIL);
    row->timeout_ms = (int)wf_store_int(res, i, TIMEOUT);
    row->max_retries =
        wf_pg_cell(res, i, MAX_RETRIES) ? (int)wf_store_int(res, i, MAX_RETRIES) : -1;
    row->data_keys = wf_pg_cell(res, i, DATA_KEYS);
}

static const char *number(apr_pool_t *pool, int64_t n)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)n);
}

static const char *skip_array(wf_ctx_t *ctx, const wf_outbox_claim_t *claim)
{
    wf_buf_t out;
    int i;

    wf_buf_init(&out, ctx->pool, 256, (size_t)(claim->skip_count + 1) * 128);
    for (i = 0; i < claim->skip_count; i++) {
        wf_store_array_add(&out, claim->skip_endpoints[i]);
    }
    return wf_store_array_end(&out);
}

wf_status_t wf_outbox_claim(wf_ctx_t *ctx, wf_outbox_row_t **rows, int *count,
                            const wf_store_t *store, const wf_outbox_claim_t *claim)
{
    wf_outbox_cursor_t *cursor = claim->cursor;
    char unique[WF_UUID_LEN + 1];
    wf_pg_param_t params[8];
    wf_pg_result_t *res;
    const char *lease;
    wf_status_t st;
    int i, n;

    *rows = NULL;
    *count = 0;
    if ((st = wf_uuid_v7(ctx, unique)) != WF_OK) {
        return st;
    }
    lease = apr_pstrcat(ctx->pool, claim->owner, "/", unique, NULL);
    params[0] = claim->consumer;
    params[1] = lease;
    params[2] = number(ctx->pool, apr_time_as_msec(claim->lease));
    params[3] = apr_itoa(ctx->pool, claim->max);
    params[4] = apr_itoa(ctx->pool, claim->max_per_endpoint);
    params[5] = cursor->company_id[0] ? cursor->company_id : NIL_UUID;
    params[6] = cursor->endpoint[0] ? cursor->endpoint : NIL_UUID;
    params[7] = skip_array(ctx, claim);
    if ((st = wf_store_query_plain(ctx, &res, store, WF_SQL_OUTBOX_CLAIM, params)) != WF_OK) {
        return st;
    }
    n = wf_pg_rows(res) - 1; /* the last is the cursor */
    if (n < 0) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0460) "outbox_claim answered nothing");
    }
    apr_cpystrn(cursor->company_id, wf_pg_cell(res, n, COMPANY), sizeof(cursor->company_id));
    apr_cpystrn(cursor->endpoint, wf_pg_cell(res, n, ENDPOINT), sizeof(cursor->endpoint));
    *rows = apr_palloc(ctx->pool, (size_t)(n + 1) * sizeof(**rows));
    for (i = 0; i < n; i++) {
        read_row(&(*rows)[i], res, i, lease);
    }
    *count = n;
    return WF_OK;
}

/* ---- finishing -------------------------------------------------------------------------- */

/* In an order that is the same for every worker: the tenant is entered once for each company, and two
 * transactions never wait for each other's rows in a circle. */
static int compare_rows(const wf_outbox_row_t *a, const wf_outbox_row_t *b)
{
    int order = strcmp(a->company_id, b->company_id);

    return order ? order : strcmp(a->id, b->id);
}

static int compare_results(const void *a, const void *b)
{
    return compare_rows((*(wf_outbox_result_t *const *)a)->row,
                        (*(wf_outbox_result_t *const *)b)->row);
}

static int compare_row_pointers(const void *a, const void *b)
{
    return compare_rows(*(const wf_outbox_row_t *const *)a, *(const wf_outbox_row_t *const *)b);
}

static void add_row(wf_buf_t *out, const wf_outbox_row_t *row)
{
    wf_store_array_add(out, row->company_id);
    wf_store_array_add(out, row->id);
    wf_store_array_add(out, row->lease);
}

static void add_result(wf_ctx_t *ctx, wf_buf_t *out, const wf_outbox_result_t *r)
{
    static const char *const outcomes[] = {
        [WF_OUTBOX_DONE] = "done", [WF_OUTBOX_RETRY] = "retry", [WF_OUTBOX_DEAD] = "dead"};
    size_t len = r->reply_len < WF_OUTBOX_REPLY_MAX ? r->reply_len : WF_OUTBOX_REPLY_MAX;

    add_row(out, r->row);
    wf_store_array_add(out, outcomes[r->outcome]);
    wf_store_array_add(
        out, r->outcome == WF_OUTBOX_RETRY ? number(ctx->pool, r->next_attempt_at) : NULL);
    wf_store_array_add(out, number(ctx->pool, r->started_at));
    wf_store_array_add(out, number(ctx->pool, apr_time_as_msec(r->took)));
    wf_store_array_add(out, r->status_code ? apr_itoa(ctx->pool, r->status_code) : NULL);
    wf_store_array_add(out, r->error ? apr_pstrndup(ctx->pool, r->error, ERROR_MAX) : NULL);
    wf_store_array_add(out, len > 0 ? wf_base64(ctx->pool, r->reply, len) : NULL);
}

wf_status_t wf_outbox_finish(wf_ctx_t *ctx, const wf_store_t *store, wf_outbox_result_t *results,
                             int count)
{
    wf_outbox_result_t **sorted = apr_palloc(ctx->pool, (size_t)(count + 1) * sizeof(*sorted));
    wf_pg_param_t params[1];
    wf_pg_result_t *res;
    wf_status_t st;
    wf_buf_t out;
    int64_t n;
    int i;

    for (i = 0; i < count; i++) {
        sorted[i] = &results[i];
        sorted[i]->lost = 0;
    }
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_results);
    wf_buf_init(&out, ctx->pool, 512, (size_t)(count + 1) * RESULT_MAX);
    for (i = 0; i < count; i++) {
        add_result(ctx, &out, sorted[i]);
    }
    params[0] = wf_store_array_end(&out);
    if (!params[0]) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0461) "results of deliveries are too long");
    }
    if ((st = wf_store_query_plain(ctx, &res, store, WF_SQL_OUTBOX_FINISH, params)) != WF_OK) {
        return st;
    }
    for (i = 0; i < wf_pg_rows(res); i++) {
        if (wf_parse_int(&n, wf_pg_cell(res, i, 0), 0, count - 1)) {
            sorted[n]->lost = 1;
        }
    }
    return WF_OK;
}

wf_status_t wf_outbox_release(wf_ctx_t *ctx, const wf_store_t *store,
                              const wf_outbox_row_t *const *rows, int count)
{
    const wf_outbox_row_t **sorted = apr_palloc(ctx->pool, (size_t)(count + 1) * sizeof(*sorted));
    wf_pg_param_t params[1];
    wf_pg_result_t *res;
    wf_buf_t out;
    int i;

    memcpy(sorted, rows, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_row_pointers);
    wf_buf_init(&out, ctx->pool, 512, (size_t)(count + 1) * 1024);
    for (i = 0; i < count; i++) {
        add_row(&out, sorted[i]);
    }
    params[0] = wf_store_array_end(&out);
    if (!params[0]) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0462) "rows to release are too many");
    }
    return wf_store_query_plain(ctx, &res, store, WF_SQL_OUTBOX_RELEASE, params);
}

/* ---- the rest --------------------------------------------------------------------------- */

wf_status_t wf_outbox_wake(wf_ctx_t *ctx, const wf_store_t *store)
{
    wf_pg_result_t *res;

    return wf_store_query_plain(ctx, &res, store, WF_SQL_OUTBOX_WAKE, NULL);
}

wf_pg_listener_t *wf_outbox_listener_make(apr_pool_t *pool, const wf_store_t *store)
{
    return wf_pg_listener_make(pool, store->pg, wf_sql(WF_SQL_OUTBOX_LISTEN));
}

wf_status_t wf_outbox_depth(wf_ctx_t *ctx, wf_outbox_depth_t *out, const wf_store_t *store,
                            const char *consumer)
{
    const wf_pg_param_t params[] = {consumer};
    wf_pg_result_t *res;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_OUTBOX_DEPTH, params);
    if (st == WF_OK) {
        out->depth = wf_store_int(res, 0, 0);
        out->oldest_due_at = wf_store_int(res, 0, 1);
    }
    return st;
}
