#include "service/wf_cache.h"

#include "store/wf_manage_store.h"

static const char *text_at(const wf_json_t *list, size_t i)
{
    return wf_json_str(wf_json_at(list, i));
}

static void report(wf_ctx_t *ctx, wf_json_t **out, size_t accounts, size_t flows)
{
    *out = wf_json_object_make(ctx->pool);
    wf_json_set_int(*out, "accounts", (int64_t)accounts);
    wf_json_set_int(*out, "flows", (int64_t)flows);
}

wf_status_t wf_cache_clear(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                           const char *company_id)
{
    const wf_json_t *flows;
    const char *slug;
    wf_json_t *cached;
    wf_status_t st;
    size_t i;

    *out = NULL;
    if ((st = wf_company_cached(ctx, &cached, service->store, company_id)) != WF_OK) {
        return st;
    }
    slug = wf_json_get_str(cached, "slug", "");
    flows = wf_json_get(cached, "flows");
    st = wf_cache_forget_company(ctx, service->store, slug);
    for (i = 0; st == WF_OK && i < wf_json_len(flows); i++) {
        st = wf_cache_forget_flow(ctx, service->store, slug, text_at(flows, i));
    }
    if (st == WF_OK) {
        report(ctx, out, wf_json_len(wf_json_get(cached, "accounts")), wf_json_len(flows));
    }
    return st;
}

wf_status_t wf_cache_warm(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                          const char *company_id)
{
    const wf_json_t *accounts, *flows;
    wf_admission_t admission;
    wf_flow_plan_t plan;
    wf_json_t *cached;
    const char *slug;
    wf_status_t st;
    size_t i, warmed = 0;

    *out = NULL;
    if ((st = wf_company_cached(ctx, &cached, service->store, company_id)) != WF_OK) {
        return st;
    }
    slug = wf_json_get_str(cached, "slug", "");
    accounts = wf_json_get(cached, "accounts");
    flows = wf_json_get(cached, "flows");
    for (i = 0; st == WF_OK && i < wf_json_len(accounts); i++) {
        st = wf_admit(ctx, &admission, service, slug, text_at(accounts, i), 0);
    }
    if (st == WF_OK) {
        st = wf_admit(ctx, &admission, service, slug, NULL, 0);
    }
    for (i = 0; st == WF_OK && admission.tenant && i < wf_json_len(flows); i++) {
        st = wf_exchange_plan(ctx, &plan, service->store, admission.tenant, text_at(flows, i), 0);
        warmed += st == WF_OK;
    }
    if (st == WF_OK) {
        report(ctx, out, wf_json_len(accounts), warmed);
    }
    return st;
}
