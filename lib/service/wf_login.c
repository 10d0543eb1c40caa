#include "service/wf_login.h"

#include "service/wf_auth_int.h"
#include "store/wf_login_store.h"
#include "store/wf_people_store.h"

#include <apr_lib.h>
#include <string.h>
#include <strings.h>

/* Attempts: a burst, then one each window / burst. */
#define ADDRESS_ATTEMPTS 30
#define ACCOUNT_ATTEMPTS 10
#define ATTEMPTS_WINDOW_MS 300000

#define REFRESH_PREFIX "wfr_"
#define REFRESH_BYTES 32

/* What nobody's password is checked against, so that it takes as long as somebody's. */
static const char nobody_hash[] =
    "$argon2id$v=19$m=19456,t=2,p=1$d2Zsb3dzIG5vIHVzZXIhIQ$"
    "0SSEdZoUsnBqZ3q4CYHh3o2tOqBjWkDCe+efbWDrZtQ";

/* ---- attempts ------------------------------------------------------------------------------------------- */

static wf_status_t take_attempt(wf_ctx_t *ctx, int64_t *wait_s, const wf_service_t *service,
                                const char *name, int64_t max)
{
    int64_t wait_us;
    wf_status_t st = wf_auth_limit(ctx, &wait_us, service->store, name, max, ATTEMPTS_WINDOW_MS);

    if (st == WF_OK && wait_us > 0) {
        *wait_s = (wait_us + 999999) / 1000000;
        return wf_fail_public(ctx, WF_ELIMIT, WFLOGNO(0754) "too many attempts to log in");
    }
    return st;
}

/* By hash, so that Redis has no addresses of people. */
static const char *account_name(apr_pool_t *pool, const char *email)
{
    char *lower = apr_pstrdup(pool, email), *p;

    for (p = lower; *p; p++) {
        *p = (char)apr_tolower(*p);
    }
    return apr_pstrcat(pool, "login:of:", wf_sha256_hex(pool, lower, strlen(lower)), NULL);
}

static wf_status_t take_attempts(wf_ctx_t *ctx, int64_t *wait_s, const wf_service_t *service,
                                 const char *address, const char *account)
{
    const char *from =
        apr_pstrcat(ctx->pool, "login:from:", wf_auth_place(ctx->pool, address), NULL);
    wf_status_t st = take_attempt(ctx, wait_s, service, from, ADDRESS_ATTEMPTS);

    return st == WF_OK ? take_attempt(ctx, wait_s, service, account, ACCOUNT_ATTEMPTS) : st;
}

/* ---- tokens ----------------------------------------------------------------------------------------------- */

static wf_status_t access_token(wf_ctx_t *ctx, const char **out, const wf_service_t *service,
                                const wf_login_session_t *s)
{
    const wf_auth_conf_t *conf = &service->conf.auth;
    wf_json_t *claims = wf_json_object_make(ctx->pool), *roles = wf_json_array_make(ctx->pool);
    apr_time_t now = wf_now(ctx);
    const char *text;
    size_t len;

    *out = NULL;
    if (conf->jwt_key_count == 0) {
        return wf_fail(ctx, WF_EUNAVAIL,
                       WFLOGNO(0755) "nobody can log in: no WflowsAuthJwtKey is configured");
    }
    wf_json_set_str(claims, "sub", s->user_id);
    wf_json_set_str(claims, "sid", s->session_id);
    wf_json_set_str(claims, "tenant_id", s->tenant_id);
    if (s->tenant_id && s->role) { /* for others who read it; here the person's record says it */
        wf_json_push(roles, wf_json_str_make(ctx->pool, s->role));
    }
    wf_json_set(claims, "roles", roles);
    wf_json_set_int(claims, "iat", apr_time_sec(now));
    wf_json_set_int(claims, "exp", apr_time_sec(now + conf->token_ttl));
    text = wf_json_text(ctx->pool, claims, &len);
    *out = wf_jwt_sign(ctx->pool, conf->jwt_keys[0], text, len);
    return WF_OK;
}

