#include "store/wf_people_store.h"

#include "store/wf_store_int.h"

#include <string.h>

#define SCOPES_MAX ((int64_t)2 * WF_AREA_COUNT)
#define ACCOUNTS_MAX 100
#define RATE_MAX 1000000

static int is_scope(const char *text)
{
    return wf_scope_parse(text) != 0;
}

static int is_time(const char *text)
{
    apr_time_t t;

    return wf_time_parse(&t, text);
}

static const wf_field_t fields[] = {
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 100, NULL, NULL},
    {"scopes", WF_FIELD_LIST, WF_FIELD_NEEDED, 1, SCOPES_MAX, is_scope,
     "read:<area> or write:<area>"},
    {"whatsapp_account_ids", WF_FIELD_LIST, WF_FIELD_NOT_NULL, 0, ACCOUNTS_MAX, wf_uuid_is,
     "ids of accounts"},
    {"rate_limit_per_minute", WF_FIELD_INT, WF_FIELD_NOT_NULL, 1, RATE_MAX, NULL, NULL},
    {"expires_at", WF_FIELD_FORM, 0, 0, 0, is_time, "a time as 2026-12-31T23:59:59Z"},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_API_KEY_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_API_KEY_PAGE_OLDEST, 0},
                                  {"name", WF_SQL_API_KEY_PAGE_NAME, 1},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {{"status", WF_FILTER_WORD, "active revoked expired"},
                                      {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_api_keys = {sorts, filters, 0};

/* ---- reading ------------------------------------------------------------------------------------ */

wf_status_t wf_api_key_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *id)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(id)};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_store_query(ctx, &res, store, company_id, WF_SQL_API_KEY_ROW, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0621) "no such API key");
    }
    return wf_store_json(ctx, out, res, 0, 0);
}

wf_status_t wf_api_key_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id)
{
    return wf_store_document(ctx, array, store, company_id, WF_SQL_API_KEY_LIST, &company_id);
}

/* ---- changing ------------------------------------------------------------------------------------- */

wf_status_t wf_api_key_check(wf_ctx_t *ctx, const wf_json_t *members)
{
    const char *expires = wf_json_get_str(members, "expires_at", NULL);
    apr_time_t t;

    if (expires && wf_time_parse(&t, expires) && t <= wf_now(ctx)) {
        wf_fault_add(ctx, "/expires_at", "lies in the past");
    }
    return wf_fields_check(ctx, fields, FIELDS, members, 1);
}

static void forget(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *doc)
{
    change->forget_contexts = 0;
    wf_change_forget_auth(change, apr_pstrcat(ctx->pool, "key:",
                                              wf_json_get_str(doc, "key_prefix", ""), NULL));
}

static wf_status_t check_accounts(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members)
{
    const wf_json_t *ids = wf_json_get(members, "whatsapp_account_ids");
    const wf_pg_param_t params[] = {change->company_id, wf_json_text(ctx->pool, ids, NULL)};
    wf_pg_result_t *res;
    wf_status_t st;

    if (wf_json_len(ids) == 0) {
        return WF_OK;
    }
    st = wf_change_exec(ctx, &res, change, WF_SQL_API_KEY_ACCOUNTS, params);
    if (st != WF_OK || wf_store_int(res, 0, 0) == 0) {
        return st;
    }
    wf_fault_add(ctx, "/whatsapp_account_ids", "not all of them are accounts of the company");
    return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0622) "%s", wf_faults_text(ctx));
}

static wf_status_t create(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change,
                          const wf_json_t *members, const char *lookup, const char *hash)
{
    char id[WF_UUID_LEN + 1];
    const wf_pg_param_t params[] = {change->company_id, id,     wf_json_text(ctx->pool, members, NULL),
                                    change->actor->actor, lookup, hash};
    wf_status_t st;

    if ((st = check_accounts(ctx, change, members)) != WF_OK ||
        (st = wf_uuid_v7(ctx, id)) != WF_OK ||
        (st = wf_change_exec_json(ctx, doc, change, WF_SQL_API_KEY_INSERT, params)) != WF_OK) {
        return st;
    }
    forget(ctx, change, *doc);
    return wf_change_audit(ctx, change, "api_key.created", wf_json_get_str(*doc, "id", NULL), NULL,
                           *doc);
}

wf_status_t wf_api_key_create(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id, const wf_json_t *members, const char *lookup,
                              const char *hash, const wf_actor_t *actor)
{
    wf_json_t *doc = NULL;
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    *out = NULL;
    if (st == WF_OK) {
        st = create(ctx, &doc, &change, members, lookup, hash);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *out = doc;
    }
    return st;
}

/* The row before, with its version checked. */
static wf_status_t read_old(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(id)};
    wf_status_t st = wf_change_exec_json(ctx, doc, change, WF_SQL_API_KEY_ROW, params);

    if (st == WF_ENOTFOUND) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0623) "no such API key");
    }
    return st == WF_OK ? wf_change_expect(ctx, change, *doc) : st;
}

static wf_status_t replace(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *id,
                           const char *lookup, const char *hash)
{
    const wf_pg_param_t params[] = {change->company_id, id, lookup, hash};
    wf_json_t *old_doc;
    wf_status_t st = read_old(ctx, &old_doc, change, id);

    if (st != WF_OK) {
        return st;
    }
    if (strcmp(wf_json_get_str(old_doc, "status", ""), "active") != 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "key_not_active",
                            WFLOGNO(0624) "the key is revoked or has expired: make a new one");
    }
    if ((st = wf_change_exec_json(ctx, doc, change, WF_SQL_API_KEY_REPLACE, params)) != WF_OK) {
        return st;
    }
    forget(ctx, change, old_doc);
    return wf_change_audit(ctx, change, "api_key.regenerated", id, old_doc, *doc);
}

wf_status_t wf_api_key_replace(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const char *company_id, const char *id, const char *lookup,
                               const char *hash, const wf_actor_t *actor)
{
    wf_json_t *doc = NULL;
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    *out = NULL;
    if (st == WF_OK) {
        st = replace(ctx, &doc, &change, id, lookup, hash);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *out = doc;
    }
    return st;
}

static wf_status_t revoke_key(wf_ctx_t *ctx, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, id};
    wf_json_t *old_doc, *doc;
    wf_status_t st;

    if ((st = read_old(ctx, &old_doc, change, id)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &doc, change, WF_SQL_API_KEY_REVOKE, params)) != WF_OK) {
        return st;
    }
    forget(ctx, change, old_doc);
    return wf_change_audit(ctx, change, "api_key.revoked", id, old_doc, doc);
}

wf_status_t wf_api_key_revoke(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const char *id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = revoke_key(ctx, &change, id);
    }
    return wf_change_end(ctx, &change, st);
}
