#include "store/wf_store_int.h"

/* audit_logs.company_id is the first part of its key, so it cannot be NULL: the platform's own
 * rows. */
#define NO_COMPANY "00000000-0000-0000-0000-000000000000"

wf_status_t wf_audit_add(wf_ctx_t *ctx, wf_pg_conn_t *conn, const wf_audit_t *row,
                         const wf_actor_t *actor)
{
    char id[WF_UUID_LEN + 1];
    const wf_pg_param_t params[] = {row->company_id ? row->company_id : NO_COMPANY,
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
