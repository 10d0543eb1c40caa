#include "service/wf_exchange_int.h"
#include "service/wf_step_writer_int.h"
#include "store/wf_media_store.h"
#include "tenant/wf_token.h"

#include <string.h>

/* How often a step is computed anew because PostgreSQL knew better than the cache. The first time is the
 * cache's fault; more means that the same person's requests really race. */
#define RECOMPUTE_MAX 4

typedef struct {
    wf_exchange_t *x;
    wf_exchange_state_t state;
    const char *token_hash; /* NULL: the token names nobody */
    const char *bound_flow; /* flow name a bound token carries, when the path has none */
    wf_json_t *company;
    const char *media; /* files that came, for the commit; NULL: none */
} step_t;

static void refuse_token(wf_ctx_t *ctx, wf_exchange_t *x, const char *reason)
{
    const char *text = wf_json_get_str(x->in->tenant->company.settings, "token_invalid_text",
                                       "This link has expired. Please ask for a new one.");
    size_t len;
    const char *reply = wf_reply_token_invalid(ctx->pool, text, &len);

    wf_metric_add(x->service->metrics, WF_METRIC_TOKEN_REFUSED, 1);
    wf_exchange_end(ctx, x, WF_EXCHANGE_TOKEN_INVALID, WF_LOG_INFO, reason);
    wf_exchange_reply(ctx, x, WF_EXCHANGE_TOKEN_INVALID, reply, len);
}

static void unavailable(wf_ctx_t *ctx, wf_exchange_t *x, wf_status_t st, const char *reason)
{
    wf_exchange_end(ctx, x, st == WF_EUNAVAIL ? WF_EXCHANGE_UNAVAILABLE : WF_EXCHANGE_FAILED,
                    WF_LOG_ERROR, reason);
}

/* A bound token (DESIGN.md section 7) against every data key of the company. */
static int bound_token_ok(wf_ctx_t *ctx, step_t *s)
{
    wf_exchange_t *x = s->x;
    const wf_tenant_t *t = x->in->tenant;
    wf_token_claims_t claims;
    wf_data_key_t key;
    wf_status_t st = WF_EDENIED;
    int i;

    for (i = 0; st != WF_OK && i < t->data_key_count; i++) {
        st = wf_data_key_unwrap(ctx, &key, x->service->ring, t->company.id, t->data_keys[i].id,
                                t->data_keys[i].wrapped);
        if (st == WF_OK) {
            st = wf_token_check(ctx, &claims, &key, t->company.id, x->request.flow_token);
        }
        wf_wipe(&key, sizeof(key));
        wf_ctx_clear(ctx);
    }
    if (st != WF_OK) {
        refuse_token(ctx, x, "the flow_token was not issued for this company");
        return 0;
    }
    if (strcmp(claims.account_id, x->account->id) != 0) {
        refuse_token(ctx, x, "the flow_token was issued for another account");
        return 0;
    }
    if (claims.expired) {
        refuse_token(ctx, x, "the flow_token has expired");
        return 0;
    }
    st = wf_flow_name_by_id(ctx, &s->bound_flow, x->service->store, t->company.id, claims.flow_id);
    if (st == WF_EUNAVAIL) {
        unavailable(ctx, x, st, "the flow of the flow_token could not be looked up");
        return 0;
    }
    if (st != WF_OK || (x->in->flow_name && strcmp(x->in->flow_name, s->bound_flow) != 0)) {
        refuse_token(ctx, x, "the flow_token was issued for another flow");
        return 0;
    }
    return 1;
}

static int token_ok(wf_ctx_t *ctx, step_t *s)
{
    wf_exchange_t *x = s->x;
    const char *token = x->request.flow_token;

    if (x->request.flow_token_signature && !wf_exchange_token_signature_ok(ctx, x)) {
        wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_TOKEN, 1);
        wf_exchange_end(ctx, x, WF_EXCHANGE_BAD_SIGNATURE, WF_LOG_WARNING,
                        "flow_token_signature does not fit the flow_token");
        return 0;
    }
    if (wf_token_is_shared(x->in->tenant, token)) {
        if (wf_tenant_requires_bound_tokens(x->in->tenant)) {
            refuse_token(ctx, x, "the company requires bound flow_tokens, this one names nobody");
            return 0;
        }
        return 1;
    }
    s->token_hash = wf_sha256_hex(ctx->pool, token, strlen(token));
    if (wf_token_is_bound(token)) {
        return bound_token_ok(ctx, s);
    }
    if (wf_tenant_requires_bound_tokens(x->in->tenant)) {
        refuse_token(ctx, x, "the company requires bound flow_tokens");
        return 0;
    }
    return 1;
}

/* A session that PostgreSQL handed back replaces what the cache said; it may have begun with another
 * version of the flow. */
