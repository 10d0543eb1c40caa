#include "store/wf_account_int.h"
#include "store/wf_list.h"

#include <string.h>

#define SETTINGS_MAX 65536
#define RATE_MAX_DEFAULT 600
#define RATE_WINDOW_DEFAULT_MS 60000
#define TIMEOUT_DEFAULT_MS 2500
#define CALLBACK_TIMEOUT_DEFAULT_MS 5000

static int is_time(const char *text)
{
    apr_time_t t;

    return wf_time_parse(&t, text);
}

const wf_field_t wf_account_fields[WF_ACCOUNT_FIELDS] = {
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 100, NULL, NULL},
    {"phone_number", WF_FIELD_FORM, 0, 0, 0, wf_form_is_phone, "a telephone number"},
    {"display_name", WF_FIELD_TEXT, WF_FIELD_NOT_NULL, 1, 200, NULL, NULL},
    {"phone_number_id", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, wf_form_is_meta_id, "5 to 20 digits"},
    {"waba_id", WF_FIELD_FORM, 0, 0, 0, wf_form_is_meta_id, "5 to 20 digits"},
    {"status", WF_FIELD_WORD, WF_FIELD_NOT_NULL, 0, 0, NULL,
     "active inactive pending_verification suspended"},
    /* There so that it is refused with a reason: wf_account_set_default changes it. */
    {"is_default", WF_FIELD_BOOL, WF_FIELD_FIXED, 0, 0, NULL, NULL},
    {"default_flow_name", WF_FIELD_FORM, 0, 0, 0, wf_flow_name_is,
     "1 to 64 letters, digits, '_', '-' or '.'"},
    {"callback_webhook_url", WF_FIELD_FORM, 0, 0, 0, wf_form_is_url,
     "an http or https URL without user name"},
    {"callback_event_types", WF_FIELD_LIST, WF_FIELD_NOT_NULL, 0, 64, wf_form_is_event_pattern,
     "event types ('flow_completed', 'message.*', '*')"},
    {"callback_timeout", WF_FIELD_INT, WF_FIELD_NOT_NULL, 100, 60000, NULL, NULL},
    {"callback_max_retries", WF_FIELD_INT, 0, 0, 20, NULL, NULL},
    {"flow_endpoint_timeout", WF_FIELD_INT, WF_FIELD_NOT_NULL, 100, 9500, NULL, NULL},
    {"rate_limit_window_ms", WF_FIELD_INT, WF_FIELD_NOT_NULL, 1000, 86400000, NULL, NULL},
    {"rate_limit_max_requests", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, 1000000000, NULL, NULL},
    {"key_rotation_scheduled_at", WF_FIELD_FORM, 0, 0, 0, is_time, "a time (2026-03-01T10:20:30Z)"},
    {"settings", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"features", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"access_token", WF_FIELD_SECRET, 0, 1, WF_ACCOUNT_SECRET_MAX, NULL, NULL},
    {"app_secret", WF_FIELD_SECRET, 0, 1, WF_ACCOUNT_SECRET_MAX, NULL, NULL},
    {"verify_token", WF_FIELD_SECRET, 0, 1, WF_ACCOUNT_SECRET_MAX, NULL, NULL},
    {"callback_secret", WF_FIELD_SECRET, 0, 1, WF_ACCOUNT_SECRET_MAX, NULL, NULL},
};

