/* One component after the other: rules 10-16 and 84 by its table, and the rules that tie its
 * members together: 76, 77, 80-82. */
#include "flow/wf_flow_check_int.h"

#include <string.h>

/* ---- members that belong together ---- */

/* A static number, or one in quotes; a limit that is not there has none. */
static int number_of(int64_t *out, const wf_json_t *component, const char *key)
{
    const wf_json_t *value = wf_json_get(component, key);
    const char *text = wf_json_str(value);

    *out = wf_json_int(value);
    return wf_json_type(value) == WF_JSON_NUMBER ||
           (text && wf_parse_int(out, text, INT32_MIN, INT32_MAX));
}

/* Rule 77. */
static void check_min_max(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                          const wf_json_t *component)
{
    static const struct {
        const char *min, *max;
    } pairs[] = {
        {"min-chars", "max-chars"},
        {"min-selected-items", "max-selected-items"},
        {"min-uploaded-photos", "max-uploaded-photos"},
        {"min-uploaded-documents", "max-uploaded-documents"},
        {"min-days", "max-days"},
    };
    size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int64_t min, max;
        if (number_of(&min, component, pairs[i].min) && number_of(&max, component, pairs[i].max) &&
            min > max) {
            wf_place_t place = wf_place_key(at, pairs[i].min);
            wf_check_error(c, &place, WFC_MIN_VALUE_GREATER_THAN_MAX,
                           "\"%s\" of %s is greater than \"%s\"", pairs[i].min, scope->what,
                           pairs[i].max);
        }
    }
}

/* Rule 76. */
static void check_footer(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_json_t *component)
{
    int left = wf_json_has(component, "left-caption");
    int right = wf_json_has(component, "right-caption");
    int center = wf_json_has(component, "center-caption");

    (void)scope;
    if (center && (left || right)) {
        wf_check_error(c, at, WFC_NOT_KEYWORD_SCHEMA_VALIDATION_FAILED,
                       "a Footer has a \"center-caption\" or captions on both sides, not both");
    } else if (left != right) {
        wf_check_error(c, at, WFC_INVALID_DEPENDENCIES, "\"%s\" needs \"%s\" beside it",
                       left ? "left-caption" : "right-caption",
                       left ? "right-caption" : "left-caption");
    }
}

/* A pattern that any text fulfils has nothing to explain. */
static int pattern_takes_all(const char *pattern)
{
    static const char *const all[] = {".*", ".+", "^.*$", "^.+$"};
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(pattern, all[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Rule 80, and the input types that a pattern goes with. */
static void check_text_input(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                             const wf_json_t *component)
{
    const char *pattern = wf_json_get_str(component, "pattern", NULL);
    const char *type = wf_json_get_str(component, "input-type", "text");
    wf_place_t place = wf_place_key(at, "pattern");

    (void)scope;
    if (!pattern) {
        return;
    }
    if (!wf_json_has(component, "helper-text")) {
        wf_check_report(c, pattern_takes_all(pattern) ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                        WFC_MISSING_REQUIRED_PROPERTY,
                        "\"pattern\" needs a \"helper-text\" that says what to write");
    }
    if (strcmp(type, "email") == 0 || strcmp(type, "phone") == 0) {
        wf_check_warn(c, &place, WFC_INVALID_PROPERTY_VALUE,
                      "\"pattern\" goes with input types text, number, password and passcode");
    }
}

static void check_date_picker(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                              const wf_json_t *component)
{
    if (strcmp(scope->kind->type, "CalendarPicker") == 0) {
        wf_check_calendar_mode(c, scope, at, component);
    }
    wf_check_date_limits(c, scope, at, component);
}

/* Rule 84: a list leads on, so it cannot end the flow. */
static void check_navigation_list(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                  const wf_json_t *component)
{
    (void)component;
    if (scope->screen->terminal) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_KEY,
                       "a NavigationList cannot stand on a terminal screen");
    }
}

typedef void whole_check_fn(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                            const wf_json_t *component);

static const struct {
    const char *type;
    whole_check_fn *check;
} whole_checks[] = {
    {"Footer", check_footer},
    {"TextInput", check_text_input},
    {"DatePicker", check_date_picker},
    {"CalendarPicker", check_date_picker},
    {"NavigationList", check_navigation_list},
};

/* ---- a component ---- */

/* Rules 10, 11, 13, 84 for the type itself. */
static const wf_component_t *kind_of(wf_check_t *c, const wf_place_t *at,
                                     const wf_json_t *component)
{
    const wf_json_t *type = wf_json_get(component, "type");
    const char *name = wf_json_str(type);
    wf_place_t place = wf_place_key(at, "type");
    const wf_component_t *kind;

    if (wf_json_type(component) != WF_JSON_OBJECT) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_TYPE, "a component must be an object, not %s",
                       wf_json_type_name(wf_json_type(component)));
        return NULL;
    }
    if (!type) {
        wf_check_error(c, at, WFC_MISSING_REQUIRED_TYPE_PROPERTY,
                       "a component needs a \"type\", for example \"TextBody\"");
        return NULL;
    }
    if (!name) {
        wf_check_error(c, &place, WFC_INVALID_PROPERTY_TYPE, "\"type\" must be a string, not %s",
                       wf_json_type_name(wf_json_type(type)));
        return NULL;
    }
    kind = wf_component_find(name);
    if (!kind) {
        wf_check_error(c, &place, WFC_INVALID_PROPERTY_VALUE,
                       "there is no component %s in Flow JSON", wf_check_quote(c, name));
    } else if (kind->since > c->version) {
        wf_check_error(c, &place, WFC_INVALID_PROPERTY_KEY,
                       "%s needs version %d.%d or later; this flow is %d.%d", name,
                       kind->since / 100, kind->since % 100, c->version / 100, c->version % 100);
    }
    return kind;
}