static int adopt_session(wf_ctx_t *ctx, step_t *s, wf_session_t *stored)
{
    wf_flow_plan_t *plan = &s->state.plan;
    wf_status_t st;

    s->state.session = stored;
    s->state.session_known = 1;
    if (!stored || (plan->plan && stored->flow_version == plan->version &&
                    strcmp(stored->flow_name, plan->name) == 0)) {
        return 1;
    }
    st = wf_exchange_plan(ctx, plan, s->x->service->store, s->x->in->tenant, stored->flow_name,
                          stored->flow_version);
    if (st == WF_ENOTFOUND) {
        wf_exchange_end(ctx, s->x, WF_EXCHANGE_NO_FLOW, WF_LOG_INFO,
                        "the session's flow is not active any more");
        return 0;
    }
    if (st != WF_OK) {
        unavailable(ctx, s->x, st, "the session's flow could not be loaded");
        return 0;
    }
    return 1;
}

/* 1: the session may go on (or there is none). A finished one still answers a repeated last request, but to its own
 * account and flow only. */
static int session_ok(wf_ctx_t *ctx, step_t *s, const wf_outcome_t *outcome)
{
    const wf_session_t *session = s->state.session;
    wf_exchange_t *x = s->x;
    const char *reason = NULL;

    if (!session) {
        return 1;
    }
    if (strcmp(session->account_id, x->account->id) != 0) {
        reason = "the flow_token is in use at another account";
    } else if (x->in->flow_name && strcmp(session->flow_name, x->in->flow_name) != 0) {
        reason = "the flow_token is in use in another flow";
    } else if (outcome->kind == WF_OUTCOME_REPEAT) {
        return 1;
    } else if (strcmp(session->status, WF_SESSION_ACTIVE) != 0) {
        reason = apr_pstrcat(ctx->pool, "the session is ", session->status, NULL);
    } else if (session->expires_at && session->expires_at <= wf_now(ctx)) {
        reason = "the session has expired";
    }
    if (reason) {
        refuse_token(ctx, x, reason);
    }
    return reason == NULL;
}

/* Where no commit will tell that PostgreSQL has a session (the company's server is asked first, or the request
 * is answered without a step), the cache's "none" is not enough: the session must be the real one.
 * 1: it is; 0: it was another, so compute anew; -1: ended. */
static int make_session_known(wf_ctx_t *ctx, step_t *s)
{
    wf_session_t *stored;
    wf_status_t st;

    if (!s->token_hash || s->state.session_known) {
        return 1;
    }
    st = wf_session_load(ctx, &stored, s->x->service->store, s->x->in->tenant->company.id,
                         s->token_hash);
    if (st == WF_ENOTFOUND) {
        wf_ctx_clear(ctx);
        s->state.session_known = 1;
        return 1;
    }
    if (st != WF_OK) {
        unavailable(ctx, s->x, st, "the session could not be loaded");
        return -1;
    }
    return adopt_session(ctx, s, stored) ? 0 : -1;
}

static int load_state(wf_ctx_t *ctx, step_t *s)
{
    wf_exchange_t *x = s->x;
    wf_exchange_query_t query = {
        .tenant = x->in->tenant,
        .token_hash = s->token_hash,
        .flow_name = x->in->flow_name ? x->in->flow_name : s->bound_flow,
        .flow_version = x->in->flow_version,
        .default_flow = x->account->default_flow_name,
        .count_use = 1,
    };
    wf_metrics_t *m = x->service->metrics;
    wf_status_t st = wf_exchange_load(ctx, &s->state, x->service->store, &query);

    if (st != WF_OK) {
        unavailable(ctx, x, st, "session and flow could not be loaded");
        return 0;
    }
    if (x->service->writer) {
        wf_step_writer_count(x->service->writer, x->in->tenant->company.id);
    }
    wf_metric_add(m, s->state.flow_cached ? WF_METRIC_FLOW_HIT : WF_METRIC_FLOW_MISS, 1);
    if (s->token_hash) {
        wf_metric_add(m, s->state.session_cached ? WF_METRIC_SESSION_HIT : WF_METRIC_SESSION_MISS,
                      1);
    }
    /* The cache forgets a session long before it ends; PostgreSQL still knows which flow it is in. */
    if (!s->state.plan.plan && !x->in->flow_name && make_session_known(ctx, s) < 0) {
        return 0;
    }
    if (!s->state.plan.plan) {
        wf_exchange_end(ctx, x, WF_EXCHANGE_NO_FLOW, WF_LOG_INFO,
                        "no such flow, or it is not active");
        return 0;
    }
    return 1;
}

