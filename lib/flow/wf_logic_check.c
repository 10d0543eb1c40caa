/* What is checked when logic is saved, part two: the document, its rules and what they answer. */
#include "flow/wf_logic_check_int.h"

#include <string.h>

#define TIMEOUT_MIN 100
#define TIMEOUT_MAX 9000

/* ---- values ---- */

/* A text with ${...}: only a whole reference to `static` has a type that can be known now. */
static void check_template(wf_logic_check_t *k, const wf_json_t *declaration, const wf_json_t *text,
                           const char *key, const char *pointer)
{
    wf_slice_t rest = {wf_json_str(text), wf_json_str_len(text)};
    wf_json_type_t want = wf_data_type(declaration);
    wf_template_part_t part;
    const char *fault = NULL;
    int errors = k->issues->errors;

    wf_logic_check_text(k, text, pointer);
    if (!declaration || k->issues->errors > errors || !wf_template_next(&part, &rest)) {
        return;
    }
    if (!part.is_path || rest.len > 0) {
        if (want != WF_JSON_ABSENT && want != WF_JSON_STRING) {
            fault = apr_psprintf(k->pool, "%s is text where the screen declares %s", key,
                                 wf_json_type_name(want));
        }
    } else if (part.text.len > 7 && strncmp(part.text.data, "static.", 7) == 0) {
        wf_value_t v =
            wf_value_walk(wf_value_of(k->constants), part.text.data + 7, part.text.len - 7);
        fault = wf_data_misfit(k->pool, key, declaration, wf_value_json(k->pool, v));
    }
    if (fault) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "%s", fault);
    }
}

/* `declaration` NULL: any type will do. */
static void check_value(wf_logic_check_t *k, const wf_json_t *declaration, const wf_json_t *value,
                        const char *key, const char *pointer)
{
    wf_json_type_t want = wf_data_type(declaration), have = wf_json_type(value);
    const wf_json_t *items = wf_json_get(declaration, "items");
    size_t i;

    if (have == WF_JSON_NULL) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "null is no value of any type: leave %s out",
                       key);
        return;
    }
    if (wf_template_is(value)) {
        check_template(k, declaration, value, key, pointer);
        return;
    }
    if (want != WF_JSON_ABSENT && want != have) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "%s is %s where the screen declares %s", key,
                       wf_json_type_name(have), wf_json_type_name(want));
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
        check_value(k, wf_json_get(wf_json_get(declaration, "properties"), it.key), it.value,
                    it.key, wf_json_pointer_add(k->pool, pointer, it.key));
    }
    for (i = 0; have == WF_JSON_ARRAY && i < wf_json_len(value); i++) {
        check_value(k, items, wf_json_at(value, i), key,
                    wf_json_pointer_add_index(k->pool, pointer, i));
    }
}

static void check_data(wf_logic_check_t *k, const wf_json_t *data, const char *pointer,
                       const wf_plan_screen_t *target)
{
    const wf_json_t *model = target ? wf_plan_screen_column(k->plan, target, WF_SCREEN_DATA) : NULL;

    if (wf_json_type(data) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "data is an object, {key: value}");
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(data); wf_json_next(&it);) {
        const char *at = wf_json_pointer_add(k->pool, pointer, it.key);
        if (strcmp(it.key, "error_message") == 0) {
            wf_logic_issue(k, WF_ISSUE_ERROR, at,
                           "write error_message beside data, as a member of the rule");
        } else if (target && !wf_json_has(model, it.key)) {
            wf_logic_issue(k, WF_ISSUE_ERROR, at,
                           "screen %s does not declare %s: the phone would refuse or drop it",
                           target->name, it.key);
        } else {
            check_value(k, wf_json_get(model, it.key), it.value, it.key, at);
        }
    }
}

static void check_message(wf_logic_check_t *k, const wf_json_t *text, const char *pointer)
{
    if (wf_json_str_len(text) == 0) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "error_message is a text, and not empty");
        return;
    }
    wf_logic_check_text(k, text, pointer);
}

/* ---- where a rule leads ---- */

typedef enum { ON_INIT, ON_SCREEN, ON_BACK } place_t;

static int leads_to(wf_logic_check_t *k, place_t place, const wf_plan_screen_t *from,
                    const wf_plan_screen_t *target)
{
    return wf_plan_allows(k->plan, place == ON_INIT ? NULL : from, target);
}

/* The screen, or NULL after an issue was added. */
static const wf_plan_screen_t *check_next(wf_logic_check_t *k, const wf_json_t *next,
                                          const char *pointer, place_t place,
                                          const wf_plan_screen_t *from)
{
    const char *name = wf_json_str(next);
    const wf_plan_screen_t *target = wf_plan_screen(k->plan, name);

    if (!name) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "next is the name of a screen");
    } else if (strcmp(name, WF_SCREEN_SUCCESS) == 0) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                       "SUCCESS is no screen: end the flow with complete: {...}");
    } else if (!target) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "there is no screen %s", name);
    } else if (!leads_to(k, place, from, target)) {
        if (place == ON_INIT) {
            wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                           "screen %s cannot be the first one: routing_model leads to it", name);
        } else {
            wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                           "routing_model has no way from %s to %s, nor back", from->name, name);
        }
    } else {
        return target;
    }
    return NULL;
}

