#include "store/wf_store_int.h"

#include <string.h>

#define TABLE "whatsapp_accounts"
#define SETTINGS_MAX 65536
#define SECRET_MAX 4096
#define OVERLAP_DEFAULT apr_time_from_sec(86400)
#define RATE_MAX_DEFAULT 600
#define RATE_WINDOW_DEFAULT_MS 60000
#define TIMEOUT_DEFAULT_MS 2500

static const wf_field_t fields[] = {
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 100, NULL, NULL},
    {"phone_number", WF_FIELD_FORM, 0, 0, 0, wf_form_is_phone, "a telephone number"},
    {"display_name", WF_FIELD_TEXT, WF_FIELD_NOT_NULL, 1, 200, NULL, NULL},
    {"phone_number_id", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, wf_form_is_meta_id, "5 to 20 digits"},
    {"waba_id", WF_FIELD_FORM, 0, 0, 0, wf_form_is_meta_id, "5 to 20 digits"},
    {"status", WF_FIELD_WORD, WF_FIELD_NOT_NULL, 0, 0, NULL,
     "active inactive pending_verification suspended"},
    /* There so that it is refused with a reason: wf_account_set_default changes it. */
    {"is_default", WF_FIELD_WORD, WF_FIELD_FIXED, 0, 0, NULL, ""},
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
    {"settings", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"features", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, SETTINGS_MAX, NULL, NULL},
    {"access_token", WF_FIELD_SECRET, 0, 1, SECRET_MAX, NULL, NULL},
    {"app_secret", WF_FIELD_SECRET, 0, 1, SECRET_MAX, NULL, NULL},
    {"verify_token", WF_FIELD_SECRET, 0, 1, SECRET_MAX, NULL, NULL},
    {"callback_secret", WF_FIELD_SECRET, 0, 1, SECRET_MAX, NULL, NULL},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- sealing ---------------------------------------------------------------------------- */

/* Seals columns of one account row with the company's current data key. */
typedef struct {
    wf_change_t *change;
    const wf_keyring_t *ring;
    const char *account_id;
    wf_json_t *row; /* receives the sealed columns */
    wf_data_key_t key;
} sealer_t;

static wf_status_t sealer_open(wf_ctx_t *ctx, sealer_t *s, wf_change_t *change,
                               const wf_keyring_t *ring, const char *account_id, wf_json_t *row)
{
    s->change = change;
    s->ring = ring;
    s->account_id = account_id;
    s->row = row;
    return wf_data_key_read(ctx, &s->key, change->conn, ring, change->company_id, NULL);
}

static void sealer_close(sealer_t *s)
{
    wf_wipe(&s->key, sizeof(s->key));
}

static wf_status_t seal(wf_ctx_t *ctx, sealer_t *s, const char *column, const void *plain,
                        size_t len)
{
    const wf_seal_place_t place = {TABLE, column, s->change->company_id, s->account_id};
    const char *sealed;
    wf_status_t st = wf_seal(ctx, &sealed, &s->key, &place, plain, len);

    if (st == WF_OK) {
        wf_json_set_str(s->row, column, sealed);
    }
    return st;
}

