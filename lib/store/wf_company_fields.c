/* What may be said of a company, and its settings, each by name and type. */
#include "store/wf_company_int.h"

#include <string.h>

#define OBJECT_MAX 65536
#define LIMIT_MAX 1000000000
#define SHARED_TOKENS_MAX 100
#define SHARED_TOKEN_LEN_MAX 512
#define SESSION_TTL_DEFAULT_S 86400
#define RATE_WINDOW_DEFAULT_MS 60000

const wf_field_t wf_company_fields[WF_COMPANY_FIELDS] = {
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
    {"settings", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, OBJECT_MAX, NULL, NULL},
    {"metadata", WF_FIELD_OBJECT, WF_FIELD_NOT_NULL, 0, OBJECT_MAX, NULL, NULL},
    {"status", WF_FIELD_WORD, WF_FIELD_NOT_NULL, 0, 0, NULL, "active inactive suspended pending"},
    {"suspension_reason", WF_FIELD_TEXT, 0, 0, 500, NULL, NULL},
    {"trial_ends_at", WF_FIELD_FORM, 0, 0, 0, wf_form_is_time,
     "a time such as 2026-03-01T10:20:30Z"},
};

/* ---- settings --------------------------------------------------------------------------- */

static int is_shared_token(const char *text)
{
    return *text && strlen(text) <= SHARED_TOKEN_LEN_MAX;
}

/* What lib/tenant reads of them. */
static const wf_field_t settings[] = {
    {"session_ttl", WF_FIELD_INT, 0, 60, 30 * 86400, NULL, NULL}, /* seconds */
    {"require_bound_tokens", WF_FIELD_BOOL, 0, 0, 0, NULL, NULL},
    {"require_approvals", WF_FIELD_BOOL, 0, 0, 0, NULL, NULL}, /* where the plan has them: wf_approval_store.h */
    {"shared_flow_tokens", WF_FIELD_LIST, 0, 0, SHARED_TOKENS_MAX, is_shared_token,
     "flow tokens of 1 to 512 bytes"},
    {"rate_limit", WF_FIELD_OBJECT, 0, 0, OBJECT_MAX, NULL, NULL},
};
static const wf_field_t rate_limit[] = {
    {"max_requests", WF_FIELD_INT, 0, 0, LIMIT_MAX, NULL, NULL}, /* 0: no limit */
    {"window_ms", WF_FIELD_INT, 0, 1000, 86400000, NULL, NULL},
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

void wf_settings_faults(wf_ctx_t *ctx, const char *at, const wf_json_t *value)
{
    const wf_json_t *rate = wf_json_get(value, "rate_limit");

    wf_fields_faults(ctx, at, settings, COUNT(settings), value, 0);
    if (wf_json_type(rate) == WF_JSON_OBJECT) {
        wf_fields_faults(ctx, wf_json_pointer_add(ctx->pool, at, "rate_limit"), rate_limit,
                         COUNT(rate_limit), rate, 0);
    }
}

wf_status_t wf_company_check_fields(wf_ctx_t *ctx, const wf_json_t *members, int making)
{
    const wf_json_t *value = wf_json_get(members, "settings");

    if (wf_json_type(value) == WF_JSON_OBJECT) {
        wf_settings_faults(ctx, "/settings", value);
    }
    return wf_fields_check(ctx, wf_company_fields, WF_COMPANY_FIELDS, members, making);
}

wf_json_t *wf_settings_shown(apr_pool_t *pool, const wf_json_t *company)
{
    wf_json_t *out = wf_json_object_make(pool), *rate = wf_json_object_make(pool);

    wf_json_set_int(out, "session_ttl", SESSION_TTL_DEFAULT_S);
    wf_json_set_bool(out, "require_bound_tokens", 0);
    wf_json_set_bool(out, "require_approvals", 0);
    wf_json_set(out, "shared_flow_tokens", wf_json_array_make(pool));
    wf_json_set_int(rate, "max_requests", 0);
    wf_json_set_int(rate, "window_ms", RATE_WINDOW_DEFAULT_MS);
    wf_json_set(out, "rate_limit", rate);
    return wf_fields_merge(pool, out, wf_json_get(company, "settings"));
}
