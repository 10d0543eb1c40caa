/* Data models of screens: rules 41-43, 67 and 87, and the look-ups that other rules need. */
#include "flow/wf_flow_check_int.h"

#include <string.h>

/* JSON Schema's "integer" is no word of Flow JSON's; it is read as what it means. */
static unsigned type_of_name(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"string", WF_T_STR}, {"number", WF_T_NUM}, {"boolean", WF_T_BOOL},
                 {"array", WF_T_ARR},  {"object", WF_T_OBJ}, {"integer", WF_T_NUM}};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, name) == 0) {
            return names[i].bit;
        }
    }
    return 0;
}

unsigned wf_data_types(const wf_json_t *declaration)
{
    const char *name = wf_json_get_str(declaration, "type", NULL);
    unsigned types = name ? type_of_name(name) : 0;

    return types ? types : WF_T_ANY;
}

int wf_data_fits(const wf_json_t *declaration, const wf_json_t *value)
{
    const wf_json_t *items = wf_json_get(declaration, "items");
    const wf_json_t *properties = wf_json_get(declaration, "properties");
    size_t i, n = wf_json_len(value);

    if (!(wf_check_type_bit(value) & wf_data_types(declaration))) {
        return 0;
    }
    if (wf_json_type(value) == WF_JSON_ARRAY && wf_json_type(items) == WF_JSON_OBJECT) {
        for (i = 0; i < n; i++) {
            if (!wf_data_fits(items, wf_json_at(value, i))) {
                return 0;
            }
        }
    }
    if (wf_json_type(value) == WF_JSON_OBJECT && properties) {
        for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
            const wf_json_t *declared = wf_json_get(properties, it.key);
            if (declared && !wf_data_fits(declared, it.value)) {
                return 0;
            }
        }
    }
    return 1;
}

/* ---- following a path ---- */

wf_data_find_t wf_data_find(const wf_check_t *c, const wf_json_t **declaration,
                            const wf_json_t *model, const char *path)
{
    char *rest = apr_pstrdup(c->tmp, path);
    char *key = apr_strtok(rest, ".", &rest);
    const wf_json_t *at = key ? wf_json_get(model, key) : NULL;

    *declaration = at;
    if (!at) {
        return WF_DATA_UNKNOWN;
    }
    while ((key = apr_strtok(NULL, ".", &rest))) {
        const wf_json_t *properties = wf_json_get(at, "properties");
        *declaration = NULL;
        if (wf_data_types(at) == WF_T_ARR) {
            return WF_DATA_IN_ARRAY;
        }
        if (wf_json_type(properties) != WF_JSON_OBJECT) {
            return wf_data_types(at) & WF_T_OBJ ? WF_DATA_OPEN : WF_DATA_UNKNOWN;
        }
        at = wf_json_get(properties, key);
        if (!at) {
            return WF_DATA_UNKNOWN;
        }
        *declaration = at;
    }
    return WF_DATA_FOUND;
}

/* ---- checking a model ---- */

static void check_declaration(wf_check_t *c, const wf_place_t *at, const wf_json_t *declaration,
                              int top);

/* Rule 42. An array that does not say what it holds is refused. Real flows (7.3 included) do
 * without where the example shows it, or where the endpoint's answer will; a component that shows
 * the list asks for more (rule 46). */
static void check_items(wf_check_t *c, const wf_place_t *at, const wf_json_t *declaration)
{
    const wf_json_t *items = wf_json_get(declaration, "items");
    wf_place_t place = wf_place_key(at, "items");

    if (!items) {
        int shown = c->has_api || wf_json_len(wf_json_get(declaration, "__example__")) > 0;
        wf_check_report(c, shown ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at, WFC_INVALID_SCREEN_DATA,
                        "an array must declare its elements: add \"items\", for example "
                        "{\"type\": \"string\"}");
    } else if (wf_json_type(items) == WF_JSON_OBJECT) {
        check_declaration(c, &place, items, 0);
    } else if (wf_json_type(items) != WF_JSON_BOOLEAN) {
        wf_check_error(c, &place, WFC_INVALID_SCREEN_DATA,
                       "\"items\" is %s; it must be an object that declares the elements",
                       wf_json_type_name(wf_json_type(items)));
    }
}