static wf_status_t refresh_token(wf_ctx_t *ctx, const char **text, const char **hash)
{
    unsigned char random[REFRESH_BYTES];
    wf_status_t st = wf_rand_bytes(ctx, random, sizeof(random));

    if (st == WF_OK) {
        *text = apr_pstrcat(ctx->pool, REFRESH_PREFIX, wf_hex(ctx->pool, random, sizeof(random)),
                            NULL);
        *hash = wf_sha256_hex(ctx->pool, *text, strlen(*text));
        wf_wipe(random, sizeof(random));
    }
    return st;
}

static wf_status_t answer(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                          const wf_login_session_t *s, const char *refresh)
{
    const wf_auth_conf_t *conf = &service->conf.auth;
    wf_json_t *doc = wf_json_object_make(ctx->pool);
    const char *access;
    wf_status_t st = access_token(ctx, &access, service, s);

    if (st != WF_OK) {
        return st;
    }
    wf_json_set_str(doc, "access_token", access);
    wf_json_set_str(doc, "token_type", "Bearer");
    wf_json_set_int(doc, "expires_in", apr_time_sec(conf->token_ttl));
    wf_json_set_str(doc, "refresh_token", refresh);
    wf_json_set_int(doc, "refresh_expires_in", apr_time_sec(conf->refresh_ttl));
    *out = doc;
    return WF_OK;
}

/* ---- log-in ------------------------------------------------------------------------------------------------- */

static wf_status_t wrong(wf_ctx_t *ctx)
{
    wf_ctx_clear(ctx);
    return wf_fail_code(ctx, WF_EDENIED, "wrong_password",
                        WFLOGNO(0756) "the e-mail address or the password is wrong");
}

/* *record NULL: nobody; the password was checked all the same. */
static wf_status_t check(wf_ctx_t *ctx, wf_json_t **record, const wf_service_t *service,
                         const wf_login_in_t *in)
{
    const char *hash = nobody_hash;
    wf_status_t st =
        wf_login_record_load(ctx, record, service->store, in->email, in->tenant);

    if (st == WF_OK) {
        hash = wf_json_get_str(*record, "password_hash", nobody_hash);
    } else if (st != WF_ENOTFOUND) {
        return st;
    }
    st = wf_auth_verify(ctx, service->auth->gate, hash, in->password);
    return st == WF_OK && !*record ? WF_EDENIED : st;
}

static wf_status_t begin(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                         const wf_json_t *record, const wf_login_in_t *in)
{
    wf_actor_t actor = *in->actor;
    wf_login_session_t s = {.company_id = wf_json_get_str(record, "company_id", NULL),
                            .user_id = wf_json_get_str(record, "id", NULL),
                            .role = wf_json_get_str(record, "role", NULL),
                            .expires_at = wf_now(ctx) + service->conf.auth.refresh_ttl};
    char session_id[WF_UUID_LEN + 1];
    const char *refresh;
    wf_status_t st;

    if (in->tenant || wf_json_get_int(record, "companies", 1) == 1) {
        s.tenant_id = s.company_id;
    }
    s.session_id = session_id;
    actor.user_id = s.user_id;
    actor.actor = apr_pstrcat(ctx->pool, "user:", s.user_id, NULL);
    if ((st = wf_uuid_v7(ctx, session_id)) != WF_OK ||
        (st = refresh_token(ctx, &refresh, &s.token_hash)) != WF_OK ||
        (st = answer(ctx, out, service, &s, refresh)) != WF_OK) {
        return st;
    }
    return wf_login_begin(ctx, service->store, &s, &actor);
}

wf_status_t wf_login(wf_ctx_t *ctx, wf_json_t **out, int64_t *wait_s, const wf_service_t *service,
                     const wf_login_in_t *in)
{
    wf_json_t *record = NULL, *doc = NULL;
    wf_status_t st;

    *out = NULL;
    st = take_attempts(ctx, wait_s, service, in->actor->ip_address,
                       account_name(ctx->pool, in->email));
    if (st != WF_OK) {
        return st;
    }
    st = check(ctx, &record, service, in);
    if (st == WF_EDENIED) {
        if (record) {
            (void)!wf_login_failed(wf_ctx_derive(ctx, ctx->pool), service->store,
                                   wf_json_get_str(record, "company_id", ""),
                                   wf_json_get_str(record, "id", ""), in->actor);
        }
        return wrong(ctx);
    }
    if (st == WF_OK && (st = begin(ctx, &doc, service, record, in)) == WF_OK) {
        *out = doc;
    }
    return st;
}

