/* Actions and their payloads: rules 9, 12, 29 and 51-66, 87. */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

#define MISSING_KEYS_MAX 20 /* reported for one action */

static int is_footer(const wf_scope_t *scope)
{
    return scope->kind && scope->kind->counted == WF_COUNT_FOOTER;
}

static int is_link(const wf_scope_t *scope)
{
    return scope->kind && scope->kind->counted == WF_COUNT_EMBEDDED_LINK;
}

/* ---- rule 9 ---- */

void wf_check_url(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                  const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const char *text = wf_json_str(value);
    const char *p = text;

    if (ref) {
        return;
    }
    while (isalnum((unsigned char)*p) || (p > text && strchr("+-.", *p) && *p)) {
        p++;
    }
    if (p > text && isalpha((unsigned char)*text) && *p == ':' && p[1] &&
        !strpbrk(text, " \t\r\n") &&
        (strncmp(text, "http", 4) != 0 || (strncmp(p, "://", 3) == 0 && p[3] && p[3] != '/'))) {
        return;
    }
    wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE_FORMAT,
                   "\"%s\" of %s must be a URL such as https://example.com/page, not %s",
                   prop->name, scope->what, wf_check_quote(c, text));
}

/* ---- payload values ---- */

typedef struct {
    wf_check_t *c;
    const wf_scope_t *scope;
    unsigned pickers; /* kinds of picker met: bit 0 photos, bit 1 documents */
} payload_t;

static int picker_max(const wf_input_t *input)
{
    int photo = input->kind->counted == WF_COUNT_PHOTO_PICKER;

    return (int)wf_json_get_int(input->json,
                                photo ? "max-uploaded-photos" : "max-uploaded-documents", 30);
}

/* Rules 61-63. */
static void check_picker(payload_t *p, const wf_place_t *at, const wf_input_t *input, int top)
{
    wf_check_t *c = p->c;
    const char *type = input->kind->type;

    if (p->scope->action == WF_A_NAVIGATE) {
        wf_check_error(c, at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                       "the value of a %s cannot go through a navigate payload; read it on the "
                       "other screen with ${screen.ID.form.name}",
                       type);
        return;
    }
    if (!top) {
        wf_check_error(c, at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                       "the value of a %s must be a direct member of the payload", type);
    }
    if (p->scope->action != WF_A_COMPLETE) {
        return;
    }
    if (picker_max(input) > 1) {
        wf_check_report(c, c->version < WF_FLOW_VERSION(5, 1) ? WF_ISSUE_ERROR : WF_ISSUE_WARNING,
                        at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                        "a %s in a complete payload may have to be limited to one file (10 from "
                        "5.1 on); it allows %d",
                        type, picker_max(input));
    }
    p->pickers |= input->kind->counted == WF_COUNT_PHOTO_PICKER ? 1 : 2;
    if (p->pickers == 3) {
        p->pickers = 7; /* once */
        wf_check_error(c, at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                       "a complete payload holds photos or documents, not both");
    }
}

/* Before 4.0 a Footer sees the values of a Form only from within; later the sources differ. */
static void check_footer_reads_form(payload_t *p, const wf_place_t *at, const wf_json_t *value)
{
    const wf_scope_t *scope = p->scope;
    wf_check_t *c = p->c;

    if (is_footer(scope) && !scope->in_form && scope->screen->has_form &&
        strncmp(wf_json_str(value), "${form.", 7) == 0) {
        wf_check_report(c, c->version < WF_FLOW_VERSION(4, 0) ? WF_ISSUE_ERROR : WF_ISSUE_WARNING,
                        at, WFC_INVALID_FOOTER_PAYLOAD_OUTSIDE_FORM,
                        "this Footer stands outside the Form whose values it reads: move it into "
                        "the Form");
    }
}

