#include "flow/wf_engine_int.h"

#include <string.h>

#define BACKEND_TIMEOUT_MS 2000

/* ---- repeats ---- */

static int is_repeat(wf_ctx_t *ctx, const wf_engine_in_t *in)
{
    const wf_session_t *session = in->session;
    const char *hash = wf_hex(ctx->pool, in->request->hash, sizeof(in->request->hash));

    if (!session->reply || !session->request_hash || strcmp(session->request_hash, hash) != 0) {
        return 0;
    }
    if (strcmp(session->status, WF_SESSION_COMPLETED) == 0) {
        return 1; /* the phone did not get the SUCCESS, or shows the message again */
    }
    /* After an error the user may well send the same again and deserves a new answer. */
    return strcmp(session->status, WF_SESSION_ACTIVE) == 0 &&
           wf_now(ctx) - session->last_step_at <= in->repeat_window &&
           (!session->reply_kind || strcmp(session->reply_kind, "error") != 0);
}

/* ---- the default: no logic, or no rule of it holds ---- */

/* A data_exchange from an on-select-action (a refresh of the same screen) cannot be told from one
 * of the Footer without knowing the author's payload: both go on. A flow that refreshes has logic.
 */
static wf_answer_t default_answer(const wf_turn_t *turn)
{
    const wf_plan_t *plan = turn->in->plan;
    const wf_plan_screen_t *from = turn->from;
    wf_answer_t answer = {NULL, NULL, NULL, NULL};

    switch (turn->in->request->action) {
    case WF_ACTION_INIT:
        answer.target = from ? from : wf_plan_screen(plan, wf_plan_entry(plan));
        break;
    case WF_ACTION_BACK:
        answer.target = wf_turn_before(turn);
        break;
    default:
        if (!from->terminal && wf_plan_is_routed(plan)) {
            answer.target = wf_plan_screen_first(plan, from->next);
        } else if (!from->terminal) {
            answer.target = wf_plan_screen_after(plan, from);
        }
        break;
    }
    return answer;
}

/* ---- outcomes ---- */

/* Makes the reply of `answer`; sets the outcome only if the client would take it. Returns what is
 * wrong with it otherwise. */
static const char *try_answer(const wf_turn_t *turn, wf_outcome_t *out, const wf_answer_t *answer,
                              int check)
{
    wf_json_t *reply = wf_turn_reply(turn, answer);
    size_t len;
    const char *text = wf_json_text(turn->ctx->pool, reply, &len), *fault;

    fault =
        check ? wf_reply_check(turn->ctx, turn->in->plan, turn->in->request, turn->from, reply, len)
              : NULL;
    if (fault) {
        return fault;
    }
    out->kind = WF_OUTCOME_REPLY;
    out->reply = text;
    out->reply_len = len;
    out->completed = answer->target == NULL;
    if (out->completed) {
        out->response = wf_json_pointer_get(reply, "/data/extension_message_response/params");
    }
    return NULL;
}

/* The request is no turn of the flow: answered, not remembered. */
static void refuse(const wf_turn_t *turn, wf_outcome_t *out, const char *fault)
{
    wf_answer_t fallback = wf_turn_fallback(turn);

    out->broken_rule = fault;
    (void)try_answer(turn, out, &fallback, 0);
}

/* `fault`: why there is no answer to begin with; NULL where there is one. */
static void settle(const wf_turn_t *turn, wf_outcome_t *out, const wf_answer_t *answer,
                   const char *fault)
{
    wf_answer_t given = *answer;

    fault = fault ? fault : try_answer(turn, out, &given, 1);
    if (fault) {
        /* Made of declared keys and of values that fit: there is nothing left to refuse. */
        given = wf_turn_fallback(turn);
        out->broken_rule = out->broken_rule ? out->broken_rule : fault;
        (void)try_answer(turn, out, &given, 0);
    }
    if (!turn->in->anonymous) {
        out->session = wf_turn_session(turn, &given, out->reply);
    }
}

