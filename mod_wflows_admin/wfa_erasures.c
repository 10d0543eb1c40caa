#include "wfa.h"

#include "store/wf_erase_store.h"

APLOG_USE_MODULE(wflows_admin);

static wf_status_t find(wfa_call_t *call, wfa_reply_t *reply, const char *company_id)
{
    wf_json_t *doc;
    wf_status_t st = wf_erasure_find(call->ctx, &doc, call->service->store, company_id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_erasure_request(wfa_call_t *call, wfa_reply_t *reply)
{
    const char *id;
    wf_status_t st = wf_erasure_request(call->ctx, &id, call->service->store, call->company_id,
                                        call->body, &call->actor);

    if (st == WF_OK && (st = find(call, reply, id)) == WF_OK) {
        reply->http = HTTP_ACCEPTED;
    }
    return st;
}

wf_status_t wfa_erasure_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return find(call, reply, call->company_id);
}

wf_status_t wfa_erasure_show(wfa_call_t *call, wfa_reply_t *reply)
{
    return find(call, reply, call->id);
}

wf_status_t wfa_erasure_list(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc = wf_json_object_make(call->r->pool), *rows;
    wf_status_t st = wf_erasure_list(call->ctx, &rows, call->service->store);

    if (st == WF_OK) {
        wf_json_set(doc, "data", rows);
        reply->doc = doc;
    }
    return st;
}
