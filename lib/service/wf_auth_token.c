#include "service/wf_auth_int.h"

#include "tenant/wf_claims.h"

#include <string.h>

/* Where a company that a token names is kept with nothing else about it. */
#define NO_FIELD "-"

/* ---- records, cached for a minute ---------------------------------------------------------------------- */

typedef wf_status_t load_fn(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                            const char *first, const char *second);

static wf_status_t load_user(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                             const char *user_id, const char *session_id)
{
    return wf_auth_user_load(ctx, out, store, user_id, session_id);
}

static wf_status_t load_company(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                                const char *id_or_slug, const char *unused)
{
    return wf_auth_company_load(ctx, out, store, id_or_slug);
}

/* Redis, else PostgreSQL. `kind` "user:" or "company:". */
static wf_status_t find_record(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const char *kind, const char *first, const char *second)
{
    const char *name = apr_pstrcat(ctx->pool, kind, first, NULL);
    const char *field = second ? second : NO_FIELD;
    load_fn *load = kind[0] == 'u' ? load_user : load_company;
    wf_auth_entry_t entry;
    wf_status_t st = wf_auth_find(ctx, &entry, store, name, field);
    wf_slice_t text = entry.record;

    *out = NULL;
    if (st != WF_OK) {
        wf_ctx_clear(ctx);
    }
    if (!text.data) {
        wf_status_t loaded = load(ctx, &text, store, first, second);

        if (loaded != WF_OK) {
            return loaded;
        }
        if (st == WF_OK && wf_auth_save(ctx, store, name, field, entry.generation, text) != WF_OK) {
            wf_ctx_clear(ctx);
        }
    }
    return wf_json_parse(ctx, out, text.data, text.len, 0);
}

/* ---- whom a token speaks of ------------------------------------------------------------------------------ */

static int names(const char *wanted, const wf_json_t *company)
{
    return strcmp(wanted, wf_json_get_str(company, "id", "")) == 0 ||
           strcmp(wanted, wf_json_get_str(company, "slug", "")) == 0;
}

static void set_company(wf_identity_t *who, const wf_json_t *company)
{
    who->company_id = wf_json_get_str(company, "id", "");
    who->company_slug = wf_json_get_str(company, "slug", NULL);
    who->company_active = wf_json_get_bool(company, "active", 0);
}

static wf_auth_verdict_t refuse(wf_ctx_t *ctx, const wf_identity_t *who, const char *why)
{
    (void)!wf_fail(ctx, WF_EDENIED, WFLOGNO(0620) "%s: %s", who->subject, why);
    return WF_AUTH_BAD;
}

/* The company that a person of ours means: what X-Tenant says, else the token, else the only one there is. */
static wf_auth_verdict_t choose_company(wf_ctx_t *ctx, wf_identity_t *who, const wf_json_t *user,
                                        const wf_claims_t *claims, const wf_credentials_t *c)
{
    const wf_json_t *list = wf_json_get(user, "companies"), *found = NULL;
    const char *wanted = c->tenant ? c->tenant : claims->tenant;
    size_t count = wf_json_len(list), i;

    for (i = 0; i < count; i++) {
        const wf_json_t *company = wf_json_at(list, i);

        if (wanted ? names(wanted, company) : count == 1) {
            found = company;
        }
    }
    if (!found) {
        if (count == 0 || (wanted && !c->tenant)) {
            return refuse(ctx, who, "is in no company, or not in that of the token");
        }
        who->role = WF_ROLE_NONE;
        return wanted ? WF_AUTH_ELSEWHERE : WF_AUTH_AMBIGUOUS;
    }
    set_company(who, found);
    who->role = wf_role_parse(wf_json_get_str(found, "role", NULL));
    if (!claims->session_id && claims->role < who->role) {
        who->role = claims->role; /* a token may be made for less than its person may do */
    }
    return WF_AUTH_OK;
}

static wf_auth_verdict_t as_user(wf_ctx_t *ctx, wf_identity_t *who, const wf_json_t *user,
                                 const wf_claims_t *claims, const wf_credentials_t *c)
{
    apr_time_t not_before = wf_json_get_int(user, "not_before_us", 0);

    who->subject = apr_pstrcat(ctx->pool, "user:", claims->subject, NULL);
    who->user_id = claims->subject;
    who->session_id = claims->session_id;
    if (claims->session_id && !wf_json_get_bool(user, "session_ok", 0)) {
        return refuse(ctx, who, "the session has ended");
    }
    /* iat has whole seconds: one of the same second may be older. */
    if (!claims->session_id && not_before > 0 &&
        apr_time_sec(claims->issued_at) <= apr_time_sec(not_before)) {
        return refuse(ctx, who, "the token is older than the person's newest password");
    }
    return choose_company(ctx, who, user, claims, c);
}

