/* The Flow JSON check: rules 1-87 of WHATSAPP.md 2.9.
 *
 * How it goes: parse; versions; a first walk over every screen for what others refer to (ids, data
 * models, inputs) and for what stands where; routing_model; a second walk over every member by the
 * tables; the graph of routes. Then each issue gets its place in the text.
 *
 * Where a rule lives: the name before the colon is the file wf_flow_check_<name>.c.
 *
 *    1          parse in this file
 *    2-4        document: check_flow_version
 *    5          Meta alone can tell
 *    6          document: check_data_api_version
 *    7          value: report_unknown
 *    8, 84      value: check_known; component: kind_of, check_navigation_list
 *    9          action: wf_check_url
 *   10          value: check_required; component: kind_of
 *   11          value: report_type
 *   12          value: check_enum; action: check_allowed; component: wf_check_mime_types
 *   13          component: kind_of, wf_check_layout; value: check_enum
 *   14          value: report_type, check_static_string; ref: resolve; document: wf_check_screen_id
 *   15          list: check_count; component: report_empty; value: check_static_string
 *   16          value: check_number
 *   17, 21, 22  document: wf_check_screens, check_ends
 *   18          document: collect
 *   19, 20      document: wf_check_screen_id
 *   23, 25      document: check_flags
 *   24, 26      structure: wf_check_structure
 *   27          document: wf_check_sensitive
 *   28          tables: wf_props_screen, "title"
 *   29          action: count_exchange
 *   30, 40      routing: check_presence
 *   31          routing: check_all_listed
 *   32, 33      routing: read_targets, wf_check_routing_model
 *   34          routing: check_short_cycles, check_long_cycles
 *   35-37, 39   routing: check_entry, check_connected, check_ends; wf_check_routes picks the graph
 *   38          routing: wf_check_route_walked
 *   41-43, 67   data: check_declaration, check_items, check_example, wf_check_data_model
 *   44, 47      ref: resolve_data, resolve_screen
 *   45, 48      value: check_bound_type
 *   46          list: check_declared_items
 *   49          ref: resolve_screen, check_backtick
 *   50          expr: all of it; ref: wf_check_condition
 *   58          ref: expression_code, malformed_code
 *   51          action: check_allowed
 *   52          action: check_next
 *   53-56       action: check_navigate_member, check_navigate_complete
 *   57          action: check_has_payload
 *   59, 60      ref: resolve_form, resolve_data
 *   61-63       action: check_picker
 *   64          action: check_update_member; list: check_option_conflicts
 *   65          tables: props_open_url has no payload
 *   66          action: check_exchange_member
 *   68, 69      structure: check_counts; components: count_limits
 *   70, 71      structure: survey_if, survey_switch; component: report_empty, wf_check_cases
 *   72, 73      structure: check_branch_placement, check_alone
 *   74          structure: check_form_placement; action: check_footer_reads_form
 *   75          structure: note_input
 *   76, 77, 80  component: check_footer, check_min_max, check_text_input
 *   78          list: check_option_conflicts
 *   79          date: all of it
 *   81, 82      component: check_form_values
 *   83          list: check_item_action, wf_check_list_items, wf_check_item_end
 *   85          value: check_length
 *   86          list: wf_check_image
 *   87          data: check_example; action: check_payload_value
 *
 * What each version of Flow JSON has is data: tables (versions, actions, parts), components.
 *
 * Meta's validator cannot be asked, and flows that are in use break what its pages say. Where real
 * flows contradict a rule, it only warns in just that case; the comment at the place says which.
 */
#include "flow/wf_flow_check_int.h"

#include <string.h>

#define FLOW_JSON_MAX (10 * 1024 * 1024)
/* Every object and array costs the parser about a kilobyte, every other value a tenth of that.
 * Meta's limits (100 screens of 50 components) leave a real flow far below these. */
#define CONTAINERS_MAX 200000
#define VALUES_MAX 500000

static const wf_place_t root = {NULL, NULL, 0};

/* The text need not be JSON yet. */
static int is_too_big(const char *text, size_t len)
{
    size_t i, containers = 0, commas = 0;

    for (i = 0; i < len; i++) {
        if (text[i] == '"') {
            for (i++; i < len && text[i] != '"'; i++) {
                i += text[i] == '\\';
            }
        } else {
            containers += text[i] == '{' || text[i] == '[';
            commas += text[i] == ',';
        }
    }
    return containers > CONTAINERS_MAX || containers + commas > VALUES_MAX;
}

