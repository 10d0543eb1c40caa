#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

/* What billing had decided before. */
typedef struct {
    wf_json_t *doc;       /* NULL: nothing */
    const char *plan;     /* that it gave the company; NULL: none */
    int64_t suspended_for; /* seconds; 0: never, or paid since */
} before_t;

/* Microseconds, as wflows.us_time reads them. */
static const char *us(apr_pool_t *pool, int64_t seconds)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, seconds * APR_USEC_PER_SEC);
}

static int same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* ---- the state that all events say ------------------------------------------------------ */

static wf_status_t load_state(wf_ctx_t *ctx, int *found, wf_billing_state_t *state,
                              wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_billing_event_t *events;
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_EVENTS, params);
    int rows, i;

    *found = 0;
    if (st != WF_OK) {
        return st;
    }
    rows = wf_pg_rows(res);
    events = apr_pcalloc(ctx->pool, (size_t)(rows + 1) * sizeof(*events));
    for (i = 0; i < rows; i++) {
        events[i].id = wf_pg_cell(res, i, 0);
        events[i].type = wf_pg_cell(res, i, 1);
        events[i].kind = wf_billing_kind_find(wf_pg_cell(res, i, 2));
        events[i].created = wf_store_int(res, i, 3);
        events[i].customer_id = wf_pg_cell(res, i, 4);
        events[i].subscription_id = wf_pg_cell(res, i, 5);
        events[i].plan = wf_pg_cell(res, i, 6);
        events[i].status = wf_pg_cell(res, i, 7);
        events[i].period_end = wf_pg_cell(res, i, 8) ? wf_store_int(res, i, 8) : 0;
    }
    *found = wf_billing_fold(ctx->pool, state, events, rows);
    return WF_OK;
}

static wf_status_t load_before(wf_ctx_t *ctx, before_t *before, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_ROW, params);

    memset(before, 0, sizeof(*before));
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st;
    }
    before->plan = wf_pg_cell(res, 0, 1);
    before->suspended_for = wf_pg_cell(res, 0, 2) ? wf_store_int(res, 0, 2) : 0;
    return wf_store_json(ctx, &before->doc, res, 0, 0);
}

/* Only when billing says something new: what an operator set in between stays. */
static void decide_plan(apr_pool_t *pool, wf_json_t *members, const char *plan,
                        const before_t *before)
{
    if (!plan || same(plan, before->plan)) {
        return;
    }
    wf_json_set_str(members, "subscription_plan", plan);
    wf_json_set(members, "max_whatsapp_accounts", wf_json_null_make(pool));
    wf_json_set(members, "max_flows", wf_json_null_make(pool));
    wf_json_set(members, "max_monthly_messages", wf_json_null_make(pool));
}

/* Returns the past_due_since for which the company is (or was) suspended. An operator who activates it all
 * the same is not overruled before the next payment fails. */
static int64_t decide_status(wf_json_t *members, const wf_json_t *company,
                             const wf_billing_state_t *state, int64_t suspended_for, int is_over)
{
    const char *status = wf_json_get_str(company, "status", "");
    int by_billing = strcmp(status, WF_STATUS_SUSPENDED) == 0 &&
                     strcmp(wf_json_get_str(company, "suspension_reason", ""),
                            WF_BILLING_REASON) == 0;

    if (!state->past_due_since) {
        if (by_billing) {
            wf_json_set_str(members, "status", WF_STATUS_ACTIVE);
        }
        return 0;
    }
    if (!is_over || suspended_for == state->past_due_since) {
        return suspended_for;
    }
    if (by_billing) {
        return state->past_due_since;
    }
    if (strcmp(status, WF_STATUS_ACTIVE) == 0) {
        wf_json_set_str(members, "status", WF_STATUS_SUSPENDED);
        wf_json_set_str(members, "suspension_reason", WF_BILLING_REASON);
        return state->past_due_since;
    }
    return suspended_for;
}

