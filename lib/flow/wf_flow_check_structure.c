/* What stands where on a screen: rules 24, 26, 68-75. The same walk collects the screen's inputs,
 * which every reference needs; so it comes before the members are read. */
#include "flow/wf_flow_check_int.h"

#include <string.h>

#define COMPONENTS_MAX 50
#define IF_NESTING_MAX 3

/* How many of each a user can see at once: branches are alternatives. */
typedef struct {
    int shown[WF_COUNTED];
} tally_t;

typedef struct {
    wf_check_t *c;
    wf_screen_t *screen;
    int components; /* in all branches */
    int texts;
    int footers;
    int rich_texts;
    int lists;
} survey_t;

/* How a component is reached. */
typedef struct {
    int in_form;
    int ifs, switches;
} nest_t;

static tally_t survey_list(survey_t *s, const wf_place_t *at, const wf_json_t *list, nest_t nest);

static void add(tally_t *sum, const tally_t *more)
{
    int i;

    for (i = 0; i < WF_COUNTED; i++) {
        sum->shown[i] += more->shown[i];
    }
}

static void widen(tally_t *max, const tally_t *other)
{
    int i;

    for (i = 0; i < WF_COUNTED; i++) {
        max->shown[i] = max->shown[i] < other->shown[i] ? other->shown[i] : max->shown[i];
    }
}

static int is_type(const wf_json_t *component, const char *type)
{
    return strcmp(wf_json_get_str(component, "type", ""), type) == 0;
}

/* ---- branches ---- */

/* Rules 70 and 71. */
static tally_t survey_if(survey_t *s, const wf_place_t *at, const wf_json_t *component, nest_t nest)
{
    wf_place_t then_place = wf_place_key(at, "then");
    wf_place_t else_place = wf_place_key(at, "else");
    const wf_json_t *otherwise = wf_json_get(component, "else");
    tally_t tally, other;

    if (++nest.ifs == IF_NESTING_MAX + 1) {
        wf_check_error(s->c, at, WFC_MAXIMUM_IF_NESTING, "If may stand in If %d deep at most",
                       IF_NESTING_MAX);
    }
    tally = survey_list(s, &then_place, wf_json_get(component, "then"), nest);
    other = survey_list(s, &else_place, otherwise, nest);
    if (!tally.shown[WF_COUNT_FOOTER] != !other.shown[WF_COUNT_FOOTER]) {
        wf_check_error(s->c, at, WFC_MISSING_FOOTER_IN_IF_ELSE_BRANCHES,
                       "a Footer must be in both branches of an If; \"%s\" has none",
                       tally.shown[WF_COUNT_FOOTER] ? "else" : "then");
    }
    widen(&tally, &other);
    return tally;
}

/* Rule 70. */
static tally_t survey_switch(survey_t *s, const wf_place_t *at, const wf_json_t *component,
                             nest_t nest)
{
    wf_place_t cases = wf_place_key(at, "cases");
    size_t with = 0, all = 0;
    tally_t tally;

    memset(&tally, 0, sizeof(tally));
    nest.switches++;
    for (wf_json_iter_t it = wf_json_iter(wf_json_get(component, "cases")); wf_json_next(&it);) {
        wf_place_t place = wf_place_key(&cases, it.key);
        tally_t one = survey_list(s, &place, it.value, nest);
        with += one.shown[WF_COUNT_FOOTER] > 0;
        all++;
        widen(&tally, &one);
    }
    if (with > 0 && with < all) {
        wf_check_error(s->c, at, WFC_MISSING_FOOTER_IN_SWITCH_BRANCHES,
                       "a Footer must be in all cases of a Switch or in none");
    }
    return tally;
}

/* Rule 72. */
static void check_branch_placement(survey_t *s, const wf_place_t *at, const wf_component_t *kind,
                                   nest_t nest)
{
    unsigned flags = kind->flags;

    if ((flags & WF_C_IN_BRANCH_71) && s->c->version >= WF_FLOW_VERSION(7, 1)) {
        flags |= WF_C_IN_IF | WF_C_IN_SWITCH;
    }
    if (nest.ifs > 0 && !(flags & WF_C_IN_IF)) {
        wf_check_error(s->c, at, WFC_INVALID_COMPONENT_PLACEMENT, "%s cannot stand inside an If",
                       kind->type);
    } else if (nest.switches > 0 && !(flags & WF_C_IN_SWITCH)) {
        wf_check_error(s->c, at, WFC_INVALID_COMPONENT_PLACEMENT, "%s cannot stand inside a Switch",
                       kind->type);
    } else if (kind->counted == WF_COUNT_FOOTER && nest.ifs + nest.switches > 1) {
        wf_check_error(s->c, at, WFC_INVALID_COMPONENT_PLACEMENT,
                       "a Footer may stand in the outermost If or Switch only");
    }
}

