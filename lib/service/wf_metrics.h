/* L5: counters and latency histograms. One block of plain atomics, so that httpd can place it in shared
 * memory for all children and wflowsctl in ordinary memory. Names and labels are data (wf_metrics.c). */
#ifndef WF_METRICS_H
#define WF_METRICS_H

#include "base/wf_base.h"

#include <stdatomic.h>

/* id, Prometheus name, labels */
#define WF_METRICS(M)                                                                              \
    M(CRYPTO_SIGNATURE, "wflows_crypto_failures_total", "reason=\"signature\"")                    \
    M(CRYPTO_NO_SECRET, "wflows_crypto_failures_total", "reason=\"no_app_secret\"")                \
    M(CRYPTO_ENVELOPE, "wflows_crypto_failures_total", "reason=\"envelope\"")                      \
    M(CRYPTO_DECRYPT, "wflows_crypto_failures_total", "reason=\"decrypt\"")                        \
    M(CRYPTO_NO_KEY, "wflows_crypto_failures_total", "reason=\"no_private_key\"")                  \
    M(CRYPTO_NOT_JSON, "wflows_crypto_failures_total", "reason=\"not_json\"")                      \
    M(CRYPTO_TOKEN, "wflows_crypto_failures_total", "reason=\"flow_token_signature\"")             \
    M(CRYPTO_KEYRING, "wflows_crypto_failures_total", "reason=\"unseal\"")                         \
    M(RSA_OPERATIONS, "wflows_rsa_private_operations_total", "")                                   \
    M(RSA_KEY_HIT, "wflows_cache_total", "cache=\"rsa_key\",result=\"hit\"")                       \
    M(RSA_KEY_MISS, "wflows_cache_total", "cache=\"rsa_key\",result=\"miss\"")                     \
    M(CTX_HIT, "wflows_cache_total", "cache=\"tenant\",result=\"hit\"")                            \
    M(CTX_MISS, "wflows_cache_total", "cache=\"tenant\",result=\"miss\"")                          \
    M(CTX_DOWN, "wflows_cache_total", "cache=\"tenant\",result=\"unavailable\"")                   \
    M(FLOW_HIT, "wflows_cache_total", "cache=\"flow\",result=\"hit\"")                             \
    M(FLOW_MISS, "wflows_cache_total", "cache=\"flow\",result=\"miss\"")                           \
    M(SESSION_HIT, "wflows_cache_total", "cache=\"session\",result=\"hit\"")                       \
    M(SESSION_MISS, "wflows_cache_total", "cache=\"session\",result=\"miss\"")                     \
    M(LIMIT_PLATFORM, "wflows_limit_refusals_total", "scope=\"platform\"")                         \
    M(LIMIT_COMPANY, "wflows_limit_refusals_total", "scope=\"company\"")                           \
    M(LIMIT_ACCOUNT, "wflows_limit_refusals_total", "scope=\"account\"")                           \
    M(LIMIT_QUOTA, "wflows_limit_refusals_total", "scope=\"quota\"")                               \
    M(EXCHANGE_PING, "wflows_exchanges_total", "action=\"ping\"")                                  \
    M(EXCHANGE_INIT, "wflows_exchanges_total", "action=\"INIT\"")                                  \
    M(EXCHANGE_BACK, "wflows_exchanges_total", "action=\"BACK\"")                                  \
    M(EXCHANGE_DATA, "wflows_exchanges_total", "action=\"data_exchange\"")                         \
    M(EXCHANGE_ERROR, "wflows_exchanges_total", "action=\"error_notification\"")                   \
    M(EXCHANGE_UNKNOWN, "wflows_exchanges_total", "action=\"unknown\"")                            \
    M(SESSION_STARTED, "wflows_sessions_total", "outcome=\"started\"")                             \
    M(SESSION_COMPLETED, "wflows_sessions_total", "outcome=\"completed\"")                         \
    M(SESSION_REPEATED, "wflows_sessions_total", "outcome=\"repeated_request\"")                   \
    M(SESSION_CONFLICT, "wflows_sessions_total", "outcome=\"recomputed\"")                         \
    M(ANSWER_REPLACED, "wflows_answers_replaced_total", "")                                        \
    M(TOKEN_REFUSED, "wflows_flow_tokens_refused_total", "")                                       \
    M(STEPS, "wflows_session_steps_total", "")                                                     \
    M(STEP_GROUPS, "wflows_session_step_groups_total", "")                                         \
    M(STEP_FAILURES, "wflows_session_step_failures_total", "")                                     \
    M(BACKEND_OK, "wflows_backend_requests_total", "result=\"ok\"")                                \
    M(BACKEND_FAILED, "wflows_backend_requests_total", "result=\"failed\"")                       \
    M(BILLING_APPLIED, "wflows_billing_events_total", "result=\"applied\"")                       \
    M(BILLING_STORED, "wflows_billing_events_total", "result=\"stored\"")                         \
    M(BILLING_UNLINKED, "wflows_billing_events_total", "result=\"unlinked\"")                     \
    M(BILLING_DUPLICATE, "wflows_billing_events_total", "result=\"duplicate\"")                   \
    M(BILLING_REFUSED, "wflows_billing_events_total", "result=\"refused\"")                       \
    M(BILLING_FAILED, "wflows_billing_events_total", "result=\"failed\"") \
    M(INTAKE_FLOW_COMPLETED_STORED, "wflows_webhook_events_total", "class=\"flow_completed\",result=\"stored\"") \
    M(INTAKE_FLOW_COMPLETED_DUPLICATE, "wflows_webhook_events_total", "class=\"flow_completed\",result=\"duplicate\"") \
    M(INTAKE_FLOW_COMPLETED_UNROUTED, "wflows_webhook_events_total", "class=\"flow_completed\",result=\"unrouted\"") \
    M(INTAKE_MESSAGE_STORED, "wflows_webhook_events_total", "class=\"message\",result=\"stored\"") \
    M(INTAKE_MESSAGE_DUPLICATE, "wflows_webhook_events_total", "class=\"message\",result=\"duplicate\"") \
    M(INTAKE_MESSAGE_UNROUTED, "wflows_webhook_events_total", "class=\"message\",result=\"unrouted\"") \
    M(INTAKE_STATUS_STORED, "wflows_webhook_events_total", "class=\"status\",result=\"stored\"") \
    M(INTAKE_STATUS_DUPLICATE, "wflows_webhook_events_total", "class=\"status\",result=\"duplicate\"") \
    M(INTAKE_STATUS_UNROUTED, "wflows_webhook_events_total", "class=\"status\",result=\"unrouted\"") \
    M(INTAKE_FLOW_HEALTH_STORED, "wflows_webhook_events_total", "class=\"flow_health\",result=\"stored\"") \
    M(INTAKE_FLOW_HEALTH_DUPLICATE, "wflows_webhook_events_total", "class=\"flow_health\",result=\"duplicate\"") \
    M(INTAKE_FLOW_HEALTH_UNROUTED, "wflows_webhook_events_total", "class=\"flow_health\",result=\"unrouted\"") \
    M(INTAKE_PREFERENCE_STORED, "wflows_webhook_events_total", "class=\"preference\",result=\"stored\"") \
    M(INTAKE_PREFERENCE_DUPLICATE, "wflows_webhook_events_total", "class=\"preference\",result=\"duplicate\"") \
    M(INTAKE_PREFERENCE_UNROUTED, "wflows_webhook_events_total", "class=\"preference\",result=\"unrouted\"") \
    M(INTAKE_OTHER_STORED, "wflows_webhook_events_total", "class=\"other\",result=\"stored\"") \
    M(INTAKE_OTHER_DUPLICATE, "wflows_webhook_events_total", "class=\"other\",result=\"duplicate\"") \
    M(INTAKE_OTHER_UNROUTED, "wflows_webhook_events_total", "class=\"other\",result=\"unrouted\"") \
    M(INTAKE_UNKNOWN_STORED, "wflows_webhook_events_total", "class=\"unknown\",result=\"stored\"") \
    M(INTAKE_UNKNOWN_DUPLICATE, "wflows_webhook_events_total", "class=\"unknown\",result=\"duplicate\"") \
    M(INTAKE_UNKNOWN_UNROUTED, "wflows_webhook_events_total", "class=\"unknown\",result=\"unrouted\"") \
    M(INTAKE_REPEATED, "wflows_webhook_events_total", "class=\"any\",result=\"repeated_in_post\"") \
    M(POST_STORED, "wflows_webhook_posts_total", "result=\"stored\"") \
    M(POST_SIGNATURE, "wflows_webhook_posts_total", "result=\"bad_signature\"") \
    M(POST_NO_SECRET, "wflows_webhook_posts_total", "result=\"no_app_secret\"") \
    M(POST_NOT_JSON, "wflows_webhook_posts_total", "result=\"not_json\"") \
    M(POST_NOT_STORED, "wflows_webhook_posts_total", "result=\"not_stored\"") \
    M(CALLBACK_DELIVERED, "wflows_callback_attempts_total", "result=\"delivered\"")                \
    M(CALLBACK_FAILED, "wflows_callback_attempts_total", "result=\"failed\"")                      \
    M(CALLBACK_DEAD, "wflows_callback_attempts_total", "result=\"dead\"")                          \
    M(CALLBACK_GONE, "wflows_callback_attempts_total", "result=\"gone\"")                          \
    M(CALLBACK_LOST, "wflows_callback_attempts_total", "result=\"lease_lost\"")                   \
    M(MEDIA_STORED, "wflows_media_total", "result=\"stored\"")                                    \
    M(MEDIA_RETRIED, "wflows_media_total", "result=\"retried\"")                                  \
    M(MEDIA_DEAD, "wflows_media_total", "result=\"dead\"")