static unsigned check_payload_string(payload_t *p, const wf_place_t *at, const wf_json_t *value,
                                     int top)
{
    wf_ref_t ref;

    if (wf_check_text_form(wf_json_str(value), wf_json_str_len(value)) == WF_TEXT_STATIC) {
        return WF_T_STR;
    }
    wf_check_dynamic(p->c, p->scope, at, value, &ref);
    if (ref.input) {
        check_footer_reads_form(p, at, value);
    }
    if (ref.input && (ref.input->kind->flags & WF_C_PICKER)) {
        check_picker(p, at, ref.input, top);
    } else if (ref.input && p->scope->action == WF_A_NAVIGATE && ref.types == WF_T_OBJ) {
        wf_check_warn(p->c, at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                      "pass a range of dates as two values: ${form.name.start-date} and "
                      "${form.name.end-date}");
    }
    return ref.types ? ref.types : WF_T_ANY;
}

/* Types the value can have. The depth is the parser's. */
static unsigned check_payload_value(payload_t *p, const wf_place_t *at, const wf_json_t *value,
                                    int top)
{
    size_t i;

    switch (wf_json_type(value)) {
    case WF_JSON_STRING:
        return check_payload_string(p, at, value, top);
    case WF_JSON_NULL:
        wf_check_warn(p->c, at, WFC_INVALID_ACTION_PAYLOAD_PROPERTY,
                      "null is no value of Flow JSON: leave the member out or use an empty one");
        return WF_T_ANY;
    case WF_JSON_ARRAY:
        for (i = 0; i < wf_json_len(value); i++) {
            wf_place_t place = wf_place_index(at, i);
            check_payload_value(p, &place, wf_json_at(value, i), 0);
        }
        return WF_T_ARR;
    case WF_JSON_OBJECT:
        for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
            wf_place_t place = wf_place_key(at, it.key);
            check_payload_value(p, &place, it.value, 0);
        }
        return WF_T_OBJ;
    default:
        return wf_check_type_bit(value);
    }
}

/* ---- payload against a data model ---- */

/* Rules 53, 54, 56 for one member. */
static void check_navigate_member(payload_t *p, const wf_place_t *at, const char *key,
                                  unsigned types)
{
    const wf_screen_t *target = p->scope->target;
    const wf_json_t *declared = wf_json_get(target->data, key);

    if (!declared) {
        wf_check_error(p->c, at, WFC_INVALID_NAVIGATE_ACTION_PAYLOAD,
                       "%s is not declared in the data model of screen %s",
                       wf_check_quote(p->c, key), wf_check_quote(p->c, target->id));
    } else if (!(types & wf_data_types(declared))) {
        wf_check_error(p->c, at, WFC_INVALID_NAVIGATE_ACTION_PAYLOAD,
                       "%s is %s here, but screen %s declares it as %s", wf_check_quote(p->c, key),
                       wf_check_types_text(p->c, types), wf_check_quote(p->c, target->id),
                       wf_check_types_text(p->c, wf_data_types(declared)));
    }
}

/* Rule 55. A list whose example is empty may begin empty: real flows leave it out. The bound keeps
 * many actions to a screen of many keys from multiplying. */
static void check_navigate_complete(payload_t *p, const wf_place_t *at, const wf_json_t *payload)
{
    const wf_screen_t *target = p->scope->target;
    int missing = 0;

    for (wf_json_iter_t it = wf_json_iter(target->data);
         missing < MISSING_KEYS_MAX && wf_json_next(&it);) {
        const wf_json_t *example = wf_json_get(it.value, "__example__");
        int empty = wf_json_type(example) == WF_JSON_ARRAY && wf_json_len(example) == 0;
        if (!wf_json_has(payload, it.key)) {
            missing++;
            wf_check_report(p->c, empty ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                            WFC_INVALID_NAVIGATE_ACTION_PAYLOAD,
                            "screen %s declares %s, which this payload does not have",
                            wf_check_quote(p->c, target->id), wf_check_quote(p->c, it.key));
        }
    }
}

