#include "wfa.h"

#include "service/wf_manage_account.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

/* ---- which account
 * ------------------------------------------------------------------------------------------ */

/* To a key that is for other accounts this one is not there. */
static wf_status_t see(const wfa_call_t *call)
{
    return wf_identity_sees_account(call->who, call->id)
               ? WF_OK
               : wf_fail_public(call->ctx, WF_ENOTFOUND, WFLOGNO(3040) "no such WhatsApp account");
}

static wf_status_t find(wfa_call_t *call, wf_json_t **doc, const char *id)
{
    wf_status_t st = wf_account_find(call->ctx, doc, call->service->store, call->company_id, id);

    /* The store finds accounts by name too, and a name may look like an id. */
    if (st == WF_OK && strcmp(wf_json_get_str(*doc, "id", ""), id) != 0) {
        return wf_fail_public(call->ctx, WF_ENOTFOUND, WFLOGNO(3041) "no such WhatsApp account");
    }
    return st;
}

static wf_status_t found(wfa_call_t *call, wfa_reply_t *reply, wf_status_t st)
{
    wf_json_t *doc = NULL;

    if (st == WF_OK) {
        st = find(call, &doc, call->id);
    }
    return wfa_found(call, reply, st, doc);
}

/* Who may change an account may not yet set its credentials; what a key may is what its scopes say.
 */
static wf_status_t may_set(const wfa_call_t *call)
{
    if (call->who->kind == WF_IDENTITY_KEY || call->who->role >= WF_ROLE_ADMIN ||
        !wf_account_has_secret(call->body)) {
        return WF_OK;
    }
    return wf_fail_code(call->ctx, WF_EDENIED, "credentials_need_admin",
                        WFLOGNO(3042) "only an admin may set credentials");
}

/* ---- records
 * ------------------------------------------------------------------------------------------------
 */

wf_status_t wfa_account_list(wfa_call_t *call, wfa_reply_t *reply)
{
    return wfa_list(call, reply, &wf_list_accounts);
}

wf_status_t wfa_account_get(wfa_call_t *call, wfa_reply_t *reply)
{
    return found(call, reply, see(call));
}

wf_status_t wfa_account_create(wfa_call_t *call, wfa_reply_t *reply)
{
    const wf_service_t *service = call->service;
    const char *id;
    wf_json_t *doc;
    wf_status_t st;

    if (call->who->account_ids) {
        return wf_fail_code(
            call->ctx, WF_EDENIED, "key_of_accounts",
            WFLOGNO(3043) "this key is for the accounts it names, and for no new one");
    }
    st = wf_account_add(call->ctx, &id, service->store, service->ring, call->company_id, call->body,
                        service->conf.max_accounts, &call->actor);
    if (st != WF_OK || (st = find(call, &doc, id)) != WF_OK) {
        return st;
    }
    wfa_reply_created(call, reply, doc,
                      apr_pstrcat(call->r->pool, "/companies/", call->company_id,
                                  "/whatsapp-accounts/", id, NULL));
    return WF_OK;
}

/* PUT and PATCH. */
static wf_status_t change(wfa_call_t *call, wfa_reply_t *reply, int whole)
{
    const wf_service_t *service = call->service;
    wf_status_t st;

    if ((st = see(call)) != WF_OK || (st = may_set(call)) != WF_OK) {
        return st;
    }
    st = whole ? wf_account_replace(call->ctx, service->store, service->ring, call->company_id,
                                    call->id, call->body, -1, &call->actor)
               : wf_account_update(call->ctx, service->store, service->ring, call->company_id,
                                   call->id, call->body, -1, &call->actor);
    return found(call, reply, st);
}

wf_status_t wfa_account_replace(wfa_call_t *call, wfa_reply_t *reply)
{
    return change(call, reply, 1);
}

wf_status_t wfa_account_update(wfa_call_t *call, wfa_reply_t *reply)
{
    return change(call, reply, 0);
}

wf_status_t wfa_account_delete(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = see(call);

    return st == WF_OK ? wf_account_remove(call->ctx, call->service->store, call->company_id,
                                           call->id, &call->actor)
                       : st;
}

wf_status_t wfa_account_set_default(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = see(call);

    if (st == WF_OK) {
        st = wf_account_set_default(call->ctx, call->service->store, call->company_id, call->id,
                                    &call->actor);
    }
    return found(call, reply, st);
}

/* ---- keys
 * ---------------------------------------------------------------------------------------------------
 */

wf_status_t wfa_account_rotate_keys(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_key_input_t input;
    wf_json_t *doc = NULL;
    wf_status_t st;

    if ((st = see(call)) != WF_OK ||
        (st = wf_key_input_read(call->ctx, &input, call->body, 0)) != WF_OK) {
        return st;
    }
    st = wf_manage_rotate_keys(call->ctx, &doc, call->service, call->company_id, call->id,
                               input.overlap, &call->actor);
    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_account_import_key(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_key_input_t input;
    wf_json_t *doc = NULL;
    wf_status_t st;

    if ((st = see(call)) != WF_OK ||
        (st = wf_key_input_read(call->ctx, &input, call->body, 1)) != WF_OK) {
        return st;
    }
    st = wf_manage_key_import(call->ctx, &doc, call->service, call->company_id, call->id, &input,
                              &call->actor);
    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_account_register_key(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = see(call);

    return st == WF_OK ? wf_manage_key_register(call->ctx, &reply->doc, call->service,
                                                call->company_id, call->id)
                       : st;
}

/* ---- at Meta
 * ------------------------------------------------------------------------------------------------
 */

wf_status_t wfa_account_test_connection(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_status_t st = see(call);

    return st == WF_OK ? wf_manage_test_connection(call->ctx, &reply->doc, call->service,
                                                   call->company_id, call->id)
                       : st;
}

wf_status_t wfa_account_verify(wfa_call_t *call, wfa_reply_t *reply)
{
    wf_json_t *doc = NULL;
    wf_status_t st = see(call);

    if (st == WF_OK) {
        st = wf_manage_verify(call->ctx, &doc, call->service, call->company_id, call->id,
                              &call->actor);
    }
    return wfa_found(call, reply, st, doc);
}
