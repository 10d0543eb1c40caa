/* What a request has: parameters and body. */
#include "wfo.h"

#include <string.h>

/* ---- parameters --------------------------------------------------------------------------------- */

static wf_json_t *parameter(wfo_t *o, const char *name, const char *in, const char *description,
                            wf_json_t *schema)
{
    wf_json_t *out = wf_json_object_make(o->pool);

    wf_json_set_str(out, "name", name);
    wf_json_set_str(out, "in", in);
    if (strcmp(in, "path") == 0) {
        wf_json_set_bool(out, "required", 1);
    }
    wf_json_set_str(out, "description", description);
    wf_json_set(out, "schema", schema);
    return out;
}

/* As wfa_handler.c: what is called …Id or id is a UUID. */
static int is_uuid(const char *name)
{
    size_t len = strlen(name);

    return strcmp(name, "id") == 0 || (len > 2 && strcmp(name + len - 2, "Id") == 0);
}

static void add_path(wfo_t *o, wf_json_t *out, const wf_api_route_t *route)
{
    const char *p = route->path;

    while ((p = strchr(p, '{')) != NULL) {
        const char *name = apr_pstrmemdup(o->pool, p + 1, strcspn(p, "}") - 1);
        wf_json_t *schema = wfo_type(o, "string");

        if (is_uuid(name)) {
            wf_json_set_str(schema, "format", "uuid");
        }
        wf_json_push(out, parameter(o, name, "path",
                                    strcmp(name, "companyId") == 0 ? "The company."
                                    : is_uuid(name)                ? "The resource."
                                                                   : "Its name.",
                                    schema));
        p++;
    }
}

static wf_json_t *words_of(wfo_t *o, const char *words)
{
    wf_json_t *out = wf_json_array_make(o->pool);

    while (words && *words) {
        size_t len = strcspn(words, " ");
        wf_json_push(out, wf_json_strn_make(o->pool, words, len));
        words += len + (words[len] == ' ');
    }
    return out;
}

static wf_json_t *filter_schema(wfo_t *o, const wf_filter_t *filter)
{
    wf_json_t *out = wfo_type(o, "string");

    switch (filter->kind) {
    case WF_FILTER_WORD:
        wf_json_set(out, "enum", words_of(o, filter->words));
        break;
    case WF_FILTER_TEXT:
        wf_json_set_int(out, "minLength", 1);
        wf_json_set_int(out, "maxLength", 256);
        break;
    case WF_FILTER_UUID:
        wf_json_set_str(out, "format", "uuid");
        break;
    case WF_FILTER_TIME:
        wf_json_set_str(out, "pattern", "^\\d{4}-\\d\\d-\\d\\d([Tt ].+)?$");
        break;
    case WF_FILTER_BOOL:
        return wfo_type(o, "boolean");
    default: /* of the caller's key or of the path, not of the query */
        return NULL;
    }
    return out;
}

static const char *filter_words(const wf_filter_t *filter)
{
    return filter->kind == WF_FILTER_TIME ? "A date or a time (RFC 3339)." : "Only those.";
}

static void add_list(wfo_t *o, wf_json_t *out, const wf_list_t *list, const wf_json_t *words)
{
    wf_json_t *sort = wfo_type(o, "string"), *names = wf_json_array_make(o->pool);
    int i;

    for (i = 0; list->sorts[i].name; i++) {
        wf_json_push(names, wf_json_str_make(o->pool, list->sorts[i].name));
    }
    wf_json_set(sort, "enum", names);
    wf_json_set_str(sort, "default", list->sorts[0].name);
    wf_json_push(out, parameter(o, "sort", "query", "The order; `-` turns it round.", sort));
    for (i = 0; list->filters && list->filters[i].name; i++) {
        const wf_filter_t *filter = &list->filters[i];
        wf_json_t *schema = filter_schema(o, filter);

        if (schema) {
            wf_json_push(out, parameter(o, filter->name, "query",
                                        wf_json_get_str(words, filter->name, filter_words(filter)),
                                        schema));
        }
    }
}

/* "list" of a file: the list's name; true for one that is always whole. "query": a schema for each name, or words for a filter of the list. */
static void add_query(wfo_t *o, wf_json_t *out, const wf_json_t *said)
{
    const char *list_name = wf_json_get_str(said, "list", wf_json_get_str(said, "export", NULL));
    const wf_list_t *list = list_name ? wfo_list(list_name) : NULL;
    wf_json_t *query = wf_json_get(said, "query");

    if (list_name && !list) {
        wfo_fail(o, "lib/store declares no wf_list_%s", list_name);
    }
    if (list && !wf_json_has(said, "export")) {
        wf_json_push(out, wfo_ref(o, "parameters", "Limit"));
        wf_json_push(out, wfo_ref(o, "parameters", "Cursor"));
    }
    if (wf_json_has(said, "export")) {
        wf_json_push(out, wfo_ref(o, "parameters", "Format"));
    }
    if (list) {
        add_list(o, out, list, query);
    }
    for (wf_json_iter_t i = wf_json_iter(query); wf_json_next(&i);) {
        wf_json_t *schema = wf_json_copy(o->pool, i.value);
        /* A copy: the member is taken out before its words are used. */
        const char *words = apr_pstrdup(o->pool, wf_json_get_str(schema, "description", ""));

        if (wf_json_type(schema) == WF_JSON_OBJECT) {
            wf_json_remove(schema, "description");
            wf_json_push(out, parameter(o, i.key, "query", words, schema));
        }
    }
}