/* Rule 64. On a screen without any data model nothing can be updated, but flows of 7.3 try. */
static void check_update_member(payload_t *p, const wf_place_t *at, const char *key, unsigned types)
{
    const wf_json_t *model = p->scope->screen->data;
    const wf_json_t *declared = wf_json_get(model, key);

    if (!declared) {
        wf_check_report(p->c, model ? WF_ISSUE_ERROR : WF_ISSUE_WARNING, at,
                        WFC_INVALID_UPDATE_DATA_ACTION_PAYLOAD,
                        "%s is not declared in this screen's data model",
                        wf_check_quote(p->c, key));
    } else if (!(types & wf_data_types(declared))) {
        wf_check_error(p->c, at, WFC_INVALID_UPDATE_DATA_ACTION_PAYLOAD,
                       "%s is %s here, but this screen declares it as %s",
                       wf_check_quote(p->c, key), wf_check_types_text(p->c, types),
                       wf_check_types_text(p->c, wf_data_types(declared)));
    }
}

/* Rule 66. */
static void check_exchange_member(payload_t *p, const wf_place_t *at, const char *key)
{
    if (strcmp(key, "error") == 0 || strcmp(key, "error_key") == 0 ||
        strcmp(key, "error_message") == 0) {
        wf_check_warn(p->c, at, WFC_INVALID_ON_CLICK_ACTION_PAYLOAD,
                      "\"%s\" is how WhatsApp marks its error notifications: choose another name",
                      key);
    }
}

void wf_check_payload(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    payload_t p = {c, scope, 0};

    (void)prop;
    (void)ref;
    for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
        wf_place_t place = wf_place_key(at, it.key);
        unsigned types = check_payload_value(&p, &place, it.value, 1);
        c->soft += scope->in_list_item;
        if (scope->action == WF_A_NAVIGATE && scope->target) {
            check_navigate_member(&p, &place, it.key, types);
        } else if (scope->action == WF_A_UPDATE_DATA) {
            check_update_member(&p, &place, it.key, types);
        } else if (scope->action == WF_A_DATA_EXCHANGE) {
            check_exchange_member(&p, &place, it.key);
        }
        c->soft -= scope->in_list_item;
    }
    c->soft += scope->in_list_item;
    if (scope->action == WF_A_NAVIGATE && scope->target) {
        check_navigate_complete(&p, at, value);
    }
    c->soft -= scope->in_list_item;
}

/* ---- navigate ---- */

/* Rules 12, 52: the screen an action leads to, NULL if that is not known. Items of a NavigationList
 * only warn: published examples list screens that are not there yet. */
static const wf_screen_t *check_next(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                     const wf_json_t *next)
{
    wf_place_t place = wf_place_key(at, "name");
    const char *name = wf_json_get_str(next, "name", NULL);
    const wf_screen_t *target;
    wf_scope_t inner = *scope;

    inner.what = "next";
    wf_check_members(c, &inner, at, next, wf_props_next);
    if (!name) {
        return NULL;
    }
    if (wf_check_text_form(name, strlen(name)) != WF_TEXT_STATIC) {
        wf_check_warn(c, &place, WFC_INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME,
                      "the name of the next screen should be fixed");
        return NULL;
    }
    target = apr_hash_get(c->by_id, name, APR_HASH_KEY_STRING);
    c->soft += scope->in_list_item;
    if (!target) {
        wf_check_error(c, &place, WFC_INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME,
                       "there is no screen %s", wf_check_quote(c, name));
    } else if (target == scope->screen) {
        /* A link to its own screen does nothing; flows use it as a line to look at. */
        wf_check_report(c, is_link(scope) ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, &place,
                        WFC_INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME,
                        "%s is this very screen; navigate to another one", wf_check_quote(c, name));
    }
    c->soft -= scope->in_list_item;
    return target;
}

/* Rule 57. Since global references (4.0) a payload is not needed to read another screen, and flows
 * leave it out; then the target's declared keys are not asked for either. */
static void check_has_payload(wf_check_t *c, const wf_place_t *at, const wf_json_t *action)
{
    if (!wf_json_has(action, "payload")) {
        wf_check_report(c, c->version < WF_FLOW_VERSION(4, 0) ? WF_ISSUE_ERROR : WF_ISSUE_WARNING,
                        at, WFC_MISSING_NAVIGATION_ACTION_PAYLOAD,
                        "a navigate action needs a \"payload\" with every key that the next "
                        "screen declares, or {}");
    }
}