void wf_check_component(wf_check_t *c, const wf_scope_t *outer, const wf_place_t *at,
                        const wf_json_t *component)
{
    wf_scope_t scope = *outer;
    size_t i;

    scope.kind = kind_of(c, at, component);
    if (!scope.kind) {
        return;
    }
    scope.component = component;
    scope.what = scope.kind->type;
    wf_check_members(c, &scope, at, component, scope.kind->props);
    check_min_max(c, &scope, at, component);
    for (i = 0; i < sizeof(whole_checks) / sizeof(whole_checks[0]); i++) {
        if (strcmp(whole_checks[i].type, scope.kind->type) == 0) {
            whole_checks[i].check(c, &scope, at, component);
        }
    }
}

/* ---- components that hold others ---- */

/* Rule 71 for then; sources differ on else. */
static void report_empty(wf_check_t *c, const wf_place_t *at, const wf_prop_t *prop)
{
    if (strcmp(prop->name, "then") == 0) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE, "\"then\" of an If must not be empty");
    } else if (strcmp(prop->name, "else") == 0) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_VALUE,
                      "leave \"else\" out where there is nothing in it");
    } else {
        wf_check_error(c, at, WFC_MIN_ITEMS_REQUIRED, "\"children\" needs one component at least");
    }
}

static void check_each(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                       const wf_json_t *list)
{
    size_t i, n = wf_json_len(list);

    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        wf_check_component(c, scope, &place, wf_json_at(list, i));
    }
}

void wf_check_children(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                       const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    wf_scope_t inner = *scope;

    (void)ref;
    if (wf_json_len(value) == 0) {
        report_empty(c, at, prop);
    }
    if (scope->kind && strcmp(scope->kind->type, "Form") == 0) {
        inner.in_form = 1;
    }
    check_each(c, &inner, at, value);
}

/* Rule 71. */
void wf_check_cases(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                    const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    (void)prop;
    (void)ref;
    if (wf_json_len(value) == 0) {
        wf_check_error(c, at, WFC_EMPTY_SWITCH_CASES, "a Switch needs one case at least");
    }
    for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
        wf_place_t place = wf_place_key(at, it.key);
        if (wf_json_type(it.value) != WF_JSON_ARRAY) {
            wf_check_error(c, &place, WFC_INVALID_PROPERTY_TYPE,
                           "a case must be an array of components, not %s",
                           wf_json_type_name(wf_json_type(it.value)));
        }
        check_each(c, scope, &place, it.value);
    }
}

