#include "flow/wf_engine_int.h"

#include <string.h>

#define DEFAULT_ERROR_MESSAGE "Something went wrong. Please try again."
#define REPLY_DEPTH (WF_FLOW_REQUEST_DEPTH * 2)

/* ---- history: names of screens, the last one is shown ---- */

static void push_screen(wf_turn_t *turn, wf_json_t *history, const char *screen)
{
    wf_json_push(history, wf_json_str_make(turn->ctx->pool, screen));
}

/* How many entries of `history` are left when `screen` is on top, 0 if it is not there. */
static size_t depth_of(const wf_json_t *history, const char *screen)
{
    size_t i;

    for (i = wf_json_len(history); i > 0; i--) {
        const char *name = wf_json_str(wf_json_at(history, i - 1));
        if (name && strcmp(name, screen) == 0) {
            return i;
        }
    }
    return 0;
}

/* The newest `keep` entries up to and including number `len` (which counts from the oldest). */
static wf_json_t *history_part(apr_pool_t *pool, const wf_json_t *history, size_t len, size_t keep)
{
    wf_json_t *part = wf_json_array_make(pool);
    size_t i;

    for (i = len > keep ? len - keep : 0; i < len; i++) {
        wf_json_push(part, wf_json_at(history, i));
    }
    return part;
}

/* The phone may have moved without us (navigate, its own back): the screen it names is the truth.
 */
static void cut_history(wf_turn_t *turn)
{
    const wf_json_t *old = turn->session ? turn->session->history : NULL;
    size_t depth;

    if (!turn->from || turn->in->request->action == WF_ACTION_INIT) {
        turn->history = wf_json_array_make(turn->ctx->pool);
        return;
    }
    depth = depth_of(old, turn->from->name);
    if (depth > 0) {
        turn->history = history_part(turn->ctx->pool, old, depth, WF_HISTORY_MAX);
        return;
    }
    turn->history = history_part(turn->ctx->pool, old, wf_json_len(old), WF_HISTORY_MAX - 1);
    push_screen(turn, turn->history, turn->from->name);
}

/* History once `target` is shown. */
static wf_json_t *history_after(const wf_turn_t *turn, const wf_plan_screen_t *target)
{
    apr_pool_t *pool = turn->ctx->pool;
    size_t len = wf_json_len(turn->history), depth;
    wf_json_t *after;

    if (!target || (turn->from && turn->in->request->action != WF_ACTION_INIT &&
                    strcmp(turn->from->name, target->name) == 0)) {
        return turn->history;
    }
    if (turn->in->request->action == WF_ACTION_BACK && len > 0) {
        len--; /* the screen that was left */
        if ((depth = depth_of(turn->history, target->name)) > 0) {
            return history_part(pool, turn->history, depth, WF_HISTORY_MAX);
        }
    }
    after = history_part(pool, turn->history, len, WF_HISTORY_MAX - 1);
    wf_json_push(after, wf_json_str_make(pool, target->name));
    return after;
}

const wf_plan_screen_t *wf_turn_before(const wf_turn_t *turn)
{
    const wf_plan_t *plan = turn->in->plan;
    const wf_plan_screen_t *screen;
    size_t i;

    if (!turn->from) {
        return wf_plan_screen(plan, wf_plan_entry(plan));
    }
    for (i = wf_json_len(turn->history); i-- > 0;) {
        screen = wf_plan_screen(plan, wf_json_str(wf_json_at(turn->history, i)));
        if (screen && screen != turn->from && wf_plan_allows(plan, turn->from, screen)) {
            return screen;
        }
    }
    screen = wf_plan_screen_first(plan, turn->from->prev);
    return screen ? screen : turn->from;
}

/* ---- answers ---- */

/* The session's answers, in an object of our own. */
static wf_json_t *old_answers(const wf_turn_t *turn)
{
    return wf_json_object_copy(turn->ctx->pool, turn->session ? turn->session->answers : NULL);
}

static wf_json_t *merged_answers(const wf_turn_t *turn)
{
    wf_json_t *answers = old_answers(turn);

    if (turn->in->request->action == WF_ACTION_BACK) {
        return answers; /* a BACK cannot carry a payload (WHATSAPP.md 1.8) */
    }
    for (wf_json_iter_t it = wf_json_iter(turn->in->request->data); wf_json_next(&it);) {
        if (wf_json_type(it.value) == WF_JSON_NULL) {
            wf_json_remove(answers, it.key);
        } else if (!wf_data_is_reserved(it.key)) {
            wf_json_set(answers, it.key, it.value);
        }
    }
    return answers;
}

