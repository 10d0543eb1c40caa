#include "wfa.h"

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_company_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_companies);
}

wf_status_t wfa_company_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_company_find(call->ctx, &doc, call->service->store, call->company_id);

    return wfa_found(call, reply, st, doc);
}
