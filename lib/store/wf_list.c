#include "store/wf_list.h"

#include "store/wf_store_int.h"

#include <string.h>

#define PARAMS_FIXED 4 /* company, rows, two of the cursor */
#define EACH_ROWS 500
#define CURSOR_MAX 2048
#define FILTER_TEXT_MAX 256
#define PAGE_MAX (16 * 1024 * 1024)

/* ---- what is asked for --------------------------------------------------------------------- */

/* The value for the statement; NULL after a fault. */
static const char *filter_value(wf_ctx_t *ctx, const wf_filter_t *filter, const char *text)
{
    const char *pointer = apr_pstrcat(ctx->pool, "?", filter->name, NULL);
    size_t len = strlen(text);
    apr_time_t t;

    switch (filter->kind) {
    case WF_FILTER_WORD:
        if (wf_form_is_word(text, filter->words)) {
            return text;
        }
        wf_fault_add(ctx, pointer, "one of %s expected", filter->words);
        return NULL;
    case WF_FILTER_TEXT:
        if (len > 0 && len <= FILTER_TEXT_MAX && wf_utf8_is(text, len)) {
            return text;
        }
        wf_fault_add(ctx, pointer, "text of 1 to %d bytes expected", FILTER_TEXT_MAX);
        return NULL;
    case WF_FILTER_UUID:
        if (wf_uuid_is(text)) {
            return text;
        }
        wf_fault_add(ctx, pointer, "a UUID expected");
        return NULL;
    case WF_FILTER_TIME:
        if (wf_time_parse(&t, text)) {
            /* wflows.us_time knows no time before 1970. */
            return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT, t > 0 ? t : 1);
        }
        wf_fault_add(ctx, pointer, "a date or a time expected, e.g. 2026-03-01T10:20:30Z");
        return NULL;
    case WF_FILTER_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
            return text;
        }
        wf_fault_add(ctx, pointer, "true or false expected");
        return NULL;
    case WF_FILTER_PATH:
    case WF_FILTER_ACCOUNTS:
        return text;
    }
    return NULL;
}

static const wf_sort_t *sort_of(wf_ctx_t *ctx, const wf_list_t *list, const char *name)
{
    const wf_sort_t *sort;
    const char *names = NULL;

    if (!name) {
        return list->sorts;
    }
    for (sort = list->sorts; sort->name; sort++) {
        if (strcmp(sort->name, name) == 0) {
            return sort;
        }
        names = names ? apr_pstrcat(ctx->pool, names, " ", sort->name, NULL) : sort->name;
    }
    wf_fault_add(ctx, "?sort", "one of %s expected", names);
    return list->sorts;
}

/* A cursor is base64url of "<sort>\n<id>\n<key>": which row the page before ended with. */
static const char *cursor_of(apr_pool_t *pool, const wf_sort_t *sort, const char *key, const char *id)
{
    const char *text = apr_pstrcat(pool, sort->name, "\n", id, "\n", key, NULL);

    return wf_base64url(pool, text, strlen(text));
}

/* 1: key and id are set. Whatever it holds, it only says where to begin in what the caller may see. */
static int read_cursor(apr_pool_t *pool, const char **key, const char **id, const wf_sort_t *sort,
                       const char *cursor)
{
    size_t len = strlen(cursor);
    char *text, *at_id, *at_key;
    int64_t time;

    if (len > CURSOR_MAX) {
        return 0;
    }
    text = apr_palloc(pool, WF_BASE64_MAX(len) + 1);
    if (!wf_base64url_decode((unsigned char *)text, &len, cursor, len) || !wf_utf8_is(text, len)) {
        return 0;
    }
    text[len] = '\0';
    at_id = strchr(text, '\n');
    at_key = at_id ? strchr(at_id + 1, '\n') : NULL;
    if (!at_key) {
        return 0;
    }
    *at_id++ = '\0';
    *at_key++ = '\0';
    if (strcmp(text, sort->name) != 0 || !wf_uuid_is(at_id) ||
        (!sort->is_text && !wf_parse_int(&time, at_key, 0, INT64_MAX / 2))) {
        return 0;
    }
    *key = at_key;
    *id = at_id;
    return 1;
}

typedef struct {
    const wf_list_t *list;
    const wf_sort_t *sort;
    const char *company_id;
    int64_t limit;
    wf_pg_param_t params[PARAMS_FIXED + WF_LIST_FILTERS_MAX];
} plan_t;