/* Rules 13 and 15. */
void wf_check_layout(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                     const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    wf_scope_t inner = *scope;

    (void)prop;
    (void)ref;
    if (wf_json_type(value) != WF_JSON_OBJECT) {
        wf_check_error(
            c, at, WFC_INVALID_PROPERTY_VALUE,
            "a layout is {\"type\": \"SingleColumnLayout\", \"children\": [...]}, not %s",
            wf_json_type_name(wf_json_type(value)));
        return;
    }
    inner.what = "the layout";
    if (!wf_json_has(value, "children")) {
        wf_check_error(c, at, WFC_MIN_ITEMS_REQUIRED, "the layout has no \"children\"");
    }
    wf_check_members(c, &inner, at, value, wf_props_layout);
}

/* ---- values of a Form ---- */

/* Types Meta takes for the first value of an input; a number in a text is forgiven by clients. */
static unsigned init_types(const wf_input_t *input)
{
    return strcmp(input->kind->type, "TextInput") == 0 ? WF_T_STR | WF_T_NUM : input->kind->value;
}

/* One member of init-values or error-messages: its types, 0 if that was reported. */
static unsigned member_types(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                             const wf_json_t *value)
{
    const char *text = wf_json_str(value);
    wf_ref_t ref;

    if (!text || wf_check_text_form(text, wf_json_str_len(value)) == WF_TEXT_STATIC) {
        return wf_check_type_bit(value);
    }
    wf_check_dynamic(c, scope, at, value, &ref);
    return ref.types ? ref.types : WF_T_ANY;
}

/* Rules 81 and 82. The types are checked since 7.0. */
static void check_form_values(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                              const wf_json_t *value, int messages)
{
    wf_issue_level_t level =
        c->version >= WF_FLOW_VERSION(7, 0) ? WF_ISSUE_ERROR : WF_ISSUE_WARNING;

    for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
        wf_place_t place = wf_place_key(at, it.key);
        const wf_input_t *input = apr_hash_get(scope->screen->inputs, it.key, APR_HASH_KEY_STRING);
        unsigned types = member_types(c, scope, &place, it.value);
        unsigned allowed = !input || messages ? WF_T_STR : init_types(input);
        if (!input) {
            wf_check_report(c, level, &place, WFC_INVALID_PROPERTY_VALUE,
                            "this screen has no input named %s", wf_check_quote(c, it.key));
        } else if (!messages && (input->kind->flags & WF_C_PICKER)) {
            wf_check_error(c, &place, WFC_NATIVE_COMPONENT_IN_FORM_INIT_VALUES,
                           "a %s cannot have a first value", input->kind->type);
        } else if (!(types & allowed)) {
            wf_check_report(c, level, &place, WFC_INVALID_PROPERTY_VALUE,
                            "the value for %s must be %s, not %s", wf_check_quote(c, it.key),
                            wf_check_types_text(c, allowed), wf_check_types_text(c, types));
        }
    }
}

void wf_check_init_values(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                          const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    (void)prop;
    if (!ref) {
        check_form_values(c, scope, at, value, 0);
    }
}

void wf_check_error_messages(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                             const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    (void)prop;
    if (!ref) {
        check_form_values(c, scope, at, value, 1);
    }
}

/* ---- lists of strings ---- */

void wf_check_string_items(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = ref ? 0 : wf_json_len(value);

    if (!ref && wf_json_type(value) == WF_JSON_ARRAY && n == 0) {
        wf_check_error(c, at, WFC_MIN_ITEMS_REQUIRED, "\"%s\" of %s must not be empty", prop->name,
                       scope->what);
    }
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        const wf_json_t *item = wf_json_at(value, i);
        if (!wf_json_str(item)) {
            wf_check_error(c, &place, WFC_INVALID_PROPERTY_TYPE,
                           "\"%s\" of %s holds strings, not %s", prop->name, scope->what,
                           wf_json_type_name(wf_json_type(item)));
        } else {
            member_types(c, scope, &place, item);
        }
    }
}

void wf_check_mime_types(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = ref ? 0 : wf_json_len(value);

    (void)prop;
    for (i = 0; i < n; i++) {
        const char *type = wf_json_str(wf_json_at(value, i));
        wf_place_t place = wf_place_index(at, i);
        if (!type || !wf_mime_type_is(type)) {
            wf_check_error(c, &place, WFC_INVALID_ENUM_VALUE,
                           "%s is no type of file that %s takes, such as application/pdf",
                           type ? wf_check_quote(c, type) : "this", scope->what);
        }
    }
}
