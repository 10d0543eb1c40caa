#include "store/wf_list.h"
#include "store/wf_store_int.h"

#include <string.h>

#define SETTINGS_MAX 65536
#define LIMIT_MAX 1000000000
#define LIST_MAX 1000

static const wf_field_t fields[] = {
    {"slug", WF_FIELD_FORM, WF_FIELD_NEEDED | WF_FIELD_FIXED, 0, 0, wf_slug_is,
     "1 or 3 to 63 of a-z, 0-9 and '-', not at an end,"},
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 200, NULL, NULL},
    {"display_name", WF_FIELD_TEXT, WF_FIELD_NOT_NULL, 1, 200, NULL, NULL},
    {"email", WF_FIELD_FORM, 0, 0, 0, wf_form_is_email, "an e-mail address"},
    {"phone", WF_FIELD_FORM, 0, 0, 0, wf_form_is_phone, "a telephone number"},
    {"subscription_plan", WF_FIELD_TEXT, WF_FIELD_NOT_NULL, 1, 32, NULL, NULL},
    {"max_whatsapp_accounts", WF_FIELD_INT, 0, 0, LIMIT_MAX, NULL, NULL},
    {"max_flows", WF_FIELD_INT, 0, 0, LIMIT_MAX, NULL, NULL},
    {"max_monthly_messages", WF_FIELD_INT, 0, 0, INT64_MAX / 2, NULL, NULL},
    {"settings", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"metadata", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"status", WF_FIELD_WORD, WF_FIELD_NOT_NULL, 0, 0, NULL, "active inactive suspended pending"},
    {"suspension_reason", WF_FIELD_TEXT, 0, 0, 500, NULL, NULL},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- the list --------------------------------------------------------------------------- */

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_COMPANY_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_COMPANY_PAGE_OLDEST, 0},
                                  {"slug", WF_SQL_COMPANY_PAGE_SLUG, 1},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {
    {"status", WF_FILTER_WORD, "active inactive suspended pending"},
    {"subscription_plan", WF_FILTER_TEXT, NULL},
    {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_companies = {sorts, filters, 1};

/* ---- making ----------------------------------------------------------------------------- */

/* -1 is "the plan's", which is what an absent member is. */
static void set_limit(wf_json_t *row, const char *name, int64_t n)
{
    if (n != -1) {
        wf_json_set_int(row, name, n);
    }
}

static wf_status_t row_of_new(wf_ctx_t *ctx, wf_json_t **row, const wf_company_new_t *company)
{
    wf_json_t *out = wf_json_object_make(ctx->pool), *settings;
    wf_status_t st;

    *row = NULL;
    if ((st = wf_fields_object(ctx, &settings, "settings", company->settings)) != WF_OK) {
        return st;
    }
    wf_json_set_str(out, "slug", company->slug);
    wf_json_set_str(out, "name", company->name);
    wf_json_set_str(out, "display_name",
                    company->display_name ? company->display_name : company->name);
    wf_json_set_str(out, "email", company->email);
    wf_json_set_str(out, "phone", company->phone);
    wf_json_set_str(out, "subscription_plan", company->plan ? company->plan : "starter");
    wf_json_set_str(out, "status", company->status ? company->status : WF_STATUS_ACTIVE);
    set_limit(out, "max_whatsapp_accounts", company->max_accounts);
    set_limit(out, "max_flows", company->max_flows);
    set_limit(out, "max_monthly_messages", company->max_monthly_messages);
    wf_json_set(out, "settings", settings);
    if ((st = wf_fields_check(ctx, fields, FIELDS, out, 1)) == WF_OK) {
        *row = out;
    }
    return st;
}

static wf_status_t check_room(wf_ctx_t *ctx, wf_change_t *change, int max_companies)
{
    wf_pg_result_t *res;
    wf_status_t st;

    if (max_companies <= 0) {
        return WF_OK;
    }
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_CREATE_LOCK, NULL)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_COUNT, NULL)) != WF_OK) {
        return st;
    }
    return wf_change_limit(ctx, wf_store_int(res, 0, 0), max_companies, 0, "companies");
}

