/* References ${...} and what stands around them: rules 14, 44, 47, 49, 50, 59, 60. */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

/* ---- form ---- */

/* "data.a.b": words of letters, digits, _ - and anything beyond ASCII, with single dots between. */
static int is_path(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)text[i];
        if (ch == '.' ? (i == 0 || i + 1 == len || text[i - 1] == '.')
                      : !(isalnum(ch) || ch == '_' || ch == '-' || ch >= 0x80)) {
            return 0;
        }
    }
    return len > 0;
}

static const char *find_open(const char *text, size_t len)
{
    const char *p = text;
    const char *end = text + len;

    while ((p = memchr(p, '$', (size_t)(end - p))) && p + 1 < end) {
        if (p[1] == '{') {
            return p;
        }
        p++;
    }
    return NULL;
}

wf_text_form_t wf_check_text_form(const char *text, size_t len)
{
    const char *open = find_open(text, len);
    const char *close;

    if (len >= 2 && text[0] == '`' && text[len - 1] == '`') {
        return WF_TEXT_BACKTICK;
    }
    if (!open) {
        return WF_TEXT_STATIC;
    }
    if (open != text) {
        return WF_TEXT_MIXED;
    }
    close = memchr(text, '}', len);
    if (close && close != text + len - 1) {
        return WF_TEXT_MIXED;
    }
    if (close && is_path(text + 2, len - 3)) {
        return WF_TEXT_REF;
    }
    return WF_TEXT_BRACED;
}

/* ---- where a path leads ---- */

/* The error name of a broken ${data...} or ${form...}: Meta has one for each place it stands in. */
static wf_check_code_t broken_code(const wf_scope_t *scope)
{
    switch (scope->action) {
    case WF_A_NAVIGATE:
    case WF_A_DATA_EXCHANGE:
    case WF_A_COMPLETE:
        return WFC_INVALID_ON_CLICK_ACTION_PAYLOAD;
    case WF_A_UPDATE_DATA:
        return WFC_INVALID_UPDATE_DATA_ACTION_PAYLOAD;
    default:
        return WFC_INVALID_SCREEN_DYNAMIC_DATA;
    }
}

/* Rules 44, 60 and the last part of 47. */
static void resolve_data(wf_check_t *c, const wf_place_t *at, wf_check_code_t code,
                         const wf_screen_t *screen, const char *path, wf_ref_t *out)
{
    switch (wf_data_find(c, &out->declared, screen->data, path)) {
    case WF_DATA_FOUND:
        out->types = wf_data_types(out->declared);
        break;
    case WF_DATA_OPEN:
        wf_check_warn(c, at, code,
                      "%s: the data model of screen %s does not say what this object holds; "
                      "declare its \"properties\"",
                      wf_check_quote(c, path), wf_check_quote(c, screen->id ? screen->id : ""));
        out->types = WF_T_ANY;
        break;
    case WF_DATA_IN_ARRAY:
        wf_check_error(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA,
                       "%s goes through an array: its elements have no names",
                       wf_check_quote(c, path));
        break;
    default:
        wf_check_error(c, at, code, "%s is not declared in the data model of screen %s",
                       wf_check_quote(c, path), wf_check_quote(c, screen->id ? screen->id : ""));
        break;
    }
}

static unsigned input_types(const wf_input_t *input)
{
    const char *mode = wf_json_get_str(input->json, "mode", "single");

    if (strcmp(input->kind->type, "TextInput") == 0 &&
        strcmp(wf_json_get_str(input->json, "input-type", "text"), "number") == 0) {
        return WF_T_STR | WF_T_NUM;
    }
    if (strcmp(input->kind->type, "CalendarPicker") == 0) {
        return strcmp(mode, "single") == 0  ? WF_T_STR
               : strcmp(mode, "range") == 0 ? WF_T_OBJ
                                            : WF_T_STR | WF_T_OBJ;
    }
    return input->kind->value;
}

