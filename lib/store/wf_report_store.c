/* What is known of a company: counts, first steps, usage. */
#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define DAYS_MAX 400
#define DAY apr_time_from_sec(86400)

wf_status_t wf_company_statistics(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const char *company_id)
{
    return wf_store_document(ctx, out, store, company_id, WF_SQL_COMPANY_STATISTICS, &company_id);
}

wf_status_t wf_company_onboarding(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const char *company_id)
{
    return wf_store_document(ctx, out, store, company_id, WF_SQL_COMPANY_ONBOARDING, &company_id);
}

wf_status_t wf_company_cached(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id)
{
    return wf_store_document(ctx, out, store, company_id, WF_SQL_COMPANY_CACHED, &company_id);
}

wf_status_t wf_webhook_verified(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *account_id)
{
    const wf_pg_param_t params[] = {company_id, account_id};
    wf_pg_result_t *res;

    return wf_store_query(ctx, &res, store, company_id, WF_SQL_WEBHOOK_VERIFIED, params);
}

/* ---- usage ------------------------------------------------------------------------------ */

/* "2026-11-05", or its month. */
static const char *period(apr_pool_t *pool, apr_time_t t, int by_day)
{
    return apr_pstrndup(pool, wf_time_format(pool, t), by_day ? 10 : 7);
}

/* A day, or the first of a month; 0 after a fault. */
static apr_time_t read_period(wf_ctx_t *ctx, const char *name, const char *text, int by_day)
{
    apr_time_t t;

    if (strlen(text) == (by_day ? 10 : 7) &&
        wf_time_parse(&t, by_day ? text : apr_pstrcat(ctx->pool, text, "-01", NULL))) {
        return t;
    }
    wf_fault_add(ctx, name, by_day ? "a day expected, e.g. 2026-03-01" : "a month expected, e.g. 2026-03");
    return 0;
}

wf_status_t wf_usage_report(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *by, const char *from,
                            const char *to)
{
    int by_day = by && strcmp(by, "day") == 0;
    apr_time_t last = to ? read_period(ctx, "?to", to, by_day) : wf_now(ctx);
    apr_time_t first = from ? read_period(ctx, "?from", from, by_day)
                            : last - (by_day ? 30 : 335) * DAY;
    wf_json_t *data;
    wf_status_t st;

    *out = NULL;
    if (by && !by_day && strcmp(by, "month") != 0) {
        wf_fault_add(ctx, "?by", "one of month day expected");
    }
    if (!wf_has_faults(ctx) && first > last) {
        wf_fault_add(ctx, "?from", "is later than the end");
    } else if (!wf_has_faults(ctx) && by_day && last - first > DAYS_MAX * DAY) {
        wf_fault_add(ctx, "?from", "at most %d days are shown", DAYS_MAX);
    }
    if (wf_has_faults(ctx)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0635) "%s", wf_faults_text(ctx));
    }
    const wf_pg_param_t params[] = {company_id, period(ctx->pool, first, by_day),
                                    period(ctx->pool, last, by_day)};

    st = wf_store_document(ctx, &data, store, company_id,
                           by_day ? WF_SQL_USAGE_DAYS : WF_SQL_USAGE_MONTHS, params);
    if (st == WF_OK) {
        *out = wf_json_object_make(ctx->pool);
        wf_json_set_str(*out, "by", by_day ? "day" : "month");
        wf_json_set_str(*out, "from", params[1]);
        wf_json_set_str(*out, "to", params[2]);
        wf_json_set(*out, "data", data);
    }
    return st;
}
