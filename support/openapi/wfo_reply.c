/* What is answered. */
#include "wfo.h"

#include <string.h>

/* ---- what went well ----------------------------------------------------------------------------- */

static wf_json_t *page_of(wfo_t *o, wf_json_t *item)
{
    wf_json_t *page = wfo_type(o, "object"), *properties = wf_json_object_make(o->pool);
    wf_json_t *data = wfo_type(o, "array"), *required = wf_json_array_make(o->pool);

    wf_json_set(data, "items", item);
    wf_json_set(properties, "data", data);
    wf_json_set(properties, "next_cursor", wfo_ref(o, "schemas", "NextCursor"));
    wf_json_push(required, wf_json_str_make(o->pool, "data"));
    wf_json_push(required, wf_json_str_make(o->pool, "next_cursor"));
    wf_json_set(page, "required", required);
    wf_json_set(page, "properties", properties);
    wf_json_set_bool(page, "additionalProperties", 0);
    return page;
}

static void add_content(wfo_t *o, wf_json_t *content, const char *type, wf_json_t *schema)
{
    wf_json_t *media = wf_json_object_make(o->pool);

    wf_json_set(media, "schema", schema);
    wf_json_set(content, type, media);
}

/* NULL: it has no body. */
static wf_json_t *content_of(wfo_t *o, const wf_json_t *said)
{
    wf_json_t *gives = wf_json_get(said, "gives"), *content = wf_json_object_make(o->pool);
    const char *type = wf_json_get_str(said, "gives_type", NULL);

    if (wf_json_has(said, "export")) {
        add_content(o, content, "application/x-ndjson", wfo_type(o, "string"));
        add_content(o, content, "text/csv", wfo_type(o, "string"));
    } else if (gives && wf_json_has(said, "list")) {
        add_content(o, content, "application/json", page_of(o, wfo_schema(o, gives)));
    } else if (gives) {
        add_content(o, content, type ? type : "application/json", wfo_schema(o, gives));
    } else if (type) {
        add_content(o, content, type, wfo_type(o, "string"));
    } else {
        return NULL;
    }
    return content;
}

static void add_header(wfo_t *o, wf_json_t *headers, const char *name, const char *component)
{
    wf_json_set(headers, name, wfo_ref(o, "headers", component));
}

/* A resource has a version; a list, an export and what is computed have none. */
static int has_version(const wf_json_t *said)
{
    return wf_json_has(said, "version")
               ? wf_json_get_bool(said, "version", 0)
               : wf_json_has(said, "gives") && !wf_json_has(said, "list") &&
                     !wf_json_has(said, "gives_type");
}

static wf_json_t *success(wfo_t *o, const wf_json_t *said, int status, wf_json_t *content)
{
    wf_json_t *out = wf_json_object_make(o->pool), *headers = wf_json_object_make(o->pool);

    wf_json_set_str(out, "description",
                    wf_json_get_str(said, "answers",
                                    status == 201   ? "It is made."
                                    : status == 202 ? "It is accepted, and goes on by itself."
                                    : status == 204 ? "It is done."
                                    : content       ? "What was asked for."
                                                    : "It is done."));
    add_header(o, headers, "X-Request-Id", "RequestId");
    if (content && has_version(said)) {
        add_header(o, headers, "ETag", "ETag");
    }
    if (status == 201 && has_version(said)) {
        add_header(o, headers, "Location", "Location");
    }
    wf_json_set(out, "headers", headers);
    wf_json_set(out, "content", content);
    return out;
}

static void add_status(wfo_t *o, wf_json_t *out, int status, wf_json_t *response)
{
    wf_json_set(out, apr_itoa(o->pool, status), response);
}

static int default_status(const wf_api_route_t *route, int has_content)
{
    size_t len = strlen(route->name);

    if (!has_content) {
        return 204;
    }
    return route->method == WF_POST && len > 7 && strcmp(route->name + len - 7, "_create") == 0 ? 201
                                                                                               : 200;
}

