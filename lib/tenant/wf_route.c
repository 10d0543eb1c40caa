#include "tenant/wf_route.h"

#include <string.h>

static const char *const method_names[WF_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

#define NO_KEY 0
#define READ(area) WF_READ(WF_AREA_##area)
#define WRITE(area) WF_WRITE(WF_AREA_##area)
#define ROUTE_ROW(name, method, path, role, scopes, flags, summary)                                \
    [WF_API_ROUTE_##name] = {#name, WF_##method, path, WF_ROLE_##role, scopes, flags, summary},
#define PUBLIC WF_API_PUBLIC
#define SELF WF_API_SELF
#define BODY WF_API_BODY
#define BODY_OPT WF_API_BODY_OPT
#define CSV WF_API_CSV
#define MATCH WF_API_MATCH
#define MERGE WF_API_MERGE
#define ANY_TYPE WF_API_ANY_TYPE
#define UNLISTED WF_API_UNLISTED
static const wf_api_route_t routes[WF_API_ROUTE_COUNT] = {
#define R ROUTE_ROW
#include "tenant/wf_route_rows.inc"
#undef R
};

const char *wf_method_name(wf_method_t method)
{
    return method_names[method];
}

const wf_api_route_t *wf_api_route(wf_api_route_id_t id)
{
    return &routes[id];
}

/* Segment by segment; a parameter takes one segment that is not empty. */
static int fits(wf_api_match_t *out, const char *pattern, const char *path)
{
    out->param_count = 0;
    while (*pattern == '/' && *path == '/') {
        size_t want = strcspn(++pattern, "/"), have = strcspn(++path, "/");

        if (*pattern == '{') {
            if (have == 0 || out->param_count == WF_API_PARAMS_MAX) {
                return 0;
            }
            out->params[out->param_count++] = (wf_slice_t){path, have};
        } else if (want != have || strncmp(pattern, path, want) != 0) {
            return 0;
        }
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

/* 1 if `a` has a literal where `b` first has a parameter. Both fit one path. */
static int is_closer(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a != '{' && *b == '{';
}

int wf_api_route_find(wf_api_match_t *out, const char *path)
{
    const char *best = NULL;
    int id;

    for (id = 0; id < WF_API_ROUTE_COUNT; id++) {
        const char *pattern = routes[id].path;
        wf_api_match_t match;

        if (!fits(&match, pattern, path) || (best && strcmp(pattern, best) != 0 &&
                                             !is_closer(pattern, best))) {
            continue;
        }
        if (!best || strcmp(pattern, best) != 0) {
            best = pattern;
            *out = match;
            memset(out->id, -1, sizeof(out->id));
        }
        out->id[routes[id].method] = id;
    }
    return best != NULL;
}