/* What is so and so much now, as somebody last found it. */
#define WF_GAUGES(M)                                                                               \
    M(CALLBACK_DEPTH, "wflows_outbox_depth", "consumer=\"callback\"")                              \
    M(MEDIA_DEPTH, "wflows_outbox_depth", "consumer=\"media\"")                                    \
    M(CACHE_DEPTH, "wflows_outbox_depth", "consumer=\"cache\"")                                    \
    M(CALLBACK_AGE, "wflows_outbox_oldest_seconds", "consumer=\"callback\"")                       \
    M(MEDIA_AGE, "wflows_outbox_oldest_seconds", "consumer=\"media\"")                             \
    M(CACHE_AGE, "wflows_outbox_oldest_seconds", "consumer=\"cache\"")

/* Durations beside those of requests. */
#define WF_HISTOGRAMS(M)                                                                           \
    M(CALLBACK_DELAY, "wflows_callback_delay_seconds",                                             \
      "From the stored event to the receiver's answer, of what was delivered.")                    \
    M(CALLBACK_ATTEMPT, "wflows_callback_attempt_seconds", "How long an attempt took.")

typedef enum {
#define WF_METRIC_ID(id, name, labels) WF_METRIC_##id,
    WF_METRICS(WF_METRIC_ID)
#undef WF_METRIC_ID
        WF_METRIC_COUNT
} wf_metric_t;

