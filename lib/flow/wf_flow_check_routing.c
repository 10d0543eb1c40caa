/* Routes between screens: rules 29-40. The graph is the routing_model, or what the navigate actions
 * make of it where there is none. All of it is linear in the size of the document. */
#include "flow/wf_flow_check_int.h"

#include <string.h>

#define TARGETS_MAX 10

static const wf_place_t root = {NULL, NULL, 0};

/* ---- edges ---- */

static int find_route(const wf_routes_t *routes, size_t to)
{
    size_t i;

    for (i = 0; i < routes->count; i++) {
        if (routes->to[i] == to) {
            return (int)i;
        }
    }
    return -1;
}

static void add_route(wf_routes_t *routes, size_t to, int side)
{
    int at = find_route(routes, to);

    if (at >= 0) {
        routes->side[at] &= side;
    } else if (routes->count == WF_ROUTES_MAX) {
        routes->overflow = 1;
    } else {
        routes->to[routes->count] = to;
        routes->side[routes->count++] = side;
    }
}

static const char *screen_name(const wf_check_t *c, size_t index)
{
    const char *id = c->screens[index].id;

    return wf_check_quote(c, id ? id : "");
}

/* ---- routing_model, read ---- */

/* Rules 32 and 33 for one screen's targets. */
static void read_targets(wf_check_t *c, const wf_place_t *at, wf_screen_t *from,
                         const wf_json_t *targets)
{
    size_t i, n = wf_json_len(targets);

    if (wf_json_type(targets) != WF_JSON_ARRAY) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_TYPE,
                       "the routes of a screen are an array of screen ids, not %s",
                       wf_json_type_name(wf_json_type(targets)));
        return;
    }
    if (n > TARGETS_MAX) {
        wf_check_error(c, at, WFC_INVALID_ROUTING_MODEL,
                       "a screen leads to at most %d others, this one to %" APR_SIZE_T_FMT,
                       TARGETS_MAX, n);
    }
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        const char *id = wf_json_str(wf_json_at(targets, i));
        const wf_screen_t *to = id ? apr_hash_get(c->by_id, id, APR_HASH_KEY_STRING) : NULL;
        if (!to) {
            wf_check_error(c, &place, WFC_INVALID_ROUTING_MODEL, "there is no screen %s",
                           id ? wf_check_quote(c, id) : "of this kind: a target is a string");
        } else if (from) {
            add_route(&from->listed, to->index, 0);
        }
    }
}

/* Rules 30-33. */
void wf_check_routing_model(wf_check_t *c)
{
    wf_place_t place = wf_place_key(&root, "routing_model");

    c->routing = wf_json_get(c->doc, "routing_model");
    if (wf_json_type(c->routing) != WF_JSON_OBJECT) {
        c->routing = NULL; /* a wrong type is reported with the other members */
        return;
    }
    for (wf_json_iter_t it = wf_json_iter(c->routing); wf_json_next(&it);) {
        wf_place_t member = wf_place_key(&place, it.key);
        wf_screen_t *from = apr_hash_get(c->by_id, it.key, APR_HASH_KEY_STRING);
        if (!from) {
            wf_check_error(c, &member, WFC_INVALID_ROUTING_MODEL, "there is no screen %s",
                           wf_check_quote(c, it.key));
        }
        read_targets(c, &member, from, it.value);
    }
}

/* ---- navigate actions ---- */

/* Rule 38. A link back along a route is what the phone's back button does: it only warns. */
void wf_check_route_walked(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const wf_screen_t *target)
{
    wf_screen_t *from = scope->screen;
    int side = scope->kind && (scope->kind->counted == WF_COUNT_EMBEDDED_LINK ||
                               scope->kind->counted == WF_COUNT_OPT_IN);

    if (target == from) {
        return;
    }
    add_route(&from->walked, target->index, side);
    if (!c->has_api || wf_json_len(c->routing) == 0 || from->listed.overflow ||
        find_route(&from->listed, target->index) >= 0) {
        return;
    }
    wf_check_report(
        c, find_route(&target->listed, from->index) >= 0 ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
        WFC_INVALID_ROUTING_MODEL,
        "routing_model has no route from %s to %s, which this action takes",
        screen_name(c, from->index), screen_name(c, target->index));
}

/* ---- the graph ---- */

typedef struct {
    wf_check_t *c;
    int listed; /* from routing_model, else from navigate actions */
    int *in;    /* number of routes to a screen */
    int *out;
} graph_t;

/* A screen that routes can name. One without an id, or whose id is another's, is reported as such
 * and has no place in the graph. */
static int is_node(const wf_check_t *c, size_t i)
{
    const char *id = c->screens[i].id;

    return id && apr_hash_get(c->by_id, id, APR_HASH_KEY_STRING) == &c->screens[i];
}

