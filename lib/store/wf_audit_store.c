#include "store/wf_audit_store.h"
#include "store/wf_store_int.h"

#define RECENT_MAX 1000

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

wf_status_t wf_audit_recent(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id, const char *action, int limit)
{
    const wf_pg_param_t params[] = {
        company_id, action,
        apr_psprintf(ctx->pool, "%d", limit < 1 || limit > RECENT_MAX ? RECENT_MAX : limit)};

    return wf_store_document_platform(ctx, array, store, WF_SQL_AUDIT_RECENT, params);
}
