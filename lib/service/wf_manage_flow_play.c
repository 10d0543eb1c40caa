#include "service/wf_exchange_int.h"
#include "service/wf_manage_flow.h"

#include <string.h>

/* Its hash is that of nobody's session. */
#define PLAY_TOKEN "simulation"

typedef struct {
    const wf_service_t *service;
    const wf_play_t *play;
    wf_json_t *company;
    wf_flow_request_t request;
    wf_session_t *session; /* NULL: the first exchange */
    wf_plan_t *plan;
    int version;
} play_t;

/* ---- what is asked for ------------------------------------------------------------------------- */

static const char *const members[] = {"version",     "screen",         "action", "data", "session",
                                      "ask_backend", "backend_answer", "account_id"};

static void check_type(wf_ctx_t *ctx, const wf_json_t *request, const char *name,
                       wf_json_type_t type)
{
    const wf_json_t *value = wf_json_get(request, name);

    if (value && wf_json_type(value) != WF_JSON_NULL && wf_json_type(value) != type) {
        wf_fault_add(ctx, apr_pstrcat(ctx->pool, "/", name, NULL), "%s expected",
                     wf_json_type_name(type));
    }
}

static int is_member(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(members[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_members(wf_ctx_t *ctx, const wf_json_t *request)
{
    for (wf_json_iter_t i = wf_json_iter(request); wf_json_next(&i);) {
        if (!is_member(i.key)) {
            wf_fault_add(ctx, wf_json_pointer_add(ctx->pool, "", i.key), "not known");
        }
    }
    check_type(ctx, request, "version", WF_JSON_NUMBER);
    check_type(ctx, request, "screen", WF_JSON_STRING);
    check_type(ctx, request, "action", WF_JSON_STRING);
    check_type(ctx, request, "data", WF_JSON_OBJECT);
    check_type(ctx, request, "session", WF_JSON_OBJECT);
    check_type(ctx, request, "ask_backend", WF_JSON_BOOLEAN);
    check_type(ctx, request, "backend_answer", WF_JSON_OBJECT);
    check_type(ctx, request, "account_id", WF_JSON_STRING);
}

/* The request as a phone would have sent it, read by what reads theirs. */
static void read_request(wf_ctx_t *ctx, play_t *p)
{
    const wf_json_t *given = p->play->request;
    wf_json_t *wire = wf_json_object_make(ctx->pool);
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const char *text;
    size_t len;

    own->log.fn = NULL;
    wf_json_set_str(wire, "version", "3.0");
    wf_json_set_str(wire, "flow_token", PLAY_TOKEN);
    wf_json_set_str(wire, "action",
                    wf_json_get_str(given, "action",
                                    wf_json_get(given, "session") ? "data_exchange" : "INIT"));
    wf_json_set(wire, "screen", wf_json_get(given, "screen"));
    wf_json_set(wire, "data", wf_json_get(given, "data"));
    text = wf_json_text(ctx->pool, wire, &len);
    if (wf_flow_request_parse(own, &p->request, text, len) != WF_OK) {
        wf_fault_add(ctx, "", "no request of a flow: screen, action or data is too long or too deep");
    } else if (p->request.action == WF_ACTION_PING || p->request.action == WF_ACTION_ERROR) {
        wf_fault_add(ctx, "/action", "INIT, data_exchange or BACK expected: a ping or an error "
                                     "notification never reaches a flow");
    }
}

/* What the exchange before answered as `session`; whatever else is in it is the caller's own affair. */
static void read_session(wf_ctx_t *ctx, play_t *p)
{
    wf_json_t *given = wf_json_get(p->play->request, "session");
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const char *text;
    size_t len;

    if (wf_json_type(given) != WF_JSON_OBJECT) {
        return;
    }
    own->log.fn = NULL;
    text = wf_json_text(ctx->pool, given, &len);
    if (wf_session_parse(own, &p->session, text, len) != WF_OK ||
        strcmp(p->session->company_id, p->play->company_id) != 0 ||
        strcmp(p->session->flow_id, wf_json_get_str(p->play->flow, "id", "")) != 0) {
        wf_fault_add(ctx, "/session", "the session of an earlier answer of this flow expected");
    }
}

/* The version of the request, else the session's, else the active one, else the newest. */
static void choose_version(wf_ctx_t *ctx, play_t *p)
{
    int64_t latest = wf_json_get_int(p->play->flow, "latest_version", 0);
    int64_t version = wf_json_get_int(p->play->flow, "active_version", 0);
    const wf_json_t *given = wf_json_get(p->play->request, "version");

    if (version == 0) {
        version = latest;
    }
    if (p->session && p->session->flow_version > 0) {
        version = p->session->flow_version;
    }
    if (wf_json_type(given) == WF_JSON_NUMBER) {
        version = wf_json_is_int(given) ? wf_json_int(given) : 0;
    }
    if (version < 1 || version > latest) {
        wf_fault_add(ctx, "/version", "one of the flow's versions, 1 to %" APR_INT64_T_FMT ", expected",
                     latest);
    }
    p->version = (int)version;
}

/* ---- the engine -------------------------------------------------------------------------------- */

/* From its source, so that versions that are not active and flows that are switched off can be played too. */
static wf_status_t open_plan(wf_ctx_t *ctx, play_t *p)
{
    wf_flow_draft_t draft = {0};
    const char *flow_json, *logic;
    wf_status_t st = wf_flow_source_load(ctx, &flow_json, &logic, p->service->store,
                                         p->play->company_id,
                                         wf_json_get_str(p->play->flow, "name", ""), p->version);

    if (st != WF_OK) {
        return st;
    }
    draft.flow_json = (wf_slice_t){flow_json, strlen(flow_json)};
    if (logic) {
        draft.logic = (wf_slice_t){logic, strlen(logic)};
    }
    if ((st = wf_flow_draft_check(ctx, &draft)) != WF_OK) {
        return st;
    }
    if (!draft.plan) {
        return wf_fail_public(ctx, WF_ECONFLICT,
                              WFLOGNO(0693) "version %d does not follow the rules of this server any "
                                            "more: save the flow again",
                              p->version);
    }
    return wf_plan_open(ctx, &p->plan, draft.plan, strlen(draft.plan));
}

/* The account whose secret signs the question. */
static wf_status_t load_tenant(wf_ctx_t *ctx, wf_tenant_t **tenant, const play_t *p)
{
    const char *text;
    size_t len;
    wf_status_t st = wf_tenant_record_load(ctx, &text, &len, p->service->store,
                                           wf_json_get_str(p->company, "slug", ""),
                                           p->play->account_id);

    if (st == WF_OK) {
        st = wf_tenant_parse(ctx, tenant, text, len);
    }
    if (st == WF_ENOTFOUND || (st == WF_OK && (*tenant)->account_count == 0)) {
        wf_ctx_clear(ctx);
        return wf_fail_public(ctx, WF_ECONFLICT,
                              WFLOGNO(0694) "there is no account that could ask the company's server");
    }
    return st;
}

/* *answer NULL: it failed or was late, and on_failure answers. */
static wf_status_t ask(wf_ctx_t *ctx, wf_json_t **answer, const play_t *p,
                       const wf_outcome_t *outcome)
{
    wf_tenant_t *tenant = NULL;
    wf_status_t st;

    *answer = wf_json_get(p->play->request, "backend_answer");
    if (wf_json_type(*answer) == WF_JSON_OBJECT) {
        return WF_OK;
    }
    if ((st = load_tenant(ctx, &tenant, p)) == WF_OK) {
        *answer = wf_backend_ask(ctx, p->service, tenant, &tenant->accounts[0], outcome);
    }
    return st;
}

static int may_ask(const play_t *p)
{
    return wf_json_get_bool(p->play->request, "ask_backend", 0) ||
           wf_json_type(wf_json_get(p->play->request, "backend_answer")) == WF_JSON_OBJECT;
}

static wf_status_t run(wf_ctx_t *ctx, wf_outcome_t *outcome, const play_t *p)
{
    const wf_engine_in_t in = {
        .plan = p->plan,
        .request = &p->request,
        .session = p->session,
        .flow_name = wf_json_get_str(p->play->flow, "name", ""),
        .flow_version = p->version,
        .company = p->company,
        .repeat_window = p->service->conf.repeat_window,
    };
    wf_json_t *answer;
    wf_status_t st = wf_engine_run(ctx, outcome, &in);

    if (st != WF_OK || outcome->kind != WF_OUTCOME_BACKEND || !may_ask(p)) {
        return st;
    }
    st = ask(ctx, &answer, p, outcome);
    return st == WF_OK ? wf_engine_resume(ctx, outcome, &in, outcome->continuation, answer) : st;
}

/* ---- what came of it --------------------------------------------------------------------------- */

static wf_status_t name_session(wf_ctx_t *ctx, const play_t *p, wf_session_t *session)
{
    char id[WF_UUID_LEN + 1];
    wf_status_t st;

    if (session->id) {
        return WF_OK;
    }
    if ((st = wf_uuid_v7(ctx, id)) != WF_OK) {
        return st;
    }
    session->id = apr_pstrdup(ctx->pool, id);
    session->company_id = p->play->company_id;
    session->flow_id = wf_json_get_str(p->play->flow, "id", "");
    session->flow_name = wf_json_get_str(p->play->flow, "name", "");
    session->flow_version = p->version;
    session->token_hash = wf_sha256_hex(ctx->pool, PLAY_TOKEN, strlen(PLAY_TOKEN));
    session->started_at = wf_now(ctx);
    return WF_OK;
}

static wf_status_t show_text(wf_ctx_t *ctx, wf_json_t *doc, const char *name, const char *text,
                             size_t len)
{
    wf_json_t *value;
    wf_status_t st = wf_json_parse(ctx, &value, text, len, 2 * WF_FLOW_REQUEST_DEPTH + 1);

    if (st == WF_OK) {
        wf_json_set(doc, name, value);
    }
    return st;
}

static wf_status_t show_session(wf_ctx_t *ctx, wf_json_t *doc, const play_t *p,
                                wf_session_t *session)
{
    wf_buf_t text;
    wf_status_t st;

    if (!session) {
        wf_json_t *given = wf_json_get(p->play->request, "session");

        wf_json_set(doc, "session", given ? given : wf_json_null_make(ctx->pool));
        return WF_OK;
    }
    if ((st = name_session(ctx, p, session)) != WF_OK) {
        return st;
    }
    wf_buf_init(&text, ctx->pool, 2048, 32 * 1024 * 1024);
    wf_session_write(&text, session);
    return show_text(ctx, doc, "session", text.data, text.len);
}

static void set_or_null(apr_pool_t *pool, wf_json_t *doc, const char *name, wf_json_t *value)
{
    wf_json_set(doc, name, value ? value : wf_json_null_make(pool));
}

static wf_status_t show(wf_ctx_t *ctx, wf_json_t **out, const play_t *p, wf_outcome_t *outcome)
{
    static const char *const kinds[] = {[WF_OUTCOME_REPLY] = "reply",
                                        [WF_OUTCOME_REPEAT] = "repeat",
                                        [WF_OUTCOME_BACKEND] = "backend",
                                        [WF_OUTCOME_FAIL] = "refused"};
    int answered = outcome->kind == WF_OUTCOME_REPLY || outcome->kind == WF_OUTCOME_REPEAT;
    wf_json_t *doc = wf_json_object_make(ctx->pool);
    wf_status_t st = WF_OK;

    wf_json_set_int(doc, "flow_version", p->version);
    wf_json_set_str(doc, "outcome", kinds[outcome->kind]);
    set_or_null(ctx->pool, doc, "reply", NULL);
    if (answered) {
        st = show_text(ctx, doc, "reply", outcome->reply, outcome->reply_len);
    }
    wf_json_set_bool(doc, "completed", answered && outcome->completed);
    set_or_null(ctx->pool, doc, "response", answered ? outcome->response : NULL);
    set_or_null(ctx->pool, doc, "broken_rule",
                outcome->broken_rule ? wf_json_str_make(ctx->pool, outcome->broken_rule) : NULL);
    set_or_null(ctx->pool, doc, "question",
                outcome->kind == WF_OUTCOME_BACKEND ? outcome->backend_body : NULL);
    if (st == WF_OK) {
        st = show_session(ctx, doc, p, answered ? outcome->session : NULL);
    }
    if (st == WF_OK) {
        *out = doc;
    }
    return st;
}

wf_status_t wf_manage_flow_play(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                const wf_play_t *play)
{
    play_t p = {.service = service, .play = play};
    wf_outcome_t outcome;
    wf_status_t st;

    *out = NULL;
    memset(&outcome, 0, sizeof(outcome));
    check_members(ctx, play->request);
    if (!wf_has_faults(ctx)) {
        read_request(ctx, &p);
        read_session(ctx, &p);
        choose_version(ctx, &p);
    }
    if (wf_has_faults(ctx)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0695) "%s", wf_faults_text(ctx));
    }
    if ((st = wf_company_find(ctx, &p.company, service->store, play->company_id)) != WF_OK ||
        (st = open_plan(ctx, &p)) != WF_OK || (st = run(ctx, &outcome, &p)) != WF_OK) {
        return st;
    }
    return show(ctx, out, &p, &outcome);
}