/* The webhook events: a row for each class, in it a counter for each wf_intake_outcome_t. */
#define WF_METRIC_INTAKE_FIRST WF_METRIC_INTAKE_FLOW_COMPLETED_STORED
#define WF_METRIC_INTAKE_RESULTS 3

typedef enum {
#define WF_GAUGE_ID(id, name, labels) WF_GAUGE_##id,
    WF_GAUGES(WF_GAUGE_ID)
#undef WF_GAUGE_ID
        WF_GAUGE_COUNT
} wf_gauge_t;

typedef enum {
#define WF_HISTOGRAM_ID(id, name, help) WF_HISTOGRAM_##id,
    WF_HISTOGRAMS(WF_HISTOGRAM_ID)
#undef WF_HISTOGRAM_ID
        WF_HISTOGRAM_COUNT
} wf_histogram_t;

/* Route classes of requests_total and the latency histogram. */
typedef enum {
    WF_ROUTE_ENDPOINT,
    WF_ROUTE_WEBHOOK,
    WF_ROUTE_ADMIN,
    WF_ROUTE_HEALTH,
    WF_ROUTE_METRICS,
    WF_ROUTE_OTHER,
    WF_ROUTE_COUNT
} wf_route_t;

/* Background jobs (wf_jobs.c). */
typedef enum {
    WF_JOB_CACHE,
    WF_JOB_COUNTS,
    WF_JOB_OUTBOX,
    WF_JOB_SESSIONS,
    WF_JOB_BILLING,
    WF_JOB_TRIALS,
    WF_JOB_IDEMPOTENCY,
    WF_JOB_ROTATION,
    WF_JOB_RETENTION,
    WF_JOB_VERIFICATION,
    WF_JOB_ERASURE,
    WF_JOB_APPROVALS,
    WF_JOB_COUNT
} wf_job_t;

#define WF_METRIC_STATUSES 16
#define WF_METRIC_BUCKETS 14

typedef struct {
    _Atomic uint64_t counters[WF_METRIC_COUNT];
    _Atomic uint64_t requests[WF_ROUTE_COUNT][WF_METRIC_STATUSES];
    _Atomic uint64_t buckets[WF_ROUTE_COUNT][WF_METRIC_BUCKETS + 1];
    _Atomic uint64_t duration_us[WF_ROUTE_COUNT];
    struct {
        _Atomic uint64_t ok, failed, rows, finished_s; /* the last one: Unix seconds */
    } jobs[WF_JOB_COUNT];
    _Atomic int64_t gauges[WF_GAUGE_COUNT];
    _Atomic uint64_t histograms[WF_HISTOGRAM_COUNT][WF_METRIC_BUCKETS + 1];
    _Atomic uint64_t histogram_us[WF_HISTOGRAM_COUNT];
} wf_metrics_t;

static inline void wf_metric_add(wf_metrics_t *m, wf_metric_t id, uint64_t n)
{
    atomic_fetch_add_explicit(&m->counters[id], n, memory_order_relaxed);
}

static inline void wf_gauge_set(wf_metrics_t *m, wf_gauge_t id, int64_t n)
{
    atomic_store_explicit(&m->gauges[id], n, memory_order_relaxed);
}

void wf_metrics_observe(wf_metrics_t *m, wf_histogram_t id, apr_interval_time_t took);
/* Counts a finished request. */
void wf_metrics_request(wf_metrics_t *m, wf_route_t route, int http_status, apr_interval_time_t took);
const char *wf_job_name(wf_job_t job);
/* Counts a run of a job that worked on `rows` rows. */
void wf_metrics_job(wf_metrics_t *m, wf_job_t job, int ok, int64_t rows, apr_time_t now);
/* Prometheus text format 0.0.4 of the whole block, HELP and TYPE lines included. */
void wf_metrics_format(wf_buf_t *out, const wf_metrics_t *m);
/* HELP and TYPE of a name, once: *last (first "") is the name that was written before. */
typedef struct {
    const char *name, *help;
} wf_metric_help_t;
void wf_metric_head(wf_buf_t *out, const char **last, const char *name, const char *type,
                    const wf_metric_help_t *table, size_t count);

#endif
