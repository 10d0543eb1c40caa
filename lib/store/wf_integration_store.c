/* Connections of a company to other systems. Their configuration is in the open, but for the secret members of each
 * kind, which are sealed together. */
#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define SECRET_MAX 16384
#define CONFIG_MAX 65536
#define TABLE "integrations"

/* ---- kinds ------------------------------------------------------------------------------ */

#define URL(name, flags) {name, WF_FIELD_FORM, flags, 0, 0, wf_form_is_url, "an http or https URL"}
#define TEXT(name, flags) {name, WF_FIELD_TEXT, flags, 1, 500, NULL, NULL}
#define SECRET(name) {name, WF_FIELD_SECRET, 0, 1, SECRET_MAX, NULL, NULL}
#define EMAIL(name) {name, WF_FIELD_FORM, 0, 0, 0, wf_form_is_email, "an e-mail address"}

static const wf_field_t evolution[] = {URL("base_url", WF_FIELD_NEEDED),
                                       TEXT("instance_name", WF_FIELD_NEEDED), SECRET("api_key")};
static const wf_field_t gmail[] = {TEXT("client_id", 0), EMAIL("sender"), SECRET("client_secret"),
                                   SECRET("refresh_token")};
static const wf_field_t calendar[] = {TEXT("client_id", 0), TEXT("calendar_id", WF_FIELD_NEEDED),
                                      SECRET("client_secret"), SECRET("refresh_token"),
                                      SECRET("service_account")};
static const wf_field_t openai[] = {URL("base_url", 0), TEXT("model", 0), TEXT("organization", 0),
                                    SECRET("api_key")};
static const wf_field_t webhook[] = {
    URL("url", WF_FIELD_NEEDED),
    {"event_types", WF_FIELD_LIST, 0, 0, 64, wf_form_is_event_pattern, "event types"},
    SECRET("secret"), SECRET("authorization")};

/* Members that are not in the table are refused, but for "custom", whose "secrets" is an object that is sealed. */
static const struct {
    const char *name;
    const wf_field_t *fields;
    size_t count;
} kinds[] = {
    {"whatsapp_evolution", evolution, sizeof(evolution) / sizeof(evolution[0])},
    {"gmail", gmail, sizeof(gmail) / sizeof(gmail[0])},
    {"google_calendar", calendar, sizeof(calendar) / sizeof(calendar[0])},
    {"openai", openai, sizeof(openai) / sizeof(openai[0])},
    {"webhook", webhook, sizeof(webhook) / sizeof(webhook[0])},
    {"custom", NULL, 0},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const wf_field_t fields[] = {
    {"kind", WF_FIELD_WORD, WF_FIELD_NEEDED | WF_FIELD_FIXED, 0, 0, NULL,
     "whatsapp_evolution gmail google_calendar openai webhook custom"},
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 100, NULL, NULL},
    {"enabled", WF_FIELD_BOOL, WF_FIELD_NOT_NULL, 0, 0, NULL, NULL},
    {"config", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, CONFIG_MAX, NULL, NULL},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_INTEGRATION_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_INTEGRATION_PAGE_OLDEST, 0},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {{"kind", WF_FILTER_WORD,
                                       "whatsapp_evolution gmail google_calendar openai webhook custom"},
                                      {"enabled", WF_FILTER_BOOL, NULL},
                                      {NULL, WF_FILTER_TEXT, NULL}};
const wf_list_t wf_list_integrations = {sorts, filters, 0};

static int kind_of(const char *name)
{
    int k;

    for (k = 0; name && k < (int)KINDS; k++) {
        if (strcmp(kinds[k].name, name) == 0) {
            return k;
        }
    }
    return -1;
}

static int is_secret(int kind, const char *name)
{
    size_t f;

    for (f = 0; f < kinds[kind].count; f++) {
        if (strcmp(kinds[kind].fields[f].name, name) == 0) {
            return kinds[kind].fields[f].kind == WF_FIELD_SECRET;
        }
    }
    return !kinds[kind].fields && strcmp(name, "secrets") == 0;
}

static wf_status_t check(wf_ctx_t *ctx, const wf_json_t *members, const char *kind, int making,
                         int config_making)
{
    const wf_json_t *config = wf_json_get(members, "config");
    const wf_json_t *secrets = wf_json_get(config, "secrets");
    int k = kind_of(kind);

    if (k >= 0 && kinds[k].fields && wf_json_type(config) == WF_JSON_OBJECT) {
        wf_fields_faults(ctx, "/config", kinds[k].fields, kinds[k].count, config, config_making);
    } else if (k >= 0 && secrets && wf_json_type(secrets) != WF_JSON_OBJECT &&
               wf_json_type(secrets) != WF_JSON_NULL) {
        wf_fault_add(ctx, "/config/secrets", "an object expected");
    }
    return wf_fields_check(ctx, fields, FIELDS, members, making);
}

/* ---- the sealed part -------------------------------------------------------------------- */

