/* A new company: its row, its data key, its owner, in one transaction. */
#include "store/wf_company_int.h"

#include "store/wf_people_store.h"

#define TRIAL_DAYS_MAX 365

/* ---- what is asked for ------------------------------------------------------------------ */

/* -1 is "the plan's", which is what an absent member is. */
static void set_limit(wf_json_t *row, const char *name, int64_t n)
{
    if (n != -1) {
        wf_json_set_int(row, name, n);
    }
}

static wf_status_t members_of(wf_ctx_t *ctx, wf_json_t **members, const wf_company_new_t *company)
{
    wf_json_t *out = wf_json_object_make(ctx->pool), *settings;
    wf_status_t st = wf_fields_object(ctx, &settings, "settings", company->settings);

    *members = NULL;
    if (st != WF_OK) {
        return st;
    }
    wf_json_set_str(out, "slug", company->slug);
    wf_json_set_str(out, "name", company->name);
    wf_json_set_str(out, "display_name", company->display_name);
    wf_json_set_str(out, "email", company->email);
    wf_json_set_str(out, "phone", company->phone);
    wf_json_set_str(out, "status", company->status);
    set_limit(out, "max_whatsapp_accounts", company->max_accounts);
    set_limit(out, "max_flows", company->max_flows);
    set_limit(out, "max_monthly_messages", company->max_monthly_messages);
    wf_json_set(out, "settings", settings);
    *members = out;
    return WF_OK;
}

wf_json_t *wf_company_defaults(apr_pool_t *pool, const wf_json_t *members, const char *plan)
{
    wf_json_t *out = wf_json_object_make(pool), *name = wf_json_get(members, "name");

    /* Without a name it comes to nothing, and one fault says so. */
    wf_json_set(out, "display_name", name ? name : wf_json_str_make(pool, "-"));
    wf_json_set_str(out, "subscription_plan", plan ? plan : "starter");
    wf_json_set_str(out, "status", WF_STATUS_ACTIVE);
    wf_json_set(out, "settings", wf_json_object_make(pool));
    wf_json_set(out, "metadata", wf_json_object_make(pool));
    return out;
}

/* ---- making ----------------------------------------------------------------------------- */

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

/* ---- its owner -------------------------------------------------------------------------- */

static const wf_field_t owner_fields[] = {
    {"email", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, wf_form_is_email, "an e-mail address"},
    {"name", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 200, NULL, NULL},
    {"password", WF_FIELD_SECRET, 0, WF_PASSWORD_MIN, WF_PASSWORD_MAX, NULL, NULL},
};

/* A person who is in another company already keeps their id and password. */
static wf_status_t add_owner(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *owner,
                             const char *password_hash)
{
    const char *email = wf_json_get_str(owner, "email", NULL);
    const wf_pg_param_t who[] = {email};
    char new_id[WF_UUID_LEN + 1];
    const char *id = new_id;
    wf_json_t *row = wf_json_object_make(ctx->pool), *doc;
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_uuid_v7(ctx, new_id)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_USER_ELSEWHERE, who)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) > 0) {
        if (password_hash) {
            wf_fault_add(ctx, "/owner/password", "this person is known and has a password already");
            return wf_fail_code(ctx, WF_ECONFLICT, "owner_known", WFLOGNO(0630) "%s",
                                wf_faults_text(ctx));
        }
        id = wf_pg_cell(res, 0, 0);
        password_hash = wf_pg_cell(res, 0, 1);
    }
    wf_json_set_str(row, "email", email);
    wf_json_set_str(row, "name", wf_json_get_str(owner, "name", NULL));
    wf_json_set_str(row, "role", wf_role_name(WF_ROLE_ADMIN));
    const wf_pg_param_t params[] = {change->company_id, id, wf_json_text(ctx->pool, row, NULL),
                                    change->actor->actor, password_hash};

    wf_change_forget_auth(change, apr_pstrcat(ctx->pool, "user:", id, NULL));
    st = wf_change_exec_json(ctx, &doc, change, WF_SQL_USER_INSERT, params);
    return st == WF_OK ? wf_change_audit(ctx, change, "user.created", id, NULL, doc) : st;
}

/* ---- all of it -------------------------------------------------------------------------- */

/* What is to be made, checked. */
typedef struct {
    wf_json_t *row;
    const wf_json_t *owner;    /* NULL: none */
    const char *password_hash; /* of the owner; NULL: none */
    int max_companies;
} plan_t;

