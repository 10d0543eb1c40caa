/* L3, pure: the routes of /api/v2, and who may use each: the one table (wf_route_rows.inc) that mod_wflows_admin
 * dispatches by, `wflowsctl routes` prints, openapi.json is held against and the tests walk cell by cell. */
#ifndef WF_ROUTE_H
#define WF_ROUTE_H

#include "tenant/wf_identity.h"

#define WF_API_PREFIX "/api/v2"

typedef enum { WF_GET, WF_POST, WF_PUT, WF_PATCH, WF_DELETE, WF_METHOD_COUNT } wf_method_t;
const char *wf_method_name(wf_method_t method);

/* What the frame does for a route before its handler is called. */
#define WF_API_PUBLIC 1u     /* nobody has to be known */
#define WF_API_SELF 2u       /* about the caller itself: anybody who is known */
#define WF_API_BODY 4u       /* takes a JSON object; one must be there */
#define WF_API_BODY_OPT 8u   /* takes a JSON object; none is {} */
#define WF_API_CSV 16u       /* takes text/csv, which the handler reads */
#define WF_API_MATCH 32u     /* refuses to work without If-Match (428) */
#define WF_API_UNLISTED 64u  /* is no part of openapi.json (the page that shows it) */
#define WF_API_ANY_TYPE 256u   /* what it answers is not JSON, or chosen by the handler */
#define WF_API_MERGE 128u    /* also takes application/merge-patch+json */

typedef struct {
    const char *name; /* "company_list": operationId, and wfa_company_list handles it */
    wf_method_t method;
    const char *path; /* below WF_API_PREFIX: "/companies/{companyId}/flows/{id}" */
    wf_role_t role;   /* the least one */
    wf_scopes_t scopes; /* of an API key, all of them; 0: no key may */
    unsigned flags;
    const char *summary;
} wf_api_route_t;

#define WF_API_ROUTE_ID(name, ...) WF_API_ROUTE_##name,
typedef enum {
#define R WF_API_ROUTE_ID
#include "tenant/wf_route_rows.inc"
#undef R
    WF_API_ROUTE_COUNT
} wf_api_route_id_t;
#undef WF_API_ROUTE_ID

const wf_api_route_t *wf_api_route(wf_api_route_id_t id);

#define WF_API_PARAMS_MAX 3

typedef struct {
    int id[WF_METHOD_COUNT]; /* the route of each method at this path; -1: none */
    wf_slice_t params[WF_API_PARAMS_MAX]; /* of the path, in order; borrowed from it, as they stand there */
    int param_count;
} wf_api_match_t;

/* `path` below WF_API_PREFIX. 0: no route has this path. A literal segment goes before a parameter. */
int wf_api_route_find(wf_api_match_t *out, const char *path);

#endif
