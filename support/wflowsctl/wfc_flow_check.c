/* wflowsctl flow check, and the reading and checking that `flow add` shares with it. */
#include "wfc_flow.h"

#include <stdio.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------------------- */

static wf_status_t read_text(wfc_t *c, wf_slice_t *out, const char *file, size_t max)
{
    return wfc_read_file(c, &out->data, &out->len, file, max);
}

wf_status_t wfc_flow_source_read(wfc_t *c, wfc_flow_source_t *flow, const char *json_file,
                                 const char *logic_file)
{
    wf_status_t st;

    memset(flow, 0, sizeof(*flow));
    flow->json_file = strcmp(json_file, "-") == 0 ? "(standard input)" : json_file;
    flow->logic_file = logic_file;
    st = read_text(c, &flow->draft.flow_json, json_file, WF_FLOW_JSON_MAX + 1);
    if (st == WF_OK && logic_file) {
        st = read_text(c, &flow->draft.logic, logic_file, WF_FLOW_LOGIC_MAX);
    }
    return st == WF_OK ? wf_flow_draft_check(c->ctx, &flow->draft) : st;
}

/* ---- saying what was found ------------------------------------------------------------------- */

void wfc_flow_issues_print(wfc_t *c, const wfc_flow_source_t *flow, FILE *to)
{
    int i;

    for (i = 0; i < flow->draft.issues.issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(flow->draft.issues.issues, i, wf_issue_t);

        fprintf(to, "%s:%d:%d: %s %s%s%s: %s\n",
                wf_flow_draft_is_logic(&flow->draft, i) ? flow->logic_file : flow->json_file,
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

    wf_json_set_bool(document, "success", flow->draft.issues.errors == 0);
    wf_json_set(document, "validation_errors", wf_issues_json(c->pool, &flow->draft.issues));
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
    if (flow.draft.issues.errors) {
        c->exit_code = WFC_EXIT_FAILED;
    }
    if (c->json) {
        wfc_print_json(c, wfc_flow_issues_json(c, &flow));
        return WF_OK;
    }
    wfc_flow_issues_print(c, &flow, stdout);
    printf("%s: %s (%s)\n", flow.json_file, flow.draft.issues.errors ? "not valid" : "valid",
           wfc_flow_issues_count(c->pool, &flow.draft.issues));
    return WF_OK;
}
