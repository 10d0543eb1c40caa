/* wf-openapi, a program of the build: makes openapi.json of the table of routes (what is true of a route because the
 * frame works by the table), the lists' descriptions in lib/store (sorts, filters) and the hand-written files of
 * mod_wflows_admin/openapi (what neither knows: schemas, words, examples), and C text of files. */
#ifndef WFO_H
#define WFO_H

#include "json/wf_json.h"
#include "store/wf_list.h"
#include "tenant/wf_route.h"

typedef struct {
    apr_pool_t *pool;
    wf_ctx_t *ctx;
    wf_json_t *doc;        /* what comes out; begins as openapi/_base.json */
    wf_json_t *operations; /* what the files say of the routes, by name; each with its "tag" */
    int failed;
} wfo_t;

/* Says what is wrong with the files, and goes on: all of it is told in one run. */
void wfo_fail(wfo_t *o, const char *fmt, ...) WF_PRINTF(2, 3);

/* ---- pieces of the document (wfo_piece.c) ------------------------------------------------------- */

/* {"$ref": "#/components/<kind>/<name>"} */
wf_json_t *wfo_ref(wfo_t *o, const char *kind, const char *name);
/* {"type": type} */
wf_json_t *wfo_type(wfo_t *o, const char *type);
/* The schema that a file means: a name of a component, or the schema itself. */
wf_json_t *wfo_schema(wfo_t *o, const wf_json_t *said);
/* The member that is an object, made where it is absent. */
wf_json_t *wfo_member(wfo_t *o, wf_json_t *object, const char *name);
/* The list that lib/store/wf_*.h declares as wf_list_<name>; NULL: none. */
const wf_list_t *wfo_list(const char *name);

/* ---- one operation ------------------------------------------------------------------------------ */

/* As OpenAPI has it. `said`: of the files; NULL where they say nothing yet. */
wf_json_t *wfo_operation(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said);
wf_json_t *wfo_parameters(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said);
wf_json_t *wfo_body(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said);
wf_json_t *wfo_responses(wfo_t *o, const wf_api_route_t *route, const wf_json_t *said);

#define WFO_TAKES_BODY (WF_API_BODY | WF_API_BODY_OPT | WF_API_CSV)

/* ---- C text (wfo_embed.c) ----------------------------------------------------------------------- */

/* Writes `out`: the files "name=path" as wfa_files[] of mod_wflows_admin/wfa_docs.h. 0: it failed, and said so. */
int wfo_embed(wfo_t *o, const char *out, int count, const char *const *files);
/* All of a file; NULL: it failed, and said so. */
const char *wfo_read(wfo_t *o, size_t *len, const char *path);
int wfo_write(wfo_t *o, const char *path, const char *text, size_t len);

#endif
