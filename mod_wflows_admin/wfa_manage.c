/* What is known of a company, and its feature flags, integrations and cache. */
#include "wfa.h"

#include "service/wf_cache.h"
#include "store/wf_manage_store.h"

APLOG_USE_MODULE(wflows_admin);

/* ---- reports ---- */

typedef wf_status_t report_fn(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id);

/* A document without parameters and version. */
static wf_status_t report(wfa_call_t *call, wfa_reply_t *reply, report_fn *fn)
{
    static const char *const none[] = {NULL};
    wf_status_t st = wfa_query_check(call, none);

    return st == WF_OK ? fn(call->ctx, &reply->doc, call->service->store, call->company_id) : st;
}

wf_status_t wfa_company_statistics(wfa_call_t *call, wfa_reply_t *reply)
{
    return report(call, reply, wf_company_statistics);
}

wf_status_t wfa_company_onboarding(wfa_call_t *call, wfa_reply_t *reply)
{
    return report(call, reply, wf_company_onboarding);
}

wf_status_t wfa_usage_get(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"by", "from", "to", NULL};
    wf_status_t st = wfa_query_check(call, names);

    return st == WF_OK ? wf_usage_report(call->ctx, &reply->doc, call->service->store,
                                         call->company_id, wfa_query(call, "by"),
                                         wfa_query(call, "from"), wfa_query(call, "to"))
                       : st;
}

/* ---- cache ---- */

wf_status_t wfa_cache_clear(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_cache_clear(call->ctx, &reply->doc, call->service, call->company_id);
}

wf_status_t wfa_cache_warm(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_cache_warm(call->ctx, &reply->doc, call->service, call->company_id);
}

/* ---- feature flags ---- */

wf_status_t wfa_feature_flag_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return report(call, reply, wf_flag_list);
}

wf_status_t wfa_feature_flag_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_flag_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_feature_flag_put(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    int made;
    wf_status_t st = wf_flag_save(call->ctx, &doc, &made, call->service->store, call->company_id,
                                  call->id, call->body, &call->actor);

    if (st == WF_OK && made) {
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", call->company_id,
                                      "/feature-flags/", call->id, NULL));
        return st;
    }
    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_feature_flag_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_flag_remove(call->ctx, call->service->store, call->company_id, call->id,
                          &call->actor);
}

/* ---- integrations ---- */

wf_status_t wfa_integration_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_integrations);
}

wf_status_t wfa_integration_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_integration_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_integration_create(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_integration_add(call->ctx, &doc, call->service->store, call->service->ring,
                                        call->company_id, call->body, &call->actor);

    if (st == WF_OK) {
        wfa_reply_created(call, reply, doc,
                          apr_pstrcat(call->r->pool, "/companies/", call->company_id,
                                      "/integrations/", wf_json_get_str(doc, "id", ""), NULL));
    }
    return st;
}

static wf_status_t change_integration(wfa_call_t *call, wfa_reply_t *reply, int replace)
{
    wf_json_t *doc;
    wf_status_t st = wf_integration_change(call->ctx, &doc, call->service->store,
                                           call->service->ring, call->company_id, call->id,
                                           call->body, replace, &call->actor);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_integration_put(wfa_call_t *call, wfa_reply_t *reply)
{
    return change_integration(call, reply, 1);
}

wf_status_t wfa_integration_patch(wfa_call_t *call, wfa_reply_t *reply)
{
    return change_integration(call, reply, 0);
}

wf_status_t wfa_integration_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    return wf_integration_remove(call->ctx, call->service->store, call->company_id, call->id,
                                 &call->actor);
}