static wf_status_t make_plan(wf_ctx_t *ctx, plan_t *plan, const char *company_id,
                             const wf_list_t *list, const wf_list_query_t *query)
{
    int i;

    memset(plan, 0, sizeof(*plan));
    plan->list = list;
    plan->company_id = company_id;
    plan->sort = sort_of(ctx, list, query->sort);
    plan->limit = WF_LIST_LIMIT_DEFAULT;
    plan->params[0] = company_id;
    if (query->limit && !wf_parse_int(&plan->limit, query->limit, 1, WF_LIST_LIMIT_MAX)) {
        wf_fault_add(ctx, "?limit", "a whole number from 1 to %d expected", WF_LIST_LIMIT_MAX);
    }
    if (query->cursor &&
        !read_cursor(ctx->pool, &plan->params[2], &plan->params[3], plan->sort, query->cursor)) {
        wf_fault_add(ctx, "?cursor", "a next_cursor of this list and sort expected");
    }
    for (i = 0; list->filters && list->filters[i].name; i++) {
        if (query->filters[i]) {
            plan->params[PARAMS_FIXED + i] =
                filter_value(ctx, &list->filters[i], query->filters[i]);
        }
    }
    return wf_has_faults(ctx)
               ? wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0591) "%s", wf_faults_text(ctx))
               : WF_OK;
}

wf_json_t *wf_list_asked(apr_pool_t *pool, const wf_list_t *list, const wf_list_query_t *query)
{
    wf_json_t *out = wf_json_object_make(pool);
    int i;

    for (i = 0; list->filters && list->filters[i].name; i++) {
        wf_json_set_str(out, list->filters[i].name, query->filters[i]);
    }
    wf_json_set_str(out, "sort", query->sort ? query->sort : list->sorts->name);
    return out;
}

wf_status_t wf_list_check(wf_ctx_t *ctx, const wf_list_t *list, const wf_list_query_t *query)
{
    plan_t plan;

    return make_plan(ctx, &plan, NULL, list, query);
}

static wf_status_t run(wf_ctx_t *ctx, wf_pg_result_t **res, const wf_store_t *store, plan_t *plan,
                       int64_t rows)
{
    wf_sql_id_t id = (wf_sql_id_t)plan->sort->statement;

    plan->params[1] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, rows);
    if (plan->list->platform && !plan->company_id) {
        return wf_store_query_platform(ctx, res, store, id, plan->params);
    }
    return wf_store_query(ctx, res, store, plan->company_id, id, plan->params);
}

/* ---- a row --------------------------------------------------------------------------------- */

/* Of a row's columns. */
enum { AT_KEY, AT_ID, AT_RECORD };

/* "2026-03-01 10:20:30.12+00" as wflows.time_text has it: "2026-03-01T10:20:30.120000Z". */
static void write_time(wf_buf_t *out, const char *text, size_t len)
{
    size_t digits = len > 20 && text[19] == '.' ? strspn(text + 20, "0123456789") : 0;

    wf_buf_putc(out, '"');
    wf_buf_add(out, text, 10);
    wf_buf_putc(out, 'T');
    wf_buf_add(out, text + 11, 8);
    wf_buf_putc(out, '.');
    wf_buf_add(out, text + 20, digits);
    wf_buf_add(out, "000000", 6 - digits);
    wf_buf_add(out, "Z\"", 2);
}

static void write_cell(wf_buf_t *out, const wf_pg_result_t *res, int row, int column)
{
    const char *text = wf_pg_cell(res, row, column);
    size_t len = wf_pg_cell_len(res, row, column);

    if (!text) {
        wf_buf_add(out, "null", 4);
        return;
    }
    switch (wf_pg_column_kind(res, column)) {
    case WF_PG_NUMBER:
    case WF_PG_JSON:
        wf_buf_add(out, text, len);
        break;
    case WF_PG_BOOL:
        wf_buf_puts(out, *text == 't' ? "true" : "false");
        break;
    case WF_PG_TIME:
        write_time(out, text, len);
        break;
    case WF_PG_TEXT:
        wf_json_write_str(out, text, len);
        break;
    }
}

/* The names are columns of our own statements: nothing in them has to be escaped. */
static void write_record(wf_buf_t *out, const wf_pg_result_t *res, int row)
{
    int columns = wf_pg_columns(res), i;

    if (columns == AT_RECORD + 1) {
        wf_buf_add(out, wf_pg_cell(res, row, AT_RECORD), wf_pg_cell_len(res, row, AT_RECORD));
        return;
    }
    for (i = AT_RECORD; i < columns; i++) {
        wf_buf_puts(out, i == AT_RECORD ? "{\"" : ",\"");
        wf_buf_puts(out, wf_pg_column_name(res, i));
        wf_buf_puts(out, "\":");
        write_cell(out, res, row, i);
    }
    wf_buf_putc(out, '}');
}