/* Rule 59. */
static void resolve_form(wf_check_t *c, const wf_place_t *at, wf_check_code_t code,
                         const wf_screen_t *screen, const char *path, wf_ref_t *out)
{
    const char *dot = strchr(path, '.');
    const char *name = dot ? apr_pstrmemdup(c->tmp, path, (size_t)(dot - path)) : path;
    const wf_input_t *input = apr_hash_get(screen->inputs, name, APR_HASH_KEY_STRING);

    if (!input && screen->form_name && strcmp(screen->form_name, name) == 0) {
        wf_check_error(c, at, code, "%s is the Form itself; name one of its inputs",
                       wf_check_quote(c, name));
        return;
    }
    if (!input) {
        wf_check_error(c, at, code, "screen %s has no input named %s",
                       wf_check_quote(c, screen->id ? screen->id : ""), wf_check_quote(c, name));
        return;
    }
    out->input = input;
    out->types = input_types(input);
    if (dot && (out->types & WF_T_OBJ) &&
        (strcmp(dot, ".start-date") == 0 || strcmp(dot, ".end-date") == 0)) {
        out->types = WF_T_STR;
    } else if (dot) {
        out->types = 0;
        wf_check_error(c, at, code, "the value of %s has no part %s", wf_check_quote(c, name),
                       wf_check_quote(c, dot + 1));
    }
}

/* ${screen.ID.name}, without .data or .form between, is in use in real flows; it is read as what it
 * must mean where only one thing can be meant. */
static void resolve_short_form(wf_check_t *c, const wf_place_t *at, const wf_screen_t *screen,
                               const char *name, wf_ref_t *out)
{
    const wf_input_t *input = apr_hash_get(screen->inputs, name, APR_HASH_KEY_STRING);
    const wf_json_t *declared = wf_json_get(screen->data, name);

    if (!input && !declared) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA,
                       "%s must be followed by .data or .form and a name of that screen",
                       wf_check_quote(c, screen->id));
        return;
    }
    wf_check_warn(c, at, WFC_PATTERN_MISMATCH, "write ${screen.%s.%s.%s}",
                  wf_check_shorten(c, screen->id), input ? "form" : "data",
                  wf_check_shorten(c, name));
    out->input = input;
    out->declared = declared;
    out->types = input ? input_types(input) : wf_data_types(declared);
}

/* Rule 47. `path` is what follows "screen.". */
static void resolve_screen(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const char *path, wf_ref_t *out)
{
    const char *dot = strchr(path, '.');
    const char *id = dot ? apr_pstrmemdup(c->tmp, path, (size_t)(dot - path)) : path;
    const wf_screen_t *screen = apr_hash_get(c->by_id, id, APR_HASH_KEY_STRING);

    if (c->version < WF_FLOW_VERSION(4, 0)) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE,
                       "${screen...} needs version 4.0 or later; this flow is %d.%d",
                       c->version / 100, c->version % 100);
        out->types = WF_T_ANY;
    } else if (!screen) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA, "there is no screen %s",
                       wf_check_quote(c, id));
    } else if (!dot) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA,
                       "%s must be followed by .data or .form and a name of that screen",
                       wf_check_quote(c, id));
    } else {
        if (screen == scope->screen) {
            wf_check_error(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA,
                           "%s is this screen: write ${data...} or ${form...}",
                           wf_check_quote(c, id));
        }
        if (strncmp(dot, ".data.", 6) == 0) {
            resolve_data(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA, screen, dot + 6, out);
        } else if (strncmp(dot, ".form.", 6) == 0) {
            resolve_form(c, at, WFC_INVALID_SCREEN_DYNAMIC_DATA, screen, dot + 6, out);
        } else {
            resolve_short_form(c, at, screen, dot + 1, out);
        }
    }
}