wf_status_t wf_login_renew(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                           const char *token, const wf_actor_t *actor)
{
    wf_login_session_t s = {.expires_at = wf_now(ctx) + service->conf.auth.refresh_ttl};
    const char *refresh;
    wf_json_t *doc = NULL;
    wf_status_t st;

    *out = NULL;
    if ((st = refresh_token(ctx, &refresh, &s.token_hash)) != WF_OK) {
        return st;
    }
    st = wf_login_refresh(ctx, service->store, &s, wf_sha256_hex(ctx->pool, token, strlen(token)),
                          actor);
    if (st == WF_EDENIED || st == WF_ENOTFOUND) { /* the company is gone */
        wf_ctx_clear(ctx);
        return wf_fail_code(ctx, WF_EDENIED, "invalid_refresh_token",
                            WFLOGNO(0757) "the refresh token is not valid (any more): log in again");
    }
    if (st == WF_OK && (st = answer(ctx, &doc, service, &s, refresh)) == WF_OK) {
        *out = doc;
    }
    return st;
}

/* ---- those who are logged in ----------------------------------------------------------------------------------- */

/* A company that the person is in; the caller's own where it is known. */
static wf_status_t home_of(wf_ctx_t *ctx, const char **company_id, const wf_service_t *service,
                           const wf_identity_t *who)
{
    wf_slice_t text;
    wf_json_t *user;
    wf_status_t st;

    *company_id = who->company_id;
    if (*company_id) {
        return WF_OK;
    }
    if ((st = wf_auth_user_load(ctx, &text, service->store, who->user_id, NULL)) != WF_OK ||
        (st = wf_json_parse(ctx, &user, text.data, text.len, 0)) != WF_OK) {
        return st;
    }
    *company_id = wf_json_get_str(wf_json_at(wf_json_get(user, "companies"), 0), "id", NULL);
    return *company_id ? WF_OK : WF_ENOTFOUND;
}

wf_status_t wf_logout(wf_ctx_t *ctx, const wf_service_t *service, const wf_identity_t *who,
                      int everywhere, const wf_actor_t *actor)
{
    const char *company_id;
    wf_status_t st;

    if (!who->session_id) {
        return wf_fail_code(ctx, WF_ECONFLICT, "no_session",
                            WFLOGNO(0758) "this caller has not logged in: there is nothing to end");
    }
    st = home_of(ctx, &company_id, service, who);
    return st == WF_OK ? wf_login_end(ctx, service->store, company_id, who->user_id,
                                      everywhere ? NULL : who->session_id, actor)
                       : st;
}

static wf_status_t check_new(wf_ctx_t *ctx, const char *password, const char *email)
{
    size_t len = strlen(password);

    if (len < WF_PASSWORD_MIN || len > WF_PASSWORD_MAX) {
        wf_fault_add(ctx, "/new_password", "has %" APR_SIZE_T_FMT " bytes, %d to %d are allowed", len,
                     WF_PASSWORD_MIN, WF_PASSWORD_MAX);
    } else if (strcasecmp(password, email) == 0) {
        wf_fault_add(ctx, "/new_password", "the e-mail address is no password");
    }
    return wf_has_faults(ctx) ? wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0759) "%s",
                                               wf_faults_text(ctx))
                              : WF_OK;
}

