#include "service/wf_metrics.h"

#include <string.h>

/* The last of the statuses stands for all others. */
static const int statuses[WF_METRIC_STATUSES] = {200, 204, 304, 400, 401, 403, 404, 405,
                                                 413, 421, 427, 429, 432, 500, 503, 0};

/* Upper bounds: dense where an exchange lives, up to Meta's limit of 10 s. */
static const struct {
    apr_interval_time_t us;
    const char *seconds;
} bounds[WF_METRIC_BUCKETS] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"},
};

static const char *const routes[WF_ROUTE_COUNT] = {
    [WF_ROUTE_ENDPOINT] = "endpoint", [WF_ROUTE_WEBHOOK] = "webhook", [WF_ROUTE_ADMIN] = "admin",
    [WF_ROUTE_HEALTH] = "health",     [WF_ROUTE_METRICS] = "metrics", [WF_ROUTE_OTHER] = "other"};

static const char *const jobs[WF_JOB_COUNT] = {
    [WF_JOB_CACHE] = "cache",
    [WF_JOB_COUNTS] = "counts",
    [WF_JOB_OUTBOX] = "outbox",
    [WF_JOB_SESSIONS] = "sessions",
    [WF_JOB_BILLING] = "billing",
    [WF_JOB_TRIALS] = "trials",
    [WF_JOB_IDEMPOTENCY] = "idempotency",
    [WF_JOB_ROTATION] = "key_rotation",
    [WF_JOB_RETENTION] = "retention",
    [WF_JOB_VERIFICATION] = "verification",
    [WF_JOB_ERASURE] = "erasure",
    [WF_JOB_APPROVALS] = "approvals",
};

static const struct {
    const char *name, *labels;
} counters[WF_METRIC_COUNT] = {
#define COUNTER_ROW(id, name, labels) {name, labels},
    WF_METRICS(COUNTER_ROW)
#undef COUNTER_ROW
};

static const struct {
    const char *name, *labels;
} gauges[WF_GAUGE_COUNT] = {
#define GAUGE_ROW(id, name, labels) {name, labels},
    WF_GAUGES(GAUGE_ROW)
#undef GAUGE_ROW
};

static const struct {
    const char *name, *help;
} histograms[WF_HISTOGRAM_COUNT] = {
#define HISTOGRAM_ROW(id, name, help) {name, help},
    WF_HISTOGRAMS(HISTOGRAM_ROW)
#undef HISTOGRAM_ROW
};

static const wf_metric_help_t helps[] = {
    {"wflows_crypto_failures_total", "Requests refused by the cryptography, by reason."},
    {"wflows_rsa_private_operations_total", "RSA private key operations."},
    {"wflows_cache_total", "Look-ups in Redis and in the table of parsed keys, by result."},
    {"wflows_limit_refusals_total", "Requests refused by a rate limit or a quota."},
    {"wflows_exchanges_total", "Decrypted flow requests, by action."},
    {"wflows_sessions_total", "Flow sessions, by what happened to them."},
    {"wflows_answers_replaced_total", "Answers that failed our own check and were replaced."},
    {"wflows_flow_tokens_refused_total", "Flow tokens answered with 427."},
    {"wflows_session_steps_total", "Session steps committed."},
    {"wflows_session_step_groups_total", "Transactions that committed them."},
    {"wflows_session_step_failures_total", "Session steps that could not be committed."},
    {"wflows_webhook_events_total", "Events that WhatsApp told us, by class and what became of them."},
    {"wflows_webhook_posts_total", "Webhook requests of WhatsApp, by result."},
    {"wflows_backend_requests_total", "Exchanges asked of the companies' own servers, by result."},
    {"wflows_media_total", "Files that users sent in a flow, by what became of an attempt to fetch them."},
    {"wflows_billing_events_total", "Events of Stripe's, by what became of them."},
    {"wflows_callback_attempts_total", "Attempts at delivering callbacks, by result."},
    {"wflows_outbox_depth", "Outbox rows that are not finished."},
    {"wflows_outbox_oldest_seconds", "How long the oldest that is due has been due."},
};

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add(_Atomic uint64_t *value, uint64_t n)
{
    atomic_fetch_add_explicit(value, n, memory_order_relaxed);
}