static const char *find_from(wf_turn_t *turn)
{
    const wf_flow_request_t *request = turn->in->request;
    const char *name = request->screen;

    if (request->action == WF_ACTION_UNKNOWN || request->action == WF_ACTION_PING ||
        request->action == WF_ACTION_ERROR) {
        turn->from = wf_plan_screen(turn->in->plan, name);
        return apr_psprintf(turn->ctx->pool, "1.8: unknown action %.40s", request->action_text);
    }
    if (!name && request->action == WF_ACTION_BACK && turn->session) {
        name = turn->session->screen;
    }
    turn->from = wf_plan_screen(turn->in->plan, name);
    if (turn->from || (!request->screen && request->action != WF_ACTION_DATA_EXCHANGE)) {
        return NULL;
    }
    return apr_psprintf(turn->ctx->pool, "1.8: unknown screen %.80s", name ? name : "(none)");
}

const char *wf_turn_begin(wf_ctx_t *ctx, wf_turn_t *turn, const wf_engine_in_t *in)
{
    const char *fault;
    size_t len;

    memset(turn, 0, sizeof(*turn));
    turn->ctx = ctx;
    turn->in = in;
    turn->session = in->anonymous ? NULL : in->session;
    fault = find_from(turn);
    cut_history(turn);
    if (fault) {
        turn->answers = old_answers(turn);
        return fault;
    }
    turn->answers = merged_answers(turn);
    (void)wf_json_text(ctx->pool, turn->answers, &len);
    if (len > WF_ANSWERS_MAX) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0241) "the answers of a session would have %d bytes, over %d: not stored",
               (int)len, WF_ANSWERS_MAX);
        turn->answers = old_answers(turn);
        return "the answers of the session are over 256 KiB";
    }
    return NULL;
}

/* ---- the last reply ---- */

/* What `screen` was last shown with, if it was the last screen shown; without its error_message. */
static const wf_json_t *last_data(const wf_turn_t *turn, const wf_plan_screen_t *screen)
{
    const wf_session_t *session = turn->session;
    wf_json_t *reply;
    const char *name;

    if (!session || !session->reply) {
        return NULL;
    }
    if (wf_json_parse(turn->ctx, &reply, session->reply, strlen(session->reply), REPLY_DEPTH) !=
        WF_OK) {
        wf_ctx_clear(turn->ctx);
        return NULL;
    }
    name = wf_json_get_str(reply, "screen", "");
    return strcmp(name, screen->name) == 0 ? wf_json_get(reply, "data") : NULL;
}

const char *wf_turn_error_message(const wf_turn_t *turn)
{
    const wf_json_t *settings = wf_json_get(turn->in->company, "settings");
    const char *text = wf_plan_error_message(turn->in->plan);

    text = text ? text : wf_json_get_str(settings, "flow_error_message", "");
    return text[0] ? text : DEFAULT_ERROR_MESSAGE;
}

wf_answer_t wf_turn_fallback(const wf_turn_t *turn)
{
    wf_answer_t answer = {turn->from, NULL, NULL, wf_turn_error_message(turn)};
    const wf_plan_t *plan = turn->in->plan;

    if (!answer.target && turn->session && turn->in->request->action != WF_ACTION_INIT) {
        answer.target = wf_plan_screen(plan, turn->session->screen);
    }
    if (!answer.target) {
        answer.target = wf_plan_screen(plan, wf_plan_entry(plan));
    }
    return answer;
}

/* ---- the reply ---- */

static wf_json_t *fitting(const wf_turn_t *turn, const char *key, const wf_json_t *declaration,
                          const wf_json_t *values)
{
    wf_json_t *value = wf_json_get(values, key);

    if (!value || wf_data_misfit(turn->ctx->pool, key, declaration, value)) {
        return NULL;
    }
    return value;
}

/* Some flows declare a flow_token; answers never hold one, and the example's is nobody's. */
static wf_json_t *own_token(const wf_turn_t *turn, const char *key, const wf_json_t *declaration)
{
    const char *token = turn->in->request->flow_token;

    if (!token || strcmp(key, "flow_token") != 0 ||
        strcmp(wf_json_get_str(declaration, "type", ""), "string") != 0) {
        return NULL;
    }
    return wf_json_str_make(turn->ctx->pool, token);
}

/* Each declared key: what logic gives, then the session's answer of that name, then the example.
 * A screen that is shown again keeps what it was shown with rather than falling back to the
 * example, and when it comes with an error_message even before the answers: the user is still
 * looking at it. */