/* ---- the list --------------------------------------------------------------------------- */

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_ACCOUNT_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_ACCOUNT_PAGE_OLDEST, 0},
                                  {"name", WF_SQL_ACCOUNT_PAGE_NAME, 1},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {
    {"status", WF_FILTER_WORD, "active inactive pending_verification suspended"},
    {"is_default", WF_FILTER_BOOL, NULL},
    {"accounts", WF_FILTER_ACCOUNTS, NULL},
    {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_accounts = {sorts, filters, 0};

/* ---- making ----------------------------------------------------------------------------- */

wf_json_t *wf_account_event_types(apr_pool_t *pool, const char *text)
{
    wf_json_t *out = wf_json_array_make(pool);

    for (text = text ? text : "flow_completed"; *text;) {
        size_t len = strcspn(text, ", ");
        if (len > 0) {
            wf_json_push(out, wf_json_strn_make(pool, text, len));
        }
        text += len + (text[len] != '\0');
    }
    return out;
}

/* What a member is that nobody sets; null where it is not named here. */
static wf_json_t *defaults(apr_pool_t *pool, const char *name)
{
    wf_json_t *out = wf_json_object_make(pool);

    wf_json_set_str(out, "display_name", name);
    wf_json_set_str(out, "status", WF_STATUS_ACTIVE);
    wf_json_set(out, "callback_event_types", wf_account_event_types(pool, NULL));
    wf_json_set_int(out, "callback_timeout", CALLBACK_TIMEOUT_DEFAULT_MS);
    wf_json_set_int(out, "flow_endpoint_timeout", TIMEOUT_DEFAULT_MS);
    wf_json_set_int(out, "rate_limit_window_ms", RATE_WINDOW_DEFAULT_MS);
    wf_json_set_int(out, "rate_limit_max_requests", RATE_MAX_DEFAULT);
    wf_json_set(out, "settings", wf_json_object_make(pool));
    wf_json_set(out, "features", wf_json_object_make(pool));
    return out;
}

/* A new account on its way in: its row, and secrets in the caller's memory. No copy of them is made on the way. */
#define SECRETS 4
static const char *const secret_columns[SECRETS] = {"access_token", "app_secret", "verify_token",
                                                    "callback_secret"};
typedef struct {
    wf_json_t *row;
    int is_default;
    wf_slice_t secrets[SECRETS]; /* data NULL: not set */
} new_account_t;

wf_json_t *wf_account_whole(apr_pool_t *pool, const wf_json_t *members)
{
    wf_json_t *out =
        wf_fields_filled(pool, wf_account_fields, WF_ACCOUNT_FIELDS, members,
                         defaults(pool, wf_json_get_str(members, "name", NULL)));
    int i;

    for (i = 0; i < SECRETS; i++) {
        wf_json_remove(out, secret_columns[i]);
    }
    return out;
}

static wf_status_t read_members(wf_ctx_t *ctx, new_account_t *out, const wf_json_t *members)
{
    wf_status_t st = wf_fields_check(ctx, wf_account_fields, WF_ACCOUNT_FIELDS, members, 1);
    int i;

    if (st != WF_OK) {
        return st;
    }
    out->row = wf_account_whole(ctx->pool, members);
    out->is_default = wf_json_get_bool(members, "is_default", 0);
    for (i = 0; i < SECRETS; i++) {
        const wf_json_t *value = wf_json_get(members, secret_columns[i]);
        out->secrets[i] = (wf_slice_t){wf_json_str(value), wf_json_str_len(value)};
    }
    return WF_OK;
}

static wf_status_t check_secrets(wf_ctx_t *ctx, const new_account_t *account)
{
    int i;

    for (i = 0; i < SECRETS; i++) {
        const wf_slice_t *secret = &account->secrets[i];
        if (secret->data && (secret->len == 0 || secret->len > WF_ACCOUNT_SECRET_MAX)) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0288) "%s: text of 1 to %d bytes expected",
                                  secret_columns[i], WF_ACCOUNT_SECRET_MAX);
        }
    }
    return WF_OK;
}

