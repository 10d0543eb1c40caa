#include "wfa.h"

#include "service/wf_login.h"
#include "store/wf_login_store.h"

APLOG_USE_MODULE(wflows_admin);

static const char *text_of(const wfa_call_t *call, const char *member)
{
    return wf_json_get_str(call->body, member, NULL);
}

static wf_status_t answer(wfa_reply_t *reply, wf_status_t st, wf_json_t *doc)
{
    reply->doc = doc;
    return st;
}

wf_status_t wfa_auth_login(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_login_in_t in = {text_of(call, "email"), text_of(call, "password"), text_of(call, "tenant"),
                        &call->actor};
    wf_json_t *doc;
    wf_status_t st = wf_login_check(call->ctx, WF_FORM_LOGIN, call->body);

    call->denied_is_401 = 1;
    if (!in.tenant) {
        in.tenant = apr_table_get(call->r->headers_in, "X-Tenant");
    }
    if (st != WF_OK) {
        return st;
    }
    st = wf_login(call->ctx, &doc, &call->wait_s, call->service, &in);
    return answer(reply, st, doc);
}

wf_status_t wfa_auth_refresh(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_login_check(call->ctx, WF_FORM_REFRESH, call->body);

    call->denied_is_401 = 1;
    if (st != WF_OK) {
        return st;
    }
    st = wf_login_renew(call->ctx, &doc, call->service, text_of(call, "refresh_token"),
                        &call->actor);
    return answer(reply, st, doc);
}

wf_status_t wfa_auth_logout(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = wf_login_check(call->ctx, WF_FORM_LOGOUT, call->body);

    return st == WF_OK ? wf_logout(call->ctx, call->service, call->who,
                                   wf_json_get_bool(call->body, "everywhere", 0), &call->actor)
                       : st;
}

wf_status_t wfa_auth_password(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = wf_login_check(call->ctx, WF_FORM_PASSWORD, call->body);

    return st == WF_OK ? wf_password_change(call->ctx, &call->wait_s, call->service, call->who,
                                            text_of(call, "current_password"),
                                            text_of(call, "new_password"), &call->actor)
                       : st;
}

wf_status_t wfa_me_get(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc;
    wf_status_t st = wf_me(call->ctx, &doc, call->service, call->who);

    return answer(reply, st, doc);
}
