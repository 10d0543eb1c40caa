#include "tenant/wf_tenant.h"

#include <string.h>

#define SESSION_TTL_DEFAULT_S 86400
#define SESSION_TTL_MAX_S (30 * 86400)

static const wf_plan_limits_t plans[] = {
    {"starter", 1, 10, 3, 90, 10000},
    {"pro", 3, 100, 10, 365, 100000},
    {"enterprise", 0, 0, 0, 0, 0},
};

const wf_plan_limits_t *wf_plan_limits_find(const char *plan)
{
    size_t i;

    for (i = 0; plan && i < sizeof(plans) / sizeof(plans[0]); i++) {
        if (strcmp(plans[i].name, plan) == 0) {
            return &plans[i];
        }
    }
    return NULL;
}

static const char *text_of(wf_ctx_t *ctx, const wf_json_t *o, const char *key)
{
    const char *text = wf_json_get_str(o, key, NULL);

    return text ? apr_pstrdup(ctx->pool, text) : NULL;
}

static void parse_account(wf_ctx_t *ctx, wf_account_t *a, const wf_json_t *o,
                          const char *company_id)
{
    memset(a, 0, sizeof(*a));
    a->id = text_of(ctx, o, "id");
    a->company_id = company_id;
    a->name = text_of(ctx, o, "name");
    a->phone_number_id = text_of(ctx, o, "phone_number_id");
    a->waba_id = text_of(ctx, o, "waba_id");
    a->status = text_of(ctx, o, "status");
    a->is_default = wf_json_get_bool(o, "is_default", 0);
    a->default_flow_name = text_of(ctx, o, "default_flow_name");
    a->flow_endpoint_timeout_ms = wf_json_get_int(o, "flow_endpoint_timeout", 2500);
    a->rate_max = wf_json_get_int(o, "rate_limit_max_requests", 0);
    a->rate_window_ms = wf_json_get_int(o, "rate_limit_window_ms", 60000);
    a->app_secret = text_of(ctx, o, "app_secret");
    a->previous_app_secret = text_of(ctx, o, "previous_app_secret");
    a->previous_secret_until = wf_json_get_int(o, "previous_secret_until_us", 0);
    a->private_key = text_of(ctx, o, "private_key");
    a->previous_private_key = text_of(ctx, o, "previous_private_key");
    a->previous_key_until = wf_json_get_int(o, "previous_key_until_us", 0);
    a->next_private_key = text_of(ctx, o, "next_private_key");
    a->callback_secret = text_of(ctx, o, "callback_secret");
    a->settings = wf_json_get(o, "settings");
}

static void parse_company(wf_ctx_t *ctx, wf_company_t *c, const wf_json_t *o)
{
    wf_json_t *rate;

    c->id = text_of(ctx, o, "id");
    c->slug = text_of(ctx, o, "slug");
    c->name = text_of(ctx, o, "name");
    c->display_name = text_of(ctx, o, "display_name");
    c->status = text_of(ctx, o, "status");
    c->plan = text_of(ctx, o, "subscription_plan");
    c->monthly_max = wf_json_get_int(o, "max_monthly_messages", 0);
    c->settings = wf_json_get(o, "settings");
    rate = wf_json_get(c->settings, "rate_limit");
    c->rate_max = wf_json_get_int(rate, "max_requests", 0);
    c->rate_window_ms = wf_json_get_int(rate, "window_ms", 60000);
}

static void parse_data_keys(wf_ctx_t *ctx, wf_tenant_t *t, const wf_json_t *keys)
{
    t->data_keys = apr_pcalloc(ctx->pool, (wf_json_len(keys) + 1) * sizeof(*t->data_keys));
    for (wf_json_iter_t i = wf_json_iter(keys); wf_json_next(&i);) {
        const char *wrapped = wf_json_str(i.value);
        if (wrapped && t->data_key_count < WF_TENANT_DATA_KEYS_MAX) {
            t->data_keys[t->data_key_count].id = apr_pstrdup(ctx->pool, i.key);
            t->data_keys[t->data_key_count++].wrapped = apr_pstrdup(ctx->pool, wrapped);
        }
    }
}