static wf_status_t read_struct(wf_ctx_t *ctx, new_account_t *out, const wf_account_new_t *a)
{
    const char *const secrets[SECRETS] = {a->access_token, a->app_secret, a->verify_token,
                                          a->callback_secret};
    wf_json_t *members = wf_json_object_make(ctx->pool), *settings;
    wf_status_t st;
    int i;

    if ((st = wf_fields_object(ctx, &settings, "settings", a->settings)) != WF_OK) {
        return st;
    }
    wf_json_set_str(members, "name", a->name);
    wf_json_set_str(members, "phone_number", a->phone_number);
    wf_json_set_str(members, "display_name", a->display_name ? a->display_name : a->name);
    wf_json_set_str(members, "phone_number_id", a->phone_number_id);
    wf_json_set_str(members, "waba_id", a->waba_id);
    wf_json_set_str(members, "status", a->status);
    wf_json_set_str(members, "default_flow_name", a->default_flow_name);
    wf_json_set_str(members, "callback_webhook_url", a->callback_webhook_url);
    if (a->flow_endpoint_timeout_ms) {
        wf_json_set_int(members, "flow_endpoint_timeout", a->flow_endpoint_timeout_ms);
    }
    if (a->rate_window_ms) {
        wf_json_set_int(members, "rate_limit_window_ms", a->rate_window_ms);
    }
    if (a->rate_max != -1) {
        wf_json_set_int(members, "rate_limit_max_requests", a->rate_max);
    }
    wf_json_set(members, "settings", settings);
    wf_json_set(members, "callback_event_types",
                wf_account_event_types(ctx->pool, a->callback_event_types));
    if ((st = read_members(ctx, out, members)) != WF_OK) {
        return st;
    }
    out->is_default = a->is_default;
    for (i = 0; i < SECRETS; i++) {
        out->secrets[i] = (wf_slice_t){secrets[i], secrets[i] ? strlen(secrets[i]) : 0};
    }
    return check_secrets(ctx, out);
}

static wf_status_t seal_new(wf_ctx_t *ctx, wf_sealer_t *s, const new_account_t *account)
{
    wf_status_t st = WF_OK;
    int i;

    for (i = 0; st == WF_OK && i < SECRETS; i++) {
        const wf_slice_t *secret = &account->secrets[i];
        if (secret->data) {
            st = wf_sealer_seal(ctx, s, secret_columns[i], secret->data, secret->len);
        }
    }
    return st;
}

/* The first account, and one made while there is no default, is the default whether asked for or
 * not. */
static wf_status_t choose_default(wf_ctx_t *ctx, wf_change_t *change, wf_json_t *row, int asked,
                                  int max_accounts)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st;
    int has_default;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_COUNT, params)) != WF_OK ||
        (st = wf_change_limit(ctx, wf_store_int(res, 0, 0), change->max_accounts, max_accounts,
                              "WhatsApp accounts")) != WF_OK) {
        return st;
    }
    has_default = strcmp(wf_pg_cell(res, 0, 1), "t") == 0;
    wf_json_set_bool(row, "is_default", asked || !has_default);
    return asked && has_default
               ? wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_CLEAR_DEFAULT, params)
               : WF_OK;
}

static wf_status_t insert(wf_ctx_t *ctx, wf_change_t *change, const char *id, const wf_json_t *row)
{
    const wf_pg_param_t params[] = {change->company_id, id, wf_json_text(ctx->pool, row, NULL),
                                    change->actor->actor};
    wf_json_t *doc;
    wf_status_t st = wf_change_exec_json(ctx, &doc, change, WF_SQL_ACCOUNT_INSERT, params);

    return st == WF_OK ? wf_change_audit(ctx, change, "account.created", id, NULL, doc) : st;
}

static wf_status_t create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                          const wf_keyring_t *ring, const char *company_id,
                          const new_account_t *account, int max_accounts, const wf_actor_t *actor)
{
    char new_id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_uuid_v7(ctx, new_id)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = wf_sealer_open(ctx, &sealer, &change, ring, new_id, account->row);
        if (st == WF_OK) {
            st = seal_new(ctx, &sealer, account);
        }
        wf_sealer_close(&sealer);
    }
    if (st == WF_OK) {
        st = choose_default(ctx, &change, account->row, account->is_default, max_accounts);
    }
    if (st == WF_OK) {
        st = insert(ctx, &change, new_id, account->row);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = apr_pstrdup(ctx->pool, new_id);
    }
    return st;
}

wf_status_t wf_account_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const char *company_id,
                              const wf_account_new_t *account, int max_accounts,
                              const wf_actor_t *actor)
{
    new_account_t made;
    wf_status_t st = read_struct(ctx, &made, account);

    *id = NULL;
    return st == WF_OK ? create(ctx, id, store, ring, company_id, &made, max_accounts, actor) : st;
}

wf_status_t wf_account_add(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                           const wf_keyring_t *ring, const char *company_id,
                           const wf_json_t *members, int max_accounts, const wf_actor_t *actor)
{
    new_account_t made;
    wf_status_t st = read_members(ctx, &made, members);

    *id = NULL;
    return st == WF_OK ? create(ctx, id, store, ring, company_id, &made, max_accounts, actor) : st;
}