static wf_status_t outcome_status(const wf_turn_t *turn, wf_outcome_t *out)
{
    if (!wf_plan_is_damaged(turn->in->plan)) {
        return WF_OK;
    }
    memset(out, 0, sizeof(*out));
    out->kind = WF_OUTCOME_FAIL;
    wf_ctx_clear(turn->ctx);
    return wf_fail(turn->ctx, WF_EINTERNAL, WFLOGNO(0242) "the plan of the flow is damaged");
}

/* ---- the company's server ---- */

static const wf_json_t *backend_of(const wf_turn_t *turn)
{
    return wf_plan_part(turn->in->plan, WF_PLAN_BACKEND, "", 0);
}

static void ask_backend(wf_turn_t *turn, wf_outcome_t *out)
{
    const wf_json_t *backend = backend_of(turn);

    out->kind = WF_OUTCOME_BACKEND;
    out->backend_url = wf_json_get_str(backend, "url", "");
    out->backend_timeout_ms = (int)wf_json_get_int(backend, "timeout_ms", BACKEND_TIMEOUT_MS);
    out->backend_body = wf_rules_question(turn);
    out->continuation = turn;
}

/* on_failure is a plain answer: it cannot ask again. */
static void settle_failure(const wf_turn_t *turn, wf_outcome_t *out)
{
    const wf_json_t *rule = wf_json_get(backend_of(turn), "on_failure");
    wf_answer_t answer = wf_turn_fallback(turn);
    const char *fault = NULL;

    if (rule) {
        fault = wf_rules_answer(turn, &answer, rule);
    }
    settle(turn, out, &answer, fault);
}

wf_status_t wf_engine_resume(wf_ctx_t *ctx, wf_outcome_t *out, const wf_engine_in_t *in,
                             void *continuation, const wf_json_t *answer)
{
    wf_turn_t *turn = continuation;
    wf_answer_t given;
    const char *fault = NULL;

    memset(out, 0, sizeof(*out));
    out->kind = WF_OUTCOME_FAIL;
    turn->ctx = ctx;
    turn->in = in;
    if (answer) {
        fault = wf_rules_reply(turn, &given, answer);
        fault = fault ? fault : try_answer(turn, out, &given, 1);
    }
    if (!answer || fault) {
        out->broken_rule = fault;
        settle_failure(turn, out);
    } else if (!in->anonymous) {
        out->session = wf_turn_session(turn, &given, out->reply);
    }
    return outcome_status(turn, out);
}

/* ---- a turn ---- */

static void decide(wf_turn_t *turn, wf_outcome_t *out)
{
    const wf_json_t *rule = wf_rules_find(turn);
    wf_answer_t answer;
    const char *fault = NULL;

    if (wf_json_has(rule, "ask")) {
        ask_backend(turn, out);
        return;
    }
    if (rule) {
        fault = wf_rules_answer(turn, &answer, rule);
    } else {
        answer = default_answer(turn);
    }
    settle(turn, out, &answer, fault);
}

wf_status_t wf_engine_run(wf_ctx_t *ctx, wf_outcome_t *out, const wf_engine_in_t *in)
{
    wf_turn_t *turn;
    const char *fault;

    memset(out, 0, sizeof(*out));
    out->kind = WF_OUTCOME_FAIL;
    if (in->session && !in->anonymous) {
        if (is_repeat(ctx, in)) {
            out->kind = WF_OUTCOME_REPEAT;
            out->reply = in->session->reply;
            out->reply_len = strlen(in->session->reply);
            return WF_OK;
        }
        if (strcmp(in->session->status, WF_SESSION_ACTIVE) != 0) {
            out->broken_rule = "the session is not active";
            return WF_OK;
        }
    }
    turn = apr_palloc(ctx->pool, sizeof(*turn));
    if ((fault = wf_turn_begin(ctx, turn, in)) != NULL) {
        refuse(turn, out, fault);
    } else {
        decide(turn, out);
    }
    return outcome_status(turn, out);
}