/* ---- inputs ---- */

/* Rule 74. Pickers beside a Form are in use. */
static void check_form_placement(survey_t *s, const wf_place_t *at, const wf_component_t *kind,
                                 nest_t nest)
{
    if (nest.in_form || !(kind->flags & WF_C_INPUT)) {
        return;
    }
    if (s->c->version < WF_FLOW_VERSION(4, 0)) {
        wf_check_error(s->c, at, WFC_KEYWORD_ONE_OF,
                       "before version 4.0 a %s must stand inside a Form", kind->type);
    } else if (s->screen->has_form) {
        wf_check_report(s->c, kind->flags & WF_C_FREE ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                        WFC_COMPONENTS_OUTSIDE_FORM,
                        "this screen has a Form, so the %s must stand inside it", kind->type);
    }
}

static int visibility_is_bound(const wf_json_t *component)
{
    const wf_json_t *visible = wf_json_get(component, "visible");

    return wf_json_str(visible) != NULL;
}

/* Rule 75. Two inputs of one name of which data shows one at a time work, and are in use. */
static void note_input(survey_t *s, const wf_place_t *at, const wf_component_t *kind,
                       const wf_json_t *component)
{
    const char *name = wf_json_get_str(component, "name", NULL);
    wf_place_t place = wf_place_key(at, "name");
    wf_input_t *input, *other;

    if (!name || !(kind->flags & (WF_C_INPUT | WF_C_NAMED))) {
        return;
    }
    input = apr_pcalloc(s->c->tmp, sizeof(*input));
    input->kind = kind;
    input->json = component;
    input->shown_by_data = visibility_is_bound(component);
    other = apr_hash_get(s->screen->inputs, name, APR_HASH_KEY_STRING);
    if (other) {
        wf_check_report(
            s->c, input->shown_by_data && other->shown_by_data ? WF_ISSUE_WARNING : WF_ISSUE_ERROR,
            &place, WFC_DUPLICATE_FORM_COMPONENT_NAMES, "the name %s is used twice on this screen",
            wf_check_quote(s->c, name));
        return;
    }
    apr_hash_set(s->screen->inputs, name, APR_HASH_KEY_STRING, input);
}

/* ---- the walk ---- */

static tally_t survey_form(survey_t *s, const wf_place_t *at, const wf_json_t *component,
                           nest_t nest)
{
    wf_place_t children = wf_place_key(at, "children");

    if (nest.in_form || nest.ifs || nest.switches) {
        wf_check_error(s->c, at, WFC_INVALID_COMPONENT_PLACEMENT,
                       "a Form stands at the top level of a screen only");
    }
    nest.in_form = 1;
    return survey_list(s, &children, wf_json_get(component, "children"), nest);
}

/* The depth is the parser's. */
static tally_t survey_component(survey_t *s, const wf_place_t *at, const wf_json_t *component,
                                nest_t nest)
{
    const wf_component_t *kind = wf_component_find(wf_json_get_str(component, "type", ""));
    tally_t tally;

    memset(&tally, 0, sizeof(tally));
    s->components++;
    if (!kind) {
        return tally;
    }
    check_branch_placement(s, at, kind, nest);
    check_form_placement(s, at, kind, nest);
    note_input(s, at, kind, component);
    s->texts += (kind->flags & WF_C_TEXT) != 0;
    s->footers += kind->counted == WF_COUNT_FOOTER;
    s->rich_texts += kind->counted == WF_COUNT_RICH_TEXT;
    s->lists += kind->counted == WF_COUNT_NAVIGATION_LIST;
    if (strcmp(kind->type, "Form") == 0) {
        return survey_form(s, at, component, nest);
    }
    if (strcmp(kind->type, "If") == 0) {
        return survey_if(s, at, component, nest);
    }
    if (strcmp(kind->type, "Switch") == 0) {
        return survey_switch(s, at, component, nest);
    }
    if (kind->counted != WF_COUNT_NONE) {
        tally.shown[kind->counted] = 1;
    }
    return tally;
}

