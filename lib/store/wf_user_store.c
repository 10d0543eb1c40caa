#include "store/wf_people_store.h"

#include "store/wf_store_int.h"

#include <string.h>
#include <strings.h>

static const wf_field_t fields[] = {
    {"email", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, wf_form_is_email, "an e-mail address"},
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 200, NULL, NULL},
    {"role", WF_FIELD_WORD, WF_FIELD_NEEDED, 0, 0, NULL, "leitura operador gestor admin"},
    {"status", WF_FIELD_WORD, WF_FIELD_NOT_NULL, 0, 0, NULL, "active inactive"},
    {"password", WF_FIELD_SECRET, WF_FIELD_NOT_NULL, WF_PASSWORD_MIN, WF_PASSWORD_MAX, NULL, NULL},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_USER_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_USER_PAGE_OLDEST, 0},
                                  {"email", WF_SQL_USER_PAGE_EMAIL, 1},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {
    {"status", WF_FILTER_WORD, "active inactive invited"},
    {"role", WF_FILTER_WORD, "leitura operador gestor admin"},
    {"email", WF_FILTER_TEXT, NULL},
    {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_users = {sorts, filters, 0};

/* ---- reading ------------------------------------------------------------------------------------ */

wf_status_t wf_user_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *which)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(which), which};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_store_query(ctx, &res, store, company_id, WF_SQL_USER_FIND, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0625) "no such user");
    }
    return wf_store_json(ctx, out, res, 0, 0);
}

wf_status_t wf_user_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                         const char *company_id)
{
    return wf_store_document(ctx, array, store, company_id, WF_SQL_USER_LIST, &company_id);
}

/* ---- making ------------------------------------------------------------------------------------- */

wf_status_t wf_user_check(wf_ctx_t *ctx, const wf_json_t *members, int making)
{
    const char *password = wf_json_get_str(members, "password", NULL);
    const char *email = wf_json_get_str(members, "email", NULL);

    if (password && email && strcasecmp(password, email) == 0) {
        wf_fault_add(ctx, "/password", "the e-mail address is no password");
    }
    return wf_fields_check(ctx, fields, FIELDS, members, making);
}

static void forget(wf_ctx_t *ctx, wf_change_t *change, const char *id)
{
    change->forget_contexts = 0;
    wf_change_forget_auth(change, apr_pstrcat(ctx->pool, "user:", id, NULL));
}

static wf_status_t check_room(wf_ctx_t *ctx, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_USER_COUNT, params);

    return st == WF_OK ? wf_change_limit(ctx, wf_store_int(res, 0, 0), wf_store_int(res, 0, 1), 0,
                                         "users")
                       : st;
}

/* Somebody with this address who is in another company already: same person, same password. */
static wf_status_t find_elsewhere(wf_ctx_t *ctx, const char **id, const char **hash,
                                  const wf_store_t *store, const char *email)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_USER_ELSEWHERE, &email);

    if (st == WF_OK && wf_pg_rows(res) > 0) {
        *id = wf_pg_cell(res, 0, 0);
        *hash = wf_pg_cell(res, 0, 1);
    }
    return st;
}

/* What is kept in the row; the password is not in it. */
static const char *row_text(wf_ctx_t *ctx, const wf_json_t *members)
{
    wf_json_t *row = wf_json_object_copy(ctx->pool, members);

    wf_json_remove(row, "password");
    return wf_json_text(ctx->pool, row, NULL);
}

static wf_status_t create(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *id,
                          const wf_json_t *members, const char *hash)
{
    const wf_pg_param_t params[] = {change->company_id, id, row_text(ctx, members),
                                    change->actor->actor, hash};
    wf_status_t st;

    if ((st = check_room(ctx, change)) != WF_OK) {
        return st;
    }
    st = wf_change_exec_json(ctx, doc, change, WF_SQL_USER_INSERT, params);
    if (st == WF_ENOTFOUND) {
        return wf_fail_code(ctx, WF_ECONFLICT, "email_taken",
                            WFLOGNO(0629) "this person is in the company already");
    }
    if (st != WF_OK) {
        return st;
    }
    forget(ctx, change, id);
    return wf_change_audit(ctx, change, "user.created", id, NULL, *doc);
}

wf_status_t wf_user_create(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_user_opts_t *opts, const wf_actor_t *actor)
{
    const char *id = NULL, *hash = opts->password_hash;
    char new_id[WF_UUID_LEN + 1];
    wf_json_t *doc = NULL;
    wf_change_t change;
    wf_status_t st = wf_uuid_v7(ctx, new_id);

    *out = NULL;
    if (st == WF_OK && opts->is_platform && !hash) {
        st = find_elsewhere(ctx, &id, &hash, store, wf_json_get_str(members, "email", ""));
    }
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = create(ctx, &doc, &change, id ? id : new_id, members, hash);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *out = doc;
    }
    return st;
}

