/*   wf-openapi make openapi.json _base.json resource.json …
 *   wf-openapi embed files.c name=path …                     */
#include "wfo.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void wfo_fail(wfo_t *o, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "wf-openapi: %s\n", apr_pvsprintf(o->pool, fmt, args));
    va_end(args);
    o->failed = 1;
}

static wf_json_t *read_json(wfo_t *o, const char *path)
{
    size_t len = 0;
    const char *text = wfo_read(o, &len, path);
    wf_json_t *json = NULL;

    if (text && wf_json_parse(o->ctx, &json, text, len, 0) != WF_OK) {
        wfo_fail(o, "%s: %s", path, o->ctx->err.public_text);
        wf_ctx_clear(o->ctx);
    }
    return json;
}

/* ---- the files ---------------------------------------------------------------------------------- */

static void take_members(wfo_t *o, const char *path, wf_json_t *to, const wf_json_t *from)
{
    for (wf_json_iter_t i = wf_json_iter(from); wf_json_next(&i);) {
        if (wf_json_has(to, i.key)) {
            wfo_fail(o, "%s: '%s' is there already", path, i.key);
        }
        wf_json_set(to, i.key, i.value);
    }
}

/* {"tag": {name, description}, "operations": {route: …}, "schemas": {…}} */
static void take_resource(wfo_t *o, const char *path)
{
    wf_json_t *file = read_json(o, path), *tag = wf_json_get(file, "tag");
    const char *name = wf_json_get_str(tag, "name", NULL);

    if (!name) {
        wfo_fail(o, "%s: no tag", path);
        return;
    }
    wf_json_push(wf_json_get(o->doc, "tags"), tag);
    for (wf_json_iter_t i = wf_json_iter(wf_json_get(file, "operations")); wf_json_next(&i);) {
        wf_json_set_str(i.value, "tag", name);
    }
    take_members(o, path, o->operations, wf_json_get(file, "operations"));
    take_members(o, path, wf_json_pointer_get(o->doc, "/components/schemas"),
                 wf_json_get(file, "schemas"));
}

/* ---- the document ------------------------------------------------------------------------------- */

static void add_route(wfo_t *o, const wf_api_route_t *route)
{
    wf_json_t *said = wf_json_get(o->operations, route->name), *path;
    char *method = apr_pstrdup(o->pool, wf_method_name(route->method)), *c;

    if (route->flags & WF_API_UNLISTED) {
        return;
    }
    for (c = method; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    path = wfo_member(o, wf_json_get(o->doc, "paths"), route->path);
    wf_json_set(path, method, wfo_operation(o, route, said));
}

static void check_names(wfo_t *o)
{
    for (wf_json_iter_t i = wf_json_iter(o->operations); wf_json_next(&i);) {
        int id = 0;

        while (id < WF_API_ROUTE_COUNT &&
               strcmp(wf_api_route((wf_api_route_id_t)id)->name, i.key) != 0) {
            id++;
        }
        if (id == WF_API_ROUTE_COUNT) {
            wfo_fail(o, "'%s' is no route of lib/tenant/wf_route_rows.inc", i.key);
        }
    }
}

/* What is for this program and for the tests alone. */
static void drop_notes(wfo_t *o)
{
    for (wf_json_iter_t i = wf_json_iter(wf_json_pointer_get(o->doc, "/components/schemas"));
         wf_json_next(&i);) {
        wf_json_remove(i.value, "x-fields");
        for (wf_json_iter_t m = wf_json_iter(wf_json_get(i.value, "properties")); wf_json_next(&m);) {
            wf_json_remove(m.value, "x-fixed");
        }
    }
}

static int make(wfo_t *o, const char *out, int count, const char *const *files)
{
    int i;

    if (!(o->doc = read_json(o, files[0]))) {
        return 0;
    }
    o->operations = wf_json_object_make(o->pool);
    for (i = 1; i < count; i++) {
        take_resource(o, files[i]);
    }
    check_names(o);
    for (i = 0; i < WF_API_ROUTE_COUNT; i++) {
        add_route(o, wf_api_route((wf_api_route_id_t)i));
    }
    drop_notes(o);
    if (!o->failed) {
        size_t len = 0;
        const char *text = wf_json_text(o->pool, o->doc, &len);
        return wfo_write(o, out, text, len);
    }
    return 0;
}

int main(int argc, const char *const *argv)
{
    wfo_t o = {0};
    int done = 0;

    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS ||
        apr_pool_create(&o.pool, NULL) != APR_SUCCESS) {
        return 1;
    }
    o.ctx = wf_ctx_make(o.pool, NULL);
    if (argc >= 4 && strcmp(argv[1], "make") == 0) {
        done = make(&o, argv[2], argc - 3, argv + 3);
    } else if (argc >= 4 && strcmp(argv[1], "embed") == 0) {
        done = wfo_embed(&o, argv[2], argc - 3, argv + 3);
    } else {
        wfo_fail(&o, "make OUT BASE FILE…, or embed OUT NAME=PATH…");
    }
    apr_pool_destroy(o.pool);
    apr_terminate();
    return done ? 0 : 1;
}
