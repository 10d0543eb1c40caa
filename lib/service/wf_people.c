#include "service/wf_people.h"

#include "service/wf_auth_int.h"

#include <string.h>

static int is_platform(const wf_giver_t *giver)
{
    return !giver->who || giver->who->role == WF_ROLE_PLATFORM_ADMIN;
}

/* ---- API keys ------------------------------------------------------------------------------------- */

/* A key gives no more than it may itself: no other scopes, no other accounts. */
static wf_status_t check_gift(wf_ctx_t *ctx, const wf_json_t *members, const wf_giver_t *giver)
{
    const wf_json_t *scopes = wf_json_get(members, "scopes");
    const wf_json_t *accounts = wf_json_get(members, "whatsapp_account_ids");
    const wf_identity_t *who = giver->who;
    int ok = 1;
    size_t i;

    if (!who || who->kind != WF_IDENTITY_KEY) {
        return WF_OK;
    }
    for (i = 0; i < wf_json_len(scopes); i++) {
        ok &= (wf_scope_parse(wf_json_str(wf_json_at(scopes, i))) & ~who->scopes) == 0;
    }
    for (i = 0; i < wf_json_len(accounts); i++) {
        ok &= wf_identity_sees_account(who, wf_json_str(wf_json_at(accounts, i)));
    }
    if (who->account_count > 0 && wf_json_len(accounts) == 0) {
        ok = 0;
    }
    return ok ? WF_OK
              : wf_fail_public(ctx, WF_EDENIED,
                               WFLOGNO(0750) "an API key gives only scopes and accounts that it has");
}

wf_status_t wf_api_key_issue(wf_ctx_t *ctx, wf_json_t **doc, const char **text,
                             const wf_service_t *service, const char *company_id,
                             const wf_json_t *members, const wf_giver_t *giver)
{
    wf_api_key_new_t key;
    wf_status_t st;

    *doc = NULL;
    *text = NULL;
    if ((st = wf_api_key_check(ctx, members)) != WF_OK ||
        (st = check_gift(ctx, members, giver)) != WF_OK ||
        (st = wf_api_key_generate(ctx, &key, service)) != WF_OK ||
        (st = wf_api_key_create(ctx, doc, service->store, company_id, members, key.lookup, key.hash,
                                giver->actor)) != WF_OK) {
        return st;
    }
    *text = key.text;
    return WF_OK;
}

wf_status_t wf_api_key_reissue(wf_ctx_t *ctx, wf_json_t **doc, const char **text,
                               const wf_service_t *service, const char *company_id, const char *id,
                               const wf_giver_t *giver)
{
    wf_api_key_new_t key;
    wf_json_t *old_doc;
    wf_status_t st;

    *doc = NULL;
    *text = NULL;
    if ((st = wf_api_key_find(ctx, &old_doc, service->store, company_id, id)) != WF_OK ||
        (st = check_gift(ctx, old_doc, giver)) != WF_OK ||
        (st = wf_api_key_generate(ctx, &key, service)) != WF_OK ||
        (st = wf_api_key_replace(ctx, doc, service->store, company_id, id, key.lookup, key.hash,
                                 giver->actor)) != WF_OK) {
        return st;
    }
    *text = key.text;
    return WF_OK;
}

/* ---- people ----------------------------------------------------------------------------------------- */

static wf_status_t check_role(wf_ctx_t *ctx, const wf_json_t *members, const wf_giver_t *giver)
{
    wf_role_t role = wf_role_parse(wf_json_get_str(members, "role", NULL));

    if (!giver->who || role <= giver->who->role) {
        return WF_OK;
    }
    return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0751) "nobody gives a role above their own");
}

/* *out NULL where the members have no password. */
static wf_status_t hash_password(wf_ctx_t *ctx, const char **out, const wf_service_t *service,
                                 const wf_json_t *members)
{
    const char *password = wf_json_get_str(members, "password", NULL);

    *out = NULL;
    return password ? wf_auth_hash(ctx, out, service->auth->gate, password) : WF_OK;
}

wf_status_t wf_user_add(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                        const char *company_id, const wf_json_t *members, const wf_giver_t *giver)
{
    wf_user_opts_t opts = {NULL, is_platform(giver)};
    wf_status_t st;

    *doc = NULL;
    if ((st = wf_user_check(ctx, members, 1)) != WF_OK ||
        (st = check_role(ctx, members, giver)) != WF_OK ||
        (st = hash_password(ctx, &opts.password_hash, service, members)) != WF_OK) {
        return st;
    }
    return wf_user_create(ctx, doc, service->store, company_id, members, &opts, giver->actor);
}

wf_status_t wf_user_change(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                           const char *company_id, const char *id, const wf_json_t *members,
                           int whole, const wf_giver_t *giver)
{
    wf_user_opts_t opts = {NULL, is_platform(giver)};
    wf_json_t *change = wf_json_object_copy(ctx->pool, members);
    wf_status_t st;

    *doc = NULL;
    if ((st = wf_user_check(ctx, members, whole)) != WF_OK ||
        (st = check_role(ctx, members, giver)) != WF_OK ||
        (st = hash_password(ctx, &opts.password_hash, service, members)) != WF_OK) {
        return st;
    }
    if (whole && !wf_json_has(change, "status")) {
        wf_json_set_str(change, "status", WF_STATUS_ACTIVE);
    }
    return wf_user_update(ctx, doc, service->store, company_id, id, change, &opts, giver->actor);
}