/* ---- changing ------------------------------------------------------------------------------------- */

static wf_status_t read_old(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(id), NULL};
    wf_status_t st = wf_change_exec_json(ctx, doc, change, WF_SQL_USER_FIND, params);

    if (st == WF_ENOTFOUND) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0626) "no such user");
    }
    return st == WF_OK ? wf_change_expect(ctx, change, *doc) : st;
}

static int is_active_admin(const wf_json_t *doc)
{
    return doc && strcmp(wf_json_get_str(doc, "role", ""), "admin") == 0 &&
           strcmp(wf_json_get_str(doc, "status", ""), "active") == 0;
}

/* Somebody of the company must be able to let others in. */
static wf_status_t keep_an_admin(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *old_doc,
                                 const wf_json_t *new_doc)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if (!is_active_admin(old_doc) || is_active_admin(new_doc)) {
        return WF_OK;
    }
    st = wf_change_exec(ctx, &res, change, WF_SQL_USER_ADMINS, params);
    if (st != WF_OK || wf_store_int(res, 0, 0) > 0) {
        return st;
    }
    return wf_fail_code(ctx, WF_ECONFLICT, "last_admin",
                        WFLOGNO(0627) "this is the company's last active admin");
}

/* In all companies of the person, whose other log-ins end. The rest of the transaction is the platform's. */
static wf_status_t set_password(wf_ctx_t *ctx, wf_change_t *change, const char *id,
                                const wf_user_opts_t *opts)
{
    const wf_pg_param_t params[] = {id, opts->password_hash, NULL, change->actor->actor};
    const wf_pg_param_t others[] = {id, change->company_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ROLE_PLATFORM, NULL)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_USER_OTHERS, others)) != WF_OK) {
        return st;
    }
    if (!opts->is_platform && wf_store_int(res, 0, 0) > 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "password_not_yours",
                            WFLOGNO(0628) "this person is in another company too: only they or the "
                                          "platform can change the password");
    }
    return wf_change_exec(ctx, &res, change, WF_SQL_USER_SET_PASSWORD, params);
}

/* The new values as an audit row shows them: that there is another password, never which. */
static wf_status_t audit(wf_ctx_t *ctx, wf_change_t *change, const char *id,
                         const wf_json_t *old_doc, const wf_json_t *new_doc, int has_new_password)
{
    wf_json_t *shown = wf_json_object_copy(ctx->pool, new_doc);

    if (has_new_password) {
        wf_json_set_str(shown, "password", "[redacted]");
    }
    return wf_change_audit(ctx, change, "user.updated", id, old_doc, shown);
}

static wf_status_t update(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *id,
                          const wf_json_t *members, const wf_user_opts_t *opts)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(id), row_text(ctx, members),
                                    change->actor->actor};
    wf_json_t *old_doc;
    wf_status_t st;

    if ((st = read_old(ctx, &old_doc, change, id)) != WF_OK ||
        (st = wf_change_exec_json(ctx, doc, change, WF_SQL_USER_UPDATE, params)) != WF_OK ||
        (st = keep_an_admin(ctx, change, old_doc, *doc)) != WF_OK) {
        return st;
    }
    forget(ctx, change, id);
    if (opts->password_hash && (st = set_password(ctx, change, id, opts)) != WF_OK) {
        return st;
    }
    if (opts->password_hash) { /* "invited" is "active" by now */
        const wf_pg_param_t again[] = {change->company_id, id, NULL};
        if ((st = wf_change_exec_json(ctx, doc, change, WF_SQL_USER_FIND, again)) != WF_OK) {
            return st;
        }
    }
    return audit(ctx, change, id, old_doc, *doc, opts->password_hash != NULL);
}

wf_status_t wf_user_update(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const char *id, const wf_json_t *members,
                           const wf_user_opts_t *opts, const wf_actor_t *actor)
{
    wf_json_t *doc = NULL;
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    *out = NULL;
    if (st == WF_OK) {
        st = update(ctx, &doc, &change, id, members, opts);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *out = doc;
    }
    return st;
}

static wf_status_t remove_user(wf_ctx_t *ctx, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(id), change->actor->actor};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = read_old(ctx, &old_doc, change, id)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_USER_REMOVE, params)) != WF_OK ||
        (st = keep_an_admin(ctx, change, old_doc, NULL)) != WF_OK) {
        return st;
    }
    forget(ctx, change, id);
    return wf_change_audit(ctx, change, "user.deleted", id, old_doc, NULL);
}

wf_status_t wf_user_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_user(ctx, &change, id);
    }
    return wf_change_end(ctx, &change, st);
}
