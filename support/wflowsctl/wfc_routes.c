/* wflowsctl routes: who may do what on /api/v2, from the table that mod_wflows_admin works by. */
#include "wfc.h"

#include "tenant/wf_route.h"

static const wfc_column_t columns[] = {
    {"METHOD", "/method", 0}, {"PATH", "/path", 0}, {"ROLE", "/role", 0}, {"SCOPES", "/scopes", 0},
    {"WHAT", "/summary", 0},  {NULL, NULL, 0}};

static const char *role_of(const wf_api_route_t *route)
{
    if (route->flags & WF_API_PUBLIC) {
        return "anybody";
    }
    return route->flags & WF_API_SELF ? "anybody known" : wf_role_name(route->role);
}

static wf_json_t *scopes_of(apr_pool_t *pool, const wf_api_route_t *route)
{
    wf_json_t *out = wf_json_array_make(pool);
    unsigned bit;

    for (bit = 0; bit < 2 * WF_AREA_COUNT; bit++) {
        if (route->scopes & ((wf_scopes_t)1 << bit)) {
            wf_json_push(out, wf_json_str_make(pool, wf_scope_name(pool, bit)));
        }
    }
    return out;
}

static wf_json_t *row_of(apr_pool_t *pool, const wf_api_route_t *route)
{
    wf_json_t *row = wf_json_object_make(pool);

    wf_json_set_str(row, "name", route->name);
    wf_json_set_str(row, "method", wf_method_name(route->method));
    wf_json_set_str(row, "path", apr_pstrcat(pool, WF_API_PREFIX, route->path, NULL));
    wf_json_set_str(row, "role", role_of(route));
    wf_json_set(row, "scopes", scopes_of(pool, route));
    wf_json_set_str(row, "summary", route->summary);
    wf_json_set_bool(row, "public", (route->flags & WF_API_PUBLIC) != 0);
    wf_json_set_bool(row, "self", (route->flags & WF_API_SELF) != 0);
    wf_json_set_bool(row, "body", (route->flags & (WF_API_BODY | WF_API_BODY_OPT)) != 0);
    wf_json_set_bool(row, "body_required", (route->flags & WF_API_BODY) != 0);
    wf_json_set_bool(row, "if_match_required", (route->flags & WF_API_MATCH) != 0);
    wf_json_set_bool(row, "listed", !(route->flags & WF_API_UNLISTED));
    return row;
}

static wf_status_t run_routes(wfc_t *c)
{
    wf_json_t *rows = wf_json_array_make(c->pool);
    int id;

    for (id = 0; id < WF_API_ROUTE_COUNT; id++) {
        wf_json_push(rows, row_of(c->pool, wf_api_route((wf_api_route_id_t)id)));
    }
    wfc_print_list(c, rows, columns, "no routes");
    return WF_OK;
}

const wfc_command_t wfc_routes_commands[] = {
    {"routes", "", 0, 0, NULL, 0, run_routes, "the routes of /api/v2, and who may use each",
     "A person needs the role or a higher one (leitura, operador, gestor, admin, platform_admin);\n"
     "an API key needs all of the scopes, and where there is none no key may."},
    WFC_COMMANDS_END};
