#include "wfa.h"

#include "store/wf_audit_store.h"

APLOG_USE_MODULE(wflows_admin);

static const wfa_column_t columns[] = {
    {"seq", "/seq"},
    {"created_at", "/created_at"},
    {"actor", "/actor"},
    {"user_id", "/user_id"},
    {"action", "/action"},
    {"resource_type", "/resource_type"},
    {"resource_id", "/resource_id"},
    {"ip_address", "/ip_address"},
    {"user_agent", "/user_agent"},
    {"request_id", "/request_id"},
    {"old_values", "/old_values"},
    {"new_values", "/new_values"},
    {"metadata", "/metadata"},
    {"id", "/id"},
    {"hash", "/hash"},
    {NULL, NULL}};

wf_status_t wfa_audit_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_audit);
}

wf_status_t wfa_audit_platform_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_audit);
}

wf_status_t wfa_audit_export(wfa_call_t *call, wfa_reply_t *reply)
{
    static const wfa_export_t what = {.columns = columns, .file_name = "audit-logs"};

    return wfa_export(call, reply, &wf_list_audit, &what);
}

wf_status_t wfa_audit_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_audit_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}
