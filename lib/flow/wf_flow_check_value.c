/* Members of an object against its table, values against their property: rules 7, 10-16, 45, 84 and
 * 85, the same way for documents, screens, components, options and actions. */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

unsigned wf_check_type_bit(const wf_json_t *value)
{
    switch (wf_json_type(value)) {
    case WF_JSON_STRING:
        return WF_T_STR;
    case WF_JSON_NUMBER:
        return WF_T_NUM;
    case WF_JSON_BOOLEAN:
        return WF_T_BOOL;
    case WF_JSON_ARRAY:
        return WF_T_ARR;
    case WF_JSON_OBJECT:
        return WF_T_OBJ;
    default:
        return 0;
    }
}

int wf_check_means_true(const wf_json_t *value)
{
    const char *text = wf_json_str(value);

    return wf_json_bool(value) || (text && strcmp(text, "true") == 0);
}

static int is_blank(const char *text)
{
    while (*text && isspace((unsigned char)*text)) {
        text++;
    }
    return *text == '\0';
}

/* ---- names of members ---- */

/* "onClickAction" and "on_click_action" are what people write for "on-click-action". */
static int same_but_spelling(const char *a, const char *b)
{
    for (;;) {
        while (*a == '-' || *a == '_') {
            a++;
        }
        while (*b == '-' || *b == '_') {
            b++;
        }
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return 0;
        }
        if (!*a) {
            return 1;
        }
        a++;
        b++;
    }
}

static void report_unknown(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const char *key, const wf_prop_t *props)
{
    const wf_prop_t *p;

    for (p = props; p->name; p++) {
        if (same_but_spelling(key, p->name)) {
            wf_check_error(c, at, WFC_INVALID_PROPERTY_KEY,
                           "%s has no property %s: it is spelt \"%s\"", scope->what,
                           wf_check_quote(c, key), p->name);
            return;
        }
    }
    wf_check_error(c, at, WFC_INVALID_PROPERTY_KEY, "%s has no property %s", scope->what,
                   wf_check_quote(c, key));
}

static const char *version_text(const wf_check_t *c, int version)
{
    return apr_psprintf(c->tmp, "%d.%d", version / 100, version % 100);
}

/* Rules 8 and 84. */
static void check_known(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop)
{
    if (prop->since > c->version) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_KEY,
                       "\"%s\" of %s needs version %s or later; this flow is %s", prop->name,
                       scope->what, version_text(c, prop->since), version_text(c, c->version));
    }
    if (prop->until && c->version >= prop->until) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_KEY, "\"%s\" of %s is gone since version %s",
                       prop->name, scope->what, version_text(c, prop->until));
    }
    if (prop->flags & WF_P_UNDOCUMENTED) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_KEY, "\"%s\" is not a documented property of %s",
                      prop->name, scope->what);
    }
    /* Inside a Form, Meta's pages have init-values and error-messages instead; flows that mix
     * both ways are in use. */
    if ((prop->flags & WF_P_OUTSIDE_FORM) && scope->in_form) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_KEY,
                      "inside a Form use the Form's \"%s\" in place of \"%s\"",
                      strcmp(prop->name, "init-value") == 0 ? "init-values" : "error-messages",
                      prop->name);
    }
}

/* Rule 10. What a component's type asks for has Meta's other error name. */
static void check_required(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const wf_json_t *object, const wf_prop_t *prop)
{
    wf_check_code_t code = WFC_MISSING_REQUIRED_PROPERTY;

    if (!prop->required || prop->required > c->version || wf_json_has(object, prop->name)) {
        return;
    }
    if (strcmp(prop->name, "type") == 0 || (scope->component && !scope->action)) {
        code = WFC_MISSING_REQUIRED_TYPE_PROPERTY;
    }
    wf_check_report(c, prop->flags & WF_P_SOFT_REQUIRED ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                    code, "%s has no \"%s\", which it needs", scope->what, prop->name);
}

/* ---- static strings ---- */

static const char *value_list(const wf_check_t *c, const char *const *values)
{
    const char *text = "";

    for (; *values; values++) {
        text = apr_pstrcat(c->tmp, text, *text ? ", " : "", *values, NULL);
    }
    return text;
}