static void check_properties(wf_check_t *c, const wf_place_t *at, const wf_json_t *declaration)
{
    const wf_json_t *properties = wf_json_get(declaration, "properties");
    wf_place_t place = wf_place_key(at, "properties");

    if (!properties) {
        return;
    }
    if (wf_json_type(properties) != WF_JSON_OBJECT) {
        wf_check_error(c, &place, WFC_INVALID_SCREEN_DATA,
                       "\"properties\" is %s; it must be an object of declarations",
                       wf_json_type_name(wf_json_type(properties)));
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(properties); wf_json_next(&it);) {
        wf_place_t member = wf_place_key(&place, it.key);
        if (strcmp(it.key, "__example__") == 0) {
            wf_check_error(c, &member, WFC_INVALID_SCREEN_DATA,
                           "\"__example__\" belongs to the top level of a data model only");
        } else {
            check_declaration(c, &member, it.value, 0);
        }
    }
}

/* Rule 43, and 87 for nulls. */
static void check_example(wf_check_t *c, const wf_place_t *at, const wf_json_t *declaration,
                          int top)
{
    const wf_json_t *example = wf_json_get(declaration, "__example__");
    wf_place_t place = wf_place_key(at, "__example__");

    if (!top) {
        if (example) {
            wf_check_error(c, &place, WFC_INVALID_SCREEN_DATA,
                           "\"__example__\" belongs to the top level of a data model only");
        }
        return;
    }
    if (!example) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DATA,
                       "\"__example__\" is missing: every key of a data model needs one");
        return;
    }
    if (wf_json_has_null(example)) {
        wf_check_warn(c, &place, WFC_INVALID_SCREEN_DATA,
                      "null is no value of Flow JSON: leave the member out or use an empty one");
    }
    if (wf_json_type(example) == WF_JSON_NULL) {
        return;
    }
    if (!(wf_check_type_bit(example) & wf_data_types(declaration))) {
        wf_check_error(c, &place, WFC_INVALID_SCREEN_DATA,
                       "\"__example__\" is %s, but the declared type is %s",
                       wf_json_type_name(wf_json_type(example)),
                       wf_check_types_text(c, wf_data_types(declaration)));
    } else if (!wf_data_fits(declaration, example) && !wf_json_has_null(example)) {
        wf_check_warn(c, &place, WFC_INVALID_SCREEN_DATA,
                      "\"__example__\" holds a value of another type than its \"items\" or "
                      "\"properties\" declare");
    }
}

static void check_declaration(wf_check_t *c, const wf_place_t *at, const wf_json_t *declaration,
                              int top)
{
    const wf_json_t *type = wf_json_get(declaration, "type");
    const char *name = wf_json_str(type);
    wf_place_t type_place = wf_place_key(at, "type");

    if (wf_json_type(declaration) != WF_JSON_OBJECT) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DATA,
                       "a data model declares its keys: {\"type\": ..., \"__example__\": ...} is "
                       "expected here, not %s",
                       wf_json_type_name(wf_json_type(declaration)));
        return;
    }
    if (!type) {
        wf_check_error(c, at, WFC_INVALID_SCREEN_DATA,
                       "\"type\" is missing: string, number, boolean, object or array");
    } else if (!name) {
        wf_check_error(c, &type_place, WFC_INVALID_SCREEN_DATA,
                       "\"type\" must be a string: string, number, boolean, object or array");
    } else if (!type_of_name(name)) {
        wf_check_error(c, &type_place, WFC_INVALID_SCREEN_DATA,
                       "type %s is unknown: use string, number, boolean, object or array",
                       wf_check_quote(c, name));
    } else if (strcmp(name, "array") == 0) {
        check_items(c, at, declaration);
    } else if (strcmp(name, "integer") == 0) {
        wf_check_warn(c, &type_place, WFC_INVALID_SCREEN_DATA,
                      "type \"integer\" is not of Flow JSON: use \"number\"");
    }
    check_properties(c, at, declaration);
    check_example(c, at, declaration, top);
}

void wf_check_data_model(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    (void)scope;
    (void)prop;
    (void)ref;
    for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
        wf_place_t member = wf_place_key(at, it.key);
        if (strcmp(it.key, "error_message") == 0 ||
            strcmp(it.key, "extension_message_response") == 0) {
            wf_check_warn(c, &member, WFC_INVALID_SCREEN_DATA,
                          "WhatsApp takes \"%s\" out of an endpoint's answer, so this key never "
                          "has a value from there: choose another name",
                          it.key);
        }
        check_declaration(c, &member, it.value, 1);
    }
}