wf_status_t wf_password_change(wf_ctx_t *ctx, int64_t *wait_s, const wf_service_t *service,
                               const wf_identity_t *who, const char *old_password,
                               const char *new_password, const wf_actor_t *actor)
{
    const char *company_id, *hash, *email;
    wf_status_t st = who->user_id ? home_of(ctx, &company_id, service, who) : WF_ENOTFOUND;

    if (st == WF_OK) {
        st = wf_login_hash_load(ctx, &hash, &email, service->store, company_id, who->user_id);
    }
    if (st == WF_ENOTFOUND) {
        return wf_fail_code(ctx, WF_ECONFLICT, "no_password",
                            WFLOGNO(0760) "this caller has no password that could be changed");
    }
    if (st != WF_OK || (st = check_new(ctx, new_password, email)) != WF_OK ||
        (st = take_attempt(ctx, wait_s, service, account_name(ctx->pool, email),
                           ACCOUNT_ATTEMPTS)) != WF_OK) {
        return st;
    }
    st = wf_auth_verify(ctx, service->auth->gate, hash, old_password);
    if (st == WF_EDENIED) {
        return wrong(ctx);
    }
    if (st != WF_OK || (st = wf_auth_hash(ctx, &hash, service->auth->gate, new_password)) != WF_OK) {
        return st;
    }
    return wf_login_set_password(ctx, service->store, company_id, who->user_id, who->session_id,
                                 hash, actor);
}

/* ---- me ------------------------------------------------------------------------------------------------------------ */

static wf_json_t *scopes_of(apr_pool_t *pool, wf_scopes_t scopes)
{
    wf_json_t *list = wf_json_array_make(pool);
    unsigned bit;

    for (bit = 0; bit < 2 * WF_AREA_COUNT; bit++) {
        if (scopes >> bit & 1) {
            wf_json_push(list, wf_json_str_make(pool, wf_scope_name(pool, bit)));
        }
    }
    return list;
}

static wf_json_t *accounts_of(apr_pool_t *pool, const wf_identity_t *who)
{
    wf_json_t *list = wf_json_array_make(pool);
    int i;

    for (i = 0; i < who->account_count; i++) {
        wf_json_push(list, wf_json_str_make(pool, who->account_ids[i]));
    }
    return list;
}

static wf_status_t add_person(wf_ctx_t *ctx, wf_json_t *out, const wf_service_t *service,
                              const wf_identity_t *who)
{
    const char *company_id;
    wf_json_t *user, *doc;
    wf_slice_t text;
    wf_status_t st;

    if ((st = home_of(ctx, &company_id, service, who)) != WF_OK ||
        (st = wf_user_find(ctx, &user, service->store, company_id, who->user_id)) != WF_OK ||
        (st = wf_auth_user_load(ctx, &text, service->store, who->user_id, NULL)) != WF_OK ||
        (st = wf_json_parse(ctx, &doc, text.data, text.len, 0)) != WF_OK) {
        return st;
    }
    wf_json_set_str(out, "user_id", who->user_id);
    wf_json_set(out, "email", wf_json_get(user, "email"));
    wf_json_set(out, "name", wf_json_get(user, "name"));
    wf_json_set(out, "companies", wf_json_get(doc, "companies"));
    return WF_OK;
}

wf_status_t wf_me(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                  const wf_identity_t *who)
{
    static const char *const kinds[] = {[WF_IDENTITY_USER] = "token",
                                        [WF_IDENTITY_KEY] = "api_key",
                                        [WF_IDENTITY_SERVER] = "server"};
    wf_json_t *doc = wf_json_object_make(ctx->pool);
    wf_status_t st;

    *out = NULL;
    wf_json_set_str(doc, "subject", who->subject);
    wf_json_set_str(doc, "kind", kinds[who->kind]);
    wf_json_set_str(doc, "role", who->role == WF_ROLE_NONE ? NULL : wf_role_name(who->role));
    wf_json_set_str(doc, "company_id", who->company_id);
    wf_json_set_str(doc, "company_slug", who->company_slug);
    if (who->company_id) {
        wf_json_set_bool(doc, "company_active", who->company_active);
    }
    if (who->kind == WF_IDENTITY_KEY) {
        wf_json_set(doc, "scopes", scopes_of(ctx->pool, who->scopes));
        wf_json_set(doc, "whatsapp_account_ids", accounts_of(ctx->pool, who));
    }
    if (who->expires_at) {
        wf_json_set_str(doc, "expires_at", wf_time_format(ctx->pool, who->expires_at));
    }
    if (who->user_id && (st = add_person(ctx, doc, service, who)) != WF_OK) {
        return st;
    }
    *out = doc;
    return WF_OK;
}
