#include "service/wf_service.h"

#include <string.h>

static int is_active(const wf_tenant_t *t)
{
    return strcmp(t->company.status, WF_STATUS_ACTIVE) == 0 &&
           (t->account_count == 0 || strcmp(t->accounts[0].status, WF_STATUS_ACTIVE) == 0);
}

static wf_status_t entry_of(wf_ctx_t *ctx, wf_ctx_entry_t *entry, const wf_tenant_t *t)
{
    memset(entry, 0, sizeof(*entry));
    entry->record = "";
    entry->account_id = "-";
    if (!t) {
        entry->status = "none";
        return WF_OK;
    }
    entry->status = is_active(t) ? "active" : "inactive";
    entry->company_max = t->company.rate_max;
    entry->company_window_ms = t->company.rate_window_ms;
    entry->quota = t->company.monthly_max;
    if (t->account_count > 0) {
        entry->account_max = t->accounts[0].rate_max;
        entry->account_window_ms = t->accounts[0].rate_window_ms;
        entry->account_id = t->accounts[0].id;
    }
    return wf_tenant_format(ctx, &entry->record, &entry->record_len, t);
}

static void refuse(wf_admission_t *out, const wf_service_t *service, const wf_admit_reply_t *r)
{
    static const struct {
        const char *scope;
        wf_metric_t metric;
    } counters[] = {{"platform", WF_METRIC_LIMIT_PLATFORM},
                    {"company", WF_METRIC_LIMIT_COMPANY},
                    {"account", WF_METRIC_LIMIT_ACCOUNT},
                    {"quota", WF_METRIC_LIMIT_QUOTA}};
    size_t i;

    out->verdict = r->kind == WF_ADMIT_REPLY_QUOTA ? WF_ADMIT_QUOTA : WF_ADMIT_LIMITED;
    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        if (r->scope && strcmp(r->scope, counters[i].scope) == 0) {
            wf_metric_add(service->metrics, counters[i].metric, 1);
        }
    }
}

/* Seconds until the month's counter starts anew. */
static int64_t until_next_month(apr_time_t now)
{
    apr_time_exp_t e;
    apr_time_t next;

    apr_time_exp_gmt(&e, now);
    e.tm_mon = (e.tm_mon + 1) % 12;
    e.tm_year += e.tm_mon == 0;
    e.tm_mday = 1;
    e.tm_hour = e.tm_min = e.tm_sec = e.tm_usec = 0;
    apr_time_exp_gmt_get(&next, &e);
    return apr_time_sec(next - now) + 1;
}

static void set_limit(wf_ctx_t *ctx, wf_admission_t *out, const wf_admit_reply_t *r)
{
    out->limit_scope = r->scope;
    out->limit_max = r->max;
    out->limit_window_s = (r->window_ms + 999) / 1000;
    out->limit_remaining = r->remaining;
    out->limit_reset_s = (r->reset_us + 999999) / 1000000;
    if (r->kind == WF_ADMIT_REPLY_QUOTA) {
        out->limit_window_s = 30 * 86400;
        out->limit_reset_s = until_next_month(wf_now(ctx));
    }
}

/* The month's counter was made (or lost) without knowing what PostgreSQL had: from now on it does. */
static void seed_quota(wf_ctx_t *ctx, const wf_service_t *service, const wf_tenant_t *t)
{
    const char *month = wf_month(ctx->pool, wf_now(ctx));
    int64_t n;

    if (wf_usage_load(ctx, &n, service->store, t->company.id, month, "flow_exchange") != WF_OK ||
        wf_use_seed(ctx, service->store, t->company.slug, month, n) != WF_OK) {
        wf_ctx_clear(ctx); /* the next request tries again */
    }
}

static wf_status_t judge(wf_ctx_t *ctx, wf_admission_t *out, const wf_service_t *service,
                         const wf_admit_reply_t *r)
{
    wf_status_t st;

    if (strcmp(r->status, "none") == 0) {
        out->verdict = WF_ADMIT_UNKNOWN;
        return WF_OK;
    }
    if (!r->record.data) { /* over the installation's limit, whoever it is */
        set_limit(ctx, out, r);
        refuse(out, service, r);
        return WF_OK;
    }
    /* The reply's own copy in our pool: read in place. */
    st = wf_tenant_open(ctx, &out->tenant, (char *)(uintptr_t)r->record.data, r->record.len);
    if (st != WF_OK) {
        return st;
    }
    if (strcmp(r->status, "active") != 0) {
        out->verdict = WF_ADMIT_INACTIVE;
        return WF_OK;
    }
    out->verdict = WF_ADMIT_OK;
    set_limit(ctx, out, r);
    if (r->kind != WF_ADMIT_REPLY_ENTRY) {
        refuse(out, service, r);
    }
    if (r->quota_unseeded) {
        seed_quota(ctx, service, out->tenant);
    }
    return WF_OK;
}