/* Rule 1. WF_OK with *doc NULL: the text is refused, and that is reported. */
static wf_status_t parse(wf_check_t *c, wf_json_t **doc, const char *text, size_t len)
{
    wf_ctx_t *ctx = wf_ctx_derive(c->ctx, c->pool);
    wf_status_t rc;

    *doc = NULL;
    if (len > FLOW_JSON_MAX) {
        wf_check_error(c, &root, WFC_INVALID_FLOW_JSON,
                       "a Flow JSON has at most 10 MB, this one has %" APR_SIZE_T_FMT " bytes",
                       len);
        return WF_OK;
    }
    if (is_too_big(text, len)) {
        wf_check_error(c, &root, WFC_INVALID_FLOW_JSON,
                       "more than %d objects and arrays, or %d values, are too many for a flow",
                       CONTAINERS_MAX, VALUES_MAX);
        return WF_OK;
    }
    ctx->log.fn = NULL; /* the caller's slip is an answer, not an event */
    rc = wf_json_parse(ctx, doc, text, len, 0);
    if (rc == WF_EINVALID) {
        wf_check_error(c, &root, WFC_INVALID_FLOW_JSON, "%s",
                       ctx->err.public_text ? ctx->err.public_text : "not JSON");
        return WF_OK;
    }
    if (rc != WF_OK) {
        c->ctx->err = ctx->err;
        return rc;
    }
    if (wf_json_type(*doc) != WF_JSON_OBJECT) {
        wf_check_error(c, &root, WFC_INVALID_FLOW_JSON, "a Flow JSON is an object, not %s",
                       wf_json_type_name(wf_json_type(*doc)));
    }
    return WF_OK;
}

wf_status_t wf_flow_check(wf_ctx_t *ctx, wf_issues_t *out, wf_json_t **doc, const char *text,
                          size_t len)
{
    wf_check_t c = {.ctx = ctx, .pool = ctx->pool, .out = out};
    wf_json_t *parsed;
    wf_status_t rc;

    memset(out, 0, sizeof(*out));
    out->issues = apr_array_make(ctx->pool, 8, sizeof(wf_issue_t));
    if (doc) {
        *doc = NULL;
    }
    apr_pool_create(&c.tmp, ctx->pool);
    rc = parse(&c, &parsed, text, len);
    if (rc == WF_OK && wf_json_type(parsed) == WF_JSON_OBJECT) {
        c.doc = parsed;
        wf_check_versions(&c);
        wf_check_collect_screens(&c);
        wf_check_routing_model(&c);
        wf_check_document(&c);
        wf_check_routes(&c);
    }
    if (rc == WF_OK && parsed) {
        wf_check_finish_issues(&c, text, len);
    }
    if (doc && rc == WF_OK) {
        *doc = parsed;
    }
    apr_pool_destroy(c.tmp);
    return rc;
}

static void set_span(wf_json_t *object, const wf_json_span_t *span)
{
    wf_json_set_int(object, "line_start", span->line_start);
    wf_json_set_int(object, "line_end", span->line_end);
    wf_json_set_int(object, "column_start", span->column_start);
    wf_json_set_int(object, "column_end", span->column_end);
}

wf_json_t *wf_issues_json(apr_pool_t *pool, const wf_issues_t *issues)
{
    wf_json_t *list = wf_json_array_make(pool);
    int i;

    for (i = 0; issues->issues && i < issues->issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(issues->issues, i, wf_issue_t);
        wf_json_t *object = wf_json_object_make(pool);
        wf_json_t *place = wf_json_object_make(pool);
        wf_json_t *places = wf_json_array_make(pool);

        wf_json_set_str(object, "error", issue->error);
        wf_json_set_str(object, "error_type", issue->error_type);
        wf_json_set_str(object, "message", issue->message);
        wf_json_set_str(object, "level", issue->level == WF_ISSUE_ERROR ? "error" : "warning");
        wf_json_set_str(object, "pointer", issue->pointer);
        set_span(object, &issue->span);
        set_span(place, &issue->span);
        wf_json_set_str(place, "path", issue->path);
        wf_json_push(places, place);
        wf_json_set(object, "pointers", places);
        wf_json_push(list, object);
    }
    return list;
}