/* on_failure answers for every rule that asks, so all of them must lead to its screen. */
static void check_failure_way(wf_logic_check_t *k, const char *pointer, place_t place,
                              const wf_plan_screen_t *from)
{
    const char *name = wf_json_get_str(wf_json_get(k->backend, "on_failure"), "next", NULL);
    const wf_plan_screen_t *target = wf_plan_screen(k->plan, name);

    if (target && !leads_to(k, place, from, target)) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                       "routing_model has no way from %s to %s, where backend.on_failure leads",
                       place == ON_INIT ? "the beginning" : from->name, name);
    }
}

/* ---- rules ---- */

static void check_ask(wf_logic_check_t *k, const wf_json_t *ask, const char *pointer, place_t place,
                      const wf_plan_screen_t *from)
{
    const char *whom = wf_json_str(ask);

    if (!whom || strcmp(whom, "backend") != 0) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "the only one to ask is \"backend\"");
    } else if (!k->backend) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "logic has no backend to ask");
    } else {
        check_failure_way(k, pointer, place, from);
    }
}

/* What a rule answers: next, data and error_message. */
static void check_answer(wf_logic_check_t *k, const wf_json_t *rule, const char *pointer,
                         place_t place, const wf_plan_screen_t *from)
{
    const wf_json_t *next = wf_json_get(rule, "next"), *data = wf_json_get(rule, "data");
    const wf_json_t *message = wf_json_get(rule, "error_message");
    const wf_plan_screen_t *target = from;

    if (next) {
        target = check_next(k, next, wf_json_pointer_add(k->pool, pointer, "next"), place, from);
    } else if (place == ON_INIT) {
        target = wf_plan_screen(k->plan, wf_plan_entry(k->plan));
    }
    if (data && (next || message)) {
        check_data(k, data, wf_json_pointer_add(k->pool, pointer, "data"), target);
    } else if (data) {
        wf_logic_issue(k, WF_ISSUE_ERROR, wf_json_pointer_add(k->pool, pointer, "data"),
                       "data needs next: for which screen is it?");
    }
    if (message) {
        check_message(k, message, wf_json_pointer_add(k->pool, pointer, "error_message"));
    }
}

static void check_rule(wf_logic_check_t *k, const wf_json_t *rule, const char *pointer,
                       place_t place, const wf_plan_screen_t *from)
{
    static const char *const members[] = {"when",          "next", "data", "complete",
                                          "error_message", "ask",  NULL};
    const wf_json_t *complete = wf_json_get(rule, "complete"), *ask = wf_json_get(rule, "ask");
    int answers = wf_json_has(rule, "next") || wf_json_has(rule, "data") ||
                  wf_json_has(rule, "error_message");

    if (wf_json_type(rule) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "a rule is an object");
        return;
    }
    wf_logic_check_members(k, rule, pointer, members);
    if (wf_json_has(rule, "when")) {
        wf_logic_check_when(k, wf_json_get(rule, "when"),
                            wf_json_pointer_add(k->pool, pointer, "when"));
    }
    if (answers + (complete != NULL) + (ask != NULL) != 1) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                       "a rule has either next (with data or error_message), or error_message, or "
                       "complete, or ask");
        return;
    }
    if (answers) {
        check_answer(k, rule, pointer, place, from);
    } else if (ask) {
        check_ask(k, ask, wf_json_pointer_add(k->pool, pointer, "ask"), place, from);
    } else if (wf_json_type(complete) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, wf_json_pointer_add(k->pool, pointer, "complete"),
                       "complete is an object: what the finished flow hands over");
    } else {
        check_value(k, NULL, complete, "complete",
                    wf_json_pointer_add(k->pool, pointer, "complete"));
    }
}

static void check_rules(wf_logic_check_t *k, const wf_json_t *rules, const char *pointer,
                        place_t place, const wf_plan_screen_t *from)
{
    size_t i, n = wf_json_len(rules);

    if (wf_json_type(rules) != WF_JSON_ARRAY) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "rules are an array; the first that holds wins");
        return;
    }
    for (i = 0; i < n; i++) {
        const wf_json_t *rule = wf_json_at(rules, i);
        const char *at = wf_json_pointer_add_index(k->pool, pointer, i);
        check_rule(k, rule, at, place, from);
        if (i + 1 < n && wf_json_type(rule) == WF_JSON_OBJECT && !wf_json_has(rule, "when")) {
            wf_logic_issue(k, WF_ISSUE_WARNING, at,
                           "without `when` this rule always holds: the ones after it are never "
                           "reached");
        }
    }
}

static void check_rules_of_screens(wf_logic_check_t *k, const wf_json_t *screens,
                                   const char *pointer, place_t place)
{
    if (screens && wf_json_type(screens) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "this is an object, {screen: [rules]}");
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(screens); wf_json_next(&it);) {
        const char *at = wf_json_pointer_add(k->pool, pointer, it.key);
        const wf_plan_screen_t *from = wf_plan_screen(k->plan, it.key);
        if (from) {
            check_rules(k, it.value, at, place, from);
        } else {
            wf_logic_issue(k, WF_ISSUE_ERROR, at, "there is no screen %s", it.key);
        }
    }
}

