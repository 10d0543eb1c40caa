#include "store/wf_login_store.h"

#include "store/wf_store_int.h"

/* ---- what is asked for -------------------------------------------------------------------------------- */

/* Longer than any address, slug or token of ours. */
#define TEXT_MAX 300

static const wf_field_t login_fields[] = {
    {"email", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, TEXT_MAX, NULL, NULL},
    {"password", WF_FIELD_SECRET, WF_FIELD_NEEDED, 1, 1024, NULL, NULL},
    {"tenant", WF_FIELD_TEXT, 0, 1, TEXT_MAX, NULL, NULL},
};
static const wf_field_t refresh_fields[] = {
    {"refresh_token", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, TEXT_MAX, NULL, NULL},
};
static const wf_field_t logout_fields[] = {
    {"everywhere", WF_FIELD_BOOL, WF_FIELD_NOT_NULL, 0, 0, NULL, NULL},
};
static const wf_field_t password_fields[] = {
    {"current_password", WF_FIELD_SECRET, WF_FIELD_NEEDED, 1, 1024, NULL, NULL},
    {"new_password", WF_FIELD_SECRET, WF_FIELD_NEEDED, 1, 4096, NULL, NULL},
};

#define FORM(fields) {fields, sizeof(fields) / sizeof((fields)[0])}
static const struct {
    const wf_field_t *fields;
    size_t count;
} forms[] = {[WF_FORM_LOGIN] = FORM(login_fields),
             [WF_FORM_REFRESH] = FORM(refresh_fields),
             [WF_FORM_LOGOUT] = FORM(logout_fields),
             [WF_FORM_PASSWORD] = FORM(password_fields)};

wf_status_t wf_login_check(wf_ctx_t *ctx, wf_login_form_t form, const wf_json_t *members)
{
    return wf_fields_check(ctx, forms[form].fields, forms[form].count, members, 1);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static const char *time_param(apr_pool_t *pool, apr_time_t t)
{
    return apr_psprintf(pool, "%" APR_TIME_T_FMT, t);
}

wf_status_t wf_login_record_load(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                 const char *email, const char *tenant)
{
    const wf_pg_param_t params[] = {email, tenant};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_LOGIN_RECORD, params);
    if (st == WF_OK && !wf_pg_cell(res, 0, 0)) {
        return WF_ENOTFOUND;
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

static wf_status_t add_audit(wf_ctx_t *ctx, wf_change_t *change, const char *action,
                             const char *user_id)
{
    wf_audit_t row = {.company_id = change->company_id,
                      .action = action,
                      .resource_type = "user",
                      .resource_id = user_id};

    change->touched = 1;
    change->forget_contexts = 0;
    wf_change_forget_auth(change, apr_pstrcat(ctx->pool, "user:", user_id, NULL));
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

static wf_status_t add_token(wf_ctx_t *ctx, wf_change_t *change, const wf_login_session_t *s)
{
    const wf_pg_param_t params[] = {s->company_id, s->session_id, s->token_hash,
                                    time_param(ctx->pool, s->expires_at)};
    wf_pg_result_t *res;

    return wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_TOKEN, params);
}

/* ---- begin ------------------------------------------------------------------------------------------ */

static wf_status_t begin(wf_ctx_t *ctx, wf_change_t *change, const wf_login_session_t *s)
{
    const wf_pg_param_t session[] = {s->company_id,
                                     s->session_id,
                                     s->user_id,
                                     s->tenant_id,
                                     change->actor->ip_address,
                                     change->actor->user_agent,
                                     time_param(ctx->pool, s->expires_at)};
    const wf_pg_param_t seen[] = {s->company_id, s->user_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_SESSION, session)) != WF_OK ||
        (st = add_token(ctx, change, s)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_SEEN, seen)) != WF_OK) {
        return st;
    }
    return add_audit(ctx, change, "user.logged_in", s->user_id);
}

wf_status_t wf_login_begin(wf_ctx_t *ctx, const wf_store_t *store,
                           const wf_login_session_t *session, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, session->company_id, actor);

    if (st == WF_OK) {
        st = begin(ctx, &change, session);
    }
    return wf_change_end(ctx, &change, st);
}

/* ---- go on -------------------------------------------------------------------------------------------- */

/* Somebody has a copy of the token: whoever it was, both have to log in again. */
static wf_status_t end_stolen(wf_ctx_t *ctx, wf_change_t *change, const wf_login_session_t *s)
{
    const wf_pg_param_t params[] = {s->session_id, s->user_id, "reuse"};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_REVOKE, params);

    return st == WF_OK ? add_audit(ctx, change, "user.token_reused", s->user_id) : st;
}