/* Of what looks like a reference and is none: rule 58 for payloads, 14 elsewhere. */
static wf_check_code_t malformed_code(const wf_check_t *c, const wf_scope_t *scope)
{
    if (!scope->action || scope->action == WF_A_OPEN_URL) {
        return WFC_PATTERN_MISMATCH;
    }
    if (c->version >= WF_FLOW_VERSION(6, 0)) {
        return WFC_INVALID_ACTION_PAYLOAD_PROPERTY;
    }
    return scope->action == WF_A_NAVIGATE ? WFC_INVALID_NAVIGATE_ACTION_STATIC_DATA
                                          : WFC_PATTERN_MISMATCH;
}

static void resolve(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at, const char *path,
                    size_t len, wf_ref_t *out)
{
    const char *text = apr_pstrmemdup(c->tmp, path, len);

    memset(out, 0, sizeof(*out));
    if (is_path(path, len) && scope->screen) {
        if (strncmp(text, "data.", 5) == 0) {
            resolve_data(c, at, broken_code(scope), scope->screen, text + 5, out);
            return;
        }
        if (strncmp(text, "form.", 5) == 0) {
            resolve_form(c, at, broken_code(scope), scope->screen, text + 5, out);
            return;
        }
        if (strncmp(text, "screen.", 7) == 0) {
            resolve_screen(c, scope, at, text + 7, out);
            return;
        }
    }
    wf_check_error(c, at, malformed_code(c, scope),
                   "%s is no reference: it must be ${data.key}, ${form.name} or "
                   "${screen.ID.data.key}",
                   wf_check_quote(c, apr_pstrcat(c->tmp, "${", text, "}", NULL)));
}

/* ---- expressions ---- */

typedef struct {
    wf_check_t *c;
    const wf_scope_t *scope;
    const wf_place_t *at;
    wf_check_code_t code; /* of mistakes in the expression itself */
} host_t;

static unsigned on_path(void *baton, const char *path, size_t len)
{
    host_t *host = baton;
    wf_ref_t ref;

    resolve(host->c, host->scope, host->at, path, len, &ref);
    return ref.types;
}

/* A bare word where a reference belongs: "name == 'x'" for "${form.name} == 'x'", or a whole path
 * inside ${ }. Real flows of 7.3 have both. */
static unsigned on_word(void *baton, const char *word, size_t len)
{
    host_t *host = baton;
    const char *name = apr_pstrmemdup(host->c->tmp, word, len);
    wf_screen_t *screen = host->scope->screen;
    const wf_input_t *input;
    const wf_json_t *declared;

    if (!screen) {
        return 0;
    }
    if (strncmp(name, "data.", 5) == 0 || strncmp(name, "form.", 5) == 0 ||
        strncmp(name, "screen.", 7) == 0) {
        unsigned types = on_path(baton, word, len);
        return types ? types : WF_T_ANY;
    }
    input = apr_hash_get(screen->inputs, name, APR_HASH_KEY_STRING);
    declared = wf_json_get(screen->data, name);
    if (!input && !declared) {
        return 0;
    }
    wf_check_warn(host->c, host->at, host->code, "a bare name stands for nothing: write ${%s.%s}",
                  input ? "form" : "data", wf_check_shorten(host->c, name));
    return input ? input_types(input) : wf_data_types(declared);
}

static void on_problem(void *baton, wf_issue_level_t level, const char *text)
{
    host_t *host = baton;

    wf_check_report(host->c, level, host->at, host->code, "expression: %s", text);
}

static unsigned check_expression(host_t *host, wf_expr_form_t form, const char *text, size_t len)
{
    const wf_expr_host_t callbacks = {on_path, on_word, on_problem, host};

    return wf_expr_check(host->c->tmp, &callbacks, form, text, len);
}

/* Of mistakes in an expression: rule 58 for payloads, 50 elsewhere. Expressions came with 6.0. */
static wf_check_code_t expression_code(const wf_scope_t *scope)
{
    return scope->action && scope->action != WF_A_OPEN_URL ? WFC_INVALID_ACTION_PAYLOAD_PROPERTY
                                                           : WFC_INVALID_PROPERTY_VALUE;
}

/* ---- strings that are not static ---- */

/* Before 6.0 a backtick is a character like any other; a reference between two of them shows that
 * an expression was meant (rule 49). */
