/* The data model of a screen: what a declaration allows (WHATSAPP.md 2.4, 1.13). */
#include "flow/wf_engine_int.h"

#include <string.h>

/* Where a value stands; the text of it is made only when something is wrong there. */
typedef struct place_t {
    const struct place_t *up;
    const char *key; /* NULL: an element, at `index` */
    size_t index;
} place_t;

static const char *place_text(apr_pool_t *pool, const place_t *place)
{
    const char *above = place->up ? place_text(pool, place->up) : "";

    if (!place->key) {
        return apr_psprintf(pool, "%s[%" APR_SIZE_T_FMT "]", above, place->index);
    }
    return apr_pstrcat(pool, above, place->up ? "." : "", place->key, NULL);
}

wf_json_type_t wf_data_type(const wf_json_t *declaration)
{
    static const struct {
        const char *name;
        wf_json_type_t type;
    } types[] = {{"string", WF_JSON_STRING},  {"number", WF_JSON_NUMBER},
                 {"integer", WF_JSON_NUMBER}, {"boolean", WF_JSON_BOOLEAN},
                 {"object", WF_JSON_OBJECT},  {"array", WF_JSON_ARRAY}};
    const char *name = wf_json_str(declaration);
    size_t i;

    name = name ? name : wf_json_get_str(declaration, "type", "");

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].type;
        }
    }
    return WF_JSON_ABSENT;
}

static const char *misfit(apr_pool_t *pool, const place_t *place, const wf_json_t *declaration,
                          const wf_json_t *value)
{
    wf_json_type_t want = wf_data_type(declaration), have = wf_json_type(value);
    const wf_json_t *properties = wf_json_get(declaration, "properties");
    const wf_json_t *items = wf_json_get(declaration, "items");
    const char *fault = NULL;

    if (want != WF_JSON_ABSENT && have != want) {
        return apr_psprintf(pool, "%s is %s where the screen declares %s", place_text(pool, place),
                            wf_json_type_name(have), wf_json_type_name(want));
    }
    /* A nested member may be left out (WHATSAPP.md 1.13), an undeclared one is left alone. */
    if (have == WF_JSON_OBJECT) {
        for (wf_json_iter_t it = wf_json_iter(properties); !fault && wf_json_next(&it);) {
            const wf_json_t *member = wf_json_get(value, it.key);
            place_t inner = {place, it.key, 0};
            fault = member ? misfit(pool, &inner, it.value, member) : NULL;
        }
    } else if (have == WF_JSON_ARRAY && items) {
        place_t inner = {place, NULL, 0};
        for (; !fault && inner.index < wf_json_len(value); inner.index++) {
            fault = misfit(pool, &inner, items, wf_json_at(value, inner.index));
        }
    }
    return fault;
}

const char *wf_data_misfit(apr_pool_t *pool, const char *key, const wf_json_t *declaration,
                           const wf_json_t *value)
{
    place_t place = {NULL, key, 0};
    const char *fault = misfit(pool, &place, declaration, value);

    if (!fault && wf_json_has_null(value)) {
        fault = apr_pstrcat(pool, key, " is or holds null, which no type allows", NULL);
    }
    return fault;
}

int wf_data_is_reserved(const char *key)
{
    static const char *const names[] = {"flow_token", "error", "error_key", "error_message",
                                        "extension_message_response"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], key) == 0) {
            return 1;
        }
    }
    return 0;
}
