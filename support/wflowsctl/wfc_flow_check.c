/* wflowsctl flow check, and the reading and checking that `flow add` shares with it. */
#include "wfc_flow.h"

#include <stdio.h>
#include <string.h>

#define FLOW_JSON_MAX (10 * 1024 * 1024) /* Meta's limit; the check says so for one byte more */
#define LOGIC_MAX (1024 * 1024)
#define LOGIC_POINTER "/logic"

/* ---- reading --------------------------------------------------------------------------------- */

static int is_logic(const wf_issue_t *issue)
{
    size_t len = strlen(LOGIC_POINTER);

    return issue->pointer && strncmp(issue->pointer, LOGIC_POINTER, len) == 0 &&
           (issue->pointer[len] == '/' || issue->pointer[len] == '\0');
}

/* Where a text stops being JSON: the parser names the place at the end of its message (wf_json.h).
 */
static void locate_break(wf_json_span_t *span, const char *message)
{
    const char *at = strstr(message, "line ");

    if (at && sscanf(at, "line %d, column %d", &span->line_start, &span->column_start) == 2) {
        span->line_end = span->line_start;
        span->column_end = span->column_start;
    }
}

/* The compiler sees parsed JSON, so the places of what it found are looked up in the texts. */
static void locate_issues(wfc_flow_source_t *flow, const wf_json_t *doc)
{
    int i;

    for (i = 0; i < flow->issues.issues->nelts; i++) {
        wf_issue_t *issue = &APR_ARRAY_IDX(flow->issues.issues, i, wf_issue_t);

        if (issue->span.line_start || !issue->pointer) {
            continue;
        }
        if (is_logic(issue)) {
            (void)wf_json_locate(&issue->span, flow->logic, flow->logic_len,
                                 issue->pointer + strlen(LOGIC_POINTER));
        } else if (doc) {
            (void)wf_json_locate(&issue->span, flow->json, flow->json_len, issue->pointer);
        } else {
            locate_break(&issue->span, issue->message);
        }
    }
}

/* Logic that is not JSON is one more issue, found in its own file. */
static wf_status_t read_logic(wfc_t *c, wfc_flow_source_t *flow, wf_json_t **logic)
{
    wf_ctx_t *ctx = wf_ctx_derive(c->ctx, c->pool);
    wf_issue_t *issue;
    wf_status_t st = wfc_read_file(c, &flow->logic, &flow->logic_len, flow->logic_file, LOGIC_MAX);

    if (st != WF_OK) {
        return st;
    }
    ctx->log.fn = NULL;
    st = wf_json_parse(ctx, logic, flow->logic, flow->logic_len, 0);
    if (st == WF_EINVALID) {
        issue = apr_array_push(flow->issues.issues);
        memset(issue, 0, sizeof(*issue));
        issue->level = WF_ISSUE_ERROR;
        issue->error = "INVALID_LOGIC";
        issue->error_type = "FLOW_JSON_ERROR";
        issue->message = ctx->err.public_text ? ctx->err.public_text : "not JSON";
        issue->pointer = LOGIC_POINTER;
        issue->path = "logic";
        locate_break(&issue->span, issue->message);
        flow->issues.errors++;
        return WF_OK;
    }
    c->ctx->err = ctx->err;
    return st;
}

wf_status_t wfc_flow_source_read(wfc_t *c, wfc_flow_source_t *flow, const char *json_file,
                                 const char *logic_file)
{
    wf_json_t *doc = NULL, *logic = NULL;
    size_t plan_len;
    wf_status_t st;

    memset(flow, 0, sizeof(*flow));
    flow->json_file = strcmp(json_file, "-") == 0 ? "(standard input)" : json_file;
    flow->logic_file = logic_file;
    st = wfc_read_file(c, &flow->json, &flow->json_len, json_file, FLOW_JSON_MAX + 1);
    if (st == WF_OK) {
        st = wf_flow_check(c->ctx, &flow->issues, &doc, flow->json, flow->json_len);
    }
    if (st == WF_OK && logic_file) {
        st = read_logic(c, flow, &logic);
    }
    if (st == WF_OK && flow->issues.errors == 0) {
        st = wf_plan_compile(c->ctx, &flow->plan, &plan_len, &flow->issues, doc, logic);
    }
    if (st == WF_OK) {
        locate_issues(flow, doc);
    }
    return st;
}

/* ---- saying what was found ------------------------------------------------------------------- */

void wfc_flow_issues_print(wfc_t *c, const wfc_flow_source_t *flow, FILE *to)
{
    int i;

    for (i = 0; i < flow->issues.issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(flow->issues.issues, i, wf_issue_t);

        fprintf(to, "%s:%d:%d: %s %s%s%s: %s\n",
                is_logic(issue) && flow->logic_file ? flow->logic_file : flow->json_file,
                issue->span.line_start, issue->span.column_start,
                issue->level == WF_ISSUE_ERROR ? "error" : "warning", issue->error,
                issue->pointer && *issue->pointer ? " at " : "",
                issue->pointer ? issue->pointer : "",
                wfc_cell(c->pool, wf_json_str_make(c->pool, issue->message)));
    }
}

wf_json_t *wfc_flow_issues_json(wfc_t *c, const wfc_flow_source_t *flow)
{
    wf_json_t *document = wf_json_object_make(c->pool);

    wf_json_set_bool(document, "success", flow->issues.errors == 0);
    wf_json_set(document, "validation_errors", wf_issues_json(c->pool, &flow->issues));
    return document;
}

const char *wfc_flow_issues_count(apr_pool_t *pool, const wf_issues_t *issues)
{
    return apr_psprintf(pool, "%d error%s, %d warning%s", issues->errors,
                        issues->errors == 1 ? "" : "s", issues->warnings,
                        issues->warnings == 1 ? "" : "s");
}

wf_status_t wfc_flow_check_run(wfc_t *c)
{
    wfc_flow_source_t flow;
    wf_status_t st = wfc_flow_source_read(c, &flow, c->args[0], wfc_opt(c, "logic"));

    if (st != WF_OK) {
        return st;
    }
    if (flow.issues.errors) {
        c->exit_code = WFC_EXIT_FAILED;
    }
    if (c->json) {
        wfc_print_json(c, wfc_flow_issues_json(c, &flow));
        return WF_OK;
    }
    wfc_flow_issues_print(c, &flow, stdout);
    printf("%s: %s (%s)\n", flow.json_file, flow.issues.errors ? "not valid" : "valid",
           wfc_flow_issues_count(c->pool, &flow.issues));
    return WF_OK;
}
