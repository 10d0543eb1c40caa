#include "store/wf_audit_store.h"
#include "store/wf_list.h"
#include "store/wf_store_int.h"

#define RECENT_MAX 1000

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_AUDIT_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_AUDIT_PAGE_OLDEST, 0},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {{"action", WF_FILTER_TEXT, NULL},
                                      {"actor", WF_FILTER_TEXT, NULL},
                                      {"resource_type", WF_FILTER_TEXT, NULL},
                                      {"resource_id", WF_FILTER_TEXT, NULL},
                                      {"from", WF_FILTER_TIME, NULL},
                                      {"to", WF_FILTER_TIME, NULL},
                                      {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_audit = {sorts, filters, 1};

wf_status_t wf_audit_add(wf_ctx_t *ctx, wf_pg_conn_t *conn, const wf_audit_t *row,
                         const wf_actor_t *actor)
{
    char id[WF_UUID_LEN + 1];
    const wf_pg_param_t params[] = {row->company_id ? row->company_id : WF_AUDIT_PLATFORM,
                                    id,
                                    wf_store_uuid(actor->user_id),
                                    actor->actor,
                                    row->action,
                                    row->resource_type,
                                    row->resource_id,
                                    actor->ip_address,
                                    actor->user_agent,
                                    ctx->request_id,
                                    row->old_values,
                                    row->new_values,
                                    row->metadata};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_uuid_v7(ctx, id)) != WF_OK) {
        return st;
    }
    return wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_AUDIT_ADD), params);
}

wf_status_t wf_audit_write(wf_ctx_t *ctx, const wf_store_t *store, const wf_audit_t *row,
                           const wf_actor_t *actor)
{
    wf_pg_conn_t *conn;
    wf_status_t st = wf_pg_acquire(ctx, &conn, store->pg);

    if (st != WF_OK) {
        return st;
    }
    if ((st = wf_pg_begin(ctx, conn, row->company_id)) == WF_OK &&
        (st = wf_audit_add(ctx, conn, row, actor)) == WF_OK) {
        st = wf_pg_commit(ctx, conn);
    }
    wf_pg_release(store->pg, conn);
    return st;
}

wf_status_t wf_audit_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                          const char *company_id, const char *id)
{
    const wf_pg_param_t params[] = {company_id, id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_AUDIT_GET, params);

    *doc = NULL;
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0734) "no such audit row");
    }
    return st == WF_OK ? wf_store_json(ctx, doc, res, 0, 0) : st;
}

wf_status_t wf_audit_refusal(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *route, const wf_actor_t *actor)
{
    char id[WF_UUID_LEN + 1];
    const wf_pg_param_t params[] = {company_id ? company_id : WF_AUDIT_PLATFORM,
                                    id,
                                    wf_store_uuid(actor->user_id),
                                    actor->actor,
                                    route,
                                    actor->ip_address,
                                    actor->user_agent,
                                    ctx->request_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_uuid_v7(ctx, id);

    if (st != WF_OK) {
        return st;
    }
    return company_id ? wf_store_query(ctx, &res, store, company_id, WF_SQL_AUDIT_REFUSAL, params)
                      : wf_store_query_platform(ctx, &res, store, WF_SQL_AUDIT_REFUSAL, params);
}

wf_status_t wf_audit_recent(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id, const char *action, int limit)
{
    const wf_pg_param_t params[] = {
        company_id, action,
        apr_psprintf(ctx->pool, "%d", limit < 1 || limit > RECENT_MAX ? RECENT_MAX : limit)};

    return wf_store_document_platform(ctx, array, store, WF_SQL_AUDIT_RECENT, params);
}
