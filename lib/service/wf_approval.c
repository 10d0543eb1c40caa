#include "service/wf_approval.h"

#include <string.h>

/* What a text under one of these names is may be read by whoever decides. Everything else that is text might be a
 * secret, of this kind of request or of one that is yet to come. */
static const char shown[] =
    " name display_name status phone_number phone_number_id waba_id default_flow_name callback_webhook_url reason"
    " confirm event_type since until from to consumer account_id flow_id id slug kind subscription_plan email phone ";

#define REDACTED "[redacted]"

int wf_approval_is_needed(const wf_ctx_t *ctx)
{
    return ctx->err.code && strcmp(ctx->err.code, WF_APPROVAL_NEEDED) == 0;
}

/* ---- for people ------------------------------------------------------------------------- */

static int is_shown(apr_pool_t *pool, const char *name)
{
    return name && !strchr(name, ' ') && strstr(shown, apr_pstrcat(pool, " ", name, " ", NULL)) != NULL;
}

static wf_json_t *redact(apr_pool_t *pool, const char *name, const wf_json_t *value)
{
    wf_json_t *out;
    size_t i;

    switch (wf_json_type(value)) {
    case WF_JSON_OBJECT:
        out = wf_json_object_make(pool);
        for (wf_json_iter_t m = wf_json_iter(value); wf_json_next(&m);) {
            wf_json_set(out, m.key, redact(pool, m.key, m.value));
        }
        return out;
    case WF_JSON_ARRAY:
        out = wf_json_array_make(pool);
        for (i = 0; i < wf_json_len(value); i++) {
            wf_json_push(out, redact(pool, name, wf_json_at(value, i)));
        }
        return out;
    case WF_JSON_STRING:
        return wf_json_str_make(pool, is_shown(pool, name) ? wf_json_str(value) : REDACTED);
    default:
        return wf_json_copy(pool, value);
    }
}

static wf_status_t text_for_people(wf_ctx_t *ctx, const char **text, const wf_approval_call_t *call)
{
    wf_json_t *out = wf_json_object_make(ctx->pool), *body = NULL;
    wf_status_t st = WF_OK;

    wf_json_set_str(out, "operation", call->operation);
    wf_json_set_str(out, "summary", call->summary);
    if (call->body.data) {
        st = wf_json_parse(ctx, &body, call->body.data, call->body.len, 0);
        wf_json_set(out, "body", body ? redact(ctx->pool, NULL, body) : NULL);
    }
    *text = wf_json_text(ctx->pool, out, NULL);
    return st;
}

/* ---- all of it -------------------------------------------------------------------------- */

static const char *text_of_call(apr_pool_t *pool, const wf_approval_call_t *call)
{
    wf_json_t *out = wf_json_object_make(pool), *params = wf_json_array_make(pool);
    int i;

    for (i = 0; i < WF_APPROVAL_PARAMS_MAX && call->params[i]; i++) {
        wf_json_push(params, wf_json_str_make(pool, call->params[i]));
    }
    wf_json_set(out, "params", params);
    wf_json_set_str(out, "if_match", call->if_match);
    wf_json_set_str(out, "query", call->query);
    if (call->body.data) {
        wf_json_set(out, "body", wf_json_strn_make(pool, call->body.data, call->body.len));
    }
    return wf_json_text(pool, out, NULL);
}

wf_status_t wf_approval_request(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                                const char *company_id, const wf_approval_call_t *call,
                                const char *resource_id, const wf_actor_t *actor)
{
    wf_approval_new_t approval = {.operation = call->operation, .resource_id = resource_id};
    wf_status_t st = text_for_people(ctx, &approval.request, call);

    *doc = NULL;
    if (st != WF_OK) {
        return st;
    }
    approval.sealed = text_of_call(ctx->pool, call);
    return wf_approval_add(ctx, doc, service->store, service->ring, company_id, &approval, actor);
}

wf_status_t wf_approval_load(wf_ctx_t *ctx, wf_approval_call_t *call, wf_approval_use_t *use,
                             const wf_service_t *service, const char *company_id, const char *id,
                             const wf_actor_t *actor)
{
    wf_approval_order_t order;
    const wf_json_t *params, *body;
    wf_json_t *all;
    wf_status_t st;
    size_t i;

    memset(call, 0, sizeof(*call));
    if ((st = wf_approval_open(ctx, &order, service->store, service->ring, company_id, id, actor)) != WF_OK ||
        (st = wf_json_parse(ctx, &all, (const char *)order.sealed.data, order.sealed.len, 0)) != WF_OK) {
        return st;
    }
    *use = order.use;
    call->operation = order.operation;
    params = wf_json_get(all, "params");
    for (i = 0; i < wf_json_len(params) && i < WF_APPROVAL_PARAMS_MAX; i++) {
        call->params[i] = wf_json_str(wf_json_at(params, i));
    }
    call->if_match = wf_json_get_str(all, "if_match", NULL);
    call->query = wf_json_get_str(all, "query", NULL);
    body = wf_json_get(all, "body");
    call->body = (wf_slice_t){wf_json_str(body), wf_json_str_len(body)};
    return WF_OK;
}