/* ---- the rest of the document ---- */

static void check_constants(wf_logic_check_t *k, const wf_json_t *constants)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (constants && wf_json_type(constants) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/static", "static is an object, {name: value}");
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(constants); wf_json_next(&it);) {
        size_t len = strlen(it.key);
        if (len == 0 || len > WF_CONSTANT_NAME_MAX || strspn(it.key, allowed) != len) {
            wf_logic_issue(k, WF_ISSUE_ERROR, wf_json_pointer_add(k->pool, "/logic/static", it.key),
                           "a name in static has 1 to %d letters, digits, _ or -",
                           WF_CONSTANT_NAME_MAX);
        }
    }
}

/* Only the form: what it may reach is decided when it is called. */
static const char *url_fault(const wf_json_t *url)
{
    const char *text = wf_json_str(url);

    if (!text || strlen(text) != wf_json_str_len(url)) {
        return "a text is expected";
    }
    return wf_url_fault(text);
}

static void check_backend(wf_logic_check_t *k)
{
    static const char *const members[] = {"url", "timeout_ms", "on_failure", NULL};
    static const char *const failure_members[] = {"next", "data", "error_message", NULL};
    const wf_json_t *timeout = wf_json_get(k->backend, "timeout_ms");
    const wf_json_t *failure = wf_json_get(k->backend, "on_failure");
    const char *at = "/logic/backend/on_failure", *fault;
    const wf_plan_screen_t *target;

    wf_logic_check_members(k, k->backend, "/logic/backend", members);
    fault = url_fault(wf_json_get(k->backend, "url"));
    if (fault) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/backend/url",
                       "url is where to ask, like https://host/path: %s", fault);
    }
    if (timeout && (!wf_json_is_int(timeout) || wf_json_int(timeout) < TIMEOUT_MIN ||
                    wf_json_int(timeout) > TIMEOUT_MAX)) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/backend/timeout_ms",
                       "timeout_ms is a whole number from %d to %d", TIMEOUT_MIN, TIMEOUT_MAX);
    }
    if (!failure) {
        return;
    }
    wf_logic_check_members(k, failure, at, failure_members);
    if (!wf_json_has(failure, "next") && !wf_json_has(failure, "error_message")) {
        wf_logic_issue(k, WF_ISSUE_ERROR, at, "on_failure has next or error_message");
        return;
    }
    /* The ways to its screen are checked where a rule asks. */
    target = wf_plan_screen(k->plan, wf_json_get_str(failure, "next", NULL));
    if (wf_json_has(failure, "next") && !target) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/backend/on_failure/next",
                       "next is the name of a screen of the flow");
    }
    if (wf_json_has(failure, "data")) {
        check_data(k, wf_json_get(failure, "data"), "/logic/backend/on_failure/data", target);
    }
    if (wf_json_has(failure, "error_message")) {
        check_message(k, wf_json_get(failure, "error_message"),
                      "/logic/backend/on_failure/error_message");
    }
}

void wf_logic_check(wf_ctx_t *ctx, wf_issues_t *issues, const wf_plan_t *plan,
                    const wf_json_t *logic)
{
    static const char *const members[] = {"static",  "init",          "screens", "back",
                                          "backend", "error_message", NULL};
    wf_logic_check_t check = {ctx->pool, issues, plan, NULL, NULL}, *k = &check;
    const wf_json_t *backend = wf_json_get(logic, "backend");
    size_t len;

    if (wf_json_type(logic) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic", "logic is an object");
        return;
    }
    (void)wf_json_text(ctx->pool, logic, &len);
    if (len > WF_LOGIC_MAX) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic", "logic has %d bytes, more than %d", (int)len,
                       WF_LOGIC_MAX);
        return;
    }
    wf_logic_check_members(k, logic, "/logic", members);
    k->constants = wf_json_get(logic, "static");
    check_constants(k, k->constants);
    if (backend && wf_json_type(backend) != WF_JSON_OBJECT) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/backend", "backend is an object with a url");
    } else if (backend) {
        k->backend = backend;
        check_backend(k);
    }
    if (wf_json_has(logic, "error_message") &&
        (wf_json_str_len(wf_json_get(logic, "error_message")) == 0 ||
         wf_template_is(wf_json_get(logic, "error_message")))) {
        wf_logic_issue(k, WF_ISSUE_ERROR, "/logic/error_message",
                       "error_message is a text without ${...}, and not empty");
    }
    if (wf_json_has(logic, "init")) {
        check_rules(k, wf_json_get(logic, "init"), "/logic/init", ON_INIT, NULL);
    }
    check_rules_of_screens(k, wf_json_get(logic, "screens"), "/logic/screens", ON_SCREEN);
    check_rules_of_screens(k, wf_json_get(logic, "back"), "/logic/back", ON_BACK);
}