/* PostgreSQL alone: status is enforced, limits cannot be. */
static void judge_degraded(wf_admission_t *out, const wf_service_t *service, wf_tenant_t *tenant,
                           int charge)
{
    out->degraded = 1;
    out->tenant = tenant;
    out->verdict = !tenant ? WF_ADMIT_UNKNOWN : is_active(tenant) ? WF_ADMIT_OK : WF_ADMIT_INACTIVE;
    if (out->verdict == WF_ADMIT_OK && charge && !service->conf.limits_fail_open) {
        out->verdict = WF_ADMIT_LIMITED;
        out->limit_scope = "platform";
        out->limit_window_s = 1;
        out->limit_reset_s = 1;
    }
}

/* NULL: no such company or account. */
static wf_status_t load_tenant(wf_ctx_t *ctx, wf_tenant_t **out, const wf_service_t *service,
                               const wf_admit_query_t *query)
{
    const char *text;
    size_t len;
    wf_status_t st =
        wf_tenant_record_load(ctx, &text, &len, service->store, query->slug, query->account);

    *out = NULL;
    if (st == WF_ENOTFOUND) {
        wf_ctx_clear(ctx);
        return WF_OK;
    }
    return st == WF_OK ? wf_tenant_parse(ctx, out, text, len) : st;
}

/* `generation` NULL: there is no cache to save to. */
static wf_status_t admit_from_postgres(wf_ctx_t *ctx, wf_admission_t *out,
                                       const wf_service_t *service, const wf_admit_query_t *query,
                                       const char *generation)
{
    wf_ctx_entry_t entry;
    wf_admit_reply_t reply;
    wf_tenant_t *tenant;
    wf_status_t st = load_tenant(ctx, &tenant, service, query);

    if (st != WF_OK) {
        return st;
    }
    if (!generation) {
        judge_degraded(out, service, tenant, query->charge);
        return WF_OK;
    }
    st = entry_of(ctx, &entry, tenant);
    if (st == WF_OK) {
        st = wf_admit_save(ctx, &reply, service->store, query, &entry, generation);
    }
    if (st == WF_OK && reply.kind != WF_ADMIT_REPLY_MISS) {
        return judge(ctx, out, service, &reply);
    }
    /* Redis went away just now, or the company changed meanwhile: what we read is good for this once. */
    wf_ctx_clear(ctx);
    judge_degraded(out, service, tenant, st == WF_OK ? 0 : query->charge);
    return WF_OK;
}

static wf_status_t admit(wf_ctx_t *ctx, wf_admission_t *out, const wf_service_t *service,
                         const wf_admit_query_t *query)
{
    wf_admit_reply_t reply;
    wf_status_t st;

    st = wf_admit_query(ctx, &reply, service->store, query);
    if (st != WF_OK) {
        wf_ctx_clear(ctx);
        wf_metric_add(service->metrics, WF_METRIC_CTX_DOWN, 1);
        return admit_from_postgres(ctx, out, service, query, NULL);
    }
    if (reply.kind == WF_ADMIT_REPLY_MISS) {
        wf_metric_add(service->metrics, WF_METRIC_CTX_MISS, 1);
        return admit_from_postgres(ctx, out, service, query, reply.generation);
    }
    st = judge(ctx, out, service, &reply);
    if (st == WF_EINTERNAL) {
        /* Another build's record, in the middle of an upgrade: PostgreSQL has it too. */
        wf_ctx_clear(ctx);
        return admit_from_postgres(ctx, out, service, query, NULL);
    }
    wf_metric_add(service->metrics, WF_METRIC_CTX_HIT, 1);
    return st;
}

wf_status_t wf_admit(wf_ctx_t *ctx, wf_admission_t *out, const wf_service_t *service,
                     const char *slug, const char *account, int charge)
{
    wf_admit_query_t query = {slug, account, charge, service->conf.platform_rate_max,
                              service->conf.platform_rate_window_ms};
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    out->verdict = WF_ADMIT_UNKNOWN;
    st = admit(ctx, out, service, &query);
    if (st == WF_EDENIED) {
        st = WF_EUNAVAIL; /* PostgreSQL refused us, not the caller */
    }
    if (out->tenant) {
        /* A named account has its own keys and secrets and nobody else's. */
        out->tenant->account_named = account != NULL;
    }
    return st;
}