/* Rule 12; 13 for the layout, the only place outside components. */
static void check_enum(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                       const wf_prop_t *prop, const char *text)
{
    const char *const *v;

    for (v = prop->values; *v; v++) {
        if (strcmp(*v, text) == 0) {
            return;
        }
    }
    wf_check_error(c, at, scope->component ? WFC_INVALID_ENUM_VALUE : WFC_INVALID_PROPERTY_VALUE,
                   "%s is no value of \"%s\"; it must be one of: %s", wf_check_quote(c, text),
                   prop->name, value_list(c, prop->values));
}

/* Rule 85. Where the sources differ the smaller limit warns as well, and says so. */
static void check_length(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value)
{
    size_t chars = wf_utf8_count(wf_json_str(value), wf_json_str_len(value));
    wf_issue_level_t level = prop->flags & WF_P_HARD_LENGTH ? WF_ISSUE_ERROR : WF_ISSUE_WARNING;

    if (chars <= prop->chars) {
        return;
    }
    if (prop->chars_more && chars <= prop->chars_more) {
        wf_check_warn(c, at, WFC_MAX_CHARS_REQUIRED,
                      "\"%s\" of %s has %" APR_SIZE_T_FMT " characters; %" APR_SIZE_T_FMT
                      " are allowed, and some clients show only %" APR_SIZE_T_FMT,
                      prop->name, scope->what, chars, prop->chars_more, prop->chars);
        return;
    }
    wf_check_report(
        c, level, at, WFC_MAX_CHARS_REQUIRED,
        "\"%s\" of %s has %" APR_SIZE_T_FMT " characters; at most %" APR_SIZE_T_FMT " are allowed",
        prop->name, scope->what, chars, prop->chars_more ? prop->chars_more : prop->chars);
}

static void check_static_string(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                const wf_prop_t *prop, const wf_json_t *value)
{
    const char *text = wf_json_str(value);

    /* Empty names are refused since 4.0, blank texts since 6.0. */
    if ((prop->flags & WF_P_NOT_EMPTY) && !*text) {
        wf_check_report(c,
                        c->version < WF_FLOW_VERSION(4, 0) && scope->component ? WF_ISSUE_WARNING
                                                                               : WF_ISSUE_ERROR,
                        at, WFC_MIN_CHARS_REQUIRED, "\"%s\" of %s must not be empty", prop->name,
                        scope->what);
        return;
    }
    if ((prop->flags & WF_P_NOT_BLANK) && is_blank(text)) {
        wf_check_report(c, c->version < WF_FLOW_VERSION(6, 0) ? WF_ISSUE_WARNING : WF_ISSUE_ERROR,
                        at, WFC_PATTERN_MISMATCH, "\"%s\" of %s must not be blank", prop->name,
                        scope->what);
    }
    if (prop->values) {
        check_enum(c, scope, at, prop, text);
    }
    if (prop->chars) {
        check_length(c, scope, at, prop, value);
    }
}

/* ---- values ---- */

/* Texts may be lists of strings from 5.1 on. */
static unsigned allowed_types(const wf_check_t *c, const wf_prop_t *prop, unsigned types)
{
    if ((prop->flags & WF_P_TEXT_LIST) && c->version < WF_FLOW_VERSION(5, 1)) {
        types &= ~(unsigned)WF_T_ARR;
    }
    return types;
}

/* Rules 45 and 48, after the reference itself was found good. */
static void check_bound_type(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                             const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    unsigned allowed = allowed_types(c, prop, prop->refs);

    if (!ref->types || (ref->types & allowed)) {
        return;
    }
    wf_check_error(c, at,
                   prop->flags & WF_P_RICH ? WFC_INVALID_TEXT_DYNAMIC_DATA
                                           : WFC_INVALID_SCREEN_DYNAMIC_DATA,
                   "\"%s\" of %s needs %s, but %s is %s", prop->name, scope->what,
                   wf_check_types_text(c, allowed), wf_check_quote(c, wf_json_str(value)),
                   wf_check_types_text(c, ref->types));
}