static wf_routes_t *routes_of(const graph_t *g, size_t i)
{
    return g->listed ? &g->c->screens[i].listed : &g->c->screens[i].walked;
}

/* Where to point: the screen's line in routing_model, or the screen. `buf` keeps the chain. */
static const wf_place_t *place_of(const graph_t *g, wf_place_t buf[2], size_t i)
{
    const char *id = g->c->screens[i].id;

    buf[0] = wf_place_key(&root, g->listed ? "routing_model" : "screens");
    if (g->listed && !(id && wf_json_has(g->c->routing, id))) {
        return &buf[0];
    }
    buf[1] = g->listed ? wf_place_key(&buf[0], id) : wf_place_index(&buf[0], i);
    return &buf[1];
}

static void drop_route(wf_routes_t *routes, size_t at)
{
    routes->count--;
    routes->to[at] = routes->to[routes->count];
    routes->side[at] = routes->side[routes->count];
}

/* Rule 34, the short cycles; what is reported is taken out of the graph. Without an endpoint a link
 * back only warns, as above. */
static void check_short_cycles(graph_t *g)
{
    wf_check_t *c = g->c;
    wf_place_t buf[2];
    size_t i, k;

    for (i = 0; i < c->screen_count; i++) {
        wf_routes_t *routes = routes_of(g, i);
        for (k = routes->count; k-- > 0;) {
            size_t to = routes->to[k];
            int back = find_route(routes_of(g, to), i);
            if (to == i) {
                wf_check_error(c, place_of(g, buf, i), WFC_INVALID_ROUTING_MODEL,
                               "a screen needs no route to itself: %s", screen_name(c, i));
                drop_route(routes, k);
            } else if (back >= 0 && (to < i || routes->side[k])) {
                int side = routes->side[k] || routes_of(g, to)->side[back];
                wf_check_report(c, side ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, place_of(g, buf, i),
                                WFC_INVALID_ROUTING_MODEL,
                                "the way back from %s to %s is implied: only forward routes are "
                                "given",
                                screen_name(c, i), screen_name(c, to));
                drop_route(routes, k);
            }
        }
    }
}

static void count_degrees(graph_t *g)
{
    size_t i, k, n = g->c->screen_count;

    g->in = apr_pcalloc(g->c->tmp, (n + 1) * sizeof(int));
    g->out = apr_pcalloc(g->c->tmp, (n + 1) * sizeof(int));
    for (i = 0; i < n; i++) {
        const wf_routes_t *routes = routes_of(g, i);
        for (k = 0; k < routes->count; k++) {
            g->in[routes->to[k]] += routes->to[k] != i;
            g->out[i] += routes->to[k] != i;
        }
    }
}

/* Rule 35. */
static void check_entry(const graph_t *g)
{
    size_t i, nodes = 0;
    wf_place_t place = wf_place_key(&root, g->listed ? "routing_model" : "screens");

    for (i = 0; i < g->c->screen_count; i++) {
        nodes += is_node(g->c, i);
        if (is_node(g->c, i) && g->in[i] == 0) {
            return;
        }
    }
    if (nodes > 0) {
        wf_check_error(g->c, &place, WFC_INVALID_ROUTING_MODEL,
                       "no screen can be the first: a route leads to every one of them");
    }
}

/* Rule 34, long cycles: takes away entries until none is left (Kahn); what stays lies on a cycle or
 * behind one. Following one route back from any of it must come round. */
static void check_long_cycles(const graph_t *g)
{
    size_t n = g->c->screen_count, i, k, done = 0, last = 0;
    size_t *queue = apr_palloc(g->c->tmp, (n + 1) * sizeof(*queue));
    int *in = apr_pmemdup(g->c->tmp, g->in, (n + 1) * sizeof(int));
    wf_place_t buf[2];

    for (i = 0; i < n; i++) {
        if (in[i] == 0) {
            queue[last++] = i;
        }
    }
    for (; done < last; done++) {
        const wf_routes_t *routes = routes_of(g, queue[done]);
        for (k = 0; k < routes->count; k++) {
            if (--in[routes->to[k]] == 0) {
                queue[last++] = routes->to[k];
            }
        }
    }
    for (i = 0; i < n && last < n; i++) {
        if (in[i] > 0) {
            wf_check_error(g->c, place_of(g, buf, i), WFC_INVALID_ROUTING_MODEL,
                           "routes go round in a circle that %s is on or behind; %" APR_SIZE_T_FMT
                           " screens are concerned",
                           screen_name(g->c, i), n - last);
            return;
        }
    }
}

