#include "wfa.h"

#include "service/wf_approval.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

wf_status_t wfa_approval_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_approvals);
}

static wf_status_t find(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st =
        wf_approval_find(call->ctx, &doc, call->service->store, call->company_id, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_approval_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return find(call, reply);
}

/* ---- a call that has to wait ---- */

wf_status_t wfa_approval_hold(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_approval_call_t asked = {.operation = call->route->name,
                                .summary = call->route->summary,
                                .if_match = call->actor.if_match,
                                .query = call->r->args,
                                .body = call->raw};
    wf_json_t *doc;
    wf_status_t st;
    int i;

    for (i = 0; i < WF_API_PARAMS_MAX; i++) {
        asked.params[i] = call->params[i];
    }
    wf_ctx_clear(call->ctx);
    st = wf_approval_request(call->ctx, &doc, call->service, call->company_id, &asked,
                             call->id ? call->id : call->company_id, &call->actor);
    *reply = (wfa_reply_t){.http = HTTP_ACCEPTED, .doc = doc};
    if (st == WF_OK) {
        reply->location = apr_pstrcat(call->r->pool, "/companies/", call->company_id, "/approvals/",
                                      wf_json_get_str(doc, "id", ""), NULL);
    }
    return st;
}

/* ---- and is made again ---- */

static const wf_api_route_t *route_named(const char *name, wfa_handler_fn **handler)
{
    int i;

    for (i = 0; i < WF_API_ROUTE_COUNT; i++) {
        if (strcmp(wf_api_route((wf_api_route_id_t)i)->name, name) == 0) {
            *handler = wfa_route_handler((wf_api_route_id_t)i);
            return wf_api_route((wf_api_route_id_t)i);
        }
    }
    return NULL;
}

/* The call as it came then, by whoever agrees to it now. */
static wf_status_t make_again(wfa_call_t *again, wfa_handler_fn **handler, wfa_call_t *call,
                              const wf_approval_call_t *asked, wf_approval_use_t *use)
{
    int i;

    *again = *call;
    again->route = route_named(asked->operation, handler);
    if (!again->route) {
        return wf_fail_code(call->ctx, WF_ECONFLICT, "operation_gone",
                            WFLOGNO(3060) "there is no %s any more: reject it", asked->operation);
    }
    again->id = NULL;
    for (i = 0; i < WF_API_PARAMS_MAX; i++) {
        again->params[i] = asked->params[i];
        if (i > 0 && asked->params[i]) {
            again->id = asked->params[i];
        }
    }
    again->actor.if_match = asked->if_match;
    again->actor.approval = use;
    again->r->args = apr_pstrdup(call->r->pool, asked->query);
    again->raw = asked->body;
    again->body = wf_json_object_make(call->r->pool);
    return asked->body.len > 0 ? wf_json_parse(call->ctx, &again->body, asked->body.data,
                                               asked->body.len, 0)
                               : WF_OK;
}

static wf_status_t carry_out(wfa_call_t *call, wf_json_t **result)
{
    wf_approval_call_t asked;
    wf_approval_use_t use;
    wfa_handler_fn *handler = NULL;
    wfa_reply_t reply = {0};
    wfa_call_t again;
    wf_status_t st = wf_approval_load(call->ctx, &asked, &use, call->service, call->company_id,
                                      call->id, &call->actor);

    if (st != WF_OK || (st = make_again(&again, &handler, call, &asked, &use)) != WF_OK ||
        (st = handler(&again, &reply)) != WF_OK) {
        return st;
    }
    *result = reply.doc;
    if (reply.text && (st = wf_json_parse(call->ctx, result, reply.text, reply.len, 0)) != WF_OK) {
        return st;
    }
    /* Nobody has to agree to it any more, and somebody did. */
    return use.used ? WF_OK
                    : wf_approval_decide(call->ctx, call->service->store, call->company_id,
                                         call->id, WF_APPROVAL_APPROVE, NULL, &call->actor);
}

static wf_status_t refuse_members(wfa_call_t *call)
{
    for (wf_json_iter_t m = wf_json_iter(call->body); wf_json_next(&m);) {
        wf_fault_add(call->ctx, wf_json_pointer_add(call->r->pool, "", m.key), "not known");
    }
    return wf_has_faults(call->ctx) ? wf_fail_public(call->ctx, WF_EINVALID, WFLOGNO(3061) "%s",
                                                     wf_faults_text(call->ctx))
                                    : WF_OK;
}

wf_status_t wfa_approval_approve(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *result = NULL;
    wf_status_t st = refuse_members(call);

    if (st == WF_OK) {
        st = carry_out(call, &result);
    }
    if (st == WF_OK && (st = find(call, reply)) == WF_OK) {
        wf_json_set(reply->doc, "result", result);
    }
    return st;
}

static wf_status_t decide(wfa_call_t *call, wfa_reply_t *reply, wf_approval_verdict_t verdict)
{
    wf_status_t st = wf_approval_decide(call->ctx, call->service->store, call->company_id, call->id,
                                        verdict, call->body, &call->actor);

    return st == WF_OK ? find(call, reply) : st;
}

wf_status_t wfa_approval_reject(wfa_call_t *call, wfa_reply_t *reply)
{
    return decide(call, reply, WF_APPROVAL_REJECT);
}

wf_status_t wfa_approval_cancel(wfa_call_t *call, wfa_reply_t *reply)
{
    return decide(call, reply, WF_APPROVAL_CANCEL);
}