static wf_status_t unseal(wf_ctx_t *ctx, wf_secret_t *out, const sealer_t *s, const char *column,
                          const char *sealed)
{
    const wf_seal_place_t place = {TABLE, column, s->change->company_id, s->account_id};
    const char *id = strchr(sealed, ':') ? strchr(sealed, ':') + 1 : "";
    wf_data_key_t key;
    wf_status_t st;

    /* Its data key may be one that has been retired since. */
    st = wf_data_key_read(ctx, &key, s->change->conn, s->ring, s->change->company_id,
                          apr_pstrndup(ctx->pool, id, strcspn(id, ":")));
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, &place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* A sealed value is bound to its column, so that keeping it as the previous one means sealing it
 * anew. `sealed` NULL or no overlap: there is no previous one. */
static wf_status_t keep_previous(wf_ctx_t *ctx, sealer_t *s, const char *column,
                                 const char *previous_column, const char *until_column,
                                 const char *sealed, apr_interval_time_t overlap)
{
    wf_secret_t old;
    wf_status_t st;

    if (!sealed || overlap == 0) {
        wf_json_set(s->row, previous_column, wf_json_null_make(ctx->pool));
        wf_json_set(s->row, until_column, wf_json_null_make(ctx->pool));
        return WF_OK;
    }
    if ((st = unseal(ctx, &old, s, column, sealed)) != WF_OK) {
        return st;
    }
    wf_json_set_str(s->row, until_column, wf_time_format(ctx->pool, wf_now(ctx) + overlap));
    return seal(ctx, s, previous_column, old.data, old.len);
}

static apr_interval_time_t overlap_of(apr_interval_time_t overlap)
{
    return overlap < 0 ? OVERLAP_DEFAULT : overlap;
}

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

static wf_status_t row_of_new(wf_ctx_t *ctx, wf_json_t **row, const wf_account_new_t *a)
{
    wf_json_t *out = wf_json_object_make(ctx->pool), *settings;
    wf_status_t st;

    *row = NULL;
    if ((st = wf_fields_object(ctx, &settings, "settings", a->settings)) != WF_OK) {
        return st;
    }
    wf_json_set_str(out, "name", a->name);
    wf_json_set_str(out, "phone_number", a->phone_number);
    wf_json_set_str(out, "display_name", a->display_name ? a->display_name : a->name);
    wf_json_set_str(out, "phone_number_id", a->phone_number_id);
    wf_json_set_str(out, "waba_id", a->waba_id);
    wf_json_set_str(out, "status", a->status ? a->status : WF_STATUS_ACTIVE);
    wf_json_set_str(out, "default_flow_name", a->default_flow_name);
    wf_json_set_str(out, "callback_webhook_url", a->callback_webhook_url);
    wf_json_set_int(out, "flow_endpoint_timeout",
                    a->flow_endpoint_timeout_ms ? a->flow_endpoint_timeout_ms : TIMEOUT_DEFAULT_MS);
    wf_json_set_int(out, "rate_limit_window_ms",
                    a->rate_window_ms ? a->rate_window_ms : RATE_WINDOW_DEFAULT_MS);
    wf_json_set_int(out, "rate_limit_max_requests",
                    a->rate_max == -1 ? RATE_MAX_DEFAULT : a->rate_max);
    wf_json_set(out, "settings", settings);
    wf_json_set(out, "callback_event_types", wf_account_event_types(ctx->pool, a->callback_event_types));
    if ((st = wf_fields_check(ctx, fields, FIELDS, out, 1)) == WF_OK) {
        *row = out;
    }
    return st;
}

/* Secrets are sealed straight from the caller's memory: no copy of them is made on the way. */
static wf_status_t seal_new(wf_ctx_t *ctx, sealer_t *s, const wf_account_new_t *a)
{
    const struct {
        const char *column, *plain;
    } secrets[] = {{"access_token", a->access_token},
                   {"app_secret", a->app_secret},
                   {"verify_token", a->verify_token},
                   {"callback_secret", a->callback_secret}};
    size_t i;

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        size_t len = secrets[i].plain ? strlen(secrets[i].plain) : 0;
        wf_status_t st;

        if (!secrets[i].plain) {
            continue;
        }
        if (len == 0 || len > SECRET_MAX) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0288) "%s: text of 1 to %d bytes expected",
                                  secrets[i].column, SECRET_MAX);
        }
        if ((st = seal(ctx, s, secrets[i].column, secrets[i].plain, len)) != WF_OK) {
            return st;
        }
    }
    return WF_OK;
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

wf_status_t wf_account_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const char *company_id,
                              const wf_account_new_t *account, int max_accounts,
                              const wf_actor_t *actor)
{
    char new_id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_json_t *row;
    sealer_t sealer;
    wf_status_t st;

    *id = NULL;
    if ((st = row_of_new(ctx, &row, account)) != WF_OK || (st = wf_uuid_v7(ctx, new_id)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = sealer_open(ctx, &sealer, &change, ring, new_id, row);
        if (st == WF_OK) {
            st = seal_new(ctx, &sealer, account);
        }
        sealer_close(&sealer);
    }
    if (st == WF_OK) {
        st = choose_default(ctx, &change, row, account->is_default, max_accounts);
    }
    if (st == WF_OK) {
        st = insert(ctx, &change, new_id, row);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = apr_pstrdup(ctx->pool, new_id);
    }
    return st;
}

/* ---- reading ---------------------------------------------------------------------------- */

wf_status_t wf_account_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st;

    *array = NULL;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_ACCOUNT_LIST, params);
    return st == WF_OK ? wf_store_json(ctx, array, res, 0, 0) : st;
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

