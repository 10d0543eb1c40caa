#include "store/wf_store_int.h"

/* The first cell of a one-row answer; NULL in it is a miss, of which nothing is recorded: unknown
 * slugs are what the internet sends. */
static wf_status_t take_text(const char **text, size_t *len, const wf_pg_result_t *res)
{
    *text = wf_pg_rows(res) == 1 ? wf_pg_cell(res, 0, 0) : NULL;
    *len = *text ? wf_pg_cell_len(res, 0, 0) : 0;
    return *text ? WF_OK : WF_ENOTFOUND;
}

wf_status_t wf_tenant_record_load(wf_ctx_t *ctx, const char **text, size_t *len,
                                  const wf_store_t *store, const char *slug, const char *account)
{
    const wf_pg_param_t params[] = {slug, account};
    wf_pg_result_t *res;
    wf_status_t st;

    *text = NULL;
    *len = 0;
    /* What cannot name anything costs no query. */
    if (!wf_slug_is(slug) || (account && !wf_uuid_is(account) && !wf_form_is_meta_id(account))) {
        return WF_ENOTFOUND;
    }
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_TENANT_RECORD, params);
    return st == WF_OK ? take_text(text, len, res) : st;
}

wf_status_t wf_tenant_others_load(wf_ctx_t *ctx, const char **text, size_t *len,
                                  const wf_store_t *store, const char *company_id,
                                  const char *except_account_id)
{
    const wf_pg_param_t params[] = {company_id, except_account_id};
    wf_pg_result_t *res;
    wf_status_t st;

    *text = NULL;
    *len = 0;
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_TENANT_OTHERS, params);
    return st == WF_OK ? take_text(text, len, res) : st;
}