static int is_number_text(const char *text)
{
    size_t digits;

    text += *text == '-';
    digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0';
}

/* Rule 11, and 14 where a reference would have been right too. Numbers in quotes are in use. */
static void report_type(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value)
{
    unsigned types = allowed_types(c, prop, prop->types);
    const char *text = wf_json_str(value);
    const char *expected = wf_check_types_text(c, types ? types : prop->refs);

    if (text && (types & WF_T_NUM) && is_number_text(text)) {
        wf_check_warn(c, at, WFC_PATTERN_MISMATCH, "\"%s\" of %s must be a number, without quotes",
                      prop->name, scope->what);
    } else if (text && prop->refs) {
        wf_check_error(c, at, WFC_PATTERN_MISMATCH,
                       "\"%s\" of %s must be %s%s or a reference such as \"${data.%s}\", not %s",
                       prop->name, scope->what, types ? "" : "a reference to ", expected,
                       prop->name, wf_check_quote(c, text));
    } else {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_TYPE, "\"%s\" of %s must be %s, not %s",
                       prop->name, scope->what, expected, wf_json_type_name(wf_json_type(value)));
    }
}

/* Rule 16. */
static void check_number(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value)
{
    double n = wf_json_number(value);

    if (n < prop->min) {
        wf_check_error(c, at, WFC_MINIMUM_VALUE_REQUIRED, "\"%s\" of %s must be at least %d",
                       prop->name, scope->what, prop->min);
    } else if (prop->max > prop->min && n > prop->max) {
        wf_check_error(c, at, WFC_MAXIMUM_VALUE_REQUIRED, "\"%s\" of %s must be at most %d",
                       prop->name, scope->what, prop->max);
    }
}

static void check_dynamic_value(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                const wf_prop_t *prop, const wf_json_t *value)
{
    wf_ref_t ref;

    if (!prop->refs) {
        wf_check_error(c, at, WFC_PATTERN_MISMATCH,
                       "\"%s\" of %s must be fixed; a reference or expression is not allowed here",
                       prop->name, scope->what);
        return;
    }
    /* Nothing is filled in where the reference leads nowhere: real flows live with that. */
    c->soft += prop->flags & WF_P_PREFILL ? 1 : 0;
    wf_check_dynamic(c, scope, at, value, &ref);
    c->soft -= prop->flags & WF_P_PREFILL ? 1 : 0;
    check_bound_type(c, scope, at, prop, value, &ref);
    if (prop->check) {
        prop->check(c, scope, at, prop, value, &ref);
    }
}

static void check_value(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value)
{
    unsigned bit = wf_check_type_bit(value);
    const char *text = wf_json_str(value);

    /* A condition is an expression through and through: its own check reads it. */
    if (text && prop->check != wf_check_condition &&
        wf_check_text_form(text, wf_json_str_len(value)) != WF_TEXT_STATIC) {
        check_dynamic_value(c, scope, at, prop, value);
        return;
    }
    if (prop->types != WF_T_ANY && !(bit & allowed_types(c, prop, prop->types))) {
        report_type(c, scope, at, prop, value);
        return;
    }
    if (text) {
        check_static_string(c, scope, at, prop, value);
    } else if (bit == WF_T_NUM) {
        check_number(c, scope, at, prop, value);
    }
    if (prop->check) {
        prop->check(c, scope, at, prop, value, NULL);
    }
}

void wf_check_members(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_json_t *object, const wf_prop_t *props)
{
    const wf_prop_t *p;

    for (wf_json_iter_t it = wf_json_iter(object); !wf_check_is_full(c) && wf_json_next(&it);) {
        wf_place_t member = wf_place_key(at, it.key);
        for (p = props; p->name && strcmp(p->name, it.key) != 0; p++) {
        }
        if (!p->name) {
            report_unknown(c, scope, &member, it.key, props);
            continue;
        }
        check_known(c, scope, &member, p);
        check_value(c, scope, &member, p, it.value);
    }
    for (p = props; p->name; p++) {
        check_required(c, scope, at, object, p);
    }
}