wf_status_t wf_tenant_parse(wf_ctx_t *ctx, wf_tenant_t **out, const char *text, size_t len)
{
    wf_tenant_t *t;
    wf_json_t *doc, *accounts;
    wf_status_t st;
    int i;

    *out = NULL;
    if ((st = wf_json_parse(ctx, &doc, text, len, 0)) != WF_OK) {
        return st;
    }
    t = apr_pcalloc(ctx->pool, sizeof(*t));
    parse_company(ctx, &t->company, wf_json_get(doc, "company"));
    if (!t->company.id || !t->company.slug || !t->company.status) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0130) "tenant record without a company");
    }
    accounts = wf_json_get(doc, "accounts");
    t->account_count = (int)wf_json_len(accounts);
    if (t->account_count > WF_TENANT_ACCOUNTS_MAX) {
        t->account_count = WF_TENANT_ACCOUNTS_MAX;
    }
    t->accounts = apr_pcalloc(ctx->pool, WF_TENANT_ACCOUNTS_MAX * sizeof(wf_account_t));
    for (i = 0; i < t->account_count; i++) {
        parse_account(ctx, &t->accounts[i], wf_json_at(accounts, (size_t)i), t->company.id);
    }
    parse_data_keys(ctx, t, wf_json_get(doc, "data_keys"));
    *out = t;
    return WF_OK;
}

wf_status_t wf_tenant_add_accounts(wf_ctx_t *ctx, wf_tenant_t *tenant, const char *text,
                                   size_t len)
{
    wf_json_t *doc;
    wf_status_t st;
    size_t i;

    if ((st = wf_json_parse(ctx, &doc, text, len, 0)) != WF_OK) {
        return st;
    }
    for (i = 0; i < wf_json_len(doc) && tenant->account_count < WF_TENANT_ACCOUNTS_MAX; i++) {
        wf_account_t account;
        parse_account(ctx, &account, wf_json_at(doc, i), tenant->company.id);
        if (account.id && (tenant->account_count == 0 ||
                           strcmp(account.id, tenant->accounts[0].id) != 0)) {
            tenant->accounts[tenant->account_count++] = account;
        }
    }
    tenant->others_loaded = 1;
    return WF_OK;
}

wf_status_t wf_tenant_data_key(wf_ctx_t *ctx, wf_data_key_t *out, const wf_tenant_t *tenant,
                               const wf_keyring_t *ring, const char *sealed)
{
    const char *id = sealed + 4; /* after "wf1:" */
    int i;

    memset(out, 0, sizeof(*out));
    if (strncmp(sealed, "wf1:", 4) != 0 || strlen(id) < WF_UUID_LEN + 1 || id[WF_UUID_LEN] != ':') {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0131) "a sealed value is not of the form wf1:…");
    }
    for (i = 0; i < tenant->data_key_count; i++) {
        const wf_wrapped_key_t *key = &tenant->data_keys[i];
        if (strncmp(key->id, id, WF_UUID_LEN) == 0) {
            return wf_data_key_unwrap(ctx, out, ring, tenant->company.id, key->id, key->wrapped);
        }
    }
    return wf_fail(ctx, WF_EDENIED, WFLOGNO(0132) "company %s: data key %.36s is gone",
                   tenant->company.slug, id);
}

wf_status_t wf_account_secret(wf_ctx_t *ctx, wf_secret_t *out, const wf_tenant_t *tenant,
                              const wf_account_t *account, const wf_keyring_t *ring,
                              const char *column, const char *sealed)
{
    wf_seal_place_t place = {"whatsapp_accounts", column, tenant->company.id, account->id};
    wf_data_key_t key;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!sealed) {
        return WF_ENOTFOUND;
    }
    st = wf_tenant_data_key(ctx, &key, tenant, ring, sealed);
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, &place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

int wf_token_is_shared(const wf_tenant_t *tenant, const char *flow_token)
{
    const wf_json_t *list = wf_json_get(tenant->company.settings, "shared_flow_tokens");
    size_t i;

    if (!flow_token || !*flow_token || strcmp(flow_token, "unused") == 0) {
        return 1;
    }
    for (i = 0; i < wf_json_len(list); i++) {
        const char *shared = wf_json_str(wf_json_at(list, i));
        if (shared && strcmp(shared, flow_token) == 0) {
            return 1;
        }
    }
    return 0;
}

int wf_tenant_requires_bound_tokens(const wf_tenant_t *tenant)
{
    return wf_json_get_bool(tenant->company.settings, "require_bound_tokens", 0);
}

apr_interval_time_t wf_tenant_session_ttl(const wf_tenant_t *tenant)
{
    int64_t s = wf_json_get_int(tenant->company.settings, "session_ttl", SESSION_TTL_DEFAULT_S);

    if (s < 60) {
        s = 60;
    } else if (s > SESSION_TTL_MAX_S) {
        s = SESSION_TTL_MAX_S;
    }
    return apr_time_from_sec(s);
}