static wf_json_t *filled_data(const wf_turn_t *turn, const wf_answer_t *answer)
{
    const wf_plan_screen_t *target = answer->target;
    const wf_json_t *model = wf_plan_screen_column(turn->in->plan, target, WF_SCREEN_DATA);
    const wf_json_t *examples = NULL, *first, *second, *shown = NULL;
    wf_json_t *data = wf_json_object_make(turn->ctx->pool), *value;

    if (answer->error_message || (turn->from && strcmp(turn->from->name, target->name) == 0)) {
        shown = last_data(turn, target);
    }
    first = answer->error_message ? shown : turn->answers;
    second = answer->error_message ? turn->answers : shown;
    for (wf_json_iter_t it = wf_json_iter(model); wf_json_next(&it);) {
        value = wf_json_get(answer->data, it.key);
        if (!value && !(value = fitting(turn, it.key, it.value, first)) &&
            !(value = fitting(turn, it.key, it.value, second)) &&
            !(value = own_token(turn, it.key, it.value))) {
            if (!examples) {
                examples = wf_plan_screen_column(turn->in->plan, target, WF_SCREEN_EXAMPLE);
            }
            value = wf_json_get(examples, it.key);
        }
        wf_json_set(data, it.key, value);
    }
    wf_json_set_str(data, "error_message", answer->error_message);
    return data;
}

/* `value` without the nulls in it: they have no type in what a company receives (WHATSAPP.md 1.13).
 */
static wf_json_t *without_null(apr_pool_t *pool, wf_json_t *value)
{
    wf_json_t *copy;
    size_t i;

    if (wf_json_type(value) == WF_JSON_ARRAY) {
        copy = wf_json_array_make(pool);
        for (i = 0; i < wf_json_len(value); i++) {
            wf_json_push(copy, without_null(pool, wf_json_at(value, i)));
        }
        return copy;
    }
    if (wf_json_type(value) == WF_JSON_OBJECT) {
        copy = wf_json_object_make(pool);
        for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
            wf_json_set(copy, it.key, without_null(pool, it.value));
        }
        return copy;
    }
    return wf_json_type(value) == WF_JSON_NULL ? NULL : value;
}

/* flow_token is ours alone: nobody adds it on this path but we (WHATSAPP.md 1.10). */
static wf_json_t *success_params(const wf_turn_t *turn, const wf_answer_t *answer)
{
    apr_pool_t *pool = turn->ctx->pool;
    wf_json_t *from = answer->params ? answer->params : turn->answers;
    wf_json_t *params = wf_json_object_make(pool);

    wf_json_set_str(params, "flow_token", turn->in->request->flow_token);
    for (wf_json_iter_t it = wf_json_iter(from); wf_json_next(&it);) {
        if (strcmp(it.key, "flow_token") != 0) {
            wf_json_set(params, it.key,
                        wf_json_has_null(it.value) ? without_null(pool, it.value) : it.value);
        }
    }
    return params;
}

wf_json_t *wf_turn_reply(const wf_turn_t *turn, const wf_answer_t *answer)
{
    apr_pool_t *pool = turn->ctx->pool;
    wf_json_t *reply = wf_json_object_make(pool), *data, *extension;

    wf_json_set_str(reply, "screen", answer->target ? answer->target->name : WF_SCREEN_SUCCESS);
    if (answer->target) {
        wf_json_set(reply, "data", filled_data(turn, answer));
        return reply;
    }
    data = wf_json_object_make(pool);
    extension = wf_json_object_make(pool);
    wf_json_set(extension, "params", success_params(turn, answer));
    wf_json_set(data, "extension_message_response", extension);
    wf_json_set(reply, "data", data);
    return reply;
}

/* ---- the session after ---- */

static const char *reply_kind(const wf_answer_t *answer)
{
    if (!answer->target) {
        return "success";
    }
    return answer->error_message ? "error" : "screen";
}

wf_session_t *wf_turn_session(const wf_turn_t *turn, const wf_answer_t *answer, const char *reply)
{
    wf_session_t *next = apr_pcalloc(turn->ctx->pool, sizeof(*next));
    const wf_flow_request_t *request = turn->in->request;

    if (turn->session) {
        *next = *turn->session;
    } else {
        next->flow_name = turn->in->flow_name;
        next->flow_version = turn->in->flow_version;
        next->status = WF_SESSION_ACTIVE;
    }
    next->step++;
    next->answers = turn->answers;
    next->history = history_after(turn, answer->target);
    next->request_hash = wf_hex(turn->ctx->pool, request->hash, sizeof(request->hash));
    next->reply = reply;
    next->reply_kind = reply_kind(answer);
    next->last_step_at = wf_now(turn->ctx);
    if (next->started_at == 0) {
        next->started_at = next->last_step_at;
    }
    if (answer->target) {
        next->screen = answer->target->name;
    } else {
        next->screen = turn->from ? turn->from->name : next->screen;
        next->status = WF_SESSION_COMPLETED;
        next->completed_at = next->last_step_at;
    }
    return next;
}
