/* L3, pure: who a request is for: companies, accounts, and the rules on them. DESIGN.md sections 1,
 * 4 and 6. Secret members are sealed text ("wf1:…", wf_crypto.h) and never in clear here. */
#ifndef WF_TENANT_H
#define WF_TENANT_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"
#include "json/wf_json.h"

#define WF_STATUS_ACTIVE "active"
#define WF_STATUS_INACTIVE "inactive"
#define WF_STATUS_SUSPENDED "suspended"
#define WF_STATUS_PENDING "pending"
#define WF_STATUS_PENDING_VERIFICATION "pending_verification"

/* At most this many accounts' keys are tried for a request that names no account. */
#define WF_TENANT_ACCOUNTS_MAX 8

typedef struct {
    const char *id;
    const char *slug;
    const char *name;
    const char *display_name;
    const char *status;
    const char *plan;
    int64_t monthly_max;    /* messages a month; 0: no limit */
    int64_t rate_max;       /* requests per window; 0: no limit (settings.rate_limit.max_requests) */
    int64_t rate_window_ms; /* settings.rate_limit.window_ms */
    wf_json_t *settings;    /* object */
} wf_company_t;

typedef struct {
    const char *id;
    const char *company_id;
    const char *name;
    const char *phone_number_id;
    const char *waba_id;
    const char *status;
    int is_default;
    const char *default_flow_name; /* NULL: none */
    int64_t flow_endpoint_timeout_ms;
    int64_t rate_max; /* rate_limit_max_requests; 0: no limit */
    int64_t rate_window_ms;
    const char *app_secret; /* sealed; NULL: not set */
    const char *previous_app_secret;
    apr_time_t previous_secret_until; /* 0: no window */
    const char *private_key; /* sealed PKCS#8 DER */
    const char *previous_private_key;
    apr_time_t previous_key_until;
    const char *next_private_key; /* of a rotation that is under way, or that was not finished */
    const char *callback_secret; /* sealed; signs what we send to the company */
    wf_json_t *settings;         /* object */
} wf_account_t;

/* More than a company ever has at one time: the current one and those whose values are not yet sealed anew. */
#define WF_TENANT_DATA_KEYS_MAX 64

typedef struct {
    const char *id;
    const char *wrapped;
} wf_wrapped_key_t;

/* What is attached to a request. PostgreSQL gives it as JSON (wflows.tenant_record), Redis holds it under
 * wf:{slug}:ctx:… in the form of wf_tenant_record.c. */
typedef struct {
    wf_company_t company;
    wf_account_t *accounts; /* the one the request is for comes first */
    int account_count;
    int account_named;  /* the path (or header, or query) named the account */
    int others_loaded;  /* `accounts` holds the company's other active accounts too */
    wf_wrapped_key_t *data_keys;
    int data_key_count;
} wf_tenant_t;

/* `text` as the SQL function gives it. WF_EINTERNAL if a needed member is absent. The tenant borrows
 * nothing from `text`. */
wf_status_t wf_tenant_parse(wf_ctx_t *ctx, wf_tenant_t **out, const char *text,
                            size_t len) WF_MUST_CHECK;

/* The cached form, and back. Reading works in place: the tenant points into `text`, which is changed and must live as
 * long. WF_EINTERNAL: another build's, or damaged: the caller loads it anew. */
wf_status_t wf_tenant_format(wf_ctx_t *ctx, const char **text, size_t *len,
                             const wf_tenant_t *tenant) WF_MUST_CHECK;
wf_status_t wf_tenant_open(wf_ctx_t *ctx, wf_tenant_t **out, char *text, size_t len) WF_MUST_CHECK;

/* Appends the accounts of another record of the same company (wflows.tenant_record_others). */
wf_status_t wf_tenant_add_accounts(wf_ctx_t *ctx, wf_tenant_t *tenant, const char *text,
                                   size_t len) WF_MUST_CHECK;

/* Unwraps the data key that sealed `sealed` (its id is in the text). WF_EDENIED, WF_ENOTFOUND as
 * wf_data_key_unwrap. The caller wipes `out`. */
wf_status_t wf_tenant_data_key(wf_ctx_t *ctx, wf_data_key_t *out, const wf_tenant_t *tenant,
                               const wf_keyring_t *ring, const char *sealed) WF_MUST_CHECK;

/* Unseals one secret column of an account of this tenant. */
wf_status_t wf_account_secret(wf_ctx_t *ctx, wf_secret_t *out, const wf_tenant_t *tenant,
                              const wf_account_t *account, const wf_keyring_t *ring,
                              const char *column, const char *sealed) WF_MUST_CHECK;

/* 1 if the token names nobody: absent, "unused", or in the settings' shared_flow_tokens. */
int wf_token_is_shared(const wf_tenant_t *tenant, const char *flow_token);
/* Company setting require_bound_tokens. */
int wf_tenant_requires_bound_tokens(const wf_tenant_t *tenant);
/* Company setting session_ttl (seconds), default 86400, within 60 s and 30 days. */
apr_interval_time_t wf_tenant_session_ttl(const wf_tenant_t *tenant);

/* Plans as data: starter, pro, enterprise (DESIGN.md section 10). NULL: unknown. */
typedef struct {
    const char *name;
    int max_accounts, max_flows, max_users, retention_days; /* 0: by contract, no limit */
    int64_t max_monthly_messages;
} wf_plan_limits_t;
const wf_plan_limits_t *wf_plan_limits_find(const char *plan);

#endif