static wf_status_t create(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                          const plan_t *plan)
{
    const wf_pg_param_t params[] = {change->company_id, wf_json_text(ctx->pool, plan->row, NULL),
                                    change->actor->actor};
    wf_json_t *doc;
    wf_status_t st;

    if ((st = check_room(ctx, change, plan->max_companies)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &doc, change, WF_SQL_COMPANY_INSERT, params)) != WF_OK ||
        (st = add_data_key(ctx, change, ring)) != WF_OK ||
        (st = wf_change_audit(ctx, change, "company.created", change->company_id, NULL, doc)) !=
            WF_OK) {
        return st;
    }
    return plan->owner ? add_owner(ctx, change, plan->owner, plan->password_hash) : WF_OK;
}

static wf_status_t add(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                       const wf_keyring_t *ring, const plan_t *plan, const wf_actor_t *actor)
{
    char new_id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_status_t st = wf_uuid_v7(ctx, new_id);

    *id = NULL;
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin_platform(ctx, &change, store, new_id,
                                  wf_json_get_str(plan->row, "slug", ""), actor);
    if (st == WF_OK) {
        st = create(ctx, &change, ring, plan);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = apr_pstrdup(ctx->pool, new_id);
    }
    return st;
}

static void take_trial(wf_ctx_t *ctx, wf_json_t *row, const wf_json_t *days)
{
    int64_t n = wf_json_int(days);

    if (wf_json_type(days) == WF_JSON_ABSENT || wf_json_type(days) == WF_JSON_NULL) {
        return;
    }
    if (!wf_json_is_int(days) || n < 0 || n > TRIAL_DAYS_MAX) {
        wf_fault_add(ctx, "/trial_days", "a whole number from 0 to %d expected", TRIAL_DAYS_MAX);
    } else if (wf_json_has(row, "trial_ends_at")) {
        wf_fault_add(ctx, "/trial_days", "trial_ends_at is there too: give one of them");
    } else if (n > 0) {
        wf_json_set_str(row, "trial_ends_at",
                        wf_time_format(ctx->pool, wf_now(ctx) + apr_time_from_sec(86400 * n)));
    }
}

/* Everything that is wrong with it at once, and nothing is hashed before all is right. */
static wf_status_t make_plan(wf_ctx_t *ctx, plan_t *plan, const wf_json_t *members,
                             const char *default_plan)
{
    wf_json_t *row = wf_json_object_copy(ctx->pool, members);
    const wf_json_t *owner = wf_json_get(members, "owner");
    const char *password = wf_json_get_str(owner, "password", NULL);
    wf_status_t st;

    wf_json_remove(row, "owner");
    wf_json_remove(row, "trial_days");
    take_trial(ctx, row, wf_json_get(members, "trial_days"));
    if (owner && wf_json_type(owner) != WF_JSON_NULL) {
        wf_fields_faults(ctx, "/owner", owner_fields,
                         sizeof(owner_fields) / sizeof(owner_fields[0]), owner, 1);
        plan->owner = owner;
    }
    plan->row = wf_fields_filled(ctx->pool, wf_company_fields, WF_COMPANY_FIELDS, row,
                                 wf_company_defaults(ctx->pool, row, default_plan));
    st = wf_company_check_fields(ctx, plan->row, 1);
    return st == WF_OK && password ? wf_password_hash(ctx, &plan->password_hash, password) : st;
}

wf_status_t wf_company_sign_up(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                               const wf_keyring_t *ring, const wf_json_t *members,
                               int max_companies, const char *default_plan,
                               const wf_actor_t *actor)
{
    plan_t plan = {.max_companies = max_companies};
    const char *id;
    wf_status_t st;

    *doc = NULL;
    if ((st = make_plan(ctx, &plan, members, default_plan)) != WF_OK ||
        (st = add(ctx, &id, store, ring, &plan, actor)) != WF_OK) {
        return st;
    }
    return wf_company_find(ctx, doc, store, id);
}

wf_status_t wf_company_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const wf_company_new_t *company,
                              int max_companies, const wf_actor_t *actor)
{
    plan_t plan = {.max_companies = max_companies};
    wf_json_t *members;
    wf_status_t st;

    *id = NULL;
    if ((st = members_of(ctx, &members, company)) != WF_OK ||
        (st = make_plan(ctx, &plan, members, company->plan)) != WF_OK) {
        return st;
    }
    return add(ctx, id, store, ring, &plan, actor);
}