static void check_navigate(wf_check_t *c, wf_scope_t *scope, const wf_place_t *at,
                           const wf_json_t *action)
{
    const wf_json_t *next = wf_json_get(action, "next");
    wf_place_t place = wf_place_key(at, "next");

    if (wf_json_type(next) == WF_JSON_OBJECT) {
        scope->target = check_next(c, scope, &place, next);
    }
    if (scope->target) {
        wf_place_t name = wf_place_key(&place, "name");
        wf_check_route_walked(c, scope, &name, scope->target);
    }
    check_has_payload(c, at, action);
}

/* ---- the action ---- */

/* Rules 12 and 51. Links that complete, on a terminal screen, and links that update data were seen
 * working. */
static void check_allowed(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                          const wf_prop_t *prop, const wf_action_kind_t *kind, const char *name)
{
    wf_place_t place = wf_place_key(at, "name");
    int terminal = scope->screen->terminal;
    unsigned allowed = prop->actions;
    int seen = kind && is_link(scope) &&
               ((kind->bit == WF_A_COMPLETE && terminal) || kind->bit == WF_A_UPDATE_DATA);

    if (is_footer(scope) && terminal) {
        allowed &= ~(unsigned)WF_A_NAVIGATE;
    }
    if (!kind || !(allowed & kind->bit) || kind->since > c->version) {
        wf_check_report(c, seen ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, &place, WFC_INVALID_ENUM_VALUE,
                        "action %s is not possible in \"%s\" of %s%s; use one of: %s",
                        wf_check_quote(c, name), prop->name, scope->what,
                        is_footer(scope) && terminal ? " on a terminal screen" : "",
                        wf_action_names(c->tmp, allowed, c->version));
    }
    if (kind && kind->bit == WF_A_COMPLETE && !terminal) {
        wf_check_error(c, at, WFC_INVALID_COMPLETE_ACTION,
                       "\"complete\" ends the flow: only a terminal screen may do that; set "
                       "\"terminal\": true or use another action");
    } else if (kind && kind->bit == WF_A_COMPLETE && !is_footer(scope)) {
        wf_check_report(c, seen ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                        WFC_INVALID_COMPLETE_ACTION, "\"complete\" belongs to a Footer");
    }
}

/* Rule 29. A routing_model is a sign that an endpoint was meant all the same. */
static void count_exchange(wf_check_t *c, const wf_place_t *at)
{
    if (c->exchanges++ == 0 && !c->has_api) {
        wf_check_report(c, wf_json_len(c->routing) > 0 ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                        WFC_MISSING_REQUIRED_PROPERTY,
                        "\"data_exchange\" needs an endpoint: set \"data_api_version\" at the top "
                        "of the flow, for example \"3.0\"");
    }
}

void wf_check_action(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                     const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const wf_json_t *name = wf_json_get(value, "name");
    wf_place_t place = wf_place_key(at, "name");
    const wf_action_kind_t *kind;
    wf_scope_t inner = *scope;

    (void)ref;
    if (!wf_json_str(name)) {
        wf_check_error(c, name ? &place : at,
                       name ? WFC_INVALID_PROPERTY_TYPE : WFC_MISSING_REQUIRED_PROPERTY,
                       "\"name\" of \"%s\" must say what to do: one of %s", prop->name,
                       wf_action_names(c->tmp, prop->actions, c->version));
        return;
    }
    kind = wf_action_kind_find(wf_json_str(name));
    check_allowed(c, scope, at, prop, kind, wf_json_str(name));
    if (!kind) {
        return;
    }
    inner.action = kind->bit;
    inner.target = NULL;
    inner.what = apr_psprintf(c->tmp, "a %s action", kind->name);
    if (kind->bit == WF_A_NAVIGATE) {
        check_navigate(c, &inner, at, value);
    } else if (kind->bit == WF_A_DATA_EXCHANGE) {
        count_exchange(c, at);
    }
    wf_check_members(c, &inner, at, value, kind->props);
}