wf_status_t wf_account_app_secret(wf_ctx_t *ctx, wf_secret_t *out, const wf_store_t *store,
                                  const wf_keyring_t *ring, const char *company_id,
                                  const char *account_id)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(account_id)};
    wf_seal_place_t place = {TABLE, "app_secret", NULL, NULL};
    wf_pg_result_t *res;
    wf_data_key_t key;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_ACCOUNT_APP_SECRET, params);
    if (st != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0290) "the account has no app secret");
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

/* What an account is before a change. */
typedef struct {
    wf_json_t *doc;
    const char *id;                       /* as stored: what is sealed is bound to its letters */
    const char *app_secret, *private_key, *callback_secret; /* sealed, or NULL */
} before_t;

static wf_status_t read_before(wf_ctx_t *ctx, before_t *out, wf_change_t *change,
                               const char *account_id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(account_id)};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_ROW, params);

    if (st != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0291) "no such WhatsApp account");
    }
    out->app_secret = wf_pg_cell(res, 0, 1);
    out->private_key = wf_pg_cell(res, 0, 2);
    out->callback_secret = wf_pg_cell(res, 0, 3);
    st = wf_store_json(ctx, &out->doc, res, 0, 0);
    out->id = wf_json_get_str(out->doc, "id", NULL);
    return st;
}

static wf_status_t save(wf_ctx_t *ctx, wf_json_t **after, wf_change_t *change,
                        const char *account_id, const wf_json_t *row)
{
    const wf_pg_param_t params[] = {change->company_id, account_id,
                                    wf_json_text(ctx->pool, row, NULL), change->actor->actor};

    return wf_change_exec_json(ctx, after, change, WF_SQL_ACCOUNT_UPDATE, params);
}

static int is_secret(size_t field)
{
    return fields[field].kind == WF_FIELD_SECRET;
}

static wf_status_t seal_changed(wf_ctx_t *ctx, sealer_t *s, const wf_json_t *members,
                                const before_t *before, apr_interval_time_t overlap)
{
    const struct {
        const char *column, *previous, *until, *old;
    } rotated[] = {{"app_secret", "previous_app_secret", "previous_secret_until",
                    before->app_secret},
                   {"callback_secret", "previous_callback_secret",
                    "previous_callback_secret_until", before->callback_secret}};
    wf_status_t st = WF_OK;
    size_t i;

    for (i = 0; st == WF_OK && i < FIELDS; i++) {
        const wf_json_t *value = is_secret(i) ? wf_json_get(members, fields[i].name) : NULL;
        if (wf_json_type(value) == WF_JSON_NULL) {
            wf_json_set(s->row, fields[i].name, wf_json_null_make(ctx->pool));
        } else if (value) {
            st = seal(ctx, s, fields[i].name, wf_json_str(value), wf_json_str_len(value));
        }
    }
    for (i = 0; st == WF_OK && i < sizeof(rotated) / sizeof(rotated[0]); i++) {
        const wf_json_t *value = wf_json_get(members, rotated[i].column);
        /* Taken away is taken away: only a new secret leaves the old one valid for a while. */
        if (value) {
            st = keep_previous(ctx, s, rotated[i].column, rotated[i].previous, rotated[i].until,
                               rotated[i].old,
                               wf_json_type(value) == WF_JSON_NULL ? 0 : overlap);
        }
    }
    return st;
}

/* The audit row tells that a secret was changed, never what it is or was. */
static void redact_secrets(wf_json_t *old_doc, wf_json_t *new_doc, const wf_json_t *members)
{
    size_t i;

    for (i = 0; i < FIELDS; i++) {
        const wf_json_t *value = is_secret(i) ? wf_json_get(members, fields[i].name) : NULL;
        if (value && wf_json_type(value) != WF_JSON_NULL) {
            wf_json_set_str(new_doc, fields[i].name, "[redacted]");
        } else if (value) {
            wf_json_set_str(old_doc, fields[i].name, "[redacted]");
        }
    }
}

