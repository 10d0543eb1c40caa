#include "store/wf_erase_store.h"
#include "store/wf_audit_store.h"
#include "store/wf_store_int.h"

#include <string.h>

/* Of one transaction. */
#define ROWS_MAX 2000
#define ROUNDS_MAX 20
#define AUDIT_MAX 100000

static const char *number(apr_pool_t *pool, int64_t n)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)n);
}

/* ---- asking for it ---------------------------------------------------------------------- */

static const wf_field_t fields[] = {
    {"confirm", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 63, NULL, NULL},
};

static wf_status_t check_request(wf_ctx_t *ctx, wf_change_t *change, const char *confirm,
                                 const char *status)
{
    if (strcmp(confirm, change->slug) != 0) {
        wf_fault_add(ctx, "/confirm", "the slug of the company expected");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0726) "%s", wf_faults_text(ctx));
    }
    if (strcmp(status, "erasing") == 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "erasure_running",
                            WFLOGNO(0727) "the company is being erased already");
    }
    return WF_OK;
}

static wf_status_t request(wf_ctx_t *ctx, wf_change_t *change, const char *company,
                           const char *confirm)
{
    wf_audit_t row = {NULL, WF_AUDIT_ERASURE, "company", NULL, NULL, NULL, NULL};
    wf_pg_param_t params[] = {wf_store_uuid(company), company, NULL};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ERASURE_COMPANY, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0728) "no such company");
    }
    change->company_id = row.company_id = row.resource_id = wf_pg_cell(res, 0, 0);
    change->slug = wf_pg_cell(res, 0, 1);
    change->four_eyes = strcmp(wf_pg_cell(res, 0, 3), "t") == 0;
    if ((st = check_request(ctx, change, confirm, wf_pg_cell(res, 0, 2))) != WF_OK ||
        (st = wf_change_approve(ctx, change)) != WF_OK) {
        return st;
    }
    params[0] = change->company_id;
    params[1] = change->slug;
    params[2] = change->actor->actor;
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ERASURE_ADD, params)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ERASURE_STOP, params)) != WF_OK) {
        return st;
    }
    change->touched = 1;
    wf_change_forget_auth(change, "*");
    wf_change_forget_auth(change, "*");
    row.metadata = wf_approval_metadata(ctx->pool, change->actor);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

wf_status_t wf_erasure_request(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                               const char *company, const wf_json_t *body,
                               const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_fields_check(ctx, fields, sizeof(fields) / sizeof(fields[0]), body, 1);

    *id = NULL;
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin_platform(ctx, &change, store, NULL, NULL, actor);
    if (st == WF_OK) {
        st = request(ctx, &change, company, wf_json_get_str(body, "confirm", ""));
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = apr_pstrdup(ctx->pool, change.company_id);
        wf_log(ctx, WF_LOG_NOTICE, WFLOGNO(0729) "company %s is being erased, as %s wants", *id,
               actor->actor);
    }
    return st;
}

wf_status_t wf_erasure_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                            const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st = WF_ENOTFOUND;

    *doc = NULL;
    if (wf_store_uuid(company_id)) {
        st = wf_store_query_platform(ctx, &res, store, WF_SQL_ERASURE_FIND, params);
    }
    if (st == WF_ENOTFOUND || (st == WF_OK && wf_pg_rows(res) == 0)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0730) "no erasure of this company is known");
    }
    return st == WF_OK ? wf_store_json(ctx, doc, res, 0, 0) : st;
}

wf_status_t wf_erasure_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_ERASURE_LIST, NULL);

    *array = NULL;
    return st == WF_OK ? wf_store_json(ctx, array, res, 0, 0) : st;
}

/* ---- the job ---------------------------------------------------------------------------- */