/* What an integration is made of while it is changed. */
typedef struct {
    const char *id; /* as stored: what is sealed is bound to its letters */
    int kind;
    wf_json_t *config;  /* in the open */
    wf_json_t *secrets; /* in clear */
    int touched;        /* the secrets were changed */
} parts_t;

static wf_seal_place_t place_of(const wf_change_t *change, const char *id)
{
    return (wf_seal_place_t){TABLE, "secret", change->company_id, id};
}

static wf_status_t open_secrets(wf_ctx_t *ctx, wf_json_t **out, wf_change_t *change,
                                const wf_keyring_t *ring, const char *id, const char *sealed)
{
    wf_seal_place_t place = place_of(change, id);
    wf_data_key_t key;
    wf_secret_t plain;
    wf_status_t st;

    *out = wf_json_object_make(ctx->pool);
    if (!sealed) {
        return WF_OK;
    }
    st = wf_data_key_read(ctx, &key, change->conn, ring, change->company_id,
                          apr_pstrndup(ctx->pool, sealed + strlen("wf1:"), WF_UUID_LEN));
    if (st == WF_OK && (st = wf_unseal(ctx, &plain, &key, &place, sealed)) == WF_OK) {
        st = wf_json_parse(ctx, out, (const char *)plain.data, plain.len, 0);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

static wf_status_t seal_secrets(wf_ctx_t *ctx, wf_json_t *row, wf_change_t *change,
                                const wf_keyring_t *ring, const parts_t *parts)
{
    wf_seal_place_t place = place_of(change, parts->id);
    wf_json_t *names = wf_json_array_make(ctx->pool);
    wf_data_key_t key;
    const char *sealed, *text;
    wf_status_t st;
    size_t len;

    for (wf_json_iter_t i = wf_json_iter(parts->secrets); wf_json_next(&i);) {
        wf_json_push(names, wf_json_str_make(ctx->pool, i.key));
    }
    wf_json_set(row, "secret_names", names);
    wf_json_set_str(row, "secrets_changed_at", wf_time_format(ctx->pool, wf_now(ctx)));
    wf_json_set(row, "secret", wf_json_null_make(ctx->pool));
    if (wf_json_len(parts->secrets) == 0) {
        return WF_OK;
    }
    text = wf_json_text(ctx->pool, parts->secrets, &len);
    st = wf_data_key_read(ctx, &key, change->conn, ring, change->company_id, NULL);
    if (st == WF_OK && (st = wf_seal(ctx, &sealed, &key, &place, text, len)) == WF_OK) {
        wf_json_set_str(row, "secret", sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* A given configuration into what is there: secret members to the secrets, null takes away. */
static void put_config(wf_ctx_t *ctx, parts_t *parts, const wf_json_t *config, int replace)
{
    wf_json_t *open = wf_json_object_make(ctx->pool);

    for (wf_json_iter_t i = wf_json_iter(config); wf_json_next(&i);) {
        if (!is_secret(parts->kind, i.key)) {
            wf_json_set(open, i.key, i.value);
            continue;
        }
        parts->touched = 1;
        if (wf_json_type(i.value) == WF_JSON_NULL) {
            wf_json_remove(parts->secrets, i.key);
        } else {
            wf_json_set(parts->secrets, i.key,
                        wf_fields_merge(ctx->pool, wf_json_get(parts->secrets, i.key), i.value));
        }
    }
    parts->config = wf_fields_merge(ctx->pool, replace ? NULL : parts->config, open);
}

static wf_status_t make_row(wf_ctx_t *ctx, wf_json_t **row, wf_change_t *change,
                            const wf_keyring_t *ring, const wf_json_t *members,
                            const parts_t *parts)
{
    size_t len;

    *row = wf_json_object_copy(ctx->pool, members);
    wf_json_text(ctx->pool, parts->config, &len);
    if (len > CONFIG_MAX) {
        wf_fault_add(ctx, "/config", "together with what is there, over %d bytes", CONFIG_MAX);
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0638) "%s", wf_faults_text(ctx));
    }
    wf_json_set(*row, "config", parts->config);
    return parts->touched ? seal_secrets(ctx, *row, change, ring, parts) : WF_OK;
}

/* ---- reading ---------------------------------------------------------------------------- */

static wf_status_t missing(wf_ctx_t *ctx)
{
    return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0639) "no such integration");
}

wf_status_t wf_integration_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                const char *company_id, const char *id)
{
    const wf_pg_param_t params[] = {company_id, id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_INTEGRATION_FIND, params);

    *out = NULL;
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return missing(ctx);
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

/* ---- making ----------------------------------------------------------------------------- */

static wf_status_t insert(wf_ctx_t *ctx, wf_json_t **out, wf_change_t *change,
                          const wf_keyring_t *ring, const wf_json_t *members, parts_t *parts)
{
    wf_pg_param_t params[] = {change->company_id, parts->id, NULL, change->actor->actor};
    wf_json_t *row;
    wf_status_t st = make_row(ctx, &row, change, ring, members, parts);

    if (st != WF_OK) {
        return st;
    }
    if (!wf_json_has(row, "secret_names")) {
        wf_json_set(row, "secret_names", wf_json_array_make(ctx->pool));
    }
    params[2] = wf_json_text(ctx->pool, row, NULL);
    change->forget_contexts = 0;
    st = wf_change_exec_json(ctx, out, change, WF_SQL_INTEGRATION_INSERT, params);
    return st == WF_OK
               ? wf_change_audit(ctx, change, "integration.created", parts->id, NULL, *out)
               : st;
}

static wf_json_t *filled(apr_pool_t *pool, const wf_json_t *members)
{
    wf_json_t *defaults = wf_json_object_make(pool);

    wf_json_set_bool(defaults, "enabled", 1);
    wf_json_set(defaults, "config", wf_json_object_make(pool));
    return wf_fields_filled(pool, fields, FIELDS, members, defaults);
}

wf_status_t wf_integration_add(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const wf_keyring_t *ring, const char *company_id,
                               const wf_json_t *members, const wf_actor_t *actor)
{
    wf_json_t *row = filled(ctx->pool, members);
    const char *kind = wf_json_get_str(row, "kind", NULL);
    parts_t parts = {.kind = kind_of(kind), .secrets = wf_json_object_make(ctx->pool)};
    char id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_status_t st;

    *out = NULL;
    if ((st = check(ctx, row, kind, 1, 1)) != WF_OK || (st = wf_uuid_v7(ctx, id)) != WF_OK) {
        return st;
    }
    parts.id = id;
    put_config(ctx, &parts, wf_json_get(row, "config"), 1);
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = insert(ctx, out, &change, ring, row, &parts);
    }
    return wf_change_end(ctx, &change, st);
}

