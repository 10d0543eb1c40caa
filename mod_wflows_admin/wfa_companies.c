#include "wfa.h"

#include "store/wf_manage_store.h"

APLOG_USE_MODULE(wflows_admin);

#define NO_FILTERS ((const char *const[]){NULL})

/* ---- reading ---- */

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

/* ---- changing ---- */

wf_status_t wfa_company_create(wfa_call_t *call, wfa_reply_t *reply)
{
    const wf_conf_t *conf = &wfa_runtime()->conf;
    wf_json_t *doc;
    wf_status_t st = wf_company_sign_up(call->ctx, &doc, call->service->store, call->service->ring,
                                        call->body, conf->max_companies, conf->default_plan,
                                        &call->actor);

    if (st == WF_OK) {
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", wf_json_get_str(doc, "id", ""),
                                      NULL));
    }
    return st;
}

/* The company as it is after a change. */
static wf_status_t answer(wfa_call_t *call, wfa_reply_t *reply, wf_status_t st)
{
    return st == WF_OK ? wfa_company_get(call, reply) : st;
}

static wf_status_t edit(wfa_call_t *call, wfa_reply_t *reply, int replace)
{
    const wf_company_edit_t how = {.as_platform = call->who->role == WF_ROLE_PLATFORM_ADMIN,
                                   .replace = replace,
                                   .default_plan = wfa_runtime()->conf.default_plan};

    return answer(call, reply,
                  wf_company_edit(call->ctx, call->service->store, call->company_id, call->body,
                                  &how, &call->actor));
}

wf_status_t wfa_company_put(wfa_call_t *call, wfa_reply_t *reply)
{
    return edit(call, reply, 1);
}

wf_status_t wfa_company_patch(wfa_call_t *call, wfa_reply_t *reply)
{
    return edit(call, reply, 0);
}

wf_status_t wfa_company_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_company_remove(call->ctx, call->service->store, call->company_id, &call->actor);
}

wf_status_t wfa_company_activate(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *members = wf_json_object_make(call->r->pool);

    wf_json_set_str(members, "status", WF_STATUS_ACTIVE);
    return answer(call, reply,
                  wf_company_update(call->ctx, call->service->store, call->company_id, members,
                                    &call->actor));
}

wf_status_t wfa_company_suspend(wfa_call_t *call, wfa_reply_t *reply)
{
    return answer(call, reply,
                  wf_company_suspend(call->ctx, call->service->store, call->company_id, call->body,
                                     &call->actor));
}

/* ---- settings: a part of the company's record, and versioned with it ---- */

wf_status_t wfa_settings_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_company_find(call->ctx, &doc, call->service->store, call->company_id);

    if (st == WF_OK) {
        wfa_reply_doc(call, reply, doc);
        reply->doc = wf_settings_shown(call->r->pool, doc);
    }
    return st;
}

static wf_status_t save_settings(wfa_call_t *call, wfa_reply_t *reply, int replace)
{
    wf_status_t st = wf_settings_save(call->ctx, call->service->store, call->company_id,
                                      call->body, replace, &call->actor);

    return st == WF_OK ? wfa_settings_get(call, reply) : st;
}

wf_status_t wfa_settings_put(wfa_call_t *call, wfa_reply_t *reply)
{
    return save_settings(call, reply, 1);
}

wf_status_t wfa_settings_patch(wfa_call_t *call, wfa_reply_t *reply)
{
    return save_settings(call, reply, 0);
}

/* ---- plans ---- */

wf_status_t wfa_plan_list(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = wfa_query_check(call, NO_FILTERS);

    return st == WF_OK ? wf_plan_list(call->ctx, &reply->doc, call->service->store) : st;
}

wf_status_t wfa_plan_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_plan_find(call->ctx, &doc, call->service->store, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_plan_put(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    int made;
    wf_status_t st = wf_plan_save(call->ctx, &doc, &made, call->service->store, call->id,
                                  call->body, &call->actor);

    if (st == WF_OK && made) {
        wfa_reply_created(call, reply, doc, apr_pstrcat(call->r->pool, "/plans/", call->id, NULL));
        return st;
    }
    return wfa_found(call, reply, st, doc);
}
