/* The rules of `logic`: which one holds, and what it answers. */
#include "flow/wf_engine_int.h"

#include <string.h>

wf_scope_t wf_rules_scope(const wf_turn_t *turn)
{
    const wf_engine_in_t *in = turn->in;
    wf_scope_t scope;

    memset(&scope, 0, sizeof(scope));
    scope.ctx = turn->ctx;
    scope.plan = in->plan;
    scope.data = in->request->data;
    scope.session = turn->answers;
    scope.company = in->company;
    scope.flow_token = in->request->flow_token;
    scope.flow_name = in->flow_name;
    scope.flow_version = in->flow_version;
    return scope;
}

static const wf_json_t *rules_of(const wf_turn_t *turn)
{
    const wf_plan_t *plan = turn->in->plan;
    const char *from = turn->from ? turn->from->name : NULL;

    switch (turn->in->request->action) {
    case WF_ACTION_INIT:
        return wf_plan_part(plan, WF_PLAN_INIT, "", 0);
    case WF_ACTION_BACK:
        return from ? wf_plan_part(plan, WF_PLAN_BACK, from, strlen(from)) : NULL;
    default:
        return from ? wf_plan_part(plan, WF_PLAN_RULES, from, strlen(from)) : NULL;
    }
}

const wf_json_t *wf_rules_find(const wf_turn_t *turn)
{
    const wf_json_t *rules = rules_of(turn);
    wf_scope_t scope = wf_rules_scope(turn);
    size_t i;

    for (i = 0; i < wf_json_len(rules); i++) {
        const wf_json_t *rule = wf_json_at(rules, i), *when = wf_json_get(rule, "when");
        if (!when || wf_logic_holds(when, &scope)) {
            return rule;
        }
    }
    return NULL;
}

/* Where the answer of a rule without `next` goes: the user stays. */
static const wf_plan_screen_t *stay(const wf_turn_t *turn)
{
    const wf_plan_t *plan = turn->in->plan;

    return turn->from ? turn->from : wf_plan_screen(plan, wf_plan_entry(plan));
}

const char *wf_rules_answer(const wf_turn_t *turn, wf_answer_t *answer, const wf_json_t *rule)
{
    wf_scope_t scope = wf_rules_scope(turn);
    const wf_json_t *complete = wf_json_get(rule, "complete");
    const wf_json_t *message = wf_json_get(rule, "error_message");
    const char *next = wf_json_get_str(rule, "next", NULL), *text;

    memset(answer, 0, sizeof(*answer));
    if (complete) {
        answer->params = wf_template_fill(complete, &scope);
        return NULL;
    }
    answer->target = next ? wf_plan_screen(turn->in->plan, next) : stay(turn);
    if (!answer->target) {
        return apr_psprintf(turn->ctx->pool, "rule 88: there is no screen %s", next);
    }
    answer->data = wf_template_fill(wf_json_get(rule, "data"), &scope);
    if (message) {
        text = wf_json_str(wf_template_fill(message, &scope));
        answer->error_message = text && text[0] ? text : wf_turn_error_message(turn);
    }
    return NULL;
}

/* ---- the company's server ---- */

wf_json_t *wf_rules_question(const wf_turn_t *turn)
{
    apr_pool_t *pool = turn->ctx->pool;
    const wf_engine_in_t *in = turn->in;
    wf_json_t *body = wf_json_object_make(pool), *flow = wf_json_object_make(pool);
    wf_json_t *company = wf_json_object_make(pool);

    wf_json_set_str(flow, "name", in->flow_name);
    wf_json_set_int(flow, "version", in->flow_version);
    wf_json_set(company, "id", wf_json_get(in->company, "id"));
    wf_json_set(company, "slug", wf_json_get(in->company, "slug"));
    wf_json_set_str(body, "version", in->request->version);
    wf_json_set_str(body, "action", in->request->action_text);
    wf_json_set_str(body, "screen", turn->from ? turn->from->name : "");
    wf_json_set(body, "data", in->request->data);
    wf_json_set_str(body, "flow_token", in->request->flow_token);
    wf_json_set(body, "session", turn->answers);
    wf_json_set(body, "flow", flow);
    wf_json_set(body, "company", company);
    wf_json_set_str(body, "session_id", turn->session ? turn->session->id : NULL);
    return body;
}

static wf_json_t *writable(const wf_json_t *v)
{
    return (wf_json_t *)(uintptr_t)v; /* shared into a reply, and nobody changes it there */
}

/* {complete: {…}}, or Meta's form of SUCCESS. */
static const char *completion(wf_answer_t *answer, const wf_json_t *params)
{
    if (wf_json_type(params) != WF_JSON_OBJECT) {
        return "rule 92: the backend's SUCCESS has no object of params";
    }
    answer->params = writable(params);
    return NULL;
}

/* The phone would drop these; whoever wrote the backend should hear of it. */
static void log_undeclared(const wf_turn_t *turn, const wf_plan_screen_t *target,
                           const wf_json_t *data)
{
    const wf_json_t *model = wf_plan_screen_column(turn->in->plan, target, WF_SCREEN_DATA);

    for (wf_json_iter_t it = wf_json_iter(data); wf_json_next(&it);) {
        if (!wf_json_has(model, it.key) && strcmp(it.key, "error_message") != 0) {
            wf_log(
                turn->ctx, WF_LOG_INFO,
                WFLOGNO(0245) "the backend sent %.80s, which screen %s does not declare: left out",
                it.key, target->name);
        }
    }
}

const char *wf_rules_reply(const wf_turn_t *turn, wf_answer_t *answer, const wf_json_t *reply)
{
    const wf_json_t *data = wf_json_get(reply, "data");
    const wf_json_t *message = wf_json_get(reply, "error_message");
    const wf_json_t *extension = wf_json_get(data, "extension_message_response");
    const char *name = wf_json_get_str(reply, "screen", NULL);

    memset(answer, 0, sizeof(*answer));
    if (wf_json_has(reply, "complete")) {
        return completion(answer, wf_json_get(reply, "complete"));
    }
    if (name && strcmp(name, WF_SCREEN_SUCCESS) == 0) {
        return completion(answer, wf_json_get(extension, "params"));
    }
    message = message ? message : wf_json_get(data, "error_message");
    if (wf_json_str_len(message) > 0) {
        answer->error_message = wf_json_str(message);
    }
    if (data && wf_json_type(data) != WF_JSON_OBJECT) {
        return "1.10: the backend's data is no object";
    }
    if (!name && (wf_json_has(reply, "screen") || !answer->error_message)) {
        return "1.10: the backend's answer has neither screen, error_message nor complete";
    }
    answer->target = name ? wf_plan_screen(turn->in->plan, name) : stay(turn);
    if (!answer->target) {
        return apr_psprintf(turn->ctx->pool, "rule 88: the backend names an unknown screen %.80s",
                            name);
    }
    answer->data = data;
    log_undeclared(turn, answer->target, data);
    return NULL;
}
