#include "wfa.h"

#include "service/wf_people.h"

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_api_key_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_api_keys);
}

wf_status_t wfa_api_key_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_api_key_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_api_key_create(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_giver_t giver = {call->who, &call->actor};
    const char *text;
    wf_json_t *doc;
    wf_status_t st = wf_api_key_issue(call->ctx, &doc, &text, call->service, call->company_id,
                                      call->body, &giver);

    if (st == WF_OK) {
        wf_json_set_str(doc, "key", text);
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", call->company_id, "/api-keys/",
                                      wf_json_get_str(doc, "id", ""), NULL));
    }
    return st;
}

wf_status_t wfa_api_key_regenerate(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_giver_t giver = {call->who, &call->actor};
    const char *text;
    wf_json_t *doc;
    wf_status_t st = wf_api_key_reissue(call->ctx, &doc, &text, call->service, call->company_id,
                                        call->id, &giver);

    if (st == WF_OK) {
        wf_json_set_str(doc, "key", text);
    }
    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_api_key_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_api_key_revoke(call->ctx, call->service->store, call->company_id, call->id,
                             &call->actor);
}
