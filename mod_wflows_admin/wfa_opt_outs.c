/* People who asked to be left alone. */
#include "wfa.h"

#include "store/wf_manage_store.h"

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_opt_out_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_opt_outs);
}

wf_status_t wfa_opt_out_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_opt_out_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_opt_out_create(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_opt_out_add(call->ctx, &doc, call->service->store, call->company_id,
                                    call->body, &call->actor);

    if (st == WF_OK) {
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", call->company_id, "/opt-outs/",
                                      wf_json_get_str(doc, "id", ""), NULL));
    }
    return st;
}

wf_status_t wfa_opt_out_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_opt_out_take_back(call->ctx, call->service->store, call->company_id, call->id,
                                &call->actor);
}

wf_status_t wfa_opt_out_import(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_opt_out_import_t *import =
        wf_opt_out_import(call->ctx, call->service->store, call->company_id);
    wf_status_t read = wfa_input_stream(call, reply, wf_opt_out_import_bytes, import);
    wf_status_t st = wf_opt_out_import_end(call->ctx, &reply->doc, import, &call->actor);

    return read == WF_OK ? st : read;
}