/* ---- reading ---------------------------------------------------------------------------- */

wf_status_t wf_account_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};

    return wf_store_document(ctx, array, store, company_id, WF_SQL_ACCOUNT_LIST, params);
}

wf_status_t wf_account_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *which)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(which), which};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_ACCOUNT_FIND, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0289) "no such WhatsApp account");
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

wf_status_t wf_account_secret_load(wf_ctx_t *ctx, wf_secret_t *out, const wf_store_t *store,
                                   const wf_keyring_t *ring, const char *company_id,
                                   const char *account_id, const char *column)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(account_id), column};
    wf_seal_place_t place = {WF_ACCOUNT_TABLE, column, NULL, NULL};
    wf_pg_result_t *res;
    wf_data_key_t key;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_ACCOUNT_SECRET, params);
    if (st != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0290) "the account has no %s",
                              strcmp(column, "app_secret") == 0 ? "app secret" : "access token");
    }
    place.company_id = wf_pg_cell(res, 0, 0);
    place.row_id = wf_pg_cell(res, 0, 3);
    st = wf_data_key_of_row(ctx, &key, ring, res);
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, &place, wf_pg_cell(res, 0, 4));
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* ---- changing --------------------------------------------------------------------------- */

static wf_status_t disable_callback(wf_ctx_t *ctx, wf_change_t *change, const char *account_id,
                                    const char *url)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_account_before_t before;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    /* Known already; or it was another receiver that said so. */
    if (wf_json_get_str(before.doc, "callback_disabled_at", NULL) ||
        strcmp(wf_json_get_str(before.doc, "callback_webhook_url", ""), url) != 0) {
        return WF_OK;
    }
    wf_json_set_str(row, "callback_disabled_at", wf_time_format(ctx->pool, wf_now(ctx)));
    if ((st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "account.callback_disabled", before.id, before.doc, after);
}

wf_status_t wf_account_disable_callback(wf_ctx_t *ctx, const wf_store_t *store,
                                        const char *company_id, const char *account_id,
                                        const char *url, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = disable_callback(ctx, &change, account_id, url);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t set_default(wf_ctx_t *ctx, wf_change_t *change, const char *account_id)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_pg_result_t *res;
    wf_account_before_t before;
    wf_status_t st;

    wf_json_set_bool(row, "is_default", 1);
    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_CLEAR_DEFAULT, params)) != WF_OK ||
        (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "account.default_set", before.id, before.doc, after);
}

wf_status_t wf_account_set_default(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                   const char *account_id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = set_default(ctx, &change, account_id);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t set_verification(wf_ctx_t *ctx, wf_change_t *change, const char *account_id,
                                    const char *status)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_account_before_t before;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    wf_json_set_str(row, "verification_status", status);
    wf_json_set_str(row, "last_verified_at", wf_time_format(ctx->pool, wf_now(ctx)));
    if (strcmp(status, WF_VERIFICATION_VERIFIED) == 0 &&
        strcmp(wf_json_get_str(before.doc, "status", ""), WF_STATUS_PENDING_VERIFICATION) == 0) {
        wf_json_set_str(row, "status", WF_STATUS_ACTIVE);
    }
    if ((st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "account.verified", before.id, before.doc, after);
}

wf_status_t wf_account_set_verification(wf_ctx_t *ctx, const wf_store_t *store,
                                        const char *company_id, const char *account_id,
                                        const char *status, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = set_verification(ctx, &change, account_id, status);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t remove_account(wf_ctx_t *ctx, wf_change_t *change, const char *account_id)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_account_before_t before;
    wf_status_t st;

    wf_json_set_bool(row, "is_default", 0);
    wf_json_set_str(row, "deleted_at", wf_time_format(ctx->pool, wf_now(ctx)));
    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "account.deleted", before.id, before.doc, NULL);
}

wf_status_t wf_account_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const char *account_id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_account(ctx, &change, account_id);
    }
    return wf_change_end(ctx, &change, st);
}