static int bucket_of(apr_interval_time_t *took)
{
    int bucket = 0;

    if (*took < 0) {
        *took = 0; /* the clock was set back */
    }
    while (bucket < WF_METRIC_BUCKETS && *took > bounds[bucket].us) {
        bucket++;
    }
    return bucket;
}

void wf_metrics_observe(wf_metrics_t *m, wf_histogram_t id, apr_interval_time_t took)
{
    add(&m->histograms[id][bucket_of(&took)], 1);
    add(&m->histogram_us[id], (uint64_t)took);
}

void wf_metrics_request(wf_metrics_t *m, wf_route_t route, int http_status,
                        apr_interval_time_t took)
{
    int status = 0, bucket = bucket_of(&took);

    if ((unsigned)route >= WF_ROUTE_COUNT) {
        route = WF_ROUTE_OTHER;
    }
    while (status < WF_METRIC_STATUSES - 1 && statuses[status] != http_status) {
        status++;
    }
    add(&m->requests[route][status], 1);
    add(&m->buckets[route][bucket], 1);
    add(&m->duration_us[route], (uint64_t)took);
}

const char *wf_job_name(wf_job_t job)
{
    return jobs[job];
}

void wf_metrics_job(wf_metrics_t *m, wf_job_t job, int ok, int64_t rows, apr_time_t now)
{
    add(ok ? &m->jobs[job].ok : &m->jobs[job].failed, 1);
    add(&m->jobs[job].rows, (uint64_t)rows);
    atomic_store_explicit(&m->jobs[job].finished_s, (uint64_t)apr_time_sec(now),
                          memory_order_relaxed);
}

void wf_metric_head(wf_buf_t *out, const char **last, const char *name, const char *type,
                    const wf_metric_help_t *table, size_t count)
{
    const char *help = "";
    size_t i;

    if (strcmp(name, *last) == 0) {
        return;
    }
    for (i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0) {
            help = table[i].help;
        }
    }
    wf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    *last = name;
}

static void format_value(wf_buf_t *out, const char **last, const char *name, const char *labels,
                         const char *type, uint64_t value)
{
    wf_metric_head(out, last, name, type, helps, sizeof(helps) / sizeof(helps[0]));
    wf_buf_printf(out, "%s%s%s%s %" APR_UINT64_T_FMT "\n", name, *labels ? "{" : "", labels,
                  *labels ? "}" : "", value);
}

static void format_counters(wf_buf_t *out, const wf_metrics_t *m)
{
    const char *last = "";
    int i;

    for (i = 0; i < WF_METRIC_COUNT; i++) {
        format_value(out, &last, counters[i].name, counters[i].labels, "counter",
                     get(&m->counters[i]));
    }
    for (i = 0; i < WF_GAUGE_COUNT; i++) {
        format_value(out, &last, gauges[i].name, gauges[i].labels, "gauge",
                     (uint64_t)atomic_load_explicit(&m->gauges[i], memory_order_relaxed));
    }
}

static void format_requests(wf_buf_t *out, const wf_metrics_t *m)
{
    int route, status;

    wf_buf_puts(out, "# HELP wflows_requests_total Finished requests.\n"
                     "# TYPE wflows_requests_total counter\n");
    for (route = 0; route < WF_ROUTE_COUNT; route++) {
        for (status = 0; status < WF_METRIC_STATUSES; status++) {
            uint64_t n = get(&m->requests[route][status]);

            if (n == 0) {
                continue;
            }
            if (statuses[status] == 0) {
                wf_buf_printf(out, "wflows_requests_total{route=\"%s\",status=\"other\"}",
                              routes[route]);
            } else {
                wf_buf_printf(out, "wflows_requests_total{route=\"%s\",status=\"%d\"}",
                              routes[route], statuses[status]);
            }
            wf_buf_printf(out, " %" APR_UINT64_T_FMT "\n", n);
        }
    }
}