static size_t group_of(size_t *parent, size_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* Rule 36. An endpoint may open any screen, so a lone terminal one (an error page, in real flows)
 * only warns there. */
static void check_connected(const graph_t *g)
{
    wf_check_t *c = g->c;
    size_t n = c->screen_count, i, k, base = 0;
    size_t *parent = apr_palloc(c->tmp, (n + 1) * sizeof(*parent));
    wf_place_t buf[2];

    for (i = 0; i < n; i++) {
        parent[i] = i;
    }
    for (i = 0; i < n; i++) {
        const wf_routes_t *routes = routes_of(g, i);
        for (k = 0; k < routes->count; k++) {
            parent[group_of(parent, routes->to[k])] = group_of(parent, i);
        }
    }
    while (base < n && !(is_node(c, base) && g->in[base] + g->out[base] > 0)) {
        base++;
    }
    for (base = base < n ? base : 0; base + 1 < n && !is_node(c, base);) {
        base++;
    }
    for (i = 0; i < n; i++) {
        int alone = g->in[i] == 0 && g->out[i] == 0;
        if (!is_node(c, i) || group_of(parent, i) == group_of(parent, base) ||
            group_of(parent, i) != i) {
            continue;
        }
        wf_check_report(
            c, g->listed && alone && c->screens[i].terminal ? WF_ISSUE_WARNING : WF_ISSUE_ERROR,
            place_of(g, buf, i), WFC_INVALID_ROUTING_MODEL,
            "screen %s is not connected with %s by any route", screen_name(c, i),
            screen_name(c, base));
    }
}

/* A page to read, such as terms and conditions: a link leads there and the way out is back. */
static int is_side_page(const wf_check_t *c, size_t index)
{
    size_t i;
    int links = 0;

    for (i = 0; i < c->screen_count; i++) {
        int at = find_route(&c->screens[i].walked, index);
        if (at >= 0 && !c->screens[i].walked.side[at]) {
            return 0;
        }
        links += at >= 0;
    }
    return links > 0;
}

/* Rule 37. Every way ends where no route goes on. */
static void check_ends(const graph_t *g)
{
    wf_check_t *c = g->c;
    wf_place_t buf[2];
    size_t i;

    for (i = 0; i < c->screen_count; i++) {
        if (is_node(c, i) && g->out[i] == 0 && !c->screens[i].terminal) {
            wf_check_report(c, is_side_page(c, i) ? WF_ISSUE_WARNING : WF_ISSUE_ERROR,
                            place_of(g, buf, i), WFC_INVALID_ROUTING_MODEL,
                            "the way ends at %s, which is not terminal", screen_name(c, i));
        }
    }
}

/* Rule 31. A screen that is only a destination may be left out: real flows do. */
static void check_all_listed(const graph_t *g)
{
    wf_check_t *c = g->c;
    wf_place_t place = wf_place_key(&root, "routing_model");
    size_t i;

    for (i = 0; i < c->screen_count; i++) {
        const char *id = c->screens[i].id;
        if (id && !wf_json_has(c->routing, id)) {
            wf_check_report(c, g->in[i] ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, &place,
                            WFC_INVALID_ROUTING_MODEL,
                            "screen %s is missing in routing_model: add it with the screens it "
                            "leads to, or []",
                            wf_check_quote(c, id));
        }
    }
}

/* ---- which graph ---- */

/* Rules 30 and 40, and routing_model {}, which Meta's own samples have. */
static void check_presence(wf_check_t *c)
{
    wf_place_t place = wf_place_key(&root, "routing_model");
    const wf_json_t *given = wf_json_get(c->doc, "routing_model");

    if (c->has_api && !given) {
        wf_check_report(c, c->exchanges ? WF_ISSUE_ERROR : WF_ISSUE_WARNING, &root,
                        WFC_MISSING_REQUIRED_PROPERTY,
                        "\"data_api_version\" asks for a \"routing_model\": which screen may lead "
                        "to which");
    } else if (c->has_api && c->routing && wf_json_len(c->routing) == 0) {
        wf_check_warn(c, &place, WFC_INVALID_ROUTING_MODEL,
                      "routing_model is empty: list which screen may lead to which");
    } else if (!c->has_api && given) {
        wf_check_warn(c, &place, WFC_INVALID_ROUTING_MODEL,
                      "without \"data_api_version\" the routing_model is not used: routes are what "
                      "the navigate actions make");
    }
}

void wf_check_routes(wf_check_t *c)
{
    graph_t g = {.c = c};

    check_presence(c);
    g.listed = (c->has_api || c->exchanges) && wf_json_len(c->routing) > 0;
    /* Where an endpoint chooses the next screen and nothing says which it may be, there is no graph
     * to judge. */
    if (!g.listed && c->has_api && c->exchanges) {
        return;
    }
    check_short_cycles(&g);
    count_degrees(&g);
    check_entry(&g);
    check_long_cycles(&g);
    check_connected(&g);
    check_ends(&g);
    if (g.listed) {
        check_all_listed(&g);
    }
}