/* *refused 1: the token is not good, and what follows from that is to be committed. */
static wf_status_t go_on(wf_ctx_t *ctx, wf_change_t *change, wf_login_session_t *s, int *refused,
                         const char *old_hash)
{
    const wf_pg_param_t old[] = {s->company_id, old_hash};
    const wf_pg_param_t extend[] = {s->company_id, s->session_id,
                                    time_param(ctx->pool, s->expires_at)};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_REFRESH, old);

    *refused = 1;
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st;
    }
    s->user_id = wf_pg_cell(res, 0, 2);
    s->tenant_id = wf_pg_cell(res, 0, 3);
    s->role = wf_pg_cell(res, 0, 4);
    if (wf_store_int(res, 0, 0)) {
        return end_stolen(ctx, change, s);
    }
    if (wf_store_int(res, 0, 1)) {
        return WF_OK;
    }
    *refused = 0;
    st = add_token(ctx, change, s);
    return st == WF_OK ? wf_change_exec(ctx, &res, change, WF_SQL_LOGIN_EXTEND, extend) : st;
}

static wf_status_t find_session(wf_ctx_t *ctx, wf_login_session_t *out, const wf_store_t *store,
                                const char *hash)
{
    wf_pg_result_t *res;
    wf_json_t *doc;
    wf_status_t st = wf_store_query_plain(ctx, &res, store, WF_SQL_LOGIN_REFRESH_RECORD, &hash);

    if (st != WF_OK) {
        return st;
    }
    if (!wf_pg_cell(res, 0, 0)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0752) "no such refresh token");
    }
    if ((st = wf_store_json(ctx, &doc, res, 0, 0)) == WF_OK) {
        out->company_id = wf_json_get_str(doc, "company_id", NULL);
        out->session_id = wf_json_get_str(doc, "session_id", NULL);
    }
    return st;
}

wf_status_t wf_login_refresh(wf_ctx_t *ctx, const wf_store_t *store, wf_login_session_t *session,
                             const char *old_hash, const wf_actor_t *actor)
{
    wf_change_t change;
    int refused = 0;
    wf_status_t st = find_session(ctx, session, store, old_hash);

    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, session->company_id, actor);
    if (st == WF_OK) {
        st = go_on(ctx, &change, session, &refused, old_hash);
    }
    st = wf_change_end(ctx, &change, st);
    if (st == WF_OK && refused) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0753) "the refresh token is used, old or revoked");
    }
    return st;
}

/* In a person's other companies too; the rest of the transaction is the platform's. */
static wf_status_t exec_as_platform(wf_ctx_t *ctx, wf_change_t *change, wf_sql_id_t id,
                                    const wf_pg_param_t *params)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_ROLE_PLATFORM, NULL);

    return st == WF_OK ? wf_change_exec(ctx, &res, change, id, params) : st;
}

/* ---- end ------------------------------------------------------------------------------------------------ */

wf_status_t wf_login_end(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const char *user_id, const char *session_id, const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {session_id, user_id, "logout"};
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = exec_as_platform(ctx, &change, WF_SQL_LOGIN_REVOKE, params);
    }
    if (st == WF_OK) {
        st = add_audit(ctx, &change, "user.logged_out", user_id);
    }
    return wf_change_end(ctx, &change, st);
}

wf_status_t wf_login_failed(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                            const char *user_id, const wf_actor_t *actor)
{
    wf_audit_t row = {.company_id = company_id,
                      .action = "user.login_failed",
                      .resource_type = "user",
                      .resource_id = user_id};

    return wf_audit_write(ctx, store, &row, actor);
}

/* ---- passwords -------------------------------------------------------------------------------------------- */

wf_status_t wf_login_hash_load(wf_ctx_t *ctx, const char **hash, const char **email,
                               const wf_store_t *store, const char *company_id,
                               const char *user_id)
{
    const wf_pg_param_t params[] = {company_id, user_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_LOGIN_HASH, params);

    *hash = *email = NULL;
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st == WF_OK ? WF_ENOTFOUND : st;
    }
    *hash = wf_pg_cell(res, 0, 0);
    *email = wf_pg_cell(res, 0, 1);
    return WF_OK;
}

wf_status_t wf_login_set_password(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                  const char *user_id, const char *session_id, const char *hash,
                                  const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {user_id, hash, session_id, actor->actor};
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = exec_as_platform(ctx, &change, WF_SQL_USER_SET_PASSWORD, params);
    }
    if (st == WF_OK) {
        st = add_audit(ctx, &change, "user.password_changed", user_id);
    }
    return wf_change_end(ctx, &change, st);
}
