#include "wfa.h"

#include "service/wf_people.h"

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_user_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_users);
}

wf_status_t wfa_user_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_user_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_user_create(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_giver_t giver = {call->who, &call->actor};
    wf_json_t *doc;
    wf_status_t st =
        wf_user_add(call->ctx, &doc, call->service, call->company_id, call->body, &giver);

    if (st == WF_OK) {
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", call->company_id, "/users/",
                                      wf_json_get_str(doc, "id", ""), NULL));
    }
    return st;
}

static wf_status_t change(wfa_call_t *call, wfa_reply_t *reply, int whole)
{
    wf_giver_t giver = {call->who, &call->actor};
    wf_json_t *doc;
    wf_status_t st = wf_user_change(call->ctx, &doc, call->service, call->company_id, call->id,
                                    call->body, whole, &giver);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_user_replace(wfa_call_t *call, wfa_reply_t *reply)
{
    return change(call, reply, 1);
}

wf_status_t wfa_user_update(wfa_call_t *call, wfa_reply_t *reply)
{
    return change(call, reply, 0);
}

wf_status_t wfa_user_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_user_remove(call->ctx, call->service->store, call->company_id, call->id,
                          &call->actor);
}