/* A company that a token or the server names by itself: its word is enough, the company only has to be there. */
static wf_auth_verdict_t in_company(wf_ctx_t *ctx, wf_identity_t *who, const wf_service_t *service,
                                    const char *tenant, const wf_credentials_t *c)
{
    wf_json_t *company;
    wf_status_t st;

    if (who->role == WF_ROLE_PLATFORM_ADMIN) {
        who->company_active = 1;
        return WF_AUTH_OK;
    }
    if (!tenant || (!wf_uuid_is(tenant) && !wf_slug_is(tenant))) {
        return refuse(ctx, who, "no company is named and the role is not the platform's");
    }
    st = find_record(ctx, &company, service->store, "company:", tenant, NULL);
    if (st != WF_OK) {
        return st == WF_ENOTFOUND ? refuse(ctx, who, "the company is not there")
                                  : wf_auth_verdict_of(st);
    }
    set_company(who, company);
    return c->tenant && !names(c->tenant, company) ? WF_AUTH_ELSEWHERE : WF_AUTH_OK;
}

/* ---- tokens ------------------------------------------------------------------------------------------------ */

/* A token of ours. */
static wf_auth_verdict_t by_claims(wf_ctx_t *ctx, wf_identity_t *who, const wf_service_t *service,
                                   const wf_claims_t *claims, const wf_credentials_t *c)
{
    wf_json_t *user;
    wf_status_t st;

    /* Log-in never makes a token of the platform. */
    if (claims->role == WF_ROLE_PLATFORM_ADMIN && claims->session_id) {
        return refuse(ctx, who, "a person's session with the platform's role");
    }
    if (claims->role != WF_ROLE_PLATFORM_ADMIN && wf_uuid_is(claims->subject)) {
        st = find_record(ctx, &user, service->store, "user:", claims->subject, claims->session_id);
        if (st != WF_OK) {
            return wf_auth_verdict_of(st);
        }
        if (wf_json_get_bool(user, "known", 0)) {
            return as_user(ctx, who, user, claims, c);
        }
    }
    if (claims->session_id) {
        return refuse(ctx, who, "a session of nobody");
    }
    return in_company(ctx, who, service, claims->tenant, c);
}

/* By our own keys, else by those of the identity provider. */
static wf_status_t open_token(wf_ctx_t *ctx, wf_slice_t *payload, int *is_ours,
                              const wf_service_t *service, const char *jwt)
{
    const wf_auth_conf_t *conf = &service->conf.auth;
    wf_ctx_t *quiet = wf_ctx_derive(ctx, ctx->pool);

    *is_ours = 1;
    if (!conf->jwks) {
        return wf_jwt_open(ctx, payload, jwt, conf->jwt_keys, conf->jwt_key_count);
    }
    quiet->log.fn = NULL;
    if (wf_jwt_open(quiet, payload, jwt, conf->jwt_keys, conf->jwt_key_count) == WF_OK) {
        return WF_OK;
    }
    *is_ours = 0;
    return wf_auth_jwks_open(ctx, payload, service, jwt);
}

wf_auth_verdict_t wf_auth_by_token(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                   const wf_credentials_t *c, const char *jwt)
{
    wf_identity_t *who = apr_pcalloc(ctx->pool, sizeof(*who));
    wf_claims_t claims;
    wf_slice_t payload;
    int is_ours;
    wf_status_t st = open_token(ctx, &payload, &is_ours, service, jwt);

    if (st != WF_OK || (st = wf_claims_read(ctx, &claims, payload)) != WF_OK) {
        return wf_auth_verdict_of(st);
    }
    who->kind = WF_IDENTITY_USER;
    who->subject = apr_pstrcat(ctx->pool, is_ours ? "token:" : "sso:", claims.subject, NULL);
    who->role = claims.role;
    who->expires_at = claims.expires_at;
    out->who = who;
    /* An identity provider's people are not ours, whatever their names look like. */
    return is_ours ? by_claims(ctx, who, service, &claims, c)
                   : in_company(ctx, who, service, claims.tenant, c);
}

/* ---- the server's word ---------------------------------------------------------------------------------------- */

wf_auth_verdict_t wf_auth_by_server(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                    const wf_credentials_t *c)
{
    wf_identity_t *who = apr_pcalloc(ctx->pool, sizeof(*who));

    who->kind = WF_IDENTITY_SERVER;
    who->subject = apr_pstrcat(ctx->pool, "sso:", c->remote_user, NULL);
    who->role = c->remote_roles ? wf_role_greatest(ctx->pool, c->remote_roles) : WF_ROLE_NONE;
    out->who = who;
    return in_company(ctx, who, service, c->remote_tenant, c);
}
