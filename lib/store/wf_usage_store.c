#include "store/wf_store_int.h"

wf_status_t wf_usage_add(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const char *month, const char *metric, int64_t n)
{
    const wf_pg_param_t params[] = {company_id, month, metric,
                                    apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, n)};
    wf_pg_result_t *res;

    return wf_store_query(ctx, &res, store, company_id, WF_SQL_USAGE_ADD, params);
}

wf_status_t wf_usage_load(wf_ctx_t *ctx, int64_t *n, const wf_store_t *store,
                          const char *company_id, const char *month, const char *metric)
{
    const wf_pg_param_t params[] = {company_id, month, metric};
    wf_pg_result_t *res;
    wf_status_t st;

    *n = 0;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_USAGE_LOAD, params);
    if (st == WF_OK && wf_pg_rows(res) == 1) {
        *n = wf_store_int(res, 0, 0);
    }
    return st;
}
