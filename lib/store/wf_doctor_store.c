#include "store/wf_store_int.h"

wf_status_t wf_database_report(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store)
{
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_DATABASE_REPORT, NULL);
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}