/* Whoever pays is on trial no more, and is let in again if the trial was over. */
static void end_trial(apr_pool_t *pool, wf_json_t *members, const wf_json_t *company,
                      const wf_billing_state_t *state)
{
    if (!state->status || !wf_form_is_word(state->status, "active trialing")) {
        return;
    }
    if (wf_json_get_str(company, "trial_ends_at", NULL)) {
        wf_json_set(members, "trial_ends_at", wf_json_null_make(pool));
    }
    if (strcmp(wf_json_get_str(company, "status", ""), WF_STATUS_SUSPENDED) == 0 &&
        strcmp(wf_json_get_str(company, "suspension_reason", ""), WF_TRIAL_REASON) == 0) {
        wf_json_set_str(members, "status", WF_STATUS_ACTIVE);
    }
}

static wf_status_t save_state(wf_ctx_t *ctx, wf_change_t *change, const wf_billing_state_t *state,
                              const before_t *before, int64_t suspended_for)
{
    const wf_pg_param_t params[] = {change->company_id,
                                    state->customer_id,
                                    state->subscription_id,
                                    state->plan ? state->plan : before->plan,
                                    state->status,
                                    us(ctx->pool, state->period_end),
                                    us(ctx->pool, state->past_due_since),
                                    us(ctx->pool, suspended_for),
                                    us(ctx->pool, state->last_event_at)};
    wf_json_t *doc;
    wf_status_t st = wf_change_exec_json(ctx, &doc, change, WF_SQL_BILLING_SAVE, params);

    return st == WF_OK ? wf_change_audit(ctx, change, "billing.updated", state->subscription_id,
                                         before->doc, doc)
                       : st;
}

/* The caller has begun as wflows_platform, holds the billing lock, and knows the company. */
static wf_status_t settle(wf_ctx_t *ctx, int *changed, wf_change_t *change,
                          apr_interval_time_t grace)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_json_t *members = wf_json_object_make(ctx->pool), *company;
    wf_billing_state_t state;
    int64_t suspended_for;
    before_t before;
    wf_pg_result_t *res;
    wf_status_t st;
    int found;

    *changed = 0;
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_LOCK, params)) != WF_OK ||
        wf_pg_rows(res) == 0) {
        return st; /* deleted: there is nothing to bill and nobody to suspend */
    }
    change->slug = wf_pg_cell(res, 0, 1);
    if ((st = load_state(ctx, &found, &state, change)) != WF_OK || !found) {
        return st;
    }
    if ((st = load_before(ctx, &before, change)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &company, change, WF_SQL_COMPANY_ROW, params)) != WF_OK) {
        return st;
    }
    decide_plan(ctx->pool, members, state.plan, &before);
    suspended_for = decide_status(
        members, company, &state, before.suspended_for,
        wf_now(ctx) >= apr_time_from_sec(state.past_due_since) + grace);
    end_trial(ctx->pool, members, company, &state);
    if ((st = save_state(ctx, change, &state, &before, suspended_for)) == WF_OK &&
        wf_json_len(members) > 0) {
        *changed = 1;
        st = wf_company_apply(ctx, change, members);
    }
    return st;
}

static wf_status_t begin(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                         const char *company_id, const wf_actor_t *actor)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_change_begin_platform(ctx, change, store, company_id, NULL, actor);

    return st == WF_OK ? wf_change_exec(ctx, &res, change, WF_SQL_BILLING_LOCK, NULL) : st;
}

/* ---- an event --------------------------------------------------------------------------- */

static wf_status_t find_company(wf_ctx_t *ctx, wf_change_t *change, const wf_billing_event_t *e)
{
    const wf_pg_param_t params[] = {e->company_id, e->company_slug, e->subscription_id,
                                    e->customer_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_COMPANY, params);

    if (st == WF_OK) {
        change->company_id = wf_pg_cell(res, 0, 0);
        change->slug = wf_pg_cell(res, 0, 1);
    }
    return st;
}