static wf_status_t update(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                          const char *account_id, const wf_json_t *members,
                          apr_interval_time_t overlap)
{
    before_t before;
    wf_json_t *row, *after;
    sealer_t sealer;
    wf_status_t st;

    if ((st = read_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = wf_fields_row(ctx, &row, fields, FIELDS, before.doc, members)) != WF_OK) {
        return st;
    }
    st = sealer_open(ctx, &sealer, change, ring, before.id, row);
    if (st == WF_OK) {
        st = seal_changed(ctx, &sealer, members, &before, overlap);
    }
    sealer_close(&sealer);
    if (wf_json_has(members, "callback_webhook_url") || wf_json_has(members, "callback_secret")) {
        /* Somebody looked after the receiver: what it said of the old one no longer holds. */
        wf_json_set(row, "callback_disabled_at", wf_json_null_make(ctx->pool));
    }
    if (st != WF_OK || (st = save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    redact_secrets(before.doc, after, members);
    return wf_change_audit(ctx, change, "account.updated", before.id, before.doc, after);
}

wf_status_t wf_account_update(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                              const char *company_id, const char *account_id,
                              const wf_json_t *members, apr_interval_time_t overlap,
                              const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if ((st = wf_fields_check(ctx, fields, FIELDS, members, 0)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = update(ctx, &change, ring, account_id, members, overlap_of(overlap));
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t seal_key(wf_ctx_t *ctx, sealer_t *s, const wf_rsa_key_t *key,
                            const char *old_private_key, apr_interval_time_t overlap)
{
    wf_secret_t der;
    const char *pem;
    wf_status_t st;

    if ((st = wf_rsa_private_der(ctx, &der, key)) != WF_OK ||
        (st = wf_rsa_public_pem(ctx, &pem, key)) != WF_OK ||
        (st = seal(ctx, s, "private_key", der.data, der.len)) != WF_OK) {
        return st;
    }
    wf_json_set_str(s->row, "public_key", pem);
    wf_json_set_str(s->row, "key_generated_at", wf_time_format(ctx->pool, wf_now(ctx)));
    return keep_previous(ctx, s, "private_key", "previous_private_key", "previous_key_until",
                         old_private_key, overlap);
}

static wf_status_t set_key(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                           const char *account_id, const wf_rsa_key_t *key,
                           apr_interval_time_t overlap)
{
    before_t before;
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    sealer_t sealer;
    wf_status_t st;

    if ((st = read_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    st = sealer_open(ctx, &sealer, change, ring, before.id, row);
    if (st == WF_OK) {
        st = seal_key(ctx, &sealer, key, before.private_key, overlap);
    }
    sealer_close(&sealer);
    if (st != WF_OK || (st = save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    wf_json_set_str(after, "private_key", "[redacted]");
    return wf_change_audit(ctx, change, "account.key_rotated", before.id, before.doc, after);
}

wf_status_t wf_account_set_key(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                               const char *company_id, const char *account_id,
                               const wf_rsa_key_t *key, apr_interval_time_t overlap,
                               const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = set_key(ctx, &change, ring, account_id, key, overlap_of(overlap));
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t disable_callback(wf_ctx_t *ctx, wf_change_t *change, const char *account_id,
                                    const char *url)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    before_t before;
    wf_status_t st;

    if ((st = read_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    /* Known already; or it was another receiver that said so. */
    if (wf_json_get_str(before.doc, "callback_disabled_at", NULL) ||
        strcmp(wf_json_get_str(before.doc, "callback_webhook_url", ""), url) != 0) {
        return WF_OK;
    }
    wf_json_set_str(row, "callback_disabled_at", wf_time_format(ctx->pool, wf_now(ctx)));
    if ((st = save(ctx, &after, change, before.id, row)) != WF_OK) {
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
    before_t before;
    wf_status_t st;

    wf_json_set_bool(row, "is_default", 1);
    if ((st = read_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_CLEAR_DEFAULT, params)) != WF_OK ||
        (st = save(ctx, &after, change, before.id, row)) != WF_OK) {
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

static wf_status_t remove_account(wf_ctx_t *ctx, wf_change_t *change, const char *account_id)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    before_t before;
    wf_status_t st;

    wf_json_set_bool(row, "is_default", 0);
    wf_json_set_str(row, "deleted_at", wf_time_format(ctx->pool, wf_now(ctx)));
    if ((st = read_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = save(ctx, &after, change, before.id, row)) != WF_OK) {
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