/* "status": one, or several of the same form. */
static void add_success(wfo_t *o, wf_json_t *out, const wf_api_route_t *route, const wf_json_t *said)
{
    wf_json_t *content = content_of(o, said), *given = wf_json_get(said, "status");
    int status = given ? (int)wf_json_int(given) : default_status(route, content != NULL);
    size_t i;

    if (wf_json_len(given) > 0) {
        status = (int)wf_json_int(wf_json_at(given, 0));
    }
    add_status(o, out, status, success(o, said, status, content));
    for (i = 1; i < wf_json_len(given); i++) {
        int other = (int)wf_json_int(wf_json_at(given, i));
        add_status(o, out, other, success(o, said, other, content));
    }
    if (wf_json_get_bool(said, "held", 0)) {
        add_status(o, out, 202, wfo_ref(o, "responses", "Held"));
    }
    if (route->method == WF_GET && has_version(said)) {
        add_status(o, out, 304, wfo_ref(o, "responses", "NotModified"));
    }
    /* Prefer: return=minimal */
    if (route->method != WF_GET && status == 200) {
        add_status(o, out, 204, wfo_ref(o, "responses", "Minimal"));
    }
}

/* ---- what went wrong ---------------------------------------------------------------------------- */

#define BODY_TAKEN WFO_TAKES_BODY
#define ANY ~0u
#define M(method) (1u << WF_##method)
#define CHANGING (M(PUT) | M(PATCH) | M(DELETE))

/* Which route can answer so: any of the flags, none of the others, one of the methods. */
static const struct {
    int status;
    unsigned any_of, none_of, methods;
} problems[] = {
    {400, ANY, WF_API_PUBLIC, ANY},
    {400, BODY_TAKEN, 0, ANY},
    {401, ANY, WF_API_PUBLIC, ANY},
    {403, ANY, WF_API_PUBLIC, ANY},
    {406, ANY, WF_API_ANY_TYPE, ANY},
    {408, BODY_TAKEN, 0, ANY},
    {409, ANY, WF_API_PUBLIC, CHANGING | M(POST)},
    {412, ANY, WF_API_PUBLIC, CHANGING | M(POST)},
    {413, BODY_TAKEN, 0, ANY},
    {415, BODY_TAKEN, 0, ANY},
    {422, BODY_TAKEN, 0, ANY},
    {422, ANY, 0, M(POST)},
    {428, WF_API_MATCH, 0, ANY},
    {429, ANY, 0, ANY},
    {503, ANY, 0, ANY},
};

/* Each status once, in order. */
#define STATUS_MAX 600

static void mark(wfo_t *o, const wf_api_route_t *route, unsigned char *can, int64_t status)
{
    if (status < 400 || status >= STATUS_MAX) {
        wfo_fail(o, "%s: %d is no status of an error", route->name, (int)status);
        return;
    }
    can[status] = 1;
}

static void mark_problems(wfo_t *o, const wf_api_route_t *route, unsigned char *can,
                          const wf_json_t *said)
{
    wf_json_t *more = wf_json_get(said, "errors");
    size_t i;

    for (i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
        /* A route without flags is of ANY, too. */
        if ((problems[i].any_of == ANY || (route->flags & problems[i].any_of)) &&
            !(route->flags & problems[i].none_of) && (problems[i].methods & (1u << route->method))) {
            mark(o, route, can, problems[i].status);
        }
    }
    if (strchr(route->path, '{')) {
        mark(o, route, can, 404);
    }
    if (wf_json_has(said, "list") || wf_json_has(said, "export") || wf_json_has(said, "query")) {
        mark(o, route, can, 422);
    }
    for (i = 0; i < wf_json_len(more); i++) {
        mark(o, route, can, wf_json_int(wf_json_at(more, i)));
    }
}

wf_json_t *wfo_responses(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said)
{
    wf_json_t *out = wf_json_object_make(o->pool);
    unsigned char can[STATUS_MAX] = {0};
    int status;

    add_success(o, out, route, said);
    mark_problems(o, route, can, said);
    for (status = 400; status < STATUS_MAX; status++) {
        if (can[status]) {
            add_status(o, out, status,
                       wfo_ref(o, "responses", apr_psprintf(o->pool, "Problem%d", status)));
        }
    }
    return out;
}