static wf_status_t ask_backend(wf_ctx_t *ctx, step_t *s, wf_outcome_t *outcome,
                               const wf_engine_in_t *in)
{
    wf_exchange_t *x = s->x;
    wf_json_t *reply;

    if (x->service->writer) {
        wf_step_writer_expect(x->service->writer, -1); /* nobody's step shall wait for that server */
    }
    reply = wf_backend_ask(ctx, x->service, x->in->tenant, x->account, outcome);
    if (x->service->writer) {
        wf_step_writer_expect(x->service->writer, 1);
    }
    wf_metric_add(x->service->metrics, reply ? WF_METRIC_BACKEND_OK : WF_METRIC_BACKEND_FAILED, 1);
    return wf_engine_resume(ctx, outcome, in, outcome->continuation, reply);
}

static wf_status_t name_session(wf_ctx_t *ctx, step_t *s, wf_session_t *session)
{
    wf_exchange_t *x = s->x;
    char id[WF_UUID_LEN + 1];
    wf_status_t st;

    if (session->id) {
        return WF_OK;
    }
    if ((st = wf_uuid_v7(ctx, id)) != WF_OK) {
        return st;
    }
    session->id = apr_pstrdup(ctx->pool, id);
    session->company_id = x->in->tenant->company.id;
    session->account_id = x->account->id;
    session->flow_id = s->state.plan.flow_id;
    session->flow_name = s->state.plan.name;
    session->flow_version = s->state.plan.version;
    session->token_hash = s->token_hash;
    session->started_at = wf_now(ctx);
    session->expires_at = session->started_at + wf_tenant_session_ttl(x->in->tenant);
    return WF_OK;
}

/* Committed before anything is said. WF_ECONFLICT: *stored is what PostgreSQL has (may be NULL). */
static wf_status_t commit(wf_ctx_t *ctx, step_t *s, wf_outcome_t *outcome, wf_session_t **stored)
{
    const wf_service_t *service = s->x->service;
    wf_step_t *step;
    wf_status_t st;

    *stored = NULL;
    if ((st = name_session(ctx, s, outcome->session)) != WF_OK) {
        return st;
    }
    step = wf_step_make(ctx, service->store, s->x->in->tenant, outcome->session,
                        s->x->request.version, outcome->response);
    step->params[WF_STEP_MEDIA] = s->media;
    if (service->writer) {
        st = wf_step_writer_commit(ctx, service->writer, step);
    } else {
        wf_steps_commit(ctx, service->store, &step, 1);
        st = step->status;
    }
    if (st == WF_ECONFLICT && step->stored) {
        wf_status_t parsed = wf_session_parse(ctx, stored, step->stored, step->stored_len);
        return parsed == WF_OK ? WF_ECONFLICT : parsed;
    }
    return st;
}

static void answer(wf_ctx_t *ctx, step_t *s, const wf_outcome_t *outcome)
{
    wf_exchange_t *x = s->x;
    wf_metrics_t *m = x->service->metrics;

    x->out->flow_name = s->state.plan.name;
    if (outcome->kind == WF_OUTCOME_REPEAT) {
        wf_metric_add(m, WF_METRIC_SESSION_REPEATED, 1);
        x->out->session_id = s->state.session ? s->state.session->id : NULL;
    } else if (outcome->session) {
        x->out->session_id = outcome->session->id;
        if (outcome->session->step == 1) {
            wf_metric_add(m, WF_METRIC_SESSION_STARTED, 1);
        }
    }
    if (outcome->completed && outcome->kind == WF_OUTCOME_REPLY) {
        wf_metric_add(m, WF_METRIC_SESSION_COMPLETED, 1);
    }
    if (outcome->broken_rule) {
        wf_metric_add(m, WF_METRIC_ANSWER_REPLACED, 1);
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0422) "answer replaced: %s (company %s, flow %s@%d, screen %s)",
               outcome->broken_rule, x->in->tenant->company.slug, s->state.plan.name,
               s->state.plan.version, x->request.screen ? x->request.screen : "-");
    }
    wf_exchange_reply(ctx, x, WF_EXCHANGE_OK, outcome->reply, outcome->reply_len);
}

static wf_json_t *company_json(wf_ctx_t *ctx, const wf_company_t *c)
{
    wf_json_t *o = wf_json_object_make(ctx->pool);

    wf_json_set_str(o, "id", c->id);
    wf_json_set_str(o, "slug", c->slug);
    wf_json_set_str(o, "name", c->name);
    wf_json_set_str(o, "display_name", c->display_name);
    wf_json_set(o, "settings", c->settings);
    return o;
}