static wf_status_t add_event(wf_ctx_t *ctx, wf_change_t *change, const wf_billing_event_t *e,
                             const char *payload)
{
    const wf_pg_param_t params[] = {change->company_id,
                                    e->id,
                                    e->type,
                                    wf_billing_kind_name(e->kind),
                                    us(ctx->pool, e->created),
                                    e->object_id,
                                    e->customer_id,
                                    e->subscription_id,
                                    e->plan,
                                    e->status,
                                    us(ctx->pool, e->period_end),
                                    payload};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_EVENT_ADD, params);

    if (st == WF_OK && e->plan && !wf_pg_cell(res, 0, 0)) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0494) "Stripe event %s is for the plan '%s', which does not exist: the "
                             "company keeps the one it has",
               e->id, e->plan);
    }
    return st;
}

static wf_status_t store_event(wf_ctx_t *ctx, wf_billing_result_t *out, wf_change_t *change,
                               const wf_billing_event_t *e, const char *payload,
                               apr_interval_time_t grace)
{
    const wf_pg_param_t id[] = {e->id};
    wf_pg_param_t links[] = {NULL, e->subscription_id, e->customer_id};
    wf_pg_result_t *res;
    int changed = 0;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_EVENT_KNOWN, id);

    if (st != WF_OK || wf_pg_rows(res) > 0) {
        *out = WF_BILLING_DUPLICATE;
        return st;
    }
    if ((st = find_company(ctx, change, e)) != WF_OK ||
        (st = add_event(ctx, change, e, payload)) != WF_OK) {
        return st;
    }
    if (!change->company_id) {
        *out = WF_BILLING_UNLINKED;
        return WF_OK;
    }
    links[0] = change->company_id;
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_BILLING_ADOPT, links)) == WF_OK) {
        st = settle(ctx, &changed, change, grace);
    }
    *out = changed ? WF_BILLING_APPLIED : WF_BILLING_STORED;
    return st;
}

wf_status_t wf_billing_store(wf_ctx_t *ctx, wf_billing_result_t *out, const wf_store_t *store,
                             const wf_billing_event_t *event, const char *payload,
                             apr_interval_time_t grace, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = begin(ctx, &change, store, NULL, actor);

    *out = WF_BILLING_STORED;
    if (st == WF_OK) {
        st = store_event(ctx, out, &change, event, payload, grace);
    }
    return wf_change_end(ctx, &change, st);
}

/* ---- as time passes --------------------------------------------------------------------- */

wf_status_t wf_billing_overdue(wf_ctx_t *ctx, apr_array_header_t **ids, const wf_store_t *store,
                               apr_interval_time_t grace, int limit)
{
    const wf_pg_param_t params[] = {
        apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, wf_now(ctx) - grace),
        apr_psprintf(ctx->pool, "%d", limit)};
    wf_pg_result_t *res;
    wf_status_t st;
    int i;

    *ids = NULL;
    if ((st = wf_store_query_platform(ctx, &res, store, WF_SQL_BILLING_OVERDUE, params)) != WF_OK) {
        return st;
    }
    *ids = apr_array_make(ctx->pool, wf_pg_rows(res) + 1, sizeof(const char *));
    for (i = 0; i < wf_pg_rows(res); i++) {
        APR_ARRAY_PUSH(*ids, const char *) = wf_pg_cell(res, i, 0);
    }
    return WF_OK;
}

wf_status_t wf_billing_settle(wf_ctx_t *ctx, int *changed, const wf_store_t *store,
                              const char *company_id, apr_interval_time_t grace,
                              const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = begin(ctx, &change, store, company_id, actor);

    *changed = 0;
    if (st == WF_OK) {
        st = settle(ctx, changed, &change, grace);
    }
    return wf_change_end(ctx, &change, st);
}