wf_status_t wf_erasures_open(wf_ctx_t *ctx, apr_array_header_t **out, const wf_store_t *store,
                             int max)
{
    const wf_pg_param_t params[] = {number(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_ERASURES_OPEN, params);
    int i, rows = st == WF_OK ? wf_pg_rows(res) : 0;

    *out = apr_array_make(ctx->pool, rows, sizeof(wf_erasure_t));
    for (i = 0; i < rows; i++) {
        APR_ARRAY_PUSH(*out, wf_erasure_t) =
            (wf_erasure_t){wf_pg_cell(res, i, 0),      wf_pg_cell(res, i, 1),
                           wf_pg_cell(res, i, 2),      wf_store_int(res, i, 3),
                           wf_store_int(res, i, 4),    wf_store_int(res, i, 5)};
    }
    return st;
}

wf_status_t wf_erasure_advance(wf_ctx_t *ctx, const wf_store_t *store, const wf_erasure_t *erasure,
                               const char *step, const char *what, int64_t count)
{
    const wf_pg_param_t params[] = {erasure->company_id, erasure->step, step, what,
                                    number(ctx->pool, count)};
    wf_pg_result_t *res;

    return wf_store_query_platform(ctx, &res, store, WF_SQL_ERASURE_ADVANCE, params);
}

wf_status_t wf_erase_rows(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                          const wf_erasure_t *erasure, int max)
{
    const wf_pg_param_t params[] = {erasure->company_id, number(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_ERASE_ROWS, params);

    *done = st == WF_OK ? (int)wf_store_int(res, 0, 0) : 0;
    return st;
}

wf_status_t wf_erase_audit(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                           const wf_erasure_t *erasure, int max)
{
    const wf_pg_param_t params[] = {erasure->company_id, number(ctx->pool, erasure->audit_seq),
                                    number(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_ERASE_AUDIT, params);

    *done = st == WF_OK ? (int)wf_store_int(res, 0, 0) : 0;
    return st;
}

/* ---- the end ---------------------------------------------------------------------------- */

/* Rows that came after their table was done. */
static wf_status_t erase_late_rows(wf_ctx_t *ctx, int *left, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id, APR_STRINGIFY(ROWS_MAX)};
    wf_pg_result_t *res;
    wf_status_t st = WF_OK;
    int round = 0;

    do {
        if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ERASE_ROWS, params)) == WF_OK) {
            *left = (int)wf_store_int(res, 0, 0);
        }
    } while (st == WF_OK && *left > 0 && ++round < ROUNDS_MAX);
    return st;
}

static wf_status_t erase_company(wf_ctx_t *ctx, wf_change_t *change, const wf_erasure_t *erasure)
{
    wf_audit_t row = {change->company_id, "company.erased", "company", change->company_id, NULL,
                      NULL, NULL};
    const wf_pg_param_t company[] = {change->company_id};
    const wf_pg_param_t audit[] = {change->company_id, number(ctx->pool, erasure->audit_seq),
                                   APR_STRINGIFY(AUDIT_MAX)};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ERASE_AUDIT, audit)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ERASE_KEYS, company)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ERASE_REPLIES, company)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ERASE_COMPANY, company)) != WF_OK) {
        return st;
    }
    row.metadata = wf_pg_cell(res, 0, 0);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

wf_status_t wf_erase_company(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                             const wf_erasure_t *erasure, const wf_actor_t *actor)
{
    const wf_pg_param_t company[] = {erasure->company_id};
    wf_change_t change;
    wf_pg_result_t *res;
    int left = 0;
    wf_status_t st = wf_change_begin_platform(ctx, &change, store, erasure->company_id,
                                              erasure->slug, actor);

    if (st == WF_OK) {
        st = wf_change_exec(ctx, &res, &change, WF_SQL_ERASE_LOCK, company);
    }
    if (st == WF_OK) {
        st = erase_late_rows(ctx, &left, &change);
    }
    if (st == WF_OK && left == 0) {
        st = erase_company(ctx, &change, erasure);
    }
    st = wf_change_end(ctx, &change, st);
    *done = st == WF_OK && left == 0;
    return st;
}

static wf_status_t finish(wf_ctx_t *ctx, wf_change_t *change, apr_time_t at, const char *report)
{
    wf_audit_t row = {NULL, "company.erased", "company", change->company_id, NULL, NULL, NULL};
    const wf_pg_param_t params[] = {change->company_id, number(ctx->pool, at), report};
    wf_json_t *metadata = wf_json_object_make(ctx->pool);
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_ERASURE_FINISH, params);

    if (st != WF_OK || wf_pg_affected(res) == 0) {
        return st;
    }
    wf_json_set_str(metadata, "report_sha256", wf_sha256_hex(ctx->pool, report, strlen(report)));
    row.metadata = wf_json_text(ctx->pool, metadata, NULL);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

wf_status_t wf_erasure_finish(wf_ctx_t *ctx, const wf_store_t *store, const wf_erasure_t *erasure,
                              apr_time_t at, const char *report, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin_platform(ctx, &change, store, erasure->company_id,
                                              erasure->slug, actor);

    if (st == WF_OK) {
        st = finish(ctx, &change, at, report);
    }
    return wf_change_end(ctx, &change, st);
}