/* ---- changing --------------------------------------------------------------------------- */

typedef struct {
    const wf_json_t *members;
    int replace;
    const wf_keyring_t *ring;
} edit_t;

static wf_status_t read_parts(wf_ctx_t *ctx, parts_t *parts, wf_change_t *change,
                              const wf_keyring_t *ring)
{
    const wf_pg_param_t params[] = {change->company_id, parts->id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_INTEGRATION_SECRET, params);

    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st == WF_OK ? missing(ctx) : st;
    }
    parts->kind = kind_of(wf_pg_cell(res, 0, 0));
    st = wf_store_json(ctx, &parts->config, res, 0, 1);
    return st == WF_OK ? open_secrets(ctx, &parts->secrets, change, ring, parts->id,
                                      wf_pg_cell(res, 0, 2))
                       : st;
}

static wf_status_t update(wf_ctx_t *ctx, wf_json_t **out, wf_change_t *change, const char *id,
                          const edit_t *edit)
{
    wf_pg_param_t params[] = {change->company_id, id, NULL, change->actor->actor};
    wf_json_t *members = edit->replace ? filled(ctx->pool, edit->members)
                                       : wf_json_object_copy(ctx->pool, edit->members);
    wf_json_t *old_doc, *row;
    parts_t parts = {.id = id};
    wf_status_t st;

    change->forget_contexts = 0;
    if ((st = read_parts(ctx, &parts, change, edit->ring)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_INTEGRATION_FIND, params)) !=
            WF_OK ||
        (st = wf_change_expect(ctx, change, old_doc)) != WF_OK ||
        (st = check(ctx, members, kinds[parts.kind].name, 0, edit->replace)) != WF_OK) {
        return st;
    }
    if (wf_json_has(members, "config")) {
        put_config(ctx, &parts, wf_json_get(members, "config"), edit->replace);
    }
    if ((st = make_row(ctx, &row, change, edit->ring, members, &parts)) != WF_OK ||
        (parts.touched && (st = wf_change_approve(ctx, change)) != WF_OK)) {
        return st;
    }
    params[2] = wf_json_text(ctx->pool, row, NULL);
    st = wf_change_exec_json(ctx, out, change, WF_SQL_INTEGRATION_UPDATE, params);
    return st == WF_OK
               ? wf_change_audit(ctx, change, "integration.updated", id, old_doc, *out)
               : st;
}

wf_status_t wf_integration_change(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const wf_keyring_t *ring, const char *company_id, const char *id,
                                  const wf_json_t *members, int replace, const wf_actor_t *actor)
{
    const edit_t edit = {members, replace, ring};
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    *out = NULL;
    if (st == WF_OK) {
        st = update(ctx, out, &change, id, &edit);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t remove_row(wf_ctx_t *ctx, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, id};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_INTEGRATION_FIND, params);

    change->forget_contexts = 0;
    if (st == WF_ENOTFOUND) {
        return missing(ctx);
    }
    if (st != WF_OK || (st = wf_change_expect(ctx, change, old_doc)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_INTEGRATION_REMOVE, params)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "integration.deleted", id, old_doc, NULL);
}

wf_status_t wf_integration_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                  const char *id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_row(ctx, &change, id);
    }
    return wf_change_end(ctx, &change, st);
}