static unsigned check_backtick(wf_check_t *c, host_t *host, const char *text, size_t len)
{
    unsigned types;

    if (c->version >= WF_FLOW_VERSION(6, 0)) {
        types = check_expression(host, WF_EXPR_BACKTICK, text + 1, len - 2);
        return types == WF_T_NUM ? WF_T_NUM | WF_T_STR : types; /* a sum can be shown as text */
    }
    if (find_open(text, len)) {
        wf_check_error(c, host->at, WFC_INVALID_PROPERTY_VALUE,
                       "an expression in backticks needs version 6.0 or later; this flow is %d.%d",
                       c->version / 100, c->version % 100);
    }
    return WF_T_STR;
}

/* Meta shows such text as it is, or refuses it before 6.0; flows with it are published all the
 * same, so it only warns. */
static void check_mixed(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const char *text, size_t len)
{
    const char *end = text + len;
    const char *open, *close;
    wf_ref_t ref;

    wf_check_warn(c, at, WFC_PATTERN_MISMATCH, "a reference inside a text is not replaced; %s",
                  c->version >= WF_FLOW_VERSION(6, 0)
                      ? "write an expression: `'Hello ' ${data.name}`"
                      : "make the whole text one reference");
    c->soft++;
    while ((open = find_open(text, (size_t)(end - text)))) {
        close = memchr(open, '}', (size_t)(end - open));
        if (!close) {
            break;
        }
        resolve(c, scope, at, open + 2, (size_t)(close - open) - 2, &ref);
        text = close + 1;
    }
    c->soft--;
}

static unsigned check_braced(wf_check_t *c, host_t *host, const char *text, size_t len)
{
    int errors = c->out->errors;
    unsigned types;

    host->code = malformed_code(c, host->scope);
    if (text[len - 1] != '}') {
        wf_check_error(c, host->at, host->code, "%s is not closed: \"}\" is missing",
                       wf_check_quote(c, text));
        return 0;
    }
    types = check_expression(host, WF_EXPR_BRACED, text + 2, len - 3);
    if (types && c->out->errors == errors) {
        wf_check_warn(c, host->at, host->code,
                      "an expression belongs between backticks, with ${} round its references "
                      "only");
    }
    return types;
}

void wf_check_dynamic(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_json_t *value, wf_ref_t *out)
{
    const char *text = wf_json_str(value);
    size_t len = wf_json_str_len(value);
    host_t host = {c, scope, at, expression_code(scope)};

    memset(out, 0, sizeof(*out));
    switch (wf_check_text_form(text, len)) {
    case WF_TEXT_REF:
        resolve(c, scope, at, text + 2, len - 3, out);
        break;
    case WF_TEXT_BACKTICK:
        out->types = check_backtick(c, &host, text, len);
        break;
    case WF_TEXT_BRACED:
        out->types = check_braced(c, &host, text, len);
        break;
    case WF_TEXT_MIXED:
        check_mixed(c, scope, at, text, len);
        out->types = WF_T_STR;
        break;
    case WF_TEXT_STATIC:
        out->types = WF_T_STR;
        break;
    }
}

void wf_check_condition(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const char *text = wf_json_str(value);
    size_t len = wf_json_str_len(value);
    host_t host = {c, scope, at, WFC_INVALID_PROPERTY_VALUE};
    unsigned types;

    (void)prop;
    (void)ref;
    switch (wf_check_text_form(text, len)) {
    case WF_TEXT_BACKTICK:
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_VALUE,
                      "a condition is written without backticks");
        types = check_backtick(c, &host, text, len);
        break;
    case WF_TEXT_BRACED:
        types = check_braced(c, &host, text, len);
        break;
    default:
        types = check_expression(&host, WF_EXPR_CONDITION, text, len);
        break;
    }
    if (types && !(types & WF_T_BOOL)) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE,
                       "a condition must be true or false, but %s is %s", wf_check_quote(c, text),
                       wf_check_types_text(c, types));
    }
}