/* The plan text, opened; one of an older format is compiled anew from its source. */
static wf_status_t open_plan(wf_ctx_t *ctx, step_t *s, wf_plan_t **plan)
{
    const wf_flow_plan_t *p = &s->state.plan;
    const char *flow_json, *logic, *text;
    wf_json_t *doc, *logic_doc = NULL;
    wf_issues_t issues = {apr_array_make(ctx->pool, 4, sizeof(wf_issue_t)), 0, 0};
    size_t len;
    wf_status_t st = wf_plan_open(ctx, plan, p->plan, p->plan_len);

    if (st == WF_OK) {
        return WF_OK;
    }
    wf_ctx_clear(ctx);
    st = wf_flow_source_load(ctx, &flow_json, &logic, s->x->service->store,
                             s->x->in->tenant->company.id, p->name, p->version);
    if (st == WF_OK) {
        st = wf_json_parse(ctx, &doc, flow_json, strlen(flow_json), 0);
    }
    if (st == WF_OK && logic) {
        st = wf_json_parse(ctx, &logic_doc, logic, strlen(logic), 0);
    }
    if (st == WF_OK) {
        st = wf_plan_compile(ctx, &text, &len, &issues, doc, logic_doc);
    }
    if (st == WF_OK && !text) {
        st = wf_fail(ctx, WF_EINTERNAL,
                     WFLOGNO(0423) "flow %s@%d does not compile any more: run wflowsctl flow check",
                     p->name, p->version);
    }
    return st == WF_OK ? wf_plan_open(ctx, plan, text, len) : st;
}

/* One computation with what is known of the session. 1: ended (answered or refused); 0: once more. */
static int attempt(wf_ctx_t *ctx, step_t *s)
{
    wf_exchange_t *x = s->x;
    wf_outcome_t outcome;
    wf_session_t *stored;
    wf_plan_t *plan;
    wf_engine_in_t in = {
        .request = &x->request,
        .session = s->state.session,
        .anonymous = s->token_hash == NULL,
        .flow_name = s->state.plan.name,
        .flow_version = s->state.plan.version,
        .company = s->company,
        .repeat_window = x->service->conf.repeat_window,
    };
    wf_status_t st = open_plan(ctx, s, &plan);

    in.plan = plan;
    if (st == WF_OK) {
        st = wf_engine_run(ctx, &outcome, &in);
    }
    if (st == WF_OK && !session_ok(ctx, s, &outcome)) {
        return 1;
    }
    if (st == WF_OK && !outcome.session) {
        int known = make_session_known(ctx, s);
        if (known <= 0) {
            return known < 0;
        }
    }
    if (st == WF_OK && outcome.kind == WF_OUTCOME_BACKEND) {
        st = ask_backend(ctx, s, &outcome, &in);
    }
    if (st != WF_OK || outcome.kind == WF_OUTCOME_FAIL) {
        unavailable(ctx, x, st == WF_OK ? WF_EINTERNAL : st, "the flow could not be computed");
        return 1;
    }
    if (outcome.kind == WF_OUTCOME_REPEAT || !outcome.session) {
        answer(ctx, s, &outcome);
        return 1;
    }
    st = commit(ctx, s, &outcome, &stored);
    if (st == WF_OK) {
        answer(ctx, s, &outcome);
        return 1;
    }
    if (st == WF_ECONFLICT) {
        wf_metric_add(x->service->metrics, WF_METRIC_SESSION_CONFLICT, 1);
        wf_ctx_clear(ctx);
        return !adopt_session(ctx, s, stored);
    }
    unavailable(ctx, x, st, "the step could not be stored");
    return 1;
}

/* Files come as references with keys to them: from here on only their names go on, so that no session,
 * answer or reply holds a key. The step's commit makes their rows. Without a session nothing is kept, and
 * the company's own server gets what came. */
static int take_media(wf_ctx_t *ctx, step_t *s)
{
    wf_exchange_t *x = s->x;
    const char *company_id = x->in->tenant->company.id;
    apr_array_header_t *refs;
    wf_status_t st;

    if (!s->token_hash) {
        return 1;
    }
    refs = wf_media_refs_take(ctx, &x->request.data, company_id, s->token_hash);
    if (refs->nelts == 0) {
        return 1;
    }
    st = wf_media_files_seal(ctx, &s->media, x->service->store, x->service->ring, company_id, refs);
    if (st != WF_OK) {
        unavailable(ctx, x, st, "the references of its files could not be sealed");
    }
    return st == WF_OK;
}

void wf_exchange_step(wf_ctx_t *ctx, wf_exchange_t *x)
{
    step_t s = {.x = x};
    int i;

    if (!token_ok(ctx, &s) || !load_state(ctx, &s) || !take_media(ctx, &s)) {
        return;
    }
    s.company = company_json(ctx, &x->in->tenant->company);
    for (i = 0; i < RECOMPUTE_MAX; i++) {
        if (attempt(ctx, &s)) {
            return;
        }
    }
    unavailable(ctx, x, WF_EUNAVAIL, "the session changed under every attempt");
}