/* The sums are of the buckets as read here, so that the histogram agrees with itself while it is
 * counted on. `labels` is empty or ends with a comma. */
static void format_histogram(wf_buf_t *out, const char *name, const char *labels,
                             const _Atomic uint64_t *buckets, const _Atomic uint64_t *us)
{
    const char *whole = "";
    uint64_t sum = 0;
    int i;

    for (i = 0; i < WF_METRIC_BUCKETS; i++) {
        sum += get(&buckets[i]);
        wf_buf_printf(out, "%s_bucket{%sle=\"%s\"} %" APR_UINT64_T_FMT "\n", name, labels,
                      bounds[i].seconds, sum);
    }
    sum += get(&buckets[WF_METRIC_BUCKETS]);
    wf_buf_printf(out, "%s_bucket{%sle=\"+Inf\"} %" APR_UINT64_T_FMT "\n", name, labels, sum);
    if (*labels) {
        whole = apr_pstrcat(out->pool, "{", apr_pstrndup(out->pool, labels, strlen(labels) - 1),
                            "}", NULL);
    }
    wf_buf_printf(out, "%s_sum%s %.6f\n%s_count%s %" APR_UINT64_T_FMT "\n", name, whole,
                  (double)get(us) / APR_USEC_PER_SEC, name, whole, sum);
}

/* Of the runs on this server: which of several runs a job is chance. */
static void format_jobs(wf_buf_t *out, const wf_metrics_t *m)
{
    int i;

    wf_buf_puts(out, "# HELP wflows_job_runs_total Runs of background jobs on this server.\n"
                     "# TYPE wflows_job_runs_total counter\n");
    for (i = 0; i < WF_JOB_COUNT; i++) {
        wf_buf_printf(out,
                      "wflows_job_runs_total{job=\"%s\",result=\"ok\"} %" APR_UINT64_T_FMT "\n"
                      "wflows_job_runs_total{job=\"%s\",result=\"failed\"} %" APR_UINT64_T_FMT "\n",
                      jobs[i], get(&m->jobs[i].ok), jobs[i], get(&m->jobs[i].failed));
    }
    wf_buf_puts(out, "# HELP wflows_job_rows_total Rows they worked on.\n"
                     "# TYPE wflows_job_rows_total counter\n");
    for (i = 0; i < WF_JOB_COUNT; i++) {
        wf_buf_printf(out, "wflows_job_rows_total{job=\"%s\"} %" APR_UINT64_T_FMT "\n", jobs[i],
                      get(&m->jobs[i].rows));
    }
    wf_buf_puts(out, "# HELP wflows_job_last_run_seconds When the last run here ended, in Unix time.\n"
                     "# TYPE wflows_job_last_run_seconds gauge\n");
    for (i = 0; i < WF_JOB_COUNT; i++) {
        wf_buf_printf(out, "wflows_job_last_run_seconds{job=\"%s\"} %" APR_UINT64_T_FMT "\n", jobs[i],
                      get(&m->jobs[i].finished_s));
    }
}

static void format_requests_histogram(wf_buf_t *out, const wf_metrics_t *m)
{
    int route;

    wf_buf_puts(out,
                "# HELP wflows_request_duration_seconds Time from the request line to the last "
                "byte handed to the network.\n"
                "# TYPE wflows_request_duration_seconds histogram\n");
    for (route = 0; route < WF_ROUTE_COUNT; route++) {
        format_histogram(out, "wflows_request_duration_seconds",
                         apr_pstrcat(out->pool, "route=\"", routes[route], "\",", NULL),
                         m->buckets[route], &m->duration_us[route]);
    }
}

void wf_metrics_format(wf_buf_t *out, const wf_metrics_t *m)
{
    int i;

    format_requests(out, m);
    format_requests_histogram(out, m);
    for (i = 0; i < WF_HISTOGRAM_COUNT; i++) {
        wf_buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", histograms[i].name,
                      histograms[i].help, histograms[i].name);
        format_histogram(out, histograms[i].name, "", m->histograms[i], &m->histogram_us[i]);
    }
    format_counters(out, m);
    format_jobs(out, m);
}