static wf_status_t add_data_key(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring)
{
    wf_data_key_t key;
    const char *wrapped;
    wf_pg_result_t *res;
    wf_status_t st = wf_data_key_generate(ctx, &key, &wrapped, ring, change->company_id);

    if (st == WF_OK) {
        const wf_pg_param_t params[] = {change->company_id, key.id, wrapped};
        st = wf_change_exec(ctx, &res, change, WF_SQL_DATA_KEY_INSERT, params);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

static wf_status_t create(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                          const wf_json_t *row, int max_companies)
{
    const wf_pg_param_t params[] = {change->company_id, wf_json_text(ctx->pool, row, NULL),
                                    change->actor->actor};
    wf_json_t *doc;
    wf_status_t st;

    if ((st = check_room(ctx, change, max_companies)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &doc, change, WF_SQL_COMPANY_INSERT, params)) != WF_OK ||
        (st = add_data_key(ctx, change, ring)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "company.created", change->company_id, NULL, doc);
}

wf_status_t wf_company_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const wf_company_new_t *company,
                              int max_companies, const wf_actor_t *actor)
{
    char new_id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_json_t *row;
    wf_status_t st;

    *id = NULL;
    if ((st = row_of_new(ctx, &row, company)) != WF_OK || (st = wf_uuid_v7(ctx, new_id)) != WF_OK) {
        return st;
    }
    st = wf_change_begin_platform(ctx, &change, store, new_id, company->slug, actor);
    if (st == WF_OK) {
        st = create(ctx, &change, ring, row, max_companies);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = apr_pstrdup(ctx->pool, new_id);
    }
    return st;
}

/* ---- reading ---------------------------------------------------------------------------- */

wf_status_t wf_company_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *after, int limit)
{
    const wf_pg_param_t params[] = {
        after, apr_psprintf(ctx->pool, "%d", limit < 1 || limit > LIST_MAX ? LIST_MAX : limit)};

    *array = NULL;
    if (after && !wf_uuid_is(after)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0282) "after: a company's id expected");
    }
    return wf_store_document_platform(ctx, array, store, WF_SQL_COMPANY_LIST, params);
}

wf_status_t wf_company_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *slug_or_id)
{
    const wf_pg_param_t params[] = {wf_store_uuid(slug_or_id), slug_or_id};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if (!wf_slug_is(slug_or_id) && !wf_uuid_is(slug_or_id)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0283) "no such company");
    }
    st = wf_store_query_platform(ctx, &res, store, WF_SQL_COMPANY_FIND, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0284) "no such company");
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

wf_status_t wf_company_check(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_COMPANY_EXISTS, params);

    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0593) "no such company");
    }
    return st;
}

/* ---- changing --------------------------------------------------------------------------- */

static const char *action_of(const wf_json_t *old_doc, const wf_json_t *new_doc)
{
    const char *status = wf_json_get_str(new_doc, "status", "");

    if (strcmp(status, wf_json_get_str(old_doc, "status", "")) != 0) {
        if (strcmp(status, WF_STATUS_ACTIVE) == 0) {
            return "company.activated";
        }
        if (strcmp(status, WF_STATUS_SUSPENDED) == 0) {
            return "company.suspended";
        }
    }
    return "company.updated";
}

/* What is known of callers says whether their company is active. Rare enough for all of them. */
static void forget_callers(wf_change_t *change, const wf_json_t *old_doc, const wf_json_t *new_doc)
{
    if (!wf_json_equal(wf_json_get(old_doc, "status"), wf_json_get(new_doc, "status"))) {
        wf_change_forget_auth(change, "*");
    }
}

wf_status_t wf_company_apply(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members)
{
    wf_pg_param_t params[] = {change->company_id, NULL, change->actor->actor};
    wf_json_t *old_doc, *new_doc, *row;
    wf_status_t st;

    if ((st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_COMPANY_ROW, params)) != WF_OK ||
        (st = wf_change_expect(ctx, change, old_doc)) != WF_OK ||
        (st = wf_fields_row(ctx, &row, fields, FIELDS, old_doc, members)) != WF_OK) {
        return st;
    }
    params[1] = wf_json_text(ctx->pool, row, NULL);
    st = wf_change_exec_json(ctx, &new_doc, change, WF_SQL_COMPANY_UPDATE, params);
    forget_callers(change, old_doc, new_doc);
    return st == WF_OK ? wf_change_audit(ctx, change, action_of(old_doc, new_doc),
                                         change->company_id, old_doc, new_doc)
                       : st;
}

wf_status_t wf_company_update(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_json_t *members, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if ((st = wf_fields_check(ctx, fields, FIELDS, members, 0)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = wf_company_apply(ctx, &change, members);
    }
    return wf_change_end(ctx, &change, st);
}

/* The slug is free at once, and its next owner's flows may have the same names: the plans go too.
 */
static wf_status_t forget_all_flows(wf_ctx_t *ctx, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_FLOW_NAMES, params);
    int i;

    for (i = 0; st == WF_OK && i < wf_pg_rows(res); i++) {
        wf_change_forget_flow(change, wf_pg_cell(res, i, 0));
    }
    return st;
}

static wf_status_t remove_company(wf_ctx_t *ctx, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id, change->actor->actor};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_COMPANY_ROW, params)) != WF_OK ||
        (st = wf_change_expect(ctx, change, old_doc)) != WF_OK ||
        (st = forget_all_flows(ctx, change)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_REMOVE, params)) != WF_OK) {
        return st;
    }
    forget_callers(change, old_doc, NULL);
    return wf_change_audit(ctx, change, "company.deleted", change->company_id, old_doc, NULL);
}

wf_status_t wf_company_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_company(ctx, &change);
    }
    return wf_change_end(ctx, &change, st);
}
