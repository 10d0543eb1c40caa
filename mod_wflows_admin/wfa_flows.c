/* Flows, their versions, tokens, and playing them. */
#include "wfa.h"

#include "service/wf_manage_flow.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- reading ----------------------------------------------------------------------------------- */

wf_status_t wfa_flow_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_flows);
}

wf_status_t wfa_flow_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_find(call, reply, &wf_record_flow);
}

wf_status_t wfa_flow_version_list(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *flow;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, call->id);

    return st == WF_OK ? wfa_list(call, reply, &wf_list_flow_versions) : st;
}

wf_status_t wfa_flow_version_get(wfa_call_t *call, wfa_reply_t *reply)
{
    const char *flow_id = call->params[1], *version = call->params[2];
    wf_json_t *flow;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, flow_id);

    return st == WF_OK ? wf_flow_version_show(call->ctx, &reply->text, &reply->len,
                                              call->service->store, call->company_id, flow_id,
                                              version)
                       : st;
}

/* ---- saving ------------------------------------------------------------------------------------ */

/* A key for some accounts may put a flow on one of them only. */
static wf_status_t check_account(wfa_call_t *call, const char *otherwise)
{
    const wf_json_t *given = wf_json_get(call->body, "account_id");

    return wfa_account_allowed(call, given ? wf_json_str(given) : otherwise);
}

static wf_status_t answer_flow(wfa_call_t *call, wfa_reply_t *reply, const char *id,
                               wf_json_t *warnings)
{
    wf_json_t *doc;
    wf_status_t st = wfa_record(call, &doc, &wf_record_flow, id);

    if (st == WF_OK) {
        wfa_reply_doc(call, reply, doc);
        wf_json_set(doc, "warnings", warnings);
    }
    return st;
}

wf_status_t wfa_flow_create(wfa_call_t *call, wfa_reply_t *reply)
{
    const wf_flow_input_t input = {call->body, call->raw};
    const char *id = NULL;
    wf_json_t *warnings;
    wf_status_t st = check_account(call, NULL);

    if (st == WF_OK) {
        st = wf_manage_flow_create(call->ctx, &id, &warnings, call->service->store,
                                   call->company_id, &input, &call->actor);
    }
    if (st == WF_OK && (st = answer_flow(call, reply, id, warnings)) == WF_OK) {
        reply->http = HTTP_CREATED;
        reply->location = apr_pstrcat(call->r->pool, "/companies/", call->company_id, "/flows/", id,
                                      NULL);
    }
    return st;
}

static wf_status_t update(wfa_call_t *call, wfa_reply_t *reply, int replace)
{
    const wf_flow_input_t input = {call->body, call->raw};
    wf_json_t *flow, *warnings;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, call->id);

    if (st == WF_OK) {
        st = check_account(call, replace ? NULL : wf_json_get_str(flow, "account_id", NULL));
    }
    if (st == WF_OK) {
        st = wf_manage_flow_update(call->ctx, &warnings, call->service->store, call->company_id,
                                   flow, &input, replace, &call->actor);
    }
    return st == WF_OK ? answer_flow(call, reply, call->id, warnings) : st;
}

wf_status_t wfa_flow_put(wfa_call_t *call, wfa_reply_t *reply)
{
    return update(call, reply, 1);
}

wf_status_t wfa_flow_patch(wfa_call_t *call, wfa_reply_t *reply)
{
    return update(call, reply, 0);
}

wf_status_t wfa_flow_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *flow;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, call->id);

    (void)reply;
    return st == WF_OK ? wf_flow_remove(call->ctx, call->service->store, call->company_id, call->id,
                                        &call->actor)
                       : st;
}

/* ---- switching on and off ------------------------------------------------------------------------ */

static wf_status_t set_status(wfa_call_t *call, wfa_reply_t *reply, const char *status, int version)
{
    wf_json_t *flow;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, call->id);

    if (st == WF_OK) {
        st = wf_flow_set_status(call->ctx, call->service->store, call->company_id, call->id, status,
                                version, &call->actor);
    }
    return st == WF_OK ? wfa_find(call, reply, &wf_record_flow) : st;
}

wf_status_t wfa_flow_activate(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"version", NULL};
    int version = (int)wfa_body_int(call, "version", 1, INT32_MAX, 0);
    wf_status_t st;

    wfa_body_names(call, names);
    st = wfa_body_done(call);
    return st == WF_OK ? set_status(call, reply, WF_STATUS_ACTIVE, version) : st;
}

wf_status_t wfa_flow_deactivate(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {NULL};
    wf_status_t st;

    wfa_body_names(call, names);
    st = wfa_body_done(call);
    return st == WF_OK ? set_status(call, reply, WF_STATUS_INACTIVE, 0) : st;
}

/* ---- tokens ------------------------------------------------------------------------------------ */

wf_status_t wfa_flow_tokens(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"account_id", "count", "ttl", NULL};
    const char *account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id");
    wf_tokens_t wanted = {.flow_id = call->id};
    wf_json_t *flow, *tokens, *doc;
    wf_status_t st;

    wanted.count = (int)wfa_body_int(call, "count", 1, WF_TOKENS_MAX, 1);
    wanted.ttl = apr_time_from_sec(wfa_body_int(call, "ttl", 60, apr_time_sec(WF_TOKEN_TTL_MAX),
                                                apr_time_sec(WF_TOKEN_TTL_DEFAULT)));
    wfa_body_names(call, names);
    if ((st = wfa_body_done(call)) != WF_OK ||
        (st = wfa_record(call, &flow, &wf_record_flow, call->id)) != WF_OK ||
        (st = wf_manage_flow_account(call->ctx, &wanted.account_id, call->service->store,
                                     call->company_id, flow, account_id)) != WF_OK ||
        (st = wfa_account_allowed(call, wanted.account_id)) != WF_OK ||
        (st = wf_manage_flow_tokens(call->ctx, &tokens, call->service->store, call->service->ring,
                                    call->company_id, &wanted, &call->actor)) != WF_OK) {
        return st;
    }
    doc = wf_json_object_make(call->r->pool);
    wf_json_set_str(doc, "flow_id", wanted.flow_id);
    wf_json_set_str(doc, "account_id", wanted.account_id);
    wf_json_set(doc, "data", tokens);
    reply->doc = doc;
    reply->http = HTTP_CREATED;
    return WF_OK;
}

/* ---- playing ------------------------------------------------------------------------------------ */

wf_status_t wfa_flow_simulate(wfa_call_t *call, wfa_reply_t *reply)
{
    const char *account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id");
    wf_play_t play = {.company_id = call->company_id, .request = call->body};
    wf_json_t *flow;
    wf_status_t st = wfa_record(call, &flow, &wf_record_flow, call->id);

    play.flow = flow;
    if (st == WF_OK && wf_json_get_bool(call->body, "ask_backend", 0)) {
        st = wf_manage_flow_account(call->ctx, &play.account_id, call->service->store,
                                    call->company_id, flow, account_id);
        st = st == WF_OK ? wfa_account_allowed(call, play.account_id) : st;
    }
    return st == WF_OK ? wf_manage_flow_play(call->ctx, &reply->doc, call->service, &play) : st;
}
