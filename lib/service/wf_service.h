/* L5: use cases. Each loads, decides through the pure layers, and saves. Knows no httpd. */
#ifndef WF_SERVICE_H
#define WF_SERVICE_H

#include "flow/wf_flow.h"
#include "http/wf_http.h"
#include "service/wf_metrics.h"
#include "service/wf_tally.h"
#include "store/wf_store.h"
#include "tenant/wf_tenant.h"

typedef struct wf_step_writer_t wf_step_writer_t;
typedef struct wf_auth_state_t wf_auth_state_t;

/* How callers are known (WflowsAuth…); see wf_auth.h. */
typedef struct {
    const wf_jwt_key_t *const *jwt_keys; /* WflowsAuthJwtKey; the first signs */
    int jwt_key_count;
    const char *jwks; /* WflowsAuthJwks: "file:/path" or a URL; NULL: none */
    apr_interval_time_t token_ttl, refresh_ttl; /* WflowsAuthTokenTTL, WflowsAuthRefreshTTL */
    int trust_remote_user;                      /* WflowsAuthTrustRemoteUser */
} wf_auth_conf_t;

/* Limits and switches that come from directives. */
typedef struct {
    int64_t platform_rate_max; /* requests per window over all companies; 0: no limit */
    int64_t platform_rate_window_ms;
    int limits_fail_open;           /* WflowsTenantLimitFailure: 1 without Redis nobody is limited, 0 everybody is refused */
    apr_interval_time_t repeat_window; /* WflowsFlowRepeatWindow */
    const wf_secret_t *stripe_secrets; /* WflowsFlowStripeSecret; none: no billing */
    int stripe_secret_count;
    apr_interval_time_t billing_grace; /* WflowsFlowBillingGrace */
    int max_accounts;               /* of a company: so many secrets are tried for a webhook that names none */
    const char *media_dir;          /* WflowsFlowMediaDir; NULL: files are not fetched */
    const apr_array_header_t *media_hosts; /* WflowsFlowMediaHost, const char * */
    const char *graph_url;          /* WflowsFlowGraphURL */
    wf_auth_conf_t auth;
} wf_service_conf_t;

/* Everything a use case needs; one per process, shared by its threads, made by lib/runtime. */
typedef struct {
    const wf_store_t *store;
    const wf_keyring_t *ring;
    wf_rsa_cache_t *rsa;
    wf_step_writer_t *writer; /* NULL outside httpd: steps are committed directly */
    wf_http_t *http;
    wf_auth_state_t *auth;
    wf_metrics_t *metrics; /* never NULL */
    wf_tally_t *tally;     /* each company's own; NULL: not counted */
    _Atomic apr_time_t *woken_at; /* when this process last woke the outbox workers; NULL: never does */
    wf_service_conf_t conf;
} wf_service_t;

/* ---- admission (wf_admit.c): who is it for, and may they -------------------------------------------- */

typedef enum {
    WF_ADMIT_OK = 0,
    WF_ADMIT_UNKNOWN,  /* no such company or account: 404 */
    WF_ADMIT_INACTIVE, /* company or account not active: 403 */
    WF_ADMIT_LIMITED,  /* rate limit: 429 */
    WF_ADMIT_QUOTA     /* monthly quota used up: 429 with its own code */
} wf_admit_verdict_t;

typedef struct {
    wf_admit_verdict_t verdict;
    wf_tenant_t *tenant;    /* set with OK and INACTIVE; with LIMITED only if it is known */
    /* The limit that refused, or else the tightest one; scope NULL: none applies. For Retry-After,
     * RateLimit and RateLimit-Policy. */
    const char *limit_scope; /* "platform", "company", "account", "quota" */
    int64_t limit_max, limit_window_s, limit_remaining, limit_reset_s;
    int degraded; /* Redis did not answer: served from PostgreSQL, limits not counted */
} wf_admission_t;

/* One Redis round trip when warm. `account`: NULL, or the UUID or phone_number_id named by the path
 * (header, query). `charge`: 1 counts against the rate limits and checks the quota (flow endpoint); 0
 * only resolves. WF_OK with a verdict, or WF_EUNAVAIL (PostgreSQL down and nothing cached: 503). */
wf_status_t wf_admit(wf_ctx_t *ctx, wf_admission_t *out, const wf_service_t *service,
                     const char *slug, const char *account, int charge) WF_MUST_CHECK;

/* ---- flow exchange (wf_exchange.c): WHATSAPP.md section 1 --------------------------------------------- */

typedef enum {
    WF_EXCHANGE_OK = 0,        /* 200, body */
    WF_EXCHANGE_BAD_REQUEST,   /* 400: not JSON or not the envelope */
    WF_EXCHANGE_BAD_SIGNATURE, /* 432 */
    WF_EXCHANGE_UNDECRYPTABLE, /* 421 */
    WF_EXCHANGE_NO_FLOW,       /* 404 */
    WF_EXCHANGE_TOKEN_INVALID, /* 427, encrypted body */
    WF_EXCHANGE_FAILED,        /* 500 */
    WF_EXCHANGE_UNAVAILABLE    /* 503: could not be stored; nothing was done */
} wf_exchange_code_t;

typedef struct {
    wf_tenant_t *tenant;    /* from wf_admit; its other accounts may be loaded into it */
    const char *flow_name;  /* from the path; NULL: session, token, default flow */
    int flow_version;       /* from {flowName}@{version}; 0: not pinned */
    const char *signature;  /* X-Hub-Signature-256, or NULL */
    const char *body;
    size_t body_len;
} wf_exchange_in_t;

typedef struct {
    wf_exchange_code_t code;
    wf_slice_t body;              /* empty where the protocol says so */
    const wf_account_t *account;  /* whose key it was; NULL before that is known */
    const char *action;           /* for metrics and the access log: "ping", "INIT" …; NULL */
    const char *flow_name;        /* that answered */
    const char *session_id;
    const char *reason;           /* why code is not OK, for the log line that was written; NULL */
} wf_exchange_out_t;

/* Never fails: whatever happens ends in a code, with a log line that names the reason. Nothing that it
 * answers with 200 is not committed. */
void wf_exchange(wf_ctx_t *ctx, wf_exchange_out_t *out, const wf_service_t *service,
                 const wf_exchange_in_t *in);

/* ---- billing (wf_billing_intake.c) ---------------------------------------------------------------------- */

/* One event of Stripe's, stored and applied when this returns WF_OK; `signature` is the Stripe-Signature
 * header or NULL, `body` ends with a NUL after its length. Expected failures: WF_EDENIED (signature),
 * WF_EINVALID (not an event), WF_EUNAVAIL (not stored: Stripe must send it again). */
wf_status_t wf_billing_intake(wf_ctx_t *ctx, const wf_service_t *service, const char *signature,
                              const wf_slice_t *body) WF_MUST_CHECK;

/* ---- group commit (wf_step_writer.c) --------------------------------------------------------------------- */

/* One thread per process that commits the steps of all request threads in groups: one statement and
 * transaction over one connection, then one one-way write of the sessions to Redis. It also writes the tally from time to time. Ends with `pool`. */
wf_status_t wf_step_writer_start(wf_ctx_t *ctx, wf_step_writer_t **out, apr_pool_t *pool,
                                 const wf_store_t *store, wf_redis_feed_t *feed,
                                 wf_metrics_t *metrics, wf_tally_t *tally) WF_MUST_CHECK;


#endif