/* ---- a page -------------------------------------------------------------------------------- */

/* The rows' texts as they came: nothing is parsed. One row more than the page tells that there is a next. */
static wf_status_t write_page(wf_ctx_t *ctx, wf_buf_t *out, const plan_t *plan,
                              const wf_pg_result_t *res)
{
    int rows = wf_pg_rows(res), more = rows > plan->limit, i;

    if (more) {
        rows = (int)plan->limit;
    }
    wf_buf_puts(out, "{\"data\":[");
    for (i = 0; i < rows; i++) {
        wf_buf_puts(out, i > 0 ? "," : "");
        write_record(out, res, i);
    }
    wf_buf_puts(out, "],\"next_cursor\":");
    if (more) {
        const char *cursor = cursor_of(ctx->pool, plan->sort, wf_pg_cell(res, rows - 1, AT_KEY),
                                       wf_pg_cell(res, rows - 1, AT_ID));
        wf_json_write_str(out, cursor, strlen(cursor));
    } else {
        wf_buf_puts(out, "null");
    }
    wf_buf_putc(out, '}');
    return out->failed ? wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0592) "a page of over %d bytes", PAGE_MAX)
                       : WF_OK;
}

wf_status_t wf_list_page(wf_ctx_t *ctx, const char **text, size_t *len, const wf_store_t *store,
                         const char *company_id, const wf_list_t *list,
                         const wf_list_query_t *query)
{
    wf_pg_result_t *res;
    wf_status_t st;
    wf_buf_t out;
    plan_t plan;

    *text = NULL;
    *len = 0;
    if ((st = make_plan(ctx, &plan, company_id, list, query)) != WF_OK ||
        (st = run(ctx, &res, store, &plan, plan.limit + 1)) != WF_OK) {
        return st;
    }
    wf_buf_init(&out, ctx->pool, 8192, PAGE_MAX);
    if ((st = write_page(ctx, &out, &plan, res)) == WF_OK) {
        *text = out.data;
        *len = out.len;
    }
    return st;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* One page's rows to `row`; *more: there may be another. */
static wf_status_t walk_page(wf_ctx_t *ctx, int *more, const wf_store_t *store, plan_t *plan,
                             wf_list_row_fn *row, void *baton)
{
    wf_pg_result_t *res;
    wf_status_t st = run(ctx, &res, store, plan, EACH_ROWS);
    wf_buf_t out;
    int rows, i;

    *more = 0;
    if (st != WF_OK) {
        return st;
    }
    rows = wf_pg_rows(res);
    wf_buf_init(&out, ctx->pool, 1024, PAGE_MAX);
    for (i = 0; st == WF_OK && i < rows; i++) {
        out.len = 0;
        write_record(&out, res, i);
        st = out.failed ? wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0594) "a record of over %d bytes", PAGE_MAX)
                        : row(ctx, out.data, out.len, baton);
    }
    if (st == WF_OK && rows == EACH_ROWS) {
        plan->params[2] = wf_pg_cell(res, rows - 1, AT_KEY);
        plan->params[3] = wf_pg_cell(res, rows - 1, AT_ID);
        *more = 1;
    }
    return st;
}

wf_status_t wf_list_each(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const wf_list_t *list, const wf_list_query_t *query, wf_list_row_fn *row,
                         void *baton)
{
    /* Two pools by turns: a page's cursor is what the next page is asked with. */
    apr_pool_t *pools[2];
    wf_status_t st;
    plan_t plan;
    int more = 1, turn;

    if ((st = make_plan(ctx, &plan, company_id, list, query)) != WF_OK) {
        return st;
    }
    apr_pool_create(&pools[0], ctx->pool);
    apr_pool_create(&pools[1], ctx->pool);
    for (turn = 0; st == WF_OK && more; turn = !turn) {
        wf_ctx_t *own;

        apr_pool_clear(pools[turn]);
        own = wf_ctx_derive(ctx, pools[turn]);
        st = walk_page(own, &more, store, &plan, row, baton);
        if (st != WF_OK) {
            ctx->err.status = own->err.status;
            ctx->err.detail =
                own->err.detail ? apr_pstrdup(ctx->pool, own->err.detail) : NULL;
        }
    }
    apr_pool_destroy(pools[0]);
    apr_pool_destroy(pools[1]);
    return st;
}

/* ---- one of it ----------------------------------------------------------------------------- */

wf_status_t wf_record_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_record_t *record, const char *id,
                           const char *accounts)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(id), accounts};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query(ctx, &res, store, company_id, (wf_sql_id_t)record->statement, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0696) "no such %s", record->what);
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}