wf_json_t *wfo_parameters(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said)
{
    wf_json_t *out = wf_json_array_make(o->pool);

    add_path(o, out, route);
    add_query(o, out, said);
    if (!(route->flags & WF_API_PUBLIC)) {
        wf_json_push(out, wfo_ref(o, "parameters", "Tenant"));
    }
    if (route->method == WF_POST) {
        wf_json_push(out, wfo_ref(o, "parameters", "IdempotencyKey"));
    }
    /* An action on a resource is a change of it, too. */
    if (route->method != WF_GET && strchr(route->path, '{')) {
        wf_json_push(out, wfo_ref(o, "parameters",
                                  route->flags & WF_API_MATCH ? "IfMatchRequired" : "IfMatch"));
    }
    if (route->method != WF_GET) {
        wf_json_push(out, wfo_ref(o, "parameters", "Prefer"));
    }
    return out;
}

/* ---- body --------------------------------------------------------------------------------------- */

/* Of a schema for making a record: what PATCH and PUT take. Members with "x-fixed" cannot be changed; PATCH takes
 * any part of the rest, and null for what may be absent. */
static int has_fixed(const wf_json_t *schema)
{
    for (wf_json_iter_t m = wf_json_iter(wf_json_get(schema, "properties")); wf_json_next(&m);) {
        if (wf_json_get_bool(m.value, "x-fixed", 0)) {
            return 1;
        }
    }
    return 0;
}

static wf_json_t *derived(wfo_t *o, const wf_api_route_t *route, const char *name)
{
    int patch = route->method == WF_PATCH;
    const char *own = apr_pstrcat(o->pool, name, patch ? "Patch" : "Replacement", NULL);
    wf_json_t *schemas = wf_json_pointer_get(o->doc, "/components/schemas");
    wf_json_t *from = wf_json_get(schemas, name), *out, *properties, *required;
    size_t i;

    if (!wf_json_has(from, "properties") || wf_json_has(schemas, own) ||
        (!patch && !has_fixed(from))) {
        return wfo_ref(o, "schemas", wf_json_has(schemas, own) ? own : name);
    }
    out = wf_json_copy(o->pool, from);
    wf_json_remove(out, "examples");
    properties = wf_json_object_make(o->pool);
    for (wf_json_iter_t m = wf_json_iter(wf_json_get(from, "properties")); wf_json_next(&m);) {
        if (!wf_json_get_bool(m.value, "x-fixed", 0)) {
            wf_json_set(properties, m.key, wf_json_copy(o->pool, m.value));
            wf_json_remove(wf_json_get(properties, m.key), patch ? "default" : "");
        }
    }
    required = wf_json_array_make(o->pool);
    for (i = 0; !patch && i < wf_json_len(wf_json_get(from, "required")); i++) {
        wf_json_t *member = wf_json_at(wf_json_get(from, "required"), i);
        if (wf_json_has(properties, wf_json_str(member))) {
            wf_json_push(required, member);
        }
    }
    wf_json_set(out, "properties", properties);
    wf_json_set(out, "required", required);
    wf_json_set(schemas, own, out);
    return wfo_ref(o, "schemas", own);
}

wf_json_t *wfo_body(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said)
{
    wf_json_t *takes = wf_json_get(said, "takes"), *body, *content, *media;
    const char *name = wf_json_str(takes);

    if (!(route->flags & WFO_TAKES_BODY)) {
        if (takes || wf_json_has(said, "takes_type")) {
            wfo_fail(o, "%s takes no body", route->name);
        }
        return NULL;
    }
    media = wf_json_object_make(o->pool);
    if (name && (route->method == WF_PATCH || route->method == WF_PUT)) {
        wf_json_set(media, "schema", derived(o, route, name));
    } else {
        wf_json_set(media, "schema", takes ? wfo_schema(o, takes)
                                           : wfo_type(o, route->flags & WF_API_CSV ? "string" : "object"));
    }
    wf_json_set(media, "example", wf_json_copy(o->pool, wf_json_get(said, "example")));
    content = wf_json_object_make(o->pool);
    if (route->flags & WF_API_CSV) {
        wf_json_set(content, "text/csv", media);
    } else {
        wf_json_set(content, "application/json", media);
    }
    if (route->flags & WF_API_MERGE) {
        wf_json_set(content, "application/merge-patch+json", media);
    }
    body = wf_json_object_make(o->pool);
    wf_json_set_bool(body, "required", !(route->flags & WF_API_BODY_OPT));
    wf_json_set(body, "content", content);
    return body;
}
