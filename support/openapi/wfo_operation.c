#include "wfo.h"

#include <string.h>

/* ---- who may ------------------------------------------------------------------------------------ */

static wf_json_t *scopes_of(wfo_t *o, const wf_api_route_t *route)
{
    wf_json_t *out = wf_json_array_make(o->pool);
    unsigned bit;

    for (bit = 0; bit < 2 * WF_AREA_COUNT; bit++) {
        if (route->scopes & ((wf_scopes_t)1 << bit)) {
            wf_json_push(out, wf_json_str_make(o->pool, wf_scope_name(o->pool, bit)));
        }
    }
    return out;
}

static void add_way_in(wfo_t *o, wf_json_t *security, const char *scheme)
{
    wf_json_t *way = wf_json_object_make(o->pool);

    wf_json_set(way, scheme, wf_json_array_make(o->pool));
    wf_json_push(security, way);
}

/* Which role and scopes are needed stands in x-role and x-scopes: OpenAPI 3.1 would let them stand in the lists, but
 * linters and generators know them there for OAuth alone. */
static wf_json_t *security_of(wfo_t *o, const wf_api_route_t *route)
{
    wf_json_t *out = wf_json_array_make(o->pool);

    if (route->flags & WF_API_PUBLIC) {
        return out;
    }
    add_way_in(o, out, "bearer");
    if (route->scopes || (route->flags & WF_API_SELF)) {
        add_way_in(o, out, "api_key");
    }
    return out;
}

static const char *who_may(wfo_t *o, const wf_api_route_t *route)
{
    wf_json_t *scopes = scopes_of(o, route);
    const char *out = "A person needs the role `";
    size_t i;

    if (route->flags & WF_API_PUBLIC) {
        return "Anybody may, without credentials.";
    }
    if (route->flags & WF_API_SELF) {
        return "Anybody may who is known.";
    }
    out = apr_pstrcat(o->pool, out, wf_role_name(route->role),
                      route->role < WF_ROLE_PLATFORM_ADMIN ? "` or a higher one; " : "`; ", NULL);
    if (!route->scopes) {
        return apr_pstrcat(o->pool, out, "no API key may.", NULL);
    }
    out = apr_pstrcat(o->pool, out, "an API key needs ", NULL);
    for (i = 0; i < wf_json_len(scopes); i++) {
        out = apr_pstrcat(o->pool, out, i ? " and `" : "`", wf_json_str(wf_json_at(scopes, i)), "`",
                          NULL);
    }
    return apr_pstrcat(o->pool, out, ".", NULL);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

/* What a file may say of a route: a misspelt word would be passed over in silence. */
static const char *const said_words[] = {
    "tag",     "description", "list",         "export", "query",   "takes", "takes_type", "gives",
    "gives_type", "status",   "errors", "example", "version", "answers", "held", NULL};

static void check_words(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said)
{
    for (wf_json_iter_t i = wf_json_iter(said); wf_json_next(&i);) {
        const char *const *word = said_words;

        while (*word && strcmp(*word, i.key) != 0) {
            word++;
        }
        if (!*word) {
            wfo_fail(o, "%s: '%s' is no word for an operation", route->name, i.key);
        }
    }
}

wf_json_t *wfo_operation(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said)
{
    wf_json_t *op = wf_json_object_make(o->pool), *tags = wf_json_array_make(o->pool);
    wf_json_t *parameters, *body;
    const char *more = wf_json_get_str(said, "description", NULL);

    check_words(o, route, said);
    wf_json_set_str(op, "operationId", route->name);
    wf_json_set_str(op, "summary", route->summary);
    wf_json_set_str(op, "description",
                    apr_pstrcat(o->pool, more ? more : "", more ? "\n\n" : "", who_may(o, route), NULL));
    wf_json_push(tags, wf_json_str_make(o->pool, wf_json_get_str(said, "tag", "other")));
    wf_json_set(op, "tags", tags);
    wf_json_set(op, "security", security_of(o, route));
    if (!(route->flags & (WF_API_PUBLIC | WF_API_SELF))) {
        wf_json_set_str(op, "x-role", wf_role_name(route->role));
        wf_json_set(op, "x-scopes", scopes_of(o, route));
    }
    parameters = wfo_parameters(o, route, said);
    if (wf_json_len(parameters) > 0) {
        wf_json_set(op, "parameters", parameters);
    }
    if ((body = wfo_body(o, route, said)) != NULL) {
        wf_json_set(op, "requestBody", body);
    }
    wf_json_set(op, "responses", wfo_responses(o, route, said));
    return op;
}