static tally_t survey_list(survey_t *s, const wf_place_t *at, const wf_json_t *list, nest_t nest)
{
    size_t i, n = wf_json_type(list) == WF_JSON_ARRAY ? wf_json_len(list) : 0;
    tally_t sum;

    memset(&sum, 0, sizeof(sum));
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        tally_t one = survey_component(s, &place, wf_json_at(list, i), nest);
        add(&sum, &one);
    }
    return sum;
}

/* ---- the screen as a whole ---- */

/* Rules 68 and 69. */
static void check_counts(survey_t *s, const wf_place_t *at, const tally_t *tally)
{
    wf_check_t *c = s->c;
    int i;

    for (i = 0; i < WF_COUNTED; i++) {
        const wf_count_limit_t *limit = wf_count_limit((wf_counted_t)i);
        if (tally->shown[i] > limit->max) {
            wf_check_error(c, at,
                           c->version < WF_FLOW_VERSION(4, 0)
                               ? limit->old_code
                               : WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN,
                           "a screen has at most %d %s, this one has %d", limit->max, limit->type,
                           tally->shown[i]);
        }
    }
    if (tally->shown[WF_COUNT_FOOTER] > 1) {
        wf_check_error(c, at, WFC_MORE_THAN_ONE_FOOTER, "a screen shows one Footer at a time");
    }
    if (tally->shown[WF_COUNT_PHOTO_PICKER] && tally->shown[WF_COUNT_DOCUMENT_PICKER]) {
        wf_check_warn(c, at, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN,
                      "a screen should have a PhotoPicker or a DocumentPicker, not both");
    }
}

/* Rules 72 and 73, both about what must stand alone. Real flows of 7.x put texts beside a
 * NavigationList and everything beside a RichText. */
static void check_alone(survey_t *s, const wf_place_t *at)
{
    wf_check_t *c = s->c;
    int footers = c->version >= WF_FLOW_VERSION(6, 3) ? s->footers : 0;

    if (s->rich_texts && s->components > s->rich_texts + footers) {
        wf_check_report(c, c->version < WF_FLOW_VERSION(6, 3) ? WF_ISSUE_ERROR : WF_ISSUE_WARNING,
                        at, WFC_INVALID_RICHTEXT_PLACEMENT,
                        "a RichText stands alone on its screen%s",
                        footers || c->version >= WF_FLOW_VERSION(6, 3) ? ", but for a Footer" : "");
    }
    if (s->lists && s->components > s->lists) {
        wf_check_report(c, s->components > s->lists + s->texts ? WF_ISSUE_ERROR : WF_ISSUE_WARNING,
                        at, WFC_INVALID_COMPONENT_PLACEMENT,
                        "a NavigationList stands alone on its screen");
    }
}

static void find_form(wf_screen_t *screen, const wf_json_t *children)
{
    size_t i, n = wf_json_len(children);

    for (i = 0; i < n && !screen->has_form; i++) {
        const wf_json_t *component = wf_json_at(children, i);
        screen->has_form = is_type(component, "Form");
        screen->form_name = screen->has_form ? wf_json_get_str(component, "name", NULL) : NULL;
    }
}

void wf_check_structure(wf_check_t *c, wf_screen_t *screen, const wf_place_t *at)
{
    survey_t s = {.c = c, .screen = screen};
    const nest_t top = {0, 0, 0};
    const wf_json_t *children = wf_json_get(wf_json_get(screen->json, "layout"), "children");
    wf_place_t layout = wf_place_key(at, "layout");
    wf_place_t list = wf_place_key(&layout, "children");
    tally_t tally;

    find_form(screen, children);
    tally = survey_list(&s, &list, children, top);
    check_counts(&s, &list, &tally);
    check_alone(&s, &list);
    if (s.components > COMPONENTS_MAX) {
        wf_check_error(c, &list, WFC_MAX_ALLOWED_COMPONENTS_PER_SCREEN,
                       "a screen has at most %d components, this one has %d", COMPONENTS_MAX,
                       s.components);
    }
    if (screen->terminal && !tally.shown[WF_COUNT_FOOTER]) {
        wf_check_error(c, at, WFC_MISSING_FOOTER_ON_TERMINAL_SCREEN,
                       "a terminal screen needs a Footer, which ends the flow");
    }
}
